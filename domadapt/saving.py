"""Fitted estimators as files, and fits that are known again."""

import inspect
import os
import textwrap
import warnings

import numpy as np
import torch
from sklearn.base import BaseEstimator

from domadapt._storage.files import read_tensors, write_tensors
from domadapt._storage.fingerprints import describe, digest_of, digest_of_array, digest_of_rows
from domadapt.inputs.device import resolve_device
from domadapt.inputs.frozen import FrozenBackbone
from domadapt.inputs.images import ImageLoader
from domadapt.nn import FeatureClassifier, SplitBatchNorm, split_batch_norm
from domadapt.nn.networks import build_network, stack_layers
from domadapt.nn.pretrained import NamedBackbone, load_backbone

KIND = "model"
# What a prediction cannot do without; other parameters may be set anew before a fit.
NEEDED = ("backbone", "hidden_layer_sizes", "image_loader")
ATTRIBUTES = ("n_features_in_", "feature_names_in_", "n_skipped_images_")
# Booleans, integers, floats, texts and objects, as numpy calls them.
LABEL_KINDS = "biufUO"
# What does not change the weights that a fit ends with.
OUTWARD = ("checkpoint", "device", "feature_cache", "verbose")
OUTWARD_LOADING = ("n_workers", "cache_megabytes")
DTYPES = {"float32": torch.float32, "float64": torch.float64}


def fingerprint_of_fit(estimator, domains):
    """Say what is fitted to what, so that a fit that goes on is known to be the same.

    Parameters
    ----------
    estimator : BaseDeepEstimator
        Its parameters count, but for those that do not change the weights.
    domains : Domains
        The data.

    Returns
    -------
    fingerprint : str
        Hexadecimal.
    """
    parameters = estimator.get_params(deep=False)
    parameters = {name: v for name, v in parameters.items() if name not in OUTWARD}
    loader = estimator._loader.get_params(deep=False)
    parameters["image_loader"] = {n: v for n, v in loader.items() if n not in OUTWARD_LOADING}
    parts = [type(estimator).__name__, describe(parameters), digest_of_rows(domains.source)]
    parts.append(digest_of_array(domains.y))
    if domains.sample_weight is not None:
        parts.append(digest_of_array(domains.sample_weight))
    if domains.target is not None:
        parts.append(digest_of_rows(domains.target))
    for name in ("source_domain", "known", "y_known"):
        values = getattr(domains, name)
        if values is not None:
            parts += [name, digest_of_array(values)]
    return digest_of({}, describe(parts))


def save_estimator(estimator, path):
    """Write a fitted estimator to a file.

    Parameters
    ----------
    estimator : BaseDeepEstimator
        Fitted, and of a class of domadapt's own.
    path : str or path
        The file.

    Raises
    ------
    TypeError
        If the class or the labels cannot be saved.
    OSError
        If the file cannot be written.
    """
    name = type(estimator).__name__
    if _classes().get(name) is not type(estimator):
        raise TypeError(f"{name} is no class of domadapt's own, so it cannot be saved.")
    module = estimator.module_
    splits = [layer.n_first for layer in module.modules() if isinstance(layer, SplitBatchNorm)]
    parameters = estimator.get_params(deep=False)
    info = {
        "class": name,
        "parameters": {key: _encode(value) for key, value in parameters.items()},
        "predicts": _encode_predicted(estimator),
        "sample_shape": list(estimator._sample_shape),
        "input_shape": list(estimator._input_shape),
        "dtype": str(module.dtype).removeprefix("torch."),
        "n_first": splits[0] if splits else None,
        "not_trained": [n for n, p in module.named_parameters() if not p.requires_grad],
        "history": estimator.history_,
        "adaptation_history": getattr(estimator, "adaptation_history_", None),
        "n_steps": estimator.n_steps_,
        "attributes": {
            key: value.tolist() if isinstance(value, np.ndarray) else value
            for key, value in vars(estimator).items()
            if key in ATTRIBUTES
        },
    }
    tensors = {f"module.{key}": value for key, value in module.state_dict().items()}
    if hasattr(estimator, "transduction_"):
        tensors["transduction"] = torch.from_numpy(_number(estimator, estimator.transduction_))
    write_tensors(path, tensors, info, kind=KIND)


def load(path, **parameters):
    """Read an estimator that its ``save`` wrote. No code of the file is run.

    Parameters
    ----------
    path : str or path
        The file.
    **parameters : object
        Parameters that are to be others than those saved, such as ``device="cpu"``; and
        those that a file does not hold. A ``backbone`` of your own and an
        ``image_loader`` with transforms of your own have to be given. A criterion or a
        schedule of your own is not needed to predict.

    Returns
    -------
    estimator : BaseDeepEstimator
        Fitted. If it was on a CUDA device that is not there, it is on the CPU and its
        ``device`` is ``"auto"``. A backbone that was trained is not there as it was
        before: to fit again, set it.

    Raises
    ------
    FileNotFoundError
        If the file is not there.
    ValueError
        If the file is cut short, was changed, is of another kind or version, or needs a
        parameter that was not given or does not fit.

    Warns
    -----
    UserWarning
        If a parameter that only ``fit`` needs was not saved and has its default.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sklearn.datasets import make_blobs
    >>> import domadapt
    >>> X, y = make_blobs(50, random_state=0)
    >>> clf = domadapt.DANClassifier(max_epochs=3, random_state=0).fit(X, y, X_target=X + 1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     clf.save(Path(folder, "model.safetensors"))
    ...     again = domadapt.load(Path(folder, "model.safetensors"))
    >>> bool((again.predict_proba(X) == clf.predict_proba(X)).all())
    True
    """
    try:
        tensors, info = read_tensors(path, kind=KIND)
        estimator = _build_estimator(path, info, parameters)
        vars(estimator).update(_decode_predicted(info["predicts"]))
        module = _build_module(estimator, info)
        state = {
            name.removeprefix("module."): value
            for name, value in tensors.items()
            if name.startswith("module.")
        }
        module.load_state_dict(state)
        estimator.module_ = module.eval()
        estimator.history_, estimator.n_steps_ = info["history"], info["n_steps"]
        if info["adaptation_history"] is not None:
            estimator.adaptation_history_ = info["adaptation_history"]
        estimator._sample_shape = tuple(info["sample_shape"])
        estimator._input_shape = tuple(info["input_shape"])
        for name, value in info["attributes"].items():
            if name not in ATTRIBUTES:
                raise KeyError(f"an attribute of the unknown name {name!r}")
            value = np.array(value, dtype=object) if isinstance(value, list) else value
            setattr(estimator, name, value)
        if "transduction" in tensors:
            estimator.transduction_ = _name(estimator, tensors["transduction"].numpy())
        if estimator.backbone is not None and "backbone" not in parameters:
            _mend_backbone(estimator)
    except (
        AttributeError,
        LookupError,
        MemoryError,
        OverflowError,
        RuntimeError,
        TypeError,
    ) as error:
        reason = textwrap.shorten(str(error), 500, placeholder=" ...")
        raise ValueError(f"{str(path)!r} does not fit together: {reason}") from error
    return estimator


def _classes():
    from domadapt import estimators

    return {name: getattr(estimators, name) for name in estimators.__all__}


def _build_estimator(path, info, given):
    """Build the estimator, unfitted, with the parameters of the file and those given."""
    if info["class"] not in _classes():
        raise ValueError(f"{str(path)!r} holds a {info['class']!r}, which is not known here.")
    estimator = _classes()[info["class"]]()
    known = set(estimator.get_params(deep=False))
    unknown = (set(given) | set(info["parameters"])) - known
    if unknown:
        raise ValueError(f"{info['class']} has no parameters {sorted(unknown)}.")
    saved = {name: v for name, v in info["parameters"].items() if name not in given}
    lacking = [name for name, value in saved.items() if _is_lacking(value)]
    for name in lacking:
        what = saved.pop(name)["lacking"]
        if name in NEEDED:
            raise ValueError(
                f"{str(path)!r} was saved with {name}={what}, which the file cannot hold. "
                f"Pass it: load(path, {name}=...)."
            )
        warnings.warn(
            f"{name}={what} was not saved and has its default. That does not matter for "
            "predictions; set it before you fit again.",
            stacklevel=3,
        )
    estimator.set_params(**{name: _decode(value) for name, value in saved.items()}, **given)
    if "device" not in given:
        try:
            resolve_device(estimator.device)
        except ValueError:
            estimator.device = "auto"
    return estimator


def _build_module(estimator, info):
    """Build the network as fit built it, with weights that do not matter."""
    dtype = DTYPES[info["dtype"]]
    device = resolve_device(estimator.device)
    sample = torch.zeros((2, *info["input_shape"]), device=device, dtype=dtype)
    backbone, frozen = estimator.backbone, None
    with torch.random.fork_rng(devices=[]):
        if estimator.freeze:
            frozen, backbone = FrozenBackbone(backbone, sample), None
            sample = frozen(sample)
        network, _ = build_network(
            sample,
            estimator._n_outputs,
            backbone=backbone,
            hidden_layer_sizes=estimator._hidden_layer_sizes,
            batch_norm=estimator.batch_norm is not None,
            dropout=estimator.dropout,
        )
    # Batch normalisation that takes no gradient was not split.
    _set_trained(network, info["not_trained"])
    n_first = info["n_first"]
    if n_first is not None:
        if not (isinstance(n_first, int) and n_first > 0):
            raise TypeError(f"batches with {n_first!r} source rows")
        split_batch_norm(network, n_first)
    if frozen is not None:
        extractor = stack_layers(frozen, network.feature_extractor)
        network = FeatureClassifier(extractor, network.classifier)
    _set_trained(network, info["not_trained"])
    return network


def _set_trained(module, not_trained):
    for name, parameter in module.named_parameters():
        parameter.requires_grad_(name not in not_trained)


def _mend_backbone(estimator):
    """Bring a backbone that was built from its name to where the next fit can start."""
    backbone = estimator.backbone.to(estimator.module_.dtype)
    if estimator.freeze:
        frozen = estimator.module_.feature_extractor.backbone
        backbone.load_state_dict(frozen.model.state_dict())
    elif backbone.pretrained:
        backbone.lost_weights = True


def _encode(value):
    """Give a parameter as JSON can hold it, or a note of what it was."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, (os.PathLike, torch.device)):
        return str(value)
    if isinstance(value, np.ndarray):
        return _encode(value.tolist())
    if isinstance(value, (list, tuple)):
        values = [_encode(v) for v in value]
        if not any(map(_is_lacking, values)):
            return {"tuple" if isinstance(value, tuple) else "list": values}
    if isinstance(value, dict):
        pairs = [[_encode(k), _encode(v)] for k, v in value.items()]
        if not any(_is_lacking(v) for pair in pairs for v in pair):
            return {"dict": pairs}
    if type(value) is ImageLoader:
        settings = {k: _encode(v) for k, v in value.get_params(deep=False).items()}
        if not any(map(_is_lacking, settings.values())):
            return {"image_loader": settings}
    if _is_as_named(value):
        settings = {name: getattr(value, name) for name in ("name", "pretrained")}
        # Two of torchvision's models scale the colours anew for their own weights.
        settings["transform_input"] = getattr(value.model, "transform_input", None)
        return {"backbone": settings}
    # A module's own text may be pages long.
    is_short = inspect.isroutine(value) or isinstance(value, BaseEstimator)
    return {"lacking": " ".join(repr(value).split()) if is_short else type(value).__name__}


def _is_as_named(backbone):
    """Say whether a backbone can be built from its name: it may have been changed since."""
    if type(backbone) is not NamedBackbone:
        return False
    try:
        return repr(_build_named(backbone.name).model) == repr(backbone.model)
    except (ImportError, ValueError):
        return False


def _build_named(name):
    with torch.random.fork_rng(devices=[]):
        return load_backbone(name)


def _is_lacking(value):
    return isinstance(value, dict) and "lacking" in value


def _decode(value):
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == "tuple":
        return tuple(_decode(v) for v in content)
    if kind == "list":
        return [_decode(v) for v in content]
    if kind == "dict":
        return {_decode(k): _decode(v) for k, v in content}
    if kind == "image_loader":
        return ImageLoader(**{name: _decode(v) for name, v in content.items()})
    if kind == "backbone":
        backbone = _build_named(content["name"])
        backbone.pretrained = content["pretrained"]
        if content["transform_input"] is not None:
            backbone.model.transform_input = content["transform_input"]
        return backbone
    raise KeyError(f"a parameter of the unknown kind {kind!r}")


def _encode_predicted(estimator):
    """Give what it takes to make predictions of what the network puts out."""
    if not hasattr(estimator, "classes_"):
        mean, scale = estimator.y_mean_.tolist(), estimator.y_scale_.tolist()
        return {"mean": mean, "scale": scale, "one_column": estimator._one_column}
    encoded = {"classes": _encode_labels(estimator.classes_)}
    if hasattr(estimator, "unknown_"):
        encoded["unknown"] = _encode_labels(np.array([estimator.unknown_]))
    return encoded


def _decode_predicted(encoded):
    if "classes" not in encoded:
        mean, scale = (np.array(encoded[name], dtype=np.float64) for name in ("mean", "scale"))
        if mean.ndim != 1 or scale.shape != mean.shape:
            raise TypeError(f"values of mean {mean!r} and scale {scale!r}")
        return {"y_mean_": mean, "y_scale_": scale, "_one_column": bool(encoded["one_column"])}
    fitted = {"classes_": _decode_labels(encoded["classes"])}
    if "unknown" in encoded:
        fitted["unknown_"] = _decode_labels(encoded["unknown"]).tolist()[0]
    return fitted


def _number(estimator, transduction):
    """Give labels as their places among all labels, and values as they are."""
    if not hasattr(estimator, "classes_"):
        return transduction
    labels = estimator._all_labels
    order = np.argsort(labels)
    return order[np.searchsorted(labels, transduction, sorter=order)]


def _name(estimator, transduction):
    return estimator._all_labels[transduction] if hasattr(estimator, "classes_") else transduction


def _encode_labels(classes):
    values = classes.tolist()
    if not _are_plain(values):
        raise TypeError(
            f"Labels of the kind {type(values[0]).__name__} cannot be saved: numbers, texts and "
            "booleans can."
        )
    return {"dtype": classes.dtype.str, "values": values}


def _decode_labels(encoded):
    values, dtype = encoded["values"], np.dtype(encoded["dtype"])
    if isinstance(values, list) and _are_plain(values) and dtype.kind in LABEL_KINDS:
        labels = np.array(values, dtype=dtype)
        if labels.tolist() == values:
            return labels
    raise TypeError(f"labels {values!r} of the kind {encoded['dtype']!r}")


def _are_plain(labels):
    return all(isinstance(label, (bool, int, float, str)) for label in labels)
