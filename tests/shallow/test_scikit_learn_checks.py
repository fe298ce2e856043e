"""Scikit-learn's own checks on both wrappers and on every adapter that is fitted alone."""

import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.utils.estimator_checks import _yield_api_checks, estimator_checks_generator

from domadapt.shallow import AdaptedClassifier, AdaptedRegressor
from domadapt.shallow._adapter import DomainAdapter
from domadapt.shallow._names import KINDS

ALONE = [kind() for kind in KINDS.values() if issubclass(kind, DomainAdapter)]
# The checks know of no target, and without one an adapter is hardly more than its base class:
# all checks for one or two of each, and for the others those that a class of its own could fail.
WHOLE = {
    "AdaptedClassifier",
    "AdaptedRegressor",
    "CORALMapping",
    "DomainClassifierWeighting",
    "GFKMapping",
    "OTMapping",
    "PerDomainScaler",
    "TCAMapping",
}
FEW = {
    "check_estimator_sparse_array",
    "check_estimator_sparse_tag",
    "check_estimators_nan_inf",
    "check_estimators_pickle",
    "check_fit_idempotent",
    "check_transformer_general",
}


def name_of(check):
    return getattr(check, "func", check).__name__


def cases():
    """Pair estimators with checks; those left out of a quick suite are marked as many."""
    for one in (
        AdaptedClassifier(LogisticRegression()),
        AdaptedRegressor(Ridge(), "coral"),
        *ALONE,
    ):
        name, few = type(one).__name__, FEW | {name_of(c) for c in _yield_api_checks(one)}
        for estimator, check in estimator_checks_generator(one):
            told = name_of(check)
            marks = () if name in WHOLE or told in few else pytest.mark.many
            yield pytest.param(estimator, check, id=f"{name}-{told}", marks=marks)


@pytest.mark.parametrize(("estimator", "check"), list(cases()))
def test_no_check_fails(estimator, check):
    check(estimator)


def test_the_names_are_those_of_adapters():
    assert {type(one).__name__ for one in ALONE} > WHOLE - {"AdaptedClassifier", "AdaptedRegressor"}
