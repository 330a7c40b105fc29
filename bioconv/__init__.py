"""bioconv: one convolution core for sequences and images.

A motif detector on a genome, a segmenter on a slide and a classifier on a mammogram are the same thing:
a convolution slid over something too big to look at whole.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from bioconv.version import __version__

if TYPE_CHECKING:
    from bioconv.families import load_model as load_model
    from bioconv.families import train as train
    from bioconv.mammography.classify import classify as classify
    from bioconv.segmentation.segment import Failure as Failure
    from bioconv.segmentation.segment import segment as segment
    from bioconv.sequence.mutation_map import mutation_map as mutation_map
    from bioconv.sequence.prediction import predict as predict
    from bioconv.sequence.scanning.scan import scan as scan
    from bioconv.sequence.variants import variants as variants
    from bioconv.training.config import TrainConfig as TrainConfig

# In a checkout `cli/` and `datasets/` lie beside this folder; installed, they lie inside it.
_checkout = Path(__file__).parent.parent
if (_checkout / "pyproject.toml").is_file():
    __path__.append(str(_checkout))

_PUBLIC = {
    "Failure": "bioconv.segmentation.segment",
    "TrainConfig": "bioconv.training.config",
    "classify": "bioconv.mammography.classify",
    "load_model": "bioconv.families",
    "mutation_map": "bioconv.sequence.mutation_map",
    "predict": "bioconv.sequence.prediction",
    "scan": "bioconv.sequence.scanning.scan",
    "segment": "bioconv.segmentation.segment",
    "train": "bioconv.families",
    "variants": "bioconv.sequence.variants",
}

__all__ = [
    "Failure",
    "TrainConfig",
    "__version__",
    "classify",
    "load_model",
    "mutation_map",
    "predict",
    "scan",
    "segment",
    "train",
    "variants",
]


def __getattr__(name: str) -> object:
    """Import a public name on first use, so that `import bioconv` stays fast."""
    if name not in _PUBLIC:
        message = f"module 'bioconv' has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_PUBLIC])
