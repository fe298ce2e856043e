"""A backbone that is not trained, and its features, kept on disk."""

import functools
import time
from pathlib import Path

import torch
from torch import nn

from domadapt._storage.files import read_tensors, write_tensors
from domadapt._storage.fingerprints import describe, digest_of, digest_of_files
from domadapt.inputs.reader import rank
from domadapt.nn.compiled import copy_module
from domadapt.nn.layers import extract_features
from domadapt.nn.networks import count_features, move_to


class FrozenBackbone(nn.Module):
    """A copy of a backbone that takes no gradient and always is in evaluation mode.

    Parameters
    ----------
    backbone : nn.Module
        A feature extractor.
    sample : Tensor of shape (n, ...)
        A few samples, on the device and of the dtype that are wanted.

    Raises
    ------
    ValueError
        If the backbone fails on the sample or returns anything but one row of features
        for each sample.
    """

    def __init__(self, backbone, sample):
        super().__init__()
        self.model = move_to(sample, copy_module(backbone))
        # Lazy layers take their sizes from it, too.
        count_features(self.model, sample)
        self.model.requires_grad_(False).eval()

    @functools.cached_property
    def fingerprint(self):
        """A text for this backbone with these weights."""
        return digest_of({}, describe(self.model))

    def forward(self, x):
        with torch.no_grad():
            return self.model(x)

    def train(self, mode=True):
        """Stay in evaluation mode, whatever is asked for."""
        return super().train(False)


# Seconds between two lines of progress.
PATIENCE = 5


def frozen_features(samples, backbone, folder, reader, tell=None):
    """Return the features of samples by a frozen backbone, computed or read from a folder.

    Features of images are kept in a file that is named after the contents of the images,
    the transform, the weights and the precision. A ``folder`` of None keeps nothing.
    ``tell`` is called from time to time, with how many are done and how many there are, where
    features of images are computed, and not where they are read.

    Raises
    ------
    OSError
        If the folder cannot be written to.
    """

    def compute():
        told = _Progress(len(samples), tell if samples.are_paths else None)
        return reader.apply(
            lambda batch: told.add(extract_features(backbone, batch, reader.precision)), samples
        )

    if folder is None or not samples.are_paths:
        return compute()
    contents = digest_of_files(samples.take(slice(None)))
    loader = reader.image_loader.describe()
    key = [contents, loader, backbone.fingerprint, str(reader.precision)]
    path = Path(folder) / f"features-{digest_of({}, describe(key))[:32]}.safetensors"
    if path.is_file():
        tensors, _ = read_tensors(path, kind="features")
        return tensors["features"].numpy()
    # Before the features are computed, which may take hours.
    path.parent.mkdir(parents=True, exist_ok=True)
    features = compute()
    write_tensors(path, {"features": torch.from_numpy(features)}, {}, kind="features")
    return features


class _Progress:
    """Tells how many images are done: none at first, then every few seconds, and all."""

    def __init__(self, n_images, tell):
        self.n_images, self.tell, self.n_done = n_images, tell, 0
        self._say()

    def add(self, features):
        """Count some more, and return them."""
        # A few images may have been filled up to a mini-batch.
        self.n_done = min(self.n_done + len(features), self.n_images)
        if self.n_done == self.n_images or time.monotonic() - self.last > PATIENCE:
            self._say()
        return features

    def _say(self):
        self.last = time.monotonic()
        if self.tell is not None and rank() == 0:
            self.tell(self.n_done, self.n_images)


def progress_text(n_done, n_images):
    """Return how far the features of images are, as text."""
    return f"features: {n_done} of {n_images} images"


def print_progress(n_done, n_images):
    """Print how far the features of images are."""
    print(progress_text(n_done, n_images))
