"""A fitted deep estimator as tensors and JSON, and back; and the fingerprint of a fit."""

import contextlib

import numpy as np
import torch

from domadapt._storage.fingerprints import describe, digest_of, digest_of_array, digest_of_samples
from domadapt.estimators._encoding import decode_backbone, encode
from domadapt.estimators._forgeries import (
    check_fits,
    check_label_width,
    check_numbers,
    check_said,
)
from domadapt.inputs.frozen import FrozenBackbone
from domadapt.inputs.images import ImageLoader
from domadapt.inputs.reader import resolve_device
from domadapt.nn.compiled import uncompiled
from domadapt.nn.layers import SplitBatchNorm, split_batch_norm
from domadapt.nn.networks import FeatureClassifier, check_layer_sizes, stack_layers
from domadapt.nn.random_numbers import RandomNumbers

ATTRIBUTES = ("batch_norm_", "n_features_in_", "feature_names_in_", "n_skipped_images_")
# Booleans, integers, floats, texts and objects, as numpy calls them.
LABEL_KINDS = "biufUO"
# What does not change the weights that a fit ends with.
OUTWARD = ("checkpoint", "device", "feature_cache", "verbose")
OUTWARD_LOADING = ("n_workers", "cache_megabytes", "cache_folder")
DTYPES = {"float32": torch.float32, "float64": torch.float64}


def fingerprint_of_fit(estimator, domains, batch_norm):
    """Return a text of what is fitted to what, so that a fit is known again when resumed."""
    parameters = estimator.get_params(deep=False)
    parameters = {name: v for name, v in parameters.items() if name not in OUTWARD}
    # What it stands for: checkpoints are older than "auto".
    parameters["batch_norm"] = batch_norm
    # They are older than these parameters, too, whose defaults change nothing.
    if parameters.get("source_weights") is None:
        parameters.pop("source_weights", None)
    if parameters.get("focal_gamma") == 0:
        del parameters["focal_gamma"]
    loader = (estimator.image_loader or ImageLoader()).get_params(deep=False)
    parameters["image_loader"] = {n: v for n, v in loader.items() if n not in OUTWARD_LOADING}
    parts = [type(estimator).__name__, describe(parameters), digest_of_samples(domains.source)]
    parts.append(digest_of_array(domains.y))
    if domains.sample_weight is not None:
        parts.append(digest_of_array(domains.sample_weight))
    if domains.target is not None:
        parts.append(digest_of_samples(domains.target))
    for name in ("source_domain", "known", "y_known"):
        values = getattr(domains, name)
        if values is not None:
            parts += [name, digest_of_array(values)]
    return digest_of({}, describe(parts))


def encode_fitted(estimator):
    """Return the tensors of a fitted estimator, and what JSON holds of it.

    Raises
    ------
    TypeError
        If the labels cannot be saved.
    """
    module = estimator.module_
    splits = [layer.n_first for layer in module.modules() if isinstance(layer, SplitBatchNorm)]
    parameters = estimator.get_params(deep=False)
    info = {
        "class": type(estimator).__name__,
        "parameters": {key: encode(value) for key, value in parameters.items()},
        "predicts": estimator._encode_predicted(),
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
        numbers = _numbers_of(estimator, estimator.transduction_)
        tensors["transduction"] = torch.from_numpy(numbers)
    return tensors, info


def restore_fitted(estimator, tensors, info, *, has_own_backbone):
    """Make an unfitted estimator the fitted one that :func:`encode_fitted` was called on."""
    vars(estimator).update(estimator._decode_predicted(info["predicts"]))
    # Files from before "auto" do not say what it stood for.
    info["attributes"].setdefault("batch_norm_", info["parameters"].get("batch_norm"))
    check_said(info)
    state = {
        name.removeprefix("module."): value
        for name, value in tensors.items()
        if name != "transduction"
    }
    check_numbers(state)
    estimator.module_ = _read_module(estimator, info, state, has_own_backbone).eval()
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
        estimator.transduction_ = _labels_of(estimator, tensors["transduction"].numpy())
    if estimator.backbone is not None and not has_own_backbone:
        _mend_backbone(estimator)


def _read_module(estimator, info, state, has_own_backbone):
    """Return the network with its weights, which it is first compared with."""
    n_layers = len(check_layer_sizes(estimator.hidden_layer_sizes) or ())
    if n_layers > len(state):
        raise LookupError(f"{n_layers} layers, and {len(state)} tensors of weights")
    if has_own_backbone:
        # Nothing is known of a person's own module: it may need numbers to take its sizes.
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
            check_fits(_build_module(estimator, info, torch.device("meta")), state)
    else:
        check_fits(_build_module(estimator, info, torch.device("meta")), state)
        if estimator.backbone is not None:
            saved = info["parameters"]["backbone"]
            estimator.backbone = decode_backbone(saved, contextlib.nullcontext())
    module = _build_module(estimator, info, resolve_device(estimator.device))
    check_fits(module, state)
    module.load_state_dict(state)
    return module


def _build_module(estimator, info, device):
    """Return the network as fit built it, with weights that do not matter."""
    # To compile takes longer than most predictions.
    backbone, frozen = uncompiled(estimator.backbone), None
    batch_norm = estimator.batch_norm
    if batch_norm == "auto":
        batch_norm = info["attributes"]["batch_norm_"]
    # Layers of our own take their sizes from shapes alone. Those of others may need numbers, and
    # hold some that no file has.
    of_others = estimator._has_modules_of_others
    built_on = device if of_others else torch.device("meta")
    sample = torch.zeros((2, *info["input_shape"]), device=built_on, dtype=DTYPES[info["dtype"]])
    with (
        RandomNumbers(0, torch.device("cpu"), lends_global=of_others).drawn(),
        built_on if built_on.type == "meta" else contextlib.nullcontext(),
    ):
        if estimator.freeze:
            frozen, backbone = FrozenBackbone(backbone, sample), None
            sample = frozen(sample)
        network, _ = estimator._make_network(sample, estimator._n_outputs, backbone, batch_norm)
    if built_on != device:
        network.to_empty(device=device)
    # Batch normalisation that takes no gradient was not split.
    _set_trained(network, info["not_trained"])
    n_first = info["n_first"]
    if n_first is not None:
        if not (isinstance(n_first, int) and n_first > 0):
            raise TypeError(f"batches with {n_first!r} source samples")
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
    """Prepare a backbone that was built from its name for the next fit."""
    backbone = estimator.backbone.to(estimator.module_.dtype)
    if estimator.freeze:
        frozen = estimator.module_.feature_extractor.backbone
        backbone.load_state_dict(frozen.model.state_dict())
    elif backbone.pretrained:
        backbone.lost_weights = True


def encode_predicted(estimator):
    """Return what it takes to make predictions of the outputs of the network."""
    if not hasattr(estimator, "classes_"):
        mean, scale = estimator.y_mean_.tolist(), estimator.y_scale_.tolist()
        return {"mean": mean, "scale": scale, "one_column": estimator._one_column}
    encoded = {"classes": _encode_labels(estimator.classes_)}
    if hasattr(estimator, "unknown_"):
        encoded["unknown"] = _encode_labels(np.array([estimator.unknown_]))
    return encoded


def decode_predicted(encoded):
    """Return what :func:`encode_predicted` was called on, as attributes."""
    if "classes" not in encoded:
        mean, scale = (np.array(encoded[name], dtype=np.float64) for name in ("mean", "scale"))
        if mean.ndim != 1 or scale.shape != mean.shape or not np.isfinite(mean).all():
            raise TypeError(f"values of mean {mean!r} and scale {scale!r}")
        if not (np.isfinite(scale) & (scale > 0)).all():
            raise TypeError(f"values of the scale {scale!r}")
        return {"y_mean_": mean, "y_scale_": scale, "_one_column": bool(encoded["one_column"])}
    fitted = {"classes_": _decode_labels(encoded["classes"])}
    if "unknown" in encoded:
        fitted["unknown_"] = _decode_labels(encoded["unknown"]).tolist()[0]
    return fitted


def _numbers_of(estimator, transduction):
    """Return labels as their places among all labels, and values as they are."""
    if not hasattr(estimator, "classes_"):
        return transduction
    labels = estimator._all_labels
    order = np.argsort(labels)
    return order[np.searchsorted(labels, transduction, sorter=order)]


def _labels_of(estimator, transduction):
    if not hasattr(estimator, "classes_"):
        return transduction
    if len(transduction) and transduction.min() < 0:
        raise IndexError("labels of the target that are no label")
    return estimator._all_labels[transduction]


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
        check_label_width(values, dtype)
        labels = np.array(values, dtype=dtype)
        if labels.tolist() == values and len(set(values)) == len(values):
            return labels
    raise TypeError(f"labels {values!r} of the kind {encoded['dtype']!r}")


def _are_plain(labels):
    return all(isinstance(label, (bool, int, float, str)) for label in labels)
