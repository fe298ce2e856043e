"""Weights of several sources: given, by distance to the target, or by what they tell of it."""

from collections.abc import Mapping

import numpy as np
from scipy import sparse, special
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.random_projection import SparseRandomProjection

from domadapt.domains.told_apart import tell_apart

# What a proxy A-distance is multiplied by: a source at 2, the largest, weighs exp(-4) of one at 0.
STEEPNESS = 2.0
# Nats a label below which a source's model tells nothing of the target.
LEAST_INFORMATION = 0.01
# Rows of each domain that are looked at, and columns, beyond which they are projected at random.
MOST_ROWS, MOST_COLUMNS = 2000, 500
FEWEST_ROWS = 10
TEMPERATURES = np.append(np.logspace(-0.5, 2, 26), np.inf)


def check_source_weights(estimator, domains):
    """Raise an error where sources cannot be weighed as asked, before anything is computed."""
    asked = estimator.source_weights
    if asked is None:
        return
    if domains.target is None:
        raise ValueError(
            f"source_weights={asked!r} weighs sources for a target, and none came. Pass both "
            "stacked with sample_domain, which numbers the sources, or source_weights=None."
        )
    if domains.n_sources < 2:
        raise ValueError(
            f"source_weights={asked!r} needs at least two sources, and sample_domain names "
            "1. Give each source a number of its own, 1, 2 and so on, in sample_domain, or pass "
            "source_weights=None."
        )
    if not isinstance(asked, str):
        _given(asked, domains.source_numbers)
        return
    if asked == "transferability" and domains.known is None:
        raise ValueError(
            "source_weights='transferability' is found from labels of the target, and y_target is "
            "None. Pass a few labels as y_target, or use source_weights='proxy_distance'."
        )
    if domains.source.are_paths and not estimator.freeze:
        raise ValueError(
            f"source_weights={asked!r} compares columns, and X holds paths of images. Use "
            "freeze=True, whose features are compared, or weights by the number of the source."
        )
    counts = [*np.bincount(domains.source_domain).tolist(), len(domains.target)]
    if min(counts) < FEWEST_ROWS:
        raise ValueError(
            f"source_weights={asked!r} needs {FEWEST_ROWS} samples of each source and of the "
            f"target, and there are {counts[:-1]} and {counts[-1]}. Pass weights by the number of "
            "the source."
        )


def with_source_weights(estimator, learnt, domains, parts, seed):
    """Return what was learnt from labels with the weights of samples times those of sources."""
    if estimator.source_weights is None:
        return learnt
    weight = learnt["weight"]
    if weight is None:
        n_known = 0 if domains.known is None else len(domains.known)
        weight = np.ones(len(domains.source) + n_known)
    of_source = _found(estimator, domains, parts, np.random.default_rng(seed))
    by_row = of_source[domains.source_domain]
    of_rows, of_known = np.split(weight, [len(by_row)])
    of_rows = of_rows * by_row
    if not of_rows.sum() > 0:
        raise ValueError(
            f"source_weights={estimator.source_weights!r} and the weights of samples leave no "
            "source sample with a weight above 0."
        )
    fitted = learnt["fitted"] | {"source_weights_": of_source / by_row.mean()}
    weight = np.concatenate([of_rows / of_rows.mean(), of_known])
    return learnt | {"weight": weight, "fitted": fitted}


def _given(weights, numbers):
    """Return weights by the numbers of sources as an array, checked."""
    names = numbers.tolist()
    if isinstance(weights, Mapping):
        if set(weights) != set(names):
            raise ValueError(
                f"source_weights has the numbers {list(weights)}, and sample_domain names the "
                f"sources {names}. A weight for each source was expected."
            )
        weights = [weights[name] for name in names]
    try:
        found = np.asarray(weights, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"source_weights={weights!r} holds what is no number: {error}") from error
    if found.shape != (len(names),):
        raise ValueError(
            f"source_weights has shape {found.shape}, and ({len(names)},) was expected: a weight "
            f"for each of the sources {names}, in this order."
        )
    if not (np.isfinite(found).all() and found.min() >= 0 and found.max() > 0):
        raise ValueError(
            f"source_weights={weights!r}: finite numbers of at least 0, some above, were expected."
        )
    return found


def _found(estimator, domains, parts, rng):
    """Return the weights of the sources, up to a factor."""
    asked, number = estimator.source_weights, domains.source_domain
    if not isinstance(asked, str):
        return _given(asked, domains.source_numbers)
    rows_of = [_some(np.flatnonzero(number == i), rng) for i in range(domains.n_sources)]
    project = _projection(parts["source"], rng)
    sources = [project(_dense(parts["source"], rows)) for rows in rows_of]
    target_rows = _some(np.arange(len(parts["target"])), rng)
    target = project(_dense(parts["target"], target_rows))
    if asked == "proxy_distance":
        distances = [tell_apart(part, target, rng).proxy_a_distance for part in sources]
        return np.exp(-STEEPNESS * np.array(distances))
    known = project(_dense(parts["labelled"], np.arange(len(domains.known))))
    tells = _classes_told if estimator._learns == "classes" else _values_told
    told = [
        tells(part, domains.y[rows], target, known, domains.y_known, domains.y)
        for part, rows in zip(sources, rows_of, strict=True)
    ]
    return np.maximum(told, LEAST_INFORMATION)


def _some(rows, rng):
    if len(rows) <= MOST_ROWS:
        return rows
    return np.sort(rng.choice(rows, MOST_ROWS, replace=False))


def _dense(samples, rows):
    X = samples.take(rows)
    if not sparse.issparse(X):
        X = np.asarray(X).reshape(len(rows), -1)
    return X


def _projection(samples, rng):
    """Return a function from rows to dense columns in float64, no more than there may be."""
    n_columns = int(np.prod(samples.X.shape[1:]))
    if n_columns <= MOST_COLUMNS:
        return lambda X: (X.toarray() if sparse.issparse(X) else X).astype(np.float64)
    projection = SparseRandomProjection(
        MOST_COLUMNS, dense_output=True, random_state=int(rng.integers(2**31))
    )
    projection.fit(np.empty((1, n_columns)))
    return lambda X: projection.transform(X.astype(np.float64))


def _standardised(X, by):
    """Return columns around the means of others in their standard deviations."""
    mean, scale = by.mean(axis=0), by.std(axis=0)
    return (X - mean) / np.where(scale > 1e-10 * np.maximum(abs(by).max(axis=0), 1e-300), scale, 1)


def _classes_told(source, y, target, known, y_known, every_y):
    """Return how much a source's linear model tells of known classes, in nats a label.

    The mean log-likelihood over that of a guess, at the temperature of the largest. Classes keep
    their names: a source whose classes are renamed in the target would teach the one classifier
    wrong ones.
    """
    classes = np.unique(every_y)
    logits = np.full((len(known), len(classes)), -np.inf)
    own = np.unique(y)
    if len(own) < 2:
        return 0.0
    # Each domain by itself, as batch normalisation by domain has it.
    model = LogisticRegression(max_iter=300).fit(_standardised(source, source), y)
    columns = np.searchsorted(classes, own)
    logits[:, columns] = model.predict_log_proba(_standardised(known, target))
    # What no source sample of a class can tell is a guess of little probability.
    logits = np.maximum(logits, np.log(1e-6))
    codes = np.searchsorted(classes, y_known)
    rows = np.arange(len(known))
    likelihoods = [
        special.log_softmax(logits / temperature, axis=1)[rows, codes].mean()
        for temperature in TEMPERATURES
    ]
    return max(likelihoods) + np.log(len(classes))


def _values_told(source, y, target, known, y_known, every_y):
    """Return how much a source's linear model tells of known values, in nats a value.

    Half the logarithm of the squared error of the mean of the sources over that of the model,
    whose answers are drawn towards the mean as far as is best.
    """
    model = Ridge().fit(_standardised(source, source), y)
    values, every_y = y_known.reshape(len(known), -1), every_y.reshape(len(every_y), -1)
    mean, scale = every_y.mean(axis=0), every_y.std(axis=0)
    scale = np.where(scale > 0, scale, 1)
    predicted = model.predict(_standardised(known, source)).reshape(values.shape)
    off, moved = (values - mean) / scale, (predicted - mean) / scale
    amount = np.clip((off * moved).sum() / max(np.square(moved).sum(), 1e-300), 0, 1)
    plain, left = np.square(off).sum(), np.square(off - amount * moved).sum()
    return np.log(plain / max(left, 1e-12 * plain)) / 2 if plain > 0 else 0.0
