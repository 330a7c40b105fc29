"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

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
