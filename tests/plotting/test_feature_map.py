"""Maps of features: which points, with which signs, by which projection."""

import sys

import numpy as np
import pytest
from scipy import sparse
from scipy.spatial.distance import pdist
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from domadapt import DANNClassifier, pack
from domadapt.plotting import FeatureMapDisplay
from domadapt.plotting._features import features_of
from domadapt.plotting._signs import GREY, SHAPES, SOURCE_COLOUR, TARGET_COLOUR, class_sign
from domadapt.shallow import AdaptedClassifier

SOURCE = np.array([[0.0, 0.0], [1.0, 0.0], [2.0, 0.0]])
TARGET = np.array([[0.0, 1.0], [1.0, 1.0]])


def colour_of(values):
    from matplotlib.colors import to_hex

    return to_hex(values[:3])


def drawn(display):
    """Return what each collection of points shows: places, colours of the edges, hollow or not."""
    found = []
    for points in display.ax_.collections:
        faces = points.get_facecolors()
        edges = points.get_edgecolors() if len(points.get_edgecolors()) else faces
        colours = [colour_of(edges[k % len(edges)]) for k in range(len(points.get_offsets()))]
        found.append((points.get_offsets().tolist(), colours, len(faces) == 0))
    return found


def texts(display):
    return [text.get_text() for text in display.ax_.get_legend().get_texts()]


def principal(features):
    """Return the first two principal components by numpy."""
    centred = features - features.mean(axis=0)
    return centred @ np.linalg.svd(centred, full_matrices=False)[2][:2].T


def test_domains_have_colours_and_markers_of_their_own(ax):
    display = FeatureMapDisplay(SOURCE, TARGET).plot(ax)
    (source, of_source, _), (target, of_target, _) = drawn(display)
    assert (source, target) == (SOURCE.tolist(), TARGET.tolist())
    assert {*of_source} == {SOURCE_COLOUR}
    assert {*of_target} == {TARGET_COLOUR}
    assert texts(display) == ["source", "target"]
    first, second = ax.collections
    assert len(first.get_paths()[0].vertices) != len(second.get_paths()[0].vertices)


def test_classes_have_colours_and_domains_are_filled_or_hollow(ax):
    display = FeatureMapDisplay(SOURCE, TARGET, y_source=["b", "a", "b"], y_target=["c", "a"])
    source, target = drawn(display.plot(ax))
    a, b, c = (class_sign(number)[0] for number in range(3))
    assert source == (SOURCE.tolist(), [b, a, b], False)
    assert target == (TARGET.tolist(), [c, a], True)
    assert texts(display) == ["a", "b", "c", "source, filled", "target, hollow"]


def test_samples_without_a_label_are_grey(ax):
    display = FeatureMapDisplay(SOURCE, TARGET, y_source=[1, None, 0])
    unknown, source, target = drawn(display.plot(ax))
    assert unknown[:2] == ([[1.0, 0.0]], [GREY])
    assert source[:2] == ([[0.0, 0.0], [2.0, 0.0]], [class_sign(1)[0], class_sign(0)[0]])
    assert target[:2] == (TARGET.tolist(), [GREY] * 2)
    assert texts(display)[-3:] == ["source, filled", "source, no label", "target, no label"]


def test_given_classes_keep_their_colours_on_every_map(ax):
    display = FeatureMapDisplay(SOURCE, TARGET, y_source=[9, 9, 9], classes=[3, 7, 9]).plot(ax)
    assert drawn(display)[0][1] == [class_sign(2)[0]] * 3
    assert texts(display)[:3] == ["3", "7", "9"]


def test_the_ninth_class_has_another_shape(ax):
    labels = np.arange(10)
    points = np.column_stack([labels, labels])
    FeatureMapDisplay(points, points[:0], y_source=labels).plot(ax)
    first, second = ax.collections
    assert (len(first.get_offsets()), len(second.get_offsets())) == (8, 2)
    corners = [len(c.get_paths()[0].vertices) - 1 for c in (first, second)]
    assert corners == [len(SHAPES[0]), len(SHAPES[1])]


def test_signs_of_all_shapes_cover_the_same_area(ax):
    labels = np.arange(0, 72, 8)
    points = np.column_stack([labels, labels])
    display = FeatureMapDisplay(points, points[:0], y_source=labels, classes=np.arange(72))
    display.plot(ax, marker_size=20)
    for points, corners in zip(ax.collections, SHAPES, strict=True):
        # Matplotlib draws a path between -1/2 and 1/2, the square root of the size as large.
        corners = np.array(corners) / abs(np.array(corners)).max() / 2
        x, y = np.append(corners, corners[:1], axis=0).T * np.sqrt(points.get_sizes()[0])
        covered = abs((x[1:] * y[:-1] - x[:-1] * y[1:]).sum()) / 2
        assert covered == pytest.approx(20 * np.pi / 4)


def test_many_classes_are_not_named(ax):
    labels = np.arange(30)
    points = np.column_stack([labels, labels])
    assert texts(FeatureMapDisplay(points, TARGET, y_source=labels).plot(ax)) == [
        "source, filled",
        "target, no label",
    ]


def test_the_projection_is_that_of_both_domains(ax, two_domains):
    Xs, _, Xt, _ = two_domains
    display = FeatureMapDisplay.from_features(Xs, Xt, ax=ax)
    both = np.vstack([display.source_points, display.target_points])
    np.testing.assert_allclose(pdist(both), pdist(principal(np.vstack([Xs, Xt]))), atol=1e-9)
    assert ax.get_xlabel() == "PCA 1"
    assert drawn(display)[0][0] == display.source_points.tolist()


def test_sparse_samples_are_projected_as_dense_ones(ax, two_domains):
    Xs, _, Xt, _ = two_domains
    dense = FeatureMapDisplay.from_features(Xs, Xt, ax=ax)
    loose = FeatureMapDisplay.from_features(sparse.csr_array(Xs), sparse.csr_array(Xt), ax=ax)
    np.testing.assert_allclose(pdist(loose.target_points), pdist(dense.target_points), atol=1e-6)


def test_one_column_lies_on_a_line(ax):
    display = FeatureMapDisplay.from_features([[0.0], [4.0]], [[2.0]], ax=ax)
    assert sorted(abs(display.source_points[:, 0])) == pytest.approx([2, 2])
    assert not display.source_points[:, 1].any()


def test_source_samples_are_treated_as_source(ax, fitted, two_domains):
    Xs, _, Xt, _ = two_domains
    display = FeatureMapDisplay.from_estimator(fitted, Xs, Xt, ax=ax)
    features = [
        fitted.transform(Xs, sample_domain=np.ones(len(Xs))),
        fitted.transform(Xt),
    ]
    assert abs(features[0] - fitted.transform(Xs)).max() > 0.1, "the domain makes no difference"
    both = np.vstack([display.source_points, display.target_points])
    np.testing.assert_allclose(pdist(both), pdist(principal(np.vstack(features))), atol=1e-4)


def test_the_steps_of_a_pipeline_and_of_a_search_come_first(two_domains, fitted):
    Xs, ys, Xt, _ = two_domains
    X, y, d = pack(Xs, ys, Xt)
    pipe = make_pipeline(StandardScaler(), DANNClassifier(max_epochs=1, random_state=0))
    pipe.fit(X, y, dannclassifier__sample_domain=d)
    scaled = pipe[0].transform(Xs)
    expected = pipe[-1].transform(scaled, sample_domain=np.ones(len(Xs)))
    np.testing.assert_array_equal(features_of(pipe, Xs, Xt)[0], expected)
    search = GridSearchCV(fitted, {}, refit=False)
    search.best_estimator_ = pipe
    np.testing.assert_array_equal(features_of(search, Xs, Xt)[0], expected)


def test_without_learnt_features_they_are_what_the_estimator_sees(two_domains):
    Xs, ys, Xt, _ = two_domains
    mapped = AdaptedClassifier(LogisticRegression(), "per_domain_scaling")
    mapped.fit(Xs, ys, X_target=Xt)
    source, target = features_of(mapped, Xs, Xt)
    for part in (source, target):
        np.testing.assert_allclose(part.mean(0), source.mean(0), atol=1e-9)
    weighed = AdaptedClassifier(LogisticRegression(), "nearest_neighbors")
    weighed.fit(Xs, ys, X_target=Xt)
    np.testing.assert_array_equal(features_of(weighed, Xs, Xt)[0], Xs)


def test_some_of_many_samples_keep_their_labels(ax, two_domains):
    Xs, ys, Xt, yt = two_domains
    labels = {"y_source": ys, "y_target": yt}
    before = [part.copy() for part in two_domains]
    display = FeatureMapDisplay.from_features(Xs, Xt, **labels, max_samples=20, ax=ax)
    assert (len(display.source_points), len(display.target_points)) == (20, 20)
    again = FeatureMapDisplay.from_features(Xs, Xt, **labels, max_samples=20, ax=ax)
    np.testing.assert_array_equal(again.source_points, display.source_points)
    # Which rows these are is known by their distances.
    rows = np.random.RandomState(0).permutation(len(Xs))[:20]
    assert sorted(display.y_source) == sorted(ys[rows])
    for part, copy in zip(two_domains, before, strict=True):
        np.testing.assert_array_equal(part, copy)


def test_drawn_samples_and_labels_are_the_same_rows(ax):
    # The label is the place on the only column.
    X, y = np.arange(40.0)[:, None], np.arange(40)
    display = FeatureMapDisplay.from_features(X, X, y_source=y, y_target=y, max_samples=9, ax=ax)
    both = np.concatenate([display.source_points, display.target_points])[:, 0]
    labels = np.concatenate([display.y_source, display.y_target])
    assert abs(np.corrcoef(both, labels)[0, 1]) == pytest.approx(1)


def test_tsne_has_two_columns_of_few_samples(ax, two_domains):
    Xs, _, Xt, _ = two_domains
    display = FeatureMapDisplay.from_features(Xs[:5], Xt[:4], projection="tsne", ax=ax)
    assert np.isfinite(np.vstack([display.source_points, display.target_points])).all()
    assert ax.get_ylabel() == "t-SNE 2"


def test_umap_is_asked_for_where_it_is_not_installed(monkeypatch, fitted, two_domains):
    monkeypatch.setitem(sys.modules, "umap", None)
    Xs, _, Xt, _ = two_domains
    with pytest.raises(ImportError, match="needs umap-learn: pip install umap-learn"):
        FeatureMapDisplay.from_estimator(fitted, Xs, Xt, projection="umap")


@pytest.fixture
def umap(monkeypatch):
    """A module in the place of UMAP, which notes what it is given."""
    given = []

    class UMAP:
        def __init__(self, n_neighbors, random_state, n_jobs):
            self.n_neighbors = n_neighbors

        def fit_transform(self, X):
            given.append(X)
            return X[:, :2] + self.n_neighbors if isinstance(X, np.ndarray) else X[:, :2].toarray()

    monkeypatch.setitem(sys.modules, "umap", type(sys)("umap"))
    sys.modules["umap"].UMAP = UMAP
    return given


@pytest.mark.usefixtures("umap")
def test_umap_is_used_where_it_is_installed(ax, two_domains):
    Xs, _, Xt, _ = two_domains
    display = FeatureMapDisplay.from_features(Xs[:4], Xt[:4], projection="umap", ax=ax)
    np.testing.assert_array_equal(display.target_points, Xt[:4, :2] + 7)
    assert ax.get_xlabel() == "UMAP 1"


def test_umap_is_given_the_sparse_rows_that_it_knows(umap, ax, two_domains):
    Xs, _, Xt, _ = two_domains
    rows = [sparse.csr_array(X[:6]) for X in (Xs, Xt)]
    display = FeatureMapDisplay.from_features(*rows, projection="umap", ax=ax)
    (given,) = umap
    # The newer sparse arrays are no instances of it.
    assert isinstance(given, sparse.csr_matrix)
    np.testing.assert_allclose(display.target_points, Xt[:6, :2], rtol=1e-6)


@pytest.mark.usefixtures("umap")
def test_too_few_samples_for_umap_are_told(ax, two_domains):
    Xs, _, Xt, _ = two_domains
    with pytest.raises(ValueError, match=r"needs 4 samples or more .* and 3 came\."):
        FeatureMapDisplay.from_features(Xs[:2], Xt[:1], projection="umap", ax=ax)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"projection": "lda"}, "projection='lda' is none of 'pca', 'tsne', 'umap'"),
        ({"max_samples": 0}, "max_samples=0, and a whole number of at least 1"),
        ({"color_by": "age"}, "color_by='age' is none of 'domain', 'class'"),
        ({"color_by": "class"}, "color_by='class' needs labels"),
        ({"y_source": [0, 1]}, "y_source has length 2, but X_source has 90 samples"),
        ({"y_target": np.linspace(0, 1, 60)}, "y_target holds numbers such as 0.0, which are no"),
    ],
)
def test_bad_parameters_are_told_before_any_work(given, message, fitted, two_domains):
    Xs, _, Xt, _ = two_domains
    with pytest.raises(ValueError, match=message):
        FeatureMapDisplay.from_estimator(fitted, Xs, Xt, **given)


def test_bad_points_and_labels_are_told(ax):
    with pytest.raises(ValueError, match=r"source_points has shape \(3, 3\), and \(n_samples, 2\)"):
        FeatureMapDisplay(np.eye(3), TARGET).plot(ax)
    with pytest.raises(ValueError, match=r"not among classes: \['b'\]"):
        FeatureMapDisplay(SOURCE, TARGET, y_target=["a", "b"], classes=["a"]).plot(ax)
    with pytest.raises(ValueError, match=r"y_source has shape \(3, 3\), and \(n_samples,\)"):
        FeatureMapDisplay(SOURCE, TARGET, y_source=np.eye(3)).plot(ax)
    with pytest.raises(ValueError, match="target_features has 2 columns, and 3 were expected"):
        FeatureMapDisplay.from_features(np.eye(3), TARGET, ax=ax)


@pytest.mark.parametrize("projection", ["pca", "tsne"])
@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix])
def test_samples_that_are_all_the_same_are_one_point(projection, kind, ax):
    source, target = kind(np.full((5, 3), 0.1)), kind(np.full((4, 3), 0.1))
    display = FeatureMapDisplay.from_features(source, target, projection=projection, ax=ax)
    assert not np.any(display.source_points)
    assert display.target_points.shape == (4, 2)


def test_columns_of_tables_are_those_of_the_other_domain(ax):
    pandas = pytest.importorskip("pandas")
    source, target = (pandas.DataFrame(np.eye(2), columns=list(c)) for c in ("ab", "ba"))
    with pytest.raises(ValueError, match=r"has the columns \['a', 'b'\], and target_features"):
        FeatureMapDisplay.from_features(source, target, ax=ax)


def test_names_of_classes_are_no_mathematics(ax):
    y = ["$20 to $30", "$30 to $40", "$20 to $30"]
    display = FeatureMapDisplay(SOURCE, TARGET, y_source=y).plot(ax)
    assert not any(t.get_parse_math() for t in display.ax_.get_legend().get_texts())
