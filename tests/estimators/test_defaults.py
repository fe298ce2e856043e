"""Defaults of a subclass, where they are shown and where they hold."""

import inspect

import pytest
from sklearn.base import clone

from domadapt import DANClassifier, DANNClassifier, DeepCORALClassifier
from domadapt.estimators._classifier import BaseAlignmentClassifier
from domadapt.estimators._defaults import with_defaults


def test_new_defaults_hold_and_show():
    assert DANNClassifier().optimizer == "adam"
    assert DANNClassifier(optimizer="sgd").optimizer == "sgd"
    assert clone(DANNClassifier(optimizer="sgd")).optimizer == "sgd"
    assert repr(DANNClassifier()) == "DANNClassifier()"
    assert repr(DANNClassifier(optimizer="sgd")) == "DANNClassifier(optimizer='sgd')"
    parameters = inspect.signature(DANNClassifier).parameters
    assert parameters["optimizer"].default == "adam"
    assert 'optimizer : {"sgd", "adam", "adamw"}, default=\'adam\'\n' in DANNClassifier.__doc__


def test_others_keep_theirs():
    assert DANClassifier().optimizer == "sgd"
    assert inspect.signature(BaseAlignmentClassifier).parameters["optimizer"].default == "sgd"
    assert 'optimizer : {"sgd", "adam", "adamw"}, default="sgd"\n' in DANClassifier.__doc__


@pytest.mark.parametrize("estimator", [DANNClassifier, DANClassifier, DeepCORALClassifier])
def test_every_default_in_a_docstring_is_the_one_in_the_signature(estimator):
    for name, parameter in inspect.signature(estimator).parameters.items():
        notes = [
            line for line in estimator.__doc__.splitlines() if line.startswith(f"    {name} :")
        ]
        assert len(notes) == 1, name
        shown = notes[0].split("default=")[1]
        assert eval(shown) == parameter.default, name


def test_an_unknown_parameter_is_told():
    with pytest.raises(TypeError, match=r"no parameters \['momentum'\]"):
        with_defaults(momentum=0.9)(type("Odd", (DANClassifier,), {"__doc__": ""}))
