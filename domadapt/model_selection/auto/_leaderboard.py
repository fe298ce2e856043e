"""The leaderboard of the automatic choice, as columns and as text."""

import numpy as np

from domadapt._storage.columns import Columns

# What weighs less hardly takes part.
LEAST_WEIGHT = 0.01


class Leaderboard(Columns):
    """Columns by name, arrays with one entry for each candidate, the heaviest first.

    As ``cv_results_`` of scikit-learn's searches it goes into a ``pandas.DataFrame`` as it is;
    printed it is a table. No target label is in it.
    """


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


def reasons(board):
    """Yield a line for each candidate without weight."""
    for row in range(len(board["candidate"])):
        name = board["candidate"][row]
        if board["problem"][row]:
            yield f"  {name}: {board['problem'][row]}"
        elif board["weight"][row] <= LEAST_WEIGHT:
            if np.isnan(board["agreement"][row]):
                yield f"  {name}: right on {board['known_accuracy'][row]:.0%} of the known labels"
                continue
            said = f"agrees with the consensus on {board['agreement'][row]:.0%}"
            if board["erased"][row] > 0:
                said += f", erases classes of {board['erased'][row]:.0%} of the samples"
            harm = f"; {board['harm'][row]}" if board["harm"][row] else ""
            yield f"  {name}: {said}, roughness {board['roughness'][row]:.2f}{harm}"
