"""The table of methods: its names, its classes, what these align by, and its recipes."""

import importlib
import re
from pathlib import Path

import pytest

import domadapt
from domadapt import AlignmentClassifier, AlignmentRegressor, DANClassifier, estimators
from domadapt.alignment import MMD
from domadapt.estimators._deep import resolve
from domadapt.experiments.recipes import fine_tuning
from domadapt.methods import BY_NAME, CLASSES, METHODS

GENERAL = {"classes": AlignmentClassifier, "values": AlignmentRegressor}
DOCS = Path(domadapt.__file__).parents[1] / "docs" / "methods"

NAMED = [
    pytest.param(method, learns, name, id=name)
    for method in METHODS.values()
    for learns, name in (("classes", method.classifier), ("values", method.regressor))
    if name is not None and method.name != "source"
]
OF_CLASSES = [method for method in METHODS.values() if method.classes or method.name == "source"]


def id_of(method):
    return method.name


def described(alignment):
    """Return kinds, weights and parameters of criteria, which are compared by identity."""
    terms = alignment if isinstance(alignment, list) else [(1.0, alignment)]
    return [(weight, type(criterion), criterion.get_params()) for weight, criterion in terms]


# Names and classes.


def test_every_estimator_is_in_the_table_exactly_once():
    named = [name for m in METHODS.values() for name in (m.classifier, m.regressor) if name]
    assert len(named) == len(set(named))
    # What is general takes all methods; for classes it stands for the source alone.
    assert METHODS["source"].classifier == "AlignmentClassifier"
    assert {*named, "AlignmentRegressor"} == set(estimators.__all__) == CLASSES
    for name in named:
        assert getattr(domadapt, name) is getattr(estimators, name)


def test_names_and_titles_are_each_of_one_method():
    others = [method.also for method in METHODS.values() if method.also]
    assert len(BY_NAME) == len(METHODS) + len(others) == len({*METHODS, *others})
    assert all(name == method.name for name, method in METHODS.items())
    assert len({method.title for method in METHODS.values()}) == len(METHODS)
    for name in BY_NAME:
        assert re.fullmatch("[a-z0-9_]+", name)


@pytest.mark.parametrize("method", METHODS.values(), ids=id_of)
def test_an_entry_agrees_with_itself(method):
    learns = method.classes or method.values
    assert bool(learns) == (method.name != "source")
    assert bool(method.paper) == (method.name != "source")
    assert method.classifier is None or method.classes or method.name == "source"
    assert method.regressor is None or method.values
    assert method.stages in (1, 2)
    # What is trained in two stages has to have a class that does so.
    assert method.stages == 1 or method.classifier
    assert (DOCS / f"{method.family}.md").is_file()


@pytest.mark.parametrize(("method", "learns", "name"), NAMED)
def test_a_class_is_in_the_file_of_its_family_and_cites_the_paper(method, learns, name):
    kind = getattr(domadapt, name)
    assert kind._learns == learns
    assert len(kind._stages) == method.stages
    families = {"classes": {method.family}, "values": {method.family, "regression"}}[learns]
    assert kind.__module__.rpartition(".")[2] in families
    family = importlib.import_module(kind.__module__)
    assert name in family.__all__
    surname = re.match(r"\w+", method.paper).group()
    (year,) = re.findall(r"\((\d{4})\)", method.paper)
    references = kind.__doc__.partition("References")[2]
    assert re.search(rf"{surname}[^.]*\({year}\)", references)
    assert name in "\n".join((DOCS / f"{family}.md").read_text() for family in families)


# Criteria.


@pytest.mark.parametrize(("method", "learns", "name"), NAMED)
def test_a_name_stands_for_the_criteria_of_its_class(method, learns, name):
    own = resolve(getattr(domadapt, name)().alignment, learns)
    by_name = resolve(GENERAL[learns](method.name).alignment, learns)
    assert isinstance(own, list) == isinstance(by_name, list)
    assert described(own) == described(by_name)


@pytest.mark.parametrize("name", sorted(BY_NAME))
@pytest.mark.parametrize("learns", ["classes", "values"])
def test_a_name_builds_new_criteria_every_time(learns, name):
    if getattr(BY_NAME[name], learns) is None:
        with pytest.raises(ValueError, match=f"alignment='{name}' is unknown here") as raised:
            resolve(name, learns)
        offered = str(raised.value).partition("use one of")[2]
        assert f"'{name}'" not in offered
        return
    first, second = (resolve(name, learns) for _ in range(2))
    assert described(first) == described(second)
    terms = [some if isinstance(some, list) else [(1.0, some)] for some in (first, second)]
    for (_, one), (_, other) in zip(*terms, strict=True):
        assert one is not other


# Weights and parameters that a method of several criteria has.
SEVERAL = {
    "bsp": [(0.3, "DomainAdversarial", {}), (1e-4, "BSP", {"n_singular": 1})],
    "vada": [
        (1.0, "DomainAdversarial", {}),
        (0.3, "VirtualAdversarial", {}),
        (0.3, "EntropyMinimization", {"diversity": 0.0}),
    ],
    "dsn": [(1.0, "DomainSeparation", {}), (1.0, "DomainAdversarial", {})],
    "shot": [
        (1.0, "EntropyMinimization", {"diversity": 1.0}),
        (0.3, "CentroidLabels", {}),
    ],
}


def test_methods_of_several_criteria_have_their_weights():
    of_several = {
        name: method.classes()
        for name, method in METHODS.items()
        if method.classes and isinstance(method.classes(), list)
    }
    assert of_several.keys() == SEVERAL.keys()
    for name, alignment in of_several.items():
        for found, expected in zip(described(alignment), SEVERAL[name], strict=True):
            weight, kind, parameters = expected
            assert (found[0], found[1].__name__) == (weight, kind)
            assert parameters.items() <= found[2].items()


@pytest.mark.parametrize("also", [method.also for method in METHODS.values() if method.also])
def test_another_name_is_the_same_method(also):
    method = BY_NAME[also]
    assert METHODS[method.name] is method
    for learns in ("classes", "values"):
        if getattr(method, learns):
            assert described(resolve(also, learns)) == described(resolve(method.name, learns))


def test_mmd_by_name_is_the_criterion_to_the_last_bit(blobs, same):
    Xs, ys, Xt, _ = blobs
    small = {"hidden_layer_sizes": (8,), "max_epochs": 5, "batch_size": 32, "random_state": 0}
    by_name, by_object = (
        AlignmentClassifier(alignment, **small).fit(Xs, ys, X_target=Xt)
        for alignment in ("mmd", MMD())
    )
    assert same(by_name, by_object)
    assert by_name.history_ == by_object.history_
    assert same(by_name, DANClassifier(**small).fit(Xs, ys, X_target=Xt))
    assert not same(by_name, AlignmentClassifier(None, **small).fit(Xs, ys, X_target=Xt))


# Recipes.


@pytest.mark.parametrize("method", OF_CLASSES, ids=id_of)
def test_every_recipe_builds_an_estimator_whose_parameters_are_valid(method):
    recipe = method.recipe
    clf = fine_tuning(method.name)
    assert type(clf).__name__ == (method.classifier or "AlignmentClassifier")
    clf._validate_params()
    clf._check_parameters()
    assert (clf.learning_rate, clf.weight_decay) == (recipe.learning_rate, recipe.weight_decay)
    assert (clf.steps_per_epoch, clf.max_epochs) == (recipe.steps_per_epoch, recipe.epochs)
    assert recipe.parameters.items() <= clf.get_params(deep=False).items()
    if method.name == "source":
        assert clf.alignment is None
        return
    # The criteria are the method's, with what the recipe says of parameters that they have.
    expected = [
        (weight, kind, known | {n: v for n, v in recipe.criterion.items() if n in known})
        for weight, kind, known in described(method.classes())
    ]
    assert described(resolve(clf.alignment, "classes")) == expected
