"""The documentation, built by `sphinx-build -W --keep-going -n -b html docs build/docs`: nothing is fetched."""

from __future__ import annotations

import sys
from pathlib import Path

# The checkout that the pages are of, and the folder beside this file.
sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent)]

from docutils import nodes
from generator.cards import write_cards
from generator.commands import write_commands
from generator.docstrings import arrays, errors, plain, signature
from generator.interface import write_interface
from generator.listings import site_listings
from generator.repository import site_links, write_outside_pages
from sphinx.application import Sphinx

from bioconv.version import __version__

project = "bioconv"
author = "The bioconv developers"
release = version = __version__
language = "en"
# Quotes alone: options keep both their hyphens, and three dots stay, which stand in types.
smartquotes_action = "q"
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
copybutton_line_continuation_character = "\\"

default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
napoleon_google_docstring = False
# Types of parameters are words ("path or dict"), not names to be looked up.
napoleon_use_param = False
napoleon_use_rtype = False
# As parameters are listed: several names may share a line.
napoleon_custom_sections = [("Attributes", "params_style")]

# Other projects' names: their lists would have to be fetched. bioconv's own are looked up strictly where they are
# written in full; a name without its module is that of an annotation, which autodoc does not resolve.
nitpick_ignore_regex = [("py:.*", r"(?!bioconv\.).*")]
# Parts of what is documented: signatures name them, nobody makes one by hand.
nitpick_ignore = [
    ("py:class", f"bioconv.{name}")
    for name in (
        "conv.detector_network.Detectors",
        "conv.device_memory.PieceSize",
        "conv.device_memory.TileRoom",
        *(f"conv.streaming.{name}" for name in ("Given", "Loaded", "Made", "Result")),
        "datasets.inspection_images.SeenImages",
        "datasets.inspection_sequences.SeenSequences",
        "datasets.records.Record",
        "download.RemoteFile",
        "images.finding.Found",
        "images.rows.RowWriter",
        "mammography.decisions.Decisions",
        "mammography.dicomweb.server._Found",
        "mammography.exams.Rule",
        "mammography.objective.Objective",
        "models.deepbind.DeepBindConfig",
        "segmentation.folders.measuring.Extent",
        "segmentation.objective.Objective",
        "segmentation.preprocessing.Intensity",
        "segmentation.preprocessing.Preprocessing",
        "segmentation.segment.Failure",
        "sequence.alphabets.Alphabet",
        "sequence.null_distribution.NullDistribution",
        "sequence.scanning.hits.HitBatch",
        "sequence.scanning.pipeline.ScanRun",
        "sequence.variant_run.VariantRun",
        "shards._Item",
        "training.normalisation.Normalisation",
    )
]


def setup(app: Sphinx) -> None:
    """Write what is generated, and let links of the repository hold on the site."""
    write_outside_pages()
    write_commands()
    write_cards()
    write_interface()
    app.connect("source-read", _turn_links)
    app.connect("autodoc-process-docstring", _plain, priority=400)  # before napoleon's
    app.connect("autodoc-process-docstring", _after_napoleon, priority=600)
    app.connect("autodoc-process-signature", _sign)
    app.connect("doctree-read", _dash)


def _turn_links(app: Sphinx, page: str, source: list[str]) -> None:
    source[0] = site_listings(site_links(source[0], page))


def _dash(app: Sphinx, tree: nodes.document) -> None:
    """Set the two hyphens between a parameter and its meaning as a dash."""
    for text in list(tree.findall(nodes.Text)):
        if text.startswith((" -- ", ") -- ")):
            text.parent.replace(text, nodes.Text(text.replace("--", "\N{EN DASH}", 1)))


def _plain(app: Sphinx, what: str, name: str, thing: object, options: object, lines: list[str]) -> None:
    plain(what, lines)


def _after_napoleon(app: Sphinx, what: str, name: str, thing: object, options: object, lines: list[str]) -> None:
    lines[:] = [errors(arrays(line)) for line in lines]


def _sign(
    app: Sphinx, what: str, name: str, thing: object, options: object, given: str | None, returned: str | None
) -> tuple[str | None, str | None]:
    return given and signature(given), returned and signature(returned)
