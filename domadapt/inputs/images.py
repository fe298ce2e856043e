"""Photographs as batches: decoded and transformed in worker processes."""

import mmap
import os
from numbers import Integral, Real

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval, StrOptions

from domadapt._storage.fingerprints import describe
from domadapt.inputs.decoding import (
    BatchDataset,
    Order,
    PreparedImages,
    ReadableDataset,
    can_fork,
    give_or_raise,
    load_batches,
    make_data_loader,
    stack_transformed,
    to_network,
)

SMALLEST_CROP = 0.08
ROWS_PER_PIECE = 64


class ImageLoader(BaseEstimator):
    """How paths of photographs become batches.

    Each image is decoded, resized to a square, and transformed. The square may be kept
    in memory, so that later epochs decode nothing.

    Parameters
    ----------
    resize : int or None, default=256
        Width and height in pixels of the square that an image is resized to, whatever
        its shape. None leaves images as they are, and nothing is kept in memory.
    crop : int, default=224
        Width and height in pixels of what the network sees: a random part of the square
        in training, its centre otherwise.
    train_transform : callable, default=None
        From a uint8 tensor of shape (3, height, width) to a tensor. None takes a random
        crop of 8 % of the square or more, resized to ``crop``, and mirrors every other
        image. A result in uint8 is scaled and normalised by ImageNet's mean and standard
        deviation; a result in floating point is used as it is. Chance has to come from
        torch's global generator, as torchvision's transforms have it.
    eval_transform : callable, default=None
        The same for prediction and for frozen features. None crops the centre.
    n_workers : int or None, default=None
        Processes that decode. None takes one for each core, 8 at most; with 0 the
        training process decodes.
    cache_megabytes : float, default=1024
        Memory for resized images, in MB. Where those of a fit need more than that,
        nothing is kept.
    unreadable : {"raise", "skip"}, default="raise"
        What ``fit`` does with images that cannot be read. ``"skip"`` reads all of them
        once before training, leaves those out and warns how many there were.

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
        "unreadable": [StrOptions({"raise", "skip"})],
    }

    def __init__(
        self,
        *,
        resize=256,
        crop=224,
        train_transform=None,
        eval_transform=None,
        n_workers=None,
        cache_megabytes=1024,
        unreadable="raise",
    ):
        self.resize = resize
        self.crop = crop
        self.train_transform = train_transform
        self.eval_transform = eval_transform
        self.n_workers = n_workers
        self.cache_megabytes = cache_megabytes
        self.unreadable = unreadable

    def read(self, path, *, train=False):
        """Read one image as the network gets it, short of normalisation.

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
            In uint8, or in what the transform returned.

        Raises
        ------
        UnreadableImageError
            If it cannot be read.
        TypeError
            If a transform of your own returned what it should not.
        """
        images = PreparedImages([str(path)], self.resize, memory=None)
        image = _transform(self, train=train)(images[0])
        return stack_transformed([image], train=train)[0]

    def stream(self, paths, device, dtype):
        """Read images in order, transformed for prediction.

        Parameters
        ----------
        paths : ndarray of shape (n_images,), str
            The images.
        device : torch.device
            Where they are wanted.
        dtype : torch.dtype
            In what floating point.

        Yields
        ------
        images : Tensor of shape (n, 3, height, width)
            Normalised.

        Raises
        ------
        UnreadableImageError
            At the first image that cannot be read.
        TypeError, ValueError
            If a transform of your own returned what it should not.
        """
        prepared = PreparedImages(paths, self.resize, memory=None)
        rows = torch.arange(len(paths)).split(ROWS_PER_PIECE)
        dataset = BatchDataset([prepared], _transform(self, train=False), seed=None)
        # Starting a process takes longer than to read one piece.
        n_workers = min(self._count_workers(), len(rows) - 1)
        keys = [(0, 0, [piece.tolist()]) for piece in rows]
        for batch in load_batches(make_data_loader(dataset, keys, n_workers, device)):
            yield to_network(batch, device, dtype)

    def find_readable(self, paths):
        """Say which images can be read, by reading all of them whole.

        Parameters
        ----------
        paths : ndarray of shape (n_images,), str
            The images.

        Returns
        -------
        readable : ndarray of shape (n_images,), bool
            One entry for each.
        """
        dataset = ReadableDataset(paths)
        pieces = [piece.tolist() for piece in torch.arange(len(paths)).split(ROWS_PER_PIECE)]
        n_workers = min(self._count_workers(), len(pieces) - 1)
        loader = make_data_loader(dataset, pieces, n_workers, torch.device("cpu"))
        return np.concatenate([piece.numpy() for piece in load_batches(loader)])

    def describe(self):
        """Say in a text what becomes of an image in prediction.

        Two loaders with the same text give the same images.

        Returns
        -------
        text : str
            Names the square, the crop and the transform.
        """
        transform = self.eval_transform
        what = f"centre {self.crop}" if transform is None else describe(transform)
        return f"resize {self.resize}, {what}"

    def _count_workers(self):
        if self.n_workers is not None:
            return self.n_workers
        # The cores that this process may use are often fewer than there are.
        has_affinity = hasattr(os, "sched_getaffinity")
        n_cores = len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1
        return min(n_cores, 8)


class ImageBatches:
    """Batches out of photographs, in an order that is known beforehand.

    Parameters
    ----------
    parts : dict of str to ndarray of shape (n_images,), str
        Paths of each part of a batch, in their order.
    loader : ImageLoader
        How images become batches.
    device : torch.device
        Where batches are wanted.
    dtype : torch.dtype
        In what floating point.
    seed : int
        Draws the transforms. What an image becomes depends on the seed, the step and its
        place in the batch, and on nothing else.

    Attributes
    ----------
    n_rows : dict of str to int
        Rows of each part.
    """

    def __init__(self, parts, loader, device, dtype, seed):
        self.n_rows = {part: len(paths) for part, paths in parts.items()}
        self.device, self.dtype = device, dtype
        self.n_workers = loader._count_workers()
        prepared = [
            PreparedImages(paths, loader.resize, memory)
            for paths, memory in zip(
                parts.values(), _allot(loader, self.n_rows.values()), strict=True
            )
        ]
        self.dataset = BatchDataset(prepared, _transform(loader, train=True), seed)
        self.order = Order()
        self.workers = None

    def gather(self, index):
        """Read one batch in this process.

        Parameters
        ----------
        index : list of Tensor of shape (n,), int64
            Rows of each part.

        Returns
        -------
        inputs : Tensor of shape (n, 3, height, width)
            Normalised, in the order of the parts.
        """
        batch = give_or_raise(self.dataset[0, 0, [rows.tolist() for rows in index]])
        return to_network(batch, self.device, self.dtype)

    def epoch(self, index, first_step, first_place=0):
        """Read batches in worker processes.

        Parameters
        ----------
        index : list of Tensor of shape (n_steps, n), int64
            For each part the rows of each step.
        first_step : int
            Number of the first of them in the whole training.
        first_place : int, default=0
            Which share of the batch of all processes these rows are: the place of the
            first row of a part, in shares of n.

        Yields
        ------
        inputs : Tensor of shape (n, 3, height, width)
            Normalised, in the order of the parts.
        """
        steps = zip(*(rows.tolist() for rows in index), strict=True)
        self.order.keys = [
            (step, first_place, list(rows)) for step, rows in enumerate(steps, start=first_step)
        ]
        if self.workers is None:
            # Kept for all epochs: they hold what starting them has cost.
            self.workers = make_data_loader(
                self.dataset, self.order, self.n_workers, self.device, keep=True
            )
        try:
            for batch in load_batches(self.workers):
                yield to_network(batch, self.device, self.dtype)
        except BaseException:
            # Whoever keeps the error, and this with it, is not to keep the processes.
            self.workers = None
            raise

    def close(self):
        """End the worker processes. The next epoch would start new ones."""
        self.workers = None


def _allot(loader, n_rows):
    """Give each part memory that all processes share, or None where it is too much.

    Anonymous memory is used, and taken up page by page as images arrive. Only processes
    that are forked see it.
    """
    if loader.resize is None or not (can_fork() or loader._count_workers() == 0):
        return [None] * len(n_rows)
    sizes = [n * (3 * loader.resize**2 + 1) for n in n_rows]
    if sum(sizes) > loader.cache_megabytes * 1e6:
        return [None] * len(n_rows)
    return [mmap.mmap(-1, size) for size in sizes]


def _transform(loader, *, train):
    """Give the caller's transform or the recipes' own."""
    given = loader.train_transform if train else loader.eval_transform
    if given is not None:
        return given
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
