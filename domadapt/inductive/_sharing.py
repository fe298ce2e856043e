"""Networks of several tasks: what they share, and what each has of its own."""

import copy
import itertools
from typing import NamedTuple

import torch
from torch import nn

from domadapt.nn.networks import (
    DEFAULT_HIDDEN_LAYER_SIZES,
    FeatureClassifier,
    build_network,
    count_features,
    mlp_head,
)
from domadapt.nn.random_numbers import Dropout

SHARINGS = (
    "hard",
    "cross_stitch",
    "hierarchical",
    "shared_private",
    "mean_regularised",
    "joint_features",
)
# What a column has of itself and of the others when training begins, as the paper has it.
OF_ITSELF = 0.9


class Outputs(NamedTuple):
    """What a network of several tasks is to return.

    ``sizes`` are the outputs of each task; ``alike`` says that all tasks predict the same
    thing, and ``apart`` that each has been given a network of its own.
    """

    sizes: tuple[int, ...]
    alike: bool = False
    apart: bool = False


class TaskHeads(nn.Module):
    """A linear layer for each task, on those features that it reads.

    Parameters
    ----------
    heads : list of nn.Module
        Of each task.
    reads : list of list of slice
        The columns of the features that each reads.
    alike : bool
        Whether all tasks predict the same thing.
    """

    def __init__(self, heads, reads, alike):
        super().__init__()
        self.heads, self.reads, self.alike = nn.ModuleList(heads), reads, alike

    def forward(self, features):
        rows = (columns_of(features, read) for read in self.reads)
        return torch.cat([head(r) for head, r in zip(self.heads, rows, strict=True)], dim=1)


def columns_of(features, read, join=torch.cat):
    """Return the columns of features that slices name, side by side."""
    if len(read) == 1:
        return features[:, read[0]]
    return join([features[:, columns] for columns in read], 1)


class SideBySide(nn.Module):
    """Feature extractors whose features stand side by side."""

    def __init__(self, extractors):
        super().__init__()
        self.extractors = nn.ModuleList(extractors)

    def forward(self, x):
        return torch.cat([extractor(x) for extractor in self.extractors], dim=1)


class CrossStitch(nn.Module):
    """A column of layers for each task; after each layer the columns are mixed.

    Parameters
    ----------
    columns : list of list of nn.Module
        The layers of each task.
    """

    def __init__(self, columns):
        super().__init__()
        self.columns = nn.ModuleList(map(nn.ModuleList, columns))
        self.stitches = nn.ModuleList(Stitch(len(columns)) for _ in columns[0])

    def forward(self, x):
        values = [x] * len(self.columns)
        for stitch, layers in zip(self.stitches, zip(*self.columns, strict=True), strict=True):
            values = stitch([layer(v) for layer, v in zip(layers, values, strict=True)])
        return torch.cat(values, dim=1)


class Stitch(nn.Module):
    """Mixes columns by a learned matrix, which is near the identity at first."""

    def __init__(self, n_columns):
        super().__init__()
        others = (1.0 - OF_ITSELF) / (n_columns - 1)
        self.mixing = nn.Parameter(
            torch.full((n_columns, n_columns), others) + (OF_ITSELF - others) * torch.eye(n_columns)
        )

    def forward(self, values):
        return torch.einsum("kj,j...->k...", self.mixing, torch.stack(values)).unbind()


class Levels(nn.Module):
    """Layers one after the other; the outputs of the last of them stand side by side.

    Parameters
    ----------
    layers : list of nn.Module
        From the input upwards.
    n_read : int
        How many of the last are read.
    """

    def __init__(self, layers, n_read):
        super().__init__()
        self.layers, self.n_read = nn.ModuleList(layers), n_read

    def forward(self, x):
        outputs = list(itertools.accumulate(self.layers, lambda v, layer: layer(v), initial=x))
        return torch.cat(outputs[-self.n_read :], dim=1)


def build_sharing(sharing, sample, outputs, *, backbone, hidden_layer_sizes, batch_norm, dropout):
    """Return a network of several tasks, and its copies of the backbone or None.

    The extractors of tasks that are mixed or drawn together start from the same weights: their
    units have to correspond.
    """
    n_tasks = len(outputs.sizes)
    if sharing == "hierarchical" and hidden_layer_sizes is None:
        n_layers = n_tasks - (backbone is not None)
        hidden_layer_sizes = n_layers * DEFAULT_HIDDEN_LAYER_SIZES

    def build():
        network, copied = build_network(
            sample,
            1,
            backbone=backbone,
            hidden_layer_sizes=hidden_layer_sizes,
            batch_norm=batch_norm,
            dropout=dropout,
        )
        return network.feature_extractor, copied

    first = build()
    if sharing == "shared_private":
        pairs = [first, *(build() for _ in range(n_tasks))]
    elif sharing in ("hard", "hierarchical"):
        pairs = [first]
    else:
        pairs = [first, *(copy.deepcopy(first) for _ in range(n_tasks - 1))]
    extractors, backbones = zip(*pairs, strict=True)
    extractor, widths = _shared(sharing, extractors, backbones, sample, n_tasks)
    ends = list(itertools.accumulate([0, *widths]))
    own = [slice(*pair) for pair in itertools.pairwise(ends)]
    if sharing == "hard":
        reads = n_tasks * [own]
    elif sharing == "shared_private":
        reads = [[own[0], private] for private in own[1:]]
    else:
        reads = [[columns] for columns in own]
    network = FeatureClassifier(extractor.to(sample), _make_heads(outputs, reads, sample))
    return network, None if backbone is None else nn.ModuleList(backbones)


def _shared(sharing, extractors, backbones, sample, n_tasks):
    """Return one extractor of several, and how many features stand side by side in it."""
    if sharing == "hierarchical":
        return _levels(_layers_of(extractors[0], backbones[0]), sample, n_tasks)
    if sharing == "joint_features" and not isinstance(first_layer(extractors[0]), nn.Linear):
        raise ValueError(
            "sharing='joint_features' chooses columns by the first linear layer, and here there is "
            "none that sees the columns. Pass vectors and hidden_layer_sizes of one layer at "
            "least, or take sharing='mean_regularised'."
        )
    widths = [count_features(e, sample) for e in extractors]
    if sharing == "hard":
        return extractors[0], widths
    if sharing == "cross_stitch":
        columns = [_layers_of(*pair) for pair in zip(extractors, backbones, strict=True)]
        return CrossStitch(columns), widths
    return SideBySide(extractors), widths


def first_layer(extractor):
    """Return what sees the inputs first, or None where there is no layer."""
    return next(iter(extractor), None) if isinstance(extractor, nn.Sequential) else extractor


def _layers_of(extractor, backbone):
    """Return the layers of an extractor, each up to its ReLU; a backbone counts as one."""
    if backbone is not None:
        rest = [] if extractor is backbone else _layers_of(extractor.layers, None)
        return [backbone, *rest]
    layers: list[list[nn.Module]] = [[]]
    for module in extractor:
        if layers[-1] and isinstance(layers[-1][-1], (nn.ReLU, Dropout)):
            if isinstance(module, Dropout):
                layers[-1].append(module)
                continue
            layers.append([])
        layers[-1].append(module)
    return [nn.Sequential(*layer) for layer in layers if layer]


@torch.no_grad()
def _levels(layers, sample, n_tasks):
    """Return the layers as levels for tasks, the last task at the top, and their widths."""
    # Convolutions return no vectors: they go below the first level.
    flat = [any(isinstance(m, nn.Flatten) for m in layer.modules()) for layer in layers]
    if any(flat):
        n_below = flat.index(True) + 1
        layers = [nn.Sequential(*layers[:n_below]), *layers[n_below:]]
    if len(layers) < n_tasks:
        raise ValueError(
            f"sharing='hierarchical' reads each of the {n_tasks} tasks from a layer of its own, "
            f"and the network has {len(layers)}. Pass hidden_layer_sizes of {n_tasks} layers or "
            "more, or None."
        )
    levels = Levels(layers, n_tasks).eval()
    widths, values = [], sample
    for layer in levels.layers:
        values = layer(values)
        widths.append(values.shape[1])
    return levels, widths[-n_tasks:]


def _make_heads(outputs, reads, sample):
    """Return heads for tasks; those that predict the same thing start from the same weights."""
    widths = [sum(columns.stop - columns.start for columns in read) for read in reads]
    if outputs.alike and len(set(widths)) == 1:
        head = mlp_head(outputs.sizes[0], in_features=widths[0])
        heads = [copy.deepcopy(head) for _ in widths]
    else:
        heads = [
            mlp_head(size, in_features=width)
            for size, width in zip(outputs.sizes, widths, strict=True)
        ]
    return TaskHeads(heads, reads, outputs.alike).to(sample)


def set_apart(network, backbones):
    """Return copies of a network's extractor side by side, one for each task, with its heads.

    The copies of the backbones come with them.
    """
    heads = copy.deepcopy(network.classifier)
    n_features = max(columns.stop for read in heads.reads for columns in read)
    pairs = [copy.deepcopy((network.feature_extractor, backbones)) for _ in heads.reads]
    extractors, copied = zip(*pairs, strict=True)
    heads.reads = [
        [slice(c.start + number * n_features, c.stop + number * n_features) for c in read]
        for number, read in enumerate(heads.reads)
    ]
    return FeatureClassifier(SideBySide(extractors), heads), (
        None if backbones is None else nn.ModuleList(copied)
    )
