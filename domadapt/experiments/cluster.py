"""Workers of dask on other machines: reached, and checked before they train the cells of a run."""

import asyncio
import contextlib
import pkgutil
import socket
from concurrent.futures import CancelledError
from dataclasses import replace

import domadapt
from domadapt._storage.files import check_folder
from domadapt._storage.fingerprints import digest_of
from domadapt.experiments.recipes import named_backbone
from domadapt.experiments.tasks import digest_of_data
from domadapt.inputs.reader import resolve_device

# A scheduler that is there answers within a second, over any network.
SECONDS_TO_ANSWER = 10


@contextlib.contextmanager
def connected(address):
    """Reach the workers of a scheduler of dask.

    Parameters
    ----------
    address : str
        Of the scheduler, such as ``"10.0.0.5:8786"``.

    Yields
    ------
    client : distributed.Client
        Connected to it.

    Raises
    ------
    ImportError
        If dask.distributed is not installed.
    OSError
        If nothing answers at the address, or what answers is no scheduler with workers; and
        within the block, if the scheduler or all workers with the data are lost.
    ValueError
        If that is no address.
    """
    try:
        import distributed
    except ImportError as error:
        raise ImportError(
            "--backend dask needs dask.distributed: install it with pip install "
            "'domadapt[cluster]'."
        ) from error
    _check_scheduler(address, distributed)
    with distributed.Client(address, timeout=SECONDS_TO_ANSWER, set_as_default=False) as client:
        if not _workers(client):
            raise OSError(
                f"the scheduler at {address} has no worker. Start some: dask worker {address}"
            )
        try:
            yield client
        except CancelledError as error:
            raise OSError(
                f"the scheduler at {address} or all of its workers were lost. What is finished is "
                "kept: start them again, and add --resume."
            ) from error


def _check_scheduler(address, distributed):
    """Ask who is there: a client alone would wait for ever where something else listens."""

    async def ask():
        # Keys and certificates, where dask's configuration names some.
        keys = distributed.Security().get_connection_args("client")
        async with distributed.rpc(address, connection_args=keys) as other:
            return await other.identity()

    try:
        answer = asyncio.run(asyncio.wait_for(ask(), SECONDS_TO_ANSWER))
    except OSError as error:
        raise OSError(
            f"no scheduler of dask answers at {address} within {SECONDS_TO_ANSWER} s. Start one "
            "with dask scheduler, and pass the address that it prints."
        ) from error
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{address!r} is no address of a scheduler of dask, such as 10.0.0.5:8786: {error}"
        ) from error
    if answer["type"] != "Scheduler":
        raise OSError(f"a {answer['type'].lower()} answers at {address}, and not the scheduler.")


def _workers(client):
    return list(client.scheduler_info(n_workers=-1)["workers"])


def check_workers(client, experiment):
    """Check that every worker can train the cells of an experiment, before anything is written.

    Raises
    ------
    ValueError
        If a worker lacks domadapt, has another version of it, or other data, weights or
        devices than are needed, with its address.
    """
    # By a function of Python's own, which also runs where there is no domadapt.
    found = _on_each_worker(client, pkgutil.resolve_name, "domadapt:__version__")
    for address, version in found.items():
        if isinstance(version, Exception):
            raise ValueError(
                f"the worker at {address} cannot import domadapt: {version} Install domadapt "
                f"{domadapt.__version__} there."
            ) from version
        if version != domadapt.__version__:
            raise ValueError(
                f"the worker at {address} has domadapt {version}, and this is "
                f"{domadapt.__version__}. Install the same version everywhere."
            )
    for address, fault in _on_each_worker(client, find_fault, _sent(experiment)).items():
        if fault is not None:
            raise ValueError(f"the worker at {address} cannot train these cells: {fault}")


def _on_each_worker(client, function, *arguments):
    """Return what a function returns or raises on every worker, by their addresses."""
    # As tasks, since the workers must go on telling the scheduler that they are alive.
    futures = {
        address: client.submit(function, *arguments, workers=[address], pure=False)
        for address in _workers(client)
    }
    return {address: future.exception() or future.result() for address, future in futures.items()}


def find_fault(experiment):
    """Return why this process cannot train the cells of an experiment, as text, or None."""
    settings = experiment.settings
    try:
        resolve_device(experiment.device)
        if experiment.cache_folder is not None:
            check_folder("cache_folder", experiment.cache_folder)
        if experiment.fine_tunes:
            data = (settings["dataset"], settings["root"], tuple(settings["left_out"]))
            if digest_of_data(*data) != settings["data_digest"]:
                return f"{settings['root']!r} holds other photographs there."
            backbone = named_backbone(settings["backbone"], settings["weights"])
            digest = settings["weights_digest"]
            if digest is not None and digest_of(backbone.state_dict()) != digest:
                return f"{settings['weights']!r} holds other weights there."
    except (ImportError, OSError, ValueError) as error:
        return str(error)
    _checked.add(_needs(experiment))
    return None


# What this process was found to have, so that photographs are not read again for every cell.
_checked: set[tuple] = set()


def _needs(experiment):
    settings = experiment.settings
    return experiment.device, settings["data_digest"], settings.get("weights_digest")


def check_late(experiment):
    """Check a worker that came when the others had been checked, before its first cell.

    Raises
    ------
    ValueError
        As :func:`check_workers`.
    """
    version = experiment.settings["version"]
    fault = None
    if version != domadapt.__version__:
        fault = f"it has domadapt {domadapt.__version__}, not {version}."
    elif _needs(experiment) not in _checked:
        fault = find_fault(experiment)
    if fault is not None:
        raise ValueError(f"a worker on {socket.gethostname()} cannot train these cells: {fault}")


def _sent(experiment):
    """Return an experiment whose cells keep no files.

    One whose worker is lost begins anew on another.
    """
    # The processes of dask may have no processes of their own.
    return replace(experiment, out=None, n_workers=0)


def to_send(experiment):
    """Return an experiment that needs nothing of this machine but photographs and weights."""
    sent = _sent(experiment)
    return sent if experiment.fine_tunes else replace(sent, n_threads=1, vectors=experiment.data)


def on_workers(client, function, cells, experiment):
    """Call a function with each cell and the experiment on workers, as these have time.

    Not through joblib, whose backend runs everything in this process where there is one worker
    with one thread, spreads what a cell does by joblib as well, and ends all with one error.

    Parameters
    ----------
    client : distributed.Client
        Connected to the scheduler.
    function : callable
        Called with a cell and the experiment, and returns a pair of the cell and what it led to.
    cells : list of Cell
        What to train.
    experiment : Experiment
        As :func:`to_send` returns it.

    Yields
    ------
    found : tuple
        What the function returns; or (cell, error) of a cell that has ended several workers.
    """
    import distributed

    # It goes to each worker once.
    (sent,) = client.scatter([experiment], broadcast=True)
    futures = {client.submit(function, cell, sent, pure=False): cell for cell in cells}
    for future in distributed.as_completed(list(futures), loop=client.loop):
        cell = futures.pop(future)
        try:
            yield future.result()
        except distributed.KilledWorker as error:
            yield cell, error
