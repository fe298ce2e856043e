"""What goes into ``diagnose`` and what a diagnosis can be made into."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import domadapt
from domadapt import Diagnosis, diagnose, pack


@pytest.fixture(scope="module")
def domains():
    rng = np.random.default_rng(0)
    ys = np.arange(120) % 3
    Xs = rng.normal(size=(120, 4)) + 2 * np.eye(4)[ys]
    return Xs, ys, rng.normal(size=(90, 4)) + 1.0


@pytest.fixture(scope="module")
def found(domains):
    return diagnose(*domains)


def said(found):
    return json.dumps(found.to_dict(), allow_nan=False)


def test_it_is_where_it_is_looked_for():
    assert domadapt.model_selection.diagnose is domadapt.diagnose is diagnose


def test_labels_of_the_target_change_nothing(domains, found):
    Xs, ys, Xt = domains
    X, y, d = pack(Xs, ys, Xt)
    assert said(diagnose(X, np.where(d > 0, y, 2), sample_domain=d)) == said(found)
    assert said(diagnose(X, np.where(d > 0, y, -9), sample_domain=d)) == said(found)


def test_a_seed_gives_the_same_and_nothing_of_the_callers_is_changed(domains, found):
    copies = [part.copy() for part in domains]
    state = np.random.mtrand._rand.get_state()[1].copy()
    assert said(diagnose(*domains)) == said(found)
    for part, copy in zip(domains, copies, strict=True):
        np.testing.assert_array_equal(part, copy)
    np.testing.assert_array_equal(np.random.mtrand._rand.get_state()[1], state)


def test_another_seed_gives_another_answer(domains, found):
    assert said(diagnose(*domains, random_state=np.random.RandomState(3))) != said(found)


def test_source_labels_and_either_domain_matter(domains, found):
    Xs, ys, Xt = domains
    for other in ((Xs, ys[::-1], Xt), (Xs, ys, 2 * Xt)):
        assert said(diagnose(*other)) != said(found)


def test_sparse_samples_are_read_as_dense_ones(domains, found):
    Xs, ys, Xt = domains
    assert said(diagnose(sparse.csr_array(Xs), ys, sparse.csr_matrix(Xt))) == said(found)


def test_columns_have_the_names_of_a_table_and_texts_are_labels(domains):
    Xs, ys, Xt = domains
    names = ["a<b>", "b", "c", "d"]
    labels = np.array(["<i>", "dog", "owl"])[ys]
    found = diagnose(*(pd.DataFrame(Xs, columns=names), labels, pd.DataFrame(Xt, columns=names)))
    assert {one.name for one in found.moved_columns} == set(names)
    assert [one.name for one in found.class_proportions] == ["<i>", "dog", "owl"]
    assert "a<b>" in said(found)
    assert "a<b>" not in found._repr_html_()
    assert "<i>" not in found._repr_html_()
    assert "&lt;i&gt;" in found._repr_html_()


def test_the_text_says_what_matters(found):
    text = str(found)
    assert isinstance(found, Diagnosis)
    assert found.advice in text
    assert f"AUC {found.domain_classifier.auc:.2f}" in text
    assert len(text.splitlines()) < 25
    assert "120 source rows, 90 target rows, 4 columns" in text


def test_the_dict_holds_all_but_rows(found):
    content = json.loads(said(found))
    assert content.keys() == found.__dataclass_fields__.keys()
    assert content["domain_classifier"]["auc"] == found.domain_classifier.auc
    assert content["domain_classifier"].keys() >= {"proxy_a_distance", "interval", "p_value"}
    assert "source" not in content["domain_classifier"]
    assert len(content["class_proportions"]) == 3


def test_only_some_rows_of_many_are_looked_at(domains):
    Xs, ys, Xt = domains
    found = diagnose(Xs, ys, Xt, max_samples=50)
    assert (found.n_source, found.n_target) == (120, 90)
    assert len(found.domain_classifier.source) == len(found.domain_classifier.target) == 50
    assert any("max_samples" in caution for caution in found.cautions)


@pytest.mark.parametrize(
    ("edge", "expected"),
    [
        ("ten rows", "concept"),
        ("constant", "concept"),
        ("identical", "none"),
        ("one class", "concept"),
        ("apart", "concept"),
    ],
)
def test_edges_have_finite_answers(domains, edge, expected):
    Xs, ys, Xt = (part.copy() for part in domains)
    if edge == "ten rows":
        Xt = Xt[:10]
    elif edge == "constant":
        Xs[:, 1] = Xt[:, 1] = Xs[:, 2] = 3.0
        Xt[:, 2] = 4.0
    elif edge == "identical":
        Xt = Xs.copy()
    elif edge == "one class":
        # Labels that the columns do not tell, so that all are predicted as one class.
        ys, Xt = (np.arange(120) >= 110).astype(int), np.zeros((90, 4))
    else:
        Xt = Xt + 1e6
    found = diagnose(Xs, ys, Xt)
    assert said(found)
    assert found.kind == expected
    assert any("has 10 rows" in caution for caution in found.cautions) == (edge == "ten rows")


def test_more_columns_than_rows_are_looked_at():
    rng = np.random.default_rng(0)
    found = diagnose(rng.normal(size=(40, 130)), np.arange(40) % 2, rng.normal(size=(30, 130)))
    assert found.kind == "none"
    assert found.n_features == len(found.moved_columns) == 130


def test_rare_classes_are_left_out_and_told(domains):
    Xs, ys, Xt = domains
    ys = np.where(np.arange(120) < 2, 9, ys)
    found = diagnose(Xs, ys, Xt)
    assert [one.name for one in found.class_proportions] == [0, 1, 2]
    assert "Classes of fewer than four source rows were left out: [9]." in found.cautions


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"X_target": None}, ValueError, "no target came. Pass the target as X_target"),
        ({"X_target": np.zeros((9, 4))}, ValueError, "The target has 9 rows, and 10 at least"),
        ({"X": np.zeros((9, 4)), "y": [0, 1, 2] * 3}, ValueError, "The source has 9 rows"),
        ({"X_target": np.zeros((20, 3))}, ValueError, "X_target has samples of shape"),
        ({"X_target": np.full((20, 4), np.nan)}, ValueError, "X_target.*NaN"),
        ({"y": np.zeros(120)}, ValueError, "y has 1 class"),
        ({"y": [0] * 118 + [1, 2]}, ValueError, "1 classes have 4 source rows or more"),
        ({"y": None}, ValueError, "requires y"),
        ({"y": np.random.default_rng(0).normal(size=(120, 2))}, ValueError, "y has 2 columns"),
        ({"max_samples": 5}, ValueError, "max_samples"),
        ({"significance": 1.5}, ValueError, "significance"),
        ({"random_state": "a"}, ValueError, "random_state"),
        ({"X": np.full((120, 4), "a")}, ValueError, "X "),
    ],
)
def test_bad_input_is_told(domains, change, error, message):
    given = dict(zip(("X", "y", "X_target"), domains, strict=True)) | change
    with pytest.raises(error, match=message):
        diagnose(**given)


def test_sparse_samples_that_would_not_fit_are_refused():
    X = sparse.csr_array((2000, 1_000_000))
    with pytest.raises(ValueError, match=r"2,000 x 1,000,000 entries.*max_samples"):
        diagnose(X, np.arange(2000) % 2, X)
