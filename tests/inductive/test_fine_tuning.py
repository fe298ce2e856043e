"""Fine-tuning: where it starts, what it trains at which rate, and what it keeps."""

import numpy as np
import pytest
import torch
from sklearn.base import clone
from torch import nn

from domadapt import AlignmentClassifier
from domadapt.inductive import FineTuneClassifier, FineTuneRegressor
from domadapt.inductive._fine_tuning import Plan
from domadapt.inductive._keeping import diagonal_fisher
from domadapt.inductive._starts import groups_of, layers_of
from domadapt.nn import SplitBatchNorm

SHORT = {"max_epochs": 8, "random_state": 0}
# So few updates at so low a rate that the network is still where it started.
STILL = {"max_epochs": 50, "steps_per_epoch": 1, "learning_rate": 1e-12, "random_state": 0}


def weights(estimator):
    return {n: p.detach().clone() for n, p in estimator.module_.named_parameters()}


def same(first, second):
    return {name for name in first if torch.equal(first[name], second[name])}


def test_it_starts_from_the_source_with_its_head_where_the_classes_are_the_same(rows, source):
    _, _, Xt, yt = rows
    clf = FineTuneClassifier(source, **STILL).fit(Xt, yt)
    np.testing.assert_allclose(clf.predict_proba(Xt), source.predict_proba(Xt), atol=1e-6)


def test_other_classes_get_a_new_head(rows, source):
    _, _, Xt, yt = rows
    clf = FineTuneClassifier(source, **SHORT).fit(Xt, yt + 7)
    assert clf.classes_.tolist() == [7, 8, 9]
    still = FineTuneClassifier(source, **STILL).fit(Xt, yt + 7)
    np.testing.assert_allclose(still.transform(Xt), source.transform(Xt), atol=1e-6)
    assert not np.allclose(still.predict_proba(Xt), source.predict_proba(Xt), atol=1e-2)
    assert clf.score(Xt, yt + 7) > still.score(Xt, yt + 7)


def test_a_file_and_the_estimator_are_the_same_source(rows, source, tmp_path):
    _, _, Xt, yt = rows
    source.save(tmp_path / "source.safetensors")
    of_file = FineTuneClassifier(tmp_path / "source.safetensors", **SHORT).fit(Xt, yt)
    of_estimator = FineTuneClassifier(source, **SHORT).fit(Xt, yt)
    np.testing.assert_array_equal(of_file.predict_proba(Xt), of_estimator.predict_proba(Xt))


def test_the_source_is_not_changed(rows, source):
    Xs, _, Xt, yt = rows
    before, state = weights(source), torch.get_rng_state()
    FineTuneClassifier(source, regularisation="ewc", source_samples=Xs, **SHORT).fit(Xt, yt)
    assert same(before, weights(source)) == set(before)
    assert torch.equal(torch.get_rng_state(), state)


def test_a_backbone_is_a_source_without_a_head(rows):
    _, _, Xt, yt = rows
    torch.manual_seed(0)
    backbone = nn.Sequential(nn.Linear(3, 6), nn.Dropout(0.1), nn.ReLU())
    clf = FineTuneClassifier(backbone, **SHORT).fit(Xt, yt)
    again = FineTuneClassifier(backbone, **SHORT).fit(Xt, yt)
    np.testing.assert_array_equal(clf.predict_proba(Xt), again.predict_proba(Xt))
    assert clf.module_.feature_extractor[0].weight.shape == (6, 3)
    assert clf.module_.feature_extractor is not backbone


def test_head_only_leaves_the_features_to_the_bit(rows, source):
    _, _, Xt, yt = rows
    clf = FineTuneClassifier(source, strategy="head", **SHORT).fit(Xt, yt)
    before, after = weights(source), weights(clf)
    assert same(before, after) == {n for n in before if n.startswith("feature_extractor")}
    # Whoever takes this one for a source may train them.
    assert all(p.requires_grad for p in clf.module_.parameters())


def moved(source, clf):
    """Return how far the weights of each layer went, from the input to the head."""
    before, after = weights(source), weights(clf)
    names = [name for name in before if name.endswith("weight")]
    return [float((before[n] - after[n]).abs().max()) for n in names]


def test_discriminative_rates_fall_by_the_factor_from_layer_to_layer(rows, source):
    _, _, Xt, yt = rows
    once = {"max_epochs": 1, "steps_per_epoch": 1, "weight_decay": 0.0, "random_state": 0}
    full = moved(source, FineTuneClassifier(source, strategy="full", **once).fit(Xt, yt))
    falling = FineTuneClassifier(source, strategy="discriminative", rate_decay=4.0, **once)
    ratios = np.divide(full, moved(source, falling.fit(Xt, yt)))
    np.testing.assert_allclose(ratios, [16.0, 4.0, 1.0], rtol=0.02)


def test_gradual_unfreezing_begins_with_the_head_and_ends_with_all(rows, source):
    _, _, Xt, yt = rows
    first = {"steps_per_epoch": 4, "max_epochs": 1, "weight_decay": 0.0, "random_state": 0}
    clf = FineTuneClassifier(source, strategy="gradual", **first).fit(Xt, yt)
    assert min(moved(source, clf)) > 0
    clf._plan = Plan(groups=groups_of(clf.module_))
    _, *factors = [factor for _, factor in clf._rates(None)]
    seen = [[factor(progress) for progress in (0, 0.2, 0.3, 0.5)] for factor in factors]
    assert seen == [[1, 1, 1, 1], [0, 0, 1, 1], [0, 0, 0, 1]]


def test_the_last_layers_are_drawn_anew(rows, source):
    _, _, Xt, yt = rows
    clf = FineTuneClassifier(source, n_reinitialised=2, **STILL).fit(Xt, yt)
    before, after = weights(source), weights(clf)
    far = {n for n in before if not torch.allclose(before[n], after[n], atol=1e-6)}
    assert far == {n for n in before if not n.startswith("feature_extractor.0.")}
    with pytest.raises(ValueError, match=r"n_reinitialised=9.*has 3 layers"):
        FineTuneClassifier(source, n_reinitialised=9).fit(Xt, yt)


def test_other_columns_need_leave_for_a_new_first_layer(rows, source):
    _, _, Xt, yt = rows
    wide = np.hstack([Xt, Xt])
    with pytest.raises(ValueError, match="new_first_layer=True"):
        FineTuneClassifier(source, **SHORT).fit(wide, yt)
    clf = FineTuneClassifier(source, new_first_layer=True, **STILL).fit(wide, yt)
    before, after = weights(source), weights(clf)
    assert after["feature_extractor.0.weight"].shape == (16, 6)
    torch.testing.assert_close(
        after["feature_extractor.2.weight"], before["feature_extractor.2.weight"]
    )
    trained = FineTuneClassifier(source, new_first_layer=True, strategy="head", **SHORT)
    assert trained.fit(wide, yt).score(wide, yt) > 0.9


def test_the_images_of_a_source_may_be_of_another_size():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(20, 1, 6, 6)).astype(np.float32), np.arange(20) % 2
    source = AlignmentClassifier(alignment=None, hidden_layer_sizes=(4,), **SHORT).fit(X, y)
    clf = FineTuneClassifier(source, **SHORT).fit(np.repeat(X, 2, axis=2), y)
    assert clf.predict(np.repeat(X, 2, axis=2)).shape == (20,)
    coloured = FineTuneClassifier(source, new_first_layer=True, **SHORT)
    assert coloured.fit(np.repeat(X, 3, axis=1), y).score(np.repeat(X, 3, axis=1), y) >= 0.5


def test_batch_normalisation_keeps_the_statistics_of_the_target(rows):
    Xs, ys, Xt, yt = rows
    source = AlignmentClassifier("mmd", hidden_layer_sizes=(6,), **SHORT).fit(Xs, ys, X_target=Xt)
    clf = FineTuneClassifier(source, strategy="full", **SHORT).fit(Xt, yt)
    layer = next(m for m in source.module_.modules() if isinstance(m, SplitBatchNorm))
    kept = clf.module_.feature_extractor[1]
    assert isinstance(kept, nn.BatchNorm1d)
    torch.testing.assert_close(kept.running_mean, layer.second.running_mean, rtol=0, atol=0)
    assert not torch.equal(layer.first.running_mean, layer.second.running_mean)


@pytest.mark.parametrize("regularisation", ["l2_sp", "ewc", "distillation"])
def test_weight_0_is_plain_to_the_bit_and_a_weight_changes_what_is_learnt(
    rows, source, regularisation
):
    Xs, _, Xt, yt = rows

    def fitted(**settings):
        clf = FineTuneClassifier(source, source_samples=Xs, **SHORT).set_params(**settings)
        return weights(clf.fit(Xt, yt))

    plain = fitted(regularisation=None)
    kept = fitted(regularisation=regularisation)
    assert same(plain, fitted(regularisation=regularisation, regularisation_weight=0)) == set(plain)
    assert same(plain, kept) == set()


@pytest.mark.parametrize("regularisation", ["l2_sp", "ewc"])
def test_a_very_large_weight_keeps_the_source_model(rows, source, regularisation):
    Xs, _, Xt, yt = rows
    clf = FineTuneClassifier(
        source,
        strategy="full",
        regularisation=regularisation,
        regularisation_weight=1e10,
        source_samples=Xs,
        **SHORT,
    ).fit(Xt, yt)
    np.testing.assert_allclose(clf.predict_proba(Xt), source.predict_proba(Xt), atol=1e-2)
    plain = FineTuneClassifier(source, regularisation=None, **SHORT).fit(Xt, yt)
    assert np.abs(plain.predict_proba(Xt) - source.predict_proba(Xt)).max() > 0.1


def test_distillation_keeps_the_old_outputs_beside_a_new_head(rows, source):
    _, _, Xt, yt = rows
    settings = {"strategy": "full", "regularisation": "distillation"}
    clf = FineTuneClassifier(source, **settings, **SHORT).fit(Xt, yt % 2)
    assert clf.predict_proba(Xt).shape == (12, 2)
    assert clf.history_["distillation"][-1] > 0
    assert set(clf.history_) >= {"labels", "distillation"}


def test_labels_of_a_few_target_rows_are_learnt_and_kept_near_the_source_too(rows, source):
    _, _, Xt, yt = rows
    known = np.where(np.arange(6) < 3, yt[6:].astype(float), np.nan)
    given = {"X_target": Xt[6:], "y_target": known}
    clf = FineTuneClassifier(source, regularisation="distillation", **SHORT)
    both = clf.fit(Xt[:6], yt[:6], **given).predict_proba(Xt)
    assert np.abs(both - clf.fit(Xt[:6], yt[:6]).predict_proba(Xt)).max() > 1e-3


def test_the_fisher_information_of_one_fit_serves_the_next(rows, source):
    Xs, _, Xt, yt = rows
    settings = {"regularisation": "ewc", **SHORT}
    first = FineTuneClassifier(source, source_samples=Xs, **settings).fit(Xt, yt)
    again = FineTuneClassifier(source, source_samples=first.fisher_, **settings).fit(Xt, yt)
    assert same(weights(first), weights(again)) == set(weights(first))
    assert set(first.fisher_) == set(weights(source))


def test_values_are_learnt_in_the_units_of_the_source(rows, source_of_values, source):
    Xs, _, Xt, _ = rows
    y = Xt @ [1.0, 2.0, -1.0] + 3.0
    still = FineTuneRegressor(source_of_values, **STILL).fit(Xt, y)
    np.testing.assert_allclose(still.predict(Xt), source_of_values.predict(Xt), rtol=1e-4)
    reg = FineTuneRegressor(source_of_values, **SHORT).fit(Xt, y)
    before = np.square(source_of_values.predict(Xt) - y).mean()
    assert np.square(reg.predict(Xt) - y).mean() < before
    # From a classifier there are features, and no head.
    other = FineTuneRegressor(source, **SHORT).fit(Xt, np.c_[y, y])
    assert other.predict(Xt).shape == (12, 2)
    kept = FineTuneRegressor(source_of_values, regularisation="ewc", source_samples=Xs, **SHORT)
    assert "ewc" in kept.fit(Xt, y).history_


def test_features_of_any_layer_by_its_name(rows, source):
    _, _, Xt, yt = rows
    clf = FineTuneClassifier(source, **SHORT).fit(Xt, yt)
    assert clf.layer_names_[:2] == ["feature_extractor", "feature_extractor.0"]
    hidden = clf.transform(Xt, layer="feature_extractor.1")
    layer = clf.module_.feature_extractor[0]
    expected = np.maximum(Xt @ layer.weight.detach().numpy().T + layer.bias.detach().numpy(), 0)
    np.testing.assert_allclose(hidden, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(clf.transform(Xt, layer="feature_extractor"), clf.transform(Xt))
    with pytest.raises(ValueError, match="layer='conv9' is none of layer_names_"):
        clf.transform(Xt, layer="conv9")
    assert not clf.module_.feature_extractor[1]._forward_hooks


def test_deep_networks_have_a_few_groups_of_layers():
    network = nn.Sequential(*[m for _ in range(20) for m in (nn.Linear(2, 2), nn.BatchNorm1d(2))])
    network[0].requires_grad_(False)
    assert [len(layer) for layer in layers_of(network)][-1] == 2
    groups = groups_of(network)
    assert len(groups) == 6
    trained = [p for p in network.parameters() if p.requires_grad]
    assert sum(map(len, groups)) >= len(trained)


def test_clones_keep_the_fitted_source(rows, source):
    clf = FineTuneClassifier(source, strategy="full")
    fresh = clone(clf)
    assert fresh.source is source
    assert fresh.get_params()["strategy"] == "full"
    assert not [name for name in fresh.get_params() if "__" in name]


@pytest.mark.parametrize(
    ("regularisation", "weight"), [("l2_sp", 0.1), ("ewc", 100.0), ("distillation", 0.3)]
)
def test_the_weights_of_the_docstring_are_those_that_none_stands_for(
    rows, source, regularisation, weight
):
    Xs, _, Xt, yt = rows
    clf = FineTuneClassifier(source, regularisation=regularisation, source_samples=Xs, **SHORT)
    by_default = weights(clf.fit(Xt, yt))
    given = weights(clf.set_params(regularisation_weight=weight).fit(Xt, yt))
    assert same(by_default, given) == set(given)
    assert "None stands for 0.1, 100 and 0.3" in FineTuneClassifier.__doc__


def test_the_fisher_information_is_that_of_all_source_samples(rows, source):
    Xs, _, Xt, yt = rows
    clf = FineTuneClassifier(source, regularisation="ewc", source_samples=Xs, **SHORT)
    found = clf.fit(Xt, yt).fisher_
    expected = diagonal_fisher(source.module_, torch.from_numpy(Xs))
    assert same(found, expected) == set(expected)


def test_new_layers_learn_at_the_full_rate(rows, source):
    _, _, Xt, yt = rows
    once = {"max_epochs": 1, "steps_per_epoch": 1, "weight_decay": 0.0, "random_state": 0}
    settings = {"new_first_layer": True, "rate_decay": 100.0, "regularisation": None}

    def change(strategy, rate):
        clf = FineTuneClassifier(source, strategy=strategy, **settings, **once)
        return weights(clf.set_params(learning_rate=rate).fit(Xt, yt))

    start = change("full", 1e-12)
    full, falling = (change(strategy, 0.03) for strategy in ("full", "discriminative"))
    name = "feature_extractor.0.weight"
    torch.testing.assert_close(full[name] - start[name], falling[name] - start[name])
    assert not torch.equal(
        full["feature_extractor.2.weight"], falling["feature_extractor.2.weight"]
    )


def test_outputs_of_labelled_target_rows_are_kept_as_theirs(rows, source):
    _, _, Xt, yt = rows
    known = yt[6:].astype(float)
    settings = {"regularisation": "distillation", "regularisation_weight": 1.0, **SHORT}
    steps = {"max_epochs": 1, "steps_per_epoch": 1, "learning_rate": 1e-12}
    clf = FineTuneClassifier(source, **settings | steps)
    clf.fit(Xt[:6], yt[:6], X_target=Xt[6:], y_target=known)
    # Of a network that is still the source's, it is the entropy of what the source says at
    # temperature 2.
    logits = source.module_(torch.from_numpy(Xt)).detach() / 2
    entropy = -(logits.softmax(1) * logits.log_softmax(1)).sum(1).mean()
    assert clf.history_["distillation"][0] == pytest.approx(entropy.item(), rel=1e-4)


def test_values_of_the_source_are_kept_as_values(rows, source_of_values):
    _, _, Xt, _ = rows
    y = Xt @ [1.0, 2.0, -1.0] + 3.0
    settings = {"regularisation": "distillation", "regularisation_weight": 30.0, **SHORT}
    reg = FineTuneRegressor(source_of_values, **settings).fit(Xt, y)
    plain = FineTuneRegressor(source_of_values, regularisation=None, **SHORT).fit(Xt, y)
    before = source_of_values.predict(Xt)
    away = [np.abs(one.predict(Xt) - before).mean() for one in (reg, plain)]
    assert away[0] < away[1] / 2
