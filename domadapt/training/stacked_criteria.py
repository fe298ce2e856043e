"""The alignment term of several trainings at once, each with a criterion of its own."""

import copy
import functools
from dataclasses import fields, replace

import torch
from torch import nn
from torch.func import functional_call, vmap

from domadapt._storage.fingerprints import describe
from domadapt.alignment.protocol import Criterion, StepTensors, is_own
from domadapt.nn.stacking import Stack, UnstackableError

# What has an axis of the networks first, in the tensors of a step.
BY_NETWORK = ("features", "outputs", "labels", "weight", "source_indices", "target_indices")


def key_of(criteria):
    """Return a text that is the same for criteria that one call may serve."""
    if criteria is None:
        return ""
    return describe([_key_of(criterion) for _, criterion, _ in criteria.terms])


def _key_of(criterion):
    if isinstance(criterion, Criterion) and is_own(criterion):
        return [type(criterion).__name__, criterion.get_params()]
    # Of what a person wrote nothing is known but which object it is.
    return [id(criterion)]


class StackedCriteria(nn.Module):
    """Runs the criteria of several trainings, those with the same parameters as one.

    Parameters
    ----------
    trainers : list of Trainer
        Those with criteria of one :func:`key_of` stand side by side.
    network : Stack
        Of their networks.

    Raises
    ------
    UnstackableError
        If criteria of the same parameters have weights of different sizes.
    """

    def __init__(self, trainers, network):
        super().__init__()
        keys = [key_of(trainer.criteria) for trainer in trainers]
        self.names = trainers[0].criteria.names
        self.stacks: list[Stack] = []
        self.groups = []
        try:
            self._make_groups(keys, trainers, network)
        except UnstackableError:
            for stack in self.stacks:
                stack.release()
            raise

    def _make_groups(self, keys, trainers, network):
        """Note for each kind of criteria whose it is, and how its losses are found."""
        for key in dict.fromkeys(keys):
            first = keys.index(key)
            members = slice(first, first + keys.count(key))
            terms = [
                (self._for_all(number, trainers[members], members, network), names)
                for number, (_, _, names) in enumerate(trainers[first].criteria.terms)
            ]
            self.groups.append((members, terms))

    def forward(self, tensors, factors):
        """Return the loss of each term for each network."""
        of_groups = []
        for own, terms in self.groups:
            part = _part(tensors, own)
            both = zip(terms, factors, strict=True)
            of_groups.append([run(part, names, factor[own]) for (run, names), factor in both])
        return [torch.cat(losses) for losses in zip(*of_groups, strict=True)]

    def _for_all(self, number, trainers, members, network):
        criteria = [trainer.criteria.terms[number][1] for trainer in trainers]
        modules = [criterion for criterion in criteria if isinstance(criterion, nn.Module)]
        first = criteria[0]
        if isinstance(first, Criterion) and first.takes_stacks and is_own(first):
            return self._stacked(modules)
        by_vmap = _fits_vmap(first)
        own = None
        if modules:
            own = Stack(modules, whole=True, buffers=by_vmap)
            self.stacks.append(own)
        return _OfEach(criteria, trainers, own, network, members, by_vmap=by_vmap)

    def _stacked(self, modules):
        """Return one criterion with the weights of all."""
        criterion = copy.copy(modules[0])
        criterion._modules = {}
        for name, _ in modules[0].named_children():
            stack = Stack([module.get_submodule(name) for module in modules])
            self.stacks.append(stack)
            criterion._modules[name] = stack.module

        def run(tensors, names, factor):
            return criterion(**tensors.select(names, factor))

        return run


def _fits_vmap(criterion):
    """Return whether vmap gives each network what it would have alone.

    Where random numbers are drawn, values waited for or buffers replaced, it does not; and
    nothing is known of what a person wrote.
    """
    if not (isinstance(criterion, Criterion) and is_own(criterion) and criterion.stackable):
        return False
    return not (criterion.draws or hasattr(criterion, "begin_epoch"))


def _part(tensors, own):
    """Return the tensors of a step for some of the networks."""
    if own == slice(0, len(tensors.features)):
        return tensors
    changes = {name: getattr(tensors, name) for name in (*BY_NETWORK, "progress")}
    gather = tensors.gather_inputs
    return replace(
        tensors,
        gather_inputs=lambda: gather()[own],
        **{name: None if value is None else value[own] for name, value in changes.items()},
    )


class _OneLoss(nn.Module):
    """The loss of a criterion for the network of one training."""

    def __init__(self, criterion, network):
        super().__init__()
        # A function has no weights, and is no part of a module.
        self.criterion, self.network = criterion, network

    def forward(self, given, same, names, factor):
        tensors = StepTensors(
            classifier=self.network.classifier,
            feature_extractor=self.network.feature_extractor,
            gather_inputs=lambda: given["inputs"],
            **{name: given.get(name) for name in (*BY_NETWORK, "progress")},
            **same,
        )
        return self.criterion(**tensors.select(names, factor))


class _OfEach:
    """Runs a criterion that knows of one network at a time: by vmap, or one after the other."""

    def __init__(self, criteria, trainers, own, network, members, *, by_vmap):
        self.trainers, self.own, self.members = trainers, own, members
        self.by_vmap = by_vmap
        self.losses = [
            _OneLoss(criterion, trainer.network)
            for criterion, trainer in zip(criteria, trainers, strict=True)
        ]
        # Of the first network of all, whose tensors the stack is known by.
        self.state = {f"network.{n}": t for n, t in network.state_of_first().items()}

    def __call__(self, tensors, names, factor):
        given = {name: getattr(tensors, name) for name in (*BY_NETWORK, "progress")}
        given = {name: value for name, value in given.items() if value is not None}
        if any(name.endswith("_inputs") for name in names):
            given["inputs"] = tensors.gather_inputs()
        same = {
            field.name: getattr(tensors, field.name)
            for field in fields(StepTensors)
            if field.name in ("n_source", "n_labelled", "precision", "source_domains")
        }
        state = {}
        if {"classifier", "feature_extractor"} & set(names):
            state = {name: tensor[self.members] for name, tensor in self.state.items()}
        if self.own is not None:
            of_criterion = self.own.state_of_first()
            state |= {f"criterion.{name}": tensor for name, tensor in of_criterion.items()}

        def loss(number, state, given, factor):
            return functional_call(self.losses[number], state, (given, same, names, factor))

        if self.by_vmap:
            return vmap(functools.partial(loss, 0))(state, given, factor)
        losses = []
        for number, trainer in enumerate(self.trainers):
            own, its = ({n: t[number] for n, t in part.items()} for part in (state, given))
            with trainer.random_numbers.drawn():
                losses.append(loss(number, own, its, factor[number]))
        return torch.stack(losses)
