"""Prepared images kept in a folder, one file for each, and found again by what they came from."""

import hashlib
import os
from multiprocessing import get_all_start_methods, get_context
from pathlib import Path

from domadapt._storage.files import read_tensors, write_tensors
from domadapt.domains.cautions import warn


def can_fork():
    """Return whether processes can be forked, so that workers share the memory of this one."""
    return "fork" in get_all_start_methods()


class KeptImages:
    """Images that were decoded and resized once, in a folder.

    A file is named after the path of the image and the square, and says of what size and time
    the image was. It is written as a whole or not at all, so that several processes may share
    the folder, and an image that has changed since is prepared anew.

    Parameters
    ----------
    folder : str or path
        Made where it is not there.
    """

    def __init__(self, folder):
        self.folder = Path(folder)
        # Whether writing has failed, shared with worker processes: one of them warns, once.
        self.has_failed = get_context("fork" if can_fork() else None).Value("b", False)

    def get(self, path, resize, prepare):
        """Return a kept image, or what ``prepare`` returns for the path, which is then kept."""
        try:
            state = os.stat(path)
        except OSError:
            return prepare(path)
        info = {"size": state.st_size, "time": state.st_mtime_ns}
        text = f"{resize} {os.path.abspath(path)}"
        name = hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:32]
        # Folders of many thousands of files are slow to work in.
        file = self.folder / name[:2] / f"{name}.safetensors"
        kept = _read(file, info)
        if kept is not None:
            return kept
        image = prepare(path)
        if not self.has_failed.value:
            self._write(file, image, info)
        return image

    def _write(self, file, image, info):
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            write_tensors(file, {"image": image}, info, kind="image")
        except OSError as error:
            with self.has_failed.get_lock():
                is_first, self.has_failed.value = not self.has_failed.value, True
            if is_first:
                warn(
                    f"cache_folder={str(self.folder)!r} takes no more images ({error.strerror}). "
                    "Those that are not in it are decoded every time."
                )


def _read(file, info):
    """Return the image of a file, or None where there is none of an image in this state."""
    try:
        tensors, found = read_tensors(file, kind="image")
    except (OSError, ValueError):
        return None
    return tensors["image"] if found == info else None
