"""What stands on top of features: classifiers and discriminators, and the network of both."""

import itertools

from torch import nn


def mlp_head(n_outputs, hidden_layer_sizes=(), *, in_features=None):
    """Build a head: linear layers with ReLU between, and plain outputs.

    Parameters
    ----------
    n_outputs : int
        Columns of the output, such as one logit for each class.
    hidden_layer_sizes : tuple of int, default=()
        Units in each hidden layer. With none, the head is linear.
    in_features : int or None, default=None
        Columns of the features. None sizes all layers at the first batch.

    Returns
    -------
    head : nn.Sequential
        Maps (n, in_features) to (n, n_outputs).

    Examples
    --------
    >>> import torch
    >>> from domadapt.nn import mlp_head
    >>> mlp_head(3, (8,))(torch.zeros(5, 4)).shape
    torch.Size([5, 3])
    """
    widths = (*hidden_layer_sizes, n_outputs)
    if in_features is None:
        # All lazy, so that all weights are drawn at the first batch, from one seed.
        linear: list[nn.Linear] = [nn.LazyLinear(width) for width in widths]
    else:
        linear = [nn.Linear(*pair) for pair in itertools.pairwise((in_features, *widths))]
    return nn.Sequential(*(layer for one in linear for layer in (one, nn.ReLU())))[:-1]


class FeatureClassifier(nn.Module):
    """A feature extractor with a classifier on top.

    Parameters
    ----------
    feature_extractor : nn.Module
        Maps inputs to features of shape (n, d).
    classifier : nn.Module
        Maps features to logits of shape (n, n_classes).

    Examples
    --------
    >>> import torch
    >>> from domadapt.nn import FeatureClassifier, mlp_backbone, mlp_head
    >>> network = FeatureClassifier(mlp_backbone(4, (8,)), mlp_head(3, in_features=8))
    >>> network(torch.zeros(5, 4)).shape
    torch.Size([5, 3])
    """

    def __init__(self, feature_extractor, classifier):
        super().__init__()
        self.feature_extractor = feature_extractor
        self.classifier = classifier

    def forward(self, x):
        return self.classifier(self.feature_extractor(x))

    @property
    def dtype(self):
        """Floating-point type of the weights, and so of the inputs."""
        return next(self.classifier.parameters()).dtype

    @property
    def device(self):
        """Where the weights are, and the inputs are to be."""
        return next(self.classifier.parameters()).device
