"""Tables of columns as numbers: scaled, and with a column of ones and zeros for each category."""

from typing import Any, Self

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.utils._missing import is_pandas_na, is_scalar_nan
from sklearn.utils.validation import check_is_fitted

# More categories than this are names or notes, and would need as many columns.
MOST_CATEGORIES = 1000
KINDS = {"f": "numbers", "b": "booleans", "U": "text"}


class TableEncoder(TransformerMixin, BaseEstimator):
    """Turns tables into numbers: columns of numbers are scaled, others are encoded one-hot.

    Columns are known by their names, so that they may come in another order and among
    others. What is fitted can be held by JSON, in a saved model for one.

    Parameters
    ----------
    scaling : bool, default=True
        Subtract the mean of each column of numbers and divide by its standard deviation.
        A constant column is not divided.

    Attributes
    ----------
    feature_names_in_ : ndarray of shape (n_columns,), object
        Names of the columns; only where a DataFrame was fitted.
    n_features_in_ : int
        Number of columns.
    numbers_ : list
        Names of the columns of numbers, or their positions where there are no names.
    means_, scales_ : ndarray of shape (n_numbers,)
        What is subtracted from the columns of numbers, and what they are divided by.
    categories_ : dict
        The categories of each column of text or booleans, sorted. Others become zeros.

    Examples
    --------
    >>> import numpy as np
    >>> from domadapt.inputs.tables import TableEncoder
    >>> TableEncoder().fit_transform(np.array([[1.0, 5.0], [3.0, 5.0]]))
    array([[-1.,  0.],
           [ 1.,  0.]])
    """

    def __init__(self, *, scaling: bool = True) -> None:
        self.scaling = scaling

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn means, scales and categories, of source and target together for instance.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_columns)
            The table.
        y : None
            Not used.

        Returns
        -------
        self : TableEncoder
            Fitted.

        Raises
        ------
        ValueError
            If a value is missing or infinite, a column holds anything but numbers, text or
            booleans, or more than 1000 categories.
        """
        return self.fit_parts([X])

    def fit_parts(self, parts):
        """Learn as :meth:`fit` does, from a table in parts.

        Parameters
        ----------
        parts : iterable of DataFrame or array-like of shape (n_samples, n_columns)
            Blocks of rows, of one table or of several with the same columns.

        Returns
        -------
        self : TableEncoder
            Fitted. Means and scales are those of the whole, up to rounding.

        Raises
        ------
        ValueError
            As :meth:`fit`, or if a column is of another kind in another part.
        """
        scaler = StandardScaler()
        kinds: dict[Any, str] = {}
        categories: dict[Any, set[Any]] = {}
        for part in parts:
            columns = read_columns(part)
            found = {name: KINDS[values.dtype.kind] for name, values in columns.items()}
            kinds = kinds or found
            for name in [name for name in kinds if found.get(name) != kinds[name]]:
                raise ValueError(
                    f"Column {name!r} holds {kinds[name]} in some rows, and {found.get(name)} in "
                    "others. One kind was expected."
                )
            numbers = [name for name in columns if kinds[name] == "numbers"]
            if self.scaling and numbers:
                with np.errstate(over="ignore", invalid="ignore"):
                    scaler.partial_fit(np.column_stack([columns[name] for name in numbers]))
            for name in columns.keys() - set(numbers):
                seen = categories.setdefault(name, set())
                seen |= set(np.unique(columns[name]).tolist())
                if len(seen) > MOST_CATEGORIES:
                    raise ValueError(
                        f"Column {name!r} holds {len(seen)} different texts, such as "
                        f"{min(seen)!r}, too many for categories: leave the column out."
                    )
        means, scales = np.zeros(len(numbers)), np.ones(len(numbers))
        if self.scaling and numbers:
            means, scales = scaler.mean_, scaler.scale_
            for name, variance in zip(numbers, scaler.var_, strict=True):
                # Its scale would be that of a constant.
                if not np.isfinite(variance):
                    raise ValueError(f"Column {name!r} holds numbers too large to be scaled.")
        in_order = {name: sorted(categories[name]) for name in kinds if name in categories}
        names = list(kinds) if hasattr(part, "columns") else None
        return self._learn(names, numbers, means, scales, in_order)

    def _learn(self, names, numbers, means, scales, categories):
        self.__dict__.pop("feature_names_in_", None)
        if names is not None:
            self.feature_names_in_ = np.array(names, dtype=object)
        self.n_features_in_ = len(numbers) + len(categories)
        self.numbers_, self.categories_ = numbers, categories
        self.means_, self.scales_ = means, scales
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Turn a table into numbers.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_columns)
            With the columns of ``fit``. Columns of a DataFrame that are not known are left
            out.

        Returns
        -------
        encoded : ndarray of shape (n_samples, n_encoded), float64
            The columns of numbers, then those of each category.

        Raises
        ------
        ValueError
            If a column is missing or holds something of another kind than in ``fit``, or
            a value is missing or infinite.
        """
        columns = self.read(X)
        parts = [np.empty((len(next(iter(columns.values()))), 0))]
        if self.numbers_:
            parts.append(np.column_stack([columns[name] for name in self.numbers_]))
            parts[-1] -= self.means_
            parts[-1] /= self.scales_
        if self.categories_:
            texts = [columns[name].astype(object) for name in self.categories_]
            parts.append(self._one_hot().transform(np.column_stack(texts)))
        return parts[-1] if len(parts) == 2 else np.hstack(parts)

    def read(self, X, what="X", first_row=0):
        """Read the columns that are known out of a table, and check them as for a prediction.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_columns)
            The table.
        what : str, default="X"
            What errors call it.
        first_row : int, default=0
            Where the table is a part of another, the number of its first row there.

        Returns
        -------
        columns : dict
            As of :func:`read_columns`.
        """
        check_is_fitted(self)
        names = getattr(self, "feature_names_in_", None)
        known_names = None if names is None else names.tolist()
        columns = read_columns(X, what, names=known_names, first_row=first_row)
        if len(columns) != self.n_features_in_:
            raise ValueError(
                f"{what} has {len(columns)} columns, but the model was trained on "
                f"{self.n_features_in_}."
            )
        # An array has no names, and a DataFrame may come where an array was fitted.
        known = range(self.n_features_in_) if names is None else names
        columns = dict(zip(known, columns.values(), strict=True))
        for name, values in columns.items():
            expected, found = self._kind(name), KINDS[values.dtype.kind]
            if found != expected:
                raise ValueError(
                    f"Column {name!r} of {what} holds {found}, such as {values.tolist()[0]!r}, "
                    f"where {expected} were expected: the model was trained on them."
                )
        return columns

    def _kind(self, name):
        if name not in self.categories_:
            return "numbers"
        return "booleans" if isinstance(self.categories_[name][0], bool) else "text"

    def _one_hot(self):
        categories = [np.array(values, dtype=object) for values in self.categories_.values()]
        encoder = OneHotEncoder(categories=categories, handle_unknown="ignore", sparse_output=False)
        return encoder.fit(np.array([[values[0] for values in categories]], dtype=object))

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the names of the columns of what :meth:`transform` returns.

        Parameters
        ----------
        input_features : None
            Not used.

        Returns
        -------
        names : ndarray of shape (n_encoded,), object
            Of a category, the name of its column and its own.
        """
        check_is_fitted(self)
        prefix = "" if hasattr(self, "feature_names_in_") else "x"
        names = [f"{prefix}{name}" for name in self.numbers_]
        names += [f"{prefix}{n}_{v}" for n, values in self.categories_.items() for v in values]
        return np.array(names, dtype=object)

    def to_state(self):
        """Return what is fitted as JSON can hold it."""
        check_is_fitted(self)
        names = getattr(self, "feature_names_in_", None)
        return {
            "scaling": bool(self.scaling),
            "names": None if names is None else names.tolist(),
            "numbers": self.numbers_,
            "means": self.means_.tolist(),
            "scales": self.scales_.tolist(),
            "categories": [[name, values] for name, values in self.categories_.items()],
        }

    @classmethod
    def from_state(cls, state):
        """Return the fitted encoder whose :meth:`to_state` this is.

        Raises
        ------
        KeyError, TypeError
            If it is not such a state.
        """
        numbers, names = list(state["numbers"]), state["names"]
        means, scales = map(_floats, (state["means"], state["scales"]))
        categories = {name: list(values) for name, values in state["categories"]}
        known = [*numbers, *categories]
        expected = list(range(len(known))) if names is None else names
        if not (
            means.shape == scales.shape == (len(numbers),)
            and (scales > 0).all()
            and all(_are_of_one_kind(values) for values in categories.values())
            and len(expected) == len(known) == len(set(known))
            and set(known) == set(expected)
            and (names is None or all(isinstance(name, str) for name in names))
        ):
            raise TypeError("the columns of its table do not fit together")
        encoder = cls(scaling=bool(state["scaling"]))
        return encoder._learn(names, numbers, means, scales, categories)


def _floats(values):
    if not all(isinstance(value, int | float) and np.isfinite(value) for value in values):
        raise TypeError("the scales of its table are no numbers")
    return np.array(values, dtype=np.float64)


def _are_of_one_kind(values):
    return {type(value) for value in values} in ({str}, {bool})


def behind_columns(estimator, info):
    """Return the estimator behind the columns that a file's information names, if it does.

    Parameters
    ----------
    estimator : BaseDomainEstimator
        Fitted on encoded tables.
    info : dict
        What JSON held of a saved model; ``columns`` is the state of a :class:`TableEncoder`.

    Returns
    -------
    model : Pipeline or BaseDomainEstimator
        With the steps ``columns`` and ``estimator``, or the estimator itself.

    Raises
    ------
    KeyError, TypeError
        If the columns are not such a state, or not those of the estimator.
    """
    if info.get("columns") is None:
        return estimator
    encoder = TableEncoder.from_state(info["columns"])
    if len(encoder.get_feature_names_out()) != getattr(estimator, "n_features_in_", None):
        raise TypeError("the columns of its table are not those that the estimator takes")
    return Pipeline([("columns", encoder), ("estimator", estimator)])


def read_columns(X, what="X", *, names=None, first_row=0):
    """Read the columns of a table as floats, text or booleans.

    Parameters
    ----------
    X : DataFrame or array-like of shape (n_samples, n_columns)
        The table.
    what : str, default="X"
        What errors call it.
    names : list of str, default=None
        Columns of a DataFrame that are wanted, in this order; None for all.
    first_row : int, default=0
        Where the table is a part of another, the number of its first row there.

    Returns
    -------
    columns : dict
        An array of float64, str or bool by the name of the column; by its position where
        there are no names.

    Raises
    ------
    ValueError
        As :meth:`TableEncoder.fit` and :meth:`TableEncoder.transform` raise it.
    """
    if hasattr(X, "columns"):
        there = list(X.columns)
        known = set(there)
        if len(known) < len(there) or not all(isinstance(name, str) for name in there):
            raise ValueError(f"{what} has columns whose names are not text, or not all different.")
        wanted = there if names is None else names
        lacking = [name for name in wanted if name not in known]
        if lacking:
            raise ValueError(
                f"{what} lacks columns that the model was trained on: "
                f"{', '.join(map(repr, lacking[:10]))}{' and others' if lacking[10:] else ''}."
            )
        values = {name: X[name].to_numpy() for name in wanted}
    else:
        if sparse.issparse(X) or np.ndim(X) != 2:
            raise ValueError(f"{what} is no table: rows of columns were expected.")
        values = dict(enumerate(np.asarray(X).T))
    if not values or len(X) == 0:
        raise ValueError(f"{what} has {len(X)} rows and {len(values)} columns, so it is empty.")
    return {name: _read_column(column, name, what, first_row) for name, column in values.items()}


def _read_column(values, name, what, first_row):
    if values.dtype.kind in "iuf":
        values = values.astype(np.float64)
    elif values.dtype.kind not in "bU":
        values = _plain(values, name, what, first_row)
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        row = int(np.flatnonzero(~np.isfinite(values))[0])
        fault = "missing" if np.isnan(values[row]) else "infinite"
        row += first_row
        raise ValueError(_fault(name, what, row, f"is {fault}. Leave the row out or fill it"))
    return values


def _plain(values, name, what, first_row):
    """Return objects as numbers, text or booleans, if they all are of one of these kinds."""
    listed = values.tolist() if values.dtype.kind in "OT" else []
    listed = [value.item() if isinstance(value, np.generic) else value for value in listed]
    for row, value in enumerate(listed):
        if value is None or is_scalar_nan(value) or is_pandas_na(value):
            row += first_row
            raise ValueError(_fault(name, what, row, "is missing. Leave the row out or fill it"))
    for kinds, dtype in ((bool, bool), (str, str), ((int, float), np.float64)):
        if listed and all(isinstance(value, kinds) for value in listed):
            return np.array(listed, dtype=dtype)
    found = " and ".join(sorted({type(value).__name__ for value in listed})) or str(values.dtype)
    raise ValueError(
        f"Column {name!r} of {what} holds {found}. Numbers, text or booleans alone were expected."
    )


def _fault(name, what, row, fault):
    return f"Column {name!r} of {what}: row {row} (counted from 0) {fault}."
