"""Drawn shifts: nothing adapts where there is none, and where features moved it gains."""

import numpy as np
import pytest
from sklearn.ensemble import ExtraTreesClassifier

from domadapt import AlignmentClassifier, AutoAdaptClassifier
from domadapt.model_selection.auto import _estimators
from domadapt.model_selection.auto._candidates import Candidate


def overlapping(seed, n_samples):
    """Draw three classes that overlap."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_samples, 5))
    return X, np.argmax(X[:, :3] + rng.normal(size=(n_samples, 3)), axis=1)


def blobs(seed):
    """Draw four classes in ten columns."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 4, 160)
    centers = np.random.default_rng(9).normal(scale=1.3, size=(4, 10))
    return centers[y] + rng.normal(size=(160, 10)), y


@pytest.mark.parametrize("seed", range(4))
def test_without_a_shift_nothing_adapts(seed):
    (Xs, ys), (Xt, yt) = overlapping(seed, 200), overlapping(seed + 50, 150)
    auto = AutoAdaptClassifier(["coral+lr"], random_state=0).fit(Xs, ys, X_target=Xt)
    assert not auto.adapts_
    plain = ExtraTreesClassifier(random_state=0).fit(Xs, ys).score(Xt, yt)
    assert auto.score(Xt, yt) > plain - 0.05


@pytest.mark.parametrize("seed", range(3))
def test_clear_classes_without_a_shift_stay_as_they_are(seed, draw_classes):
    (Xs, ys), (Xt, yt) = draw_classes(150, 3, seed), draw_classes(120, 3, seed + 50)
    auto = AutoAdaptClassifier(["coral+lr", "linear_ot+lr"], random_state=0)
    auto.fit(Xs, ys, X_target=Xt)
    plain = [np.mean(auto.classes_[m.answers.argmax(axis=1)] == yt) for m in auto._members[:3]]
    assert auto.score(Xt, yt) >= np.max(plain) - 0.02


@pytest.mark.parametrize("seed", range(2))
def test_moved_features_are_adapted_to_and_that_gains(seed, monkeypatch):
    cheap = _estimators.plain_candidates
    network = AlignmentClassifier(
        alignment=None, batch_norm=None, hidden_layer_sizes=(32,), max_epochs=5
    )

    def with_network(learns, n_columns):
        return [*cheap(learns, n_columns), Candidate("network", network, is_plain=True)]

    monkeypatch.setattr(_estimators, "plain_candidates", with_network)
    (Xs, ys), (Xt, yt) = blobs(seed), blobs(seed + 10)
    rng = np.random.default_rng(seed)
    # Each column in units of its own, from a zero of its own.
    Xt = Xt * np.exp(rng.normal(size=10)) + rng.normal(scale=4.0, size=10)
    candidates = ["per_domain_scaling+lr", "coral+lr", "linear_ot+lr"]
    auto = AutoAdaptClassifier(candidates, random_state=0).fit(Xs, ys, X_target=Xt)
    assert auto.adapts_
    of = {
        member.candidate.name: np.mean(auto.classes_[member.answers.argmax(axis=1)] == yt)
        for member in auto._members
    }
    assert auto.score(Xt, yt) > of["network"] + 0.1
    plain = [of[m.candidate.name] for m in auto._members if m.candidate.is_plain]
    assert auto.score(Xt, yt) > np.max(plain) + 0.02
