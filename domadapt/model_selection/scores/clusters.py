"""Scores from the clusters that target predictions or features form."""

from typing import Any

import numpy as np
from scipy import special
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_mutual_info_score

from domadapt.domains.arrays import check_same_kind, read_features, read_labels
from domadapt.domains.cautions import warn
from domadapt.model_selection.scores._parameters import check_parameters

__all__ = ["class_ami_score", "mixval_score", "soft_neighborhood_density_score"]

# Rows of a matrix of similarities that are computed at once: 64 MiB of 8 million numbers.
ENTRIES = 2**23


def soft_neighborhood_density_score(target_proba: Any, *, temperature: float = 0.05) -> float:
    r"""Soft neighborhood density (SND): how many neighbours target samples have.

    With rows :math:`u_j` of length 1, :math:`P_{jk} \propto \exp(u_j^\top u_k / \tau)` over all
    other rows k is how near they are. Its entropy is large where many are about as near, and the
    score is the mean, :math:`\frac1n \sum_j H(P_j) / \log(n - 1)`.

    Cost: n^2 C, a part of the rows at a time.

    It is known to fail, and warns each time: where all samples are predicted alike, each has
    all others for neighbours, which is the best score that there is, so that it chooses
    collapsed models. In the stored results of skada-bench choosing by it loses 16.6 points
    against target labels on average, and 88 at worst.

    Parameters
    ----------
    target_proba : array-like of shape (n_target, n_classes) or (n_target, n_features)
        Predicted probabilities of target samples, or their features.
    temperature : float, default=0.05
        :math:`\tau`, by which similarities are divided.

    Returns
    -------
    score : float
        From 0 to 1.

    Raises
    ------
    ValueError
        If there are fewer than three rows, entries are not finite, or ``temperature`` is not
        above 0.

    Warns
    -----
    UserWarning
        Always, for what is said above.

    References
    ----------
    Saito, Kim, Teterwak, Sclaroff, Darrell, Saenko (2021). "Tune it the right way: unsupervised
    validation of domain adaptation via soft neighborhood density". ICCV.

    Examples
    --------
    >>> import warnings
    >>> from domadapt.model_selection import soft_neighborhood_density_score
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     collapsed = soft_neighborhood_density_score([[1.0, 0.0]] * 4)
    >>> round(collapsed, 6)  # as good as can be
    1.0
    """
    warn(
        "Soft neighborhood density (SND) is known to fail: collapsed predictions have its best "
        "score, and choosing by it loses 16.6 points against target labels on average, 88 at "
        "worst (skada-bench). Use information_maximization together with ensemble_agreement or "
        "contradiction instead."
    )
    check_parameters("soft_neighborhood_density_score", temperature=temperature)
    rows = read_features("target_proba", target_proba)
    rows = rows if isinstance(rows, np.ndarray) else rows.toarray()
    n = len(rows)
    if n < 3:
        raise ValueError(f"target_proba has {n} rows, and three at least were expected.")
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    rows = rows / np.where(norms > 0, norms, 1.0)
    total, size = 0.0, max(1, ENTRIES // n)
    for start in range(0, n, size):
        part = np.arange(start, min(start + size, n))
        similarity = rows[part] @ rows.T / temperature
        similarity[np.arange(len(part)), part] = -np.inf
        total += special.entr(special.softmax(similarity, axis=1)).sum()
    return float(min(total / (n * np.log(n - 1)), 1.0))


def class_ami_score(
    target_labels: Any,
    target_features: Any,
    *,
    n_clusters: int | None = None,
    random_state: Any = None,
) -> float:
    r"""Agreement of predicted classes with clusters of the features (ClassAMI).

    The adjusted mutual information of the predicted labels and the clusters that k-means finds
    in the features, :math:`(I - E[I]) / (\frac12 (H_1 + H_2) - E[I])`: 0 where they agree as by
    chance, 1 where they are the same partition.

    Cost: n d k for each iteration of k-means.

    One class for all of the target has the score 0. It does not see classes that changed
    places, nor features that a model has moved to the wrong clusters, and it is low where a
    class is several clusters. Columns should be of similar scale.

    Parameters
    ----------
    target_labels : array-like of shape (n_target,)
        Predicted labels of target samples.
    target_features : array-like or sparse matrix of shape (n_target, n_features)
        Their features.
    n_clusters : int, default=None
        Number of clusters, as a rule that of the classes. None stands for as many as there
        are different labels, two at least.
    random_state : int, RandomState instance or None, default=None
        Where k-means starts.

    Returns
    -------
    score : float
        About 0 to 1.

    Raises
    ------
    ValueError
        If there are fewer rows than clusters, or features are no finite numbers.

    References
    ----------
    Musgrave, Belongie, Lim (2022). "Three new validators and a large-scale benchmark ranking for
    unsupervised domain adaptation". arXiv:2208.07360.

    Examples
    --------
    >>> from domadapt.model_selection import class_ami_score
    >>> features = [[0.0], [0.1], [5.0], [5.1]]
    >>> class_ami_score(["a", "a", "b", "b"], features, random_state=0)
    1.0
    >>> class_ami_score(["a", "a", "a", "a"], features, random_state=0)
    0.0
    """
    labels = read_labels("target_labels", target_labels)
    features = read_features("target_features", target_features, n_samples=len(labels))
    if n_clusters is None:
        n_clusters = max(2, len(np.unique(labels)))
    if not 2 <= n_clusters <= len(labels):
        raise ValueError(
            f"n_clusters is {n_clusters}, and 2 to {len(labels)}, the number of target samples, "
            "was expected."
        )
    # A single class says nothing, although it is the same partition as a single cluster.
    if len(np.unique(labels)) == 1:
        return 0.0
    # Fewer different samples than clusters, which k-means warns of, are no mistake here.
    distinct = len(np.unique(features, axis=0)) if isinstance(features, np.ndarray) else n_clusters
    kmeans = KMeans(min(n_clusters, distinct), n_init=3, random_state=random_state)
    return float(adjusted_mutual_info_score(labels, kmeans.fit_predict(features)))


def mixval_score(first_labels: Any, second_labels: Any, mixed_labels: Any) -> float:
    r"""Whether samples mixed of two are predicted as the one that makes up the larger part.

    With :math:`x = \lambda x_i + (1 - \lambda) x_j`, :math:`\lambda > \frac12`, the share of
    mixed samples that are predicted as :math:`x_i` is: over pairs that are predicted alike
    (intra-cluster), and over pairs that are not (inter-cluster). The score is the mean of both
    shares. Labels are those that are predicted; the scorer makes the mixes.

    Cost: as many predictions as there are mixes.

    Intra-cluster mixes probe how well clusters hold together, inter-cluster mixes where the
    boundary between them lies. One class for all of the target leaves no pairs of different
    classes, which counts as 0, so that its score is 0.5. Mixes of anything but
    images and columns of numbers may mean nothing. Choosing by it loses 8.7 to 11.7 points
    against target labels in the stored results of skada-bench, 79 at worst.

    Parameters
    ----------
    first_labels : array-like of shape (n_mixes,)
        Labels predicted for the target samples that make up the larger part.
    second_labels : array-like of shape (n_mixes,)
        Labels predicted for the other target samples.
    mixed_labels : array-like of shape (n_mixes,)
        Labels predicted for the mixed samples.

    Returns
    -------
    score : float
        From 0 to 1.

    Raises
    ------
    ValueError
        If the lengths differ, or labels are missing.

    References
    ----------
    Hu, Liang, Liew, Xue, Bai, Wang (2023). "Mixed samples as probes for unsupervised model
    selection in domain adaptation". NeurIPS.

    Examples
    --------
    >>> from domadapt.model_selection import mixval_score
    >>> mixval_score([0, 0, 1, 1], [0, 0, 0, 0], [0, 0, 1, 0])
    0.75
    """
    first = read_labels("first_labels", first_labels)
    second = read_labels("second_labels", second_labels, len(first))
    mixed = read_labels("mixed_labels", mixed_labels, len(first))
    check_same_kind("second_labels", second, "first_labels", first)
    check_same_kind("mixed_labels", mixed, "first_labels", first)
    right, alike = mixed == first, first == second
    return float(np.mean([right[part].mean() if part.any() else 0.0 for part in (alike, ~alike)]))
