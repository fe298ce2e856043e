"""Photographs as mini-batches: decoded and transformed in worker processes."""

import mmap
import os
from collections.abc import Callable
from numbers import Integral, Real
from typing import Any, Literal

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval, StrOptions

from domadapt._storage.files import check_folder
from domadapt._storage.fingerprints import describe
from domadapt.inputs.decoding import (
    BatchDataset,
    KeySampler,
    PreparedImages,
    ReadableDataset,
    load_batches,
    make_data_loader,
    return_or_raise,
    stack_transformed,
    to_network,
)
from domadapt.inputs.kept_images import KeptImages, can_fork

SMALLEST_CROP = 0.08
IMAGES_PER_CHUNK = 64


class ImageLoader(BaseEstimator):
    """Settings that turn paths of photographs into mini-batches.

    Each image is decoded, resized to a square, and transformed. The square may be cached
    in memory, so that later epochs decode nothing, and in a folder, so that later fits and
    predictions do not either. A cached image has the same pixels as one that is decoded.

    Parameters
    ----------
    resize : int or None, default=256
        Width and height in pixels of the square that an image is resized to, whatever
        its shape. None leaves images as they are, and nothing is cached in memory. A JPEG
        of eight times the width and height or more is decoded at a half, a quarter or an
        eighth of its size first.
    crop : int, default=224
        Width and height in pixels of the network's input: a random part of the square
        in training, its centre otherwise.
    train_transform : callable, default=None
        Maps a uint8 tensor of shape (3, height, width) to a tensor. None takes a random
        crop of 8 % of the square or more, resized to ``crop``, and flips it horizontally
        with probability 0.5. A result in uint8 is scaled and normalised by ImageNet's
        mean and standard deviation; a result in floating point is used as it is. Random
        numbers have to come from torch's global generator, as in torchvision's
        transforms.
    eval_transform : callable, default=None
        The same for prediction and for frozen features. None crops the centre.
    n_workers : int or None, default=None
        Worker processes that decode. None takes one for each core, 8 at most; with 0 the
        training process decodes.
    cache_megabytes : float, default=1024
        Memory for resized images, in MB. Where those of a fit need more than that,
        nothing is cached in memory.
    cache_folder : str or path, default=None
        A folder in which resized images are kept, each in a file of 3 * resize ** 2 bytes,
        and found again by the path, the size and the time of the image. Several processes
        may share it. Images that fit into ``cache_megabytes`` are read from it once for a
        fit. A model that is saved does not name it.
    unreadable : {"raise", "skip"}, default="raise"
        What ``fit`` does with images that cannot be read. ``"skip"`` reads all images
        once before training, leaves the unreadable ones out and warns of their number.

    Examples
    --------
    >>> from domadapt import AlignmentClassifier, ImageLoader
    >>> clf = AlignmentClassifier(image_loader=ImageLoader(resize=146, crop=128))
    >>> clf.set_params(image_loader__n_workers=0).image_loader.n_workers
    0
    """

    _parameter_constraints: dict = {
        "resize": [Interval(Integral, 1, None, closed="left"), None],
        "crop": [Interval(Integral, 1, None, closed="left")],
        "train_transform": [callable, None],
        "eval_transform": [callable, None],
        "n_workers": [Interval(Integral, 0, None, closed="left"), None],
        "cache_megabytes": [Interval(Real, 0, None, closed="left")],
        "cache_folder": [str, os.PathLike, None],
        "unreadable": [StrOptions({"raise", "skip"})],
    }

    def __init__(
        self,
        *,
        resize: int | None = 256,
        crop: int = 224,
        train_transform: Callable[[Any], Any] | None = None,
        eval_transform: Callable[[Any], Any] | None = None,
        n_workers: int | None = None,
        cache_megabytes: float = 1024,
        cache_folder: str | os.PathLike[str] | None = None,
        unreadable: Literal["raise", "skip"] = "raise",
    ) -> None:
        self.resize = resize
        self.crop = crop
        self.train_transform = train_transform
        self.eval_transform = eval_transform
        self.n_workers = n_workers
        self.cache_megabytes = cache_megabytes
        self.cache_folder = cache_folder
        self.unreadable = unreadable

    def _validate_params(self):
        super()._validate_params()
        if self.cache_folder is not None:
            check_folder("cache_folder", self.cache_folder)

    def read(self, path, *, train=False):
        """Read one image as the network gets it, before normalisation.

        Parameters
        ----------
        path : str or path
            The image.
        train : bool, default=False
            Whether to apply the transform of training, which draws from torch's global
            generator.

        Returns
        -------
        image : Tensor of shape (3, height, width)
            In uint8, or in the dtype that the transform returned.

        Raises
        ------
        UnreadableImageError
            If it cannot be read.
        TypeError
            If your own transform returned something other than an image.
        """
        images = self._prepared([str(path)])
        image = _transform(self, train=train)(images[0])
        return stack_transformed([image], train=train)[0]

    def stream(self, paths, device, dtype):
        """Read images in order, transformed for prediction.

        Parameters
        ----------
        paths : ndarray of shape (n_images,), str
            The images.
        device, dtype : torch.device, torch.dtype
            Of the images.

        Yields
        ------
        images : Tensor of shape (n, 3, height, width)
            Normalised.

        Raises
        ------
        UnreadableImageError
            At the first image that cannot be read.
        TypeError, ValueError
            If your own transform returned something other than images of one shape.
        """
        dataset = BatchDataset([self._prepared(paths)], _transform(self, train=False), seed=None)
        keys = [(0, 0, [chunk]) for chunk in _chunks(len(paths))]
        for batch in self._load_once(dataset, keys, device):
            yield to_network(batch, device, dtype)

    def find_readable(self, paths):
        """Return which images can be read, after reading all of them completely.

        Parameters
        ----------
        paths : ndarray of shape (n_images,), str
            The images.

        Returns
        -------
        readable : ndarray of shape (n_images,), bool
            One entry for each image.
        """
        # Without a folder the resized images would be thrown away.
        images = PreparedImages(paths, None) if self.cache_folder is None else self._prepared(paths)
        chunks = _chunks(len(paths))
        found = self._load_once(ReadableDataset(images), chunks, torch.device("cpu"))
        return np.concatenate([chunk.numpy() for chunk in found])

    def describe(self):
        """Return a text that describes how an image is processed in prediction.

        Two loaders with the same text produce the same images.

        Returns
        -------
        text : str
            Names the square, the crop and the transform.
        """
        transform = self.eval_transform
        crop = f"centre {self.crop}" if transform is None else describe(transform)
        return f"resize {self.resize}, {crop}"

    def _prepared(self, paths):
        return PreparedImages(paths, self.resize, kept=self._kept())

    def _kept(self):
        return None if self.cache_folder is None else KeptImages(self.cache_folder)

    def _load_once(self, dataset, keys, device):
        # Starting a process takes longer than reading one chunk.
        n_workers = min(self._count_workers(), len(keys) - 1)
        return load_batches(make_data_loader(dataset, keys, n_workers, device))

    def _count_workers(self):
        if self.n_workers is not None:
            return self.n_workers
        # The cores that this process may use are often fewer than there are.
        has_affinity = hasattr(os, "sched_getaffinity")
        n_cores = len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1
        return min(n_cores, 8)


class ImageBatches:
    """Mini-batches of photographs, whose paths are given for each part of a batch.

    How an image is transformed depends only on the seed, the step and its position in the batch.
    """

    def __init__(self, parts, loader, device, dtype, seed):
        self.n_samples = {part: len(paths) for part, paths in parts.items()}
        self.device, self.dtype = device, dtype
        self.n_workers = loader._count_workers()
        kept = loader._kept()
        caches = _allocate_caches(loader, self.n_samples.values())
        prepared = [
            PreparedImages(paths, loader.resize, memory=cache, kept=kept)
            for paths, cache in zip(parts.values(), caches, strict=True)
        ]
        self.dataset = BatchDataset(prepared, _transform(loader, train=True), seed)
        self.sampler = KeySampler()
        self.workers = None

    def gather(self, index):
        """Read one mini-batch in this process, from the indices (n,) of each part's images."""
        batch = return_or_raise(self.dataset[0, 0, [part.tolist() for part in index]])
        return to_network(batch, self.device, self.dtype)

    def epoch(self, index, first_step, rank=0):
        """Read mini-batches in worker processes, from the indices (n_steps, n) of each part."""
        # The step in the whole training and the rank of this process decide the random draws.
        steps = zip(*(part.tolist() for part in index), strict=True)
        self.sampler.keys = [
            (step, rank, list(images)) for step, images in enumerate(steps, start=first_step)
        ]
        if self.workers is None:
            # Kept for all epochs: starting them is slow.
            self.workers = make_data_loader(
                self.dataset, self.sampler, self.n_workers, self.device, keep=True
            )
        try:
            for batch in load_batches(self.workers):
                yield to_network(batch, self.device, self.dtype)
        except BaseException:
            # A stored error holds this frame, which must not keep the processes alive.
            self.workers = None
            raise

    def close(self):
        """Stop the worker processes. The next epoch would start new ones."""
        self.workers = None


def _chunks(n_images):
    return [chunk.tolist() for chunk in torch.arange(n_images).split(IMAGES_PER_CHUNK)]


def _allocate_caches(loader, n_images):
    """Return for each part memory that all processes share, or None where it is too much."""
    no_caches = [None] * len(n_images)
    if loader.resize is None or not (can_fork() or loader._count_workers() == 0):
        return no_caches
    sizes = [n * (3 * loader.resize**2 + 1) for n in n_images]
    if sum(sizes) > loader.cache_megabytes * 1e6:
        return no_caches
    # Anonymous memory is used up page by page as images arrive; only forked processes see it.
    return [mmap.mmap(-1, size) for size in sizes]


def _transform(loader, *, train):
    """Return the user's transform or the default one."""
    own = loader.train_transform if train else loader.eval_transform
    if own is not None:
        return own
    from torchvision.transforms import v2

    if not train:
        if loader.resize is not None and loader.crop > loader.resize:
            raise ValueError(
                f"crop={loader.crop} is larger than resize={loader.resize}: the centre would have "
                "a black frame. Make resize larger or crop smaller."
            )
        return v2.CenterCrop(loader.crop)
    crop = v2.RandomResizedCrop(loader.crop, scale=(SMALLEST_CROP, 1.0), antialias=True)
    return v2.Compose([crop, v2.RandomHorizontalFlip()])


def leave_out_unreadable(domains, loader):
    """Return domains of paths without images that cannot be read, and how many those were.

    With ``unreadable="raise"``, or no loader, nothing is read and all stay.

    Raises
    ------
    ValueError
        If no image of a domain can be read.
    """
    if loader is None or loader.unreadable == "raise":
        return domains, 0
    readable = {"source": _find_readable(domains.source, loader)}
    if domains.target is not None:
        readable["target"] = _find_readable(domains.target, loader)
    return domains.keep(**readable), sum(int((~found).sum()) for found in readable.values())


def _find_readable(samples, loader):
    paths = samples.take(slice(None))
    readable = loader.find_readable(paths)
    if not readable.any():
        raise ValueError(
            f"None of the {len(paths)} images of a domain can be read, such as {paths[0]!r}."
        )
    return readable
