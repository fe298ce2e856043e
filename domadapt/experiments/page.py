"""The page of a report: one HTML file that loads nothing and runs nothing."""

import html
import json
from itertools import groupby
from string import Template

from domadapt.experiments import curves, maps, matrices, tables

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
  --line: #d8dce1; --band: #1c20240d; --edge: #1c20244d; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e8eb; --paper: #14171a; --soft: #a2aab4; --line: #343a41; --band: #e6e8eb0d;
    --edge: #e6e8eb4d; }
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
/* A shadow at the right edge for as long as there is more to scroll to. */
.wide { overflow-x: auto; background:
  linear-gradient(to left, var(--paper) 40%, transparent) right / 3rem 100% no-repeat local,
  linear-gradient(to left, var(--edge), transparent) right / 1rem 100% no-repeat scroll; }
table { border-collapse: separate; border-spacing: 0; font-size: .8125rem;
  font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .3rem; text-align: right; vertical-align: top; }
td { white-space: nowrap; }
th { font-weight: 500; }
thead th { vertical-align: bottom; color: var(--soft); line-height: 1.25; }
.results thead th:last-child { min-width: 6.5rem; }
/* The names stay in sight, below half of a narrow screen. */
th:first-child { text-align: left; min-width: 6.5rem; max-width: 14rem; overflow-wrap: anywhere;
  position: sticky; left: 0; background: var(--paper); }
thead th, tbody tr:last-child > * { border-bottom: 1px solid var(--line); }
tbody tr:nth-child(even) > * { background: var(--band); }
tbody tr:nth-child(even) > th:first-child {
  background: linear-gradient(var(--band), var(--band)), var(--paper); }
tbody.published { color: var(--soft); }
tbody th[scope=rowgroup] { max-width: none; padding-top: .7rem; font-size: .9em;
  position: static; }
th[scope=rowgroup] span { position: sticky; left: .3rem; display: inline-block;
  max-width: min(46rem, 80vw); }
td small { display: block; color: var(--soft); font-size: .85em; line-height: 1.3; }
.notes { color: var(--soft); font-size: .9rem; }
.legend { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; margin: .75rem 0; padding: 0;
  list-style: none; font-size: .9rem; }
.legend svg { width: 2rem; height: .75rem; margin-right: .4rem; vertical-align: middle;
  overflow: visible; }
.panels { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 22rem), 1fr));
  gap: .5rem 1.5rem; }
.maps { display: grid; grid-template-columns: repeat(auto-fill, minmax(9.5rem, 16rem));
  gap: .75rem; }
/* What the radio buttons above the maps switch, with no script. */
#by-domain:checked ~ .by-class, #by-domain:checked ~ * .by-class,
#by-class:checked ~ .by-domain, #by-class:checked ~ * .by-domain { display: none; }
label { margin-right: 1.25rem; }
figure { margin: 0; }
.panels + details { margin: .25rem 0 2rem; font-size: .9rem; }
summary { color: var(--soft); cursor: pointer; }
figcaption { font-size: .9rem; overflow-wrap: anywhere; }
figcaption:first-child { margin-bottom: .25rem; font-weight: 600; }
figure svg * { stroke-linejoin: round; }
figure svg, figure img { width: 100%; height: auto; }
figure svg { display: block; }
@media (max-width: 40rem) {
  .maps { grid-template-columns: repeat(2, minmax(0, 1fr)); }
}
</style>
</head>
<body>
<main>
<h1>$title</h1>
<section aria-labelledby="accuracy">
<h2 id="accuracy">Accuracy</h2>
$table
$notes
$others
</section>
<section aria-labelledby="pairs">
<h2 id="pairs">From source to target</h2>
$matrices
</section>
<section aria-labelledby="curves">
<h2 id="curves">Curves</h2>
$curves
</section>
<section aria-labelledby="maps">
<h2 id="maps">Feature maps</h2>
$maps
</section>
<section aria-labelledby="settings">
<h2 id="settings">Settings</h2>
<dl>
$settings
</dl>
</section>
</main>
</body>
</html>
""")


def page(settings, summary, details):
    """Return the page of a run as HTML."""
    notes = "\n".join(f'<p class="notes">{html.escape(note)}</p>' for note in tables.notes(summary))
    by_pair = {
        (pair["source"], pair["target"]): [
            d for d in details if (d["source"], d["target"]) == (pair["source"], pair["target"])
        ]
        for pair in summary["pairs"]
    }
    titles = {method["method"]: method["title"] for method in summary["methods"]}
    return PAGE.substitute(
        title=html.escape(f"domadapt bench: {settings['dataset']}"),
        table=_table(tables.header(summary), tables.rows(summary), 'aria-labelledby="accuracy"'),
        notes=notes,
        others=_others(summary),
        matrices=matrices.matrices_section(summary),
        curves=curves.curves_section(by_pair, titles),
        maps=maps.maps_section(by_pair, titles),
        settings=_settings(settings),
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
        return ", ".join(map(_text_of, value)) or "none"
    return json.dumps(value) if isinstance(value, dict) else str(value)


def _others(summary):
    """Return the published means that do not compare with those of the run."""
    parts = []
    for pairs, rows in tables.means_over_other_pairs(summary).items():
        heading = html.escape(tables.other_pairs_heading(pairs))
        parts.append(f"<h3>{heading}</h3>")
        parts.append(_table(["method", *tables.MEANS], rows, f'aria-label="{heading}"'))
    return "\n".join(parts)


def _table(titles, rows, name):
    """Return a table with its columns' titles; ``name`` is the attribute that names it."""
    # A label breaks after its sign only.
    columns = [html.escape(title).replace(" &gt; ", "&nbsp;&gt; ") for title in titles]
    head = "".join(f'<th scope="col">{column}</th>' for column in columns)
    groups = [
        _group(where, list(of_source), len(columns))
        for where, of_source in groupby(rows, key=lambda row: row.where)
    ]
    # A scrolling region has to be reachable from the keyboard.
    return (
        f'<div class="wide results" role="region" {name} tabindex="0">'
        f"<table><thead><tr>{head}</tr></thead>{''.join(groups)}</table></div>"
    )


def _group(where, rows, n_columns):
    """Return the table body of the rows from one source, under its name if it was published."""
    lines = "".join(map(_row, rows))
    if not where:
        return f"<tbody>{lines}</tbody>"
    heading = (
        f'<th scope="rowgroup" colspan="{n_columns}"><span>Published: {html.escape(where)}'
        "</span></th>"
    )
    return f'<tbody class="published"><tr>{heading}</tr>{lines}</tbody>'


def _row(row):
    cells = "".join(map(_cell, row.entries))
    return f'<tr><th scope="row">{html.escape(row.name)}</th>{cells}</tr>\n'


def _cell(entry):
    text = f"<b>{entry.text}</b>" if entry.is_best else entry.text
    return f"<td>{text}{f'<small>{entry.spread}</small>' if entry.spread else ''}</td>"
