"""Self-taught learning: features from unlabelled rows of anywhere, for a labelled task."""

import contextlib
from dataclasses import field
from numbers import Integral, Real
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.decomposition import PCA, MiniBatchDictionaryLearning
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted, validate_data

from domadapt.domains.base import Watch, estimator
from domadapt.domains.samples import Samples
from domadapt.inputs.reader import Reader, resolve_device
from domadapt.nn.networks import FeatureClassifier, mlp_backbone, mlp_head
from domadapt.nn.random_numbers import RandomNumbers
from domadapt.training.optimization import constant, dann_learning_rate
from domadapt.training.settings import TrainingSettings
from domadapt.training.tasks import Regression
from domadapt.training.trainer import Trainer, run_all

__all__ = ["SelfTaughtFeatures"]


@contextlib.contextmanager
def numpy_state_kept():
    """Keep NumPy's global generator as it was: scikit-learn's Lasso draws a seed from it."""
    state = np.random.get_state()  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(state)  # noqa: NPY002


def _centre_and_scale(X):
    """Return the means of the columns, and the one scale that all are divided by."""
    mean = X.mean(0)
    with np.errstate(over="ignore"):
        scale = float(np.sqrt(X.var(0).mean()))
    if not np.isfinite(scale):
        raise ValueError(
            f"X holds numbers as large as {np.abs(X).max():.3g}, of which no variance can be "
            f"computed in {X.dtype}. Scale the columns, or pass X as float64."
        )
    # What rounding leaves of the variance of constant columns is nothing to be divided by.
    return mean, scale if np.ptp(X, axis=0).any() else 1.0


@estimator
class SelfTaughtFeatures(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Features learnt from unlabelled rows, which need not be of the classes that are wanted.

    Columns are centred, and divided by one scale for all. Then ``"sparse_coding"`` writes a row
    x as few of the atoms of a dictionary D that is learnt, and the features are the a with the
    least ||x - a D||^2 / 2 + alpha ||a||_1. ``"pca"`` takes the directions of most variance, and
    ``"autoencoder"`` the units of a layer, with ReLU, from which a linear layer writes the row
    again with the least squared error.

    Fit it on the rows without labels, and let :class:`sklearn.frozen.FrozenEstimator` keep it
    as it is in a pipeline that is fitted on the labelled ones. It is a transformer of
    scikit-learn's kind, with objects of scikit-learn inside: ``pickle`` or ``joblib`` write it
    to a file, as they do the pipeline.

    Parameters
    ----------
    method : {"sparse_coding", "pca", "autoencoder"}, default="sparse_coding"
        How features are found. The first two are scikit-learn's
        :class:`~sklearn.decomposition.MiniBatchDictionaryLearning` and
        :class:`~sklearn.decomposition.PCA`.
    n_features : int, default=100
        Features.
    alpha : float, default=1.0
        How sparse ``"sparse_coding"`` is: more has fewer atoms in a row.
    max_epochs : int, default=20
        Passes over the rows of ``"sparse_coding"``, at most, and of ``"autoencoder"``.
    batch_size : int, default=64
        Rows of a mini-batch.
    learning_rate : float, default=1e-3
        Step size of ``"autoencoder"`` at the start, by Adam.
    device : {"auto", "cpu", "cuda"} or torch.device, default="auto"
        Where ``"autoencoder"`` trains.
    random_state : int, RandomState instance or None, default=None
        Draws what the method starts from and the order of rows.
    verbose : bool, default=False
        Print a line for each epoch of ``"autoencoder"``.

    Attributes
    ----------
    mean_ : ndarray of shape (`n_features_in_`,)
        Of the columns of the unlabelled rows.
    scale_ : float
        Root of the mean variance of the columns.
    learnt_ : MiniBatchDictionaryLearning, PCA or FeatureClassifier
        What was learnt; of ``"autoencoder"`` the network, whose ``feature_extractor`` gives
        the features and whose ``classifier`` the row.
    history_ : dict of str to list of float
        Of ``"autoencoder"``: the mean squared error of each epoch as ``task_loss``.
    n_features_in_ : int
        Columns seen in ``fit``.

    References
    ----------
    Raina, Battle, Lee, Packer, Ng (2007). "Self-taught learning: transfer learning from
    unlabeled data". ICML.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.frozen import FrozenEstimator
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from domadapt.inductive import SelfTaughtFeatures
    >>> X, y = load_digits(return_X_y=True)
    >>> features = SelfTaughtFeatures("pca", n_features=20, random_state=0).fit(X[y >= 5])
    >>> clf = make_pipeline(FrozenEstimator(features), LogisticRegression(max_iter=500))
    >>> wanted = y < 5
    >>> bool(clf.fit(X[wanted][:50], y[wanted][:50]).score(X[wanted], y[wanted]) > 0.8)
    True
    """

    method: Literal["sparse_coding", "pca", "autoencoder"] = field(
        default="sparse_coding", kw_only=False
    )
    n_features: int = 100
    alpha: float = 1.0
    max_epochs: int = 20
    batch_size: int = 64
    learning_rate: float = 1e-3
    device: str | torch.device = "auto"
    random_state: int | np.random.RandomState | None = None
    verbose: bool | int = False

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "method": [StrOptions({"sparse_coding", "pca", "autoencoder"})],
        "n_features": [Interval(Integral, 1, None, closed="left")],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "max_epochs": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "device": [str, torch.device],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn features from rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Unlabelled rows.
        y : object, default=None
            Not read.

        Returns
        -------
        self : SelfTaughtFeatures
            The fitted transformer.

        Raises
        ------
        ValueError, TypeError
            If a parameter or the data are not as described.
        NonFiniteLossError
            If the loss of ``"autoencoder"`` is no longer finite.
        """
        self._validate_params()
        X = validate_data(self, X, dtype=[np.float64, np.float32], ensure_min_samples=2)
        if self.method == "pca" and self.n_features > min(X.shape):
            raise ValueError(
                f"n_features={self.n_features} is more than method='pca' has for {X.shape[0]} "
                f"samples of {X.shape[1]} columns. Lower it to {min(X.shape)}, or use "
                "method='sparse_coding'."
            )
        mean, scale = _centre_and_scale(X)
        seed = check_random_state(self.random_state).randint(np.iinfo(np.int32).max)
        fits = {"sparse_coding": self._code, "pca": self._rotate, "autoencoder": self._encode}
        # All at once: whatever ends a fit, what there is goes together.
        fits[self.method]((X - mean) / scale, seed, {"mean_": mean, "scale_": scale})
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Compute the features of rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows with the columns of those of ``fit``.

        Returns
        -------
        features : ndarray of shape (n_samples, n_features_out)
            In the dtype of the rows.
        """
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=[np.float64, np.float32])
        if self.method != "autoencoder":
            with numpy_state_kept():
                return self.learnt_.transform(self._scaled(X))
        network = self.learnt_
        reader = Reader(None, network.device, network.dtype)
        features = reader.apply(network.feature_extractor, Samples(self._scaled(X)))
        return features.astype(X.dtype, copy=False)

    def _scaled(self, X):
        return (X - self.mean_) / self.scale_

    def _keep(self, learnt, fitted):
        self.__dict__.pop("history_", None)
        self.__dict__.update(fitted, learnt_=learnt)

    def _code(self, X, seed, fitted):
        coding = MiniBatchDictionaryLearning(
            self.n_features,
            alpha=self.alpha,
            max_iter=self.max_epochs,
            batch_size=self.batch_size,
            # Many rows of few atoms: descent by coordinates is the faster of the two.
            fit_algorithm="cd",
            transform_algorithm="lasso_cd",
            transform_alpha=self.alpha,
            random_state=seed,
        )
        with numpy_state_kept():
            self._keep(coding.fit(X), fitted)

    def _rotate(self, X, seed, fitted):
        self._keep(PCA(self.n_features, random_state=seed).fit(X), fitted)

    def _encode(self, X, seed, fitted):
        """Let a network learn to write rows again."""
        samples, device = Samples(X), resolve_device(self.device)
        numbers = RandomNumbers(seed, device)
        reader = Reader(None, device, torch.float32)
        n_columns = X.shape[1]
        with numbers.drawn():
            network = FeatureClassifier(
                mlp_backbone(n_columns, (self.n_features,), batch_norm=False),
                mlp_head(n_columns, in_features=self.n_features),
            ).to(device)
        settings = TrainingSettings(
            batch_size=self.batch_size,
            max_epochs=self.max_epochs,
            steps_per_epoch=None,
            optimizer="adam",
            learning_rate=self.learning_rate,
            weight_decay=0.0,
            batch_norm=None,
            alignment_weight=0.0,
            alignment_schedule=constant,
            learning_rate_schedule=dann_learning_rate,
            precision=torch.float32,
        )
        rows = torch.from_numpy(X).to(device, torch.float32)
        batches = reader.batches({"source": samples}, seed)
        trainer = Trainer(network, None, batches, Regression(rows), settings, seed, numbers)
        # An interrupt leaves the network as it is by then.
        history = {"history_": {"task_loss": trainer.history["task_loss"]}}
        self._keep(network, fitted | history)
        run_all(trainer.epochs(Watch(), verbose=self.verbose))

    @property
    def _n_features_out(self):
        return self.n_features
