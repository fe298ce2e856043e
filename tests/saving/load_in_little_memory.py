"""Load a model, then others with little memory to spare, and print why these are refused."""

import resource
import sys
from pathlib import Path

import torchvision  # noqa: F401  Its own memory is not what is looked at.

import domadapt

SPARE = 2**28


def main():
    """Read the files that are named, of which the first is as it should be."""
    first, *others = sys.argv[1:]
    domadapt.load(first)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + SPARE, used + SPARE))
    for path in others:
        try:
            domadapt.load(path)
        except ValueError as error:
            print(str(error))
        else:
            print("it was built")


if __name__ == "__main__":
    main()
