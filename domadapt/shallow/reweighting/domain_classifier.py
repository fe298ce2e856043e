"""Weights from a classifier that tells the domains apart."""

from typing import Any, ClassVar

import numpy as np
from scipy import sparse
from scipy.special import logit
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, MaxAbsScaler, StandardScaler
from sklearn.utils._param_validation import HasMethods

from domadapt.domains.base import estimator
from domadapt.shallow._adapter import stack
from domadapt.shallow.reweighting._weighting import Weighting

__all__ = ["DomainClassifierWeighting"]

# Folds in each of which weights come from a classifier that has not seen the samples.
FOLDS = 5
# Samples to a column from which on squares of the columns are looked at too.
FOR_SQUARES = 20
# Of a column, that boosted trees read at the most; rarer ones count as missing.
CATEGORIES = 255


@estimator
class DomainClassifierWeighting(Weighting):
    r"""Weights from a probabilistic classifier that tells source from target samples.

    With :math:`q(x)` the probability that x is of the target, the ratio of the densities is
    :math:`w(x) = \frac{q(x)}{1 - q(x)} \frac{n_s}{n_t}`. Probabilities are those of classifiers
    that have not seen the sample, by five-fold cross-validation.

    Cost: that of five fits of the classifier. It takes tables with missing values and
    categories, which are then told apart by boosted trees, and sparse samples.
    It harms where labels depend on x in another way in the target. In many columns and few rows
    the domains are told apart by chance or wholly, and few samples have weights that count.

    Parameters
    ----------
    classifier : estimator, default=None
        With ``predict_proba``. None stands for logistic regression on scaled columns, and on
        their squares where there are twenty samples to a column; and for
        :class:`~sklearn.ensemble.HistGradientBoostingClassifier` where values are missing or
        some columns are no numbers.
    flattening : float or "auto", default="auto"
        Exponent of the ratio, from 0, which weighs all alike, to 1. "auto" takes the largest
        that leaves half of the source samples effective, and where these are fewer than thirty
        to a column up to nine tenths.
    max_weight : float or None, default=20.0
        Weights above this multiple of their mean are clipped to it.

    Attributes
    ----------
    weights_ : ndarray of shape (n_source,), float64
        Weights of mean 1.
    effective_sample_size_ : float
        Squared sum of the weights over the sum of their squares.
    flattening_ : float
        The exponent that was taken.
    n_features_in_ : int
        Columns seen in ``fit``.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, where ``X`` was a DataFrame with string names.

    References
    ----------
    Bickel, Brueckner, Scheffer (2009). "Discriminative learning under covariate shift". Journal
    of Machine Learning Research 10.

    Examples
    --------
    >>> import numpy as np
    >>> from domadapt.shallow import DomainClassifierWeighting
    >>> rng = np.random.default_rng(0)
    >>> Xs, Xt = rng.normal(0, 1, (500, 1)), rng.normal(1, 0.5, (500, 1))
    >>> weights = DomainClassifierWeighting().fit(Xs, X_target=Xt).weights_
    >>> bool(weights[Xs[:, 0] > 0].mean() > 3 * weights[Xs[:, 0] < 0].mean())
    True
    """

    classifier: Any = None

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **Weighting._parameter_constraints,
        "classifier": [HasMethods(["fit", "predict_proba"]), None],
    }

    def _weigh(self, domains):
        n_source, n_target = map(len, (domains.source, domains.target))
        if min(n_source, n_target) < 2:
            raise ValueError(
                f"DomainClassifierWeighting needs two samples of each domain at least, and there "
                f"are {n_source} of the source and {n_target} of the target. 'gaussian' and 'kmm' "
                "need but one."
            )
        parts = [domains.source.take(slice(None)), domains.target.take(slice(None))]
        X, is_target = stack(parts), np.repeat([0, 1], [n_source, n_target])
        if self.classifier is None:
            classifier, X = _default_for(X)
        else:
            classifier = clone(self.classifier)
        folds = StratifiedKFold(min(FOLDS, n_source, n_target), shuffle=True, random_state=0)
        q = cross_val_predict(classifier, X, is_target, cv=folds, method="predict_proba")[:, 1]
        # Probabilities of 0 and 1 are as sure as rounding allows.
        eps = np.finfo(q.dtype).eps
        return logit(np.clip(q[:n_source], eps, 1 - eps).astype(np.float64))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = tags.input_tags.allow_nan = tags.input_tags.categorical = True
        return tags


def _default_for(X):
    """Return an unfitted classifier for samples, and these as it reads them."""
    if hasattr(X, "iloc") and _is_plain(X):
        X = X.to_numpy(np.float64)
    if hasattr(X, "iloc"):
        trees = HistGradientBoostingClassifier(categorical_features="from_dtype", random_state=0)
        return trees, _with_categories(X)
    if sparse.issparse(X):
        return make_pipeline(MaxAbsScaler(), LogisticRegression(max_iter=1000)), X
    if np.isnan(X.sum()):
        return HistGradientBoostingClassifier(random_state=0), X
    linear = [StandardScaler(), LogisticRegression(max_iter=1000)]
    if len(X) < FOR_SQUARES * X.shape[1]:
        return make_pipeline(*linear), X
    # Without squares no column could be narrower in one domain than in the other.
    squares = FunctionTransformer(lambda scaled: np.hstack([scaled, np.square(scaled)]))
    return make_pipeline(StandardScaler(), squares, *linear), X


def _is_plain(table):
    """Return whether a table holds numbers alone."""
    return all(getattr(dtype, "kind", "O") in "biuf" for dtype in table.dtypes)


def _with_categories(table):
    """Return a table in which all that is no number is a category, of no more than trees read."""
    table = table.copy(deep=False)
    for name, dtype in table.dtypes.items():
        if getattr(dtype, "kind", "O") in "biuf":
            continue
        # Numbers that may be missing, as pandas has them, have a kind too.
        column = table[name].astype("category")
        if len(column.cat.categories) > CATEGORIES:
            kept = list(column.value_counts().index[:CATEGORIES])
            column = column.cat.set_categories(kept)
        table[name] = column
    return table
