"""HDF5 files with X and y, as datasets that are read in parts."""

from domadapt._storage.arrays import KINDS


def open_hdf5(path, names):
    """Open datasets of a file by their names.

    Returns
    -------
    datasets : list of h5py.Dataset
        In the order of the names. Their file stays open.

    Raises
    ------
    ImportError
        If h5py is not installed.
    ValueError
        If it is no such file, is damaged, lacks one of them, or one is empty or holds anything
        but numbers and text.
    """
    try:
        import h5py
    except ImportError as error:
        raise ImportError('HDF5 files need h5py: pip install ".[hdf5]" in a clone') from error
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise ValueError(f"{path!r} is no HDF5 file that can be read: {error}.") from error
    missing = [name for name in names if not isinstance(file.get(name), h5py.Dataset)]
    if missing:
        raise ValueError(
            f"{path!r} lacks {' and '.join(missing)}. It holds: {', '.join(file) or 'nothing'}."
        )
    for name in names:
        if file[name].size in (0, None):
            raise ValueError(
                f"{path!r} has an empty {name}, of shape {file[name].shape}. At least one entry "
                "was expected."
            )
        dtype = file[name].dtype
        if dtype.kind not in KINDS and h5py.check_string_dtype(dtype) is None:
            raise ValueError(f"{path!r} holds {dtype} in {name}. Numbers or text were expected.")
    return [file[name] for name in names]


def read_labels(dataset):
    """Read a dataset of labels; texts come as bytes."""
    import h5py

    values = dataset[()]
    return values if h5py.check_string_dtype(dataset.dtype) is None else values.astype(bytes)
