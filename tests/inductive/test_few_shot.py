"""Few shots: episodes, prototypes and gradient steps against plain loops, and what is told."""

import copy
import pickle

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks
from torch import nn

import domadapt
from domadapt.inductive import FewShotClassifier
from domadapt.inductive._episodes import (
    Learner,
    LearnsAllRows,
    LearnsShots,
    MovementEpisodes,
    PrototypeEpisodes,
    QueryEpisodes,
    Residual,
)
from domadapt.inputs import reader
from domadapt.training.orders import Episodes

METHODS = ("prototypes", "maml", "reptile")
SHORT = {"n_ways": 3, "n_shots": 2, "n_queries": 4, "max_epochs": 3, "random_state": 0}
SHORT |= {"hidden_layer_sizes": (8,), "steps_per_epoch": 20}


@pytest.fixture(scope="module")
def blobs():
    """Eight classes of twelve rows in six columns."""
    rng = np.random.default_rng(0)
    y = np.repeat(np.arange(8), 12)
    return (rng.normal(size=(8, 6))[y] + 0.5 * rng.normal(size=(96, 6))), y


@pytest.fixture(scope="module")
def fitted(blobs):
    X, y = blobs
    many = y < 5
    return {m: FewShotClassifier(method=m, **SHORT).fit(X[many], y[many]) for m in METHODS}


def few(blobs, n=3):
    X, y = blobs
    rows = np.concatenate([np.flatnonzero(y == c)[:n] for c in (5, 6, 7)])
    return X[rows], y[rows]


def quiet(clf, X, y):
    """Fit without training, which warns of no updates."""
    with pytest.warns(UserWarning, match="0 updates"):
        return clf.fit(X, y)


def test_an_episode_has_rows_of_each_of_its_classes_one_class_after_the_other():
    labels = torch.arange(40) % 4
    order = Episodes(labels, 3, seed=0)
    episodes = order.take(50, 15)
    assert episodes.shape == (50, 15)
    for rows in episodes:
        assert len(rows.unique()) == 15
        by_class = labels[rows].reshape(3, 5)
        assert (by_class == by_class[:, :1]).all()
        assert len(by_class[:, 0].unique()) == 3
    assert len(episodes.unique()) == 40
    assert not torch.equal(episodes[0], episodes[1])


def test_an_order_of_episodes_resumes():
    labels = torch.arange(40) % 4
    one, other = Episodes(labels, 2, seed=0), Episodes(labels, 2, seed=5)
    one.take(3, 6)
    other.restore(one.state())
    assert torch.equal(one.take(4, 6), other.take(4, 6))


def test_the_loss_of_prototypes_is_that_of_loops():
    rng = np.random.default_rng(1)
    outputs = torch.from_numpy(rng.normal(size=(3 * 6, 4)))
    loss = PrototypeEpisodes(None, 3, 2).loss(outputs, torch.arange(18))
    rows, total = outputs.numpy().reshape(3, 6, 4), 0.0
    for way in range(3):
        for query in rows[way, 2:]:
            logits = [-np.sum((query - rows[other, :2].mean(0)) ** 2) for other in range(3)]
            total += np.log(np.sum(np.exp(logits))) - logits[way]
    assert float(loss) == pytest.approx(total / 12, rel=1e-12)


def linear_learner():
    torch.manual_seed(0)
    extractor = nn.Sequential(nn.Linear(4, 5), nn.Tanh()).double()
    return extractor, Learner(extractor, 5, torch.float64)


def plain_steps(extractor, chunks, rate):
    """Take steps by torch's own optimizer on copies; return them."""
    extractor = copy.deepcopy(extractor)
    head = nn.Linear(5, 3).double()
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)
    optimizer = torch.optim.SGD([*extractor.parameters(), *head.parameters()], lr=rate)
    for inputs, labels in chunks:
        optimizer.zero_grad()
        F.cross_entropy(head(extractor(inputs) / 5**0.5), labels).backward()
        optimizer.step()
    optimizer.zero_grad()
    return extractor, head


def test_maml_takes_the_gradient_of_the_queries_where_the_shots_led():
    extractor, learner = linear_learner()
    inputs = torch.from_numpy(np.random.default_rng(2).normal(size=(3 * 6, 4)))
    task = QueryEpisodes(None, 3, 2)
    head = LearnsShots(learner, task, n_steps=4, rate=0.5)
    loss = task.loss(head(inputs), torch.arange(18))
    loss.backward()
    rows = inputs.reshape(3, 6, 4)
    shots = rows[:, :2].reshape(6, 4), torch.arange(3).repeat_interleave(2)
    moved, top = plain_steps(extractor, [shots] * 4, 0.5)
    labels = torch.arange(3).repeat_interleave(4)
    expected = F.cross_entropy(top(moved(rows[:, 2:].reshape(12, 4)) / 5**0.5), labels)
    expected.backward()
    torch.testing.assert_close(loss, expected)
    for own, other in zip(extractor.parameters(), moved.parameters(), strict=True):
        torch.testing.assert_close(own.grad, other.grad)
        assert own.grad.abs().max() > 0


def test_reptile_moves_towards_where_all_rows_led():
    extractor, learner = linear_learner()
    inputs = torch.from_numpy(np.random.default_rng(2).normal(size=(3 * 6, 4)))
    task = MovementEpisodes(None, 3, 2, rate=0.5)
    (loss,) = task.losses(LearnsAllRows(learner, task, n_steps=4, rate=0.5)(inputs), [])
    loss.backward()
    rows = inputs.reshape(3, 6, 4)
    labels = torch.arange(3).repeat_interleave(2)
    chunks = [(rows[:, first : first + 2].reshape(6, 4), labels) for first in (0, 2, 4, 0)]
    moved, _ = plain_steps(extractor, chunks, 0.5)
    for own, other in zip(extractor.parameters(), moved.parameters(), strict=True):
        torch.testing.assert_close(own.grad, (own - other).detach() / 0.5)
        assert own.grad.abs().max() > 0


def test_what_is_added_to_vectors_is_nothing_at_first():
    x = torch.randn(5, 4)
    assert torch.equal(Residual(nn.Linear(4, 3), 3, 4)(x), x)


def test_without_training_it_is_the_nearest_class_mean_of_the_columns(blobs):
    X, y = blobs
    clf = quiet(FewShotClassifier(**{**SHORT, "max_epochs": 0}), X[y < 5], y[y < 5])
    X_few, y_few = few(blobs)
    clf.adapt(X_few, y_few)
    means = np.stack([X_few[y_few == c].mean(0) for c in (5, 6, 7)])
    distances = np.square(X[:, None] - means).sum(-1)
    logits = -distances / clf.temperature_
    expected = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    np.testing.assert_allclose(clf.predict_proba(X), expected, atol=1e-5)
    np.testing.assert_array_equal(clf.predict(X), distances.argmin(1) + 5)
    np.testing.assert_allclose(clf.transform(X), X, rtol=1e-6)


def test_prototypes_are_the_means_of_learnt_features(blobs, fitted):
    X, _ = blobs
    clf = copy.deepcopy(fitted["prototypes"]).adapt(*few(blobs))
    features, (X_few, y_few) = clf.transform(X).astype(np.float64), few(blobs)
    assert np.abs(features - X).max() > 1e-3
    shots = clf.transform(X_few).astype(np.float64)
    means = np.stack([shots[y_few == c].mean(0) for c in (5, 6, 7)])
    logits = -np.square(features[:, None] - means).sum(-1) / clf.temperature_
    expected = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    np.testing.assert_allclose(clf.predict_proba(X), expected, atol=1e-4)


@pytest.mark.parametrize("method", METHODS)
def test_it_takes_all_classes_of_fit_and_then_others(blobs, fitted, method):
    X, y = blobs
    clf = copy.deepcopy(fitted[method])
    assert clf.classes_.tolist() == [0, 1, 2, 3, 4]
    assert clf.score(X[y < 5], y[y < 5]) > 0.8
    assert clf.adapt(*few(blobs)) is clf
    assert clf.classes_.tolist() == [5, 6, 7]
    assert clf.score(X[y > 4], y[y > 4]) > 0.8
    assert clf.predict_proba(X).shape == (96, 3)


@pytest.mark.parametrize("method", METHODS)
def test_every_adapt_starts_from_what_fit_has_learnt(blobs, fitted, method):
    X, y = blobs
    clf = copy.deepcopy(fitted[method]).adapt(*few(blobs))
    first = clf.predict_proba(X)
    clf.adapt(X[y < 2], np.array(["a", "b"])[y[y < 2]])
    assert clf.classes_.tolist() == ["a", "b"]
    again = clf.adapt(*few(blobs)).predict_proba(X)
    np.testing.assert_array_equal(again, first)


@pytest.mark.parametrize("method", METHODS)
def test_the_same_seed_gives_the_same_and_what_is_saved_adapts_alike(
    blobs, fitted, method, tmp_path
):
    X, y = blobs
    state = torch.get_rng_state()
    again = clone(fitted[method]).fit(X[y < 5], y[y < 5])
    assert torch.equal(torch.get_rng_state(), state)
    expected = fitted[method].predict_proba(X)
    np.testing.assert_array_equal(again.predict_proba(X), expected)
    again.adapt(*few(blobs)).save(tmp_path / "model")
    read = domadapt.load(tmp_path / "model")
    assert read.get_params() == again.get_params()
    new = X[y < 2], y[y < 2]
    for other in (read, pickle.loads(pickle.dumps(again))):
        np.testing.assert_array_equal(other.predict_proba(X), again.predict_proba(X))
        other.adapt(*new)
    np.testing.assert_array_equal(read.predict_proba(X), again.adapt(*new).predict_proba(X))


@pytest.mark.parametrize("method", ["maml", "reptile"])
def test_steps_and_their_size_change_what_is_learnt(blobs, fitted, method):
    X, _ = blobs
    usual = copy.deepcopy(fitted[method]).adapt(*few(blobs)).predict_proba(X)
    for changes in ({"n_inner_steps": 1}, {"inner_learning_rate": 0.1}):
        clf = copy.deepcopy(fitted[method]).set_params(**changes)
        assert np.abs(clf.adapt(*few(blobs)).predict_proba(X) - usual).max() > 0.01


def test_a_checkpoint_resumes_to_the_same(blobs, fitted, tmp_path):
    X, y = blobs
    given = X[y < 5], y[y < 5]
    path = tmp_path / "checkpoint"
    clf = FewShotClassifier(**SHORT, checkpoint=path).fit(*given)
    before = path.stat().st_mtime_ns
    again = FewShotClassifier(**SHORT, checkpoint=path).fit(*given)
    assert path.stat().st_mtime_ns == before
    for one in (clf, again):
        expected = fitted["prototypes"].predict_proba(X)
        np.testing.assert_array_equal(one.predict_proba(X), expected)


@pytest.mark.parametrize("method", METHODS)
def test_a_backbone_of_images_that_is_frozen(method):
    rng = np.random.default_rng(0)
    y = np.arange(40) % 4
    X = (y[:, None, None, None] + rng.normal(size=(40, 1, 6, 6))).astype(np.float32)
    backbone = nn.Sequential(nn.Conv2d(1, 3, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    given = {"method": method, "backbone": backbone, "freeze": True, "inner_learning_rate": 0.5}
    clf = FewShotClassifier(**given, **SHORT).fit(X, y)
    assert clf.transform(X).shape == (40, 3)
    assert clf.adapt(X[:9], y[:9]).predict(X).shape == (40,)


def test_too_few_classes_or_rows_are_told(blobs):
    X, y = blobs
    with pytest.raises(ValueError, match=r"n_ways=9 classes.*y has 8.*Lower n_ways"):
        FewShotClassifier(n_ways=9).fit(X, y)
    with pytest.raises(ValueError, match=r"need 20 samples of every class.*0 with 12.*n_queries"):
        FewShotClassifier(n_ways=3).fit(X, y)
    with pytest.raises(ValueError, match="leaves method='maml' no weights"):
        FewShotClassifier(**{**SHORT, "method": "maml", "hidden_layer_sizes": ()}).fit(X, y)


def test_steps_that_go_too_far_are_told(blobs):
    X, y = blobs
    with pytest.raises(domadapt.NonFiniteLossError, match="inner_learning_rate=1e\\+06 is too"):
        FewShotClassifier(method="maml", inner_learning_rate=1e6, **SHORT).fit(X, y)


def test_bad_shots_are_told(blobs, fitted):
    X, y = blobs
    clf = fitted["prototypes"]
    with pytest.raises(ValueError, match="at least 2 classes"):
        clf.adapt(X[:3], y[:3])
    with pytest.raises(ValueError, match="y has length 95"):
        clf.adapt(X, y[1:])
    with pytest.raises(ValueError, match="5 features"):
        clf.adapt(X[:, :5], y)
    with pytest.raises(ValueError, match="not fitted"):
        FewShotClassifier().adapt(X, y)


@parametrize_with_checks(
    [FewShotClassifier(n_ways=2, n_shots=1, n_queries=1, max_epochs=2, hidden_layer_sizes=(8,))]
)
def test_scikit_learn_finds_nothing(estimator, check):
    check(estimator)


@pytest.mark.parametrize("method", ["maml", "reptile"])
def test_adapt_takes_the_steps_of_plain_descent(blobs, fitted, method):
    X, _ = blobs
    clf = copy.deepcopy(fitted[method])
    X_few, y_few = few(blobs, 2)
    extractor = copy.deepcopy(clf._start).double()
    head = nn.Linear(6, 3).double()
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)
    optimizer = torch.optim.SGD([*extractor.parameters(), *head.parameters()], lr=0.5)
    for _ in range(4):
        optimizer.zero_grad()
        logits = head(extractor(torch.from_numpy(X_few)) / 6**0.5)
        F.cross_entropy(logits, torch.from_numpy(y_few - 5)).backward()
        optimizer.step()
    clf.set_params(n_inner_steps=4, inner_learning_rate=0.5).adapt(X_few, y_few)
    with torch.no_grad():
        expected = head(extractor(torch.from_numpy(X)) / 6**0.5).softmax(1).numpy()
    np.testing.assert_allclose(clf.predict_proba(X), expected, atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_a_network_that_was_moved_adapts_where_it_is(blobs, fitted, method):
    X, _ = blobs
    clf = copy.deepcopy(fitted[method])
    expected = copy.deepcopy(clf).adapt(*few(blobs)).predict_proba(X)
    clf.module_.double()
    clf.adapt(*few(blobs))
    assert {p.dtype for p in clf.module_.parameters()} == {torch.float64}
    np.testing.assert_allclose(clf.predict_proba(X), expected, atol=1e-4)


@pytest.mark.parametrize("method", ["maml", "reptile"])
@pytest.mark.parametrize("backbone", [nn.Flatten(), nn.Linear(6, 4).requires_grad_(False)])
def test_a_backbone_without_weights_to_learn_is_told(blobs, method, backbone):
    X, y = blobs
    given = {**SHORT, "hidden_layer_sizes": None, "method": method, "backbone": backbone}
    clf = FewShotClassifier(**given)
    with pytest.raises(ValueError, match=f"leaves method='{method}' no weights to learn"):
        clf.fit(X, y)
    assert not hasattr(clf, "module_")


@pytest.mark.parametrize("method", ["maml", "reptile"])
def test_standardised_columns_are_learnt_by_the_default_steps(method):
    rng = np.random.default_rng(0)
    y = np.repeat(np.arange(20), 30)
    X = rng.normal(size=(20, 6))[y] + 0.3 * rng.normal(size=(600, 6))
    many = y < 12
    clf = FewShotClassifier(method=method, max_epochs=5, random_state=0).fit(X[many], y[many])
    new = np.flatnonzero(~many).reshape(8, 30)[:5]
    shots, others = new[:, :5].ravel(), new[:, 5:].ravel()
    assert clf.adapt(X[shots], y[shots]).score(X[others], y[others]) > 0.9


@pytest.mark.parametrize("method", ["maml", "reptile"])
def test_shots_that_come_in_chunks_keep_their_labels(blobs, fitted, method, monkeypatch):
    X, y = blobs
    clf = copy.deepcopy(fitted[method])
    expected = clf.adapt(X[y > 4], y[y > 4]).predict_proba(X)
    monkeypatch.setattr(reader, "CHUNK_VALUES", 1)
    found = clf.adapt(X[y > 4], y[y > 4]).predict_proba(X)
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("inf")])
def test_a_file_of_no_temperature_is_refused(fitted, tmp_path, temperature):
    clf = copy.deepcopy(fitted["prototypes"])
    clf.temperature_ = temperature
    clf.save(tmp_path / "model")
    with pytest.raises(ValueError, match="does not fit together: the temperature"):
        domadapt.load(tmp_path / "model")
