"""What a run consists of: its data, its methods, its pairs of domains and its cells."""

import functools
import itertools
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.preprocessing import StandardScaler

from domadapt import datasets
from domadapt._storage.arrays import check_samples
from domadapt._storage.fingerprints import describe, digest_of, digest_of_array, digest_of_files
from domadapt.experiments.vector_methods import AUTO, read_vector_method
from domadapt.methods import BY_NAME, METHODS
from domadapt.shallow._combinations import PLAIN

PHOTOGRAPHS = {
    "office31": datasets.load_office31,
    "office_caltech10": datasets.load_office_caltech10,
    "office_home": datasets.load_office_home,
    "folder": datasets.load_image_folder,
}
DATASETS = (*PHOTOGRAPHS, "features")
# Those that learn classes from one source and one target.
ON_PAIRS = {
    name: method
    for name, method in METHODS.items()
    if (name == "source" or method.classes is not None) and method.setting != "several sources"
}


@dataclass(frozen=True)
class Cell:
    """One training of one method on one pair of domains.

    Parameters
    ----------
    source, target : str
        Names of the domains.
    method : str
        Name of the method.
    seed : int
        The estimator's ``random_state``.
    """

    source: str
    target: str
    method: str
    seed: int

    @property
    def name(self):
        """The name of its files."""
        return f"{self.source}__{self.target}__{self.method}__{self.seed}"


@dataclass(frozen=True)
class Experiment:
    """All cells of a table: what is trained on what, in which folders, on which machine.

    Parameters
    ----------
    settings : dict
        What decides the figures: ``dataset``, ``root``, ``pairs``, ``methods``, ``seeds``
        and so on. They are kept in the folder.
    out : Path or None
        The run folder. It holds ``settings.json``, ``results.json``, and in ``cells`` the
        history and the checkpoint of each cell. None where cells keep no files.
    features : Path
        The folder of the features of a frozen backbone.
    device : str, default="auto"
        As an estimator takes it.
    n_threads : int, default=None
        Threads of torch for a cell; None for those that the process has.
    n_workers, cache_megabytes, cache_folder : int, float and Path, default=None
        As :class:`~domadapt.ImageLoader` takes them; None for its defaults.
    deadline : float, default=None
        When training is to stop, in seconds as ``time.time`` counts them.
    vectors : Bunch, default=None
        The data as vectors, where they need not be read from ``settings["root"]`` again: those
        of a frozen backbone, or those that go to another machine.
    """

    settings: dict[str, Any]
    out: Path | None
    features: Path
    device: str = "auto"
    n_threads: int | None = None
    n_workers: int | None = None
    cache_megabytes: float | None = None
    cache_folder: Path | None = None
    deadline: float | None = None
    vectors: Any = None

    @property
    def time_is_up(self):
        """Whether training is to stop."""
        return self.deadline is not None and time.time() > self.deadline

    @property
    def data(self):
        """The data, as :func:`load_data` returns them, or as vectors."""
        if self.vectors is not None:
            return self.vectors
        settings = self.settings
        return load_data(settings["dataset"], settings["root"], tuple(settings["left_out"]))

    @property
    def cells(self):
        """The cells in the order in which they are run: the pairs first and the seeds last."""
        settings = self.settings
        product = itertools.product(
            settings["pairs"], settings["methods"], range(settings["seeds"])
        )
        return [Cell(source, target, method, seed) for (source, target), method, seed in product]

    @property
    def cell_folder(self):
        """The folder with the files of each cell, or None where cells keep no files."""
        return None if self.out is None else self.out / "cells"

    def file_of(self, cell, ending):
        """Return the path of a file of a cell, or None where cells keep no files."""
        folder = self.cell_folder
        return None if folder is None else folder / f"{cell.name}.{ending}"

    @property
    def fine_tunes(self):
        """Whether a backbone is trained."""
        return self.settings["backbone"] is not None and not self.settings["freeze"]


@functools.lru_cache(maxsize=1)
def load_data(dataset, root, left_out=()):
    """Load a data set once.

    Parameters
    ----------
    dataset : str
        Out of ``DATASETS``.
    root : str
        Its folder.
    left_out : tuple of str, default=()
        Paths of images that are not to be used.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        With ``X`` (paths of images, or vectors that are standardised within their domain),
        ``y``, ``domain``, ``domain_names`` and ``class_names``.

    Raises
    ------
    FileNotFoundError, ValueError
        As the loaders of :mod:`domadapt.datasets` raise them.
    """
    if dataset != "features":
        data = PHOTOGRAPHS[dataset](root)
        data.X = data.pop("paths")
        kept = ~np.isin(data.X, left_out)
        data.update(X=data.X[kept], y=data.y[kept], domain=data.domain[kept])
        return data
    data = datasets.load_features(root)
    for name in data.domain_names:
        _check_vectors(Path(root, f"{name}.npz"), *domain_of(data, name))
    data.X = data.X.astype(np.float32)
    for name in data.domain_names:
        rows = data.domain == name
        data.X[rows] = StandardScaler().fit_transform(data.X[rows])
    data.class_names = [str(label) for label in np.unique(data.y)]
    return data


def _check_vectors(path, X, y):
    """Check that a domain is vectors of finite numbers and classes."""
    check_samples(path, X)
    if X.ndim > 2:
        raise ValueError(
            f"{str(path)!r} has an X of shape {X.shape}. One vector for each sample was expected."
        )
    with np.errstate(over="ignore"):
        too_large = ~np.isfinite(X.astype(np.float32)).all(axis=1)
    if too_large.any():
        row = int(np.flatnonzero(too_large)[0])
        raise ValueError(
            f"{str(path)!r} has numbers in X that are too large for float32, such as in row "
            f"{row} (counted from 0). Scale them first."
        )
    if y.dtype.kind == "f" and (y != np.floor(y)).any():
        raise ValueError(
            f"{str(path)!r} has labels in y that are missing or no whole numbers. Classes were "
            "expected."
        )


def digest_of_data(dataset, root, left_out=()):
    """Return a digest of the contents of a data set: its samples, labels and domains.

    Parameters
    ----------
    dataset, root, left_out
        As of :func:`load_data`.

    Returns
    -------
    digest : str
        Of features their numbers count, of photographs the bytes of the files, neither of
        which the names and times of files change.
    """
    if dataset == "features":
        with warnings.catch_warnings():
            # What there is to warn of, :func:`load_data` has said.
            warnings.simplefilter("ignore")
            data = datasets.load_features(root)
        parts = [digest_of_array(array) for array in (data.X, data.y, data.domain)]
    else:
        data = load_data(dataset, root, left_out)
        classes = np.array(data.class_names)[data.y]
        parts = [digest_of_files(data.X), *map(digest_of_array, (classes, data.domain))]
    return digest_of({}, describe(parts))


def domain_of(data, name):
    """Return the samples and the labels of one domain."""
    rows = data.domain == name
    return data.X[rows], data.y[rows]


def read_pairs(text, domain_names):
    """Read which pairs of domains are meant.

    Parameters
    ----------
    text : str or None
        Such as ``"A:W,D:W"``: sources and targets by name, or by the first letters of it
        in any case. None stands for all pairs.
    domain_names : list of str
        The names of all domains.

    Returns
    -------
    pairs : list of tuple of str
        Sources and targets.

    Raises
    ------
    ValueError
        If the text is of another form, or a name fits no domain or several.

    Examples
    --------
    >>> from domadapt.experiments.tasks import read_pairs
    >>> read_pairs("a:w,D:webcam", ["amazon", "dslr", "webcam"])
    [('amazon', 'webcam'), ('dslr', 'webcam')]
    """
    if text is None:
        return list(itertools.permutations(domain_names, 2))
    pairs = []
    for part in text.split(","):
        names = part.strip().split(":")
        if len(names) != 2:
            raise ValueError(
                f"pairs={text!r}: {part!r} is no pair. Write source:target, several with commas, "
                "such as A:W,D:W."
            )
        source, target = (_find_domain(name, domain_names) for name in names)
        if source == target:
            raise ValueError(f"pairs={text!r}: {part!r} names one domain twice.")
        pairs.append((source, target))
    return list(dict.fromkeys(pairs))


def _find_domain(name, domain_names):
    if name in domain_names:
        return name
    fitting = [known for known in domain_names if name and known.lower().startswith(name.lower())]
    if len(fitting) != 1:
        what = f"fits {', '.join(fitting)}" if fitting else "is no domain"
        raise ValueError(f"pairs: {name!r} {what}. There are: {', '.join(domain_names)}.")
    return fitting[0]


def read_methods(text):
    """Read which methods are meant.

    Parameters
    ----------
    text : str
        Names with commas between them; ``"all"`` stands for all that run on a pair of domains.

    Returns
    -------
    methods : list of str
        Their names in the table of methods, each once.

    Raises
    ------
    ValueError
        If one is unknown or does not run on a pair of domains.

    Examples
    --------
    >>> from domadapt.experiments.tasks import read_methods
    >>> read_methods("source,DAN,mmd")
    ['source', 'dan']
    """
    methods: list[str] = []
    for name in text.split(","):
        methods += ON_PAIRS if name.strip().lower() == "all" else [find_method(name)]
    return list(dict.fromkeys(methods))


def find_method(name, *, learns="classes", n_sources=1):
    """Return the name in the table of a method that fits what is there to learn from.

    Parameters
    ----------
    name : str
        Any of its names, in any case.
    learns : {"classes", "values"} or None, default="classes"
        What it is to learn; None for any.
    n_sources : int, default=1
        How many sources there are.

    Returns
    -------
    method : str
        Its name in :data:`domadapt.methods.METHODS`, or of a method that takes vectors.

    Raises
    ------
    ValueError
        If it is unknown, learns something else, or needs several sources.
    """
    on_vectors = read_vector_method(name, learns)
    if on_vectors is not None and on_vectors.needs_labels:
        raise ValueError(
            f"method {name.strip()!r} needs labels of some target samples, which are not given "
            "here. Use it from Python: AdaptedClassifier(...).fit(..., y_target=...)."
        )
    if on_vectors is not None:
        return on_vectors.name
    method = BY_NAME.get(name.strip().lower())
    if method is None:
        fault = "is unknown"
    elif learns is not None and not _learns(method, learns):
        fault = f"learns {'classes' if learns == 'values' else 'values'}, not {learns}"
    elif method.setting == "several sources" and n_sources < 2:
        fault = "needs several sources"
    else:
        return method.name
    fitting = [
        known.name
        for known in METHODS.values()
        if (learns is None or _learns(known, learns))
        and (n_sources > 1 or known.setting != "several sources")
    ]
    where = "On a pair of domains there are" if n_sources == 1 else "There are"
    raise ValueError(
        f"method {name.strip()!r} {fault}. {where}: {', '.join(fitting)}; and without a network an "
        f"estimator, {', '.join(PLAIN)}, or ADAPTER+ESTIMATOR, such as coral_map+lr; and {AUTO}, "
        "which chooses among methods without target labels."
    )


def _learns(method, what):
    return method.name == "source" or getattr(method, what) is not None
