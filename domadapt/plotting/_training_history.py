"""Losses by epoch: whether training has come to an end, and what the criteria did meanwhile."""

import math
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from domadapt.domains.arrays import as_floats
from domadapt.model_selection._answers import last_step, unwrapped
from domadapt.plotting._matplotlib import axes_for, check_choice, check_matplotlib
from domadapt.plotting._signs import line_style

SHOWN = ("all", "task", "alignment")
# What stands in a history beside losses.
NO_LOSSES = ("alignment_weight", "learning_rate")


class TrainingHistoryDisplay:
    """Draws losses, or other numbers, by epoch.

    Make it by ``from_estimator`` or ``from_history``; with curves of your own it draws these.
    A task loss that falls says that the source is learnt, and nothing about the target. An
    alignment loss near 0 can mean that domains agree, or that the features say nothing any more;
    that of an adversary stays near the loss of a coin while both sides learn.

    Parameters
    ----------
    curves : dict of str to array-like of shape (n_epochs,)
        A number for each epoch, NaN for those that have none. None keeps colour and dashes free
        for a curve that is not there.
    relative : bool, default=False
        Whether each curve is divided by its largest absolute value, where they have different
        scales.
    ylabel : str, default="loss"
        What the numbers are.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes that were drawn on.
    figure_ : matplotlib Figure
        The figure they are in.
    lines_ : list of matplotlib Line2D
        The curves, in their order.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from domadapt.plotting import TrainingHistoryDisplay
    >>> history = {"task_loss": [2.0, 1.0, 0.5], "alignment_loss": [0.3, 0.1, 0.2]}
    >>> display = TrainingHistoryDisplay.from_history(history, ax=Figure().subplots())
    >>> display.lines_[0].get_ydata().tolist()
    [1.0, 0.5, 0.25]
    >>> [text.get_text() for text in display.ax_.get_legend().get_texts()]
    ['task loss, 0.5 at the end', 'alignment loss, 0.2 at the end']
    """

    ax_: Any
    figure_: Any
    lines_: list[Any]

    def __init__(self, curves: Mapping[str, Any], *, relative: bool = False, ylabel: str = "loss"):
        self.curves = curves
        self.relative = relative
        self.ylabel = ylabel

    @classmethod
    def from_estimator(cls, estimator: Any, *, show: str = "all", ax: Any = None) -> Self:
        """Draw the losses of a fitted estimator, out of its ``history_``.

        Parameters
        ----------
        estimator : estimator
            Fitted, with ``history_``; a pipeline that ends in one, or a search over one too.
            Where domains are aligned in a stage of its own, ``adaptation_history_`` follows.
        show, ax
            As in :meth:`from_history`.

        Returns
        -------
        display : TrainingHistoryDisplay
            With ``ax_``, ``figure_`` and ``lines_``.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        TypeError
            If it has no ``history_``.
        ValueError
            If ``show`` is none of the three, or there is no such loss.
        ImportError
            If matplotlib is not installed.
        """
        check_matplotlib(f"{cls.__name__}.from_estimator", ax)
        check_choice("show", show, SHOWN)
        check_is_fitted(estimator)
        trained = last_step(unwrapped(estimator))
        if not hasattr(trained, "history_"):
            raise TypeError(
                f"{type(trained).__name__} has no history_, which estimators have that train a "
                "network epoch by epoch. Pass one of these, such as a fitted DANNClassifier."
            )
        second = getattr(trained, "adaptation_history_", None)
        return cls.from_history(trained.history_, adaptation_history=second, show=show, ax=ax)

    @classmethod
    def from_history(
        cls,
        history: Mapping[str, Any],
        *,
        adaptation_history: Mapping[str, Any] | None = None,
        show: str = "all",
        ax: Any = None,
    ) -> Self:
        """Draw the losses of a history.

        Parameters
        ----------
        history : dict of str to array-like of shape (n_epochs,)
            As ``history_`` of an estimator: ``task_loss``, ``alignment_loss``, and the losses of
            criteria or of tasks by name. ``alignment_weight`` and ``learning_rate`` are no
            losses, and are not drawn; a criterion that is alone is the alignment loss.
        adaptation_history : dict of str to array-like, default=None
            As ``adaptation_history_``: the epochs of a second stage, in which domains are
            aligned. Its curves begin after the last epoch of the first stage.
        show : {"all", "task", "alignment"}, default="all"
            "task" and "alignment" draw the losses of either as they are. "all" draws both, each
            divided by its largest absolute value, since their scales differ.
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes new ones.

        Returns
        -------
        display : TrainingHistoryDisplay
            With ``ax_``, ``figure_`` and ``lines_``.

        Raises
        ------
        TypeError, ValueError
            If a history is not as described, ``show`` is none of the three, or there is no such
            loss.
        ImportError
            If matplotlib is not installed.
        """
        check_matplotlib(f"{cls.__name__}.from_history", ax)
        check_choice("show", show, SHOWN)
        task, alignment = _losses("history", history)
        if adaptation_history is not None:
            n_before = max(map(len, task.values()), default=0)
            later = _losses("adaptation_history", adaptation_history)[1]
            alignment |= {n: [math.nan] * n_before + list(v) for n, v in later.items()}
        curves = {"all": task | alignment, "task": task, "alignment": alignment}[show]
        if not curves:
            raise ValueError(
                f"show={show!r}, and there is no such loss in this history: it has "
                f"{', '.join(map(repr, task | alignment)) or 'none'}. Nothing is aligned by "
                "source only, or in a fit without a target."
            )
        ends = {name: f"{name}, {_last(values):.3g} at the end" for name, values in curves.items()}
        named = {ends[name]: values for name, values in curves.items()}
        ylabel = "loss, largest = ±1" if show == "all" else f"{show} loss"
        return cls(named, relative=show == "all", ylabel=ylabel).plot(ax)

    def plot(self, ax: Any = None, *, legend: bool = True) -> Self:
        """Draw on axes.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes new ones.
        legend : bool, default=True
            Whether there is a legend.

        Returns
        -------
        self : TrainingHistoryDisplay
            With ``ax_``, ``figure_`` and ``lines_``.

        Raises
        ------
        TypeError, ValueError
            If curves are not as described.
        ImportError
            If matplotlib is not installed.
        """
        curves = _read("curves", self.curves)
        ax = axes_for(f"{type(self).__name__}.plot", ax)
        from matplotlib.ticker import MaxNLocator

        self.lines_ = [
            _draw(ax, name, values, number, self.relative)
            for number, (name, values) in enumerate(curves.items())
            if values is not None
        ]
        ax.set(xlabel="epoch", ylabel=self.ylabel)
        ax.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
        if legend and self.lines_:
            ax.legend()
        self.ax_, self.figure_ = ax, ax.figure
        return self


def _read(name, curves):
    """Return curves as arrays, None for those that are not there."""
    if not isinstance(curves, Mapping):
        raise TypeError(
            f"{name} is a {type(curves).__name__}, and a dict was expected: numbers of each epoch "
            "by a name, such as history_ of an estimator."
        )
    found: dict[str, np.ndarray | None] = {}
    for key, values in curves.items():
        if values is None:
            found[key] = None
            continue
        numbers = as_floats(f"{name}[{key!r}]", values)
        if numbers.ndim != 1:
            raise ValueError(
                f"{name}[{key!r}] has shape {numbers.shape}, and (n_epochs,) was expected: a "
                "number for each epoch. Average several seeds first."
            )
        found[key] = numbers
    return found


def _losses(name, history):
    """Return the losses of the task and of the alignment in a history, by what they are called."""
    read = {key: values for key, values in _read(name, history).items() if values is not None}
    losses = {key: values for key, values in read.items() if key not in NO_LOSSES and len(values)}
    named = {k: v for k, v in losses.items() if k not in ("task_loss", "alignment_loss")}
    task = {"task loss": losses["task_loss"]} if "task_loss" in losses else {}
    total = losses.get("alignment_loss")
    if total is None or not total.any():
        # It is 0 throughout where nothing is aligned: what has a name is one of several tasks.
        return task | named, {}
    # One criterion alone is the whole of it.
    return task, {"alignment loss": total} | (named if len(named) > 1 else {})


def _last(values):
    """Return the last number, NaN where there is none."""
    known = np.asarray(values)[np.isfinite(values)]
    return known[-1] if len(known) else math.nan


def _draw(ax, name, values, number, relative):
    colour, dashes = line_style(number)
    known = np.abs(values[np.isfinite(values)])
    if relative and len(known) and known.max() > 0:
        values = values / known.max()
    # A single epoch would be invisible as a line.
    (line,) = ax.plot(
        np.arange(1, len(values) + 1),
        values,
        color=colour,
        linestyle=(0, dashes) if dashes else "-",
        marker="o" if len(known) == 1 else None,
        linewidth=1.5,
        label=name,
    )
    return line
