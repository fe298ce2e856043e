"""The deep classifiers by name: each chooses a criterion and holds no logic."""

from sklearn.utils._param_validation import StrOptions

from domadapt.alignment.registry import CRITERIA
from domadapt.estimators._classifier import BaseAlignmentClassifier
from domadapt.estimators._defaults import with_defaults
from domadapt.estimators._documentation import shares_documentation
from domadapt.training.loss_weights import BALANCES


@shares_documentation
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
        None aligns nothing but the statistics of batch normalisation.
    alignment_weighting : {"fixed", "uncertainty", "gradnorm"}, default="fixed"
        How the task and the criteria are weighed. ``"fixed"`` takes the weights of the
        list. ``"uncertainty"`` learns, for the task and each criterion, a weight that
        makes its loss count as much as the others
        (:class:`~domadapt.alignment.UncertaintyWeights`); ``"gradnorm"`` one that does so
        to the gradients at the features (:class:`~domadapt.alignment.GradNormWeights`).
        The weights of the list, ``alignment_weight`` and its schedule multiply those that
        are found.
    {parameters}

    Attributes
    ----------
    {attributes}
    loss_weights_ : ndarray of shape (1 + n_criteria,)
        The weights of the task and of each criterion that were found at the end; not
        there where they are fixed.

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

    _parameter_constraints: dict = {
        **BaseAlignmentClassifier._parameter_constraints,
        "alignment": [StrOptions(set(CRITERIA)), callable, list, None],
        "alignment_weighting": [StrOptions({"fixed", *BALANCES})],
    }

    def __init__(
        self,
        alignment="mmd",
        *,
        alignment_weighting="fixed",
        hidden_layer_sizes=None,
        dropout=0.0,
        backbone=None,
        backbone_rate=None,
        freeze=False,
        feature_cache=None,
        image_loader=None,
        batch_norm="per_domain",
        alignment_weight=None,
        alignment_schedule="dann",
        optimizer="sgd",
        learning_rate=0.03,
        learning_rate_schedule="dann",
        weight_decay=5e-4,
        label_smoothing=0.1,
        batch_size=64,
        max_epochs=30,
        steps_per_epoch=None,
        precision="float32",
        checkpoint=None,
        device="auto",
        class_weight=None,
        random_state=None,
        verbose=False,
    ):
        super().__init__(
            hidden_layer_sizes=hidden_layer_sizes,
            dropout=dropout,
            backbone=backbone,
            backbone_rate=backbone_rate,
            freeze=freeze,
            feature_cache=feature_cache,
            image_loader=image_loader,
            batch_norm=batch_norm,
            alignment_weight=alignment_weight,
            alignment_schedule=alignment_schedule,
            optimizer=optimizer,
            learning_rate=learning_rate,
            learning_rate_schedule=learning_rate_schedule,
            weight_decay=weight_decay,
            batch_size=batch_size,
            max_epochs=max_epochs,
            steps_per_epoch=steps_per_epoch,
            precision=precision,
            checkpoint=checkpoint,
            device=device,
            random_state=random_state,
            verbose=verbose,
        )
        self.alignment = alignment
        self.alignment_weighting = alignment_weighting
        self.label_smoothing = label_smoothing
        self.class_weight = class_weight


# Plain SGD is too slow for the discriminator to be of use in a few hundred steps.
@with_defaults(alignment_weight=0.5, optimizer="adam", learning_rate=3e-4)
@shares_documentation
class DANNClassifier(BaseAlignmentClassifier):
    """Domain-adversarial network: a discriminator tells the domains apart, features resist.

    The criterion is :class:`~domadapt.alignment.DomainAdversarial`. ``alignment_weight``
    times the schedule is the paper's reversal coefficient.

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    {attributes}

    References
    ----------
    Ganin, Ustinova, Ajakan, Germain, Larochelle, Laviolette, Marchand, Lempitsky (2016).
    "Domain-adversarial training of neural networks". JMLR 17(59).

    Examples
    --------
    {example}
    """

    alignment = "dann"


@shares_documentation
class DANClassifier(BaseAlignmentClassifier):
    """Deep adaptation network: multi-kernel MMD between the features of the domains.

    The criterion is :class:`~domadapt.alignment.MMD`, unbiased, with five kernels.

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    {attributes}

    References
    ----------
    Long, Cao, Wang, Jordan (2015). "Learning transferable features with deep adaptation
    networks". ICML.

    Examples
    --------
    {example}
    """

    alignment = "mmd"


# Smoothed labels hold the logits small, and it is their covariance that is to agree.
@with_defaults(label_smoothing=0.0)
@shares_documentation
class DeepCORALClassifier(BaseAlignmentClassifier):
    """Deep CORAL: the logits of both domains are to have the same covariance.

    The criterion is :class:`~domadapt.alignment.DeepCORAL`.

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    {attributes}

    References
    ----------
    Sun, Saenko (2016). "Deep CORAL: correlation alignment for deep domain adaptation".
    ECCV workshops.

    Examples
    --------
    {example}
    """

    alignment = "coral"
