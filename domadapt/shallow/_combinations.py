"""Methods without a network by one name: ``ADAPTER+ESTIMATOR``, or an estimator alone."""

from dataclasses import dataclass
from typing import Any, ClassVar

from sklearn.base import clone
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.svm import SVC, SVR, LinearSVC

from domadapt.methods import ADAPTER_NAMES, AdapterMethod
from domadapt.shallow._estimators import AdaptedClassifier, AdaptedRegressor

WRAPPERS = {"classes": AdaptedClassifier, "values": AdaptedRegressor}


@dataclass(frozen=True)
class Plain:
    """An estimator that stands alone or inside an adapter, by task."""

    title: str
    classes: Any = None
    values: Any = None


# fmt: off
PLAIN = {
    "lr": Plain("logistic regression", classes=LogisticRegression(max_iter=1000)),
    "ridge": Plain("ridge", values=Ridge()),
    "svc": Plain("SVC", classes=SVC()),
    "linear_svc": Plain("linear SVC", classes=LinearSVC()),
    "svr": Plain("SVR", values=SVR()),
    "1nn": Plain("1-NN", KNeighborsClassifier(1), KNeighborsRegressor(1)),
    "extra_trees": Plain("extra trees", ExtraTreesClassifier(), ExtraTreesRegressor()),
    "boosted_trees": Plain(
        "boosted trees", HistGradientBoostingClassifier(), HistGradientBoostingRegressor()
    ),
}
# fmt: on


@dataclass(frozen=True)
class ShallowMethod:
    """An estimator of scikit-learn, and the adapter around it; None for the estimator alone."""

    adapter: AdapterMethod | None
    plain: str
    trait: ClassVar[str] = "trains no network"

    @property
    def name(self):
        """The name on the command line and in files."""
        if self.adapter is None:
            return self.plain
        return f"{self.adapter.also or self.adapter.name}+{self.plain}"

    @property
    def title(self):
        """The name in tables."""
        title = PLAIN[self.plain].title
        return title if self.adapter is None else f"{self.adapter.title} + {title}"

    @property
    def needs_labels(self):
        """Whether labels of some target samples have to be known."""
        return self.adapter is not None and self.adapter.setting == "few target labels"

    @property
    def sees_target(self):
        """Whether it learns from target samples too."""
        return self.adapter is not None

    def build(self, learns, random_state):
        """Return the estimator, not fitted."""
        if self.adapter is not None:
            return self.to_save(learns, random_state)
        inner = clone(getattr(PLAIN[self.plain], learns))
        if "random_state" in inner.get_params():
            inner.set_params(random_state=random_state)
        return inner

    def to_save(self, learns, random_state):
        """Return a wrapper, which can be saved; without a target it is the estimator alone."""
        adapter = "coral" if self.adapter is None else self.adapter.name
        inner = clone(getattr(PLAIN[self.plain], learns))
        return WRAPPERS[learns](inner, adapter, random_state=random_state)


def read_shallow(name, learns=None):
    """Read the name of a method without a network.

    Parameters
    ----------
    name : str
        Such as ``"coral_map+lr"``, or ``"lr"`` for the estimator alone, in any case.
    learns : {"classes", "values"} or None, default=None
        What it is to learn; None for any.

    Returns
    -------
    method : ShallowMethod or None
        None where the name is of another kind.

    Raises
    ------
    ValueError
        If the adapter or the estimator is unknown, learns something else, or they do not
        go together.

    Examples
    --------
    >>> from domadapt.shallow._combinations import read_shallow
    >>> read_shallow("coral_map+lr").title
    'CORAL mapping + logistic regression'
    >>> read_shallow("dan") is None
    True
    """
    text = name.strip().lower()
    adapter_name, is_adapted, plain = text.rpartition("+")
    if not is_adapted:
        if text not in PLAIN:
            return None
        adapter = None
    else:
        adapter = ADAPTER_NAMES.get(adapter_name)
        if adapter is None:
            raise ValueError(
                f"method {name.strip()!r}: the adapter {adapter_name!r} is unknown. Before the + "
                f"there may be: {', '.join(ADAPTER_NAMES)}."
            )
    if plain not in PLAIN:
        raise ValueError(
            f"method {name.strip()!r}: the estimator {plain!r} is unknown. After the + there may "
            f"be: {', '.join(PLAIN)}."
        )
    method = ShallowMethod(adapter, plain)
    if learns is not None:
        _check_learns(method, name, learns)
    return method


def _check_learns(method, name, learns):
    fits = getattr(PLAIN[method.plain], learns) is not None
    if not fits or (method.adapter is not None and learns not in method.adapter.learns):
        known = [n for n, plain in PLAIN.items() if getattr(plain, learns) is not None]
        other = "classes" if learns == "values" else "values"
        raise ValueError(
            f"method {name.strip()!r} learns {other}, not {learns}. Estimators that do: "
            f"{', '.join(known)}."
        )
    if method.adapter is not None:
        # What does not go together is told before any cell is run.
        method.build(learns, 0)._check_parameters()
