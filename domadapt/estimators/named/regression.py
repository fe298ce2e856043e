"""The deep regressors by name: each chooses a criterion and holds no logic."""

from sklearn.utils._param_validation import StrOptions

from domadapt.alignment.registry import REGRESSION_CRITERIA
from domadapt.estimators._defaults import with_defaults
from domadapt.estimators._documentation import shares_documentation
from domadapt.estimators._regressor import BaseAlignmentRegressor
from domadapt.training.loss_weights import BALANCES


@shares_documentation
class AlignmentRegressor(BaseAlignmentRegressor):
    """Regressor for an unlabelled target, with any alignment criterion.

    A feature extractor and a linear layer learn the source values, one or several for each
    row, by their squared error, while a criterion pulls the features of source and target
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
        classes is refused. None aligns nothing but the statistics of batch normalisation.
    alignment_weighting : {"fixed", "uncertainty", "gradnorm"}, default="fixed"
        How the task and the criteria are weighed, as in
        :class:`~domadapt.AlignmentClassifier`.
    {parameters}

    Attributes
    ----------
    {attributes}
    loss_weights_ : ndarray of shape (1 + n_criteria,)
        The weights of the task and of each criterion that were found at the end; not
        there where they are fixed.

    Examples
    --------
    {example}
    """

    _parameter_constraints: dict = {
        **BaseAlignmentRegressor._parameter_constraints,
        "alignment": [StrOptions(set(REGRESSION_CRITERIA)), callable, list, None],
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
        batch_norm=None,
        alignment_weight=None,
        alignment_schedule="dann",
        optimizer="adam",
        learning_rate=1e-3,
        learning_rate_schedule="dann",
        weight_decay=5e-4,
        batch_size=64,
        max_epochs=30,
        steps_per_epoch=None,
        precision="float32",
        checkpoint=None,
        device="auto",
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


@shares_documentation
class DANRegressor(BaseAlignmentRegressor):
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


@shares_documentation
class DeepCORALRegressor(BaseAlignmentRegressor):
    """Deep CORAL: the features of both domains are to have the same covariance.

    The criterion is :class:`~domadapt.alignment.CORAL`.

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


# Less than this does not make itself felt against a squared error.
@with_defaults(alignment_weight=3.0)
@shares_documentation
class DANNRegressor(BaseAlignmentRegressor):
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
class DeepJDOTRegressor(BaseAlignmentRegressor):
    """Joint distribution optimal transport of features and values.

    The criterion is :class:`~domadapt.alignment.DeepJDOTRegression`.

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    {attributes}

    References
    ----------
    Courty, Flamary, Habrard, Rakotomamonjy (2017). "Joint distribution optimal
    transportation for domain adaptation". NeurIPS.

    Damodaran, Kellenberger, Flamary, Tuia, Courty (2018). "DeepJDOT: deep joint
    distribution optimal transport for unsupervised domain adaptation". ECCV.

    Examples
    --------
    {example}
    """

    alignment = "deepjdot"


@shares_documentation
class RSDRegressor(BaseAlignmentRegressor):
    """Representation subspace distance: feature subspaces agree, their scale stays.

    The criterion is :class:`~domadapt.alignment.RSD`.

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    {attributes}

    References
    ----------
    Chen, Wang, Wang, Long (2021). "Representation subspace distance for domain adaptation
    regression". ICML.

    Examples
    --------
    {example}
    """

    alignment = "rsd"
