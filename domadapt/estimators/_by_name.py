"""The deep estimator of a method, by its name in the table."""

from domadapt import estimators
from domadapt.methods import BY_NAME


def on_vectors(method, *, learns="classes", epochs=None, **parameters):
    """Build the estimator that trains on vectors, a frozen backbone's too, with its defaults.

    Parameters
    ----------
    method : str
        Name of a method, as in :data:`domadapt.methods.BY_NAME`.
    learns : {"classes", "values"}, default="classes"
        What the estimator is to learn. The method has to be for that.
    epochs : int, default=None
        In place of the estimator's default.
    **parameters : object
        Parameters of the estimator.

    Returns
    -------
    estimator : BaseAlignmentClassifier or BaseAlignmentRegressor
        Not fitted.

    Examples
    --------
    >>> from domadapt.estimators._by_name import on_vectors
    >>> on_vectors("dan", epochs=5)
    DANClassifier(max_epochs=5)
    """
    method = BY_NAME[method]
    own = method.regressor if learns == "values" else method.classifier
    if method.name == "source":
        own, parameters["alignment"] = None, None
    elif own is None:
        parameters.setdefault("alignment", method.name)
    if epochs is not None:
        parameters["max_epochs"] = epochs
    general = "AlignmentRegressor" if learns == "values" else "AlignmentClassifier"
    return getattr(estimators, own or general)(**parameters)
