"""Estimators of scikit-learn's kind, adapted to the target by an adapter."""

import contextlib
from dataclasses import field
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import clone
from sklearn.utils import check_random_state, get_tags
from sklearn.utils._param_validation import HasMethods
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from domadapt._storage.objects import encode_object
from domadapt.domains.base import BaseDomainEstimator, estimator
from domadapt.domains.cautions import warn
from domadapt.domains.samples import read_numbers
from domadapt.domains.scores import ClassifierScore, RegressorScore
from domadapt.domains.splitting import check_samples
from domadapt.shallow._adapter import Adapter, DomainAdapter, Mapping
from domadapt.shallow._names import resolve
from domadapt.shallow._training import check_takes_weights, fit_weighted, in_order


def _responds(method):
    """Return a check of whether an estimator has a method, fitted or not."""

    def check(self):
        # What is fitted may be of another kind than what was given, a calibrated one for one.
        getattr(getattr(self, "estimator_", self.estimator), method)
        return True

    return check


class BaseAdapted(BaseDomainEstimator):
    """Everything of a wrapper but what it learns."""

    estimator: Any
    adapter: Any
    random_state: Any

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "estimator": [HasMethods(["fit", "predict"])],
        "adapter": [str, Adapter],
        "random_state": ["random_state"],
    }

    adapter_: Any
    estimator_: Any

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters, and where ``deep`` those of estimator and adapter too."""
        parameters = super().get_params(deep)
        if deep and isinstance(self.adapter, str):
            # A name that is unknown has no parameters, and can be set to one that is not.
            with contextlib.suppress(ValueError):
                of_adapter = resolve(self.adapter, self._learns).get_params()
                parameters |= {f"adapter__{name}": value for name, value in of_adapter.items()}
        return parameters

    def set_params(self, **parameters: Any) -> Self:
        """Set parameters; ``adapter__NAME`` sets one of the adapter, of one by name too."""
        adapter = parameters.get("adapter", self.adapter)
        is_nested = any(name.startswith("adapter__") for name in parameters)
        if is_nested and isinstance(adapter, str):
            parameters["adapter"] = resolve(adapter, self._learns)
        super().set_params(**parameters)
        return self

    def _check_parameters(self):
        adapter = resolve(self.adapter, self._learns)
        adapter._validate_params()
        adapter._check_estimator(self.estimator)

    def _fit_domains(self, domains):
        adapter, inner = resolve(self.adapter, self._learns), clone(self.estimator)
        _set_random_states(self.random_state, adapter, inner)
        if domains.sample_weight is not None:
            check_takes_weights(inner, "sample_weight was given")
        with self._watched(domains, 1, "estimator_") as watch, watch.epoch():
            if domains.target is None:
                self._warn_of_no_target()
                X = domains.source.take(slice(None))
                trained = fit_weighted(inner, X, domains.y, domains.sample_weight)
                adapter = None
            else:
                # What it is asked later it checks against this, as if fitted alone.
                adapter.n_features_in_ = self.n_features_in_
                trained = adapter._train(inner, domains)
            for name in ("adapter_", "transduction_"):
                self.__dict__.pop(name, None)
            self.estimator_ = trained
            if adapter is not None:
                self.adapter_ = adapter
                if hasattr(self, "feature_names_in_") and isinstance(adapter, DomainAdapter):
                    adapter.feature_names_in_ = self.feature_names_in_
            self._keep_labels(domains.y)
        if domains.target is not None:
            self.transduction_ = self._answer("predict", domains.target.take(slice(None)))

    def _warn_of_no_target(self):
        warn(
            f"{type(self).__name__} was given no target, so that its estimator is trained on the "
            "source alone. Pass X_target or sample_domain."
        )

    def _keep_labels(self, y):
        """Keep what is known of labels after a fit."""

    def _samples(self, X):
        check_is_fitted(self)
        return check_samples(self, X, (self.n_features_in_,)).take(slice(None))

    def _answer(self, method, X, sample_domain=None):
        """Return what a method of the estimator says of samples that were checked."""
        adapter = getattr(self, "adapter_", None)
        if adapter is None:
            return getattr(self.estimator_, method)(X)
        if sample_domain is None or not isinstance(adapter, Mapping):
            return adapter._respond(self.estimator_, method, X)
        return getattr(self.estimator_, method)(adapter._mapped_by(X, sample_domain))

    def _asked(self, method, X, sample_domain):
        X = self._samples(X)
        if sample_domain is not None:
            sample_domain = read_numbers(sample_domain, X.shape[0])
        return self._answer(method, X, sample_domain)

    def predict(self, X: Any, sample_domain: Any = None) -> np.ndarray:
        """Predict, treating samples as target.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Samples of the kind of those of ``fit``.
        sample_domain : array-like of shape (n_samples,), default=None
            Positive for samples of the source, which are then mapped as such. By default all
            samples are taken for target.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            What the estimator predicts.
        """
        return self._asked("predict", X, sample_domain)

    def _to_file(self):
        check_is_fitted(self)
        return {"object": encode_object(self)}, {"class": type(self).__name__}

    def __sklearn_is_fitted__(self):
        return hasattr(self, "estimator_")

    @property
    def _dtypes(self):
        return self._tagged_adapter()._dtypes

    @property
    def _instead_of_sparse(self):
        return self._tagged_adapter()._instead_of_sparse

    def _tagged_adapter(self):
        try:
            return resolve(self.adapter, self._learns)
        except (TypeError, ValueError):
            # What cannot be fitted has tags all the same; fit says what is wrong.
            return Adapter()

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        of_adapter = get_tags(self._tagged_adapter()).input_tags
        try:
            inner = get_tags(self.estimator)
        except (AttributeError, TypeError):
            return tags
        tags.input_tags.sparse = of_adapter.sparse and inner.input_tags.sparse
        tags.input_tags.allow_nan = of_adapter.allow_nan and inner.input_tags.allow_nan
        tags.input_tags.categorical = of_adapter.categorical
        tags.non_deterministic = inner.non_deterministic
        if inner.classifier_tags is not None and tags.classifier_tags is not None:
            tags.classifier_tags.multi_class = inner.classifier_tags.multi_class
            tags.classifier_tags.poor_score = inner.classifier_tags.poor_score
        if inner.regressor_tags is not None and tags.regressor_tags is not None:
            tags.regressor_tags.poor_score = inner.regressor_tags.poor_score
            tags.target_tags.multi_output = inner.target_tags.multi_output
        return tags


@estimator
class AdaptedClassifier(ClassifierScore, BaseAdapted):
    """Any classifier of scikit-learn's kind, adapted to a target without labels.

    The adapter maps samples, weighs those of the source, corrects predictions for moved
    proportions of classes, or labels the target itself. The classifier is trained on what
    it makes of the labelled source; labels of the target never reach it.

    Parameters
    ----------
    estimator : estimator
        The classifier, which is cloned. A pipeline may be one.
    adapter : str or adapter, default="coral"
        A name out of the table in ``docs/methods``, or an adapter of
        :mod:`domadapt.shallow` with parameters of your own. ``adapter__NAME`` is a
        parameter of it in ``set_params`` and searches.
    random_state : int, RandomState instance or None, default=None
        Seeds what in estimator and adapter has a ``random_state`` of None.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted.
    estimator_ : estimator
        The fitted classifier, which takes samples as the adapter maps them.
    adapter_ : adapter
        The fitted adapter. Not there after a fit without a target.
    transduction_ : ndarray of shape (n_target,)
        What is predicted for the target samples given to ``fit``, in their order. Not there
        after a fit without a target.
    n_features_in_ : int
        Columns seen in ``fit``.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, where ``X`` was a DataFrame with string names.

    See Also
    --------
    domadapt.AlignmentClassifier : Trains a network, whose features are aligned.

    Examples
    --------
    >>> from sklearn.datasets import make_blobs
    >>> from sklearn.linear_model import LogisticRegression
    >>> from domadapt.shallow import AdaptedClassifier
    >>> Xs, ys = make_blobs(200, centers=[[0, 0], [6, 0]], random_state=0)
    >>> Xt, yt = make_blobs(200, centers=[[3, 4], [9, 4]], random_state=1)
    >>> clf = AdaptedClassifier(LogisticRegression(), "coral").fit(Xs, ys, X_target=Xt)
    >>> clf.transduction_.shape, bool(clf.score(Xt, yt) > 0.9)
    ((200,), True)
    """

    estimator: Any = field(kw_only=False)
    adapter: Any = field(default="coral", kw_only=False)
    random_state: Any = None

    _learns: ClassVar[Any] = "classes"

    def _keep_labels(self, y):
        self.classes_ = np.unique(y)

    @available_if(_responds("predict_proba"))
    def predict_proba(self, X: Any, sample_domain: Any = None) -> np.ndarray:
        """Predict the probability of each class, treating samples as target.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Samples of the kind of those of ``fit``.
        sample_domain : array-like of shape (n_samples,), default=None
            Positive for samples of the source, which are then mapped as such. By default all
            samples are taken for target.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
            Columns in the order of ``classes_``.
        """
        answer = self._asked("predict_proba", X, sample_domain)
        return in_order(answer, self.estimator_.classes_, self.classes_)

    @available_if(_responds("decision_function"))
    def decision_function(self, X: Any, sample_domain: Any = None) -> np.ndarray:
        """Return the confidence in each class, treating samples as target.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Samples of the kind of those of ``fit``.
        sample_domain : array-like of shape (n_samples,), default=None
            Positive for samples of the source, which are then mapped as such. By default all
            samples are taken for target.

        Returns
        -------
        confidence : ndarray of shape (n_samples,) or (n_samples, n_classes)
            As the estimator's own, for two classes in one column.
        """
        answer = self._asked("decision_function", X, sample_domain)
        if answer.ndim == 1:
            return answer
        return in_order(answer, self.estimator_.classes_, self.classes_, fill=-np.inf)


@estimator
class AdaptedRegressor(RegressorScore, BaseAdapted):
    """Any regressor of scikit-learn's kind, adapted to a target without values.

    The adapter maps samples or weighs those of the source. The regressor is trained on what it
    makes of the source with its values; values of the target never reach it.

    Parameters
    ----------
    estimator : estimator
        The regressor, which is cloned. A pipeline may be one.
    adapter : str or adapter, default="per_domain_scaling"
        A name out of the table in ``docs/methods``, or an adapter of
        :mod:`domadapt.shallow` with parameters of your own. ``adapter__NAME`` is a
        parameter of it in ``set_params`` and searches.
    random_state : int, RandomState instance or None, default=None
        Seeds what in estimator and adapter has a ``random_state`` of None.

    Attributes
    ----------
    estimator_ : estimator
        The fitted regressor, which takes samples as the adapter maps them.
    adapter_ : adapter
        The fitted adapter. Not there after a fit without a target.
    transduction_ : ndarray of shape (n_target,) or (n_target, n_outputs)
        What is predicted for the target samples given to ``fit``, in their order. Not there
        after a fit without a target.
    n_features_in_ : int
        Columns seen in ``fit``.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, where ``X`` was a DataFrame with string names.

    See Also
    --------
    domadapt.AlignmentRegressor : Trains a network, whose features are aligned.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import Ridge
    >>> from domadapt.shallow import AdaptedRegressor
    >>> rng = np.random.default_rng(0)
    >>> Xs, Xt = rng.normal(size=(300, 3)), rng.normal(size=(300, 3))
    >>> ys, yt = Xs @ [1, 2, 3], Xt @ [1, 2, 3]
    >>> reg = AdaptedRegressor(Ridge(), "coral").fit(Xs, ys, X_target=10 * Xt + 5)
    >>> bool(reg.score(10 * Xt + 5, yt) > 0.9)
    True
    """

    estimator: Any = field(kw_only=False)
    adapter: Any = field(default="per_domain_scaling", kw_only=False)
    random_state: Any = None

    _learns: ClassVar[Any] = "values"


def _set_random_states(random_state, *objects):
    """Seed what has no seed of its own, from one generator."""
    if random_state is None:
        return
    generator = check_random_state(random_state)
    for which in objects:
        parameters = which.get_params()
        unset = [n for n in sorted(parameters) if n.rpartition("__")[2] == "random_state"]
        seeds = {
            name: generator.randint(np.iinfo(np.int32).max)
            for name in unset
            if parameters[name] is None
        }
        which.set_params(**seeds)
