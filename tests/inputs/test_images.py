"""The loader of images: what it reads for prediction and for training."""

import numpy as np
import pytest
import torch

from domadapt.inputs.decoding import decode, to_network

v2 = pytest.importorskip("torchvision.transforms.v2")

CPU = torch.device("cpu")


def test_prediction_takes_the_centre_of_the_square(tmp_path, picture, loader):
    path = tmp_path / "image.png"
    picture(size=(40, 20)).save(path)
    image = loader().read(path)
    square = v2.functional.resize(decode(str(path)), [16, 16], antialias=True)
    assert torch.equal(image, square[:, 2:14, 2:14])
    (inputs,) = loader().stream(np.array([str(path)]), CPU, torch.float32)
    assert torch.equal(inputs, to_network(image[None], CPU, torch.float32))
    whole = loader(resize=None, crop=20).read(path)
    assert torch.equal(whole, decode(str(path))[:, :, 10:30])


def test_one_image_can_be_read_as_in_training(paths, loader):
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
def test_images_of_prediction_come_in_order(paths, monkeypatch, n_workers, loader):
    monkeypatch.setattr("domadapt.inputs.images.IMAGES_PER_CHUNK", 2)
    chunks = list(loader(n_workers=n_workers).stream(paths[:9], CPU, torch.float32))
    assert [len(chunk) for chunk in chunks] == [2, 2, 2, 2, 1]
    one_by_one = [loader().read(path) for path in paths[:9]]
    assert torch.equal(torch.cat(chunks), to_network(torch.stack(one_by_one), CPU, torch.float32))


@pytest.mark.parametrize("n_workers", [0, 2])
def test_readable_images_are_found_in_order(paths, monkeypatch, n_workers, loader):
    monkeypatch.setattr("domadapt.inputs.images.IMAGES_PER_CHUNK", 3)
    for row in (1, 5, 9):
        with open(paths[row], "wb") as file:
            file.write(b"no image")
    readable = loader(n_workers=n_workers).find_readable(paths)
    assert readable.dtype == bool
    assert np.flatnonzero(~readable).tolist() == [1, 5, 9]


def test_a_crop_larger_than_the_square_is_refused(paths, loader):
    with pytest.raises(ValueError, match=r"crop=17 is larger than resize=16"):
        loader(crop=17).read(paths[0])
    assert loader(crop=16).read(paths[0]).shape == (3, 16, 16)
    own = loader(crop=17, eval_transform=v2.CenterCrop(8))
    assert own.read(paths[0]).shape == (3, 8, 8)


def test_the_description_identifies_the_processing_in_prediction(loader):
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
