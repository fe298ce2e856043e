"""Files are written completely or not at all, and nothing in them is run."""

import json
import os
import signal
import socket
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from forks import end_of, start_fork
from safetensors.torch import load_file, save_file

from domadapt._storage.files import FORMAT, atomic_write, read_tensors, write_tensors

needs_forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system forks no processes")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "file"


def write_example(path):
    tensors = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.tensor([True, False])}
    write_tensors(path, tensors, {"n": [1, None, "é"]}, kind="model")
    return path.read_bytes()


def test_text_and_bytes_replace_the_old_content(path):
    path.write_text("old and longer than the new content")
    atomic_write(path, "grün")
    assert path.read_bytes() == "grün".encode()
    atomic_write(str(path), b"\x00\xff")
    assert path.read_bytes() == b"\x00\xff"
    assert os.listdir(path.parent) == ["file"]


@needs_forks
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_full_disk_leaves_the_old_file_and_nothing_else(path):
    resource = pytest.importorskip("resource")
    path.write_text("old")
    reading, writing = os.pipe()

    def fill():
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        for write in (
            lambda: atomic_write(path, b"new" * 1000),
            lambda: write_tensors(path, {"a": torch.zeros(1000)}, {}, kind="model"),
        ):
            try:
                write()
            except OSError as error:
                os.write(writing, f"{type(error).__name__} {error.filename}\n".encode())

    assert end_of(start_fork(fill)) == 0
    os.close(writing)
    with open(reading) as told:
        lines = told.read().splitlines()
    assert len(lines) == 2
    for line in lines:
        assert line.endswith(str(path))
    assert path.read_text() == "old"
    assert os.listdir(path.parent) == ["file"]


def die(file):
    os.kill(os.getpid(), signal.SIGKILL)


@needs_forks
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_what_a_killed_process_has_left_is_removed_by_the_next(path, monkeypatch):
    path.write_text("old")
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", die)
        killed = start_fork(lambda: atomic_write(path, "half"))
    assert end_of(killed) == -signal.SIGKILL
    (left,) = set(os.listdir(path.parent)) - {"file"}
    assert left.startswith(f".file.{socket.gethostname()}.")
    assert left.endswith(".part")
    assert path.read_text() == "old"
    # Of other machines, of processes that live, and of other files.
    others = [
        f".file.another.{left.split('.')[-2]}.part",
        f".file.{socket.gethostname()}.{os.getppid()}-1.part",
        left.replace(".file.", ".other."),
    ]
    for name in others:
        (path.parent / name).touch()
    atomic_write(path, "new")
    assert sorted(os.listdir(path.parent)) == sorted(["file", *others])
    assert path.read_text() == "new"


def test_content_that_cannot_be_written_leaves_the_old_file(path):
    path.write_text("old")
    with pytest.raises(TypeError):
        atomic_write(path, 3)
    with pytest.raises(TypeError, match="JSON"):
        write_tensors(path, {}, {"info": object()}, kind="model")
    assert path.read_text() == "old"
    assert os.listdir(path.parent) == ["file"]


@pytest.mark.parametrize("folder", ["not there", "a file"])
def test_a_folder_that_does_not_exist_is_reported_by_the_name_of_the_file(tmp_path, folder):
    (tmp_path / "a file").write_text("old")
    path = tmp_path / folder / "model"
    for write in (
        lambda: atomic_write(path, "new"),
        lambda: write_tensors(path, {"a": torch.zeros(2)}, {}, kind="model"),
    ):
        with pytest.raises(OSError, match="directory") as caught:
            write()
        assert caught.value.filename == str(path)
    assert os.listdir(tmp_path) == ["a file"]


def test_a_folder_in_the_place_of_the_file_stays(tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match=r"Is a directory|denied") as caught:
        atomic_write(tmp_path / "folder", "new")
    assert caught.value.filename == str(tmp_path / "folder")
    assert os.listdir(tmp_path) == ["folder"]


def test_threads_that_write_the_same_file_leave_a_complete_one(path):
    texts = [str(number) * 200_000 for number in range(4)]
    failed = []

    def write(text):
        try:
            for _ in range(5):
                atomic_write(path, text)
        except OSError as error:
            failed.append(error)

    threads = [threading.Thread(target=write, args=(text,)) for text in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert path.read_text() in texts
    assert os.listdir(path.parent) == ["file"]


@pytest.mark.parametrize(
    "tensor",
    [
        torch.arange(6, dtype=torch.float64).reshape(2, 3),
        torch.tensor([1.5, float("nan"), float("-inf")], dtype=torch.float16),
        torch.tensor([1.5, -2.0], dtype=torch.bfloat16),
        torch.tensor([[1, -2]], dtype=torch.int64),
        torch.tensor([0, 255], dtype=torch.uint8),
        torch.tensor([True, False, True]),
        torch.tensor([1 + 2j, 3 - 1j]),
        torch.tensor(3.0),
        torch.empty(0),
        torch.empty(2, 0, 3, dtype=torch.int32),
        torch.arange(12.0).reshape(3, 4).t(),
        torch.arange(20.0)[::3],
        torch.arange(20.0)[::20],
        torch.tensor([1 + 2j, 3 - 1j]).conj(),
        torch.arange(120.0).reshape(2, 3, 4, 5).to(memory_format=torch.channels_last),
        torch.nn.Parameter(torch.ones(2)),
    ],
    ids=lambda t: f"{t.dtype}-{tuple(t.shape)}-{t.stride()}",
)
def test_a_tensor_is_read_as_it_was_written(path, tensor):
    write_tensors(path, {"a": tensor}, {}, kind="model")
    tensors, info = read_tensors(path, kind="model")
    assert list(tensors) == ["a"]
    assert tensors["a"].dtype == tensor.dtype
    torch.testing.assert_close(tensors["a"], tensor.data, rtol=0, atol=0, equal_nan=True)
    assert info == {}


def test_tensors_that_share_memory_are_read_as_separate_ones(path):
    whole = torch.arange(6.0)
    tensors = {"whole": whole, "part": whole[2:4], "again": whole}
    write_tensors(path, tensors, {"of": "numbers"}, kind="model")
    back, info = read_tensors(str(path), kind="model")
    assert {name: value.tolist() for name, value in back.items()} == {
        "whole": [0, 1, 2, 3, 4, 5],
        "part": [2, 3],
        "again": [0, 1, 2, 3, 4, 5],
    }
    assert info == {"of": "numbers"}
    back["whole"].zero_()
    assert back["again"].tolist() == [0, 1, 2, 3, 4, 5]
    assert whole.tolist() == [0, 1, 2, 3, 4, 5]
    assert read_tensors(path, kind="model")[0]["whole"].tolist() == [0, 1, 2, 3, 4, 5]


def test_a_file_may_hold_no_tensor(path):
    write_tensors(path, {}, {"a": [1.5, float("inf")]}, kind="model")
    assert read_tensors(path, kind="model") == ({}, {"a": [1.5, float("inf")]})


def test_the_file_is_json_and_numbers_and_nothing_else(path):
    content = write_example(path)
    assert load_file(path)["a"].tolist() == [[0, 1, 2], [3, 4, 5]]
    end = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:end])
    assert set(header) == {"__metadata__", "a", "b"}
    assert set(header["__metadata__"]) == {"domadapt", "digest"}
    assert json.loads(header["__metadata__"]["domadapt"])["info"] == {"n": [1, None, "é"]}
    a, b = (content[end:][slice(*header[name]["data_offsets"])] for name in "ab")
    assert np.frombuffer(a, dtype=np.float32).tolist() == [0, 1, 2, 3, 4, 5]
    assert b == b"\x01\x00"
    assert len(content) == end + len(a) + len(b)


def error_of(path, kind="model"):
    with pytest.raises(ValueError, match=r".") as caught:
        read_tensors(path, kind=kind)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    return message


def test_a_file_cut_short_anywhere_is_refused(path):
    content = write_example(path)
    for length in range(0, len(content), 7):
        path.write_bytes(content[:length])
        assert "no whole safetensors file" in error_of(path)
    path.write_bytes(content + b"\0")
    assert "no whole safetensors file" in error_of(path)


def test_a_file_with_any_byte_changed_is_refused(path):
    content = write_example(path)
    for place in range(len(content)):
        changed = bytearray(content)
        changed[place] ^= 1 << (place % 7)
        path.write_bytes(changed)
        error_of(path)
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert "has been changed since it was written" in error_of(path)


def test_another_kind_of_file_is_refused(path):
    write_example(path)
    assert error_of(path, "checkpoint").endswith("is a model, but a checkpoint was expected.")
    save_file({"a": torch.zeros(2)}, path)
    assert error_of(path).endswith("holds tensors, but was not written as a model.")
    path.write_text("a text that is no file of tensors")
    assert "no whole safetensors file" in error_of(path)


@pytest.mark.parametrize("version", [FORMAT - 1, FORMAT + 1])
def test_a_file_of_another_format_is_refused_whatever_its_digest(path, version):
    header = json.dumps({"kind": "model", "format": version, "info": {}})
    save_file({"a": torch.zeros(2)}, path, {"domadapt": header, "digest": "of another kind"})
    message = error_of(path)
    assert f"is of format {version}, but this version of domadapt reads format {FORMAT}" in message


@pytest.mark.parametrize("header", ["no JSON", "[]", "{}", "3"])
def test_a_header_without_content_is_refused(path, header):
    save_file({"a": torch.zeros(2)}, path, {"domadapt": header, "digest": "0"})
    assert "has been changed since it was written" in error_of(path)


def test_a_missing_file_is_refused(tmp_path):
    for path in (tmp_path / "none", Path(tmp_path)):
        with pytest.raises(FileNotFoundError, match="is not a file: no model can be read"):
            read_tensors(path, kind="model")
