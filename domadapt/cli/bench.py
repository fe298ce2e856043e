"""What ``domadapt bench`` does with its arguments."""

import contextlib
import os
import time
from pathlib import Path

import torch
from torch import distributed

from domadapt._storage.files import check_folder
from domadapt._storage.fingerprints import digest_of
from domadapt.experiments.choice import choose_methods
from domadapt.experiments.cluster import check_workers, connected
from domadapt.experiments.files import read_run
from domadapt.experiments.progress import log
from domadapt.experiments.recipes import recipe_loader
from domadapt.experiments.run import run
from domadapt.experiments.tables import markdown_table, summarise
from domadapt.experiments.tasks import (
    Experiment,
    digest_of_data,
    domain_of,
    load_data,
    read_methods,
    read_pairs,
)
from domadapt.experiments.vector_methods import AUTO, read_vector_method
from domadapt.inputs.reader import n_processes, rank, resolve_device
from domadapt.model_selection.auto._estimators import LEAST_TARGET
from domadapt.nn import load_backbone


def bench(arguments):
    """Check the arguments of the command line, run the cells and print the table.

    Returns
    -------
    status : int
        0, 1 if some cells failed, or 3 if the time was up before the last.
    """
    with _process_group(arguments.device):
        _check_course(arguments)
        with _workers_of(arguments) as client:
            experiment = _read_experiment(arguments)
            if client is not None:
                check_workers(client, experiment)
            how = {"jobs": arguments.jobs, "together": arguments.together, "client": client}
            settings, results, failed, n_left = run(experiment, resume=arguments.resume, **how)
        if rank() == 0 and results:
            details = read_run(experiment.out)[2]
            chosen = choose_methods(settings, results, details)
            print(markdown_table(summarise(settings, results, chosen)))
            log(f"for curves and maps of the features: domadapt report {arguments.out}")
    if n_left:
        log(f"domadapt: the time is up, and {n_left} cells are left: add --resume to go on.")
        return 3
    return 1 if failed else 0


def _check_course(arguments):
    """Check that the ways in which cells are to be trained go together."""
    if n_processes() > 1 and arguments.jobs > 1:
        raise ValueError(
            f"--jobs {arguments.jobs} does not go with torchrun: one trains several models "
            "side by side, the other one model in several processes."
        )
    if n_processes() > 1 and arguments.time_limit is not None:
        raise ValueError(
            "--time-limit does not go with torchrun, whose processes would stop at different "
            "times. Stop them all; --resume goes on from the last epoch."
        )
    if arguments.together and arguments.jobs > 1:
        raise ValueError(
            f"--together trains in one process, and --jobs {arguments.jobs} in several. Use "
            "one of them."
        )
    on_cluster = arguments.backend == "dask"
    if on_cluster != (arguments.scheduler is not None):
        raise ValueError(
            "--backend dask and --scheduler ADDRESS go together: dask scheduler prints the "
            "address. On this machine alone, use --jobs."
        )
    others = {
        "--together": arguments.together,
        "--jobs": arguments.jobs > 1,
        "torchrun": n_processes() > 1,
    }
    for name in (name for name in others if on_cluster and others[name]):
        raise ValueError(
            f"--backend dask does not go with {name}: each worker of the scheduler trains one "
            "cell at a time in each of its threads. Use one of them."
        )
    if not on_cluster or arguments.freeze:
        # Features of a frozen backbone are computed here.
        resolve_device(arguments.device)
    if arguments.cache_folder is not None:
        check_folder("cache_folder", arguments.cache_folder)
    if arguments.features is not None and not arguments.freeze:
        raise ValueError("--features is for a frozen backbone: add --freeze.")


def _workers_of(arguments):
    """Reach the workers of the scheduler, where one is named."""
    if arguments.scheduler is None:
        return contextlib.nullcontext()
    return connected(arguments.scheduler)


def _read_experiment(arguments):
    """Read what is to be trained, and check that it can be as asked for."""
    out = Path(arguments.out)
    experiment = Experiment(
        read_settings(arguments),
        out,
        out / "features" if arguments.features is None else Path(arguments.features),
        device=arguments.device,
        n_workers=arguments.workers,
        cache_megabytes=arguments.cache_megabytes,
        cache_folder=arguments.cache_folder and Path(arguments.cache_folder),
        deadline=_deadline(arguments.time_limit),
    )
    if arguments.together and experiment.fine_tunes:
        raise ValueError(
            "--together is for networks on vectors: add --freeze, which trains on the features "
            "of the backbone."
        )
    return experiment


def _deadline(minutes):
    return None if minutes is None else time.time() + 60 * minutes


def read_settings(arguments):
    """Read from the command line what decides the figures of a run.

    Returns
    -------
    settings : dict
        As :class:`domadapt.experiments.tasks.Experiment` takes them.

    Raises
    ------
    FileNotFoundError, ValueError
        If the data are missing or not as described, or something is unknown.
    """
    methods = read_methods(arguments.methods)
    root = str(Path(arguments.root).resolve())
    data = load_data(arguments.dataset, root)
    left_out = _find_unreadable(data.X, arguments) if arguments.skip_unreadable else []
    pairs = read_pairs(arguments.pairs, data.domain_names)
    if AUTO in methods:
        _check_targets(data, pairs)
    settings = {
        "dataset": arguments.dataset,
        "root": root,
        "domains": list(data.domain_names),
        "left_out": left_out,
        "n_columns": data.X.shape[1] if data.X.ndim == 2 else None,
        "methods": methods,
        "pairs": pairs,
        "seeds": arguments.seeds,
        "epochs": arguments.epochs,
        "steps_per_epoch": arguments.steps_per_epoch,
        "batch_size": arguments.batch_size,
        "precision": arguments.precision,
        "freeze": arguments.freeze,
    }
    if arguments.dataset == "features":
        if arguments.freeze or arguments.weights or arguments.skip_unreadable:
            raise ValueError(
                "--freeze, --weights and --skip-unreadable are for photographs: features need none."
            )
        settings |= {"backbone": None, "weights": None, "image_size": None}
    else:
        _check_on_photographs(methods, arguments)
        settings |= _read_backbone(arguments)
    return settings | {"data_digest": _digest_once(arguments.dataset, root, tuple(left_out))}


def _check_on_photographs(methods, arguments):
    """Check that methods without a backbone get vectors."""
    found = [method for name in methods if (method := read_vector_method(name)) is not None]
    if found and not arguments.freeze:
        raise ValueError(
            f"--methods: {found[0].name} {found[0].trait}, and needs vectors. Add --freeze, which "
            "computes features of the photographs by the backbone."
        )


def _check_targets(data, pairs):
    """Check that the automatic choice has enough target samples to choose by."""
    for _, target in pairs:
        n_samples = len(domain_of(data, target)[1])
        if n_samples < LEAST_TARGET:
            raise ValueError(
                f"--methods: {AUTO} needs at least {LEAST_TARGET} target samples to choose by, and "
                f"{target!r} has {n_samples}. Leave out that pair, or that method."
            )


def _digest_once(*data):
    """Return the digest of the data, which one of several processes computes for all."""
    if n_processes() == 1:
        return digest_of_data(*data)
    digests = [digest_of_data(*data) if rank() == 0 else None]
    distributed.broadcast_object_list(digests)
    return digests[0]


def _find_unreadable(paths, arguments):
    """List the images that cannot be read, by reading all of them."""
    if arguments.dataset == "features":
        return []
    loader = recipe_loader(
        arguments.image_size, n_workers=arguments.workers, cache_folder=arguments.cache_folder
    )
    readable = loader.find_readable(paths)
    log(f"{(~readable).sum()} of {len(paths)} images cannot be read and are left out")
    return paths[~readable].tolist()


def _read_backbone(arguments):
    """Load the backbone once, so that errors in it show before any work."""
    if arguments.weights is None:
        raise ValueError(
            "--weights is missing. Name a file with weights for "
            f"{arguments.backbone}, or DEFAULT to let torchvision download them."
        )
    digest = None
    if arguments.weights != "random":
        backbone = load_backbone(arguments.backbone, arguments.weights)
        digest = digest_of(backbone.state_dict())
    is_file = os.path.exists(arguments.weights)
    weights = str(Path(arguments.weights).resolve()) if is_file else arguments.weights
    return {
        "backbone": arguments.backbone,
        "weights": weights,
        "weights_digest": digest,
        "image_size": arguments.image_size,
    }


@contextlib.contextmanager
def _process_group(device):
    """Join the other processes, where torchrun has started several."""
    if int(os.environ.get("WORLD_SIZE", 1)) == 1:
        yield
        return
    on_cuda = device != "cpu" and torch.cuda.is_available()
    if on_cuda:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    distributed.init_process_group("nccl" if on_cuda else "gloo")
    try:
        yield
        # One that leaves early would cut the others' connections.
        distributed.barrier()
    finally:
        distributed.destroy_process_group()
