"""Settings of the book: python -m sphinx -W -b html docs docs/_build/html. What is made at build time is in book.py."""

import subprocess
import sys
from importlib.metadata import version as version_of
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent))

project = "minisparse"
author = "The minisparse authors"
copyright = "The minisparse authors; code: MIT, texts and figures: CC BY 4.0"
version = release = version_of("minisparse")
language = "en"

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx-mathjax-offline",
    "numpydoc",
    "myst_parser",
    "sphinx_gallery.gen_gallery",
    "book",
]
exclude_patterns = ["_build", "lectures/lecture-*", "lectures/handout-*"]  # slides have a build of their own
suppress_warnings = ["config.cache"]
pygments_style = "friendly"

html_theme = "furo"
html_title = "minisparse"
html_static_path = ["_static"]
html_css_files = ["book.css"]
html_copy_source = False
html_show_sourcelink = False
mathjax3_config = {"options": {"enableMenu": False}}

autodoc_typehints = "none"
autosummary_generate = False
numpydoc_show_class_members = False
numpydoc_xref_param_type = False
myst_heading_anchors = 3
myst_enable_extensions = ["dollarmath", "amsmath"]

sphinx_gallery_conf = {
    "examples_dirs": "../chapters",
    "gallery_dirs": "chapters",
    "filename_pattern": r"\w+\.py",
    "within_subsection_order": "book.Order",
    "reset_argv": "book.recorded_flags",
    "image_scrapers": ("book.scraper",),
    "reset_modules": (),
    "download_all_examples": False,
    "show_memory": False,
    "show_signature": False,
    "min_reported_time": 1e9,
    "write_computation_times": False,
    "only_warn_on_example_error": False,
    "abort_on_example_error": True,
    "plot_gallery": "True",
}


def lectures(app, error):
    """Build slides and handouts by the same command."""
    if error is None and app.builder.name == "html":
        script = Path(app.srcdir) / "lectures" / "build.py"
        subprocess.run([sys.executable, script, Path(app.outdir) / "lectures"], check=True)


def setup(app):
    app.connect("build-finished", lectures)
