"""Scores of all pairs of domains as a heat map: where adapting gains, and where it harms."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from sklearn.base import is_regressor
from sklearn.metrics import accuracy_score

from domadapt.plotting._matplotlib import axes_for, check_matplotlib
from domadapt.plotting._pairs import (
    as_matrix,
    check_domains,
    check_estimator,
    check_names,
    check_same_score,
    fit_scores,
    fit_source_scores,
    names_in,
    scores_of_predictions,
)

# Below this relative luminance of a cell white reads better than black.
DARK = 0.18


class TransferMatrixDisplay:
    """Draws scores of pairs of domains as a heat map: rows are sources, columns targets.

    Make it by ``from_estimator``, ``from_predictions`` or ``from_scores``. With a baseline,
    colours show the gain over it: purple pairs gain, orange pairs are harmed. The scores need
    labels of the target: it is a picture for studies, not one to choose a method by.

    Parameters
    ----------
    scores : array-like of shape (n_sources, n_targets), or dict of pairs (source, target) to float
        Such as accuracies; NaN for pairs that have none, as a domain and itself.
    sources, targets : lists of str
        Names of rows and columns.
    baseline : array-like of shape (n_sources, n_targets), or dict, default=None
        Scores of what the gain is over, such as source only.
    score_name : str, default="score"
        What the scores are.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes that were drawn on.
    figure_ : matplotlib Figure
        The figure they are in.
    mesh_ : matplotlib QuadMesh
        The coloured cells.
    text_ : ndarray of shape (n_sources, n_targets), dtype object
        The text of each cell, None in empty ones.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from domadapt.plotting import TransferMatrixDisplay
    >>> adapted = {("amazon", "webcam"): 0.84, ("webcam", "amazon"): 0.61}
    >>> source_only = {("amazon", "webcam"): 0.76, ("webcam", "amazon"): 0.64}
    >>> display = TransferMatrixDisplay.from_scores(
    ...     adapted, baseline=source_only, ax=Figure().subplots()
    ... )
    >>> [text.get_text() for text in display.text_.flat if text is not None]
    ['0.84\\n+0.08', '0.61\\n-0.03']
    """

    ax_: Any
    figure_: Any
    mesh_: Any
    text_: np.ndarray

    def __init__(
        self,
        scores: Any,
        sources: Any,
        targets: Any,
        *,
        baseline: Any = None,
        score_name: str = "score",
    ):
        self.scores = scores
        self.sources = sources
        self.targets = targets
        self.baseline = baseline
        self.score_name = score_name

    @classmethod
    def from_estimator(
        cls, estimator: Any, domains: Mapping[str, Any], *, baseline: Any = None, ax: Any = None
    ) -> Self:
        """Fit clones of an estimator to every pair of domains, score them, and draw the scores.

        A fit sees labels of the source alone. Those of the target are read afterwards, for the
        score: accuracy, and R^2 of a regressor. Clones keep ``random_state`` and every other
        parameter. The cost is a fit for each pair, n (n - 1) of them for n domains, and one for
        each source with a baseline.

        Parameters
        ----------
        estimator : estimator
            Not changed. A pipeline that ends in an estimator of domadapt is one too; what knows
            no domains is trained on the source.
        domains : dict of str to (X, y)
            Samples and labels of each domain, of the same kind in all.
        baseline : estimator, default=None
            Fitted to each source alone, such as ``AlignmentClassifier(None)``. Colours then show
            the gain over it.
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes new ones.

        Returns
        -------
        display : TransferMatrixDisplay
            With ``ax_``, ``figure_``, ``mesh_`` and ``text_``.

        Raises
        ------
        TypeError, ValueError
            Before any fit, if a parameter is not as described; or as ``fit`` raises them.
        ImportError
            If matplotlib is not installed.
        """
        check_matplotlib(f"{cls.__name__}.from_estimator", ax)
        check_estimator("estimator", estimator)
        if baseline is not None:
            check_estimator("baseline", baseline)
            check_same_score(estimator, baseline)
        check_domains(domains)
        scores = fit_scores(estimator, domains)
        of_baseline = None if baseline is None else fit_source_scores(baseline, domains)
        name = "R^2 on the target" if is_regressor(estimator) else "accuracy on the target"
        return cls.from_scores(scores, baseline=of_baseline, score_name=name, ax=ax)

    @classmethod
    def from_predictions(
        cls,
        y_true: Mapping[Any, Any],
        y_pred: Mapping[tuple[str, str], Any],
        *,
        baseline: Mapping[tuple[str, str], Any] | None = None,
        metric: Any = accuracy_score,
        score_name: str | None = None,
        ax: Any = None,
    ) -> Self:
        """Score what was predicted for the target of each pair, and draw the scores.

        Parameters
        ----------
        y_true : dict of str, or of pairs (source, target), to array-like of shape (n_target,)
            True labels, by target or by pair.
        y_pred : dict of pairs (source, target) to array-like of shape (n_target,)
            Predicted labels.
        baseline : dict of pairs (source, target) to array-like of shape (n_target,), default=None
            What another estimator predicts; colours show the gain over it.
        metric : callable, default=accuracy_score
            Takes true and predicted labels and returns a number, the larger the better.
        score_name : str, default=None
            What the scores are. None stands for the name of the metric.
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes new ones.

        Returns
        -------
        display : TransferMatrixDisplay
            With ``ax_``, ``figure_``, ``mesh_`` and ``text_``.

        Raises
        ------
        TypeError, ValueError
            If labels are not as described, or differ in length.
        ImportError
            If matplotlib is not installed.
        """
        check_matplotlib(f"{cls.__name__}.from_predictions", ax)
        scores = scores_of_predictions(y_true, y_pred, metric)
        of_baseline = None if baseline is None else scores_of_predictions(y_true, baseline, metric)
        if score_name is None:
            name = getattr(metric, "__name__", "score").removesuffix("_score").replace("_", " ")
            score_name = f"{name} on the target"
        return cls.from_scores(scores, baseline=of_baseline, score_name=score_name, ax=ax)

    @classmethod
    def from_scores(
        cls,
        scores: Any,
        *,
        domains: Any = None,
        baseline: Any = None,
        score_name: str = "score",
        ax: Any = None,
    ) -> Self:
        """Draw scores that are known.

        Parameters
        ----------
        scores : dict of pairs (source, target) to float, or array-like of shape \
(n_domains, n_domains)
            Pairs that are not in the dict, or are NaN, stay empty.
        domains : list of str, default=None
            Names of the rows and columns of an array. Of a dict, by default those of its pairs.
        baseline : dict or array-like, default=None
            The same of what the gain is over.
        score_name : str, default="score"
            What the scores are.
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes new ones.

        Returns
        -------
        display : TransferMatrixDisplay
            With ``ax_``, ``figure_``, ``mesh_`` and ``text_``.

        Raises
        ------
        TypeError, ValueError
            If scores or names are not as described.
        ImportError
            If matplotlib is not installed.
        """
        check_matplotlib(f"{cls.__name__}.from_scores", ax)
        if isinstance(scores, Mapping):
            sources, targets = names_in(scores)
            if domains is not None:
                check_names(domains, {*sources, *targets})
                sources = targets = list(domains)
        elif domains is None:
            raise ValueError(
                "scores is no dict of pairs, so that the names of its rows and columns are not "
                "known. Pass them: domains=['amazon', 'webcam']."
            )
        else:
            sources = targets = list(domains)
        matrix = as_matrix("scores", scores, sources, targets)
        if baseline is not None:
            baseline = as_matrix("baseline", baseline, sources, targets)
        return cls(matrix, sources, targets, baseline=baseline, score_name=score_name).plot(ax)

    def plot(
        self,
        ax: Any = None,
        *,
        values_format: str = ".2f",
        colorbar: bool = True,
        mesh_kw: Mapping[str, Any] | None = None,
    ) -> Self:
        """Draw on axes.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes new ones.
        values_format : str, default=".2f"
            How scores and gains are written.
        colorbar : bool, default=True
            Whether there is a scale of the colours.
        mesh_kw : dict, default=None
            What ``pcolormesh`` is given besides, such as ``vmin`` and ``vmax`` where several
            matrices are to have the same colours, or ``cmap``.

        Returns
        -------
        self : TransferMatrixDisplay
            With ``ax_``, ``figure_``, ``mesh_`` and ``text_``.

        Raises
        ------
        TypeError, ValueError
            If scores are not as described, or there is none at all.
        ImportError
            If matplotlib is not installed.
        """
        sources, targets = list(self.sources), list(self.targets)
        scores = as_matrix("scores", self.scores, sources, targets)
        gains = None
        if self.baseline is not None:
            gains = scores - as_matrix("baseline", self.baseline, sources, targets)
        shown = scores if gains is None else gains
        if np.isnan(shown).all():
            raise ValueError(
                "There is no pair with a score" + (" and a baseline." if gains is not None else ".")
            )
        ax = axes_for(f"{type(self).__name__}.plot", ax)
        colours = _colours(shown, gains is not None) | dict(mesh_kw or {})
        self.mesh_ = ax.pcolormesh(np.ma.masked_invalid(shown), **colours)
        self.text_ = _write(ax, self.mesh_, scores, gains, values_format)
        ax.set_xticks(
            np.arange(len(targets)) + 0.5, [str(name) for name in targets], parse_math=False
        )
        ax.set_yticks(
            np.arange(len(sources)) + 0.5, [str(name) for name in sources], parse_math=False
        )
        ax.set(xlabel="target", ylabel="source")
        ax.tick_params(length=0)
        ax.grid(False)
        if not ax.yaxis_inverted():
            ax.invert_yaxis()
        if colorbar:
            label = self.score_name if gains is None else f"gain in {self.score_name}"
            ax.figure.colorbar(self.mesh_, ax=ax, label=label)
        self.ax_, self.figure_ = ax, ax.figure
        return self


def _colours(shown, are_gains):
    """Return map and ends of the colours; no gain is in the middle of those of gains."""
    if not are_gains:
        return {"cmap": "cividis"}
    largest = np.nanmax(np.abs(shown))
    end = largest if largest > 0 else 1.0
    return {"cmap": "PuOr", "vmin": -end, "vmax": end}


def _write(ax, mesh, scores, gains, form):
    """Write scores, and gains below them, so that they can be read on the colours of the cells."""
    texts = np.full(scores.shape, None, dtype=object)
    shown = scores if gains is None else gains
    for row, column in np.argwhere(np.isfinite(scores)):
        text = f"{scores[row, column]:{form}}"
        has_colour = np.isfinite(shown[row, column])
        if gains is not None and has_colour:
            text += f"\n{gains[row, column]:+{form}}"
        colour = {}
        if has_colour:
            colour["color"] = _readable(mesh.cmap(mesh.norm(shown[row, column])))
        texts[row, column] = ax.text(
            column + 0.5, row + 0.5, text, ha="center", va="center", **colour
        )
    return texts


def _readable(colour):
    """Return black or white, whichever is read better on a colour."""
    red, green, blue = (
        v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in colour[:3]
    )
    return "white" if 0.2126 * red + 0.7152 * green + 0.0722 * blue < DARK else "black"
