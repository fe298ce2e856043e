"""Images kept in a folder: read without decoding, made anew where stale, damaged or lost."""

import errno
import os

import numpy as np
import pytest
import torch
from PIL import Image

from domadapt.inputs import ImageLoader, UnreadableImageError
from domadapt.inputs.images import ImageBatches

pytest.importorskip("torchvision")

CPU = torch.device("cpu")
INDEX = [torch.tensor([[0, 1, 2], [3, 4, 0]]), torch.tensor([[0, 1, 2], [3, 4, 1]])]


def read_epoch(loader, paths, first_step=0):
    parts = {"source": paths[:5], "target": paths[5:]}
    batches = ImageBatches(parts, loader, CPU, torch.float32, 0)
    return [inputs.clone() for inputs in batches.epoch(INDEX, first_step)]


def stream(loader, paths):
    return torch.cat(list(loader.stream(paths, CPU, torch.float32)))


def equal(one, other):
    return len(one) == len(other) and all(map(torch.equal, one, other))


def spoil(paths):
    """Make images undecodable without a trace in their size and time."""
    for path in paths:
        state = os.stat(path)
        with open(path, "r+b") as file:
            file.write(b"\0" * state.st_size)
        os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


@pytest.mark.parametrize("cache_megabytes", [0, 1])
@pytest.mark.parametrize("n_workers", [0, 2])
def test_later_fits_and_predictions_decode_nothing(
    paths, tmp_path, loader, n_workers, cache_megabytes
):
    expected = [read_epoch(loader(), paths, first_step) for first_step in (0, 2)]
    predicted = stream(loader(), paths)
    assert not equal(*expected)
    parameters = {"n_workers": n_workers, "cache_megabytes": cache_megabytes}
    keeping = loader(cache_folder=tmp_path / "new" / "kept", **parameters)
    assert equal(read_epoch(keeping, paths), expected[0])
    spoil(paths)
    with pytest.raises(UnreadableImageError):
        stream(loader(), paths)
    assert equal(read_epoch(keeping, paths, 2), expected[1])
    assert torch.equal(stream(keeping, paths), predicted)
    assert keeping.find_readable(paths).all()


def test_large_photographs_are_kept_with_all_their_pixels(tmp_path, picture):
    path = tmp_path / "large.jpg"
    picture(size=(700, 520)).save(path)
    paths = np.array([str(path)] * 10)
    expected = read_epoch(ImageLoader(n_workers=0, cache_megabytes=0), paths)
    keeping = ImageLoader(n_workers=0, cache_megabytes=0, cache_folder=tmp_path / "kept")
    for _ in range(2):
        assert equal(read_epoch(keeping, paths), expected)


def test_images_as_they_are_can_be_kept(tmp_path, picture, loader):
    paths = np.array([str(tmp_path / f"{n}.png") for n in range(2)])
    for n, path in enumerate(paths):
        picture(n, size=(20 + n, 30)).save(path)
    keeping = loader(resize=None, cache_folder=tmp_path / "kept")
    expected = stream(loader(resize=None), paths)
    assert torch.equal(stream(keeping, paths), expected)
    spoil(paths)
    assert torch.equal(stream(keeping, paths), expected)


def test_readable_images_that_were_sought_are_kept(paths, tmp_path, loader):
    expected = stream(loader(), paths[1:])
    keeping = loader(cache_folder=tmp_path)
    with open(paths[0], "wb") as file:
        file.write(b"no image")
    assert keeping.find_readable(paths).tolist() == [False] + [True] * 9
    spoil(paths[1:])
    assert torch.equal(stream(keeping, paths[1:]), expected)
    assert keeping.find_readable(paths).tolist() == [False] + [True] * 9


@pytest.mark.parametrize("what", ["time", "size"])
def test_a_changed_image_is_decoded_anew(paths, tmp_path, picture, loader, what):
    keeping = loader(cache_folder=tmp_path / "kept")
    path = paths[2]
    Image.open(path).convert("RGB").save(path)
    old, state = keeping.read(path), os.stat(path)
    picture(77, size=(40, 40) if what == "time" else (50, 60)).save(path)
    if what == "size":
        os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    else:
        assert os.stat(path).st_size == state.st_size
    new = keeping.read(path)
    assert torch.equal(new, loader().read(path))
    assert not torch.equal(new, old)
    # The new one stands in the place of the old.
    assert len(list((tmp_path / "kept").rglob("*.safetensors"))) == 1
    spoil([path])
    assert torch.equal(keeping.read(path), new)


def test_squares_of_two_sizes_and_images_of_one_name_are_told_apart(tmp_path, picture, loader):
    for n in range(2):
        (tmp_path / str(n)).mkdir()
        picture(n).save(tmp_path / str(n) / "image.png")
    paths = [tmp_path / str(n) / "image.png" for n in (0, 1)]
    for _ in range(2):
        for path in paths:
            for resize in (16, 20):
                kept = loader(resize=resize, cache_folder=tmp_path / "kept").read(path)
                assert torch.equal(kept, loader(resize=resize).read(path))
    assert len(list((tmp_path / "kept").rglob("*.safetensors"))) == 4


@pytest.mark.parametrize("how", ["cut short", "changed", "empty", "of something else"])
def test_a_damaged_file_is_written_anew(paths, tmp_path, loader, how):
    keeping = loader(cache_folder=tmp_path / "kept")
    expected = keeping.read(paths[0])
    (file,) = (tmp_path / "kept").rglob("*.safetensors")
    whole = file.read_bytes()
    damaged = {
        "cut short": whole[:-9],
        "changed": whole[:-9] + bytes([whole[-9] ^ 255]) + whole[-8:],
        "empty": b"",
        "of something else": b"{}" * 30,
    }
    file.write_bytes(damaged[how])
    assert torch.equal(keeping.read(paths[0]), expected)
    spoil(paths[:1])
    assert torch.equal(keeping.read(paths[0]), expected)


@pytest.mark.parametrize("n_workers", [0, 2])
def test_a_full_disk_is_warned_of_once_and_stops_nothing(
    paths, tmp_path, monkeypatch, loader, n_workers
):
    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    expected = read_epoch(loader(), paths)
    keeping = loader(cache_folder=tmp_path / "kept", n_workers=n_workers)
    monkeypatch.setattr("domadapt._storage.files.os.fsync", full)
    # Worker processes warn where they are, which no list of this one shows.
    told = tmp_path / "told"
    monkeypatch.setattr(
        "domadapt.inputs.kept_images.warn", lambda text: print(text, file=told.open("a"))
    )
    assert equal(read_epoch(keeping, paths), expected)
    (line,) = told.read_text().splitlines()
    assert line.startswith(f"cache_folder='{tmp_path}/kept' takes no more images (No space left")
    assert not [file for file in (tmp_path / "kept").rglob("*") if file.is_file()]
