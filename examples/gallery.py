"""Make the pictures of docs/gallery.md by the commands, and by a few lines of Matplotlib where these draw nothing.

Run: python examples/gallery.py -o docs/gallery        (some minutes; --only hits,curves makes these alone)
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from PIL import Image

import bioconv

ROOT = Path(__file__).parent.parent
DATA = ROOT / "examples/data"
SITE = "TTCAGCACCATGGACAGCGCC"  # REST's, as JASPAR's MA0138.3 has it
# Bytes that are the same from run to run.
mpl.rcParams |= {"svg.hashsalt": "bioconv", "font.size": 8, "axes.spines.top": False, "axes.spines.right": False}
INK, BLUE, RED = "#333333", "#0072B2", "#D55E00"


def run(*words: object) -> None:
    """Run a command of bioconv."""
    command = [sys.executable, "-m", "bioconv", *map(str, words)]
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": path})


def save(figure: Figure, path: Path) -> None:
    """Write an SVG without a date."""
    figure.savefig(path, metadata={"Date": None}, bbox_inches="tight", facecolor="white")


def random_letters(count: int, seed: int) -> str:
    """Return random DNA."""
    return "".join(random.Random(seed).choices("ACGT", k=count))


def sites_and_flanks() -> str:
    """Return 600 random letters with a site of REST at 301."""
    return random_letters(300, 1) + SITE + random_letters(279, 2)


def draw_hits(path: Path, folder: Path) -> None:
    """Both motifs as logos, and their hits along the plasmid of examples/data."""
    from bioconv.report.logos import draw_logo
    from bioconv.sequence.motifs import read_motifs

    motifs = {motif.name: motif for motif in read_motifs(DATA / "crp_lexa.meme")}
    hits = list(bioconv.scan(DATA / "NC_005816.fna", motifs=DATA / "crp_lexa.meme", p=1e-4))
    figure = Figure(figsize=(7.5, 3.2))
    for place, (name, colour) in enumerate({"LexA": BLUE, "CRP": RED}.items()):
        logo = figure.add_axes((0.06 + 0.5 * place, 0.66, 0.42, 0.24))
        draw_logo(logo, motifs[name].frequencies)
        logo.set_title(name, loc="left", fontweight="bold", color=colour)
        logo.set_ylabel("bits")
        columns = range(4, len(motifs[name].frequencies), 5)
        logo.set_xticks(columns, [str(column + 1) for column in columns])
    track = figure.add_axes((0.06, 0.13, 0.92, 0.38))
    for name, colour in {"LexA": BLUE, "CRP": RED}.items():
        mine = [hit for hit in hits if hit.motif_id == name]
        heights = [-np.log10(hit.p_value) * (1 if hit.strand == "+" else -1) for hit in mine]
        track.vlines([hit.start for hit in mine], 0, heights, color=colour, linewidth=2, label=name)
    track.axhline(0, color=INK, linewidth=0.8)
    track.set(xlim=(0, 9609), xlabel="pPCP1, position (bases)", ylabel="-log10 p")
    track.legend(frameon=False, ncols=2, loc="upper left", title="above: strand +, below: strand -")
    save(figure, path)


def draw_mutation_map(path: Path, folder: Path) -> None:
    """Draw what each substitution of REST's site costs by the shipped model."""
    run("mutation-map", SITE, "--model", "encode-rest-gm12878", "--plot", path, "-o", folder / "map.tsv")


def draw_variants(path: Path, folder: Path) -> None:
    """Draw changes of the score by one substitution at each third place around the site."""
    text = sites_and_flanks()
    (folder / "toy.fa").write_text(f">toy\n{text}\n")
    rows = [f"toy\t{place + 1}\t.\t{text[place]}\t{turned(text[place])}\t.\t.\t." for place in range(100, 500, 3)]
    (folder / "toy.vcf").write_text("\n".join(["##fileformat=VCFv4.2", VCF_HEAD, *rows, ""]))
    effects = list(bioconv.variants(folder / "toy.vcf", reference=folder / "toy.fa", model="encode-rest-gm12878"))
    figure = Figure(figsize=(7.5, 2.6))
    axes = figure.add_subplot()
    axes.axvspan(300.5, 300.5 + len(SITE), color="#eeeeee", label="planted site")
    places, deltas = [effect.start + 1 for effect in effects], [effect.delta for effect in effects]
    axes.vlines(places, 0, deltas, color=BLUE, linewidth=1)
    axes.plot(places, deltas, "o", color=BLUE, markersize=2.5)
    axes.axhline(0, color=INK, linewidth=0.8)
    axes.set(xlabel="position in the random sequence (bases)", ylabel="change of the score")
    axes.legend(frameon=False, loc="lower left")
    save(figure, path)


VCF_HEAD = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"


def turned(letter: str) -> str:
    """Return the letter for another one."""
    return dict(zip("ACGT", "CGTA", strict=True))[letter]


def draw_training(path: Path, folder: Path) -> None:
    """Learning curves of a small DeepBind on random sequences with LexA's sites."""
    from bioconv.datasets.synthetic import planted_motifs

    from bioconv.report.facts import curves_of
    from bioconv.sequence.motifs import read_motifs

    lexa = [motif for motif in read_motifs(DATA / "crp_lexa.meme") if motif.name == "LexA"]
    sequences, _ = planted_motifs(lexa, sequences=300, length=60, share=1)
    (folder / "bound.fa").write_text("".join(f">{name}\n{letters}\n" for name, letters in sequences.items()))
    run("train", "deepbind", folder / "bound.fa", "-o", folder / "lexa.safetensors", "--epochs", 12,
        "--learning-rate", 0.005, "--warmup-steps", 10, "--detectors", 8, "--per-epoch", 300, "--quiet")  # fmt: skip
    rows = read_history(folder / "lexa.run/held-out/history.csv")
    figure = Figure(figsize=(7.5, 2.6))
    for axes, name in zip(figure.subplots(1, 2), ("loss", "auroc"), strict=True):
        for (part, points), colour in zip(curves_of(rows)[name].items(), (BLUE, RED), strict=False):
            axes.plot([x for x, _ in points], [y for _, y in points], color=colour, label=part)
        axes.set(xlabel="epoch", ylabel=name)
        axes.legend(frameon=False)
    figure.tight_layout()
    save(figure, path)


def read_history(path: Path) -> list[dict[str, float]]:
    """Read the table of a training: a row per epoch."""
    head, *rows = [line.split(",") for line in path.read_text().splitlines() if not line.startswith("#")]
    return [{key: float(cell) for key, cell in zip(head, row, strict=True) if cell} for row in rows]


def draw_curves(path: Path, folder: Path) -> None:
    """ROC, precision and recall, reliability of two predictions of ELK1's regions."""
    run("evaluate", "--scores", DATA / "elk1_scores.csv", "--labels", DATA / "elk1_labels.csv", "--plot", path)


def overlay(path: Path, folder: Path, pixels: np.ndarray, *options: str) -> None:
    """Segment a picture and keep its overlay: the picture, its contrast stretched, with the outlines found."""
    images, results = folder / "images", folder / "results"
    images.mkdir()
    Image.fromarray(pixels).save(images / "picture.png")
    run("segment", images, "-o", results, "--overlay", "--quiet", *options)
    (found,) = results.glob("overlays/*.png")
    Image.open(found).convert("RGB").save(path, quality=80, method=6)


def draw_cells(path: Path, folder: Path) -> None:
    """Scikit-image's `cell`."""
    from skimage import data

    overlay(path, folder, data.cell(), "--diameter", "130")


def draw_tissue(path: Path, folder: Path) -> None:
    """Scikit-image's `immunohistochemistry`."""
    from skimage import data

    overlay(path, folder, data.immunohistochemistry())


def draw_vessels(path: Path, folder: Path) -> None:
    """Scikit-image's `retina` at 706 of its 1411 pixels, which is near to what the model was trained on."""
    from skimage import data

    half = np.asarray(Image.fromarray(data.retina()).reduce(2))
    overlay(path, folder, half, "--model", "vessels")


def draw_synthetic_cells(path: Path, folder: Path) -> None:
    """Synthetic nuclei, half of them touching another."""
    from bioconv.datasets.synthetic_cells import synthetic_cells

    overlay(path, folder, synthetic_cells(3, shape=(384, 384), nuclei=60).pixels)


def draw_heat_map(path: Path, folder: Path) -> None:
    """Four views of a synthetic woman and what raised the shipped classifier's score in them."""
    run("datasets", "make", "breasts", "-o", folder / "women", "--count", 1, "--share", 1, "--size", 384, "--quiet")
    run("classify", folder / "women/synthetic-exams.csv", "--model", "mammo-ddsm", "-o", folder / "out", "--quiet",
        "--keep-ids")  # fmt: skip
    maps = list((folder / "out").glob("heat_maps/**/*.png"))
    hanging = [next(one for one in maps if f"-{side}-{view}" in one.name) for view in ("CC", "MLO") for side in "RL"]
    figure = Figure(figsize=(7.5, 2.6))
    for axes, found in zip(figure.subplots(1, 4), hanging, strict=True):
        axes.imshow(np.asarray(Image.open(found).convert("RGB")))
        axes.set_title(" ".join(found.name.split(".")[0].split("-")[-2:]), fontsize=8)
        axes.axis("off")
    figure.suptitle("SYNTHETIC", color=RED, fontsize=9, fontweight="bold", y=0.97)
    figure.subplots_adjust(left=0.01, right=0.99, bottom=0.02, top=0.82, wspace=0.06)
    figure.savefig(folder / "views.png", dpi=110, facecolor="white")
    Image.open(folder / "views.png").convert("RGB").save(path, quality=85, method=6)


PICTURES: dict[str, Callable[[Path, Path], None]] = {
    "cell.webp": draw_cells,
    "tissue.webp": draw_tissue,
    "synthetic-cells.webp": draw_synthetic_cells,
    "vessels.webp": draw_vessels,
    "hits.svg": draw_hits,
    "mutation-map.svg": draw_mutation_map,
    "variants.svg": draw_variants,
    "training.svg": draw_training,
    "curves.svg": draw_curves,
    "heat-maps.webp": draw_heat_map,
}


def main() -> None:
    """Make the pictures that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--only", default=",".join(Path(name).stem for name in PICTURES))
    given = parser.parse_args()
    given.output.mkdir(parents=True, exist_ok=True)
    for name, draw in PICTURES.items():
        if Path(name).stem in given.only.split(","):
            with tempfile.TemporaryDirectory() as folder:
                draw((given.output / name).resolve(), Path(folder))
            print(name, (given.output / name).stat().st_size, sep="\t", flush=True)


if __name__ == "__main__":
    main()
