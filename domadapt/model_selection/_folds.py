"""Checks that splitters share: parameters of folds, domains of samples, classes of the source."""

from numbers import Integral

import numpy as np
from sklearn.utils import _safe_indexing
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import _num_samples

from domadapt.domains.labels import has_label
from domadapt.domains.samples import check_same_length, read_numbers


def check_folds(n_splits, shuffle, random_state):
    """Check the parameters of K folds, as scikit-learn does when they are given."""
    if not isinstance(n_splits, Integral) or n_splits < 2:
        raise ValueError(f"n_splits={n_splits!r}, and an integer of at least 2 was expected.")
    if not isinstance(shuffle, (bool, np.bool_)):
        raise TypeError(f"shuffle={shuffle!r}, and True or False was expected.")
    if not shuffle and random_state is not None:
        raise ValueError(
            f"random_state={random_state!r} changes nothing without shuffling. Pass shuffle=True "
            "too, or leave random_state out."
        )


def read_domain(splitter, X, y, given, name="groups"):
    """Return the number of the domain of each sample, of both domains some."""
    n_samples = _num_samples(X)
    if y is not None:
        check_same_length("y", y, "X", n_samples)
    if given is not None:
        domain = read_group_numbers(given, n_samples, name)
    elif y is None:
        raise ValueError(
            f"{type(splitter).__name__} was given neither {name} nor y, and cannot tell the "
            f"domains apart. Pass {name}, positive for source samples and negative for target "
            "samples."
        )
    else:
        domain = np.where(has_label(y), 1, -1)
    if given is None and (domain > 0).all():
        raise ValueError(
            f"All {n_samples} samples have a label, so there are no target samples: without "
            f"{name}, those count as target for which pack has filled in no label. Pass {name}, "
            "positive for source samples and negative for target samples."
        )
    check_target(domain)
    if not (domain > 0).any():
        raise ValueError(
            f"There are no source samples among the {n_samples}, and every fold needs some of "
            f"them. Pass stacked samples of both domains; {name} is positive for the source."
        )
    return domain


def read_group_numbers(given, n_samples, name="groups"):
    """Return numbers of domains out of what a person calls ``groups``."""
    try:
        return read_numbers(given, n_samples)
    except ValueError as error:
        told = str(error).replace("sample_domain", name)
        raise ValueError(told) from error


def check_target(domain):
    if not (domain < 0).any():
        raise ValueError(
            f"There are no target samples: none of the {len(domain)} numbers of domains is "
            "negative. Stack both domains, as pack does, with -1 for samples of the target."
        )


def class_codes(y, rows):
    """Return classes of some samples as numbers, -1 for no label, None for values to predict."""
    if y is None:
        return None
    # Without what stands at other samples, whose kind could change that of all labels.
    labels = np.asarray(_safe_indexing(y, rows))
    known = has_label(labels)
    there = labels[known]
    if labels.dtype == object:
        there = np.array(there.tolist())
    if labels.ndim > 1 or type_of_target(there).startswith("continuous"):
        return None
    codes = np.full(len(labels), -1)
    codes[known] = np.unique(there, return_inverse=True)[1]
    return codes
