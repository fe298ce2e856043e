"""What is learnt from episodes: losses that tell the class of a row by its place.

An episode is one mini-batch, as :class:`domadapt.training.orders.Episodes` draws it: of each of
its classes, one after the other, first the shots and then the queries.
"""

import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call

from domadapt.nn.layers import extract_features
from domadapt.nn.random_numbers import make_layer
from domadapt.training.tasks import Task


class Residual(nn.Module):
    """Vectors plus what layers make of them, which is nothing at first.

    Parameters
    ----------
    layers : nn.Module
        Maps vectors to ``width`` hidden units.
    width, n_features : int
        Of the layers' outputs, and of the vectors.
    """

    def __init__(self, layers, width, n_features):
        super().__init__()
        self.layers, self.last = layers, make_layer(nn.Linear, width, n_features)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, x):
        return x + self.last(self.layers(x))


class Scale(nn.Module):
    """Features in units in which their squared distances are logits.

    Parameters
    ----------
    temperature : float
        What squared distances are divided by at first; it is learnt.
    """

    def __init__(self, temperature):
        super().__init__()
        self.log_temperature = nn.Parameter(torch.tensor(temperature).log())

    def forward(self, features):
        return features * (-self.log_temperature / 2).exp()


class EpisodicTask(Task):
    """Base of the tasks of episodes.

    Parameters
    ----------
    order : Episodes
        Draws the episodes.
    n_ways, n_shots : int
        Classes in an episode, and rows of each by which it is known.
    """

    def __init__(self, order, n_ways, n_shots):
        self.orders, self.n_ways, self.n_shots = {"source": order}, n_ways, n_shots

    def by_class(self, rows):
        """Return shots and queries, each of shape (n_ways, n, ...)."""
        each = rows.unflatten(0, (self.n_ways, -1))
        return each[:, : self.n_shots], each[:, self.n_shots :]


class PrototypeEpisodes(EpisodicTask):
    """Queries are nearest to the mean of the shots of their class, by scaled features.

    The outputs of the network are features in units of the temperature, and the logits of a
    query their negative squared distances to the means.
    """

    def loss(self, outputs, index):
        """Return the mean cross-entropy of the queries in nats."""
        shots, queries = self.by_class(outputs)
        prototypes = shots.mean(1)
        distances = (queries.unsqueeze(2) - prototypes).square().sum(-1)
        n_queries = distances.shape[1]
        return F.cross_entropy(
            -distances.flatten(0, 1), places(self.n_ways, n_queries, like=outputs)
        )


class QueryEpisodes(EpisodicTask):
    """Queries are told apart by what was learnt from the shots: :class:`LearnsEpisodes`."""

    def loss(self, outputs, index):
        """Return the mean cross-entropy of the queries in nats."""
        n_queries = len(index) // self.n_ways - self.n_shots
        outputs = outputs[: self.n_ways * n_queries]
        return F.cross_entropy(outputs, places(self.n_ways, n_queries, like=outputs))


class MovementEpisodes(EpisodicTask):
    """Half the square of how far an episode moves the weights, by the rate that moved them.

    Its gradient is what the episode would move, as if it were a gradient: Reptile.
    """

    def __init__(self, order, n_ways, n_shots, rate):
        super().__init__(order, n_ways, n_shots)
        self.rate = rate

    def losses(self, outputs, parts):
        """Return the one loss; the outputs are weights less those that an episode led to."""
        return [outputs.square().sum() / (2 * self.rate)]


def places(n_ways, n_rows, *, like):
    """Return the class of each row of an episode."""
    return torch.arange(n_ways, device=like.device).repeat_interleave(n_rows)


class Learner(nn.Module):
    """A feature extractor that learns a few rows by steps of gradient descent.

    The linear layer on top starts from zero for every set of classes, so that no class has a
    place of its own and there may be any number of them.

    Parameters
    ----------
    extractor : nn.Module
        Maps inputs to features; what takes no gradient in it stays.
    n_features : int
        Its features.
    precision : torch.dtype
        What it computes in.
    """

    def __init__(self, extractor, n_features, precision):
        super().__init__()
        self.extractor, self.n_features, self.precision = extractor, n_features, precision

    def forward(self, inputs, weight, bias):
        features = extract_features(self.extractor, inputs, self.precision)
        return F.linear(features * self.n_features**-0.5, weight, bias)

    def start(self, n_classes):
        """Return weights to learn from: of the extractor by name, and of the linear layer."""
        trained = {n: p for n, p in self.extractor.named_parameters() if p.requires_grad}
        like = next(iter(trained.values()))
        weights = {f"extractor.{name}": value.detach() for name, value in trained.items()}
        weights["weight"] = like.new_zeros(n_classes, self.n_features)
        weights["bias"] = like.new_zeros(n_classes)
        return weights

    def logits(self, weights, inputs):
        """Return the logits of inputs by such weights."""
        own = {name: value for name, value in weights.items() if name.startswith("extractor.")}
        return functional_call(self, own, (inputs, weights["weight"], weights["bias"]))

    def learn(self, weights, chunks, rate):
        """Return weights after one step down the mean cross-entropy of rows.

        ``chunks`` are pairs of inputs and classes, one after the other.
        """
        weights = {name: value.detach().requires_grad_() for name, value in weights.items()}
        total, n_rows = [torch.zeros_like(value) for value in weights.values()], 0
        with torch.enable_grad():
            for inputs, labels in chunks:
                loss = F.cross_entropy(self.logits(weights, inputs), labels, reduction="sum")
                gradients = torch.autograd.grad(loss, list(weights.values()))
                n_rows += len(labels)
                total = list(map(torch.add, total, gradients))
        return {
            name: value.detach() - rate * gradient / n_rows
            for (name, value), gradient in zip(weights.items(), total, strict=True)
        }


class LearnsEpisodes(nn.Module):
    """The classifier of a training network that learns every episode anew from its inputs.

    Parameters
    ----------
    learner : Learner
        What is trained to learn quickly.
    task : EpisodicTask
        Knows the places of the rows.
    n_steps, rate : int, float
        Steps of gradient descent in an episode, and their size.
    """

    def __init__(self, learner, task, n_steps, rate):
        super().__init__()
        self.learner, self.task, self.n_steps, self.rate = learner, task, n_steps, rate

    def _learnt(self, chunks):
        weights = self.learner.start(self.task.n_ways)
        for step in range(self.n_steps):
            weights = self.learner.learn(weights, [chunks[step % len(chunks)]], self.rate)
        return weights

    def _trained(self):
        """Return what is trained, by the names that it has in weights."""
        named = self.learner.extractor.named_parameters()
        return {f"extractor.{name}": p for name, p in named if p.requires_grad}


class LearnsShots(LearnsEpisodes):
    """Returns the logits of the queries, by weights that were learnt from the shots.

    The gradient at these weights is taken for that at those they were learnt from:
    first-order MAML.
    """

    def forward(self, inputs):
        shots, queries = (rows.flatten(0, 1) for rows in self.task.by_class(inputs))
        labels = places(self.task.n_ways, self.task.n_shots, like=inputs)
        weights = self._learnt([(shots, labels)])
        for name, start in self._trained().items():
            weights[name] = start + (weights[name] - start).detach()
        return self.learner.logits(weights, queries)


class LearnsAllRows(LearnsEpisodes):
    """Returns the weights less those that were learnt from all rows, so many shots a step."""

    def forward(self, inputs):
        each = inputs.unflatten(0, (self.task.n_ways, -1)).split(self.task.n_shots, dim=1)
        chunks = [
            (rows.flatten(0, 1), places(self.task.n_ways, rows.shape[1], like=inputs))
            for rows in each
        ]
        weights = self._learnt(chunks)
        moved = [(p - weights[name].detach()).flatten() for name, p in self._trained().items()]
        return torch.cat(moved)
