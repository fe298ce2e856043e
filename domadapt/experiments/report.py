"""The report of a run: what is read from its folder, and what is written there."""

import json
from pathlib import Path

from domadapt._storage.files import atomic_write
from domadapt.experiments import tables
from domadapt.experiments.choice import choose_methods
from domadapt.experiments.files import read_run
from domadapt.experiments.page import page
from domadapt.plotting._matplotlib import check_matplotlib


def write_report(folder):
    """Write tables and page of a finished or unfinished run to its folder; return the Markdown.

    Raises
    ------
    FileNotFoundError
        If the folder does not exist, or lacks settings or results.
    ValueError
        If a file is damaged, of another format, or does not agree with the settings.
    ImportError
        If matplotlib is not installed. The tables are written nonetheless.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(
            f"folder={str(folder)!r} is not a folder. Name one that domadapt bench has written."
        )
    settings, results, details = read_run(folder)
    summary = tables.summarise(settings, results, choose_methods(settings, results, details))
    text = tables.markdown_table(summary)
    atomic_write(folder / "table.md", text)
    atomic_write(folder / "table.csv", tables.csv_table(summary))
    atomic_write(folder / "table.json", json.dumps(summary, indent=1) + "\n")
    check_matplotlib("the report")
    atomic_write(folder / "report.html", page(settings, summary, details))
    return text
