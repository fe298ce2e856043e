"""Parameters that go through a file, or have to be given or set again."""

import numpy as np
import pytest

import domadapt
from domadapt import AlignmentClassifier, DANClassifier, ImageLoader
from domadapt.alignment import CORAL, MMD, Criterion, DomainAdversarial, MeanTeacher


def to_floats(image):
    return image.float()


class OwnLoader(ImageLoader):
    """A loader that may do anything."""


@pytest.mark.parametrize(
    "loader",
    [
        ImageLoader(eval_transform=to_floats, train_transform=to_floats, n_workers=0, crop=17),
        OwnLoader(),
    ],
    ids=["transform", "subclass"],
)
def test_a_loader_of_one_s_own_has_to_be_given(
    blobs, quick, through_file, assert_same, file, loader
):
    Xs, ys, Xt, _ = blobs
    clf = DANClassifier(**quick, image_loader=loader).fit(Xs, ys, X_target=Xt)
    clf.save(file)
    with pytest.raises(ValueError, match=r"image_loader=.*load\(path, image_loader=") as raised:
        domadapt.load(file)
    assert "\n" not in str(raised.value)
    assert_same(clf, through_file(clf, file, image_loader=loader), Xt)


def test_layer_sizes_that_a_file_cannot_hold_have_to_be_given(
    blobs, quick, through_file, assert_same, file
):
    Xs, ys, Xt, _ = blobs
    sizes = range(8, 6, -1)
    clf = DANClassifier(**{**quick, "hidden_layer_sizes": sizes}).fit(Xs, ys, X_target=Xt)
    clf.save(file)
    with pytest.raises(ValueError, match=r"Pass it: load\(path, hidden_layer_sizes="):
        domadapt.load(file)
    assert_same(clf, through_file(clf, file, hidden_layer_sizes=(8, 7)), Xt)


def distance(source_features, target_features):
    return (source_features.mean(0) - target_features.mean(0)).square().sum()


class OwnMMD(MMD):
    """A criterion that a file could not name."""


def twice(batch):
    return 2.0 * batch


def falling(progress):
    return 1.0 - 0.5 * progress


@pytest.mark.parametrize(
    ("lacking", "default"),
    [
        ({"alignment": distance}, "mmd"),
        ({"alignment": OwnMMD(bandwidth=2.0)}, "mmd"),
        ({"alignment": MeanTeacher(augmentation=twice)}, "mmd"),
        ({"alignment": [(1.0, "coral"), (0.5, distance)]}, "mmd"),
        ({"alignment": [(falling, MMD())]}, "mmd"),
        ({"alignment_schedule": falling}, "dann"),
        ({"learning_rate_schedule": falling}, "dann"),
        ({"random_state": np.random.RandomState(0)}, None),
    ],
    ids=[
        *("function", "subclass", "function within", "list", "weight", "schedule"),
        *("rate schedule", "random state"),
    ],
)
def test_what_only_fit_needs_may_be_lacking(
    blobs, quick, through_file, assert_same, file, lacking, default
):
    Xs, ys, Xt, _ = blobs
    clf = AlignmentClassifier(**{**quick, **lacking}).fit(Xs, ys, X_target=Xt)
    clf.save(file)
    (name,) = lacking
    with pytest.warns(UserWarning, match=f"^{name}=.* was not saved") as warned:
        again = domadapt.load(file)
    assert len(warned) == 1
    assert warned[0].filename == __file__
    assert getattr(again, name) == default
    assert_same(clf, again, Xt)
    assert through_file(clf, file, **lacking).get_params()[name] is lacking[name]


def described(alignment):
    """Return kinds, parameters and weights of criteria, which are compared by identity."""
    if isinstance(alignment, list):
        return [(weight, described(criterion)) for weight, criterion in alignment]
    if isinstance(alignment, Criterion):
        return type(alignment), alignment.get_params()
    return alignment


@pytest.mark.parametrize(
    "alignment",
    [
        MMD(bandwidth=2.0, n_kernels=3),
        DomainAdversarial(hidden_layer_sizes=(7, 5)),
        MeanTeacher(momentum=0.5),
        [(1.0, CORAL()), (0.5, MMD(bandwidth=2.0)), (0.1, "mcc")],
    ],
    ids=["MMD", "DomainAdversarial", "MeanTeacher", "list"],
)
def test_criteria_of_domadapt_s_own_come_back_with_their_parameters(
    blobs, quick, through_file, assert_same, file, same, alignment
):
    Xs, ys, Xt, _ = blobs
    clf = AlignmentClassifier(alignment, **quick).fit(Xs, ys, X_target=Xt)
    again = through_file(clf, file)
    assert described(again.alignment) == described(alignment)
    assert_same(clf, again, Xt)
    assert hasattr(clf, "criterion_")
    # What the discriminator has learnt is not in the file.
    assert not hasattr(again, "criterion_")
    assert same(again.fit(Xs, ys, X_target=Xt), clf)


def test_a_named_classifier_comes_back_with_the_parameters_of_its_criterion(
    blobs, quick, through_file, file, same
):
    Xs, ys, Xt, _ = blobs
    clf = DANClassifier(**quick).set_params(alignment__bandwidth=0.5).fit(Xs, ys, X_target=Xt)
    again = through_file(clf, file)
    assert again.get_params()["alignment__bandwidth"] == 0.5
    assert same(again.fit(Xs, ys, X_target=Xt), clf)
    assert not same(again, DANClassifier(**quick).fit(Xs, ys, X_target=Xt))


def test_criteria_by_name_come_back_with_their_weights(blobs, quick, through_file, file):
    Xs, ys, Xt, _ = blobs
    for alignment in (None, "coral", [(1.0, "coral"), (np.float32(0.5), "mmd")]):
        clf = AlignmentClassifier(alignment, **quick).fit(Xs, ys, X_target=Xt)
        assert through_file(clf, file).alignment == alignment


def test_parameters_may_be_set_while_loading(fitted, through_file, file):
    again = through_file(fitted, file, device="cpu", verbose=True, learning_rate=0.5)
    changed = {"device": "cpu", "verbose": True, "learning_rate": 0.5}
    assert again.get_params() == {**fitted.get_params(), **changed}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"depth": 3}, r"DANClassifier has no parameters \['depth'\]"),
        ({"dropout": 2.0}, "dropout"),
        ({"hidden_layer_sizes": (9,)}, r"\(3, 8\) in float32 in place of \(3, 9\)"),
        ({"batch_norm": None}, "does not fit together"),
        ({"freeze": True}, "does not fit together"),
        ({"device": "cuda:99"}, "CUDA"),
    ],
    ids=str,
)
def test_parameters_that_do_not_fit_are_refused(fitted, file, given, told):
    fitted.save(file)
    with pytest.raises(ValueError, match=told):
        domadapt.load(file, **given)
