"""Parameters of criteria as parameters of an estimator: ``alignment__NAME``."""

import copy
import difflib
from dataclasses import dataclass
from typing import Any

from domadapt.alignment.protocol import Criterion
from domadapt.methods import BY_NAME

GENERAL = {"classes": "AlignmentClassifier", "values": "AlignmentRegressor"}


@dataclass(frozen=True)
class ProductWeight:
    """A weight that is the product of one, a number or a callable of progress, and another."""

    weight: Any
    inner: float

    def __call__(self, progress):
        weight = self.weight(progress) if callable(self.weight) else self.weight
        return weight * self.inner


def resolve(alignment, learns):
    """Return ``alignment`` with names replaced by the criteria that they stand for."""
    if isinstance(alignment, list):
        return [term for pair in alignment for term in _resolve_pair(pair, learns)]
    if not isinstance(alignment, str):
        return alignment
    return builder_of(alignment, learns)()


def builder_of(name, learns):
    """Return what builds the criterion that a name stands for."""
    method = BY_NAME.get(name.lower())
    build = None if method is None else getattr(method, learns)
    if build is None:
        known = sorted(known for known, m in BY_NAME.items() if getattr(m, learns) is not None)
        near = difflib.get_close_matches(name.lower(), known, cutoff=0.5)
        nearest = f" Nearest: {', '.join(near)}." if near else ""
        raise ValueError(
            f"alignment={name!r} is unknown here.{nearest} Use one of {', '.join(known)}; a "
            "criterion, or a callable."
        )
    return build


def _resolve_pair(pair, learns):
    if not (isinstance(pair, tuple) and len(pair) == 2 and isinstance(pair[1], str)):
        return [pair]
    criteria = resolve(pair[1], learns)
    if not isinstance(criteria, list):
        return [(pair[0], criteria)]
    return [(ProductWeight(pair[0], inner), criterion) for inner, criterion in criteria]


def criterion_parameters(criteria):
    """Return parameters of one criterion by ``alignment__NAME``, of several by their names too."""
    return {
        f"alignment__{prefix}{name}": value
        for prefix, criterion in _prefixed(criteria)
        for name, value in criterion.get_params().items()
    }


def with_parameters(estimator, criteria, nested):
    """Return criteria with parameters set, out of copies."""
    criteria = copy.deepcopy(criteria)
    known = criterion_parameters(criteria)
    unknown = sorted(nested.keys() - known.keys())
    if unknown:
        raise ValueError(
            f"{type(estimator).__name__} has no parameters {unknown}. Its criterion has: "
            f"{sorted(known) or 'none that could be set'}."
        )
    for prefix, criterion in _prefixed(criteria):
        start = f"alignment__{prefix}"
        own = {f"{start}{name}": name for name in criterion.get_params()}
        given = {own[name]: value for name, value in nested.items() if name in own}
        if given:
            criterion.set_params(**given)
    return criteria


def _prefixed(criteria):
    """Return each criterion that has parameters, with what stands before their names."""
    if not isinstance(criteria, list):
        return [("", criteria)] if isinstance(criteria, Criterion) else []
    return [(f"{type(c).__name__}__", c) for _, c in criteria if isinstance(c, Criterion)]


def check_kinds(estimator, criteria, expected):
    """Raise an error where a method that is named after its criterion is given another."""
    kinds, own = ([type(c) for _, c, _ in some.terms] for some in (criteria, expected))
    if kinds != own:
        name = type(estimator).__name__
        raise ValueError(
            f"alignment={estimator.alignment!r} is not the method of {name}, which aligns by "
            f"{expected.describe()}. Use {GENERAL[estimator._learns]} for another."
        )


def check_stages(estimator):
    """Raise an error where a name stands for a method that is trained in other stages."""
    alignment = estimator.alignment
    for _, name in alignment if isinstance(alignment, list) else [(1.0, alignment)]:
        method = BY_NAME.get(name.lower()) if isinstance(name, str) else None
        if method is not None and method.stages != len(estimator._stages):
            raise ValueError(
                f"alignment={name!r} is trained in {method.stages} stages, which "
                f"{type(estimator).__name__} does not have. Use {method.classifier}."
            )


def check_sources(criteria, n_sources):
    """Raise an error where a criterion needs several sources and there is one."""
    several = criteria.needing("needs_several_sources")
    if several and n_sources < 2:
        raise ValueError(
            f"{several[0]} needs at least two sources, and sample_domain names "
            f"{n_sources}. Give each source a number of its own, 1, 2 and so on, "
            "in sample_domain, or use a method for one source, such as 'mmd'."
        )


def check_loss_weights(criteria, loss_weights):
    """Raise an error where weights are found by gradients that go past the features."""
    unfit = criteria.asks_for("feature_extractor")
    if loss_weights == "gradnorm" and unfit:
        raise ValueError(
            "loss_weights='gradnorm' compares gradients at the features, and that of "
            f"{unfit[0]} goes past them: it runs the feature extractor on samples by itself. "
            "Use loss_weights='uncertainty' or 'fixed'."
        )


def check_learns_to_the_end(estimator):
    """Raise an error where labels are learnt before the target is seen, some of which is known."""
    if not estimator._stages[-1].learns:
        raise ValueError(
            f"y_target does not go with {type(estimator).__name__}, which learns labels before it "
            "sees the target. Use another method, such as DANNClassifier."
        )
