"""Parameters of estimators as JSON can hold them, and back. No code of a file is run."""

import inspect
import os

import numpy as np
import torch
from sklearn.base import BaseEstimator
from torch.overrides import TorchFunctionMode

from domadapt import alignment
from domadapt.inputs.images import ImageLoader
from domadapt.nn.compiled import uncompiled
from domadapt.nn.pretrained import NamedBackbone, load_backbone
from domadapt.nn.random_numbers import RandomNumbers

# What object each parameter may hold, beside numbers, texts and lists of them.
OBJECTS = {"backbone": "backbone", "image_loader": "image_loader", "alignment": "criterion"}
CRITERIA = {
    name: kind
    for name, kind in vars(alignment).items()
    if isinstance(kind, type) and issubclass(kind, alignment.Criterion)
}


def encode(value):
    """Return a parameter as JSON can hold it, or a note of what it was."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, (os.PathLike, torch.device)):
        return str(value)
    if isinstance(value, np.ndarray):
        return encode(value.tolist())
    if isinstance(value, (list, tuple)):
        values = [encode(v) for v in value]
        if not any(map(is_lacking, values)):
            return {"tuple" if isinstance(value, tuple) else "list": values}
    if isinstance(value, dict):
        pairs = [[encode(k), encode(v)] for k, v in value.items()]
        if not any(is_lacking(v) for pair in pairs for v in pair):
            return {"dict": pairs}
    if type(value) is ImageLoader:
        settings = {k: encode(v) for k, v in value.get_params(deep=False).items()}
        del settings["cache_folder"]
        if not any(map(is_lacking, settings.values())):
            return {"image_loader": settings}
    if type(value) in CRITERIA.values():
        settings = {k: encode(v) for k, v in value.get_params().items()}
        is_unsized = settings.get("in_features") is None
        if is_unsized and not any(map(is_lacking, settings.values())):
            return {"criterion": [type(value).__name__, settings]}
    value = uncompiled(value)
    if _is_as_named(value):
        settings = {name: getattr(value, name) for name in ("name", "pretrained")}
        # Two of torchvision's models scale the colours anew for their own weights.
        settings["transform_input"] = getattr(value.model, "transform_input", None)
        return {"backbone": settings}
    # A module's own text may be pages long.
    is_short = inspect.isroutine(value) or isinstance(value, BaseEstimator)
    return {"lacking": " ".join(repr(value).split()) if is_short else type(value).__name__}


def _is_as_named(backbone):
    """Return whether a backbone can be built from its name: it may have been changed since."""
    if type(backbone) is not NamedBackbone:
        return False
    try:
        return repr(_build_named(backbone.name, OnMeta()).model) == repr(backbone.model)
    except (ImportError, ValueError):
        return False


class OnMeta(TorchFunctionMode):
    """Builds modules whose weights have shapes, but no memory."""

    # Not torch.device("meta"): some of torchvision's models compute their sizes by tensors.
    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        return func(*args, **{**kwargs, "device": "meta"} if func is torch.empty else kwargs)


def _build_named(name, where):
    with RandomNumbers(0, torch.device("cpu"), lends_global=True).drawn(), where:
        return load_backbone(name)


def is_lacking(value):
    """Return whether an encoded parameter is only a note of what it was."""
    return isinstance(value, dict) and "lacking" in value


def decode(name, value):
    """Return a parameter that was encoded; a backbone has shapes for weights, see OnMeta."""
    kind = OBJECTS.get(name)
    if kind == "backbone" and value is not None:
        return decode_backbone(value, OnMeta())
    return _decode(value, kind)


def _decode(value, kind_of_object=None):
    """Return what was encoded, which may hold objects of one kind."""
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind in OBJECTS.values() and kind != kind_of_object:
        raise TypeError(f"a parameter that holds a {kind}")
    if kind in ("tuple", "list"):
        values = [_decode(v, kind_of_object) for v in content]
        return tuple(values) if kind == "tuple" else values
    if kind == "dict":
        return {_decode(k): _decode(v) for k, v in content}
    if kind == "image_loader":
        if "cache_folder" in content:
            # A file could make others write anywhere.
            raise KeyError("a cache_folder")
        return ImageLoader(**{name: _decode(v) for name, v in content.items()})
    if kind == "criterion":
        name, settings = content
        # Layers of given sizes would be built before anything is known to need them.
        if settings.get("in_features") is not None:
            raise TypeError(f"a criterion with in_features={settings['in_features']!r}")
        return CRITERIA[name](**{name: _decode(v) for name, v in settings.items()})
    raise KeyError(f"a parameter of the unknown kind {kind!r}")


def decode_backbone(value, where):
    """Return a backbone that was encoded, built in a context; its weights do not matter."""
    ((kind, content),) = value.items()
    name, pretrained = content["name"], content["pretrained"]
    if kind != "backbone" or not (isinstance(name, str) and isinstance(pretrained, bool)):
        raise TypeError(f"a backbone {value!r}")
    backbone = _build_named(name, where)
    backbone.pretrained = pretrained
    if content["transform_input"] is not None:
        backbone.model.transform_input = bool(content["transform_input"])
    return backbone
