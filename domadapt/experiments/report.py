"""The report of a run: what is read from its folder, and what is written there."""

import json
from pathlib import Path

from domadapt._storage.files import atomic_write
from domadapt.experiments import figures, tables
from domadapt.experiments.page import page

FORMAT = 1
SETTINGS = ("dataset", "methods", "seeds", "pairs")
CELL = ("source", "target", "method", "seed")


def write_report(folder):
    """Write tables and page of a finished or unfinished run to its folder; return the Markdown.

    Raises
    ------
    FileNotFoundError
        If the folder does not exist, or lacks settings or results.
    ValueError
        If a file is damaged or of another format.
    ImportError
        If matplotlib is not installed. The tables are written nonetheless.
    """
    folder = Path(folder)
    settings, results, details = _read_run(folder)
    summary = tables.summarise(settings, results)
    text = tables.markdown_table(summary)
    atomic_write(folder / "table.md", text)
    atomic_write(folder / "table.csv", tables.csv_table(summary))
    atomic_write(folder / "table.json", json.dumps(summary, indent=1) + "\n")
    figures.check_matplotlib()
    atomic_write(folder / "report.html", page(settings, summary, details))
    return text


def _read_run(folder):
    if not folder.is_dir():
        raise FileNotFoundError(
            f"folder={str(folder)!r} is not a folder. Name one that domadapt bench has written."
        )
    path = folder / "settings.json"
    settings = _read_json(path)
    if not isinstance(settings, dict) or settings.get("format") != FORMAT:
        found = settings.get("format") if isinstance(settings, dict) else None
        raise ValueError(
            f"{str(path)!r} is of format {found!r}, but this version of domadapt reads format "
            f"{FORMAT}. Write the report with the version that wrote it."
        )
    _check_keys(path, settings, SETTINGS)
    path = folder / "results.json"
    results = _read_json(path)
    if not isinstance(results, list):
        raise ValueError(f"{str(path)!r} holds a {type(results).__name__}, not a list of cells.")
    for cell in results:
        _check_keys(path, cell, CELL + tables.ACCURACIES)
        _check_accuracies(path, cell)
    details = [_read_details(path) for path in sorted((folder / "cells").glob("*.json"))]
    return settings, results, details


def _read_json(path):
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FileNotFoundError(
            f"{str(path)!r} is not there. Name a folder that domadapt bench has written."
        ) from None
    except ValueError as error:
        raise ValueError(f"{str(path)!r} is not JSON, perhaps cut short: {error}.") from error


def _check_keys(path, record, keys):
    if not isinstance(record, dict):
        raise ValueError(f"{str(path)!r} holds {str(record)[:80]!r} where a record was expected.")
    missing = [key for key in keys if key not in record]
    if missing:
        raise ValueError(f"{str(path)!r} lacks {', '.join(missing)} in {str(record)[:80]!r}.")


def _check_accuracies(path, cell):
    for key in tables.ACCURACIES:
        if not isinstance(cell[key], int | float) or not 0 <= cell[key] <= 100:
            raise ValueError(
                f"{str(path)!r} has {key}={cell[key]!r} in the cell {[cell[k] for k in CELL]}; "
                "a percentage was expected."
            )


def _read_details(path):
    """Read the file of a cell with its curves and its map."""
    details = _read_json(path)
    _check_keys(path, details, CELL)
    points = details.get("map")
    if points is not None:
        _check_keys(path, points, ("x", "y", "is_target"))
        lengths = [len(points[key]) for key in ("x", "y", "is_target")]
        if len(set(lengths)) > 1:
            raise ValueError(
                f"{str(path)!r} has a map with {lengths[0]} x, {lengths[1]} y and {lengths[2]} "
                "is_target. One of each was expected for every point."
            )
    return details
