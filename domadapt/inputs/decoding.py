"""Files of photographs as tensors, one by one and in whole batches, in worker processes."""

import functools
import gc
import math
import multiprocessing
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

# Of ImageNet, by colour, which is what torchvision's weights expect.
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class UnreadableImageError(ValueError):
    """A file is not there, or holds no image that can be read whole."""


def to_network(images, device, dtype):
    """Bring images to a device and, from uint8, to normalised floating point.

    Parameters
    ----------
    images : Tensor of shape (n, 3, height, width)
        In uint8 or floating point.
    device : torch.device
        Where they are wanted.
    dtype : torch.dtype
        In what floating point.

    Returns
    -------
    images : Tensor of shape (n, 3, height, width)
        In channels-last order in memory.
    """
    images = images.to(device, non_blocking=True, memory_format=torch.channels_last)
    if images.dtype != torch.uint8:
        return images.to(dtype)
    mean, scale = _normalisation(device, dtype)
    return images.to(dtype).sub_(mean).mul_(scale)


@functools.lru_cache(maxsize=8)
@torch.inference_mode(False)  # What is made in inference mode would be of no use in training.
def _normalisation(device, dtype):
    """Give what is subtracted from bytes and what the rest is multiplied by, once a device."""
    mean, std = (torch.tensor(v, device=device, dtype=dtype).view(3, 1, 1) for v in (MEAN, STD))
    return mean * 255.0, 1.0 / (std * 255.0)


def decode(path):
    """Read an image file.

    Parameters
    ----------
    path : str
        The file, in any format that pillow knows.

    Returns
    -------
    image : Tensor of shape (3, height, width), uint8
        Red, green, blue. A moving picture is stood for by its first frame.

    Raises
    ------
    UnreadableImageError
        If it cannot be read whole.
    """
    from PIL import Image

    # Torchvision's own decoders end the process at some damaged PNG files.
    try:
        with Image.open(path) as image:
            return torch.from_numpy(np.array(_to_rgb(image))).permute(2, 0, 1)
    except Exception as error:  # A damaged file fails in whatever way it likes.
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UnreadableImageError(
            f"The image {path!r} cannot be read: {reason}. Mend or remove the file, or leave such "
            "files out with ImageLoader(unreadable='skip')."
        ) from error


def _to_rgb(image):
    from PIL import Image

    if image.mode.startswith("I;16"):
        # Pillow would cut values off at 255. Of three channels it keeps the high bytes too.
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    return image if image.mode == "RGB" else image.convert("RGB")


class PreparedImages:
    """Images decoded and resized, from memory where they were read before.

    Parameters
    ----------
    paths : sequence of str
        The files.
    resize : int or None
        Width and height of the square that images are resized to; None leaves them as
        they are.
    memory : buffer or None
        ``n_images * (3 * resize**2 + 1)`` bytes, all of them zero, for the images that
        were read and a mark for each. Processes that share it decode each image once.
        None keeps nothing.
    """

    def __init__(self, paths, resize, memory):
        self.paths, self.resize = paths, resize
        self.kept: Any = None
        self.known: Any = None
        if memory is not None:
            shape = (len(paths), 3, resize, resize)
            self.kept = torch.frombuffer(memory, dtype=torch.uint8, count=math.prod(shape))
            self.kept = self.kept.view(shape)
            self.known = torch.frombuffer(memory, dtype=torch.bool, offset=math.prod(shape))
        if resize is not None:
            # Here and not in each of the worker processes, to which it takes seconds.
            from torchvision.transforms.v2.functional import resize as to_size

            self.to_size = to_size

    def __getitem__(self, row):
        if self.known is not None and self.known[row]:
            return self.kept[row].clone()
        image = decode(str(self.paths[row]))
        if self.resize is not None:
            image = self.to_size(image, [self.resize] * 2, antialias=True)
        if self.known is not None:
            self.kept[row] = image
            self.known[row] = True
        return image


def can_fork():
    """Say whether worker processes can see the memory of this one.

    Returns
    -------
    answer : bool
        True where a process can be forked.
    """
    return "fork" in multiprocessing.get_all_start_methods()


class BatchDataset(Dataset):
    """Whole batches by their step, their share and their rows.

    What is wrong with an image or with what a transform returned comes back as the error
    itself. Raised in a worker process, it would come with a traceback in its message.

    Parameters
    ----------
    domains : list of PreparedImages
        Images of each domain.
    transform : callable
        From an image to what goes into a batch.
    seed : int or None
        Draws the transforms of training; None stands for prediction.
    """

    def __init__(self, domains, transform, seed):
        self.domains, self.transform, self.seed = domains, transform, seed

    def __getitem__(self, key):
        step, first_place, rows_by_domain = key
        train = self.seed is not None
        images = []
        # A process of its own or not, the generator of whoever asks stays as it was.
        with torch.random.fork_rng(devices=[], enabled=train):
            for domain, rows in enumerate(rows_by_domain):
                for place, row in enumerate(rows, start=first_place * len(rows)):
                    try:
                        image = self.domains[domain][row]
                    except UnreadableImageError as error:
                        return error
                    if train:
                        mixed = np.random.SeedSequence((self.seed, step, domain, place))
                        torch.default_generator.manual_seed(int(mixed.generate_state(1)[0]))
                    images.append(self.transform(image))
        try:
            return stack_transformed(images, train=train)
        except (TypeError, ValueError) as error:
            return error


def stack_transformed(images, *, train):
    """Stack what a transform returned, if it is what it should be.

    Parameters
    ----------
    images : list of Tensor of shape (channels, height, width)
        In uint8 or floating point.
    train : bool
        Whether the transform was that of training.

    Returns
    -------
    batch : Tensor of shape (n, channels, height, width)
        In the dtype of the images.

    Raises
    ------
    TypeError
        If one is no tensor of three axes, or of another dtype.
    ValueError
        If they differ in shape.
    """
    name = "train_transform" if train else "eval_transform"
    for image in images:
        if not (isinstance(image, torch.Tensor) and image.ndim == 3):
            is_array = hasattr(image, "shape")
            came = f"shape {tuple(image.shape)}" if is_array else type(image).__name__
        elif image.dtype == torch.uint8 and len(image) != 3:
            came = f"{len(image)} channels in uint8"
        elif image.dtype != torch.uint8 and not image.is_floating_point():
            came = f"{image.dtype}"
        else:
            continue
        raise TypeError(
            f"{name} returned {came}. A tensor of shape (channels, height, width) was expected: "
            "three channels in uint8, or any in floating point."
        )
    shapes = sorted({tuple(image.shape) for image in images})
    if len(shapes) > 1:
        raise ValueError(
            f"{name} returned images of different shapes, such as {shapes[0]} and {shapes[-1]}. "
            "All images of a batch need one shape: crop or resize them."
        )
    return torch.stack(images)


class ReadableDataset(Dataset):
    """Whether each of some images can be read.

    Parameters
    ----------
    paths : sequence of str
        The files.
    """

    def __init__(self, paths):
        self.paths = paths

    def __getitem__(self, rows):
        return torch.tensor([self._is_readable(str(self.paths[row])) for row in rows])

    @staticmethod
    def _is_readable(path):
        try:
            decode(path)
        except UnreadableImageError:
            return False
        return True


class Order:
    """The keys of the next epoch's batches.

    Attributes
    ----------
    keys : list
        To be set before each epoch.
    """

    def __init__(self):
        self.keys = []

    def __iter__(self):
        return iter(self.keys)

    def __len__(self):
        return len(self.keys)


def make_data_loader(dataset, order, n_workers, device, *, keep=False):
    """Build torch's loader for a dataset of whole batches.

    Parameters
    ----------
    dataset : BatchDataset or ReadableDataset
        Gives a batch for a key.
    order : iterable
        The keys.
    n_workers : int
        Processes that ask for batches; with 0 or less this one does.
    device : torch.device
        Where batches go next.
    keep : bool, default=False
        Whether the processes wait for a next epoch when one is through.

    Returns
    -------
    loader : DataLoader
        Gives batches in the order of the keys.
    """
    n_workers = max(0, n_workers)
    return DataLoader(
        dataset,
        batch_size=None,
        sampler=order,
        num_workers=n_workers,
        pin_memory=device.type == "cuda",
        persistent_workers=keep and n_workers > 0,
        multiprocessing_context="fork" if n_workers > 0 and can_fork() else None,
        worker_init_fn=_forget_what_was_there,
        # Without one, torch's global generator would be drawn from.
        generator=torch.Generator().manual_seed(0),
    )


def _forget_what_was_there(_):
    # Other loaders that this process inherited are not its own to shut down.
    gc.freeze()


def give_or_raise(batch):
    """Give a batch, or raise it where it is an error.

    Parameters
    ----------
    batch : Tensor or Exception
        What a dataset gave.

    Returns
    -------
    batch : Tensor
        The same.

    Raises
    ------
    UnreadableImageError, TypeError, ValueError
        The error.
    """
    if isinstance(batch, Exception):
        raise batch
    return batch


def load_batches(loader):
    """Give the batches of a loader, and raise those that are errors.

    Parameters
    ----------
    loader : DataLoader
        As :func:`make_data_loader` built it.

    Yields
    ------
    batch : Tensor
        What the dataset gave.

    Raises
    ------
    UnreadableImageError
        If an image cannot be read.
    TypeError, ValueError
        If a transform returned what it should not.
    """
    try:
        yield from map(give_or_raise, loader)
    except BaseException as error:
        if loader.num_workers > 0:
            # Whoever keeps the error is not to keep the processes. What went wrong in one
            # of them stands in the message.
            error.with_traceback(None)
        del loader
        raise error
