"""Constructors: what they take, with which defaults, where these are shown, and mistakes."""

import inspect

import numpy as np
import pytest
from sklearn.base import clone, is_classifier

from domadapt import (
    AlignmentClassifier,
    CDANClassifier,
    DANClassifier,
    DANNClassifier,
    DANNRegressor,
    DANRegressor,
    PADAClassifier,
    estimators,
)
from domadapt.estimators._parameters import TrainingParameters

EVERY = [getattr(estimators, name) for name in estimators.__all__]
SECTIONS = ("Parameters", "Attributes", "Examples")


def parameters_of(kind):
    return inspect.signature(kind).parameters


@pytest.mark.parametrize("kind", EVERY)
def test_a_signature_shows_all_parameters_with_the_defaults_of_the_class(kind):
    shown = parameters_of(kind)
    assert shown.keys() >= parameters_of(TrainingParameters).keys()
    assert ({"class_weight", "label_smoothing"} <= shown.keys()) == is_classifier(kind())
    for name, parameter in shown.items():
        positional = name == "alignment" and kind._takes_any_alignment
        expected = parameter.POSITIONAL_OR_KEYWORD if positional else parameter.KEYWORD_ONLY
        assert parameter.kind is expected, name
        assert parameter.annotation is not parameter.empty, name
        assert parameter.default is not parameter.empty, name
        assert getattr(kind, name) is parameter.default, name


@pytest.mark.parametrize("kind", EVERY)
def test_the_parameters_are_those_of_the_signature(kind):
    shown = parameters_of(kind)
    parameters = kind().get_params(deep=False)
    assert parameters.keys() == shown.keys()
    for name, value in parameters.items():
        assert value is shown[name].default, name
    assert repr(kind()) == f"{kind.__name__}()"
    given = {"max_epochs": 7, "batch_norm": "joint", "dropout": 0.25}
    changed = clone(kind(**given)).get_params(deep=False)
    assert changed == parameters | given


@pytest.mark.parametrize("kind", EVERY)
def test_the_docstring_has_every_section_and_every_parameter_with_its_default(kind):
    lines = inspect.getdoc(kind).splitlines()
    starts = [lines.index(section) for section in SECTIONS]
    assert starts == sorted(starts)
    for section, start in zip(SECTIONS, starts, strict=True):
        assert lines[start + 1] == "-" * len(section)
        assert lines.count(section) == 1
    described = lines[starts[0] : starts[1]]
    for name, parameter in parameters_of(kind).items():
        (note,) = [line for line in described if line.startswith(f"{name} :")]
        assert eval(note.split(", default=")[1]) == parameter.default, name
    notes = [line for line in described if line[:1].isalpha() and " : " in line]
    assert len(notes) == len(parameters_of(kind))
    attributes = lines[starts[1] : starts[2]]
    for name in ("module_", "history_", "criterion_", "transduction_", "n_features_in_"):
        assert any(line.startswith(f"{name} :") for line in attributes), name
    assert f">>> from domadapt import {kind.__name__}" in lines[starts[2] :]


@pytest.mark.parametrize(
    ("kind", "defaults"),
    [
        (DANClassifier, {"optimizer": "sgd", "learning_rate": 0.03, "label_smoothing": 0.1}),
        (DANNClassifier, {"optimizer": "adam", "learning_rate": 3e-4, "alignment_weight": 0.5}),
        (CDANClassifier, {"optimizer": "adam", "learning_rate": 1e-3, "label_smoothing": 0.0}),
        (PADAClassifier, {"batch_norm": "joint", "alignment": "pada", "max_epochs": 30}),
        (DANRegressor, {"optimizer": "adam", "batch_norm": None, "alignment_weight": None}),
        (DANNRegressor, {"optimizer": "adam", "batch_norm": None, "alignment_weight": 3.0}),
    ],
)
def test_methods_have_defaults_of_their_own(kind, defaults):
    parameters = kind().get_params(deep=False)
    assert {name: parameters[name] for name in defaults} == defaults
    for name, value in defaults.items():
        assert f"\n    {name} : " in kind.__doc__
        assert f", default={value!r}\n" in kind.__doc__


def test_a_parameter_that_is_given_takes_the_place_of_the_default():
    clf = DANNClassifier(optimizer="sgd")
    assert clf.optimizer == clone(clf).optimizer == "sgd"
    assert repr(clf) == "DANNClassifier(optimizer='sgd')"
    assert DANNClassifier().optimizer == DANNClassifier.optimizer == "adam"


@pytest.mark.parametrize("kind", EVERY)
@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("lr", "learning_rate"),
        ("epochs", "max_epochs"),
        ("learning_rat", "learning_rate"),
        ("batchsize", "batch_size"),
        ("hidden", "hidden_layer_sizes"),
        ("seed_of_mine", None),
    ],
)
def test_an_unknown_parameter_is_told_with_the_one_that_was_meant(kind, given, meant):
    with pytest.raises(TypeError) as raised:
        kind(**{given: 1})
    start, _, hint = str(raised.value).partition("Did you mean ")
    assert start.strip() == f"{kind.__name__} has no parameter {given!r}."
    assert (meant in hint) if meant else hint == ""


def test_a_class_of_one_s_own_is_named_by_its_own_name():
    class Mine(DANNClassifier):
        """A subclass without parameters of its own."""

    with pytest.raises(TypeError, match=r"^Mine has no parameter 'lr'\. Did you mean learning_r"):
        Mine(lr=1.0)
    assert Mine(learning_rate=0.1).get_params(deep=False).keys() == parameters_of(Mine).keys()


def test_a_class_of_one_s_own_may_take_any_keyword():
    class Mine(DANNClassifier):
        """A subclass with a constructor of its own."""

        def __init__(self, **parameters):
            self.others = parameters.pop("others", None)
            super().__init__(**parameters)

    mine = Mine(others=3, max_epochs=2)
    assert (mine.others, mine.max_epochs) == (3, 2)


@pytest.mark.usefixtures("untrained")
@pytest.mark.parametrize("kind", EVERY)
def test_arrays_by_position_beyond_x_and_y_are_refused_by_name(kind, blobs):
    Xs, ys, Xt, yt = blobs
    for more in ((Xt,), (np.repeat([1, -1], [45, 45]),), (Xt, yt)):
        match = rf"^{kind.__name__}\.fit takes X and y by position, and {2 + len(more)} arrays came"
        with pytest.raises(TypeError, match=rf"{match}.*fit\(X, y, X_target=X_target\)\.$"):
            kind().fit(Xs, ys, *more)


def test_only_the_alignment_of_the_general_ones_comes_by_position():
    assert AlignmentClassifier("coral").alignment == "coral"
    with pytest.raises(TypeError, match="positional"):
        AlignmentClassifier("coral", (16,))
    with pytest.raises(TypeError, match="positional"):
        DANNClassifier("dann")
