"""Changed files of models, checkpoints and runs: a message of the file, or sound numbers."""

import shutil
import warnings

import numpy as np
import pytest
from changed_files import change_json_file, change_tensor_file
from small_fits import vectors

import domadapt
from domadapt import DANClassifier, DANNClassifier, DANRegressor, OSBPClassifier
from domadapt.cli import main
from domadapt.experiments.files import read_run
from domadapt.experiments.report import write_report

SMALL = {"max_epochs": 2, "steps_per_epoch": 2, "hidden_layer_sizes": 4, "random_state": 0}
SMALL |= {"batch_size": 16, "device": "cpu"}
MODELS = {
    "dann": DANNClassifier(**SMALL, dropout=0.2),
    "numbers": DANRegressor(**SMALL),
    "unknown": OSBPClassifier(**SMALL, batch_norm=None),
}
FEW, MANY, N_SHARDS = 20, 500, 10


@pytest.fixture(scope="session")
def originals(tmp_path_factory):
    """Files of models, a checkpoint and a run, as they should be."""
    folder = tmp_path_factory.mktemp("originals")
    X, y, X_target = vectors()
    for name, model in MODELS.items():
        model.fit(X, y, X_target=X_target).save(folder / name)
    DANClassifier(**SMALL, checkpoint=folder / "checkpoint").fit(X, y, X_target=X_target)
    for number, domain in enumerate(("left", "right")):
        (folder / "data").mkdir(exist_ok=True)
        np.savez(folder / "data" / f"{domain}.npz", X=X + number, y=y)
    status = main([*command(folder), "--methods", "source,dan", "--seeds", "2", "--epochs", "1"])
    assert status == 0
    return folder


def command(folder):
    root, out = str(folder / "data"), str(folder / "run")
    return ["bench", "features", "--root", root, "--out", out, "--device", "cpu"]


def message_of(function, *kinds):
    """Return the message of an error of these kinds, or None, and what is returned."""
    try:
        return None, function()
    except kinds as error:
        return str(error), None


def check_model(originals, folder, seed):
    name = sorted(MODELS)[seed % len(MODELS)]
    path = folder / "model"
    change_tensor_file(originals / name, path, "model", seed)
    message, model = message_of(lambda: domadapt.load(path), ValueError, ImportError)
    if message is not None:
        assert "model" in message, seed
        return
    X, _, _ = vectors()
    predict = model.predict if name == "numbers" else model.predict_proba
    message, outputs = message_of(lambda: predict(X), ValueError)
    # Else the file is of samples of another shape.
    assert np.isfinite(outputs).all() if message is None else "X" in message, seed


def check_checkpoint(originals, folder, seed):
    path = folder / "checkpoint"
    change_tensor_file(originals / "checkpoint", path, "checkpoint", seed)
    X, y, X_target = vectors()
    clf = DANClassifier(**SMALL, checkpoint=path)
    message, _ = message_of(lambda: clf.fit(X, y, X_target=X_target), ValueError)
    if message is None:
        assert np.isfinite(clf.predict_proba(X)).all(), seed
    else:
        assert "checkpoint" in message or "not finite" in message, seed


def check_run(originals, folder, seed):
    run = folder / "run"
    shutil.copytree(originals / "run", run, dirs_exist_ok=True)
    files = sorted((originals / "run").rglob("*.json"))
    original = files[seed % len(files)]
    path = run / original.relative_to(originals / "run")
    change_json_file(original, path, seed)
    message, read = message_of(lambda: (read_run(run, resumed=True), write_report(run)), ValueError)
    if message is not None:
        # A cell that the settings no longer name is told by its own file.
        assert path.name in message or path.name == "settings.json", seed
        return
    settings, results, _ = read[0]
    keys = [tuple(cell[key] for key in ("source", "target", "method", "seed")) for cell in results]
    assert len(set(keys)) == len(keys), seed
    assert np.isfinite([cell["accuracy"] for cell in results]).all(), seed
    assert settings["seeds"] > 0, seed


CHECKS = {"model": check_model, "checkpoint": check_checkpoint, "run": check_run}


@pytest.mark.parametrize("what", CHECKS)
def test_a_changed_file_is_refused_by_name_or_sound(originals, tmp_path, what):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for seed in range(FEW):
            CHECKS[what](originals, tmp_path, seed)


@pytest.mark.many
@pytest.mark.parametrize("shard", range(N_SHARDS))
@pytest.mark.parametrize("what", CHECKS)
def test_thousands_of_changed_files_are_refused_by_name_or_sound(originals, tmp_path, what, shard):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for seed in range(1000 + shard * MANY, 1000 + (shard + 1) * MANY):
            CHECKS[what](originals, tmp_path, seed)
