"""Cross-validation splitters whose folds keep the domains: for ``cv=`` in scikit-learn."""

from collections.abc import Iterator
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.model_selection import (
    BaseCrossValidator,
    GroupKFold,
    StratifiedGroupKFold,
    StratifiedKFold,
)
from sklearn.model_selection._split import GroupsConsumerMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import _num_samples, column_or_1d

from domadapt.domains.labels import has_label
from domadapt.domains.samples import check_same_length, read_numbers

__all__ = ["DomainGroupKFold", "LeaveOneSourceOut", "StratifiedDomainKFold"]

Folds = Iterator[tuple[np.ndarray, np.ndarray]]


class StratifiedDomainKFold(GroupsConsumerMixin, BaseCrossValidator):
    """K folds that are stratified by domain and, within the source, by label.

    Every fold has the same share of each domain as the whole, and source samples of each class
    in the same proportions. Of target samples only the domain counts: their labels are never
    read. Each training fold has both domains, as a fit needs, and so has each test fold, as
    scorers without target labels need.

    The domains are told by ``groups``: ``search.fit(X, y, groups=d, sample_domain=d)``. Without
    ``groups``, samples for which :func:`~domadapt.pack` has filled in no label are the target.

    Cost: sorting the labels.

    Where ``y`` holds numbers to predict, the source is stratified by domain alone.

    Parameters
    ----------
    n_splits : int, default=5
        Number of folds, at least 2.
    shuffle : bool, default=False
        Whether samples of a class are shuffled first. Without it they go to folds in order.
    random_state : int, RandomState instance or None, default=None
        Seeds the shuffling.

    See Also
    --------
    DomainGroupKFold : Keeps samples of one group, such as a patient, together.

    Examples
    --------
    >>> import numpy as np
    >>> from domadapt import pack
    >>> from domadapt.model_selection import StratifiedDomainKFold
    >>> X, y, d = pack(np.zeros((6, 1)), [0, 0, 0, 0, 1, 1], np.zeros((4, 1)))
    >>> for train, test in StratifiedDomainKFold(n_splits=2).split(X, y, groups=d):
    ...     print(y[test][d[test] > 0], sum(d[test] < 0))
    [0 0 1] 2
    [0 0 1] 2
    """

    def __init__(self, n_splits: int = 5, *, shuffle: bool = False, random_state: Any = None):
        _check_folds(n_splits, shuffle, random_state)
        self.n_splits = n_splits
        self.shuffle = shuffle
        self.random_state = random_state

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Return the number of folds.

        Parameters
        ----------
        X, y, groups : object, default=None
            Not looked at.

        Returns
        -------
        n_splits : int
            As given.
        """
        return self.n_splits

    def split(self, X: Any, y: Any = None, groups: Any = None) -> Folds:
        """Return the rows of each training fold and of each test fold.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Source and target samples, stacked.
        y : array-like of shape (n_samples,)
            Labels of source samples. What stands at target samples is never read.
        groups : array-like of shape (n_samples,), default=None
            Positive for source samples, negative for target samples, as ``sample_domain`` of
            ``fit``. By default target samples are those without a label.

        Yields
        ------
        train, test : ndarrays of int
            Rows of both domains.

        Raises
        ------
        ValueError
            If there are no target samples, or fewer of a domain or of a class than folds.
        """
        domain = _read_domain(self, X, y, groups)
        strata = _strata(self, domain, y)
        folds = StratifiedKFold(self.n_splits, shuffle=self.shuffle, random_state=self.random_state)
        yield from folds.split(np.zeros(len(strata)), strata)


class LeaveOneSourceOut(GroupsConsumerMixin, BaseCrossValidator):
    """Each fold tests one of several sources, and trains on the others and the target.

    A source that is left out is judged by its labels, and the model has never seen it: what is
    good there for a domain that is new may be good for the target.

    Cost: as many fits as there are sources.

    It needs ``groups``, for labels do not tell one source from another. The source left out is
    no target: a setting that is right for it can be wrong for the target, most of all where the
    target is farther away than the sources are from each other.

    Parameters
    ----------
    test_target : bool, default=False
        Whether the target samples are in the test folds too, where scorers without target
        labels look at them. They are in every training fold in either case, so that folds
        with them are no partition, as ``cross_val_predict`` needs one.

    See Also
    --------
    StratifiedDomainKFold : For one source as well.

    Examples
    --------
    >>> import numpy as np
    >>> from domadapt.model_selection import LeaveOneSourceOut
    >>> d = np.array([1, 1, 2, 2, 3, -1, -1])
    >>> for train, test in LeaveOneSourceOut().split(np.zeros((7, 1)), groups=d):
    ...     print(d[train], d[test])
    [ 2  2  3 -1 -1] [1 1]
    [ 1  1  3 -1 -1] [2 2]
    [ 1  1  2  2 -1 -1] [3]
    """

    def __init__(self, *, test_target: bool = False):
        self.test_target = test_target

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Return the number of sources.

        Parameters
        ----------
        X, y : object, default=None
            Not looked at.
        groups : array-like of shape (n_samples,)
            As for ``split``.

        Returns
        -------
        n_splits : int
            One fold for each source.

        Raises
        ------
        ValueError
            If ``groups`` is missing, or names fewer than two sources.
        """
        return len(_sources(self._read(groups)))

    def split(self, X: Any, y: Any = None, groups: Any = None) -> Folds:
        """Return the rows of each training fold and of each test fold.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples of several sources and of the target, stacked.
        y : object, default=None
            Not looked at.
        groups : array-like of shape (n_samples,)
            A positive number for each source, a negative one for target samples, as
            ``sample_domain`` of ``fit``.

        Yields
        ------
        train, test : ndarrays of int
            Rows.

        Raises
        ------
        ValueError
            If ``groups`` is missing, names no target or fewer than two sources.
        """
        domain = self._read(groups)
        check_same_length("groups", domain, "X", _num_samples(X))
        _check_target(domain)
        for source in _sources(domain):
            is_tested = domain == source
            tested = is_tested | (domain < 0) if self.test_target else is_tested
            yield np.flatnonzero(~is_tested), np.flatnonzero(tested)

    def _read(self, groups):
        if groups is None:
            raise ValueError(
                "LeaveOneSourceOut needs groups, which tell one source from another. Pass "
                "groups=sample_domain, as in search.fit(X, y, groups=d, sample_domain=d)."
            )
        return _read_numbers(groups, _num_samples(groups))


class DomainGroupKFold(GroupsConsumerMixin, BaseCrossValidator):
    """K folds that keep samples of one group together, with both domains in each.

    A group is what belongs together within a domain: the samples of one patient, or the pieces
    of one recording. Where some of them are in the training fold and others in the test fold, a
    score says how well patients are known again. Source samples are stratified by label as far
    as groups permit; labels of target samples are never read.

    ``groups`` are the groups here. The domains are told by ``y``, where
    :func:`~domadapt.pack` has filled in no label for target samples, or by ``sample_domain``,
    which metadata routing passes to the splitter as it does to the estimator. Without routing,
    where ``y`` has labels of target samples too, pass ``cv=list(splitter.split(X, y, groups,
    sample_domain=d))``.

    Cost: sorting the groups.

    A name that is in both domains stands for two groups, one in each, which may be in
    different folds.

    Parameters
    ----------
    n_splits : int, default=5
        Number of folds, at least 2, and at most the number of groups of either domain.
    shuffle : bool, default=False
        Whether groups are shuffled first.
    random_state : int, RandomState instance or None, default=None
        Seeds the shuffling.

    See Also
    --------
    StratifiedDomainKFold : Where samples have no groups.

    Examples
    --------
    >>> import numpy as np
    >>> from domadapt import pack
    >>> from domadapt.model_selection import DomainGroupKFold
    >>> X, y, d = pack(np.zeros((4, 1)), [0, 1, 0, 1], np.zeros((3, 1)))
    >>> patient = np.array(["a", "a", "b", "b", "x", "y", "y"])
    >>> for train, test in DomainGroupKFold(n_splits=2).split(X, y, groups=patient):
    ...     print(patient[train], patient[test])
    ['b' 'b' 'x'] ['a' 'a' 'y' 'y']
    ['a' 'a' 'y' 'y'] ['b' 'b' 'x']
    """

    __metadata_request__split = {"sample_domain": True}

    def __init__(self, n_splits: int = 5, *, shuffle: bool = False, random_state: Any = None):
        _check_folds(n_splits, shuffle, random_state)
        self.n_splits = n_splits
        self.shuffle = shuffle
        self.random_state = random_state

    def get_n_splits(
        self, X: Any = None, y: Any = None, groups: Any = None, sample_domain: Any = None
    ) -> int:
        """Return the number of folds.

        Parameters
        ----------
        X, y, groups, sample_domain : object, default=None
            Not looked at.

        Returns
        -------
        n_splits : int
            As given.
        """
        return self.n_splits

    def split(self, X: Any, y: Any = None, groups: Any = None, sample_domain: Any = None) -> Folds:
        """Return the rows of each training fold and of each test fold.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Source and target samples, stacked.
        y : array-like of shape (n_samples,)
            Labels of source samples. What stands at target samples is never read.
        groups : array-like of shape (n_samples,)
            The group of each sample, as numbers or texts.
        sample_domain : array-like of shape (n_samples,), default=None
            Positive for source samples, negative for target samples. By default target samples
            are those without a label.

        Yields
        ------
        train, test : ndarrays of int
            Rows of both domains.

        Raises
        ------
        ValueError
            If ``groups`` is missing, there are no target samples, or fewer groups of a domain
            than folds.
        """
        if groups is None:
            raise ValueError(
                "DomainGroupKFold needs groups: one entry for each sample, such as its patient. "
                "Use StratifiedDomainKFold for samples that belong to no group."
            )
        domain = _read_domain(self, X, y, sample_domain, "sample_domain")
        check_same_length("groups", groups, "X", len(domain))
        group = np.unique(column_or_1d(groups), return_inverse=True)[1]
        # A group of two sources is two groups.
        pairs = np.unique(np.column_stack([domain, group]), axis=0, return_inverse=True)[1].ravel()
        generator = check_random_state(self.random_state)
        fold = np.empty(len(domain), dtype=np.int64)
        for name, is_of in (("source", domain > 0), ("target", domain < 0)):
            rows = np.flatnonzero(is_of)
            labels = _codes(y, rows) if name == "source" else None
            fold[rows] = self._folds_of(name, pairs[rows], labels, generator)
        for number in range(self.n_splits):
            yield np.flatnonzero(fold != number), np.flatnonzero(fold == number)

    def _folds_of(self, name, groups, labels, generator):
        """Return the fold of each sample of a domain."""
        n_groups = len(np.unique(groups))
        if n_groups < self.n_splits:
            raise ValueError(
                f"The {name} has {n_groups} groups, and n_splits={self.n_splits} folds need at "
                "least one of them each. Lower n_splits."
            )
        X = np.zeros(len(groups))
        seed = generator.randint(np.iinfo(np.int32).max) if self.shuffle else None
        kinds = [GroupKFold] if labels is None else [StratifiedGroupKFold, GroupKFold]
        for kind in kinds:
            splitter = kind(self.n_splits, shuffle=self.shuffle, random_state=seed)
            fold = np.empty(len(groups), dtype=np.int64)
            for number, (_, test) in enumerate(splitter.split(X, labels, groups)):
                fold[test] = number
            # Stratification may leave a fold without any group, the other one does not.
            if len(np.unique(fold)) == self.n_splits:
                break
        return fold


def _check_folds(n_splits, shuffle, random_state):
    """Check the parameters of K folds, as scikit-learn does when they are given."""
    if not isinstance(n_splits, Integral) or isinstance(n_splits, bool) or n_splits < 2:
        raise ValueError(f"n_splits={n_splits!r}, and an integer of at least 2 was expected.")
    if not isinstance(shuffle, (bool, np.bool_)):
        raise TypeError(f"shuffle={shuffle!r}, and True or False was expected.")
    if not shuffle and random_state is not None:
        raise ValueError(
            f"random_state={random_state!r} changes nothing without shuffling. Pass shuffle=True "
            "too, or leave random_state out."
        )


def _read_domain(splitter, X, y, given, name="groups"):
    """Return the number of the domain of each sample, of both domains some."""
    n_samples = _num_samples(X)
    if y is not None:
        check_same_length("y", y, "X", n_samples)
    if given is not None:
        domain = _read_numbers(given, n_samples, name)
    elif y is None:
        raise ValueError(
            f"{type(splitter).__name__} was given neither {name} nor y, and cannot tell the "
            f"domains apart. Pass {name}=sample_domain."
        )
    else:
        domain = np.where(has_label(y), 1, -1)
    if given is None and (domain > 0).all():
        raise ValueError(
            f"All {n_samples} samples have a label, so there are no target samples: without "
            f"{name}, those count as target for which pack has filled in no label. Pass "
            f"{name}=sample_domain, positive for source samples and negative for target samples."
        )
    _check_target(domain)
    if not (domain > 0).any():
        raise ValueError(
            f"There are no source samples among the {n_samples}, and every fold needs some of "
            f"them. Pass stacked samples of both domains; {name} is positive for the source."
        )
    return domain


def _read_numbers(given, n_samples, name="groups"):
    """Return numbers of domains out of what a person calls ``groups``."""
    try:
        return read_numbers(given, n_samples)
    except ValueError as error:
        told = str(error).replace("sample_domain", name)
        raise ValueError(told) from error


def _check_target(domain):
    if not (domain < 0).any():
        raise ValueError(
            f"There are no target samples: none of the {len(domain)} numbers of domains is "
            "negative. Stack both domains, as pack does, with -1 for samples of the target."
        )


def _sources(domain):
    """Return the numbers of the sources, of which there are two at least."""
    sources = np.unique(domain[domain > 0])
    if len(sources) < 2:
        raise ValueError(
            f"groups names {len(sources)} source, and LeaveOneSourceOut needs at least two: one "
            "to test, others to train on. Give each source a number of its own, 1, 2 and so on, "
            "or use StratifiedDomainKFold."
        )
    return sources


def _codes(y, rows):
    """Return the classes of some samples as numbers, None where ``y`` holds numbers to predict."""
    if y is None:
        return None
    labels = np.asarray(y)[rows]
    if labels.dtype == object:
        # Beside missing labels of target samples, numbers may have become objects.
        labels = np.array(labels.tolist())
    if labels.ndim > 1 or type_of_target(labels).startswith("continuous"):
        return None
    return np.unique(labels, return_inverse=True)[1]


def _strata(splitter, domain, y):
    """Return a number for each domain and class, of each of which there are enough samples."""
    source = np.flatnonzero(domain > 0)
    if y is None:
        raise ValueError(
            "StratifiedDomainKFold stratifies the source by label and was given no y. Pass y; "
            "what stands at target samples is never read."
        )
    codes, label = _codes(y, source), np.zeros(len(domain), dtype=np.int64)
    if codes is not None:
        label[source] = codes
    pairs, strata = np.unique(np.column_stack([domain, label]), axis=0, return_inverse=True)
    strata = strata.ravel()
    counts = np.bincount(strata)
    fewest = int(counts.argmin())
    if counts[fewest] < splitter.n_splits:
        number = pairs[fewest][0]
        first = int(np.flatnonzero(strata == fewest)[0])
        what = "the target" if number < 0 else f"source {number:g}"
        if number > 0 and codes is not None:
            what = f"class {np.asarray(y)[[first]].tolist()[0]!r} in {what}"
        raise ValueError(
            f"There are {counts[fewest]} samples of {what}, fewer than n_splits="
            f"{splitter.n_splits}: each fold needs one at least. Lower n_splits, or leave the "
            "class out."
        )
    return strata
