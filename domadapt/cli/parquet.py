"""Parquet files as tables: whole as a DataFrame, or column by column into a mapped file."""

import contextlib

import numpy as np

from domadapt._storage.temporary import temporary_file
from domadapt.cli import parts
from domadapt.cli.parts import LargeTable

# Columns and rows that are read at once: each open column takes some megabytes.
COLUMNS, ROWS = 32, 2**16


def read_parquet(path):
    """Read a Parquet file as a table, without an index that pandas wrote into it.

    Returns
    -------
    table : DataFrame or LargeTable
        The latter where all columns are numbers or booleans, and many.

    Raises
    ------
    ImportError
        If pyarrow or pandas is not installed.
    ValueError
        If it is no such file, is damaged, or has no rows.
    OSError
        If there is no room for a temporary file.
    """
    try:
        import pandas  # noqa: F401
        from pyarrow import parquet
    except ImportError as error:
        hint = 'Parquet files need pyarrow and pandas: pip install ".[parquet]" in a clone'
        raise ImportError(hint) from error
    with _told(path):
        file = parquet.ParquetFile(path, memory_map=True, pre_buffer=False)
    schema, n_rows = file.schema_arrow, file.metadata.num_rows
    indices = (schema.pandas_metadata or {}).get("index_columns", [])
    names = [name for name in schema.names if name not in indices]
    if n_rows == 0 or not names:
        raise ValueError(f"{path!r} has {n_rows} rows and {len(names)} columns, so it is empty.")
    if len(set(names)) < len(names):
        raise ValueError(f"{path!r} has columns of the same name. Different names were expected.")
    dtypes = {name: _plain_dtype(schema.field(name).type) for name in names}
    if None in dtypes.values() or 8 * n_rows * len(names) <= parts.WHOLE:
        with _told(path):
            return file.read(names).to_pandas(ignore_metadata=True)[names]
    return LargeTable(_to_file(path, file, dtypes))


@contextlib.contextmanager
def _told(path):
    """Name the file in errors of pyarrow, which are of many kinds."""
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, FileNotFoundError):
            raise
        reason = " ".join(str(error).split())
        raise ValueError(f"{path!r} is no Parquet file that can be read: {reason}.") from error


def _plain_dtype(kind):
    """Return the dtype of numpy of a column of numbers or booleans, and None for others."""
    from pyarrow import types

    plain = types.is_boolean(kind) or types.is_integer(kind) or types.is_floating(kind)
    return np.dtype(kind.to_pandas_dtype()) if plain else None


def _to_file(path, file, dtypes):
    """Write columns one after the other into a temporary file, and return them mapped."""
    n_rows, names = file.metadata.num_rows, list(dtypes)
    sizes = [n_rows * dtype.itemsize for dtype in dtypes.values()]
    # The widest first, so that each begins at a multiple of its width.
    in_order = sorted(names, key=lambda name: -dtypes[name].itemsize)
    ends = np.cumsum([n_rows * dtypes[name].itemsize for name in in_order]).tolist()
    begins = dict(zip(in_order, [0, *ends], strict=False))
    target = temporary_file(sum(sizes))
    for first in range(0, len(names), COLUMNS):
        row = 0
        with _told(path):
            batches = file.iter_batches(ROWS, columns=names[first : first + COLUMNS])
        while True:
            with _told(path):
                batch = next(batches, None)
            if batch is None:
                break
            for name in batch.schema.names:
                dtype = dtypes[name]
                target.seek(begins[name] + row * dtype.itemsize)
                target.write(_values(batch.column(name), name, path, row).astype(dtype).data)
            row += len(batch)
    target.flush()
    raw = np.memmap(target, np.uint8, "r")
    return {
        name: raw[begins[name] : begins[name] + n_rows * dtype.itemsize].view(dtype)
        for name, dtype in dtypes.items()
    }


def _values(column, name, path, first_row):
    if column.null_count:
        row = first_row + int(column.is_null().to_numpy(zero_copy_only=False).argmax())
        raise ValueError(
            f"Column {name!r} of {path!r}: row {row} (counted from 0) is missing. Leave the row "
            "out or fill it."
        )
    return column.to_numpy(zero_copy_only=False)
