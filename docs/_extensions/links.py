"""Links that hold on a code host and on the site, and names that lead to their page."""

import re

import api_pages
from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.transforms import SphinxTransform

# Beside docs/ there are examples, which the gallery shows, and files that no page shows.
OUTSIDE = re.compile(r"\[([^\]]*)\]\((?:\.\./)+((?:examples|benchmarks)[^)]*)\)")


def inside(match):
    """Return a link to a file outside of docs/ as the site has it."""
    text, path = match.groups()
    if path.startswith("examples/") and path.endswith(".py"):
        return f"[{text}](/gallery/{path.removeprefix('examples/').removesuffix('.py')}.rst)"
    if path.rstrip("/") == "examples":
        return f"[{text}](/gallery/index.rst)"
    return text


def mend_links(app, name, source):
    """Let links to files outside of docs/ lead into the gallery."""
    if app.env.doc2path(name).suffix == ".md":
        source[0] = OUTSIDE.sub(inside, source[0])


class NamesAsLinks(SphinxTransform):
    """Let a public name in a page lead to its own page."""

    default_priority = 5

    def apply(self):
        """Wrap each literal that is a public name in a reference to it."""
        pages = api_pages.pages_of_names()
        for literal in list(self.document.findall(nodes.literal)):
            name = literal.astext()
            own = self.env.docname.rpartition("/")[2]
            if name not in pages or pages[name] == own or _is_linked(literal):
                continue
            if self.env.docname.startswith("coming_from/") and _is_in_first_column(literal):
                # What another library calls by the same name.
                continue
            reference = pending_xref(
                "",
                refdomain="py",
                reftype="obj",
                reftarget=pages[name],
                refdoc=self.env.docname,
                refexplicit=True,
                refwarn=True,
            )
            literal.replace_self(reference)
            reference += literal


def _is_linked(node):
    above = node.parent
    while above is not None:
        if isinstance(above, nodes.reference | pending_xref | nodes.title):
            return True
        above = above.parent
    return False


def _is_in_first_column(node):
    while node is not None and not isinstance(node, nodes.entry):
        node = node.parent
    return node is not None and node.parent.index(node) == 0


def setup(app):
    """Take part in reading."""
    app.connect("source-read", mend_links)
    app.add_transform(NamesAsLinks)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
