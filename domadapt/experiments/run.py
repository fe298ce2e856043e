"""A run: all cells of a table, in a folder that can be resumed and added to."""

import contextlib
import json
from dataclasses import replace

import joblib
from torch import distributed

import domadapt
from domadapt._storage.files import atomic_write
from domadapt._storage.locks import LOCK, locked
from domadapt.experiments.cells import (
    ENDS,
    TimeIsUpError,
    result_of,
    run_cell,
    run_seeds,
    with_features,
)
from domadapt.experiments.cluster import check_late, on_workers, to_send
from domadapt.experiments.files import CELL, FORMAT, read_run
from domadapt.experiments.progress import Bar, duration, log
from domadapt.experiments.tables import pair_label, title_of
from domadapt.experiments.tasks import find_method
from domadapt.experiments.vector_methods import read_vector_method
from domadapt.inputs.reader import n_processes, rank


def run(experiment, *, resume=False, jobs=1, together=False, client=None):
    """Run every cell that is not finished, and write each down as it finishes.

    Parameters
    ----------
    experiment : Experiment
        What is trained on what, in which folders, on which machine.
    resume : bool, default=False
        Continue the run in the folder. It may have other methods and pairs and fewer or
        more seeds: the run is then all of both.
    jobs : int, default=1
        Processes that train cells side by side.
    together : bool, default=False
        Whether the seeds of a method on vectors are trained as one, in this process. Results
        are then the same up to rounding.

    client : distributed.Client, default=None
        Whose workers train the cells, in place of processes of this machine.

    Returns
    -------
    settings : dict
        Of the run, with all methods, pairs and seeds that it has now.
    results : list of dict
        The finished cells.
    failed : list of str
        Names of cells with a loss that was not finite, or that ended the workers that trained
        them.
    n_left : int
        Cells that are not finished, where the time was up.

    Raises
    ------
    BlockingIOError
        If another process runs in the folder.
    FileExistsError
        If the folder holds something else, or a run and ``resume`` is False.
    ValueError
        If it holds a run on other data, with other settings or of another version, or a
        file of it is damaged.
    OSError
        If it cannot be written to.
    """
    with _alone_in(experiment.out):
        settings, results = _open_folder(experiment, resume)
        experiment = replace(experiment, settings=settings)
        todo = _todo(experiment.cells, results)
        failed, n_left = [], 0
        if todo:
            experiment = _prepare(experiment, todo)
            with Bar(len(todo), "cells") as bar:
                if together:
                    finished = _together(todo, _share_of_cores(experiment, 1), bar)
                elif client is not None:
                    sent = to_send(experiment)
                    finished = on_workers(client, _try_on_worker, todo, sent)
                else:
                    finished = _one_by_one(todo, _share_of_cores(experiment, jobs), bar, jobs)
                failed, n_left = _write_down(finished, experiment, results, bar)
        return settings, results, failed, n_left


def _todo(cells, results):
    """Return the cells that have no result yet."""
    done = {tuple(result[name] for name in CELL) for result in results}
    todo = [cell for cell in cells if tuple(vars(cell).values()) not in done]
    if len(todo) < len(cells):
        log(f"{len(cells) - len(todo)} of {len(cells)} cells are finished already")
    return todo


def _prepare(experiment, cells):
    """Return the experiment with what its cells share, computed once for all."""
    if not experiment.settings["freeze"]:
        return experiment
    return with_features(experiment, sorted({n for c in cells for n in (c.source, c.target)}))


def _write_down(finished, experiment, results, bar):
    """Write each cell down as it finishes: names of those that failed, and how many are left."""
    failed, n_left = [], 0
    for cell, details in finished:
        name = f"{pair_label(cell.source, cell.target)}, {title_of(cell.method)}, seed {cell.seed}"
        bar.reach(cell)
        if isinstance(details, TimeIsUpError):
            n_left += 1
            continue
        if isinstance(details, Exception):
            failed.append(name)
            log(f"{name} failed: {details}")
            continue
        results.append(result_of(details))
        _write_cell(experiment, cell, details, results)
        done = f"[{len(results)}/{len(experiment.cells)}] {name}: {results[-1]['accuracy']:.1f} %"
        left = f", about {duration(bar.seconds_left)} left" if bar.done < bar.total else ""
        log(done + left)
    return failed, n_left


def _write_cell(experiment, cell, details, results):
    """Write the file of a cell and the results, wherever the cell was trained."""
    if rank() != 0:
        return
    atomic_write(experiment.file_of(cell, "json"), json.dumps(details))
    _write_json(experiment.out / "results.json", results)
    for path in experiment.cell_folder.iterdir():
        # Methods of two stages have a checkpoint of each.
        if path.name.startswith(f"{cell.name}.safetensors"):
            path.unlink()


def _one_by_one(cells, experiment, bar, jobs=1):
    """Train cells, and yield each with its details as it finishes."""
    if jobs > 1:
        parallel = joblib.Parallel(n_jobs=jobs, return_as="generator_unordered")
        yield from parallel(joblib.delayed(_try_cell)(cell, experiment) for cell in cells)
        return
    for cell in cells:
        yield _try_cell(cell, experiment, _teller(experiment, bar))


def _try_on_worker(cell, experiment):
    """Train a cell in a process of another machine."""
    check_late(experiment)
    return _try_cell(cell, experiment)


def _together(cells, experiment, bar):
    """Train the seeds of each method as one, and yield each cell with its details."""
    groups: dict[tuple, list] = {}
    for cell in cells:
        groups.setdefault((cell.source, cell.target, cell.method), []).append(cell)
    for (*_, method), seeds in groups.items():
        if read_vector_method(method) is None and not experiment.time_is_up:
            yield from run_seeds(seeds, experiment, _teller(experiment, bar))
        else:
            yield from _one_by_one(seeds, experiment, bar)


def _teller(experiment, bar):
    """Return what cells of this process call after every epoch."""

    def tell(cell, share, text):
        bar.reach(cell, share)
        # Cells that take seconds need no line for every epoch.
        if experiment.fine_tunes:
            log(f"  {pair_label(cell.source, cell.target)}, {title_of(cell.method)}: {text}")

    return tell


def _try_cell(cell, experiment, tell=None):
    if experiment.time_is_up:
        return cell, TimeIsUpError("The time is up.")
    try:
        return cell, run_cell(cell, experiment, tell)
    except ENDS as error:
        # One method that diverges is no reason to lose the rest of the table.
        return cell, error


def _share_of_cores(experiment, jobs):
    """Return the experiment with the threads and workers that each process gets."""
    share = max(1, joblib.cpu_count() // jobs)
    n_workers = share if experiment.n_workers is None and jobs > 1 else experiment.n_workers
    # Batches of vectors are too small for several threads.
    n_threads = share if experiment.fine_tunes else 1
    return replace(experiment, n_threads=n_threads, n_workers=n_workers)


@contextlib.contextmanager
def _alone_in(out):
    """Make the folder, if it is not there, and keep other runs out of it."""
    if rank() != 0:
        yield
        return
    if not (out / "settings.json").exists() and out.exists() and not _is_bare(out):
        raise FileExistsError(
            f"{str(out)!r} is there already, and is no run of domadapt bench. Name another folder."
        )
    out.mkdir(parents=True, exist_ok=True)
    with locked(out):
        yield


def _is_bare(out):
    """Return whether a folder holds no more than a run that was killed as it began."""
    return out.is_dir() and all(
        path.name == LOCK or (path.name.startswith(".settings.json.") and path.suffix == ".part")
        for path in out.iterdir()
    )


def _open_folder(experiment, resume):
    """Begin a run, or check that the one in the folder can be resumed: settings and results."""
    out = experiment.out
    settings = {"format": FORMAT, "version": domadapt.__version__} | experiment.settings
    # As they are read from a file: lists in place of tuples.
    settings = json.loads(json.dumps(settings))
    path, results = out / "settings.json", []
    is_run = path.exists()
    if is_run and resume:
        there, results, _ = read_run(out, resumed=True)
        settings = _join(out, there, settings)
    if n_processes() > 1:
        # The first process must not have begun the run before the others have looked.
        distributed.barrier()
    if is_run and not resume:
        raise FileExistsError(
            f"{str(out)!r} holds a run already. Add --resume to continue it, or name another "
            "folder."
        )
    _write_json(path, settings)
    _write_json(out / "results.json", results)
    if rank() == 0:
        experiment.cell_folder.mkdir(exist_ok=True)
    if n_processes() > 1:
        distributed.barrier()
    return settings, results


def _is_known(method):
    try:
        return find_method(method) == method
    except ValueError:
        return False


def _join(out, there, settings):
    """Return the settings of a run with the methods, pairs and seeds of both."""
    unknown = [method for method in there["methods"] if not _is_known(method)]
    unknown += [name for pair in there["pairs"] for name in pair if name not in settings["domains"]]
    if unknown:
        raise ValueError(
            f"{str(out / 'settings.json')!r} names {unknown[0]!r}, which is neither a method nor a "
            "domain here. Put the file back as it was, or name another folder."
        )
    joined = settings | {
        "methods": there["methods"] + [m for m in settings["methods"] if m not in there["methods"]],
        "pairs": there["pairs"] + [p for p in settings["pairs"] if p not in there["pairs"]],
        "seeds": max(there["seeds"], settings["seeds"]),
    }
    others = ("methods", "pairs", "seeds", "data_digest")
    differing = [n for n in settings if n not in others and there.get(n) != settings[n]]
    if differing:
        changes = "; ".join(f"{n} was {there.get(n)!r}, now {settings[n]!r}" for n in differing)
        raise ValueError(
            f"{str(out)!r} holds a run with other settings: {changes}. Use those, or name "
            "another folder."
        )
    _check_same_data(out, there, settings)
    return joined


def _check_same_data(out, there, settings):
    """Check that a run goes on with the contents that it was begun with."""
    now, before = settings.get("data_digest"), there.get("data_digest")
    if before is None and now is not None:
        raise ValueError(
            f"{str(out)!r} holds a run that was begun without a digest of its data, so that it "
            "cannot be known whether they have changed since. Name another folder."
        )
    if before != now:
        raise ValueError(
            f"{str(out)!r} holds a run on other data: what {settings.get('root')!r} holds has "
            "changed since the run was begun, and its results must not be mixed with new ones. "
            "Put the data back as they were, or name another folder."
        )


def _write_json(path, value):
    if rank() == 0:
        atomic_write(path, json.dumps(value, indent=1) + "\n")
