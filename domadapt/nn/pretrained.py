"""Feature extractors by name, with weights from a file or a download."""

import difflib
import importlib
import os
import re
from pathlib import Path

import torch
from torch import nn

WEIGHT_ENDINGS = frozenset({".pt", ".pth", ".safetensors"})
TIMM = "timm/"
AUXILIARY = ("AuxLogits.", "aux1.", "aux2.")
BATCH_COUNT = "num_batches_tracked"
# Torchvision's own files still use old names of some layers.
OLD_NAMES = [
    (re.compile(r"(\.denselayer\d+\.(?:norm|conv))\.([12])\."), r"\1\2."),
    (re.compile(r"\.mlp\.linear_1\."), ".mlp.0."),
    (re.compile(r"\.mlp\.linear_2\."), ".mlp.3."),
]


class NamedBackbone(nn.Module):
    """A feature extractor with a name: a model without its classifier.

    Parameters
    ----------
    name : str
        Name of the model, such as ``"resnet50"``.
    model : nn.Module
        Maps images of shape (n, 3, height, width) to features of shape (n, ...).
    pretrained : bool, default=False
        Whether the weights were loaded; otherwise they are random.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> from domadapt.nn.pretrained import NamedBackbone
    >>> backbone = NamedBackbone("average", nn.AdaptiveAvgPool2d(1))
    >>> backbone(torch.zeros(2, 3, 32, 32)).shape
    torch.Size([2, 3])
    """

    def __init__(self, name, model, pretrained=False):
        super().__init__()
        self.name = name
        self.model = model
        self.pretrained = pretrained
        # True if it was rebuilt by its name and still lacks its pretrained weights.
        self.lost_weights = False

    def forward(self, x):
        return self.model(x).flatten(1)

    def extra_repr(self):
        """Return the settings as text for ``repr``."""
        return f"name={self.name!r}, pretrained={self.pretrained}"


def load_backbone(name, weights=None, *, frozen=()):
    """Build the feature extractor of a known model: the model without its classifier.

    Dropout directly before the classifier and auxiliary classifiers are removed with it.

    Parameters
    ----------
    name : str
        A classification model of torchvision, such as ``"resnet50"``, or ``"timm/"`` and
        the name of a model of timm.
    weights : str, path or None, default=None
        Path of a safetensors file or of a state dict that ``torch.save`` wrote, or the
        name of weights to download: torchvision's, such as ``"DEFAULT"`` or
        ``"IMAGENET1K_V2"``, and for timm ``"DEFAULT"``. All become float32. The
        classifier in a file is not used, whatever its classes. None starts from random
        weights, drawn from torch's global generator.
    frozen : str or sequence of str, default=()
        Layers whose parameters are not trained, such as ``("conv1", "bn1", "layer1")``
        or ``("features.0",)``, or ``"all"``. Training keeps a batch normalisation layer
        whose parameters need no gradient in evaluation mode, so that its statistics are
        frozen as well.

    Returns
    -------
    backbone : NamedBackbone
        Maps float32 of shape (n, 3, height, width), normalised as the weights expect, to
        (n, n_features). Torchvision's weights, and files for its models, expect the mean
        (0.485, 0.456, 0.406) and standard deviation (0.229, 0.224, 0.225) of ImageNet.

    Raises
    ------
    FileNotFoundError
        If ``weights`` is a path at which there is no file.
    ImportError
        If the package of the model is not installed.
    OSError
        If the download fails.
    TypeError
        If ``weights`` is neither a str nor a path nor None.
    ValueError
        If no model, weights or layer has that name, the file is damaged, holds Python
        objects or the weights of another model, or the model does not end in a linear
        layer.

    References
    ----------
    He, Zhang, Ren, Sun (2016). "Deep residual learning for image recognition". CVPR.

    Sandler, Howard, Zhu, Zhmoginov, Chen (2018). "MobileNetV2: inverted residuals and linear
    bottlenecks". CVPR.

    Examples
    --------
    >>> import torch
    >>> from domadapt.nn.pretrained import load_backbone
    >>> backbone = load_backbone("resnet18", frozen=("conv1", "bn1", "layer1"))
    >>> backbone(torch.zeros(2, 3, 32, 32)).shape
    torch.Size([2, 512])
    >>> backbone.pretrained
    False
    """
    file = _weights_file(weights)
    pretrained = weights is not None
    # Timm loads the weights that it downloads itself.
    by_timm = str(name).startswith(TIMM)
    if by_timm:
        model, unused = _timm_model(name, None if file else weights)
    else:
        model, unused = _torchvision_model(name, pretrained)
    _freeze(model, frozen)
    if file or (pretrained and not by_timm):
        state = _read_state(file) if file else _download(name, weights)
        _load_state(model, state, unused, f"weights={str(weights)!r} does not fit {name}")
    return NamedBackbone(name, model, pretrained)


def _weights_file(weights):
    """Return ``weights`` as a path, or None if it is a name or None."""
    if weights is None:
        return None
    if not isinstance(weights, str | os.PathLike):
        raise TypeError(
            f"weights is a {type(weights).__name__}. Expected the path of a file, a name such "
            "as 'DEFAULT', or None."
        )
    path = Path(weights)
    if path.is_file():
        return path
    if isinstance(weights, str) and path.suffix not in WEIGHT_ENDINGS:
        return None
    raise FileNotFoundError(f"weights={str(weights)!r} is not a file.")


def _import(module, install, needed_by):
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(
            f"{needed_by} needs {module.partition('.')[0]}: pip install {install}"
        ) from error


def _torchvision_model(name, pretrained):
    """Build a model; return it with the prefixes of names in a file that it does not use."""
    models = _import("torchvision.models", '".[vision]" in a clone', f"name={name!r}")
    _check_known(name, models.list_models(module=models))
    options = {}
    if name in ("googlenet", "inception_v3"):
        # With pretrained weights, these convert ImageNet's normalisation to their own.
        options = {"transform_input": pretrained, "aux_logits": False, "init_weights": True}
    model = models.get_model(name, weights=None, **options)
    return model, (_remove_classifier(model, name), *AUXILIARY)


def _timm_model(name, weights):
    """Build a model; return it with the prefixes of names in a file that it does not use."""
    timm = _import("timm", "timm", f"name={name!r}")
    short = name.removeprefix(TIMM)
    if not timm.is_model(short):
        _check_known(name, [TIMM + known for known in timm.list_models()])
    if weights not in (None, "DEFAULT"):
        raise _unknown_weights(name, weights, ["DEFAULT"])
    try:
        model = timm.create_model(short, pretrained=weights is not None, num_classes=0)
    except OSError as error:
        raise _failed_download(name, weights, error) from error
    except RuntimeError as error:
        raise ValueError(f"name={name!r}, weights={weights!r}: {_one_line(error)}") from error
    heads = model.pretrained_cfg.get("classifier") or ()
    heads = (heads,) if isinstance(heads, str) else tuple(heads)
    # A head of several layers, such as a norm and a linear layer, is ignored as a whole.
    return model, tuple((head.rpartition(".")[0] or head) + "." for head in heads)


def _check_known(name, known):
    if name not in known:
        near = difflib.get_close_matches(str(name).lower(), known, cutoff=0.5)
        raise ValueError(
            f"name={name!r} is no classification model that is installed. "
            f"Nearest: {', '.join(near) or 'none'}."
        )


def _remove_classifier(model, name):
    """Replace the classifier by the identity, and return the prefix of its names."""
    path, last = list(model.named_modules())[-1]
    if not isinstance(last, nn.Linear):
        raise ValueError(
            f"name={name!r} does not end in a linear layer, so its features cannot be told from "
            "its classifier. Expected a model such as 'resnet18'."
        )
    parent = model.get_submodule(path.rpartition(".")[0])
    *others, classifier = dict(parent.named_children())
    setattr(parent, classifier, nn.Identity())
    if others and isinstance(parent.get_submodule(others[-1]), nn.Dropout):
        setattr(parent, others[-1], nn.Identity())
    return f"{path}."


def _freeze(model, frozen):
    layers = {path: layer for path, layer in model.named_modules() if list(layer.parameters())}
    layers["all"] = layers.pop("")
    for path in (frozen,) if isinstance(frozen, str) else frozen:
        if path not in layers:
            top_level = ", ".join(known for known in layers if "." not in known)
            raise ValueError(
                f"frozen names {path!r}, which is no layer with parameters. Expected one of "
                f"{top_level}, or a layer in one of these, such as 'layer1.0'."
            )
        layers[path].requires_grad_(False)


def _unknown_weights(name, weights, known):
    return ValueError(
        f"weights={weights!r} is neither a file nor the name of weights for {name}. "
        f"Known names: {', '.join(known) or 'none'}. The path of a file would do too."
    )


def _download(name, weights):
    models = importlib.import_module("torchvision.models")
    known = models.get_model_weights(name).__members__
    if weights not in known:
        raise _unknown_weights(name, weights, known)
    try:
        return known[weights].get_state_dict(progress=False, check_hash=True)
    except (OSError, RuntimeError) as error:  # The latter for a wrong hash.
        raise _failed_download(name, weights, error) from error


def _failed_download(name, weights, error):
    return OSError(
        f"weights={weights!r} of {name} could not be downloaded ({_one_line(error)}). "
        "The path of a file would do too."
    )


def _one_line(error):
    return " ".join(str(error).split()) or type(error).__name__


def _read_state(path):
    """Read the tensors of a file by name."""
    source = f"weights={str(path)!r}"
    try:
        if path.suffix == ".safetensors":
            state = _import("safetensors.torch", "safetensors", source).load_file(path)
        else:
            state = torch.load(path, weights_only=True, map_location="cpu")
    except (ImportError, OSError):
        raise
    except Exception as error:  # Damaged files raise errors of many types.
        raise ValueError(
            f"{source} is no whole file of tensors. It is damaged, or holds Python objects, which "
            "can run code and are not loaded. Expected safetensors or a state dict of torch.save."
        ) from error
    for key in ("state_dict", "model"):
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
    named = state.items() if isinstance(state, dict) else ()
    tensors = {str(name): value for name, value in named if isinstance(value, torch.Tensor)}
    if not tensors:
        raise ValueError(
            f"{source} holds a {type(state).__name__} without tensors by name. Expected what "
            "model.state_dict() returns, or a dict with this as 'state_dict' or 'model'."
        )
    return tensors


def _load_state(model, state, unused, message):
    """Copy the tensors of a file into a model, whose names and shapes they must have."""
    own = model.state_dict()
    if all(name.startswith("module.") for name in state):
        state = {name.removeprefix("module."): tensor for name, tensor in state.items()}
    state = {name if name in own else _new_name(name): tensor for name, tensor in state.items()}
    unknown = [name for name in state if name not in own and not name.startswith(unused)]
    shapes = {name: (_shape(state[name]), _shape(own[name])) for name in own if name in state}
    wrong = {
        "Missing": [name for name in own if name not in state and not name.endswith(BATCH_COUNT)],
        "Unexpected": [name for name in unknown if not name.endswith(BATCH_COUNT)],
        "Of another shape": [
            f"{name} {theirs} instead of {ours}"
            for name, (theirs, ours) in shapes.items()
            # Floats may be read as integers, but quantised integers lack their scale.
            if theirs not in (ours, ours.removeprefix("int64 "))
        ],
    }
    if any(wrong.values()):
        parts = [f"{kind}: {_first(names)}." for kind, names in wrong.items() if names]
        differ = sum(map(len, wrong.values()))
        raise ValueError(f"{message}. Names that differ: {differ}. {' '.join(parts)}")
    # Not load_state_dict, in which some models need a version that safetensors lacks.
    for name in shapes:
        own[name].copy_(state[name])


def _new_name(name):
    for old, new in OLD_NAMES:
        name = old.sub(new, name)
    return name


def _shape(tensor):
    """Return the shape as text, after the dtype if that is not floating point."""
    kind = "" if tensor.is_floating_point() else f"{tensor.dtype} ".removeprefix("torch.")
    return f"{kind}{tuple(tensor.shape)}"


def _first(names, n=3):
    return ", ".join(names[:n]) + (f" and {len(names) - n} more" if len(names) > n else "")
