"""Motifs fetched from JASPAR itself, against the MEME file of the same release."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bioconv.errors import MissingDependencyError, MotifError
from bioconv.sequence.motifs import read_motifs


@pytest.fixture
def pyjaspar() -> None:
    pytest.importorskip("pyjaspar")


@pytest.mark.usefixtures("pyjaspar")
def test_one_matrix() -> None:
    (first,) = read_motifs("jaspar:MA0004.1")
    assert (first.name, first.alt, first.sites, first.source) == ("MA0004.1", "Arnt", 20, "jaspar:MA0004.1")
    np.testing.assert_allclose(first.frequencies[:2], [[0.2, 0.8, 0, 0], [0.95, 0, 0.05, 0]])
    (older,) = read_motifs("jaspar:2018/MA0139")
    assert older.name == "MA0139.1"
    (newest,) = read_motifs("jaspar:ma0139")
    assert newest.name > older.name


@pytest.mark.slow
@pytest.mark.usefixtures("pyjaspar")
def test_a_release_is_the_same_as_its_file(shared_data: Callable[[str], Path]) -> None:
    written = {motif.name: motif for motif in read_motifs(shared_data("motifs/JASPAR2024.meme.gz"))}
    fetched = {motif.name: motif for motif in read_motifs("jaspar:2024")}
    assert fetched.keys() == written.keys()
    for name, motif in fetched.items():
        np.testing.assert_allclose(motif.frequencies, written[name].frequencies, rtol=0, atol=1e-5)
    group = read_motifs("jaspar:2024/nematodes")
    assert {motif.name for motif in group} < fetched.keys()


@pytest.mark.usefixtures("pyjaspar")
@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("jaspar:2023/vertebrates", "no release 2023; choose one of .*2024"),
        ("jaspar:MA9999", "no matrix or taxonomic group 'MA9999'"),
        ("jaspar:2024/birds", "JASPAR2024 has no matrix or taxonomic group 'birds'"),
        ("jaspar:x' or '1'='1", "not understood"),
    ],
)
def test_names_that_do_not_exist(spec: str, words: str) -> None:
    with pytest.raises(MotifError, match=words):
        read_motifs(spec)


def test_without_pyjaspar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyjaspar", None)
    with pytest.raises(MissingDependencyError, match=r'pip install "bioconv\[jaspar\]"'):
        read_motifs("jaspar:MA0139.2")
