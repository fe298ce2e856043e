"""A run: all cells of a table, in a folder that can be resumed and added to."""

import json
import sys
import time
from dataclasses import replace

import joblib
from torch import distributed

import domadapt
from domadapt._storage.files import atomic_write
from domadapt.experiments.cells import duration, extract_features, run_cell
from domadapt.experiments.tables import pair_label, title_of
from domadapt.inputs.reader import n_processes, rank
from domadapt.training import NonFiniteLossError

FORMAT = 1


def run(experiment, *, resume=False, jobs=1):
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

    Returns
    -------
    settings : dict
        Of the run, with all methods, pairs and seeds that it has now.
    results : list of dict
        The finished cells.
    failed : list of str
        Names of cells with a loss that was not finite.

    Raises
    ------
    FileExistsError
        If the folder holds something else, or a run and ``resume`` is False.
    ValueError
        If it holds a run with other settings or of another version.
    OSError
        If it cannot be written to.
    """
    settings, results = _open_folder(experiment, resume)
    experiment = replace(experiment, settings=settings)
    out, cells = experiment.out, experiment.cells
    done = {(c["source"], c["target"], c["method"], c["seed"]) for c in results}
    todo = [cell for cell in cells if tuple(vars(cell).values()) not in done]
    if len(todo) < len(cells):
        log(f"{len(cells) - len(todo)} of {len(cells)} cells are finished already")
    if settings["freeze"]:
        domains = sorted({name for cell in todo for name in (cell.source, cell.target)})
        extract_features(experiment, domains, log)
    failed = []
    start = time.monotonic()
    finished = _results(todo, _share_of_cores(experiment, jobs), jobs)
    for number, (cell, result) in enumerate(finished, start=1):
        name = f"{pair_label(cell.source, cell.target)}, {title_of(cell.method)}, seed {cell.seed}"
        if isinstance(result, NonFiniteLossError):
            failed.append(name)
            log(f"{name} failed: {result}")
            continue
        results.append(result)
        _write_json(out / "results.json", results)
        left = (time.monotonic() - start) / number * (len(todo) - number)
        log(
            f"[{len(results)}/{len(cells)}] {name}: {result['accuracy']:.1f} %"
            + (f", about {duration(left)} left" if number < len(todo) else "")
        )
    return settings, results, failed


def log(text):
    """Print a line of progress, once however many processes there are."""
    if rank() == 0:
        print(text, file=sys.stderr, flush=True)


def _results(cells, experiment, jobs):
    """Train cells, and yield each with its result as it finishes."""
    if jobs > 1:
        parallel = joblib.Parallel(n_jobs=jobs, return_as="generator_unordered")
        yield from parallel(joblib.delayed(_try_cell)(cell, experiment) for cell in cells)
        return
    for cell in cells:
        what = f"{pair_label(cell.source, cell.target)}, {title_of(cell.method)}"
        # Cells that take seconds need no line for every epoch.
        yield _try_cell(cell, experiment, _log_of(what) if experiment.fine_tunes else None)


def _log_of(what):
    return lambda text: log(f"  {what}: {text}")


def _try_cell(cell, experiment, log=None):
    try:
        return cell, run_cell(cell, experiment, log)
    except NonFiniteLossError as error:
        # One method that diverges is no reason to lose the rest of the table.
        return cell, error


def _share_of_cores(experiment, jobs):
    """Return the experiment with the threads and workers that each process gets."""
    share = max(1, joblib.cpu_count() // jobs)
    n_workers = share if experiment.n_workers is None and jobs > 1 else experiment.n_workers
    # Batches of vectors are too small for several threads.
    n_threads = share if experiment.fine_tunes else 1
    return replace(experiment, n_threads=n_threads, n_workers=n_workers)


def _open_folder(experiment, resume):
    """Make the folder, or check that the run in it can be resumed; return settings and results."""
    out = experiment.out
    settings = {"format": FORMAT, "version": domadapt.__version__} | experiment.settings
    path = out / "settings.json"
    there = _read(path) if path.exists() else None
    if n_processes() > 1:
        # The first process must not have made the folder before the others have looked.
        distributed.barrier()
    if there is not None:
        if not resume:
            raise FileExistsError(
                f"{str(out)!r} holds a run already. Add --resume to continue it, or name "
                "another folder."
            )
        settings = _join(out, there, settings)
    elif out.exists() and (not out.is_dir() or any(out.iterdir())) and rank() == 0:
        raise FileExistsError(
            f"{str(out)!r} is there already, and is no run of domadapt bench. Name another folder."
        )
    results = _read(out / "results.json") if (out / "results.json").exists() else []
    if rank() == 0:
        experiment.cell_folder.mkdir(parents=True, exist_ok=True)
    _write_json(path, settings)
    _write_json(out / "results.json", results)
    if n_processes() > 1:
        distributed.barrier()
    return settings, results


def _join(out, there, settings):
    """Return the settings of a run with the methods, pairs and seeds of both."""
    if there.get("format") != FORMAT:
        raise ValueError(
            f"{str(out)!r} holds a run of format {there.get('format')}, but this version of "
            f"domadapt reads format {FORMAT}. Resume it with the version that began it."
        )
    # As they are read from a file: lists in place of tuples.
    settings = json.loads(json.dumps(settings))
    joined = settings | {
        "methods": there["methods"] + [m for m in settings["methods"] if m not in there["methods"]],
        "pairs": there["pairs"] + [p for p in settings["pairs"] if p not in there["pairs"]],
        "seeds": max(there["seeds"], settings["seeds"]),
    }
    growing = ("methods", "pairs", "seeds")
    differing = [n for n in settings if n not in growing and there.get(n) != settings[n]]
    if differing:
        changes = "; ".join(f"{n} was {there.get(n)!r}, now {settings[n]!r}" for n in differing)
        raise ValueError(
            f"{str(out)!r} holds a run with other settings: {changes}. Use those, or name "
            "another folder."
        )
    return joined


def _read(path):
    try:
        return json.loads(path.read_text())
    except ValueError as error:
        raise ValueError(f"{str(path)!r} cannot be read: {error}.") from error


def _write_json(path, value):
    if rank() == 0:
        atomic_write(path, json.dumps(value, indent=1) + "\n")
