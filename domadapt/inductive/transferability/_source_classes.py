"""LEEP and NCE: how much the classes of the source tell about those of the target."""

from typing import Any

import numpy as np

from domadapt.domains.arrays import read_labels, read_probabilities
from domadapt.inductive.transferability._labels import read_class_codes


def leep(source_probabilities: Any, y: Any) -> float:
    r"""Score a source classifier by what its probabilities tell about the labels (LEEP).

    With the probability :math:`\theta_{iz}` of source class z for target sample i, and

    .. math::

        \hat P(y \mid z) = \frac{\sum_{i: y_i = y} \theta_{iz}}{\sum_i \theta_{iz}},
        \qquad
        \frac1n \sum_i \log \sum_z \hat P(y_i \mid z)\, \theta_{iz}

    the score is the mean log-likelihood of a classifier that draws a source class, and of it a
    target class. It is trained on nothing but these counts.

    Parameters
    ----------
    source_probabilities : array-like of shape (n_samples, n_source_classes)
        Of the labelled target samples, as ``predict_proba`` of the source model returns them.
    y : array-like of shape (n_samples,)
        Their labels, of any kind: the classes need not be those of the source.

    Returns
    -------
    score : float
        In nats a label, at most 0; larger is better. A source model that says the same of every
        sample has minus the entropy of the labels.

    Raises
    ------
    ValueError
        If the arrays are not as described, or labels are all alike.

    Notes
    -----
    O(n n_source_classes n_classes); nothing is drawn.

    It fails where the source has fewer classes than the target, of which it then cannot tell
    some apart whatever the features know, and where probabilities are all near 0 and 1 or all
    alike. Source classes may be renamed: a source whose classes stand for others in the target
    scores as well as one where they are the same. Of many source classes and few samples it
    learns by heart.

    References
    ----------
    Nguyen, Hassner, Seeger, Archambeau (2020). "LEEP: a new measure to evaluate
    transferability of learned representations". ICML.

    Examples
    --------
    >>> from domadapt.inductive import leep
    >>> sure, unsure = [[0.9, 0.1], [0.1, 0.9]], [[0.6, 0.4], [0.4, 0.6]]
    >>> leep(sure, ["cat", "dog"]) > leep(unsure, ["cat", "dog"])
    True
    """
    theta = read_probabilities("source_probabilities", source_probabilities)
    codes = read_class_codes(y, len(theta))
    joint = np.eye(codes.max() + 1)[codes].T @ theta
    total = joint.sum(axis=0)
    given = np.divide(joint, total, out=np.zeros_like(joint), where=total > 0)
    return float(np.log((given[codes] * theta).sum(axis=1)).mean())


def negative_conditional_entropy(source_labels: Any, y: Any) -> float:
    r"""Score a source by minus the entropy of target labels, given the source's (NCE).

    .. math::

        \sum_{z, y} \hat P(y, z) \log \frac{\hat P(y, z)}{\hat P(z)}

    with :math:`\hat P` the share of the samples that have both labels.

    Parameters
    ----------
    source_labels : array-like of shape (n_samples,)
        What the source model predicts for the labelled target samples, of any kind; or true
        labels of the source task, where the same samples have them.
    y : array-like of shape (n_samples,)
        Their labels, of any kind.

    Returns
    -------
    score : float
        In nats a label, between minus the entropy of the labels and 0; larger is better.

    Raises
    ------
    ValueError
        If the arrays are not as described, or labels of the target are all alike.

    Notes
    -----
    O(n), and a table of the classes of both.

    It fails where source labels are as many as the samples: each then tells its own, and the
    score is 0 for any labels. It knows nothing of how sure a source is, and forgives a
    renaming of classes as :func:`leep` does.

    References
    ----------
    Tran, Nguyen, Hassner (2019). "Transferability and hardness of supervised classification
    tasks". ICCV.

    Examples
    --------
    >>> from domadapt.inductive import negative_conditional_entropy
    >>> negative_conditional_entropy(["tabby", "tabby", "poodle"], ["cat", "cat", "dog"])
    0.0
    """
    source = read_labels("source_labels", source_labels)
    codes = read_class_codes(y, len(source))
    _, source = np.unique(source, return_inverse=True)
    counts = np.zeros((source.max() + 1, codes.max() + 1))
    np.add.at(counts, (source, codes), 1)
    given = counts / counts.sum(axis=1, keepdims=True)
    return float(np.log(given[source, codes]).mean())
