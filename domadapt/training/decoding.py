"""Files of photographs as tensors, one by one and in whole batches, in worker processes."""

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
    mean, std = (torch.tensor(v, device=device, dtype=dtype).view(3, 1, 1) for v in (MEAN, STD))
    return images.to(dtype).sub_(mean * 255.0).mul_(1.0 / (std * 255.0))


def decode(path):
    """Read an image file.

    Parameters
    ----------
    path : str
        The file, in any format that torchvision or pillow knows.

    Returns
    -------
    image : Tensor of shape (3, height, width), uint8
        Red, green, blue.

    Raises
    ------
    UnreadableImageError
        If it cannot be read whole.
    """
    from torchvision.io import ImageReadMode, decode_image

    try:
        image = decode_image(path, ImageReadMode.RGB)
    except RuntimeError:
        # Torchvision knows fewer formats than pillow, and says less of what is wrong.
        return _decode_with_pillow(path)
    # A moving picture is stood for by its first frame.
    return image[0] if image.ndim == 4 else image


def _decode_with_pillow(path):
    from PIL import Image
    from torchvision.transforms.v2.functional import pil_to_tensor

    try:
        with Image.open(path) as image:
            return pil_to_tensor(image.convert("RGB"))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise UnreadableImageError(
            f"The image {path!r} cannot be read: {error}. Mend or remove the file, or leave such "
            "files out with ImageLoader(unreadable='skip')."
        ) from error


class PreparedImages:
    """Images decoded and resized, from memory where they were read before."""

    def __init__(self, paths, resize, memory):
        self.paths, self.resize = paths, resize
        self.kept: Any = None
        self.known: Any = None
        if memory is not None:
            shape = (len(paths), 3, resize, resize)
            self.kept = torch.frombuffer(memory, dtype=torch.uint8, count=math.prod(shape))
            self.kept = self.kept.view(shape)
            self.known = torch.frombuffer(memory, dtype=torch.bool, offset=math.prod(shape))

    def __getitem__(self, row):
        if self.known is not None and self.known[row]:
            return self.kept[row].clone()
        image = decode(str(self.paths[row]))
        if self.resize is not None:
            from torchvision.transforms.v2.functional import resize

            image = resize(image, [self.resize, self.resize], antialias=True)
        if self.known is not None:
            self.kept[row] = image
            self.known[row] = True
        return image


def can_fork():
    return "fork" in multiprocessing.get_all_start_methods()


class BatchDataset(Dataset):
    """Whole batches by step and rows; one with an unreadable image is the error itself."""

    def __init__(self, domains, transform, seed):
        self.domains, self.transform, self.seed, self.first_place = domains, transform, seed, 0

    def __getitem__(self, key):
        step, rows_by_domain = key
        train = self.seed is not None
        images = []
        # A process of its own or not, the generator of whoever asks stays as it was.
        with torch.random.fork_rng(devices=[], enabled=train):
            for domain, rows in enumerate(rows_by_domain):
                for place, row in enumerate(rows, start=self.first_place * len(rows)):
                    try:
                        image = self.domains[domain][row]
                    except UnreadableImageError as error:
                        return error
                    if train:
                        mixed = np.random.SeedSequence((self.seed, step, domain, place))
                        torch.default_generator.manual_seed(int(mixed.generate_state(1)[0]))
                    images.append(apply_transform(self.transform, image, train=train))
        try:
            return torch.stack(images)
        except RuntimeError:
            shapes = sorted({tuple(image.shape) for image in images})
            return ValueError(
                f"The transform gives images of different shapes, such as {shapes[0]} and "
                f"{shapes[-1]}. All images of a batch need one shape: crop or resize them."
            )


class ReadableDataset(Dataset):
    """Whether each of some images can be read."""

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
    """The keys of the next epoch's batches."""

    def __init__(self):
        self.keys = []

    def __iter__(self):
        return iter(self.keys)

    def __len__(self):
        return len(self.keys)


def make_data_loader(dataset, order, n_workers, device, *, keep=False):
    return DataLoader(
        dataset,
        batch_size=None,
        sampler=order,
        num_workers=n_workers,
        pin_memory=device.type == "cuda",
        persistent_workers=keep and n_workers > 0,
        multiprocessing_context="fork" if n_workers > 0 and can_fork() else None,
        # Without one, torch's global generator would be drawn from.
        generator=torch.Generator().manual_seed(0),
    )


def load_batches(dataset, keys, n_workers, device):
    for batch in make_data_loader(dataset, keys, max(0, n_workers), device):
        if isinstance(batch, Exception):
            raise batch
        yield batch


def apply_transform(transform, image, *, train):
    image = transform(image)
    if not (isinstance(image, torch.Tensor) and image.ndim == 3):
        name = "train_transform" if train else "eval_transform"
        came = f"shape {tuple(image.shape)}" if hasattr(image, "shape") else type(image).__name__
        raise TypeError(
            f"{name} returned {came}. A tensor of shape (channels, height, width) was expected."
        )
    return image
