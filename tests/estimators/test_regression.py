"""Deep regressors: alive, in the units of y, through files and searches, and on shifts."""

import functools
import warnings

import numpy as np
import pytest
import torch
from sklearn.base import is_regressor
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

import domadapt
from domadapt import (
    AlignmentClassifier,
    AlignmentRegressor,
    DANNRegressor,
    DANRegressor,
    CORALRegressor,
    DeepJDOTRegressor,
    RSDRegressor,
    estimators,
)
from domadapt.alignment import (
    RSD,
    ClassifierDiscrepancy,
    ConditionalAdversarial,
    DeepJDOTRegression,
    MeanTeacher,
    OpenSetBackpropagation,
    PseudoLabels,
)
from domadapt.alignment.protocol import StepTensors
from domadapt.alignment.registry import REGRESSION_CRITERIA
from domadapt.nn import FeatureClassifier, mlp_backbone, mlp_head
from domadapt.training.step import WeightedCriteria
from domadapt.training.step import Regression
from domadapt.training.trainer import Trainer

EVERY = [getattr(estimators, name) for name in estimators.__all__]
REGRESSORS = [estimator for estimator in EVERY if is_regressor(estimator())]
NAMED = [estimator for estimator in REGRESSORS if estimator is not AlignmentRegressor]

SMALL = {"hidden_layer_sizes": (16,), "max_epochs": 3, "batch_size": 32, "random_state": 0}


@pytest.fixture
def values(blobs):
    """Samples of both domains with values that depend on them, in arbitrary units."""
    Xs, _, Xt, _ = blobs
    slopes = np.linspace(-1.0, 1.0, 10)
    return Xs, Xs @ slopes + np.sin(Xs[:, 0]), Xt, Xt @ slopes + np.sin(Xt[:, 0])


@pytest.fixture
def untrained(monkeypatch):
    """Fail where training starts."""

    def must_not_train(self):
        raise AssertionError("training started on bad input")

    monkeypatch.setattr(Trainer, "run_epoch", must_not_train)


def stack(values, target_values):
    """Stack the rows of both domains, with any values for those of the target."""
    Xs, ys, Xt, _ = values
    filler = np.full((75, *ys.shape[1:]), target_values)
    return np.concatenate([Xs, Xt]), np.concatenate([ys, filler]), np.repeat([1, -1], [90, 75])


def two_columns(values):
    """Give the values two columns of unlike scale."""
    Xs, ys, Xt, yt = values
    return (
        Xs,
        np.column_stack([ys, 100.0 - 30.0 * ys]),
        Xt,
        np.column_stack([yt, 100.0 - 30.0 * yt]),
    )


# Each method reaches the feature extractor, and obeys its weight.


@pytest.mark.parametrize("n_outputs", [1, 2])
@pytest.mark.parametrize("name", sorted(REGRESSION_CRITERIA))
def test_the_gradient_of_a_criterion_reaches_the_feature_extractor(name, n_outputs):
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(16, 6, generator=generator)
    inputs[8:] += 1.0
    torch.manual_seed(0)
    backbone = mlp_backbone(6, (5,), batch_norm=False)
    network = FeatureClassifier(backbone, mlp_head(n_outputs, in_features=5))
    features = network.feature_extractor(inputs)
    at = StepTensors(
        n_source=8,
        features=features,
        outputs=network.classifier(features),
        labels=torch.randn(8, n_outputs, generator=generator),
        weight=None,
        source_indices=torch.arange(8),
        target_indices=torch.arange(8),
        classifier=network.classifier,
        progress=0.5,
        feature_extractor=network.feature_extractor,
        gather_inputs=lambda: inputs,
    )
    WeightedCriteria(name, "values")(at, 1.0).backward()
    for parameter in network.feature_extractor.parameters():
        assert parameter.grad.abs().max() > 0


@pytest.mark.parametrize("estimator", NAMED)
def test_the_weight_changes_the_outcome(estimator, values, same):
    Xs, ys, Xt, _ = values
    weak, strong, again = (
        estimator(**SMALL, alignment_weight=weight).fit(Xs, ys, X_target=Xt)
        for weight in (0.01, 1.0, 1.0)
    )
    assert not same(weak, strong)
    assert same(strong, again)


@pytest.mark.parametrize("estimator", NAMED)
@pytest.mark.parametrize("batch_norm", ["per_domain", None])
def test_a_weight_of_zero_is_no_alignment_to_the_last_bit(estimator, values, same, batch_norm):
    Xs, ys, Xt, _ = values
    idle = estimator(**SMALL, batch_norm=batch_norm, alignment_weight=0.0)
    none = AlignmentRegressor(None, **idle.get_params())
    assert same(idle.fit(Xs, ys, X_target=Xt), none.fit(Xs, ys, X_target=Xt))


@pytest.mark.parametrize("estimator", NAMED)
def test_named_regressors_only_choose_a_criterion(estimator, values, same):
    Xs, ys, Xt, _ = values
    named = estimator(**SMALL)
    general = AlignmentRegressor(estimator.alignment, **named.get_params())
    assert same(named.fit(Xs, ys, X_target=Xt), general.fit(Xs, ys, X_target=Xt))
    assert not any(callable(value) for name, value in vars(estimator).items() if name[0] != "_")


@pytest.mark.parametrize("estimator", REGRESSORS)
@pytest.mark.parametrize("columns", [1, 2])
def test_values_of_target_rows_are_never_read(estimator, values, same, columns):
    values = values if columns == 1 else two_columns(values)
    Xs, ys, Xt, _ = values
    apart = estimator(**SMALL).fit(Xs, ys, X_target=Xt)
    for target_values in (np.nan, np.inf, 1e9):
        X, y, sample_domain = stack(values, target_values)
        stacked = estimator(**SMALL).fit(X, y, sample_domain=sample_domain)
        assert same(apart, stacked)
        np.testing.assert_array_equal(apart.y_mean_, stacked.y_mean_)
        np.testing.assert_array_equal(apart.transduction_, stacked.transduction_)


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
    reg = estimator(**{**SMALL, "max_epochs": 60}, alignment_weight=0.0)
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


# Weights of rows, and known values of the target.


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


@pytest.mark.parametrize("estimator", NAMED)
def test_rows_of_weight_zero_are_absent(estimator, values, same):
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
    settings = {**SMALL, "max_epochs": 100, "learning_rate": 0.01, "alignment_weight": 0.0}
    blind = DANRegressor(**settings).fit(Xs, ys, X_target=Xt)
    told = DANRegressor(**settings).fit(Xs, ys, X_target=Xt, y_target=blank)
    assert told.score(Xt[~known], other[~known]) > blind.score(Xt[~known], other[~known]) + 0.1
    X, y, sample_domain = stack((Xs, ys, Xt, yt), np.nan)
    stacked = np.concatenate([np.full_like(ys, np.nan), blank])
    again = DANRegressor(**settings)
    assert same(told, again.fit(X, y, sample_domain=sample_domain, y_target=stacked))


@pytest.mark.usefixtures("untrained")
@pytest.mark.parametrize(
    ("y_target", "match"),
    [
        (np.full(75, np.nan), "y_target knows no label"),
        (np.zeros(70), "y_target has length 70, but X_target has 75 samples"),
        (np.zeros((75, 2)), r"y_target has shape \(75, 2\), but y has shape \(90,\)"),
        (np.full(75, np.inf), "y_target contains infinity"),
    ],
)
def test_values_of_the_target_that_cannot_be_known_are_refused(values, y_target, match):
    Xs, ys, Xt, _ = values
    with pytest.raises(ValueError, match=match):
        DANRegressor(**SMALL).fit(Xs, ys, X_target=Xt, y_target=y_target)


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


@pytest.mark.parametrize("estimator", NAMED)
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
    pipe = make_pipeline(StandardScaler(), DANRegressor(**{**SMALL, "max_epochs": 30}))
    pipe.fit(X, y, danregressor__sample_domain=sample_domain)
    assert pipe[-1].transduction_.shape == (75,)
    assert np.isfinite(pipe.score(Xt, yt))
    alone = DANRegressor(**{**SMALL, "max_epochs": 30})
    scaled = StandardScaler().fit_transform(X)
    assert same(alone.fit(scaled, y, sample_domain=sample_domain), pipe[-1])


def test_a_grid_search_cuts_the_domains_along_with_the_rows(values):
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


# What is refused.


@pytest.mark.usefixtures("untrained")
@pytest.mark.parametrize(
    ("alignment", "match"),
    [
        (ConditionalAdversarial(), "asks for source_logits, target_logits.* a regressor does not"),
        (PseudoLabels(), "asks for target_logits, which a regressor does not have"),
        (ClassifierDiscrepancy(), "ClassifierDiscrepancy asks for .*a regressor does not have"),
        (MeanTeacher(), "asks for classes, which a regressor does not have"),
        (OpenSetBackpropagation(), "asks for classes, which a regressor does not have"),
        ([(1.0, "mmd"), (0.1, PseudoLabels())], "PseudoLabels asks for target_logits"),
    ],
)
def test_criteria_on_classes_are_refused_with_what_to_use_instead(values, alignment, match):
    Xs, ys, Xt, _ = values
    with pytest.raises(ValueError, match=rf"{match}.*such as MMD\(\), CORAL\(\)"):
        AlignmentRegressor(alignment, **SMALL).fit(Xs, ys, X_target=Xt)


@pytest.mark.usefixtures("untrained")
@pytest.mark.parametrize("name", ["mcc", "cdan", "pseudo_labels", "magic"])
def test_names_of_criteria_on_classes_are_refused(values, name):
    Xs, ys, Xt, _ = values
    with pytest.raises(ValueError, match=f"The 'alignment' parameter of .*'mmd'.*{name!r}"):
        AlignmentRegressor(name, **SMALL).fit(Xs, ys, X_target=Xt)
    with pytest.raises(ValueError, match=f"alignment={name!r} is unknown: use one of .*'rsd'"):
        AlignmentRegressor([(1.0, name)], **SMALL).fit(Xs, ys, X_target=Xt)


def on_values(source_values, source_predictions, target_features):
    return target_features.mean()


@pytest.mark.usefixtures("untrained")
@pytest.mark.parametrize("alignment", [DeepJDOTRegression(), on_values])
def test_criteria_on_values_are_refused_by_classifiers(blobs, alignment):
    Xs, ys, Xt, _ = blobs
    match = r"which a classifier does not have\. Use one on features, such as MMD\(\)"
    with pytest.raises(ValueError, match=match):
        AlignmentClassifier(alignment, **SMALL).fit(Xs, ys, X_target=Xt)


def test_criteria_on_features_serve_both(values, same):
    Xs, ys, Xt, _ = values
    by_name = AlignmentRegressor([(0.1, "rsd")], **SMALL).fit(Xs, ys, X_target=Xt)
    assert same(by_name, AlignmentRegressor([(0.1, RSD())], **SMALL).fit(Xs, ys, X_target=Xt))
    clf = AlignmentClassifier([(0.1, RSD())], **SMALL).fit(Xs, ys > 0, X_target=Xt)
    assert clf.history_["alignment_loss"][0] > 0


@pytest.mark.usefixtures("untrained")
@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda y: np.where(np.arange(90) == 3, np.nan, y), "Input y contains NaN"),
        (lambda y: np.where(np.arange(90) == 3, np.inf, y), "Input y contains infinity"),
        (lambda y: np.full(90, "much"), "could not convert string to float"),
        (lambda y: y[:50], "y has length 50, but X has 90 samples"),
        (lambda y: np.zeros((90, 2, 2)), "Found array with dim 3"),
        (lambda y: None, "requires y to be passed"),
    ],
)
@pytest.mark.parametrize("estimator", REGRESSORS)
def test_values_that_are_no_numbers_are_refused(values, estimator, change, match):
    Xs, ys, Xt, _ = values
    with pytest.raises(ValueError, match=match):
        estimator(**SMALL).fit(Xs, change(ys), X_target=Xt)


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


# A shift on which each method beats what it is without alignment.


def with_columns_that_move(n_rows, *, target, seed):
    """Draw values of two columns, beside twenty that say nothing and move in the target.

    A network of few rows takes these for something, which matters where they have moved.
    """
    rng = np.random.default_rng(seed)
    useful = rng.normal(size=(n_rows, 2))
    noise = rng.normal(size=(n_rows, 20))
    y = useful[:, 0] - useful[:, 1]
    if target:
        return np.column_stack([useful, 2.0 + 3.0 * noise]).astype(np.float32), y
    return np.column_stack([useful, noise]).astype(np.float32), y + rng.normal(
        scale=0.7, size=n_rows
    )


@functools.cache
def fit_and_score(estimator, weight, batch_norm, seed):
    Xs, ys = with_columns_that_move(200, target=False, seed=seed)
    Xt, yt = with_columns_that_move(300, target=True, seed=seed + 100)
    settings = {"hidden_layer_sizes": (128,), "max_epochs": 100, "batch_size": 32}
    settings |= {"optimizer": "adam", "learning_rate": 3e-3, "batch_norm": batch_norm}
    reg = estimator(alignment_weight=weight, random_state=seed, **settings)
    return reg.fit(Xs, ys, X_target=Xt).score(Xt, yt)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("estimator", "weight", "batch_norm"),
    [
        (DANRegressor, None, "joint"),
        (CORALRegressor, None, None),
        (DANNRegressor, 3.0, "joint"),
        (DeepJDOTRegressor, 5.0, "joint"),
        (RSDRegressor, 1.0, "joint"),
    ],
)
def test_columns_that_differ_between_the_domains_matter_less(estimator, weight, batch_norm, seed):
    # Without alignment it does not matter which criterion is not used.
    alone = fit_and_score(DANRegressor, 0.0, batch_norm, seed)
    assert fit_and_score(estimator, weight, batch_norm, seed) >= alone + 0.2
