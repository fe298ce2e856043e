"""What keeps a network near what it has learnt before: one more loss beside a task's own."""

import torch
import torch.nn.functional as F
from torch.func import functional_call, grad, vmap

from domadapt.training.tasks import Task

# How many numbers the gradients of a mini-batch of single samples may hold.
N_NUMBERS = 2**24


class Keeping(Task):
    """Base of what keeps: a task around a task, with one more loss.

    Parameters
    ----------
    task : Task
        What is learnt; one that keeps something already may stand here too.
    weight : float
        Multiplies the loss that keeps.
    """

    name = "kept"

    def __init__(self, task, weight):
        self.task, self.strength = task, weight
        names = task.names or ("labels",)
        n_same = sum(name.split("_of_")[0] == self.name for name in names)
        self.names = (*names, f"{self.name}_of_{n_same + 1}" if n_same else self.name)

    def losses(self, outputs, parts):
        """Return the losses of the task, and what keeps times its weight."""
        return [*self.task.losses(outputs, parts), self.strength * self.keep(outputs, parts)]

    def keep(self, outputs, parts):
        """Return the loss that keeps."""
        raise NotImplementedError


class _NearWeights(Keeping):
    """A quadratic around weights: 1/2 sum_i c_i (w_i - w0_i)^2 times the weight.

    A step of gradient descent on a steep quadratic overshoots. With ``largest_rate`` r the
    gradient of each parameter is divided by 1 + r * weight * c_i, which is the proximal step: it
    leaves the minimum where it is, and no weight is too large to train with.
    """

    def __init__(self, task, network, start, weight, largest_rate):
        super().__init__(task, weight)
        trained = {n: p for n, p in network.named_parameters() if p.requires_grad}
        if start is None:
            start = trained
        self.pairs = [(trained[n], w0.detach().clone()) for n, w0 in start.items() if n in trained]
        self.names_of_kept = [name for name in start if name in trained]
        self.largest_rate, self._handles = largest_rate, []

    def losses(self, outputs, parts):
        """Return the losses of the task, and the penalty times its weight."""
        if self.largest_rate is not None and torch.is_grad_enabled():
            self._shorten_next_gradients()
        return super().losses(outputs, parts)

    def keep(self, outputs, parts):
        """Return half the weighted sum of squared distances."""
        terms = [
            (curvature * (w - w0).square()).sum()
            for (w, w0), curvature in zip(self.pairs, self.curvatures(), strict=True)
        ]
        return sum(terms, start=outputs.new_zeros(())) / 2

    def curvatures(self):
        """Return what multiplies the squares of each parameter."""
        raise NotImplementedError

    def _shorten_next_gradients(self):
        """Divide the gradients of the next backward pass, of it alone."""
        while self._handles:
            # Of a forward pass that none went back from.
            self._handles.pop().remove()
        steepness = self.largest_rate * self.strength
        for (w, _), curvature in zip(self.pairs, self.curvatures(), strict=True):
            self._handles.append(_divide_next_gradient(w, 1.0 + steepness * curvature))


def _divide_next_gradient(parameter, divisor):
    """Divide the next gradient that reaches a parameter, and return what takes that back."""

    def divide(gradient):
        handle.remove()
        return gradient / divisor

    handle = parameter.register_hook(divide)
    return handle


class L2SP(_NearWeights):
    """Keep weights near those of the source: weight / 2 * sum (w - w0)^2.

    Weights that the source does not have are left to the weight decay of the optimizer, which
    goes on for all of them: with weight 0 this is plain training.

    Parameters
    ----------
    task : Task
        What is learnt.
    network : nn.Module
        What is trained.
    weight : float
        Multiplies the penalty.
    start : dict of str to Tensor or None, default=None
        The values w0 of the parameters that are kept, by their names in the network; None for
        all that are trained, as they are now.
    largest_rate : float or None, default=None
        The highest learning rate. With it the penalty takes proximal steps, which no weight
        makes overshoot; None leaves gradients as they are.

    References
    ----------
    Li, Grandvalet, Davoine (2018). "Explicit inductive bias for transfer learning with
    convolutional networks". ICML.
    """

    name = "l2_sp"

    def __init__(self, task, network, weight, *, start=None, largest_rate=None):
        super().__init__(task, network, start, weight, largest_rate)

    def curvatures(self):
        """Return 1 for every parameter."""
        return [1.0] * len(self.pairs)


class ElasticWeights(_NearWeights):
    """Keep what mattered for an earlier task: weight / 2 * sum F_i (w_i - w0_i)^2.

    This is the Laplace approximation of the earlier task's posterior with the diagonal of its
    Fisher information. Several earlier tasks are kept by one of these around the other.

    Parameters
    ----------
    task : Task
        What is learnt.
    network : nn.Module
        What is trained.
    fisher : dict of str to Tensor
        Diagonal of the Fisher information of the earlier task, as :func:`diagonal_fisher`
        returns it, by the names of the parameters in the network. Others are free.
    weight : float
        Multiplies the penalty.
    start : dict of str to Tensor or None, default=None
        The values w0 that the earlier task ended with; None for those of now.
    largest_rate : float or None, default=None
        As in :class:`L2SP`.

    References
    ----------
    Kirkpatrick, Pascanu, Rabinowitz, et al. (2017). "Overcoming catastrophic forgetting in
    neural networks". PNAS 114(13).
    """

    name = "ewc"

    def __init__(self, task, network, fisher, weight, *, start=None, largest_rate=None):
        values = dict(network.named_parameters()) if start is None else start
        values = {name: values[name] for name in fisher if name in values}
        super().__init__(task, network, values, weight, largest_rate)
        self.fisher = [
            fisher[name].to(w) for name, (w, _) in zip(self.names_of_kept, self.pairs, strict=True)
        ]

    def curvatures(self):
        """Return the Fisher information of each parameter."""
        return self.fisher


class Distillation(Keeping):
    """Keep the outputs of an earlier task on the new samples (learning without forgetting).

    With q the outputs recorded before training and z those of now, both divided by the
    temperature T, the loss is the mean over samples of -sum_c softmax(q / T)_c log softmax(z /
    T)_c, as Li and Hoiem have it: nothing makes up for the gradient, which falls with the square
    of T, but the weight. For values it is the mean squared error.

    Parameters
    ----------
    task : Task
        What is learnt.
    recorded : Tensor of shape (n_samples, n_old_outputs)
        Outputs of the earlier task for all labelled samples, counted as the task counts them.
    weight : float
        Multiplies the loss.
    temperature : float, default=2.0
        Above 1 small probabilities count for more.
    task_columns, old_columns : slice, default=slice(None)
        Columns of the outputs that are the task's, and those of the earlier task.
    learns : {"classes", "values"}, default="classes"
        What the earlier task predicts.

    References
    ----------
    Li, Hoiem (2016). "Learning without forgetting". ECCV.
    """

    name = "distillation"

    def __init__(
        self,
        task,
        recorded,
        weight,
        *,
        temperature=2.0,
        task_columns=slice(None),
        old_columns=slice(None),
        learns="classes",
    ):
        super().__init__(task, weight)
        self.recorded, self.temperature, self.learns = recorded.detach(), temperature, learns
        self.task_columns, self.old_columns = task_columns, old_columns

    def losses(self, outputs, parts):
        """Return the losses of the task by its columns, and that of the old columns."""
        kept = self.strength * self.keep(outputs, parts)
        return [*self.task.losses(outputs[:, self.task_columns], parts), kept]

    def keep(self, outputs, parts):
        """Return the mean loss of the old outputs of labelled samples."""
        index = torch.cat(parts)
        now, before = outputs[: len(index), self.old_columns], self.recorded[index]
        if self.learns == "values":
            return F.mse_loss(now, before)
        return F.cross_entropy(now / self.temperature, (before / self.temperature).softmax(1))


def diagonal_fisher(network, batches, *, learns="classes"):
    """Compute the diagonal of the Fisher information of a network's parameters.

    The labels are the network's own: F_i = E_x sum_c p(c | x) (d log p(c | x) / d w_i)^2, exact
    over all classes; for values the sum over outputs of (d f(x) / d w_i)^2, that of a Gaussian
    of variance 1.

    Parameters
    ----------
    network : nn.Module
        Maps samples to logits or values. It is left as it is, evaluated as in prediction.
    batches : Tensor of shape (n_samples, ...) or iterable of them
        Samples of the task, on the device of the network.
    learns : {"classes", "values"}, default="classes"
        What the network predicts.

    Returns
    -------
    fisher : dict of str to Tensor
        For each parameter that takes a gradient, by its name, means over samples.

    Examples
    --------
    A logistic regression has p (1 - p) x^2 for the weight of each of two classes.

    >>> import torch
    >>> from torch import nn
    >>> from domadapt.inductive._keeping import diagonal_fisher
    >>> layer = nn.Linear(1, 2, bias=False)
    >>> _ = nn.init.zeros_(layer.weight)
    >>> diagonal_fisher(layer, torch.tensor([[2.0]]))["weight"].flatten().tolist()
    [1.0, 1.0]
    """
    values = {n: p.detach() for n, p in network.named_parameters() if p.requires_grad}
    per_sample = vmap(grad(_output_of, argnums=0), in_dims=(None, None, 0, None, None))
    n_rows = max(1, N_NUMBERS // max(1, sum(v.numel() for v in values.values())))
    total, n_samples = {n: torch.zeros_like(v) for n, v in values.items()}, 0
    was_training = network.training
    network.eval()
    try:
        for batch in [batches] if isinstance(batches, torch.Tensor) else batches:
            for rows in batch.split(n_rows):
                with torch.no_grad():
                    outputs = network(rows)
                weights = outputs.softmax(1) if learns == "classes" else torch.ones_like(outputs)
                for column in range(outputs.shape[1]):
                    gradients = per_sample(values, network, rows, column, learns)
                    for name, gradient in gradients.items():
                        squares = gradient.square().flatten(1)
                        total[name] += (weights[:, column] @ squares).view_as(total[name])
                n_samples += len(rows)
    finally:
        network.train(was_training)
    return {name: value / n_samples for name, value in total.items()}


def _output_of(values, network, sample, column, learns):
    """Return the log-probability of a class, or one value, for one sample."""
    outputs = functional_call(network, values, (sample[None],))[0]
    return (outputs.log_softmax(0) if learns == "classes" else outputs)[column]
