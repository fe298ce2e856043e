"""Feature extractors by name: their weights, their features, and what is refused."""

import copy
import os
import pickle
import re
import sys
import urllib.error
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import nn

from domadapt.nn.pretrained import NamedBackbone, load_backbone

torchvision = pytest.importorskip("torchvision")
models = torchvision.models
# Small and quick to build.
SMALL = "mobilenet_v3_small"


def images(size=32, n=2):
    return torch.randn(n, 3, size, size, generator=torch.Generator().manual_seed(0))


def reference(name=SMALL, **options):
    """Build torchvision's model with statistics other than those at the start."""
    model = models.get_model(name, weights=None, **options)
    generator = torch.Generator().manual_seed(1)
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean.normal_(std=0.1, generator=generator)
            layer.running_var.uniform_(0.5, 1.5, generator=generator)
            layer.num_batches_tracked.fill_(7)
    return model.eval()


@pytest.fixture(scope="module")
def small():
    return reference()


@pytest.fixture(scope="module")
def small_features(small):
    headless = copy.deepcopy(small)
    headless.classifier[-1] = nn.Identity()
    with torch.no_grad():
        return headless(images())


def save(state, path):
    if path.suffix == ".safetensors":
        safetensors.torch.save_file(state, path)
    else:
        torch.save(state, path)
    return path


@torch.no_grad()
def features(backbone, size=32):
    return backbone.eval()(images(size))


@pytest.mark.parametrize(
    ("name", "width"), [("resnet18", 512), ("mobilenet_v2", 1280), ("densenet121", 1024)]
)
def test_output_is_the_pooled_features(name, width):
    backbone = load_backbone(name)
    assert isinstance(backbone, NamedBackbone)
    assert (backbone.name, backbone.pretrained) == (name, False)
    assert features(backbone).shape == (2, width)
    assert features(backbone, 64).shape == (2, width)
    assert backbone.train()(images()).shape == (2, width)


def test_random_weights_are_drawn_from_the_global_generator():
    torch.manual_seed(0)
    first = features(load_backbone(SMALL))
    other = features(load_backbone(SMALL))
    torch.manual_seed(0)
    assert torch.equal(features(load_backbone(SMALL)), first)
    assert not torch.equal(other, first)


@pytest.mark.parametrize("kind", [str, Path])
@pytest.mark.parametrize("ending", [".safetensors", ".pt", ".pth", ".weights"])
def test_features_are_those_of_the_model_in_the_file(tmp_path, small, small_features, ending, kind):
    path = save(small.state_dict(), tmp_path / f"weights{ending}")
    backbone = load_backbone(SMALL, kind(path))
    assert backbone.pretrained
    assert torch.equal(features(backbone), small_features)


@pytest.mark.parametrize("name", ["mobilenet_v2", "densenet121", "mnasnet0_5"])
def test_models_of_other_families_take_safetensors(tmp_path, name):
    model = reference(name)
    backbone = load_backbone(name, save(model.state_dict(), tmp_path / "weights.safetensors"))
    last = model.classifier if name == "densenet121" else model.classifier[1]
    with torch.no_grad():
        assert torch.equal(last(features(backbone, 64)), model(images(64)))


def test_copies_and_pickles_have_the_same_features(tmp_path, small, small_features):
    path = save(small.state_dict(), tmp_path / "weights.safetensors")
    backbone = load_backbone(SMALL, path, frozen=("features.0",))
    for other in (copy.deepcopy(backbone), pickle.loads(pickle.dumps(backbone))):
        assert torch.equal(features(other), small_features)
        assert (other.name, other.pretrained) == (SMALL, True)
        assert not other.model.features[0][0].weight.requires_grad
        assert other.model.features[0][0].weight is not backbone.model.features[0][0].weight


@pytest.mark.parametrize("ending", [".safetensors", ".pt"])
def test_half_precision_becomes_float32(tmp_path, small, ending):
    # Counts become half precision too, as in a plain loop over a state dict.
    state = {name: tensor.half() for name, tensor in small.state_dict().items()}
    loaded = load_backbone(SMALL, save(state, tmp_path / f"half{ending}")).model.state_dict()
    assert {str(tensor.dtype) for tensor in loaded.values()} == {"torch.float32", "torch.int64"}
    assert all(torch.equal(tensor, state[name].to(tensor)) for name, tensor in loaded.items())


@pytest.mark.parametrize("wrap", ["state_dict", "model", None])
def test_weights_of_a_training_script_are_found(tmp_path, small, small_features, wrap):
    state = {f"module.{name}": tensor for name, tensor in small.state_dict().items()}
    content = state if wrap is None else {wrap: state, "epoch": 3, "optimizer": {"step": 1}}
    path = save(content, tmp_path / "checkpoint.pth")
    assert torch.equal(features(load_backbone(SMALL, path)), small_features)


@pytest.mark.parametrize("n_classes", [0, 31])
def test_classifier_in_the_file_is_not_used(tmp_path, small, small_features, n_classes):
    state = small.state_dict()
    for name, shape in {"classifier.3.weight": (1024,), "classifier.3.bias": ()}.items():
        del state[name]
        if n_classes:
            state[name] = torch.zeros(n_classes, *shape)
    path = save(state, tmp_path / "weights.safetensors")
    assert torch.equal(features(load_backbone(SMALL, path)), small_features)


def test_counts_of_batches_may_be_missing(tmp_path, small, small_features):
    counted = small.state_dict()
    state = {name: counted[name] for name in counted if not name.endswith("num_batches_tracked")}
    assert len(state) < len(counted)
    path = save(state, tmp_path / "weights.safetensors")
    assert torch.equal(features(load_backbone(SMALL, path)), small_features)


def test_parameters_in_the_file_that_need_a_gradient_are_copied(tmp_path, small):
    path = save(dict(small.named_parameters()) | dict(small.named_buffers()), tmp_path / "a.pt")
    backbone = load_backbone(SMALL, path)
    assert all(parameter.is_leaf for parameter in backbone.parameters())
    backbone.train()(images()).sum().backward()
    assert all(parameter.grad is not None for parameter in backbone.parameters())


def test_dropout_before_the_classifier_is_removed():
    backbone = load_backbone("mobilenet_v2").train()
    assert torch.equal(backbone(images()), backbone(images()))


def test_dropout_between_other_layers_stays():
    dropout = [layer for layer in load_backbone("alexnet").modules() if type(layer) is nn.Dropout]
    assert len(dropout) == 2


def test_auxiliary_classifiers_are_removed(tmp_path):
    model = reference("googlenet", init_weights=False)
    path = save(model.state_dict(), tmp_path / "weights.safetensors")
    assert any(name.startswith("aux1.") for name in model.state_dict())
    backbone = load_backbone("googlenet", path)
    assert backbone.train()(images(64)).shape == (2, 1024)
    assert not any("aux" in name for name, _ in backbone.named_modules())
    # As in torchvision's own models with pretrained weights.
    model.transform_input, model.fc = True, nn.Identity()
    backbone = load_backbone("googlenet", path)
    with torch.no_grad():
        assert torch.equal(features(backbone, 64), model(images(64)))


def test_random_weights_leave_the_input_unchanged():
    assert not load_backbone("googlenet").model.transform_input


@pytest.mark.parametrize("ending", [".safetensors", ".pt"])
def test_another_architecture_names_the_first_that_differ(tmp_path, ending):
    resnet = models.resnet18()
    path = save(resnet.state_dict(), tmp_path / f"weights{ending}")
    with pytest.raises(ValueError, match="does not fit mobilenet_v2") as caught:
        load_backbone("mobilenet_v2", path)
    message = str(caught.value)
    names = [*load_backbone("mobilenet_v2").model.state_dict(), *resnet.state_dict()]
    n_names = sum(not name.endswith("num_batches_tracked") for name in names)
    assert f"{str(path)!r}" in message
    assert "\n" not in message
    assert f"Names that differ: {n_names}." in message
    assert "Missing: features.0.0.weight, features.0.1.weight, features.0.1.bias and" in message
    # In the order of the file, which for safetensors is that of the alphabet.
    unexpected = re.search(r"Unexpected: (\S+), (\S+), (\S+) and \d+ more\.", message).groups()
    assert set(unexpected) < set(resnet.state_dict())


def test_another_shape_names_both_shapes(tmp_path, small):
    state = small.state_dict() | {"features.0.0.weight": torch.zeros(16, 3, 1, 1)}
    path = save(state, tmp_path / "weights.pt")
    with pytest.raises(ValueError, match=rf"{SMALL}\. Names that differ: 1\.") as caught:
        load_backbone(SMALL, path)
    difference = "Of another shape: features.0.0.weight (16, 3, 1, 1) instead of (16, 3, 3, 3)."
    assert difference in str(caught.value)


def test_quantised_weights_are_refused(tmp_path, small):
    whole = {"features.0.0.weight": torch.ones(16, 3, 3, 3, dtype=torch.int8)}
    state = small.state_dict() | whole
    path = save(state, tmp_path / "weights.safetensors")
    with pytest.raises(ValueError, match=r"0.0.weight int8 \(16, 3, 3, 3\) instead of \(16, 3"):
        load_backbone(SMALL, path)


@pytest.mark.parametrize("ending", [".safetensors", ".pt"])
@pytest.mark.parametrize("kept", [0, 6, 2000, 0.5, 0.99])
def test_file_cut_short_is_refused(tmp_path, small, ending, kept):
    path = save(small.state_dict(), tmp_path / f"weights{ending}")
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content)) if isinstance(kept, float) else kept])
    with pytest.raises(ValueError, match="is no whole file of tensors") as caught:
        load_backbone(SMALL, path)
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is not None


@pytest.mark.parametrize("ending", [".safetensors", ".pt"])
def test_file_of_something_else_is_refused(tmp_path, ending):
    path = tmp_path / f"weights{ending}"
    path.write_text("<html>Not found</html>")
    with pytest.raises(ValueError, match="is no whole file of tensors"):
        load_backbone(SMALL, path)


class MakesFolder:
    """Creates a folder when a pickle of it is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.parametrize(
    "write", [torch.save, lambda obj, path: path.write_bytes(pickle.dumps(obj, 2))]
)
def test_code_in_a_pickle_does_not_run(tmp_path, small, write):
    path, trap = tmp_path / "weights.pt", tmp_path / "trap"
    write(dict(small.state_dict()) | {"trap": MakesFolder(str(trap))}, path)
    with pytest.raises(ValueError, match="can run code") as caught:
        load_backbone(SMALL, path)
    assert not trap.exists()
    assert "weights_only" not in str(caught.value)
    pickle.loads(pickle.dumps(MakesFolder(str(trap))))
    assert trap.exists()


@pytest.mark.parametrize("content", [torch.zeros(3), {"epoch": 3}, [torch.zeros(3)], {}])
def test_file_without_named_tensors_is_refused(tmp_path, content):
    path = save(content, tmp_path / "weights.pt")
    with pytest.raises(ValueError, match=f"holds a {type(content).__name__} without tensors"):
        load_backbone(SMALL, path)


def test_missing_file_is_named(tmp_path):
    for weights in (tmp_path / "none", str(tmp_path / "none.pth"), "none.safetensors", tmp_path):
        with pytest.raises(FileNotFoundError, match=re.escape(f"{str(weights)!r} is not a file")):
            load_backbone(SMALL, weights)


def test_weights_of_another_type_are_refused():
    with pytest.raises(TypeError, match="weights is a bool"):
        load_backbone(SMALL, True)


@pytest.mark.parametrize(
    ("name", "near"),
    [("resnet51", "resnet50"), ("ResNet18", "resnet18"), ("mobilenetv2", "mobilenet_v2")],
)
def test_unknown_model_suggests_the_nearest(name, near):
    with pytest.raises(ValueError, match=f"name='{name}' is no classification .*{near}"):
        load_backbone(name)


@pytest.mark.parametrize(
    "name", ["quantized_resnet18", "fcn_resnet50", "fasterrcnn_resnet50_fpn", "r3d_18", "", None]
)
def test_models_that_do_not_classify_images_are_unknown(name):
    with pytest.raises(ValueError, match="is no classification model"):
        load_backbone(name)


def test_model_without_linear_layer_at_its_end_is_refused():
    with pytest.raises(ValueError, match="'squeezenet1_1' does not end in a linear layer"):
        load_backbone("squeezenet1_1")


def test_unknown_name_of_weights_lists_the_known():
    with pytest.raises(ValueError, match=r"IMAGENET1K_V1, DEFAULT\. The path of a file") as caught:
        load_backbone(SMALL, "IMAGENET1K_V9")
    assert "'IMAGENET1K_V9'" in str(caught.value)


@pytest.fixture
def server(monkeypatch, tmp_path):
    """Replace the download by the content of a list: an error or weights."""
    content = []

    def download(url, destination, hash_prefix, **options):
        assert hash_prefix in url
        if isinstance(content[0], Exception):
            raise content[0]
        torch.save(content[0], destination)

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    return content


def test_failing_download_is_one_clear_line(server):
    for error in (urllib.error.URLError("no\nroute"), RuntimeError("wrong hash")):
        server[:] = [error]
        with pytest.raises(
            OSError, match="weights='DEFAULT' of mobilenet_v3_small could not be"
        ) as caught:
            load_backbone(SMALL, "DEFAULT")
        assert "\n" not in str(caught.value)
        assert caught.value.__cause__ is error


@pytest.mark.parametrize("weights", ["DEFAULT", "IMAGENET1K_V1"])
def test_weights_by_name_are_downloaded(server, small, small_features, weights):
    server[:] = [small.state_dict()]
    backbone = load_backbone(SMALL, weights)
    assert backbone.pretrained
    assert torch.equal(features(backbone), small_features)


def test_old_names_of_dense_layers_are_known(server):
    model = reference("densenet121")
    old = re.compile(r"(denselayer\d+\.(?:norm|conv))([12])")
    server[:] = [{old.sub(r"\1.\2", name): t for name, t in model.state_dict().items()}]
    assert "features.denseblock1.denselayer1.norm.1.weight" in server[0]
    backbone = load_backbone("densenet121", "DEFAULT")
    with torch.no_grad():
        assert torch.equal(model.classifier(features(backbone)), model(images()))


def test_old_names_of_transformers_are_known(monkeypatch, tmp_path):
    def small(*args, **kwargs):
        return models.VisionTransformer(32, 16, 2, 2, 8, 16)

    model = small().eval()
    state = model.state_dict()
    for new, old in ((".mlp.0.", ".mlp.linear_1."), (".mlp.3.", ".mlp.linear_2.")):
        state = {name.replace(new, old): tensor for name, tensor in state.items()}
    path = save(state, tmp_path / "weights.safetensors")
    monkeypatch.setattr(models, "get_model", small)
    backbone = load_backbone("vit_b_16", path)
    model.heads = nn.Identity()
    with torch.no_grad():
        assert torch.equal(features(backbone), model(images()))


@pytest.mark.parametrize(
    ("package", "name", "install"),
    [
        ("torchvision", "resnet18", 'pip install ".[vision]" in a clone'),
        ("timm", "timm/resnet10t", "pip install timm"),
    ],
)
def test_missing_package_names_what_to_install(monkeypatch, package, name, install):
    for module in [module for module in sys.modules if module.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=re.escape(f"name='{name}' needs {package}: {install}")):
        load_backbone(name)


def test_repr_names_the_model():
    assert "name='average', pretrained=True" in repr(NamedBackbone("average", nn.Flatten(), True))


@pytest.mark.data
def test_real_weights_compute_features(data_folder):
    path = data_folder / "weights" / "mobilenet_v2-imagenet.safetensors"
    backbone = load_backbone("mobilenet_v2", path)
    found = features(backbone, 64)
    assert found.shape == (2, 1280)
    assert found.isfinite().all()
    stored = safetensors.torch.load_file(path)["features.0.0.weight"]
    assert torch.equal(backbone.model.features[0][0].weight, stored.float())
