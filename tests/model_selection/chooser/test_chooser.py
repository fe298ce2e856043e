"""The rules of the map, the walk through them, and what a diagnosis answers."""

import inspect
import json
from collections import defaultdict
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest

import domadapt
from domadapt import MethodChoice, choose_method, diagnose
from domadapt.model_selection.chooser._leaves import LEAVES, Leaf
from domadapt.model_selection.chooser._map import ROOT
from domadapt.model_selection.chooser._questions import QUESTIONS
from domadapt.model_selection.diagnosis._advice import METHODS

RESULTS = Path(domadapt.__file__).parent.parent / "benchmarks" / "results"


def ways(place, answers=()):
    """Every way from here to a leaf, as pairs of a question and an answer."""
    if isinstance(place, Leaf):
        yield dict(answers), place
        return
    for value, following in place.to.items():
        yield from ways(following, (*answers, (place.question.key, value)))


WAYS = list(ways(ROOT))


def test_the_questions_are_ten_and_the_parameters():
    parameters = list(inspect.signature(choose_method).parameters)
    assert len(QUESTIONS) == 10
    assert parameters == ["diagnosis", *QUESTIONS]
    for question in QUESTIONS.values():
        assert question.answer(question.usual) is not None
        assert min(len(question.help), len(question.example)) > 40
        values = "{" + ", ".join(f'"{v}"' for v in sorted(a.value for a in question.answers)) + "}"
        (line,) = [
            line
            for line in inspect.getdoc(choose_method).splitlines()
            if line.startswith(f"{question.key} : ")
        ]
        told = line.partition("{")[2].partition("}")[0].split(", ")
        assert "{" + ", ".join(sorted(told)) + "}" == values


def test_every_leaf_is_reached_and_no_question_is_asked_twice():
    assert {leaf.name for _, leaf in WAYS} == LEAVES.keys()
    for leaf in LEAVES.values():
        assert leaf.begin
        assert leaf.reason.endswith(".")
        assert leaf.beware.endswith(".")
    # A way with a question twice would have fewer answers than steps.
    for answers, _ in WAYS:
        assert [step.question.key for step in choose_method(**answers).path] == list(answers)


def test_the_function_walks_every_way_to_its_leaf():
    for answers, leaf in WAYS:
        choice = choose_method(**answers)
        assert isinstance(choice, MethodChoice)
        assert choice.leaf is leaf
        assert choice.open == ()
        assert {step.question.key: step.answer.value for step in choice.path} == answers
        # Other questions do not matter.
        for key in QUESTIONS.keys() - answers:
            for answer in QUESTIONS[key].answers:
                assert choose_method(**answers, **{key: answer.value}).leaf is leaf


@pytest.mark.parametrize("key", QUESTIONS)
def test_every_answer_leads_elsewhere_for_some_answers_of_the_others(key):
    values = [answer.value for answer in QUESTIONS[key].answers]
    found = defaultdict(set)
    for answers, _ in WAYS:
        others = {k: v for k, v in answers.items() if k != key}
        leaves = [choose_method(**others, **{key: value}).leaf.name for value in values]
        for (i, one), (j, two) in product(enumerate(leaves), repeat=2):
            if one != two:
                found[values[i]].add(values[j])
    for value in values:
        assert found[value] == set(values) - {value}


def test_what_is_not_answered_is_presumed_with_care_and_named():
    choice = choose_method()
    assert choice.leaf is LEAVES["tables"]
    assert choice.open[0] == "target_labels"
    assert list(choice.open) == [step.question.key for step in choice.path]
    choice = choose_method(data="images")
    assert choice.leaf is LEAVES["automatic"]
    assert "data" not in choice.open
    assert choice.open[-1] == "harm"


def test_it_is_printed_in_plain_sentences():
    choice = choose_method(proportions="alone", task="class")
    text = str(choice)
    assert repr(choice) == text
    for part in (choice.leaf.title, *choice.leaf.begin, f"docs/{choice.leaf.page}"):
        assert part in text
        assert part.replace('"', "&quot;") in choice._repr_html_()
    assert "Is a class or a number predicted? A class.\n" in text
    assert "Are the source rows still there? Yes (presumed)." in text
    assert text.endswith("target_labels, arrival, source, classes.")


@pytest.mark.parametrize("key", QUESTIONS)
def test_an_unknown_answer_is_refused_with_those_that_there_are(key):
    with pytest.raises(ValueError, match=f"{key}='perhaps' is no answer") as caught:
        choose_method(**{key: "perhaps"})
    assert all(repr(answer.value) in str(caught.value) for answer in QUESTIONS[key].answers)


def test_what_is_no_diagnosis_is_refused():
    with pytest.raises(TypeError, match="of type str, and what diagnose returns"):
        choose_method("few")


def drawn(shift):
    rng = np.random.default_rng(0)
    centres = np.array([[0.0, 0.0, 0.0], [3.0, 1.0, 0.0], [0.0, 3.0, 1.0]])
    ys = np.arange(400) % 3
    yt = rng.choice(3, 320, p=[0.1, 0.2, 0.7] if shift == "label" else None)
    Xs, Xt = (centres[y] + rng.normal(size=(len(y), 3)) for y in (ys, yt))
    if shift == "apart":
        # Where the classes of the source meet.
        Xt = centres.mean(axis=0) + 0.7 * rng.normal(size=(320, 3)) - [0.0, 0.0, 4.0]
    return Xs, ys, Xt


@pytest.mark.parametrize(
    ("shift", "answers", "leaf"),
    [
        ("none", {}, "plain"),
        ("label", {}, "label_shift"),
        ("apart", {}, "tables"),
        ("apart", {"data": "vectors", "harm": "little"}, "vectors"),
        ("label", {"classes": "new"}, "open_set"),
        ("none", {"overlap": "little"}, "tables"),
    ],
)
def test_a_diagnosis_answers_what_rows_can_tell(shift, answers, leaf):
    found = diagnose(*drawn(shift))
    choice = choose_method(found, **answers)
    assert choice.leaf is LEAVES[leaf]
    by = {step.question.key: step.by for step in choice.path}
    assert by["task"] == by["source"] == "diagnosis"
    assert by["target_labels"] == "presumed"
    assert all(by[key] == "you" for key in answers)
    if not answers:
        assert f"Begin with {choice.leaf.begin[0]}: docs/{choice.leaf.page}" in str(found)
        assert ", ".join(choice.open) in str(found)


@pytest.mark.parametrize(
    ("kind", "advice", "displacement", "leaf"),
    [
        ("covariate", "adapt", None, "weights"),
        ("concept", "do not adapt", None, "weights"),
        ("concept", "adapt with care", None, "tables"),
        ("covariate", "adapt", 9.0, "values_moved"),
        ("label", "do not adapt", 2.0, "values_plain"),
    ],
)
def test_what_plain_models_are_at_home_in_overlaps_enough(kind, advice, displacement, leaf):
    found = diagnose(*drawn("none"))
    found = replace(found, kind=kind, advice=advice, displacement=displacement)
    assert choose_method(found).leaf is LEAVES[leaf]


def test_a_diagnosis_of_numbers_and_of_several_sources_says_so():
    rng = np.random.default_rng(0)
    X, d = rng.normal(size=(200, 4)), np.repeat([1, 2, -1], [60, 60, 80])
    found = diagnose(X, rng.normal(size=200), sample_domain=d)
    assert found.answers["task"] == "number"
    assert (found.n_sources, found.answers["sources"]) == (2, "several")
    assert choose_method(found).leaf is LEAVES["values_plain"]
    moved = {"overlap": "little", "task": "class", "proportions": "kept"}
    assert choose_method(found, **moved).leaf is LEAVES["several"]


def test_the_adapters_of_the_ends_are_those_that_the_diagnosis_names():
    def adapters_of(leaf):
        return {call.split('"')[1] for call in leaf.begin if call.startswith("Adapted")}

    assert adapters_of(LEAVES["label_shift"]) <= set(METHODS["label"])
    assert adapters_of(LEAVES["weights"]) <= set(METHODS["covariate"])
    assert adapters_of(LEAVES["values_moved"]) <= set(METHODS["concept"])
    assert "mcc" in METHODS["concept"]
    assert set(METHODS["none"]) == adapters_of(LEAVES["plain"])


def cells_of(name):
    return json.loads((RESULTS / f"{name}.json").read_text())["cells"]


def means(cells, sets, value="score"):
    """Mean of each method over sets, each counted once."""
    of_sets = defaultdict(lambda: defaultdict(list))
    for cell in cells:
        if cell["set"] in sets:
            of_sets[cell["method"]][cell["set"]].append(cell[value])
    return {m: np.mean([np.mean(v) for v in by.values()]) for m, by in of_sets.items()}


def test_the_ends_are_what_was_measured():
    cells = cells_of("real_data")
    tables = [means(cells, {one}) for one in ("occupancy", "wisdm_activity")]
    sets = {"amazon_reviews_400", "mnist_usps"}
    sets |= {"office_caltech10/surf", "office_caltech10/mobilenetv2"}
    vectors = means(cells, sets)
    plain = ("source only", "extra trees", "logistic regression")
    assert max(vectors, key=vectors.get) == "MCC"
    assert min(vectors["SHOT"], vectors["MCC"]) > max(vectors[name] for name in plain)
    gains = {
        name: sum(one[name] - max(one[p] for p in plain) for one in tables) for name in tables[0]
    }
    assert max(gains.values()) < 0
    assert min(gains, key=gains.get) == "SHOT"

    few = cells_of("few_labels")
    activities, digits = (means(few, {one}) for one in ("wisdm_activity", "mnist_usps"))
    for found, best in (
        (activities, "source and few, extra trees"),
        (digits, "MCC with y_target"),
    ):
        assert max(found, key=found.get) == best

    for setting, better, worse in (
        ("open set", "OSBP", "source only"),
        ("partial", "PADA", "DANN"),
        ("several sources", "source only", "M3SDA"),
    ):
        other = [c for c in cells_of("other_settings") if c["setting"] == setting]
        found = means(other, {cell["set"] for cell in other}, "right")
        assert found[better] > found[worse]
