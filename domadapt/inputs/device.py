"""Where and in what precision an estimator trains, and its random numbers."""

import contextlib

import torch

from domadapt.training.distributed import local_rank

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def resolve_device(device):
    """Give the device that a parameter names.

    Parameters
    ----------
    device : str or torch.device
        ``"auto"`` takes CUDA where there is any. Where several processes train together,
        CUDA without a number is the GPU of this process.

    Returns
    -------
    device : torch.device
        A device that is there.

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
    if resolved.type == "cuda" and resolved.index is None and local_rank() > 0:
        return torch.device("cuda", local_rank())
    return resolved


@contextlib.contextmanager
def seeded(seed, device):
    """Seed torch for a while and leave its global generators as they were.

    Parameters
    ----------
    seed : int
        For the CPU and the device.
    device : torch.device
        What else draws.

    Yields
    ------
    None
    """
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield
