"""Values, and criteria for them, that are refused before training."""

import numpy as np
import pytest

from domadapt import AlignmentClassifier, AlignmentRegressor, DANRegressor, DeepJDOTRegressor
from domadapt.alignment import (
    RSD,
    ClassifierDiscrepancy,
    ConditionalAdversarial,
    DeepJDOTRegression,
    MeanTeacher,
    OpenSetBackpropagation,
    PseudoLabels,
)

SMALL = {"hidden_layer_sizes": (16,), "max_epochs": 3, "batch_size": 32, "random_state": 0}


@pytest.fixture
def values(blobs):
    """Samples of both domains with values that depend on those of the source."""
    Xs, _, Xt, _ = blobs
    return Xs, Xs @ np.linspace(-1.0, 1.0, 10), Xt


@pytest.mark.usefixtures("untrained")
@pytest.mark.parametrize(
    ("y_target", "match"),
    [
        (np.full(75, np.nan), "y_target knows no label"),
        (np.zeros(70), "y_target has length 70, but X_target has 75 samples"),
        (np.zeros((75, 2)), r"y_target has shape \(75, 2\), but y has shape \(90,\)"),
        (np.full(75, np.inf), "y_target contains infinity"),
    ],
)
def test_values_of_the_target_that_cannot_be_known_are_refused(values, y_target, match):
    Xs, ys, Xt = values
    with pytest.raises(ValueError, match=match):
        DANRegressor(**SMALL).fit(Xs, ys, X_target=Xt, y_target=y_target)


@pytest.mark.usefixtures("untrained")
@pytest.mark.parametrize(
    ("alignment", "match"),
    [
        (ConditionalAdversarial(), "asks for source_logits, target_logits.* a regressor does not"),
        (PseudoLabels(), "asks for target_logits, which a regressor does not have"),
        (ClassifierDiscrepancy(), "ClassifierDiscrepancy asks for .*a regressor does not have"),
        (MeanTeacher(), "asks for classes, which a regressor does not have"),
        (OpenSetBackpropagation(), "asks for classes, which a regressor does not have"),
        ([(1.0, "mmd"), (0.1, PseudoLabels())], "PseudoLabels asks for target_logits"),
    ],
)
def test_criteria_on_classes_are_refused_with_what_to_use_instead(values, alignment, match):
    Xs, ys, Xt = values
    with pytest.raises(ValueError, match=rf"{match}.*such as MMD\(\), CORAL\(\)"):
        AlignmentRegressor(alignment, **SMALL).fit(Xs, ys, X_target=Xt)


@pytest.mark.usefixtures("untrained")
@pytest.mark.parametrize("name", ["mcc", "cdan", "pseudo_labels", "magic"])
def test_names_of_criteria_on_classes_are_refused(values, name):
    Xs, ys, Xt = values
    for alignment in (name, [(1.0, name)]):
        match = f"alignment={name!r} is unknown here.* Use one of .*mmd.*rsd"
        with pytest.raises(ValueError, match=match) as raised:
            AlignmentRegressor(alignment, **SMALL).fit(Xs, ys, X_target=Xt)
        # What is offered instead is for values.
        assert "'mcc'" not in str(raised.value).partition("use one of")[2]


def on_values(source_values, source_predictions, target_features):
    return target_features.mean()


@pytest.mark.usefixtures("untrained")
@pytest.mark.parametrize("alignment", [DeepJDOTRegression(), on_values])
def test_criteria_on_values_are_refused_by_classifiers(blobs, alignment):
    Xs, ys, Xt, _ = blobs
    match = r"which a classifier does not have\. Use one on features, such as MMD\(\)"
    with pytest.raises(ValueError, match=match):
        AlignmentClassifier(alignment, **SMALL).fit(Xs, ys, X_target=Xt)


def test_criteria_on_features_serve_both(values, same):
    Xs, ys, Xt = values
    by_name = AlignmentRegressor([(0.1, "rsd")], **SMALL).fit(Xs, ys, X_target=Xt)
    assert same(by_name, AlignmentRegressor([(0.1, RSD())], **SMALL).fit(Xs, ys, X_target=Xt))
    clf = AlignmentClassifier([(0.1, RSD())], **SMALL).fit(Xs, ys > 0, X_target=Xt)
    assert clf.history_["alignment_loss"][0] > 0


@pytest.mark.usefixtures("untrained")
@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda y: np.where(np.arange(90) == 3, np.nan, y), "Input y contains NaN"),
        (lambda y: np.where(np.arange(90) == 3, np.inf, y), "Input y contains infinity"),
        (lambda y: np.full(90, "much"), "could not convert string to float"),
        (lambda y: y[:50], "y has length 50, but X has 90 samples"),
        (lambda y: np.zeros((90, 2, 2)), "Found array with dim 3"),
        (lambda y: None, "requires y to be passed"),
    ],
)
@pytest.mark.parametrize("estimator", [AlignmentRegressor, DeepJDOTRegressor])
def test_values_that_are_no_numbers_are_refused(values, estimator, change, match):
    Xs, ys, Xt = values
    with pytest.raises(ValueError, match=match):
        estimator(**SMALL).fit(Xs, change(ys), X_target=Xt)
