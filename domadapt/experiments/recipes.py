"""Estimators by the name of a method: with defaults on vectors, or fine-tuning by its recipe."""

import functools

import torch

from domadapt.estimators._by_name import on_vectors
from domadapt.inputs import ImageLoader
from domadapt.methods import BY_NAME
from domadapt.nn import load_backbone
from domadapt.nn.random_numbers import RandomNumbers
from domadapt.training.optimization import dann_learning_rate
from domadapt.training.orders import steps_in_epoch

# The recipes crop 224 pixels out of 256.
SQUARE_TO_CROP = 256 / 224


def with_equal_updates(estimator, n_source, n_target):
    """Let a source-only estimator take as many updates as one that is shown the target too.

    Parameters
    ----------
    estimator : BaseAlignmentClassifier
        Changed in place.
    n_source, n_target : int
        Samples of the domains.

    Returns
    -------
    estimator : BaseAlignmentClassifier
        The same.

    Examples
    --------
    >>> from domadapt.experiments.recipes import on_vectors, with_equal_updates
    >>> with_equal_updates(on_vectors("source"), 200, 2000).steps_per_epoch
    31
    """
    if estimator.steps_per_epoch is None:
        steps = steps_in_epoch([n_source, n_target], estimator.batch_size)
        estimator.set_params(steps_per_epoch=steps)
    return estimator


def fine_tuning(method, *, epochs=None, steps_per_epoch=None, **parameters):
    """Build the estimator that trains a backbone end to end by the recipe of a method.

    Parameters
    ----------
    method : str
        Name of a method that learns classes, as in :data:`domadapt.methods.BY_NAME`.
    epochs, steps_per_epoch : int, default=None
        In place of the recipe's.
    **parameters : object
        Other parameters of the estimator, such as ``backbone``.

    Returns
    -------
    estimator : BaseAlignmentClassifier
        Not fitted.

    Examples
    --------
    >>> from domadapt.experiments.recipes import fine_tuning
    >>> clf = fine_tuning("dann", epochs=2)
    >>> clf.learning_rate, clf.steps_per_epoch, clf.max_epochs
    (0.01, 1000, 2)
    """
    recipe = BY_NAME[method].recipe
    epochs = recipe.epochs if epochs is None else epochs
    steps = recipe.steps_per_epoch if steps_per_epoch is None else steps_per_epoch
    # The named classes have defaults of their own, chosen on vectors.
    settings = {
        "backbone_rate": 0.1,
        "batch_size": 32,
        "label_smoothing": 0.0,
        "alignment_weight": 1.0,
        "alignment_schedule": "constant",
        "optimizer": "sgd",
        "learning_rate": recipe.learning_rate,
        "learning_rate_schedule": functools.partial(
            dann_learning_rate, steepness=recipe.decay * steps * epochs
        ),
        "weight_decay": recipe.weight_decay,
        "steps_per_epoch": steps,
    }
    settings |= _alignment(BY_NAME[method]) | recipe.parameters | parameters
    return on_vectors(method, epochs=epochs, **settings)


def _alignment(method):
    """Return the criteria with the recipe's parameters, or nothing where no criterion has them."""
    if not method.recipe.criterion:
        return {}
    criteria = method.classes()
    changed = False
    for _, criterion in criteria if isinstance(criteria, list) else [(1.0, criteria)]:
        known = criterion.get_params()
        own = {name: v for name, v in method.recipe.criterion.items() if name in known}
        criterion.set_params(**own)
        changed = changed or bool(own)
    return {"alignment": criteria} if changed else {}


def recipe_loader(image_size, **given):
    """Build the loader that reads photographs as the recipes do.

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
    with RandomNumbers(0, torch.device("cpu"), lends_global=True).drawn():
        return load_backbone(name)
