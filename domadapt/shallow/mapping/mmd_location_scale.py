"""MMD location-scale: columns of the source are moved and stretched until the MMD is small."""

from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from scipy.optimize import minimize
from scipy.spatial.distance import pdist
from sklearn.base import is_regressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval

from domadapt.domains.base import estimator
from domadapt.domains.cautions import warn
from domadapt.shallow._adapter import SpaceMapping
from domadapt.shallow._moments import fit_scaler

__all__ = ["MMDLocationScaleMapping"]


@estimator
class MMDLocationScaleMapping(SpaceMapping):
    r"""Each column of the source is moved and stretched so that the MMD to the target is least.

    Source samples become :math:`x' = w_g \odot (x - \mu_g) + \mu_g + b_g`, with
    :math:`\mu_g` the mean of the group g of x: of its class with ``by_class``, else of all of
    the source. w and b minimise

    .. math:: \operatorname{MMD}^2(X_s', X_t) + \frac{\lambda}{d} \sum_g p_g
              \left( \lVert w_g - 1 \rVert^2 + \lVert b_g \rVert^2 \right)

    with a Gaussian kernel, whose bandwidth is the median distance of samples of both domains,
    and :math:`p_g` the proportion of the group. b and distances are in units of the standard
    deviation that a column has within the domains. Target samples stay as they are. Unlike
    means and variances the MMD sees the whole distribution, and a few samples far from the
    others hardly move it.

    Cost: d m^2 for each of some dozens of iterations of L-BFGS, m being ``max_samples`` at most,
    and one pass over both domains for means and variances.

    It harms where classes have other proportions in the target. With ``by_class`` a class may
    be led to the samples of another one, the more the further the domains are apart.

    Parameters
    ----------
    by_class : bool, default=False
        Whether each class is moved by itself, as in the paper. ``fit`` then needs ``y``, and the
        estimator has to be a classifier. Source samples that come after ``fit`` have no class:
        they are mapped by the mean map of the classes.
    regularization : float, default=1e-4
        :math:`\lambda`, which pulls towards no change. What the scale of one column does to the
        MMD falls with the square of their number, so that larger ones leave scales as they are.
    max_samples : int, default=1000
        Of larger domains so many samples are drawn for the MMD.
    max_iter : int, default=200
        Iterations at most.
    tol : float, default=1e-8
        Iterations end where an iteration lowers the objective by less.
    random_state : int, RandomState instance or None, default=None
        Draws the samples of larger domains. None draws the same each time.

    Attributes
    ----------
    classes_ : ndarray of shape (n_groups,)
        The classes that are moved by themselves. Only there with ``by_class``.
    source_mean_ : ndarray of shape (n_groups, n_features), float64
        Mean of each class, or in one row that of the source.
    scale_ : ndarray of shape (n_groups, n_features), float64
        Factors w.
    location_ : ndarray of shape (n_groups, n_features), float64
        To where the means are moved.
    proportions_ : ndarray of shape (n_groups,), float64
        Share of the source samples that each group has.
    mmd_before_, mmd_ : float
        Squared MMD to the target before and after.
    n_iter_ : int
        Iterations made; 1 after a fit without a target, which changes nothing.
    n_features_in_ : int
        Columns seen in ``fit``.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, where ``X`` was a DataFrame with string names.

    References
    ----------
    Zhang, Schoelkopf, Muandet, Wang (2013). "Domain adaptation under target and conditional
    shift". ICML.

    Examples
    --------
    >>> import numpy as np
    >>> from domadapt.shallow import MMDLocationScaleMapping
    >>> rng = np.random.default_rng(0)
    >>> Xs, Xt = rng.normal(size=(300, 2)), rng.normal(size=(300, 2)) * [3, 0.5] + [1, -2]
    >>> mapped = MMDLocationScaleMapping().fit_transform(Xs, X_target=Xt)
    >>> bool(np.allclose(mapped.mean(axis=0), Xt.mean(axis=0), atol=0.2))
    True
    """

    by_class: bool = False
    regularization: float = 1e-4
    max_samples: int = 1000
    max_iter: int = 200
    tol: float = 1e-8
    random_state: Any = None

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "by_class": ["boolean"],
        "regularization": [Interval(Real, 0, None, closed="left")],
        "max_samples": [Interval(Integral, 2, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "random_state": ["random_state"],
    }

    @property
    def _learns(self):
        return "classes" if self.by_class else None

    def _check_estimator(self, estimator):
        if self.by_class and is_regressor(estimator):
            raise ValueError(
                "MMDLocationScaleMapping(by_class=True) moves classes, and what "
                f"estimator={estimator!r} learns are values. Use by_class=False."
            )

    def _fit_domains(self, domains):
        group = self._groups(domains)
        self.proportions_ = np.bincount(group) / len(group)
        parts = [domains.source]
        if self.by_class:
            rows = [np.flatnonzero(group == g) for g in range(len(self.classes_))]
            parts = [domains.source.subset(r) for r in rows]
        self.source_mean_ = np.stack([fit_scaler(part).mean_ for part in parts])
        unit, start = _moments(domains, self.source_mean_)
        drawn, target = self._drawn(domains)
        Xs = domains.source.take(drawn).astype(np.float64)
        Xt = domains.target.take(target).astype(np.float64)
        middle = self.source_mean_.mean(axis=0)
        problem = _Problem(
            within=(Xs - self.source_mean_[group[drawn]]) / unit,
            means=(self.source_mean_ - middle) / unit,
            target=(Xt - middle) / unit,
            group=group[drawn],
            pull=self.regularization * self.proportions_[:, None] / len(unit),
        )
        w, b = self._minimised(problem, start)
        self.scale_, self.location_ = w, self.source_mean_ + b * unit

    def _fit_source(self, domains):
        self.n_iter_ = 1

    def _groups(self, domains):
        """Return the number of the group of each source sample."""
        if not self.by_class:
            return np.zeros(len(domains.source), dtype=np.int64)
        self.classes_, group = np.unique(domains.y, return_inverse=True)
        return group

    def _drawn(self, domains):
        """Return sorted rows of both domains, not too many."""
        generator = check_random_state(0 if self.random_state is None else self.random_state)
        most = self.max_samples
        return [
            np.arange(len(part))
            if len(part) <= most
            else np.sort(generator.choice(len(part), most, replace=False))
            for part in (domains.source, domains.target)
        ]

    def _minimised(self, problem, start):
        """Return factors and moves of the least objective, from no change and from a start."""
        unchanged = (np.ones_like(start[0]), np.zeros_like(start[1]))
        self.mmd_before_ = problem.mmd(*unchanged)
        first = min((unchanged, start), key=lambda at: problem(np.concatenate(at).ravel())[0])
        n_groups, n_columns = start[0].shape
        n = n_groups * n_columns
        found = minimize(
            *(problem, np.concatenate(first).ravel()),
            method="L-BFGS-B",
            jac=True,
            bounds=[(0, None)] * n + [(None, None)] * n,
            options={"maxiter": self.max_iter, "ftol": self.tol, "gtol": 0.0},
        )
        if found.nit >= self.max_iter:
            warn(
                f"MMDLocationScaleMapping made max_iter={self.max_iter} iterations without coming "
                f"to an end; the largest slope left is {abs(found.jac).max():.2g}. Raise max_iter "
                f"or tol (now {self.tol:g}).",
                ConvergenceWarning,
            )
        w, b = found.x.reshape(2, n_groups, n_columns)
        self.n_iter_, self.mmd_ = max(1, int(found.nit)), problem.mmd(w, b)
        return w, b

    def _map_source(self, X):
        return self._moved(X, *(self.proportions_ @ a for a in self._map()))

    def _mapped_source(self, domains):
        if not self.by_class or domains.target is None:
            return super()._mapped_source(domains)
        group = np.searchsorted(self.classes_, domains.y)
        return self._moved(domains.source.take(slice(None)), *(a[group] for a in self._map()))

    def _map(self):
        """Return factors, and what is added, of each group."""
        return self.scale_, self.location_ - self.scale_ * self.source_mean_

    @staticmethod
    def _moved(X, factor, added):
        return X * factor.astype(X.dtype) + added.astype(X.dtype)


def _moments(domains, means):
    """Return the spread of columns within the domains, and the start that gives the moments."""
    source, target = fit_scaler(domains.source), fit_scaler(domains.target)
    spreads = [_spread(source), _spread(target)]
    unit = np.sqrt(np.square(spreads).mean(axis=0))
    unit[unit == 0] = 1.0
    one = np.ones_like(unit)
    w = np.divide(spreads[1], spreads[0], out=one, where=spreads[0] > 0)
    w = np.broadcast_to(w, means.shape)
    b = target.mean_ + w * (means - source.mean_) - means
    return unit, (w, b / unit)


def _spread(scaler):
    """Return standard deviations, 0 for columns that are constant up to rounding."""
    root = np.sqrt(scaler.var_)
    return np.where(scaler.scale_ == root, root, 0.0)


class _Problem:
    """The squared MMD and the pull to no change, with their slopes, in units of columns."""

    def __init__(self, within, means, target, group, pull):
        self.within, self.means, self.target = within, means, target
        self.group, self.pull = group, pull
        self.is_in = np.eye(len(means))[group]
        distances = pdist(np.concatenate([within + means[group], target]), "sqeuclidean")
        median = np.median(distances) if len(distances) else 0.0
        self.gamma = 1.0 / (median or distances.mean() or 1.0)
        self.of_target = rbf_kernel(target, gamma=self.gamma).mean()

    def mmd(self, w, b):
        """Return the squared MMD to the target."""
        return float(self._mmd(w, b)[0])

    def __call__(self, at):
        w, b = at.reshape(2, *self.means.shape)
        value, slope_w, slope_b = self._mmd(w, b)
        value += (self.pull * (np.square(w - 1) + np.square(b))).sum()
        slope_w += 2 * self.pull * (w - 1)
        slope_b += 2 * self.pull * b
        return value, np.concatenate([slope_w, slope_b]).ravel()

    def _mmd(self, w, b):
        n, m = len(self.within), len(self.target)
        Z = self.within * w[self.group] + (self.means + b)[self.group]
        within, across = rbf_kernel(Z, gamma=self.gamma), rbf_kernel(Z, self.target, self.gamma)
        value = within.mean() - 2 * across.mean() + self.of_target
        pulled = (within @ Z - within.sum(axis=1)[:, None] * Z) / n**2
        pulled -= (across @ self.target - across.sum(axis=1)[:, None] * Z) / (n * m)
        slope = 4 * self.gamma * pulled
        return value, self.is_in.T @ (slope * self.within), self.is_in.T @ slope
