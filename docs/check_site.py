"""Check a built site: links lead somewhere, names have links, and no page loads over a megabyte.

python docs/check_site.py build/site
"""

import argparse
import functools
import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LARGEST = 1_000_000
LOADED = {("script", "src"), ("img", "src"), ("link", "href"), ("source", "src")}


class Page(HTMLParser):
    """What a page links to, what it loads with it, and where links to it may lead."""

    def __init__(self, path):
        super().__init__()
        self.path, self.links, self.loaded, self.anchors = path, set(), set(), {""}
        self.feed(path.read_text())

    def handle_starttag(self, tag, attrs):
        """Note links, files and anchors."""
        given = dict(attrs)
        self.anchors |= {given[key] for key in ("id", "name") if given.get(key)}
        is_loaded = tag != "link" or given.get("rel") in ("stylesheet", "icon", "preload")
        for key in ("href", "src", "xlink:href"):
            if given.get(key):
                self.links.add(given[key])
                if (tag, key) in LOADED and is_loaded:
                    self.loaded.add(given[key])
        # Of several sizes of a picture a browser loads one, so that only their links are checked.
        for one in (given.get("srcset") or "").split(", "):
            self.links |= set(one.split()[:1])


def is_outside(link):
    """Tell whether a link leads to another site, or holds what it stands for."""
    parts = urlsplit(link)
    return bool(parts.scheme or parts.netloc)


def target_of(page, link):
    """Return the file that a link leads to."""
    path = unquote(urlsplit(link).path)
    return (page.path.parent / path).resolve() if path else page.path


def broken(page, pages, root):
    """Return what is wrong with the links of a page."""
    found = []
    for link in sorted(page.links):
        if is_outside(link):
            continue
        target = target_of(page, link)
        anchor = unquote(urlsplit(link).fragment)
        if not target.is_relative_to(root) or not target.is_file():
            found.append(f"{page.path.relative_to(root)}: no file for {link}")
        elif target in pages and anchor not in pages[target].anchors:
            found.append(f"{page.path.relative_to(root)}: no place for {link}")
    return found


def unnamed(pages, root):
    """Return the public names whose page no page of the guide leads to.

    A name in a text leads to the name on its page, where lists at the side lead to its top.
    """
    names = {path for path, page in pages.items() if path.stem in page.anchors}
    names = {path for path in names if path.parent == root / "api" and "." in path.stem}
    for page in pages.values():
        if page.path.parent != root / "api":
            named = {link for link in page.links if not is_outside(link) and "#" in link}
            names -= {
                target
                for link in named
                if (target := target_of(page, link)).stem == unquote(urlsplit(link).fragment)
            }
    return [f"{path.relative_to(root)}: no page names it" for path in sorted(names)]


def weight(page):
    """Return the bytes that a page loads, itself with them.

    Of the fonts that a style names the one of the icons is loaded, which every page has.
    """
    files = {target_of(page, link) for link in page.loaded if not is_outside(link)}
    fonts = {font for path in files if path.suffix == ".css" for font in icons(path)}
    return sum(path.stat().st_size for path in files | fonts | {page.path} if path.is_file())


@functools.cache
def icons(style):
    """Return the font of the icons, where a style names it."""
    found = re.findall(r"url\(([^)]*fa-solid[^)]*)\)", style.read_text())
    return {(style.parent / urlsplit(link).path).resolve() for link in found}


def check(root):
    """Return every fault of a site, and the weight of its heaviest page."""
    root = Path(root).resolve()
    # Below _static there are templates of the theme.
    files = [path for path in root.rglob("*.html") if "_static" not in path.parts]
    pages = {path: Page(path) for path in files}
    if not pages:
        return [f"there is no page in {root}"], (0, None)
    faults = [fault for page in pages.values() for fault in broken(page, pages, root)]
    faults += unnamed(pages, root)
    weights = {page: weight(page) for page in pages.values()}
    for page, size in weights.items():
        if size > LARGEST:
            faults.append(f"{page.path.relative_to(root)} loads {size / 1e6:.2f} MB")
        for link in filter(is_outside, page.loaded):
            if urlsplit(link).scheme == "data":
                continue
            faults.append(f"{page.path.relative_to(root)} loads {link} from elsewhere")
    heaviest = max(weights, key=weights.get)
    return faults, (weights[heaviest], heaviest.path.relative_to(root))


def main(arguments=None):
    """Print the faults of a site; the exit status tells whether there are any."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("site", help="folder of the built site")
    faults, (size, name) = check(parser.parse_args(arguments).site)
    for fault in sorted(faults):
        print(fault)
    print(f"{len(faults)} faults; the heaviest page, {name}, loads {size / 1e6:.2f} MB")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
