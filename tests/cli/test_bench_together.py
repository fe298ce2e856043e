"""``domadapt bench --together``: the seeds of a method as one, with the same results."""

import numpy as np

SHORT = ("--pairs", "A:W", "--epochs", 3, "--device", "cpu", "--seeds", 3)


def test_seeds_as_one_are_the_seeds_one_by_one(features, tmp_path, bench, read_run, as_one):
    methods = ("--methods", "source,dann,lr")
    arguments = ("features", "--root", features, *SHORT, *methods)
    assert bench(*arguments, "--out", tmp_path / "apart") == 0
    assert as_one == []
    assert bench(*arguments, "--out", tmp_path / "together", "--together") == 0
    assert as_one == [3] * 6
    apart, together = read_run(tmp_path / "apart"), read_run(tmp_path / "together")
    assert together.settings == apart.settings
    assert together.results == apart.results
    assert together.cells.keys() == apart.cells.keys()
    for name, cell in apart.cells.items():
        for key, values in cell.get("history", {}).items():
            found = together.cells[name]["history"][key]
            np.testing.assert_allclose(found, values, rtol=0, atol=1e-4)


def test_a_run_of_seeds_as_one_is_added_to(features, tmp_path, bench, read_run, as_one):
    arguments = ("features", "--root", features, *SHORT, "--methods", "dan", "--together")
    out = ("--out", tmp_path / "run")
    assert bench(*arguments, *out, "--seeds", 1) == 0
    assert bench(*arguments, *out, "--seeds", 3, "--resume") == 0
    assert as_one == [2] * 3
    assert sorted(cell["seed"] for cell in read_run(tmp_path / "run").results) == [0, 1, 2]


def test_seeds_that_diverge_are_named_and_the_others_stay(
    features, tmp_path, bench, read_run, monkeypatch, capsys
):
    from domadapt.training.trainer import NonFiniteLossError, Trainer

    end_epoch = Trainer.end_epoch

    def diverging(self, *ended):
        if self.orders["source"].generator.initial_seed() in bad:
            raise NonFiniteLossError("The loss is not finite.")
        end_epoch(self, *ended)

    # The seeds that trainers draw of random_state=1.
    bad = {np.random.RandomState(1).randint(np.iinfo(np.int32).max)}
    monkeypatch.setattr(Trainer, "end_epoch", diverging)
    arguments = ("features", "--root", features, *SHORT, "--methods", "dan", "--together")
    assert bench(*arguments, "--out", tmp_path / "run") == 1
    assert "DAN, seed 1 failed: The loss is not finite." in capsys.readouterr().err
    assert sorted(cell["seed"] for cell in read_run(tmp_path / "run").results) == [0, 2]


def test_several_processes_do_not_go_together_with_one(features, tmp_path, bench, capsys):
    arguments = ("features", "--root", features, *SHORT, "--methods", "dan", "--together")
    assert bench(*arguments, "--jobs", 2, "--out", tmp_path / "run") == 2
    message = "--together trains in one process, and --jobs 2 in several"
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_backbones_that_are_trained_do_not_go_together(photographs, tmp_path, bench, capsys):
    arguments = ("folder", "--root", photographs, "--weights", "random", "--pairs", "l:r")
    assert bench(*arguments, "--out", tmp_path / "run", "--together") == 2
    assert "--together is for networks on vectors: add --freeze" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
