"""The two estimators that take any alignment criterion."""

from dataclasses import field
from typing import Any, ClassVar

from sklearn.utils._param_validation import StrOptions

from domadapt.estimators._classifier import BaseAlignmentClassifier
from domadapt.estimators._documentation import deep_estimator
from domadapt.estimators._parameters import Alignment, LossWeights, SourceWeights
from domadapt.estimators._regressor import BaseAlignmentRegressor
from domadapt.training.loss_weights import LOSS_WEIGHTS

SOURCE_WEIGHTS = [StrOptions({"proxy_distance", "transferability"}), dict, "array-like", None]

__all__ = ["AlignmentClassifier", "AlignmentRegressor"]


@deep_estimator
class AlignmentClassifier(BaseAlignmentClassifier):
    """Classifier for an unlabelled target, with any alignment criterion.

    A feature extractor and a classifier learn from source labels, while a criterion
    pulls the features of source and target together.

    Parameters
    ----------
    alignment : str, nn.Module, callable, list or None, default="mmd"
        What pulls the domains together: a name such as ``"mmd"``, ``"coral"``, ``"dann"``
        or ``"mcc"``; a criterion such as ``MMD(bandwidth=2.0)``; any callable whose
        parameters are named after what it needs, out of ``source_features``,
        ``target_features``, ``source_logits``, ``target_logits``, ``source_labels``,
        ``source_inputs``, ``target_inputs``, ``source_domains``, ``source_indices``,
        ``target_indices``, ``source_weight``, ``feature_extractor``, ``classifier`` and
        ``progress``, and that returns a scalar tensor; or a list of pairs of a weight and
        one of these. A weight that is a callable maps progress, 0 to 1, to the weight.
        None aligns nothing: the estimator learns from the source alone, unless ``batch_norm``
        asks for statistics of the target.
    loss_weights : {"fixed", "uncertainty", "gradnorm"}, default="fixed"
        How the task and the criteria are weighed. ``"fixed"`` takes the weights of the
        list. ``"uncertainty"`` learns, for the task and each criterion, a weight that
        makes its loss count as much as the others
        (:class:`~domadapt.training.UncertaintyWeights`); ``"gradnorm"`` one that does so
        to the gradients at the features (:class:`~domadapt.training.GradNormWeights`).
        The weights of the list, ``alignment_weight`` and its schedule multiply those that
        are found.
    source_weights : {"proxy_distance", "transferability"}, dict, array-like or None, default=None
        How much a sample of each of several sources weighs in the task loss, in proportion;
        the mean over all source samples is 1. ``"proxy_distance"`` is exp(-2 d) with the proxy
        A-distance d, 0 to 2, of the source to the target: how well a linear classifier tells
        held-out samples of the two apart. ``"transferability"`` is how much a linear model of
        the source alone tells about the labels in ``y_target``, in nats over a guess. A dict has
        weights by the numbers of ``sample_domain``, an array in the order of these numbers. None
        weighs all alike.

    Attributes
    ----------
    loss_weights_ : ndarray of shape (1 + n_criteria,)
        The weights of the task and of each criterion that were found at the end; not
        there where they are fixed.
    source_weights_ : ndarray of shape (n_sources,)
        The weight of a sample of each source, in the order of their numbers; not there where
        ``source_weights`` is None, nor in a loaded estimator.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import make_blobs
    >>> from domadapt import AlignmentClassifier
    >>> Xs, ys = make_blobs(200, centers=[[0, 0], [6, 0]], random_state=0)
    >>> Xt, yt = make_blobs(200, centers=[[2, 4], [8, 4]], random_state=1)
    >>> def mean_distance(source_features, target_features):
    ...     return (source_features.mean(0) - target_features.mean(0)).square().sum()
    >>> clf = AlignmentClassifier(mean_distance, random_state=0)
    >>> bool(clf.fit(Xs, ys, X_target=Xt).score(Xt, yt) > 0.9)
    True
    """

    alignment: Alignment = field(default="mmd", kw_only=False)
    loss_weights: LossWeights = "fixed"
    source_weights: SourceWeights = None

    _takes_any_alignment: ClassVar[bool] = True
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **BaseAlignmentClassifier._parameter_constraints,
        "loss_weights": [StrOptions({"fixed", *LOSS_WEIGHTS})],
        "source_weights": SOURCE_WEIGHTS,
    }


@deep_estimator
class AlignmentRegressor(BaseAlignmentRegressor):
    """Regressor for an unlabelled target, with any alignment criterion.

    A feature extractor and a linear layer learn the source values, one or several for each
    sample, by their squared error, while a criterion pulls the features of source and target
    together. The network learns values in units of their standard deviation.

    Parameters
    ----------
    alignment : str, nn.Module, callable, list or None, default="mmd"
        What pulls the domains together: a name such as ``"mmd"``, ``"coral"``, ``"dann"``,
        ``"deepjdot"`` or ``"rsd"``; a criterion such as ``MMD(bandwidth=2.0)``; any callable
        whose parameters are named after what it needs, out of ``source_features``,
        ``target_features``, ``source_predictions``, ``target_predictions``,
        ``source_values``, ``source_inputs``, ``target_inputs``, ``source_domains``,
        ``source_indices``, ``target_indices``, ``source_weight``, ``feature_extractor``,
        ``classifier`` and ``progress``, and that returns a scalar tensor; or a list of pairs
        of a weight and one of these. Values and predictions are in standard units, and
        ``classifier`` is the last layer. A criterion that asks for logits or labels of
        classes is refused. None aligns nothing: it learns from the source alone.
    loss_weights : {"fixed", "uncertainty", "gradnorm"}, default="fixed"
        How the task and the criteria are weighed, as in
        :class:`~domadapt.AlignmentClassifier`.
    source_weights : {"proxy_distance", "transferability"}, dict, array-like or None, default=None
        How much a sample of each of several sources weighs in the task loss, as in
        :class:`~domadapt.AlignmentClassifier`.

    Attributes
    ----------
    loss_weights_ : ndarray of shape (1 + n_criteria,)
        The weights of the task and of each criterion that were found at the end; not
        there where they are fixed.
    source_weights_ : ndarray of shape (n_sources,)
        The weight of a sample of each source, in the order of their numbers; not there where
        ``source_weights`` is None, nor in a loaded estimator.
    """

    alignment: Alignment = field(default="mmd", kw_only=False)
    loss_weights: LossWeights = "fixed"
    source_weights: SourceWeights = None

    _takes_any_alignment: ClassVar[bool] = True
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **BaseAlignmentRegressor._parameter_constraints,
        "loss_weights": [StrOptions({"fixed", *LOSS_WEIGHTS})],
        "source_weights": SOURCE_WEIGHTS,
    }
