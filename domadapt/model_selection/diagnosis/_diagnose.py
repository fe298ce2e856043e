"""From two domains to a diagnosis."""

from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, validate_params

from domadapt.domains.told_apart import tell_apart
from domadapt.model_selection.auto._values import displacement
from domadapt.model_selection.diagnosis._advice import FEW_ROWS, advice_for, advice_for_values
from domadapt.model_selection.diagnosis._classes import (
    class_proportions,
    separability,
    source_model,
)
from domadapt.model_selection.diagnosis._columns import moved_columns
from domadapt.model_selection.diagnosis._diagnosis import Diagnosis
from domadapt.model_selection.diagnosis._features import fit_features
from domadapt.model_selection.diagnosis._kind import Evidence, kind_of, reasons_for
from domadapt.model_selection.diagnosis._overlap import overlap
from domadapt.model_selection.diagnosis._plain import plain_roughness
from domadapt.model_selection.diagnosis._samples import look
from domadapt.model_selection.diagnosis._tests import permuted_mmd


@validate_params(
    {
        "max_samples": [Interval(Integral, 20, None, closed="left"), None],
        "significance": [Interval(Real, 0, 1, closed="neither")],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def diagnose(
    X: Any,
    y: Any,
    X_target: Any = None,
    *,
    sample_domain: Any = None,
    max_samples: int | None = 2000,
    significance: float = 0.01,
    random_state: Any = 0,
) -> Diagnosis:
    r"""Tell how a target without labels differs from the source, and whether to adapt.

    Two tests ask whether there is a shift: the AUC of a classifier that tells held-out rows of
    the domains apart, and the maximum mean discrepancy
    :math:`\|\frac{1}{n_s}\sum_i \phi(x_i) - \frac{1}{n_t}\sum_j \phi(x_j)\|^2` of random
    features with permutations. Where the smaller p-value, times two, is above
    ``significance``, the kind is "none". Otherwise explanations are tried, the simplest first,
    and the classifier is asked again whether it still tells the domains apart:

    - "label": source rows of class k weighted by :math:`q_k / p_k`, q being the proportions of
      the target by EM;
    - "covariate": source rows weighted by :math:`w(x) = p_t(x) / p_s(x)` from a calibrated
      domain classifier, where enough of them stay effective,
      :math:`(\sum w)^2 / \sum w^2`, and the target is within the source;
    - "concept": neither does, so the columns themselves moved.

    Whether to adapt is another question. Plain models of the source vote on the target; where
    they err in many places, their labels differ between more of the neighbouring target rows than
    true labels do between like source rows, and there the advice is "adapt". Where there is no
    shift, or their labels are smoother than true ones by more than five points, it is "do not
    adapt"; in between, and where class proportions moved, "adapt with care". Where labels are
    numbers, the advice is "adapt" where the mean of the target lies far outside of the space in
    which the source varies.

    The other numbers of the result describe the shift. Labels of target rows are never read.

    It cannot see a change of how labels depend on the columns where the columns look the same:
    no method can without target labels. A small move of the columns that stays within the
    source, and classes that are one cloud, are told from a covariate shift by nothing, and are
    called so. Rows that belong together, such as those of one person, make p-values too small.
    Labels of plain models that are wrong in whole regions are as smooth as right ones, and
    then the advice is not to adapt though it would help.

    Cost: a few seconds, with 2,000 rows of each domain and 100 columns; more rows are not
    looked at unless ``max_samples`` is raised, more columns through 100 principal components.

    Parameters
    ----------
    X : array-like or sparse matrix of shape (n_source, n_features)
        Source rows, numbers alone; with ``sample_domain``, rows of both domains stacked.
    y : array-like of shape (n_source,)
        Labels of the source. Where they are numbers to predict, which are floating point
        numbers that are not all whole, their quarters stand for classes. With
        ``sample_domain``, what stands at target rows is never read.
    X_target : array-like or sparse matrix of shape (n_target, n_features), default=None
        Target rows, where ``X`` holds the source alone.
    sample_domain : array-like of shape (n_samples,), default=None
        Positive for source rows, negative for target rows.
    max_samples : int or None, default=2000
        Rows of each domain that are looked at, drawn by chance; None for all.
    significance : float, default=0.01
        Level of the test for a shift, and of the columns that are said to have moved.
    random_state : int, RandomState instance or None, default=0
        Seeds folds, random features, permutations and what is drawn.

    Returns
    -------
    diagnosis : Diagnosis
        ``kind``, ``advice``, and what speaks for them. Print it.

    Raises
    ------
    ValueError, TypeError
        If the data are not as described, a domain has fewer than ten rows, or fewer than two
        classes have four source rows.

    See Also
    --------
    domadapt.choose_method : Takes the diagnosis, asks what rows cannot tell, and names a method.
    domadapt.AutoAdaptClassifier : The next step: it trains plain and adapted models, compares them
        without target labels and is plain where that is safer.
    domadapt.AutoAdaptRegressor : The same for numbers.

    References
    ----------
    Gretton, Borgwardt, Rasch, Schoelkopf, Smola (2012). "A kernel two-sample test". Journal of
    Machine Learning Research 13.

    Lopez-Paz, Oquab (2017). "Revisiting classifier two-sample tests". ICLR.

    Lipton, Wang, Smola (2018). "Detecting and correcting for label shift with black box
    predictors". ICML.

    Ben-David, Blitzer, Crammer, Pereira (2007). "Analysis of representations for domain
    adaptation". NeurIPS.

    Examples
    --------
    >>> import numpy as np
    >>> from domadapt import diagnose
    >>> rng = np.random.default_rng(0)
    >>> ys, yt = rng.choice(2, 400, p=[0.5, 0.5]), rng.choice(2, 400, p=[0.1, 0.9])
    >>> Xs, Xt = (rng.normal(size=(400, 3)) + 3 * y[:, None] for y in (ys, yt))
    >>> found = diagnose(Xs, ys, Xt)
    >>> found.kind, found.advice
    ('label', 'adapt with care')
    >>> diagnose(Xs, ys, Xs[::-1] + 0.0).advice
    'do not adapt'
    """
    rng = _generator(random_state)
    rows = look(X, y, X_target, sample_domain, max_samples, rng)
    source, target, codes = rows.source, rows.target, rows.codes
    features = fit_features(source, target, rng)
    of_source, of_target = features(source), features(target)
    mmd, mmd_p_value = permuted_mmd(features.waves(source), features.waves(target), rng)
    model = source_model(source, codes, target, features)
    parts = zip((of_source, of_target), model.features(), strict=True)
    all_source, all_target = (np.hstack(part) for part in parts)
    told = tell_apart(all_source, all_target, rng)
    proportions = class_proportions(model, rows.classes, rng)
    weights = overlap(source, target, features.quadratic(source), features.quadratic(target), rng)
    ratio = np.array([one.em / one.source for one in proportions])[codes]
    explanations = {
        "proportions": tell_apart(all_source, all_target, rng, ratio),
        "weights": tell_apart(all_source, all_target, rng, weights.weight),
        "location_and_scale": tell_apart(features(_moved(source, target)), of_target, rng),
    }
    evidence = Evidence(
        significance,
        min(1.0, 2 * min(told.p_value, mmd_p_value)),
        told,
        explanations,
        {
            "proportions": model.difference(ratio),
            "weights": model.difference(weights.weight),
        },
        weights.effective_share,
        weights.effective_share * len(source),
        weights.outside,
    )
    kind = kind_of(evidence)
    standard = features.standard(source), features.standard(target)
    roughness = plain_roughness(standard[0], codes, standard[1], rng)
    displaced = _displacement(rows, features, rng) if rows.are_values else None
    if rows.are_values:
        advice, sentence, methods = advice_for_values(kind, displaced)
    else:
        n_fewest = min(rows.n_source, rows.n_target)
        advice, sentence, methods = advice_for(kind, evidence, roughness, n_fewest)
    return Diagnosis(
        kind=kind,
        advice=advice,
        explanation=sentence,
        methods=methods,
        reasons=reasons_for(kind, evidence),
        cautions=_cautions(rows, proportions),
        significance=significance,
        p_value=evidence.p_value,
        mmd=mmd,
        mmd_p_value=mmd_p_value,
        domain_classifier=told,
        explanations=explanations,
        effective_sample_size=evidence.effective_share * rows.n_source,
        effective_share=evidence.effective_share,
        outside_share=evidence.outside,
        moved_columns=moved_columns(source, target, rows.columns),
        class_proportions=proportions,
        separability=separability(model, *standard, rng),
        roughness=roughness,
        displacement=displaced,
        n_source=rows.n_source,
        n_target=rows.n_target,
        n_features=source.shape[1],
        n_sources=rows.n_sources,
    )


def _generator(random_state):
    """Return numpy's newer generator, seeded by what scikit-learn takes."""
    if isinstance(random_state, Integral):
        return np.random.default_rng(int(random_state))
    return np.random.default_rng(check_random_state(random_state).randint(2**31 - 1))


def _displacement(rows, features, rng):
    """Return how far the columns of the target moved apart from each other."""
    generator = np.random.RandomState(int(rng.integers(np.iinfo(np.int32).max)))
    X, X_target = ((p - features.mean) / features.scale for p in (rows.source, rows.target))
    return displacement(X, X_target, generator)


def _moved(source, target):
    """Return source rows with the means and standard deviations of the target."""
    spread = source.std(axis=0)
    constant = spread <= 1e-10 * abs(source).max(axis=0)
    factor = target.std(axis=0) / np.where(constant, 1.0, spread)
    return (source - source.mean(axis=0)) * factor + target.mean(axis=0)


def _cautions(rows, proportions):
    """Return what these rows leave in doubt."""
    said = []
    fewer = min((rows.n_source, "source"), (rows.n_target, "target"))
    if fewer[0] < FEW_ROWS:
        said.append(
            f"The {fewer[1]} has {fewer[0]} rows: only a large shift would be seen in so few."
        )
    if rows.left_out:
        said.append(f"Classes of fewer than four source rows were left out: {rows.left_out}.")
    looked = [len(rows.source) < rows.n_source, len(rows.target) < rows.n_target]
    if any(looked):
        said.append(
            f"{len(rows.source)} source and {len(rows.target)} target rows were looked at "
            "(max_samples)."
        )
    if rows.are_values:
        said.append("Labels are numbers: their quarters in the source stand for classes.")
    if any(one.bbse is None for one in proportions):
        said.append(
            "The confusion matrix of a source model is singular: no class proportions by BBSE."
        )
    return said
