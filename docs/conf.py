"""How Sphinx builds the site: ``make docs``."""

import inspect
import sys
import zlib
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_extensions"))

import domadapt  # noqa: E402

project = "domadapt"
author = "The domadapt developers"
copyright = author
version = release = domadapt.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "sphinx.ext.viewcode",
    "numpydoc",
    "myst_parser",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
    # Our own, in _extensions.
    "api_pages",
    "formulas",
    "links",
    "thumbnails",
]
exclude_patterns = ["_static", "_templates", "**/GALLERY_HEADER.rst", "**sg_execution_times.rst"]

# The pages.
myst_enable_extensions = ["attrs_block", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 4
# Headings of a page begin where its subject does, and a page may leave a level out.
suppress_warnings = ["myst.header", "config.cache"]
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

# The API.
autodoc_typehints = "none"
autodoc_member_order = "bysource"
# Pages of names are written by api_pages.
autosummary_generate = False
numpydoc_show_class_members = False
# At the side a method stands below its class, whose name need not stand before it.
toc_object_entries_show_parents = "hide"
# One parameter a line where a signature is long.
python_maximum_signature_line_length = 80
numpydoc_xref_param_type = False


def skip_inherited(app, what, name, value, skip, options):
    """Leave out what scikit-learn and torch describe themselves."""
    module = getattr(value, "__module__", None) or ""
    return True if module.startswith(("sklearn.", "torch.")) else None


def own_signature(app, what, name, value, options, signature, returned):
    """Write the signature that a class shows to help and editors, with its own defaults."""
    if what != "class" or not signature:
        return None
    found = inspect.signature(value)
    plain = [p.replace(annotation=p.empty) for p in found.parameters.values()]
    return str(found.replace(parameters=plain, return_annotation=found.empty)), None


def leave_out(app, page, template, context, doctree):
    """Let the page of the search, which loads its index, not load what copies code."""
    if page == "search":
        for files in ("script_files", "css_files"):
            every = context[files]
            unused = ("copybutton", "clipboard", "sg_gallery", "sg-tags")
            context[files] = [f for f in every if not any(name in str(f) for name in unused)]


def setup(app):
    """Take part in the build."""
    app.connect("html-page-context", leave_out, priority=900)
    app.connect("autodoc-process-signature", own_signature)
    app.connect("autodoc-skip-member", skip_inherited)


# Links to other libraries need their inventories; without a network these links are plain text.
_EMPTY = HERE / "api" / "empty.inv"
_EMPTY.parent.mkdir(exist_ok=True)
_EMPTY.write_bytes(
    b"# Sphinx inventory version 2\n# Project: none\n# Version: 0\n"
    b"# The remainder of this file is compressed using zlib.\n" + zlib.compress(b"")
)
intersphinx_mapping = {
    name: (url, (None, str(_EMPTY)))
    for name, url in {
        "python": "https://docs.python.org/3/",
        "numpy": "https://numpy.org/doc/stable/",
        "sklearn": "https://scikit-learn.org/stable/",
        "torch": "https://docs.pytorch.org/docs/stable/",
    }.items()
}
intersphinx_timeout = 5

# The gallery. What needs a folder of data, or several processes, shows stored results.
sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "filename_pattern": r"^((?!/your_own_data/|/several_processes).)*$",
    "ignore_pattern": r"__init__\.py",
    "subsection_order": [
        "../examples/first_steps",
        "../examples/choosing",
        "../examples/settings",
        "../examples/your_own_data",
        "../examples/neighbours",
        "../examples/extending",
    ],
    "backreferences_dir": "gallery/of_names",
    "doc_module": ("domadapt",),
    "within_subsection_order": "gallery_order.Place",
    # Pictures and what is printed; no tables of what a line returns.
    "capture_repr": (),
    "remove_config_comments": True,
    "show_memory": False,
    "show_signature": False,
    "thumbnail_size": (200, 140),
    "write_computation_times": False,
    "min_reported_time": 5,
}

# The looks.
html_theme = "pydata_sphinx_theme"
html_context = {"default_mode": "auto"}
html_title = f"domadapt {release}"
templates_path = ["_templates"]
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_favicon = "_static/logo.svg"
html_show_sourcelink = False
html_copy_source = False
# Summaries of what is found are fetched page by page, which browsers refuse on files.
html_show_search_summary = False
# Nothing stands below these pages.
html_sidebars = {"index": [], "choosing_a_method": []}
html_theme_options = {
    "logo": {
        "text": "domadapt",
        "image_light": "_static/logo.svg",
        "image_dark": "_static/logo.svg",
    },
    "navbar_align": "left",
    "header_links_before_dropdown": 6,
    "show_toc_level": 2,
    "show_prev_next": True,
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
