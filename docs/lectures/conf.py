"""The slides and the handouts of the two lectures; `python docs/lectures/build.py` builds them."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from minisparse.lab import page

project = "minisparse"
author = "The minisparse authors"
extensions = ["myst_parser", "sphinx_revealjs", "sphinx-mathjax-offline"]
handouts = tags.has("handouts")  # noqa: F821 (Sphinx puts it here)
exclude_patterns = ["guide.md", "lecture-*" if handouts else "handout-*"]  # the guide is a page of the book
root_doc = "handout-bptt" if handouts else "lecture-bptt"
myst_enable_extensions = ["dollarmath", "amsmath", "attrs_inline"]
suppress_warnings = ["myst.header"]  # a slide may follow a slide of any level

templates_path = []
html_theme = "basic"
html_use_index = html_copy_source = html_show_sourcelink = False
html_static_path = ["static"]
html_css_files = ["handout.css"]

revealjs_static_path = ["static"]
revealjs_css_files = ["slides.css"]
revealjs_style_theme = "white"
revealjs_js_files = ["slides.js"]
revealjs_script_plugins = [{"name": "RevealNotes", "src": "revealjs/plugin/notes/notes.js"}]
revealjs_script_conf = {
    "width": 1280, "height": 720, "margin": 0.04, "center": False, "transition": "none", "hash": True,
    "slideNumber": "c/t", "controls": False,
}  # fmt: skip


def fill(app, name, source):
    """Put recorded numbers where the text asks for them."""
    source[0] = page.fill(source[0])


def setup(app):
    app.connect("source-read", fill)
