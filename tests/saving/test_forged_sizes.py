"""Small files that claim enormous networks: refused before any of it is built."""

import sys
from pathlib import Path

import pytest

import domadapt
from domadapt._storage.files import read_tensors, write_tensors

ALL = 20_000
SPARE = 2**28


def model(name):
    return {"backbone": {"name": name, "pretrained": False, "transform_input": None}}


OTHER_WEIGHTS = "weights of another network"
# What a file claims, and what is said of it.
CLAIMS = {
    "wide layers": (
        {"parameters": {"hidden_layer_sizes": {"tuple": [ALL, ALL]}}},
        OTHER_WEIGHTS,
    ),
    "many layers": (
        {"parameters": {"hidden_layer_sizes": {"tuple": [8] * 5_000}}},
        "5000 layers, and 13 tensors",
    ),
    "a layer beyond numbers": ({"parameters": {"hidden_layer_sizes": 10**30}}, "Overflow"),
    "many columns": ({"input_shape": [10**8]}, "samples of shape"),
    "a large image": ({"input_shape": [3, 10**6, 10**6]}, "samples of shape"),
    "wide labels": (
        {"predicts": {"classes": {"dtype": "<U100000000", "values": ["a", "b", "c"]}}},
        "3 labels of the kind",
    ),
    "a large model": (
        {"input_shape": [3, 224, 224], "parameters": {"backbone": model("vit_h_14")}},
        OTHER_WEIGHTS,
    ),
    "another": (
        {"input_shape": [3, 64, 64], "parameters": {"backbone": model("regnet_y_128gf")}},
        OTHER_WEIGHTS,
    ),
    "sizes that a model refuses": (
        {"input_shape": [3, 64, 64], "parameters": {"backbone": model("vit_b_16")}},
        "Wrong image height",
    ),
    "a frozen model": (
        {
            "input_shape": [3, 32, 32],
            "parameters": {"backbone": model("resnet18"), "freeze": True},
        },
        OTHER_WEIGHTS,
    ),
}


@pytest.fixture
def claims(fitted, file):
    """Write one file for each claim, the first of them as it should be."""
    fitted.save(file)
    files = [file]
    for number, (changes, _) in enumerate(CLAIMS.values()):
        tensors, info = read_tensors(file, kind="model")
        for name, value in changes.items():
            if name == "parameters":
                info[name] |= value
            else:
                info[name] = value
        files.append(file.with_name(f"{number}.safetensors"))
        write_tensors(files[-1], tensors, info, kind="model")
    return files


def load_in_little_memory(first, *others):
    """Load a model, then others with little memory to spare, and print why these are refused."""
    import resource

    import torchvision  # noqa: F401  Its own memory is not what is looked at.

    domadapt.load(first)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + SPARE, used + SPARE))
    for path in others:
        try:
            domadapt.load(path)
        except ValueError as error:
            print(str(error))
        else:
            print("it was built")


@pytest.mark.skipif(sys.platform != "linux", reason="limits the memory of a process as Linux does")
def test_what_a_small_file_claims_is_not_built(claims, untrained_fork):
    status, printed = untrained_fork.run(load_in_little_memory, *claims)
    assert status == 0, printed
    messages = printed.splitlines()
    assert len(messages) == len(CLAIMS)
    for (claim, (_, told)), message in zip(CLAIMS.items(), messages, strict=True):
        assert "does not fit together" in message, claim
        assert told in message, claim
        assert "memory" not in message, claim
