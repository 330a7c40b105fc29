"""The examples and the docstrings' examples run, and say what they show; the pages are in test_docs_commands.py."""

from __future__ import annotations

import doctest
import importlib
import importlib.util
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from bioconv.conv.pooling import pool_detectors
from bioconv.models.deepbind import DeepBind
from bioconv.sequence.fasta import encode

ROOT = Path(__file__).parent.parent


def run(*command: object, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, *map(str, command)],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=cwd,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
    )


def test_scan_promoters_finds_the_known_sites():
    rows = [line.split("\t") for line in run("examples/scan_promoters.py").stdout.splitlines()]
    assert rows[0] == ["gene", "motif", "distance to gene", "strand", "p-value", "q-value", "site"]
    best = {(row[0], row[1]): row for row in rows[1:]}
    assert best["pst", "LexA"][6] == "TACTGTACATAAAAACAG"
    assert best["pla", "CRP"][6] == "TGTGAGAAAAGTCACATAA"
    assert rows[1][0] == "pst"


def test_segment_cells_segments_grey_and_colour(spot_model_path):
    model = spot_model_path(inputs=("red", "green", "blue"))
    head, *rows = run("examples/segment_cells.py", model).stdout.splitlines()
    found = {line.split("\t")[0]: dict(zip(head.split("\t"), line.split("\t"), strict=True)) for line in rows[:-1]}
    assert [(name, row["axes"], row["shape"]) for name, row in found.items()] == [
        ("cell", "YX", "660x550"), ("immunohistochemistry", "YX", "512x512")
    ]  # fmt: skip
    assert all(int(row["objects"]) > 0 for row in found.values())
    assert rows[-1].startswith("Otsu's threshold")


def example(name: str):
    """Import an example as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / f"examples/{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    try:
        spec.loader.exec_module(module)
    finally:
        del sys.modules[name]
    return module


def is_picture(path: Path) -> bool:
    return path.read_bytes().startswith(b"\x89PNG\r\n") and path.stat().st_size > 10_000


def test_vanishing_gradients_says_what_theory_says(tmp_path):
    picture = tmp_path / "gradients.png"
    rows = [
        line.split("\t")
        for line in run("examples/vanishing_gradients.py", "--quick", "--output", picture).stdout.splitlines()
    ]
    chains = {row[0]: float(row[3]) for row in rows[1:8]}
    assert 0 < chains["tanh, recurrent gain 0.5"] < 1e-20
    assert chains["tanh, recurrent gain 3"] > 1e6
    assert 0.05 < chains["tanh, identity"] < 1
    for cell, start in (("LSTM", "forget bias 1"), ("GRU", "update bias 0")):
        assert chains["tanh, recurrent gain 0.5"] < chains[f"{cell}, {start}"] < chains[f"{cell}, open gates"] < 100
        assert chains[f"{cell}, open gates"] > 1e-3
    for _, before, after in rows[9:-1]:
        assert float(after) == pytest.approx(min(1, float(before)), rel=1e-3)
    assert float(rows[-2][1]) > 1e6 * float(rows[9][1])
    assert is_picture(picture)


def test_gradients_stay_within_the_bounds_of_their_cells():
    gradients = example("vanishing_gradients")
    codes = gradients.letters(4, 40)
    for gain in (0.5, 3.0):  # a step's matrix is the recurrent one times slopes of tanh, which are 1 at most
        network = gradients.build(f"tanh, recurrent gain {gain:g}")
        cell, head = network.stack[0].forwards, network.head.weight[0]
        ends = float((head.norm() * torch.linalg.matrix_norm(cell.weight_ih_l0, 2)).detach())
        found = gradients.input_gradients(network, codes)
        assert (found <= ends * gain ** np.arange(40) * (1 + 1e-9)).all()
    # With nothing but the forget gate between the states of an LSTM, each step keeps its share.
    network = gradients.build("LSTM, forget bias 1")
    cell = network.stack[0].forwards
    with torch.no_grad():
        cell.weight_hh_l0.zero_()
        cell.weight_ih_l0[64:128] = 0
        cell.weight_ih_l0[192:] = 0
        cell.weight_ih_l0 *= 1e-4  # so that tanh of the state is the state
    found = gradients.input_gradients(network, codes)
    assert found[1:] / found[:-1] == pytest.approx(np.full(39, 1 / (1 + np.exp(-1))), rel=1e-4)


@pytest.mark.slow
def test_motif_order_is_learnt_by_the_lstm_alone(tmp_path):
    picture = tmp_path / "order.png"
    done = run("examples/motif_order.py", "--quick", "--output", picture)
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    areas = {(model, tested): tuple(map(float, figures)) for model, _, tested, *figures in rows[1:-1]}
    assert areas["LSTM", "60"][0] > 0.95
    assert all(0.4 < areas["DeepBind", tested][0] < 0.6 for tested in ("60", "120"))
    assert all(low <= value <= high for value, low, high in areas.values())
    assert is_picture(picture)


def test_swapped_motifs_leave_pooled_features_as_they_are():
    order = example("motif_order")
    rng = np.random.default_rng(0)
    drawn = [order.draw(rng, length) for length in (60, 60, 90) for _ in range(10)]
    for span in (order.SPAN, order.SPAN + 1):
        network = DeepBind(replace(order.DEEPBIND.network, length=span))
        network.reset_parameters(0.5)
        same = []
        for one in drawn:
            pooled = [
                pool_detectors(
                    torch.from_numpy(encode(one.around(*motifs))[None]), network.filters, network.thresholds,
                    reverse_complement=True, average=True,
                )
                for motifs in ((order.A, order.B), (order.B, order.A))
            ]  # fmt: skip
            same.append(torch.allclose(*pooled, atol=1e-5))
        # With a letter more a detector reaches past the flanks.
        assert all(same) == (span == order.SPAN)


def test_gallery_makes_its_pictures(tmp_path):
    run("examples/gallery.py", "-o", tmp_path, "--only", "hits,mutation-map")
    for name in ("hits.svg", "mutation-map.svg"):
        kept, made = (ROOT / "docs/gallery" / name).read_text(), (tmp_path / name).read_text()
        # The same drawing, to the rounding of another processor: as many shapes, as many letters.
        assert [made.count(shape) for shape in ("<path", "<use", "<g ")] == [
            kept.count(shape) for shape in ("<path", "<use", "<g ")
        ]


DOCUMENTED = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for path in sorted((ROOT / "bioconv").rglob("*.py"))
    if re.search(r"^ +>>> ", path.read_text(), re.MULTILINE)
] + ["bioconv.datasets.synthetic"]


@pytest.mark.parametrize("name", DOCUMENTED)
def test_docstring_examples(name):
    result = doctest.testmod(importlib.import_module(name))
    assert result.attempted > 0
    assert result.failed == 0
