"""Moved class proportions are told from moved features, and the vote is corrected for them."""

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB

from domadapt import AutoAdaptClassifier
from domadapt.model_selection._calibration import fit_temperature
from domadapt.model_selection.auto import _label_shift
from domadapt.model_selection.auto._label_shift import (
    LOWEST,
    POWER,
    Correction,
    find_moved_proportions,
)
from domadapt.model_selection.auto._training import hold_back

MODELS = (LogisticRegression(), GaussianNB(), RandomForestClassifier(50, random_state=0))
EQUAL = np.full(3, 1 / 3)


def draw(rng, n_samples, share, moved=0.0):
    y = (rng.uniform(size=n_samples) < share).astype(int)
    return rng.normal(size=(n_samples, 4)) + 0.8 * y[:, None] + moved, y


def say(rng, of_source, of_target):
    """Return what the models say of held-out source samples and of the target, and the labels."""
    X, y = draw(rng, 400, of_source)
    held, codes = draw(rng, 150, of_source)
    Xt, yt = draw(rng, 400, *of_target)
    fitted = [model.fit(X, y) for model in MODELS]
    proba = (np.array([model.predict_proba(part) for model in fitted]) for part in (held, Xt))
    return *proba, codes, yt


@pytest.mark.parametrize("seed", range(3))
def test_moved_proportions_are_found_and_the_corrected_vote_gains(seed):
    held, target, codes, yt = say(np.random.default_rng(seed), 0.85, (0.15,))
    correction = find_moved_proportions(held, target, codes, EQUAL)
    vote = np.tensordot(EQUAL, target, axes=1)
    corrected = correction.correct(vote)
    assert np.allclose(corrected.sum(axis=1), 1)
    before, after = ((p.argmax(axis=1) == yt).mean() for p in (vote, corrected))
    assert after > before + 0.1
    assert abs(correction.target[1] - 0.15) < 0.15


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("of_target", [(0.85,), (0.85, 1.5)], ids=["as they are", "features moved"])
def test_nothing_is_corrected_without_moved_proportions(seed, of_target):
    held, target, codes, _ = say(np.random.default_rng(seed), 0.85, of_target)
    assert find_moved_proportions(held, target, codes, EQUAL) is None


def test_models_that_find_other_proportions_are_not_believed():
    held, target, codes, _ = say(np.random.default_rng(0), 0.85, (0.15,))
    assert find_moved_proportions(held, target, codes, EQUAL) is not None
    # One of the models now sees the classes the other way round in the target.
    target[1] = target[1][:, ::-1]
    target[2] = 0.5
    assert find_moved_proportions(held, target, codes, EQUAL) is None


def test_it_counts_how_far_models_are_apart(monkeypatch):
    held, target, codes, _ = say(np.random.default_rng(0), 0.85, (0.15,))
    assert find_moved_proportions(held, target, codes, EQUAL) is not None
    monkeypatch.setattr(_label_shift, "SPREAD", 0.0)
    assert find_moved_proportions(held, target, codes, EQUAL) is None
    # The same model three times finds the same.
    monkeypatch.setattr(_label_shift, "SPREAD", 1e-9)
    held, target = held[[0, 0, 0]], target[[0, 0, 0]]
    assert find_moved_proportions(held, target, codes, EQUAL) is not None


def test_a_class_that_was_not_held_back_tells_nothing():
    held, target, codes, _ = say(np.random.default_rng(0), 0.85, (0.15,))
    rows = codes == 1
    assert find_moved_proportions(held[:, rows], target, codes[rows], EQUAL) is None


def test_the_correction_is_the_formula():
    rng = np.random.default_rng(0)
    vote = rng.dirichlet(np.ones(3), size=5)
    vote[0] = [1.0, 0.0, 0.0]
    source, target = np.array([0.5, 0.3, 0.2]), np.array([0.1, 0.2, 0.7])
    bias = np.array([0.1, -0.2, 0.1])
    corrected = Correction(1.5, bias, source, target).correct(vote)
    for row, found in zip(vote, corrected, strict=True):
        calibrated = [
            max(p, LOWEST) ** (1 / 1.5) * np.exp(b) for p, b in zip(row, bias, strict=True)
        ]
        expected = [
            p * (t / s) ** POWER for p, s, t in zip(calibrated, source, target, strict=True)
        ]
        assert np.allclose(found, np.array(expected) / sum(expected))


def test_where_proportions_moved_the_choice_is_the_corrected_vote(monkeypatch):
    rng = np.random.default_rng(0)
    (Xs, ys), (Xt, yt) = draw(rng, 500, 0.85), draw(rng, 400, 0.15)
    # Labels of any roughness would be mixed, were proportions not what moved.
    monkeypatch.setattr("domadapt.model_selection.auto._rule.SMOOTH", -2.0)
    auto = AutoAdaptClassifier(["coral+lr"], random_state=0).fit(Xs, ys, X_target=Xt)
    assert not auto.adapts_
    assert "Moved class proportions explain the target" in auto.explain()
    plain = [member for member in auto._members if member.candidate.is_plain]
    answers = np.array([member.answers for member in plain])
    vote = np.tensordot(auto._mixture.vote_weights, answers, axes=1)
    assert np.allclose(auto.predict_proba(Xt), auto._correction.correct(vote))
    before = (vote.argmax(axis=1) == yt).mean()
    assert (auto.transduction_ == yt).mean() > before + 0.1


def test_what_plain_models_say_of_held_back_samples_is_calibrated():
    rng = np.random.default_rng(0)
    (Xs, ys), (Xt, _) = draw(rng, 600, 0.5), draw(rng, 100, 0.5)
    auto = AutoAdaptClassifier(["coral+lr"], random_state=0).fit(Xs, ys, X_target=Xt)
    codes = ys[hold_back(ys, "classes", np.random.RandomState(0))[1]]
    for member in (one for one in auto._members if one.candidate.is_plain):
        assert fit_temperature(member.held_back, codes) == pytest.approx(1.0, abs=0.1)
    assert max(abs(np.log(m.temperature)) for m in auto._members) > 0.2
    answers = np.array([member.answers for member in auto._members])
    assert np.allclose(auto._answers(Xt)[0], answers)
