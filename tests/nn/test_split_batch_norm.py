"""Batch normalisation by parts of the batch."""

import copy

import torch
from torch import nn

from domadapt.nn import SplitBatchNorm, split_batch_norm


def batch():
    generator = torch.Generator().manual_seed(0)
    return torch.cat(
        [torch.randn(6, 3, generator=generator), 5 + 2 * torch.randn(4, 3, generator=generator)]
    )


def test_each_part_has_its_own_statistics():
    x = batch()
    out = SplitBatchNorm(nn.BatchNorm1d(3), 6)(x)
    torch.testing.assert_close(out[:6], nn.BatchNorm1d(3)(x[:6]))
    torch.testing.assert_close(out[6:], nn.BatchNorm1d(3)(x[6:]))


def test_evaluation_uses_the_statistics_of_the_second_part():
    x = batch()
    layer, second = SplitBatchNorm(nn.BatchNorm1d(3), 6), nn.BatchNorm1d(3)
    layer(x)
    second(x[6:])
    torch.testing.assert_close(layer.eval()(x), second.eval()(x))


def test_scale_and_shift_are_shared_also_after_a_copy():
    layer = copy.deepcopy(SplitBatchNorm(nn.BatchNorm1d(3), 6))
    assert layer.first.weight is layer.second.weight
    assert layer.first.bias is layer.second.bias
    assert len(list(layer.parameters())) == 2


def test_all_layers_of_a_module_are_replaced():
    net = nn.Sequential(nn.Conv2d(1, 2, 1), nn.Sequential(nn.BatchNorm2d(2)), nn.ReLU())
    split_batch_norm(net, 2)
    assert isinstance(net[1][0], SplitBatchNorm)
    assert isinstance(split_batch_norm(nn.BatchNorm1d(3), 2), SplitBatchNorm)
    assert net(torch.zeros(4, 1, 2, 2)).shape == (4, 2, 2, 2)
