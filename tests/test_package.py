"""What the package exports, and what importing it does not do."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler

import domadapt
import domadapt.alignment
import domadapt.datasets
import domadapt.inductive
import domadapt.methods
import domadapt.model_selection
import domadapt.nn
import domadapt.plotting
import domadapt.shallow
import domadapt.training
from domadapt import AlignmentClassifier, DANClassifier, DeepCORALClassifier

ROOT = Path(domadapt.__file__).parent.parent
# docs/api is written from the same names when the site is built.
PAGES = [*(ROOT / "docs").glob("*.md"), *(ROOT / "docs" / "methods").glob("*.md")]
MODULES = [
    domadapt,
    domadapt.alignment,
    domadapt.datasets,
    domadapt.inductive,
    domadapt.methods,
    domadapt.model_selection,
    domadapt.nn,
    domadapt.plotting,
    domadapt.shallow,
    domadapt.training,
]


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_every_public_name_is_there_and_in_the_docs(module):
    docs = "\n".join(page.read_text() for page in PAGES)
    for name in module.__all__:
        assert getattr(module, name).__doc__, name
        assert re.search(rf"\b{name}\b", docs), f"{name} is in no page of docs/"


def test_importing_changes_no_configuration_and_takes_nothing_heavy():
    program = (
        "import sys, warnings, sklearn, torch, sklearn.base;"
        "configuration, there = sklearn.get_config(), set(sys.modules);"
        "warnings.simplefilter('error'); import domadapt;"
        "assert sklearn.get_config() == configuration;"
        "heavy = {'matplotlib', 'torchvision', 'pandas', 'ot', 'sklearn.datasets'};"
        "taken = heavy & (set(sys.modules) - there);"
        "assert not taken, taken"
    )
    subprocess.run([sys.executable, "-c", program], check=True, env=os.environ)


def load(path):
    with np.load(path) as data:
        return StandardScaler().fit_transform(data["X"].astype(np.float32)), data["y"]


@pytest.mark.data
@pytest.mark.parametrize(
    "estimator", [DANClassifier, pytest.param(DeepCORALClassifier, marks=pytest.mark.many)]
)
def test_adaptation_helps_from_usps_to_mnist(data_folder, estimator):
    Xs, ys = load(data_folder / "mnist_usps" / "usps.npz")
    Xt, yt = load(data_folder / "mnist_usps" / "mnist.npz")
    alone = AlignmentClassifier(None, random_state=0).fit(Xs, ys)
    adapted = estimator(random_state=0).fit(Xs, ys, X_target=Xt)
    assert adapted.score(Xt, yt) > alone.score(Xt, yt) + 0.05


def test_what_is_cited_is_this_version():
    for path in ("CITATION.cff", "docs/citing.md"):
        text = (ROOT / path).read_text()
        (version,) = re.findall(r"version\W+([\d.]+)", text.partition("cff-version")[2][9:] or text)
        assert version == domadapt.__version__, path
