"""The network of an estimator: a backbone, given or default, with a classifier on top."""

import copy

import torch

from domadapt.nn import FeatureClassifier, conv_backbone, mlp_backbone, mlp_head


def build_network(sample, n_classes, *, backbone, hidden_layer_sizes, batch_norm):
    """Build the network for rows like those of a sample.

    Parameters
    ----------
    sample : Tensor of shape (n, ...)
        A few rows, on the device and of the dtype of the network.
    n_classes : int
        Columns of the logits.
    backbone : nn.Module or None
        A feature extractor, which is copied, or None for the default: an MLP for
        vectors, a small convolutional network for image stacks.
    hidden_layer_sizes : tuple of int
        Layers of the default.
    batch_norm : bool
        Whether the default has batch normalisation.

    Returns
    -------
    network : FeatureClassifier
        On the sample's device.

    Raises
    ------
    ValueError
        If the backbone fails on the sample or returns anything but one row of features
        for each row, or the rows are neither vectors nor images.
    """
    if backbone is not None:
        extractor = copy.deepcopy(backbone)
    else:
        extractor = _default_backbone(sample.shape[1:], hidden_layer_sizes, batch_norm)
    extractor = extractor.to(sample)
    n_features = _count_features(extractor, sample)
    classifier = mlp_head(n_classes, in_features=n_features).to(sample)
    return FeatureClassifier(extractor, classifier)


def dtype_of(backbone):
    """Tell in which precision to train: float64 for a backbone in float64, else float32.

    Parameters
    ----------
    backbone : nn.Module or None
        A feature extractor.

    Returns
    -------
    dtype : torch.dtype
        The precision.
    """
    weights = [] if backbone is None else backbone.parameters()
    return torch.float64 if any(w.dtype == torch.float64 for w in weights) else torch.float32


def _default_backbone(shape, hidden_layer_sizes, batch_norm):
    if len(shape) == 1:
        return mlp_backbone(shape[0], hidden_layer_sizes, batch_norm=batch_norm)
    if len(shape) == 3:
        return conv_backbone(shape[0], hidden_layer_sizes, batch_norm=batch_norm)
    if len(shape) == 2:
        add_channel = torch.nn.Unflatten(1, (1, shape[0]))
        grey = conv_backbone(1, hidden_layer_sizes, batch_norm=batch_norm)
        return torch.nn.Sequential(add_channel, *grey)
    raise ValueError(
        f"X has rows of shape {tuple(shape)}. Expected vectors, grey images of shape "
        "(height, width) or images of shape (channels, height, width); for anything else "
        "pass a backbone."
    )


@torch.no_grad()
def _count_features(extractor, sample):
    came = f"rows of shape {tuple(sample.shape[1:])}"
    extractor.eval()
    try:
        features = extractor(sample)
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        raise ValueError(f"backbone failed on {came}: {error}") from error
    if isinstance(features, torch.Tensor) and features.is_floating_point():
        if features.ndim == 2 and len(features) == len(sample):
            return features.shape[1]
        returned = f"shape {tuple(features.shape)}"
    else:
        returned = f"{getattr(features, 'dtype', type(features).__name__)}"
    raise ValueError(
        f"backbone returned {returned} for {len(sample)} {came}. Expected floating-point "
        f"features of shape ({len(sample)}, n_features), one row for each row."
    )
