"""Two domains of handwritten digits: clean scans, and photographs of a poor camera."""

import numpy as np
from scipy import ndimage
from sklearn.datasets import load_digits, load_sample_images
from sklearn.utils import Bunch, check_random_state

ROTATION_DEGREES = 15.0
BLUR_PIXELS = 0.5
CONTRAST = 0.5


def load_camera_digits(*, random_state=None):
    """Load two domains of 8 x 8 digits: clean scans and poor photographs of other digits.

    Both domains come from :func:`sklearn.datasets.load_digits`, so nothing is
    downloaded. Its 1797 digits are split into two disjoint halves. One half is the
    source, unchanged. The digits of the other half are rotated by about 15 degrees,
    blurred, reduced to half the contrast and laid over patches of scikit-learn's two
    sample photographs: they are the target.

    Parameters
    ----------
    random_state : int, RandomState instance or None, default=None
        Seeds the split, the angles and the patches.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        Dictionary-like object with

        X_source : ndarray of shape (898, 64), float32
            Clean digits, the pixels row by row, grey levels from 0 to 1.
        y_source : ndarray of shape (898,), int64
            The digits, 0 to 9.
        X_target : ndarray of shape (899, 64), float32
            Photographed digits, grey levels from 0 to 1.
        y_target : ndarray of shape (899,), int64
            Their labels, for evaluation only.

    Notes
    -----
    The sample photographs need Pillow, which the extras ``plot`` and ``vision`` install.

    Examples
    --------
    >>> from domadapt.datasets import load_camera_digits
    >>> data = load_camera_digits(random_state=0)
    >>> data.X_source.shape, data.X_target.shape
    ((898, 64), (899, 64))
    """
    rng = check_random_state(random_state)
    digits = load_digits()
    images = digits.images / 16.0
    order = rng.permutation(len(images))
    source, target = np.split(order, [len(images) // 2])
    photographs = [photo.mean(axis=2) / 255.0 for photo in load_sample_images().images]
    photographed = np.stack([_photograph(image, photographs, rng) for image in images[target]])
    return Bunch(
        X_source=images[source].reshape(len(source), -1).astype(np.float32),
        y_source=digits.target[source].astype(np.int64),
        X_target=photographed.reshape(len(target), -1).astype(np.float32),
        y_target=digits.target[target].astype(np.int64),
    )


def _photograph(image, photographs, rng):
    """Rotate, blur and fade one digit, and lay it over a random patch of a photograph."""
    angle = rng.normal(ROTATION_DEGREES, ROTATION_DEGREES / 5)
    ink = ndimage.rotate(image, angle, reshape=False, order=1)
    ink = np.clip(ndimage.gaussian_filter(ink, BLUR_PIXELS), 0.0, 1.0)
    photo = photographs[rng.randint(len(photographs))]
    height, width = image.shape
    top = rng.randint(photo.shape[0] - height)
    left = rng.randint(photo.shape[1] - width)
    patch = photo[top : top + height, left : left + width]
    return CONTRAST * ink + (1.0 - CONTRAST) * patch
