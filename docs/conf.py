"""The documentation, built by `sphinx-build -W --keep-going -n -b html docs build/docs`: nothing is fetched."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from generator.cards import write_cards
from generator.commands import write_commands
from generator.interface import write_interface
from generator.repository import site_links, write_outside_pages
from sphinx.application import Sphinx

from bioconv.version import __version__

project = "bioconv"
author = "The bioconv developers"
release = version = __version__
language = "en"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
exclude_patterns = ["generator", "README.md"]
templates_path: list[str] = []

html_theme = "furo"
html_title = f"bioconv {__version__}"
html_static_path = ["static"]
html_css_files = ["pages.css"]
html_copy_source = False
html_show_copyright = False

myst_heading_anchors = 4
copybutton_prompt_text = "$ "
copybutton_only_copy_prompt_lines = True

default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
napoleon_google_docstring = False
# Types of parameters are words ("path or dict"), not names to be looked up.
napoleon_use_param = False
napoleon_use_rtype = False

# A folder that is filled later (tutorials, recipes) may be empty.
suppress_warnings = ["toc.empty_glob"]
# Other projects' names: their lists would have to be fetched. bioconv's own are looked up strictly where they are
# written in full; a name without its module is that of an annotation, which autodoc does not resolve.
nitpick_ignore_regex = [("py:.*", r"(?!bioconv\.).*")]


def setup(app: Sphinx) -> None:
    """Write what is generated, and let links of the repository hold on the site."""
    write_outside_pages()
    write_commands()
    write_cards()
    write_interface()
    app.connect("source-read", _turn_links)


def _turn_links(app: Sphinx, page: str, source: list[str]) -> None:
    source[0] = site_links(source[0], page)
