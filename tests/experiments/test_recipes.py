"""Estimators by the name of a method: recipes as published, the same criteria everywhere."""

import inspect

import numpy as np
import pytest

import domadapt
from domadapt import AlignmentClassifier, DANClassifier
from domadapt.alignment import AFN, CORAL, DeepCORAL
from domadapt.experiments.recipes import fine_tuning, on_vectors
from domadapt.experiments.tasks import ON_PAIRS
from domadapt.methods import METHODS

DISCRIMINATOR = {"hidden_layer_sizes": (1024, 1024)}
# Rate, its decay by update, weight decay, updates, epochs; layers, normalisation, dropout; weight
# of the alignment and its factor after a twentieth of the training; batch; of the criterion.
PUBLISHED = {
    "source": (1e-3, 3e-4, 5e-4, 500, 5, None, "joint", 0.0, 1.0, 1.0, 32, {}),
    "dan": (3e-3, 3e-4, 5e-4, 500, 20, (256,), None, 0.5, 1.0, 1.0, 32, {"unbiased": True}),
    "coral": (3e-3, 3e-4, 5e-4, 500, 20, (256,), None, 0.0, 10.0, 1.0, 32, {}),
    "dann": (1e-2, 1e-3, 1e-3, 1000, 20, (256,), "joint", 0.0, 1.0, 0.4621, 32, DISCRIMINATOR),
    "cdan": (
        *(1e-2, 1e-3, 1e-3, 1000, 20, (256,), "joint", 0.0, 1.0, 0.4621, 32),
        DISCRIMINATOR | {"entropy": True},
    ),
    "jan": (
        *(3e-3, 3e-4, 5e-4, 500, 20, (256,), "joint", 0.5, 1.0, 1.0, 32),
        {"unbiased": True, "softmax_bandwidth": 2 * 0.92**2},
    ),
    "mcc": (5e-3, 1e-3, 1e-3, 500, 20, (1024,), "joint", 0.0, 1.0, 1.0, 36, {"temperature": 2.5}),
    "mdd": (
        *(4e-3, 2e-4, 5e-4, 1000, 20, (1024,), "joint", 0.5, 0.1, 0.4621, 32),
        {"hidden_layer_sizes": (1024,), "margin": 4.0},
    ),
    "afn": (1e-3, 0.0, 5e-4, 500, 20, (1000,), "joint", 0.5, 0.1, 1.0, 32, {"step_size": 1.0}),
}


def terms_of(estimator):
    """List the criteria of an estimator with their weights."""
    alignment = estimator.alignment
    if isinstance(alignment, str):
        alignment = METHODS[alignment].classes()
    return alignment if isinstance(alignment, list) else [(1.0, alignment)]


@pytest.mark.parametrize("method", PUBLISHED)
def test_recipes_are_those_that_were_published(method):
    rate, decay, weight_decay, steps, epochs, layers, *others = PUBLISHED[method]
    batch_norm, dropout, weight, rising, batch_size, of_criterion = others
    clf = fine_tuning(method)
    assert (clf.learning_rate, clf.weight_decay, clf.backbone_rate) == (rate, weight_decay, 0.1)
    falling = (1 + decay * steps * epochs * 0.5) ** -0.75
    assert clf.learning_rate_schedule(0.5) == pytest.approx(falling)
    assert (clf.steps_per_epoch, clf.max_epochs, clf.batch_size) == (steps, epochs, batch_size)
    assert (clf.hidden_layer_sizes, clf.batch_norm, clf.dropout) == (layers, batch_norm, dropout)
    assert clf.alignment_weight == weight
    schedule = clf.alignment_schedule
    factor = 1.0 if schedule == "constant" else schedule(0.05)
    assert factor == pytest.approx(rising, abs=1e-4)
    if method != "source":
        ((_, criterion),) = terms_of(clf)
        assert criterion.get_params().items() >= of_criterion.items()


def test_the_rate_falls_over_the_updates_that_are_made():
    clf = fine_tuning("dan", epochs=3, steps_per_epoch=100)
    assert (clf.max_epochs, clf.steps_per_epoch) == (3, 100)
    assert clf.learning_rate_schedule(1.0) == pytest.approx((1 + 3e-4 * 300) ** -0.75)


@pytest.mark.parametrize("method", ON_PAIRS)
def test_all_that_a_recipe_leaves_open_is_the_same_for_every_method(method):
    clf, recipe = fine_tuning(method, epochs=2), METHODS[method].recipe
    assert (clf.optimizer, clf.label_smoothing) == ("sgd", 0.0)
    named = {"learning_rate_schedule", "max_epochs", *recipe.parameters}
    plain = AlignmentClassifier(
        optimizer="sgd",
        label_smoothing=0.0,
        backbone_rate=0.1,
        batch_size=32,
        alignment_weight=1.0,
        alignment_schedule="constant",
        learning_rate=recipe.learning_rate,
        weight_decay=recipe.weight_decay,
        steps_per_epoch=recipe.steps_per_epoch,
    ).get_params(deep=False)
    own = clf.get_params(deep=False)
    for name in (own.keys() & plain.keys()) - named - {"alignment"}:
        assert own[name] == plain[name], name
    for name, value in recipe.parameters.items():
        assert own[name] == value


@pytest.mark.parametrize("method", [name for name in ON_PAIRS if name != "source"])
def test_a_method_is_the_same_frozen_and_fine_tuned(method):
    entry = METHODS[method]
    kind = getattr(domadapt, entry.classifier or "AlignmentClassifier")
    on_features, tuned = on_vectors(method), fine_tuning(method)
    assert type(on_features) is type(tuned) is kind
    expected = entry.classes()
    expected = expected if isinstance(expected, list) else [(1.0, expected)]
    for estimator, changed in ((on_features, {}), (tuned, entry.recipe.criterion)):
        terms = terms_of(estimator)
        for (weight, criterion), (other_weight, other) in zip(terms, expected, strict=True):
            assert weight == other_weight
            assert type(criterion) is type(other)
            before = other.get_params()
            renewed = {name: v for name, v in changed.items() if name in before}
            if "alignment" in inspect.signature(kind).parameters:
                before |= renewed
            assert criterion.get_params() == before


def test_source_is_trained_without_a_criterion():
    assert on_vectors("source").alignment is None
    assert fine_tuning("source").alignment is None
    assert type(on_vectors("source")) is AlignmentClassifier


def test_a_title_means_one_criterion():
    ((_, on_features),) = terms_of(fine_tuning("coral"))
    ((_, on_logits),) = terms_of(fine_tuning("deepcoral"))
    assert type(on_features) is CORAL
    assert type(on_logits) is DeepCORAL
    ((_, norm),) = terms_of(fine_tuning("afn"))
    assert type(norm) is AFN


def test_parameters_of_the_caller_come_first():
    clf = fine_tuning("mcc", batch_size=8, dropout=0.25)
    assert (clf.batch_size, clf.dropout) == (8, 0.25)
    assert on_vectors("mmd", epochs=4, random_state=1).get_params(deep=False) == (
        DANClassifier(max_epochs=4, random_state=1).get_params(deep=False)
    )


def test_a_recipe_trains_what_its_estimator_trains_by_hand(blobs):
    X, y, X_target, _ = blobs
    settings = {"epochs": 2, "steps_per_epoch": 3, "random_state": 0}
    history = fine_tuning("dann", **settings).fit(X, y, X_target=X_target).history_
    clf = AlignmentClassifier(
        domadapt.alignment.DomainAdversarial(hidden_layer_sizes=(1024, 1024)),
        hidden_layer_sizes=256,
        batch_norm="joint",
        backbone_rate=0.1,
        alignment_weight=1.0,
        alignment_schedule=lambda p: 2.0 / (1.0 + np.exp(-20.0 * p)) - 1.0,
        learning_rate=1e-2,
        learning_rate_schedule=lambda p: (1.0 + 1e-3 * 6 * p) ** -0.75,
        weight_decay=1e-3,
        label_smoothing=0.0,
        batch_size=32,
        max_epochs=2,
        steps_per_epoch=3,
        random_state=0,
    )
    by_hand = clf.fit(X, y, X_target=X_target).history_
    for name, values in history.items():
        np.testing.assert_allclose(values, by_hand[name], rtol=1e-5, atol=1e-7)
