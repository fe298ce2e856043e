"""The two domains of digits."""

import numpy as np
from sklearn.datasets import load_digits

from domadapt.datasets import load_camera_digits


def test_source_and_target_are_disjoint_halves_of_scikit_learn_s_digits():
    data = load_camera_digits(random_state=0)
    digits = load_digits()
    assert data.X_source.shape == (898, 64)
    assert data.X_target.shape == (899, 64)
    labels = np.concatenate([data.y_source, data.y_target])
    np.testing.assert_array_equal(np.bincount(labels), np.bincount(digits.target))
    clean = {row.tobytes() for row in (digits.data / 16).astype(np.float32)}
    assert all(row.tobytes() in clean for row in data.X_source)
    assert not any(row.tobytes() in clean for row in data.X_target)


def test_the_camera_halves_the_contrast_of_the_ink():
    data = load_camera_digits(random_state=0)
    assert data.X_source.dtype == data.X_target.dtype == np.float32
    assert 0 <= data.X_target.min() <= data.X_target.max() <= 1
    # The contrast of the ink: the range of the mean digit.
    by_digit = [
        np.mean([X[y == k].mean(0) for k in range(10)], axis=0)
        for X, y in ((data.X_source, data.y_source), (data.X_target, data.y_target))
    ]
    assert 0.3 < np.ptp(by_digit[1]) / np.ptp(by_digit[0]) < 0.6


def test_random_state_determines_the_target():
    first, again, other = (load_camera_digits(random_state=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.X_target, again.X_target)
    assert not np.array_equal(first.X_target, other.X_target)
