"""The house: which room may import which, and how large a room may be."""

import ast
import functools
from graphlib import TopologicalSorter
from pathlib import Path

import domadapt

ROOT = Path(domadapt.__file__).parent
# From the highest floor to the ground: a room imports its own files and what is below.
FLOORS = (
    "cli",
    "experiments",
    "plotting",
    "saving",
    "model_selection",
    "inductive",
    "shallow",
    "estimators",
    "methods",
    "training",
    "alignment",
    "inputs",
    "domains",
    "nn",
    "datasets",
    "_storage",
)
LARGEST = 400
FILES = sorted(ROOT.rglob("*.py"))


def module_of(path):
    parts = ("domadapt", *path.relative_to(ROOT).with_suffix("").parts)
    return ".".join(parts).removesuffix(".__init__")


MODULES = {module_of(path): path for path in FILES}


@functools.cache
def imported(path, *, within_functions):
    """Return the modules of the package that a file imports."""
    tree = ast.parse(path.read_text())
    inner = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        for node in ast.walk(function)
    }
    found = set()
    for node in ast.walk(tree):
        if (id(node) in inner) != within_functions:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            assert node.level == 0, "imports name the package"
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in MODULES else node.module for name in names}
    return {name for name in found if name in MODULES and name != "domadapt"}


def room_of(module):
    return module.split(".")[1]


def test_the_rooms_are_those_of_the_house():
    there = {path.stem if path.is_file() else path.name for path in ROOT.iterdir()}
    files = {"__init__", "__main__", "__pycache__", "py"}
    assert there - files == set(FLOORS)


def test_imports_run_downwards_only():
    upwards = []
    for module in MODULES.keys() - {"domadapt", "domadapt.__main__"}:
        floor = FLOORS.index(room_of(module))
        for within_functions in (False, True):
            for other in imported(MODULES[module], within_functions=within_functions):
                if FLOORS.index(room_of(other)) < floor:
                    upwards.append(f"{module} imports {other}")
    assert upwards == []


def test_no_file_imports_itself_round_a_circle():
    # The face of a package imports its files, and these name the package.
    files = {module: path for module, path in MODULES.items() if path.name != "__init__.py"}
    graph = {
        module: imported(path, within_functions=False) & files.keys()
        for module, path in files.items()
    }
    assert len(list(TopologicalSorter(graph).static_order())) == len(files)


def test_only_the_command_imports_within_functions():
    late = {m for m, path in MODULES.items() if imported(path, within_functions=True)}
    assert late <= {"domadapt.cli"}


def test_a_file_has_one_subject_and_is_not_too_long():
    texts = {path.relative_to(ROOT): path.read_text() for path in FILES}
    assert [path for path, text in texts.items() if len(text.splitlines()) > LARGEST] == []
    # The first line says what the file is about.
    first = {
        path: (ast.get_docstring(ast.parse(text)) or "").split("\n")[0]
        for path, text in texts.items()
    }
    assert [path for path, line in first.items() if not line.endswith(".")] == []
