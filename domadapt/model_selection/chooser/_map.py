"""The map: which question comes first, and where each answer leads."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from domadapt.model_selection.chooser._leaves import LEAVES
from domadapt.model_selection.chooser._questions import QUESTIONS


@dataclass(frozen=True)
class Fork:
    """A question at its place in the map.

    Parameters
    ----------
    question : Question
        What is asked.
    to : mapping of str to Fork or Leaf
        By the value of an answer, what comes next.
    """

    question: object
    to: Mapping[str, object]


def _ask(key, **to):
    """Return a fork where every answer of a question leads somewhere."""
    question = QUESTIONS[key]
    values = [answer.value for answer in question.answers]
    if list(to) != values:
        raise ValueError(f"{key} has the answers {values}, and {list(to)} lead somewhere.")
    ends = {v: LEAVES[end] if isinstance(end, str) else end for v, end in to.items()}
    return Fork(question, MappingProxyType(ends))


_FEW_ROWS = _ask(
    "data", table="few_trees", vectors="few_network", images="few_network", series="few_trees"
)
_FEW_LABELS = _ask(
    "source",
    there=_ask(
        "task",
        **{
            "class": _ask("classes", same=_FEW_ROWS, fewer=_FEW_ROWS, new="few_shots"),
            "number": "few_values",
        },
    ),
    gone="fine_tuning",
)
_WITHOUT_SOURCE = _ask(
    "task",
    **{
        "class": _ask(
            "data",
            table="as_it_is",
            vectors="source_free",
            images="source_free",
            series="as_it_is",
        ),
        "number": "as_it_is",
    },
)
_NUMBERS = _ask(
    "overlap",
    whole="values_plain",
    enough="values_plain",
    little=_ask(
        "data",
        table="values_moved",
        vectors="values_moved",
        images="values_network",
        series="values_moved",
    ),
)
_MOVED_CLASSES = _ask(
    "sources",
    one=_ask(
        "data",
        table="tables",
        vectors=_ask("harm", much="automatic", little="vectors"),
        images=_ask("harm", much="automatic", little="images"),
        series="series",
    ),
    several="several",
)
_CLASSES = _ask(
    "classes",
    same=_ask(
        "proportions",
        kept=_ask("overlap", whole="plain", enough="weights", little=_MOVED_CLASSES),
        alone="label_shift",
        also="moved_both",
    ),
    fewer="partial",
    new="open_set",
)
ROOT = _ask(
    "target_labels",
    none=_ask(
        "arrival",
        batch=_ask(
            "source",
            there=_ask("task", **{"class": _CLASSES, "number": _NUMBERS}),
            gone=_WITHOUT_SOURCE,
        ),
        stream="stream",
    ),
    few=_FEW_LABELS,
    many="target_alone",
)
