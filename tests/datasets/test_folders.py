"""Folders of photographs and of arrays."""

import os
import warnings

import numpy as np
import pytest

from domadapt.datasets import (
    load_features,
    load_image_folder,
    load_office31,
    load_office_caltech10,
    load_office_home,
)


def make_images(root, tree):
    """Touch the files of a tree: {domain: {class folder: number of images}}."""
    for domain, classes in tree.items():
        for folder, n_images in classes.items():
            (root / domain / folder).mkdir(parents=True)
            for k in range(n_images):
                (root / domain / folder / f"frame_{k}.jpg").touch()
    return root


def save(root, **domains):
    for name, arrays in domains.items():
        np.savez(root / f"{name}.npz", **arrays)
    return root


@pytest.mark.parametrize("between", ["", "images/", "a/b/"])
def test_both_layouts_are_loaded_alike(tmp_path, between):
    classes = {f"{between}bike": 2, f"{between}mug": 1}
    data = load_image_folder(make_images(tmp_path, {"two": classes, "one": classes}))
    assert data.domain_names == ["one", "two"]
    assert data.class_names == ["bike", "mug"]
    assert data.y.tolist() == [0, 0, 1, 0, 0, 1]
    assert data.domain.tolist() == ["one"] * 3 + ["two"] * 3
    assert data.paths[0] == str(tmp_path / "one" / between / "bike" / "frame_0.jpg")


def test_hidden_files_and_files_that_are_no_images_are_ignored(tmp_path):
    make_images(tmp_path, {name: {"bike": 1, "mug": 1} for name in ("one", "two")})
    (tmp_path / "one" / "bike" / "notes.txt").touch()
    (tmp_path / "one" / "bike" / ".hidden.jpg").touch()
    (tmp_path / "one" / "bike" / "SECOND.JPG").touch()
    (tmp_path / ".cache").mkdir()
    (tmp_path / "readme.md").touch()
    data = load_image_folder(tmp_path)
    assert data.domain_names == ["one", "two"]
    assert len(data.paths) == 5


def test_different_classes_are_reported_and_numbered_together(tmp_path):
    make_images(tmp_path, {"one": {"bike": 1, "mug": 1}, "two": {"mug": 1, "pen": 1}})
    with pytest.warns(UserWarning, match="one lacks pen; two lacks bike"):
        data = load_image_folder(tmp_path)
    assert data.y.tolist() == [0, 1, 1, 2]


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ({}, r"holds 0 folders \(none\). At least two domains"),
        ({"one": {"bike": 1}}, r"holds 1 folders \(one\)"),
        ({"one": {"bike": 1, "mug": 0}, "two": {"bike": 1}}, r"class folder .*mug' holds no im"),
        ({"one": {"bike": 1}, "two": {"": 1}}, "'frame_0.jpg' in no class folder"),
    ],
)
def test_faults_of_a_folder_are_reported(tmp_path, tree, message):
    with pytest.raises(ValueError, match=message):
        load_image_folder(make_images(tmp_path, tree))


def test_a_domain_without_folders_is_reported(tmp_path):
    make_images(tmp_path, {"one": {"bike": 1}})
    (tmp_path / "two").mkdir()
    with pytest.raises(ValueError, match=r"two' has no class folder .* Expected two/<class>"):
        load_image_folder(tmp_path)


@pytest.mark.parametrize(
    "load", [load_image_folder, load_features, load_office31, load_office_home]
)
def test_a_missing_folder_is_reported(tmp_path, load):
    with pytest.raises(FileNotFoundError, match=r"root='.*nowhere' is not a folder"):
        load(tmp_path / "nowhere")


NAMED = [
    (load_office31, ["amazon", "dslr", "webcam"], 31),
    (load_office_caltech10, ["amazon", "caltech10", "dslr", "webcam"], 10),
    (load_office_caltech10, ["amazon", "caltech", "dslr", "webcam"], 10),
    (load_office_home, ["Art", "Clipart", "Product", "RealWorld"], 65),
]


@pytest.mark.parametrize(("load", "domains", "n_classes"), NAMED)
def test_named_data_sets_are_checked(tmp_path, load, domains, n_classes):
    classes = {f"images/class{k:02}": 1 for k in range(n_classes)}
    data = load(make_images(tmp_path / "whole", dict.fromkeys(domains, classes)))
    assert data.domain_names == domains
    assert len(data.class_names) == n_classes
    assert len(data.paths) == n_classes * len(domains)
    with pytest.raises(ValueError, match=rf"the folders .*{domains[-1][:4]}.* are missing"):
        load(make_images(tmp_path / "domain missing", dict.fromkeys(domains[:-1], classes)))
    classes.popitem()
    with pytest.raises(ValueError, match=rf"holds {n_classes - 1} classes, but .* {n_classes}"):
        load(make_images(tmp_path / "class missing", dict.fromkeys(domains, classes)))


def test_features_are_stacked_by_domain(tmp_path):
    save(
        tmp_path,
        two={"X": np.ones((2, 3), dtype=np.float16), "y": ["b", "a"]},
        one={"X": np.zeros((3, 3), dtype=np.float16), "y": ["a", "b", "a"], "files": [1]},
    )
    data = load_features(tmp_path)
    assert data.domain_names == ["one", "two"]
    assert data.domain.tolist() == ["one"] * 3 + ["two"] * 2
    assert data.y.tolist() == ["a", "b", "a", "b", "a"]
    assert data.X.dtype == np.float16
    assert data.X[:, 0].tolist() == [0, 0, 0, 1, 1]


@pytest.mark.parametrize(
    ("domains", "message"),
    [
        ({}, r"holds 0 npz files \(none\)"),
        ({"one": {"X": np.zeros((2, 3)), "y": [0, 1]}}, r"holds 1 npz files \(one.npz\)"),
        ({"one": {"X": [0], "y": [0]}, "two": {"Z": [0]}}, "two.npz' lacks X and y. It holds: Z"),
        ({"one": {"X": [0, 1], "y": [0]}, "two": {}}, "one.npz' has 2 samples in X, but 1 labels"),
        (
            {"one": {"X": np.zeros((1, 3)), "y": [0]}, "two": {"X": np.zeros((1, 4)), "y": [0]}},
            r"two.npz has samples of shape \(4,\), but one.npz has samples of shape \(3,\)",
        ),
        (
            {"one": {"X": [[0]], "y": [[0]]}, "two": {"X": [[0]], "y": [0]}},
            r"one.npz' has a y of shape \(1, 1\). One label for each",
        ),
        ({"one": {"X": [[0]], "y": 3}, "two": {}}, "one.npz' has a single value in y"),
        (
            {"one": {"X": [[0]], "y": [0]}, "two": {"X": [[0]], "y": ["a"]}},
            "two.npz has text for labels in y, but one.npz has numbers",
        ),
        (
            {"one": {"X": [[0]], "y": np.array([{}])}, "two": {}},
            "one.npz' holds Python objects in y",
        ),
    ],
)
def test_faults_of_features_are_reported(tmp_path, domains, message):
    with pytest.raises(ValueError, match=message):
        load_features(save(tmp_path, **domains))


def test_features_of_different_classes_are_reported(tmp_path):
    save(tmp_path, one={"X": [[0], [1]], "y": [0, 1]}, two={"X": [[0], [1]], "y": [1, 2]})
    with pytest.warns(UserWarning, match="one lacks 2; two lacks 0"):
        load_features(tmp_path)


def test_numbers_to_predict_are_not_compared_as_classes(tmp_path):
    save(tmp_path, one={"X": [0, 1], "y": [0.5, 2.0]}, two={"X": [0, 1], "y": [1.0, np.nan]})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load_features(tmp_path).y.shape == (4,)


@pytest.mark.skipif(os.name != "posix", reason="other systems have no such names")
def test_names_that_are_not_utf_8_are_refused_by_name(tmp_path):
    root = make_images(tmp_path, {name: {"bike": 1, "mug": 1} for name in ("one", "two")})
    os.rename(root / "one" / "mug", os.fsencode(root / "one") + b"/m\xfcg")
    with pytest.raises(ValueError, match=r"m\\udcfcg/frame_0.jpg' is not UTF-8.*rename it"):
        load_image_folder(root)
    for name in (b"a.npz", b"b\xfc.npz"):
        np.savez(os.fsdecode(os.fsencode(tmp_path) + b"/" + name), X=[[0]], y=[0])
    with pytest.raises(ValueError, match=r"b\\udcfc.npz' is not UTF-8.*rename it"):
        load_features(tmp_path)


@pytest.mark.data
def test_the_real_photographs_are_listed(data_folder):
    folder = data_folder / "office_caltech10"
    data = load_office_caltech10(folder / "images")
    counts = {name: int((data.domain == name).sum()) for name in data.domain_names}
    assert counts == {"amazon": 958, "caltech10": 1123, "dslr": 157, "webcam": 295}
    features = load_features(folder / "mobilenetv2")
    np.testing.assert_array_equal(features.y, data.y)
