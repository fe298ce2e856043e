"""Splitters keep domains: both in every fold, classes and groups where they belong."""

from collections import Counter

import numpy as np
import pytest
import sklearn
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    cross_val_predict,
    cross_validate,
)

from domadapt import DANClassifier, has_label, pack
from domadapt.model_selection import DomainGroupKFold, LeaveOneSourceOut, StratifiedDomainKFold

QUICK = {"max_epochs": 1, "steps_per_epoch": 2, "hidden_layer_sizes": (4,), "random_state": 0}
ONES = np.ones(165, dtype=int)
GRID = {"alignment_weight": [0.5, 2.0]}


@pytest.fixture
def stacked(blobs):
    """Both domains of blobs as ``pack`` stacks them, in another order, with two sources."""
    Xs, ys, Xt, _ = blobs
    X, y, d = pack(Xs, ys, Xt)
    d[:40] = 2
    order = np.random.default_rng(0).permutation(len(d))
    return X[order], y[order], d[order]


def is_partition(splits, n_samples):
    tested = np.sort(np.concatenate([test for _, test in splits]))
    complete = all(len(np.union1d(train, test)) == n_samples for train, test in splits)
    disjoint = all(len(np.intersect1d(train, test)) == 0 for train, test in splits)
    return np.array_equal(tested, np.arange(n_samples)) and complete and disjoint


@pytest.mark.parametrize("shuffle", [False, True])
def test_folds_have_equal_shares_of_each_domain_and_class(stacked, shuffle):
    X, y, d = stacked
    splitter = StratifiedDomainKFold(4, shuffle=shuffle, random_state=0 if shuffle else None)
    splits = list(splitter.split(X, y, groups=d))
    assert splitter.get_n_splits(X, y, d) == len(splits) == 4
    assert is_partition(splits, len(y))
    whole = Counter(zip(d.tolist(), y.tolist(), strict=True))
    for _, test in splits:
        part = Counter(zip(d[test].tolist(), y[test].tolist(), strict=True))
        assert all(abs(part[key] - n / 4) < 1 for key, n in whole.items())


def test_target_labels_are_never_read(stacked):
    X, y, d = stacked
    other = y.copy()
    other[d < 0] = np.random.default_rng(1).integers(0, 50, (d < 0).sum())
    group = np.arange(len(y)) % 20
    for a, b in zip(
        StratifiedDomainKFold(3).split(X, y, groups=d),
        StratifiedDomainKFold(3).split(X, other, groups=d),
        strict=True,
    ):
        assert all(np.array_equal(i, j) for i, j in zip(a, b, strict=True))
    for a, b in zip(
        DomainGroupKFold(3).split(X, y, group, sample_domain=d),
        DomainGroupKFold(3).split(X, other, group, sample_domain=d),
        strict=True,
    ):
        assert all(np.array_equal(i, j) for i, j in zip(a, b, strict=True))


def test_source_labels_and_domains_are_read(stacked):
    X, y, d = stacked
    other = y.copy()
    rows = np.flatnonzero(d > 0)[:30]
    other[rows] = np.roll(other[rows], 7)
    first = [test for _, test in StratifiedDomainKFold(3).split(X, y, groups=d)]
    second = [test for _, test in StratifiedDomainKFold(3).split(X, other, groups=d)]
    third = [test for _, test in StratifiedDomainKFold(3).split(X, y, groups=np.sign(d))]
    assert not np.array_equal(first[0], second[0])
    assert not np.array_equal(first[0], third[0])


@pytest.mark.parametrize("labels", ["int", "float", "text", "object"])
def test_domains_are_told_by_missing_labels_too(blobs, labels):
    Xs, ys, Xt, _ = blobs
    ys = {
        "int": ys,
        "float": ys.astype(float),
        "text": np.array(["a", "b", "c"])[ys],
        "object": ys.astype(object),
    }[labels]
    X, y, d = pack(Xs, ys, Xt)
    if labels == "object":
        y[d < 0] = None
    by_labels = [test for _, test in StratifiedDomainKFold(3).split(X, y)]
    by_groups = [test for _, test in StratifiedDomainKFold(3).split(X, y, groups=d)]
    assert all(np.array_equal(a, b) for a, b in zip(by_labels, by_groups, strict=True))
    assert all(has_label(y[test]).any() and not has_label(y[test]).all() for test in by_labels)


def test_numbers_to_predict_are_stratified_by_domain_alone(blobs):
    Xs, _, Xt, _ = blobs
    X, y, d = pack(Xs, Xs[:, 0].astype(float), Xt)
    for values in (y, np.where(d > 0, y.astype(object), None)):
        for _, test in StratifiedDomainKFold(3).split(X, values, groups=d):
            assert ((d[test] > 0).sum(), (d[test] < 0).sum()) == (30, 25)


def test_source_samples_without_a_label_are_spread_too(stacked):
    X, y, d = stacked
    d, known = np.sign(d), y.copy()
    hidden = np.flatnonzero(d > 0)[:12]
    known[hidden] = y[d < 0][0]
    group = np.arange(len(y)) // 3
    kinds = {
        "int": known,
        "float": np.where(has_label(known), known.astype(float), np.nan),
        "filled float": known.astype(float),
        "object": np.where(has_label(known), known.astype(object), None),
    }
    found = {}
    for name, labels in kinds.items():
        splits = [test for _, test in StratifiedDomainKFold(3).split(X, labels, groups=d)]
        assert [np.isin(hidden, test).sum() for test in splits] == [4, 4, 4]
        groups = DomainGroupKFold(3).split(X, labels, group, sample_domain=d)
        found[name] = [test.tolist() for test in splits], [test.tolist() for _, test in groups]
    assert all(splits == found["int"] for splits in found.values())
    with pytest.raises(ValueError, match="12 samples of source 1 without a label, fewer"):
        list(StratifiedDomainKFold(13).split(X, known, groups=d))


def test_the_kind_of_target_labels_does_not_change_that_of_the_source(stacked):
    X, y, d = stacked
    values = [float(v) for v in np.linspace(0, 1, len(y))]
    told = [value if of > 0 else "unknown" for value, of in zip(values, d, strict=True)]
    for a, b in zip(
        StratifiedDomainKFold(3).split(X, values, groups=d),
        StratifiedDomainKFold(3).split(X, told, groups=d),
        strict=True,
    ):
        assert all(np.array_equal(i, j) for i, j in zip(a, b, strict=True))


def test_groups_are_kept_where_all_classes_have_fewer_samples_than_folds():
    X, y, d = pack(np.zeros((6, 1)), [0, 0, 1, 1, 2, 2], np.zeros((6, 1)))
    for _, test in DomainGroupKFold(3).split(X, y, np.arange(12)):
        assert ((d[test] > 0).sum(), (d[test] < 0).sum()) == (2, 2)


def test_several_targets_are_spread_each(stacked):
    X, y, d = stacked
    d = d.copy()
    d[np.flatnonzero(d < 0)[:15]] = -2
    for _, test in StratifiedDomainKFold(3).split(X, y, groups=d):
        assert (d[test] == -2).sum() == 5


def test_shuffling_depends_on_the_seed_alone(stacked):
    X, y, d = stacked
    group = np.arange(len(y)) % 20
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    for kind, keywords in (
        (StratifiedDomainKFold, {"groups": d}),
        (DomainGroupKFold, {"groups": group, "sample_domain": d}),
    ):
        folds = [
            next(iter(kind(3, shuffle=True, random_state=seed).split(X, y, **keywords)))[1]
            for seed in (0, 0, 1)
        ]
        assert np.array_equal(folds[0], folds[1])
        assert not np.array_equal(folds[0], folds[2])
    assert np.array_equal(state, np.random.get_state()[1])  # noqa: NPY002


def test_each_source_is_left_out_once(stacked):
    X, y, d = stacked
    splitter = LeaveOneSourceOut()
    splits = list(splitter.split(X, y, groups=d))
    assert splitter.get_n_splits(groups=d) == 2
    for (train, test), source in zip(splits, (1, 2), strict=True):
        assert set(d[test]) == {source}
        assert set(d[train]) == {-1, 3 - source}
        assert (d[train] < 0).sum() == (d < 0).sum()


def test_target_samples_can_be_in_the_tests_too(stacked):
    X, y, d = stacked
    for train, test in LeaveOneSourceOut(test_target=True).split(X, y, groups=d):
        target = set(np.flatnonzero(d < 0))
        assert target <= set(train)
        assert target <= set(test)
        assert len(set(d[test])) == 2


@pytest.mark.parametrize("shuffle", [False, True])
def test_groups_stay_together_within_a_domain(stacked, shuffle):
    X, y, d = stacked
    patient = np.random.default_rng(2).integers(0, 12, len(y))
    splitter = DomainGroupKFold(3, shuffle=shuffle, random_state=0 if shuffle else None)
    splits = list(splitter.split(X, y, np.char.add("p", patient.astype(str))))
    assert is_partition(splits, len(y))
    of = np.empty(len(y), dtype=int)
    for number, (_, test) in enumerate(splits):
        of[test] = number
        assert (d[test] > 0).any()
        assert (d[test] < 0).any()
    for sign in (1, -1):
        for which in range(12):
            assert len(set(of[(np.sign(d) == sign) & (patient == which)])) == 1


def test_groups_of_one_class_each_are_stratified():
    y = np.repeat([0, 1], 40)
    X, y, _ = pack(np.zeros((80, 1)), y, np.zeros((8, 1)))
    group = np.append(np.arange(80) // 10, np.arange(8))
    for _, test in DomainGroupKFold(4).split(X, y, group):
        assert sorted(y[test][has_label(y[test])]) == [0] * 10 + [1] * 10


def test_no_fold_is_empty_where_stratification_would_leave_one():
    # One group holds nearly all of a class.
    ys = np.array([0] * 50 + [1] * 3)
    X, y, d = pack(np.zeros((53, 1)), ys, np.zeros((3, 1)))
    group = np.array([0] * 50 + [1, 1, 2, 3, 4, 5])
    for _, test in DomainGroupKFold(3).split(X, y, group):
        assert (d[test] > 0).any()
        assert (d[test] < 0).any()


def test_searches_use_the_folds(stacked):
    X, y, d = stacked
    search = GridSearchCV(DANClassifier(**QUICK), GRID, cv=StratifiedDomainKFold(2))
    by_groups = search.fit(X, y, groups=d, sample_domain=d).cv_results_
    alone = search.fit(X, y, sample_domain=d).cv_results_
    assert by_groups["split1_test_score"].shape == (2,)
    assert np.isfinite(by_groups["mean_test_score"]).all()
    assert np.isfinite(alone["mean_test_score"]).all()
    left_out = GridSearchCV(DANClassifier(**QUICK), GRID, cv=LeaveOneSourceOut())
    assert left_out.fit(X, y, groups=d, sample_domain=d).n_splits_ == 2
    halving = HalvingGridSearchCV(
        DANClassifier(**QUICK),
        GRID,
        cv=StratifiedDomainKFold(2, shuffle=True, random_state=0),
        min_resources=80,
        random_state=0,
    )
    assert np.isfinite(halving.fit(X, y, sample_domain=d).best_score_)
    predicted = cross_val_predict(
        DANClassifier(**QUICK),
        X,
        y,
        groups=d,
        cv=StratifiedDomainKFold(2),
        params={"sample_domain": d},
    )
    assert predicted.shape == y.shape


def test_searches_use_the_folds_with_routing(stacked):
    X, y, d = stacked
    group = np.arange(len(y)) // 5
    with sklearn.config_context(enable_metadata_routing=True):
        clf = DANClassifier(**QUICK)
        clf.set_fit_request(sample_domain=True).set_score_request(sample_domain=True)
        search = GridSearchCV(clf, GRID, cv=StratifiedDomainKFold(2))
        assert search.fit(X, y, groups=d, sample_domain=d).n_splits_ == 2
        grouped = GridSearchCV(clf, GRID, cv=DomainGroupKFold(3))
        assert grouped.fit(X, y, groups=group, sample_domain=d).n_splits_ == 3
        found = cross_validate(
            clf, X, y, cv=DomainGroupKFold(2), params={"groups": group, "sample_domain": d}
        )
        assert np.isfinite(found["test_score"]).all()


@pytest.mark.parametrize("kind", [StratifiedDomainKFold, DomainGroupKFold])
@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"n_splits": 1}, ValueError, "n_splits=1, and an integer of at least 2"),
        ({"n_splits": True}, ValueError, "n_splits=True"),
        ({"shuffle": "yes"}, TypeError, "shuffle='yes'"),
        ({"random_state": 0}, ValueError, "changes nothing without shuffling"),
    ],
)
def test_parameters_are_checked(kind, parameters, error, message):
    with pytest.raises(error, match=message):
        kind(**parameters)


@pytest.mark.parametrize(
    ("splitter", "changes", "message"),
    [
        (StratifiedDomainKFold(2), {"groups": np.ones(165)}, "no target samples"),
        (StratifiedDomainKFold(2), {"groups": -np.ones(165)}, "no source samples"),
        (StratifiedDomainKFold(2), {"groups": np.zeros(165)}, "groups is 0 for 165"),
        (StratifiedDomainKFold(2), {"groups": np.ones(3)}, "groups has shape"),
        (StratifiedDomainKFold(2), {"y": ONES}, "All 165 samples have a label"),
        (StratifiedDomainKFold(2), {"y": None}, "given neither groups nor y"),
        (StratifiedDomainKFold(2), {"y": None, "groups": "domain"}, "was given no y"),
        (StratifiedDomainKFold(2), {"y": np.ones(3)}, "y has length 3"),
        (StratifiedDomainKFold(4), {"groups": "few", "y": ONES}, "3 samples of the target, fewer"),
        (StratifiedDomainKFold(31), {"groups": "sign"}, "30 samples of class 0 in source 1, fewer"),
        (LeaveOneSourceOut(), {}, "LeaveOneSourceOut needs groups"),
        (LeaveOneSourceOut(), {"groups": "sign"}, "groups names 1 source"),
        (LeaveOneSourceOut(), {"groups": np.arange(1, 166)}, "no target samples"),
        (LeaveOneSourceOut(), {"groups": [1, 2, -1]}, "groups has length 3"),
        (DomainGroupKFold(2), {}, "DomainGroupKFold needs groups"),
        (DomainGroupKFold(2), {"groups": [1, 2]}, "groups has length 2"),
        (DomainGroupKFold(2), {"groups": np.ones(165)}, "The source has 1 groups"),
        (DomainGroupKFold(8), {"groups": "target"}, "The target has 5 groups"),
    ],
)
def test_what_cannot_be_split_is_told(stacked, splitter, changes, message):
    X, y, d = stacked
    # Both sources are one, but for those who ask for several.
    named = {
        "sign": np.sign(d),
        "domain": d,
        "few": np.where(np.arange(len(d)) < 3, -1, 1),
        "target": np.where(d < 0, np.arange(len(d)) % 5, np.arange(len(d))),
    }
    if isinstance(changes.get("groups"), str):
        changes = {**changes, "groups": named[changes["groups"]]}
    with pytest.raises(ValueError, match=message):
        list(splitter.split(X, **{"y": y, **changes}))
