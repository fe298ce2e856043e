"""Progress of long work: lines for a file, and one bar below them on a terminal."""

import contextlib
import os

import pytest
from terminals import Terminal

from domadapt.experiments import progress
from domadapt.experiments.progress import Bar, log


class Clock:
    """Seconds that pass where a test says so."""

    now = 100.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    return clock


@pytest.fixture
def on_terminal(monkeypatch):
    """Let what a block prints go to a terminal."""
    monkeypatch.setenv("TERM", "xterm")
    # Not for a whole test: while a fixture is made, stderr is another.
    return lambda: contextlib.redirect_stderr(Terminal())


def test_a_terminal_shows_all_work_in_its_last_line(on_terminal, clock):
    with on_terminal() as terminal, Bar(4, "cells") as bar:
        assert terminal.screen == [f"[{'.' * 24}] 0/4 cells"]
        clock.now += 30
        bar.reach("first", 0.5)
        # An eighth of it took 30 s.
        assert terminal.screen == [f"[###{'.' * 21}] 0/4 cells, about 4 min left"]
        clock.now += 30
        bar.reach("first")
        log("the first is done")
        assert terminal.screen == [
            "the first is done",
            f"[######{'.' * 18}] 1/4 cells, about 3 min left",
        ]
        clock.now += 60
        bar.reach("second", 0.5)
        clock.now += 60
        bar.reach("third", 0.5)
        assert terminal.screen[-1] == f"[{'#' * 12}{'.' * 12}] 2/4 cells, about 3 min left"
    assert terminal.screen == ["the first is done", ""]


def test_short_epochs_do_not_draw_each(on_terminal, clock):
    with on_terminal() as terminal, Bar(1, "cells") as bar:
        for epoch in range(1000):
            clock.now += 0.001
            bar.reach("first", epoch / 1000)
    assert 5 < terminal.getvalue().count("cells") < 12


def test_a_file_has_lines_alone(capsys):
    with Bar(2, "cells") as bar:
        bar.reach("first")
        log("a line")
    assert capsys.readouterr().err == "a line\n"


def test_a_terminal_that_cannot_erase_has_lines_alone(on_terminal, monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    with on_terminal() as terminal, Bar(2, "cells") as bar:
        bar.reach("first")
        log("a line")
    assert terminal.getvalue() == "a line\n"


def test_an_error_takes_the_bar_away(on_terminal):
    with on_terminal() as terminal:
        with pytest.raises(KeyboardInterrupt), Bar(2, "cells"):
            raise KeyboardInterrupt
        log("interrupted")
    assert terminal.screen == ["interrupted", ""]


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="there are no terminals here")
def test_a_narrow_terminal_is_not_wrapped(monkeypatch):
    import pty
    import termios

    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 20))
    monkeypatch.setenv("TERM", "xterm")
    with open(theirs, "w") as stream, contextlib.redirect_stderr(stream), Bar(4, "cells"):
        sent = os.read(ours, 1000).decode()
    os.close(ours)
    assert sent == f"\r\x1b[K[{'.' * 18}\r"
