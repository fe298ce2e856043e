"""Small estimators, quickly fitted, and a way through a file."""

import copy
import warnings

import numpy as np
import pytest
import torch

import domadapt
from domadapt import DANClassifier

SMALLEST = {"max_epochs": 2, "batch_size": 16, "hidden_layer_sizes": (8,), "random_state": 0}
SMALLEST |= {"steps_per_epoch": 2}


@pytest.fixture(scope="session")
def quick():
    """The parameters of an estimator that is fitted in no time."""
    return SMALLEST


@pytest.fixture
def file(tmp_path):
    """A place for a classifier."""
    return tmp_path / "classifier.safetensors"


@pytest.fixture(scope="session")
def fitted_once():
    """Fit a small classifier, and keep it."""
    kept = []

    def fit(Xs, ys, Xt):
        if not kept:
            kept.append(DANClassifier(**SMALLEST).fit(Xs, ys, X_target=Xt))
        return kept[0]

    return fit


@pytest.fixture
def fitted(fitted_once, blobs):
    """A small classifier, quickly fitted, which a test may change."""
    return copy.deepcopy(fitted_once(*blobs[:3]))


@pytest.fixture(scope="session")
def draw_weights():
    """Set the weights and statistics of a module by nothing but a number."""

    def draw(module, seed=0):
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for parameter in module.parameters():
                parameter.normal_(std=0.3, generator=generator)
            for buffer in module.buffers():
                if buffer.is_floating_point():
                    buffer.uniform_(0.5, 1.5, generator=generator)
        return module

    return draw


@pytest.fixture(scope="session")
def images():
    """Draw stacks of images of a source, its classes, and those of a target."""

    def draw(n=24, channels=3, size=8):
        generator = np.random.default_rng(0)
        X = generator.normal(size=(n, channels, size, size)).astype(np.float32)
        y = np.arange(n) % 2
        X[y == 1, :, : size // 2] += 1
        return X, y, X + 0.5

    return draw


@pytest.fixture(scope="session")
def assert_same():
    """Check that two classifiers are the same in what they return, to the last bit."""

    def check(first, second, X):
        for method in ("predict", "predict_proba", "transform"):
            one, other = getattr(first, method)(X), getattr(second, method)(X)
            np.testing.assert_array_equal(one, other)
            assert one.dtype == other.dtype
        for name in ("classes_", "transduction_", "feature_names_in_"):
            assert hasattr(first, name) == hasattr(second, name), name
            if hasattr(first, name):
                np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
                assert getattr(first, name).dtype == getattr(second, name).dtype
        for name in ("history_", "n_steps_", "n_features_in_", "n_skipped_images_"):
            assert getattr(first, name, None) == getattr(second, name, None), name
        names = [clf.get_feature_names_out().tolist() for clf in (first, second)]
        assert names[0] == names[1]
        kinds = [[type(m).__name__ for m in clf.module_.modules()] for clf in (first, second)]
        assert kinds[0] == kinds[1]
        trained = [[p.requires_grad for p in clf.module_.parameters()] for clf in (first, second)]
        assert trained[0] == trained[1]

    return check


@pytest.fixture(scope="session")
def through_file():
    """Save a classifier and load it, without a warning."""

    def load(estimator, file, **parameters):
        estimator.save(file)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return domadapt.load(file, **parameters)

    return load
