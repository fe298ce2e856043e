"""What the automatic choice holds as every estimator does: the contract of fit."""

import copy
import warnings

import numpy as np
import pandas as pd
import pytest
import sklearn
import torch
from joblib import parallel_config
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import domadapt
from domadapt import AutoAdaptClassifier, AutoAdaptRegressor, DANNClassifier, pack

KINDS = pytest.mark.parametrize("learns", ["classes", "values"])
SMALL_DEEP = DANNClassifier(hidden_layer_sizes=(4,), max_epochs=1)


@pytest.fixture
def task(moved, moved_values):
    """Build an automatic choice of few candidates, with samples of its kind."""

    def build(learns, **parameters):
        if learns == "classes":
            return AutoAdaptClassifier(["coral+lr"], random_state=0, **parameters), moved
        candidates = ["coral+ridge", "per_domain_scaling+ridge"]
        return AutoAdaptRegressor(candidates, random_state=0, **parameters), moved_values

    return build


def mixed(data):
    """Return both domains stacked and mixed, the order within each domain as it was."""
    Xs, ys, Xt, _ = data
    X, y, d = pack(Xs, ys, Xt)
    is_source = np.random.default_rng(0).permutation(d > 0)
    order = np.empty(len(X), dtype=int)
    order[is_source], order[~is_source] = np.arange(len(Xs)), np.arange(len(Xs), len(X))
    return X[order], y[order], d[order]


@KINDS
def test_both_spellings_are_the_same_to_the_bit(learns, task, assert_same):
    auto, (Xs, ys, Xt, yt) = task(learns)
    X, y, d = mixed((Xs, ys, Xt, yt))
    two_arrays = clone(auto).fit(Xs, ys, X_target=Xt)
    stacked = clone(auto).fit(X, y, sample_domain=d)
    assert_same(two_arrays, stacked)
    np.testing.assert_array_equal(two_arrays.predict(Xt), stacked.predict(Xt))


@KINDS
def test_labels_of_the_target_are_never_read(learns, task, assert_same):
    auto, data = task(learns)
    X, y, d = mixed(data)
    fitted = []
    for value in (y[d > 0].max(), y[d > 0].min()):
        labels = y.copy()
        labels[d < 0] = value
        fitted.append(clone(auto).fit(X, labels, sample_domain=d))
    assert_same(*fitted)
    np.testing.assert_array_equal(*(one.predict(data[2]) for one in fitted))


@KINDS
def test_the_target_itself_is_read(learns, task):
    auto, (Xs, ys, Xt, _) = task(learns)
    first, second = (clone(auto).fit(Xs, ys, X_target=X) for X in (Xt, 3 * Xt + 5))
    assert not np.array_equal(first.leaderboard_["agreement"], second.leaderboard_["agreement"])


def test_nothing_of_the_callers_is_changed(moved):
    own = make_pipeline(StandardScaler(), LogisticRegression())
    candidates = [SMALL_DEEP, ("own", own), (LogisticRegression(), {"C": [0.1, 1.0]})]
    given, data = copy.deepcopy(candidates), copy.deepcopy(moved)
    states = np.random.get_state()[1].copy(), torch.get_rng_state()  # noqa: NPY002
    settings, filters = sklearn.get_config(), list(warnings.filters)
    auto = AutoAdaptClassifier(candidates, random_state=0)
    auto.fit(data[0], data[1], X_target=data[2]).predict(data[2])
    assert not any(auto.leaderboard_["problem"])
    for now, then in zip(data, moved, strict=True):
        np.testing.assert_array_equal(now, then)
    np.testing.assert_array_equal(np.random.get_state()[1], states[0])  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), states[1])
    assert sklearn.get_config() == settings
    assert warnings.filters == filters
    assert repr(candidates) == repr(given)
    fitted = [vars(part) for part in (SMALL_DEEP, own[0], own[-1], candidates[2][0])]
    assert not any(name.endswith("_") for names in fitted for name in names)
    assert auto.candidates is candidates


@KINDS
def test_the_same_seed_gives_the_same_side_by_side_too(learns, task, assert_same):
    auto, (Xs, ys, Xt, _) = task(learns)
    first = clone(auto).fit(Xs, ys, X_target=Xt)
    assert_same(first, clone(auto).fit(Xs, ys, X_target=Xt))
    if learns == "classes":
        # Processes would import all of it first, for half a minute.
        with parallel_config("threading"):
            side_by_side = clone(auto).set_params(n_jobs=2).fit(Xs, ys, X_target=Xt)
        assert_same(first, side_by_side)
        np.testing.assert_array_equal(first.predict_proba(Xt), side_by_side.predict_proba(Xt))


def test_a_generator_as_random_state_is_drawn_from(moved, assert_same):
    Xs, ys, Xt, _ = moved
    first, second = (
        AutoAdaptClassifier(["coral+lr"], random_state=np.random.RandomState(3)) for _ in range(2)
    )
    assert_same(first.fit(Xs, ys, X_target=Xt), second.fit(Xs, ys, X_target=Xt))


@pytest.mark.parametrize(
    "labels",
    [["no", "yes"], [False, True], [-1, 1], [np.float64(0.0), np.float64(1.0)]],
    ids=["texts", "booleans", "signs", "floats"],
)
def test_labels_may_be_of_any_kind(labels, moved, task):
    Xs, ys, Xt, _ = moved
    numbers = task("classes")[0].fit(Xs, ys, X_target=Xt)
    named = np.array(labels)
    auto = task("classes")[0].fit(Xs, named[ys], X_target=Xt)
    assert auto.classes_.tolist() == list(labels)
    np.testing.assert_array_equal(auto.transduction_, named[numbers.transduction_])
    np.testing.assert_array_equal(auto.predict(Xt), auto.transduction_)


def test_ten_classes_from_one_on(draw_classes):
    (Xs, ys), (Xt, yt) = draw_classes(150, 10, 0), draw_classes(100, 10, 1)
    auto = AutoAdaptClassifier(["coral+lr"], random_state=0).fit(Xs, ys + 1, X_target=Xt)
    assert auto.classes_.tolist() == list(range(1, 11))
    assert auto.score(Xt, yt + 1) > 0.9


@KINDS
def test_float32_and_tables_go_through(learns, task):
    auto, (Xs, ys, Xt, yt) = task(learns)
    columns = [f"c{i}" for i in range(Xs.shape[1])]
    tables = [pd.DataFrame(X, columns=columns) for X in (Xs, Xt)]
    arrays = clone(auto).fit(Xs, ys, X_target=Xt)
    of_tables = clone(auto).fit(tables[0], pd.Series(ys), X_target=tables[1])
    assert of_tables.feature_names_in_.tolist() == columns
    assert of_tables.n_features_in_ == len(columns)
    assert np.mean(of_tables.predict(tables[1]) - arrays.predict(Xt)) == pytest.approx(0, abs=1e-6)
    small = [X.astype(np.float32) for X in (Xs, Xt)]
    of_small = clone(auto).fit(small[0], ys, X_target=small[1])
    assert of_small.score(small[1], yt) == pytest.approx(arrays.score(Xt, yt), abs=0.05)


@KINDS
@pytest.mark.parametrize(("n_source", "n_target"), [(80, 10), (24, 60)])
def test_domains_may_differ_in_size(n_source, n_target, learns, task):
    auto, (Xs, ys, Xt, _) = task(learns)
    auto.fit(Xs[:n_source], ys[:n_source], X_target=Xt[:n_target])
    assert not any(auto.leaderboard_["problem"])
    assert auto.transduction_.shape == (n_target,)
    assert np.isfinite(auto.leaderboard_["agreement"]).all()


def test_a_constant_column_and_equal_domains_are_no_trouble(moved):
    Xs, ys, _, _ = moved
    X = np.column_stack([Xs, np.ones(len(Xs))])
    auto = AutoAdaptClassifier(["coral+lr"], random_state=0).fit(X, ys, X_target=X)
    assert not any(auto.leaderboard_["problem"])
    assert auto.score(X, ys) > 0.95


@KINDS
def test_weights_of_source_samples_count(learns, task):
    auto, (Xs, ys, Xt, _) = task(learns)
    weight = np.where(np.arange(len(ys)) < 40, 1.0, 1e-3)
    weighted = clone(auto).fit(Xs, ys, X_target=Xt, sample_weight=weight)
    equal = clone(auto).fit(Xs, ys, X_target=Xt, sample_weight=np.ones(len(ys)))
    board = weighted.leaderboard_
    problems = dict(zip(board["candidate"], board["problem"], strict=True))
    if learns == "values":
        assert problems.pop("neighbours") == "ValueError: it takes no sample_weight"
    assert not any(problems.values())
    assert not np.array_equal(board["agreement"], equal.leaderboard_["agreement"])


def test_samples_of_weight_zero_are_left_out(moved, assert_same):
    Xs, ys, Xt, _ = moved
    auto = AutoAdaptClassifier(["coral+lr"], random_state=0)
    kept = np.arange(len(ys)) < 50
    weighted = clone(auto).fit(Xs, ys, X_target=Xt, sample_weight=kept.astype(float))
    alone = clone(auto).fit(Xs[kept], ys[kept], X_target=Xt, sample_weight=np.ones(50))
    assert_same(weighted, alone)


def test_several_sources_reach_the_candidates(moved, monkeypatch):
    Xs, ys, Xt, _ = moved
    X, y, d = pack(Xs, ys, Xt)
    d[:40] = 2
    seen, fit = [], DANNClassifier.fit

    def watched_fit(self, X, y, **given):
        seen.append(given["sample_domain"])
        return fit(self, X, y, **given)

    monkeypatch.setattr(DANNClassifier, "fit", watched_fit)
    auto = AutoAdaptClassifier([SMALL_DEEP], random_state=0)
    auto.fit(X, y, sample_domain=d)
    assert not any(auto.leaderboard_["problem"])
    np.testing.assert_array_equal(seen[0], [2] * 40 + [1] * 40 + [-1] * len(Xt))


def test_clones_and_parameters(moved):
    auto = AutoAdaptClassifier([SMALL_DEEP, "mcc"], time_budget=9.0, random_state=1)
    again = clone(auto)
    assert repr(again) == repr(auto)
    assert again.candidates[0] is not SMALL_DEEP
    assert clone(auto).set_params(refit=False).get_params()["refit"] is False
    with pytest.raises(TypeError, match="Did you mean time_budget"):
        AutoAdaptClassifier(time=3.0)


@KINDS
def test_a_search_over_packed_samples(learns, task):
    auto, data = task(learns)
    Xs, ys, Xt, yt = data
    X, y, d = pack(Xs, ys, Xt)
    grid = {"candidates": [["coral+lr" if learns == "classes" else "coral+ridge"], []]}
    folds = KFold(2, shuffle=True, random_state=0)
    search = GridSearchCV(auto, grid, cv=folds, error_score="raise")
    search.fit(X, y, sample_domain=d)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.predict(Xt).shape == yt.shape


def test_inside_a_pipeline(moved, task):
    Xs, ys, Xt, yt = moved
    with sklearn.config_context(enable_metadata_routing=False):
        X, y, d = pack(Xs, ys, Xt)
        pipe = make_pipeline(StandardScaler(), task("classes")[0])
        pipe.fit(X, y, autoadaptclassifier__sample_domain=d)
    assert pipe.score(Xt, yt) > 0.8
    np.testing.assert_array_equal(pipe.predict(Xt), pipe[-1].transduction_)


class Recorder:
    """Notes what it is shown, and stops after some candidates."""

    def __init__(self, stop_after=None):
        self.stop_after, self.ended, self.seen = stop_after, [], []

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        self.seen.append("begin")

    def on_fit_task_end(self, estimator, context, *, X, y):
        self.seen.append("end")
        self.ended.append((context.task_name, X, y))
        return len(self.ended) == self.stop_after


def test_each_candidate_is_a_task(moved, task, assert_same):
    Xs, ys, Xt, _ = moved
    recorder = Recorder()
    watched = task("classes")[0].set_callbacks(recorder).fit(Xs, ys, X_target=Xt)
    assert [name for name, *_ in recorder.ended] == ["epoch"] * 4 + ["fit"]
    assert recorder.seen == ["begin"] + ["begin", "end"] * 4 + ["end"]
    for _, X, y in recorder.ended:
        np.testing.assert_array_equal(X, Xs)
        np.testing.assert_array_equal(y, ys)
    assert_same(watched, task("classes")[0].fit(Xs, ys, X_target=Xt))


def test_a_callback_ends_the_search(moved, task):
    Xs, ys, Xt, _ = moved
    auto = task("classes")[0].set_callbacks(Recorder(stop_after=2)).fit(Xs, ys, X_target=Xt)
    board = dict(zip(auto.leaderboard_["candidate"], auto.leaderboard_["problem"], strict=True))
    told = "not started: a callback ended the search"
    assert board == {"logistic regression": "", "SVC": "", "extra trees": told, "coral+lr": told}
    assert told in auto.explain()
    assert auto.predict(Xt).shape == (60,)


def test_progress_is_printed_where_it_is_asked_for(moved, task, capsys):
    Xs, ys, Xt, _ = moved
    task("classes", verbose=True)[0].fit(Xs, ys, X_target=Xt)
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in lines] == [
        *("logistic regression", "SVC", "extra trees", "coral+lr")
    ]
    task("classes")[0].fit(Xs, ys, X_target=Xt)
    assert capsys.readouterr().out == ""


def test_a_choice_in_a_file_and_the_same_fit_again_replaces_the_first(moved, tmp_path):
    Xs, ys, Xt, _ = moved
    auto = AutoAdaptClassifier(["coral+lr"], random_state=0).fit(Xs, ys, X_target=Xt)
    auto.fit(Xs[:, :2], ys, X_target=Xt[:, :2])
    assert auto.predict(Xt[:, :2]).shape == (60,)
    with pytest.raises(ValueError, match="features"):
        auto.predict(Xt)
    auto.save(tmp_path / "auto")
    assert domadapt.load(tmp_path / "auto").n_features_in_ == 2


def test_several_outputs(moved_values):
    Xs, ys, Xt, _ = moved_values
    y = np.column_stack([ys, -2 * ys])
    auto = AutoAdaptRegressor(["coral+ridge"], random_state=0).fit(Xs, y, X_target=Xt)
    assert auto.transduction_.shape == (60, 2)
    np.testing.assert_array_equal(auto.predict(Xt), auto.transduction_)
    assert not any(auto.leaderboard_["problem"])
