"""The classifiers of discrepancy and transport by name."""

from domadapt.estimators._classifier import BaseAlignmentClassifier
from domadapt.estimators._defaults import with_defaults
from domadapt.estimators._documentation import shares_documentation


@shares_documentation
class JANClassifier(BaseAlignmentClassifier):
    """Joint adaptation network: MMD between the joint distributions of features and predictions.

    The criterion is :class:`~domadapt.alignment.JointMMD`, unbiased.

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    {attributes}

    References
    ----------
    Long, Zhu, Wang, Jordan (2017). "Deep transfer learning with joint adaptation networks".
    ICML.

    Examples
    --------
    {example}
    """

    alignment = "jan"


@with_defaults(optimizer="adam", learning_rate=1e-3, label_smoothing=0.0)
@shares_documentation
class DSANClassifier(BaseAlignmentClassifier):
    """Deep subdomain adaptation network: MMD class by class.

    The criterion is :class:`~domadapt.alignment.LocalMMD`. Target rows count in each class as
    much as the classifier believes them to be of it.

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    {attributes}

    References
    ----------
    Zhu, Zhuang, Wang, Ke, Chen, Bian, Xiong, He (2021). "Deep subdomain adaptation network
    for image classification". IEEE Transactions on Neural Networks and Learning Systems 32(4).

    Examples
    --------
    {example}
    """

    alignment = "dsan"


@shares_documentation
class CMDClassifier(BaseAlignmentClassifier):
    """Central moment discrepancy: means and central moments of the features are to agree.

    The criterion is :class:`~domadapt.alignment.CentralMoments`, up to the fifth order.

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    {attributes}

    References
    ----------
    Zellinger, Grubinger, Lughofer, Natschlaeger, Saminger-Platz (2017). "Central moment
    discrepancy (CMD) for domain-invariant representation learning". ICLR.

    Examples
    --------
    {example}
    """

    alignment = "cmd"


@with_defaults(optimizer="adam", learning_rate=1e-3, label_smoothing=0.0)
@shares_documentation
class SWDClassifier(BaseAlignmentClassifier):
    """Sliced Wasserstein distance between the features of the domains.

    The criterion is :class:`~domadapt.alignment.SlicedWasserstein`, with 64 directions drawn
    anew at each step.

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    {attributes}

    References
    ----------
    Lee, Batra, Baig, Ulbricht (2019). "Sliced Wasserstein discrepancy for unsupervised domain
    adaptation". CVPR. There the distance is between the outputs of two classifiers; here it
    is between the features of the domains.

    Examples
    --------
    {example}
    """

    alignment = "swd"


@shares_documentation
class DeepJDOTClassifier(BaseAlignmentClassifier):
    """Joint distribution optimal transport between features and labels of a batch.

    The criterion is :class:`~domadapt.alignment.DeepJDOT`. Each step waits for an exact plan
    on the CPU.

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    {attributes}

    References
    ----------
    Damodaran, Kellenberger, Flamary, Tuia, Courty (2018). "DeepJDOT: deep joint distribution
    optimal transport for unsupervised domain adaptation". ECCV.

    Examples
    --------
    {example}
    """

    alignment = "deepjdot"
