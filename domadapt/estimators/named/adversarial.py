"""The adversarial classifiers by name."""

from domadapt.estimators._classifier import BaseAlignmentClassifier
from domadapt.estimators._defaults import with_defaults
from domadapt.estimators._documentation import shares_documentation


@with_defaults(optimizer="adam", learning_rate=1e-3, label_smoothing=0.0)
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


# Under SGD with momentum the steep penalty lets the critic run away.
@with_defaults(optimizer="adam", learning_rate=3e-4, label_smoothing=0.0)
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


@with_defaults(optimizer="adam", learning_rate=1e-3, label_smoothing=0.0)
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


@with_defaults(optimizer="adam", learning_rate=1e-3, label_smoothing=0.0)
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


@with_defaults(label_smoothing=0.0)
@shares_documentation
class ADDAClassifier(BaseAlignmentClassifier):
    """Adversarial discriminative adaptation: the target has a feature extractor of its own.

    The source is learnt first, without the target. Then, with extractor and classifier of
    the source as they are, a copy of the extractor learns to give target rows features that a
    discriminator takes for the source's. The criterion of that second stage, as long as the
    first, is :class:`~domadapt.alignment.UntiedAdversarial`; its losses are in
    ``adaptation_history_``. A checkpoint of the second stage is a second file, whose name
    ends in ``.2``.

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    {attributes}

    References
    ----------
    Tzeng, Hoffman, Saenko, Darrell (2017). "Adversarial discriminative domain adaptation".
    CVPR.

    Examples
    --------
    {example}
    """

    alignment = "adda"
    aligns_afterwards = True


@with_defaults(optimizer="adam", learning_rate=3e-4)
@shares_documentation
class DSNClassifier(BaseAlignmentClassifier):
    """Domain separation network: what domains share is kept apart from what is their own.

    The criteria are :class:`~domadapt.alignment.DomainSeparation`, whose private encoders and
    decoder work on the rows of ``X`` flattened (on the features of a frozen backbone), and,
    for what is shared, :class:`~domadapt.alignment.DomainAdversarial`.

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    {attributes}

    References
    ----------
    Bousmalis, Trigeorgis, Silberman, Krishnan, Erhan (2016). "Domain separation networks".
    NeurIPS.

    Examples
    --------
    {example}
    """

    alignment = [(1.0, "dsn"), (1.0, "dann")]
