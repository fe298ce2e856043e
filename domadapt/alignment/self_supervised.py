"""A task that needs no labels, learnt on both domains beside the one that has them."""

import functools
import itertools
from collections.abc import Sequence
from numbers import Real

import torch
import torch.nn.functional as F

from domadapt.alignment.protocol import Criterion
from domadapt.nn.networks import mlp_head
from domadapt.nn.random_numbers import generator_on

OF_IMAGES = ("rotation", "jigsaw")
TASKS = ("auto", *OF_IMAGES, "masked_columns")
# Its inverse is still a float32.
SMALLEST_VARIANCE = 1e-30


class SelfSupervised(Criterion):
    r"""Loss of a task that is made of the samples themselves, of both domains alike.

    .. math::
        \frac12 \, \frac1{n_s} \sum_i \ell\bigl(g(f(a_i(s_i))), a_i\bigr)
        + \frac12 \, \frac1{n_t} \sum_j \ell\bigl(g(f(b_j(t_j))), b_j\bigr)

    where f is the feature extractor that the classes are told by, g a head of the task's own
    for both domains, and :math:`a_i`, :math:`b_j` are changes that are drawn anew for every
    sample and step, and that the head has to tell:

    - ``"rotation"``: images are turned by 0, 90, 180 or 270 degrees, those that are not square
      by 0 or 180, and :math:`\ell` is the cross-entropy of the turn.
    - ``"jigsaw"``: the four quarters of an image change places in one of 24 ways, and
      :math:`\ell` is the cross-entropy of the way.
    - ``"masked_columns"``: a share of the columns of each sample has the values of other samples
      of its mini-batch and domain, drawn column by column. The head predicts what stood there;
      :math:`\ell` is the mean squared error of these columns, in units of the standard deviation
      that a column has in the mini-batch of the domain.

    Features that solve the task in both domains are of use in both, and where one head solves it
    for both, they lie alike. It is no distance: what helps the task has to help the classes too.

    Parameters
    ----------
    task : {"auto", "rotation", "jigsaw", "masked_columns"}, default="auto"
        What is to be told. ``"auto"`` stands for ``"rotation"`` of images and
        ``"masked_columns"`` of vectors.
    share : float, default=0.3
        Share of the columns that are masked, above 0 and below 1. Read by
        ``"masked_columns"`` alone.
    hidden_layer_sizes : tuple of int, default=()
        Units in each hidden layer of the head, with ReLU between. With none it is linear, so
        that the features have to do the work. The layers are sized at the first mini-batch, as
        torch's lazy modules do: send one through before passing the parameters to an
        optimizer.

    Attributes
    ----------
    head : nn.Sequential
        Maps features to logits of the turns or ways, or to the values of all columns.

    Raises
    ------
    TypeError
        If ``share`` is no number.
    ValueError
        If ``task`` is unknown, ``share`` is out of its range, or ``"rotation"`` or ``"jigsaw"``
        is given vectors, or ``"jigsaw"`` images of less than 2 x 2 pixels.

    Notes
    -----
    The changed samples of each domain run through the network by themselves: in training, batch
    normalisation takes the statistics of these samples, one domain at a time, whatever
    ``batch_norm`` is. What it keeps for predictions comes from the samples as they are.

    With an odd height or width the quarters of a jigsaw leave out the row or column in the
    middle, which stays.

    References
    ----------
    Sun, Tzeng, Darrell, Efros (2019). "Unsupervised domain adaptation through
    self-supervision". arXiv:1909.11825.

    Gidaris, Singh, Komodakis (2018). "Unsupervised representation learning by predicting image
    rotations". ICLR.

    Carlucci, D'Innocente, Bucci, Caputo, Tommasi (2019). "Domain generalization by solving
    jigsaw puzzles". CVPR.

    Yoon, Zhang, Jordon, van der Schaar (2020). "VIME: extending the success of self- and
    semi-supervised learning to tabular domain". NeurIPS.

    Examples
    --------
    >>> import torch
    >>> from domadapt.alignment import SelfSupervised
    >>> images, extractor = torch.rand(6, 1, 4, 4), torch.nn.Flatten()
    >>> criterion = SelfSupervised("rotation")
    >>> loss = criterion(images, 0.5 * images, extractor)
    >>> loss.shape, criterion.head[-1].out_features
    (torch.Size([]), 4)
    """

    default_weight = 1.0
    draws = True

    def __init__(
        self, task: str = "auto", *, share: float = 0.3, hidden_layer_sizes: Sequence[int] = ()
    ) -> None:
        super().__init__()
        if task not in TASKS:
            raise ValueError(f"task={task!r} is unknown. Use one of {', '.join(map(repr, TASKS))}.")
        _check_share(share)
        self.task, self.share, self.hidden_layer_sizes = task, share, hidden_layer_sizes
        self.head = mlp_head(0, hidden_layer_sizes)

    def forward(self, source_inputs, target_inputs, feature_extractor):
        """Change two mini-batches, and compare what the head tells with what was done.

        Parameters
        ----------
        source_inputs : Tensor of shape (n_source, ...)
            What the feature extractor was given of the source: vectors, or images of shape
            (n_source, ..., height, width).
        target_inputs : Tensor of shape (n_target, ...)
            The same of the target.
        feature_extractor : nn.Module
            Maps inputs to features of shape (n, d).

        Returns
        -------
        loss : Tensor of shape ()
            Mean of both domains: in nats, or in squared standard deviations for
            ``"masked_columns"``.
        """
        inputs = source_inputs, target_inputs
        task = self._task_for(source_inputs)
        if task == "masked_columns":
            made = [_mask_columns(samples, self.share) for samples in inputs]
            # The last layer reads this when it takes its size, at the first mini-batch.
            self.head[-1].out_features = source_inputs[0].numel()
            outputs = self._run([changed for changed, _ in made], feature_extractor)
            errors = [
                _error_of_masked(predicted, samples.flatten(1), mask)
                for predicted, samples, (_, mask) in zip(outputs, inputs, made, strict=True)
            ]
            return sum(errors) / 2
        places = _places_of_pixels(task, *source_inputs.shape[-2:], source_inputs.device)
        moved = [_move_pixels(images, places) for images in inputs]
        self.head[-1].out_features = len(places)
        logits = self._run([images for images, _ in moved], feature_extractor)
        return sum(F.cross_entropy(z, way) for z, (_, way) in zip(logits, moved, strict=True)) / 2

    def _run(self, inputs, feature_extractor):
        """Return what the head makes of each domain, which has batch statistics of its own."""
        features = torch.cat([feature_extractor(samples) for samples in inputs])
        return self.head(features).split([len(samples) for samples in inputs])

    def _task_for(self, inputs):
        """Return the task that samples are given, or raise an error where they do not suit it."""
        came, are_images = tuple(inputs.shape[1:]), inputs.ndim > 2
        if self.task == "auto":
            return "rotation" if are_images else "masked_columns"
        if self.task in OF_IMAGES and not are_images:
            raise ValueError(
                f"task={self.task!r} needs images, of shape (..., height, width), and samples of "
                f"shape {came} came. Use 'masked_columns' for vectors, which features of a frozen "
                "backbone are too, or pass images and freeze=False."
            )
        if self.task == "jigsaw" and min(came[-2:]) < 2:
            raise ValueError(
                f"task='jigsaw' needs images of at least 2 x 2 pixels, and samples of shape {came} "
                "came. Use 'rotation' or larger images."
            )
        return self.task


def _check_share(share):
    if not isinstance(share, Real):
        raise TypeError(f"share={share!r} must be a number above 0 and below 1, such as 0.3.")
    if not 0.0 < float(share) < 1.0:
        raise ValueError(f"share={share!r} must be a number above 0 and below 1.")


def _mask_columns(samples, share):
    """Give a share of the columns the values of other samples; return where, too."""
    flat, generator = samples.flatten(1), generator_on(samples.device)
    mask = torch.empty_like(flat).bernoulli_(share, generator=generator)
    others = torch.randint(len(flat), flat.shape, device=flat.device, generator=generator)
    changed = torch.where(mask.bool(), flat.gather(0, others), flat)
    return changed.view_as(samples), mask


def _error_of_masked(predicted, flat, mask):
    """Return the mean squared error of masked values in units of their columns' deviations."""
    variance, mean = torch.var_mean(flat, 0, correction=0)
    # Less than this is rounding: a constant column has nothing to predict.
    noise = (torch.finfo(flat.dtype).eps * mean.square()).clamp_min(SMALLEST_VARIANCE)
    standard = (flat - mean) * variance.maximum(noise).rsqrt()
    return (mask * (predicted - standard).square()).sum() / mask.sum().clamp_min(1.0)


def _move_pixels(images, places):
    """Move the pixels of each image in a way that is drawn; return the way, too."""
    n, device = len(images), images.device
    way = torch.randint(len(places), (n,), device=device, generator=generator_on(device))
    flat = images.flatten(-2)
    index = places[way].view(n, *[1] * (flat.ndim - 2), -1).expand_as(flat)
    return flat.gather(-1, index).view_as(images), way


@functools.lru_cache(maxsize=8)
@torch.inference_mode(False)  # What is made in inference mode would be of no use in training.
def _places_of_pixels(task, height, width, device):
    """Return for every way and pixel the place that it comes from; do not write into them."""
    places = torch.arange(height * width, device=device).view(height, width)
    if task == "rotation":
        turns = range(4) if height == width else (0, 2)
        ways = [places.rot90(turn) for turn in turns]
    else:
        ways = [_shuffled(places, order) for order in itertools.permutations(range(4))]
    return torch.stack([way.flatten() for way in ways])


def _shuffled(places, order):
    """Return places with the quarters in another order, what is in the middle as it was."""
    height, width = (size // 2 for size in places.shape)
    upper_lower, left_right = ((slice(None, size), slice(-size, None)) for size in (height, width))
    quarters = list(itertools.product(upper_lower, left_right))
    shuffled = places.clone()
    for to, come_from in enumerate(order):
        shuffled[quarters[to]] = places[quarters[come_from]]
    return shuffled
