"""The parameters of the fine-tuned estimators, and what their docstrings share."""

from dataclasses import field
from numbers import Integral, Real
from typing import Any, ClassVar, Literal

from sklearn.utils._param_validation import Interval, StrOptions
from torch import nn

from domadapt.domains.base import estimator
from domadapt.estimators._deep import BaseDeepEstimator
from domadapt.estimators._parameters import FilePath
from domadapt.inductive._files import SourceInFile

# Beside a task loss that is a mean over samples; measured by benchmarks/few_labels.py.
DEFAULT_WEIGHTS = {"l2_sp": 0.1, "ewc": 100.0, "distillation": 0.3}

Source = BaseDeepEstimator | nn.Module | FilePath | None


@estimator
class FineTuningParameters(SourceInFile):
    """What a person sets of a fine-tuned estimator.

    Parameters
    ----------
    source : estimator, str, path or nn.Module
        What to start from, never changed: a fitted deep estimator of domadapt's, classifier or
        regressor, of one task; the file that its ``save`` wrote; or a feature extractor without a
        head, such as :func:`~domadapt.nn.load_backbone` gives. Layers that take no gradient there
        are not trained here.
    strategy : {"full", "head", "gradual", "discriminative"}, default="full"
        ``"full"`` trains all layers at one rate, ``"head"`` the last layer alone. ``"gradual"``
        begins with the last layer and goes on to one after the other, the first at half of the
        training. ``"discriminative"`` trains all, and divides the rate by ``rate_decay`` from
        layer to layer, from the head to the input. A deep network has six groups of layers. New
        layers learn at the full rate in any case.
    rate_decay : float, default=2.6
        Ratio of the rates of neighbouring groups of layers.
    regularisation : {"l2_sp", "ewc", "distillation"} or None, default="l2_sp"
        What keeps the network near the source. ``"l2_sp"`` adds weight / 2 sum_i (w_i - w0_i)^2
        over the weights that the source has; ``"ewc"`` weight / 2 sum_i F_i (w_i - w0_i)^2 with the
        diagonal of the Fisher information of the source's task; ``"distillation"`` the
        cross-entropy, at temperature 2, of the source's outputs for the new rows as they were
        before training.
    regularisation_weight : float, default=None
        What multiplies it; 0 is plain fine-tuning. None stands for 0.1, 100 and 0.3 in this order.
    source_samples : array-like of shape (n_samples, ...) or dict of str to Tensor, default=None
        For ``"ewc"``: samples of the source, which need no labels, or the ``fisher_`` of an earlier
        fit from the same source. Images are read by the ``image_loader`` of the source. A file
        does not hold them.
    n_reinitialised : int, default=0
        The last so many layers, the head being the first of them, are drawn anew. A new head learns
        from the labels alone; that of the source is kept beside it for ``"distillation"``.
    new_first_layer : bool, default=False
        Draw a first layer for the columns or channels of ``X``, which may then be others than
        those of the source.
    compare : bool, default=False
        Whether the source is of use: half of the rows trains the network, once from the source and
        once from scratch, and predicts the other half, and the reverse. It costs four fits more. A
        warning tells where training from scratch is better at the level of 5 %.

    Attributes
    ----------
    layer_names_ : list of str
        What ``transform`` takes for ``layer``.
    fisher_ : dict of str to Tensor
        Diagonal of the Fisher information of the source, where ``"ewc"`` needed it.
    """

    source: Source = field(default=None, kw_only=False)
    strategy: Literal["full", "head", "gradual", "discriminative"] = "full"
    rate_decay: float = 2.6
    regularisation: Literal["l2_sp", "ewc", "distillation"] | None = "l2_sp"
    regularisation_weight: float | None = None
    source_samples: Any = None
    n_reinitialised: int = 0
    new_first_layer: bool = False
    compare: bool = False

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **BaseDeepEstimator._parameter_constraints,
        "source": "no_validation",
        "strategy": [StrOptions({"full", "head", "gradual", "discriminative"})],
        "rate_decay": [Interval(Real, 1, None, closed="left")],
        "regularisation": [StrOptions(set(DEFAULT_WEIGHTS)), None],
        "regularisation_weight": [Interval(Real, 0, None, closed="left"), None],
        "source_samples": "no_validation",
        "n_reinitialised": [Interval(Integral, 0, None, closed="left")],
        "new_first_layer": ["boolean"],
        "compare": ["boolean"],
    }
