"""Tables of the docs out of the one table of methods."""

import functools
import inspect
from pathlib import Path

from _markdown import markdown

import domadapt
from domadapt import shallow
from domadapt.experiments.tasks import ON_PAIRS
from domadapt.methods import ADAPTERS, METHODS
from domadapt.training.optimization import dann_alignment

PAGES = Path(__file__).parent.parent / "docs" / "methods"
HEADS = {
    "methods": ["method", "family", "learns", "estimator", "name", "setting", "recipe of", "paper"],
    "family": ["method", "name", "estimator", "criteria"],
    "values": ["method", "name", "estimator", "criteria", "page"],
    "estimators": ["name", "", "page"],
    "adapters": ["method", "family", "learns", "adapter", "name", "setting", "paper"],
    "adapters of a family": ["method", "name", "adapter", "learns"],
    "recipes": [
        *("recipe of", "methods", "learning rate", "decay per update", "weight decay"),
        *("updates x epochs", "estimator", "criterion"),
    ],
}


def learns(method):
    """Return what a method learns, out of classes and values."""
    if method.name == "source":
        return ["classes", "values"]
    return [what for what in ("classes", "values") if getattr(method, what) is not None]


def estimators_of(method, kinds=("classes", "values")):
    """Return the names of the estimators of a method, as code."""
    own = {
        "classes": method.classifier or "AlignmentClassifier",
        "values": method.regressor or "AlignmentRegressor",
    }
    return ", ".join(f"`{own[what]}`" for what in learns(method) if what in kinds)


def names_of(method):
    """Return the names of a method in ``alignment=``, as code."""
    if method.name == "source":
        return "`None`; `source` in `--methods`"
    return ", ".join(f"`{name}`" for name in (method.name, method.also) if name is not None)


def criteria_of(build):
    """Return the criteria that a method builds, with parameters other than the defaults."""
    criteria = build()
    if not isinstance(criteria, list):
        return f"`{described(criteria)}`"
    return " + ".join(f"{weight:g} `{described(criterion)}`" for weight, criterion in criteria)


def described(criterion):
    """Return the name of a criterion, and the parameters that are not the defaults."""
    defaults = inspect.signature(type(criterion)).parameters
    changed = {
        name: value
        for name, value in criterion.get_params().items()
        if value != defaults[name].default
    }
    shown = ", ".join(f"{name}={value!r}" for name, value in changed.items())
    return type(criterion).__name__ + (f"({shown})" if shown else "")


def both_criteria(method):
    """Return the criteria for classes and, where they are others, those for values."""
    found = {criteria_of(getattr(method, what)): what for what in reversed(learns(method))}
    if len(found) == 1:
        return next(iter(found))
    return ", ".join(f"{criteria} for {what}" for criteria, what in reversed(found.items()))


def link(method, folder=""):
    """Return a link to the page of the family of a method."""
    heading = (PAGES / f"{method.family}.md").read_text().partition("\n")[0]
    return f"[{heading.removeprefix('# ').lower()}]({folder}{method.family}.md)"


def setting_of(method):
    """Return what is known of the domains, and whether there are two stages."""
    return method.setting + (", two stages" if method.stages == 2 else "")


def all_methods():
    """Write a row for each method."""
    return markdown(
        HEADS["methods"],
        (
            [
                method.title,
                "" if method.name == "source" else link(method),
                ", ".join(learns(method)),
                estimators_of(method),
                names_of(method),
                setting_of(method),
                method.recipe.published_for,
                method.paper,
            ]
            for method in METHODS.values()
        ),
    )


def methods_of(family):
    """Write a row for each method of a family."""
    return markdown(
        HEADS["family"],
        (
            [method.title, names_of(method), estimators_of(method), both_criteria(method)]
            for method in METHODS.values()
            if method.family == family
        ),
    )


def methods_for_values():
    """Write a row for each method that learns values."""
    return markdown(
        HEADS["values"],
        (
            [
                method.title,
                names_of(method),
                estimators_of(method, ["values"]),
                criteria_of(method.values),
                "below" if method.family == "regression" else link(method),
            ]
            for method in METHODS.values()
            if method.values is not None
        ),
    )


def estimators():
    """Write a row for each estimator with the name of a method."""
    rows = []
    for method in METHODS.values():
        for name in (method.classifier, method.regressor):
            if name is not None and method.name != "source":
                summary = inspect.getdoc(getattr(domadapt, name)).partition("\n")[0]
                rows.append([f"`{name}`", summary, link(method, "methods/")])
    return markdown(HEADS["estimators"], rows)


def adapters():
    """Write a row for each adapter."""
    return markdown(
        HEADS["adapters"],
        (
            [
                method.title,
                link(method, "methods/"),
                ", ".join(method.learns),
                f"`{method.adapter}`",
                adapter_names(method),
                method.setting,
                method.paper,
            ]
            for method in ADAPTERS.values()
        ),
    )


def adapters_of(family):
    """Write a row for each adapter of a family."""
    return markdown(
        HEADS["adapters of a family"],
        (
            [method.title, adapter_names(method), f"`{method.adapter}`", ", ".join(method.learns)]
            for method in ADAPTERS.values()
            if method.family == family
        ),
    )


def adapter_names(method):
    """Return the names of an adapter in ``adapter=``, as code."""
    return ", ".join(f"`{name}`" for name in (method.name, method.also) if name is not None)


def adapter_classes():
    """Write a row for each class of an adapter."""
    rows = []
    for method in ADAPTERS.values():
        summary = inspect.getdoc(getattr(shallow, method.adapter)).partition("\n")[0]
        rows.append([f"`{method.adapter}`", summary, link(method, "methods/")])
    return markdown(HEADS["estimators"], rows)


def recipes():
    """Write a row for each recipe, with the methods that fine-tune by it."""
    rows = []
    for method in METHODS.values():
        recipe = method.recipe
        if recipe.published_for != method.title:
            continue
        users = [m for m in ON_PAIRS.values() if m.recipe.published_for == method.title]
        own_weight = [m for m in users if m.recipe != recipe]
        rows.append(
            [
                method.title,
                ", ".join(f"`{m.name}`" + ("*" if m in own_weight else "") for m in users),
                f"{recipe.learning_rate:g}",
                f"{recipe.decay:g}",
                f"{recipe.weight_decay:g}",
                f"{recipe.steps_per_epoch} x {recipe.epochs}",
                settings(recipe.parameters),
                settings(recipe.criterion),
            ]
        )
    return markdown(HEADS["recipes"], rows)


def settings(parameters):
    """Return parameters as they stand in a call."""
    return ", ".join(f"`{name}={written(value)}`" for name, value in parameters.items())


def written(value):
    """Return a value as code."""
    if isinstance(value, functools.partial) and value.func is dann_alignment:
        return f"2 / (1 + exp(-{value.keywords['steepness']:g} p)) - 1"
    return repr(round(value, 4) if isinstance(value, float) else value)


def titles_of(family):
    """Return the titles of the methods of a family."""
    return [method.title for method in METHODS.values() if method.family == family]


def adapter_titles_of(family):
    """Return the titles of the adapters of a family."""
    return [method.title for method in ADAPTERS.values() if method.family == family]
