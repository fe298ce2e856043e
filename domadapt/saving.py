"""Fitted estimators read from files."""

import os
import textwrap
from typing import Any

from domadapt._storage.files import read_tensors
from domadapt._storage.objects import restore_object
from domadapt.domains.base import MODEL
from domadapt.estimators._building import DEEP, read_estimator
from domadapt.inductive import KINDS
from domadapt.inputs.tables import behind_columns
from domadapt.methods import WRAPPERS
from domadapt.model_selection.auto._members import restore_members

# They choose among estimators, and hold those that they mix.
AUTOMATIC = {"AutoAdaptClassifier", "AutoAdaptRegressor"}


def load(path: str | os.PathLike[str], **parameters: Any) -> Any:
    """Read an estimator that its ``save`` wrote. No code of the file is run.

    Parameters
    ----------
    path : str or path
        The file.
    **parameters : object
        Parameters that are to be others than those saved, such as ``device="cpu"``; and
        those that a file does not hold. A ``backbone`` of your own and an
        ``image_loader`` with transforms of your own have to be given. A criterion or a
        schedule of your own is not needed to predict.

    Returns
    -------
    estimator : BaseDeepEstimator, AdaptedClassifier, AdaptedRegressor or Pipeline
        Fitted. If it was on a CUDA device that is not there, it is on the CPU and its
        ``device`` is ``"auto"``. A backbone that was trained is not there as it was
        before: to fit again, set it. A model that ``domadapt fit`` has trained on a table
        is a :class:`~sklearn.pipeline.Pipeline` of what encodes the columns and of it.

    Raises
    ------
    FileNotFoundError
        If the file is not there.
    ValueError
        If the file is cut short, was changed, is of another kind or version, or needs a
        parameter that was not given or does not fit.

    Warns
    -----
    UserWarning
        If a parameter that only ``fit`` needs was not saved and has its default.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sklearn.datasets import make_blobs
    >>> import domadapt
    >>> X, y = make_blobs(50, random_state=0)
    >>> clf = domadapt.DANClassifier(max_epochs=3, random_state=0).fit(X, y, X_target=X + 1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     clf.save(Path(folder, "model.safetensors"))
    ...     again = domadapt.load(Path(folder, "model.safetensors"))
    >>> bool((again.predict_proba(X) == clf.predict_proba(X)).all())
    True
    """
    try:
        tensors, info = read_tensors(path, kind=MODEL)
        if info["class"] in WRAPPERS:
            # It computes where scikit-learn does, whatever the device of other models.
            parameters.pop("device", None)
            return behind_columns(_read_wrapper(path, tensors, info, parameters), info)
        if info["class"] in AUTOMATIC:
            parameters.pop("device", None)
            estimator = _read_wrapper(path, tensors, info, parameters, "leaderboard_")
            estimator._members = restore_members(path, tensors, info["members"])
            return behind_columns(estimator, info)
        estimator = read_estimator(path, tensors, info, parameters, DEEP | KINDS)
        estimator = behind_columns(estimator, info)
    except (
        AssertionError,
        AttributeError,
        LookupError,
        MemoryError,
        OverflowError,
        RuntimeError,
        TypeError,
        ValueError,
    ) as error:
        if isinstance(error, ValueError) and str(path) in str(error):
            raise
        reason = textwrap.shorten(str(error), 500, placeholder=" ...")
        raise ValueError(f"{str(path)!r} does not fit together: {reason}") from error
    return estimator


def _read_wrapper(path, tensors, info, given, fitted="estimator_"):
    """Return a fitted wrapper of an estimator of scikit-learn's kind, with parameters set."""
    try:
        wrapper = restore_object(tensors["object"])
        if type(wrapper).__name__ != info["class"] or not hasattr(wrapper, fitted):
            raise TypeError(f"a {type(wrapper).__name__}, perhaps not fitted")
    except Exception as error:
        # What the bytes of a forged file make a reader raise is of any kind.
        raise ValueError(f"what stands in it is no {info['class']}: {error}") from error
    unknown = set(given) - set(wrapper.get_params(deep=False))
    if unknown:
        raise ValueError(f"{str(path)!r}: {info['class']} has no parameters {sorted(unknown)}.")
    return wrapper.set_params(**given)
