"""The table of sources: what it asks of them, how it ranks, what it refuses."""

import numpy as np
import pytest
from sklearn.datasets import make_blobs
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from domadapt import AlignmentClassifier, AlignmentRegressor, DANClassifier
from domadapt.inductive import (
    FewShotClassifier,
    FineTuneClassifier,
    MultiTaskClassifier,
    h_score,
    leep,
    log_me,
    transferability_table,
)
from domadapt.shallow import AdaptedClassifier

QUICK = {"max_epochs": 4, "random_state": 0}
SCORES = ["log_me", "h_score", "gbc", "leep", "nce"]


@pytest.fixture(scope="module")
def few():
    """Labelled samples of a target."""
    X, y = make_blobs(40, centers=[[0, 1], [5, 1], [0, 6]], random_state=1)
    return X, y


@pytest.fixture(scope="module")
def sources():
    """A source model of use, one whose labels mean nothing, and one that was adapted."""
    X, y = make_blobs(150, centers=[[0, 0], [5, 0], [0, 5]], random_state=0)
    shuffled = np.random.default_rng(0).permutation(y)
    return {
        "useless": AlignmentClassifier(None, **QUICK).fit(X, shuffled),
        "adapted": DANClassifier(**QUICK).fit(X, y, X_target=X + 1),
        "plain": AlignmentClassifier(None, **QUICK).fit(X, y),
    }


def rank(column, place):
    """Return the mean rank of those that are level, 1 being the largest."""
    better, level = (column > column[place]).sum(), (column == column[place]).sum()
    return better + (1 + level) / 2


def test_the_table_holds_the_scores_of_target_features_best_first(sources, few):
    X, y = few
    table = transferability_table(sources, X, y)
    assert list(table) == ["source", "mean_rank", *SCORES]
    assert table["source"][-1] == "useless"
    assert (np.diff(table["mean_rank"]) >= 0).all()
    for place, name in enumerate(table["source"]):
        # Batch normalisation by domain: features are those of target samples.
        features, proba = sources[name].transform(X), sources[name].predict_proba(X)
        assert table["log_me"][place] == log_me(features, y)
        assert table["h_score"][place] == h_score(features, y)
        assert table["leep"][place] == leep(proba, y)
        ranks = [rank(table[s], place) for s in SCORES]
        assert table["mean_rank"][place] == pytest.approx(np.mean(ranks))


def test_it_prints_as_a_table_and_is_plain_data(sources, few):
    table = transferability_table({**sources, "<b>": sources["plain"]}, *few)
    assert str(table).splitlines()[0].split() == ["source", "mean_rank", *SCORES]
    assert "&lt;b&gt;" in table._repr_html_()
    plain = table.to_dict()
    assert all(type(value) in (float, str) for column in plain.values() for value in column)
    assert plain["log_me"] == table["log_me"].tolist()


def test_sources_may_be_files_and_keep_their_order_where_level(sources, few, tmp_path):
    sources["plain"].save(tmp_path / "plain.safetensors")
    both = {"model": sources["plain"], "file": tmp_path / "plain.safetensors"}
    table = transferability_table(both, *few)
    assert table["source"].tolist() == ["model", "file"]
    assert table["mean_rank"].tolist() == [1.5, 1.5]
    assert table["leep"][0] == table["leep"][1]
    text = transferability_table({"file": str(tmp_path / "plain.safetensors")}, *few)
    assert text["nce"][0] == table["nce"][0]


def test_a_score_that_a_source_cannot_have_does_not_rank(sources, few):
    X, y = few
    linear = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y)
    table = transferability_table({**sources, "linear": linear}, X, y)
    place = table["source"].tolist().index("linear")
    assert np.isnan([table[s][place] for s in ("log_me", "h_score", "gbc")]).all()
    assert table.to_dict()["gbc"][place] is None
    ranks = [rank(table[s], place) for s in ("leep", "nce")]
    assert table["mean_rank"][place] == pytest.approx(np.mean(ranks))


def test_numbers_have_the_evidence_alone(few):
    X, _ = few
    values = X[:, 0] + 0.5 * X[:, 1]
    rng = np.random.default_rng(0)
    kinds = {"of use": values, "useless": rng.normal(size=len(X))}
    sources = {n: AlignmentRegressor(None, **QUICK).fit(X, v) for n, v in kinds.items()}
    table = transferability_table(sources, X, values, values=True)
    assert np.isfinite(table["log_me"]).all()
    assert all(np.isnan(table[s]).all() for s in SCORES[1:])
    # A regressor has features for classes, too.
    table = transferability_table(sources, X, X[:, 0] > 2)
    assert np.isfinite(table["h_score"]).all()
    assert np.isnan(table["leep"]).all()


def test_nothing_of_a_source_changes(sources, few):
    before = {k: v.clone() for k, v in sources["adapted"].module_.state_dict().items()}
    transferability_table(sources, *few)
    after = sources["adapted"].module_.state_dict()
    assert all((after[k] == v).all() for k, v in before.items())


def test_bad_sources_are_told(sources, few, tmp_path):
    X, y = few
    with pytest.raises(TypeError, match="sources is a list, and a dict of names"):
        transferability_table(list(sources.values()), X, y)
    with pytest.raises(ValueError, match="sources is empty"):
        transferability_table({}, X, y)
    with pytest.raises(TypeError, match=r"sources\['one'\] is a int, which has neither"):
        transferability_table({"one": 1}, X, y)
    with pytest.raises(NotFittedError, match=r"sources\['new'\]"):
        transferability_table({"new": AlignmentClassifier()}, X, y)
    with pytest.raises(ValueError, match=r"sources\['plain'\]: X has 1 features"):
        transferability_table({"plain": sources["plain"]}, X[:, :1], y)
    with pytest.raises(ValueError, match=r"sources\['plain'\]: y has 39 rows"):
        transferability_table({"plain": sources["plain"]}, X, y[:-1])
    with pytest.raises(FileNotFoundError):
        transferability_table({"gone": tmp_path / "gone"}, X, y)
    linear = LogisticRegression().fit(X, y)
    regressor = AlignmentRegressor(None, **QUICK).fit(X, X[:, 0])
    with pytest.raises(ValueError, match="No score is one that all sources have"):
        transferability_table({"linear": linear, "regressor": regressor}, X, y)


def test_labels_may_be_a_list(sources, few):
    X, y = few
    one, other = (transferability_table(sources, X, labels) for labels in (y, y.tolist()))
    assert one.to_dict() == other.to_dict()


def test_files_of_every_deep_estimator_are_read_and_others_are_told(sources, few, tmp_path):
    X, y = few
    tuned = FineTuneClassifier(sources["plain"], **QUICK).fit(X, y)
    shots = FewShotClassifier(n_ways=2, n_shots=2, n_queries=2, **QUICK).fit(X, y)
    shallow = AdaptedClassifier(LogisticRegression(), "coral").fit(X, y, X_target=X)
    for name, model in {"tuned": tuned, "shots": shots, "shallow": shallow}.items():
        model.save(tmp_path / name)
    paths = {name: tmp_path / name for name in ("tuned", "shots")}
    table = transferability_table(paths, X, y)
    expected = transferability_table({"tuned": tuned, "shots": shots}, X, y)
    assert table.to_dict() == expected.to_dict()
    with pytest.raises(ValueError, match=r"\['shallow'\]: .*no deep estimator. Pass domadapt.load"):
        transferability_table({"shallow": tmp_path / "shallow"}, X, y)


def test_a_model_of_several_tasks_and_a_class_are_told(few, tmp_path):
    X, y = few
    several = MultiTaskClassifier(**QUICK).fit({"a": (X, y), "b": (X, y == 1)})
    several.save(tmp_path / "several")
    for source in (several, tmp_path / "several"):
        with pytest.raises(
            TypeError, match=r"'s'\] is a MultiTaskClassifier, .* one for each task"
        ):
            transferability_table({"s": source}, X, y)
    with pytest.raises(TypeError, match=r"sources\['c'\] is the class AlignmentClassifier"):
        transferability_table({"c": AlignmentClassifier}, X, y)
    with pytest.raises(ValueError, match="y has shape"):
        transferability_table({"a": LogisticRegression().fit(X, y)}, X, None)
