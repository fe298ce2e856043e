"""Reports on fitted models: of any kind, without target labels, and what they look like."""

import json
import warnings

import numpy as np
import pytest
import sklearn
from scipy import sparse
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.datasets import make_classification
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from domadapt import DANClassifier, DANNClassifier, DANNRegressor, pack
from domadapt.model_selection import AdaptationReport, HarmCheck, adaptation_report
from domadapt.model_selection._source_model import scaled_tables
from domadapt.shallow import AdaptedClassifier, AdaptedRegressor, PerDomainScaler

QUICK = {"max_epochs": 20, "hidden_layer_sizes": (32,), "batch_norm": None, "random_state": 0}


@pytest.fixture
def moved():
    """Four classes, of which the target samples moved a little."""
    X, y = make_classification(
        400, 8, n_informative=6, n_classes=4, n_clusters_per_class=1, class_sep=3.0, random_state=0
    )
    X = StandardScaler().fit_transform(X)
    return X[:200], y[:200], X[200:] + 0.2, y[200:]


def report(estimator, moved, **keywords):
    Xs, ys, Xt, _ = moved
    keywords = {"source_model": GaussianNB(), "random_state": 0, **keywords}
    return adaptation_report(estimator, Xs, ys, Xt, **keywords)


class Saying(LogisticRegression):
    """A classifier that gives all samples one label."""

    label = 0

    def predict(self, X):
        return np.full(X.shape[0], self.label)


def test_models_of_every_kind_are_reported_on(moved):
    Xs, ys, Xt, _ = moved
    X, y, d = pack(Xs, ys, Xt)
    models = [
        DANClassifier(**QUICK, alignment_weight=0.1).fit(Xs, ys, X_target=Xt),
        AdaptedClassifier(LogisticRegression(), "coral").fit(Xs, ys, X_target=Xt),
        make_pipeline(StandardScaler(), DANClassifier(**QUICK, alignment_weight=0.1)).fit(
            X, y, danclassifier__sample_domain=d
        ),
        make_pipeline(StandardScaler(), LogisticRegression()).fit(Xs, ys),
        LinearSVC().fit(Xs, ys),
        ExtraTreesClassifier(random_state=0).fit(Xs, ys),
    ]
    for model in models:
        found = report(model, moved)
        assert found.ok, str(found)
        assert all(np.isfinite(check.value) for check in found.checks)
    has_rank = ["effective rank" in {c.name for c in report(m, moved).checks} for m in models]
    assert has_rank == [True, False, True, False, False, False]


def test_the_default_source_model_judges(moved):
    Xs, ys, _, _ = moved
    good = LogisticRegression().fit(Xs, ys)
    assert report(good, moved, source_model=None).ok
    bad = Saying().fit(Xs, ys)
    found = report(bad, moved, source_model=None)
    assert found.harmful
    assert {c.name for c in found.checks if c.speaks_against} == {
        "concentration",
        "erased classes",
        "source accuracy lost",
        "contradiction",
    }


def test_sure_plain_models_are_doubted_where_their_labels_are_rough(moved):
    Xs, ys, _, _ = moved
    # What tells the classes apart in the source is noise in the target.
    Xt = np.random.default_rng(0).normal(size=Xs.shape)
    model = LogisticRegression().fit(Xs, ys)

    def contradiction(source_model):
        checks = report(model, (Xs, ys, Xt, None), source_model=source_model).checks
        return next(check for check in checks if check.name == "contradiction")

    assert contradiction(None).limit > 0.2
    assert contradiction(GaussianNB()).limit == 0.1


def test_a_search_and_a_pipeline_of_mappings_are_reported_on(moved):
    Xs, ys, Xt, _ = moved
    # Without its own scale in each domain nothing is right.
    Xt = Xt * 3 + 40
    X, y, d = pack(Xs, ys, Xt)
    pipe = make_pipeline(PerDomainScaler(), AdaptedClassifier(ExtraTreesClassifier(20), "coral"))
    domains = {f"{name}__sample_domain": d for name, _ in pipe.steps}
    search = GridSearchCV(pipe, {}, cv=2).fit(X, y, **domains)
    for routing in (False, True):
        with sklearn.config_context(enable_metadata_routing=routing):
            for model in (pipe.fit(X, y, **domains) if not routing else pipe, search):
                found = report(model, (Xs, ys, Xt, None), n_seeds=1)
                assert found.model == "AdaptedClassifier"
                values = {check.name: check.value for check in found.checks}
                assert values["source accuracy lost"] < 0
                assert 0 < values["disagreement of seeds"] < 0.2


def test_what_is_wrong_is_told_before_clones_are_fitted(moved, monkeypatch):
    Xs, ys, Xt, _ = moved
    clf = LogisticRegression().fit(Xs, ys)
    monkeypatch.setattr(LogisticRegression, "fit", lambda *given: pytest.fail("It was fitted."))
    with pytest.raises(ValueError, match="at least two samples each"):
        report(clf, (Xs, np.where(np.arange(200) == 5, 7, ys), Xt, None), n_seeds=1)


def test_seeds_are_compared_where_asked_for(moved):
    Xs, ys, Xt, _ = moved
    X, y, d = pack(Xs, ys, Xt)
    trees = ExtraTreesClassifier(n_estimators=3, random_state=0)
    pipe = make_pipeline(StandardScaler(), DANClassifier(**QUICK))
    models = [
        trees.fit(Xs, ys),
        AdaptedClassifier(clone(trees), "coral").fit(Xs, ys, X_target=Xt),
        pipe.fit(X, y, danclassifier__sample_domain=d),
        DANNClassifier(**{**QUICK, "max_epochs": 1, "steps_per_epoch": 2}).fit(Xs, ys, X_target=Xt),
    ]
    for model in models:
        found = {c.name: c.value for c in report(model, moved, n_seeds=2).checks}
        assert found["disagreement of seeds"] > 0
    same = {c.name: c.value for c in report(GaussianNB().fit(Xs, ys), moved, n_seeds=1).checks}
    assert same["disagreement of seeds"] == 0


def test_target_labels_and_the_callers_things_are_left_alone(moved):
    Xs, ys, Xt, yt = moved
    before = [a.copy() for a in (Xs, ys, Xt)]
    reports = []
    for labels in (yt, yt[::-1]):
        X, y, d = pack(Xs, ys, Xt, y_test=labels)
        clf = DANNClassifier(**QUICK).fit(X, y, sample_domain=d)
        state = np.random.get_state()[1].copy()  # noqa: NPY002
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            reports.append(report(clf, moved, n_seeds=1))
        assert np.array_equal(state, np.random.get_state()[1])  # noqa: NPY002
    assert reports[0] == reports[1]
    assert all(np.array_equal(a, b) for a, b in zip(before, (Xs, ys, Xt), strict=True))


def test_its_inputs_matter(moved):
    Xs, ys, Xt, _ = moved
    clf = LogisticRegression().fit(Xs, ys)
    whole = report(clf, moved)
    assert whole != report(clf, (Xs, ys, Xt[:100], None))
    assert whole != report(clf, (Xs, np.roll(ys, 1), Xt, None))
    assert whole != report(clf, moved, source_model=LogisticRegression(C=0.01))
    assert whole == report(clf, moved)
    assert whole != report(clf, moved, random_state=1)


def test_labels_of_any_kind_and_unknown_ones(moved):
    Xs, ys, Xt, _ = moved
    names = np.array(["a", "b", "c", "d"])
    texts = report(LogisticRegression().fit(Xs, names[ys]), (Xs, names[ys], Xt, None))
    numbers = report(LogisticRegression().fit(Xs, ys), moved)
    assert [c.value for c in texts.checks] == [c.value for c in numbers.checks]
    unknown = Saying().fit(Xs, ys)
    unknown.label = 99
    assert report(unknown, moved).harmful


def test_sparse_samples_missing_values_and_images(moved):
    Xs, ys, Xt, _ = moved
    matrices = [sparse.csr_array(np.where(abs(X) > 1, X, 0)) for X in (Xs, Xt)]
    clf = LogisticRegression().fit(matrices[0], ys)
    found = adaptation_report(clf, matrices[0], ys, matrices[1], random_state=0)
    assert found.ok
    Xs, Xt = Xs.copy(), Xt.copy()
    Xs[0, 0] = Xt[0, 0] = np.nan
    trees = ExtraTreesClassifier(random_state=0).fit(Xs, ys)
    assert adaptation_report(trees, Xs, ys, Xt, random_state=0).ok
    images = [np.nan_to_num(X).reshape(-1, 2, 4) for X in (Xs, Xt)]
    for flat, image in zip(scaled_tables(Xs, Xt), scaled_tables(*images), strict=True):
        assert flat.shape == image.shape
        np.testing.assert_allclose(np.vstack([flat]).mean(), image.mean(), atol=0.05)


def test_regressors_are_reported_on(moved):
    Xs, _, Xt, _ = moved
    ys = Xs @ np.arange(8.0)
    several = np.column_stack([ys, -Xs[:, 0]])
    shallow = AdaptedRegressor(Ridge()).fit(Xs, ys, X_target=Xt)
    for model, values in ((Ridge().fit(Xs, several), several), (shallow, ys)):
        found = adaptation_report(model, Xs, values, Xt, source_model=Ridge(), random_state=0)
        assert found.ok, str(found)
    assert adaptation_report(shallow, Xs, ys, Xt, n_seeds=1, random_state=0).ok
    flat = DANNRegressor(**{**QUICK, "max_epochs": 1}, learning_rate=1e-9)
    flat.fit(Xs, ys, X_target=Xt)
    found = adaptation_report(flat, Xs, ys, Xt, source_model=Ridge(), random_state=0)
    assert "source R^2 lost" in {c.name for c in found.checks if c.speaks_against}


def test_a_report_is_printed_shown_and_stored():
    checks = (
        HarmCheck("erased classes", 0.2, 0.05, True, "Never predicted: ['<b>cat</b>']."),
        HarmCheck("contradiction", 0.01, 0.15, False, "It agrees."),
    )
    found = AdaptationReport("DANNClassifier", checks)
    assert found.harmful is True
    assert found.ok is False
    lines = str(found).splitlines()
    assert lines[0] == "DANNClassifier: 1 of 2 checks speaks against it"
    assert lines[1].startswith("!  erased classes")
    assert lines[2].startswith("   contradiction")
    shown = found._repr_html_()
    assert "<b>cat" not in shown
    assert "&lt;b&gt;cat" in shown
    stored = json.loads(json.dumps(found.to_dict()))
    assert stored["harmful"] is True
    assert stored["checks"][1] == {
        "name": "contradiction",
        "value": 0.01,
        "limit": 0.15,
        "speaks_against": False,
        "words": "It agrees.",
    }
    assert str(AdaptationReport("X", checks[1:])).startswith("X: none of 1 checks speak")


def test_bad_input_is_told(moved):
    Xs, ys, Xt, _ = moved
    clf = LogisticRegression().fit(Xs, ys)
    with pytest.raises(NotFittedError):
        adaptation_report(LogisticRegression(), Xs, ys, Xt)
    with pytest.raises(TypeError, match="estimator is a KMeans, and a fitted classifier or"):
        adaptation_report(KMeans(2).fit(Xs), Xs, ys, Xt)
    with pytest.raises(ValueError, match="ys has length 3, but Xs has 200"):
        adaptation_report(clf, Xs, ys[:3], Xt)
    with pytest.raises(ValueError, match="Xt has 9 samples, and at least 10"):
        adaptation_report(clf, Xs, ys, Xt[:9])
    with pytest.raises(ValueError, match="n_seeds=-1"):
        adaptation_report(clf, Xs, ys, Xt, n_seeds=-1)
    rare = np.where(np.arange(200) == 5, 7, ys)
    with pytest.raises(ValueError, match="at least two samples each"):
        adaptation_report(clf, Xs, rare, Xt)


def test_paths_need_a_source_model():
    class OfPaths(Saying):
        def predict(self, X):
            return np.zeros(len(X), dtype=int)

    paths = np.array([f"{i}.png" for i in range(20)])
    clf = OfPaths().fit(np.zeros((4, 1)), [0, 1, 0, 1])
    with pytest.raises(ValueError, match=r"Xs has shape \(20,\) and the dtype <U6, for which"):
        adaptation_report(clf, paths, np.arange(20) % 2, paths)
