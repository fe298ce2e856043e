"""Photographs on their way to the network: the pixels, the draws, the workers, the faults."""

import gc
import multiprocessing
import os
import pickle
import shutil
import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from domadapt import ImageLoader
from domadapt.inputs import UnreadableImageError
from domadapt.inputs.decoding import MEAN, STD, decode, to_network
from domadapt.inputs.images import ImageBatches

v2 = pytest.importorskip("torchvision.transforms.v2")

CPU = torch.device("cpu")
ENDINGS = ["png", "jpg", "bmp", "tif", "webp"]
# Columns of MEAN and STD as ImageNet's are known, so that a slip there is seen.
MEANS, DEVIATIONS = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def picture(seed=0, size=(40, 40)):
    """A photograph's stand-in: noise that is smooth, so that JPEG keeps it."""
    rng = np.random.default_rng(seed)
    noise = Image.fromarray(rng.integers(0, 256, (5, 5, 3), dtype=np.uint8))
    return noise.resize(size, Image.Resampling.BICUBIC)


@pytest.fixture
def paths(tmp_path):
    """Ten images in five formats."""
    files = [tmp_path / f"{n}.{ENDINGS[n % 5]}" for n in range(10)]
    for n, path in enumerate(files):
        picture(n).save(path)
    return np.array([str(path) for path in files])


def loader(**parameters):
    return ImageLoader(**{"resize": 16, "crop": 12, "n_workers": 0, **parameters})


def make(source, target=None, seed=0, dtype=torch.float32, **parameters):
    parts = {"source": source} | ({} if target is None else {"target": target})
    return ImageBatches(parts, loader(**parameters), CPU, dtype, seed)


INDEX = [torch.tensor([[0, 1, 2], [3, 4, 0], [2, 2, 1]]), torch.tensor([[4, 3], [2, 1], [0, 4]])]


def an_epoch(batches, index=INDEX, first_step=0, **place):
    return [inputs.clone() for inputs in batches.epoch(index, first_step, **place)]


def equal(one, other):
    return len(one) == len(other) and all(map(torch.equal, one, other))


@pytest.mark.parametrize("ending", [*ENDINGS, "gif"])
def test_every_format_is_read_as_pillow_reads_it(tmp_path, ending):
    path = tmp_path / f"image.{ending}"
    picture(size=(30, 20)).save(path)
    image = decode(str(path))
    assert image.dtype == torch.uint8
    assert image.shape == (3, 20, 30)
    expected = np.asarray(Image.open(path).convert("RGB")).transpose(2, 0, 1).astype(int)
    # Decoders of JPEG may round in different ways.
    np.testing.assert_allclose(image.numpy(), expected, atol=3 if ending == "jpg" else 0)
    assert image.float().std() > 20


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
def test_every_kind_of_colour_becomes_red_green_and_blue(tmp_path, mode, ending):
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
    """Write what pillow cannot write."""
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    height, width, _ = values.shape
    parts = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0))]
    parts += [(b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    chunks = [
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in parts
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def test_a_moving_picture_is_its_first_frame(tmp_path):
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


def test_prediction_takes_the_centre_of_the_square(tmp_path):
    path = tmp_path / "image.png"
    picture(size=(40, 20)).save(path)
    image = loader().read(path)
    square = v2.functional.resize(decode(str(path)), [16, 16], antialias=True)
    assert torch.equal(image, square[:, 2:14, 2:14])
    (inputs,) = loader().stream(np.array([str(path)]), CPU, torch.float32)
    assert torch.equal(inputs, to_network(image[None], CPU, torch.float32))
    whole = loader(resize=None, crop=20).read(path)
    assert torch.equal(whole, decode(str(path))[:, :, 10:30])


def test_training_takes_random_parts_and_mirrors_half_of_them(tmp_path):
    ramp = np.broadcast_to(np.arange(40, dtype=np.uint8)[:, None] * 6, (40, 40, 3))
    Image.fromarray(np.ascontiguousarray(ramp)).save(tmp_path / "ramp.png")
    index = [torch.zeros(1, 60, dtype=torch.int64)]
    (inputs,) = an_epoch(make(np.array([str(tmp_path / "ramp.png")])), index)
    assert inputs.shape == (60, 3, 12, 12)
    widths = inputs[:, 0, :, -1].mean(1) - inputs[:, 0, :, 0].mean(1)
    assert 15 < (widths > 0).sum() < 45
    # Parts of 8 % and more of the area have sides from about a quarter of the whole.
    whole = 40 * 6 / 255 / DEVIATIONS[0]
    assert widths.abs().min() < 0.5 * whole
    assert widths.abs().max() > 0.7 * whole
    assert len({round(width, 4) for width in widths.tolist()}) > 20


def test_transforms_of_one_s_own_are_applied(paths):
    def as_it_is(image):
        assert image.shape == (3, 16, 16)
        return image

    def floating(image):
        return image[:, :5, :7].double() * 1000

    parameters = {"train_transform": as_it_is, "eval_transform": floating}
    (inputs,) = loader(**parameters).stream(paths[:5], CPU, torch.float32)
    assert inputs.dtype == torch.float32
    for n in range(5):
        raw = loader(train_transform=as_it_is).read(paths[n], train=True)
        assert torch.equal(inputs[n], raw[:, :5, :7].float() * 1000)
        assert torch.equal(loader(**parameters).read(paths[n]), floating(raw))
    (batch,) = make(paths, **parameters).epoch([torch.tensor([[1, 0]])], 0)
    raw = [loader(**parameters).read(paths[n], train=True) for n in (1, 0)]
    assert torch.equal(batch, to_network(torch.stack(raw), CPU, torch.float32))


def test_one_image_can_be_looked_at_as_training_sees_it(paths):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        first, second = (loader().read(paths[0], train=True) for _ in range(2))
        torch.manual_seed(0)
        again = loader().read(paths[0], train=True)
    assert first.shape == (3, 12, 12)
    assert first.dtype == torch.uint8
    assert torch.equal(first, again)
    assert not torch.equal(first, second)


@pytest.mark.parametrize("n_workers", [0, 1, 2])
def test_images_of_prediction_come_in_order(paths, monkeypatch, n_workers):
    monkeypatch.setattr("domadapt.inputs.images.ROWS_PER_PIECE", 2)
    pieces = list(loader(n_workers=n_workers).stream(paths[:9], CPU, torch.float32))
    assert [len(piece) for piece in pieces] == [2, 2, 2, 2, 1]
    one_by_one = [loader().read(path) for path in paths[:9]]
    assert torch.equal(torch.cat(pieces), to_network(torch.stack(one_by_one), CPU, torch.float32))


def test_batches_hold_the_source_first(paths):
    parameters = {"train_transform": v2.CenterCrop(12)}
    batches = make(paths[:5], paths[5:], **parameters)
    assert batches.n_rows == {"source": 5, "target": 5}
    given = an_epoch(batches)
    for step, inputs in enumerate(given):
        files = [*paths[:5][INDEX[0][step]], *paths[5:][INDEX[1][step]]]
        expected = torch.stack([loader().read(path) for path in files])
        assert torch.equal(inputs, to_network(expected, CPU, torch.float32))
        assert inputs.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(batches.gather([rows[1] for rows in INDEX]), given[1])
    alone = an_epoch(make(paths[:5], **parameters), INDEX[:1])
    assert equal(alone, [inputs[:3] for inputs in given])


@pytest.mark.parametrize("cache_megabytes", [0, 1])
@pytest.mark.parametrize("n_workers", [0, 2])
def test_batches_have_the_same_bits_however_they_are_made(paths, n_workers, cache_megabytes):
    reference = make(paths[:5], paths[5:])
    batches = make(paths[:5], paths[5:], n_workers=n_workers, cache_megabytes=cache_megabytes)
    for first_step in (0, 3):
        assert equal(
            an_epoch(batches, first_step=first_step), an_epoch(reference, INDEX, first_step)
        )


def test_what_reads_images_can_be_sent_to_processes_that_are_not_forked(paths, monkeypatch):
    monkeypatch.setattr("domadapt.inputs.images.can_fork", lambda: False)
    batches = make(paths[:5], paths[5:], n_workers=2)
    key = (3, 0, [[0, 1, 2], [4, 3]])
    sent = pickle.loads(pickle.dumps(batches.dataset))
    assert torch.equal(sent[key], make(paths[:5], paths[5:]).dataset[key])


@pytest.mark.parametrize("n_workers", [0, 2])
def test_training_that_goes_on_sees_what_it_would_have_seen(paths, n_workers):
    whole = an_epoch(make(paths[:5], paths[5:]))
    later = make(paths[:5], paths[5:], n_workers=n_workers)
    rest = [rows[1:] for rows in INDEX]
    assert equal(an_epoch(later, rest, first_step=1), whole[1:])


def test_what_an_image_becomes_depends_on_seed_step_and_place_alone(paths):
    index = [torch.tensor([[0, 0, 1]]), torch.tensor([[0]])]
    (first,) = an_epoch(make(paths[:5], paths[:5]), index)
    (among_others,) = an_epoch(make(paths[:5], paths[:5]), [torch.tensor([[3, 0]]), index[1]])
    assert torch.equal(among_others[1], first[1])
    assert torch.equal(among_others[-1], first[-1])
    (later,) = an_epoch(make(paths[:5], paths[:5]), index, first_step=1)
    (other,) = an_epoch(make(paths[:5], paths[:5], seed=1), index)
    draws = [first[0], first[1], first[-1], later[0], other[0]]
    for n, draw in enumerate(draws):
        assert not any(torch.equal(draw, another) for another in draws[:n])


@pytest.mark.parametrize("n_workers", [0, 2])
def test_shares_of_processes_make_up_the_whole_batch(paths, n_workers):
    index = [torch.tensor([[0, 1, 2, 3], [4, 0, 1, 2]]), torch.tensor([[4, 3], [2, 1]])]
    whole = an_epoch(make(paths[:5], paths[5:]), index, first_step=7)
    batches = make(paths[:5], paths[5:], n_workers=n_workers)
    first, second = (
        an_epoch(
            batches,
            [rows.chunk(2, dim=1)[rank] for rows in index],
            first_step=7,
            first_place=rank,
        )
        for rank in (0, 1)
    )
    for step in range(2):
        parts = [share[step].split([2, 1]) for share in (first, second)]
        source, target = zip(*parts, strict=True)
        assert torch.equal(torch.cat([*source, *target]), whole[step])


@pytest.mark.parametrize("n_workers", [0, 2])
def test_the_global_generators_stay_as_they_are(paths, monkeypatch, n_workers):
    monkeypatch.setattr("domadapt.inputs.images.ROWS_PER_PIECE", 4)
    before = torch.get_rng_state()
    numpy_before = np.random.get_state()[1].tolist()  # noqa: NPY002
    batches = make(paths[:5], paths[5:], n_workers=n_workers)
    batches.gather([rows[0] for rows in INDEX])
    for inputs in batches.epoch(INDEX, 0):
        assert torch.equal(torch.get_rng_state(), before)
        assert inputs.shape == (5, 3, 12, 12)
    assert len(list(loader(n_workers=n_workers).stream(paths, CPU, torch.float32))) == 3
    assert loader(n_workers=n_workers).find_readable(paths).all()
    assert torch.equal(torch.get_rng_state(), before)
    assert np.random.get_state()[1].tolist() == numpy_before  # noqa: NPY002


@pytest.mark.parametrize("n_workers", [0, 2])
def test_images_in_memory_are_not_read_again(paths, n_workers):
    index = [torch.tensor([[0, 1, 2], [3, 4, 0]]), torch.tensor([[0, 1, 2], [3, 4, 1]])]
    expected = an_epoch(make(paths[:5], paths[5:]), index, first_step=2)
    batches = make(paths[:5], paths[5:], n_workers=n_workers)
    an_epoch(batches, index)
    for path in paths:
        os.remove(path)
    assert equal(an_epoch(batches, index, first_step=2), expected)


@pytest.mark.parametrize(
    "parameters",
    [
        {"cache_megabytes": 0},
        # An image is 3 * 16 * 16 numbers and a mark, and there are ten.
        {"cache_megabytes": 7689e-6},
        {"resize": None},
    ],
    ids=str,
)
def test_without_room_images_are_read_anew(paths, parameters):
    batches = make(paths[:5], paths[5:], **parameters)
    an_epoch(batches)
    os.remove(paths[3])
    with pytest.raises(UnreadableImageError, match=r"3\.tif' cannot be read"):
        an_epoch(batches)


def test_memory_that_is_just_enough_is_used(paths):
    batches = make(paths[:5], paths[5:], cache_megabytes=7690e-6)
    first = an_epoch(batches)
    os.remove(paths[3])
    assert equal(an_epoch(batches), first)


def test_a_transform_that_writes_into_its_image_does_not_spoil_the_memory(paths):
    def black(image):
        return image.zero_()

    batches = make(paths, train_transform=black)
    an_epoch(batches, INDEX[:1])
    batches.dataset.transform = lambda image: image
    (inputs,) = an_epoch(batches, [torch.tensor([[0, 1]])])
    expected = torch.stack([loader(eval_transform=torch.clone).read(p) for p in paths[:2]])
    assert torch.equal(inputs, to_network(expected, CPU, torch.float32))


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


def check(error, path):
    """One line that names the file, also from a worker process."""
    assert type(error) is UnreadableImageError
    assert str(error).startswith(f"The image {str(path)!r} cannot be read: ")
    assert "\n" not in str(error)
    assert "Traceback" not in str(error)
    assert "unreadable='skip'" in str(error)


def test_a_damaged_image_is_told_by_its_name(damaged):
    assert loader().read(damaged[0]).shape == (3, 12, 12)
    with pytest.raises(UnreadableImageError) as caught:
        loader().read(damaged[1])
    check(caught.value, damaged[1])
    assert loader().find_readable(damaged).tolist() == [True, False]


@pytest.mark.parametrize("n_workers", [0, 2])
def test_damaged_images_are_told_wherever_they_are_read(paths, monkeypatch, n_workers):
    monkeypatch.setattr("domadapt.inputs.images.ROWS_PER_PIECE", 3)
    with open(paths[6], "r+b") as file:
        file.truncate(300)
    with pytest.raises(UnreadableImageError) as caught:
        list(loader(n_workers=n_workers).stream(paths, CPU, torch.float32))
    check(caught.value, paths[6])
    batches = make(paths[:5], paths[5:], n_workers=n_workers)
    with pytest.raises(UnreadableImageError) as caught:
        an_epoch(batches)
    check(caught.value, paths[6])
    with pytest.raises(UnreadableImageError):
        batches.gather([torch.tensor([0]), torch.tensor([1])])
    # It would keep this frame, and with it the processes of the epoch that comes now.
    del caught
    whole = [INDEX[0], torch.zeros(3, 2, dtype=torch.int64)]
    assert equal(an_epoch(batches, whole), an_epoch(make(paths[:5], paths[5:]), whole))


def broken(image):
    return {}["a key that is not there"]


def test_no_process_outlives_its_batches_though_an_error_is_kept(paths, monkeypatch):
    monkeypatch.setattr("domadapt.inputs.images.ROWS_PER_PIECE", 3)
    gc.collect()
    # Tests before this one may have left processes that wait for more work.
    others = set(multiprocessing.active_children())

    def workers():
        return set(multiprocessing.active_children()) - others

    # The collector, whenever it came, would wait for processes that nobody had ended.
    gc.disable()
    try:
        batches = make(paths[:5], paths[5:], n_workers=2)
        an_epoch(batches)
        assert len(workers()) == 2
        del batches
        assert not workers()
        assert len(list(loader(n_workers=2).stream(paths, CPU, torch.float32))) == 4
        assert not workers()
        with open(paths[6], "r+b") as file:
            file.truncate(300)
        kept = []
        for transform, kind in ((None, UnreadableImageError), (broken, KeyError)):
            parameters = {"train_transform": transform, "eval_transform": transform}
            batches = make(paths[:5], paths[5:], n_workers=2, **parameters)
            with pytest.raises(kind) as caught:
                an_epoch(batches)
            kept.append(caught)
            assert not workers()
            with pytest.raises(kind) as caught:
                list(loader(n_workers=2, **parameters).stream(paths, CPU, torch.float32))
            kept.append(caught)
            assert not workers()
        assert "in broken" in str(kept[2].value)
    finally:
        gc.enable()


def test_worker_processes_leave_those_of_others_alone(paths, capfd):
    circles = [[make(paths[:5], n_workers=2)]]
    an_epoch(circles[0][0], INDEX[:1])
    circles[0].append(circles[0])

    def collecting(image):
        circles.clear()
        gc.collect()
        return image[:, :12, :12]

    given = an_epoch(make(paths[:5], n_workers=2, train_transform=collecting), INDEX[:1])
    assert len(given) == 3
    assert capfd.readouterr().err == ""
    # Here nothing was cleared, and the processes are there for another epoch.
    assert equal(an_epoch(circles[0][0], INDEX[:1]), an_epoch(make(paths[:5]), INDEX[:1]))
    circles[0].clear()


@pytest.mark.parametrize("n_workers", [0, 2])
def test_readable_images_are_found_in_order(paths, monkeypatch, n_workers):
    monkeypatch.setattr("domadapt.inputs.images.ROWS_PER_PIECE", 3)
    for row in (1, 5, 9):
        with open(paths[row], "wb") as file:
            file.write(b"no image")
    readable = loader(n_workers=n_workers).find_readable(paths)
    assert readable.dtype == bool
    assert np.flatnonzero(~readable).tolist() == [1, 5, 9]


def to_pillow(image):
    return v2.functional.to_pil_image(image)


def by_colour(image):
    """Cut images to different shapes."""
    return image[:, : 4 + int(image.sum()) % 3]


@pytest.mark.parametrize("n_workers", [0, 2])
@pytest.mark.parametrize(
    ("transform", "error", "message"),
    [
        (to_pillow, TypeError, "returned Image. A tensor of shape"),
        (torch.Tensor.numpy, TypeError, r"returned shape \(3, 16, 16\). A tensor"),
        (lambda image: image[0], TypeError, r"returned shape \(16, 16\). A tensor"),
        (lambda image: None, TypeError, "returned NoneType. A tensor"),
        (lambda image: image[:1], TypeError, "returned 1 channels in uint8. A tensor"),
        (lambda image: image.long(), TypeError, "returned torch.int64. A tensor"),
        (by_colour, ValueError, r"returned images of different shapes, such as \(3, \d, 16\) and"),
    ],
)
def test_what_a_transform_must_not_return_is_told(
    paths, monkeypatch, n_workers, transform, error, message
):
    monkeypatch.setattr("domadapt.inputs.images.ROWS_PER_PIECE", 5)
    batches = make(paths, train_transform=transform, n_workers=n_workers)
    with pytest.raises(error, match=f"^train_transform {message}") as in_training:
        an_epoch(batches, [torch.arange(10).reshape(1, 10)])
    predicting = loader(eval_transform=transform, n_workers=n_workers)
    with pytest.raises(error, match=f"^eval_transform {message}") as in_prediction:
        list(predicting.stream(paths, CPU, torch.float32))
    for caught in (in_training, in_prediction):
        assert "\n" not in str(caught.value)
    if error is TypeError:
        with pytest.raises(TypeError, match=f"^eval_transform {message}"):
            predicting.read(paths[0])


@pytest.mark.parametrize("n_workers", [0, 2])
def test_an_error_in_a_transform_comes_with_its_own_name(paths, n_workers):
    batches = make(paths, train_transform=broken, n_workers=n_workers)
    with pytest.raises(KeyError, match="a key that is not there"):
        an_epoch(batches, INDEX[:1])


def test_a_crop_larger_than_the_square_is_refused(paths):
    with pytest.raises(ValueError, match=r"crop=17 is larger than resize=16"):
        loader(crop=17).read(paths[0])
    assert loader(crop=16).read(paths[0]).shape == (3, 16, 16)
    own = loader(crop=17, eval_transform=v2.CenterCrop(8))
    assert own.read(paths[0]).shape == (3, 8, 8)


def test_what_becomes_of_an_image_has_a_text_of_its_own():
    def half(image):
        return image[:, ::2]

    texts = {
        loader(**parameters).describe()
        for parameters in (
            {},
            {"resize": 17},
            {"resize": None},
            {"crop": 11},
            {"eval_transform": half},
            {"eval_transform": lambda image: image[:, ::3]},
            {"eval_transform": v2.CenterCrop(12)},
            {"eval_transform": v2.CenterCrop(11)},
        )
    }
    assert len(texts) == 8
    outward = {"n_workers": 2, "cache_megabytes": 0, "train_transform": half, "unreadable": "skip"}
    assert loader(**outward).describe() == loader().describe()
    # With a transform of one's own there is no crop.
    assert loader(eval_transform=half).describe() == loader(eval_transform=half, crop=1).describe()


@pytest.mark.parametrize(("n_cores", "n_workers"), [(1, 1), (3, 3), (64, 8)])
def test_workers_are_as_many_as_the_cores_that_may_be_used(monkeypatch, n_cores, n_workers):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(n_cores)), raising=False)
    assert make(np.array(["none"]), n_workers=None).n_workers == n_workers
    assert make(np.array(["none"]), n_workers=5).n_workers == 5
