"""What long work tells of itself: lines, and one bar below them where stderr is a terminal."""

import contextlib
import os
import sys
import time

from domadapt.inputs.reader import rank

WIDTH = 24
# Seconds between two drawings: epochs on vectors take less.
BETWEEN = 0.1
ERASE = "\r\x1b[K"


def log(text):
    """Print a line of progress, once however many processes there are, above the bar."""
    if rank() == 0:
        with Bar.hidden():
            print(text, file=sys.stderr, flush=True)


class Bar:
    """How much of all work is done, and how long the rest will take.

    Within its ``with`` block a terminal has it in its last line; elsewhere it only counts.

    Parameters
    ----------
    total : int
        How many parts the work has.
    what : str
        What the parts are.

    Examples
    --------
    >>> from domadapt.experiments.progress import Bar
    >>> with Bar(4, "cells") as bar:
    ...     bar.reach("first")
    ...     bar.reach("second", 0.5)
    >>> bar.done
    1.5
    """

    # A process has one terminal, and lines come from wherever something is to be told.
    shown: "Bar | None" = None

    def __init__(self, total, what):
        self.total, self.what = total, what
        self.parts: dict[object, float] = {}
        self.begun, self.drawn = time.monotonic(), -BETWEEN

    def __enter__(self):
        if rank() == 0 and _is_terminal():
            Bar.shown = self
            self._draw()
        return self

    def __exit__(self, *error):
        if Bar.shown is self:
            Bar.shown = None
            _put(ERASE)

    @classmethod
    @contextlib.contextmanager
    def hidden(cls):
        """Leave the last line of the terminal to something else."""
        if cls.shown is not None:
            _put(ERASE)
        yield
        if cls.shown is not None:
            cls.shown._draw()

    @property
    def done(self):
        """How many parts are done, with those under way as fractions."""
        return sum(self.parts.values())

    @property
    def seconds_left(self):
        """How long the rest will take at the pace so far; None before anything is done."""
        done = self.done
        return (time.monotonic() - self.begun) / done * (self.total - done) if done else None

    def reach(self, part, amount=1):
        """Note how much of a part is done, which may have any name."""
        self.parts[part] = amount
        if Bar.shown is self and time.monotonic() - self.drawn >= BETWEEN:
            self._draw()

    def _draw(self):
        self.drawn = time.monotonic()
        filled = int(WIDTH * self.done / self.total)
        left = self.seconds_left
        rest = f", about {duration(left)} left" if left is not None else ""
        text = f"[{'#' * filled}{'.' * (WIDTH - filled)}] {int(self.done)}/{self.total} {self.what}"
        # What others print, such as warnings, then begins where the line does.
        _put(ERASE + (text + rest)[: _n_columns() - 1] + "\r")


def _is_terminal():
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


def _n_columns():
    try:
        # Some terminals say 0 where they do not know.
        return os.get_terminal_size(sys.stderr.fileno()).columns or 80
    except OSError:
        return 80


def _put(text):
    sys.stderr.write(text)
    sys.stderr.flush()


def duration(seconds):
    """Return a duration as text for a person.

    Examples
    --------
    >>> from domadapt.experiments.progress import duration
    >>> duration(40), duration(720), duration(12600)
    ('40 s', '12 min', '3.5 h')
    """
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 6000:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
