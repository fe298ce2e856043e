"""What the automatic choice tries: plain models, adapted ones, and a person's own."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, clone, is_classifier, is_regressor
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import ParameterGrid
from sklearn.svm import SVC

from domadapt.domains.base import BaseDomainEstimator
from domadapt.estimators import AlignmentClassifier, AlignmentRegressor
from domadapt.estimators._by_name import on_vectors
from domadapt.methods import BY_NAME
from domadapt.shallow import AdaptedClassifier, AdaptedRegressor
from domadapt.shallow._combinations import read_shallow

# Boosted trees on more columns take longer than all other candidates together.
MOST_COLUMNS_TO_BOOST = 60
RECENTRING = {
    "per-domain scaling + ridge",
    "per-domain scaling + extra trees",
    "CORAL mapping + ridge",
    "DAN",
}


@dataclass(frozen=True)
class Candidate:
    """An estimator that is not fitted yet, and how it is to be fitted.

    Plain ones see no target. Those by name see standardised columns, a person's own the
    columns as they came. What ``recentres`` predicts the same whatever the columns of the
    target are shifted by. ``y_target`` are known labels that it is fitted with, None elsewhere.
    """

    name: str
    estimator: Any
    is_plain: bool
    is_scaled: bool = True
    recentres: bool = False
    y_target: Any = None


def _plain_classifiers(n_columns):
    network = AlignmentClassifier(alignment=None, batch_norm=None)
    plain = {
        "network": network,
        "network, second seed": clone(network),
        "logistic regression": LogisticRegression(max_iter=1000),
        "SVC": SVC(),
        "extra trees": ExtraTreesClassifier(200),
    }
    if n_columns <= MOST_COLUMNS_TO_BOOST:
        plain["boosted trees"] = HistGradientBoostingClassifier()
    return plain


def _adapted_classifiers():
    linear, trees = LogisticRegression(max_iter=1000), ExtraTreesClassifier(200)
    return {
        "batch statistics": AlignmentClassifier(alignment=None, batch_norm="per_domain"),
        "CORAL mapping + logistic regression": AdaptedClassifier(linear, "coral"),
        "linear OT + logistic regression": AdaptedClassifier(linear, "linear_ot"),
        "JDA + logistic regression": AdaptedClassifier(linear, "jda"),
        "domain classifier + extra trees": AdaptedClassifier(trees, "domain_classifier"),
        "MCC": on_vectors("mcc"),
        "MCC, joint batch norm": on_vectors("mcc", batch_norm="joint"),
        "MCC, no batch norm": on_vectors("mcc", batch_norm=None),
        "DeepCORAL, no batch norm": on_vectors("deepcoral", batch_norm=None),
        "DSAN": on_vectors("dsan"),
        "VADA": on_vectors("vada"),
    }


def _plain_regressors(n_columns):
    plain = {
        "ridge": Ridge(),
        "extra trees": ExtraTreesRegressor(200),
        "network": AlignmentRegressor(alignment=None, batch_norm=None),
    }
    if n_columns <= MOST_COLUMNS_TO_BOOST:
        plain["boosted trees"] = HistGradientBoostingRegressor()
    return plain


def _adapted_regressors():
    return {
        "per-domain scaling + ridge": AdaptedRegressor(Ridge(), "per_domain_scaling"),
        "per-domain scaling + extra trees": AdaptedRegressor(
            ExtraTreesRegressor(200), "per_domain_scaling"
        ),
        "CORAL mapping + ridge": AdaptedRegressor(Ridge(), "coral"),
        "domain classifier + extra trees": AdaptedRegressor(
            ExtraTreesRegressor(200), "domain_classifier"
        ),
        "DAN": on_vectors("dan", learns="values"),
        "CORAL": on_vectors("coral", learns="values"),
        "DANN": on_vectors("dann", learns="values"),
    }


def plain_candidates(learns, n_columns):
    """Return the plain models that always take part."""
    make = _plain_classifiers if learns == "classes" else _plain_regressors
    return [Candidate(name, made, is_plain=True) for name, made in make(n_columns).items()]


def adapted_candidates(learns, n_sources=1):
    """Return the adapted candidates of the default choice."""
    make = _adapted_classifiers if learns == "classes" else _adapted_regressors
    made = make()
    if n_sources > 1 and learns == "classes":
        made["M3SDA"] = on_vectors("m3sda")
    return [
        Candidate(name, estimator, is_plain=False, recentres=name in RECENTRING)
        for name, estimator in made.items()
    ]


def read_candidates(given, learns):
    """Return the candidates that a person lists, names of methods and estimators among them.

    Raises
    ------
    ValueError, TypeError
        If an entry names no method, or is no estimator that learns what is to be learnt.
    """
    if isinstance(given, (str, BaseEstimator)) or not isinstance(given, (list, tuple)):
        raise TypeError(
            f"candidates={given!r}: a list was expected, of names such as 'mcc' and 'meda+lr', "
            "of estimators, of pairs (name, estimator), and of pairs (estimator, grid)."
        )
    found = [one for entry in given for one in _read_entry(entry, learns)]
    names = [candidate.name for candidate in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(
            f"candidates has {twice[0]!r} twice. Give each a name of its own: (name, estimator)."
        )
    return found


def _read_entry(entry, learns):
    """Return the candidates of one entry of a list: several where it has a grid."""
    if isinstance(entry, str):
        return [_by_name(entry, learns)]
    if isinstance(entry, tuple) and len(entry) == 2:
        first, second = entry
        if isinstance(second, (dict, list)):
            base = _by_name(first, learns) if isinstance(first, str) else _own(None, first, learns)
            return [_with(base, parameters) for parameters in ParameterGrid(second)]
        return [_own(str(first), second, learns)]
    return [_own(None, entry, learns)]


def _with(candidate, parameters):
    text = ", ".join(f"{name}={value!r}" for name, value in parameters.items())
    made = clone(candidate.estimator).set_params(**parameters)
    return Candidate(f"{candidate.name}, {text}", made, candidate.is_plain, candidate.is_scaled)


def _by_name(name, learns):
    shallow = read_shallow(name, learns)
    if shallow is not None:
        made = shallow.build(learns, None)
        return Candidate(name, made, is_plain=shallow.adapter is None)
    if name not in BY_NAME:
        raise ValueError(
            f"candidates: {name!r} is no method. Names of the table of methods were expected, such "
            f"as {', '.join(list(BY_NAME)[:6])}, or ADAPTER+ESTIMATOR, such as 'meda+lr'."
        )
    method = BY_NAME[name]
    if (method.classes if learns == "classes" else method.values) is None and name != "source":
        raise ValueError(f"candidates: {name!r} does not learn {learns}. Leave it out.")
    return Candidate(name, on_vectors(name, learns=learns), is_plain=name == "source")


def _own(name, made, learns):
    kind = is_classifier if learns == "classes" else is_regressor
    if isinstance(made, type) or not (hasattr(made, "fit") and kind(made)):
        wanted = "classifier" if learns == "classes" else "regressor"
        raise TypeError(
            f"candidates: {made!r} is no {wanted}. An estimator with fit and predict was expected."
        )
    name = type(made).__name__ if name is None else name
    return Candidate(name, made, is_plain=not _takes_target(made), is_scaled=False)


def _takes_target(made):
    last = made.steps[-1][1] if hasattr(made, "steps") else made
    return isinstance(last, BaseDomainEstimator)


def seeded(candidate, generator):
    """Return the candidate with a clone of its estimator, with seeds for all that has none."""
    made = clone(candidate.estimator)
    parameters = made.get_params()
    unset = [name for name in sorted(parameters) if name.rpartition("__")[2] == "random_state"]
    seeds = {n: generator.randint(np.iinfo(np.int32).max) for n in unset}
    made.set_params(**{n: s for n, s in seeds.items() if parameters[n] is None})
    return replace(candidate, estimator=made)
