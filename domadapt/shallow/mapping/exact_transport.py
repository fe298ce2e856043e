"""Exact optimal transport: source samples go where the plan of least cost leads them."""

from domadapt.domains.base import estimator
from domadapt.shallow._transport import exact_plan
from domadapt.shallow.mapping._plan import TransportMapping

__all__ = ["OTMapping"]


@estimator
class OTMapping(TransportMapping):
    r"""Optimal transport: each source sample moves to the mean of its partners in the target.

    The plan is :math:`\min_P \sum_{ij} P_{ij} \|x_i - x'_j\|^2` over all P of which the rows have
    the sum :math:`1/n_s` and the columns :math:`1/n_t`. With it,
    :math:`x_i \mapsto \sum_j P_{ij} x'_j / \sum_j P_{ij}`. A source sample that was not fitted
    moves as far, and in the same direction, as the nearest one that was. Target samples stay as
    they are.

    Cost: n^2 d for the distances, a little less than n^3 for the plan, and n^2 numbers of memory,
    where n is ``max_samples`` at the most; n_source * ``max_samples`` * d for the other samples.
    It harms where the proportions of the classes differ: all of the mass must move, and some of
    it to a wrong class.

    Parameters
    ----------
    max_samples : int or None, default=2000
        Domains with more samples than this are represented in the plan by that many at random,
        whom the others follow. None takes all.
    random_state : int, RandomState instance or None, default=None
        Draws those samples. None draws the same each time.

    Attributes
    ----------
    source_indices_ : ndarray of shape (n_fitted,), int64
        Positions of the source samples that are in the plan.
    source_samples_ : ndarray of shape (n_fitted, n_features)
        Those samples.
    shifts_ : ndarray of shape (n_fitted, n_features)
        How far they moved.
    n_features_in_ : int
        Columns seen in ``fit``.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, where ``X`` was a DataFrame with string names.

    References
    ----------
    Courty, Flamary, Tuia, Rakotomamonjy (2017). "Optimal transport for domain adaptation". IEEE
    Transactions on Pattern Analysis and Machine Intelligence 39. New samples: Ferradans,
    Papadakis, Peyre, Aujol (2014). "Regularized discrete optimal transport". SIAM Journal on
    Imaging Sciences 7.

    Examples
    --------
    >>> import numpy as np
    >>> from domadapt.shallow import OTMapping
    >>> Xs, Xt = np.array([[0.0], [1.0]]), np.array([[12.0], [10.0]])
    >>> mapping = OTMapping().fit(Xs, X_target=Xt)
    >>> mapping.transform([[0.0], [1.0], [1.5]], sample_domain=[1, 1, 1])
    array([[10. ],
           [12. ],
           [12.5]])
    """

    def _shares(self, cost, a, b, y):
        plan, _ = exact_plan(cost, a, b)
        return plan / plan.sum(axis=1, keepdims=True)
