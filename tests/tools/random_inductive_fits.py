"""Fits of what learns from another model, several tasks or few shots, for property-based tests."""

import functools
import inspect
import re

import numpy as np
import torch
from hypothesis import strategies as st
from random_fits import (
    ARGUMENTS,
    CLASSES,
    PARAMETERS,
    QUICK,
    arguments,
    aspects,
    labels,
    picture,
    samples,
    values,
)
from sklearn.base import is_classifier
from sklearn.linear_model import Ridge

from domadapt import AlignmentClassifier, AlignmentRegressor
from domadapt.inductive import (
    FewShotClassifier,
    FineTuneClassifier,
    FineTuneRegressor,
    MultiTaskClassifier,
    MultiTaskRegressor,
    SelfTaughtFeatures,
    TaskChainClassifier,
)

SHARED = {name: PARAMETERS[name] for name in PARAMETERS.keys() - {"alignment", "freeze"}}
ROWS = np.random.default_rng(0).normal(size=(12, 3))
SHAPES = [(3,), (3,), (3,), (3,), (1,), (1, 4, 4)]
ODD_SHAPES = [(0,), (4, 4, 3), (2, 0, 2), (5,)]

PENALISED = ["mean_regularised", "joint_features"]
# Values that are taken, and values that are refused or make no sense with some data.
OF_FINE_TUNING = {
    "strategy": (["full", "head", "gradual", "discriminative"], ["none"]),
    "rate_decay": ([1, 5.0], [0.5, "steep"]),
    "regularisation": (["l2_sp", "ewc", "distillation", None], ["l1"]),
    "regularisation_weight": ([0, 1.0, None], [1e9, -1]),
    "source_samples": ([ROWS, ROWS.tolist()], [None, "rows", ROWS[:, :2], {}, ROWS[:0]]),
    "n_reinitialised": ([0, 1, 9], [-1, 1.5]),
    "new_first_layer": ([True, False], ["new"]),
    "compare": ([True, False], [3]),
}
OF_TASKS = {
    "sharing": (
        [*("hard", "cross_stitch", "hierarchical", "shared_private"), *PENALISED],
        ["soft", None],
    ),
    "sharing_weight": ([0, 0.1, None], [-1, 1e9, "much"]),
    "task_weights": ([None, {"one": 1.0, "two": 0.0}], [{}, {"one": 0.0, "two": 0.0}, 3]),
    "then_alone": ([True, False], ["later"]),
    "learns": (
        [None, {"two": "values"}, {"one": "classes"}],
        [{"three": "classes"}, {"one": "texts"}, "classes"],
    ),
}
OF_A_CHAIN = {
    "strategy": (["ewc", "plain", "l2_sp", "distillation", "progressive"], ["none"]),
    "strategy_weight": ([0, 1.0, None], [-1, 1e9]),
    "validation_fraction": ([0.3, None], [0, 1.0, 0.999]),
}
OF_FEW_SHOTS = {
    "method": (["prototypes", "maml", "reptile"], ["siamese"]),
    "n_ways": ([2], [1, 50]),
    "n_shots": ([1, 2], [0, 50]),
    "n_queries": ([1], [0, 50]),
    "n_inner_steps": ([1, 3], [0]),
    "inner_learning_rate": ([0.1, 1.0], [0, 1e20]),
    "max_epochs": ([0, 1], [-1]),
}
OF_FEATURES = {
    "method": (["pca", "sparse_coding", "autoencoder"], ["ica", None]),
    "n_features": ([1, 2], [0, 100, 2.5]),
    "alpha": ([0, 0.1], [-1, 1e9]),
    "max_epochs": ([1, 2], [0]),
    "batch_size": ([1, 7, 100], [0]),
    "learning_rate": ([1e-3], [1e20, 0]),
    "device": (["cpu"], ["tpu"]),
    "random_state": ([0, None, np.random.RandomState(0)], [-1]),
}


@functools.cache
def sources():
    """Return what can be started from, and what cannot."""
    settings = QUICK | {"alignment": None, "random_state": 0}
    images = np.random.default_rng(0).normal(size=(12, 1, 4, 4))
    words = np.array(["a", "b", "c"] * 4)
    good = [
        AlignmentClassifier(**settings).fit(ROWS, np.arange(12) % 3),
        AlignmentClassifier(**settings, dropout=0.5, batch_norm="joint").fit(ROWS, words),
        AlignmentClassifier(**settings).fit(images, words),
        AlignmentRegressor(**settings).fit(ROWS, ROWS[:, 0]),
        AlignmentRegressor(**settings).fit(ROWS, ROWS[:, :2]),
        torch.nn.Linear(3, 4),
    ]
    bad = [AlignmentClassifier(), None, 3, Ridge().fit(ROWS, ROWS[:, 0])]
    return good, bad


@st.composite
def parameters(draw, kind, own, bad, usual=()):
    """Draw some parameters of an estimator, its own ones more often than those of all."""
    known = inspect.signature(kind).parameters
    found = {name: value for name, value in QUICK.items() if name in known} | dict(usual)
    shared = [name for name in SHARED if name in known and name not in own]
    chosen = draw(st.lists(st.sampled_from(sorted(own)), max_size=3, unique=True))
    if shared:
        chosen += draw(st.lists(st.sampled_from(sorted(shared)), max_size=1))
    spoiled = draw(st.sampled_from(chosen)) if bad and chosen else None
    for name in chosen:
        good, wrong = own[name] if name in own else SHARED[name]
        found[name] = draw(st.sampled_from(wrong if name == spoiled else good))
    return found


@st.composite
def named_labels(draw, n, bad):
    """Draw labels, of which one class may have a single row."""
    if n < 3 or bad or draw(st.booleans()):
        return draw(labels(n, bad))
    classes = draw(st.sampled_from(CLASSES))
    others = classes[1:] * n
    chosen = [classes[0], *others[: n - 1]]
    return draw(st.sampled_from([list, np.array]))(chosen)


@st.composite
def task(draw, shape, bad, truth=named_labels):
    """Draw samples and labels of a task."""
    n = draw(st.integers(0 if "shape" in bad else 6, 24))
    X, y = draw(samples(n, shape, bad)), draw(truth(n, "labels" in bad))
    if truth is named_labels or draw(st.booleans()):
        return X, y
    return X, y, draw(st.sampled_from([[1.0] * n, np.arange(n) % 3, ["heavy"] * n]))


@st.composite
def shape_of(draw, bad):
    """Draw the shape of samples."""
    return draw(st.sampled_from(ODD_SHAPES if "shape" in bad else SHAPES))


@st.composite
def fine_tuning(draw, bad):
    """Draw a fit from a source: the estimator, what fit is given, and what predicts."""
    kind = draw(st.sampled_from([FineTuneClassifier, FineTuneClassifier, FineTuneRegressor]))
    good, wrong = sources()
    source = draw(st.sampled_from(wrong if "source" in bad else good))
    model = kind(source, **draw(parameters(kind, OF_FINE_TUNING, "parameters" in bad)))
    given = draw(arguments(model, bad))
    if is_classifier(model) and "labels" not in bad and draw(st.booleans()):
        given["y"] = draw(named_labels(len(given["y"]), False))
    return model, given, lambda fitted: predictions(fitted, given["X"])


def predictions(fitted, X, known=None, **task):
    """Return what is predicted, with the labels that it must be of and probabilities."""
    predicted = fitted.predict(X, **task)
    if not is_classifier(fitted) and known is None:
        return [(predicted, None, None)]
    known = fitted.classes_ if known is None else known
    return [(predicted, known, fitted.predict_proba(X, **task))]


@st.composite
def several_tasks(draw, bad):
    """Draw a fit of tasks that are learnt together."""
    kind = draw(st.sampled_from([MultiTaskClassifier, MultiTaskRegressor]))
    given = draw(parameters(kind, OF_TASKS, "parameters" in bad))
    model, shape = kind(**given), draw(shape_of(bad))
    tasks = {}
    for name in draw(st.sampled_from([["one", "two"], ["one", "two"], ["one"], []])):
        learns = model.learns if isinstance(model.learns, dict) else {}
        usual = "classes" if kind is MultiTaskClassifier else "values"
        truth = named_labels if learns.get(name, usual) == "classes" else values
        other = (2,) if "tasks" in bad and draw(st.booleans()) else shape
        tasks[name] = draw(task(other, bad, truth))
    if "tasks" in bad:
        odd = [tasks, tasks, {**tasks, "task_loss": ROWS}, {**tasks, 3: (ROWS, ROWS)}]
        tasks = draw(st.sampled_from([*odd, list(tasks.items()), None, {"one": 3}]))

    def ask(fitted):
        X = tasks["one"][0]
        probabilities = fitted.predict_proba(X)
        for name, predicted in fitted.predict(X).items():
            yield predicted, fitted.classes_.get(name), probabilities.get(name)

    return model, {"tasks": tasks}, ask


@st.composite
def chains(draw, bad):
    """Draw a fit of tasks one after the other."""
    model = TaskChainClassifier(
        **draw(parameters(TaskChainClassifier, OF_A_CHAIN, "parameters" in bad))
    )
    shape = draw(shape_of(bad))
    names = draw(st.sampled_from([["one"], ["one", "two"], ["one", "two", "three"]]))
    tasks = {}
    for name in names:
        other = (2,) if "tasks" in bad and draw(st.booleans()) else shape
        tasks[name] = draw(task(other, bad))

    def ask(fitted):
        X = tasks["one"][0]
        for name in names:
            yield from predictions(fitted, X, fitted.classes_[name], task=name)

    return model, {"tasks": tasks}, ask


@st.composite
def few_shots(draw, bad):
    """Draw a fit to many classes, and shots of others."""
    usual = {"n_ways": 2, "n_shots": 1, "n_queries": 1}
    own = draw(parameters(FewShotClassifier, OF_FEW_SHOTS, "parameters" in bad, usual))
    own.pop("batch_size", None)
    model, shape = FewShotClassifier(**own), draw(shape_of(bad))
    n = draw(st.integers(0 if "shape" in bad else 6, 24))
    given = {"X": draw(samples(n, shape, bad)), "y": draw(named_labels(n, "labels" in bad))}
    shots = draw(task(shape, bad)) if draw(st.booleans()) else None

    def ask(fitted):
        yield from predictions(fitted, given["X"])
        if shots is not None:
            yield from predictions(fitted.adapt(*shots), given["X"])

    return model, given, ask


@st.composite
def features(draw, bad):
    """Draw a fit to rows without labels."""
    model = SelfTaughtFeatures(
        **{"n_features": 2, "max_epochs": 1}
        | draw(parameters(SelfTaughtFeatures, OF_FEATURES, "parameters" in bad))
    )
    n = draw(st.integers(0 if "shape" in bad else 3, 24))
    given = {"X": draw(samples(n, draw(shape_of(bad)), bad))}
    return model, given, lambda fitted: [(fitted.transform(given["X"]), None, None)]


@st.composite
def inductive_fits(draw):
    """Draw an estimator, what its fit is given, and what it is asked then."""
    bad = draw(aspects())
    if bad and draw(st.booleans()):
        bad = bad | {"source", "tasks"}
    kinds = [fine_tuning, fine_tuning, several_tasks, chains, few_shots, features]
    return draw(draw(st.sampled_from(kinds))(bad))


def pictures(value):
    """Return texts of all that an argument holds, to tell whether it was changed."""
    if isinstance(value, dict):
        return {name: pictures(part) for name, part in value.items()}
    if isinstance(value, tuple):
        return [pictures(part) for part in value]
    return picture(value)


def speaks_of_it(estimator, message):
    """Return whether a message names a parameter or an argument of the fit."""
    if isinstance(estimator, SelfTaughtFeatures):
        # scikit-learn reads its rows, in its own words.
        return bool(message)
    names = {*estimator.get_params(deep=False), *ARGUMENTS, "task", "tasks", "X"}
    return bool(names & set(re.findall(r"\w+", message)))
