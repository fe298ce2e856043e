"""Drawings of a diagnosis, as scikit-learn's displays are."""

from typing import Any, Self

import numpy as np

from domadapt.model_selection.diagnosis._diagnose import diagnose
from domadapt.model_selection.diagnosis._diagnosis import Diagnosis

PLOTS = ("columns", "proportions", "scores")
# Bars of columns that are drawn.
MOST_BARS = 15


class DiagnosisDisplay:
    """Draws the columns that moved, the class proportions, or how the domains are told apart.

    Make it by ``from_diagnosis`` or ``from_samples``.

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

    Examples
    --------
    >>> import numpy as np
    >>> from domadapt.model_selection import DiagnosisDisplay, diagnose
    >>> rng = np.random.default_rng(0)
    >>> Xs, Xt, ys = rng.normal(size=(60, 2)), rng.normal(size=(50, 2)), np.arange(60) % 2
    >>> display = DiagnosisDisplay(diagnose(Xs, ys, Xt), show="proportions")
    >>> display.plot().figure_  # doctest: +SKIP
    <Figure size 640x480 with 1 Axes>
    >>> display.show
    'proportions'
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
            What :func:`diagnose` returned.
        show : {"columns", "proportions", "scores"}, default="columns"
            What is drawn.
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes new ones.

        Returns
        -------
        display : DiagnosisDisplay
            With ``ax_`` and ``figure_``.

        Raises
        ------
        ValueError
            If ``show`` is none of these.
        """
        return cls(diagnosis, _checked(show)).plot(ax)

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
            As :func:`diagnose` takes them.
        show : {"columns", "proportions", "scores"}, default="columns"
            What is drawn.
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes new ones.
        **parameters
            Others of :func:`diagnose`.

        Returns
        -------
        display : DiagnosisDisplay
            With ``ax_`` and ``figure_``.
        """
        _checked(show)
        found = diagnose(X, y, X_target, sample_domain=sample_domain, **parameters)
        return cls.from_diagnosis(found, show=show, ax=ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw on axes.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes new ones.

        Returns
        -------
        self : DiagnosisDisplay
            With ``ax_`` and ``figure_``.

        Raises
        ------
        ValueError
            If ``show`` is none of the three.
        ImportError
            If matplotlib is not installed.
        """
        _checked(self.show)
        if ax is None:
            try:
                import matplotlib.pyplot as plt
            except ImportError as error:
                raise ImportError(
                    "DiagnosisDisplay.plot needs matplotlib: pip install matplotlib"
                ) from error
            _, ax = plt.subplots()
        {"columns": _columns, "proportions": _proportions, "scores": _scores}[self.show](
            self.diagnosis, ax
        )
        self.ax_, self.figure_ = ax, ax.figure
        return self


def _checked(show):
    if show not in PLOTS:
        raise ValueError(f"show={show!r} is none of {', '.join(map(repr, PLOTS))}.")
    return show


def _columns(diagnosis, ax):
    """Draw bars of the columns that moved most."""
    columns = diagnosis.moved_columns[:MOST_BARS][::-1]
    at = np.arange(len(columns))
    colours = ["C1" if column.p_fdr < diagnosis.significance else "0.7" for column in columns]
    ax.barh(at, [column.mean_difference for column in columns], color=colours)
    ax.set_yticks(at, [f"{column.name} (KS {column.ks:.2f})" for column in columns])
    ax.axvline(0, color="0.3", linewidth=0.8)
    ax.set_xlabel("mean of target less source, in standard deviations")


def _proportions(diagnosis, ax):
    """Draw the shares of the classes with intervals."""
    classes = diagnosis.class_proportions
    at = np.arange(len(classes))
    ax.bar(at - 0.27, [one.source for one in classes], 0.27, label="source", color="0.7")
    for shift, name in ((0.0, "em"), (0.27, "bbse")):
        known = [j for j, one in enumerate(classes) if getattr(one, name) is not None]
        values = np.array([getattr(classes[j], name) for j in known])
        ends = np.array([getattr(classes[j], f"{name}_interval") for j in known]).reshape(-1, 2)
        off = abs(ends.T - values)
        ax.bar(at[known] + shift, values, 0.27, yerr=off, capsize=2, label=f"target ({name})")
    ax.set_xticks(at, [str(one.name) for one in classes])
    ax.set_ylabel("share of the rows")
    ax.legend()


def _scores(diagnosis, ax):
    """Draw histograms of the domain classifier's scores."""
    told = diagnosis.domain_classifier
    ends = np.quantile(np.concatenate([told.source, told.target]), [0.001, 0.999])
    bins = np.linspace(ends[0], ends[1], 31) if ends[1] > ends[0] else 30
    for scores, name in ((told.source, "source"), (told.target, "target")):
        ax.hist(scores, bins=bins, density=True, alpha=0.5, label=name)
    low, high = told.interval
    ax.set_xlabel(f"score of the domain classifier (AUC {told.auc:.2f}, {low:.2f} to {high:.2f})")
    ax.set_ylabel("density")
    ax.legend()
