"""Fits of any method to any data with any parameters, good and bad, for property-based tests."""

import copy
import inspect
import re
import warnings

import numpy as np
import pandas as pd
import sklearn
import torch
from hypothesis import strategies as st
from scipy import sparse
from sklearn.base import is_classifier

from domadapt import alignment, estimators
from domadapt.methods import METHODS

# An epoch of two steps of a small network: a fit takes some milliseconds.
QUICK = {"max_epochs": 1, "steps_per_epoch": 2, "hidden_layer_sizes": 4, "batch_size": 8}
ARGUMENTS = ("X", "y", "X_target", "sample_domain", "sample_weight", "y_target", "target")


def _kinds():
    kinds = [(getattr(estimators, name), None) for name in estimators.__all__]
    for method in METHODS.values():
        for builder, name in (
            (method.classes, "AlignmentClassifier"),
            (method.values, "AlignmentRegressor"),
        ):
            if builder is not None:
                kinds.append((getattr(estimators, name), method.name))
    return kinds


KINDS = _kinds()
# Values that are taken, and values that are refused or make no sense with some data.
PARAMETERS = {
    "hidden_layer_sizes": ([None, 1, (4, 3), ()], [0, -1, "wide", (4, 0), (2.5,)]),
    "dropout": ([0.5, 0], [1.0, -0.1, "half"]),
    "batch_norm": (["auto", "per_domain", "joint", None], ["none", True]),
    "alignment_weight": ([0, 1, None], [1e6, -1, float("nan"), "high"]),
    "alignment_schedule": (["dann", "linear", lambda p: p], ["sine", lambda p: None]),
    "optimizer": (["sgd", "adam", "adamw"], ["lbfgs", None]),
    "learning_rate": ([1e-3, 0.1], [1e20, 0, -1, float("inf"), "fast"]),
    "learning_rate_schedule": (["dann", "constant", lambda p: 1.0], [lambda: 1.0]),
    "weight_decay": ([0, 0.1], [-1, 1e30]),
    "batch_size": ([2, 7, 1000], [1, 0, 2.5, None]),
    "max_epochs": ([2], [0, "ten"]),
    "steps_per_epoch": ([1, None], [0]),
    "precision": (["float32", "bfloat16"], ["float16"]),
    "device": (["cpu", "auto"], ["cuda:99", "tpu", 3]),
    "random_state": ([0, None, np.random.RandomState(0)], [-1, "seed", 2**40]),
    "label_smoothing": ([0, 0.5], [1, -1]),
    "focal_gamma": ([0, 2.0], [-1, float("inf")]),
    "class_weight": (["balanced", None], [{0: 1.0}, {0: -1.0, 1: 1.0}, "even"]),
    "loss_weights": (["fixed", "uncertainty", "gradnorm"], ["none"]),
    "freeze": ([False], [True, "yes"]),
    "backbone": ([None, torch.nn.Linear(3, 4)], ["resnet50", torch.nn.Identity()]),
    "alignment": (
        ["mmd", None, alignment.CORAL(), [(1.0, "MMD")]],
        ["nothing", alignment.MMD, [], 3],
    ),
}
# What may be spoiled in one fit; mostly nothing is.
ASPECTS = ["parameters", "values", "dtype", "form", "shape", "labels", "spelling", "more"]


@st.composite
def estimator(draw, bad):
    """Draw an estimator with some parameters of others than their defaults."""
    kind, name = draw(st.sampled_from(KINDS))
    known = inspect.signature(kind).parameters
    parameters = dict(QUICK) if name is None else {**QUICK, "alignment": name}
    for parameter in draw(st.lists(st.sampled_from(sorted(PARAMETERS)), max_size=3, unique=True)):
        if parameter in known:
            good, wrong = PARAMETERS[parameter]
            parameters[parameter] = draw(st.sampled_from(wrong if bad else good))
    return kind(**parameters)


@st.composite
def samples(draw, n, shape, bad):
    """Draw samples of a shape, in some container and dtype."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    scale = draw(st.sampled_from([1.0, 1.0, 1e-3, 1e4]))
    X = scale * rng.normal(size=(n, *shape))
    if "values" in bad and X.size:
        X *= draw(st.sampled_from([1.0, 0.0, 1e-30, 1e30, 1e300]))
        X.flat[rng.integers(X.size)] = draw(st.sampled_from([np.nan, np.inf, 0.0, 1e300]))
    elif draw(st.booleans()) and X.ndim == 2 and X.shape[1]:
        X[:, 0] = 3.0
    dtypes = ["c8", "U8", "M8[s]"] if "dtype" in bad else ["f4", "f8", "f2", "i4", "u1", "?", "O"]
    form = draw(st.sampled_from(ODD_FORMS if "form" in bad else FORMS))
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            X = X.astype(draw(st.sampled_from(dtypes)))
        return form(X)
    except (TypeError, ValueError):
        # Not every array has this form.
        return X


def _read_only(X):
    X.flags.writeable = False
    return X


FORMS = [
    lambda X: X,
    np.asfortranarray,
    lambda X: np.repeat(X, 2, axis=0)[::2],
    _read_only,
    lambda X: X.tolist(),
    lambda X: pd.DataFrame(X).rename(columns=str),
    sparse.csr_array,
    sparse.csr_matrix,
    sparse.csc_array,
    torch.from_numpy,
]
ODD_FORMS = [
    lambda X: X.reshape(len(X), -1).tobytes(),
    lambda X: iter(X),
    lambda X: X.ravel(),
    lambda X: list(map(np.atleast_2d, X)),
    lambda X: pd.DataFrame(X),
    lambda X: None,
    lambda X: "samples",
    lambda X: set(map(float, X.ravel())),
    lambda X: {"a": X},
    sparse.coo_array,
    sparse.dia_matrix,
]
CLASSES = [
    [0, 1, 2],
    [-1, 1],
    [5, 3, 9],
    ["a", "b", "c"],
    [True, False],
    [1.0, 2.0],
    [2**62, -(2**62)],
]
ODD_CLASSES = [
    [0.5, 1.5, 2.25],
    [1],
    [(0, 1), (1, 0)],
    ["a", None],
    ["a", 1],
    [np.nan, 1.0],
    [[1], [2]],
    [2**63 - 1, 0],
]


@st.composite
def labels(draw, n, bad):
    """Draw labels of some kind."""
    classes = draw(st.sampled_from(ODD_CLASSES if bad else CLASSES))
    chosen = [classes[i % len(classes)] for i in draw(st.permutations(range(n)))]
    if any(isinstance(label, tuple) for label in classes):
        y = np.empty(n, dtype=object)
        y[:] = chosen
        return y
    forms = [list, np.array, lambda v: np.array(v, dtype=object), pd.Series]
    return draw(st.sampled_from(forms))(chosen)


@st.composite
def values(draw, n, bad):
    """Draw values to predict."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = draw(st.sampled_from([(n,), (n,), (n, 1), (n, 2)]))
    y = rng.normal(size=shape) * draw(st.sampled_from([1.0, 1e-9, 1e12, 0.0]))
    forms = [lambda v: v, np.ndarray.tolist, pd.DataFrame, lambda v: v.astype(str)]
    if bad and y.size:
        y.flat[0] = draw(st.sampled_from([np.nan, np.inf, 1e200, 1e308]))
        forms += [
            lambda v: [None, *v[1:]],
            lambda v: ["text", *v[1:]],
            lambda v: v[..., None, None],
        ]
    return draw(st.sampled_from(forms))(y)


@st.composite
def fits(draw):
    """Draw an estimator and what its fit is given."""
    bad = draw(aspects())
    model = draw(estimator("parameters" in bad))
    return model, draw(arguments(model, bad))


@st.composite
def aspects(draw):
    """Draw what is spoiled in a fit; in half of them nothing is."""
    return draw(st.sets(st.sampled_from(ASPECTS), max_size=2)) if draw(st.booleans()) else set()


@st.composite
def arguments(draw, model, bad):
    """Draw what a fit of an estimator is given."""
    smallest = 0 if "shape" in bad else 6
    n_source, n_target = (draw(st.integers(smallest, 24)) for _ in range(2))
    shapes = [(3,), (3,), (3,), (1,), (1, 4, 4), (4, 5), (3, 2, 2)]
    shape = draw(st.sampled_from([(0,), (4, 4, 3), (), (2, 0, 2)] if "shape" in bad else shapes))
    truth = labels if is_classifier(model) else values
    usual = ["X_target", "X_target", "stacked", "stacked", "none"]
    spelling = draw(st.sampled_from(["both", "odd", "other"] if "spelling" in bad else usual))
    n = n_source + n_target if spelling in ("stacked", "odd") else n_source
    given = {"X": draw(samples(n, shape, bad)), "y": draw(truth(n, "labels" in bad))}
    if spelling in ("X_target", "both", "other"):
        other = (2,) if spelling == "other" else shape
        given["X_target"] = draw(samples(n_target, other, bad))
    if spelling in ("stacked", "both", "odd"):
        usual = [(1, -1), (1, -1), (1, 2, -1), (0.5, -3)]
        odd = [(1, 0, -1), (1,), (-1,), (np.nan, 1), ("a", "b")]
        numbers = draw(st.sampled_from(odd if spelling == "odd" else usual))
        given["sample_domain"] = [numbers[i % len(numbers)] for i in range(n)]
    if draw(st.integers(0, 3)) == 0:
        weights = [draw(st.sampled_from([1.0, 1.0, 0.5, 0.0])) for _ in range(n)]
        odd = [[-1.0] * n, weights[1:], [0.0] * n, "heavy"]
        given["sample_weight"] = draw(st.sampled_from(odd if "more" in bad else [weights]))
    if draw(st.integers(0, 3)) == 0 and spelling != "none":
        n_known = n_target if "X_target" in given else n
        some = ["a", np.nan, 0.5, 99] if "more" in bad else [None, *list(given["y"])[:3]]
        known = np.empty(n_known, dtype=object)
        known[:] = [draw(st.sampled_from(some)) for _ in range(n_known)]
        given["y_target"] = known
    return given


def state_of_process(estimator):
    """Return what a fit must leave as it is."""
    numpy_state = np.random.get_state()  # noqa: NPY002
    return {
        "torch": torch.get_rng_state().tolist(),
        # Without a seed one is drawn from there, as everywhere in scikit-learn.
        "numpy": estimator.random_state is None or repr(numpy_state),
        "sklearn": sklearn.get_config(),
        "dtype": torch.get_default_dtype(),
        "threads": torch.get_num_threads(),
        "gradients": torch.is_grad_enabled(),
        "warnings": list(warnings.filters),
        "numpy errors": np.geterr(),
    }


def picture(value):
    """Return a text of an argument, its numbers included, to tell whether it was changed."""
    if sparse.issparse(value):
        return [value.format, value.shape, str(value.dtype), value.toarray().tobytes()]
    if isinstance(value, torch.Tensor):
        value = value.numpy()
    if isinstance(value, np.ndarray) and value.dtype != object:
        return [value.dtype.str, value.shape, value.flags.writeable, value.tobytes()]
    return None if hasattr(value, "__next__") else repr(copy.deepcopy(value))


def names_a_parameter(estimator, message):
    """Return whether a message speaks of something that was given."""
    parameters = estimator.get_params(deep=True)
    names = {name.rpartition("__")[2] for name in parameters} | set(ARGUMENTS)
    return bool(names & set(re.findall(r"\w+", message)))
