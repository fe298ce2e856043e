"""Columns by name that print as a table."""

import html

import numpy as np

# Characters of a cell that are printed.
SHOWN = 40


class Columns(dict):
    """Columns by name: arrays of one length, printed as a table."""

    def __str__(self):
        return "\n".join("  ".join(cells) for cells in self._aligned())

    def __repr__(self):
        return str(self)

    def _repr_html_(self):
        head, *rows = self._texts()
        cells = "".join(f"<th>{html.escape(cell)}</th>" for cell in head)
        lines = [
            "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>"
            for row in rows
        ]
        return f"<table><tr>{cells}</tr>{''.join(lines)}</table>"

    def _texts(self):
        columns = [[name, *map(_as_text, values)] for name, values in self.items()]
        return list(zip(*columns, strict=True))

    def _aligned(self):
        rows = [[cell[:SHOWN] for cell in row] for row in self._texts()]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return [[c.ljust(w) for c, w in zip(row, widths, strict=True)] for row in rows]


def _as_text(value):
    if isinstance(value, (float, np.floating)):
        return "" if np.isnan(value) else f"{value:.3f}"
    return str(value)
