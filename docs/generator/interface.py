"""Pages of the Python interface: which modules are public, and the directives that let Sphinx read them."""

from __future__ import annotations

import importlib

from generator.repository import write

EVALUATION_RECORDS = (
    "bioconv.evaluation.ranking:RocCurve,PrecisionRecallCurve",
    "bioconv.evaluation.thresholds:OperatingPoint,ChosenThreshold",
    "bioconv.evaluation.calibration:ReliabilityBin",
    "bioconv.evaluation.logistic:Logistic",
    "bioconv.evaluation.froc:FrocCurve",
    "bioconv.evaluation.overlap:ClassOverlap",
    "bioconv.evaluation.objects:Matching,ApTable",
)
"""What the functions of `bioconv.evaluation` return and it does not name itself."""

MODULES = {
    "bioconv": ("The functions that pipelines import", ("bioconv", "bioconv.errors")),
    "results": (
        "What they return",
        (
            "bioconv.sequence.scanning.hits:Hit",
            "bioconv.sequence.scanning.scan:Hits",
            "bioconv.sequence.prediction:Predictions",
            "bioconv.sequence.variants:VariantOptions,VariantEffects",
            "bioconv.sequence.variant_run:VariantEffect",
            "bioconv.sequence.mutation_map:MutationMap",
            "bioconv.segmentation.segment:Segmentation",
            "bioconv.segmentation.objects.measurements:Measurements",
            "bioconv.mammography.classify:Exams",
            "bioconv.training.run:Run",
            "bioconv.sequence.recurrent.model:SequenceModel",
            "bioconv.segmentation.model:SegmentationModel",
            "bioconv.mammography.model:ClassificationModel",
        ),
    ),
    "convolution": (
        "Convolution",
        (
            "bioconv.conv.arithmetic",
            "bioconv.conv.filters",
            "bioconv.conv.pwm",
            "bioconv.conv.geometry",
            "bioconv.conv.tiles",
            "bioconv.conv.tiling",
            "bioconv.conv.blending",
            "bioconv.conv.streaming:Streaming,Steps",
        ),
    ),
    "sequences": (
        "Sequences and motifs",
        (
            "bioconv.sequence.fasta",
            "bioconv.sequence.parts",
            "bioconv.shards:Shard,parse_shard",
            "bioconv.sequence.labelled",
            "bioconv.sequence.motifs",
            "bioconv.sequence.motifs.compare",
            "bioconv.sequence.scanning.options",
            "bioconv.sequence.deepbind:MotifModel,load_motif_model",
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
            "bioconv.mammography.breast:Box,Breast",
            "bioconv.mammography.captures:named_uid",
            "bioconv.mammography.dicomweb.address",
            "bioconv.mammography.dicomweb.study:fetch_study",
            "bioconv.mammography.dicomweb.server:Server,Limits",
        ),
    ),
    "evaluation": ("Evaluation", ("bioconv.evaluation", "bioconv.evaluation.regions", *EVALUATION_RECORDS)),
    "training": (
        "Networks and training",
        (
            "bioconv.models.model_file",
            "bioconv.models.classifier",
            "bioconv.models.recurrent",
            "bioconv.models.unet",
            "bioconv.training.config",
            "bioconv.training.initialization",
            "bioconv.sequence.binding.recipe:Recipe",
            "bioconv.sequence.recurrent.fit:RecurrentPlan",
            "bioconv.training.splits:Split",
            "bioconv.runtime",
        ),
    ),
    "datasets": (
        "Data sets",
        (
            "bioconv.datasets.registry",
            "bioconv.datasets.records",
            "bioconv.datasets.chipseq:load",
            "bioconv.datasets.inspection",
            "bioconv.datasets.listing:Listing",
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
        write(f"reference/python/{page}", "\n\n".join([f"# {title}", *map(_section, modules)]) + "\n")


def public_names(entry: str) -> tuple[str, list[str]]:
    """Return a module of the table and its public names: those given, those of `__all__`, or those it defines."""
    module, _, given = entry.partition(":")
    if given:
        return module, given.split(",")
    found = importlib.import_module(module)
    if hasattr(found, "__all__"):
        return module, list(found.__all__)
    return module, [
        name
        for name, thing in vars(found).items()
        if not name.startswith("_") and callable(thing) and getattr(thing, "__module__", "") == module
    ]


def _section(entry: str) -> str:
    module, _, given = entry.partition(":")
    if not given:
        directives = f".. automodule:: {module}\n   :members:"
    else:
        found = importlib.import_module(module)
        kinds = {name: "class" if isinstance(getattr(found, name), type) else "function" for name in given.split(",")}
        directives = "\n\n".join(
            f".. auto{kind}:: {module}.{name}" + ("\n   :members:" if kind == "class" else "")
            for name, kind in kinds.items()
        )
    return f"## {module}\n\n```{{eval-rst}}\n{directives}\n```"
