"""The map of methods as text: its lines of questions, its ends, and what is asked."""

from _markdown import markdown
from draw_method_map import NUMBERS, branch_title, branches, stations

from domadapt.model_selection.chooser._leaves import LEAVES, Leaf
from domadapt.model_selection.chooser._map import ROOT
from domadapt.model_selection.chooser._questions import QUESTIONS

TOP = "From the top."


def method_map():
    """Write every line of questions as a list, the first one and those that branch off."""
    parts, waiting = [], [(TOP, ROOT)]
    while waiting:
        title, fork = waiting.pop(0)
        line = stations(fork)
        parts += [f"**{title}**", "\n".join(row for station in line for row in rows_of(*station))]
        waiting += branches(line)
    return "\n\n".join(parts)


def rows_of(asked, exits, goes_on):
    """Return the rows of a list for one question."""
    question = asked.question
    rows = [f"- ({NUMBERS[question.key]}) {question.text}"]
    for answer, place in exits:
        to = link(place) if isinstance(place, Leaf) else f"see *{branch_title(question, answer)}*"
        rows.append(f"  - {answer} → {to}")
    return rows if goes_on is None else [*rows, f"  - {goes_on} → the next question"]


def link(leaf, start=""):
    """Return a link to the page of a leaf, from docs or from a folder in it."""
    return f"[{leaf.title}]({start}{leaf.page})"


def calls(leaf):
    """Return what a leaf begins with, as code."""
    return ", ".join(f"`{call}`" for call in leaf.begin)


def ends():
    """Write a paragraph for each leaf: what to begin with, why, what to beware of."""
    return "\n".join(
        f"- **{link(leaf)}**: {calls(leaf)}. {leaf.reason} *Beware:* {leaf.beware}"
        for leaf in LEAVES.values()
    )


def by_knowledge():
    """Write a row for each leaf: what one knows who ends there."""
    rows = [[leaf.known, link(leaf, "../"), calls(leaf)] for leaf in LEAVES.values()]
    return markdown(["what you know", "page", "begin with"], rows)


def question(key):
    """Write what a question means, a case, and the values of its answers."""
    asked = QUESTIONS[key]
    values = ", ".join(f'`{key}="{one.value}"` ({one.text})' for one in asked.answers)
    presumed = f'Where it is not known, `"{asked.usual}"` is presumed.'
    return f"{asked.help}\n\n*For example.* {asked.example}\n\n{values}. {presumed}"


TABLES = {
    "method map": method_map,
    "ends of the map": ends,
    "methods by what is known": by_knowledge,
}
