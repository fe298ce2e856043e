"""Mini-batches of photographs: random draws, the cache, worker processes, errors."""

import gc
import multiprocessing
import os
import pickle
import weakref

import numpy as np
import pytest
import torch
from PIL import Image

from domadapt.inputs import UnreadableImageError
from domadapt.inputs.decoding import STD, to_network
from domadapt.inputs.images import ImageBatches

v2 = pytest.importorskip("torchvision.transforms.v2")

CPU = torch.device("cpu")
INDEX = [torch.tensor([[0, 1, 2], [3, 4, 0], [2, 2, 1]]), torch.tensor([[4, 3], [2, 1], [0, 4]])]


@pytest.fixture
def make_batches(loader):
    """Build mini-batches of a source and a target."""
    built = weakref.WeakSet()

    def build(source, target=None, seed=0, dtype=torch.float32, **parameters):
        parts = {"source": source} | ({} if target is None else {"target": target})
        batches = ImageBatches(parts, loader(**parameters), CPU, dtype, seed)
        built.add(batches)
        return batches

    yield build
    for batches in built:
        # A worker process that the garbage collector stops is waited for, five seconds each.
        batches.close()


def read_epoch(batches, index=INDEX, first_step=0, **share):
    return [inputs.clone() for inputs in batches.epoch(index, first_step, **share)]


def equal(one, other):
    return len(one) == len(other) and all(map(torch.equal, one, other))


def test_training_takes_random_crops_and_flips_half_of_them(tmp_path, make_batches):
    ramp = np.broadcast_to(np.arange(40, dtype=np.uint8)[:, None] * 6, (40, 40, 3))
    Image.fromarray(np.ascontiguousarray(ramp)).save(tmp_path / "ramp.png")
    index = [torch.zeros(1, 60, dtype=torch.int64)]
    (inputs,) = read_epoch(make_batches(np.array([str(tmp_path / "ramp.png")])), index)
    assert inputs.shape == (60, 3, 12, 12)
    widths = inputs[:, 0, :, -1].mean(1) - inputs[:, 0, :, 0].mean(1)
    assert 15 < (widths > 0).sum() < 45
    # Crops of 8 % and more of the area have sides of about a quarter of the whole and more.
    whole = 40 * 6 / 255 / STD[0]
    assert widths.abs().min() < 0.5 * whole
    assert widths.abs().max() > 0.7 * whole
    assert len({round(width, 4) for width in widths.tolist()}) > 20


def test_own_transforms_are_applied(paths, loader, make_batches):
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
    (batch,) = make_batches(paths, **parameters).epoch([torch.tensor([[1, 0]])], 0)
    raw = [loader(**parameters).read(paths[n], train=True) for n in (1, 0)]
    assert torch.equal(batch, to_network(torch.stack(raw), CPU, torch.float32))


def test_batches_hold_the_source_first(paths, loader, make_batches):
    parameters = {"train_transform": v2.CenterCrop(12)}
    batches = make_batches(paths[:5], paths[5:], **parameters)
    assert batches.n_samples == {"source": 5, "target": 5}
    epoch = read_epoch(batches)
    for step, inputs in enumerate(epoch):
        files = [*paths[:5][INDEX[0][step]], *paths[5:][INDEX[1][step]]]
        expected = torch.stack([loader().read(path) for path in files])
        assert torch.equal(inputs, to_network(expected, CPU, torch.float32))
        assert inputs.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(batches.gather([rows[1] for rows in INDEX]), epoch[1])
    alone = read_epoch(make_batches(paths[:5], **parameters), INDEX[:1])
    assert equal(alone, [inputs[:3] for inputs in epoch])
    # Bytes are what workers return and what goes to the device.
    assert batches.dataset[0, 0, [[0], [1]]].dtype == torch.uint8


@pytest.mark.parametrize("cache_megabytes", [0, 1])
@pytest.mark.parametrize("n_workers", [0, 2])
def test_batches_do_not_depend_on_workers_and_cache(
    paths, n_workers, cache_megabytes, make_batches
):
    reference = make_batches(paths[:5], paths[5:])
    batches = make_batches(
        paths[:5], paths[5:], n_workers=n_workers, cache_megabytes=cache_megabytes
    )
    for first_step in (0, 3):
        assert equal(
            read_epoch(batches, first_step=first_step), read_epoch(reference, INDEX, first_step)
        )


def test_the_dataset_can_be_sent_to_processes_that_are_not_forked(paths, monkeypatch, make_batches):
    monkeypatch.setattr("domadapt.inputs.images.can_fork", lambda: False)
    batches = make_batches(paths[:5], paths[5:], n_workers=2)
    key = (3, 0, [[0, 1, 2], [4, 3]])
    sent = pickle.loads(pickle.dumps(batches.dataset))
    assert torch.equal(sent[key], make_batches(paths[:5], paths[5:]).dataset[key])


@pytest.mark.parametrize("n_workers", [0, 2])
def test_resumed_training_reads_the_same_mini_batches(paths, n_workers, make_batches):
    whole = read_epoch(make_batches(paths[:5], paths[5:]))
    later = make_batches(paths[:5], paths[5:], n_workers=n_workers)
    rest = [rows[1:] for rows in INDEX]
    assert equal(read_epoch(later, rest, first_step=1), whole[1:])


def test_random_draws_depend_on_seed_step_and_position_alone(paths, make_batches):
    index = [torch.tensor([[0, 0, 1]]), torch.tensor([[0]])]
    (first,) = read_epoch(make_batches(paths[:5], paths[:5]), index)
    (among_others,) = read_epoch(
        make_batches(paths[:5], paths[:5]), [torch.tensor([[3, 0]]), index[1]]
    )
    assert torch.equal(among_others[1], first[1])
    assert torch.equal(among_others[-1], first[-1])
    (later,) = read_epoch(make_batches(paths[:5], paths[:5]), index, first_step=1)
    (other,) = read_epoch(make_batches(paths[:5], paths[:5], seed=1), index)
    draws = [first[0], first[1], first[-1], later[0], other[0]]
    for n, draw in enumerate(draws):
        assert not any(torch.equal(draw, another) for another in draws[:n])


@pytest.mark.parametrize("n_workers", [0, 2])
def test_shares_of_processes_make_up_the_whole_batch(paths, n_workers, make_batches):
    index = [torch.tensor([[0, 1, 2, 3], [4, 0, 1, 2]]), torch.tensor([[4, 3], [2, 1]])]
    whole = read_epoch(make_batches(paths[:5], paths[5:]), index, first_step=7)
    batches = make_batches(paths[:5], paths[5:], n_workers=n_workers)
    first, second = (
        read_epoch(
            batches,
            [rows.chunk(2, dim=1)[rank] for rows in index],
            first_step=7,
            rank=rank,
        )
        for rank in (0, 1)
    )
    for step in range(2):
        parts = [share[step].split([2, 1]) for share in (first, second)]
        source, target = zip(*parts, strict=True)
        assert torch.equal(torch.cat([*source, *target]), whole[step])


@pytest.mark.parametrize("n_workers", [0, 2])
def test_the_global_generators_stay_as_they_are(
    paths, monkeypatch, n_workers, loader, make_batches
):
    monkeypatch.setattr("domadapt.inputs.images.IMAGES_PER_CHUNK", 4)
    before = torch.get_rng_state()
    numpy_before = np.random.get_state()[1].tolist()  # noqa: NPY002
    batches = make_batches(paths[:5], paths[5:], n_workers=n_workers)
    batches.gather([rows[0] for rows in INDEX])
    for inputs in batches.epoch(INDEX, 0):
        assert torch.equal(torch.get_rng_state(), before)
        assert inputs.shape == (5, 3, 12, 12)
    assert len(list(loader(n_workers=n_workers).stream(paths, CPU, torch.float32))) == 3
    assert loader(n_workers=n_workers).find_readable(paths).all()
    assert torch.equal(torch.get_rng_state(), before)
    assert np.random.get_state()[1].tolist() == numpy_before  # noqa: NPY002


@pytest.mark.parametrize("n_workers", [0, 2])
def test_cached_images_are_not_read_again(paths, n_workers, make_batches):
    index = [torch.tensor([[0, 1, 2], [3, 4, 0]]), torch.tensor([[0, 1, 2], [3, 4, 1]])]
    expected = read_epoch(make_batches(paths[:5], paths[5:]), index, first_step=2)
    batches = make_batches(paths[:5], paths[5:], n_workers=n_workers)
    read_epoch(batches, index)
    for path in paths:
        os.remove(path)
    assert equal(read_epoch(batches, index, first_step=2), expected)


@pytest.mark.parametrize(
    "parameters",
    [
        {"cache_megabytes": 0},
        # An image is 3 * 16 * 16 numbers and a flag, and there are ten.
        {"cache_megabytes": 7689e-6},
        {"resize": None},
    ],
    ids=str,
)
def test_without_a_cache_images_are_read_again(paths, parameters, make_batches):
    batches = make_batches(paths[:5], paths[5:], **parameters)
    read_epoch(batches)
    os.remove(paths[3])
    with pytest.raises(UnreadableImageError, match=r"3\.tif' cannot be read"):
        read_epoch(batches)


def test_a_cache_that_is_just_large_enough_is_used(paths, make_batches):
    batches = make_batches(paths[:5], paths[5:], cache_megabytes=7690e-6)
    first = read_epoch(batches)
    os.remove(paths[3])
    assert equal(read_epoch(batches), first)


def test_a_transform_that_writes_into_its_image_does_not_change_the_cache(
    paths, loader, make_batches
):
    def black(image):
        return image.zero_()

    batches = make_batches(paths, train_transform=black)
    read_epoch(batches, INDEX[:1])
    batches.dataset.transform = lambda image: image
    (inputs,) = read_epoch(batches, [torch.tensor([[0, 1]])])
    expected = torch.stack([loader(eval_transform=torch.clone).read(p) for p in paths[:2]])
    assert torch.equal(inputs, to_network(expected, CPU, torch.float32))


@pytest.mark.parametrize("n_workers", [0, 2])
def test_damaged_images_are_reported_wherever_they_are_read(
    paths, monkeypatch, n_workers, loader, make_batches, check_unreadable
):
    monkeypatch.setattr("domadapt.inputs.images.IMAGES_PER_CHUNK", 3)
    with open(paths[6], "r+b") as file:
        file.truncate(300)
    with pytest.raises(UnreadableImageError) as caught:
        list(loader(n_workers=n_workers).stream(paths, CPU, torch.float32))
    check_unreadable(caught.value, paths[6])
    batches = make_batches(paths[:5], paths[5:], n_workers=n_workers)
    with pytest.raises(UnreadableImageError) as caught:
        read_epoch(batches)
    check_unreadable(caught.value, paths[6])
    with pytest.raises(UnreadableImageError):
        batches.gather([torch.tensor([0]), torch.tensor([1])])
    # The error holds this frame, and with it the processes of the next epoch.
    del caught
    whole = [INDEX[0], torch.zeros(3, 2, dtype=torch.int64)]
    assert equal(read_epoch(batches, whole), read_epoch(make_batches(paths[:5], paths[5:]), whole))


def broken(image):
    return {}["a key that is not there"]


def test_no_process_outlives_its_batches_even_if_an_error_is_stored(
    paths, monkeypatch, loader, make_batches
):
    monkeypatch.setattr("domadapt.inputs.images.IMAGES_PER_CHUNK", 3)
    gc.collect()
    # Earlier tests may have left processes that wait for more work.
    others = set(multiprocessing.active_children())

    def workers():
        return set(multiprocessing.active_children()) - others

    # The garbage collector would stop processes that were left running.
    gc.disable()
    try:
        batches = make_batches(paths[:5], paths[5:], n_workers=2)
        read_epoch(batches)
        assert len(workers()) == 2
        del batches
        assert not workers()
        assert len(list(loader(n_workers=2).stream(paths, CPU, torch.float32))) == 4
        assert not workers()
        with open(paths[6], "r+b") as file:
            file.truncate(300)
        stored = []
        for transform, kind in ((None, UnreadableImageError), (broken, KeyError)):
            parameters = {"train_transform": transform, "eval_transform": transform}
            batches = make_batches(paths[:5], paths[5:], n_workers=2, **parameters)
            with pytest.raises(kind) as caught:
                read_epoch(batches)
            stored.append(caught)
            assert not workers()
            with pytest.raises(kind) as caught:
                list(loader(n_workers=2, **parameters).stream(paths, CPU, torch.float32))
            stored.append(caught)
            assert not workers()
        assert "in broken" in str(stored[2].value)
    finally:
        gc.enable()


def test_an_error_in_place_of_a_batch_leads_to_no_frames(paths, make_batches):
    with open(paths[6], "r+b") as file:
        file.truncate(300)
    error = make_batches(paths[:5], paths[5:]).dataset[0, 0, [[0], [1]]]
    assert isinstance(error, UnreadableImageError)
    assert error.__cause__ is not None
    assert error.__traceback__ is error.__cause__.__traceback__ is None


def test_worker_processes_do_not_stop_those_of_others(paths, capfd, make_batches):
    circles = [[make_batches(paths[:5], n_workers=2)]]
    read_epoch(circles[0][0], INDEX[:1])
    circles[0].append(circles[0])

    def collecting(image):
        circles.clear()
        gc.collect()
        return image[:, :12, :12]

    epoch = read_epoch(make_batches(paths[:5], n_workers=2, train_transform=collecting), INDEX[:1])
    assert len(epoch) == 3
    assert capfd.readouterr().err == ""
    # In this process nothing was cleared, and its workers read another epoch.
    assert equal(
        read_epoch(circles[0][0], INDEX[:1]), read_epoch(make_batches(paths[:5]), INDEX[:1])
    )
    circles[0].clear()


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
def test_wrong_results_of_a_transform_are_reported(
    paths, monkeypatch, n_workers, transform, error, message, loader, make_batches
):
    monkeypatch.setattr("domadapt.inputs.images.IMAGES_PER_CHUNK", 5)
    batches = make_batches(paths, train_transform=transform, n_workers=n_workers)
    with pytest.raises(error, match=f"^train_transform {message}") as in_training:
        read_epoch(batches, [torch.arange(10).reshape(1, 10)])
    predicting = loader(eval_transform=transform, n_workers=n_workers)
    with pytest.raises(error, match=f"^eval_transform {message}") as in_prediction:
        list(predicting.stream(paths, CPU, torch.float32))
    for caught in (in_training, in_prediction):
        assert "\n" not in str(caught.value)
    if error is TypeError:
        with pytest.raises(TypeError, match=f"^eval_transform {message}"):
            predicting.read(paths[0])


@pytest.mark.parametrize("n_workers", [0, 2])
def test_an_error_in_a_transform_keeps_its_type(paths, n_workers, make_batches):
    batches = make_batches(paths, train_transform=broken, n_workers=n_workers)
    with pytest.raises(KeyError, match="a key that is not there"):
        read_epoch(batches, INDEX[:1])


@pytest.mark.parametrize(("n_cores", "n_workers"), [(1, 1), (3, 3), (64, 8)])
def test_there_is_a_worker_for_each_available_core(monkeypatch, n_cores, n_workers, make_batches):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(n_cores)), raising=False)
    assert make_batches(np.array(["none"]), n_workers=None).n_workers == n_workers
    assert make_batches(np.array(["none"]), n_workers=5).n_workers == 5
