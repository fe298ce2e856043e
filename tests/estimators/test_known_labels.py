"""Labels of a few target samples that are known."""

import copy

import numpy as np
import pandas as pd
import pytest

from domadapt import (
    ADDAClassifier,
    DANClassifier,
    DANNClassifier,
    SHOTClassifier,
    pack,
)
from domadapt.training.tasks import Classification

SMALL = {"hidden_layer_sizes": (16,), "max_epochs": 3, "batch_size": 32, "random_state": 0}


def with_two_classes_swapped(n_rows, *, target, seed):
    """Draw three classes; in the target the first two have changed places."""
    y = np.arange(n_rows) % 3
    centres = np.array([[0.0, 0.0], [4.0, 0.0], [0.0, 4.0]])
    at = np.array([1, 0, 2])[y] if target else y
    X = centres[at] + np.random.default_rng(seed).normal(scale=0.6, size=(n_rows, 2))
    # What tells the domains apart, so that a network can treat them differently.
    return np.column_stack([X, np.full(n_rows, 2.0 * target)]).astype(np.float32), y


@pytest.mark.parametrize("estimator", [DANNClassifier, DANClassifier])
def test_a_few_labels_of_the_target_help_where_classes_swapped(estimator):
    Xs, ys = with_two_classes_swapped(300, target=False, seed=0)
    Xt, yt = with_two_classes_swapped(240, target=True, seed=1)
    y_target = np.where(np.arange(240) < 15, yt, np.nan)
    settings = {"random_state": 0, "max_epochs": 20, "batch_norm": "joint", "alignment_weight": 0.1}
    settings |= {"optimizer": "sgd", "learning_rate": 0.05}
    blind = estimator(**settings).fit(Xs, ys, X_target=Xt)
    told = estimator(**settings).fit(Xs, ys, X_target=Xt, y_target=y_target)
    assert told.score(Xt[15:], yt[15:]) >= blind.score(Xt[15:], yt[15:]) + 0.3


def spellings_of_known(y_target, known):
    """Spell labels, of which some are known, in every way."""
    y_target = np.asarray(y_target)
    blank = np.full(len(y_target), None, dtype=object)
    blank[known] = y_target[known].tolist()
    missing = np.ones(len(y_target), dtype=bool)
    missing[known] = False
    return {
        "None": blank,
        "list": blank.tolist(),
        "NaN": np.where(missing, np.nan, y_target),
        "NaN among objects": np.where(missing, np.nan, blank),
        "masked": np.ma.masked_array(y_target, mask=missing),
        "NA": pd.array([pd.NA if m else int(v) for v, m in zip(y_target, missing, strict=True)]),
        "Series": pd.Series(blank, index=np.arange(len(blank))[::-1]),
        "NaN in a Series": pd.Series(np.where(missing, np.nan, y_target)),
    }


@pytest.mark.parametrize("spelling", spellings_of_known([0, 1], [0]))
def test_labels_that_are_not_known_may_be_spelled_in_any_way(blobs, same, spelling):
    Xs, ys, Xt, yt = blobs
    known = [3, 4, 60]
    blank = np.full(75, None, dtype=object)
    blank[known] = yt[known].tolist()
    reference = DANNClassifier(**SMALL).fit(Xs, ys, X_target=Xt, y_target=blank)
    y_target = spellings_of_known(yt, known)[spelling]
    before = copy.deepcopy(y_target)
    assert same(reference, DANNClassifier(**SMALL).fit(Xs, ys, X_target=Xt, y_target=y_target))
    pd.testing.assert_series_equal(pd.Series(y_target), pd.Series(before))
    assert not same(reference, DANNClassifier(**SMALL).fit(Xs, ys, X_target=Xt))


@pytest.mark.parametrize("names", [["no", "perhaps", "yes"], [-1, 0, 1], [1.0, 2.0, 5.0]], ids=str)
def test_labels_of_any_kind_may_be_known(blobs, same, names):
    Xs, ys, Xt, yt = blobs
    known = [3, 4, 60]
    reference = np.full(75, None, dtype=object)
    labels = reference.copy()
    reference[known] = yt[known].tolist()
    labels[known] = [names[label] for label in yt[known]]
    by_number = DANNClassifier(**SMALL).fit(Xs, ys, X_target=Xt, y_target=reference)
    by_name = DANNClassifier(**SMALL).fit(Xs, np.array(names)[ys], X_target=Xt, y_target=labels)
    assert same(by_number, by_name)
    np.testing.assert_array_equal(by_name.predict(Xt), np.array(names)[by_number.predict(Xt)])


@pytest.mark.parametrize("filler", [-1, 2, np.nan])
def test_with_labels_known_those_in_y_are_never_read_at_target_samples(blobs, same, filler):
    Xs, ys, Xt, yt = blobs
    y_target = np.where(np.arange(75) < 6, yt, np.nan)
    apart = DANNClassifier(**SMALL).fit(Xs, ys, X_target=Xt, y_target=y_target)
    X, y, sample_domain = pack(Xs, ys, Xt, y_test=np.full(75, filler))
    # At source samples y_target is not read, even where it holds no class at all.
    for at_source in (np.nan, 99.0):
        full = np.concatenate([np.full(90, at_source), y_target])
        stacked = DANNClassifier(**SMALL).fit(X, y, sample_domain=sample_domain, y_target=full)
        assert same(apart, stacked)
        np.testing.assert_array_equal(apart.transduction_, stacked.transduction_)


def test_labels_of_the_right_samples_are_known_where_they_are_mixed(blobs, same):
    Xs, ys, Xt, yt = blobs
    X, y, sample_domain = pack(Xs, ys, Xt)
    y_target = np.concatenate([np.full(90, np.nan), np.where(np.arange(75) < 6, yt, np.nan)])
    place = np.sort(np.random.default_rng(0).permutation(165)[:90])
    # Each domain keeps its order, so the weights are the same to the last bit.
    order = np.empty(165, dtype=int)
    order[place] = np.arange(90)
    order[np.setdiff1d(np.arange(165), place)] = np.arange(90, 165)
    first = DANNClassifier(**SMALL).fit(X, y, sample_domain=sample_domain, y_target=y_target)
    mixed = DANNClassifier(**SMALL).fit(
        X[order], y[order], sample_domain=sample_domain[order], y_target=y_target[order]
    )
    assert same(first, mixed)


@pytest.mark.usefixtures("untrained")
@pytest.mark.parametrize(
    ("changes", "match"),
    [
        (
            {"y_target": np.full(75, 7)},
            r"holds labels that no source sample has: \[7\]. .*\[0, 1, 2\]",
        ),
        ({"y_target": ["a"] * 75}, r"holds labels that no source sample has: \['a'\]"),
        ({"y_target": np.full(75, np.nan)}, "y_target knows no label: all of its entries"),
        ({"y_target": [None] * 75}, "y_target knows no label"),
        ({"y_target": np.zeros(74)}, "y_target has length 74, but X_target has 75 samples"),
        ({"y_target": np.zeros((75, 2))}, r"y_target has shape \(75, 2\), but y has shape"),
        ({"X_target": None}, "y_target was given without a target"),
        (
            {"X_target": None, "sample_domain": np.repeat([1, -1], [50, 40])},
            "y_target has length 75, but X has 90 samples",
        ),
    ],
)
def test_labels_that_cannot_be_known_are_refused(blobs, changes, match):
    Xs, ys, Xt, _ = blobs
    data = {"X": Xs, "y": ys, "X_target": Xt, "y_target": np.zeros(75), **changes}
    with pytest.raises(ValueError, match=match):
        DANNClassifier(**SMALL).fit(**data)


@pytest.mark.usefixtures("untrained")
@pytest.mark.parametrize("estimator", [ADDAClassifier, SHOTClassifier])
def test_methods_of_two_stages_refuse_labels_of_the_target(blobs, estimator):
    Xs, ys, Xt, yt = blobs
    with pytest.raises(ValueError, match=f"y_target does not go with {estimator.__name__}"):
        estimator(**SMALL).fit(Xs, ys, X_target=Xt, y_target=yt)


@pytest.fixture
def tasks(monkeypatch):
    """Collect what fits learn from labelled samples."""
    made = []

    def noted(*args):
        made.append(Classification(*args))
        return made[-1]

    monkeypatch.setattr("domadapt.estimators._classifier.Classification", noted)
    return made


def test_a_labelled_target_sample_weighs_what_a_source_sample_of_its_class_does(blobs, tasks):
    Xs, ys, Xt, yt = blobs
    weight = 1.0 + np.arange(90) % 4
    by_class = np.array([5.0, 1.0, 2.0])
    y_target = np.where(np.arange(75) < 6, yt, np.nan)
    data = {"X": Xs, "y": ys, "X_target": Xt, "y_target": y_target}
    clf = DANNClassifier(class_weight=dict(enumerate(by_class)), **SMALL)
    plain = copy.deepcopy(clf).set_params(class_weight=None)
    plain.fit(**data)
    plain.fit(**data, sample_weight=weight)
    clf.fit(**data)
    clf.fit(**data, sample_weight=weight)
    unweighted, by_row, of_class, by_both = (task.weight for task in tasks)
    assert unweighted is None
    known = yt[:6]
    np.testing.assert_allclose(by_row[:90], weight / weight.mean(), rtol=1e-5)
    np.testing.assert_allclose(by_row[90:], np.ones(6), rtol=1e-5)
    mean = by_class[ys].mean()
    np.testing.assert_allclose(of_class, by_class[np.r_[ys, known]] / mean, rtol=1e-5)
    both = weight * by_class[ys]
    np.testing.assert_allclose(by_both[:90], both / both.mean(), rtol=1e-5)
    np.testing.assert_allclose(by_both[90:], by_class[known] / mean, rtol=1e-5)
    for task in tasks:
        np.testing.assert_array_equal(task.labels, np.r_[ys, known])


def test_a_checkpoint_with_other_labels_of_the_target_is_refused(blobs, tmp_path):
    Xs, ys, Xt, yt = blobs
    settings = {**SMALL, "checkpoint": tmp_path / "fit"}
    first, other = (np.where(np.arange(75) < n, yt, np.nan) for n in (6, 7))
    changed = np.where(np.arange(75) == 0, (yt + 1) % 3, first)
    before = DANNClassifier(**settings).fit(Xs, ys, X_target=Xt, y_target=first)
    for y_target in (other, changed, None):
        with pytest.raises(ValueError, match="of a fit with other parameters or data"):
            DANNClassifier(**settings).fit(Xs, ys, X_target=Xt, y_target=y_target)
    again = DANNClassifier(**settings).fit(Xs, ys, X_target=Xt, y_target=first)
    assert again.history_ == before.history_
