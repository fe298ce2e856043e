"""The contract of fit: both spellings, what is never read, touched or forgotten."""

import copy
import pickle
import random

import numpy as np
import pandas as pd
import pytest
import sklearn
import torch
from scipy import sparse
from sklearn.base import clone
from torch import nn

from domadapt import AlignmentClassifier, pack
from domadapt.alignment import DomainAdversarial
from domadapt.training.trainer import Trainer


def test_both_spellings_give_the_same_weights(make, blobs, same):
    Xs, ys, Xt, _ = blobs
    X, y, sample_domain = pack(Xs, ys, Xt)
    apart = make().fit(Xs, ys, X_target=Xt)
    stacked = make().fit(X, y, sample_domain=sample_domain)
    assert same(apart, stacked)
    np.testing.assert_array_equal(apart.transduction_, stacked.transduction_)


def test_labels_of_target_samples_are_never_read(make, blobs, same):
    Xs, ys, Xt, yt = blobs
    reference = make().fit(Xs, ys, X_target=Xt)
    for target_labels in (yt, np.full(len(Xt), 77), np.zeros(len(Xt)), np.full(len(Xt), np.nan)):
        X, y, sample_domain = pack(Xs, ys, Xt, y_test=target_labels)
        clf = make().fit(X, y, sample_domain=sample_domain)
        assert same(clf, reference)
        assert clf.classes_.tolist() == [0, 1, 2]
        np.testing.assert_array_equal(clf.transduction_, reference.transduction_)


def test_target_samples_matter(make, blobs, same):
    Xs, ys, Xt, _ = blobs
    assert not same(make().fit(Xs, ys, X_target=Xt), make().fit(Xs, ys, X_target=Xt + 1))
    assert not same(make().fit(Xs, ys, X_target=Xt), make().fit(Xs, ys))


def test_predictions_come_in_their_shapes(make, blobs):
    Xs, ys, Xt, yt = blobs
    clf = make().fit(Xs, ys, X_target=Xt)
    proba, features = clf.predict_proba(Xt), clf.transform(Xt)
    assert proba.shape == (75, 3)
    np.testing.assert_allclose(proba.sum(1), 1.0, rtol=1e-5)
    np.testing.assert_array_equal(clf.classes_[proba.argmax(1)], clf.predict(Xt))
    np.testing.assert_array_equal(clf.transduction_, clf.predict(Xt))
    assert features.shape == (75, 16)
    assert len(clf.get_feature_names_out()) == 16
    assert clf.score(Xt, yt) == pytest.approx((clf.predict(Xt) == yt).mean())
    assert clf.n_steps_ == 3 * (90 // 32)
    assert [len(values) for values in clf.history_.values()] == [3] * 5
    logits = clf.module_(torch.from_numpy(Xt)).detach()
    np.testing.assert_allclose(logits.softmax(1).numpy(), proba, rtol=1e-4, atol=1e-6)


def test_a_fit_without_a_target_forgets_the_transduction_of_the_last(make, blobs):
    Xs, ys, Xt, _ = blobs
    clf = make().fit(Xs, ys, X_target=Xt)
    assert clf.transduction_.shape == (75,)
    assert not hasattr(clf.fit(Xs, ys), "transduction_")


def test_same_seed_same_weights(make, blobs, same):
    Xs, ys, Xt, _ = blobs
    clf = make().fit(Xs, ys, X_target=Xt)
    assert same(clf, make().fit(Xs, ys, X_target=Xt))
    assert same(clf, copy.deepcopy(clf).fit(Xs, ys, X_target=Xt))
    assert not same(clf, make(random_state=1).fit(Xs, ys, X_target=Xt))


def test_random_state_objects_go_on(make, blobs, same):
    Xs, ys, Xt, _ = blobs
    clf = make(random_state=np.random.RandomState(0)).fit(Xs, ys, X_target=Xt)
    first = copy.deepcopy(clf)
    assert not same(first, clf.fit(Xs, ys, X_target=Xt))


def test_nothing_of_the_caller_s_is_changed(make, blobs):
    Xs, ys, Xt, _ = blobs
    backbone = nn.Sequential(nn.Linear(10, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.2))
    weight = np.linspace(0.5, 1.5, len(ys))
    given = [Xs, ys, Xt, weight]
    before = copy.deepcopy(given)
    state = copy.deepcopy(backbone.state_dict())
    clf = make(backbone=backbone, class_weight={0: 1.0, 1: 2.0, 2: 1.0})
    parameters = clf.get_params()
    clf.fit(Xs, ys, X_target=Xt, sample_weight=weight)
    for array, original in zip(given, before, strict=True):
        np.testing.assert_array_equal(array, original)
    assert backbone.training
    assert isinstance(backbone[1], nn.BatchNorm1d)
    for name, value in backbone.state_dict().items():
        assert torch.equal(value, state[name]), name
    assert all(p.grad is None for p in backbone.parameters())
    assert clf.get_params() == parameters


def test_read_only_arrays_will_do(make, blobs, same):
    Xs, ys, Xt, _ = copy.deepcopy(blobs)
    reference = make().fit(Xs, ys, X_target=Xt)
    for array in (Xs, ys, Xt):
        array.flags.writeable = False
    assert same(reference, make().fit(Xs, ys, X_target=Xt))


def test_global_random_state_and_configuration_are_untouched(make, blobs):
    Xs, ys, Xt, _ = blobs
    clf = make(backbone=nn.Sequential(nn.Linear(10, 8), nn.Dropout(0.5)))

    def global_state():
        return (
            torch.get_rng_state().tolist(),
            np.random.get_state()[1].tolist(),  # noqa: NPY002
            random.getstate(),
            sklearn.get_config(),
            torch.is_grad_enabled(),
            torch.get_default_dtype(),
            torch.get_num_threads(),
        )

    before = global_state()
    clf.fit(Xs, ys, X_target=Xt).predict(Xt)
    assert global_state() == before


def through_pickle(estimator):
    return pickle.loads(pickle.dumps(estimator))


@pytest.mark.parametrize("duplicate", [clone, copy.deepcopy, through_pickle])
def test_copies_before_and_after_fit_work_alike(make, blobs, same, duplicate):
    Xs, ys, Xt, _ = blobs
    clf = make()
    assert duplicate(clf).get_params() == clf.get_params()
    clf.fit(Xs, ys, X_target=Xt)
    twin = duplicate(clf)
    if duplicate is clone:
        twin.fit(Xs, ys, X_target=Xt)
    assert same(clf, twin)
    np.testing.assert_array_equal(clf.predict_proba(Xt), twin.predict_proba(Xt))
    assert same(clf, duplicate(twin).fit(Xs, ys, X_target=Xt))


def test_a_criterion_and_a_backbone_survive_clone_and_pickle(blobs, same):
    Xs, ys, Xt, _ = blobs
    clf = AlignmentClassifier(
        DomainAdversarial(), backbone=nn.Linear(10, 4), max_epochs=2, random_state=0
    )
    first = clone(clf).fit(Xs, ys, X_target=Xt)
    again = pickle.loads(pickle.dumps(clf)).fit(Xs, ys, X_target=Xt)
    assert same(first, again)
    assert same(first, clone(first).fit(Xs, ys, X_target=Xt))


@pytest.mark.parametrize(
    "kind",
    [
        lambda X: X.astype(np.float64),
        np.asfortranarray,
        sparse.csr_array,
        sparse.csc_matrix,
        lambda X: pd.DataFrame(X, columns=[f"c{i}" for i in range(10)]),
        lambda X: X.tolist(),
    ],
    ids=["float64", "fortran", "csr_array", "csc_matrix", "dataframe", "list"],
)
def test_any_kind_of_array_gives_the_same_weights(make, blobs, same, kind):
    Xs, ys, Xt, _ = blobs
    reference = make().fit(Xs, ys, X_target=Xt)
    clf = make().fit(kind(Xs), ys, X_target=kind(Xt))
    assert same(reference, clf)
    np.testing.assert_array_equal(reference.predict_proba(Xt), clf.predict_proba(kind(Xt)))


def test_float16_is_taken(make, blobs):
    Xs, ys, Xt, yt = blobs
    clf = make(max_epochs=10).fit(Xs.astype(np.float16), ys, X_target=Xt.astype(np.float16))
    assert clf.score(Xt.astype(np.float16), yt) > 0.8


def test_names_of_columns_are_kept_and_checked(make, blobs):
    Xs, ys, Xt, _ = blobs
    names = [f"c{i}" for i in range(10)]
    clf = make().fit(pd.DataFrame(Xs, columns=names), ys, X_target=pd.DataFrame(Xt, columns=names))
    assert clf.feature_names_in_.tolist() == names
    with pytest.raises(ValueError, match="feature names"):
        clf.predict(pd.DataFrame(Xt, columns=names[::-1]))


@pytest.mark.parametrize(
    "names",
    [
        ["a", "b", "c"],
        [1, 5, 10],
        [-1, 0, 1],
        [1.0, 2.0, 3.0],
        np.array(["x", "y", "zz"], dtype=object),
    ],
    ids=str,
)
@pytest.mark.parametrize("as_list", [True, False])
def test_any_labels_will_do(make, blobs, same, names, as_list):
    Xs, ys, Xt, _ = blobs
    labels = np.asarray(names)[ys]
    clf = make().fit(Xs, labels.tolist() if as_list else labels, X_target=Xt)
    reference = make().fit(Xs, ys, X_target=Xt)
    assert same(clf, reference)
    assert clf.classes_.tolist() == list(names)
    np.testing.assert_array_equal(clf.predict(Xt), np.asarray(names)[reference.predict(Xt)])


@pytest.mark.parametrize("names", [[False, True], [-1, 1], ["no", "yes"]], ids=str)
def test_two_classes(make, blobs, names):
    Xs, ys, Xt, yt = blobs
    clf = make(max_epochs=10).fit(Xs, np.asarray(names)[(ys > 0).astype(int)], X_target=Xt)
    assert clf.predict_proba(Xt).shape == (75, 2)
    assert clf.score(Xt, np.asarray(names)[(yt > 0).astype(int)]) > 0.8


@pytest.mark.parametrize(
    ("n_source", "n_target", "batch_size"),
    [
        (90, 75, 1000),
        (90, 1, 32),
        (90, 2, 32),
        (90, 33, 32),
        (4, 75, 32),
        (33, 75, 32),
        (90, 75, 4),
    ],
)
def test_domains_of_any_size(make, blobs, n_source, n_target, batch_size):
    Xs, ys, Xt, _ = blobs
    order = np.argsort(ys, kind="stable")[:: max(1, 90 // n_source)][:n_source]
    clf = make(batch_size=batch_size, steps_per_epoch=None).fit(
        Xs[order], ys[order], X_target=Xt[:n_target]
    )
    larger = max(n_source // min(batch_size, n_source), n_target // min(batch_size, n_target))
    assert clf.n_steps_ == 3 * max(8, larger)
    assert clf.transduction_.shape == (n_target,)
    assert np.isfinite(clf.predict_proba(Xt)).all()
    assert all(np.isfinite(values).all() for values in clf.history_.values())


@pytest.mark.parametrize("batch_norm", ["per_domain", "joint", None])
def test_batch_norm_is_where_it_was_asked_for(make, blobs, batch_norm):
    Xs, ys, Xt, _ = blobs
    clf = make(batch_norm=batch_norm).fit(Xs, ys, X_target=Xt)
    kinds = {type(module).__name__ for module in clf.module_.modules()}
    assert ("SplitBatchNorm" in kinds) == (batch_norm == "per_domain")
    assert ("BatchNorm1d" in kinds) == (batch_norm is not None)


def test_layer_sizes_may_be_one_number_or_none_at_all(make, blobs, same):
    Xs, ys, Xt, _ = blobs
    one = make(hidden_layer_sizes=12).fit(Xs, ys, X_target=Xt)
    assert same(one, make(hidden_layer_sizes=[12]).fit(Xs, ys, X_target=Xt))
    none = make(hidden_layer_sizes=()).fit(Xs, ys, X_target=Xt)
    np.testing.assert_array_equal(none.transform(Xt), Xt)


def test_images_go_through_convolutions(make):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 2, 8, 8)).astype(np.float32)
    y = rng.integers(0, 2, 60)
    X[y == 1, :, :4] += 2
    clf = make(max_epochs=10).fit(X, y, X_target=X + 0.5)
    assert any(isinstance(module, nn.Conv2d) for module in clf.module_.modules())
    assert clf.score(X + 0.5, y) > 0.9
    grey = make(max_epochs=2).fit(X[:, 0], y, X_target=X[:, 1])
    assert grey.transform(X[:, 0]).shape == (60, 16)
    with pytest.raises(ValueError, match=r"samples of shape \(2, 8, 6\), but .* \(2, 8, 8\)"):
        clf.predict(X[..., :6])


def test_a_backbone_of_one_s_own_is_used(make, blobs):
    Xs, ys, Xt, _ = blobs
    backbone = nn.Sequential(nn.LazyLinear(7), nn.Tanh())
    clf = make(hidden_layer_sizes=None, backbone=backbone).fit(Xs, ys, X_target=Xt)
    assert isinstance(clf.module_.feature_extractor[1], nn.Tanh)
    assert clf.transform(Xt).shape == (75, 7)
    assert np.abs(clf.transform(Xt)).max() <= 1.0


def test_sample_weight_says_which_samples_count(make, blobs):
    Xs, ys, _, _ = blobs
    X, y = np.concatenate([Xs, Xs]), np.concatenate([ys, (ys + 1) % 3])
    for weights, wanted in (([1.0, 0.001], ys), ([0.001, 1.0], (ys + 1) % 3)):
        clf = make(max_epochs=15).fit(X, y, sample_weight=np.repeat(weights, 90))
        assert clf.score(Xs, wanted) > 0.95


def test_only_the_ratios_of_weights_matter_and_zero_is_absence(make, blobs, same):
    Xs, ys, Xt, _ = blobs
    weight = np.where(np.arange(90) % 3 == 0, 0.0, 2.0)
    kept = weight > 0
    weighted = make().fit(Xs, ys, X_target=Xt, sample_weight=weight)
    absent = make().fit(Xs[kept], ys[kept], X_target=Xt, sample_weight=np.ones(kept.sum()))
    assert same(weighted, absent)


def test_whole_weights_are_repetitions_up_to_rounding(make, blobs):
    Xs, ys, _, _ = blobs
    times = np.arange(90) % 3
    whole = {"batch_norm": None, "batch_size": 1000, "max_epochs": 10, "learning_rate": 0.1}
    weighted = make(**whole).fit(Xs, ys, sample_weight=times)
    repeated = make(**whole).fit(Xs.repeat(times, 0), ys.repeat(times))
    np.testing.assert_allclose(
        weighted.predict_proba(Xs), repeated.predict_proba(Xs), rtol=1e-4, atol=1e-5
    )


def test_class_weight_is_the_weight_of_its_samples(make, blobs):
    Xs, ys, Xt, _ = blobs
    by_class = {0: 5.0, 1: 0.5, 2: 1.0}
    classes = make(class_weight=by_class).fit(Xs, ys, X_target=Xt)
    rows = make().fit(Xs, ys, X_target=Xt, sample_weight=[by_class[label] for label in ys])
    np.testing.assert_allclose(
        classes.predict_proba(Xt), rows.predict_proba(Xt), rtol=1e-4, atol=1e-6
    )
    rare = np.r_[np.flatnonzero(ys == 0)[:3], np.flatnonzero(ys > 0)]
    balanced = make(class_weight="balanced", max_epochs=2).fit(Xs[rare], ys[rare])
    plain = make(max_epochs=2).fit(Xs[rare], ys[rare])
    assert balanced.predict_proba(Xs)[:, 0].mean() > plain.predict_proba(Xs)[:, 0].mean()


def test_an_interrupt_keeps_what_was_reached(make, blobs, monkeypatch):
    Xs, ys, Xt, yt = blobs
    run_epoch, calls = Trainer.run_epoch, []

    def interrupted(self):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        run_epoch(self)

    monkeypatch.setattr(Trainer, "run_epoch", interrupted)
    clf = make(max_epochs=10)
    with pytest.raises(KeyboardInterrupt):
        clf.fit(Xs, ys, X_target=Xt)
    assert len(clf.history_["task_loss"]) == 2
    assert clf.n_steps_ == 4
    assert not clf.module_.training
    assert clf.predict(Xt).shape == yt.shape


def test_verbose_prints_a_line_for_each_epoch(make, blobs, capsys):
    Xs, ys, Xt, _ = blobs
    make(verbose=True).fit(Xs, ys, X_target=Xt)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert lines[-1].startswith("Epoch 3/3  task_loss")
    make().fit(Xs, ys, X_target=Xt)
    assert capsys.readouterr().out == ""
