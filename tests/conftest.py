"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

# How long an example takes is the machine's affair, not the code's.
settings.register_profile("bioconv", deadline=None)
settings.load_profile("bioconv")

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Callable[[str], Path]:
    """Return a function from a data set's file (`motifs/JASPAR2024.meme.gz`) to its path, or skip."""
    mirror = Path(os.environ.get("BIOCONV_DATA_MIRROR", ROOT.parent / "shared" / "data"))

    def locate(name: str) -> Path:
        path = mirror / name
        if not path.exists():
            pytest.skip(f"development data {name} not found (set BIOCONV_DATA_MIRROR to a folder that holds it)")
        return path

    return locate


@pytest.fixture(scope="session")
def motif_model() -> Callable[..., object]:
    """Return a function that makes a small random DeepBind model: strong detectors, so that letters matter."""
    from bioconv.conv.detectors import Detectors
    from bioconv.sequence.deepbind import MotifModel

    def make(seed=0, *, length=5, window=12, padded=False, average=True, hidden=3, both=True, logistic=None, name="m"):
        rng = np.random.default_rng(seed)
        features = 4 * (2 if average else 1)
        detectors = Detectors(
            filters=rng.normal(size=(4, 4, length)),
            thresholds=rng.normal(size=4) - 1,
            average_pooling=average,
            weights1=rng.normal(size=(features, hidden or 1)),
            biases1=rng.normal(size=hidden or 1),
            weights2=rng.normal(size=hidden) if hidden else None,
            bias2=0.3 if hidden else 0.0,
            reverse_complement=both,
        )
        return MotifModel(name, detectors, window=window, padded=padded, logistic=logistic)

    return make


@pytest.fixture(scope="session")
def model_path(motif_model, tmp_path_factory) -> Callable[..., Path]:
    """Return a function that writes such a model to a file."""
    from bioconv.models.model_file import write_model
    from bioconv.sequence.deepbind import to_model_file

    def write(seed=0, **options):
        path = tmp_path_factory.mktemp("model") / f"{options.get('name', 'm')}.safetensors"
        write_model(path, to_model_file(motif_model(seed, **options)))
        return path

    return write
