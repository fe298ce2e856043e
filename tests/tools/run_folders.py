"""Folders of runs that were never run, and their report pages, for the tests of reports."""

import itertools
import json
from html.parser import HTMLParser

import pytest

from domadapt.experiments.report import write_report

DOMAINS = ["amazon", "dslr", "webcam"]
METHODS = ["source", "dan", "magic"]
SETTINGS = {
    "format": 1,
    "version": "0.1.0",
    "dataset": "office31",
    "domains": DOMAINS,
    "n_columns": None,
    "methods": METHODS,
    "backbone": "resnet50",
    "weights": None,
    "freeze": False,
    "epochs": 3,
    "seeds": 2,
    "pairs": [list(pair) for pair in itertools.permutations(DOMAINS, 2)],
    "precision": "float32",
    "image_size": 224,
}
VOID = {"meta", "br", "img", "hr", "link", "input"}


def make_result(source, target, method, seed):
    accuracy = 60.0 + 5 * METHODS.index(method) + seed if method in METHODS else 50.0
    return {
        "source": source,
        "target": target,
        "method": method,
        "seed": seed,
        "accuracy": accuracy,
        "best_accuracy_by_target_labels": accuracy + 1,
    }


def make_details(source, target, method, seed):
    return {
        "source": source,
        "target": target,
        "method": method,
        "seed": seed,
        "history": {
            "task_loss": [2.0, 1.0, 0.5 + seed],
            "alignment_loss": [0.0] * 3 if method == "source" else [0.2, -0.4, 0.1 + seed],
        },
        "target_accuracy": [40.0, 50.0, 60.0 + seed],
        # One point more with each seed, so that the maps of the seeds can be told apart.
        "map": {
            "projection": "PCA",
            "n_features": 256,
            "x": [0.0, 1.0, 2.0] + seed * [3.0],
            "y": [1, 0, 1] + seed * [0],
            "is_target": [False, True, True] + seed * [True],
            "label": [0, 1, 1] + seed * [0],
        },
        "class_names": ["bike", "mug"],
    }


def make_run(folder, **changes):
    """Write the folder of a finished run, with settings of its own."""
    settings = SETTINGS | changes
    (folder / "cells").mkdir(parents=True)
    keys = [
        (*pair, method, seed)
        for pair, method, seed in itertools.product(
            settings["pairs"], settings["methods"], range(settings["seeds"])
        )
    ]
    (folder / "settings.json").write_text(json.dumps(settings))
    (folder / "results.json").write_text(json.dumps([make_result(*key) for key in keys]))
    for number, key in enumerate(keys):
        (folder / "cells" / f"{number}.json").write_text(json.dumps(make_details(*key)))
    return folder


class Page(HTMLParser):
    """The elements of a page, with each closed in the order in which it was opened."""

    def __init__(self, text):
        super().__init__()
        self.open, self.elements, self.words = [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.words.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]

    def drawings(self):
        """Return what the drawings say in place of themselves."""
        return [attrs["aria-label"] for attrs in self.all("svg") if attrs.get("role") == "img"]

    @property
    def text(self):
        return " ".join("".join(self.words).split())


def change_cells(folder, change):
    """Apply a function to the file of every cell."""
    for path in (folder / "cells").iterdir():
        path.write_text(json.dumps(change(json.loads(path.read_text()))))


def page_of(folder):
    """Write the report of a folder and read its page."""
    pytest.importorskip("matplotlib")
    write_report(folder)
    page = Page((folder / "report.html").read_text())
    assert page.open == []
    return page
