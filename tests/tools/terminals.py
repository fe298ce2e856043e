"""A terminal that is none, and what a person would see on it."""

import io
import re


class Terminal(io.StringIO):
    """Keeps what a terminal is sent."""

    def isatty(self):
        return True

    def fileno(self):
        raise OSError("no file")

    @property
    def screen(self):
        """The lines that a person sees: what is erased or written over is gone."""
        lines = [""]
        for piece in re.findall(r"\r\x1b\[K|\r|\n|[^\r\n\x1b]+", self.getvalue()):
            if piece == "\n":
                lines.append("")
            elif piece == "\r\x1b[K":
                lines[-1] = ""
            elif piece != "\r":
                lines[-1] += piece
        return lines
