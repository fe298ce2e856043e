"""What the page about tables says is what the command does."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest

import domadapt
from domadapt.cli import main

PAGE = Path(domadapt.__file__).parents[1] / "docs" / "your_own_tables.md"
pd = pytest.importorskip("pandas")


@pytest.fixture
def patients(tmp_path, monkeypatch):
    """Write the tables that the page names."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for number, name in enumerate(("labelled", "another", "elsewhere")):
        age, sex = rng.integers(20, 80, 60), rng.choice(["f", "m"], 60)
        frame = pd.DataFrame({"age": age, "sex": sex, "pressure": age + 50.5 + number})
        frame["disease"] = np.where(age > 50, "yes", "no")
        frame.to_csv(f"{name}.csv", index=False)


def test_the_commands_and_the_code_of_the_page_run(patients, capsys):
    commands, names = 0, {}
    for language, block in re.findall(r"```(\w*)\n(.*?)```", PAGE.read_text(), re.DOTALL):
        if language == "python":
            exec(compile(block, PAGE.name, "exec"), names)
            continue
        for line in block.replace("\\\n", " ").splitlines():
            program, *arguments = shlex.split(line)
            assert program == "domadapt"
            assert main(arguments) == 0, line
            commands += 1
    assert commands == 6
    assert names["model"]["columns"].categories_ == {"sex": ["f", "m"]}
    assert len(pd.read_csv("predictions.csv")) == 60
    kinds = {
        "model": domadapt.DeepCORALClassifier,
        "age": domadapt.DANRegressor,
        "several": domadapt.M3SDAClassifier,
        "own": domadapt.DANClassifier,
    }
    for name, kind in kinds.items():
        assert type(domadapt.load(f"{name}.safetensors")["estimator"]) is kind
    own = domadapt.load("own.safetensors")
    assert own["estimator"].hidden_layer_sizes == (64, 64)
    assert own["columns"].scales_.tolist() == [1, 1]


def test_every_option_of_fit_for_tables_is_on_the_page(capsys):
    with pytest.raises(SystemExit):
        main(["fit", "--help"])
    text = capsys.readouterr().out
    for option in ("--task", "--no-scaling", "--set", "--label"):
        assert option in text
        assert f"{option}" in PAGE.read_text()
