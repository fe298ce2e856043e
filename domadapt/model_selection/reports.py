"""A report on a fitted model: what speaks against its having been adapted."""

import html
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from sklearn.base import is_classifier, is_regressor
from sklearn.utils import check_random_state
from sklearn.utils.validation import _num_samples, check_is_fitted

from domadapt.domains.arrays import read_labels, read_values
from domadapt.domains.samples import check_same_length
from domadapt.model_selection._answers import ask, columns_of, last_step, unwrapped
from domadapt.model_selection._harm import HarmCheck, classifier_checks, regressor_checks
from domadapt.model_selection._other_models import trained_anew
from domadapt.model_selection._source_model import (
    plain_classifiers,
    plain_regressors,
    scaled_tables,
    source_beliefs,
    source_values,
    with_roughness,
)

__all__ = ["AdaptationReport", "adaptation_report"]


@dataclass(frozen=True)
class AdaptationReport:
    """What :func:`adaptation_report` found: a table in ``print`` and in notebooks.

    Attributes
    ----------
    model : str
        The class of the model.
    checks : tuple of HarmCheck
        Each with its name, value and limit, whether it speaks against the model, and in words.

    Examples
    --------
    >>> from domadapt.model_selection import AdaptationReport, HarmCheck
    >>> checks = (HarmCheck("erased classes", 0.2, 0.05, True, "Never predicted: ['cat']."),)
    >>> print(AdaptationReport("DANNClassifier", checks))
    DANNClassifier: 1 of 1 checks speaks against it
    !  erased classes         0.20  limit  0.05   Never predicted: ['cat'].
    """

    model: str
    checks: tuple[HarmCheck, ...]

    @property
    def harmful(self) -> bool:
        """Whether any check speaks against the model."""
        return any(check.speaks_against for check in self.checks)

    @property
    def ok(self) -> bool:
        """Whether no check speaks against the model."""
        return not self.harmful

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as what JSON can hold.

        Returns
        -------
        report : dict
            ``model``, ``harmful`` and ``checks``, a list of dicts.
        """
        checks = [asdict(check) for check in self.checks]
        return {"model": self.model, "harmful": self.harmful, "checks": checks}

    def _title(self):
        against = sum(check.speaks_against for check in self.checks)
        verb = "speaks" if against == 1 else "speak"
        return f"{self.model}: {against or 'none'} of {len(self.checks)} checks {verb} against it"

    def __str__(self) -> str:
        lines = [
            f"{'!' if c.speaks_against else ' '}  {c.name:21} {c.value:5.2f}  limit {c.limit:5.2f}"
            f"   {c.words}"
            for c in self.checks
        ]
        return "\n".join([self._title(), *lines])

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{'!' if c.speaks_against else ''}</td><td>{html.escape(c.name)}</td>"
            f"<td>{c.value:.2f}</td><td>{c.limit:.2f}</td><td>{html.escape(c.words)}</td></tr>"
            for c in self.checks
        )
        head = "<tr><th></th><th>check</th><th>value</th><th>limit</th><th></th></tr>"
        title = html.escape(self._title())
        return (
            f"<table><caption>{title}</caption><thead>{head}</thead><tbody>{rows}</tbody></table>"
        )


def adaptation_report(
    estimator: Any,
    Xs: Any,
    ys: Any,
    Xt: Any,
    *,
    source_model: Any = None,
    n_seeds: int = 0,
    random_state: Any = None,
) -> AdaptationReport:
    r"""Look for signs that adaptation has harmed a fitted model, without target labels.

    Plain source models are fitted by cross-validation, averaged and calibrated by one
    temperature. For a classifier the checks are

    - concentration: by how much shares of predicted classes are above what any estimate of the
      proportions makes plausible, :math:`\sum_k \max(0, s_k - u_k)`, with :math:`u` the largest
      of the source's proportions, what the source models predict, EM and regularised BBSE, each
      plus three standard errors;
    - erased classes: what the plain models and the source have of classes that are hardly ever
      predicted;
    - source accuracy lost against the plain models on samples that these have not seen;
    - effective rank of the target features, where the model has ``transform``:
      :math:`\exp(-\sum_i p_i \log p_i)` of its normalised singular values;
    - contradiction of what the plain models agree on and are sure of, above what their
      calibration explains. The limit is higher where few samples leave more to chance, and, but
      for a ``source_model``, where plain labels differ so often between neighbours in the target
      that the plain models cannot be right;
    - disagreement of fits with other seeds, with ``n_seeds``.

    For a regressor they are values out of any plausible range, predictions without spread or in
    another order than those of the plain models, and R^2 lost on the source.

    Cost: twelve fits of plain models and neighbours in both domains, or six fits of
    ``source_model``; and ``n_seeds`` fits of the estimator.

    What speaks against a model is no proof: where sure plain models are wrong, contradiction
    can speak against models that are right. And no mark is no proof: a model that is only
    somewhat worse everywhere passes. Where the target lacks classes, they are rightly erased.

    Parameters
    ----------
    estimator : estimator
        A fitted classifier or regressor: of domadapt, a pipeline, or any of scikit-learn's
        kind. It only predicts.
    Xs : array-like or sparse matrix of shape (n_source, n_features), image stack or paths
        Source samples, those of ``fit`` or others.
    ys : array-like of shape (n_source,) or (n_source, n_outputs)
        Their labels or values.
    Xt : array-like or sparse matrix of shape (n_target, n_features), image stack or paths
        Target samples.
    source_model : estimator, default=None
        A model without alignment, of which clones are fitted to the source. None stands for
        logistic or ridge regression together with extra trees, on columns scaled over both
        domains.
    n_seeds : int, default=0
        How many clones of the estimator are fitted with other seeds, to compare.
    random_state : int, RandomState instance or None, default=None
        Seeds folds, trees and clones.

    Returns
    -------
    report : AdaptationReport
        With ``checks``, ``harmful``, ``ok`` and ``to_dict()``.

    Raises
    ------
    NotFittedError
        If the estimator is not fitted.
    TypeError, ValueError
        If it is neither classifier nor regressor, lengths differ, there are fewer than ten
        target samples, a class has a single sample, or samples are paths and no
        ``source_model`` is given.

    References
    ----------
    Saerens, Latinne, Decaestecker (2002). "Adjusting the outputs of a classifier to new a
    priori probabilities: a simple procedure". Neural Computation 14.

    Azizzadenesheli, Liu, Yang, Anandkumar (2019). "Regularized learning for domain adaptation
    under label shifts". ICLR.

    Roy, Vetterli (2007). "The effective rank: a measure of effective dimensionality". EUSIPCO.

    Examples
    --------
    >>> from sklearn.datasets import make_blobs
    >>> from sklearn.linear_model import LogisticRegression
    >>> from domadapt.model_selection import adaptation_report
    >>> from domadapt.shallow import AdaptedClassifier
    >>> Xs, ys = make_blobs(200, centers=[[0, 0], [6, 0]], random_state=0)
    >>> Xt, _ = make_blobs(200, centers=[[1, 1], [7, 1]], random_state=1)
    >>> clf = AdaptedClassifier(LogisticRegression(), "coral").fit(Xs, ys, X_target=Xt)
    >>> adaptation_report(clf, Xs, ys, Xt, random_state=0).harmful
    False
    """
    _check(estimator, Xs, ys, Xt, n_seeds)
    generator = check_random_state(random_state)
    seed = int(generator.randint(np.iinfo(np.int32).max))
    classifies = is_classifier(estimator)
    beliefs = (_classes if classifies else _values)(source_model, Xs, ys, Xt, seed)
    others = [trained_anew(estimator, Xs, ys, Xt, generator) for _ in range(n_seeds)]
    target = [np.asarray(ask(model, "predict", Xt)) for model in (estimator, *others)]
    source = np.asarray(ask(estimator, "predict", Xs, np.ones(_num_samples(Xs))))
    if classifies:
        has_features = hasattr(unwrapped(estimator), "transform")
        features = ask(estimator, "transform", Xt) if has_features else None
        checks = _classifier_checks(beliefs, source, target, features)
    else:
        checks = _regressor_checks(beliefs, source, target)
    return AdaptationReport(type(last_step(unwrapped(estimator))).__name__, tuple(checks))


def _check(estimator, Xs, ys, Xt, n_seeds):
    if not (is_classifier(estimator) or is_regressor(estimator)):
        raise TypeError(
            f"estimator is a {type(estimator).__name__}, and a fitted classifier or regressor was "
            "expected."
        )
    check_is_fitted(estimator)
    check_same_length("ys", ys, "Xs", _num_samples(Xs))
    if _num_samples(Xt) < 10:
        raise ValueError(
            f"Xt has {_num_samples(Xt)} samples, and at least 10 were expected: fewer tell "
            "nothing of shares and ranks."
        )
    if not isinstance(n_seeds, (int, np.integer)) or n_seeds < 0:
        raise ValueError(f"n_seeds={n_seeds!r}, and an integer of at least 0 was expected.")


def _classes(source_model, Xs, ys, Xt, seed):
    """Return what source classifiers say of both domains."""
    labels = read_labels("ys", ys)
    if source_model is not None:
        return source_beliefs([source_model], Xs, labels, Xt, seed)
    Xs, Xt = scaled_tables(Xs, Xt)
    beliefs = source_beliefs(plain_classifiers(seed), Xs, labels, Xt, seed)
    return with_roughness(beliefs, Xs, Xt, seed)


def _values(source_model, Xs, ys, Xt, seed):
    """Return what source regressors say of both domains."""
    values = read_values("ys", ys)
    values = values[:, 0] if values.shape[1] == 1 else values
    if source_model is not None:
        return source_values([source_model], Xs, values, Xt, seed)
    Xs, Xt = scaled_tables(Xs, Xt)
    return source_values(plain_regressors(seed), Xs, values, Xt, seed)


def _classifier_checks(beliefs, source, target, features):
    target, *others = (columns_of(labels, beliefs.classes) for labels in target)
    source = columns_of(source, beliefs.classes)
    return classifier_checks(
        target, beliefs, source_codes=source, features=features, other_codes=others
    )


def _regressor_checks(beliefs, source, target):
    target, *others = (values.reshape(len(values), -1) for values in target)
    source = source.reshape(len(source), -1)
    return regressor_checks(target, beliefs, source_values=source, other_values=others)
