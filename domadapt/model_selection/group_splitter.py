"""The splitter that keeps samples of one group together, with both domains in every fold."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.model_selection import BaseCrossValidator, GroupKFold, StratifiedGroupKFold
from sklearn.model_selection._split import GroupsConsumerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import column_or_1d

from domadapt.domains.samples import check_same_length
from domadapt.model_selection._folds import check_folds, class_codes, read_domain

__all__ = ["DomainGroupKFold"]

Folds = Iterator[tuple[np.ndarray, np.ndarray]]


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
        check_folds(n_splits, shuffle, random_state)
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
        domain = read_domain(self, X, y, sample_domain, "sample_domain")
        check_same_length("groups", groups, "X", len(domain))
        group = np.unique(column_or_1d(groups), return_inverse=True)[1]
        # A group of two sources is two groups.
        pairs = np.unique(np.column_stack([domain, group]), axis=0, return_inverse=True)[1].ravel()
        generator = check_random_state(self.random_state)
        fold = np.empty(len(domain), dtype=np.int64)
        for name, is_of in (("source", domain > 0), ("target", domain < 0)):
            rows = np.flatnonzero(is_of)
            labels = class_codes(y, rows) if name == "source" else None
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
        kinds = [GroupKFold]
        if labels is not None and np.unique(labels, return_counts=True)[1].max() >= self.n_splits:
            kinds.insert(0, StratifiedGroupKFold)
        for kind in kinds:
            splitter = kind(self.n_splits, shuffle=self.shuffle, random_state=seed)
            fold = np.empty(len(groups), dtype=np.int64)
            for number, (_, test) in enumerate(splitter.split(X, labels, groups)):
                fold[test] = number
            # Stratification may leave a fold without any group, the other one does not.
            if len(np.unique(fold)) == self.n_splits:
                break
        return fold
