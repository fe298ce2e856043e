"""Whether plain models of the source err on the target in ways that adapting could mend."""

import warnings
from dataclasses import dataclass

import numpy as np
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC

from domadapt.model_selection._smoothness import Neighborhood, compare_roughness
from domadapt.model_selection.auto._rule import vote_weights
from domadapt.model_selection.auto._training import answer_of

N_TREES = 50


@dataclass(frozen=True)
class Roughness:
    """How often labels differ between neighbouring rows.

    Attributes
    ----------
    found : float
        Share of pairs of neighbours in the target that a vote of plain models labels otherwise.
    expected : float
        The same of true labels of source rows, as many and of the same class proportions.
    """

    found: float
    expected: float

    @property
    def excess(self):
        """By how much the labels of plain models are rougher than true ones."""
        return self.found - self.expected


def plain_roughness(source, codes, target, rng):
    """Return the roughness of what plain models say; both domains have standardised columns."""
    generator = np.random.RandomState(int(rng.integers(np.iinfo(np.int32).max)))
    predicted = _voted(source, codes, target, generator)
    of_source, of_target = (Neighborhood(part, generator) for part in (source, target))
    return Roughness(
        *compare_roughness(
            of_source,
            codes[of_source.rows],
            of_target,
            predicted[of_target.rows],
            codes.max() + 1,
            generator,
        )
    )


def _voted(source, codes, target, generator):
    """Return the classes that a linear model, a support vector machine and trees vote for."""
    models = [
        LogisticRegression(max_iter=200),
        SVC(),
        ExtraTreesClassifier(N_TREES, random_state=generator),
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        fitted = [model.fit(source, codes) for model in models]
    classes = np.arange(codes.max() + 1)
    proba = np.array([answer_of(model, target, classes, "classes") for model in fitted])
    return np.tensordot(vote_weights(proba), proba, axes=1).argmax(axis=1)
