"""How two domains differ: columns that moved, class proportions, and how they are told apart."""

from typing import Any, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from domadapt.model_selection.diagnosis import Diagnosis, diagnose
from domadapt.plotting._features import features_of
from domadapt.plotting._matplotlib import axes_for, check_choice, check_matplotlib
from domadapt.plotting._signs import GREY, SOURCE_COLOUR, TARGET_COLOUR, THIRD_COLOUR

PLOTS = ("columns", "proportions", "scores")
# Bars of columns that are drawn.
MOST_BARS = 15
# Letters that stand beside each other below the axes.
MOST_LETTERS = 40


class DomainShiftDisplay:
    """Draws the columns that moved, the class proportions, or how the domains are told apart.

    Make it by ``from_samples``, by ``from_estimator`` for the shift that is left in learnt
    features, or by ``from_diagnosis``. A large shift need not cost accuracy, and a small one can:
    what ``diagnose`` advises looks at more.

    Parameters
    ----------
    diagnosis : Diagnosis
        What is drawn.
    show : {"columns", "proportions", "scores"}, default="columns"
        ``"columns"``: bars of the standardised mean differences of the columns that moved most,
        with the Kolmogorov-Smirnov statistic beside each name. ``"proportions"``: shares of the
        classes in the source, and in the target by EM and by the confusion matrix with
        intervals of 95 %. ``"scores"``: histograms of the domain classifier's held-out scores.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes that were drawn on.
    figure_ : matplotlib Figure
        The figure they are in.

    See Also
    --------
    domadapt.diagnose : What is drawn, as numbers and words.

    Examples
    --------
    >>> import numpy as np
    >>> from matplotlib.figure import Figure
    >>> from domadapt.plotting import DomainShiftDisplay
    >>> rng = np.random.default_rng(0)
    >>> Xs, Xt, ys = rng.normal(size=(60, 2)), rng.normal(size=(50, 2)), np.arange(60) % 2
    >>> display = DomainShiftDisplay.from_samples(Xs, ys, Xt + [3, 0], ax=Figure().subplots())
    >>> [text.get_text() for text in display.ax_.get_yticklabels()]
    ['column 1 (KS 0.11)', 'column 0 (KS 0.85)']
    """

    ax_: Any
    figure_: Any

    def __init__(self, diagnosis: Diagnosis, show: str = "columns"):
        self.diagnosis = diagnosis
        self.show = show

    @classmethod
    def from_diagnosis(cls, diagnosis: Diagnosis, *, show: str = "columns", ax: Any = None) -> Self:
        """Draw a diagnosis.

        Parameters
        ----------
        diagnosis : Diagnosis
            What :func:`domadapt.diagnose` returned.
        show : {"columns", "proportions", "scores"}, default="columns"
            What is drawn.
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes new ones.

        Returns
        -------
        display : DomainShiftDisplay
            With ``ax_`` and ``figure_``.

        Raises
        ------
        ValueError, TypeError
            If ``show`` is none of these, or ``diagnosis`` is none.
        ImportError
            If matplotlib is not installed.
        """
        return cls(diagnosis, show).plot(ax)

    @classmethod
    def from_samples(
        cls,
        X: Any,
        y: Any,
        X_target: Any = None,
        *,
        sample_domain: Any = None,
        show: str = "columns",
        ax: Any = None,
        **parameters: Any,
    ) -> Self:
        """Diagnose samples and draw what was found.

        Parameters
        ----------
        X, y, X_target, sample_domain : array-likes
            As :func:`domadapt.diagnose` takes them.
        show : {"columns", "proportions", "scores"}, default="columns"
            What is drawn.
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes new ones.
        **parameters
            Others of :func:`domadapt.diagnose`.

        Returns
        -------
        display : DomainShiftDisplay
            With ``ax_`` and ``figure_``.

        Raises
        ------
        ValueError, TypeError
            If a parameter or the samples are not as described.
        ImportError
            If matplotlib is not installed.
        """
        check_matplotlib(f"{cls.__name__}.from_samples", ax)
        check_choice("show", show, PLOTS)
        found = diagnose(X, y, X_target, sample_domain=sample_domain, **parameters)
        return cls.from_diagnosis(found, show=show, ax=ax)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X_source: Any,
        y_source: Any,
        X_target: Any,
        *,
        show: str = "columns",
        ax: Any = None,
        **parameters: Any,
    ) -> Self:
        """Diagnose and draw the shift that is left in the features of a fitted estimator.

        Features are those of :meth:`FeatureMapDisplay.from_estimator`: source samples are treated
        as source, target samples as target.

        Parameters
        ----------
        estimator : estimator
            Fitted; a pipeline or a search over one too.
        X_source : array-like or sparse matrix of shape (n_source, n_features), image stack or \
paths
            Source samples of the kind of those of ``fit``.
        y_source : array-like of shape (n_source,)
            Their labels.
        X_target : array-like or sparse matrix of shape (n_target, n_features), image stack or \
paths
            Target samples.
        show : {"columns", "proportions", "scores"}, default="columns"
            What is drawn. Columns are features here.
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes new ones.
        **parameters
            Others of :func:`domadapt.diagnose`.

        Returns
        -------
        display : DomainShiftDisplay
            With ``ax_`` and ``figure_``.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        ValueError, TypeError
            If a parameter or the samples are not as described.
        ImportError
            If matplotlib is not installed.
        """
        check_matplotlib(f"{cls.__name__}.from_estimator", ax)
        check_choice("show", show, PLOTS)
        check_is_fitted(estimator)
        source, target = features_of(estimator, X_source, X_target)
        return cls.from_samples(source, y_source, target, show=show, ax=ax, **parameters)

    def plot(self, ax: Any = None) -> Self:
        """Draw on axes.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes new ones.

        Returns
        -------
        self : DomainShiftDisplay
            With ``ax_`` and ``figure_``.

        Raises
        ------
        ValueError, TypeError
            If ``show`` is none of the three, or ``diagnosis`` is none.
        ImportError
            If matplotlib is not installed.
        """
        check_choice("show", self.show, PLOTS)
        if not isinstance(self.diagnosis, Diagnosis):
            raise TypeError(
                f"diagnosis is a {type(self.diagnosis).__name__}, and what diagnose returned was "
                "expected. DomainShiftDisplay.from_samples takes samples."
            )
        ax = axes_for(f"{type(self).__name__}.plot", ax)
        draw = {"columns": _columns, "proportions": _proportions, "scores": _scores}[self.show]
        draw(self.diagnosis, ax)
        self.ax_, self.figure_ = ax, ax.figure
        return self


def _columns(diagnosis, ax):
    """Draw bars of the columns that moved most."""
    columns = diagnosis.moved_columns[:MOST_BARS][::-1]
    at = np.arange(len(columns))
    has_moved = np.array([column.p_fdr < diagnosis.significance for column in columns])
    colours = np.where(has_moved, TARGET_COLOUR, GREY).tolist()
    ax.barh(at, [column.mean_difference for column in columns], color=colours)
    names = [f"{_name_of(column)} (KS {column.ks:.2f})" for column in columns]
    # A name may hold dollars, which are no mathematics.
    ax.set_yticks(at, names, parse_math=False)
    ax.axvline(0, color=ax.xaxis.label.get_color(), linewidth=0.8)
    label = "mean of target less source, in standard deviations"
    if not has_moved.all():
        label += f"\n(grey: no move to be told at a level of {diagnosis.significance:g})"
    ax.set_xlabel(label)


def _name_of(column):
    """Return the name of a column, which may be a position alone."""
    return column.name if isinstance(column.name, str) else f"column {column.name}"


def _proportions(diagnosis, ax):
    """Draw the shares of the classes with intervals."""
    classes = diagnosis.class_proportions
    at = np.arange(len(classes))
    shares = [one.source for one in classes]
    ax.bar(at - 0.27, shares, 0.27, label="source", color=SOURCE_COLOUR)
    for shift, name, colour in ((0.0, "em", TARGET_COLOUR), (0.27, "bbse", THIRD_COLOUR)):
        known = [j for j, one in enumerate(classes) if getattr(one, name) is not None]
        values = np.array([getattr(classes[j], name) for j in known])
        ends = np.array([getattr(classes[j], f"{name}_interval") for j in known]).reshape(-1, 2)
        label = f"target, estimated by {name.upper()}"
        ax.bar(
            at[known] + shift,
            values,
            0.27,
            yerr=abs(ends.T - values),
            ecolor=ax.xaxis.label.get_color(),
            capsize=2,
            label=label,
            color=colour,
        )
    names = [str(one.name) for one in classes]
    # Long names would lie on each other.
    turned = {"rotation": 30, "ha": "right"} if sum(map(len, names)) > MOST_LETTERS else {}
    ax.set_xticks(at, names, parse_math=False, **turned)
    is_regression = diagnosis.displacement is not None
    xlabel = "range of what is predicted" if is_regression else "class"
    ax.set(xlabel=xlabel, ylabel="share of the rows")
    # Room for the legend above the bars.
    ax.set_ylim(top=1.25 * ax.get_ylim()[1])
    ax.legend()


def _scores(diagnosis, ax):
    """Draw histograms of the domain classifier's scores."""
    told = diagnosis.domain_classifier
    ends = np.quantile(np.concatenate([told.source, told.target]), [0.001, 0.999])
    bins = np.linspace(ends[0], ends[1], 31) if ends[1] > ends[0] else 30
    parts = (
        (told.source, "source", SOURCE_COLOUR),
        (told.target, "target", TARGET_COLOUR),
    )
    for scores, name, colour in parts:
        ax.hist(scores, bins=bins, density=True, alpha=0.7, label=name, color=colour)
    low, high = told.interval
    ax.set_xlabel(f"score of the domain classifier (AUC {told.auc:.2f}, {low:.2f} to {high:.2f})")
    ax.set_ylabel("density")
    ax.legend()
