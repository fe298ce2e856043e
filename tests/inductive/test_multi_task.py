"""Estimators of several tasks: what they are given, what they return, and their limit cases."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.metrics import accuracy_score, r2_score
from torch import nn

from domadapt import AlignmentClassifier, AlignmentRegressor, NonFiniteLossError, load
from domadapt.inductive import KINDS, FewShotClassifier, MultiTaskClassifier, MultiTaskRegressor
from domadapt.inductive._sharing import SHARINGS
from domadapt.model_selection import KeepBestEpoch

SHORT = {"max_epochs": 2, "steps_per_epoch": 3, "random_state": 0, "batch_size": 16}
LEARNS = {"digit": "classes", "parity": "classes"}


def make_tasks():
    """Return a task of three classes, one of two texts and one of two numbers, of other rows."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(90, 5)).astype(np.float32)
    labels = X[:, :3].argmax(1)
    values = np.column_stack([X.sum(1), 100.0 + 7.0 * X[:, 0]])
    return {
        "digit": (X[:30], labels[:30]),
        "parity": (X[30:70], np.array(["even", "odd"])[labels[30:70] % 2]),
        "ink": (X[70:], values[70:]),
    }


def weights_of(estimator):
    return list(estimator.module_.state_dict().values())


def same_weights(one, other):
    pairs = zip(weights_of(one), weights_of(other), strict=True)
    return all(torch.equal(*pair) for pair in pairs)


@pytest.fixture(scope="module")
def fitted():
    """An estimator of each sharing, trained together and then alone."""
    return {
        sharing: MultiTaskRegressor(
            sharing=sharing, learns=LEARNS, then_alone=True, hidden_layer_sizes=(8, 7, 6), **SHORT
        ).fit(make_tasks())
        for sharing in SHARINGS
    }


@pytest.mark.parametrize("sharing", SHARINGS)
@pytest.mark.parametrize("weighted", [False, True])
def test_one_task_is_the_plain_classifier_to_the_bit(sharing, weighted):
    X, y = make_tasks()["digit"]
    weight = np.random.default_rng(1).uniform(size=len(y)) if weighted else None
    plain = AlignmentClassifier(alignment=None, **SHORT).fit(X, y, sample_weight=weight)
    one = MultiTaskClassifier(sharing=sharing, then_alone=True, **SHORT)
    one.fit({"digit": (X, y, weight)})
    assert same_weights(one, plain)
    assert one.history_ == plain.history_
    np.testing.assert_array_equal(one.predict(X)["digit"], plain.predict(X))
    np.testing.assert_array_equal(one.transform(X, "digit"), plain.transform(X))


def test_one_task_of_values_is_the_plain_regressor_to_the_bit():
    X, y = make_tasks()["ink"]
    plain = AlignmentRegressor(alignment=None, **SHORT).fit(X, y)
    one = MultiTaskRegressor(**SHORT).fit({"ink": (X, y)})
    assert same_weights(one, plain)
    np.testing.assert_array_equal(one.predict(X, task="ink"), plain.predict(X))


@pytest.mark.parametrize("sharing", SHARINGS)
def test_predictions_are_those_of_the_network_for_each_task(fitted, sharing):
    reg, tasks = fitted[sharing], make_tasks()
    X = tasks["parity"][0]
    with torch.no_grad():
        outputs = reg.module_(torch.from_numpy(X)).numpy()
    assert outputs.shape == (40, 3 + 2 + 2)
    found = reg.predict(X)
    assert list(found) == ["digit", "parity", "ink"]
    np.testing.assert_array_equal(found["digit"], outputs[:, :3].argmax(1))
    parity = np.array(["even", "odd"])[outputs[:, 3:5].argmax(1)]
    np.testing.assert_array_equal(found["parity"], parity)
    values = tasks["ink"][1]
    expected = outputs[:, 5:].astype(np.float64) * values.std(0) + values.mean(0)
    np.testing.assert_allclose(found["ink"], expected, rtol=1e-5)
    np.testing.assert_array_equal(reg.predict(X, task="ink"), found["ink"])
    probabilities = reg.predict_proba(X)
    assert list(probabilities) == ["digit", "parity"]
    np.testing.assert_allclose(probabilities["digit"].sum(1), 1.0, rtol=1e-5)
    np.testing.assert_array_equal(reg.predict_proba(X, "digit"), probabilities["digit"])


@pytest.mark.parametrize("sharing", SHARINGS)
def test_a_head_reads_the_features_that_transform_returns(fitted, sharing):
    reg, X = fitted[sharing], make_tasks()["digit"][0]
    assert reg.transform(X).shape == (30, len(reg.get_feature_names_out()))
    first = 0
    for number, task in enumerate(("digit", "parity", "ink")):
        head = reg.module_.classifier.heads[number]
        with torch.no_grad():
            outputs = head(torch.from_numpy(reg.transform(X, task)))
            all_outputs = reg.module_(torch.from_numpy(X))
        torch.testing.assert_close(outputs, all_outputs[:, first : first + outputs.shape[1]])
        first += outputs.shape[1]


def test_scores_are_accuracies_and_coefficients_of_determination(fitted):
    reg, tasks = fitted["hard"], make_tasks()
    scores = reg.score(tasks)
    X, y = tasks["digit"]
    assert scores["digit"] == accuracy_score(y, reg.predict(X, "digit"))
    X, y = tasks["ink"]
    weight = np.arange(20.0)
    expected = r2_score(y, reg.predict(X, "ink"), sample_weight=weight)
    assert reg.score({"ink": (X, y, weight)}) == {"ink": expected}


@pytest.mark.parametrize("sharing", SHARINGS)
def test_the_same_seed_gives_the_same_weights_and_files_hold_them(fitted, sharing, tmp_path):
    reg, X = fitted[sharing], make_tasks()["digit"][0]
    again = clone(reg).fit(make_tasks())
    assert same_weights(reg, again)
    reg.save(tmp_path / "model.safetensors")
    loaded = load(tmp_path / "model.safetensors")
    assert type(loaded) is MultiTaskRegressor
    assert loaded.get_params() == reg.get_params()
    assert loaded.history_ == reg.history_
    assert loaded.alone_history_ == reg.alone_history_
    assert same_weights(reg, loaded)
    for other in (loaded, pickle.loads(pickle.dumps(reg))):
        for task, predicted in reg.predict(X).items():
            np.testing.assert_array_equal(other.predict(X, task), predicted)
    assert loaded.classes_["parity"].tolist() == ["even", "odd"]


def test_every_kind_can_be_read_from_a_file():
    assert {"MultiTaskClassifier", "MultiTaskRegressor"} <= set(KINDS)
    assert all(kind.__name__ == name for name, kind in KINDS.items())


def test_a_file_of_an_estimator_that_has_not_trained_alone_yet_is_read(tmp_path):
    clf = MultiTaskClassifier(**SHORT)
    tasks = {name: make_tasks()[name] for name in ("digit", "parity")}
    clf.fit(tasks)
    # As an interrupt before the second stage leaves it.
    clf.set_params(then_alone=True).save(tmp_path / "model.safetensors")
    loaded = load(tmp_path / "model.safetensors")
    assert same_weights(clf, loaded)
    assert not hasattr(loaded, "alone_history_")


@pytest.mark.parametrize("sharing", SHARINGS)
def test_training_alone_goes_on_from_what_was_shared(sharing):
    tasks = {name: make_tasks()[name] for name in ("digit", "parity")}
    settings = SHORT | {"sharing": sharing, "hidden_layer_sizes": (6, 6)}
    joint = MultiTaskClassifier(**settings).fit(tasks)
    alone = MultiTaskClassifier(then_alone=True, **settings).fit(tasks)
    assert alone.history_ == joint.history_
    assert list(alone.alone_history_) == list(alone.history_)
    assert len(alone.alone_history_["digit"]) == 2
    assert alone.n_steps_ == 2 * joint.n_steps_
    assert min(alone.alone_history_["task_loss"]) < alone.history_["task_loss"][0]


def test_alone_each_task_trains_as_if_there_were_no_other():
    tasks = {name: make_tasks()[name] for name in ("digit", "parity")}
    X = tasks["digit"][0]
    # The labels of the other task change nothing once networks are apart, and without a share.
    settings = SHORT | {"sharing": "mean_regularised", "sharing_weight": 0.0}
    one = MultiTaskClassifier(**settings).fit(tasks)
    other = tasks | {"parity": (tasks["parity"][0], tasks["parity"][1][::-1])}
    other = MultiTaskClassifier(**settings).fit(other)
    np.testing.assert_array_equal(one.predict_proba(X, "digit"), other.predict_proba(X, "digit"))
    assert not np.array_equal(one.predict_proba(X, "parity"), other.predict_proba(X, "parity"))


def test_a_checkpoint_resumes_in_both_stages(tmp_path):
    tasks, path = make_tasks(), tmp_path / "fit"
    settings = SHORT | {"learns": LEARNS, "then_alone": True, "max_epochs": 3}

    whole = MultiTaskRegressor(**settings).fit(tasks)
    reg = MultiTaskRegressor(checkpoint=path, **settings)
    reg.fit(tasks)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["fit", "fit.2"]
    assert same_weights(reg, whole)
    assert same_weights(clone(reg).fit(tasks), whole)
    # As after an interrupt between the stages.
    (tmp_path / "fit.2").unlink()
    resumed = clone(reg).fit(tasks)
    assert same_weights(resumed, whole)
    assert resumed.alone_history_ == whole.alone_history_
    with pytest.raises(ValueError, match="other parameters or data"):
        clone(reg).fit(tasks | {"digit": tasks["parity"]})


def test_images_and_backbones_are_taken():
    rng = np.random.default_rng(0)
    tasks = {
        "a": (rng.normal(size=(12, 8, 8)).astype(np.float32), np.arange(12) % 2),
        "b": (rng.normal(size=(10, 8, 8)).astype(np.float32), np.arange(10) % 3),
    }
    for sharing in ("hard", "cross_stitch", "hierarchical", "shared_private", "mean_regularised"):
        clf = MultiTaskClassifier(sharing=sharing, **SHORT).fit(tasks)
        assert clf.predict_proba(tasks["a"][0], "b").shape == (12, 3)
    backbone = nn.Sequential(nn.Flatten(), nn.Linear(64, 6), nn.ReLU())
    before = [p.clone() for p in backbone.parameters()]
    for sharing, freeze in (("hard", True), ("cross_stitch", False), ("shared_private", True)):
        clf = MultiTaskClassifier(
            sharing=sharing, backbone=backbone, freeze=freeze, then_alone=True, **SHORT
        ).fit(tasks)
        assert clf.predict_proba(tasks["a"][0], "b").shape == (12, 3)
    assert all(torch.equal(*pair) for pair in zip(before, backbone.parameters(), strict=True))


def test_rates_of_all_copies_of_a_backbone_are_those_of_a_backbone():
    backbone = nn.Sequential(nn.Linear(5, 6), nn.ReLU())
    tasks = {name: make_tasks()[name] for name in ("digit", "parity")}
    for sharing in SHARINGS[:-1]:
        clf = MultiTaskClassifier(
            sharing=sharing, backbone=backbone, backbone_rate=0.0, then_alone=True, **SHORT
        ).fit(tasks)
        same = [
            torch.equal(values, backbone[0].weight)
            for values in weights_of(clf)
            if values.shape == (6, 5)
        ]
        assert same
        assert all(same)


def test_global_random_numbers_and_arrays_stay_as_they_were():
    tasks = make_tasks()
    copies = {name: tuple(v.copy() for v in given) for name, given in tasks.items()}
    torch.manual_seed(7)
    state = torch.get_rng_state()
    MultiTaskRegressor(learns=LEARNS, dropout=0.2, **SHORT).fit(tasks)
    assert torch.equal(torch.get_rng_state(), state)
    for name, given in tasks.items():
        for value, copy in zip(given, copies[name], strict=True):
            np.testing.assert_array_equal(value, copy)


X, Y = make_tasks()["digit"]


@pytest.mark.parametrize(
    ("tasks", "error", "message"),
    [
        ((X, Y), TypeError, r"takes a dict of tasks, and a tuple came.*'digit': \(X1, y1\)"),
        ({}, ValueError, "no task"),
        ({1: (X, Y)}, ValueError, "called 1"),
        ({"task_loss": (X, Y)}, ValueError, "called 'task_loss'"),
        ({"a": X}, TypeError, r"task 'a' holds a ndarray.*\(X, y\)"),
        ({"a": (X, Y), "b": (X[:, :3], Y)}, ValueError, r"'b' has samples of shape \(3,\)"),
        ({"a": (X, Y), "b": (X[:0], Y[:0])}, ValueError, r"task 'b': X: Found array with 0 sample"),
        ({"a": (X, Y), "b": (X, 0 * Y)}, ValueError, "task 'b': y has 1 class"),
        ({"a": (X, Y), "b": (X, Y[:-1])}, ValueError, "task 'b': y has length 29"),
        ({"a": (X, Y), "b": (np.where(X > 1, np.nan, X), Y)}, ValueError, "task 'b': .*NaN"),
        ({"a": (X, Y, -Y)}, ValueError, "task 'a': .*sample_weight"),
    ],
)
def test_bad_tasks_are_told_before_training(tasks, error, message):
    clf = MultiTaskClassifier(**SHORT)
    with pytest.raises(error, match=message):
        clf.fit(tasks)
    assert not hasattr(clf, "module_")


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"sharing": "soft"}, "'sharing' parameter"),
        ({"sharing_weight": 0.1}, "sharing_weight=0.1 does not go with sharing='hard'"),
        ({"learns": {"age": "values"}}, r"learns names \['age'\]"),
        ({"learns": {"a": "numbers"}}, r"learns\['a'\]='numbers' must be"),
        ({"task_weights": {"a": 1.0}}, r"no weight for \['b'\]"),
        ({"task_weights": {"a": 1.0, "b": 1.0, "c": 1.0}}, r"task_weights names \['c'\]"),
        ({"task_weights": {"a": 1.0, "b": -1.0}}, "finite numbers of at least 0"),
        ({"task_weights": {"a": 1.0, "b": np.inf}}, "finite numbers of at least 0"),
        ({"task_weights": {"a": 0.0, "b": 0.0}}, "at least 0, one of them above"),
        ({"task_weights": {"a": 1, "b": 1}, "loss_weights": "gradnorm"}, "task_weights does not"),
        ({"sharing": "hierarchical", "hidden_layer_sizes": (9,)}, "each of the 2 tasks"),
        ({"sharing": "joint_features", "hidden_layer_sizes": ()}, "joint_features"),
        ({"batch_norm": "per_domain"}, "'batch_norm' parameter"),
    ],
)
def test_bad_parameters_are_told_before_training(parameters, message):
    clf = MultiTaskClassifier(**SHORT | parameters)
    with pytest.raises(ValueError, match=message):
        clf.fit({"a": (X, Y), "b": (X, Y)})
    assert not hasattr(clf, "module_")


def test_what_is_asked_of_an_unknown_task_is_told(fitted):
    reg = fitted["hard"]
    for method in (reg.predict, reg.predict_proba, reg.transform):
        with pytest.raises(ValueError, match=r"task names \['size'\], which is no task"):
            method(X, task="size")
    with pytest.raises(ValueError, match=r"tasks names \['size'\]"):
        reg.score({"size": (X, Y)})
    with pytest.raises(ValueError, match="learns values, which have no probabilities"):
        reg.predict_proba(X, task="ink")


def test_columns_of_tables_have_to_agree():
    pandas = pytest.importorskip("pandas")
    one = pandas.DataFrame(X, columns=list("abcde"))
    clf = MultiTaskClassifier(**SHORT)
    with pytest.raises(ValueError, match="same columns in the same order"):
        clf.fit({"a": (one, Y), "b": (one[list("edcba")], Y)})
    clf.fit({"a": (one, Y), "b": (one, Y)})
    assert clf.feature_names_in_.tolist() == list("abcde")


@pytest.mark.parametrize("gamma", [0.0, 2.0])
def test_the_focal_loss_is_that_of_the_plain_classifier(gamma):
    X, y = make_tasks()["digit"]
    plain = AlignmentClassifier(alignment=None, focal_gamma=gamma, **SHORT).fit(X, y)
    one = MultiTaskClassifier(focal_gamma=gamma, **SHORT).fit({"digit": (X, y)})
    assert same_weights(one, plain)
    tasks = {name: make_tasks()[name] for name in ("digit", "parity")}
    both = MultiTaskClassifier(focal_gamma=gamma, **SHORT).fit(tasks)
    assert same_weights(both, MultiTaskClassifier(**SHORT).fit(tasks)) == (gamma == 0)


def test_samples_and_labels_by_themselves_are_told(fitted):
    reg = fitted["hard"]
    for method in (MultiTaskClassifier().fit, reg.score):
        with pytest.raises(TypeError, match=r"takes one dict of tasks, and 2 arguments came.*X1"):
            method(X, Y)


def test_numbers_as_classes_and_probabilities_of_numbers_are_told():
    with pytest.raises(ValueError, match=r"task 'b': y holds numbers.*learns=\{'b': 'values'\}"):
        MultiTaskClassifier(**SHORT).fit({"a": (X, Y), "b": (X, X[:, 0])})
    reg = MultiTaskRegressor(**SHORT).fit({"a": (X, X[:, 0]), "b": (X, X[:, 1])})
    for task in (None, "a"):
        with pytest.raises(ValueError, match=r"\['a', 'b'\] learn values, which have no prob"):
            reg.predict_proba(X, task)
    with pytest.raises(ValueError, match=r"task names \[\['a'\]\], which is no task"):
        reg.predict(X, task=["a"])


@pytest.mark.parametrize(
    ("parameters", "cause"),
    [
        ({"learns": {"b": "values"}}, r"squared error of \['b'\] is more than optimizer='sgd'"),
        ({"sharing": "mean_regularised", "sharing_weight": 1e4}, "sharing_weight=10000 is too"),
        ({"sharing": "joint_features"}, "sharing_weight=0.01 is too"),
        ({}, "scale. The weights from before that epoch are kept.$"),
    ],
)
def test_what_may_be_behind_numbers_that_are_not_finite_is_told(parameters, cause):
    clf = MultiTaskClassifier(**SHORT, **parameters, learning_rate=1e12)
    with pytest.raises(NonFiniteLossError, match=cause):
        clf.fit({"a": (X, Y), "b": (X, Y)})


@pytest.mark.parametrize(
    ("estimator", "given"),
    [
        (MultiTaskClassifier(), [{"a": (X, Y), "b": (X, Y)}]),
        (FewShotClassifier(n_ways=2, n_shots=2, n_queries=2), [X, Y]),
    ],
)
def test_a_callback_that_scores_one_prediction_of_a_target_is_told(estimator, given):
    with pytest.raises(TypeError, match=r"predicts several tasks, or classes .* without the"):
        clone(estimator).set_callbacks(KeepBestEpoch(X)).fit(*given)
