"""Loaders and generators that return plain arrays."""

from domadapt.datasets._camera_digits import load_camera_digits

__all__ = ["load_camera_digits"]
