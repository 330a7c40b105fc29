"""The shipped models: complete, small, as good as their cards say, and used when nothing else is named."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bioconv.conv.detectors import batch_scores
from bioconv.evaluation import auprc, auroc
from bioconv.models.model_file import read_model
from bioconv.sequence.deepbind import load_motif_model
from bioconv.sequence.labelled import read_labelled
from bioconv.sequence.nulls import sample_scores
from bioconv.zoo import packaged, resolve

ROOT = Path(__file__).parent.parent.parent
NAMES = sorted(name for name, model in packaged().items() if model.task == "binding")
TESTED = {  # model -> its test file
    "encode-arid3a-hepg2": "ARID3A_HepG2_ARID3A_(NB100-279)_Stanford_B.seq.gz",
    "encode-arid3a-k562": "ARID3A_K562_ARID3A_(sc-8821)_Stanford_B.seq.gz",
    "encode-ctcfl-k562": "CTCFL_K562_CTCFL_(SC-98982)_HudsonAlpha_B.seq.gz",
    "encode-elk1-gm12878": "ELK1_GM12878_ELK1_(1277-1)_Stanford_B.seq.gz",
    "encode-foxa1-hepg2": "FOXA1_HepG2_FOXA1_(SC-101058)_HudsonAlpha_B.seq.gz",
    "encode-foxm1-gm12878": "FOXM1_GM12878_FOXM1_(SC-502)_HudsonAlpha_B.seq.gz",
    "encode-gabpa-gm12878": "GABPA_GM12878_GABP_HudsonAlpha_B.seq.gz",
    "encode-myc-h1-hesc": "MYC_H1-hESC_c-Myc_Stanford_B.seq.gz",
    "encode-rest-gm12878": "REST_GM12878_NRSF_HudsonAlpha_B.seq.gz",
    "encode-sp1-gm12878": "SP1_GM12878_SP1_HudsonAlpha_B.seq.gz",
    "encode-usf1-hepg2": "USF1_HepG2_USF-1_HudsonAlpha_B.seq.gz",
    "encode-zbtb7a-hepg2": "ZBTB7A_HepG2_ZBTB7A_(SC-34508)_HudsonAlpha_B.seq.gz",
}


def test_all_twelve_are_there_and_nothing_else():
    assert set(NAMES) == set(TESTED)
    files = {path.name for path in (ROOT / "bioconv" / "zoo").glob("*.safetensors")}
    assert files == {f"{name}.safetensors" for name in packaged()}


@pytest.mark.parametrize("name", NAMES)
def test_a_card_says_what_users_need(name):
    path = resolve(name)
    assert path.stat().st_size < 130_000
    metadata = read_model(path).metadata
    assert metadata["licence"] == "Apache-2.0"
    assert "10.1038/nature11247" in metadata["citation"]
    assert [re.fullmatch("[0-9a-f]{64}", one["content_sha256"]) for one in metadata["training"]["data"]]
    low, high = metadata["metrics"]["test_auroc"][1:]
    assert 0.5 < low < high <= 1
    model = load_motif_model(path)
    assert (model.window, model.null is None, model.record_null is None, model.logistic is None) == (101, *[False] * 3)


@pytest.mark.parametrize("name", NAMES)
def test_figures_on_unseen_sequences_are_the_card_s(name, shared_data):
    test = read_labelled(shared_data(f"deepbind-encode-chipseq/{TESTED[name]}"))
    path = resolve(name)
    detectors = load_motif_model(path).detectors
    found = detectors.pool_strands(batch_scores(np.asarray(test.codes), detectors, padded=True))
    metrics = read_model(path).metadata["metrics"]
    assert auroc(found, test.labels) == pytest.approx(metrics["test_auroc"][0], abs=1e-4)
    assert auprc(found, test.labels) == pytest.approx(metrics["test_auprc"][0], abs=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_the_null_holds_on_windows_it_was_not_made_of(name):
    """Shares within binomial 99.9 % (the null itself is of a million draws, hence twice the variance at 1e-3)."""
    model = load_motif_model(resolve(name))
    background = np.array(model.null.description["background"])
    for null, padded in ((model.null, False), (model.record_null, True)):
        count = 100_000
        fresh = sample_scores(model.detectors, background, window=101, padded=padded, count=count, seed=77)
        p = null.p_values(fresh)
        for limit in (1e-2, 1e-3, 1e-4):
            spread = np.sqrt(limit * (1 / count + 1 / 1_000_000))
            assert abs((p <= limit).mean() - limit) < 3.3 * spread + 1 / count, limit


def test_scan_alone_uses_them(tmp_path):
    # The sites REST and CTCF are known for, in a record of their own each.
    rest, ctcf = "TTCAGCACCATGGACAGCGCC", "TGGCCACCAGGGGGCGCTA"
    flank = "ACTGATCGATTACGATACGTAGCATCGATATCGATGCATT"
    (tmp_path / "x.fa").write_text(f">rest\n{flank}{rest}{flank}\n>ctcf\n{flank}{ctcf}{flank}A\n")
    done = subprocess.run(
        [sys.executable, "-m", "bioconv", "scan", str(tmp_path / "x.fa"), "--no-header"],
        capture_output=True, text=True, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = {(row.split("\t")[2], row.split("\t")[0]) for row in done.stdout.splitlines()[1:]}
    assert {("rest", "encode-rest-gm12878"), ("ctcf", "encode-ctcfl-k562")} <= found
    assert "scanning with" in done.stderr


def test_models_list_shows_them():
    listed = subprocess.run(
        [sys.executable, "-m", "bioconv", "models", "list", "encode-*", "--json"],
        capture_output=True, text=True, cwd=ROOT,
    )  # fmt: skip
    rows = json.loads(listed.stdout)
    assert [row["name"] for row in rows] == NAMES
    assert all(row["installed"] for row in rows)
