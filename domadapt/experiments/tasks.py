"""What a run is to do: its data, its pairs of domains and its cells."""

import functools
import itertools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.preprocessing import StandardScaler

from domadapt import datasets
from domadapt.experiments.recipes import METHODS

PHOTOGRAPHS = {
    "office31": datasets.load_office31,
    "office_caltech10": datasets.load_office_caltech10,
    "office_home": datasets.load_office_home,
    "folder": datasets.load_image_folder,
}
DATASETS = (*PHOTOGRAPHS, "features")


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
        """What its files are called."""
        return f"{self.source}__{self.target}__{self.method}__{self.seed}"


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
        With ``X`` (paths of images, or rows that are standardised within their domain),
        ``y``, ``domain``, ``domain_names`` and ``class_names``.

    Raises
    ------
    FileNotFoundError, ValueError
        As the loaders of :mod:`domadapt.datasets` say.
    """
    if dataset != "features":
        data = PHOTOGRAPHS[dataset](root)
        data.X = data.pop("paths")
        kept = ~np.isin(data.X, left_out)
        data.update(X=data.X[kept], y=data.y[kept], domain=data.domain[kept])
        return data
    data = datasets.load_features(root)
    data.X = data.X.astype(np.float32)
    for name in data.domain_names:
        rows = data.domain == name
        data.X[rows] = StandardScaler().fit_transform(data.X[rows])
    data.class_names = [str(label) for label in np.unique(data.y)]
    return data


def data_of(settings):
    """Load the data of a run.

    Parameters
    ----------
    settings : dict
        Of the run.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        As :func:`load_data` gives it.
    """
    return load_data(settings["dataset"], settings["root"], tuple(settings["left_out"]))


def domain_of(data, name):
    """Give the rows of one domain.

    Parameters
    ----------
    data : :class:`~sklearn.utils.Bunch`
        As :func:`load_data` gives it.
    name : str
        The domain.

    Returns
    -------
    X, y : ndarrays
        Rows and labels.
    """
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
        What there is.

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
        Names with commas between.

    Returns
    -------
    methods : list of str
        Their names.

    Raises
    ------
    ValueError
        If one is unknown.

    Examples
    --------
    >>> from domadapt.experiments.tasks import read_methods
    >>> read_methods("source,dan")
    ['source', 'dan']
    """
    methods = [name.strip().lower() for name in text.split(",")]
    for name in methods:
        if name not in METHODS:
            raise ValueError(f"method {name!r} is unknown. There are: {', '.join(METHODS)}.")
    return list(dict.fromkeys(methods))


def list_cells(settings):
    """List the cells of a run, the pairs first and the seeds last.

    Parameters
    ----------
    settings : dict
        With ``pairs``, ``methods`` and ``seeds``.

    Returns
    -------
    cells : list of Cell
        In the order in which they are run.
    """
    return [
        Cell(source, target, method, seed)
        for (source, target), method, seed in itertools.product(
            settings["pairs"], settings["methods"], range(settings["seeds"])
        )
    ]


def folder_of_cells(out):
    """Give the folder of a run that holds what is known of each cell.

    Parameters
    ----------
    out : str or path
        The run folder.

    Returns
    -------
    folder : Path
        Its folder ``cells``.
    """
    return Path(out) / "cells"
