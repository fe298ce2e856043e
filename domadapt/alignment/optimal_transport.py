"""Optimal transport between batches, by features and predictions jointly."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn


class DeepJDOT(nn.Module):
    r"""Cost of moving the source onto the target by the best plan.

    .. math::
        \min_{P} \sum_{ij} P_{ij} C_{ij}, \qquad
        C_{ij} = \alpha \|s_i - t_j\|^2 - \beta \log q_j(y_i)

    where :math:`q_j(y_i)` is the predicted probability that target row j has the class
    of source row i, and the plan :math:`P` gives every source row :math:`1/n_s` and every
    target row :math:`1/n_t`. So a target row learns the class of the source rows that
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
    >>> from domadapt.alignment.optimal_transport import DeepJDOT
    >>> source, target = torch.tensor([[0.0], [5.0]]), torch.tensor([[6.0], [1.0]])
    >>> labels, logits = torch.tensor([0, 1]), torch.zeros(2, 2)
    >>> DeepJDOT(alpha=1.0, beta=0.0)(source, target, labels, logits)
    tensor(1.)
    """

    # What an estimator multiplies the loss by unless told otherwise.
    default_weight = 1.0

    def __init__(self, *, alpha=0.001, beta=0.0001, regularization=None):
        super().__init__()
        for name, value in (("alpha", alpha), ("beta", beta)):
            if not 0.0 <= value < math.inf:
                raise ValueError(f"{name}={value!r} must be a finite number of at least 0.")
        if alpha == beta == 0.0:
            raise ValueError("alpha=0 and beta=0 leave no cost: set at least one above 0.")
        if regularization is not None and not 0.0 < regularization < math.inf:
            raise ValueError(
                f"regularization={regularization!r} must be a finite number above 0, or None."
            )
        self.alpha, self.beta, self.regularization = alpha, beta, regularization

    def forward(self, source_features, target_features, source_labels, target_logits):
        """Compare two batches.

        Parameters
        ----------
        source_features : Tensor of shape (n_source, d)
            Rows of the source.
        target_features : Tensor of shape (n_target, d)
            Rows of the target.
        source_labels : Tensor of shape (n_source,), int64
            Classes of the source rows, 0 to n_classes - 1.
        target_logits : Tensor of shape (n_target, n_classes)
            Logits of the target rows.

        Returns
        -------
        loss : Tensor of shape ()
            The cost of the plan, 0 or more.

        Raises
        ------
        ValueError
            If a feature or logit is not finite, or so large that the cost is not.
        """
        entropies = -F.log_softmax(target_logits, dim=1).T.index_select(0, source_labels)
        distances = _squared_distances(source_features, target_features)
        cost = self.alpha * distances + self.beta * entropies
        return (self._plan(cost.detach()) * cost).sum()

    def _plan(self, cost):
        # The solver runs on the CPU, so the host has to wait for the cost here.
        on_cpu = cost.to("cpu", torch.float64).numpy()
        if not np.isfinite(on_cpu).all():
            raise ValueError(
                "The cost of transport between source_features and target_features has "
                "entries that are not finite: a feature or logit is NaN, infinite or too "
                "large to square. Lower the learning rate, or scale the inputs."
            )
        return torch.from_numpy(_solve(on_cpu, self.regularization)).to(cost)

    def extra_repr(self):
        """Name the settings, for ``repr``."""
        return f"alpha={self.alpha}, beta={self.beta}, regularization={self.regularization}"


def _squared_distances(source, target):
    centre = torch.cat([source, target]).detach().mean(0)
    source, target = source - centre, target - centre
    squares = source.square().sum(1)[:, None] + target.square().sum(1)
    return torch.addmm(squares, source, target.T, alpha=-2.0).clamp_min(0.0)


def _solve(cost, regularization):
    # Slow to import, and needed by no other criterion.
    import ot  # type: ignore[import-untyped]

    uniform = [np.full(n, 1.0 / n) for n in cost.shape]
    if regularization is None:
        return ot.emd(*uniform, cost)
    # A plan just short of convergence serves a step as well, so no warning in each.
    return ot.sinkhorn(*uniform, cost, regularization, method="sinkhorn_log", warn=False)
