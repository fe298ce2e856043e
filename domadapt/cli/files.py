"""What ``domadapt fit`` and ``domadapt predict`` read: tables, arrays, folders of images."""

import os
import sys
import warnings
from pathlib import Path

import numpy as np

from domadapt._storage.arrays import check_samples, check_samples_and_labels, read_arrays
from domadapt._storage.text import check_name
from domadapt.cli import parts
from domadapt.cli.hdf5 import open_hdf5, read_labels
from domadapt.cli.parquet import read_parquet
from domadapt.cli.parts import LargeTable, blocks, n_bytes_of
from domadapt.datasets._folders import IMAGE_ENDINGS
from domadapt.inputs.tables import KINDS, read_columns

# The name that pandas gives to a first column without one, such as the index that it wrote.
UNNAMED = "Unnamed: 0"
ENDINGS = {".csv": "csv", ".parquet": "parquet", ".npz": "npz", ".h5": "hdf5", ".hdf5": "hdf5"}
# What has columns with names.
TABLES = ("csv", "parquet")


def kind_of(path):
    """Return what a path leads to: ``"folder"``, or what the ending of a file stands for.

    Raises
    ------
    FileNotFoundError, ValueError
        If nothing is there, or something else.
    """
    if Path(path).is_dir():
        return "folder"
    ending = Path(path).suffix.lower()
    if not Path(path).exists():
        raise FileNotFoundError(f"{str(path)!r} is not there.")
    if ending not in ENDINGS:
        *others, last = ENDINGS
        raise ValueError(
            f"{str(path)!r} is neither a folder nor a file that ends in {', '.join(others)} or "
            f"{last}."
        )
    return ENDINGS[ending]


def read_labelled(path, label):
    """Read samples and labels from a table, a file of arrays or a folder of classes of images."""
    kind = kind_of(path)
    if kind == "folder":
        paths = _images_below(path)
        loose = [p for p in paths if p.parent == Path(path)]
        if loose:
            raise ValueError(
                f"{path!r} holds images in no class folder, such as {loose[0].name!r}. Expected "
                "one folder of images for each class."
            )
        return np.array([str(p) for p in paths]), np.array([p.parent.name for p in paths])
    if kind not in TABLES:
        X, y = _open_arrays(path, kind, ["X", "y"])
        check_samples_and_labels(path, X, y)
        return _checked(path, X), _check_labels(path, read_labels(y) if kind == "hdf5" else y)
    frame = read_csv(path) if kind == "csv" else read_parquet(path)
    if label not in frame:
        raise ValueError(
            f"{path!r} has no column {label!r} for the labels; name it with --label. There are: "
            f"{', '.join(map(str, frame.columns[:10]))}."
        )
    if len(frame.columns) == 1:
        raise ValueError(f"{path!r} has no column but {label!r}, the labels. Others were expected.")
    column = frame[[label]]
    column = column.rows() if isinstance(column, LargeTable) else column
    labels = read_columns(column, repr(path))[label]
    # Whole numbers stay whole.
    given = column[label].to_numpy()
    return frame.drop(columns=label), given if given.dtype.kind in "iu" else labels


def _open_arrays(path, kind, names):
    """Return arrays of a file, large ones mapped, and those of HDF5 as datasets."""
    if kind == "hdf5":
        return open_hdf5(path, names)
    return read_arrays(path, names, largest=parts.WHOLE)


def _checked(path, X):
    """Return samples that were checked in blocks; a small dataset of HDF5 as an array."""
    try:
        for start, rows in blocks(X) if X.ndim > 1 else [(0, X)]:
            check_samples(path, rows, start)
        # An array of numpy or a mapped one stays what it is.
        return X if n_bytes_of(X) > parts.WHOLE else X[:]
    except OSError as error:
        raise ValueError(f"{path!r} cannot be read to its end: {error}.") from error


def _check_labels(path, y):
    if y.dtype.kind == "S":
        try:
            y = np.char.decode(y, "utf-8")
        except UnicodeDecodeError as error:
            raise ValueError(f"{path!r} has labels in y that are not UTF-8.") from error
    if y.dtype.kind == "f" and not np.isfinite(y).all():
        row = int(np.flatnonzero(~np.isfinite(y).reshape(len(y), -1).all(axis=1))[0])
        raise ValueError(
            f"{path!r} has labels in y that are missing or infinite, such as in row {row} "
            "(counted from 0)."
        )
    if y.ndim > 2:
        raise ValueError(
            f"{path!r} has a y of shape {y.shape}. A label for each sample, or a row of values, "
            "was expected."
        )
    return y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y


def read_samples(path, label=None, texts=()):
    """Read samples from a table (without the column of labels), a file of arrays or a folder.

    Of a csv file, the columns that ``texts`` names are read as text even where they hold
    numbers alone.
    """
    kind = kind_of(path)
    if kind == "folder":
        return np.array([str(p) for p in _images_below(path)])
    if kind not in TABLES:
        return _checked(path, *_open_arrays(path, kind, ["X"]))
    frame = read_csv(path, texts) if kind == "csv" else read_parquet(path)
    return frame.drop(columns=label) if label in frame else frame


def _images_below(folder):
    found = sorted(p for p in Path(folder).rglob("*") if p.suffix.lower() in IMAGE_ENDINGS)
    if not found:
        raise ValueError(f"The folder {str(folder)!r} holds no image.")
    for path in found:
        check_name(path, "The path")
    return found


def read_csv(path, texts=()):
    """Read a csv file as a DataFrame, without an index that pandas wrote into it.

    Raises
    ------
    ImportError
        If pandas is not installed.
    ValueError
        If it is no such file, or has no rows.
    """
    try:
        import pandas as pd
    except ImportError as error:
        raise ImportError('csv files need pandas: pip install ".[csv]" in a clone') from error
    with open(path, "rb") as file:
        if b"\0" in file.read(2**16):
            raise ValueError(
                f"{path!r} is no csv file in UTF-8: it holds bytes that are no text. Save it as "
                "csv, in UTF-8."
            )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            # With low_memory a column may be of several kinds, part by part.
            options = {"low_memory": False, "index_col": False}
            frame = pd.read_csv(path, dtype=dict.fromkeys(texts, str), **options)
    except pd.errors.ParserWarning as error:
        raise ValueError(
            f"{path!r} has rows with more cells than its first line has names."
        ) from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{path!r} is not in UTF-8: {error.reason}. Save it anew.") from error
    # Those of its parser and of empty files are.
    except ValueError as error:
        raise ValueError(f"{path!r} is no csv file that can be read: {error}.") from error
    if len(frame) == 0:
        raise ValueError(f"{path!r} has a line of names at most, and no rows.")
    first = frame[UNNAMED].to_numpy() if frame.columns[0] == UNNAMED else np.empty(0)
    if len(first) and np.array_equal(first, np.arange(len(frame))):
        tell(f"{path}: the first column has no name and counts the rows; it is left out")
        frame = frame.drop(columns=UNNAMED)
    return frame


def align_tables(sources, target, names, target_name):
    """Bring tables to the columns of the first source, all of one kind.

    Parameters
    ----------
    sources : list of DataFrame or LargeTable
        Of each source.
    target : DataFrame or LargeTable
        Of the target.
    names, target_name : list of str, and str
        Of their files.

    Returns
    -------
    sources, target : list of tables, and table
        The same columns in the same order.

    Raises
    ------
    ValueError
        If a column is missing in one of them, or of another kind.
    """
    columns = list(sources[0].columns)
    kinds: dict[str, tuple[str, str]] = {}
    aligned = []
    for frame, name in zip([*sources, target], [*names, target_name], strict=True):
        aligned.append(with_columns(frame, columns, name, f"of {names[0]!r}"))
        for start, rows in blocks(aligned[-1]):
            for column, values in read_columns(rows, repr(name), first_row=start).items():
                kind = KINDS[values.dtype.kind]
                first, where = kinds.setdefault(column, (kind, name))
                if kind != first:
                    raise ValueError(
                        f"Column {column!r} holds {first} in {where!r}, but {kind} in {name!r}, "
                        f"such as {values.tolist()[0]!r}. One kind was expected in all files."
                    )
    return aligned[:-1], aligned[-1]


def with_columns(frame, columns, name, whose):
    """Return some columns of a table, and tell which others are left out."""
    lacking = [column for column in columns if column not in frame]
    if lacking:
        raise ValueError(
            f"{name!r} lacks columns {whose}: {', '.join(map(repr, lacking[:10]))}"
            f"{' and others' if lacking[10:] else ''}."
        )
    known = set(columns)
    others = [str(column) for column in frame.columns if column not in known]
    if others:
        more = ", ..." if others[5:] else ""
        tell(f"{name}: left out {len(others)} other columns: {', '.join(others[:5])}{more}")
    return frame[columns]


def check_writable(path):
    """Check that a file can be written, before there is anything to write.

    Raises
    ------
    OSError
        If not.
    """
    folder = Path(path).resolve().parent
    if not (folder.is_dir() and os.access(folder, os.W_OK)):
        raise OSError(f"{str(path)!r} cannot be written: {str(folder)!r} is no folder to write to.")
    if Path(path).is_dir():
        raise OSError(f"{str(path)!r} cannot be written: it is a folder.")


def tell(text):
    """Print a line for the person who waits; results of a command go to its files."""
    print(text, file=sys.stderr, flush=True)
