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
    Batch normalisation keeps the source's statistics, those of its target where it had one; behind
    layers that are drawn anew it learns statistics of its own.

    Attributes
    ----------
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
    drawn. A warning tells where the values are far from those of the source. ``fit(X, y)`` takes
    the labelled rows of the new task.

    Attributes
    ----------
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
