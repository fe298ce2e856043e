"""The files of a run, read and checked: its settings, its finished cells, the file of each cell."""

import json
import math

FORMAT = 1
CELL = ("source", "target", "method", "seed")
# The two accuracies of a cell: of the last epoch, and of the epoch that target labels select.
ACCURACIES = ("accuracy", "best_accuracy_by_target_labels")
SETTINGS = ("dataset", "methods", "seeds", "pairs")
POINTS = ("x", "y", "is_target")
# JSON has whole numbers of any length.
LARGEST = 2**1000
LARGEST_CLASS = 2**31
# More than anyone has time for.
MOST_SEEDS = 100_000


def read_run(folder, *, resumed=False):
    """Read all that is known of a run, and check it before anything is computed from it.

    Parameters
    ----------
    folder : Path
        That ``domadapt bench`` has written.
    resumed : bool, default=False
        Whether the run is to go on: it may have stopped before the first file of results,
        and each cell's file has to be of that cell.

    Returns
    -------
    settings : dict
        Of the run.
    results : list of dict
        The finished cells, each once.
    details : list of dict
        Of the files of the cells.

    Raises
    ------
    FileNotFoundError
        If a file is not there.
    ValueError
        If a file is no JSON, is of another version, or does not hold what is expected.
    """
    settings = _read_settings(folder / "settings.json")
    path = folder / "results.json"
    results = [] if resumed and not path.exists() else _read_results(path, settings)
    details = {}
    for path in sorted((folder / "cells").glob("*.json")):
        found = read_details(path, settings, resumed=resumed)
        key = tuple(found[name] for name in CELL)
        if key in details:
            raise ValueError(f"{str(path)!r} holds the cell {list(key)}, as another file does.")
        details[key] = found
    return settings, results, list(details.values())


def read_details(path, settings, *, resumed=False):
    """Read the file of a cell with its curves and its map.

    Raises
    ------
    FileNotFoundError, ValueError
        As :func:`read_run`.
    """
    details = _read_json(path)
    _check_keys(path, details, CELL)
    _check_cell(path, details, settings)
    if resumed:
        _check_keys(path, details, ("target_accuracy",))
        if path.stem != "__".join(str(details[key]) for key in CELL):
            raise ValueError(
                f"{str(path)!r} is the file of another cell, {[details[key] for key in CELL]}. "
                "Remove it, or give it its name again."
            )
    accuracies = details.get("target_accuracy")
    if accuracies is not None and not (
        isinstance(accuracies, list) and all(map(_is_percentage, accuracies))
    ):
        raise _unexpected(path, "target_accuracy", accuracies, "a list of percentages")
    for key in ("history", "adaptation_history"):
        history = details.get(key)
        if history is not None and not _is_history(history):
            raise _unexpected(path, key, history, "a list of numbers for each loss")
    names = details.get("class_names")
    if names is not None and not _are_names(names):
        raise _unexpected(path, "class_names", names, "a list of names, each once")
    predicted = details.get("target_predicted")
    if predicted is not None and not (
        isinstance(predicted, list)
        and all(_is_whole(c) and -1 <= c < LARGEST_CLASS for c in predicted)
    ):
        raise _unexpected(path, "target_predicted", predicted, "a list of classes by number")
    if details.get("map") is not None:
        _check_map(path, details["map"])
    return details


def _read_settings(path):
    settings = _read_json(path)
    version = settings.get("format") if isinstance(settings, dict) else None
    if version != FORMAT or isinstance(version, bool):
        raise ValueError(
            f"{str(path)!r} is of format {version!r}, but this version of domadapt reads format "
            f"{FORMAT}. Use the version that began the run."
        )
    _check_keys(path, settings, SETTINGS)
    if not isinstance(settings["dataset"], str):
        raise _unexpected(path, "dataset", settings["dataset"], "a name")
    for key in ("methods", "domains"):
        if not _are_names(settings.get(key, [])):
            raise _unexpected(path, key, settings[key], "a list of names, each once")
    pairs = settings["pairs"]
    if not (isinstance(pairs, list) and all(_are_names(p) and len(p) == 2 for p in pairs)):
        raise _unexpected(path, "pairs", pairs, "a list of pairs of two domains")
    seeds = settings["seeds"]
    if not (_is_whole(seeds) and 1 <= seeds <= MOST_SEEDS):
        raise _unexpected(path, "seeds", seeds, f"a whole number from 1 to {MOST_SEEDS}")
    return settings


def _read_results(path, settings):
    results = _read_json(path)
    if not isinstance(results, list):
        raise ValueError(f"{str(path)!r} holds a {type(results).__name__}, not a list of cells.")
    seen = set()
    for cell in results:
        _check_keys(path, cell, CELL + ACCURACIES)
        _check_cell(path, cell, settings)
        key = tuple(cell[name] for name in CELL)
        for name in ACCURACIES:
            if not _is_percentage(cell[name]):
                raise ValueError(
                    f"{str(path)!r} has {name}={cell[name]!r} in the cell {list(key)}; a "
                    "percentage was expected."
                )
        if "estimated_accuracy" in cell and not (
            _is_percentage(cell["estimated_accuracy"]) and isinstance(cell.get("adapts"), bool)
        ):
            raise ValueError(
                f"{str(path)!r} has estimated_accuracy={cell['estimated_accuracy']!r} and adapts="
                f"{cell.get('adapts')!r} in the cell {list(key)}; a percentage, and true or false, "
                "were expected."
            )
        if key in seen:
            raise ValueError(
                f"{str(path)!r} has the cell {list(key)} twice. Remove the one that is not right."
            )
        seen.add(key)
    return results


def _read_json(path):
    try:
        text = path.read_text(encoding="utf-8")
        value = json.loads(text)
        if "\\u" in text:
            # What stands so in a file need not be text, and could not be written into another.
            json.dumps(value, ensure_ascii=False).encode()
        return value
    except FileNotFoundError:
        raise FileNotFoundError(
            f"{str(path)!r} is not there. Name a folder that domadapt bench has written."
        ) from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{str(path)!r} is not JSON, perhaps cut short: {error}.") from error


def _check_keys(path, record, keys):
    if not isinstance(record, dict):
        raise ValueError(f"{str(path)!r} holds {str(record)[:80]!r} where a record was expected.")
    missing = [key for key in keys if key not in record]
    if missing:
        raise ValueError(f"{str(path)!r} lacks {', '.join(missing)} in {str(record)[:80]!r}.")


def _check_cell(path, cell, settings):
    """Check that the settings name a cell."""
    key = [cell[name] for name in CELL]
    if not (
        _are_names(key[:2])
        and list(key[:2]) in settings["pairs"]
        and key[2] in settings["methods"]
        and _is_whole(key[3])
        and 0 <= key[3] < settings["seeds"]
    ):
        raise ValueError(
            f"{str(path)!r} holds the cell {str(key)[:200]}, which the settings of the run do not "
            "name. It belongs to another run, or was changed by hand."
        )


def _check_map(path, points):
    _check_keys(path, points, POINTS)
    for key in POINTS:
        is_fit = isinstance(points[key], list) and all(
            isinstance(v, bool) or _is_number(v) for v in points[key]
        )
        if not is_fit:
            raise _unexpected(path, f"map {key}", points[key], "a list of numbers")
    projection = points.get("projection", "")
    if not (isinstance(projection, str) and _is_whole(points.get("n_features", 0))):
        raise _unexpected(path, "map projection", projection, "a name, and a number of features")
    lengths = [len(points[key]) for key in POINTS]
    if len(set(lengths)) > 1:
        raise ValueError(
            f"{str(path)!r} has a map with {lengths[0]} x, {lengths[1]} y and {lengths[2]} "
            "is_target. One of each was expected for every point."
        )


def _unexpected(path, key, value, expected):
    return ValueError(f"{str(path)!r} has {key}={str(value)[:80]}; {expected} was expected.")


def _are_names(values):
    """Return whether there is a list of different texts."""
    is_list = isinstance(values, list) and all(isinstance(value, str) for value in values)
    return is_list and len(set(values)) == len(values)


def _is_whole(value):
    return isinstance(value, int) and not isinstance(value, bool)


def _is_float(value):
    """Return whether a value is a number of a size that can be drawn, or NaN."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and (isinstance(value, float) or abs(value) < LARGEST)


def _is_number(value):
    # JSON has no NaN, but Python's reads and writes it.
    return _is_float(value) and math.isfinite(value)


def _is_percentage(value):
    return _is_number(value) and 0 <= value <= 100


def _is_history(history):
    return isinstance(history, dict) and all(
        isinstance(losses, list) and all(map(_is_float, losses)) for losses in history.values()
    )
