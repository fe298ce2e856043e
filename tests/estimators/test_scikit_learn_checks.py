"""Scikit-learn's own checks on every estimator."""

import torch
from sklearn.utils.estimator_checks import parametrize_with_checks
from torch import nn

from domadapt import AlignmentClassifier, estimators

EVERY = [getattr(estimators, name) for name in estimators.__all__]

IN_FLOAT64 = nn.Sequential(nn.LazyLinear(32, dtype=torch.float64), nn.ReLU())


# These sets are so small that Adam at DANN's own rate would not get far in a few epochs.
BRISK = {"optimizer": "sgd", "learning_rate": 0.03, "max_epochs": 5}


@parametrize_with_checks([estimator(backbone=IN_FLOAT64, **BRISK) for estimator in EVERY])
def test_in_float64_no_check_fails(estimator, check):
    check(estimator)


def rounded_in_float32(estimator):
    reason = (
        "weights and repeated samples are the same up to the rounding of float32 and the "
        "statistics of batch normalisation; the check asks for seven digits"
    )
    return {
        "check_sample_weight_equivalence_on_dense_data": reason,
        "check_sample_weight_equivalence_on_sparse_data": reason,
    }


# All estimators have the default network of this one.
@parametrize_with_checks(
    [AlignmentClassifier(max_epochs=5)],
    expected_failed_checks=rounded_in_float32,
    xfail_strict=True,
)
def test_with_the_default_network_two_checks_of_digits_fail(estimator, check):
    check(estimator)
