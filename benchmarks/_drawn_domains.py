"""Domains drawn with no shift, a covariate shift, a label shift, and with moved columns."""

import numpy as np

# By the last part of their names.
DEVELOPED = (
    *("blobs", "correlated", "heavy", "unequal", "moons", "gauss", "mix", "uniform", "skew"),
    *("one gaussian", "logistic", "opposite", "gaussian of all"),
    *("translation", "columns", "scaling", "rotation", "per class", "affine"),
)


def class_sampler(rng, n_columns, n_classes, family):
    """Return a function that draws rows for labels."""
    if family in ("moons", "circles"):
        mix = _rotation(rng, n_columns) if rng.random() < 0.5 else np.eye(n_columns)
        noise = rng.uniform(0.1, 0.25)

        def draw(y, rng):
            angle = rng.uniform(0, np.pi if family == "moons" else 2 * np.pi, len(y))
            one = np.c_[np.cos(angle), np.sin(angle)]
            two = np.c_[1 - np.cos(angle), 0.5 - np.sin(angle)] if family == "moons" else one / 3
            Z = np.where((y % 2 == 0)[:, None], one, two) * 1.5
            Z += rng.normal(size=Z.shape) * noise
            return np.hstack([Z, rng.normal(size=(len(y), n_columns - 2))]) @ mix

        return draw
    centres = rng.normal(size=(n_classes, n_columns))
    apart = np.linalg.norm(centres[:, None] - centres, axis=2)[np.triu_indices(n_classes, 1)]
    centres *= rng.uniform(2.5, 5) / apart.mean()
    mixing = [np.eye(n_columns)] * n_classes
    if family == "correlated":
        mixing = [np.eye(n_columns) + _square(rng, n_columns, 0.5)] * n_classes
    elif family == "unequal":
        mixing = [np.eye(n_columns) * rng.uniform(0.6, 1.3) for _ in range(n_classes)]

    def draw(y, rng):
        shape = (len(y), n_columns)
        if family == "heavy":
            return centres[y] + rng.standard_t(4, size=shape) / np.sqrt(2)
        noise = rng.laplace if family == "laplace" else rng.normal
        noise = noise(size=shape) * (0.7 if family == "laplace" else 1.0)
        return centres[y] + np.einsum("ij,ijk->ik", noise, np.array(mixing)[y])

    return draw


CLASSES = ("blobs", "correlated", "heavy", "unequal", "moons", "circles", "laplace")


def _square(rng, n_columns, size):
    return size * rng.normal(size=(n_columns, n_columns)) / np.sqrt(n_columns)


def _rotation(rng, n_columns):
    return np.linalg.qr(rng.normal(size=(n_columns, n_columns)))[0]


def _sizes(rng):
    return int(rng.integers(300, 2001)), int(rng.integers(300, 2001))


def _noisy(y, n_classes, rng):
    """Return labels of which none, 5 or 10 % are drawn anew."""
    y, wrong = y.copy(), rng.random(len(y)) < rng.choice([0, 0, 0.05, 0.1])
    y[wrong] = rng.integers(n_classes, size=wrong.sum())
    return y


def _classes(rng):
    family = str(rng.choice(CLASSES))
    n_columns, n_classes = int(rng.integers(2, 21)), int(rng.integers(2, 5))
    n_classes = 2 if family in ("moons", "circles") else n_classes
    return n_columns, n_classes, family, class_sampler(rng, n_columns, n_classes, family)


def population(rng, n_rows=30_000):
    """Return many rows of one population, whose labels are a function of the columns."""
    n_columns, n_classes = int(rng.integers(2, 21)), int(rng.integers(2, 5))
    family = str(rng.choice(["gauss", "mix", "uniform", "skew", "blobs", "heavy"]))
    shape = (n_rows, n_columns)
    if family == "gauss":
        X = rng.normal(size=shape) @ (np.eye(n_columns) + _square(rng, n_columns, 0.4))
    elif family == "uniform":
        X = rng.uniform(-1.7, 1.7, size=shape)
    elif family == "skew":
        X = rng.gamma(2, 1, size=shape) / np.sqrt(2)
    else:
        z = rng.integers(n_classes, size=n_rows)
        kind = "heavy" if family == "heavy" else "blobs"
        X = class_sampler(rng, n_columns, n_classes, kind)(z, rng)
        if family != "mix":
            return X, _noisy(z, n_classes, rng), family
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    rule = str(rng.choice(["linear", "cells", "squares", "waves"]))
    if rule == "cells":
        centres = Z[rng.choice(n_rows, n_classes)]
        y = np.argmin(np.square(Z[:, None] - centres).sum(axis=2), axis=1)
    else:
        along = Z @ rng.normal(size=n_columns)
        value = {
            "linear": along,
            "squares": np.square(Z[:, :2]).sum(axis=1) + Z[:, -1],
            "waves": np.sin(2 * Z[:, 0]) + Z[:, -1],
        }[rule]
        y = np.digitize(value, np.quantile(value, np.arange(1, n_classes) / n_classes))
    return X, _noisy(y, n_classes, rng), family


def draw_none(rng):
    """Return two samples of one distribution."""
    n_source, n_target = _sizes(rng)
    if rng.random() < 0.5:
        _, n_classes, family, draw = _classes(rng)
        y = rng.integers(n_classes, size=n_source + n_target)
        X, y = draw(y, rng), _noisy(y, n_classes, rng)
    else:
        X, y, family = population(rng, n_source + n_target)
    return X[:n_source], y[:n_source], X[n_source:], y[n_source:], family


def draw_label(rng):
    """Return domains whose class proportions differ by at least a fifth of the rows."""
    _, n_classes, family, draw = _classes(rng)
    n_source, n_target = _sizes(rng)
    while True:
        p, q = (rng.dirichlet(np.full(n_classes, a)) for a in (3.0, 1.5))
        if p.min() > 0.08 and abs(p - q).sum() / 2 > 0.2:
            break
    ys, yt = rng.choice(n_classes, n_source, p=p), rng.choice(n_classes, n_target, p=q)
    return draw(ys, rng), _noisy(ys, n_classes, rng), draw(yt, rng), yt, family


def draw_covariate(rng):
    """Return rows of one population, selected by their columns."""
    while True:
        X, y, _ = population(rng)
        n_rows, n_columns = X.shape
        Z = (X - X.mean(axis=0)) / X.std(axis=0)
        n_source, n_target = _sizes(rng)
        along = rng.normal(size=n_columns) * (rng.random(n_columns) < max(2 / n_columns, 0.3))
        if not along.any():
            continue
        s = Z @ along
        s = s / s.std()
        how = str(rng.choice(["one gaussian", "logistic", "opposite", "gaussian of all", "step"]))
        of_source = np.ones(n_rows)
        if how == "one gaussian":
            middle = rng.choice([-1, 1]) * rng.uniform(0.5, 1.5)
            of_target = np.exp(-((s - middle) ** 2) / 2 / rng.uniform(0.6, 1.2) ** 2)
        elif how == "gaussian of all":
            width = rng.uniform(0.9, 1.4) ** 2 * np.sqrt(n_columns)
            centre = Z[rng.integers(n_rows)] / 2
            of_target = np.exp(-np.square(Z - centre).sum(axis=1) / 2 / width)
        elif how == "logistic":
            of_target = 1 / (1 + np.exp(-rng.uniform(1.5, 4) * (s - rng.uniform(0, 1))))
        elif how == "step":
            of_target = np.where(s > rng.uniform(-0.5, 1), 1.0, rng.uniform(0.05, 0.3))
        else:
            of_target = 1 / (1 + np.exp(-rng.uniform(0.8, 1.5) * s))
            of_source = 1 - of_target
        source = rng.choice(n_rows, n_source, replace=False, p=of_source / of_source.sum())
        of_target[source] = 0.0
        target = rng.choice(n_rows, n_target, replace=False, p=of_target / of_target.sum())
        if np.bincount(y[source], minlength=2).min() >= 10:
            return X[source], y[source], X[target], y[target], how


def draw_concept(rng):
    """Return domains of the same proportions, in one of which the columns were moved."""
    n_columns, n_classes, _, draw = _classes(rng)
    ys, yt = (rng.integers(n_classes, size=n) for n in _sizes(rng))
    Xs, Xt = draw(ys, rng), draw(yt, rng)
    spread = Xs.std(axis=0)
    moves = ["translation", "columns", "scaling", "rotation", "per class", "affine", "bent"]
    how = str(rng.choice(moves))
    if how == "translation":
        along = rng.normal(size=n_columns)
        Xt += along / np.linalg.norm(along) * rng.uniform(1, 3) * spread.mean()
    elif how == "columns":
        some = rng.choice(n_columns, max(1, n_columns // 4), replace=False)
        Xt[:, some] += rng.choice([-1, 1], len(some)) * rng.uniform(0.8, 2.5) * spread[some]
    elif how == "scaling":
        Xt *= np.exp(rng.choice([-1, 1], n_columns) * rng.uniform(0.3, 1, n_columns))
    elif how == "rotation":
        angle, turn = rng.uniform(0.5, 1.5), np.eye(n_columns)
        for i in range(0, n_columns - 1, 2):
            c, s = np.cos(angle), np.sin(angle)
            turn[i : i + 2, i : i + 2] = [[c, -s], [s, c]]
        basis = _rotation(rng, n_columns)
        Xt = (Xt - Xs.mean(axis=0)) @ basis @ turn @ basis.T + Xs.mean(axis=0)
    elif how == "per class":
        along = rng.normal(size=(n_classes, n_columns))
        along *= rng.uniform(1, 3, (n_classes, 1)) / np.linalg.norm(along, axis=1, keepdims=True)
        Xt += along[yt]
    elif how == "affine":
        Xt = Xt @ (np.eye(n_columns) + _square(rng, n_columns, 0.6))
        Xt += 0.7 * rng.normal(size=n_columns)
    else:
        Xt = Xt + rng.uniform(0.5, 1) * spread * np.square((Xt - Xs.mean(axis=0)) / spread)
    return Xs, _noisy(ys, n_classes, rng), Xt, yt, how


DRAWS = {
    "none": draw_none,
    "covariate": draw_covariate,
    "label": draw_label,
    "concept": draw_concept,
}
