"""Self-taught features: against scikit-learn's own, and rows written again by a network."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from domadapt.inductive import SelfTaughtFeatures
from domadapt.training import Trainer

METHODS = ("sparse_coding", "pca", "autoencoder")


@pytest.fixture(scope="module")
def rows():
    """Two hundred rows of eight columns around 5, which three directions span but for noise."""
    rng = np.random.default_rng(0)
    spanned = rng.normal(size=(200, 3)) @ rng.normal(size=(3, 8))
    return 5.0 + 2.0 * spanned + 0.05 * rng.normal(size=(200, 8))


def fit(method, rows, **changes):
    settings = {"n_features": 4, "max_epochs": 20, "random_state": 0, "alpha": 0.1}
    return SelfTaughtFeatures(method, **(settings | changes)).fit(rows)


def test_pca_is_that_of_scikit_learn_by_one_scale(rows):
    features = fit("pca", rows)
    expected = PCA(4).fit_transform(rows)
    scale = np.sqrt(rows.var(0).mean())
    np.testing.assert_allclose(np.abs(features.transform(rows)), np.abs(expected) / scale)


def test_a_sparse_code_has_the_least_of_its_objective(rows):
    features = fit("sparse_coding", rows)
    codes, atoms = features.transform(rows[:5]), features.learnt_.components_
    scaled = (rows[:5] - rows.mean(0)) / np.sqrt(rows.var(0).mean())

    def objective(code, row):
        return np.square(row - code @ atoms).sum() / 2 + 0.1 * np.abs(code).sum()

    rng = np.random.default_rng(1)
    for code, row in zip(codes, scaled, strict=True):
        least = objective(code, row)
        for size in (1e-3, 1e-1):
            for move in size * rng.normal(size=(20, 4)):
                assert objective(code + move, row) >= least - 1e-6
    sparser = fit("sparse_coding", rows, alpha=1.0).transform(rows)
    assert (sparser == 0).sum() > (features.transform(rows) == 0).sum()


def test_an_autoencoder_learns_to_write_rows_again(rows):
    features = fit("autoencoder", rows, n_features=16, max_epochs=30, learning_rate=0.01)
    losses = features.history_["task_loss"]
    assert losses[-1] < 0.1 * losses[0]
    scaled = ((rows - features.mean_) / features.scale_).astype(np.float32)
    hidden, last = features.learnt_.feature_extractor[0], features.learnt_.classifier[0]
    units = np.maximum(0, scaled @ hidden.weight.detach().numpy().T + hidden.bias.detach().numpy())
    np.testing.assert_allclose(features.transform(rows), units, atol=1e-5)
    written = units @ last.weight.detach().numpy().T + last.bias.detach().numpy()
    assert np.square(written - scaled).mean() < 2 * losses[-1]


@pytest.mark.parametrize("method", METHODS)
def test_it_stays_as_it_is_in_a_pipeline_and_is_the_same_again(rows, method):
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    features = fit(method, rows)
    expected = features.transform(rows[:30])
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002
    y = (rows[:30, 0] > 5).astype(int)
    clf = make_pipeline(FrozenEstimator(features), LogisticRegression())
    assert clf.fit(rows[:30], y).score(rows[:30], y) > 0.8
    for other in (features, clone(features).fit(rows), pickle.loads(pickle.dumps(features))):
        np.testing.assert_array_equal(other.transform(rows[:30]), expected)
    assert expected.shape == (30, 4)
    assert features.get_feature_names_out()[0] == "selftaughtfeatures0"


def test_more_components_than_there_are_is_told(rows):
    with pytest.raises(ValueError, match=r"n_features=9 is more.*8 columns.*Lower it to 8"):
        fit("pca", rows, n_features=9)
    with pytest.raises(ValueError, match="7 features"):
        fit("pca", rows).transform(rows[:, :7])
    with pytest.raises(ValueError, match="'method' parameter"):
        fit("ica", rows)


@parametrize_with_checks(
    [SelfTaughtFeatures(m, n_features=1, max_epochs=2, batch_size=8) for m in METHODS]
)
def test_scikit_learn_finds_nothing(estimator, check):
    check(estimator)


def test_constant_columns_are_divided_by_nothing():
    for X in (np.full((50, 3), 0.1, dtype=np.float32), np.full((1000, 3), 1e5 + 0.1)):
        features = SelfTaughtFeatures("autoencoder", n_features=2, max_epochs=1).fit(X)
        assert features.scale_ == 1.0
        assert np.isfinite(features.transform(X)).all()
    with pytest.raises(ValueError, match=r"as large as 1e\+30, of which no variance.*float64"):
        SelfTaughtFeatures("pca", n_features=1).fit(np.eye(3, dtype=np.float32) * 1e30)


class Interrupts:
    """Raises KeyboardInterrupt at the second epoch of a fit."""

    def __init__(self, run_epoch):
        self.run_epoch = run_epoch

    def __get__(self, trainer, kind=None):
        if trainer.n_epochs == 1:
            raise KeyboardInterrupt
        return self.run_epoch.__get__(trainer, kind)


def test_an_interrupt_leaves_what_was_learnt_with_the_scale_of_its_own_rows(rows, monkeypatch):
    features = fit("autoencoder", rows)
    monkeypatch.setattr(Trainer, "run_epoch", Interrupts(Trainer.run_epoch))
    for one, X in ((features, 50 * rows), (SelfTaughtFeatures("autoencoder"), rows)):
        with pytest.raises(KeyboardInterrupt):
            one.fit(X)
        assert len(one.history_["task_loss"]) == 1
        np.testing.assert_allclose(one.mean_, X.mean(0))
        hidden = one.learnt_.feature_extractor[0]
        scaled = ((X - X.mean(0)) / one.scale_).astype(np.float32)
        units = scaled @ hidden.weight.detach().numpy().T + hidden.bias.detach().numpy()
        np.testing.assert_allclose(one.transform(X), np.maximum(0, units), atol=1e-5)


def test_a_fit_that_is_refused_changes_nothing(rows):
    features = fit("pca", rows)
    expected = features.transform(rows)
    with pytest.raises(ValueError, match="n_features=9"):
        features.set_params(n_features=9).fit(rows + 1)
    np.testing.assert_array_equal(features.transform(rows), expected)
