"""The adversarial classifiers by name."""

from domadapt.estimators._base import BaseAlignmentClassifier
from domadapt.estimators._defaults import with_defaults
from domadapt.estimators._documentation import shares_documentation


@with_defaults(optimizer="adam", learning_rate=3e-4)
@shares_documentation
class CDANClassifier(BaseAlignmentClassifier):
    """Conditional adversarial network: a discriminator sees features and predictions together.

    The criterion is :class:`~domadapt.alignment.ConditionalAdversarial` with entropy weights,
    CDAN+E.

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    {attributes}

    References
    ----------
    Long, Cao, Wang, Jordan (2018). "Conditional adversarial domain adaptation". NeurIPS.

    Examples
    --------
    {example}
    """

    alignment = "cdan"


@with_defaults(optimizer="adam", learning_rate=3e-4)
@shares_documentation
class WDGRLClassifier(BaseAlignmentClassifier):
    """Wasserstein distance guided representations: a critic with a gradient penalty.

    The criterion is :class:`~domadapt.alignment.WassersteinCritic`.

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    {attributes}

    References
    ----------
    Shen, Qu, Zhang, Yu (2018). "Wasserstein distance guided representation learning for
    domain adaptation". AAAI.

    Examples
    --------
    {example}
    """

    alignment = "wdgrl"


@with_defaults(optimizer="adam", learning_rate=3e-4)
@shares_documentation
class MCDClassifier(BaseAlignmentClassifier):
    """Maximum classifier discrepancy: two heads disagree on the target, features resist.

    The criterion is :class:`~domadapt.alignment.ClassifierDiscrepancy`, which owns the second
    head. Predictions are those of the first.

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    {attributes}

    References
    ----------
    Saito, Watanabe, Ushiku, Harada (2018). "Maximum classifier discrepancy for unsupervised
    domain adaptation". CVPR.

    Examples
    --------
    {example}
    """

    alignment = "mcd"


@with_defaults(optimizer="adam", learning_rate=3e-4)
@shares_documentation
class MDDClassifier(BaseAlignmentClassifier):
    """Margin disparity discrepancy: an adversarial head departs from the classifier on the target.

    The criterion is :class:`~domadapt.alignment.MarginDisparity`, with the margin factor 4.

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    {attributes}

    References
    ----------
    Zhang, Liu, Long, Jordan (2019). "Bridging theory and algorithm for domain adaptation".
    ICML.

    Examples
    --------
    {example}
    """

    alignment = "mdd"
