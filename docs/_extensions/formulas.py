"""Formulas as MathML, which browsers draw themselves: no script, nothing from elsewhere."""

import re

from docutils import nodes
from latex2mathml.converter import convert

# What the converter does not know, and how it is said instead.
OTHERWISE = {
    r"\\arg(?![a-zA-Z])": r"\mathrm{arg}\,",
    r"\\[bB]igg?[lrm]?(?=\\(?:[lr]Vert|\|))": "",
}
# A command that it does not know stays in the text.
UNKNOWN = re.compile(r">\\[^<\s]+<")
# A command that was escaped twice is a new line and letters.
TWICE = re.compile(r"\\\\[a-zA-Z]")


def written(formula, *, display):
    """Return a formula as MathML."""
    if display == "inline" and TWICE.search(formula):
        raise ValueError(f"A command in {formula!r} is escaped twice.")
    for command, known in OTHERWISE.items():
        formula = re.sub(command, lambda _, known=known: known, formula)
    text = convert(formula, display=display)
    if UNKNOWN.search(text):
        raise ValueError(f"MathML cannot say {formula!r}: {UNKNOWN.findall(text)}")
    return text


def visit_math(translator, node):
    """Write a formula within a line."""
    translator.body.append(written(node.astext(), display="inline"))
    raise nodes.SkipNode


def visit_math_block(translator, node):
    """Write a formula of its own."""
    formula = written(node.astext(), display="block")
    translator.body.append(f'<div class="formula">{formula}</div>')
    raise nodes.SkipNode


def setup(app):
    """Offer the writer, and choose it."""
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_math_block, None))
    app.config.html_math_renderer = "mathml"
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
