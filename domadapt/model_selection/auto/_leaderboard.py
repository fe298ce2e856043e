"""The leaderboard of the automatic choice, as columns and as text."""

import html

import numpy as np

SHOWN = 40


class Leaderboard(dict):
    """Columns by name, arrays with one entry for each candidate, the heaviest first.

    As ``cv_results_`` of scikit-learn's searches it goes into a ``pandas.DataFrame`` as it is;
    printed it is a table. No target label is in it.
    """

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


def make_leaderboard(trained, columns, weights):
    """Return the leaderboard of what candidates were fitted, with columns by name.

    Columns have an entry for each candidate that was fitted, or only for the first of them.
    """
    n_candidates = len(trained)
    full = np.zeros(n_candidates)
    fitted = np.array([one.problem is None for one in trained])
    places = np.flatnonzero(fitted)
    full[places] = weights
    order = np.lexsort((np.arange(n_candidates), -full, ~fitted))
    board = Leaderboard()
    board["candidate"] = np.array([one.candidate.name for one in trained], dtype=object)[order]
    kinds = ["plain" if one.candidate.is_plain else "adapted" for one in trained]
    board["kind"] = np.array(kinds, dtype=object)[order]
    board["weight"] = full[order]
    for name, values in columns.items():
        values = np.asarray(values)
        column = np.full(n_candidates, "" if values.dtype == object else np.nan, values.dtype)
        column[places[: len(values)]] = values
        board[name] = column[order]
    board["seconds"] = np.array([one.seconds for one in trained])[order]
    board["problem"] = np.array([one.problem or "" for one in trained], dtype=object)[order]
    return board
