"""How smooth labels are over neighbouring samples, and how smooth they should be."""

import numpy as np
from scipy import sparse
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors

N_NEIGHBORS = 10
N_COMPONENTS = 50
# Neighbours among more samples take longer and tell no more.
MOST_SAMPLES = 5000
# Expected roughness is the mean of so many draws from the source.
N_DRAWS = 3


def some_rows(n_rows, most, generator):
    """Return rows, all or so many drawn, in order."""
    if n_rows <= most:
        return np.arange(n_rows)
    return np.sort(generator.choice(n_rows, most, replace=False))


class Neighborhood:
    """Nearest samples of a domain by its principal components."""

    def __init__(self, X, generator):
        self.rows = some_rows(X.shape[0], MOST_SAMPLES, generator)
        kept = X[self.rows]
        if sparse.issparse(kept) and kept.shape[1] <= N_COMPONENTS:
            # As many components as columns there are of dense arrays alone.
            kept = kept.toarray()
        n_components = min(N_COMPONENTS, kept.shape[1], len(self.rows) - 1)
        seed = generator.randint(np.iinfo(np.int32).max)
        # Shares of the variance, which nothing needs, are no numbers where all is constant.
        with np.errstate(invalid="ignore"):
            self.reduction = PCA(n_components, random_state=seed).fit(kept)
        self.components = self.reduction.transform(kept)
        # One more, since each sample is its own nearest neighbour.
        n_neighbors = min(N_NEIGHBORS + 1, len(self.rows))
        self.index = NearestNeighbors(n_neighbors=n_neighbors).fit(self.components)

    def of(self, X):
        """Return for each sample the places in ``rows`` of those nearest to it."""
        return self.index.kneighbors(self.reduction.transform(X), return_distance=False)

    def among_themselves(self):
        """Return for each of the rows the places of the others that are nearest."""
        n_neighbors = min(N_NEIGHBORS, len(self.rows) - 1)
        return self.index.kneighbors(n_neighbors=n_neighbors, return_distance=False)


def far_away(source, X):
    """Return the share of samples that are farther from the source than nearly all of its own.

    Farther from the tenth nearest sample of the source than 99 % of these are.
    """
    n_neighbors = min(N_NEIGHBORS, len(source.rows) - 1)
    own = source.index.kneighbors(n_neighbors=n_neighbors)[0][:, -1]
    distances = source.index.kneighbors(source.reduction.transform(X), n_neighbors)[0][:, -1]
    return float(np.mean(distances > np.quantile(own, 0.99)))


def roughness(codes, neighbors):
    """Return the share of pairs of neighbours whose labels differ."""
    return float(np.mean(codes[neighbors] != codes[:, None]))


def class_roughness(codes, neighbors, n_classes):
    """Return the same by class, averaged over all; a class of fewer than two samples counts 1.

    So labels that lump classes together are no smoother than the true ones.
    """
    differ = np.mean(codes[neighbors] != codes[:, None], axis=1)
    counts = np.bincount(codes, minlength=n_classes)
    sums = np.bincount(codes, weights=differ, minlength=n_classes)
    return float(np.mean(np.where(counts >= 2, sums / np.maximum(counts, 1), 1.0)))


def compare_roughness(source, source_codes, target, target_codes, n_classes, generator):
    """Return the roughness of target labels, and of true source labels in the like samples.

    Source samples are drawn in as many numbers and with the class proportions that the labels
    of the target have, since both change how often neighbours differ.

    Parameters
    ----------
    source, target : Neighborhood
        Of both domains.
    source_codes, target_codes : ndarray of int
        True labels of ``source.rows``, and labels of ``target.rows`` that are in question.
    n_classes : int
        Number of classes.
    generator : RandomState
        Draws the samples.

    Returns
    -------
    found, expected : float
        Of the labels in question, and of true labels.
    """
    shares = np.bincount(target_codes, minlength=n_classes) / len(target_codes)
    found, expected = [], []
    for _ in range(N_DRAWS):
        drawn = _draw_with_shares(source_codes, shares, len(target_codes), generator)
        expected.append(_roughness_of(source, drawn, source_codes))
        drawn = some_rows(len(target_codes), len(drawn), generator)
        found.append(_roughness_of(target, drawn, target_codes))
    return float(np.mean(found)), float(np.mean(expected))


def _roughness_of(neighborhood, drawn, codes):
    n_neighbors = min(N_NEIGHBORS, len(drawn) - 1)
    index = NearestNeighbors(n_neighbors=n_neighbors).fit(neighborhood.components[drawn])
    return roughness(codes[drawn], index.kneighbors(return_distance=False))


def _draw_with_shares(codes, shares, n_wanted, generator):
    """Return rows with given class proportions, as many as there are for these."""
    counts = np.bincount(codes, minlength=len(shares))
    wanted = shares * min(n_wanted, len(codes))
    # A class that is hardly wanted limits nothing.
    limits = counts[wanted >= 1] / wanted[wanted >= 1]
    wanted = np.round(wanted * min(1.0, limits.min(initial=1.0))).astype(int)
    drawn = [
        generator.choice(np.flatnonzero(codes == code), min(wanted[code], counts[code]), False)
        for code in range(len(shares))
        if wanted[code] and counts[code]
    ]
    rows = np.concatenate(drawn) if drawn else np.arange(0)
    # Too few to tell anything: the source as it is.
    return rows if len(rows) >= 2 * N_NEIGHBORS else np.arange(len(codes))
