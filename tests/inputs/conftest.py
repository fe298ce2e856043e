"""Photographs in files and loaders of them."""

import numpy as np
import pytest
from PIL import Image

from domadapt import ImageLoader, UnreadableImageError

FORMATS = ["png", "jpg", "bmp", "tif", "webp"]


@pytest.fixture(scope="session")
def picture():
    """Build a substitute of a photograph: smooth noise, which JPEG preserves."""

    def build(seed=0, size=(40, 40)):
        rng = np.random.default_rng(seed)
        noise = Image.fromarray(rng.integers(0, 256, (5, 5, 3), dtype=np.uint8))
        return noise.resize(size, Image.Resampling.BICUBIC)

    return build


@pytest.fixture
def paths(tmp_path, picture):
    """Ten images in five formats."""
    files = [tmp_path / f"{n}.{FORMATS[n % 5]}" for n in range(10)]
    for n, path in enumerate(files):
        picture(n).save(path)
    return np.array([str(path) for path in files])


@pytest.fixture(scope="session")
def loader():
    """Build a loader of small images without worker processes."""

    def build(**parameters):
        return ImageLoader(**{"resize": 16, "crop": 12, "n_workers": 0, **parameters})

    return build


@pytest.fixture(scope="session")
def check_unreadable():
    """Check that an error is one line that names the file."""

    def check(error, path):
        assert type(error) is UnreadableImageError
        assert str(error).startswith(f"The image {str(path)!r} cannot be read: ")
        assert "\n" not in str(error)
        assert "Traceback" not in str(error)
        assert "unreadable='skip'" in str(error)

    return check
