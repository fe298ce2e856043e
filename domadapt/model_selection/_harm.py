"""Signs that adaptation did harm, from arrays: what models predict, and features."""

from dataclasses import dataclass

import numpy as np
from scipy import special, stats
from sklearn.metrics import r2_score

from domadapt.shallow.label_shift.bbse import shares
from domadapt.shallow.label_shift.em import EMProportions
from domadapt.shallow.label_shift.rlls import RLLSProportions

# Shares are counted on samples: this many standard errors are chance.
N_ERRORS = 3.0
# A class with less than this part of what the source model predicts is erased.
ERASED = 0.1
# From where on a check speaks against a model: see "When adapting harms" for how they do.
LIMITS = {
    "concentration": 0.1,
    "erased classes": 0.05,
    "source accuracy lost": 0.2,
    "effective rank": 1.5,
    "contradiction": 0.1,
    "disagreement of seeds": 0.35,
    "source R^2 lost": 0.3,
    "implausible values": 0.05,
    "spread of predictions": 0.1,
    "agreement in order": 0.0,
}
# Plain models whose labels are rougher than true ones by more than this err while they are sure:
ROUGH = 0.1
# then labels must contradict them as much as this part of what labels without relation would.
UNRELATED = 0.7


class HarmWarning(UserWarning):
    """Something speaks against an adapted model: it may be worse than a plain one.

    Examples
    --------
    >>> import warnings
    >>> from domadapt.model_selection import HarmWarning
    >>> warnings.simplefilter("error", HarmWarning)  # to stop where an adapted model looks bad
    >>> warnings.simplefilter("default", HarmWarning)
    """


@dataclass(frozen=True)
class HarmCheck:
    """One check of an adapted model: what was measured, and whether it speaks against it.

    Attributes
    ----------
    name : str
        What was looked at.
    value : float
        What was measured; NaN where it could not be.
    limit : float
        From where on it speaks against the model.
    speaks_against : bool
        Whether it does.
    words : str
        The same as a sentence.

    Examples
    --------
    >>> from domadapt.model_selection import HarmCheck
    >>> HarmCheck("source accuracy lost", 0.4, 0.2, True, "It lost 40 points.").speaks_against
    True
    """

    name: str
    value: float
    limit: float
    speaks_against: bool
    words: str


def label_shares(codes, n_classes):
    """Return the share of each class among predicted labels, without those of no class, -1."""
    known = codes[codes >= 0]
    return np.bincount(known, minlength=n_classes) / max(len(codes), 1)


def plausible_shares(beliefs):
    """Return the least and the largest share of each class that some estimate makes plausible.

    Those of the source, mean probabilities and label shares of the source model, EM and
    regularised BBSE, each with its standard errors.
    """
    target, source = beliefs.target, beliefs.proportions
    found = [source, target.mean(axis=0), shares(target)]
    if (source > 0).all():
        # Classes that were not held back have no errors to be corrected by.
        found.append(EMProportions(tol=1e-3).estimate(target, source))
        found.append(RLLSProportions().estimate(target, beliefs.held_out, beliefs.codes))
    estimates = np.array(found)
    error = N_ERRORS * np.sqrt(estimates * (1 - estimates) / len(target))
    lowest, largest = (estimates - error).min(axis=0), (estimates + error).max(axis=0)
    return np.maximum(lowest, 0.0), np.minimum(largest, 1.0)


def excess_share(share, largest):
    """Return the part of the samples that classes have above their largest plausible share."""
    return float(np.maximum(share - largest, 0.0).sum())


def erased_classes(share, expected, n_samples):
    """Return the classes that a model hardly predicts, where others predict them often enough.

    With ``expected`` shares e, those with share < e / 10 and n e of at least 10 samples.
    """
    is_erased = (share < ERASED * expected) & (n_samples * expected >= 10)
    return np.flatnonzero(is_erased)


def effective_rank(features):
    r"""Return :math:`\exp(-\sum_i p_i \log p_i)` of normalised singular values, 0 of constants.

    Columns are centred. Roy, Vetterli (2007). "The effective rank: a measure of effective
    dimensionality". EUSIPCO.
    """
    features = np.asarray(features, dtype=np.float64).reshape(len(features), -1)
    largest = abs(features).max(initial=0.0)
    features = features - features.mean(axis=0)
    values = np.linalg.svd(features, compute_uv=False)
    if values.sum() <= 1e-9 * largest * np.sqrt(features.size):
        return 0.0
    return float(np.exp(special.entr(values / values.sum()).sum()))


def contradiction(codes, beliefs):
    """Return by how much labels contradict what source models agree on and are sure of.

    The mean over all samples of their confidence c, where they agree and else 0, times one
    where the label differs from theirs, minus 1 - c, which true labels would make were the
    calibration right.
    """
    confidence, expected = beliefs.target.max(axis=1), beliefs.target.argmax(axis=1)
    differs = codes != expected
    return float(np.mean(confidence * beliefs.agreed * (differs - (1 - confidence))))


def contradiction_limit(share, beliefs):
    """Return the contradiction from which on it speaks against labels with these shares.

    The least limit, or what chance makes of few samples. Where the source models' own labels are
    too rough, UNRELATED times the contradiction of labels of these shares without any relation
    to the samples, if that is more.
    """
    confidence, expected = beliefs.target.max(axis=1), beliefs.target.argmax(axis=1)
    weight = confidence * beliefs.agreed
    chance = np.sqrt(np.mean(weight**2 * confidence * (1 - confidence)) / len(weight))
    limit = max(LIMITS["contradiction"], N_ERRORS * float(chance))
    if beliefs.excess_roughness <= ROUGH:
        return limit
    return max(limit, UNRELATED * float(np.mean(weight * (confidence - share[expected]))))


def check(name, value, words, *, limit=None, below=False):
    """Return a check against its limit; ``below`` where small values speak against a model."""
    limit, value = LIMITS[name] if limit is None else limit, float(value)
    is_bad = value < limit if below else value > limit
    return HarmCheck(name, value, limit, bool(is_bad), words)


def classifier_checks(codes, beliefs, *, source_codes=None, features=None, other_codes=()):
    """Return the checks of a classifier, by its labels of target samples as columns.

    ``source_codes`` are its labels of the source samples, ``features`` those of target samples,
    ``other_codes`` the labels of target samples by fits with other seeds; -1 for other labels.
    """
    n_samples, share = len(codes), label_shares(codes, len(beliefs.classes))
    checks = [_concentration_check(share, beliefs), _erased_check(share, beliefs)]
    if source_codes is not None:
        ours = float(np.mean(source_codes == beliefs.codes))
        checks.append(
            check(
                "source accuracy lost",
                beliefs.accuracy - ours,
                f"{ours:.1%} of the source labels are right, and {beliefs.accuracy:.1%} by plain "
                "source models that have not seen them.",
            )
        )
    if features is not None and np.reshape(features, (n_samples, -1)).shape[1] > 2:
        rank = effective_rank(features)
        words = f"Features of target samples spread over {rank:.1f} directions."
        checks.append(check("effective rank", rank, words, below=True))
    checks.append(_contradiction_check(codes, share, beliefs))
    if len(other_codes):
        value = np.mean([np.mean(other != codes) for other in other_codes])
        words = f"Fits with other seeds predict {value:.0%} of the target samples otherwise."
        checks.append(check("disagreement of seeds", value, words))
    return checks


def _concentration_check(share, beliefs):
    largest, names = plausible_shares(beliefs)[1], beliefs.classes.tolist()
    top = int(np.argmax(share - largest))
    return check(
        "concentration",
        excess_share(share, largest),
        f"{share[top]:.0%} of the target samples are predicted as {names[top]!r}; estimates "
        f"of its share go up to {largest[top]:.0%}.",
    )


def _erased_check(share, beliefs):
    # By all three, so that a source model that sees one class everywhere makes none missing.
    least = [beliefs.target.mean(axis=0), shares(beliefs.target), beliefs.proportions]
    expected, names = np.min(least, axis=0), beliefs.classes.tolist()
    erased = erased_classes(share, expected, len(beliefs.target))
    told = f"Hardly ever predicted: {[names[i] for i in erased]}, " if len(erased) else "None, "
    return check(
        "erased classes",
        expected[erased].sum() - share[erased].sum(),
        told + "among those that the source model predicts for ten target samples or more.",
    )


def _contradiction_check(codes, share, beliefs):
    excess = contradiction(codes, beliefs)
    differs = float(np.mean(codes != beliefs.target.argmax(axis=1)))
    words = (
        f"{differs:.0%} of the target labels differ from the source model's; where it is sure, "
        f"{max(excess, 0.0):.2f} more than its calibration explains."
    )
    if beliefs.excess_roughness > ROUGH:
        words += " But it labels neighbours too differently to be right, so much is let pass."
    return check("contradiction", excess, words, limit=contradiction_limit(share, beliefs))


def regressor_checks(values, beliefs, *, source_values=None, other_values=()):
    """Return the checks of a regressor, by its values of target samples in columns."""
    true, scale = beliefs.values, np.maximum(beliefs.values.std(axis=0), 1e-300)
    lowest, largest = true.min(axis=0), true.max(axis=0)
    margin = (largest - lowest) / 2
    outside = ((values < lowest - margin) | (values > largest + margin)).any(axis=1)
    spread = float((values.std(axis=0) / np.maximum(beliefs.target.std(axis=0), 1e-12)).min())
    order = np.mean(
        [_rank_correlation(*pair) for pair in zip(values.T, beliefs.target.T, strict=True)]
    )
    checks = [
        check(
            "implausible values",
            outside.mean(),
            f"{outside.mean():.0%} of the predicted values are farther outside of the range of ys "
            "than half of it.",
        ),
        check(
            "spread of predictions",
            spread,
            f"Predicted values spread {spread:.2g} times as much as the source model's.",
            below=True,
        ),
        check(
            "agreement in order",
            order,
            f"The rank correlation with values of the source model is {order:.2f}.",
            below=True,
        ),
    ]
    if source_values is not None:
        plain, ours = r2_score(true, beliefs.held_out), r2_score(true, source_values)
        words = (
            f"R^2 on the source is {ours:.2f}, and {plain:.2f} by plain source models that have "
            "not seen it."
        )
        checks.append(check("source R^2 lost", plain - ours, words))
    if len(other_values):
        value = np.mean([np.sqrt(np.mean(((v - values) / scale) ** 2)) for v in other_values])
        words = f"Fits with other seeds differ by {value:.2g} standard deviations of ys."
        checks.append(check("disagreement of seeds", value, words))
    return checks


def _rank_correlation(a, b):
    """Return Spearman's correlation; of what is constant 1, for the spread tells of that."""
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return 1.0
    return float(stats.spearmanr(a, b).statistic)
