"""A run: all cells of a table, in a folder that survives being stopped."""

import json
import sys
import time
from pathlib import Path

import joblib
from torch import distributed

import domadapt
from domadapt._storage.files import atomic_write
from domadapt.experiments.cells import extract_features, run_cell, say_duration
from domadapt.experiments.tables import pair_label, title_of
from domadapt.experiments.tasks import folder_of_cells, list_cells
from domadapt.training import NonFiniteLossError
from domadapt.training.distributed import n_processes, rank

FORMAT = 1


def run(settings, out, place, *, resume=False, jobs=1):
    """Run every cell that is not finished, and write each down as it finishes.

    Parameters
    ----------
    settings : dict
        What decides the figures: ``dataset``, ``root``, ``pairs``, ``methods``, ``seeds``
        and so on. They are kept in the folder.
    out : str or path
        The run folder. It holds ``settings.json``, ``results.json``, and in ``cells`` the
        history and the checkpoint of each cell.
    place : dict
        Where it runs, which decides nothing: ``device``, ``n_workers`` and
        ``cache_megabytes``.
    resume : bool, default=False
        Go on with a run that is in the folder already.
    jobs : int, default=1
        Processes that train cells side by side.

    Returns
    -------
    results : list of dict
        The finished cells.
    failed : list of str
        Names of cells whose loss went out of the finite numbers.

    Raises
    ------
    FileExistsError
        If the folder holds something else, or a run and ``resume`` was not asked for.
    ValueError
        If it holds a run with other settings or of another version.
    OSError
        If it cannot be written to.
    """
    out = Path(out)
    results = _open_folder(out, settings, resume)
    done = {(c["source"], c["target"], c["method"], c["seed"]) for c in results}
    cells = list_cells(settings)
    todo = [cell for cell in cells if tuple(vars(cell).values()) not in done]
    if len(todo) < len(cells):
        say(f"{len(cells) - len(todo)} of {len(cells)} cells are finished already")
    if settings["freeze"] and todo:
        extract_features(settings, out, place, say)
    place = place | _share_of_cores(settings, place, jobs)
    failed = []
    start = time.monotonic()
    for number, (cell, result) in enumerate(_results(todo, settings, out, place, jobs), start=1):
        name = f"{pair_label(cell.source, cell.target)}, {title_of(cell.method)}, seed {cell.seed}"
        if isinstance(result, NonFiniteLossError):
            failed.append(name)
            say(f"{name} failed: {result}")
            continue
        results.append(result)
        _write_results(out, results)
        left = (time.monotonic() - start) / number * (len(todo) - number)
        say(
            f"[{len(results)}/{len(cells)}] {name}: {result['accuracy']:.1f} %"
            + (f", about {say_duration(left)} left" if number < len(todo) else "")
        )
    return results, failed


def say(text):
    """Tell the person who waits, once however many processes there are.

    Parameters
    ----------
    text : str
        One line.
    """
    if rank() == 0:
        print(text, file=sys.stderr, flush=True)


def _results(cells, settings, out, place, jobs):
    """Train cells, and yield each with its result as it finishes."""
    if jobs == 1:
        for cell in cells:
            what = f"{pair_label(cell.source, cell.target)}, {title_of(cell.method)}"
            # Cells that take seconds need no word of every epoch.
            note = _noting(what) if _fine_tunes(settings) else None
            yield cell, _try_cell(cell, settings, out, place, note)[1]
        return
    parallel = joblib.Parallel(n_jobs=jobs, return_as="generator_unordered")
    yield from parallel(joblib.delayed(_try_cell)(cell, settings, out, place) for cell in cells)


def _share_of_cores(settings, place, jobs):
    """Say how many threads and readers of images each of the processes gets."""
    share = max(1, joblib.cpu_count() // jobs)
    # Batches of vectors are too small for several threads.
    n_threads = share if _fine_tunes(settings) else 1
    n_workers = place["n_workers"]
    return {
        "n_threads": n_threads,
        "n_workers": share if n_workers is None and jobs > 1 else n_workers,
    }


def _fine_tunes(settings):
    return settings["backbone"] is not None and not settings["freeze"]


def _noting(what):
    return lambda text: say(f"  {what}: {text}")


def _try_cell(cell, settings, out, place, note=None):
    try:
        return cell, run_cell(cell, settings, out, place, note)
    except NonFiniteLossError as error:
        # One method that diverges is no reason to lose the rest of the table.
        return cell, error


def _open_folder(out, settings, resume):
    """Make the folder, or make sure that it is of the same run; give the finished cells."""
    settings = {"format": FORMAT, "version": domadapt.__version__} | settings
    path = out / "settings.json"
    there = _read(path) if path.exists() else None
    if n_processes() > 1:
        # The first process must not have made the folder before the others have looked.
        distributed.barrier()
    if there is not None:
        if not resume:
            raise FileExistsError(
                f"{str(out)!r} holds a run already. Add --resume to go on with it, or name "
                "another folder."
            )
        _compare(out, there, settings)
    elif out.exists() and (not out.is_dir() or any(out.iterdir())) and rank() == 0:
        raise FileExistsError(
            f"{str(out)!r} is there already, and is no run of domadapt bench. Name another folder."
        )
    results = _read(out / "results.json") if (out / "results.json").exists() else []
    if rank() == 0:
        folder_of_cells(out).mkdir(parents=True, exist_ok=True)
        atomic_write(path, json.dumps(settings, indent=1) + "\n")
        _write_results(out, results)
    if n_processes() > 1:
        distributed.barrier()
    return results


def _compare(out, there, settings):
    if there.get("format") != FORMAT:
        raise ValueError(
            f"{str(out)!r} holds a run of format {there.get('format')}, but this version of "
            f"domadapt reads format {FORMAT}. Go on with the version that began it."
        )
    settings = json.loads(json.dumps(settings))
    differing = [name for name in settings if there.get(name) != settings[name]]
    if differing:
        changes = "; ".join(f"{n} was {there.get(n)!r}, now {settings[n]!r}" for n in differing)
        raise ValueError(
            f"{str(out)!r} holds a run with other settings: {changes}. Use those, or name "
            "another folder."
        )


def _read(path):
    try:
        return json.loads(path.read_text())
    except ValueError as error:
        raise ValueError(f"{str(path)!r} cannot be read: {error}.") from error


def _write_results(out, results):
    if rank() == 0:
        atomic_write(out / "results.json", json.dumps(results, indent=1) + "\n")
