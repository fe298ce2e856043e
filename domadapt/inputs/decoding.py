"""Files of photographs as tensors, one by one and in whole mini-batches, in worker processes."""

import functools
import gc
import math
import os
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from domadapt.inputs.kept_images import can_fork

# Of ImageNet, for each colour channel, as torchvision's weights expect.
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


# A JPEG that is to be resized is decoded at a half, a quarter or an eighth of its size, where
# that leaves this many times the pixels in each direction: colours hardly change by it.
LEAST_REDUCED = 4

# As Pillow calls them.
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")


class UnreadableImageError(ValueError):
    """A file does not exist, or holds no image that can be read completely."""


def to_network(images, device, dtype):
    """Move images (n, 3, height, width) to a device, channels last, and normalise uint8."""
    images = images.to(device, non_blocking=True, memory_format=torch.channels_last)
    if images.dtype != torch.uint8:
        return images.to(dtype)
    mean, scale = _normalisation(device, dtype)
    return images.to(dtype).sub_(mean).mul_(scale)


@functools.lru_cache(maxsize=8)
@torch.inference_mode(False)  # Tensors created in inference mode cannot be used in training.
def _normalisation(device, dtype):
    """Return the mean and the factor that normalise bytes."""
    mean, std = (torch.tensor(v, device=device, dtype=dtype).view(3, 1, 1) for v in (MEAN, STD))
    return mean * 255.0, 1.0 / (std * 255.0)


def decode(path, resize=None):
    """Read an image file as uint8 (3, height, width); of an animation, the first frame.

    A large JPEG that is to be resized to a square of ``resize`` pixels may come out smaller.

    Raises
    ------
    UnreadableImageError
        If it cannot be read completely.
    """
    from PIL import Image

    # Torchvision's own decoders crash the process on some damaged PNG files. Pillow would hand
    # others than these formats to programs such as Ghostscript, and wait for a pipe to fill.
    try:
        if not os.path.isfile(path):
            raise OSError("it is no regular file, or not there")
        with Image.open(path, formats=FORMATS) as image:
            if resize is not None:
                image.draft(None, (LEAST_REDUCED * resize,) * 2)
            return torch.from_numpy(np.array(_to_rgb(image))).permute(2, 0, 1)
    except Exception as error:  # Damaged files raise errors of many types.
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UnreadableImageError(
            f"The image {path!r} cannot be read: {reason}. Mend or remove the file, or leave such "
            "files out with ImageLoader(unreadable='skip')."
        ) from error


def _to_rgb(image):
    from PIL import Image

    if image.mode.startswith("I;16"):
        # Pillow would clip values at 255. Of images with three channels it keeps the high bytes.
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    return image if image.mode == "RGB" else image.convert("RGB")


class PreparedImages:
    """Images decoded and resized to a square, read from caches where they are there already."""

    # The memory holds each image and a flag for it, all zero at first. Processes that share it
    # decode each image once. Without memory and without kept images nothing is cached.
    def __init__(self, paths, resize, *, memory=None, kept=None):
        self.paths, self.resize, self.kept = paths, resize, kept
        self.cache: Any = None
        self.is_cached: Any = None
        if memory is not None:
            shape = (len(paths), 3, resize, resize)
            n_bytes = math.prod(shape)
            self.cache = torch.frombuffer(memory, dtype=torch.uint8, count=n_bytes).view(shape)
            self.is_cached = torch.frombuffer(memory, dtype=torch.bool, offset=n_bytes)
        if resize is not None:
            # Imported once here, since importing it takes seconds in each worker process.
            from torchvision.transforms.v2.functional import resize as resize_image

            self.resize_image = resize_image

    def __getitem__(self, index):
        if self.is_cached is not None and self.is_cached[index]:
            return self.cache[index].clone()
        path = str(self.paths[index])
        if self.kept is None:
            image = self._prepare(path)
        else:
            image = self.kept.get(path, self.resize, self._prepare)
        if self.is_cached is not None:
            self.cache[index] = image
            self.is_cached[index] = True
        return image

    def _prepare(self, path):
        image = decode(path, self.resize)
        if self.resize is None:
            return image
        return self.resize_image(image, [self.resize] * 2, antialias=True)


class BatchDataset(Dataset):
    """Whole mini-batches by their step, the rank of the process and the images of each part."""

    # An error is returned and not raised: from a worker process, a raised one comes with a
    # traceback in its message. The seed is None in prediction, where nothing is random.
    def __init__(self, parts, transform, seed):
        self.parts, self.transform, self.seed = parts, transform, seed

    def __getitem__(self, key):
        step, rank, images_by_part = key
        train = self.seed is not None
        images = []
        # Without worker processes, the caller's generator has to stay as it was.
        with torch.random.fork_rng(devices=[], enabled=train):
            for part, indices in enumerate(images_by_part):
                for position, index in enumerate(indices, start=rank * len(indices)):
                    try:
                        image = self.parts[part][index]
                    except UnreadableImageError as error:
                        return _without_frames(error)
                    if train:
                        mixed = np.random.SeedSequence((self.seed, step, part, position))
                        torch.default_generator.manual_seed(int(mixed.generate_state(1)[0]))
                    images.append(self.transform(image))
        try:
            return stack_transformed(images, train=train)
        except (TypeError, ValueError) as error:
            return _without_frames(error)


def _without_frames(error):
    """Return an error that leads to no frame, and neither does what caused it.

    There are libraries that pickle tracebacks too. Where the caller stores the error, its
    frames would keep the worker processes alive.
    """
    part = error
    while part is not None:
        part.__traceback__, part = None, part.__cause__ or part.__context__
    return error


def stack_transformed(images, *, train):
    """Stack the images (channels, height, width) that a transform returned, if they fit.

    Raises
    ------
    TypeError
        If one is no tensor with three axes, or of another dtype.
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
    """Whether images can be read, for each chunk of their indices."""

    def __init__(self, images):
        self.images = images

    def __getitem__(self, indices):
        return torch.tensor([self._is_readable(index) for index in indices])

    def _is_readable(self, index):
        try:
            self.images[index]
        except UnreadableImageError:
            return False
        return True


class KeySampler:
    """The keys of the next epoch's mini-batches, to be set before each epoch."""

    def __init__(self):
        self.keys = []

    def __iter__(self):
        return iter(self.keys)

    def __len__(self):
        return len(self.keys)


def make_data_loader(dataset, keys, n_workers, device, *, keep=False):
    """Build torch's loader for a dataset of whole mini-batches; keep its workers for all epochs."""
    n_workers = max(0, n_workers)
    return DataLoader(
        dataset,
        batch_size=None,
        sampler=keys,
        num_workers=n_workers,
        pin_memory=device.type == "cuda",
        persistent_workers=keep and n_workers > 0,
        multiprocessing_context="fork" if n_workers > 0 and can_fork() else None,
        worker_init_fn=_ignore_inherited_loaders,
        # Without one, the loader would draw from torch's global generator.
        generator=torch.Generator().manual_seed(0),
    )


def _ignore_inherited_loaders(_):
    # The collector would shut down other loaders, which this process inherited.
    gc.freeze()


def return_or_raise(batch):
    """Return a mini-batch, or raise it if the dataset returned an error in its place."""
    if isinstance(batch, Exception):
        raise batch
    return batch


def load_batches(loader):
    """Yield the mini-batches of a loader, and raise the errors that come in their place."""
    try:
        yield from map(return_or_raise, loader)
    except BaseException as error:
        if loader.num_workers > 0:
            # The traceback holds frames that would keep the processes alive. That of the
            # worker process is in the message.
            error.with_traceback(None)
        del loader
        raise error
