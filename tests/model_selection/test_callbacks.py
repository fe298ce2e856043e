"""Callbacks that keep an epoch: which one, with what weights, and what is told beside it."""

import functools

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.callback import ScoringMonitor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV

from domadapt import (
    ADDAClassifier,
    DANNClassifier,
    DANNRegressor,
    SHOTClassifier,
    load,
    pack,
)
from domadapt.model_selection import (
    HarmWarning,
    KeepBestEpoch,
    RollBack,
    StratifiedDomainKFold,
    contradiction_score,
    information_maximization_score,
)
from domadapt.shallow import AdaptedClassifier

SETTINGS = {
    "hidden_layer_sizes": (8,),
    "max_epochs": 6,
    "steps_per_epoch": 2,
    "batch_size": 32,
    "random_state": 0,
}


def scripted(values):
    """Return a score that has these values, one call after the other."""
    left = iter(values)
    return lambda predictions: next(left)


class Weights:
    """Notes the state of the network after every epoch."""

    def __init__(self):
        self.states = []

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context):
        if context.task_name == "epoch":
            state = estimator.module_.state_dict()
            self.states.append({name: value.clone() for name, value in state.items()})


def is_state(estimator, state):
    found = estimator.module_.state_dict()
    return found.keys() == state.keys() and all(torch.equal(found[n], state[n]) for n in found)


def test_the_epoch_with_the_best_score_is_kept(make, blobs):
    Xs, ys, Xt, _ = blobs
    for best in range(5):
        values = [0.1, 0.2, 0.3, 0.3, 0.1]
        values[best] = 0.5
        keep, weights = KeepBestEpoch(Xt, scripted(values)), Weights()
        clf = make(max_epochs=5).set_callbacks(weights, keep).fit(Xs, ys, X_target=Xt)
        assert clf.best_epoch_ == keep.best_epoch_ == best
        np.testing.assert_array_equal(keep.scores_, values)
        np.testing.assert_array_equal(clf.epoch_scores_, values)
        assert is_state(clf, weights.states[best])
        np.testing.assert_array_equal(clf.predict_proba(Xt), keep.predictions_)
        np.testing.assert_array_equal(clf.transduction_, clf.predict(Xt))
        assert len(clf.history_["task_loss"]) == 5


def test_the_last_epoch_is_told_beside_it(make, blobs):
    Xs, ys, Xt, _ = blobs
    keep = KeepBestEpoch(Xt, scripted([1.0, 0.0, 0.5]))
    make().set_callbacks(keep).fit(Xs, ys, X_target=Xt)
    last = make().fit(Xs, ys, X_target=Xt)
    np.testing.assert_array_equal(keep.last_predictions_, last.predict_proba(Xt))
    assert not np.array_equal(keep.predictions_, keep.last_predictions_)
    assert keep.scores_[-1] == 0.5


def test_keeping_the_last_epoch_is_the_fit_without_it_to_the_bit(make, blobs, same):
    Xs, ys, Xt, _ = blobs
    kept = make().set_callbacks(KeepBestEpoch(Xt, scripted([0.0, 1.0, 2.0])))
    assert same(kept.fit(Xs, ys, X_target=Xt), make().fit(Xs, ys, X_target=Xt))


@pytest.mark.parametrize("name", ["information_maximization", "entropy", "nuclear_norm"])
def test_scores_by_name_are_those_of_the_functions(blobs, name):
    Xs, ys, Xt, _ = blobs
    named, weights = KeepBestEpoch(Xt, name), []
    clf = DANNClassifier(**SETTINGS)

    def own(proba):
        p = proba.astype(np.float64)
        p /= p.sum(axis=1, keepdims=True)
        weights.append(p)
        mean = p.mean(axis=0)
        conditional = -np.mean([sum(v * np.log(v) for v in row) for row in p])
        marginal = -sum(v * np.log(v) for v in mean)
        if name == "nuclear_norm":
            return np.linalg.svd(p, compute_uv=False).sum()
        return marginal - conditional if name == "information_maximization" else -conditional

    naive = KeepBestEpoch(Xt, own)
    clf.set_callbacks(named).fit(Xs, ys, X_target=Xt)
    clone(clf).set_callbacks(naive).fit(Xs, ys, X_target=Xt)
    assert len(weights) == 6
    # Up to a constant factor, larger where the other is.
    assert np.corrcoef(named.scores_, naive.scores_)[0, 1] > 1 - 1e-9
    assert named.best_epoch_ == naive.best_epoch_ == named.scores_.argmax()


def test_target_labels_change_nothing(blobs, same):
    Xs, ys, Xt, yt = blobs
    fits = []
    for target in (yt, 2 - yt):
        X, y, d = pack(Xs, ys, Xt, y_test=target)
        clf = DANNClassifier(**SETTINGS).set_callbacks(KeepBestEpoch(Xt))
        fits.append(clf.fit(X, y, sample_domain=d))
    assert same(*fits)
    np.testing.assert_array_equal(fits[0].epoch_scores_, fits[1].epoch_scores_)


def test_the_samples_that_are_looked_at_matter(blobs):
    Xs, ys, Xt, _ = blobs
    scores = []
    for X in (Xt, Xt[:30], Xs):
        keep = KeepBestEpoch(X)
        DANNClassifier(**SETTINGS).set_callbacks(keep).fit(Xs, ys, X_target=Xt)
        scores.append(keep.scores_)
    assert not np.array_equal(scores[0], scores[1])
    assert not np.array_equal(scores[0], scores[2])


@pytest.mark.parametrize("kind", [SHOTClassifier, ADDAClassifier])
@pytest.mark.parametrize("best", [1, 2, 4])
def test_epochs_of_both_stages_count(blobs, kind, best):
    Xs, ys, Xt, _ = blobs
    settings = {**SETTINGS, "max_epochs": 3}
    keep = KeepBestEpoch(Xt, scripted([float(epoch == best) for epoch in range(6)]))
    clf = kind(**settings).set_callbacks(keep).fit(Xs, ys, X_target=Xt)
    assert keep.best_epoch_ == best
    np.testing.assert_allclose(clf.predict_proba(Xt), keep.predictions_, atol=1e-6)
    np.testing.assert_array_equal(clf.transduction_, clf.predict(Xt))
    if best == 2:
        source = kind(**settings).fit(Xs, ys)
        np.testing.assert_allclose(clf.predict_proba(Xt), source.predict_proba(Xt), atol=1e-6)


@pytest.mark.parametrize("freeze", [False, True])
def test_a_backbone_is_put_back_too(blobs, freeze):
    Xs, ys, Xt, _ = blobs
    torch.manual_seed(0)
    backbone = torch.nn.Sequential(torch.nn.Linear(10, 6), torch.nn.BatchNorm1d(6))
    keep = KeepBestEpoch(Xt, scripted([0, 1, 0, 0, 0, 0]))
    clf = DANNClassifier(backbone=backbone, freeze=freeze, **SETTINGS).set_callbacks(keep)
    clf.fit(Xs, ys, X_target=Xt)
    np.testing.assert_array_equal(clf.predict_proba(Xt), keep.predictions_)
    assert not np.array_equal(keep.predictions_, keep.last_predictions_)


def test_regressors_are_scored_by_their_values(blobs):
    Xs, _, Xt, _ = blobs
    keep = KeepBestEpoch(Xt, lambda values: -abs(values.mean()))
    reg = DANNRegressor(**SETTINGS).set_callbacks(keep).fit(Xs, Xs[:, 0], X_target=Xt)
    assert reg.best_epoch_ == keep.scores_.argmax()
    np.testing.assert_array_equal(reg.predict(Xt), keep.predictions_)


def test_it_is_fitted_again_cloned_searched_and_saved(blobs, tmp_path, same):
    Xs, ys, Xt, _ = blobs
    keep = KeepBestEpoch(Xt)
    clf = DANNClassifier(**SETTINGS).set_callbacks(keep).fit(Xs, ys, X_target=Xt)
    first = clf.epoch_scores_
    np.testing.assert_array_equal(clf.fit(Xs, ys, X_target=Xt).epoch_scores_, first)
    assert same(clone(clf).fit(Xs, ys, X_target=Xt), clf)
    clf.save(tmp_path / "clf")
    assert same(load(tmp_path / "clf"), clf)
    X, y, d = pack(Xs, ys, Xt)
    search = GridSearchCV(clf, {"alignment_weight": [0.5, 1.0]}, cv=StratifiedDomainKFold(2))
    best = search.fit(X, y, groups=d, sample_domain=d).best_estimator_
    assert best.epoch_scores_.argmax() == best.best_epoch_
    again = clf.set_callbacks().fit(Xs, ys, X_target=Xt)
    assert not hasattr(again, "best_epoch_")
    assert keep._runs == {}


def test_it_goes_along_with_other_callbacks(blobs):
    Xs, ys, Xt, _ = blobs
    monitor, keep = ScoringMonitor(scoring="accuracy"), KeepBestEpoch(Xt)
    DANNClassifier(**SETTINGS).set_callbacks(monitor, keep).fit(Xs, ys, X_target=Xt)
    assert len([r for r in monitor.get_logs().data if r["task_name"] == "epoch"]) == 6


@pytest.fixture
def plain(blobs):
    """A source model, and the source rows that it has not seen."""
    Xs, ys, _, _ = blobs
    return LogisticRegression().fit(Xs[::2], ys[::2]), Xs[1::2], ys[1::2]


class Fixed(LogisticRegression):
    """A classifier that is as sure of the same classes, whatever the samples."""

    def predict_proba(self, X):
        proba = np.full((len(X), 3), 0.05)
        proba[np.arange(len(X)), np.arange(len(X)) % 3] = 0.9
        return proba


def test_roll_back_keeps_the_last_epoch_within_the_limit(blobs, monkeypatch):
    Xs, ys, Xt, _ = blobs
    model = Fixed().fit(Xs, ys)
    held_y = np.array([0, 1, 2] * 30)
    # Of these shares of samples every epoch contradicts what the model says.
    for shares, kept in [
        ([0.9, 0.1, 0.1, 0.9], 2),
        ([0.9, 0.1, 0.9, 0.1], 3),
        ([0.0, 0.9, 0.9, 0.9], 0),
    ]:
        roll, told = RollBack(Xt, model, Xs, held_y, limit=0.3), iter([0.0, *shares])

        def contradicting(estimator, X, told=told):
            said = np.arange(len(X)) % 3
            said[: round(next(told) * len(X))] += 1
            return np.eye(3)[said % 3]

        with monkeypatch.context() as patch:
            patch.setattr("domadapt.model_selection._epochs.predicted", contradicting)
            clf = DANNClassifier(**{**SETTINGS, "max_epochs": 4}).set_callbacks(roll)
            clf.fit(Xs, ys, X_target=Xt)
        sure = roll._sure.max(axis=1)
        naive = [np.mean([c * (i < round(s * 75)) for i, c in enumerate(sure)]) for s in shares]
        excess = np.array(naive) - np.mean([c * (1 - c) for c in sure])
        np.testing.assert_allclose(roll.scores_, -excess, atol=1e-12)
        assert clf.best_epoch_ == kept


def test_roll_back_restores_weights_and_agrees_with_the_score(blobs, plain):
    Xs, ys, Xt, _ = blobs
    model, X, y = plain
    # A network that unlearns: the alignment makes all samples alike.
    settings = {**SETTINGS, "alignment_weight": 300.0, "learning_rate": 0.05}
    roll = RollBack(Xt, model, X, y, limit=0.05)
    clf = DANNClassifier(**settings).set_callbacks(roll)
    with np.errstate(all="ignore"):
        clf.fit(Xs, ys, X_target=Xt)
    np.testing.assert_array_equal(clf.predict_proba(Xt), roll.predictions_)
    sure = roll._sure.max(axis=1)
    excess = -contradiction_score(roll.predictions_, roll._sure) - np.mean(sure * (1 - sure))
    assert roll.scores_[roll.best_epoch_] == pytest.approx(-excess)


def test_no_epoch_within_the_limit_is_warned_of(blobs, plain):
    Xs, ys, Xt, _ = blobs
    _, X, _ = plain
    wrong = Fixed().fit(X, np.arange(len(X)) % 3)
    roll = RollBack(Xt, wrong, X, np.arange(len(X)) % 3, limit=0.0)
    clf = DANNClassifier(**SETTINGS).set_callbacks(roll)
    with pytest.warns(HarmWarning, match="Every epoch contradicts"):
        clf.fit(Xs, ys, X_target=Xt)
    assert clf.best_epoch_ == roll.scores_.argmax()


def test_held_out_labels_calibrate(blobs, plain):
    Xs, ys, Xt, _ = blobs
    model, X, y = plain
    scores = []
    for labels in (y, np.roll(y, 1)):
        roll = RollBack(Xt, model, X, labels, limit=1.0)
        DANNClassifier(**SETTINGS).set_callbacks(roll).fit(Xs, ys, X_target=Xt)
        scores.append(roll._sure.max(axis=1).mean())
    # Labels that do not fit the model make it unsure.
    assert scores[1] < 0.6 < scores[0]


def test_an_interrupted_fit_keeps_what_it_reached(blobs):
    Xs, ys, Xt, _ = blobs

    calls = iter(range(10))

    def interrupt(predictions):
        if next(calls) == 2:
            raise KeyboardInterrupt
        return 0.0

    keep = KeepBestEpoch(Xt, interrupt)
    clf = DANNClassifier(**SETTINGS).set_callbacks(keep)
    with pytest.raises(KeyboardInterrupt):
        clf.fit(Xs, ys, X_target=Xt)
    assert clf.n_steps_ == 6
    assert keep._runs == {}


def test_what_does_not_go_together_is_told_before_training(blobs, plain, untrained, tmp_path):
    Xs, ys, Xt, _ = blobs
    model, X, y = plain
    keep = KeepBestEpoch(Xt)
    resumable = DANNClassifier(checkpoint=tmp_path / "c", random_state=0).set_callbacks(keep)
    with pytest.raises(ValueError, match=r"checkpoint=.*resumed could not return"):
        resumable.fit(Xs, ys, X_target=Xt)
    with pytest.raises(ValueError, match="KeepBestEpoch and RollBack were set together"):
        DANNClassifier().set_callbacks(keep, RollBack(Xt, model, X, y)).fit(Xs, ys, X_target=Xt)
    shallow = AdaptedClassifier(LogisticRegression()).set_callbacks(keep)
    with pytest.raises(TypeError, match="AdaptedClassifier has none"):
        shallow.fit(Xs, ys, X_target=Xt)
    with pytest.raises(ValueError, match="DANNRegressor does not predict"):
        DANNRegressor().set_callbacks(keep).fit(Xs, Xs[:, 0], X_target=Xt)
    with pytest.raises(ValueError, match=r"X has samples of shape|features"):
        DANNClassifier().set_callbacks(KeepBestEpoch(Xt[:, :3])).fit(Xs, ys, X_target=Xt)
    roll = RollBack(Xt, model, X, y)
    with pytest.raises(ValueError, match=r"knows the classes \[0, 1, 2\], and DANN"):
        DANNClassifier().set_callbacks(roll).fit(Xs, ys + 1, X_target=Xt)
    broken = DANNClassifier().set_callbacks(RollBack(Xt, model, X, y[:3]))
    with pytest.raises(ValueError, match="y_source"):
        broken.fit(Xs, ys, X_target=Xt)


def test_bad_parameters_are_told(blobs, plain):
    Xt = blobs[2]
    model, X, y = plain
    with pytest.raises(ValueError, match="score='accuracy', and one of information_maxi"):
        KeepBestEpoch(Xt, "accuracy")
    with pytest.raises(ValueError, match="limit=2, and a number from 0 to 1"):
        RollBack(Xt, model, X, y, limit=2)
    with pytest.raises(TypeError, match="has no predict_proba"):
        RollBack(Xt, Ridge(), X, y)


def test_a_score_that_is_no_number_is_told(blobs):
    Xs, ys, Xt, _ = blobs
    clf = DANNClassifier(**SETTINGS).set_callbacks(KeepBestEpoch(Xt, lambda p: np.nan))
    with pytest.raises(ValueError, match=r"score of epoch 0 .* is nan"):
        clf.fit(Xs, ys, X_target=Xt)


def test_a_score_may_have_settings(blobs):
    Xs, ys, Xt, _ = blobs
    score = functools.partial(information_maximization_score, prior=[0.8, 0.1, 0.1])
    keep, plain = KeepBestEpoch(Xt, score), KeepBestEpoch(Xt)
    for callback in (keep, plain):
        DANNClassifier(**SETTINGS).set_callbacks(callback).fit(Xs, ys, X_target=Xt)
    assert not np.allclose(keep.scores_, plain.scores_)
