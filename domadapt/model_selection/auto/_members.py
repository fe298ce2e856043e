"""Fitted members of the automatic choice as tensors and JSON, and back."""

import hashlib
from pathlib import Path

import numpy as np
import torch

from domadapt._storage.files import read_tensors, write_tensors
from domadapt._storage.fingerprints import describe, digest_of, digest_of_array
from domadapt._storage.objects import encode_object, restore_object
from domadapt.estimators._building import read_estimator
from domadapt.model_selection.auto._candidates import Candidate
from domadapt.model_selection.auto._training import Trained, is_deep

KIND = "candidate"


def encode_member(estimator):
    """Return the tensors of a fitted estimator, and what JSON holds of it.

    Raises
    ------
    TypeError
        If it holds objects of others than scikit-learn, numpy, scipy and domadapt.
    """
    if is_deep(estimator):
        return estimator._to_file()
    return {"object": encode_object(estimator)}, {"class": "object"}


def restore_member(path, tensors, info):
    """Return the fitted estimator that :func:`encode_member` was called on."""
    if info["class"] == "object":
        return restore_object(tensors["object"])
    return read_estimator(path, tensors, info, {})


def describe_member(member):
    """Return what JSON holds of a member beside its estimator."""
    candidate = member.candidate
    return {
        "name": candidate.name,
        "is_plain": candidate.is_plain,
        "is_scaled": candidate.is_scaled,
        "temperature": member.temperature,
    }


def restore_members(path, tensors, about):
    """Return the members that a file describes, None where it kept none."""
    if about is None:
        return None
    members = []
    for place, one in enumerate(about):
        start = f"{place}."
        own = {n.removeprefix(start): t for n, t in tensors.items() if n.startswith(start)}
        fitted = restore_member(path, own, one["info"])
        candidate = Candidate(one["name"], None, one["is_plain"], one["is_scaled"])
        members.append(Trained(candidate, fitted, temperature=one["temperature"]))
    return members


def fingerprint_of(data):
    """Return a text of the samples that candidates are fitted to."""
    arrays = (data.X, data.X_target, data.y, data.sample_weight, data.source_domain, data.kept)
    return digest_of({}, describe([None if a is None else digest_of_array(a) for a in arrays]))


class Stored:
    """A folder with one file for each candidate that was fitted, for a search to resume from."""

    def __init__(self, folder, fingerprint):
        self.folder, self.fingerprint = Path(folder), fingerprint

    @property
    def is_here(self):
        """Whether this machine has the folder."""
        return self.folder.is_dir()

    def _path(self, candidate):
        parts = [self.fingerprint, candidate.name, describe(candidate.estimator)]
        if candidate.y_target is not None:
            parts.append(digest_of_array(candidate.y_target))
        name = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]
        return self.folder / f"{name}.safetensors"

    def read(self, candidate):
        """Return the candidate as it was after its fit, or None where there is no such file."""
        path = self._path(candidate)
        if not path.is_file():
            return None
        tensors, info = read_tensors(path, kind=KIND)
        member = {
            n.removeprefix("member."): t for n, t in tensors.items() if n.startswith("member.")
        }
        held_back = tensors.get("held_back")
        return Trained(
            candidate,
            restore_member(path, member, info["member"]),
            tensors["answers"].numpy(),
            None if held_back is None else held_back.numpy(),
            info["temperature"],
            info["seconds"],
        )

    def write(self, trained):
        """Write a candidate after its fit, once; one that no file can hold is fitted again."""
        path = self._path(trained.candidate)
        if path.is_file():
            return
        try:
            member, info = encode_member(trained.estimator)
        except TypeError:
            return
        tensors = {f"member.{name}": tensor for name, tensor in member.items()}
        tensors["answers"] = torch.from_numpy(np.ascontiguousarray(trained.answers))
        if trained.held_back is not None:
            tensors["held_back"] = torch.from_numpy(np.ascontiguousarray(trained.held_back))
        about = {"member": info, "temperature": trained.temperature, "seconds": trained.seconds}
        write_tensors(path, tensors, about, kind=KIND)
