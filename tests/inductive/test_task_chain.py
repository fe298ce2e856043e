"""Chains of tasks: what is kept, what is told, and what is refused."""

import copy
import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import domadapt
from domadapt import AlignmentClassifier
from domadapt.inductive import TaskChainClassifier
from domadapt.inductive._columns import ProgressiveColumns
from domadapt.nn import mlp_backbone
from domadapt.training import trainer
from domadapt.training.checkpoint import save_checkpoint

STRATEGIES = ["plain", "ewc", "l2_sp", "distillation", "progressive"]
QUICK = {"hidden_layer_sizes": (16, 16), "max_epochs": 3, "random_state": 0}
GROUPS = {"0-3": (0, 1, 2, 3), "4-6": (4, 5, 6), "7-9": (7, 8, 9)}


def by_group(X, y):
    """Return digits as tasks of a few classes each."""
    rows = {name: np.isin(y, group) for name, group in GROUPS.items()}
    return {name: (X[r], y[r]) for name, r in rows.items()}


@pytest.fixture(scope="module")
def digits():
    """Three tasks of digits to learn, and the same to score on."""
    X, y = load_digits(return_X_y=True)
    X = np.float32(X / 16)
    X, X_test, y, y_test = train_test_split(X, y, test_size=0.3, stratify=y, random_state=0)
    return by_group(X, y), by_group(X_test, y_test)


@pytest.fixture
def two(digits):
    """Two small tasks."""
    return {name: (X[:60], y[:60]) for name, (X, y) in list(digits[0].items())[:2]}


def weights_of(clf):
    return copy.deepcopy(clf.module_.state_dict())


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[n], other[n]) for n in one)


def test_what_was_learnt_is_kept_where_plain_training_forgets_it(digits):
    tasks, held_out = digits
    first = {}
    for strategy in ("plain", "ewc", "distillation", "progressive"):
        clf = TaskChainClassifier(strategy, hidden_layer_sizes=(64, 64, 64), random_state=0)
        table = clf.fit(tasks, validation=held_out).forgetting_
        first[strategy] = table.accuracies[-1, 0]
        # Every task is learnt when it comes.
        assert table.accuracies.diagonal().min() > 0.85
        if strategy == "progressive":
            assert table.backward_transfer == 0.0
            assert first[strategy] == table.accuracies[0, 0] > 0.95
    assert first["ewc"] > first["plain"] + 0.1
    assert first["distillation"] > first["plain"] + 0.1


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_chain_of_one_task_is_the_plain_classifier_to_the_bit(two, strategy):
    X, y = two["0-3"]
    plain = AlignmentClassifier(alignment=None, **QUICK).fit(X, y)
    clf = TaskChainClassifier(strategy, **QUICK).fit({"0-3": (X, y)})
    assert np.array_equal(clf.predict_proba(X, task="0-3"), plain.predict_proba(X))
    assert np.array_equal(clf.transform(X), plain.transform(X))
    assert clf.history_ == plain.history_


@pytest.mark.parametrize("shape", ["vectors", "images"])
def test_progressive_columns_keep_earlier_outputs_to_the_bit(digits, shape):
    tasks = {n: (X[:80], y[:80]) for n, (X, y) in digits[0].items()}
    if shape == "images":
        tasks = {n: (X.reshape(-1, 8, 8), y) for n, (X, y) in tasks.items()}
    clf = TaskChainClassifier("progressive", dropout=0.2, batch_norm="joint", **QUICK)
    before = {}
    for name, (X, y) in tasks.items():
        clf.fit_next(X, y, name=name)
        for task, outputs in before.items():
            assert np.array_equal(clf.predict_proba(tasks[task][0], task=task), outputs)
        before[name] = clf.predict_proba(X, task=name)
    assert clf.transform(X).shape == (80, 3 * 16)
    assert clf.get_feature_names_out().shape == (48,)


@pytest.mark.parametrize("strategy", ["plain", "ewc", "l2_sp", "distillation"])
def test_other_strategies_move_the_shared_layers(two, strategy):
    clf = TaskChainClassifier(strategy, **QUICK).fit({"0-3": two["0-3"]})
    before, old = weights_of(clf), clf.module_
    clf.fit_next(*two["4-6"], name="4-6")
    after = clf.module_.state_dict()
    assert not torch.equal(
        before["feature_extractor.0.weight"], after["feature_extractor.0.weight"]
    )
    moved = not torch.equal(before["classifier.0.weight"], after["classifier.0.weight"])
    assert moved == (strategy == "distillation")
    assert not clf.module_.feature_extractor[0].weight._backward_hooks
    # The network of before is no part of the new one.
    assert same(before, old.state_dict())


@pytest.mark.parametrize("strategy", ["ewc", "l2_sp", "distillation"])
def test_weight_zero_is_plain_and_a_large_one_keeps_more(two, strategy):
    X = two["0-3"][0]
    shared = {}
    for name, weight in (("plain", None), (strategy, 0.0), (strategy, 1e4)):
        clf = TaskChainClassifier(name, strategy_weight=weight, **QUICK).fit({"0-3": two["0-3"]})
        before = clf.transform(X)
        after = clf.fit_next(*two["4-6"], name="4-6").transform(X)
        shared[name, weight] = after, np.abs(after - before).mean()
    plain, distance = shared["plain", None]
    assert np.allclose(shared[strategy, 0.0][0], plain, atol=1e-6)
    if strategy != "distillation":
        assert shared[strategy, 1e4][1] < distance / 2
    else:
        assert not np.allclose(shared[strategy, 1e4][0], plain, atol=1e-3)


def test_the_fisher_information_of_earlier_tasks_is_summed(two, digits):
    X, y = digits[0]["7-9"]
    clf = TaskChainClassifier("ewc", **QUICK).fit({"0-3": two["0-3"]})
    first = clf._chain.fisher
    clf.fit_next(*two["4-6"], name="4-6")
    second = clf._chain.fisher
    assert all(name.startswith("feature_extractor.") for name in second)
    assert all((second[n] >= first[n]).all() for n in first)
    # By hand, of one weight: the mean over samples of the expected squared derivative.
    clf.fit_next(X[:40], y[:40], name="7-9")
    module, total = copy.deepcopy(clf.module_).double(), 0.0
    weight = module.feature_extractor[0].weight
    for x in torch.from_numpy(np.float64(X[:40])):
        log_p = module(x[None])[0, clf.module_.classifier.columns_of(2)].log_softmax(0)
        for value in log_p:
            (slope,) = torch.autograd.grad(value, weight, retain_graph=True)
            total = total + value.exp().detach() * slope.square()
    found = clf._chain.fisher["feature_extractor.0.weight"]
    found = found - second["feature_extractor.0.weight"]
    np.testing.assert_allclose(found.numpy(), (total / 40).numpy(), rtol=1e-2, atol=1e-6)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_fit_is_one_task_after_the_other_and_repeats(two, strategy):
    whole = TaskChainClassifier(strategy, **QUICK).fit(two)
    step_by_step = TaskChainClassifier(strategy, **QUICK)
    for name, (X, y) in two.items():
        step_by_step.fit_next(X, y, name=name)
    assert same(weights_of(whole), weights_of(step_by_step))
    # A new chain begins anew.
    assert same(weights_of(whole), weights_of(whole.fit(two)))
    assert whole.tasks_ == ["0-3", "4-6"]
    assert whole.classes_["4-6"].tolist() == [4, 5, 6]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_chain_is_saved_pickled_and_goes_on(two, digits, strategy, tmp_path):
    X, y = (values[:60] for values in digits[0]["7-9"])
    clf = TaskChainClassifier(strategy, **QUICK).fit(two, validation={"0-3": two["0-3"]})
    clf.save(tmp_path / "chain.safetensors")
    loaded = domadapt.load(tmp_path / "chain.safetensors")
    pickled = pickle.loads(pickle.dumps(clf))
    for other in (loaded, pickled):
        assert other.tasks_ == clf.tasks_
        assert np.array_equal(other.accuracies_, clf.accuracies_, equal_nan=True)
        for task in clf.tasks_:
            assert np.array_equal(
                other.predict_proba(X, task=task), clf.predict_proba(X, task=task)
            )
    clf.fit_next(X, y, name="7-9")
    for other in (loaded, pickled):
        assert same(weights_of(other.fit_next(X, y, name="7-9")), weights_of(clf))
    assert pickled.accuracies_.shape == (3, 3)
    assert np.isfinite(pickled.accuracies_[:, 0]).all()
    # Samples are not saved, so there is nothing to score on.
    assert np.isnan(loaded.accuracies_[2]).all()


def test_a_clone_is_unfitted_and_has_the_parameters():
    clf = TaskChainClassifier("l2_sp", strategy_weight=0.5, validation_fraction=0.2)
    again = clone(clf)
    assert again.get_params() == clf.get_params()
    assert not hasattr(again, "forgetting_")


def test_a_stopped_chain_resumes_where_it_was(two, tmp_path, monkeypatch):
    whole = TaskChainClassifier("ewc", **QUICK).fit(two)
    written = []

    def stopping(path, *args):
        save_checkpoint(path, *args)
        written.append(path.name)
        if len(written) == 5:
            raise KeyboardInterrupt

    clf = TaskChainClassifier("ewc", checkpoint=tmp_path / "file", **QUICK)
    with monkeypatch.context() as patch:
        patch.setattr(trainer, "save_checkpoint", stopping)
        with pytest.raises(KeyboardInterrupt):
            clf.fit(two)
    assert written == ["file.task1"] * 3 + ["file.task2"] * 2
    # What there is can be used, but its importances are not known.
    assert clf.tasks_ == ["0-3", "4-6"]
    assert clf.predict(two["0-3"][0], task="0-3").shape == (60,)
    with pytest.raises(ValueError, match=r"Fisher information of the tasks \['4-6'\]"):
        clf.fit_next(*two["4-6"], name="next")
    assert same(weights_of(clf.fit(two)), weights_of(whole))
    with pytest.raises(ValueError, match="other parameters or data"):
        clf.set_params(strategy_weight=1.0).fit(two)


def test_a_share_is_held_back_by_class(two):
    clf = TaskChainClassifier("plain", validation_fraction=0.25, **QUICK).fit(two)
    table = clf.forgetting_
    assert table.tasks == ("0-3", "4-6")
    X, y = clf._chain.held_out["0-3"]
    assert len(X) == len(y) == 15
    assert set(y) == {0, 1, 2, 3}
    assert table.accuracies[-1, 0] == clf.score(X, y, task="0-3")
    assert np.isnan(table.accuracies[0, 1])


def test_without_a_task_all_classes_are_possible(two):
    clf = TaskChainClassifier("ewc", **QUICK).fit(two)
    X = np.vstack([X for X, _ in two.values()])
    p = clf.predict_proba(X)
    assert p.shape == (120, 7)
    assert np.array_equal(clf.predict(X), np.arange(7)[p.argmax(1)])
    # Texts and numbers stay what they are.
    clf.fit_next(two["0-3"][0], np.array(list("ab") * 30), name="texts")
    assert {type(label) for label in clf.predict(X)} <= {int, str}


def test_columns_and_heads_stand_on_a_frozen_backbone(two):
    torch.manual_seed(0)
    backbone = mlp_backbone(64, (24,), batch_norm=False)
    before = copy.deepcopy(backbone.state_dict())
    for strategy in ("progressive", "ewc", "distillation"):
        settings = {**QUICK, "max_epochs": 10, "optimizer": "adam", "learning_rate": 0.01}
        settings |= {"backbone": backbone, "freeze": True}
        clf = TaskChainClassifier(strategy, **settings).fit(two)
        frozen = clf.module_.feature_extractor.backbone.model.state_dict()
        assert same(before, frozen)
        assert clf.score(*two["4-6"], task="4-6") > 0.5
    assert isinstance(clf.module_.feature_extractor.layers, torch.nn.Sequential)
    trained = TaskChainClassifier("ewc", **settings | {"freeze": False}).fit(two)
    assert trained.score(*two["4-6"], task="4-6") > 0.5
    assert same(before, backbone.state_dict())


def test_callers_things_stay_as_they_are(two):
    arrays = copy.deepcopy(two)
    state = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    TaskChainClassifier("progressive", **QUICK).fit(two, validation=two)
    assert all(np.array_equal(a, b) for n in two for a, b in zip(two[n], arrays[n], strict=True))
    assert torch.equal(state[0], torch.get_rng_state())
    assert np.array_equal(state[1], np.random.get_state()[1])  # noqa: NPY002


def test_bad_input_is_told_before_anything_is_learnt(two):
    X, y = two["0-3"]
    clf = TaskChainClassifier(**QUICK).fit({"first": (X, y)})
    before = weights_of(clf)
    cases = [
        (lambda: clf.fit_next(X, y, name="first"), ValueError, "learnt already"),
        (lambda: clf.fit_next(X[:, :5], y, name="b"), ValueError, "need the same columns"),
        (lambda: clf.fit_next(X, y * 0, name="b"), ValueError, "Task 'b'.*at least 2 classes"),
        (lambda: clf.fit_next(X, y, name=3), TypeError, "A text was expected"),
        (lambda: clf.fit_next(X, y[:5], name="b"), ValueError, "y has length 5"),
        (lambda: clf.predict(X, task="b"), ValueError, r"One out of \['first'\]"),
        (lambda: clf.fit([(X, y)]), TypeError, "dict of samples and labels"),
        (lambda: clf.fit({}), TypeError, "dict of samples and labels"),
        (lambda: clf.fit({"a": X}), TypeError, "A pair"),
        (lambda: clf.fit({"a": (None, y)}), TypeError, "Task 'a': X: Expected sequence"),
        (lambda: clf.fit({"a": (X, y), "b": (X[:, :5], y)}), ValueError, "Task 'b'.*columns"),
        (lambda: clf.fit({"a": (X, y), "b": (X, y * 0)}), ValueError, "Task 'b'"),
        (lambda: clf.fit({"a": (X, y)}, validation={"c": (X, y)}), ValueError, "no task out of"),
        (lambda: clf.fit({"a": (X, y)}, validation=[X]), TypeError, "validation is a list"),
        (lambda: clf.fit({"a": (X, y)}, validation={"a": (X, y[:3])}), ValueError, "length 3"),
        (lambda: clf.accuracies_, AttributeError, "validation_fraction=0.1"),
    ]
    for call, kind, message in cases:
        with pytest.raises(kind, match=message):
            call()
    assert same(before, weights_of(clf))
    assert clf.tasks_ == ["first"]


def test_parameters_that_do_not_go_are_refused(two):
    X, y = two["0-3"]
    for parameters, message in [
        ({"strategy_weight": -1.0}, "strategy_weight"),
        ({"strategy": "none"}, "strategy"),
        ({"validation_fraction": 1.0}, "validation_fraction"),
        ({"strategy": "progressive", "hidden_layer_sizes": ()}, "one layer at least"),
        ({"strategy": "progressive", "backbone": mlp_backbone(64, (8,))}, "freeze=True"),
    ]:
        with pytest.raises(ValueError, match=message):
            TaskChainClassifier(**{**QUICK, **parameters}).fit({"a": (X, y)})
    clf = TaskChainClassifier("plain", **QUICK).fit({"a": (X, y)})
    with pytest.raises(ValueError, match="cannot continue"):
        clf.set_params(strategy="progressive").fit_next(X, y, name="b")
    with pytest.raises(ValueError, match="Fisher information of the tasks"):
        clf.set_params(strategy="ewc").fit_next(X, y, name="b")
    rare = np.where(np.arange(60) == 0, 9, y)
    with pytest.raises(ValueError, match="cannot be held back by class"):
        clf.set_params(strategy="plain", validation_fraction=0.2).fit({"a": (X, y), "b": (X, rare)})
    assert clf.tasks_ == ["a"]


def test_lateral_connections_read_all_earlier_columns():
    columns = ProgressiveColumns(mlp_backbone(3, (4, 5), batch_norm=False))
    columns.add(mlp_backbone(3, (4, 5), batch_norm=False))
    columns = columns.double()
    x = torch.randn(6, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    (a, b), (c, d) = [[level[0] for level in column] for column in columns.columns]
    below = torch.relu(x @ a.weight.T + a.bias), torch.relu(x @ c.weight.T + c.bias)
    own, lateral = d.weight[:, 4:], d.weight[:, :4]
    expected = torch.relu(below[1] @ own.T + below[0] @ lateral.T + d.bias)
    features = columns(x)
    torch.testing.assert_close(features[:, 5:], expected)
    features.sum().backward()
    assert a.weight.grad is None
    assert b.weight.grad is None
    assert lateral.shape == (5, 4)
    assert d.weight.grad.abs().sum() > 0
