"""The tutorials run, what their pages say is so, and the pages are those of the scripts as they are."""

from __future__ import annotations

import ast
import gzip
import importlib.util
import re
import shlex
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import jupytext
import numpy as np
import pytest
import torch
from bioconv.cli.main import cli
from scipy import ndimage, signal, stats

from bioconv.conv.pooling import pool_detectors
from bioconv.models.deepbind import DeepBind
from bioconv.sequence.fasta import encode

ROOT = Path(__file__).parent.parent
PAGES = ROOT / "docs/tutorials"
OUTPUT = re.compile(r"```text\n(.*?)\n```", re.DOTALL)
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[-+]?\d+)?")


@cache
def exporter() -> ModuleType:
    spec = importlib.util.spec_from_file_location("export_notebooks", ROOT / "examples/export_notebooks.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    try:
        spec.loader.exec_module(module)
    finally:
        del sys.modules[spec.name]
    return module


def without_footer(text: str) -> str:
    return text.partition("\n---\n\nMade by running")[0]


def play(name: str, *, repeats: bool = False) -> dict[str, Any]:
    """Run a tutorial, compare it with its page, and return its names; `repeats`: its numbers do not depend on luck."""
    played = exporter().play(name)
    fresh = without_footer(exporter().page(played, 0, ""))
    shown = without_footer((PAGES / f"{exporter().page_name(name)}.md").read_text())
    stale = f"the page of {name} is not that of its script: run `python examples/export_notebooks.py {name}`"
    assert OUTPUT.sub("", shown) == OUTPUT.sub("", fresh), stale
    for there, here in zip(OUTPUT.findall(shown), OUTPUT.findall(fresh), strict=True):
        assert there.count("\n") == here.count("\n"), stale
        if repeats:
            assert NUMBER.sub("", there).split() == NUMBER.sub("", here).split(), stale
            numbers = [[float(one) for one in NUMBER.findall(text)] for text in (there, here)]
            assert numbers[0] == pytest.approx(numbers[1], rel=0.02, abs=2e-3), stale
    return played.names


def test_convolve_by_hand():
    names = play("convolve_by_hand", repeats=True)
    cell, results = names["cell"], names["results"]
    assert names["edges"].tolist() == np.correlate(names["signal"], names["difference"]).tolist()
    assert np.allclose(names["by_hand"], signal.correlate2d(cell, [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], "valid"))
    for name, expected in {
        "identity": cell,
        "box": ndimage.uniform_filter(cell, 3),
        "gaussian": ndimage.gaussian_filter(cell, 1.0),
        "sobel-horizontal": ndimage.sobel(cell, 1),
        "sobel-vertical": ndimage.sobel(cell, 0),
        "laplacian": ndimage.laplace(cell),
        "sharpen": cell - ndimage.laplace(cell),
    }.items():
        assert np.allclose(results[name], expected), name
    for name in ("identity", "box", "gaussian", "sharpen"):
        assert results[name].mean() == pytest.approx(cell.mean(), abs=0.5)
    assert np.abs(names["twice"] - names["once"])[30:-30, 30:-30].max() < 0.01
    assert names["rise"]["box"] == pytest.approx(1 / 3, rel=0.03)
    assert names["rise"]["laplacian"] == pytest.approx(np.sqrt(20), rel=0.03)


def test_pwm_is_a_convolution():
    names = play("pwm_is_a_convolution", repeats=True)
    pwm, hits = names["pwm"], names["hits"]
    both = [signal.correlate(names["one_hot"], table.T, "valid")[0] for table in (pwm, pwm[::-1, ::-1])]
    assert np.allclose(names["forward"], both[0])
    assert np.allclose(names["reverse"], both[1])
    assert hits[0].start == np.maximum(*both).argmax()
    assert names["furthest"] < len(pwm) * 0.0005
    for hit in hits:
        assert names["exact"][hit.start] == pytest.approx(hit.p_value, rel=1e-6)
    # Each count of random words is what the exact p-value promises, to within luck.
    draws = len(names["words"])
    for exact, sampled in names["compared"]:
        assert stats.binomtest(round(sampled * draws), draws, exact).pvalue > 1e-4
    assert sum(hit.q_value < 0.05 for hit in hits) == 3


def test_train_one_factor():
    names = play("train_one_factor")
    areas, found, matches = names["areas"], names["found"], names["matches"]
    assert 0.96 < areas["the model"] <= areas["the true motif of CRP"] + 0.005
    assert 0.45 < areas["the true motif of LexA"] < 0.55
    assert areas["the model"] == pytest.approx(
        stats.mannwhitneyu(names["learned"][:500], names["learned"][500:]).statistic / 500**2
    )
    matter = [one for one in found if one.importance > 0.5]
    assert matter
    for one in matter:
        assert matches[one.name].target.name == "CRP"
        assert matches[one.name].p < 1e-6
    # The motif that matters most, column by column, is the planted one.
    match, columns = names["match"], found[0].motif.frequencies
    first, last = max(0, match.offset), min(len(columns), match.offset + len(names["truth"]))
    planted = names["truth"][first - match.offset : last - match.offset]
    assert last - first >= 12
    assert np.corrcoef(columns[first:last].ravel(), planted.ravel())[0, 1] > 0.9


def test_score_variants():
    names = play("score_variants", repeats=True)
    standing = names["standing"]
    assert [name for name, ranks in standing.items() if max(ranks) <= 6] == [
        "encode-elk1-gm12878", "encode-gabpa-gm12878"
    ]  # fmt: skip
    assert max(standing["encode-ctcfl-k562"]) < 20
    for name in ("encode-myc-h1-hesc", "encode-rest-gm12878"):
        assert standing[name][1] <= 20
    assert all(effect.ref_match and not effect.flags for effect in names["effects"])
    change = {(effect.id, effect.model): effect.delta for effect in names["effects"]}
    for variant in names["KNOWN"]:
        assert change[variant, "encode-gabpa-gm12878"] > change[variant, "encode-elk1-gm12878"] > 0.5
    # One that is not known from tumours stands between the two.
    assert names["ranks"]["C250T"] == 1
    assert names["ranks"]["C228T"] == 3


def test_measured_effects_of_the_variants(shared_data):
    """The promoter's letters and the direction of both effects are those of a saturation mutagenesis."""
    tree = ast.parse((ROOT / "examples/score_variants.py").read_text())
    assigned = [node for node in tree.body if isinstance(node, ast.Assign)]
    given = {node.targets[0].id: node.value for node in assigned if isinstance(node.targets[0], ast.Name)}
    first, promoter, known = (ast.literal_eval(given[name]) for name in ("FIRST", "PROMOTER", "KNOWN"))
    with gzip.open(shared_data("mpra-satmut/elements.tsv.gz"), "rt") as stream:
        rows = [line.rstrip().split("\t") for line in stream]
    rows = [row for row in rows if row[9:] == ["TERT-GBM", "GRCh38"] and row[3] in "ACGT"]
    letters = {int(row[1]): row[2] for row in rows}
    assert promoter == "".join(letters[first + place] for place in range(len(promoter)))
    measured = {(int(row[1]), row[3]): float(row[7]) for row in rows}
    for place in known.values():
        assert measured[place, "A"] > np.percentile([*measured.values()], 98)


def test_unet_from_ten_images():
    from sklearn.metrics import f1_score

    names = play("unet_from_ten_images")
    overlaps, truth = names["overlaps"], names["new"][0].labels > 0
    assert overlaps["U-Net"][0] == pytest.approx(f1_score(truth.ravel(), names["masks"]["U-Net"][0].ravel()))
    assert np.mean(overlaps["U-Net"]) > 0.96 > 0.95 > np.mean(overlaps["threshold"])
    assert min(overlaps["U-Net"]) > max(0.9, min(overlaps["threshold"]))
    # What touches is one object: half as many as nuclei, and most nuclei are not found, by either method.
    nuclei = sum(int(image.labels.max()) for image in names["new"])
    assert sum(ndimage.label(mask)[1] for mask in names["masks"]["U-Net"]) < 0.6 * nuclei
    assert max(names["counts"].values()) < 0.5
    assert len(names["run"].split.names("dev")) == 1


def test_finetune_nuclei():
    names = play("finetune_nuclei")
    judged = names["judged"]
    nuclei = sum(len(np.unique(labels)) - 1 for _, labels in names["new"])
    assert all(found + missed == nuclei for _, (found, missed, _), _ in judged.values())
    assert judged["fine-tuned"][0] > max(judged["as shipped"][0], judged["from scratch"][0]) + 0.15
    assert names["losses"]["fine-tuned"][0] < names["losses"]["from scratch"][-1]
    shapes = [
        {name: value.shape for name, value in network.state_dict().items()}
        for network in (names["shipped"].network, names["run"].network)
    ]
    assert shapes[0] == shapes[1]


def test_transfer_and_control():
    names = play("transfer_and_control")
    areas = {name: np.array(found) for name, found in names["areas"].items()}
    assert (areas["source"] > areas["control"]).all()
    # The control is between: not all that is gained on scratch was learned from labels.
    assert areas["source"].mean() - 0.02 > areas["control"].mean() > areas["scratch"].mean()
    assert np.ptp(areas["scratch"]) > np.ptp(areas["source"])
    # As many breasts have a mass as before, both views of a breast agree, and labels moved.
    labels = []
    for table in ("synthetic-exams.csv", "shuffled.csv"):
        lines = [
            line.split(",") for line in (names["folder"] / "source" / table).read_text().splitlines() if line[0] != "#"
        ]
        breasts: dict[tuple[str, str], set[str]] = {}
        for row in lines[1:]:
            cells = dict(zip(lines[0], row, strict=True))
            breasts.setdefault((cells["patient"], cells["laterality"]), set()).add(cells["label"])
        assert {len(own) for own in breasts.values()} == {1}
        labels.append([own.pop() for own in breasts.values()])
    assert sorted(labels[0]) == sorted(labels[1])
    assert labels[0] != labels[1]


def test_motif_order():
    names = play("motif_order")
    areas = names["areas"]
    assert areas["LSTM", 60].value > 0.98
    assert all(0.42 < areas["DeepBind", length].value < 0.58 for length in (60, 120))
    assert 0.5 <= areas["LSTM", 120].value < 0.8
    assert areas["place of A alone", 60].value > 0.99
    assert all(area.low <= area.value <= area.high for area in areas.values())
    assert names["words"][0] == names["words"][1]
    # What pooling keeps is equal for both orders; with a letter more a detector reaches past the flanks.
    rng = np.random.default_rng(0)
    drawn = [names["draw"](rng, length) for length in (60, 60, 90) for _ in range(10)]
    for span in (names["SPAN"], names["SPAN"] + 1):
        network = DeepBind(replace(names["DEEPBIND"].network, length=span))
        network.reset_parameters(0.5)
        same = []
        for one in drawn:
            pooled = [
                pool_detectors(
                    torch.from_numpy(encode(one.around(*motifs))[None]), network.filters, network.thresholds,
                    reverse_complement=True, average=True,
                )
                for motifs in ((names["A"], names["B"]), (names["B"], names["A"]))
            ]  # fmt: skip
            same.append(torch.allclose(*pooled, atol=1e-5))
        assert all(same) == (span == names["SPAN"])


def test_vanishing_gradients():
    names = play("vanishing_gradients")
    shares = {name: norms[99] / norms[0] for name, norms in names["chains"].items()}
    assert 0 < shares["tanh, recurrent gain 0.5"] < 1e-20
    assert shares["tanh, recurrent gain 3"] > 1e6
    assert 0.05 < shares["tanh, identity"] < 1
    assert shares["GRU, update bias 0"] < 1e-9
    for cell, start in (("LSTM", "forget bias 1"), ("GRU", "update bias 0")):
        assert shares["tanh, recurrent gain 0.5"] < shares[f"{cell}, {start}"] < shares[f"{cell}, open gates"] < 100
        assert shares[f"{cell}, open gates"] > 1e-3
    before, after = np.array([*names["clipped"].values()]).T
    assert after == pytest.approx(np.minimum(1, before), rel=1e-3)
    assert before[-1] > 1e6 * before[0]
    check_bounds(names)


def check_bounds(names: dict[str, Any]) -> None:
    """Gradients stay within the bounds of their cells."""
    codes = names["letters"](4, 40)
    for gain in (0.5, 3.0):  # a step's matrix is the recurrent one times slopes of tanh, which are 1 at most
        network = names["build"](f"tanh, recurrent gain {gain:g}")
        cell, head = network.stack[0].forwards, network.head.weight[0]
        ends = float((head.norm() * torch.linalg.matrix_norm(cell.weight_ih_l0, 2)).detach())
        found = names["input_gradients"](network, codes)
        assert (found <= ends * gain ** np.arange(40) * (1 + 1e-9)).all()
    # With nothing but the forget gate between the states of an LSTM, each step keeps its share.
    network = names["build"]("LSTM, forget bias 1")
    cell = network.stack[0].forwards
    with torch.no_grad():
        cell.weight_hh_l0.zero_()
        cell.weight_ih_l0[64:128] = 0
        cell.weight_ih_l0[192:] = 0
        cell.weight_ih_l0 *= 1e-4  # so that tanh of the state is the state
    found = names["input_gradients"](network, codes)
    assert found[1:] / found[:-1] == pytest.approx(np.full(39, 1 / (1 + np.exp(-1))), rel=1e-4)


def test_bias_and_variance():
    names = play("bias_and_variance")
    large, small = (np.median(names["curves"][name], axis=1) for name in ("large", "small"))
    reference = names["reference"]
    assert (large[:, 0] < 0.02).all()
    assert large[0, 1] > 0.05 > 0.03 > large[-1, 1] > reference
    assert small[-1, 0] > 0.1 > 10 * reference
    assert small[-1, 1] - small[-1, 0] < 0.5 * (small[0, 1] - small[0, 0])
    new = {
        kind: {name: np.median(errors[:, 1]) for name, errors in names[kind].items()} for kind in ("variance", "bias")
    }
    variance, bias = new["variance"], new["bias"]
    assert min(variance, key=variance.get) == "four times the data"
    assert variance["a third of the steps"] > variance["as it is"]
    low, high = names["variance"]["as it is"][:, 1].min(), names["variance"]["as it is"][:, 1].max()
    for name in ("weight decay", "dropout"):
        assert 0.7 * low <= variance[name] <= 1.3 * high
    assert names["together"] < np.mean(names["alone"])
    for name in ("four times the data", "weight decay"):
        assert bias[name] > 0.6 * bias["as it is"]
    for name in ("filters as long as sites", "the large model"):
        assert bias[name] < 0.3 * bias["as it is"]
    assert names["on_train"] < names["on_dev"] < names["on_longer"]


def markdown(name: str) -> str:
    cells = jupytext.read(ROOT / f"examples/{name}.py").cells
    return "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


@pytest.mark.parametrize("name", exporter().TUTORIALS)
def test_commands_of_a_tutorial_have_these_options(name):
    for line in re.findall(r"^    (bioconv .+)$", markdown(name), re.MULTILINE):
        words = shlex.split(line)[1:]
        command: click.Command = cli
        context = click.Context(cli)
        while isinstance(command, click.Group):
            word = words.pop(0)
            command = command.get_command(context, word)
            assert command is not None, f"{line}: no command {word}"
        options = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in words if re.match("-{1,2}[a-z]", word)} <= options, line


@pytest.mark.parametrize("name", exporter().TUTORIALS)
def test_links_of_a_page_lead_somewhere(name):
    page = PAGES / f"{exporter().page_name(name)}.md"
    links = re.findall(r"\]\(([^)#\s]+)\)", page.read_text())
    assert len(links) >= 3
    for link in links:
        assert (PAGES / link).is_file(), f"{page.name}: {link}"


def test_pictures_are_those_of_the_pages_and_small():
    shown = {link for page in PAGES.glob("*.md") for link in re.findall(r"\((images/[^)]+)\)", page.read_text())}
    pictures = [*(PAGES / "images").iterdir()]
    assert {f"images/{picture.name}" for picture in pictures} == shown
    sizes = [picture.stat().st_size for picture in pictures]
    assert all(picture.read_bytes().startswith(b"\x89PNG\r\n") for picture in pictures)
    assert min(sizes) > 1000
    assert max(sizes) < 80_000
    assert sum(sizes) < 1_000_000
    assert {page.stem for page in PAGES.glob("[0-9]*.md")} == {*map(exporter().page_name, exporter().TUTORIALS)}


SMALL = """# %% [markdown]
# # Small
#
# See [data](../docs/datasets.md) and [order](motif_order.py).

# %%
import matplotlib.pyplot as plt

print("two", 1 + 1)

# %%
figure, axes = plt.subplots()
axes.set_title("A line", loc="left")
axes.plot([0, 1])
plt.show()
"""


def test_a_script_becomes_page_and_notebook(tmp_path, monkeypatch):
    (tmp_path / "convolve_by_hand.py").write_text(SMALL)
    monkeypatch.setattr(exporter(), "HERE", tmp_path)
    played = exporter().play("convolve_by_hand")
    text = without_footer(exporter().page(played, 3.2, "a machine"))
    assert text.startswith("# Small\n\nSee [data](../datasets.md) and [order](08-motif-order.md).\n\n```python\nimport")
    assert "```\n\n```text\ntwo 2\n```\n\n```python\nfigure" in text
    assert text.endswith("\n\n![A line](images/01-convolve-by-hand-1.png)\n") or text.endswith("-1.png)")
    assert "took 3 s of processor time on one core (a machine)" in exporter().page(played, 3.2, "a machine")
    book = exporter().notebook(played)
    assert [cell.cell_type for cell in book.cells] == ["markdown", "code", "code"]
    assert book.cells[0].source.endswith("[data](../../docs/datasets.md) and [order](motif_order.ipynb).")
    assert book.cells[1].outputs[0].text == "two 2\n"
    assert book.cells[2].outputs[0].data["image/png"].startswith("iVBOR")
    assert jupytext.writes(book, "py:percent").count("# %%") == 3


def test_a_cell_that_fails_is_named(tmp_path, monkeypatch):
    (tmp_path / "convolve_by_hand.py").write_text(SMALL.replace("1 + 1", "1 / 0"))
    monkeypatch.setattr(exporter(), "HERE", tmp_path)
    with pytest.raises(RuntimeError, match=r"convolve_by_hand\.py, cell 2 failed:\n(.|\n)*ZeroDivisionError"):
        exporter().play("convolve_by_hand")
    assert "convolve_by_hand" not in sys.modules
