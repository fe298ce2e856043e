"""Feature extractors by name: their frozen layers."""

import pytest
import torch

from domadapt.nn.pretrained import load_backbone

torchvision = pytest.importorskip("torchvision")


def images(size=32, n=2):
    return torch.randn(n, 3, size, size, generator=torch.Generator().manual_seed(0))


def trained(backbone):
    """Return the names of the top-level layers that receive a gradient."""
    backbone.train()(images()).square().sum().backward()
    received = {
        name for name, parameter in backbone.model.named_parameters() if parameter.grad is not None
    }
    wanted = {
        name for name, parameter in backbone.model.named_parameters() if parameter.requires_grad
    }
    assert received == wanted
    return {name.partition(".")[0] for name in wanted}


@pytest.mark.parametrize(
    ("frozen", "left"),
    [
        ((), {"conv1", "bn1", "layer1", "layer2", "layer3", "layer4"}),
        (("conv1", "bn1", "layer1"), {"layer2", "layer3", "layer4"}),
        (["conv1", "bn1", "layer1", "layer2", "layer3", "layer4.0"], {"layer4"}),
        ("layer1", {"conv1", "bn1", "layer2", "layer3", "layer4"}),
    ],
)
def test_frozen_layers_receive_no_gradient_and_the_others_do(frozen, left):
    assert trained(load_backbone("resnet18", frozen=frozen)) == left


def test_frozen_layer_is_not_another_that_starts_alike():
    backbone = load_backbone("mobilenet_v2", frozen=("features.1",))
    frozen = {n.split(".")[1] for n, p in backbone.model.named_parameters() if not p.requires_grad}
    assert frozen == {"1"}


def test_all_is_every_parameter(tmp_path):
    path = tmp_path / "weights.pt"
    torch.save(torchvision.models.resnet18().state_dict(), path)
    backbone = load_backbone("resnet18", path, frozen="all")
    assert not any(parameter.requires_grad for parameter in backbone.parameters())


@pytest.mark.parametrize("layer", ["layer5", "layer1.", "fc", "relu", ""])
def test_unknown_frozen_layer_lists_those_at_the_top(layer):
    with pytest.raises(ValueError, match=f"frozen names '{layer}'") as caught:
        load_backbone("resnet18", frozen=("conv1", layer))
    assert "conv1, bn1, layer1, layer2, layer3, layer4" in str(caught.value)
