"""What fine-tuning starts from: the network of a fitted estimator, of a file, or a backbone."""

import copy
import itertools
import os
from dataclasses import dataclass
from typing import Any

import torch
from sklearn.utils.validation import check_is_fitted
from torch import nn

from domadapt._storage.files import read_tensors
from domadapt.domains.base import MODEL
from domadapt.estimators._building import read_estimator
from domadapt.nn.compiled import copy_module, uncompiled
from domadapt.nn.layers import SplitBatchNorm
from domadapt.nn.networks import FeatureClassifier, count_features, mlp_head, move_to
from domadapt.nn.random_numbers import draw_weights, make_layer

# Rates change from group to group of layers: a deep backbone has no more of them than these.
MOST_GROUPS = 6
WITH_WEIGHTS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
WAY_OUT = (
    "Pass a fitted estimator of one task, the path of a file that its save wrote, or a feature "
    "extractor, such as the module_.feature_extractor of any deep estimator."
)


@dataclass(frozen=True)
class Start:
    """A source that can be started from: a fitted estimator, or a backbone without a head."""

    # A deep estimator, or None.
    estimator: Any
    backbone: nn.Module | None

    @property
    def extractor(self):
        """The feature extractor, not copied."""
        if self.estimator is not None:
            return self.estimator.module_.feature_extractor
        return uncompiled(self.backbone)

    def copied_extractor(self):
        """Return a copy of the feature extractor, compiled where the backbone is."""
        return copy_module(self.extractor if self.backbone is None else self.backbone)

    @property
    def head(self):
        """The last layer, not copied; None for a backbone."""
        return None if self.estimator is None else self.estimator.module_.classifier

    @property
    def learns(self):
        """What the source predicts: classes, values, or None."""
        return None if self.estimator is None else self.estimator._learns

    @property
    def has_modules_of_others(self):
        """Whether layers that are not domadapt's own may be in it."""
        return self.estimator is None or self.estimator._has_modules_of_others

    def network(self):
        """Return a copy of the source's network, which normalises as its target was."""
        network = FeatureClassifier(self.extractor, self.head)
        return as_one_domain(copy.deepcopy(network)).eval()

    def network_like(self, sample):
        """Return a copy of the source's network on the device and in the dtype of a sample."""
        return move_to(sample, self.network())


def read_start(source, kinds):
    """Return what a source is, read from its file where it is a path.

    Raises
    ------
    TypeError, ValueError
        If it is nothing that can be started from.
    """
    if isinstance(source, (str, os.PathLike)):
        tensors, info = read_tensors(source, kind=MODEL)
        if info["class"] not in kinds:
            raise ValueError(
                f"source={str(source)!r} holds a {info['class']}, which has no network of one task "
                f"to start from. {WAY_OUT}"
            )
        return Start(read_estimator(source, tensors, info, {}, kinds), None)
    if source is None:
        raise ValueError(f"source=None leaves nothing to start from. {WAY_OUT}")
    if isinstance(source, tuple(kinds.values())):
        check_is_fitted(source, msg="source=%(name)s is not fitted. Call its fit first.")
        if isinstance(getattr(source, "module_", None), FeatureClassifier):
            return Start(source, None)
    elif isinstance(source, nn.Module):
        if getattr(source, "lost_weights", False):
            raise ValueError(
                f"source={source.name!r} was read from a file, which does not hold the weights "
                "that it had. Set it before you fit again: "
                f"load_backbone({source.name!r}, weights)."
            )
        return Start(None, source)
    raise TypeError(
        f"source is a {type(source).__name__}, which has no network of one task to start from. "
        f"{WAY_OUT}"
    )


def as_one_domain(module):
    """Replace split batch normalisation by that of the target, which predicts, in place."""
    if isinstance(module, SplitBatchNorm):
        return module.second
    for name, child in module.named_children():
        setattr(module, name, as_one_domain(child))
    return module


def build_from(start, sample, n_outputs, *, keeps_head, n_reinitialised, new_first_layer):
    """Return a network that starts from a source, and its new parameters by name.

    ``n_reinitialised=None`` draws all layers anew.

    Raises
    ------
    ValueError
        If the network cannot take the samples, or has fewer layers than are to be new.
    """
    extractor = as_one_domain(start.copied_extractor())
    first = _renew_first_layer(extractor, sample) if new_first_layer else None
    extractor = move_to(sample, extractor)
    n_features = count_features(extractor, sample, "the network of source")
    head = mlp_head(n_outputs, in_features=n_features).to(sample)
    network = FeatureClassifier(extractor, head)
    # What scales the outputs of a new layer has statistics of the old one's.
    redrawn = [] if first is None else next(g for g in layers_of(network) if first in g)
    for module in redrawn[1:]:
        _draw_anew(module)
    new = {id(p) for module in redrawn for p in module.parameters(recurse=False)}
    if keeps_head:
        head.load_state_dict(start.head.state_dict())
    else:
        new |= {id(p) for p in head.parameters()}
    layers = layers_of(network)
    n_reinitialised = len(layers) if n_reinitialised is None else n_reinitialised
    if n_reinitialised > len(layers):
        raise ValueError(
            f"n_reinitialised={n_reinitialised}, but the network has {len(layers)} layers that are "
            "trained, the head included. As many or fewer were expected."
        )
    for layer in layers[len(layers) - n_reinitialised :]:
        for module in layer:
            _draw_anew(module)
            new |= {id(p) for p in module.parameters(recurse=False)}
    return network, {name: p for name, p in network.named_parameters() if id(p) in new}


def takes(start, sample):
    """Return whether the source's network takes samples of a shape that is not its own."""
    try:
        count_features(start.network_like(sample).feature_extractor, sample)
    except ValueError:
        return False
    return True


def has_one_layer(head, n_outputs):
    """Return whether a head is one linear layer of so many outputs."""
    return head is not None and len(head) == 1 and head[0].out_features == n_outputs


def layers_of(network):
    """Return the layers that are trained, each a list of modules, from the input to the head.

    A layer begins with a module that has a matrix of weights; what has only scales and shifts,
    as batch normalisation, belongs to the layer before.
    """
    layers: list[list[nn.Module]] = []
    for module in network.modules():
        own = [p for p in module.parameters(recurse=False) if p.requires_grad]
        if own and (not layers or any(p.ndim > 1 for p in own)):
            layers.append([])
        if own:
            layers[-1].append(module)
    return layers


def groups_of(network):
    """Return groups of layers with a rate each, as lists of parameters, from input to head."""
    layers = [
        [p for module in layer for p in module.parameters(recurse=False)]
        for layer in layers_of(network)
    ]
    *before, head = layers
    n_groups = min(len(before), MOST_GROUPS - 1)
    bounds = [round(k * len(before) / max(1, n_groups)) for k in range(n_groups + 1)]
    merged = [[p for layer in before[a:b] for p in layer] for a, b in itertools.pairwise(bounds)]
    return [*merged, head]


def _draw_anew(module):
    """Draw the parameters of a module as its constructor does."""
    if isinstance(module, WITH_WEIGHTS):
        draw_weights(module)
    else:
        _reset_of(module)()


def _reset_of(module):
    """Return what draws the parameters of a module anew.

    Raises
    ------
    ValueError
        If the module has nothing that does.
    """
    for name in ("reset_parameters", "_reset_parameters"):
        if hasattr(module, name):
            return getattr(module, name)
    raise ValueError(
        f"A layer of the source, {type(module).__name__}, has weights of its own and no method "
        "reset_parameters, so n_reinitialised and compare=True cannot draw it anew. Give it one, "
        "or leave them at their defaults."
    )


def check_can_be_drawn(network):
    """Raise an error where a layer that is trained cannot be drawn anew."""
    for module in network.modules():
        if any(p.requires_grad for p in module.parameters(recurse=False)):
            _reset_of(module)


def _renew_first_layer(extractor, sample):
    """Replace the first layer by one that takes the columns or channels of a sample."""
    found = ((n, m) for n, m in extractor.named_modules() if isinstance(m, WITH_WEIGHTS))
    name, first = next(found, ("", None))
    if first is None:
        raise ValueError(
            "new_first_layer=True, but the source has no linear or convolutional layer that could "
            "be replaced. Build its network anew."
        )
    if not first.weight.requires_grad:
        raise ValueError(
            "new_first_layer=True, but the first layer of the source takes no gradient, as in a "
            "frozen backbone, where a new one would learn nothing. Use a source that was fitted "
            "with freeze=False, or pass its backbone as the source."
        )
    new = _layer_like(first, sample.shape[1] if sample.ndim != 3 else 1)
    path, _, last = name.rpartition(".")
    setattr(extractor.get_submodule(path), last, new)
    return new


def _layer_like(layer, n_inputs):
    settings: dict[str, Any] = {"bias": layer.bias is not None}
    if isinstance(layer, nn.Linear):
        return make_layer(nn.Linear, n_inputs, layer.out_features, **settings)
    if layer.groups != 1:
        raise ValueError(
            f"new_first_layer=True, but the first layer of the source has groups={layer.groups}. "
            "One without groups was expected."
        )
    for name in ("stride", "padding", "dilation", "padding_mode"):
        settings[name] = getattr(layer, name)
    return make_layer(type(layer), n_inputs, layer.out_channels, layer.kernel_size, **settings)


class TwoHeads(nn.Module):
    """The outputs of a new head, and after them those of an old one.

    Parameters
    ----------
    new, old : nn.Module
        Map features to outputs.
    """

    def __init__(self, new, old):
        super().__init__()
        self.new, self.old = new, old

    def forward(self, features):
        return torch.cat([self.new(features), self.old(features)], dim=1)
