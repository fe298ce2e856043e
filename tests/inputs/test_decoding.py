"""Photographs decoded: formats, colours, normalisation, damaged files."""

import os
import shutil
import struct
import subprocess
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from domadapt._storage.fingerprints import digest_of_files
from domadapt.inputs import ImageLoader, UnreadableImageError
from domadapt.inputs.decoding import MEAN, STD, decode, to_network

pytest.importorskip("torchvision")

CPU = torch.device("cpu")
# The known values of ImageNet, against slips in the code.
MEANS, DEVIATIONS = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


@pytest.mark.parametrize("ending", ["png", "jpg", "bmp", "tif", "webp", "gif"])
def test_every_format_is_read_as_pillow_reads_it(tmp_path, ending, picture):
    path = tmp_path / f"image.{ending}"
    picture(size=(30, 20)).save(path)
    image = decode(str(path))
    assert image.dtype == torch.uint8
    assert image.shape == (3, 20, 30)
    expected = np.asarray(Image.open(path).convert("RGB")).transpose(2, 0, 1).astype(int)
    # Decoders of JPEG may round in different ways.
    np.testing.assert_allclose(image.numpy(), expected, atol=3 if ending == "jpg" else 0)
    assert image.float().std() > 20


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize(
    ("size", "decoded"),
    [((127, 400), (127, 400)), ((400, 128), (200, 64)), ((256, 256), (64, 64))],
)
def test_large_jpegs_are_decoded_smaller(tmp_path, mode, size, decoded, picture, loader):
    path, same = str(tmp_path / "image.jpg"), str(tmp_path / "image.png")
    picture(size=size).convert(mode).save(path, quality=95)
    Image.fromarray(decode(path).permute(1, 2, 0).numpy()).save(same)
    assert decode(path).shape == (3, size[1], size[0])
    assert decode(path, 16).shape == (3, decoded[1], decoded[0])
    assert decode(same, 16).shape == (3, size[1], size[0])
    difference = loader().read(path).int() - loader().read(same).int()
    assert difference.abs().max() <= (2 if decoded != size else 0)


@pytest.mark.parametrize(
    ("mode", "ending"),
    [
        ("L", "png"),
        ("L", "jpg"),
        ("1", "png"),
        ("LA", "png"),
        ("RGBA", "png"),
        ("RGBA", "webp"),
        ("RGBA", "tif"),
        ("P", "png"),
        ("P", "gif"),
        ("CMYK", "jpg"),
        ("CMYK", "tif"),
    ],
)
def test_every_colour_mode_becomes_red_green_and_blue(tmp_path, mode, ending, picture):
    path = tmp_path / f"image.{ending}"
    original = picture()
    if mode in ("RGBA", "LA"):
        original.putalpha(picture(1).convert("L"))
    original.convert(mode).save(path)
    image = decode(str(path))
    assert image.dtype == torch.uint8
    expected = np.asarray(Image.open(path).convert("RGB")).transpose(2, 0, 1).astype(int)
    np.testing.assert_allclose(image.numpy(), expected, atol=3 if ending == "jpg" else 0)
    is_grey = mode in ("L", "1", "LA")
    assert (image[0] == image[1]).all().item() is is_grey


def test_sixteen_bits_become_eight(tmp_path):
    values = np.arange(1600, dtype=np.uint16).reshape(40, 40) * 40
    Image.fromarray(values).save(tmp_path / "grey.png")
    Image.fromarray(values).save(tmp_path / "grey.tif")
    for path in tmp_path.iterdir():
        image = decode(str(path))
        assert image.dtype == torch.uint8
        np.testing.assert_array_equal(image.numpy(), np.stack([values // 256] * 3))
    in_colour = np.stack([values, values[::-1], values.T], axis=-1)
    (tmp_path / "colour.png").write_bytes(png_of_sixteen_bits(in_colour))
    image = decode(str(tmp_path / "colour.png"))
    np.testing.assert_array_equal(image.numpy(), in_colour.transpose(2, 0, 1) // 256)


def png_of_sixteen_bits(values):
    """Write an image of 16 bits and three channels, which pillow cannot write."""
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    height, width, _ = values.shape
    parts = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0))]
    parts += [(b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    chunks = [
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in parts
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def test_an_animation_is_its_first_frame(tmp_path, picture):
    frames = [picture(seed).quantize(16) for seed in range(3)]
    frames[0].save(tmp_path / "moving.gif", save_all=True, append_images=frames[1:])
    expected = np.asarray(frames[0].convert("RGB")).transpose(2, 0, 1)
    np.testing.assert_array_equal(decode(str(tmp_path / "moving.gif")).numpy(), expected)


def test_normalisation_is_that_of_imagenet():
    assert list(MEAN) == MEANS
    assert list(STD) == DEVIATIONS
    images = torch.arange(2 * 3 * 4 * 5, dtype=torch.uint8).reshape(2, 3, 4, 5)
    for dtype in (torch.float32, torch.float64):
        inputs = to_network(images, CPU, dtype)
        assert inputs.dtype == dtype
        assert inputs.is_contiguous(memory_format=torch.channels_last)
        expected = (images.numpy() / 255 - np.reshape(MEANS, (3, 1, 1))) / np.reshape(
            DEVIATIONS, (3, 1, 1)
        )
        np.testing.assert_allclose(inputs.numpy(), expected, atol=1e-6)


def test_floating_point_is_not_normalised():
    images = torch.linspace(-3, 3, 96, dtype=torch.float64).reshape(2, 3, 4, 4)
    inputs = to_network(images, CPU, torch.float32)
    assert torch.equal(inputs, images.float())
    assert inputs.is_contiguous(memory_format=torch.channels_last)


def damage(path, how):
    if how == "missing":
        path.unlink()
    elif how == "cut short":
        content = path.read_bytes()
        path.write_bytes(content[: len(content) // 2])
    elif how == "changed":
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 255
        path.write_bytes(content)
    else:
        path.write_text(how)


@pytest.fixture(
    params=[
        ("jpg", "missing"),
        ("jpg", ""),
        ("jpg", "a text, no image"),
        ("jpg", "cut short"),
        ("png", "cut short"),
        ("png", "changed"),
        ("bmp", "cut short"),
        ("tif", "cut short"),
        ("webp", "cut short"),
        ("gif", "cut short"),
    ],
    ids=lambda p: "-".join(p),
)
def damaged(request, tmp_path):
    """Paths of two images, the second of which cannot be read whole."""
    ending, how = request.param
    good, bad = tmp_path / f"good.{ending}", tmp_path / f"bad.{ending}"
    rng = np.random.default_rng(0)
    noise = Image.fromarray(rng.integers(0, 256, (40, 40, 3), dtype=np.uint8))
    noise.save(good)
    shutil.copy(good, bad)
    damage(bad, how)
    return np.array([str(good), str(bad)])


def test_a_damaged_image_is_reported_by_its_name(damaged, loader, check_unreadable):
    assert loader().read(damaged[0]).shape == (3, 12, 12)
    with pytest.raises(UnreadableImageError) as caught:
        loader().read(damaged[1])
    check_unreadable(caught.value, damaged[1])
    assert loader().find_readable(damaged).tolist() == [True, False]


def test_what_is_no_image_of_a_known_format_starts_no_program(tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("a program was started")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    path = tmp_path / "page.jpg"
    path.write_bytes(
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n"
    )
    with pytest.raises(UnreadableImageError, match="cannot be read: cannot identify"):
        decode(str(path))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
def test_a_pipe_is_not_waited_for(tmp_path):
    path = tmp_path / "pipe.png"
    os.mkfifo(path)
    with pytest.raises(UnreadableImageError, match="no regular file"):
        decode(str(path))
    assert ImageLoader(n_workers=0).find_readable(np.array([str(path)])).tolist() == [False]
    with pytest.raises(FileNotFoundError, match="no regular file"):
        digest_of_files([str(path)])
