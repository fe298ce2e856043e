"""Which method of a table to use on a pair of domains, named without target labels.

All that is read is what each method predicts for the target. Every finished method has a vote
on every sample, and methods that see no target lean on all of them a little, so that they
decide where votes are equal. The method is named that agrees best with the vote; classes that
it erases are taken off. A table of two methods, one of them without a target, names that one.
"""

import numpy as np

from domadapt.experiments.files import CELL
from domadapt.experiments.tables import pair_label
from domadapt.experiments.vector_methods import sees_no_target
from domadapt.model_selection import ensemble_agreement_score
from domadapt.model_selection._harm import erased_classes, label_shares

# How far each vote leans to that of the methods which see no target.
LEAN = 0.1


def choose_methods(settings, cells, details):
    """Name a method for each pair and seed of a run that has two finished methods or more.

    Parameters
    ----------
    settings : dict
        Of the run.
    cells, details : list of dict
        The finished cells, of which nothing but the key is read, and what their files hold.

    Returns
    -------
    chosen : dict of tuple to str
        By source, target and seed.

    Raises
    ------
    ValueError
        If methods were asked about different numbers of target samples.
    """
    done = {tuple(cell[name] for name in CELL) for cell in cells}
    predicted: dict[tuple, dict[str, list]] = {}
    for one in details:
        source, target, method, seed = key = tuple(one[name] for name in CELL)
        if key in done and one.get("target_predicted"):
            of_seed = predicted.setdefault((source, target, seed), {})
            of_seed[method] = one["target_predicted"]
    chosen = {}
    for key, of_seed in predicted.items():
        # In the order of the table, whichever cell was finished first.
        names = [method for method in settings["methods"] if method in of_seed]
        if len({len(of_seed[name]) for name in names}) > 1:
            raise ValueError(
                f"The cells of {pair_label(*key[:2])}, seed {key[2]}, predict for different "
                "numbers of target samples. Run them again in another folder."
            )
        if len(names) > 1:
            is_plain = np.array([sees_no_target(name) for name in names])
            chosen[key] = names[choose([of_seed[name] for name in names], is_plain)]
    return chosen


def choose(predicted, is_plain):
    """Return the place of the method that agrees best with all, by their labels alone.

    Parameters
    ----------
    predicted : array-like of shape (n_methods, n_target)
        Labels as whole numbers.
    is_plain : ndarray of shape (n_methods,), bool
        Which methods see no target.

    Returns
    -------
    place : int
        Of equal ones a plain one, then the first.

    Examples
    --------
    >>> import numpy as np
    >>> from domadapt.experiments.choice import choose
    >>> choose([[0, 0, 1, 1], [0, 1, 1, 1], [0, 1, 1, 0]], np.array([True, False, False]))
    1
    """
    labels, codes = np.unique(np.asarray(predicted), return_inverse=True)
    codes = codes.reshape(len(predicted), -1)
    one_hot, n_samples = np.eye(len(labels)), codes.shape[1]
    votes = _mean(one_hot[row] for row in codes)
    plain = _mean(one_hot[row] for row in codes[is_plain]) if is_plain.any() else votes
    consensus = (1 - LEAN) * votes + LEAN * plain
    expected = plain.mean(axis=0)
    ratings = []
    for row in codes:
        share = label_shares(row, len(labels))
        erased = erased_classes(share, expected, n_samples)
        agreement = ensemble_agreement_score(one_hot[row], [consensus])
        ratings.append(agreement - float((expected - share)[erased].sum()))
    return max(range(len(codes)), key=lambda place: (ratings[place], is_plain[place], -place))


def _mean(arrays):
    """Return the mean of arrays, of which one is there at a time."""
    total, count = 0.0, 0
    for array in arrays:
        total, count = total + array, count + 1
    return total / count
