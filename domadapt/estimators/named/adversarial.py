"""The adversarial methods by name."""

from typing import ClassVar

from domadapt.estimators._classifier import BaseAlignmentClassifier
from domadapt.estimators._documentation import deep_estimator
from domadapt.estimators._parameters import Alignment, Optimizer
from domadapt.estimators._regressor import BaseAlignmentRegressor
from domadapt.estimators._stages import LEARN_THEN_ALIGN, Stage

__all__ = ["ADDAClassifier", "CDANClassifier", "DANNClassifier", "DANNRegressor", "WDGRLClassifier"]


@deep_estimator
class DANNClassifier(BaseAlignmentClassifier):
    """Domain-adversarial network: a discriminator tells the domains apart, features resist.

    The criterion is :class:`~domadapt.alignment.DomainAdversarial`. ``alignment_weight``
    times the schedule is the paper's reversal coefficient.

    References
    ----------
    Ganin, Ustinova, Ajakan, Germain, Larochelle, Laviolette, Marchand, Lempitsky (2016).
    "Domain-adversarial training of neural networks". JMLR 17(59).
    """

    alignment: Alignment = "dann"
    # Plain SGD is too slow for the discriminator to be of use in a few hundred steps.
    alignment_weight: float | None = 0.5
    optimizer: Optimizer = "adam"
    learning_rate: float = 3e-4


@deep_estimator
class CDANClassifier(BaseAlignmentClassifier):
    """Conditional adversarial network: a discriminator sees features and predictions together.

    The criterion is :class:`~domadapt.alignment.ConditionalAdversarial` with entropy weights,
    CDAN+E.

    References
    ----------
    Long, Cao, Wang, Jordan (2018). "Conditional adversarial domain adaptation". NeurIPS.
    """

    alignment: Alignment = "cdan"
    optimizer: Optimizer = "adam"
    learning_rate: float = 1e-3
    label_smoothing: float = 0.0


@deep_estimator
class WDGRLClassifier(BaseAlignmentClassifier):
    """Wasserstein distance guided representations: a critic with a gradient penalty.

    The criterion is :class:`~domadapt.alignment.WassersteinCritic`.

    References
    ----------
    Shen, Qu, Zhang, Yu (2018). "Wasserstein distance guided representation learning for
    domain adaptation". AAAI.
    """

    alignment: Alignment = "wdgrl"
    # Under SGD with momentum the steep penalty lets the critic run away.
    optimizer: Optimizer = "adam"
    learning_rate: float = 3e-4
    label_smoothing: float = 0.0


@deep_estimator
class ADDAClassifier(BaseAlignmentClassifier):
    """Adversarial discriminative adaptation: the target has a feature extractor of its own.

    The source is learnt first, without the target. Then, with extractor and classifier of
    the source as they are, a copy of the extractor learns features of target samples that a
    discriminator takes for the source's. The criterion of that second stage, as long as the
    first, is :class:`~domadapt.alignment.UntiedAdversarial`; its losses are in
    ``adaptation_history_``. A checkpoint of the second stage is a second file, whose name
    ends in ``.2``.

    References
    ----------
    Tzeng, Hoffman, Saenko, Darrell (2017). "Adversarial discriminative domain adaptation".
    CVPR.
    """

    alignment: Alignment = "adda"
    label_smoothing: float = 0.0

    _stages: ClassVar[tuple[Stage, ...]] = LEARN_THEN_ALIGN


@deep_estimator
class DANNRegressor(BaseAlignmentRegressor):
    """Domain-adversarial network: a discriminator tells the domains apart, features resist.

    The criterion is :class:`~domadapt.alignment.DomainAdversarial`. ``alignment_weight``
    times the schedule is the paper's reversal coefficient.

    References
    ----------
    Ganin, Ustinova, Ajakan, Germain, Larochelle, Laviolette, Marchand, Lempitsky (2016).
    "Domain-adversarial training of neural networks". JMLR 17(59).
    """

    alignment: Alignment = "dann"
    # Less than this does not make itself felt against a squared error.
    alignment_weight: float | None = 3.0
