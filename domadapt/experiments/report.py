"""The report of a run: its tables, and a page with curves and feature maps."""

import html
import json
from itertools import groupby
from pathlib import Path
from string import Template

from domadapt._storage.files import atomic_write
from domadapt.experiments import figures, tables
from domadapt.experiments.files import read_run

PAGE = Template("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
  content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>$title</title>
<style>
:root { color-scheme: light dark; --ink: #1c2024; --paper: #ffffff; --soft: #5b636d;
  --line: #d8dce1; --band: #f4f6f8; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e8eb; --paper: #14171a; --soft: #a2aab4; --line: #343a41; --band: #1d2126; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 88rem; color: var(--ink);
  background: var(--paper); font: 1rem/1.5 system-ui, sans-serif; }
h1 { margin: 0 0 1rem; font-size: 1.6rem; line-height: 1.2; overflow-wrap: anywhere; }
h2 { margin: 2.5rem 0 .75rem; font-size: 1.25rem; }
h3 { margin: 1.5rem 0 .5rem; font-size: 1rem; overflow-wrap: anywhere; }
p { max-width: 46rem; }
dl { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: .15rem 1.25rem;
  margin: 0; font-size: .9rem; }
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums; }
th, td { padding: .35rem .45rem; text-align: right; vertical-align: top; }
td { white-space: nowrap; }
th { font-weight: 500; }
thead th { vertical-align: bottom; color: var(--soft); line-height: 1.25; }
thead th:last-child { min-width: 7rem; }
th:first-child { text-align: left; min-width: 6rem; position: sticky; left: 0;
  background: var(--paper); }
thead, tbody { border-bottom: 1px solid var(--line); }
tbody tr:nth-child(even) > * { background: var(--band); }
tbody.published { color: var(--soft); }
.published th[scope=rowgroup] { padding-top: .7rem; font-size: .9em; }
td small { display: block; color: var(--soft); font-size: .8em; line-height: 1.3; }
.notes { color: var(--soft); font-size: .9rem; }
.legend { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; margin: 0 0 1rem; padding: 0;
  list-style: none; font-size: .9rem; }
.legend svg { width: 2rem; height: .75rem; margin-right: .4rem; vertical-align: middle; }
.curves { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 28rem), 1fr));
  gap: 1.5rem 2rem; }
.maps { display: grid; grid-template-columns: repeat(auto-fill, minmax(9.5rem, 16rem));
  gap: .75rem; }
figure { margin: 0; }
figcaption { font-size: .9rem; overflow-wrap: anywhere; }
.curves figcaption { margin-bottom: .25rem; font-weight: 600; }
figure svg * { stroke-linejoin: round; }
figure svg, figure img { display: block; width: 100%; height: auto; }
@media (max-width: 40rem) {
  .maps { grid-template-columns: repeat(2, minmax(0, 1fr)); }
}
</style>
</head>
<body>
<main>
<h1>$title</h1>
<section aria-labelledby="settings">
<h2 id="settings">Settings</h2>
<dl>
$settings
</dl>
</section>
<section aria-labelledby="accuracy">
<h2 id="accuracy">Accuracy</h2>
$table
$notes
</section>
<section aria-labelledby="curves">
<h2 id="curves">Curves</h2>
$curves
</section>
<section aria-labelledby="maps">
<h2 id="maps">Feature maps</h2>
$maps
</section>
</main>
</body>
</html>
""")


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
    summary = tables.summarise(settings, results)
    text = tables.markdown_table(summary)
    atomic_write(folder / "table.md", text)
    atomic_write(folder / "table.csv", tables.csv_table(summary))
    atomic_write(folder / "table.json", json.dumps(summary, indent=1) + "\n")
    figures.check_matplotlib()
    atomic_write(folder / "report.html", _page(settings, summary, details))
    return text


def _page(settings, summary, details):
    title = html.escape(f"domadapt bench: {settings['dataset']}")
    notes = "\n".join(f'<p class="notes">{html.escape(note)}</p>' for note in tables.notes(summary))
    by_pair = {
        (pair["source"], pair["target"]): [
            d for d in details if (d["source"], d["target"]) == (pair["source"], pair["target"])
        ]
        for pair in summary["pairs"]
    }
    titles = {method["method"]: method["title"] for method in summary["methods"]}
    return PAGE.substitute(
        title=title,
        settings=_settings(settings),
        table=_table(summary),
        notes=notes,
        curves=figures.curves_section(by_pair, titles),
        maps=figures.maps_section(by_pair, titles),
    )


def _settings(settings):
    shown = {key: value for key, value in settings.items() if key != "format"}
    shown["methods"] = [tables.title_of(method) for method in settings["methods"]]
    shown["pairs"] = [tables.pair_label(*pair) for pair in settings["pairs"]]
    return "\n".join(
        f"<dt>{html.escape(key.replace('_', ' '))}</dt><dd>{html.escape(_text_of(value))}</dd>"
        for key, value in shown.items()
    )


def _text_of(value):
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    if isinstance(value, list):
        return ", ".join(map(_text_of, value))
    return json.dumps(value) if isinstance(value, dict) else str(value)


def _table(summary):
    # A label breaks after its sign only.
    columns = [
        html.escape(name).replace(" &gt; ", "&nbsp;&gt; ") for name in tables.header(summary)
    ]
    titles = "".join(f'<th scope="col">{name}</th>' for name in columns)
    groups = [
        _group(where, list(rows), len(columns))
        for where, rows in groupby(tables.rows(summary), key=lambda row: row.where)
    ]
    # A scrolling region has to be reachable from the keyboard.
    return (
        '<div class="wide" role="region" aria-labelledby="accuracy" tabindex="0">'
        f"<table><thead><tr>{titles}</tr></thead>{''.join(groups)}</table></div>"
    )


def _group(where, rows, n_columns):
    """Return the table body of the rows from one source, under its name if it was published."""
    lines = "".join(map(_row, rows))
    if not where:
        return f"<tbody>{lines}</tbody>"
    heading = f'<th scope="rowgroup" colspan="{n_columns}">Published: {html.escape(where)}</th>'
    return f'<tbody class="published"><tr>{heading}</tr>{lines}</tbody>'


def _row(row):
    cells = "".join(map(_cell, row.entries))
    return f'<tr><th scope="row">{html.escape(row.name)}</th>{cells}</tr>\n'


def _cell(entry):
    text = f"<b>{entry.text}</b>" if entry.is_best else entry.text
    return f"<td>{text}{f'<small>{entry.spread}</small>' if entry.spread else ''}</td>"
