"""Arrays in npz files that are damaged, claim too much, or hold something else."""

import contextlib
import io
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest

from domadapt._storage.arrays import check_samples, read_arrays


@pytest.fixture
def path(tmp_path):
    return tmp_path / "some.npz"


def header(shape, dtype="<f8"):
    """Return the beginning of a npy file that claims to hold an array of that shape."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        file, {"descr": dtype, "fortran_order": False, "shape": shape}
    )
    return file.getvalue()


def pack(path, content, kind=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", kind) as archive:
        archive.writestr("X.npy", content)
    return path


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_arrays_of_every_kind_are_read_as_numpy_reads_them(path, save):
    arrays = {
        "X": np.arange(6, dtype=np.float16).reshape(2, 3).T,
        "y": np.array(["cat", "dög", "x"]),
        "flags": np.array([True, False]),
    }
    save(path, **arrays)
    for name, expected in arrays.items():
        (read,) = read_arrays(path, [name])
        assert read.dtype == expected.dtype
        np.testing.assert_array_equal(read, expected)
    assert [array.shape for array in read_arrays(path, ["y", "X"])] == [(3,), (3, 2)]


def test_every_place_at_which_a_file_may_be_cut_gives_a_message(path):
    np.savez_compressed(path, X=np.arange(40.0).reshape(20, 2), y=np.arange(20))
    whole = path.read_bytes()
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"some.npz' is no npz file that can be read: "):
            read_arrays(path, ["X", "y"])


@pytest.mark.parametrize("seed", range(4))
def test_changed_bytes_give_a_message_or_the_same_numbers(path, seed):
    save = [np.savez, np.savez_compressed][seed % 2]
    expected = np.arange(40.0).reshape(20, 2)
    save(path, X=expected)
    whole, rng = path.read_bytes(), np.random.default_rng(seed)
    for _ in range(60):
        changed = bytearray(whole)
        changed[rng.integers(len(whole))] ^= 1 << rng.integers(8)
        path.write_bytes(changed)
        # What is not the content, such as the time in the zip entry, may change.
        with contextlib.suppress(ValueError):
            np.testing.assert_array_equal(read_arrays(path, ["X"])[0], expected)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is no npz file that can be read: EOF|magic string"),
        (b"no array", "is no npz file that can be read: the magic string"),
        (header((10**15,)), r"is damaged: X should have the shape \(10{15},\) of float64, but"),
        (header((2**62, 2**62)), "is damaged: X should have the shape"),
        (header((-1,)), r"has an empty X, of shape \(-1,\)"),
        (header((10**15,), "<U0"), "has an empty X"),
        (header((0, 10**15)), r"has an empty X, of shape \(0, 10{15}\)"),
        (header((1,), "|O") + b"\x80\x04.", "holds Python objects in X"),
        (header((1,), "<c16") + bytes(16), "holds complex128 in X. Numbers or text"),
        (header((1,), "<M8[s]") + bytes(8), r"holds datetime64\[s\] in X"),
        (header((1,)) + bytes(9), r"is damaged: X .* \(1,\) of float64, but there are 9 bytes"),
    ],
)
@pytest.mark.parametrize("kind", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_what_a_header_claims_is_checked_before_there_is_memory_for_it(
    path, content, message, kind
):
    pack(path, content, kind)
    tracemalloc.start()
    with pytest.raises(ValueError, match=rf"some.npz' ({message})"):
        read_arrays(path, ["X"])
    assert tracemalloc.get_traced_memory()[1] < 10**7
    tracemalloc.stop()


def test_a_zip_that_claims_more_than_fits_into_the_file_is_refused(path):
    pack(path, header((10**11,)) + bytes(8))
    content = bytearray(path.read_bytes())
    # The sizes of the entry in the directory at the end, packed and not.
    place = content.index(b"PK\x01\x02") + 20
    size = 8 * 10**8 + len(header((10**8,)))
    for packed in (size, 10**6):
        content[place : place + 8] = struct.pack("<II", packed, size)
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"some.npz'.*(too small|cannot be read|is no npz)"):
            read_arrays(path, ["X"])


def test_files_of_other_kinds_are_told(path, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"some.npz' is not there"):
        read_arrays(path, ["X"])
    np.save(tmp_path / "some.npy", np.zeros(3))
    (tmp_path / "some.npy").rename(path)
    with pytest.raises(ValueError, match=r"some.npz' is no npz file .* not a zip file"):
        read_arrays(path, ["X"])
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "words")
    with pytest.raises(ValueError, match=r"some.npz' lacks X and y. It holds: readme.txt"):
        read_arrays(path, ["X", "y"])
    pack(path, header((1,)) + bytes(8), zipfile.ZIP_LZMA)
    with pytest.raises(ValueError, match="packed in a way that numpy does not write"):
        read_arrays(path, ["X"])


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.array([["a"]]), "holds text in X"),
        (np.zeros(3), r"has an X of shape \(3,\)"),
        (
            np.array([[0.0], [1.0], [np.nan]]),
            r"missing or infinite, such as in row 2, column 0 \(counted",
        ),
        (np.array([[[0.0, np.inf]]]), "such as in row 0, column 0, 1"),
    ],
)
def test_samples_are_rows_of_finite_numbers(X, message):
    with pytest.raises(ValueError, match=rf"some.npz' .*{message}"):
        check_samples("some.npz", X)
    check_samples("some.npz", np.zeros((2, 3, 4), dtype=np.uint8))
