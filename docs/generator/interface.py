"""Pages of the Python interface: which modules are public, and the directives that let Sphinx read them."""

from __future__ import annotations

import importlib

from generator.repository import write

MODULES = {
    "bioconv": ("The functions that pipelines import", ("bioconv", "bioconv.errors")),
    "results": (
        "What they return",
        (
            "bioconv.sequence.scanning.hits",
            "bioconv.sequence.prediction",
            "bioconv.sequence.variants",
            "bioconv.segmentation.segment",
            "bioconv.mammography.classify",
            "bioconv.training.run",
        ),
    ),
    "convolution": (
        "Convolution",
        (
            "bioconv.conv.arithmetic",
            "bioconv.conv.filters",
            "bioconv.conv.pwm",
            "bioconv.conv.geometry",
            "bioconv.conv.tiling",
            "bioconv.conv.blending",
        ),
    ),
    "sequences": (
        "Sequences and motifs",
        (
            "bioconv.sequence.fasta",
            "bioconv.sequence.labelled",
            "bioconv.sequence.motifs",
            "bioconv.sequence.motifs.compare",
            "bioconv.sequence.scanning.options",
            "bioconv.sequence.deepbind",
            "bioconv.sequence.detector_motifs",
            "bioconv.sequence.recurrent.positions",
            "bioconv.sequence.recurrent.inference",
        ),
    ),
    "images": (
        "Images and segmentation",
        (
            "bioconv.images.image",
            "bioconv.images.reader",
            "bioconv.images.writer",
            "bioconv.images.masks",
            "bioconv.images.stains",
            "bioconv.segmentation.objects.instances",
        ),
    ),
    "mammography": (
        "Mammography",
        (
            "bioconv.mammography.finding",
            "bioconv.mammography.views",
            "bioconv.mammography.preparation",
            "bioconv.mammography.captures",
            "bioconv.mammography.dicomweb.address",
            "bioconv.mammography.dicomweb.study",
        ),
    ),
    "evaluation": ("Evaluation", ("bioconv.evaluation", "bioconv.evaluation.regions")),
    "training": (
        "Networks and training",
        (
            "bioconv.models.model_file",
            "bioconv.models.classifier",
            "bioconv.models.recurrent",
            "bioconv.models.unet",
            "bioconv.training.config",
            "bioconv.training.initialization",
            "bioconv.sequence.binding.recipe",
            "bioconv.sequence.binding.defaults",
            "bioconv.sequence.recurrent.fit",
            "bioconv.sequence.recurrent.recipe",
            "bioconv.runtime",
        ),
    ),
    "datasets": (
        "Data sets",
        (
            "bioconv.datasets.registry",
            "bioconv.datasets.records",
            "bioconv.datasets.inspection",
            "bioconv.datasets.splitting",
            "bioconv.datasets.conversions",
            "bioconv.datasets.files",
            "bioconv.datasets.synthetic",
            "bioconv.datasets.synthetic_motifs",
            "bioconv.datasets.synthetic_cells",
            "bioconv.datasets.synthetic_breasts",
            "bioconv.datasets.mammography_phantom",
        ),
    ),
}
"""Page -> its title and the modules on it. `tests/test_docs.py` asks of each public name there for a docstring."""


def write_interface() -> None:
    """Write `reference/python/*.md`."""
    for page, (title, modules) in MODULES.items():
        parts = [f"# {title}"]
        for name in modules:
            about = (importlib.import_module(name).__doc__ or "").strip().partition("\n")[0]
            assert about, name
            parts.append(f"## {name}\n\n```{{eval-rst}}\n.. automodule:: {name}\n   :members:\n```")
        write(f"reference/python/{page}", "\n\n".join(parts) + "\n")
