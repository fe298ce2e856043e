"""Sources of every kind: statistics by domain, frozen or odd layers, other units, other chains."""

import numpy as np
import pytest
import torch
from torch import nn

import domadapt
from domadapt import AlignmentClassifier, ImageLoader
from domadapt.inductive import (
    FineTuneClassifier,
    FineTuneRegressor,
    MultiTaskClassifier,
    TaskChainClassifier,
)

SHORT = {"max_epochs": 4, "random_state": 0}
STILL = {"max_epochs": 1, "steps_per_epoch": 1, "learning_rate": 1e-12, "random_state": 0}


def tensors(estimator):
    return {n: v.detach().clone() for n, v in estimator.module_.state_dict().items()}


def same(first, second):
    return {n for n in first if torch.allclose(first[n], second[n], atol=1e-6)}


class Shifted(nn.Module):
    """Layers of a person's own, that ask for numbers and hold some that no file has."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 4)
        self.register_buffer("shift", torch.full((4,), 3.0), persistent=False)

    def forward(self, x):
        x = self.layer(x) + self.shift
        return x.relu() if x.sum().item() else x


class Tied(nn.Module):
    """Two layers of the same weights."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(3, 3), nn.Linear(3, 3)
        self.second.weight = self.first.weight

    def forward(self, x):
        return self.second(self.first(x).relu())


class Token(nn.Module):
    """A weight without a way to draw it."""

    def __init__(self):
        super().__init__()
        self.layer, self.token = nn.Linear(3, 4), nn.Parameter(torch.ones(1, 4))

    def forward(self, x):
        return self.layer(x) + self.token


class Attention(nn.Module):
    """Attention over the columns."""

    def __init__(self):
        super().__init__()
        self.embed, self.attention = nn.Linear(1, 4), nn.MultiheadAttention(4, 2, batch_first=True)

    def forward(self, x):
        x = self.embed(x[:, :, None])
        return self.attention(x, x, x)[0].mean(1)


def source_on(backbone, rows, **settings):
    Xs, ys, *_ = rows
    clf = AlignmentClassifier(alignment=None, backbone=backbone, **SHORT, **settings)
    return clf.fit(Xs, ys)


def test_the_fisher_information_of_a_source_with_statistics_by_domain_serves_again(rows):
    Xs, ys, Xt, yt = rows
    source = AlignmentClassifier("mmd", hidden_layer_sizes=(6,), **SHORT).fit(Xs, ys, X_target=Xt)
    first = FineTuneClassifier(source, regularisation="ewc", source_samples=Xs, **SHORT).fit(Xt, yt)
    again = FineTuneClassifier(
        source, regularisation="ewc", source_samples=first.fisher_, **SHORT
    ).fit(Xt, yt)
    assert same(tensors(first), tensors(again)) == set(tensors(first))


@pytest.mark.parametrize("value", [[1.0, 2.0], np.ones((16, 3))])
def test_fisher_information_that_is_no_tensor_is_told(rows, source, value):
    _, _, Xt, yt = rows
    given = {"feature_extractor.0.weight": value}
    clf = FineTuneClassifier(source, regularisation="ewc", source_samples=given, **SHORT)
    with pytest.raises(ValueError, match=r"not of this source: \['feature_extractor.0.weight'\]"):
        clf.fit(Xt, yt)


def test_samples_of_the_source_are_named_where_they_do_not_fit(rows, source):
    _, _, Xt, yt = rows
    clf = FineTuneClassifier(source, regularisation="ewc", source_samples=np.ones((4, 9)))
    with pytest.raises(ValueError, match=r"^source_samples: .*9 features"):
        clf.fit(Xt, yt)


def test_samples_of_the_source_are_read_as_the_source_read_them(tmp_path):
    image = pytest.importorskip("PIL.Image")
    rng, paths = np.random.default_rng(0), []
    for number in range(12):
        paths.append(str(tmp_path / f"{number}.png"))
        image.fromarray(rng.integers(0, 255, (8, 8, 3), dtype=np.uint8)).save(paths[-1])

    small, large = (ImageLoader(resize=size, crop=size) for size in (6, 8))
    y = np.arange(12) % 2
    source = AlignmentClassifier(
        alignment=None, hidden_layer_sizes=(3,), image_loader=small, **SHORT
    ).fit(paths, y)
    found = [
        FineTuneClassifier(
            source,
            regularisation="ewc",
            source_samples=paths,
            image_loader=loader,
            **SHORT,
        )
        .fit(paths, y)
        .fisher_
        for loader in (small, large)
    ]
    assert same(*found) == set(found[0])


@pytest.mark.parametrize("kind", ["chain", "several"])
def test_a_network_of_several_tasks_is_refused_and_its_features_are_a_source(rows, kind):
    Xs, ys, Xt, yt = rows
    tasks = {"a": (Xs, ys), "b": (Xs, ys % 2)}
    estimator = TaskChainClassifier if kind == "chain" else MultiTaskClassifier
    several = estimator(hidden_layer_sizes=(6,), **SHORT).fit(tasks)
    with pytest.raises(TypeError, match=r"no network of one task.*module_.feature_extractor"):
        FineTuneClassifier(several, **SHORT).fit(Xt, yt)
    clf = FineTuneClassifier(several.module_.feature_extractor, **STILL).fit(Xt, yt)
    np.testing.assert_allclose(clf.transform(Xt), several.transform(Xt), atol=1e-5)


@pytest.mark.parametrize("kind", ["backbone", "estimator", "fine-tuned"])
def test_layers_of_others_are_loaded_with_what_the_file_does_not_hold(rows, kind, tmp_path):
    _, _, Xt, yt = rows
    torch.manual_seed(0)
    source = Shifted() if kind == "backbone" else source_on(Shifted(), rows)
    if kind == "fine-tuned":
        source = FineTuneClassifier(source, **SHORT).fit(Xt, yt)
    clf = FineTuneClassifier(source, **SHORT).fit(Xt, yt)
    clf.save(tmp_path / "model")
    with pytest.raises(ValueError, match=r"source=Shifted|load\(path, source=\.\.\.\)"):
        domadapt.load(tmp_path / "model")
    again = domadapt.load(tmp_path / "model", source=source)
    np.testing.assert_array_equal(again.predict_proba(Xt), clf.predict_proba(Xt))
    np.testing.assert_array_equal(again.fit(Xt, yt).transform(Xt), clf.transform(Xt))


def test_a_chain_of_sources_draws_for_modules_of_others_by_the_seed(rows):
    _, _, Xt, yt = rows
    backbone = nn.Sequential(nn.Linear(3, 8), nn.Dropout(0.5))
    first = FineTuneClassifier(source_on(backbone, rows), **SHORT).fit(Xt, yt)
    found = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        found.append(FineTuneClassifier(first, **SHORT).fit(Xt, yt).predict_proba(Xt))
    np.testing.assert_array_equal(*found)


def test_tied_weights_have_fisher_information_of_both_layers(rows):
    Xs, _, Xt, yt = rows
    torch.manual_seed(0)
    source = source_on(Tied(), rows)
    clf = FineTuneClassifier(source, regularisation="ewc", source_samples=Xs[:1], **SHORT)
    found = clf.fit(Xt, yt).fisher_["feature_extractor.first.weight"]
    network, expected = source.module_, 0.0
    log_p = network(torch.from_numpy(Xs[:1]))[0].log_softmax(0)
    for value in log_p:
        weight = network.feature_extractor.first.weight
        (slope,) = torch.autograd.grad(value, weight, retain_graph=True)
        expected = expected + value.exp().detach() * slope.square()
    torch.testing.assert_close(found, expected)


def test_a_new_first_layer_on_a_frozen_backbone_is_refused(rows):
    _, _, Xt, yt = rows
    source = source_on(nn.Linear(3, 5), rows, freeze=True)
    wide = np.hstack([Xt, Xt])
    with pytest.raises(ValueError, match=r"takes no gradient.*freeze=False"):
        FineTuneClassifier(source, new_first_layer=True, **SHORT).fit(wide, yt)
    # Layers behind it are trained.
    clf = FineTuneClassifier(source, **SHORT).fit(Xt, yt)
    kept = same(tensors(source), tensors(clf))
    assert kept == {n for n in kept if n.startswith("feature_extractor.backbone.")} != set()


@pytest.fixture(scope="module")
def normalised(rows):
    Xs, ys, *_ = rows
    clf = AlignmentClassifier(alignment=None, batch_norm="joint", hidden_layer_sizes=(6, 5))
    return clf.set_params(**SHORT).fit(Xs, ys)


def learnt_statistics(clf):
    layers = [m for m in clf.module_.modules() if isinstance(m, nn.BatchNorm1d)]
    return [int(layer.num_batches_tracked) for layer in layers]


def test_batch_normalisation_that_is_drawn_anew_learns_statistics_of_its_own(rows, normalised):
    _, _, Xt, yt = rows
    before, n_steps = learnt_statistics(normalised), 4 * 8
    clf = FineTuneClassifier(normalised, **SHORT).fit(Xt, yt)
    assert learnt_statistics(clf) == before
    last = FineTuneClassifier(normalised, n_reinitialised=2, **SHORT).fit(Xt, yt)
    assert learnt_statistics(last) == [before[0], n_steps]
    # Statistics of the old first layer say nothing of a new one.
    wide = FineTuneClassifier(normalised, new_first_layer=True, strategy="head", **SHORT)
    assert learnt_statistics(wide.fit(np.hstack([Xt, Xt]), yt)) == [n_steps, before[1]]


def test_attention_is_drawn_anew_too(rows):
    _, _, Xt, yt = rows
    torch.manual_seed(0)
    source = source_on(Attention(), rows)
    clf = FineTuneClassifier(source, n_reinitialised=3, **STILL).fit(Xt, yt)
    kept = same(tensors(source), tensors(clf))
    assert "feature_extractor.embed.weight" in kept
    assert "feature_extractor.attention.in_proj_weight" not in kept


@pytest.mark.parametrize("settings", [{"n_reinitialised": 3}, {"compare": True}])
def test_what_cannot_be_drawn_anew_is_told_before_training(rows, settings):
    _, _, Xt, yt = rows
    clf = FineTuneClassifier(source_on(Token(), rows), **settings, **SHORT)
    with pytest.raises(ValueError, match=r"Token, has weights of its own.*reset_parameters"):
        clf.fit(Xt, yt)
    assert not hasattr(clf, "module_")


def test_a_head_that_is_drawn_anew_learns_in_units_of_the_new_values(rows, source_of_values):
    _, _, Xt, _ = rows
    y = 100 * Xt @ [1.0, 2.0, -1.0] + 5000
    reg = FineTuneRegressor(source_of_values, n_reinitialised=1, **SHORT).fit(Xt, y)
    np.testing.assert_allclose([reg.y_mean_[0], reg.y_scale_[0]], [y.mean(), y.std()])
    assert np.square(reg.predict(Xt) - y).mean() < 2 * y.var()
    # So does the network from scratch that fine-tuning is compared with.
    with pytest.warns(UserWarning, match="mean 5"):
        compared = FineTuneRegressor(source_of_values, compare=True, **SHORT).fit(Xt, y)
    assert compared.comparison_["from_scratch"] < 2 * y.var() < compared.comparison_["fine_tuned"]


def test_values_in_other_units_than_those_of_the_source_are_warned_of(
    rows, source_of_values, recwarn
):
    _, _, Xt, _ = rows
    y = Xt @ [1.0, 2.0, -1.0]
    for values in (y * 11, y + 50):
        with pytest.warns(UserWarning, match="same units, or pass n_reinitialised=1"):
            FineTuneRegressor(source_of_values, **SHORT).fit(Xt, values)
    recwarn.clear()
    FineTuneRegressor(source_of_values, **SHORT).fit(Xt, y + 5)
    FineTuneRegressor(source_of_values, n_reinitialised=1, **SHORT).fit(Xt, y + 50)
    assert not [w for w in recwarn if "units" in str(w.message)]
    assert (source_of_values.y_mean_ < 10).all()


def test_distillation_teaches_a_head_that_is_drawn_anew_nothing_of_the_old_one(rows, source):
    _, _, Xt, yt = rows
    # The classes mean something else: what the old head says of them would teach the reverse.
    turned = (yt + 1) % 3
    clf = FineTuneClassifier(
        source, regularisation="distillation", regularisation_weight=20.0, n_reinitialised=1
    )
    assert clf.set_params(**SHORT).fit(Xt, turned).score(Xt, turned) > 0.7


def test_a_fit_that_is_refused_leaves_the_one_before_as_it_was(rows, source, tmp_path):
    Xs, ys, Xt, yt = rows
    clf = FineTuneClassifier(source, **SHORT).fit(Xt, yt)
    expected = clf.predict_proba(Xt)
    other = AlignmentClassifier(alignment=None, hidden_layer_sizes=(3,), **SHORT).fit(Xs, ys)
    with pytest.raises(ValueError, match="n_reinitialised=9"):
        clf.set_params(source=other, n_reinitialised=9).fit(Xt, yt)
    clf.save(tmp_path / "model")
    again = domadapt.load(tmp_path / "model")
    np.testing.assert_array_equal(again.predict_proba(Xt), expected)


def test_what_is_new_is_free_of_what_keeps_the_source(rows, source):
    _, _, Xt, yt = rows
    wide = np.hstack([Xt, Xt])
    settings = {"regularisation_weight": 1e10, "new_first_layer": True, **SHORT}
    start = FineTuneClassifier(source, **settings | STILL).fit(wide, yt + 7)
    clf = FineTuneClassifier(source, **settings).fit(wide, yt + 7)
    moved = set(tensors(start)) - {
        n for n, v in tensors(start).items() if torch.allclose(v, tensors(clf)[n], atol=1e-3)
    }
    assert moved == {
        *("feature_extractor.0.weight", "feature_extractor.0.bias"),
        *("classifier.0.weight", "classifier.0.bias"),
    }
