"""The methods by name, and how each fine-tunes a pretrained backbone."""

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch

from domadapt.alignment import (
    AFN,
    CORAL,
    MCC,
    MMD,
    ConditionalAdversarial,
    DomainAdversarial,
    EntropyMinimization,
    JointMMD,
    MarginDisparity,
)
from domadapt.estimators import (
    AFNClassifier,
    AlignmentClassifier,
    CDANClassifier,
    DANClassifier,
    DANNClassifier,
    DeepCORALClassifier,
    JANClassifier,
    MCCClassifier,
    MDDClassifier,
)
from domadapt.inputs import ImageLoader
from domadapt.nn import load_backbone
from domadapt.training.schedules import dann_alignment, dann_learning_rate

# The recipes crop 224 pixels out of 256.
SQUARE_TO_CROP = 256 / 224


@dataclass(frozen=True)
class Recipe:
    """How a method fine-tunes, as the best-known scripts for Office-31 do.

    Parameters
    ----------
    learning_rate : float
        Of the layers after the backbone, at the start; the backbone has a tenth of it.
    decay : float
        The learning rate falls as (1 + decay * i) to the power of -0.75 with the update i.
    weight_decay : float
        L2 penalty.
    steps_per_epoch, epochs : int
        Updates in an epoch, and how many epochs there are.
    alignment : object
        The criterion, as :class:`~domadapt.AlignmentClassifier` takes it.
    parameters : dict
        What else the method has of its own.
    """

    learning_rate: float
    decay: float
    weight_decay: float
    steps_per_epoch: int
    epochs: int
    alignment: Any = None
    parameters: dict[str, Any] = field(default_factory=dict)


# Where a bottleneck has no batch normalisation, that of the backbone is joint all the same.
RECIPES = {
    "source": Recipe(1e-3, 3e-4, 5e-4, 500, 5, parameters={"batch_norm": "joint"}),
    "dan": Recipe(
        *(3e-3, 3e-4, 5e-4, 500, 20, MMD(unbiased=True)),
        parameters={"hidden_layer_sizes": (256,), "batch_norm": None, "dropout": 0.5},
    ),
    "deepcoral": Recipe(
        *(3e-3, 3e-4, 5e-4, 500, 20, CORAL()),
        parameters={"hidden_layer_sizes": (256,), "batch_norm": None, "alignment_weight": 10.0},
    ),
    "dann": Recipe(
        *(1e-2, 1e-3, 1e-3, 1000, 20, DomainAdversarial(hidden_layer_sizes=(1024, 1024))),
        parameters={
            "hidden_layer_sizes": (256,),
            "batch_norm": "joint",
            # With 20 epochs of 1000 updates this is 2 / (1 + exp(-i / 1000)) - 1.
            "alignment_schedule": functools.partial(dann_alignment, steepness=20.0),
        },
    ),
    "jan": Recipe(
        *(3e-3, 3e-4, 5e-4, 500, 20, JointMMD(unbiased=True)),
        parameters={"hidden_layer_sizes": (256,), "batch_norm": "joint", "dropout": 0.5},
    ),
    "cdan": Recipe(
        *(1e-2, 1e-3, 1e-3, 1000, 20),
        ConditionalAdversarial(hidden_layer_sizes=(1024, 1024), entropy=False),
        parameters={
            "hidden_layer_sizes": (256,),
            "batch_norm": "joint",
            "alignment_schedule": functools.partial(dann_alignment, steepness=20.0),
        },
    ),
    "mcc": Recipe(
        *(5e-3, 1e-3, 1e-3, 500, 20, MCC()),
        parameters={"hidden_layer_sizes": (1024,), "batch_norm": "joint", "batch_size": 36},
    ),
    "mdd": Recipe(
        *(4e-3, 2e-4, 5e-4, 1000, 20, MarginDisparity(hidden_layer_sizes=(1024,))),
        parameters={
            "hidden_layer_sizes": (1024,),
            "batch_norm": "joint",
            "dropout": 0.5,
            "alignment_weight": 0.1,
            "alignment_schedule": functools.partial(dann_alignment, steepness=20.0),
        },
    ),
    # Our norms are averaged over both domains together, theirs over each: twice the weight.
    "afn": Recipe(
        *(1e-3, 0.0, 5e-4, 500, 20, [(0.1, AFN()), (0.1, EntropyMinimization())]),
        parameters={"hidden_layer_sizes": (1000,), "batch_norm": "joint", "dropout": 0.5},
    ),
}

ESTIMATORS: dict[str, Callable[..., Any]] = {
    "source": functools.partial(AlignmentClassifier, None),
    "dan": DANClassifier,
    "dann": DANNClassifier,
    "deepcoral": DeepCORALClassifier,
    "jan": JANClassifier,
    "cdan": CDANClassifier,
    "mcc": MCCClassifier,
    "mdd": MDDClassifier,
    "afn": AFNClassifier,
}
METHODS = tuple(ESTIMATORS)


def fine_tuning(method, *, epochs=None, steps_per_epoch=None, **parameters):
    """Build the estimator that trains a backbone end to end by the recipe of a method.

    Parameters
    ----------
    method : str
        Its name, out of ``METHODS``.
    epochs, steps_per_epoch : int, default=None
        In place of the recipe's.
    **parameters : object
        Other parameters of :class:`~domadapt.AlignmentClassifier`, such as ``backbone``.

    Returns
    -------
    estimator : AlignmentClassifier
        Not fitted.

    Examples
    --------
    >>> from domadapt.experiments.recipes import fine_tuning
    >>> clf = fine_tuning("dann", epochs=2)
    >>> clf.learning_rate, clf.steps_per_epoch, clf.max_epochs
    (0.01, 1000, 2)
    """
    recipe = RECIPES[method]
    epochs = recipe.epochs if epochs is None else epochs
    steps = recipe.steps_per_epoch if steps_per_epoch is None else steps_per_epoch
    schedule = functools.partial(dann_learning_rate, steepness=recipe.decay * steps * epochs)
    settings = {
        "backbone_rate": 0.1,
        "batch_size": 32,
        "label_smoothing": 0.0,
        "alignment_weight": 1.0,
        "alignment_schedule": "constant",
        "learning_rate": recipe.learning_rate,
        "learning_rate_schedule": schedule,
        "weight_decay": recipe.weight_decay,
        "max_epochs": epochs,
        "steps_per_epoch": steps,
    }
    return AlignmentClassifier(recipe.alignment, **{**settings, **recipe.parameters, **parameters})


def on_vectors(method, *, epochs=None, **parameters):
    """Build the estimator that trains on vectors, a frozen backbone's too, with its defaults.

    Parameters
    ----------
    method : str
        Its name, out of ``METHODS``.
    epochs : int, default=None
        In place of the estimator's default.
    **parameters : object
        Parameters of the estimator.

    Returns
    -------
    estimator : BaseAlignmentClassifier
        Not fitted.

    Examples
    --------
    >>> from domadapt.experiments.recipes import on_vectors
    >>> on_vectors("dan", epochs=5)
    DANClassifier(max_epochs=5)
    """
    if epochs is not None:
        parameters["max_epochs"] = epochs
    return ESTIMATORS[method](**parameters)


def recipe_loader(image_size, **given):
    """Build what reads photographs as the recipes do.

    Parameters
    ----------
    image_size : int
        Width and height in pixels of what the network sees.
    **given : object
        Parameters of :class:`~domadapt.ImageLoader`; those that are None keep its default.

    Returns
    -------
    loader : ImageLoader
        It resizes to a square that is larger by 256 / 224 than what it crops.

    Examples
    --------
    >>> from domadapt.experiments.recipes import recipe_loader
    >>> recipe_loader(128, n_workers=None)
    ImageLoader(crop=128, resize=146)
    """
    given = {name: value for name, value in given.items() if value is not None}
    return ImageLoader(crop=image_size, resize=round(image_size * SQUARE_TO_CROP), **given)


@functools.lru_cache(maxsize=1)
def named_backbone(name, weights):
    """Load a backbone as the command line names it.

    Parameters
    ----------
    name : str
        As :func:`~domadapt.nn.load_backbone` takes it.
    weights : str
        A file, a name of weights, or ``"random"`` for random ones, always the same.

    Returns
    -------
    backbone : NamedBackbone
        The same object for the same names: it is to be copied, not trained.
    """
    if weights != "random":
        return load_backbone(name, weights)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return load_backbone(name)
