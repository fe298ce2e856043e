"""Draw the map of methods from the rules of ``choose_method``.

    python benchmarks/draw_method_map.py

It writes two SVG files into docs/pictures: ``method_map.svg`` for wide screens and
``method_map_narrow.svg`` for telephones. Links are those of the page in docs that holds them.
"""

import re
import textwrap
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

from domadapt.model_selection.chooser._leaves import Leaf
from domadapt.model_selection.chooser._map import ROOT

PICTURES = Path(__file__).parent.parent / "docs" / "pictures"
# What the page in docs links to, and what becomes of it on the site.
SUFFIX = ".html"

# Sizes in units of the drawing, which are about pixels on the site.
WIDE, NARROW, GUTTER, MARGIN = 336, 360, 44, 6
QUESTION, ANSWER, TITLE, CODE = 16, 13.5, 15, 12.5
# Mean widths of a letter over its height, in wide fonts.
BOLD, PLAIN, MONO = 0.6, 0.57, 0.605
PAD, RADIUS, STATION = 9, 7, 10

COLOURS = {
    "light": "--ink:#1c2733;--soft:#4b5a69;--line:#5b7fa3;--card:#eef4fa;--edge:#9db8d2;"
    "--over:#dbe9f6;--paper:#ffffff;--branch:#a0632a",
    "dark": "--ink:#e8eef4;--soft:#b3c0cc;--line:#84abd1;--card:#1f2d3a;--edge:#4a6680;"
    "--over:#2b4054;--paper:#14181e;--branch:#e0a46c",
}
STYLE = """
svg.method-map{LIGHT;font-family:system-ui,sans-serif;width:100%;max-width:840px;height:auto;
display:block}
@media (prefers-color-scheme:dark){svg.method-map{DARK}}
html[data-theme=light] svg.method-map{LIGHT}
html[data-theme=dark] svg.method-map{DARK}
svg.method-map .paper{fill:var(--paper)}
html svg.method-map .paper{fill:none}
svg.method-map path{fill:none;stroke:var(--line);stroke-width:2}
svg.method-map path.branch{stroke:var(--branch);stroke-dasharray:5 3}
svg.method-map circle{fill:var(--pst-color-background,var(--paper));stroke:var(--line)}
svg.method-map circle{stroke-width:2}
svg.method-map .number{font-size:12px;font-weight:700;fill:var(--ink);text-anchor:middle}
svg.method-map .question{font-size:QUESTIONpx;font-weight:700;fill:var(--ink)}
svg.method-map .answer{font-size:ANSWERpx;font-style:italic;fill:var(--soft)}
svg.method-map .title{font-size:TITLEpx;font-weight:600;fill:var(--ink)}
svg.method-map .code{font-size:CODEpx;font-family:ui-monospace,monospace;fill:var(--soft)}
svg.method-map a{text-decoration:none;cursor:pointer}
svg.method-map a rect{fill:var(--card);stroke:var(--edge);stroke-width:1.2}
svg.method-map a:hover rect,svg.method-map a:focus rect{fill:var(--over);stroke:var(--line)}
svg.method-map a:focus{outline:none}
svg.method-map a:focus rect{stroke-width:3}
"""
# In a page one of both is shown; a file that is looked at alone always is.
SHOWN = {
    "wide": "@media (max-width:767px){html svg.method-map-wide{display:none}}",
    "narrow": "@media (min-width:768px){html svg.method-map-narrow{display:none}}",
}


@dataclass
class Drawing:
    """Elements of a drawing, lines below everything else, and the lines that wait for a place."""

    lines: list = field(default_factory=list)
    elements: list = field(default_factory=list)
    waiting: list = field(default_factory=list)

    def text(self, x, y, kind, words):
        self.elements.append(f'<text class="{kind}" x="{x:g}" y="{y:g}">{escape(words)}</text>')

    def path(self, points, kind="line"):
        """Draw horizontal and vertical strokes through these points."""
        start, *others = points
        strokes = "".join(f"L{x:g} {y:g}" for x, y in others)
        self.lines.append(f'<path class="{kind}" d="M{start[0]:g} {start[1]:g}{strokes}"/>')

    def lines_of_text(self, x, y, width, kind, words, size, letter):
        """Draw text in as many lines as it needs; return the height below the last one."""
        for line in textwrap.wrap(words, max(8, int(width / (size * letter)))):
            y += size * 1.25
            self.text(x, y, kind, line)
        return y


def groups_of(fork):
    """Return the answers of a question and where they lead, those that lead to one place as one."""
    found = []
    for answer in fork.question.answers:
        place = fork.to[answer.value]
        same = next((group for group in found if group[1] is place), None)
        if same is None:
            found.append(([answer.text], place))
        else:
            same[0].append(answer.text)
    return [(_joined(texts), place) for texts, place in found]


def _joined(texts):
    """Return answers as one: of several what stands before an explanation."""
    if len(texts) == 1:
        return texts[0]
    *others, last = (text.partition(":")[0] for text in texts)
    return f"{', '.join(others)} or {last}"


def size_of(place):
    """Return how many questions come from here on."""
    if isinstance(place, Leaf):
        return 0
    return 1 + max(size_of(following) for _, following in groups_of(place))


def stations(fork):
    """Return the questions along one line: each with its exits, and the answer that goes on."""
    found = []
    while fork is not None:
        groups = groups_of(fork)
        on = max(groups, key=lambda group: size_of(group[1]))
        goes_on = size_of(on[1]) > 0
        exits = [group for group in groups if not (goes_on and group is on)]
        exits.sort(key=lambda group: size_of(group[1]))
        found.append((fork, exits, on[0] if goes_on else None))
        fork = on[1] if goes_on else None
    return found


def branch_title(question, answer):
    """Return the title of a line that branches off."""
    return f"{question.text} {answer[0].upper()}{answer[1:]}."


def branches(line):
    """Return the lines that branch off a line: each answer with the first question there."""
    return [
        (branch_title(asked.question, answer), place)
        for asked, exits, _ in line
        for answer, place in exits
        if not isinstance(place, Leaf)
    ]


def broken(call, n_letters):
    """Break a call after brackets and commas, so that it fits."""
    lines = [""]
    for part in re.findall(r".+?(?:\((?!\))|, |$)", call):
        if lines[-1] and len(lines[-1]) + len(part.rstrip()) > n_letters:
            lines.append("  ")
        lines[-1] += part
    return [line.rstrip() for line in lines]


def draw_card(drawing, x, y, width, leaf, answer):
    """Draw a link to the page of a leaf; return the height below it."""
    inner = width - 2 * PAD
    titles = textwrap.wrap(leaf.title, int(inner / (TITLE * BOLD)))
    n_letters = int(inner / (CODE * MONO))
    code = [line for call in leaf.begin[:2] for line in broken(call, n_letters)]
    height = 2 * PAD - 3 + 1.25 * (TITLE * len(titles) + CODE * len(code))
    page = leaf.page.replace(".md", SUFFIX)
    said = f"{answer}: {leaf.title}. {leaf.reason}"
    drawing.elements.append(f'<a href="{page}" aria-label="{escape(said)}">')
    drawing.elements.append(f"<title>{escape(leaf.reason)}</title>")
    drawing.elements.append(
        f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="{RADIUS}"/>'
    )
    at = y + PAD - 4
    for line in titles:
        at += TITLE * 1.25
        drawing.text(x + PAD, at, "title", line)
    for line in code:
        at += CODE * 1.25
        indent = len(line) - len(line.lstrip())
        drawing.text(x + PAD + indent * CODE * MONO, at, "code", line.strip())
    drawing.elements.append("</a>")
    return y + height


def draw_line(drawing, fork, x, y, width, apart):
    """Draw a line of questions from the top; return the height below it.

    Lines that branch off are drawn within it, or wait for a place of their own where ``apart``.
    """
    left = x + STATION + 16
    inner = x + width - left
    top = y + 14
    for fork_here, exits, goes_on in stations(fork):
        question = fork_here.question
        number = NUMBERS[question.key]
        drawing.elements.append(f'<circle cx="{x + STATION:g}" cy="{y + 14:g}" r="{STATION}"/>')
        drawing.text(x + STATION, y + 18, "number", str(number))
        bottom = y + 14
        y = drawing.lines_of_text(left, y, inner, "question", question.text, QUESTION, BOLD) + 7
        for answer, place in exits:
            y = drawing.lines_of_text(left, y, inner, "answer", answer, ANSWER, PLAIN) + 5
            bottom = y + 18
            if isinstance(place, Leaf):
                drawing.path([(x + STATION, bottom), (left, bottom)])
                y = draw_card(drawing, left, y, inner, place, answer) + 9
            elif apart:
                bottom = y - 9
                drawing.path([(x + STATION, bottom), (left - 4, bottom)], "branch")
                drawing.waiting.append((left + len(answer) * ANSWER * PLAIN + 4, bottom))
                y += 6
            else:
                bottom = y + 14
                drawing.path([(x + STATION, bottom), (left, bottom)], "branch")
                y = draw_line(drawing, place, left, y, inner, apart) + 4
        if goes_on is not None:
            y = drawing.lines_of_text(left, y, inner, "answer", goes_on, ANSWER, PLAIN)
            trunk = x + STATION
            drawing.path([(trunk - 5, y - 9), (trunk, y - 3), (trunk + 5, y - 9)])
            y += 10
    drawing.path([(x + STATION, top), (x + STATION, bottom)])
    return y


def draw_wide():
    """Return the elements of the map in two columns, its width and its height."""
    drawing = Drawing()
    bottom = draw_line(drawing, ROOT, MARGIN, MARGIN, WIDE, apart=True)
    x, y = MARGIN + WIDE + GUTTER, MARGIN
    off = list(zip(branches(stations(ROOT)), drawing.waiting, strict=True))
    for i, ((words, place), (after, start)) in enumerate(off):
        y = max(y, start - 8)
        turn = x - 8 - (i + 1) * (GUTTER - 12) / (len(off) + 1)
        head = y + 10
        drawing.path([(after, start), (turn, start), (turn, head), (x - 4, head)], "branch")
        y = drawing.lines_of_text(x, y - 2, WIDE, "answer", words, ANSWER, PLAIN) + 6
        drawing.path([(x + STATION, y - 2), (x + STATION, y + 14)], "branch")
        y = draw_line(drawing, place, x, y, WIDE, apart=False) + 18
    return drawing, x + WIDE + MARGIN, max(bottom, y)


def draw_narrow():
    """Return the elements of the map in one column, its width and its height."""
    drawing = Drawing()
    bottom = draw_line(drawing, ROOT, MARGIN, MARGIN, NARROW, apart=False)
    return drawing, NARROW + 2 * MARGIN, bottom


def numbered(fork, found=()):
    """Return the keys of the questions in the order in which the map asks them first."""
    line = stations(fork)
    keys = [asked.question.key for asked, _, _ in line]
    found = (*found, *(key for key in keys if key not in found))
    for branch in branches(line):
        found = numbered(branch[1], found)
    return found


NUMBERS = {key: i for i, key in enumerate(numbered(ROOT), start=1)}


def svg(shape):
    """Return a picture of the map as text.

    Parameters
    ----------
    shape : {"wide", "narrow"}
        For wide screens or for telephones.
    """
    drawing, width, height = {"wide": draw_wide, "narrow": draw_narrow}[shape]()
    style = STYLE.replace("LIGHT", COLOURS["light"]).replace("DARK", COLOURS["dark"])
    for name, size in (("QUESTION", QUESTION), ("ANSWER", ANSWER), ("TITLE", TITLE)):
        style = style.replace(f"{name}px", f"{size}px")
    style = style.replace("CODEpx", f"{CODE}px")
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="method-map method-map-{shape}" '
        f'viewBox="0 0 {width:g} {height + MARGIN:g}" role="group" '
        f'aria-labelledby="method-map-{shape}-title method-map-{shape}-words">'
    )
    words = (
        "Ten questions, from top to bottom. Each answer leads to a method, which is a link to its "
        "page, or to the next question. The same stands below as text."
    )
    return "\n".join(
        [
            head,
            f'<title id="method-map-{shape}-title">Choosing a method</title>',
            f'<desc id="method-map-{shape}-words">{words}</desc>',
            f"<style>{style}{SHOWN[shape]}</style>",
            f'<rect class="paper" width="{width:g}" height="{height + MARGIN:g}"/>',
            *drawing.lines,
            *drawing.elements,
            "</svg>\n",
        ]
    )


FILES = {"method_map.svg": "wide", "method_map_narrow.svg": "narrow"}

if __name__ == "__main__":
    for name, shape in FILES.items():
        (PICTURES / name).write_text(svg(shape))
