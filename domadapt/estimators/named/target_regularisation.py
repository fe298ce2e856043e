"""The classifiers that regularise predictions and features of the target, by name."""

from domadapt.alignment.mean_teacher import MeanTeacher
from domadapt.estimators._classifier import BaseAlignmentClassifier
from domadapt.estimators._defaults import with_defaults, with_parameters
from domadapt.estimators._documentation import shares_documentation


# Smoothed labels would hold the target predictions away from certainty, here and below.
@with_defaults(optimizer="adam", learning_rate=1e-3, label_smoothing=0.0)
@shares_documentation
class MCCClassifier(BaseAlignmentClassifier):
    """Minimum class confusion: target predictions are to mix no classes.

    The criterion is :class:`~domadapt.alignment.MCC`, at temperature 2.5.

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    {attributes}

    References
    ----------
    Jin, Wang, Long, Wang (2020). "Minimum class confusion for versatile domain adaptation".
    ECCV.

    Examples
    --------
    {example}
    """

    alignment = "mcc"


@with_defaults(label_smoothing=0.0)
@shares_documentation
class BNMClassifier(BaseAlignmentClassifier):
    """Batch nuclear-norm maximisation: target predictions are to be sure and of many classes.

    The criterion is :class:`~domadapt.alignment.BNM`.

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    {attributes}

    References
    ----------
    Cui, Wang, Zhuo, Li, Huang, Tian (2020). "Towards discriminability and diversity: batch
    nuclear-norm maximization under label insufficient situations". CVPR.

    Examples
    --------
    {example}
    """

    alignment = "bnm"


@with_defaults(optimizer="adam", learning_rate=1e-3, label_smoothing=0.0)
@shares_documentation
class AFNClassifier(BaseAlignmentClassifier):
    """Adaptive feature norm: the norms of the features are to grow step by step.

    The criterion is :class:`~domadapt.alignment.AFN`.

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    {attributes}

    References
    ----------
    Xu, Li, Yang, Lin (2019). "Larger norm more transferable: an adaptive feature norm approach
    for unsupervised domain adaptation". ICCV.

    Examples
    --------
    {example}
    """

    alignment = "afn"


@with_defaults(optimizer="adam", learning_rate=1e-3)
@shares_documentation
class BSPClassifier(BaseAlignmentClassifier):
    """Batch spectral penalisation: no direction of the features is to stand out, with DANN.

    The criteria are :class:`~domadapt.alignment.DomainAdversarial` and, at a small weight,
    :class:`~domadapt.alignment.BSP`.

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    {attributes}

    References
    ----------
    Chen, Wang, Long, Wang (2019). "Transferability vs. discriminability: batch spectral
    penalization for adversarial domain adaptation". ICML.

    Examples
    --------
    {example}
    """

    alignment = [(0.3, "dann"), (1e-4, "bsp")]


@with_defaults(optimizer="adam", learning_rate=1e-3, label_smoothing=0.0)
@shares_documentation
class PseudoLabelClassifier(BaseAlignmentClassifier):
    """Pseudo-labels: sure predictions on the target become labels.

    The criterion is :class:`~domadapt.alignment.PseudoLabels`: predictions above 0.8 count, each
    class alike, more and more as training goes on.

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    {attributes}

    References
    ----------
    Lee (2013). "Pseudo-label: the simple and efficient semi-supervised learning method for deep
    neural networks". ICML workshops.

    Examples
    --------
    {example}
    """

    alignment = "pseudo_labels"


@with_defaults(optimizer="adam", learning_rate=1e-3, label_smoothing=0.0)
@shares_documentation
class VADAClassifier(BaseAlignmentClassifier):
    """Virtual adversarial domain adaptation: boundaries between classes keep off target rows.

    The criteria are :class:`~domadapt.alignment.DomainAdversarial`,
    :class:`~domadapt.alignment.VirtualAdversarial` and
    :class:`~domadapt.alignment.EntropyMinimization`, the last two on the target; the paper
    leaves it open whether perturbations of the source count too.

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    {attributes}

    References
    ----------
    Shu, Bui, Narui, Ermon (2018). "A DIRT-T approach to unsupervised domain adaptation".
    ICLR.

    Examples
    --------
    {example}
    """

    alignment = [(1.0, "dann"), (0.3, "vat"), (0.3, "entropy")]


@with_parameters(augmentation=None)
@with_defaults(optimizer="adam", learning_rate=3e-4, label_smoothing=0.0)
@shares_documentation
class MeanTeacherClassifier(BaseAlignmentClassifier):
    """Self-ensembling: predictions on the target agree with those of an averaged teacher.

    The criterion is :class:`~domadapt.alignment.MeanTeacher`. The student predicts.

    Parameters
    ----------
    augmentation : callable, default=None
        Maps a batch of inputs, a tensor, to one of the same shape; student and teacher each
        see a draw of their own. None adds noise of half of each column's standard
        deviation. Draw from torch's default generator, which ``random_state`` seeds.
    {parameters}

    Attributes
    ----------
    {attributes}

    References
    ----------
    French, Mackiewicz, Fisher (2018). "Self-ensembling for visual domain adaptation". ICLR.

    Tarvainen, Valpola (2017). "Mean teachers are better role models". NeurIPS.

    Examples
    --------
    {example}
    """

    _parameter_constraints: dict = {
        **BaseAlignmentClassifier._parameter_constraints,
        "augmentation": [callable, None],
    }

    @property
    def alignment(self):
        """The criterion, with the augmentation that was chosen."""
        return MeanTeacher(augmentation=self.augmentation)
