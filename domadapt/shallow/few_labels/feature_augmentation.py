"""Feature augmentation: what domains share and what is their own in columns apart."""

from numbers import Real
from typing import Any, ClassVar

import numpy as np
from scipy import sparse
from sklearn.utils._param_validation import Interval

from domadapt.domains.base import estimator
from domadapt.shallow._adapter import SubspaceMapping
from domadapt.shallow.few_labels._few_labels import check_known

__all__ = ["FeatureAugmentation"]


@estimator
class FeatureAugmentation(SubspaceMapping):
    r"""Every column three times: for both domains, for the source, for the target.

    A source sample x becomes :math:`[x, a x, 0]` and a target sample :math:`[x, 0, a x]`. The
    estimator is trained on the source and the labelled target samples together: what it learns
    in the first block holds for both, and the regulariser keeps the other blocks small where
    the domains agree.

    Cost: none of its own; the estimator is trained in 3 d columns. Sparse samples stay sparse.
    It harms where the estimator is hardly regularised and labels are few for the columns: the
    target's own block then learns them by heart. It brings little to trees, whose splits on one
    block know nothing of another.

    Parameters
    ----------
    own : float, default=0.3
        a, what the blocks that are a domain's own are multiplied with: 1 in the paper. The
        smaller, the more the regulariser holds them back against what both share, so that few
        labels are not learnt by heart; 0 trains on both domains as if they were one.

    Attributes
    ----------
    n_features_in_ : int
        Columns seen in ``fit``.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, where ``X`` was a DataFrame with string names.

    References
    ----------
    Daume (2007). "Frustratingly easy domain adaptation". ACL.

    Examples
    --------
    >>> from domadapt.shallow import FeatureAugmentation
    >>> mapping = FeatureAugmentation(own=1.0).fit([[1.0, 2.0]], X_target=[[3.0, 4.0]])
    >>> mapping.transform([[5.0, 6.0], [5.0, 6.0]], sample_domain=[1, -1])
    array([[5., 6., 5., 6., 0., 0.],
           [5., 6., 0., 0., 5., 6.]])
    """

    own: float = 0.3

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "own": [Interval(Real, 0, None, closed="left")],
    }

    def _fit_domains(self, domains):
        self._n_features_out = 3 * domains.source.X.shape[1]

    def _fit_source(self, domains):
        self._fit_domains(domains)

    def _map_source(self, X):
        return _side_by_side([X, self._own(X), _zeros_like(X)])

    def _map_target(self, X):
        return _side_by_side([X, _zeros_like(X), self._own(X)])

    def _own(self, X):
        return X if self.own == 1 else X * X.dtype.type(self.own)

    def _map_alone(self, X):
        return self._map_target(X)

    def _train(self, estimator, domains):
        check_known(self, domains)
        return super()._train(estimator, domains)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def _side_by_side(blocks):
    return sparse.hstack(blocks, format="csr") if sparse.issparse(blocks[0]) else np.hstack(blocks)


def _zeros_like(X):
    return sparse.csr_array(X.shape, dtype=X.dtype) if sparse.issparse(X) else np.zeros_like(X)
