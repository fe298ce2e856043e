"""Equal things have the same digest or description in any process, others have different ones."""

import copy
import functools
import hashlib
import importlib
import inspect
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import sparse
from torch import nn

import domadapt
from domadapt import ImageLoader
from domadapt._storage import fingerprints
from domadapt._storage.fingerprints import (
    describe,
    digest_of,
    digest_of_array,
    digest_of_files,
    digest_of_samples,
)
from domadapt.alignment import CORAL, MMD
from domadapt.domains.samples import Samples
from domadapt.methods import METHODS

SCRIPT = '''
import enum, functools, hashlib, math
import numpy as np, torch
from torch import nn
from torchvision.transforms import v2
from domadapt import ImageLoader
from domadapt.alignment import CORAL, MMD, DeepCORAL, DomainAdversarial
from domadapt._storage.fingerprints import describe
from domadapt.nn.pretrained import load_backbone

SIZE = 3

def helper(p):
    return p in {"one", "two", "three", "four", SIZE}

def function(p, start=(1, {"a", "b", "c"}), *, stop=None):
    """Do a thing."""
    def inner(q):
        return [helper(r) for r in (p, q)]
    return sorted(inner(start), key=lambda r: -r)

class Colour(enum.Enum):
    RED = 1

class Plain:
    def __init__(self):
        self.names = {"x", "y", "z"}
        self.itself = self

class Transform(Plain):
    def __call__(self, image):
        return image * len(self.names)

torch.manual_seed(0)
values = [
    1, 1.5, True, None, "text", b"bytes", [1, (2, 3)], {"a": {"b", "c", "d", "e"}}, Colour.RED,
    np.float32(1), np.arange(5000), torch.arange(5000), torch.float32, np.log, math.sin, len,
    function, helper, lambda p: p + SIZE, functools.partial(function, stop=lambda: 3),
    Plain, Plain(), Transform(), Transform().__call__, {"a": 1}.get, np,
    nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)), nn.LazyLinear(3), load_backbone("resnet18"),
    v2.Compose([v2.RandomResizedCrop(12), v2.Lambda(lambda image: image * 2)]),
    v2.functional.hflip, ImageLoader(eval_transform=function, resize=16),
    MMD(), CORAL(), DeepCORAL(), DomainAdversarial(),
]

def lines():
    texts = [(describe(value), str(type(value))) for value in values]
    return [hashlib.sha256(text.encode()).hexdigest()[:16] + kind for text, kind in texts]
'''


def test_two_processes_return_the_same_texts(tmp_path, monkeypatch):
    pytest.importorskip("torchvision")
    (tmp_path / "described.py").write_text(SCRIPT)
    # Sets and dicts have another order there.
    other_seed = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"
    environment = os.environ | {"PYTHONHASHSEED": other_seed, "PYTHONPATH": here(tmp_path)}
    command = [sys.executable, "-c", "import described; print(*described.lines(), sep='\\n')"]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    monkeypatch.syspath_prepend(tmp_path)
    with torch.random.fork_rng():
        first = importlib.import_module("described").lines()
    monkeypatch.delitem(sys.modules, "described")
    second = process.communicate()[0].splitlines()
    assert len(first) == 36
    assert first == second
    assert len({line[:16] for line in first}) == len(first)


def here(folder):
    return os.pathsep.join([str(folder), str(Path(domadapt.__file__).parents[1])])


def linear(seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Linear(3, 2)


class Scaled(nn.Module):
    """A module whose attributes are not in its repr."""

    def __init__(self, factor, layers=()):
        super().__init__()
        self.factor, self.layers = factor, list(layers)

    def forward(self, x):
        return self.factor * x


class Doubled(Scaled):
    def forward(self, x):
        return 2 * self.factor * x


class Call:
    def __init__(self, factor):
        self.factor = factor

    def __call__(self, x):
        return self.factor * x

    def scale(self, x):
        return self.factor * x


def closure(value):
    return lambda p: (p, value)


def keyword(*, value=0.5):
    return value


def two_versions(text):
    """Define functions of one name from texts that differ in a word."""

    def define(word):
        scope = {"__name__": "script"}
        exec(text.replace("WORD", word), scope)
        return scope["f"]

    return define("1"), define("2")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (lambda p: 0.5, lambda p: 0.7),
        (lambda p: p + 1, lambda p: p - 1),
        (lambda p: (1, 2), lambda p: (1, 3)),
        (lambda p: p.min(), lambda p: p.max()),
        (lambda p: lambda: 1, lambda p: lambda: 2),
        (lambda p: p in {"a", "b"}, lambda p: p in {"a", "c"}),
        (lambda p=1: p, lambda p=2: p),
        (lambda *, p=1: p, lambda *, p=2: p),
        (closure(1), closure(2)),
        (closure([1]), closure([2])),
        (closure(np.zeros(2)), closure(np.ones(2))),
        (closure(closure(1)), closure(closure(2))),
        two_versions("N = WORD\ndef f(p):\n    return p + N"),
        two_versions("def g(p):\n    return p + WORD\ndef f(p):\n    return g(p)"),
        two_versions("N = WORD\ndef f(p):\n    return [q + N for q in p]"),
        two_versions("class f:\n    def __call__(self, p):\n        return WORD\nf = f()"),
        two_versions(
            "class f:\n    n = WORD\n    def __call__(self, p):\n        return p\nf = f()"
        ),
        (functools.partial(max, 1), functools.partial(max, 2)),
        (functools.partial(keyword, value=1), functools.partial(keyword, value=2)),
        (functools.partial(max, 1), functools.partial(min, 1)),
        (Call(1), Call(2)),
        (Call(1).scale, Call(2).scale),
        (Call(1), Call(1).scale),
        ({"a": 1}.get, {"a": 2}.get),
        (np.log, np.exp),
        (torch.sin, torch.cos),
        (linear(0), linear(1)),
        (linear(), linear().double()),
        (linear(), linear().requires_grad_(False)),
        (nn.Dropout(0.1), nn.Dropout(0.2)),
        (nn.Sequential(nn.ReLU()), nn.Sequential(nn.Tanh())),
        (nn.LazyLinear(2), nn.LazyLinear(3)),
        (Scaled(1), Scaled(2)),
        (Scaled(1), Doubled(1)),
        (Scaled(lambda x: 1), Scaled(lambda x: 2)),
        (Scaled(1, [linear(0)]), Scaled(1, [linear(1)])),
        (nn.Sequential(Scaled(1)), nn.Sequential(Scaled(2))),
        (1, 1.0),
        (1, True),
        (1, "1"),
        (0.0, -0.0),
        ([1, 2], [2, 1]),
        ({"a": 1}, {"a": 2}),
        ({1, 2}, {1, 3}),
        (torch.zeros(2), torch.zeros(2, dtype=torch.float64)),
        (np.zeros(5000), np.r_[np.zeros(2500), 1, np.zeros(2499)]),
        (torch.zeros(5000), torch.cat([torch.zeros(2500), torch.ones(1), torch.zeros(2499)])),
        (np.zeros(2), np.zeros(2, dtype=np.float32)),
        (np.zeros((2, 1)), np.zeros((1, 2))),
        (sparse.eye_array(2, 3, format="csr"), sparse.eye_array(2, 4, format="csr")),
        (ImageLoader(), ImageLoader(crop=100)),
        (ImageLoader(eval_transform=closure(1)), ImageLoader(eval_transform=closure(2))),
        (MMD(), CORAL()),
        (MMD(), MMD(bandwidth=2.0)),
        (MMD(unbiased=False), MMD(unbiased=True)),
        (linear, linear()),
    ],
)
def test_different_things_have_different_texts(one, other):
    assert describe(one) != describe(other)
    for value in (one, other):
        assert describe(value) == describe(value)
        assert " at 0x" not in describe(value)


@pytest.mark.parametrize(
    "value",
    [
        linear(),
        nn.Sequential(linear(), nn.BatchNorm1d(2), Scaled(3, [linear()])),
        ImageLoader(eval_transform=functools.partial(keyword, value=[1, {"a"}])),
        Call(np.arange(3)),
        MMD(),
        {"a": (1, [2.5, None]), "b": torch.arange(3)},
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize(
    "duplicate", [copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))]
)
def test_copies_have_the_same_text(value, duplicate):
    assert describe(duplicate(value)) == describe(value)


def test_only_what_changes_a_result_counts():
    module = nn.Sequential(linear(), nn.Dropout(0.5))
    text = describe(module)
    module.eval().register_forward_hook(lambda *_: None)
    assert describe(module) == text
    weight = nn.Parameter(torch.arange(24.0).reshape(2, 3, 2, 2))
    text = describe(weight)
    assert describe(nn.Parameter(weight.to(memory_format=torch.channels_last))) == text
    assert describe((16, 8)) == describe([16, 8])


def test_a_function_has_the_same_text_before_and_after_it_was_called():
    def function(p):
        return sum(q * 2 for q in range(p))

    text = describe(function)
    for _ in range(100):
        function(5)
    assert describe(function) == text


def test_a_function_of_numpy_has_the_same_text_once_its_signature_was_asked_for():
    function = np.frompyfunc(abs, 1, 1)
    before = describe(function)
    function.__dict__["__signature__"] = inspect.signature(abs)
    assert describe(function) == before


def test_circular_references_end():
    def forth(n):
        return back(n - 1) if n else 0

    def back(n):
        return forth(n - 1) if n else 1

    ring = [1]
    ring.append(ring)
    call = Call(1)
    call.owner = call
    module = Scaled(1)
    module.layers.append(module)
    for value in (forth, ring, call, module):
        assert describe(value).count(" again") >= 1
    late = [lambda: nothing_yet]
    assert describe(late[0]) == describe(late[0])
    nothing_yet = 1
    assert late[0]() == 1


def test_digests_of_tensors_depend_on_names_values_shapes_and_dtypes_but_not_on_layout():
    a, b = torch.arange(6.0), torch.ones(2, 3)
    digest = digest_of({"a": a, "b": b})
    assert digest == digest_of({"b": b, "a": a})
    assert digest == digest_of({"a": a.clone().requires_grad_(), "b": torch.ones(3, 2).t()})
    assert digest_of({"a": a[::6]}) == digest_of({"a": a[:1]})
    others = [
        digest,
        digest_of({"a": a, "b": b}, "text"),
        digest_of({"a": a, "c": b}),
        digest_of({"a": a.flip(0), "b": b}),
        digest_of({"a": a.reshape(2, 3), "b": b}),
        digest_of({"a": a.double(), "b": b}),
        digest_of({"a": a}),
        digest_of({}),
        digest_of({"a": torch.tensor(0.0)}),
        digest_of({"a": torch.tensor([0.0])}),
        digest_of({"a": torch.empty(0)}),
    ]
    assert len(set(others)) == len(others)
    assert digest_of({}, "text") == hashlib.sha256(b"text").hexdigest()


def test_digests_of_arrays_depend_on_values_shapes_and_dtypes_but_not_on_layout():
    X = np.arange(6.0).reshape(2, 3)
    assert digest_of_array(X) == digest_of_array(np.asfortranarray(X))
    assert digest_of_array(X[:, ::2]) == digest_of_array(X[:, ::2].copy())
    others = [X, X + 1, X.T, X.ravel(), X.astype(np.float32), X.astype(int), X[:0]]
    others += [np.array(["a", "b"]), np.array(["a", "b"], dtype=object), np.array(["a", "c"])]
    others += [sparse.csr_array(X), sparse.csr_array(X + 1), sparse.csr_array(np.c_[X, [0, 0]])]
    assert len({digest_of_array(array) for array in others}) == len(others)


def test_only_the_selected_samples_count():
    X = np.arange(6.0).reshape(3, 2)
    assert digest_of_samples(Samples(X, np.array([2, 0]))) == digest_of_samples(Samples(X[[2, 0]]))
    assert digest_of_samples(Samples(X)) != digest_of_samples(Samples(X, np.array([0, 2, 1])))


@pytest.mark.parametrize("order", ["C", "F"])
def test_samples_in_blocks_have_the_digest_of_their_array(order, monkeypatch):
    X = np.array(np.random.default_rng(0).normal(size=(7, 3, 2)), order=order)
    rows = np.array([5, 0, 3, 3, 6])
    expected = [digest_of_array(X), digest_of_array(X[rows])]
    monkeypatch.setattr(fingerprints, "BLOCK", 2 * X[0].nbytes)
    assert [digest_of_samples(Samples(X)), digest_of_samples(Samples(X, rows))] == expected


def write_files(folder, *contents):
    """Write contents to files of the same time, whose names are in reverse order."""
    folder.mkdir(exist_ok=True)
    paths = [folder / f"{number}.bin" for number in range(len(contents), 0, -1)]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
        os.utime(path, ns=(10**18, 10**18))
    return paths


def test_paths_count_by_name_size_and_time(tmp_path):
    paths = write_files(tmp_path, b"text", b"text")
    samples = Samples(np.array([str(path) for path in paths]))
    digest = digest_of_samples(samples)
    write_files(tmp_path, b"four", b"text")
    assert digest_of_samples(samples) == digest
    assert digest_of_samples(Samples(samples.X[::-1])) != digest
    assert digest_of_samples(Samples(samples.X, np.array([0]))) != digest
    os.utime(paths[0], ns=(10**18, 10**18 + 1000))
    assert digest_of_samples(samples) != digest
    write_files(tmp_path, b"longer", b"text")
    assert digest_of_samples(samples) != digest


def test_files_count_by_content_and_order_and_by_nothing_else(tmp_path):
    large = bytes(range(256)) * 4096
    paths = write_files(tmp_path / "one", b"text", large)
    digest = digest_of_files(paths)
    assert digest_of_files(map(str, paths)) == digest
    others = write_files(tmp_path / "two", b"another file", b"text", large)[1:]
    os.utime(others[0])
    assert [path.name for path in others] == [path.name for path in paths]
    moved = [path.rename(path.with_suffix(".moved")) for path in others]
    assert digest_of_files(moved) == digest
    write_files(tmp_path / "one", b"four", large)
    different = [digest, digest_of_files(paths), digest_of_files(moved[::-1])]
    for contents in (
        [b"text"],
        [b"text", large, b""],
        [b"text" + large],
        [b"tex", b"t" + large],
        [b"text", large[:-1] + b"\0"],
        [],
    ):
        different.append(digest_of_files(write_files(tmp_path / "three", *contents)))
    assert len(set(different)) == len(different)
    paths[0].unlink()
    with pytest.raises(FileNotFoundError):
        digest_of_files(paths)


CRITERIA = {
    name: criteria
    for name, method in METHODS.items()
    if (criteria := method.classes or method.values) is not None
}


@pytest.mark.parametrize("name", CRITERIA)
def test_criteria_with_the_same_parameters_have_the_same_text(name):
    # Lazy layers among them are numbered through the process.
    first, second = (CRITERIA[name]() for _ in range(2))
    assert describe(first) == describe(second)
