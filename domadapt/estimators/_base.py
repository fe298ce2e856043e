"""Fit and predict of the deep classifiers, on top of the torch core."""

import contextlib
import copy
from numbers import Integral, Real

import numpy as np
import torch
from sklearn.base import (
    BaseEstimator,
    ClassifierMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    _fit_context,
)
from sklearn.callback import CallbackSupportMixin
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.validation import check_is_fitted
from torch import nn

from domadapt.alignment.criteria import WeightedCriteria
from domadapt.domains import check_rows, split_domains
from domadapt.estimators._network import build_network, dtype_of
from domadapt.training.batches import load_rows, pieces
from domadapt.training.optimizers import OPTIMIZERS
from domadapt.training.schedules import ALIGNMENT_SCHEDULES, LEARNING_RATE_SCHEDULES
from domadapt.training.trainer import Trainer, TrainingSettings

NUMPY_DTYPES = {torch.float32: np.float32, torch.float64: np.float64}

# Matrix products of very few rows are rounded in another way than those of many. Filled
# up to this number, a row gets the same prediction alone as among others.
FEWEST_ROWS = 8


class BaseAlignmentClassifier(
    CallbackSupportMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    ClassifierMixin,
    BaseEstimator,
):
    """Everything of a deep classifier but the choice of its alignment criterion.

    Subclasses have an attribute ``alignment``, a parameter of theirs or fixed.
    """

    _parameter_constraints: dict = {
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "backbone": [nn.Module, None],
        "batch_norm": [StrOptions({"per_domain", "joint"}), None],
        "alignment_weight": [Interval(Real, 0, None, closed="left"), None],
        "alignment_schedule": [StrOptions(set(ALIGNMENT_SCHEDULES)), callable],
        "optimizer": [StrOptions(set(OPTIMIZERS))],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "learning_rate_schedule": [StrOptions(set(LEARNING_RATE_SCHEDULES)), callable],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "label_smoothing": [Interval(Real, 0, 1, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "max_epochs": [Interval(Integral, 1, None, closed="left")],
        "device": [str, torch.device],
        "class_weight": [StrOptions({"balanced"}), dict, None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        *,
        hidden_layer_sizes=(256,),
        backbone=None,
        batch_norm="per_domain",
        alignment_weight=None,
        alignment_schedule="dann",
        optimizer="sgd",
        learning_rate=0.03,
        learning_rate_schedule="dann",
        weight_decay=5e-4,
        label_smoothing=0.1,
        batch_size=64,
        max_epochs=30,
        device="auto",
        class_weight=None,
        random_state=None,
        verbose=False,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.backbone = backbone
        self.batch_norm = batch_norm
        self.alignment_weight = alignment_weight
        self.alignment_schedule = alignment_schedule
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.learning_rate_schedule = learning_rate_schedule
        self.weight_decay = weight_decay
        self.label_smoothing = label_smoothing
        self.batch_size = batch_size
        self.max_epochs = max_epochs
        self.device = device
        self.class_weight = class_weight
        self.random_state = random_state
        self.verbose = verbose

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, *, sample_domain=None, X_target=None, sample_weight=None):
        """Train on labelled source rows together with unlabelled target rows.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features), or image stack
            Source rows; with ``sample_domain``, source and target rows stacked. An
            image stack has the shape (n_samples, channels, height, width) or
            (n_samples, height, width).
        y : array-like of shape (n_samples,)
            Labels of any kind. What stands at target rows is never read.
        sample_domain : array-like of shape (n_samples,), default=None
            Positive for source rows, negative for target rows.
        X_target : array-like or sparse matrix of shape (n_target, n_features), default=None
            Target rows, where ``X`` holds the source alone. With neither keyword the
            classifier is trained on the source alone.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of source rows in the task loss; rows of weight 0 are left out
            altogether. The weights of target rows change nothing.

        Returns
        -------
        self : estimator
            The fitted classifier.

        Raises
        ------
        ValueError, TypeError
            Before any training, if a parameter or the data are not as described.
        NonFiniteLossError
            If a loss is no longer finite. The weights are then those of the last epoch
            that ended with finite ones.
        """
        domains = split_domains(
            self, X, y, sample_domain=sample_domain, X_target=X_target, sample_weight=sample_weight
        )
        classes, labels = np.unique(domains.y, return_inverse=True)
        weight = _row_weights(self.class_weight, classes, domains)
        device = _resolve_device(self.device)
        seed = check_random_state(self.random_state).randint(np.iinfo(np.int32).max)
        with _seeded(seed, device):
            trainer = self._make_trainer(domains, classes, labels, weight, device, seed)
            self.classes_ = classes
            self._sample_shape = domains.source.X.shape[1:]
            self.module_, self.history_ = trainer.network, trainer.history
            self.__dict__.pop("transduction_", None)
            try:
                self._train(trainer, domains)
            finally:
                # Whatever ends the training, an interrupt too, its result can be used.
                self.module_.eval()
                self.n_steps_ = trainer.n_steps
        if domains.target is not None:
            self.transduction_ = self._labels(domains.target)
        return self

    def _make_trainer(self, domains, classes, labels, weight, device, seed):
        dtype = dtype_of(self.backbone)
        source = load_rows(domains.source, device, NUMPY_DTYPES[dtype])
        target = None
        if domains.target is not None:
            target = load_rows(domains.target, device, NUMPY_DTYPES[dtype])
        sample = torch.empty((2, *source.shape[1:]), device=device, dtype=dtype)
        source.gather(torch.arange(2, device=device), out=sample)
        network = build_network(
            sample,
            len(classes),
            backbone=self.backbone,
            hidden_layer_sizes=_check_layer_sizes(self.hidden_layer_sizes),
            batch_norm=self.batch_norm is not None,
        )
        alignment, alignment_weight = None, 0.0
        if target is not None and self.alignment is not None:
            alignment = WeightedCriteria(self.alignment).to(device, dtype)
            alignment_weight = alignment.default_weight
        if self.alignment_weight is not None:
            alignment_weight = self.alignment_weight
        settings = TrainingSettings(
            batch_size=self.batch_size,
            max_epochs=self.max_epochs,
            optimizer=self.optimizer,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            label_smoothing=self.label_smoothing,
            batch_norm=self.batch_norm,
            alignment_weight=alignment_weight,
            alignment_schedule=_schedule(ALIGNMENT_SCHEDULES, self.alignment_schedule),
            learning_rate_schedule=_schedule(LEARNING_RATE_SCHEDULES, self.learning_rate_schedule),
        )
        labels = torch.from_numpy(labels).to(device)
        if weight is not None:
            weight = torch.from_numpy(weight).to(device, dtype)
        return Trainer(network, alignment, source, target, labels, weight, settings, seed)

    def _train(self, trainer, domains):
        """Run the epochs as tasks that scikit-learn's callbacks watch and may end."""
        # What a callback sees is the source: its labels are the ones that may be read.
        seen = {
            "estimator": self,
            "X": lambda: domains.source.take(slice(None)),
            "y": domains.y,
            "reconstruction_attributes": lambda: {"module_": copy.deepcopy(self.module_)},
        }
        fit_task = self._init_callback_context(max_subtasks=self.max_epochs)
        fit_task.call_on_fit_task_begin(**seen)
        for epoch in range(self.max_epochs):
            epoch_task = fit_task.subcontext(task_name="epoch")
            epoch_task.call_on_fit_task_begin(**seen)
            trainer.run_epoch()
            if self.verbose:
                means = "  ".join(f"{name} {v[-1]:.4g}" for name, v in trainer.history.items())
                print(f"Epoch {epoch + 1}/{self.max_epochs}  {means}")
            if epoch_task.call_on_fit_task_end(**seen):
                break
        fit_task.call_on_fit_task_end(**seen)

    def predict(self, X):
        """Predict labels, treating rows as target.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features), or image stack
            Rows with the columns of ``fit``.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            Labels out of ``classes_``.
        """
        return self._labels(self._rows(X))

    def predict_proba(self, X):
        """Predict the probability of each class, treating rows as target.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features), or image stack
            Rows with the columns of ``fit``.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes), float32
            Columns in the order of ``classes_``.
        """
        rows = self._rows(X)
        return self._outputs(rows, lambda piece: self.module_(piece).softmax(1))

    def transform(self, X):
        """Compute the features on which the domains are aligned, treating rows as target.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features), or image stack
            Rows with the columns of ``fit``.

        Returns
        -------
        features : ndarray of shape (n_samples, n_features_out), float32
            Output of the feature extractor.
        """
        rows = self._rows(X)
        return self._outputs(rows, self.module_.feature_extractor)

    def _rows(self, X):
        check_is_fitted(self)
        return check_rows(self, X, self._sample_shape)

    def _labels(self, rows):
        return self.classes_[self._outputs(rows, lambda piece: self.module_(piece).argmax(1))]

    @torch.inference_mode()
    def _outputs(self, rows, function):
        """Apply a function of the module to rows, piece by piece."""
        module = self.module_.eval()
        outputs = []
        for piece in pieces(rows, NUMPY_DTYPES[module.dtype]):
            batch = torch.from_numpy(_at_least(FEWEST_ROWS, piece)).to(module.device)
            outputs.append(function(batch)[: len(piece)].cpu().numpy())
        return np.concatenate(outputs)

    @property
    def _n_features_out(self):
        return self.module_.classifier[0].in_features

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = [NUMPY_DTYPES[dtype_of(self.backbone)].__name__]
        return tags


def _check_layer_sizes(sizes):
    if isinstance(sizes, Integral):
        return (int(sizes),)
    if not all(isinstance(size, Integral) and int(size) > 0 for size in sizes):
        raise ValueError(
            f"hidden_layer_sizes={sizes!r} must hold whole numbers above 0, such as (256, 64)."
        )
    return tuple(int(size) for size in sizes)


def _at_least(n_rows, piece):
    if len(piece) >= n_rows:
        return piece
    return np.resize(piece, (n_rows, *piece.shape[1:]))


def _schedule(known, schedule):
    return known[schedule] if isinstance(schedule, str) else schedule


def _row_weights(class_weight, classes, domains):
    """Combine class and row weights into weights of mean 1, or None where all are alike."""
    weight = domains.sample_weight
    if class_weight is not None:
        by_class = compute_class_weight(
            class_weight, classes=classes, y=domains.y, sample_weight=weight
        )
        by_row = by_class[np.searchsorted(classes, domains.y)]
        weight = by_row if weight is None else weight * by_row
        if not (by_class.min() >= 0 and weight.sum() > 0):
            raise ValueError(
                f"class_weight={class_weight!r} leaves no positive weight or holds a negative "
                "one. Weights of at least 0, some of them above, were expected."
            )
    return None if weight is None else weight / weight.mean()


def _resolve_device(device):
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        resolved = torch.device(device)
    except RuntimeError as error:
        raise ValueError(
            f"device={device!r} is unknown: use 'auto', 'cpu', 'cuda' or 'cuda:0'."
        ) from error
    if resolved.type == "cuda" and (resolved.index or 0) >= torch.cuda.device_count():
        raise ValueError(
            f"device={device!r} was asked for, but torch sees {torch.cuda.device_count()} CUDA "
            "devices. Use 'cpu', or 'auto' to take CUDA where there is any."
        )
    if resolved.type not in ("cpu", "cuda"):
        raise ValueError(f"device={device!r} is not supported: use 'auto', 'cpu' or 'cuda'.")
    return resolved


@contextlib.contextmanager
def _seeded(seed, device):
    """Seed torch for a while and leave its global generators as they were."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield
