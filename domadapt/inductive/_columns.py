"""Networks that grow by a task at a time: heads side by side, and progressive columns."""

from itertools import accumulate

import torch
from torch import nn

from domadapt.nn.random_numbers import make_layer


class TaskHeads(nn.ModuleList):
    """Linear heads, one for each task, whose outputs stand side by side.

    A head reads as many features as it has inputs: of a network that has grown since, those
    that were there when its task was learnt.
    """

    def forward(self, features):
        """Return the outputs of all heads, of shape (n_samples, sum of n_outputs)."""
        return torch.cat([head(_first(features, head.in_features)) for head in self], dim=1)

    def columns_of(self, number):
        """Return the columns of the outputs that are those of a task."""
        ends = [0, *accumulate(head.out_features for head in self)]
        return slice(ends[number], ends[number + 1])


class ProgressiveColumns(nn.Module):
    r"""A column of layers for each task, with connections from the columns before it.

    Layer i of column k takes what the layers below it return in its own column and in all
    before it:

    .. math::
        h_i^{(k)} = f\bigl(W_i^{(k)} h_{i-1}^{(k)} + \sum_{j<k} U_i^{(k:j)} h_{i-1}^{(j)}\bigr) .

    Columns before the last take no gradient, and drop out nothing.

    Parameters
    ----------
    column : nn.Sequential
        The first column: linear layers and convolutions, each followed by any others. It
        becomes part of this module.

    Raises
    ------
    ValueError
        If it has no linear layer and no convolution.

    References
    ----------
    Rusu, Rabinowitz, Desjardins, Soyer, Kirkpatrick, Kavukcuoglu, Pascanu, Hadsell (2016).
    "Progressive neural networks". arXiv:1606.04671.
    """

    def __init__(self, column):
        super().__init__()
        self.columns = nn.ModuleList([nn.ModuleList(_levels_of(column))])

    def add(self, column):
        """Add a column like the first, which is drawn anew, and keep those before it.

        Parameters
        ----------
        column : nn.Sequential
            Of the layers of the first, for the same samples. It becomes part of this module.
        """
        self.columns.requires_grad_(False)
        first, *others = _levels_of(column)
        n_columns = len(self.columns) + 1
        wider = [_widened(level, n_columns) for level in others]
        self.columns.append(nn.ModuleList([first, *wider]))

    def forward(self, x):
        """Return the last features of all columns, of shape (n_samples, n_columns * width)."""
        first, *others = zip(*self.columns, strict=True)
        below = [level(x) for level in first]
        for levels in others:
            below = [level(torch.cat(below[: k + 1], dim=1)) for k, level in enumerate(levels)]
        return torch.cat(below, dim=1)

    def train(self, mode=True):
        """Set the mode of the last column; those before it stay as in prediction."""
        super().train(mode)
        for column in self.columns[:-1]:
            column.eval()
        return self


def _first(features, n_features):
    """Return the first features, in memory of their own, which keeps every bit of a product."""
    return features if features.shape[1] == n_features else features[:, :n_features].contiguous()


def _levels_of(column):
    """Return the layers in groups that each begin with a linear layer or a convolution."""
    levels: list[list[nn.Module]] = []
    before: list[nn.Module] = []
    for layer in column:
        if isinstance(layer, (nn.Linear, nn.Conv2d)):
            levels.append([*before, layer] if not levels else [layer])
        else:
            (levels[-1] if levels else before).append(layer)
    if not levels:
        raise ValueError(
            "strategy='progressive' connects the layers of its columns, and hidden_layer_sizes=() "
            "leaves none. Use one layer at least, such as hidden_layer_sizes=(256,)."
        )
    return [nn.Sequential(*level) for level in levels]


def _widened(level, n_columns):
    """Return layers that take the inputs of so many columns, the first of them drawn anew."""
    layer, *others = level
    has_bias = layer.bias is not None
    if isinstance(layer, nn.Linear):
        n_inputs = n_columns * layer.in_features
        wide = make_layer(nn.Linear, n_inputs, layer.out_features, bias=has_bias)
    else:
        settings = {"stride": layer.stride, "padding": layer.padding, "bias": has_bias}
        sizes = n_columns * layer.in_channels, layer.out_channels, layer.kernel_size
        wide = make_layer(nn.Conv2d, *sizes, **settings)
    return nn.Sequential(wide.to(layer.weight), *others)
