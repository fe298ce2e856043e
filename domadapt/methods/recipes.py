"""How methods fine-tune a pretrained backbone, as published for Office-31."""

import functools
from dataclasses import dataclass, field, replace
from typing import Any

from domadapt.training.optimization import dann_alignment


@dataclass(frozen=True)
class Recipe:
    """How a method fine-tunes a pretrained backbone, as published for Office-31.

    Parameters
    ----------
    published_for : str
        Title of the method that it was published for; another method's is the nearest.
    learning_rate : float
        Of the layers after the backbone, at the start; the backbone has a tenth of it.
    decay : float
        The learning rate falls as (1 + decay * i) to the power of -0.75 with the update i.
    weight_decay : float
        L2 penalty.
    steps_per_epoch, epochs : int
        Updates in an epoch, and how many epochs there are.
    parameters : dict
        Other parameters of the estimator.
    criterion : dict
        Parameters of the criteria that have them.
    """

    published_for: str
    learning_rate: float
    decay: float
    weight_decay: float
    steps_per_epoch: int
    epochs: int
    parameters: dict[str, Any] = field(default_factory=dict)
    criterion: dict[str, Any] = field(default_factory=dict)


_BOTTLENECK = {"hidden_layer_sizes": (256,), "batch_norm": "joint"}
_WIDE_BOTTLENECK = {"hidden_layer_sizes": (1024,), "batch_norm": "joint"}
# Without batch normalisation in the bottleneck, that of the backbone is joint all the same.
_PLAIN_BOTTLENECK = {"hidden_layer_sizes": (256,), "batch_norm": None}
# With 20 epochs of 1000 updates this is 2 / (1 + exp(-i / 1000)) - 1.
_RISING = {"alignment_schedule": functools.partial(dann_alignment, steepness=20.0)}

SOURCE = Recipe("source only", 1e-3, 3e-4, 5e-4, 500, 5, {"batch_norm": "joint"})
DAN = Recipe("DAN", 3e-3, 3e-4, 5e-4, 500, 20, _PLAIN_BOTTLENECK | {"dropout": 0.5})
CORAL = Recipe("CORAL", 3e-3, 3e-4, 5e-4, 500, 20, _PLAIN_BOTTLENECK | {"alignment_weight": 10.0})
JAN = Recipe(
    *("JAN", 3e-3, 3e-4, 5e-4, 500, 20),
    parameters=_BOTTLENECK | {"dropout": 0.5},
    criterion={"softmax_bandwidth": 2 * 0.92**2},
)
DANN = Recipe(
    *("DANN", 1e-2, 1e-3, 1e-3, 1000, 20),
    parameters=_BOTTLENECK | _RISING,
    criterion={"hidden_layer_sizes": (1024, 1024)},
)
CDAN = replace(DANN, published_for="CDAN+E")
MCC = Recipe("MCC", 5e-3, 1e-3, 1e-3, 500, 20, _WIDE_BOTTLENECK | {"batch_size": 36})
MDD = Recipe(
    *("MDD", 4e-3, 2e-4, 5e-4, 1000, 20),
    parameters=_WIDE_BOTTLENECK | _RISING | {"dropout": 0.5, "alignment_weight": 0.1},
    criterion={"hidden_layer_sizes": (1024,)},
)
# Our norms are averaged over both domains together, theirs over each: twice the weight.
AFN = Recipe(
    *("AFN", 1e-3, 0.0, 5e-4, 500, 20),
    parameters=_BOTTLENECK
    | {"hidden_layer_sizes": (1000,), "dropout": 0.5, "alignment_weight": 0.1},
)


def with_own_weight(recipe):
    """Return another method's recipe with ``alignment_weight=None``, the criterion's own."""
    return replace(recipe, parameters=recipe.parameters | {"alignment_weight": None})
