"""``domadapt fit`` and ``predict`` on files that are read in parts, as if they did not fit."""

import shutil
import tracemalloc

import numpy as np
import pytest

import domadapt
from domadapt._storage import temporary
from domadapt.cli import main, parquet, parts, single_model

h5py = pytest.importorskip("h5py")
pa = pytest.importorskip("pyarrow")
pd = pytest.importorskip("pandas")

MODEL = ["--out", "m.safetensors", "--epochs", "1", "--set", "steps_per_epoch=5"]


def draw(seed, n_rows=300, n_columns=4):
    rng = np.random.default_rng(seed)
    y = rng.integers(2, size=n_rows)
    X = rng.normal(size=(n_rows, n_columns)).astype(np.float32) * 3 + 5
    X[:, 0] += 12 * y
    return X, y


def write(path, X, y):
    """Write samples and labels as the ending of a path says."""
    ending = path.partition(".")[2]
    if ending == "parquet":
        frame = pd.DataFrame(X, columns=[f"c{k}" for k in range(X.shape[1])]).assign(y=y)
        frame.to_parquet(path, row_group_size=len(X) // 3)
    elif ending == "h5":
        with h5py.File(path, "w") as file:
            file.create_dataset("X", data=X, chunks=True, compression="gzip")
            file["y"] = y.astype("S" if y.dtype.kind == "U" else y.dtype)
    elif ending == "fortran.npz":
        np.savez(path, X=np.asfortranarray(X), y=y)
    else:
        (np.savez_compressed if ending == "packed.npz" else np.savez)(path, X=X, y=y)


@pytest.fixture
def in_parts(tmp_path, monkeypatch):
    """Return what lets all files but the smallest count as large, and as small again."""
    monkeypatch.chdir(tmp_path)

    def count(are_large):
        monkeypatch.setattr(parts, "WHOLE", 2**10 if are_large else 2**28)
        monkeypatch.setattr(parts, "BLOCK", 2**10)
        monkeypatch.setattr(parquet, "ROWS", 64)
        monkeypatch.setattr(parquet, "COLUMNS", 3)

    count(True)
    return count


def learn(files, capsys, *arguments):
    """Return the columns of a model, and what is predicted for the last of the files."""
    *sources, target = files
    assert main(["fit", *sources, "--target", target, *MODEL, *arguments]) == 0
    capsys.readouterr()
    assert main(["predict", "m.safetensors", target, "--probabilities"]) == 0
    lines = capsys.readouterr().out.splitlines()
    proba = np.array([line.split(",")[2:] for line in lines[1:]], dtype=float)
    columns = domadapt.load("m.safetensors")["columns"]
    return np.array([columns.means_, columns.scales_]), lines[0], proba


@pytest.mark.parametrize("ending", ["parquet", "npz", "packed.npz", "fortran.npz", "h5"])
def test_files_in_parts_are_learnt_as_those_in_memory(in_parts, capsys, ending):
    files = [f"{name}.{ending}" for name in ("source", "target")]
    for seed, path in enumerate(files):
        write(path, *draw(seed))
    found, header, proba = learn(files, capsys)
    in_parts(False)
    expected, *_, whole = learn(files, capsys)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    np.testing.assert_allclose(proba, whole, atol=1e-5)
    assert header == "row,label,0,1"


@pytest.mark.parametrize("ending", ["parquet", "packed.npz"])
def test_several_sources_in_parts_stay_apart(in_parts, capsys, ending):
    files = [f"{name}.{ending}" for name in ("one", "two", "target")]
    for seed, path in enumerate(files):
        write(path, *draw(seed))
    _, _, proba = learn(files, capsys, "--method", "m3sda")
    in_parts(False)
    np.testing.assert_allclose(proba, learn(files, capsys, "--method", "m3sda")[-1], atol=1e-5)


@pytest.mark.parametrize("ending", ["packed.npz", "h5"])
def test_images_of_a_large_file_are_not_encoded(in_parts, capsys, ending):
    X, y = draw(0, n_rows=60, n_columns=36)
    write(f"images.{ending}", X.reshape(60, 1, 6, 6), np.array(["no", "yes"])[y])
    files = [f"images.{ending}", "--target", f"images.{ending}"]
    assert main(["fit", *files, *MODEL]) == 0
    capsys.readouterr()
    assert main(["predict", "m.safetensors", f"images.{ending}"]) == 0
    clf = domadapt.load("m.safetensors")
    predicted = [line.split(",")[1] for line in capsys.readouterr().out.splitlines()[1:]]
    assert predicted == clf.predict(X.reshape(60, 1, 6, 6)).tolist()


def test_a_parquet_file_of_columns_of_any_kind_is_read_as_csv(in_parts, capsys):
    rng = np.random.default_rng(0)
    X, y = draw(0)
    frame = pd.DataFrame({"size": X[:, 0].astype(float), "a": X[:, 1] > 5})
    frame["count"] = rng.integers(9, size=300)
    frame["colour"] = pd.Categorical(rng.choice(["red", "blue"], 300))
    frame = frame.assign(y=np.array(["no", "yes"])[y])
    frame.to_csv("table.csv", index=False)
    frame.set_index(np.arange(300) * 2).rename_axis("id").to_parquet("table.parquet")
    states = []
    for path in ("table.csv", "table.parquet"):
        assert main(["fit", path, "--target", path, *MODEL]) == 0
        states.append(domadapt.load("m.safetensors")["columns"].to_state())
        assert main(["predict", "m.safetensors", path, "--out", f"{path}.out"]) == 0
    assert states[0] == states[1]
    with open("table.csv.out") as one, open("table.parquet.out") as other:
        assert one.read() == other.read()


def test_a_large_parquet_file_of_numbers_keeps_the_dtype_of_each_column(in_parts):
    X, _ = draw(0)
    frame = pd.DataFrame({"size": X[:, 0], "count": np.arange(300), "a": X[:, 1] > 5})
    frame["small"] = np.arange(300).astype(np.int8)
    frame.to_parquet("numbers.parquet", row_group_size=70)
    table = parquet.read_parquet("numbers.parquet")
    assert isinstance(table, parts.LargeTable)
    starts, blocks = zip(*parts.blocks(table), strict=True)
    assert len(blocks) > 5
    assert list(starts) == [block["count"].iloc[0] for block in blocks]
    pd.testing.assert_frame_equal(pd.concat(blocks, ignore_index=True), frame)
    pd.testing.assert_frame_equal(table[["a", "size"]].rows(), frame[["a", "size"]])
    assert isinstance(parquet.read_parquet("numbers.parquet").values["size"], np.memmap)


@pytest.mark.parametrize("ending", ["parquet", "packed.npz", "h5"])
def test_little_memory_is_taken_for_a_large_file(in_parts, monkeypatch, ending):
    X, y = draw(0, n_rows=20_000, n_columns=50)
    write(f"table.{ending}", X, y)
    small = {"parts.WHOLE": 2**16, "parts.BLOCK": 2**18, "single_model.MOST_ROWS": 1000}
    small = {f"domadapt.cli.{name}": size for name, size in small.items()}
    small |= {"domadapt.inputs.reader.CHUNK_VALUES": 2**15, "domadapt.domains.mapped.BLOCK": 2**16}
    small |= {"domadapt.cli.parquet.ROWS": 2**10, "domadapt.cli.parquet.COLUMNS": 25}
    small |= {"domadapt._storage.arrays.BLOCK": 2**16, "domadapt.domains.cautions.ROWS": 100}
    for name, size in small.items():
        monkeypatch.setattr(name, size)
    fit = ["fit", f"table.{ending}", "--target", f"table.{ending}", *MODEL]
    for command in (fit, ["predict", "m.safetensors", f"table.{ending}", "--out", "out.csv"]):
        tracemalloc.start()
        assert main(command) == 0
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < X.nbytes / 2


def test_predictions_are_written_part_by_part(in_parts, capsys, monkeypatch):
    X, y = draw(0)
    np.savez("source.npz", X=X, y=y)
    assert main(["fit", "source.npz", "--target", "source.npz", *MODEL]) == 0
    predict = ["predict", "m.safetensors", "source.npz"]
    assert main([*predict, "--out", "whole.csv"]) == 0
    written, plain = [], single_model.csv_text

    def noting(rows):
        written.append(len(rows))
        return plain(rows)

    monkeypatch.setattr(single_model, "csv_text", noting)
    monkeypatch.setattr(single_model, "MOST_ROWS", 30)
    assert main([*predict, "--out", "parts.csv"]) == 0
    capsys.readouterr()
    assert main(predict) == 0
    with open("whole.csv") as whole, open("parts.csv") as in_few:
        text = whole.read()
        assert in_few.read() == capsys.readouterr().out == text
    assert len(text.splitlines()) == 301
    assert written == 2 * [31, *[30] * 9]


def test_a_prediction_that_fails_leaves_the_old_file(in_parts, tmp_path, monkeypatch, capsys):
    X, y = draw(0)
    np.savez("source.npz", X=X, y=y)
    assert main(["fit", "source.npz", "--target", "source.npz", *MODEL]) == 0
    (tmp_path / "out.csv").write_text("old")
    plain, n_calls = single_model._predicted, []

    def failing(*given):
        n_calls.append(1)
        if len(n_calls) == 3:
            raise OSError("no more")
        return plain(*given)

    monkeypatch.setattr(single_model, "_predicted", failing)
    assert main(["predict", "m.safetensors", "source.npz", "--out", "out.csv"]) == 2
    assert capsys.readouterr().err.splitlines()[-1] == "domadapt: error: no more"
    assert (tmp_path / "out.csv").read_text() == "old"
    assert len(n_calls) == 3
    assert {path.name for path in tmp_path.iterdir()} == {"source.npz", "m.safetensors", "out.csv"}


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def change(path):
    """Change bytes in the middle, where the samples are."""
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 64] = bytes(64)
    path.write_bytes(content)


def spoil(name, value):
    def write_spoilt(path):
        X, y = draw(0)
        X = X.astype(np.float64)
        X[213, 1] = value
        write(path.name, X, y)

    return name, write_spoilt


@pytest.mark.parametrize(
    ("name", "damage", "message"),
    [
        ("bad.parquet", cut, "is no Parquet file that can be read"),
        ("bad.parquet", lambda path: path.write_text("a,b"), "is no Parquet file that can be read"),
        ("bad.npz", cut, "is no npz file that can be read"),
        ("bad.npz", change, "is no npz file that can be read: Bad CRC-32"),
        ("bad.packed.npz", change, "is no npz file that can be read"),
        ("bad.h5", cut, "is no HDF5 file that can be read"),
        ("bad.h5", lambda path: path.write_text("a,b"), "is no HDF5 file that can be read"),
        (*spoil("bad.parquet", np.nan), "'c1' of 'bad.parquet': row 213 (counted from 0) is miss"),
        (*spoil("bad.parquet", np.inf), "'c1' of 'bad.parquet': row 213 (counted from 0) is infin"),
        (*spoil("bad.npz", np.nan), "such as in row 213, column 1 (counted from 0)"),
        (*spoil("bad.h5", np.inf), "such as in row 213, column 1 (counted from 0)"),
    ],
)
def test_damaged_files_are_told_before_any_work(in_parts, tmp_path, capsys, name, damage, message):
    ending = name.partition(".")[2]
    write(f"good.{ending}", *draw(0))
    write(name, *draw(1))
    good = ["fit", f"good.{ending}", "--target", f"good.{ending}", *MODEL]
    assert main(good) == 0
    damage(tmp_path / name)
    out = ["--out", "new"]
    for command in (
        ["fit", name, "--target", f"good.{ending}", *out],
        ["fit", f"good.{ending}", "--target", name, *out],
        ["predict", "m.safetensors", name, *out],
        ["predict", "m.safetensors", name],
    ):
        capsys.readouterr()
        assert main(command) == 2
        told = capsys.readouterr()
        assert told.out == ""
        assert told.err.splitlines()[-1].startswith("domadapt: error: ")
        assert name in told.err
        assert message in told.err
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"y": np.zeros(3)}, "lacks X. It holds: y"),
        ({"X": np.zeros((3, 2)), "y": np.zeros(2)}, "has 3 samples in X, but 2 labels in y"),
        ({"X": np.zeros((0, 2)), "y": np.zeros(0)}, "has an empty X"),
        ({"X": 3.0, "y": 1.0}, "has a single value in X"),
        ({"X": np.array([[b"a"], [b"b"]]), "y": np.zeros(2)}, "holds text in X"),
        ({"X": np.zeros((2, 2)), "y": np.zeros(2, complex)}, "'bad.h5' holds complex128 in y"),
        ({"X": np.zeros((2, 2)), "y": np.array([b"a", b"\xff"])}, "labels in y that are not UTF-8"),
        ({"X": np.zeros(9999), "y": np.zeros(9999)}, "has an X of shape (9999,)"),
    ],
)
def test_hdf5_files_of_something_else_are_told(in_parts, capsys, content, message):
    with h5py.File("bad.h5", "w") as file:
        for name, values in content.items():
            file[name] = values
    assert main(["fit", "bad.h5", "--target", "bad.h5", *MODEL]) == 2
    assert message in capsys.readouterr().err


def test_a_table_of_labels_alone_is_told(in_parts, capsys):
    pd.DataFrame({"y": draw(0)[1]}).to_parquet("labels.parquet")
    assert main(["fit", "labels.parquet", "--target", "labels.parquet", *MODEL]) == 2
    assert "'labels.parquet' has no column but 'y', the labels" in capsys.readouterr().err


@pytest.mark.parametrize("dtype", ["S", "O"])
def test_hdf5_labels_are_texts_of_one_length_or_of_many(in_parts, capsys, dtype):
    X, y = draw(0)
    with h5py.File("texts.h5", "w") as file:
        file["X"], file["y"] = X, np.char.encode(np.array(["no", "früh"])[y]).astype(dtype)
    assert main(["fit", "texts.h5", "--target", "texts.h5", *MODEL]) == 0
    assert main(["predict", "m.safetensors", "texts.h5"]) == 0
    assert "früh" in capsys.readouterr().out


@pytest.mark.parametrize("ending", ["parquet", "packed.npz", "npz"])
def test_a_full_disk_is_told_before_it_is_written_to(
    in_parts, tmp_path, capsys, monkeypatch, ending
):
    write(f"table.{ending}", *draw(0))
    usage = shutil.disk_usage(tmp_path)._replace(free=100)
    monkeypatch.setattr(temporary.shutil, "disk_usage", lambda folder: usage)
    assert main(["fit", f"table.{ending}", "--target", f"table.{ending}", *MODEL]) == 2
    complaint = capsys.readouterr().err
    assert "The temporary folder" in complaint
    assert "Set TMPDIR" in complaint
    assert not (tmp_path / "m.safetensors").exists()
