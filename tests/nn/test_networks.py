"""Default feature extractors and heads."""

import pytest
import torch
from torch import nn

from domadapt.nn import FeatureClassifier, conv_backbone, mlp_backbone, mlp_head


@pytest.mark.parametrize("sizes", [(), (5,), (7, 5)])
@pytest.mark.parametrize("batch_norm", [True, False])
def test_mlp_has_the_layers_asked_for(sizes, batch_norm):
    backbone = mlp_backbone(4, sizes, batch_norm=batch_norm)
    widths = [layer.out_features for layer in backbone if isinstance(layer, nn.Linear)]
    norms = [layer for layer in backbone if isinstance(layer, nn.BatchNorm1d)]
    assert widths == list(sizes)
    assert len(norms) == (len(sizes) if batch_norm else 0)
    assert backbone(torch.zeros(3, 4)).shape == (3, sizes[-1] if sizes else 4)


@pytest.mark.parametrize("size", [(2, 2), (8, 8), (28, 31)])
@pytest.mark.parametrize("channels", [1, 3])
def test_convolutions_take_images_of_any_size(size, channels):
    backbone = conv_backbone(channels, (6,)).eval()
    assert backbone(torch.zeros(2, channels, *size)).shape == (2, 6)


def test_heads_take_their_width_at_the_first_batch_or_before():
    lazy, sized = mlp_head(2, (5,)), mlp_head(2, (5,), in_features=3)
    assert lazy(torch.zeros(4, 3)).shape == sized(torch.zeros(4, 3)).shape == (4, 2)
    assert lazy[0].in_features == 3


def test_network_is_the_classifier_on_the_features():
    network = FeatureClassifier(mlp_backbone(4, (5,)), mlp_head(3, in_features=5)).eval()
    x = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(network(x), network.classifier(network.feature_extractor(x)))
    assert network.double().dtype == torch.float64
    assert network.device == torch.device("cpu")
