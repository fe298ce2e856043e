"""Several networks of the same layers as one: their tensors along a first axis."""

from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import nn
from torch.autograd.function import once_differentiable
from torch.func import functional_call, vmap

from domadapt.nn.functions import call
from domadapt.nn.layers import GradientReversal, SplitBatchNorm, is_frozen
from domadapt.nn.networks import FeatureClassifier
from domadapt.nn.random_numbers import Dropout

# Layers without weights that treat every number by itself, whatever the axes.
BY_NUMBER: tuple[type, ...] = (
    nn.ReLU,
    nn.Tanh,
    nn.Sigmoid,
    nn.GELU,
    nn.ELU,
    nn.LeakyReLU,
    nn.SiLU,
    nn.Softplus,
    nn.Identity,
    GradientReversal,
)
# Others that draw nothing, and that vmap runs for several networks.
BY_VMAP = (
    nn.Conv1d,
    nn.Conv2d,
    nn.Flatten,
    nn.Unflatten,
    nn.LayerNorm,
    nn.MaxPool1d,
    nn.MaxPool2d,
    nn.AvgPool2d,
    nn.AdaptiveAvgPool1d,
    nn.AdaptiveAvgPool2d,
)


class UnstackableError(TypeError):
    """Modules that cannot be run as one."""


class Stack:
    """Modules of several networks as one module, whose weights those of each are views of.

    Parameters
    ----------
    members : list of nn.Module
        Of the same layers and sizes. Until :meth:`release` their parameters and buffers are
        parts of the stack: what is trained in one is seen in the other.
    whole : bool, default=False
        Whether to take any modules, as one layer that vmap runs.
    buffers : bool, default=True
        Whether buffers are stacked too. Those that members replace, rather than write into,
        are to stay their own.

    Attributes
    ----------
    module : nn.Module
        Maps inputs of shape (n_members, n, ...) to outputs of shape (n_members, n, ...).

    Raises
    ------
    UnstackableError
        If they differ, or there is a layer that cannot be run for several networks at once.

    Examples
    --------
    >>> import torch
    >>> from domadapt.nn import mlp_backbone
    >>> from domadapt.nn.stacking import Stack
    >>> members = [mlp_backbone(4, (3,), batch_norm=False) for _ in range(2)]
    >>> stack = Stack(members)
    >>> x = torch.ones(2, 5, 4)
    >>> torch.equal(stack.module(x)[1], members[1](x[1]))
    True
    >>> stack.release()
    """

    def __init__(self, members, *, whole=False, buffers=True):
        self._takes_buffers = buffers
        self._held: list[tuple[dict, str, torch.Tensor, torch.Tensor]] = []
        # By the tensor of the first member.
        self._stacked: dict[int, torch.Tensor] = {}
        self._parameters: list[tuple[nn.Parameter, list[nn.Parameter]]] = []
        self._first = members[0]
        try:
            self.module = (self._stack_by_vmap if whole else self._stack)(list(members))
        except UnstackableError:
            self.release()
            raise

    def release(self):
        """Give each member weights of its own again, as they are now."""
        for place, name, own, view in self._held:
            with torch.no_grad():
                own.copy_(view)
            if isinstance(place[name], nn.Parameter):
                place[name].data = own
            else:
                place[name] = own
        self._held.clear()

    def parameters(self):
        """Return pairs of parameters along a first axis, and the list of those of the members."""
        return list(self._parameters)

    def state_of_first(self):
        """Return all that is stacked, by the names in the first member."""
        tensors = [*self._first.named_parameters(), *self._first.named_buffers()]
        return {n: self._stacked[id(t)] for n, t in tensors if id(t) in self._stacked}

    def _stack(self, modules):
        """Return a module that does for all what each of these does for its member."""
        first = modules[0]
        if any(type(module) is not type(first) for module in modules):
            raise UnstackableError(f"{type(first).__name__} stands beside another layer")
        if type(first) in BY_NUMBER:
            _check_alike(modules)
            return first
        for kinds, build in (
            ((nn.Sequential, FeatureClassifier), self._stack_children),
            ((nn.Linear,), self._stack_linear),
            ((nn.BatchNorm1d, nn.BatchNorm2d), self._stack_batch_norm),
            ((SplitBatchNorm,), self._stack_split_batch_norm),
            ((Dropout,), StackedDropout),
            (BY_VMAP, self._stack_by_vmap),
        ):
            if type(first) in kinds:
                return build(modules)
        raise UnstackableError(f"{type(first).__name__} is no layer that is known to be stackable")

    def _stack_children(self, modules):
        names = [name for name, _ in modules[0].named_children()]
        if any([name for name, _ in m.named_children()] != names for m in modules):
            raise UnstackableError("the networks have different layers")
        children = {n: self._stack([m.get_submodule(n) for m in modules]) for n in names}
        kind = type(modules[0])
        return nn.Sequential(OrderedDict(children)) if kind is nn.Sequential else kind(**children)

    def _stack_linear(self, modules):
        weight, bias = self._parameter(modules, "weight"), self._parameter(modules, "bias")
        return StackedLinear(weight, bias, modules[0].out_features)

    def _stack_batch_norm(self, modules):
        _check_alike(modules)
        names = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
        tensors = {name: self._tensor(modules, name) for name in names}
        return StackedBatchNorm(modules[0], tensors)

    def _stack_split_batch_norm(self, modules):
        _check_alike(modules)
        first, second = (
            self._stack_batch_norm([getattr(m, half) for m in modules]) for half in _HALVES
        )
        return StackedSplitBatchNorm(first, second, modules[0].n_first)

    def _stack_by_vmap(self, modules):
        _check_alike(modules)
        first = modules[0]
        parameters = {n: self._parameter(modules, n) for n, _ in first.named_parameters()}
        names = [n for n, _ in first.named_buffers()] if self._takes_buffers else []
        buffers = {n: self._buffer(modules, n) for n in names}
        return Vmapped(first, parameters, buffers)

    def _tensor(self, modules, name):
        one = getattr(modules[0], name)
        if one is None or isinstance(one, nn.Parameter):
            return self._parameter(modules, name)
        return self._buffer(modules, name)

    def _parameter(self, modules, name):
        """Return a parameter of all members along a new first axis."""
        owners, name = _owners_of(modules, name)
        own = [getattr(owner, name) for owner in owners]
        if own[0] is None:
            return None
        if id(own[0]) not in self._stacked:
            _check_sizes(own)
            stacked = nn.Parameter(
                torch.stack([p.detach() for p in own]), requires_grad=own[0].requires_grad
            )
            self._stacked[id(own[0])] = stacked
            self._parameters.append((stacked, own))
            for owner, parameter, view in zip(owners, own, stacked.detach(), strict=True):
                self._held.append((owner._parameters, name, parameter.data, view))
                parameter.data = view
        return self._stacked[id(own[0])]

    def _buffer(self, modules, name):
        owners, name = _owners_of(modules, name)
        own = [getattr(owner, name) for owner in owners]
        _check_sizes(own)
        stacked = torch.stack(own)
        for owner, buffer, view in zip(owners, own, stacked, strict=True):
            self._held.append((owner._buffers, name, buffer, view))
            owner._buffers[name] = view
        self._stacked[id(getattr(owners[0], name))] = stacked
        return stacked


_HALVES = ("first", "second")


def _owners_of(modules, name):
    """Return whose own a tensor of a dotted name is, in each module, and its name there."""
    path, _, name = name.rpartition(".")
    return [module.get_submodule(path) for module in modules], name


def _check_alike(modules):
    """Raise an error unless settings, as ``repr`` shows them, are the same."""
    if len({repr(module) for module in modules}) > 1:
        raise UnstackableError(f"{modules[0]} stands beside {modules[1]}")


def _check_sizes(tensors):
    first = tensors[0]
    for tensor in tensors:
        same = (tensor.shape, tensor.dtype, tensor.device, tensor.requires_grad)
        if same != (first.shape, first.dtype, first.device, first.requires_grad):
            raise UnstackableError(
                f"weights of shape {tuple(first.shape)} stand beside {tuple(tensor.shape)}"
            )


class StackedLinear(nn.Module):
    """Linear layers of several networks: one batched matrix product."""

    def __init__(self, weight, bias, out_features):
        super().__init__()
        self.weight, self.bias, self.out_features = weight, bias, out_features

    def forward(self, x):
        return call(_Product, x, self.weight, self.bias)


class _Product(torch.autograd.Function):
    """Batched product with weights that lie as those of a linear layer.

    Autograd's own would have the gradient of the weights transposed, and copy it.
    """

    @staticmethod
    def forward(ctx, x, weight, bias):
        ctx.save_for_backward(x, weight)
        if bias is None:
            return torch.bmm(x, weight.mT)
        return torch.baddbmm(bias.unsqueeze(1), x, weight.mT)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        x, weight = ctx.saved_tensors
        of_x, of_weight, of_bias = ctx.needs_input_grad
        return (
            torch.bmm(grad, weight) if of_x else None,
            torch.bmm(grad.mT, x) if of_weight else None,
            grad.sum(1) if of_bias else None,
        )


class StackedBatchNorm(nn.Module):
    """Batch normalisation of several networks, as one of all their columns."""

    weight: torch.Tensor | None
    bias: torch.Tensor | None
    running_mean: torch.Tensor | None
    running_var: torch.Tensor | None
    num_batches_tracked: torch.Tensor | None

    def __init__(self, like, tensors):
        super().__init__()
        self.eps, self.momentum = like.eps, like.momentum
        self.is_frozen = is_frozen(like)
        for name in ("weight", "bias"):
            self.register_parameter(name, tensors.pop(name))
        for name, buffer in tensors.items():
            self.register_buffer(name, buffer)

    def forward(self, x):
        learns = self.training and not self.is_frozen
        momentum = self.momentum
        if learns and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            if momentum is None:
                momentum = 1.0 / float(self.num_batches_tracked[0])
        n_networks, n, n_columns, *places = x.shape
        out = F.batch_norm(
            x.transpose(0, 1).reshape(n, n_networks * n_columns, *places),
            _flat(self.running_mean),
            _flat(self.running_var),
            _flat(self.weight),
            _flat(self.bias),
            learns or self.running_mean is None,
            momentum or 0.0,
            self.eps,
        )
        return out.view(n, n_networks, n_columns, *places).transpose(0, 1)


def _flat(tensor):
    """Return a tensor of all networks as one axis: a view, in which statistics are noted."""
    return None if tensor is None else tensor.view(-1)


class StackedSplitBatchNorm(SplitBatchNorm):
    """Batch normalisation by domain of several networks."""

    def __init__(self, first, second, n_first):
        nn.Module.__init__(self)  # Both halves are there already.
        self.first, self.second, self.n_first = first, second, n_first

    def forward(self, x):
        if not self.training or self.n_first == 0:
            return self.second(x)
        both = self.first(x[:, : self.n_first]), self.second(x[:, self.n_first :])
        return torch.cat(both, dim=1)


class StackedDropout(nn.Module):
    """Dropout whose units each network draws by itself.

    ``generators`` is to have one for each network before the layer is called in training.
    """

    def __init__(self, modules):
        super().__init__()
        _check_alike(modules)
        self.p = modules[0].p
        self.generators: list[torch.Generator] = []

    def forward(self, x):
        if not self.training:
            return x
        kept = torch.empty_like(x, memory_format=torch.contiguous_format)
        for own, generator in zip(kept, self.generators, strict=True):
            own.bernoulli_(1.0 - self.p, generator=generator)
        return x * kept.div_(1.0 - self.p)


class Vmapped(nn.Module):
    """A layer of several networks by :func:`torch.func.vmap`, with the code of the first."""

    def __init__(self, first, parameters, buffers):
        super().__init__()
        # No part of this module: its weights are those of the first network alone.
        self.template = (first,)
        # They are the stack's, and stand here to be passed on.
        self.tensors = {**parameters, **buffers}

    def forward(self, x):
        (layer,) = self.template
        return vmap(lambda tensors, one: functional_call(layer, tensors, (one,)))(self.tensors, x)
