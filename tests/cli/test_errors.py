"""What is wrong with the arguments or the data, in one line and before any work."""

import numpy as np
import pytest

from domadapt.experiments.tasks import load_data

PHOTOGRAPHS = ["--backbone", "shufflenet_v2_x0_5", "--weights", "random", "--image-size", "32"]
PHOTOGRAPHS += ["--workers", "0", "--seeds", "1", "--epochs", "1", "--steps-per-epoch", "1"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--root", "nowhere"], "is not a folder"),
        (["--methods", "dan,magic"], "method 'magic' is unknown. On a pair of domains there are"),
        (["--methods", "dan,M3SDA"], "method 'M3SDA' needs several sources"),
        (["--methods", "rsd"], "method 'rsd' learns values, not classes"),
        (["--pairs", "A:X"], "'X' is no domain"),
        (["--pairs", "A-W"], "is no pair"),
        (["--pairs", "A:A"], "names one domain twice"),
        (["--freeze"], "for photographs"),
        (["--features", "cache"], "--features is for a frozen backbone: add --freeze"),
        (["--device", "tpu"], "device='tpu'"),
        (["--device", "cuda:99"], "CUDA devices"),
        (["--out", "/proc/nowhere/run"], "/proc/nowhere"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(features, tmp_path, capsys, bench, change, message):
    arguments = ["features", "--root", features, "--out", tmp_path / "run", *change]
    assert bench(*arguments) == 2
    complaint = capsys.readouterr().err
    assert complaint.startswith("domadapt: error: ")
    assert message in complaint
    assert complaint.count("\n") == 1
    assert not (tmp_path / "run").exists()


def rows(X, y):
    return lambda path: np.savez(path, X=X, y=y)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:400]), "is no npz file that can be read"),
        (lambda path: path.write_bytes(b""), "is no npz file that can be read"),
        (lambda path: path.write_text("a,b\n1,2\n"), "is no npz file that can be read"),
        (rows(np.array([[1, "a"]], dtype=object), [0]), "holds Python objects in X"),
        (rows([["1.0"]], [0]), "holds text in X"),
        (rows(np.zeros((4, 5, 2)), [0, 1, 0, 1]), "has an X of shape (4, 5, 2). One vector"),
        (rows(np.zeros(4), [0, 1, 0, 1]), "has an X of shape (4,)"),
        (rows([[0.0], [np.nan]], [0, 1]), "missing or infinite, such as in row 1"),
        (rows([[0.0], [1e300]], [0, 1]), "too large for float32, such as in row 1"),
        (rows([[0.0], [1.0]], [0.5, np.nan]), "missing or no whole numbers"),
        (rows([[0.0], [1.0]], [[0], [1]]), "has a y of shape (2, 1)"),
    ],
)
def test_damaged_features_are_told_by_the_name_of_the_file(
    features, tmp_path, capsys, bench, spoil, message
):
    for name in ("amazon", "dslr", "webcam"):
        spoil(features / f"{name}.npz")
    assert bench("features", "--root", features, "--out", tmp_path / "run") == 2
    complaint = capsys.readouterr().err
    assert complaint.startswith("domadapt: error: ")
    assert f"'{features / 'amazon.npz'}'" in complaint
    assert message in complaint
    assert complaint.count("\n") == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.filterwarnings("ignore:The domains do not have the same classes")
@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda root: (root / "left" / "empty").mkdir(), "holds no image"),
        (lambda root: remove(root / "right"), "At least two domains"),
        (lambda root: (root / "left" / "dark" / "0.png").write_bytes(b"no"), "dark/0.png"),
        (lambda root: remove(root / "left" / "dark"), "has 1 class"),
    ],
    ids=["an empty class folder", "one domain", "an unreadable image", "one class"],
)
def test_photographs_that_are_not_as_described(
    photographs, tmp_path, capsys, bench, spoil, message
):
    spoil(photographs)
    load_data.cache_clear()
    arguments = ("folder", "--root", photographs, "--out", tmp_path / "run", *PHOTOGRAPHS)
    assert bench(*arguments, "--methods", "dann") == 2
    complaint = capsys.readouterr().err.splitlines()[-1]
    assert complaint.startswith("domadapt: error: ")
    assert message in complaint


def remove(folder):
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    folder.rmdir()


def test_weights_that_do_not_fit(photographs, tmp_path, capsys, bench):
    import torch
    from torchvision.models import shufflenet_v2_x1_0

    torch.save(shufflenet_v2_x1_0().state_dict(), tmp_path / "other.pt")
    arguments = ["folder", "--root", photographs, "--out", tmp_path / "run", "--backbone"]
    assert bench(*arguments, "shufflenet_v2_x0_5", "--weights", tmp_path / "other.pt") == 2
    assert "stage2.0.branch1.2.weight" in capsys.readouterr().err
    assert bench(*arguments, "resnet18", "--weights", tmp_path / "none.pt") == 2
    assert "is not a file" in capsys.readouterr().err
    assert bench(*arguments, "resnet18") == 2
    assert "--weights is missing" in capsys.readouterr().err
    assert bench(*arguments, "resnet19", "--weights", tmp_path / "other.pt") == 2
    assert "Nearest: resnet" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
