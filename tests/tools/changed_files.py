"""Files changed at random: bytes, entries of JSON, tensors. Digests agree where they can."""

import json
import random

import torch

from domadapt._storage.files import read_tensors, write_tensors

ODD = [
    None,
    True,
    -1,
    0,
    1.5,
    10**6,
    2**63,
    10**400,
    float("nan"),
    float("inf"),
    "",
    "resnet18",
    "no such thing",
    "x" * 10_000,
    [],
    [[]],
    [10**9, 10**9],
    {},
    {"tuple": [1, 2]},
    {"backbone": {"name": "vit_h_14", "pretrained": True, "transform_input": None}},
    {"criterion": ["MMD", {"bandwidth": "x"}]},
]


def change_json(value, rng):
    """Return JSON with one entry changed, removed, repeated or added somewhere."""
    if isinstance(value, dict) and value and rng.random() < 0.85:
        key = rng.choice(sorted(value))
        action = rng.random()
        if action < 0.1:
            return {name: entry for name, entry in value.items() if name != key}
        if action < 0.2:
            return {**value, rng.choice(["another", "__class__", key + "_"]): rng.choice(ODD)}
        return {**value, key: change_json(value[key], rng)}
    if isinstance(value, list) and value and rng.random() < 0.85:
        at = rng.randrange(len(value))
        action = rng.random()
        if action < 0.1:
            return value[:at] + value[at + 1 :]
        if action < 0.2:
            return [*value, value[at]]
        return [*value[:at], change_json(value[at], rng), *value[at + 1 :]]
    return rng.choice(ODD)


def change_tensors(tensors, rng):
    """Return tensors with one of them removed, renamed, of another shape, dtype or content."""
    name = rng.choice(sorted(tensors))
    tensor = tensors[name]
    changes = [
        None,
        tensor.flatten()[:-1],
        tensor[None],
        tensor.double() if tensor.is_floating_point() else tensor.float(),
        tensor.half(),
        torch.full_like(tensor, 3),
        torch.full(tensor.shape, torch.nan),
        -tensor if tensor.dtype != torch.bool else tensor,
        torch.zeros(0),
    ]
    changed = rng.choice(changes)
    others = {key: value for key, value in tensors.items() if key != name}
    if changed is None:
        return others
    return {**others, rng.choice([name, name, name, f"{name}.more"]): changed.contiguous()}


def change_bytes(raw, rng):
    """Return bytes with some of them flipped, cut off, repeated or put in."""
    at = rng.randrange(len(raw) + 1)
    action = rng.randrange(4)
    if action == 0:
        return raw[:at]
    if action == 1:
        return raw[:at] + rng.randbytes(rng.randrange(1, 40)) + raw[at:]
    if action == 2:
        return raw + raw[at:]
    changed = bytearray(raw)
    for _ in range(rng.randrange(1, 5)):
        changed[rng.randrange(len(changed))] ^= rng.randrange(1, 256)
    return bytes(changed)


def change_tensor_file(source, path, kind, seed):
    """Write a changed copy of a file of tensors."""
    rng = random.Random(seed)
    if rng.random() < 0.25:
        path.write_bytes(change_bytes(source.read_bytes(), rng))
        return
    tensors, info = read_tensors(source, kind=kind)
    for _ in range(rng.choice([1, 1, 2])):
        if rng.random() < 0.6:
            info = change_json(info, rng)
        else:
            tensors = change_tensors(tensors, rng)
    write_tensors(path, tensors, info, kind=kind)


def change_json_file(source, path, seed):
    """Write a changed copy of a JSON file."""
    rng = random.Random(seed)
    raw = source.read_bytes()
    if rng.random() < 0.25:
        path.write_bytes(change_bytes(raw, rng))
        return
    value = json.loads(raw)
    for _ in range(rng.choice([1, 1, 2])):
        value = change_json(value, rng)
    path.write_text(json.dumps(value))
