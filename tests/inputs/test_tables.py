"""Tables as numbers: scaled columns, categories, and what is refused."""

import json

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.preprocessing import StandardScaler

import domadapt
from domadapt.inputs.tables import MOST_CATEGORIES, TableEncoder, behind_columns

pd = pytest.importorskip("pandas")


@pytest.fixture
def table():
    return pd.DataFrame(
        {
            "age": [30, 40, 80, 50],
            "colour": ["red", "blue", "red", "grün"],
            "weight": [1.5, 2.5, 0.5, 7.5],
            "fixed": [3, 3, 3, 3],
            "smokes": [True, False, True, True],
        }
    )


def test_numbers_are_scaled_and_categories_become_columns(table):
    encoder = TableEncoder().fit(table)
    encoded = encoder.transform(table)
    assert encoder.get_feature_names_out().tolist() == [
        *("age", "weight", "fixed"),
        *("colour_blue", "colour_grün", "colour_red", "smokes_False", "smokes_True"),
    ]
    numbers = table[["age", "weight", "fixed"]]
    np.testing.assert_allclose(encoded[:, :3], StandardScaler().fit_transform(numbers))
    assert encoder.scales_[2] == 1
    assert not encoded[:, 2].any()
    assert encoded[:, 3:6].tolist() == [[0, 0, 1], [1, 0, 0], [0, 0, 1], [0, 1, 0]]
    assert encoded[:, 6:].tolist() == [[0, 1], [1, 0], [0, 1], [0, 1]]


def test_without_scaling_numbers_stay(table):
    encoded = clone(TableEncoder(scaling=False)).fit_transform(table)
    assert encoded[:, :3].tolist() == table[["age", "weight", "fixed"]].to_numpy().tolist()


def test_columns_are_known_by_their_names(table):
    encoder = TableEncoder().fit(table)
    other = table[table.columns[::-1]].assign(note="new")
    np.testing.assert_array_equal(encoder.transform(other), encoder.transform(table))
    unseen = table.assign(colour="pink")
    assert not encoder.transform(unseen)[:, 3:6].any()
    assert encoder.transform(unseen)[:, 6:].any()


def test_what_is_fitted_goes_through_json(table):
    for X in (table, table[["age"]], table[["colour"]], table[["age", "weight"]].to_numpy()):
        encoder = TableEncoder().fit(X)
        again = TableEncoder.from_state(json.loads(json.dumps(encoder.to_state())))
        np.testing.assert_array_equal(again.transform(X), encoder.transform(X))
        names = again.get_feature_names_out().tolist()
        assert names == encoder.get_feature_names_out().tolist()
        assert hasattr(again, "feature_names_in_") == hasattr(X, "columns")
        assert again.to_state() == encoder.to_state()


@pytest.mark.parametrize(
    "dtypes",
    [
        {"colour": "category", "age": "Int64", "smokes": "boolean"},
        {"colour": "string", "age": "float32", "weight": "Float64"},
        {"colour": object, "smokes": object, "age": object},
    ],
)
def test_every_way_in_which_pandas_holds_a_column_gives_the_same(table, dtypes):
    expected = TableEncoder().fit_transform(table)
    np.testing.assert_allclose(TableEncoder().fit_transform(table.astype(dtypes)), expected)


def test_arrays_have_positions_for_names():
    X = np.array([[1.0, 2.0], [3.0, 2.0]])
    encoder = TableEncoder().fit(X)
    assert encoder.numbers_ == [0, 1]
    assert encoder.get_feature_names_out().tolist() == ["x0", "x1"]
    with pytest.raises(ValueError, match="X has 3 columns, but the model was trained on 2"):
        encoder.transform(np.zeros((2, 3)))
    with pytest.raises(ValueError, match="X is no table"):
        encoder.transform(np.zeros(3))


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ([1.0, 2.0, np.nan, 4.0], r"Column 'c' of X: row 2 \(counted from 0\) is missing"),
        ([1.0, np.inf, 3.0, 4.0], r"Column 'c' of X: row 1 .* is infinite"),
        (["a", None, "b", "c"], r"Column 'c' of X: row 1 .* is missing"),
        (["a", "b", "c", np.nan], r"Column 'c' of X: row 3 .* is missing"),
        ([True, pd.NA, True, True], r"Column 'c' of X: row 1 .* is missing"),
        (["a", 1.0, "b", 2.0], "Column 'c' of X holds float and str. Numbers, text or"),
        (pd.date_range("2020-01-01", periods=4), r"Column 'c' of X holds datetime64\[.s\]"),
        ([1 + 2j] * 4, "Column 'c' of X holds complex128"),
        ([1e308, -1e308, 1e308, 0.0], "Column 'c' holds numbers too large to be scaled"),
    ],
)
def test_columns_that_are_no_numbers_text_or_booleans_are_refused(table, column, message):
    with pytest.raises(ValueError, match=message):
        TableEncoder().fit(table.assign(c=column))


def test_a_column_of_another_kind_or_none_is_refused(table):
    encoder = TableEncoder().fit(table)
    for name, value, message in (
        ("age", "?", "'age' of X holds text, such as '\\?', where numbers were expected"),
        ("colour", 3, "'colour' of X holds numbers, such as 3.0, where text were expected"),
        ("smokes", "yes", "'smokes' of X holds text, such as 'yes', where booleans"),
    ):
        with pytest.raises(ValueError, match=message):
            encoder.transform(table.assign(**{name: value}))
    with pytest.raises(ValueError, match=r"X lacks columns .* trained on: 'age', 'colour'"):
        encoder.transform(table.drop(columns=["age", "colour"]))
    with pytest.raises(ValueError, match="names are not text, or not all different"):
        encoder.transform(pd.concat([table, table], axis=1))
    with pytest.raises(ValueError, match="X has 0 rows"):
        encoder.transform(table[:0])


def test_a_column_of_notes_is_refused():
    notes = [f"note {number}" for number in range(MOST_CATEGORIES + 1)]
    with pytest.raises(ValueError, match="'notes' holds 1001 different texts, such as 'note"):
        TableEncoder().fit(pd.DataFrame({"notes": notes}))
    assert TableEncoder().fit(pd.DataFrame({"notes": notes[1:]})).n_features_in_ == 1


@pytest.mark.parametrize(
    "change",
    [
        {"means": [0.0]},
        {"means": ["0", "0", "0"]},
        {"scales": [1.0, 0.0, 1.0]},
        {"scales": [1.0, float("nan"), 1.0]},
        {"scales": 3},
        {"names": ["age"]},
        {"names": ["age", "age", "weight", "fixed", "smokes"]},
        {"names": [1, 2, 3, 4, 5]},
        {"categories": [["colour", []], ["smokes", [True]]]},
        {"categories": [["colour", ["a", 1]], ["smokes", [True]]]},
        {"categories": [["colour", ["a"]]]},
        {"categories": 3},
    ],
)
def test_a_state_that_does_not_fit_together_is_refused(table, change):
    state = TableEncoder().fit(table).to_state()
    TableEncoder.from_state(state)
    with pytest.raises((TypeError, KeyError)):
        TableEncoder.from_state(state | change)


def test_columns_that_are_not_those_of_the_estimator_are_refused(table):
    encoder = TableEncoder().fit(table)
    X, y = encoder.transform(table), [0, 1, 0, 1]
    clf = domadapt.DANClassifier(max_epochs=1, random_state=0).fit(X, y, X_target=X)
    model = behind_columns(clf, {"columns": encoder.to_state()})
    np.testing.assert_array_equal(model.predict_proba(table), clf.predict_proba(X))
    assert behind_columns(clf, {}) is clf
    other = TableEncoder().fit(table[["age"]]).to_state()
    with pytest.raises(TypeError, match="not those that the estimator takes"):
        behind_columns(clf, {"columns": other})
