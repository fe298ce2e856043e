"""Any method on any data: a message that names a parameter, or a fit whose numbers are finite."""

import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, seed, settings
from random_fits import fits, names_a_parameter, picture, state_of_process
from random_inductive_fits import inductive_fits, pictures, speaks_of_it
from random_shallow_fits import shallow_fits
from sklearn.base import is_classifier

N_SHARDS = 20
ORDINARY = settings(
    max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
MANY = settings(
    max_examples=500, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)


def outcome(estimator, given):
    """Return the message with which a fit is refused, or None, and what is predicted."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            estimator.fit(**given)
            predicted = [estimator.predict(given["X"])]
            if is_classifier(estimator) and hasattr(estimator, "predict_proba"):
                predicted.append(estimator.predict_proba(given["X"]))
    except (TypeError, ValueError) as error:
        return str(error), None
    return None, [*predicted, getattr(estimator, "transduction_", predicted[0])]


def check(estimator, given):
    """Check the outcome of one fit."""
    before = {name: picture(value) for name, value in given.items()}
    process = state_of_process(estimator)
    message, predicted = outcome(estimator, given)
    assert state_of_process(estimator) == process
    assert {name: picture(value) for name, value in given.items()} == before
    if message is not None:
        assert names_a_parameter(estimator, message), message
        return
    history = getattr(estimator, "history_", {})
    losses = [value for values in history.values() for value in values]
    assert np.isfinite(losses).all(), history
    labels, *probabilities, transduction = predicted
    for values in (labels, transduction):
        if is_classifier(estimator):
            known = getattr(estimator, "_all_labels", estimator.classes_)
            assert np.isin(values, known).all()
        else:
            assert np.isfinite(values).all(), values
    for shares in probabilities:
        np.testing.assert_allclose(shares.sum(axis=1), 1.0, rtol=1e-4)


def check_inductive(estimator, given, ask):
    """Check the outcome of a fit from another model, of several tasks or of few shots."""
    before, process = pictures(given), state_of_process(estimator)
    message, predicted = None, []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            predicted = list(ask(estimator.fit(**given)))
    except (TypeError, ValueError) as error:
        message = str(error)
    assert state_of_process(estimator) == process
    assert pictures(given) == before
    if message is not None:
        assert speaks_of_it(estimator, message), message
        return
    for values, known, shares in predicted:
        assert np.isfinite(values).all() if known is None else np.isin(values, known).all()
        if shares is not None:
            np.testing.assert_allclose(shares.sum(axis=1), 1.0, rtol=1e-4)


@ORDINARY
@given(fits())
def test_a_fit_ends_in_a_message_or_in_finite_numbers(fit):
    check(*fit)


@ORDINARY
@given(shallow_fits())
def test_a_fit_without_a_network_ends_so_too(fit):
    check(*fit)


@ORDINARY
@given(inductive_fits())
def test_a_fit_from_another_model_or_of_several_tasks_ends_so_too(fit):
    check_inductive(*fit)


@pytest.mark.many
@pytest.mark.parametrize("shard", range(N_SHARDS))
def test_ten_thousand_fits_without_a_network_end_so_too(shard):
    seed(shard)(MANY(given(shallow_fits())(lambda fit: check(*fit))))()


@pytest.mark.many
@pytest.mark.parametrize("shard", range(N_SHARDS))
def test_ten_thousand_fits_end_in_a_message_or_in_finite_numbers(shard):
    seed(shard)(MANY(given(fits())(lambda fit: check(*fit))))()


@pytest.mark.many
@pytest.mark.parametrize("shard", range(N_SHARDS))
def test_ten_thousand_fits_from_models_or_of_tasks_end_so_too(shard):
    seed(shard)(MANY(given(inductive_fits())(lambda fit: check_inductive(*fit))))()
