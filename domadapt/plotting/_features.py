"""What a fitted estimator makes of samples of both domains, and its place in the plane."""

import numpy as np
from scipy import sparse
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import _num_samples

from domadapt.model_selection._answers import ask, transformed, unwrapped
from domadapt.shallow._adapter import Mapping

TITLES = {"pca": "PCA", "tsne": "t-SNE", "umap": "UMAP"}
# With fewer samples UMAP has no graph to begin from.
LEAST_OF_UMAP = 4


def features_of(estimator, X_source, X_target):
    """Return the features of source and target samples, each treated as what they are.

    Of an estimator that learns no features these are the samples as it sees them: mapped by its
    adapter, and by the steps of a pipeline before it.
    """
    return _features(estimator, X_source, 1), _features(estimator, X_target, -1)


def _features(estimator, X, domain):
    estimator = unwrapped(estimator)
    sample_domain = np.full(_num_samples(X), domain)
    if isinstance(estimator, Pipeline):
        X = transformed(estimator, X, sample_domain)
        return _features(estimator.steps[-1][1], X, domain)
    if hasattr(estimator, "transform"):
        return ask(estimator, "transform", X, sample_domain)
    adapter = getattr(estimator, "adapter_", None)
    if isinstance(adapter, Mapping):
        return adapter.transform(X, sample_domain=sample_domain)
    return X.reshape(len(X), -1) if isinstance(X, np.ndarray) and X.ndim > 2 else X


def check_projection(projection):
    """Check that a projection is known and installed; return its class for UMAP."""
    if projection not in [*TITLES]:
        raise ValueError(
            f"projection={projection!r} is none of {', '.join(map(repr, TITLES))}. Pass one of "
            "these; points of a projection of your own go to FeatureMapDisplay(source, target)."
        )
    if projection == "umap":
        try:
            from umap import UMAP
        except ImportError as error:
            raise ImportError(
                "projection='umap' needs umap-learn: pip install umap-learn. projection='tsne' "
                "and projection='pca' need nothing else."
            ) from error
        return UMAP
    return None


def project(features, projection, random_state):
    """Return features of all samples as points, of shape (n_samples, 2) in float64."""
    n_samples, n_features = features.shape
    if (features.max(axis=0) - features.min(axis=0)).sum() == 0:
        # The same everywhere: there are no directions, and t-SNE would divide by no spread.
        return np.zeros((n_samples, 2))
    if sparse.issparse(features) and min(features.shape) <= 2:
        features = features.toarray()
    if projection == "pca":
        n_components = min(2, n_samples, n_features)
        points = PCA(n_components, random_state=random_state).fit_transform(features)
        # A single feature has no second direction.
        return np.pad(points, ((0, 0), (0, 2 - n_components)))
    if projection == "tsne":
        init = "random" if sparse.issparse(features) or n_features < 2 else "pca"
        perplexity = min(30.0, (n_samples - 1) / 3)
        kind = TSNE(init=init, perplexity=perplexity, random_state=random_state)
    else:
        kind = _umap(n_samples, random_state)
        # It knows the older kind of sparse rows alone.
        features = sparse.csr_matrix(features) if sparse.issparse(features) else features
    return np.asarray(kind.fit_transform(features), dtype=np.float64)


def _umap(n_samples, random_state):
    """Return what projects so many samples by UMAP."""
    if n_samples < LEAST_OF_UMAP:
        raise ValueError(
            f"projection='umap' needs {LEAST_OF_UMAP} samples or more of both domains together, "
            f"and {n_samples} came. Pass projection='pca'."
        )
    # With a seed UMAP runs one job, and warns where it was not asked for that.
    settings = {"random_state": random_state, "n_jobs": 1}
    return check_projection("umap")(n_neighbors=min(15, n_samples - 1), **settings)
