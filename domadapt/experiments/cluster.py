"""Workers of dask on other machines: reached, and checked before they train the cells of a run."""

import asyncio
import contextlib
import pkgutil
from concurrent.futures import CancelledError
from dataclasses import replace

import joblib

import domadapt
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
        except distributed.KilledWorker as error:
            raise OSError(
                f"one cell ended {error.allowed_failures + 1} workers of {address}, the last one "
                f"{error.last_worker.address}, whose log may say why: memory, mostly. What is "
                "finished is kept: add --resume."
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
    settings = experiment.settings if experiment.fine_tunes else None
    found = _on_each_worker(client, find_fault, experiment.device, settings)
    for address, fault in found.items():
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


def find_fault(device, settings):
    """Return why cells cannot be trained by this process, as text, or None.

    Parameters
    ----------
    device : str
        What they are trained on.
    settings : dict or None
        Of a run that trains a backbone on photographs, which have to be here; None where the
        data come with the cells.
    """
    try:
        resolve_device(device)
        if settings is None:
            return None
        root = settings["root"]
        digest = digest_of_data(settings["dataset"], root, tuple(settings["left_out"]))
        if digest != settings["data_digest"]:
            return f"{root!r} holds other photographs there."
        backbone = named_backbone(settings["backbone"], settings["weights"])
        known = settings["weights_digest"]
        if known is not None and digest_of(backbone.state_dict()) != known:
            return f"{settings['weights']!r} holds other weights there."
    except (ImportError, OSError, ValueError) as error:
        return str(error)
    return None


def to_send(experiment):
    """Return an experiment that needs nothing of this machine but photographs and weights.

    Its cells keep no files: one whose worker is lost begins anew on another.
    """
    # The processes of dask have no processes of their own.
    sent = replace(experiment, out=None, n_workers=0)
    return sent if experiment.fine_tunes else replace(sent, n_threads=1, vectors=experiment.data)


def side_by_side(client, experiment):
    """Return how joblib runs functions of an experiment on the workers, as they have time."""
    # The experiment goes to each worker once. All cells wait at the scheduler, so that workers
    # that come later have some as well.
    with joblib.parallel_config("dask", client=client, scatter=[experiment]):
        return joblib.Parallel(return_as="generator_unordered", pre_dispatch="all")
