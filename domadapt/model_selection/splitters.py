"""Cross-validation splitters whose folds keep the domains: for ``cv=`` in scikit-learn."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.model_selection import BaseCrossValidator, StratifiedKFold
from sklearn.model_selection._split import GroupsConsumerMixin
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import _num_samples

from domadapt.domains.samples import check_same_length
from domadapt.model_selection._folds import (
    check_folds,
    check_target,
    class_codes,
    read_domain,
    read_group_numbers,
)

__all__ = ["LeaveOneSourceOut", "StratifiedDomainKFold"]

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
        check_folds(n_splits, shuffle, random_state)
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
        domain = read_domain(self, X, y, groups)
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
        check_target(domain)
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
        return read_group_numbers(groups, _num_samples(groups))


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


def _strata(splitter, domain, y):
    """Return a number for each domain and class, of each of which there are enough samples."""
    source = np.flatnonzero(domain > 0)
    if y is None:
        raise ValueError(
            "StratifiedDomainKFold stratifies the source by label and was given no y. Pass y; "
            "what stands at target samples is never read."
        )
    codes, label = class_codes(y, source), np.zeros(len(domain), dtype=np.int64)
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
        if label[first] < 0:
            what = f"{what} without a label"
        elif number > 0 and codes is not None:
            what = f"class {np.asarray(_safe_indexing(y, [first])).tolist()[0]!r} in {what}"
        raise ValueError(
            f"There are {counts[fewest]} samples of {what}, fewer than n_splits="
            f"{splitter.n_splits}: each fold needs one at least. Lower n_splits, or leave "
            "them out."
        )
    return strata
