"""The walk through the map: from what is known to a method and its page."""

import html
from dataclasses import dataclass
from typing import Any

from domadapt.model_selection.chooser._leaves import Leaf
from domadapt.model_selection.chooser._map import ROOT
from domadapt.model_selection.chooser._questions import QUESTIONS, Answer, Question


@dataclass(frozen=True)
class Step:
    """A question that was passed, its answer, and who gave it."""

    question: Question
    answer: Answer
    by: str


@dataclass(frozen=True, repr=False)
class MethodChoice:
    """What to begin with, as :func:`choose_method` found it. Print it.

    Attributes
    ----------
    leaf : Leaf
        ``title``, ``reason``, ``begin`` (calls), ``page`` (in ``docs``) and
        ``beware``.
    path : tuple of Step
        The questions on the way, each with its ``question``, its ``answer`` and ``by``: "you",
        "diagnosis" or "presumed".
    open : tuple of str
        Those of them that nobody answered, as they are called in :func:`choose_method`: the first
        one first. Empty where all are answered.
    """

    leaf: Leaf
    path: tuple[Step, ...]

    @property
    def open(self) -> tuple[str, ...]:
        """Return the questions on the way that nobody answered."""
        return tuple(step.question.key for step in self.path if step.by == "presumed")

    def __str__(self) -> str:
        leaf = self.leaf
        lines = [f"{leaf.title}. {leaf.reason}", "", "Begin with"]
        lines += [f"  {call}" for call in leaf.begin]
        lines += [f"Beware: {leaf.beware}", f"Read docs/{leaf.page}", ""]
        lines += [f"- {_said(step)}" for step in self.path]
        if self.open:
            lines += ["", f"Not answered yet, the first one first: {', '.join(self.open)}."]
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        leaf = self.leaf
        calls = "<br>".join(f"<code>{html.escape(call)}</code>" for call in leaf.begin)
        steps = "".join(f"<li>{html.escape(_said(step))}</li>" for step in self.path)
        said = (leaf.reason, f"Beware: {leaf.beware}", f"Read docs/{leaf.page}")
        texts = "".join(f"<p>{html.escape(text)}</p>" for text in said)
        return f"<div><h4>{html.escape(leaf.title)}</h4><p>{calls}</p>{texts}<ul>{steps}</ul></div>"


def _said(step):
    by = {"you": "", "diagnosis": " (as diagnose found)", "presumed": " (presumed)"}[step.by]
    text = step.answer.text
    return f"{step.question.text} {text[0].upper()}{text[1:]}{by}."


def choose_method(
    diagnosis: Any = None,
    *,
    target_labels: str | None = None,
    arrival: str | None = None,
    source: str | None = None,
    task: str | None = None,
    classes: str | None = None,
    proportions: str | None = None,
    overlap: str | None = None,
    sources: str | None = None,
    data: str | None = None,
    harm: str | None = None,
) -> MethodChoice:
    """Choose a method to begin with by ten questions, which may stay open.

    The rules are those of the map of methods, and follow what was measured. Where a question is
    open that the way leads past, the careful answer is presumed, which stands first here, and
    the question is in ``open``.

    Parameters
    ----------
    diagnosis : Diagnosis, default=None
        What :func:`diagnose` found. It answers what rows can tell: ``source``, ``task``,
        ``overlap``, ``proportions`` as far as they can be told, and ``sources`` where there are
        several. Answers of your own go first.
    target_labels : {"none", "few", "many"} or None, default=None
        Labels in the target. "many" are enough to learn from.
    arrival : {"batch", "stream"} or None, default=None
        Whether target rows come as one batch.
    source : {"there", "gone"} or None, default=None
        Whether the source rows are still there.
    task : {"class", "number"} or None, default=None
        What is predicted.
    classes : {"same", "fewer", "new"} or None, default=None
        Classes of the target, beside those of the source.
    proportions : {"kept", "alone", "also"} or None, default=None
        Whether the proportions of the classes moved: not, alone, or columns also.
    overlap : {"little", "enough", "whole"} or None, default=None
        Whether a plain model of the source is at home among the target rows; "whole" where nothing
        tells the domains apart.
    sources : {"one", "several"} or None, default=None
        How many sources there are.
    data : {"table", "vectors", "images", "series"} or None, default=None
        What the rows are: measurements, or words, pixels and features of a network.
    harm : {"much", "little"} or None, default=None
        What it costs if the method is worse than a plain model.

    Returns
    -------
    choice : MethodChoice
        ``leaf``, ``path`` and ``open``.

    Raises
    ------
    ValueError
        If an answer is none of these.
    TypeError
        If ``diagnosis`` is none.

    See Also
    --------
    diagnose : How the domains differ, and whether to adapt.

    Examples
    --------
    >>> from domadapt import choose_method
    >>> choice = choose_method(target_labels="none", source="there", proportions="alone")
    >>> choice.leaf.begin[0]
    'AdaptedClassifier(ExtraTreesClassifier(), "em")'
    >>> choice.leaf.page
    'methods/label_shift.md#em'
    >>> choice.open
    ('arrival', 'task', 'classes')
    """
    given = {
        "target_labels": target_labels,
        "arrival": arrival,
        "source": source,
        "task": task,
        "classes": classes,
        "proportions": proportions,
        "overlap": overlap,
        "sources": sources,
        "data": data,
        "harm": harm,
    }
    for key, value in given.items():
        _check(key, value)
    told = {} if diagnosis is None else _answers(diagnosis)
    place, path = ROOT, []
    while not isinstance(place, Leaf):
        question = place.question
        key, by = question.key, "you"
        value = given[key]
        if value is None:
            by = "diagnosis" if key in told else "presumed"
            value = told.get(key, question.usual)
        path.append(Step(question, question.answer(value), by))
        place = place.to[value]
    return MethodChoice(place, tuple(path))


def _check(key, value):
    """Refuse an answer that is none."""
    values = [answer.value for answer in QUESTIONS[key].answers]
    if value is not None and value not in values:
        raise ValueError(
            f"{key}={value!r} is no answer to {QUESTIONS[key].text!r}. Pass one of "
            f"{', '.join(map(repr, values))}, or None where it is not known."
        )


def _answers(diagnosis):
    """Return what a diagnosis answers."""
    if not hasattr(diagnosis, "answers"):
        raise TypeError(
            f"diagnosis is of type {type(diagnosis).__name__}, and what diagnose returns was "
            "expected. Answers are passed by name, such as data='table'."
        )
    return diagnosis.answers
