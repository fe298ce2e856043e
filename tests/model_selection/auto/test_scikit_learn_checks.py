"""scikit-learn's own checks, which pass no target, and what is there without one."""

import warnings

import numpy as np
import pytest
from sklearn.utils.estimator_checks import check_estimator

from domadapt import AutoAdaptClassifier, AutoAdaptRegressor

# Samples of weight 2 and repeated samples are held back otherwise.
FAILS = {"check_sample_weight_equivalence_on_dense_data"}


@pytest.mark.parametrize("kind", [AutoAdaptClassifier, AutoAdaptRegressor])
def test_scikit_learn_finds_nothing_but_weights(kind):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = check_estimator(kind(random_state=0), on_fail=None)
    assert {one["check_name"] for one in results if one["status"] == "failed"} <= FAILS
    assert sum(one["status"] == "passed" for one in results) > 50


def test_without_a_target_plain_models_stand(draw_classes):
    (Xs, ys), (Xt, yt) = draw_classes(80, 2, 0), draw_classes(60, 2, 1)
    auto = AutoAdaptClassifier(["coral+lr"], random_state=0)
    with pytest.warns(UserWarning, match="AutoAdaptClassifier was given no target"):
        auto.fit(Xs, ys)
    assert auto.score(Xt, yt) > 0.9
    assert set(auto.leaderboard_["kind"]) == {"plain"}
    assert "no target" in auto.explain()
    for name in ("transduction_", "estimated_accuracy_", "accuracy_interval_", "far_away_"):
        assert not hasattr(auto, name)
    assert np.array_equal(auto.predict(Xt[:3]), auto.predict(Xt)[:3])
