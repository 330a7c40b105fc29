"""Detectors of models trained on a factor's ChIP-seq peaks resemble that factor's motif in the collections."""

from __future__ import annotations

import fnmatch
from functools import cache
from pathlib import Path

import pytest

from bioconv.sequence.deepbind import load_motif_model
from bioconv.sequence.detector_matches import rank_detectors
from bioconv.sequence.detector_motifs import detector_motifs
from bioconv.sequence.labelled import read_labelled
from bioconv.sequence.motifs import read_motifs
from bioconv.sequence.motifs.compare import Targets, compare, gather_targets
from bioconv.zoo import resolve

pytestmark = pytest.mark.slow

COLLECTIONS = {"hocomoco": "motifs/H13CORE_meme_format.meme.gz", "jaspar": "motifs/JASPAR2024.meme.gz"}
PEAKS = {
    "CTCFL": "CTCFL_K562_CTCFL_(SC-98982)_HudsonAlpha",
    "FOXA1": "FOXA1_HepG2_FOXA1_(SC-101058)_HudsonAlpha",
    "GABPA": "GABPA_GM12878_GABP_HudsonAlpha",
    "REST": "REST_GM12878_NRSF_HudsonAlpha",
    "SP1": "SP1_GM12878_SP1_HudsonAlpha",
    "USF1": "USF1_HepG2_USF-1_HudsonAlpha",
}
ETS = "ELF* ELK* ERF* ERG* ETS* ETV* FEV* FLI1* GABPA* SPI*"

# Model, peaks, how many of the best-ranked peaks (None: all), collection, names the most important detector's best
# match may have, largest p-value. Close relatives bind the same words: where a collection's own motif of the factor is
# drawn from another assay or cut short, a relative's may be nearer.
CASES = [
    ("deepbind:D00753.001", "CTCFL", None, "hocomoco", "CTCFL*", 1e-15),
    ("deepbind:D00753.001", "CTCFL", None, "jaspar", "CTCF CTCFL", 1e-10),
    ("deepbind:D00799.001", "REST", None, "hocomoco", "REST*", 1e-20),
    ("deepbind:D00799.001", "REST", None, "jaspar", "REST", 1e-20),
    ("deepbind:D00700.006", "USF1", None, "hocomoco", "USF1*", 1e-8),
    ("deepbind:D00700.006", "USF1", None, "jaspar", "MITF USF1 USF2 TFE*", 1e-6),
    ("deepbind:D00409.004", "GABPA", None, "hocomoco", ETS, 1e-12),
    ("deepbind:D00409.004", "GABPA", None, "jaspar", ETS, 1e-9),
    ("deepbind:D00761.001", "FOXA1", None, "hocomoco", "FOXA1*", 1e-18),
    ("deepbind:D00761.001", "FOXA1", None, "jaspar", "FOX*", 1e-10),
    # The strongest SP1 peaks carry NF-Y's CCAAT box.
    ("deepbind:D00650.007", "SP1", 500, "hocomoco", "NFYA* NFYB* NFYC*", 1e-12),
    ("encode-ctcfl-k562", "CTCFL", 500, "hocomoco", "CTCFL*", 1e-15),
    ("encode-ctcfl-k562", "CTCFL", 500, "jaspar", "CTCF CTCFL", 1e-10),
    ("encode-rest-gm12878", "REST", 500, "hocomoco", "REST*", 1e-15),
    ("encode-rest-gm12878", "REST", 500, "jaspar", "REST", 1e-15),
    ("encode-usf1-hepg2", "USF1", 500, "hocomoco", "USF1* USF2*", 1e-8),
    ("encode-usf1-hepg2", "USF1", 500, "jaspar", "MITF USF1 USF2 TFE*", 1e-6),
    ("encode-gabpa-gm12878", "GABPA", 500, "hocomoco", ETS, 1e-9),
    ("encode-gabpa-gm12878", "GABPA", 500, "jaspar", ETS, 1e-9),
    ("encode-foxa1-hepg2", "FOXA1", 500, "hocomoco", "FOX*", 1e-9),
    ("encode-foxa1-hepg2", "FOXA1", 500, "jaspar", "FOX* PHA-4", 1e-9),  # PHA-4: the worm's FOXA
    ("encode-sp1-gm12878", "SP1", 500, "hocomoco", "NFYA* NFYB* NFYC*", 1e-12),
]


@cache
def collection(path: Path) -> Targets:
    return gather_targets(read_motifs(path))


@pytest.fixture(scope="module")
def published(shared_data, tmp_path_factory):
    """The published models, fetched from the development data."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BIOCONV_DATA_MIRROR", str(shared_data("deepbind-models-2015").parent))
        patch.setenv("BIOCONV_CACHE", str(tmp_path_factory.mktemp("cache")))
        from bioconv.zoo import install

        install("deepbind-models-2015")
        yield


@pytest.mark.parametrize(("model", "factor", "top", "known", "names", "p"), CASES)
def test_the_most_important_detector_is_the_factors_motif(shared_data, published, model, factor, top, known, names, p):
    targets = collection(shared_data(COLLECTIONS[known]))
    peaks = read_labelled(shared_data(f"deepbind-encode-chipseq/{PEAKS[factor]}_AC.seq.gz"))
    loaded = load_motif_model(resolve(model))
    # A shipped model has 128 detectors, many of them of the same motif: one of the first four shows it best.
    first = rank_detectors(detector_motifs(loaded.detectors, list(peaks.codes[:top])), 4 if "encode" in model else 1)
    found = []
    for each in first:
        match = compare(each.motif, targets, both_orientations=loaded.detectors.reverse_complement)[0]
        found.append((match.target.alt or match.target.name, each.consensus, match.p))
    fitting = [q for name, _, q in found if any(fnmatch.fnmatchcase(name.upper(), one) for one in names.split())]
    assert min(fitting, default=1.0) < p, found
