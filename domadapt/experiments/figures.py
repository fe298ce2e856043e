"""What the drawings of the report share: matplotlib, colours and legends."""

import html

# Three to one or more against white and against the dark page, which a test holds.
COLOURS = ("#8a8f98", "#3f8fe0", "#e06a2f", "#2a9d6b", "#b266d6", "#b5870f", "#d9538c", "#1796a0")
# Replaced by the colour of the page's text, which matplotlib does not know.
TEXT_COLOUR = "#010203"


def check_matplotlib():
    """Check that matplotlib, which draws the report, is installed.

    Raises
    ------
    ImportError
        If it is not.
    """
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError as error:
        raise ImportError(
            'the report needs matplotlib: pip install ".[plot]" in a clone'
        ) from error


def legend_entry(drawing, text):
    """Return an entry of a legend: a drawing of 32 by 12 units and what it stands for."""
    return (
        f'<li><svg viewBox="0 0 32 12" aria-hidden="true">{drawing}</svg>{html.escape(text)}</li>'
    )


def legend(entries, kind=""):
    """Return a legend as a list; ``kind`` is a class of the page's style."""
    return f'<ul class="{f"legend {kind}".strip()}">{"".join(entries)}</ul>'
