"""The pages of every public name: signature and docstring, formula, cost, harm, measured rows.

The names are those of the packages' ``__all__``. What a method is stands on the page of its family
in docs/methods, and what it reached in the tables there; the page of a name repeats both.
"""

import functools
import importlib
import inspect
import re
from pathlib import Path

from domadapt.methods import ADAPTERS, METHODS

DOCS = Path(__file__).parents[1]
MODULES = {
    "domadapt": "Estimators, and what prepares samples for them",
    "domadapt.alignment": "Alignment criteria",
    "domadapt.shallow": "Adapters around scikit-learn's estimators",
    "domadapt.model_selection": "Choosing without target labels",
    "domadapt.plotting": "Pictures of domains, features and losses",
    "domadapt.inductive": "A few labels, several tasks, new classes",
    "domadapt.methods": "The table of methods",
    "domadapt.training": "The training step and its parts",
    "domadapt.nn": "Networks and layers",
    "domadapt.datasets": "Loaders",
}
# A dict or a set has no docstring of its own.
DATA = {
    "METHODS": "Every method with a network as a `Method`, by its name in `alignment=`.",
    "BY_NAME": "The same, by other names that they go by too.",
    "CLASSES": "The names of the classes of these methods.",
    "ADAPTERS": "Every adapter as an `AdapterMethod`, by its name in `adapter=`.",
    "ADAPTER_NAMES": "The same, by other names that they go by too.",
    "WRAPPERS": "The names of the classes that take an adapter.",
}
# What every estimator or module has, and the libraries they come from describe.
INHERITED = "BaseEstimator, Module, TransformerMixin, ClassifierMixin, RegressorMixin, dict, tuple"
BULLET = re.compile(r"^- (Use|Costs|Fails|Harms|Paper|Asks for|Criterion): ", re.MULTILINE)


@functools.cache
def names():
    """Return the public names of each module; one that two modules have stands in the first."""
    found, seen = {}, set()
    for module in MODULES:
        every = importlib.import_module(module).__all__
        found[module] = [name for name in every if name not in seen]
        seen |= set(every)
    return found


@functools.cache
def pages_of_names():
    """Return where each public name is described, as a full name."""
    return {name: f"{module}.{name}" for module, every in names().items() for name in every}


@functools.cache
def sections():
    """Return the paragraphs of the pages of methods, each with its page and its heading."""
    found = []
    for path in sorted((DOCS / "methods").glob("*.md")):
        for part in re.split(r"^(?=##+ )", path.read_text(), flags=re.MULTILINE)[1:]:
            heading, _, text = part.partition("\n")
            if BULLET.search(text):
                found.append((path.name, heading.lstrip("# "), text.strip()))
    return found


def section_of(name):
    """Return page, heading and text of the method that a name belongs to, or None.

    A paragraph may name others besides: its own stands right after "Use" or "Criterion", or comes
    first. One of another family counts only where its family has none.
    """
    methods = methods_of(name)
    own = {f"{method.family}.md" for method in methods}
    found = []
    for page, heading, text in sections() if methods else []:
        is_its_own = bool(re.search(rf"(?:Use|Criterion):\s+`{name}`", text))
        for bullet in re.findall(r"^- (?:Use|Criterion): (?:.|\n  )*", text, re.MULTILINE):
            if said := re.search(rf"`{name}\b|\({name}\(", bullet):
                rank = page not in own, not is_its_own, said.start()
                found.append((*rank, (page, heading, text)))
    return min(found)[-1] if found else None


def opening(page):
    """Return what a page says at its top: what its methods do, when to take them, what they assume.

    Nothing where each of its methods has another use.
    """
    top = (DOCS / "methods" / page).read_text().partition("\n## ")[0]
    _, first, *others = top.split("\n\n")
    kept = [text for text in others if text.startswith(("**When.**", "**What it assumes.**"))]
    return [first, *kept] if kept else []


def moved(text, page="index.md"):
    """Return a part of a page in docs/methods with the links that it needs in docs/api."""
    text = text.replace("](#", f"]({page}#")
    text = re.sub(r"\]\((?!\.\.|#|/)", "](../methods/", text)
    return re.sub(r"\]\(\.\./(?!methods/)", "](../", text)


@functools.cache
def measured_tables():
    """Return the tables of target accuracy on the page of methods: what is above, head, rows."""
    found = []
    for path in (DOCS / "methods" / "index.md", DOCS / "without_a_network.md"):
        text = path.read_text().partition("## Measured")[2]
        for above, table in re.findall(r"^([^|\n]+)\n\n((?:\|.*\n)+)", text, re.MULTILINE):
            head, line, *rows = table.splitlines()
            found.append((above, [head, line], rows))
    return found


def tables_of(name):
    """Return the tables that hold what a name learns: classes, values, or both."""
    is_of_one = "Regress" in name or name.endswith("Classifier")
    return [
        table
        for table in measured_tables()
        if not is_of_one or table[0].startswith("Values") == ("Regress" in name)
    ]


def measured(name):
    """Return the rows of the methods of a name, and plain ones for comparison."""
    titles, parts = {method.title for method in methods_of(name)}, []
    for above, head, rows in tables_of(name):
        # Of an adapter the estimator stands behind it, which stands alone in another row.
        named = [(row, *row.split("|")[1].strip().partition(" + ")) for row in rows]
        own = [row for row, title, _, _ in named if title in titles]
        beside = {estimator for _, title, _, estimator in named if title in titles}
        plain = [row for row, title, _, _ in named if title in beside - {""} | {"source only"}]
        if own:
            parts.append("\n".join([above, "", *head, *own, *plain]))
    return "\n\n".join(parts)


@functools.cache
def names_of_methods():
    """Return the public names of each method: its estimators and its criteria."""
    found = {}
    for method in METHODS.values():
        criteria = []
        for made in (make() for make in (method.classes, method.values) if make is not None):
            criteria += [c for _, c in made] if isinstance(made, list) else [made]
        own = {method.classifier, method.regressor, *(type(c).__name__ for c in criteria)}
        found[method.name] = own
    return {name: every - {None} for name, every in found.items() if name != "source"}


def methods_of(name):
    """Return the entries of the tables of methods that a public name stands for."""
    own = [METHODS[key] for key, every in names_of_methods().items() if name in every]
    return own + [m for m in ADAPTERS.values() if m.adapter == name]


def relatives(name):
    """Return the names that share a method with this one: its criterion, its estimators."""
    found = set().union(*(every for every in names_of_methods().values() if name in every))
    return sorted((found - {name}) & pages_of_names().keys())


def contents(name, value):
    """Return what a dict of methods or a set of names holds."""
    if isinstance(value, dict):
        rows = [f"| `{key}` | {entry.title} | {entry.paper} |" for key, entry in value.items()]
        listed = "\n".join(["| key | method | paper |", "|---|---|---|", *rows])
    else:
        listed = ", ".join(f"`{one}`" for one in sorted(value))
    return [DATA[name], listed]


def page(module, name):
    """Return the page of a public name as MyST Markdown."""
    value = getattr(importlib.import_module(module), name)
    kind = "autoclass" if inspect.isclass(value) else "autofunction"
    options = []
    if inspect.isclass(value):
        options = [":members:", f":inherited-members: {INHERITED}", ":no-index-entry:"]
    elif not callable(value):
        kind, options = "autodata", [":no-value:"]
    # The search finds a name by itself. What its method is stands on the page of the family, and
    # what the parameters of all are on the pages of those that take any criterion.
    repeats = hasattr(value, "get_params") and len(inspect.signature(value).parameters) > 20
    repeats = (repeats or section_of(name) is not None) and not name.startswith("Alignment")
    parts = ["---\nnosearch: true\n---"] if repeats else []
    parts += [
        f"# {name}",
        "\n".join(
            ["```{eval-rst}", f".. currentmodule:: {module}", "", f".. {kind}:: {name}"]
            + [f"   {option}" for option in options]
            + ["```"]
        ),
    ]
    if kind == "autodata":
        parts += contents(name, value)
    found = section_of(name)
    if found is not None:
        where, heading, text = found
        parts += ["## The method", f"From [{heading}](../methods/{where})."]
        parts += [moved(part, where) for part in (*opening(where), text)]
    rows = measured(name)
    if rows:
        link = "How it was measured, and all methods: [measured](../results.md)."
        parts += ["## Measured", link, moved(rows)]
    if relatives(name):
        listed = ", ".join(f"`{one}`" for one in relatives(name))
        parts += ["## See also", f"Of the same method: {listed}."]
    if hasattr(value, "get_params"):
        parts += ["What metadata routing needs is there too, as in all of scikit-learn."]
    parts += [f"```{{eval-rst}}\n.. minigallery:: {module}.{name}\n```"]
    return "\n\n".join(parts) + "\n"


def module_page(module):
    """Return the page that lists the public names of a module."""
    listed = "\n".join(f"   {name}" for name in names()[module])
    table = f"```{{eval-rst}}\n.. currentmodule:: {module}\n\n.. autosummary::\n   :nosignatures:\n"
    tree = "\n".join(f"{module}.{name}" for name in names()[module])
    return (
        f"# {module}\n\n{MODULES[module]}.\n\n{table}\n{listed}\n```\n\n"
        f"```{{toctree}}\n:hidden:\n\n{tree}\n```\n"
    )


def leave_out_inherited(app, what, name, value, options, lines):
    """Leave out what torch says of each module, and Python of each dict and set."""
    is_of_torch = lines and lines[0].startswith("Define the computation performed at every call")
    if what == "data" or is_of_torch:
        lines.clear()


def write_pages(app):
    """Write the pages of all names; one that is as it was is not touched."""
    folder = Path(app.srcdir) / "api"
    folder.mkdir(exist_ok=True)
    texts = {f"{module}.md": module_page(module) for module in MODULES}
    for module, every in names().items():
        texts |= {f"{module}.{name}.md": page(module, name) for name in every}
    for path in folder.glob("*.md"):
        if path.name not in texts:
            path.unlink()
    for file, text in texts.items():
        path = folder / file
        if not path.exists() or path.read_text() != text:
            path.write_text(text)


def setup(app):
    """Write the pages before Sphinx looks for them."""
    app.connect("builder-inited", write_pages, priority=100)
    # Before numpydoc reads it.
    app.connect("autodoc-process-docstring", leave_out_inherited, priority=100)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
