"""What every adapter holds, whatever it does: the contract of fit, by name in the table."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.utils import get_tags

import domadapt
from domadapt import shallow
from domadapt.methods import ADAPTERS
from domadapt.shallow import AdaptedClassifier, AdaptedRegressor
from domadapt.shallow._names import KINDS

NEEDS_LABELS = "few target labels"
pytestmark = pytest.mark.filterwarnings("ignore:The weights of")
BY_TASK = [
    pytest.param(name, learns, id=f"{name}-{learns}")
    for name, method in ADAPTERS.items()
    for learns in method.learns
]
OF_CLASSES = [name for name, method in ADAPTERS.items() if "classes" in method.learns]


@pytest.fixture
def task(moved, moved_values):
    """Build a wrapper around a linear model, with samples of its kind of labels."""

    def build(name, learns):
        if learns == "classes":
            return AdaptedClassifier(LogisticRegression(), name, random_state=0), moved
        return AdaptedRegressor(Ridge(), name, random_state=0), moved_values

    return build


def known_of(name, yt):
    """Return the labels of a few target samples, for the methods that need them."""
    if ADAPTERS[name].setting != NEEDS_LABELS:
        return {}
    y_target = np.full(len(yt), np.nan)
    y_target[:12] = yt[:12]
    return {"y_target": y_target}


def stacked(data, known):
    """Return both domains mixed into each other, and what is known of the target with them."""
    Xs, ys, Xt, _ = data
    X, y, d = domadapt.pack(Xs, ys, Xt)
    order = np.random.default_rng(0).permutation(len(X))
    # The order within each domain stays as it was.
    order = np.argsort(np.argsort(order))
    place = np.empty(len(X), dtype=int)
    place[np.sort(order[: len(Xs)])] = np.arange(len(Xs))
    place[np.sort(order[len(Xs) :])] = np.arange(len(Xs), len(X))
    given = {}
    if known:
        given["y_target"] = np.concatenate([np.full(len(Xs), np.nan), known["y_target"]])[place]
    return X[place], y[place], d[place], given


def answers(estimator, X):
    """Return all that an estimator says of samples."""
    methods = ("predict", "predict_proba", "decision_function")
    return [getattr(estimator, m)(X) for m in methods if hasattr(estimator, m)]


def assert_same(first, second, X):
    for one, other in zip(answers(first, X), answers(second, X), strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(first.transduction_, second.transduction_)


@pytest.mark.parametrize(("name", "learns"), BY_TASK)
def test_both_spellings_are_the_same_to_the_bit(name, learns, task):
    estimator, data = task(name, learns)
    Xs, ys, Xt, yt = data
    known = known_of(name, yt)
    X, y, d, given = stacked(data, known)
    two_arrays = clone(estimator).fit(Xs, ys, X_target=Xt, **known)
    assert_same(two_arrays, clone(estimator).fit(X, y, sample_domain=d, **given), Xt)
    np.testing.assert_array_equal(two_arrays.transduction_, two_arrays.predict(Xt))


@pytest.mark.parametrize(("name", "learns"), BY_TASK)
def test_labels_of_the_target_are_never_read(name, learns, task):
    estimator, data = task(name, learns)
    *_, Xt, yt = data
    X, y, d, given = stacked(data, known_of(name, yt))
    fitted = []
    for value in (y[d > 0].max(), y[d > 0].min()):
        labels = y.copy()
        labels[d < 0] = value
        fitted.append(clone(estimator).fit(X, labels, sample_domain=d, **given))
    assert_same(*fitted, Xt)


def _global_state():
    return np.random.get_state()[1].tolist()  # noqa: NPY002


@pytest.mark.parametrize(("name", "learns"), BY_TASK)
def test_nothing_of_the_callers_is_changed(name, learns, task):
    estimator, data = task(name, learns)
    estimator.set_params(adapter=KINDS[ADAPTERS[name].adapter]())
    data = copy.deepcopy(data)
    before, settings = copy.deepcopy(data), sklearn.get_config()
    state = _global_state()
    Xs, ys, Xt, yt = data
    estimator.fit(Xs, ys, X_target=Xt, **known_of(name, yt)).predict(Xt)
    for now, then in zip(data, before, strict=True):
        np.testing.assert_array_equal(now, then)
    assert sklearn.get_config() == settings
    assert _global_state() == state
    # What was passed is cloned: it is not fitted.
    assert not any(
        key.endswith("_") for part in (estimator.estimator, estimator.adapter) for key in vars(part)
    )


@pytest.mark.parametrize(("name", "learns"), BY_TASK)
def test_the_target_reaches_what_is_predicted(name, learns, task):
    estimator, data = task(name, learns)
    Xs, ys, Xt, yt = data
    known = known_of(name, yt)
    kept = yt > np.median(yt) - (learns == "classes")
    # Proportions have to move for those that look at nothing else.
    kept[: len(kept) // 2] = True
    other = {n: v[kept] for n, v in known.items()}
    if ADAPTERS[name].family == "label_shift":
        # Where samples move too, as here, these correct nothing unless they are told to.
        estimator.set_params(adapter__only_explained=False)
    fitted = [
        clone(estimator).fit(Xs, ys, X_target=Xt, **known),
        clone(estimator).fit(Xs, ys, X_target=3.0 * Xt[kept] + 1.0, **other),
    ]
    first, second = (answers(e, Xt)[-1] for e in fitted)
    assert not np.array_equal(first, second)


@pytest.mark.parametrize(("name", "learns"), BY_TASK)
def test_a_fitted_wrapper_goes_into_a_file_and_back(name, learns, task, tmp_path):
    estimator, (Xs, ys, Xt, yt) = task(name, learns)
    estimator.fit(Xs, ys, X_target=Xt, **known_of(name, yt))
    estimator.save(tmp_path / "model.safetensors")
    again = domadapt.load(tmp_path / "model.safetensors")
    assert repr(again) == repr(estimator)
    assert_same(estimator, again, Xt)
    assert_same(estimator, pickle.loads(pickle.dumps(estimator)), Xt)


@pytest.mark.parametrize(("name", "learns"), BY_TASK)
def test_float32_and_tables_go_through(name, learns, task):
    estimator, (Xs, ys, Xt, yt) = task(name, learns)
    known = known_of(name, yt)
    columns = [f"c{i}" for i in range(Xs.shape[1])]
    as_tables = [pd.DataFrame(X, columns=columns) for X in (Xs, Xt)]
    plain = clone(estimator).fit(Xs, ys, X_target=Xt, **known)
    of_tables = clone(estimator).fit(as_tables[0], ys, X_target=as_tables[1], **known)
    # Columns of a table lie otherwise in memory, so that sums are rounded otherwise; what is found
    # step by step, as the weights of KMM, carries that on.
    found, expected = answers(of_tables, as_tables[1])[-1], answers(plain, Xt)[-1]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    assert of_tables.feature_names_in_.tolist() == columns
    small = [X.astype(np.float32) for X in (Xs, Xt)]
    fitted = clone(estimator).fit(small[0], ys, X_target=small[1], **known)
    assert np.isfinite(answers(fitted, small[1])[-1]).all()


@pytest.mark.parametrize("name", OF_CLASSES)
def test_labels_may_be_texts(name, moved):
    Xs, ys, Xt, yt = moved
    known = known_of(name, yt)
    numbers = AdaptedClassifier(LogisticRegression(), name, random_state=0)
    texts = clone(numbers).fit(
        Xs, np.array(["no", "yes"])[ys], X_target=Xt, **{n: _texts(v) for n, v in known.items()}
    )
    numbers.fit(Xs, ys, X_target=Xt, **known)
    assert texts.classes_.tolist() == ["no", "yes"]
    np.testing.assert_array_equal(texts.predict(Xt) == "yes", numbers.predict(Xt) == 1)


def _texts(y_target):
    return [None if value != value else ["no", "yes"][int(value)] for value in y_target]


@pytest.mark.parametrize(("name", "learns"), BY_TASK)
def test_without_a_target_it_is_the_plain_estimator(name, learns, task):
    estimator, (Xs, ys, Xt, _) = task(name, learns)
    with pytest.raises(NotFittedError):
        estimator.predict(Xt)
    with pytest.warns(UserWarning, match="was given no target"):
        estimator.fit(Xs, ys)
    plain = clone(estimator.estimator).fit(Xs, ys)
    np.testing.assert_array_equal(estimator.predict(Xt), plain.predict(Xt))
    assert not hasattr(estimator, "transduction_")
    assert not hasattr(estimator, "adapter_")


@pytest.mark.parametrize(("name", "learns"), BY_TASK)
def test_domains_may_differ_in_size(name, learns, task):
    estimator, (Xs, ys, Xt, yt) = task(name, learns)
    rows = slice(0, 24)
    known = {n: v[rows] for n, v in known_of(name, yt).items()}
    small = clone(estimator).fit(Xs, ys, X_target=Xt[rows], **known)
    assert small.transduction_.shape == (24,)
    small = clone(estimator).fit(Xs[rows], ys[rows], X_target=Xt, **known_of(name, yt))
    assert np.isfinite(answers(small, Xt)[-1]).all()


@pytest.mark.parametrize("method", ADAPTERS.values(), ids=lambda method: method.name)
def test_an_adapter_is_in_the_file_of_its_family_and_public(method):
    kind = KINDS[method.adapter]
    assert getattr(shallow, method.adapter) is kind
    assert kind.__module__.split(".")[2] == method.family
    assert all(part in kind.__doc__ for part in ("References", "Examples", "Cost"))
    tags = get_tags(kind())
    assert isinstance(tags.input_tags.sparse, bool)
    assert kind().get_params() == clone(kind()).get_params()
