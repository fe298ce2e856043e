"""The reader: samples of any kind as tensors on the device and in the dtype of a network."""

import math
import mmap
import os

import numpy as np
import torch
from scipy import sparse
from torch import distributed

from domadapt.domains.hdf5 import DatasetRows
from domadapt.domains.mapped import give_back, is_mapped
from domadapt.domains.samples import Samples
from domadapt.inputs.images import ImageBatches, ImageLoader

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}
NUMPY_DTYPES = {torch.float32: np.float32, torch.float64: np.float64}
# Vectors are converted and predicted in chunks of this many numbers, 4 MiB in float32, which a
# cache holds, and rows: where these are narrow, the layers are wider.
CHUNK_VALUES, CHUNK_ROWS = 2**20, 2**12
# Images, of which more should go together than so few.
IMAGE_VALUES = 2**22
# Of a mapped file so many bytes, 256 MiB, stay in memory at most.
MOST_READ = 2**28
# Matrix products of very few rows are rounded in another way than those of many. Filled
# up to this number, a sample gets the same prediction alone as among others.
FEWEST_SAMPLES = 8


class Reader:
    """Reads arrays, sparse matrices and photographs for one network.

    Parameters
    ----------
    image_loader : ImageLoader or None
        How paths of images become tensors; None for the default.
    device : torch.device
        Where the network is.
    dtype : torch.dtype
        Of its weights.
    precision : torch.dtype, default=torch.float32
        What its feature extractor computes in.
    """

    def __init__(self, image_loader, device, dtype, precision=torch.float32):
        self.given_loader = image_loader
        self.device, self.dtype, self.precision = device, dtype, precision

    @property
    def image_loader(self):
        """What reads images."""
        return ImageLoader() if self.given_loader is None else self.given_loader

    def stream(self, samples):
        """Yield consecutive samples in chunks, as in prediction; the next may overwrite one."""
        if samples.are_paths:
            paths = samples.take(slice(None))
            yield from self.image_loader.stream(paths, self.device, self.dtype)
            return
        for chunk in _chunks(samples, NUMPY_DTYPES[self.dtype]):
            yield torch.from_numpy(chunk).to(self.device)

    def sample(self, samples):
        """Return two samples, by which a network takes its sizes."""
        return next(iter(self.stream(Samples(samples.take(slice(0, 2))))))

    @torch.inference_mode()
    def apply(self, function, samples):
        """Return an array of what a function returns for a tensor of samples, in chunks."""
        found, end = None, 0
        for chunk in self.stream(samples):
            part = _apply(function, chunk)
            if found is None:
                # Parts that were kept would hold on to the memory between them.
                found = np.empty((len(samples), *part.shape[1:]), part.dtype)
            found[end : end + len(part)] = part
            end += len(part)
        return found

    def batches(self, parts, seed):
        """Return mini-batches of samples by the name of their part; ``seed`` draws transforms."""
        if not next(iter(parts.values())).are_paths:
            return ArrayBatches(parts, self.device, self.dtype)
        paths = {part: samples.take(slice(None)) for part, samples in parts.items()}
        return ImageBatches(paths, self.image_loader, self.device, self.dtype, seed)


def _apply(function, chunk):
    n_samples = len(chunk)
    if n_samples < FEWEST_SAMPLES:
        chunk = chunk[torch.arange(FEWEST_SAMPLES) % n_samples]
    if chunk.ndim == 4:
        chunk = chunk.contiguous(memory_format=torch.channels_last)
    return function(chunk)[:n_samples].cpu().numpy()


def _chunks(samples, dtype):
    """Yield consecutive samples as floating point, each time in the same memory."""
    shape = samples.X.shape[1:]
    values = CHUNK_VALUES if len(shape) == 1 else IMAGE_VALUES
    step = max(1, min(len(samples), CHUNK_ROWS, values // max(1, math.prod(shape))))
    memory = np.empty((step, *shape), dtype)
    for start in range(0, len(samples), step):
        yield _convert(samples.take(slice(start, start + step)), memory)
        give_back(samples.X)


def _convert(X, memory):
    """Return samples as floating point, in memory for as many or more."""
    if sparse.issparse(X):
        X = X.toarray()
    converted = memory[: len(X)]
    with np.errstate(over="ignore"):
        # A copy in any case: a backbone may write into its input, which is the caller's.
        np.copyto(converted, X, casting="unsafe")
    if X.dtype == np.float64 and not np.isfinite(converted).all():
        raise ValueError(
            "X holds numbers too large for float32, the precision that networks are "
            "trained in. Scale the columns first, for example with StandardScaler."
        )
    return converted


class ArrayBatches:
    """Mini-batches gathered from arrays, always into the same memory.

    Parameters
    ----------
    parts : dict of str to Samples
        Each part of a mini-batch, dense, sparse or in a file, in their order.
    device : torch.device
        Where mini-batches are wanted.
    dtype : torch.dtype
        In what floating point.

    Attributes
    ----------
    n_samples : dict of str to int
        Of each part.
    """

    def __init__(self, parts, device, dtype):
        self.parts = [
            ArrayInParts(samples, NUMPY_DTYPES[dtype])
            if _is_read_in_parts(samples.X)
            else DenseArray(samples, device, NUMPY_DTYPES[dtype])
            for samples in parts.values()
        ]
        self.n_samples = {part: len(samples) for part, samples in parts.items()}
        self.sample_shape = tuple(next(iter(parts.values())).X.shape[1:])
        self.inputs = torch.empty(0, device=device, dtype=dtype)

    def gather(self, index):
        """Return the samples that an index for each part names, images in channels-last order.

        The next mini-batch overwrites them.
        """
        n_samples = sum(len(rows) for rows in index)
        if len(self.inputs) != n_samples:
            self.inputs = self.empty(n_samples)
        self.gather_into(self.inputs, index)
        return self.as_taken(self.inputs)

    def empty(self, *shape):
        """Return memory for samples along axes of these lengths."""
        return self.inputs.new_empty((*shape, *_in_memory(self.sample_shape)))

    def gather_into(self, memory, index):
        """Write the samples that an index for each part names into memory, one after the other."""
        outs = memory.split([len(rows) for rows in index])
        for part, rows, out in zip(self.parts, index, outs, strict=True):
            part.gather(rows.to(out.device), out=out)

    def gather_for_all(self, memory, index):
        """Write the samples that each row of an index for each part names into memory.

        Like :meth:`gather_into` for each row, in fewer calls.
        """
        outs = memory.split([rows.shape[1] for rows in index], dim=1)
        for part, rows, out in zip(self.parts, index, outs, strict=True):
            gathered = torch.empty_like(out, memory_format=torch.contiguous_format)
            part.gather(rows.flatten(), out=gathered.view(-1, *out.shape[2:]))
            out.copy_(gathered)

    def as_taken(self, memory):
        """Return samples in memory as a network takes them: the channels of an image first."""
        return memory.movedim(-1, -3) if len(self.sample_shape) == 3 else memory

    def epoch(self, index, first_step, rank=0):
        """Yield the mini-batches of indices of shape (n_steps, n), one for each part."""
        on_device = [rows.to(self.inputs.device) for rows in index]
        for step in zip(*on_device, strict=True):
            yield self.gather(step)

    def share_with(self, other):
        """Read from the memory of other batches, where this holds the same samples."""
        for own, its in zip(self.parts, other.parts, strict=False):
            if isinstance(own, DenseArray) and isinstance(its, DenseArray):
                own.share_with(its)

    def reads_as(self, other):
        """Return whether all samples are read from the same memory as those of other batches."""
        return all(
            isinstance(own, DenseArray) and own.tensor is its.tensor
            for own, its in zip(self.parts, other.parts, strict=True)
        )

    def close(self):
        """Do nothing: there is no process to end."""


def _in_memory(shape):
    """Return the order of a sample's axes in memory: the channels of an image come last."""
    return (*shape[1:], shape[0]) if len(shape) == 3 else tuple(shape)


def _is_read_in_parts(X):
    return sparse.issparse(X) or is_mapped(X) or isinstance(X, DatasetRows)


class DenseArray:
    """Samples as one tensor, on the device where that has room.

    An array is taken as it stands where it is C-contiguous and of the right dtype, and
    every row is meant; images with several channels are laid out anew. It is never written to.
    """

    def __init__(self, samples, device, dtype):
        X = samples.X
        as_it_stands = X.flags.c_contiguous and X.dtype == dtype
        if samples.index is not None or not as_it_stands or X.ndim == 4:
            X = np.empty((len(samples), *_in_memory(X.shape[1:])), dtype=dtype)
            start = 0
            for chunk in _chunks(samples, dtype):
                chunk = np.moveaxis(chunk, 1, -1) if chunk.ndim == 4 else chunk
                X[start : start + len(chunk)] = chunk
                start += len(chunk)
        tensor = torch.from_numpy(np.asarray(_Lent(X)))
        self.tensor = tensor.to(device) if _has_room(tensor, device) else tensor

    def share_with(self, other):
        """Read from the memory of another array, where this holds the same samples."""
        own, its = self.tensor, other.tensor
        if own.device != its.device or own.dtype != its.dtype or own.shape != its.shape:
            return
        if own.data_ptr() == its.data_ptr() or torch.equal(own, its):
            self.tensor = its

    def gather(self, index, out):
        """Write the samples that an index names into ``out``."""
        if self.tensor.device == out.device:
            torch.index_select(self.tensor, 0, index, out=out)
        else:
            out.copy_(self.tensor[index.cpu()])


class _Lent:
    """An array that says it may be written to: torch warns of others, or would copy them."""

    def __init__(self, array):
        self.array = array
        address, _ = array.__array_interface__["data"]
        self.__array_interface__ = array.__array_interface__ | {"data": (address, False)}


class ArrayInParts:
    """Samples of a CSR matrix or of a file, made dense mini-batch by mini-batch."""

    def __init__(self, samples, dtype):
        self.samples, self.dtype = samples, dtype
        self.bytes_read = 0

    def gather(self, index, out):
        """Write the samples that an index names into ``out``."""
        memory = np.empty((len(index), *self.samples.X.shape[1:]), self.dtype)
        rows = _convert(self.samples.take(index.cpu().numpy()), memory)
        out.copy_(torch.from_numpy(np.moveaxis(rows, 1, -1) if rows.ndim == 4 else rows))
        # A file is read by whole pages.
        self.bytes_read += max(mmap.PAGESIZE, rows[0].nbytes) * len(rows)
        if self.bytes_read > MOST_READ:
            give_back(self.samples.X)
            self.bytes_read = 0


def _has_room(tensor, device):
    """Return whether the device can hold the tensor and keep half its free memory free."""
    if device.type != "cuda":
        return True
    free, _ = torch.cuda.mem_get_info(device)
    return tensor.nbytes <= free // 2


def resolve_device(device):
    """Return the device that a parameter names: ``"auto"`` takes CUDA where there is any.

    Where several processes train together, CUDA without a number is the GPU of this process.

    Raises
    ------
    ValueError
        If it is unknown, not supported or not there.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        resolved = torch.device(device)
    except RuntimeError as error:
        raise ValueError(
            f"device={device!r} is unknown: use 'auto', 'cpu', 'cuda' or 'cuda:0'."
        ) from error
    if resolved.type == "cuda" and (resolved.index or 0) >= torch.cuda.device_count():
        raise ValueError(
            f"device={device!r} was asked for, but torch sees {torch.cuda.device_count()} CUDA "
            "devices. Use 'cpu', or 'auto' to take CUDA where there is any."
        )
    if resolved.type not in ("cpu", "cuda"):
        raise ValueError(f"device={device!r} is not supported: use 'auto', 'cpu' or 'cuda'.")
    if resolved.type == "cuda" and resolved.index is None and n_processes() > 1:
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
    return resolved


def n_processes():
    """Return how many processes train together: 1 where torch.distributed is not set up."""
    return distributed.get_world_size() if _is_set_up() else 1


def rank():
    """Return the number of this process among them, counted from 0."""
    return distributed.get_rank() if _is_set_up() else 0


def _is_set_up():
    return distributed.is_available() and distributed.is_initialized()
