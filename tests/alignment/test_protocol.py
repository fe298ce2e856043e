"""The base of the criteria: parameters, copies and what a criterion says of itself."""

import inspect

import pytest
import torch
from sklearn.base import clone

from domadapt import alignment
from domadapt.alignment import MMD, Criterion, MeanTeacher

NAMES = [name for name in alignment.__all__ if name not in ("Criterion", "declared_names")]
CRITERIA = {name: getattr(alignment, name) for name in NAMES}
# A value other than the default for each parameter that any criterion has.
OTHER_VALUES = {
    "adversarial_weight": 0.2,
    "alpha": 0.5,
    "augmentation": torch.flip,
    "balanced": False,
    "bandwidth": 2.0,
    "beta": 0.5,
    "confidence": 0.3,
    "difference_weight": 0.5,
    "diversity": 0.5,
    "entropy": False,
    "feature_weight": 0.5,
    "gradient_penalty": 1.0,
    "hidden_layer_sizes": (7, 5),
    "in_features": 3,
    "interval": [-1.0, 1.0],
    "kernel": "laplacian",
    "margin": 2.0,
    "max_product": 9,
    "mismatch_weight": 0.5,
    "momentum": 0.5,
    "n_components": 2,
    "n_kernels": 3,
    "n_moments": 3,
    "n_power_iterations": 2,
    "n_projections": 8,
    "n_random": 16,
    "n_singular": 2,
    "n_sources": 2,
    "probe_length": 0.1,
    "radius": 0.5,
    "ramp_up": False,
    "reconstruction_weight": 0.5,
    "regularization": 0.1,
    "scaling": "coral",
    "share": 0.5,
    "softmax_bandwidth": 0.5,
    "squash": False,
    "step_size": 0.5,
    "task": "rotation",
    "temperature": 2.0,
    "threshold": 0.3,
    "unbiased": False,
    "value_weight": 0.5,
}
every_criterion = pytest.mark.parametrize("kind", CRITERIA.values(), ids=CRITERIA)


def other_values(kind):
    """Return a value other than the default for every parameter of a criterion."""
    parameters = inspect.signature(kind).parameters
    others = {name: OTHER_VALUES[name] for name in parameters}
    assert all(others[name] != parameters[name].default for name in parameters)
    return others


@every_criterion
def test_all_that_is_exported_is_a_criterion(kind):
    assert issubclass(kind, Criterion)


@every_criterion
def test_parameters_are_attributes_as_they_came(kind):
    defaults = {name: p.default for name, p in inspect.signature(kind).parameters.items()}
    assert kind().get_params() == defaults
    others = other_values(kind)
    found = kind(**others).get_params(deep=False)
    assert list(found) == list(others)
    assert all(found[name] is others[name] for name in others)


@every_criterion
def test_setting_parameters_is_building_anew(kind):
    others = other_values(kind)
    criterion = kind()
    assert criterion.set_params(**others) is criterion
    built = kind(**others)
    assert criterion.get_params() == others
    assert repr(criterion) == repr(built)
    assert all(f"{name}={value!r}" in repr(criterion) for name, value in others.items())
    assert [n for n, _ in criterion.named_modules()] == [n for n, _ in built.named_modules()]
    assert criterion.set_params().get_params() == others


@every_criterion
def test_a_clone_has_the_same_parameters_and_is_another_object(kind):
    criterion = kind(**other_values(kind))
    other = clone(criterion)
    assert other is not criterion
    assert type(other) is kind
    assert other.get_params() == criterion.get_params()
    other.set_params(**kind().get_params())
    assert criterion.get_params() == other_values(kind)


@every_criterion
def test_an_unknown_parameter_is_named_and_changes_nothing(kind):
    criterion = kind()
    before = criterion.get_params()
    with pytest.raises(ValueError, match=rf"{kind.__name__} has no parameters \['width'\]"):
        criterion.set_params(width=3, **other_values(kind))
    assert criterion.get_params() == before


def test_a_bad_value_is_named_as_in_the_constructor():
    with pytest.raises(ValueError, match=r"bandwidth=0.0 must be a number above 0"):
        MMD().set_params(bandwidth=0.0)


def test_what_was_learnt_is_lost_when_parameters_are_set():
    inputs, classifier = torch.eye(3), torch.nn.Linear(3, 3)
    criterion = MeanTeacher()
    criterion(inputs, torch.nn.Identity(), classifier)
    assert criterion.teacher is not None
    criterion.set_params(momentum=0.5)
    assert criterion.teacher is None
    assert not list(criterion.parameters())
    criterion(inputs, torch.nn.Identity(), classifier)
    assert criterion.teacher is not None


def test_what_a_graph_cannot_hold_says_so():
    unable = {name for name, kind in CRITERIA.items() if not kind().capturable}
    assert unable == {"BNM", "DeepJDOT", "DeepJDOTRegression", "RSD"}
    assert not MeanTeacher(augmentation=torch.flip).capturable


class Shift(Criterion):
    """The distance of the means, to some power."""

    default_weight = 0.25

    def __init__(self, *, power=2, scale=None):
        super().__init__()
        self.power, self.scale = power, scale

    def forward(self, source_features, target_features):
        return (source_features.mean(0) - target_features.mean(0)).norm() ** self.power


def test_an_own_criterion_is_searched_over_like_the_others():
    criterion = Shift()
    assert clone(criterion).set_params(power=1).get_params() == {"power": 1, "scale": None}
    assert repr(criterion.set_params(scale="wide")) == "Shift(power=2, scale='wide')"
    assert (criterion.default_weight, criterion.n_extra_logits) == (0.25, 0)
    assert (criterion.stackable, criterion.capturable) == (True, True)
    assert (criterion.needs_classes, criterion.needs_several_sources) == (False, False)
    assert criterion(torch.zeros(2, 1), torch.full((2, 1), 3.0)).item() == 9.0
