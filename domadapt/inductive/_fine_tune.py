"""The two fine-tuned estimators: what they predict, and when the source's head stays."""

import numpy as np

from domadapt.domains.cautions import warn
from domadapt.estimators._classifier import BaseDeepClassifier
from domadapt.estimators._documentation import deep_estimator
from domadapt.estimators._regressor import BaseDeepRegressor
from domadapt.inductive._fine_tuning import FineTuning

# Of standard deviations of the source's values.
FAR = 10.0

__all__ = ["FineTuneClassifier", "FineTuneRegressor"]


@deep_estimator
class FineTuneClassifier(FineTuning, BaseDeepClassifier):
    """Classifier that starts from what was learnt elsewhere, and is trained on a few labelled rows.

    The network is that of the source, copied. Where the classes are those of the source its head,
    the last layer, stays; for other classes a new one is drawn. ``fit(X, y)`` takes the labelled
    rows of the new task; rows in ``X_target`` are only predicted, as ``transduction_``.
    Batch normalisation keeps the source's statistics, those of its target where it had one.

    Parameters
    ----------
    source : estimator, str, path or nn.Module
        What to start from, never changed: a fitted deep estimator of domadapt's, classifier or
        regressor; the file that its ``save`` wrote; or a feature extractor without a head, such as
        :func:`~domadapt.nn.load_backbone` gives. Layers that take no gradient there are not
        trained here.
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
        fit from the same source. A file does not hold them.
    n_reinitialised : int, default=0
        The last so many layers, the head being the first of them, are drawn anew.
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
    comparison_ : dict of str to float
        After ``compare=True``: the accuracies ``fine_tuned`` and ``from_scratch`` on rows held out,
        and the ``p_value`` of the latter being better, by McNemar's exact test.

    References
    ----------
    Yosinski, Clune, Bengio, Lipson (2014). "How transferable are features in deep neural
    networks?". NeurIPS.

    Howard, Ruder (2018). "Universal language model fine-tuning for text classification". ACL.

    Li, Grandvalet, Davoine (2018). "Explicit inductive bias for transfer learning with
    convolutional networks". ICML.

    Kirkpatrick, Pascanu, Rabinowitz, et al. (2017). "Overcoming catastrophic forgetting in
    neural networks". PNAS 114(13).

    Li, Hoiem (2016). "Learning without forgetting". ECCV.

    Examples
    --------
    >>> from sklearn.datasets import make_blobs
    >>> from domadapt import AlignmentClassifier
    >>> from domadapt.inductive import FineTuneClassifier
    >>> Xs, ys = make_blobs(200, centers=[[0, 0], [6, 0]], random_state=0)
    >>> Xt, yt = make_blobs(200, centers=[[5, 5], [11, 5]], random_state=1)
    >>> source = AlignmentClassifier(alignment=None, random_state=0).fit(Xs, ys)
    >>> clf = FineTuneClassifier(source, random_state=0).fit(Xt[:6], yt[:6])
    >>> bool(clf.score(Xt, yt) > source.score(Xt, yt))
    True
    """

    def _read_labels(self, domains, criteria):
        learnt, source = super()._read_labels(domains, criteria), self._start.estimator
        # The classes by name: that they mean the same is for a person to know.
        known = getattr(source, "classes_", None)
        same = known is not None and np.array_equal(known, learnt["fitted"]["classes_"])
        self._plan.keeps_head = same and self._head_may_stay
        return learnt


@deep_estimator
class FineTuneRegressor(FineTuning, BaseDeepRegressor):
    """Regressor that starts from what was learnt elsewhere, and is trained on a few labelled rows.

    The network is that of the source, copied. Where the source predicts as many values its head
    stays, and values are learnt in its units, ``y_mean_`` and ``y_scale_``; else a new one is
    drawn. ``fit(X, y)`` takes the labelled rows of the new task.

    Parameters
    ----------
    source : estimator, str, path or nn.Module
        What to start from, never changed, as in :class:`FineTuneClassifier`.
    strategy : {"full", "head", "gradual", "discriminative"}, default="full"
        Which layers are trained at which rate, as in :class:`FineTuneClassifier`.
    rate_decay : float, default=2.6
        Ratio of the rates of neighbouring groups of layers.
    regularisation : {"l2_sp", "ewc", "distillation"} or None, default="l2_sp"
        What keeps the network near the source, as in :class:`FineTuneClassifier`.
    regularisation_weight : float, default=None
        What multiplies it; 0 is plain fine-tuning. None stands for 0.1, 100 and 0.3 in this order.
    source_samples : array-like of shape (n_samples, ...) or dict of str to Tensor, default=None
        For ``"ewc"``: samples of the source, or the ``fisher_`` of an earlier fit.
    n_reinitialised : int, default=0
        The last so many layers, the head being the first of them, are drawn anew.
    new_first_layer : bool, default=False
        Draw a first layer for the columns or channels of ``X``.
    compare : bool, default=False
        Whether training from scratch is better on rows held out, at the cost of four fits more.

    Attributes
    ----------
    layer_names_ : list of str
        What ``transform`` takes for ``layer``.
    fisher_ : dict of str to Tensor
        Diagonal of the Fisher information of the source, where ``"ewc"`` needed it.
    comparison_ : dict of str to float
        After ``compare=True``: the mean squared errors ``fine_tuned`` and ``from_scratch``, and the
        ``p_value`` of the latter being lower, by Wilcoxon's signed-rank test.

    Examples
    --------
    >>> import numpy as np
    >>> from domadapt import AlignmentRegressor
    >>> from domadapt.inductive import FineTuneRegressor
    >>> rng = np.random.default_rng(0)
    >>> Xs, Xt = rng.normal(size=(300, 5)), rng.normal(size=(300, 5))
    >>> ys, yt = Xs[:, 0] + Xs[:, 1], Xt[:, 0] + Xt[:, 1] + 1
    >>> source = AlignmentRegressor(alignment=None, random_state=0).fit(Xs, ys)
    >>> reg = FineTuneRegressor(source, random_state=0).fit(Xt[:20], yt[:20])
    >>> bool(reg.score(Xt, yt) > source.score(Xt, yt))
    True
    """

    def _read_labels(self, domains, criteria):
        learnt, source = super()._read_labels(domains, criteria), self._start.estimator
        same = self._start.learns == "values" and source._n_outputs == learnt["n_outputs"]
        self._plan.keeps_head = same and self._head_may_stay
        if self._plan.keeps_head:
            # The source's head gives values in these units.
            fitted, labels = learnt["fitted"], learnt["labels"]
            mean, scale = source.y_mean_.copy(), source.y_scale_.copy()
            _warn_of_other_units(fitted, mean, scale)
            values = labels * fitted["y_scale_"] + fitted["y_mean_"]
            fitted |= {"y_mean_": mean, "y_scale_": scale}
            learnt["labels"] = (values - mean) / scale
        return learnt


def _warn_of_other_units(fitted, mean, scale):
    """Warn of values that the head of the source is far from."""
    away = np.abs(fitted["y_mean_"] - mean) / scale
    wider = fitted["y_scale_"] / scale
    if max(away.max(), wider.max()) > FAR:
        worst = int(np.maximum(away, wider).argmax())
        warn(
            f"The values to learn have mean {fitted['y_mean_'][worst]:.4g} and standard deviation "
            f"{fitted['y_scale_'][worst]:.4g}, those of the source {mean[worst]:.4g} and "
            f"{scale[worst]:.4g}, whose head would have far to go. Bring them to the same units, "
            "or pass n_reinitialised=1, which draws a head for these."
        )
