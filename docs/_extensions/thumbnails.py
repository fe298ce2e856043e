"""Thumbnails of the gallery with few colours: forty of them stand on one page."""

from pathlib import Path

from PIL import Image

COLOURS = 48


def make_small(app, *_):
    """Write each thumbnail anew with few colours; one that has them stays as it is."""
    for path in Path(app.srcdir, "gallery").rglob("thumb/*.png"):
        with Image.open(path) as image:
            if image.mode != "P":
                image.convert("RGB").quantize(COLOURS).save(path, optimize=True)


def setup(app):
    """Follow the gallery, which is written when the builder begins."""
    app.connect("env-before-read-docs", make_small)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
