"""``domadapt bench --time-limit``: a run that stops in time can go on later."""

import pytest

from domadapt.experiments import tasks

SHORT = ("--pairs", "A:W", "--methods", "dan,dann", "--seeds", 1, "--epochs", 3)


@pytest.fixture
def clock(monkeypatch):
    """Let a minute go by whenever somebody looks whether the time is up."""

    class Clock:
        minutes = 0.0

        def time(self):
            self.minutes += 1.0
            return 60 * self.minutes

    clock = Clock()
    monkeypatch.setattr(tasks, "time", clock)
    monkeypatch.setattr("domadapt.cli.bench.time", clock)
    return clock


@pytest.mark.parametrize(
    ("minutes", "options"), [(2, ()), (6, ()), (1, ("--together",)), (6, ("--together",))]
)
def test_a_run_that_stops_in_time_goes_on_to_what_it_would_have_been(
    features, tmp_path, bench, read_run, capsys, clock, minutes, options
):
    arguments = ("features", "--root", features, *SHORT, "--device", "cpu", *options)
    limited = (*arguments, "--out", tmp_path / "stopped", "--time-limit", minutes)
    assert bench(*limited) == 3
    left = 2 - len(read_run(tmp_path / "stopped").results)
    assert left == (1 if minutes == 6 else 2)
    assert f"the time is up, and {left} cells are left" in capsys.readouterr().err
    clock.minutes = 0.0
    assert bench(*arguments, "--out", tmp_path / "stopped", "--resume") == 0
    assert bench(*arguments, "--out", tmp_path / "whole") == 0
    stopped, whole = read_run(tmp_path / "stopped"), read_run(tmp_path / "whole")
    assert sorted(stopped.results, key=str) == sorted(whole.results, key=str)
    assert stopped.cells == whole.cells


def test_a_run_with_time_enough_ends_as_without_a_limit(features, tmp_path, bench):
    arguments = ("features", "--root", features, *SHORT, "--device", "cpu", "--time-limit", 60)
    assert bench(*arguments, "--out", tmp_path / "run") == 0


@pytest.mark.parametrize("limit", ["0", "-1", "inf", "soon"])
def test_a_limit_that_is_no_time_is_refused(features, tmp_path, bench, capsys, limit):
    with pytest.raises(SystemExit):
        bench("features", "--root", features, "--out", tmp_path / "run", f"--time-limit={limit}")
    assert "--time-limit" in capsys.readouterr().err


def test_processes_that_would_stop_at_different_times_are_refused(
    features, tmp_path, bench, capsys, monkeypatch
):
    monkeypatch.setattr("domadapt.cli.bench.n_processes", lambda: 2)
    arguments = ("features", "--root", features, *SHORT, "--device", "cpu", "--time-limit", 60)
    assert bench(*arguments, "--out", tmp_path / "run") == 2
    assert "--time-limit does not go with torchrun" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
