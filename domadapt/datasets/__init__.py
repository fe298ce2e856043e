"""Loaders and generators that return plain arrays."""

from domadapt.datasets._camera_digits import load_camera_digits
from domadapt.datasets._folders import (
    load_features,
    load_image_folder,
    load_office31,
    load_office_caltech10,
    load_office_home,
)

__all__ = [
    "load_camera_digits",
    "load_features",
    "load_image_folder",
    "load_office31",
    "load_office_caltech10",
    "load_office_home",
]
