"""Small files that claim enormous networks: refused before any of it is built."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from domadapt._storage.files import read_tensors, write_tensors

SCRIPT = Path(__file__).parent / "load_in_little_memory.py"
ALL = 20_000


def model(name):
    return {"backbone": {"name": name, "pretrained": False, "transform_input": None}}


CLAIMS = {
    "wide layers": {"parameters": {"hidden_layer_sizes": {"tuple": [ALL, ALL]}}},
    "many layers": {"parameters": {"hidden_layer_sizes": {"tuple": [8] * 5_000}}},
    "a wide layer beyond numbers": {"parameters": {"hidden_layer_sizes": 10**30}},
    "many columns": {"input_shape": [10**8]},
    "a large image": {"input_shape": [3, 10**6, 10**6]},
    "wide labels": {
        "predicts": {"classes": {"dtype": "<U100000000", "values": ["a", "b", "c"]}},
    },
    "a large model": {"input_shape": [3, 224, 224], "parameters": {"backbone": model("vit_h_14")}},
    "another": {"input_shape": [3, 64, 64], "parameters": {"backbone": model("regnet_y_128gf")}},
    "sizes that a model refuses": {
        "input_shape": [3, 64, 64],
        "parameters": {"backbone": model("vit_b_16")},
    },
    "a frozen model": {
        "input_shape": [3, 32, 32],
        "parameters": {"backbone": model("resnet18"), "freeze": True},
    },
}


@pytest.fixture
def claims(fitted, file):
    """Write one file for each claim, the first of them as it should be."""
    fitted.save(file)
    files = [file]
    for number, changes in enumerate(CLAIMS.values()):
        tensors, info = read_tensors(file, kind="model")
        for name, value in changes.items():
            if name == "parameters":
                info[name] |= value
            else:
                info[name] = value
        files.append(file.with_name(f"{number}.safetensors"))
        write_tensors(files[-1], tensors, info, kind="model")
    return files


@pytest.mark.skipif(sys.platform != "linux", reason="limits the memory of a process as Linux does")
def test_what_a_small_file_claims_is_not_built(claims):
    done = subprocess.run(
        [sys.executable, SCRIPT, *claims], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    messages = done.stdout.splitlines()
    assert len(messages) == len(CLAIMS)
    for claim, message in zip(CLAIMS, messages, strict=True):
        assert "does not fit together" in message, claim
        assert "memory" not in message, claim
    assert np.mean(["weights of another network" in message for message in messages]) >= 0.5
