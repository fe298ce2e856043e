"""Fits with self-supervised tasks: images of any kind, lists, refusals, and where it helps."""

import numpy as np
import pytest
from PIL import Image
from torch import nn

from domadapt import AlignmentClassifier, AlignmentRegressor, ImageLoader
from domadapt.alignment import SelfSupervised

QUICK = {"hidden_layer_sizes": (4,), "max_epochs": 2, "steps_per_epoch": 2, "batch_size": 8}
QUICK |= {"random_state": 0}


def images(*shape):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, *shape)).astype(np.float32)
    y = np.arange(20) % 2
    return X[:20] + y.reshape(20, *[1] * len(shape)), y, X[20:]


@pytest.mark.parametrize("task", ["auto", "rotation", "jigsaw", "masked_columns"])
@pytest.mark.parametrize("shape", [(6, 6), (1, 5, 5), (3, 4, 6)])
def test_image_stacks_are_learnt_from_and_the_weight_matters(same, task, shape):
    Xs, ys, Xt = images(*shape)
    weak, strong, again = (
        AlignmentClassifier(SelfSupervised(task), alignment_weight=weight, **QUICK).fit(
            Xs, ys, X_target=Xt
        )
        for weight in (0.01, 1.0, 1.0)
    )
    assert not same(weak, strong)
    assert same(strong, again)
    expected = {"jigsaw": 24, "masked_columns": int(np.prod(shape))}
    n_turns = 4 if shape[-1] == shape[-2] else 2
    assert strong.criterion_.head[-1].out_features == expected.get(task, n_turns)


@pytest.fixture
def photographs(tmp_path):
    rng = np.random.default_rng(0)
    paths = [str(tmp_path / f"{number}.png") for number in range(16)]
    for number, path in enumerate(paths):
        pixels = rng.integers(0, 90, (12, 12, 3)) + 120 * (number % 2)
        Image.fromarray(pixels.astype(np.uint8)).save(path)
    return np.array(paths)


def test_photographs_are_turned_as_they_are_read(photographs, same):
    loader = ImageLoader(resize=9, crop=8, n_workers=0)
    parameters = {**QUICK, "image_loader": loader}
    ys = np.arange(8) % 2
    turned, alone = (
        AlignmentClassifier(alignment, batch_norm="per_domain", **parameters).fit(
            photographs[:8], ys, X_target=photographs[8:]
        )
        for alignment in ("self_supervision", None)
    )
    assert turned.criterion_.head[-1].out_features == 4
    assert not same(turned, alone)


def test_a_list_has_it_by_name_and_as_an_object_with_its_history(same):
    Xs, ys, Xt = images(4, 4)
    by_name, by_object, without = (
        AlignmentClassifier(alignment, **QUICK).fit(Xs, ys, X_target=Xt)
        for alignment in (
            [(1.0, "self_supervision"), (0.3, "dann")],
            [(1.0, SelfSupervised("rotation")), (0.3, "dann")],
            [(0.3, "dann")],
        )
    )
    assert same(by_name, by_object)
    assert not same(by_name, without)
    names = {"SelfSupervised", "DomainAdversarial"}
    assert names <= by_name.history_.keys()
    assert by_name.get_params()["alignment__SelfSupervised__task"] == "auto"


def test_a_regressor_takes_it(same):
    Xs, ys, Xt = images(6)
    values = Xs[:, 0] + ys
    acting, alone = (
        AlignmentRegressor(alignment, batch_norm=None, **QUICK).fit(Xs, values, X_target=Xt)
        for alignment in (SelfSupervised("masked_columns"), None)
    )
    assert not same(acting, alone)


def test_vectors_and_frozen_features_cannot_be_turned():
    Xs, ys, Xt = images(4, 4)
    backbone = nn.Sequential(nn.Flatten(), nn.Linear(16, 5))
    clf = AlignmentClassifier(SelfSupervised("rotation"), backbone=backbone, freeze=True, **QUICK)
    for given in (clf, AlignmentClassifier(SelfSupervised("jigsaw"), **QUICK)):
        X, X_target = (Xs, Xt) if given is clf else (Xs[:, 0], Xt[:, 0])
        with pytest.raises(ValueError, match=r"needs images.*Use 'masked_columns' for vectors"):
            given.fit(X, ys, X_target=X_target)
        assert not hasattr(given, "module_")


def test_weights_by_gradients_at_the_features_are_refused():
    Xs, ys, Xt = images(6)
    alignment = [(1.0, "self_supervision"), (1.0, "mmd")]
    clf = AlignmentClassifier(alignment, loss_weights="gradnorm", **QUICK)
    with pytest.raises(ValueError, match="that of SelfSupervised goes past them"):
        clf.fit(Xs, ys, X_target=Xt)


def test_masked_columns_help_where_few_directions_carry_many_columns():
    def draw(rng, directions, n, offset):
        latent = rng.normal(size=(n, len(directions)))
        noise = 2.0 * rng.normal(size=(n, directions.shape[1]))
        return (latent @ directions + noise + offset).astype(np.float32), latent[:, 0] > 0

    scores = {0.0: [], 10.0: []}
    settings = {"max_epochs": 10, "steps_per_epoch": 15, "hidden_layer_sizes": (16,)}
    for seed in range(3):
        rng = np.random.default_rng(seed)
        directions = rng.normal(size=(2, 40))
        (Xs, ys), (Xt, yt) = draw(rng, directions, 20, 0.0), draw(rng, directions, 400, 0.5)
        for weight, found in scores.items():
            clf = AlignmentClassifier(
                "self_supervision",
                alignment_weight=weight,
                alignment_schedule="constant",
                random_state=seed,
                **settings,
            )
            found.append(clf.fit(Xs, ys, X_target=Xt).score(Xt, yt))
    assert np.mean(scores[10.0]) > np.mean(scores[0.0]) + 0.03
