"""Optimal transport between mini-batches, by features and predictions jointly."""

import math

import numpy as np
import torch
import torch.nn.functional as F

from domadapt.alignment.protocol import Criterion, check_not_negative, check_positive


class _OfTransport(Criterion):
    """A criterion of which the plan is computed on the CPU."""

    stackable = False
    capturable = False


class DeepJDOT(_OfTransport):
    r"""Cost of moving the source onto the target by the best plan.

    .. math::
        \min_{P} \sum_{ij} P_{ij} C_{ij}, \qquad
        C_{ij} = \alpha \|s_i - t_j\|^2 - \beta \log q_j(y_i)

    where :math:`q_j(y_i)` is the predicted probability that target sample j has the class
    of source sample i, and the plan :math:`P` gives every source sample :math:`1/n_s` and every
    target sample :math:`1/n_t`. So a target sample learns the class of the source samples that
    the plan leads to it. The gradient flows through the cost and not through the plan.

    The plan is computed on the CPU: on another device each step waits for it.

    Parameters
    ----------
    alpha : float, default=0.001
        Weight of the squared distance of the features.
    beta : float, default=0.0001
        Weight of the cross-entropy between source classes and target predictions.
    regularization : float or None, default=None
        None takes the exact plan. A number is the weight of the plan's entropy in units
        of the cost: the plan is then spread out, by Sinkhorn's iterations on logarithms.

    References
    ----------
    Damodaran, Kellenberger, Flamary, Tuia, Courty (2018). "DeepJDOT: deep joint
    distribution optimal transport for unsupervised domain adaptation". ECCV.

    Examples
    --------
    >>> import torch
    >>> from domadapt.alignment import DeepJDOT
    >>> source, target = torch.tensor([[0.0], [5.0]]), torch.tensor([[6.0], [1.0]])
    >>> labels, logits = torch.tensor([0, 1]), torch.zeros(2, 2)
    >>> DeepJDOT(alpha=1.0, beta=0.0)(source, target, labels, logits)
    tensor(1.)
    """

    default_weight = 3.0

    def __init__(
        self, *, alpha: float = 0.001, beta: float = 0.0001, regularization: float | None = None
    ) -> None:
        super().__init__()
        _check_settings(regularization, alpha=alpha, beta=beta)
        self.alpha, self.beta, self.regularization = alpha, beta, regularization

    def forward(self, source_features, target_features, source_labels, target_logits):
        """Compare two mini-batches.

        Parameters
        ----------
        source_features : Tensor of shape (n_source, d)
            Samples of the source.
        target_features : Tensor of shape (n_target, d)
            Samples of the target.
        source_labels : Tensor of shape (n_source,), int64
            Classes of the source samples, 0 to n_classes - 1.
        target_logits : Tensor of shape (n_target, n_classes)
            Logits of the target samples.

        Returns
        -------
        loss : Tensor of shape ()
            The cost of the plan, 0 or more; NaN where the cost is not finite.
        """
        entropies = -F.log_softmax(target_logits, dim=1).T.index_select(0, source_labels)
        distances = _squared_distances(source_features, target_features)
        cost = self.alpha * distances + self.beta * entropies
        return _cost_of_best_plan(cost, self.regularization)


class DeepJDOTRegression(_OfTransport):
    r"""Cost of moving the source onto the target by the best plan, for a regression.

    .. math::
        \min_{P} \sum_{ij} P_{ij} C_{ij}, \qquad
        C_{ij} = \alpha \|s_i - t_j\|^2 + \frac{\beta}{m} \|y_i - \hat y_j\|^2

    where :math:`y_i` are the m values of source sample i and :math:`\hat y_j` those predicted
    for target sample j. The plan :math:`P` is that of ``DeepJDOT``: a target sample learns the
    values of the source samples that it leads there. Their squared error is a mean over the
    outputs, so that its weight does not depend on how many there are.

    Parameters
    ----------
    feature_weight : float, default=0.001
        The weight :math:`\alpha` of the squared distance of the features.
    value_weight : float, default=0.03
        The weight :math:`\beta` of the squared error, made for values of variance 1.
    regularization : float or None, default=None
        As in ``DeepJDOT``.

    References
    ----------
    Courty, Flamary, Habrard, Rakotomamonjy (2017). "Joint distribution optimal
    transportation for domain adaptation". NeurIPS. For deep networks: that of ``DeepJDOT``.

    Examples
    --------
    >>> import torch
    >>> from domadapt.alignment import DeepJDOTRegression
    >>> source, target = torch.tensor([[0.0], [5.0]]), torch.tensor([[6.0], [1.0]])
    >>> values, predictions = torch.tensor([[0.0], [1.0]]), torch.tensor([[1.0], [2.0]])
    >>> criterion = DeepJDOTRegression(feature_weight=1.0, value_weight=0.5)
    >>> criterion(source, target, values, predictions)  # 1 + 0.5 (2^2 + 0^2) / 2
    tensor(2.)
    """

    def __init__(
        self,
        *,
        feature_weight: float = 0.001,
        value_weight: float = 0.03,
        regularization: float | None = None,
    ) -> None:
        super().__init__()
        _check_settings(regularization, feature_weight=feature_weight, value_weight=value_weight)
        self.feature_weight, self.value_weight = feature_weight, value_weight
        self.regularization = regularization

    def forward(self, source_features, target_features, source_values, target_predictions):
        """Compare two mini-batches.

        Parameters
        ----------
        source_features : Tensor of shape (n_source, d)
            Samples of the source.
        target_features : Tensor of shape (n_target, d)
            Samples of the target.
        source_values : Tensor of shape (n_source, n_outputs)
            Values of the source samples.
        target_predictions : Tensor of shape (n_target, n_outputs)
            Values that are predicted for the target samples.

        Returns
        -------
        loss : Tensor of shape ()
            The cost of the plan, 0 or more; NaN where the cost is not finite.
        """
        distances = _squared_distances(source_features, target_features)
        errors = _squared_distances(source_values, target_predictions) / source_values.shape[1]
        cost = self.feature_weight * distances + self.value_weight * errors
        return _cost_of_best_plan(cost, self.regularization)


def _check_settings(regularization, **weights):
    check_not_negative(**weights)
    if not any(weights.values()):
        raise ValueError(f"{'=0 and '.join(weights)}=0 leave no cost: set at least one above 0.")
    if regularization is not None:
        check_positive(regularization=regularization)


def _squared_distances(source, target):
    centre = torch.cat([source, target]).detach().mean(0)
    source, target = source - centre, target - centre
    squares = source.square().sum(1)[:, None] + target.square().sum(1)
    return torch.addmm(squares, source, target.T, alpha=-2.0).clamp_min(0.0)


def _cost_of_best_plan(cost, regularization):
    # The solver runs on the CPU, so the host has to wait for the cost here.
    on_cpu = cost.detach().to("cpu", torch.float64).numpy()
    if not np.isfinite(on_cpu).all():
        # No solver can take it. The trainer can tell by a loss of NaN what went wrong.
        return (cost * math.nan).sum()
    return (torch.from_numpy(_solve(on_cpu, regularization)).to(cost) * cost).sum()


def _solve(cost, regularization):
    # Slow to import, and needed by no other criterion.
    import ot  # type: ignore[import-untyped]

    uniform = [np.full(n, 1.0 / n) for n in cost.shape]
    if regularization is None:
        return ot.emd(*uniform, cost)
    # A plan just short of convergence serves a step as well, so no warning in each.
    return ot.sinkhorn(*uniform, cost, regularization, method="sinkhorn_log", warn=False)
