"""What an entry of the table of methods says."""

from collections.abc import Callable
from dataclasses import dataclass

from domadapt import alignment
from domadapt.methods.recipes import Recipe

Criteria = Callable[[], alignment.Criterion | list[tuple[float, alignment.Criterion]]]


@dataclass(frozen=True)
class Method:
    """One method.

    Parameters
    ----------
    name : str
        In ``alignment=`` and on the command line.
    title : str
        In tables.
    family : str
        Its page in ``docs/methods``, and the file of its named classes.
    paper : str
        Who proposed it, and where.
    classes, values : callable or None
        What aligns where classes and where values are learnt: returns a new criterion, or a
        list of pairs of a weight and a criterion. None where it does not learn these.
    classifier, regressor : str or None
        Names of its own classes in ``domadapt``. None stands for ``AlignmentClassifier`` or
        ``AlignmentRegressor`` with its name.
    setting : {"one source", "several sources", "partial", "open set", "source-free"}
        What is known of the domains.
    recipe : Recipe
        How it fine-tunes.
    stages : int
        2 where labels are learnt first, and the domains are aligned afterwards.
    also : str or None
        Another name that it goes by in ``alignment=``.
    """

    name: str
    title: str
    family: str
    paper: str
    recipe: Recipe
    classes: Criteria | None = None
    values: Criteria | None = None
    classifier: str | None = None
    regressor: str | None = None
    setting: str = "one source"
    stages: int = 1
    also: str | None = None
