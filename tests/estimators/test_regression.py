"""Deep regressors: in the units of y, with weights, known values, files and searches."""

import warnings

import numpy as np
import pytest
import torch
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

import domadapt
from domadapt import (
    AlignmentRegressor,
    DANNRegressor,
    DANRegressor,
    DeepJDOTRegressor,
)
from domadapt.training.tasks import Regression
from domadapt.training.trainer import Trainer

# A criterion that sees features alone, and one to which the shape of the values matters.
REGRESSORS = [AlignmentRegressor, DeepJDOTRegressor]

SMALL = {"hidden_layer_sizes": (16,), "max_epochs": 3, "batch_size": 32, "random_state": 0}
SMALL |= {"steps_per_epoch": 3}
# Where something is to be learnt.
LONG = {**SMALL, "steps_per_epoch": None}


@pytest.fixture
def values(blobs):
    """Samples of both domains with values that depend on them, in arbitrary units."""
    Xs, _, Xt, _ = blobs
    slopes = np.linspace(-1.0, 1.0, 10)
    return Xs, Xs @ slopes + np.sin(Xs[:, 0]), Xt, Xt @ slopes + np.sin(Xt[:, 0])


def stack(values, target_values):
    """Stack the samples of both domains, with any values for those of the target."""
    Xs, ys, Xt, _ = values
    filler = np.full((75, *ys.shape[1:]), target_values)
    return np.concatenate([Xs, Xt]), np.concatenate([ys, filler]), np.repeat([1, -1], [90, 75])


def two_columns(values):
    """Return the values in two columns of unlike scale."""
    Xs, ys, Xt, yt = values
    return (
        Xs,
        np.column_stack([ys, 100.0 - 30.0 * ys]),
        Xt,
        np.column_stack([yt, 100.0 - 30.0 * yt]),
    )


@pytest.mark.parametrize("estimator", REGRESSORS)
@pytest.mark.parametrize("columns", [1, 2])
def test_values_of_target_samples_are_never_read(estimator, values, same, columns):
    values = values if columns == 1 else two_columns(values)
    Xs, ys, Xt, _ = values
    apart = estimator(**SMALL).fit(Xs, ys, X_target=Xt)
    for target_values in (np.nan, np.inf, 1e9):
        X, y, sample_domain = stack(values, target_values)
        stacked = estimator(**SMALL).fit(X, y, sample_domain=sample_domain)
        assert same(apart, stacked)
        np.testing.assert_array_equal(apart.y_mean_, stacked.y_mean_)
        np.testing.assert_array_equal(apart.transduction_, stacked.transduction_)


def test_with_its_own_statistics_a_weight_of_zero_is_no_alignment(values, same):
    Xs, ys, Xt, _ = values
    settings = {**SMALL, "batch_norm": "per_domain"}
    idle = DANNRegressor(**settings, alignment_weight=0.0).fit(Xs, ys, X_target=Xt)
    assert same(idle, AlignmentRegressor(None, **settings).fit(Xs, ys, X_target=Xt))
    joint = AlignmentRegressor(None, **{**settings, "batch_norm": "joint"})
    assert not same(idle, joint.fit(Xs, ys, X_target=Xt))


# What is predicted.


@pytest.mark.parametrize("estimator", REGRESSORS)
def test_predictions_come_in_their_shapes(estimator, values):
    Xs, ys, Xt, yt = values
    reg = estimator(**SMALL).fit(Xs, ys, X_target=Xt)
    predicted = reg.predict(Xt)
    assert predicted.shape == (75,)
    assert predicted.dtype == np.float64
    np.testing.assert_array_equal(reg.transduction_, predicted)
    assert reg.transform(Xt).shape == (75, 16)
    residual, total = np.square(predicted - yt).sum(), np.square(yt - yt.mean()).sum()
    assert reg.score(Xt, yt) == pytest.approx(1.0 - residual / total)
    with torch.no_grad():
        units = reg.module_(torch.from_numpy(Xt)).double().numpy()[:, 0]
    np.testing.assert_allclose(predicted, units * ys.std() + ys.mean(), rtol=1e-5, atol=1e-5)
    assert not hasattr(reg, "predict_proba")
    assert not hasattr(reg, "adapt")
    assert not hasattr(reg.fit(Xs, ys), "transduction_")


@pytest.mark.parametrize("estimator", REGRESSORS)
def test_values_may_have_several_columns(estimator, values):
    Xs, ys, Xt, _ = two_columns(values)
    reg = estimator(**{**LONG, "max_epochs": 60}, alignment_weight=0.0)
    reg.fit(Xs, ys, X_target=Xt)
    assert reg.predict(Xt).shape == reg.transduction_.shape == (75, 2)
    # Whatever their scales, both columns are learnt.
    assert reg.score(Xs, ys) > 0.5
    np.testing.assert_allclose(reg.y_mean_, ys.mean(0))
    np.testing.assert_allclose(reg.y_scale_, ys.std(0))
    assert np.corrcoef(reg.predict(Xs)[:, 1], ys[:, 1])[0, 1] > 0.7


@pytest.mark.parametrize("estimator", REGRESSORS)
def test_one_column_is_as_good_as_none(estimator, values, same):
    Xs, ys, Xt, _ = values
    flat = estimator(**SMALL).fit(Xs, ys, X_target=Xt)
    with pytest.warns(UserWarning, match="column-vector y was passed"):
        column = estimator(**SMALL).fit(Xs, ys[:, None], X_target=Xt)
    assert same(flat, column)
    np.testing.assert_array_equal(flat.predict(Xt), column.predict(Xt))


@pytest.mark.parametrize("estimator", REGRESSORS)
def test_the_units_of_the_values_do_not_matter(estimator, values):
    Xs, ys, Xt, _ = values
    first = estimator(**SMALL).fit(Xs, ys, X_target=Xt)
    other = estimator(**SMALL).fit(Xs, ys * 1000.0 + 5e4, X_target=Xt)
    expected = first.predict(Xt) * 1000.0 + 5e4
    np.testing.assert_allclose(other.predict(Xt), expected, atol=1e-3 * 1000.0 * ys.std())
    assert np.ptp(expected) > 100.0


def test_values_that_are_all_the_same_are_predicted(values):
    Xs, _, Xt, _ = values
    reg = AlignmentRegressor(**SMALL, alignment_weight=0.0)
    for value in (0.0, 0.1, 1e6):
        reg.fit(Xs, np.full(90, value), X_target=Xt)
        assert reg.y_scale_.tolist() == [1.0]
        assert np.abs(reg.predict(Xt) - value).max() < 2.0


@pytest.mark.parametrize("kind", [list, np.float32, int])
def test_values_may_come_in_any_kind_of_number(values, same, kind):
    Xs, ys, Xt, _ = values
    ys = np.round(ys)
    given = ys.tolist() if kind is list else ys.astype(kind)
    first = AlignmentRegressor(**SMALL).fit(Xs, ys, X_target=Xt)
    assert same(first, AlignmentRegressor(**SMALL).fit(Xs, given, X_target=Xt))


# Weights of samples, and known values of the target.


def in_float64():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(10, 12), nn.ReLU()).double()


@pytest.mark.parametrize("columns", [1, 2])
def test_whole_weights_are_repetitions(values, columns):
    Xs, ys, _, _ = values if columns == 1 else two_columns(values)
    times = np.arange(90) % 3
    settings = {"hidden_layer_sizes": None, "batch_size": 1000, "max_epochs": 20}
    settings |= {"learning_rate": 0.01, "random_state": 0}

    def fit(X, y, weight=None):
        reg = AlignmentRegressor(None, backbone=in_float64(), **settings)
        return reg.fit(X, y, sample_weight=weight)

    weighted = fit(Xs, ys, times)
    repeated = fit(Xs.repeat(times, 0), ys.repeat(times, 0))
    np.testing.assert_allclose(weighted.predict(Xs), repeated.predict(Xs), rtol=1e-6)
    np.testing.assert_allclose(weighted.y_scale_, repeated.y_scale_)
    assert np.abs(weighted.predict(Xs) - fit(Xs, ys).predict(Xs)).max() > 1e-2


@pytest.mark.parametrize("estimator", REGRESSORS)
def test_samples_of_weight_zero_are_absent(estimator, values, same):
    Xs, ys, Xt, _ = values
    weight = np.where(np.arange(90) % 3 == 0, 0.0, 2.0)
    wild = np.where(weight > 0, ys, 1e6)
    kept = weight > 0
    weighted = estimator(**SMALL).fit(Xs, wild, X_target=Xt, sample_weight=weight)
    absent = estimator(**SMALL)
    absent.fit(Xs[kept], ys[kept], X_target=Xt, sample_weight=np.ones(kept.sum()))
    assert same(weighted, absent)


@pytest.mark.parametrize("columns", [1, 2])
def test_a_few_values_of_the_target_help_where_they_are_other_ones(values, same, columns):
    Xs, ys, Xt, yt = values if columns == 1 else two_columns(values)
    other = yt.mean(0) - 2.0 * (yt - yt.mean(0))
    known = np.arange(75) < 25
    blank = np.where(known.reshape(-1, *[1] * (other.ndim - 1)), other, np.nan)
    settings = {**LONG, "max_epochs": 40, "learning_rate": 0.01, "alignment_weight": 0.0}
    blind = DANRegressor(**settings).fit(Xs, ys, X_target=Xt)
    told = DANRegressor(**settings).fit(Xs, ys, X_target=Xt, y_target=blank)
    assert told.score(Xt[~known], other[~known]) > blind.score(Xt[~known], other[~known]) + 0.1
    X, y, sample_domain = stack((Xs, ys, Xt, yt), np.nan)
    stacked = np.concatenate([np.full_like(ys, np.nan), blank])
    again = DANRegressor(**settings)
    assert same(told, again.fit(X, y, sample_domain=sample_domain, y_target=stacked))


# Files and checkpoints.


@pytest.mark.parametrize("estimator", REGRESSORS)
@pytest.mark.parametrize("columns", [1, 2])
def test_a_regressor_comes_back_from_a_file_as_it_was(estimator, values, same, tmp_path, columns):
    Xs, ys, Xt, _ = values if columns == 1 else two_columns(values)
    reg = estimator(**SMALL, batch_norm="per_domain").fit(Xs, ys, X_target=Xt)
    reg.save(tmp_path / "model")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = domadapt.load(tmp_path / "model")
    assert type(again) is estimator
    assert same(reg, again)
    assert again.get_params() == reg.get_params()
    for X in (Xs, Xt, Xt[:1]):
        np.testing.assert_array_equal(reg.predict(X), again.predict(X))
        np.testing.assert_array_equal(reg.transform(X), again.transform(X))
    for name in ("transduction_", "y_mean_", "y_scale_"):
        np.testing.assert_array_equal(getattr(reg, name), getattr(again, name))
        assert getattr(reg, name).dtype == getattr(again, name).dtype
    assert again.history_ == reg.history_
    assert same(again.fit(Xs, ys, X_target=Xt), reg)


@pytest.mark.parametrize("estimator", [DANNRegressor, DeepJDOTRegressor])
def test_a_fit_goes_on_from_its_checkpoint_to_the_same_bits(
    estimator, values, same, tmp_path, monkeypatch
):
    Xs, ys, Xt, _ = values
    settings = {**SMALL, "dropout": 0.3, "max_epochs": 5}
    straight = estimator(**settings).fit(Xs, ys, X_target=Xt)
    run_epoch, calls = Trainer.run_epoch, []

    def interrupted(self):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        run_epoch(self)

    settings["checkpoint"] = tmp_path / "fit"
    with monkeypatch.context() as then:
        then.setattr(Trainer, "run_epoch", interrupted)
        with pytest.raises(KeyboardInterrupt):
            estimator(**settings).fit(Xs, ys, X_target=Xt)
    resumed = estimator(**settings).fit(Xs, ys, X_target=Xt)
    assert same(resumed, straight)
    assert resumed.history_ == straight.history_
    np.testing.assert_array_equal(resumed.transduction_, straight.transduction_)
    with pytest.raises(ValueError, match="of a fit with other parameters or data"):
        estimator(**settings).fit(Xs, ys + 1.0, X_target=Xt)


# Pipelines and searches.


def test_a_pipeline_passes_the_domains_on(values, same):
    X, y, sample_domain = stack(values, np.nan)
    Xt, yt = values[2:]
    pipe = make_pipeline(StandardScaler(), DANRegressor(**{**LONG, "max_epochs": 30}))
    pipe.fit(X, y, danregressor__sample_domain=sample_domain)
    assert pipe[-1].transduction_.shape == (75,)
    assert np.isfinite(pipe.score(Xt, yt))
    alone = DANRegressor(**{**LONG, "max_epochs": 30})
    scaled = StandardScaler().fit_transform(X)
    assert same(alone.fit(scaled, y, sample_domain=sample_domain), pipe[-1])


def test_a_grid_search_cuts_the_domains_along_with_the_samples(values):
    Xs, ys, Xt, yt = values
    X, y = np.concatenate([Xs, Xt]), np.concatenate([ys, yt])
    sample_domain = np.repeat([1, -1], [90, 75])
    order = np.random.default_rng(0).permutation(165)
    pipe = make_pipeline(StandardScaler(), DANRegressor(**SMALL))
    grid = {"danregressor__alignment_weight": [0.0, 1.0]}
    search = GridSearchCV(pipe, grid, cv=3, error_score="raise")
    search.fit(X[order], y[order], danregressor__sample_domain=sample_domain[order])
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert len(set(search.cv_results_["mean_test_score"])) == 2
    assert search.best_estimator_[-1].transduction_.shape == (75,)


def test_the_loss_of_values_is_their_weighted_mean_square():
    generator = torch.Generator().manual_seed(0)
    values, predictions = torch.randn(2, 6, 2, generator=generator, dtype=torch.float64)
    weight = torch.linspace(0.5, 1.5, 6, dtype=torch.float64)
    index = torch.tensor([4, 0, 3])
    squares = [
        [(p - v) ** 2 for p, v in zip(predictions[row].tolist(), values[i].tolist(), strict=True)]
        for row, i in enumerate(index.tolist())
    ]
    mean = sum(sum(row) / 2 for row in squares) / 3
    plain = Regression(values).loss(predictions[:3], index)
    assert plain.item() == pytest.approx(mean)
    weighted = Regression(values, weight).loss(predictions[:3], index)
    expected = sum(w * sum(row) / 2 for w, row in zip(weight[index].tolist(), squares, strict=True))
    assert weighted.item() == pytest.approx(expected / 3)
