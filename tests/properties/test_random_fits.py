"""Any method on any data: a message that names a parameter, or a fit whose numbers are finite."""

import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, seed, settings
from random_fits import fits, names_a_parameter, picture, state_of_process
from sklearn.base import is_classifier

N_SHARDS = 20
ORDINARY = settings(
    max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
MANY = settings(
    max_examples=500, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)


def check(estimator, given):
    """Check the outcome of one fit."""
    before = {name: picture(value) for name, value in given.items()}
    process = state_of_process(estimator)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            estimator.fit(**given)
            predicted = estimator.predict(given["X"])
            if is_classifier(estimator):
                probabilities = estimator.predict_proba(given["X"])
    except (TypeError, ValueError) as error:
        assert names_a_parameter(estimator, str(error)), str(error)
    else:
        losses = [value for values in estimator.history_.values() for value in values]
        assert np.isfinite(losses).all(), estimator.history_
        seen = [predicted, getattr(estimator, "transduction_", predicted)]
        for labels in seen:
            if is_classifier(estimator):
                assert np.isin(labels, estimator._all_labels).all()
            else:
                assert np.isfinite(labels).all(), labels
        if is_classifier(estimator):
            np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, rtol=1e-4)
    assert state_of_process(estimator) == process
    assert {name: picture(value) for name, value in given.items()} == before


@ORDINARY
@given(fits())
def test_a_fit_ends_in_a_message_or_in_finite_numbers(fit):
    check(*fit)


@pytest.mark.many
@pytest.mark.parametrize("shard", range(N_SHARDS))
def test_ten_thousand_fits_end_in_a_message_or_in_finite_numbers(shard):
    seed(shard)(MANY(given(fits())(lambda fit: check(*fit))))()
