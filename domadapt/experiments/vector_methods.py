"""Methods that take vectors and no backbone: the automatic choice, and those without a network."""

from dataclasses import dataclass
from typing import ClassVar

from domadapt.model_selection.auto import AutoAdaptClassifier, AutoAdaptRegressor
from domadapt.shallow._combinations import read_shallow

AUTO = "auto"
ESTIMATORS = {"classes": AutoAdaptClassifier, "values": AutoAdaptRegressor}


@dataclass(frozen=True)
class Automatic:
    """The automatic choice with its defaults, as a method of the command."""

    name: ClassVar[str] = AUTO
    title: ClassVar[str] = "automatic choice"
    trait: ClassVar[str] = "chooses among many models"
    needs_labels: ClassVar[bool] = False
    sees_target: ClassVar[bool] = True

    def build(self, learns, random_state):
        """Return the estimator, not fitted."""
        return ESTIMATORS[learns](random_state=random_state)

    def to_save(self, learns, random_state):
        """Return the estimator, not fitted, which can be saved and tells of its progress."""
        return self.build(learns, random_state).set_params(verbose=True)


def read_vector_method(name, learns=None):
    """Read the name of a method that takes vectors alone.

    Parameters
    ----------
    name : str
        ``"auto"``, ``"coral_map+lr"`` and the like, or an estimator such as ``"lr"``, in any
        case.
    learns : {"classes", "values"} or None, default=None
        What it is to learn; None for any.

    Returns
    -------
    method : Automatic, ShallowMethod or None
        None where the name is of another kind.

    Raises
    ------
    ValueError
        As of :func:`domadapt.shallow._combinations.read_shallow`.

    Examples
    --------
    >>> from domadapt.experiments.vector_methods import read_vector_method
    >>> read_vector_method("Auto").title, read_vector_method("lr").title
    ('automatic choice', 'logistic regression')
    >>> read_vector_method("dan") is None
    True
    """
    return Automatic() if name.strip().lower() == AUTO else read_shallow(name, learns)


def sees_no_target(name):
    """Return whether a method of a table learns from the source alone."""
    method = read_vector_method(name)
    return name == "source" if method is None else not method.sees_target
