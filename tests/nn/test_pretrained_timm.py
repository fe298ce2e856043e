"""Feature extractors of timm by name."""

import pytest
import safetensors.torch
import torch

from domadapt.nn.pretrained import load_backbone

timm = pytest.importorskip("timm")


def images(size=32, n=2):
    return torch.randn(n, 3, size, size, generator=torch.Generator().manual_seed(0))


@torch.no_grad()
def features(backbone, size=32):
    return backbone.eval()(images(size))


@pytest.mark.parametrize("name", ["test_resnet", "test_vit", "levit_128s"])
def test_timm_model_takes_its_weights_from_a_file(tmp_path, name):
    whole = timm.create_model(name, pretrained=False)
    size = whole.pretrained_cfg["input_size"][-1]
    path = tmp_path / "weights.safetensors"
    safetensors.torch.save_file(whole.state_dict(), path)
    bare = timm.create_model(name, pretrained=False, num_classes=0).eval()
    bare.load_state_dict(whole.state_dict(), strict=False)
    backbone = load_backbone(f"timm/{name}", path)
    assert (backbone.name, backbone.pretrained) == (f"timm/{name}", True)
    assert features(backbone, size).shape == (2, whole.num_features)
    with torch.no_grad():
        assert torch.equal(features(backbone, size), bare(images(size)))


def test_timm_model_starts_random_and_freezes():
    backbone = load_backbone("timm/test_resnet", frozen=("conv1", "layer1"))
    assert not backbone.pretrained
    frozen = {n.split(".")[0] for n, p in backbone.model.named_parameters() if not p.requires_grad}
    assert frozen == {"conv1", "layer1"}


def test_timm_refuses_what_is_unknown(tmp_path):
    with pytest.raises(ValueError, match=r"'timm/resnet5' is no .*timm/resnet50"):
        load_backbone("timm/resnet5")
    with pytest.raises(ValueError, match="name='timm/hf-hub:a/b' is no"):
        load_backbone("timm/hf-hub:a/b")
    with pytest.raises(ValueError, match=r"name='timm/resnet18\.none', weights=None: .*none"):
        load_backbone("timm/resnet18.none")
    with pytest.raises(ValueError, match="Known names: DEFAULT"):
        load_backbone("timm/test_resnet", "IMAGENET1K_V1")
    path = tmp_path / "weights.pt"
    torch.save({"conv1.weight": torch.zeros(64, 3, 7, 7)}, path)
    with pytest.raises(ValueError, match="does not fit timm/test_resnet"):
        load_backbone("timm/test_resnet", path)


def test_timm_downloads_its_own_weights(monkeypatch):
    create, requested = timm.create_model, []

    def without_network(name, *, pretrained, **options):
        requested.append(pretrained)
        return create(name, pretrained=False, **options)

    monkeypatch.setattr(timm, "create_model", without_network)
    assert load_backbone("timm/test_resnet", "DEFAULT").pretrained
    assert not load_backbone("timm/test_resnet").pretrained
    assert requested == [True, False]


def test_failing_download_of_timm_is_one_clear_line(monkeypatch):
    def fail(*args, **kwargs):
        raise FileNotFoundError("not in the cache\nand no network")

    monkeypatch.setattr(timm, "create_model", fail)
    with pytest.raises(OSError, match="could not be downloaded") as caught:
        load_backbone("timm/test_resnet", "DEFAULT")
    assert "\n" not in str(caught.value)
