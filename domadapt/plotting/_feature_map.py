"""A map of features: samples of both domains in the plane."""

from typing import Any, Self

import numpy as np
from sklearn.utils import _safe_indexing, check_random_state
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import _num_samples, check_is_fitted

from domadapt.domains.arrays import as_floats, read_both_features
from domadapt.domains.labels import has_label
from domadapt.domains.samples import check_same_length
from domadapt.plotting._features import TITLES, check_projection, features_of, project
from domadapt.plotting._matplotlib import axes_for, check_choice, check_matplotlib
from domadapt.plotting._points import class_legend, codes_of, draw_by_class, draw_by_domain
from domadapt.shallow._adapter import stack

COLOR_BY = ("domain", "class")


class FeatureMapDisplay:
    """Draws samples of both domains as points in the plane.

    Make it by ``from_estimator`` or ``from_features``. Near points of a projection need not be
    near in the features, and domains that lie on top of each other may have mixed classes: a
    map shows what to look into, and proves nothing about accuracy.

    Parameters
    ----------
    source_points : array-like of shape (n_source, 2)
        Source samples in the plane.
    target_points : array-like of shape (n_target, 2)
        Target samples in the plane.
    y_source : array-like of shape (n_source,), default=None
        Classes of the source samples; None or NaN for those that have no label.
    y_target : array-like of shape (n_target,), default=None
        The same of the target samples: true ones where they are known, or predicted ones.
    classes : array-like of shape (n_classes,), default=None
        All classes, in the order of their colours. By default those among the labels, sorted.
        Several maps have the same colours where they are given the same classes.
    projection : str, default=None
        What the axes are called after. None stands for points that are no projection.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes that were drawn on.
    figure_ : matplotlib Figure
        The figure they are in.

    See Also
    --------
    DomainShiftDisplay : Tests whether domains differ, where a map only shows it.

    Examples
    --------
    >>> import numpy as np
    >>> from matplotlib.figure import Figure
    >>> from domadapt.plotting import FeatureMapDisplay
    >>> rng = np.random.default_rng(0)
    >>> source, target = rng.normal(size=(50, 8)), rng.normal(size=(40, 8)) + 1
    >>> ax = Figure().subplots()
    >>> display = FeatureMapDisplay.from_features(source, target, ax=ax)
    >>> display.source_points.shape, display.target_points.shape, display.projection
    ((50, 2), (40, 2), 'PCA')
    """

    ax_: Any
    figure_: Any

    def __init__(
        self,
        source_points: Any,
        target_points: Any,
        *,
        y_source: Any = None,
        y_target: Any = None,
        classes: Any = None,
        projection: str | None = None,
    ):
        self.source_points = source_points
        self.target_points = target_points
        self.y_source = y_source
        self.y_target = y_target
        self.classes = classes
        self.projection = projection

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X_source: Any,
        X_target: Any,
        *,
        y_source: Any = None,
        y_target: Any = None,
        projection: str = "pca",
        max_samples: int | None = 500,
        random_state: Any = 0,
        color_by: str | None = None,
        ax: Any = None,
    ) -> Self:
        """Draw the features that a fitted estimator makes of samples of both domains.

        Source samples are treated as source and target samples as target, as by
        ``estimator.transform(X, sample_domain=...)``: batch normalisation has statistics of
        its own for each domain. An estimator without ``transform`` is drawn with the samples as
        it sees them: mapped by its adapter and by the steps of a pipeline before it.

        Parameters
        ----------
        estimator : estimator
            Fitted; a pipeline or a search over one too.
        X_source, X_target : array-likes or sparse matrices of shape (n_samples, n_features), \
image stacks or paths
            Samples of either domain, of the kind of those of ``fit``.
        y_source, y_target : array-likes of shape (n_samples,), default=None
            Classes, for colours alone. ``y_target`` may be ``estimator.predict(X_target)``.
        projection : {"pca", "tsne", "umap"}, default="pca"
            From features to the plane. "umap" needs umap-learn.
        max_samples : int or None, default=500
            Samples of each domain that are drawn, by chance; None for all.
        random_state : int, RandomState instance or None, default=0
            Draws samples and seeds the projection.
        color_by : {"domain", "class"}, default=None
            None stands for "class" where there are labels, otherwise for "domain".
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes new ones.

        Returns
        -------
        display : FeatureMapDisplay
            With ``ax_`` and ``figure_``.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        ValueError, TypeError
            If a parameter or the labels are not as described.
        ImportError
            If matplotlib is not installed, or umap-learn where it is asked for.

        Examples
        --------
        >>> from matplotlib.figure import Figure
        >>> from sklearn.datasets import make_blobs
        >>> from sklearn.linear_model import LogisticRegression
        >>> from domadapt.plotting import FeatureMapDisplay
        >>> from domadapt.shallow import AdaptedClassifier
        >>> Xs, ys = make_blobs(90, centers=[[0, 0], [6, 0]], random_state=0)
        >>> Xt, _ = make_blobs(60, centers=[[3, 4], [9, 4]], random_state=1)
        >>> clf = AdaptedClassifier(LogisticRegression(), "coral").fit(Xs, ys, X_target=Xt)
        >>> display = FeatureMapDisplay.from_estimator(
        ...     clf, Xs, Xt, y_source=ys, y_target=clf.predict(Xt), ax=Figure().subplots()
        ... )
        >>> [text.get_text() for text in display.ax_.get_legend().get_texts()]
        ['0', '1', 'source, filled', 'target, hollow']
        """
        labels = y_source, y_target
        check_matplotlib(f"{cls.__name__}.from_estimator", ax)
        _check(projection, max_samples, color_by, labels)
        check_is_fitted(estimator)
        generator = check_random_state(random_state)
        parts = {"X_source": X_source, "X_target": X_target}
        parts, labels = _drawn(parts, labels, max_samples, generator)
        return cls.from_features(
            *features_of(estimator, *parts),
            y_source=labels[0],
            y_target=labels[1],
            projection=projection,
            max_samples=None,
            random_state=generator,
            color_by=color_by,
            ax=ax,
        )

    @classmethod
    def from_features(
        cls,
        source_features: Any,
        target_features: Any,
        *,
        y_source: Any = None,
        y_target: Any = None,
        projection: str = "pca",
        max_samples: int | None = 500,
        random_state: Any = 0,
        color_by: str | None = None,
        ax: Any = None,
    ) -> Self:
        """Draw features, or columns of samples, of both domains.

        Parameters
        ----------
        source_features, target_features : array-likes or sparse matrices of shape \
(n_samples, n_features)
            Numbers, in the same columns.
        y_source, y_target : array-likes of shape (n_samples,), default=None
            Classes, true or predicted ones, for colours alone.
        projection, max_samples, random_state, color_by, ax
            As in :meth:`from_estimator`.

        Returns
        -------
        display : FeatureMapDisplay
            With ``ax_`` and ``figure_``.

        Raises
        ------
        ValueError, TypeError
            If a parameter, the features or the labels are not as described.
        ImportError
            If matplotlib is not installed, or umap-learn where it is asked for.
        """
        labels = y_source, y_target
        check_matplotlib(f"{cls.__name__}.from_features", ax)
        _check(projection, max_samples, color_by, labels)
        generator = check_random_state(random_state)
        both = read_both_features(source_features, target_features)
        parts = dict(zip(("source_features", "target_features"), both, strict=True))
        (source, target), labels = _drawn(parts, labels, max_samples, generator)
        points = project(stack([source, target]), projection, generator)
        n_source = source.shape[0]
        display = cls(
            points[:n_source],
            points[n_source:],
            y_source=labels[0],
            y_target=labels[1],
            projection=TITLES[projection],
        )
        return display.plot(ax, color_by=color_by)

    def plot(
        self,
        ax: Any = None,
        *,
        color_by: str | None = None,
        legend: bool = True,
        marker_size: float = 20.0,
    ) -> Self:
        """Draw on axes.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes new ones.
        color_by : {"domain", "class"}, default=None
            "domain": source samples are circles and target samples crosses. "class": a sign for
            each class, filled for the source and hollow for the target; small grey points have
            no label. None stands for "class" where there are labels.
        legend : bool, default=True
            Whether there is a legend. It names no classes where they are more than 24.
        marker_size : float, default=20.0
            Size of a point, in square typographic points.

        Returns
        -------
        self : FeatureMapDisplay
            With ``ax_`` and ``figure_``.

        Raises
        ------
        ValueError, TypeError
            If points, labels or a parameter are not as described.
        ImportError
            If matplotlib is not installed.
        """
        _check_color_by(color_by, (self.y_source, self.y_target))
        source = _points("source_points", self.source_points)
        target = _points("target_points", self.target_points)
        has_labels = self.y_source is not None or self.y_target is not None
        if has_labels:
            sizes = len(source), len(target)
            codes, classes = codes_of(self.y_source, self.y_target, *sizes, self.classes)
        ax = axes_for(f"{type(self).__name__}.plot", ax)
        if color_by == "class" or (color_by is None and has_labels):
            draw_by_class(ax, (source, target), codes, marker_size)
            if legend:
                class_legend(ax, codes, classes)
        else:
            draw_by_domain(ax, source, target, marker_size)
            if legend:
                ax.legend()
        if self.projection is not None:
            # Numbers along such axes mean nothing.
            ax.set(xticks=[], yticks=[])
            ax.set(xlabel=f"{self.projection} 1", ylabel=f"{self.projection} 2")
        self.ax_, self.figure_ = ax, ax.figure
        return self


def _check(projection, max_samples, color_by, labels):
    """Check what can be told before any work."""
    check_projection(projection)
    _check_color_by(color_by, labels)
    is_count = isinstance(max_samples, (int, np.integer)) and not isinstance(max_samples, bool)
    if max_samples is not None and (not is_count or max_samples < 1):
        raise ValueError(
            f"max_samples={max_samples!r}, and a whole number of at least 1 was expected, or None "
            "for all samples."
        )
    for domain, y in zip(("source", "target"), labels, strict=True):
        if y is None:
            continue
        known = np.asarray(y)[has_label(np.asarray(y))]
        is_float = known.dtype.kind == "f" and len(known) > 0
        if is_float and type_of_target(known).startswith("continuous"):
            raise ValueError(
                f"y_{domain} holds numbers such as {known[0]!s}, which are no classes. Leave it "
                "out, or pass classes, such as quarters of the numbers."
            )


def _check_color_by(color_by, labels):
    if color_by is not None:
        check_choice("color_by", color_by, COLOR_BY)
    if color_by == "class" and all(y is None for y in labels):
        raise ValueError(
            "color_by='class' needs labels, and neither y_source nor y_target came. Pass one of "
            "them, or color_by='domain'."
        )


def _points(name, points):
    points = as_floats(name, points)
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(
            f"{name} has shape {points.shape}, and (n_samples, 2) was expected: points in the "
            "plane. FeatureMapDisplay.from_features projects features onto it."
        )
    return points


def _drawn(parts, labels, max_samples, generator):
    """Return samples of either domain and their labels, as many as are allowed, by chance."""
    drawn = []
    for (name, X), y in zip(parts.items(), labels, strict=True):
        n_samples = _num_samples(X)
        if y is not None:
            domain = name.replace("X_", "").replace("_features", "")
            check_same_length(f"y_{domain}", y, name, n_samples)
        rows = np.arange(n_samples)
        if max_samples is not None and n_samples > max_samples:
            rows = np.sort(generator.permutation(n_samples)[:max_samples])
        drawn.append((_safe_indexing(X, rows), None if y is None else _safe_indexing(y, rows)))
    return zip(*drawn, strict=True)
