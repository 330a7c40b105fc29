"""What the names in the documentation stand for: each file or folder that a page reads, made small.

A page says `peaks.fa` or `scans/` and the reader has one; here a maker makes it. To add one: write a function that
takes the path and writes it, and give it a line in `MAKERS` (the name as pages write it, without a last slash).
`OF_PAGE` has those of a single page, where a name means something else. What a page writes into the folder itself, by
a command, in Python, or as a block that begins with the file's name as a comment, needs no maker.
Everything is synthetic or comes from examples/data; nothing is fetched.
"""

from __future__ import annotations

import csv
import gzip
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from tests.documents.blocks import ROOT

DATA = ROOT / "examples/data"
ZOO = ROOT / "bioconv/zoo"
LEXA = "TACTGTATATATATACAGTA"
Maker = Callable[[Path], None]


def letters(count: int, seed: int) -> str:
    return np.frombuffer(b"ACGT", np.uint8)[np.random.default_rng(seed).integers(0, 4, count)].tobytes().decode()


def sequences(count: int, length: int, seed: int, site: str = LEXA) -> list[str]:
    """Random sequences with a site in the middle of each."""
    start = (length - len(site)) // 2
    drawn = (letters(length, 1000 * seed + number) for number in range(count))
    return [one[:start] + site + one[start + len(site) :] for one in drawn]


def write_fasta(path: Path, records: Iterable[tuple[str, str]]) -> None:
    path.write_text("".join(f">{name}\n{text}\n" for name, text in records))


def fasta(count: int, length: int, seed: int, site: str = LEXA) -> Maker:
    def make(path: Path) -> None:
        made = enumerate(sequences(count, length, seed, site))
        write_fasta(path, ((f"s{seed}-{number}", text) for number, text in made))

    return make


def copy(source: Path) -> Maker:
    return lambda path: shutil.copyfile(source, path) and None


def packed(name: str) -> Maker:
    """The file of that name, by gzip."""

    def make(path: Path) -> None:
        plain = path.with_name(f"plain-{name}")
        MAKERS[name](plain)
        path.write_bytes(gzip.compress(plain.read_bytes(), 1))
        plain.unlink()

    return make


def blocked(name: str) -> Maker:
    """The file of that name, by bgzip."""

    def make(path: Path) -> None:
        from Bio.bgzf import BgzfWriter

        plain = path.with_name(f"plain-{name}")
        MAKERS[name](plain)
        with BgzfWriter(path, "wb") as stream:
            stream.write(plain.read_bytes())
        plain.unlink()

    return make


GENOME = {"chr1": 60_000, "chr5": 1_300_000, "chr20": 60_000, "chr22": 60_000}


def genome(path: Path) -> None:
    """A genome that is none: random letters under the names, and for one region at the places, that pages use."""
    write_fasta(path, ((name, letters(length, number)) for number, (name, length) in enumerate(GENOME.items())))


def vcf(path: Path) -> None:
    reference = letters(GENOME["chr1"], 0)
    rows = []
    for number, place in enumerate(range(1000, 9000, 400)):
        ref = reference[place]
        alt = "ACGT"[("ACGT".index(ref) + 1) % 4]
        rows.append(f"chr1\t{place + 1}\trs{number}\t{ref}\t{alt}\t.\tPASS\t.")
    columns = "\t".join(("#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO"))
    head = f"##fileformat=VCFv4.2\n##contig=<ID=chr1,length={GENOME['chr1']}>\n{columns}\n"
    text = head + "\n".join(rows) + "\n"
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())


def peaks(path: Path) -> None:
    """Sixty peaks, the best first: BED, or narrowPeak with summits."""
    lines = []
    for number in range(60):
        start = 500 + 900 * number
        line = f"chr1\t{start}\t{start + 300}\tpeak{number}\t{1000 - number}\t{'+-'[number % 2]}"
        lines.append(f"{line}\t{90 - number}\t-1\t-1\t150" if path.suffix == ".narrowPeak" else line)
    path.write_text("\n".join(lines) + "\n")


def motifs(path: Path) -> None:
    """The two motifs of examples/data, and CTCF's name for one of them."""
    text = (DATA / "crp_lexa.meme").read_text()
    head, *each = text.split("\nMOTIF ")
    path.write_text("\nMOTIF ".join([head, *each, "MA0139.2 CTCF\n" + each[-1].partition("\n")[2]]))


def deepbind_table(path: Path) -> None:
    rows = [f"A\tseq_{number:05}_peak\t{text}\t1" for number, text in enumerate(sequences(60, 101, 3))]
    rows += [f"A\tseq_{number:05}_shuf\t{letters(101, number)}\t0" for number in range(60)]
    path.write_bytes(gzip.compress(("FoldID\tEventID\tseq\tBound\n" + "\n".join(rows) + "\n").encode()))


def sites(path: Path) -> None:
    """Three classes of sequences of 60 letters, told apart by what is in their middle."""
    middles = {"donor": "CAGGTAAGT", "acceptor": "TTTTCAGGT", "neither": ""}
    rows = [
        (f"{label}{number}", text, label)
        for seed, (label, site) in enumerate(middles.items())
        for number, text in enumerate(sequences(30, 60, 10 + seed, site))
    ]
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows([("name", "sequence", "label"), *rows])


def picture(path: Path, *, seed: int = 0, size: int = 96, colour: str = "") -> None:
    """Synthetic nuclei: bright ones before a dark ground, blue ones on pink (`stain`), or the same in red (`red`)."""
    import tifffile
    from PIL import Image

    pixels = nuclei(seed, size)[0]
    if colour:
        dark = (255 - pixels.astype(np.float32)) / 255
        tone = {"stain": (0.9, 0.65, 0.8), "red": (0.8, 0.4, 0.2)}[colour]
        shades = [255 * share * (0.35 + 0.65 * dark) for share in tone]
        pixels = np.stack(shades, -1).astype(np.uint8)
    if path.suffix in {".tif", ".tiff"}:
        tifffile.imwrite(path, pixels, photometric="rgb" if colour else "minisblack", tile=(64, 64))
    else:
        Image.fromarray(pixels).save(path)


def nuclei(seed: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    from bioconv.datasets.synthetic_cells import synthetic_cells

    made = synthetic_cells(shape=(size, size), nuclei=8, radius=9.0, seed=seed)
    return made.pixels, made.labels


def folder(count: int, *, first: int = 0, colour: str = "", size: int = 96) -> Maker:
    def make(path: Path) -> None:
        path.mkdir()
        for number in range(first, first + count):
            picture(path / f"image{number}.png", seed=number, colour=colour, size=size)

    return make


def masks(count: int, *, first: int = 0, eroded: bool = False) -> Maker:
    def make(path: Path) -> None:
        from PIL import Image

        path.mkdir()
        for number in range(first, first + count):
            labels = nuclei(number, 96)[1].copy()
            if eroded:
                labels[::7] = 0
            Image.fromarray(labels).save(path / f"image{number}.png")

    return make


def pairs(path: Path) -> None:
    """A table of images and binary masks of its own."""
    from PIL import Image

    kept = path.parent / "pairs"
    kept.mkdir(exist_ok=True)
    rows = []
    for number in range(8):
        picture(kept / f"p{number}.png", seed=number, colour="red")
        Image.fromarray(((nuclei(number, 96)[1] > 0) * 255).astype(np.uint8)).save(kept / f"m{number}.png")
        rows.append((f"pairs/p{number}.png", f"pairs/m{number}.png"))
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows([("image", "mask"), *rows])


def stack(path: Path) -> None:
    """Three planes in four channels, one of them DAPI."""
    import tifffile

    planes = np.stack([nuclei(0, 96)[0]] * 3)
    pixels = np.stack([planes, 255 - planes, planes // 2, planes // 3], 1)
    names = {"Name": ["DAPI", "GFP", "RFP", "Cy5"]}
    about = {"axes": "ZCYX", "Channel": names, "PhysicalSizeX": 0.65, "PhysicalSizeY": 0.65, "PhysicalSizeZ": 2.0}
    tifffile.imwrite(path, pixels, ome=True, metadata=about)


def plane(path: Path) -> None:
    """One plane in four channels."""
    import tifffile

    pixels = nuclei(0, 96)[0]
    about = {
        "axes": "CYX",
        "Channel": {"Name": ["DAPI", "GFP", "RFP", "Cy5"]},
        "PhysicalSizeX": 0.65,
        "PhysicalSizeY": 0.65,
    }
    tifffile.imwrite(path, np.stack([pixels, 255 - pixels, pixels // 2, pixels // 3]), ome=True, metadata=about)


def exams(path: Path) -> None:
    """DICOM files of two synthetic women, four views each."""
    from bioconv.datasets.mammography_phantom import synthetic_mammograms

    from tests.mammography.samples import write_mammogram

    path.mkdir()
    for number in range(2):
        for view in synthetic_mammograms(number, shape=(96, 80), masses={"L": 0.7} if number == 1 else None):
            name = path / f"w{number}-{view.laterality}{view.view}.dcm"
            write_mammogram(
                name, view.pixels, view.laterality, view.view, patient=f"synthetic-{number}", study=f"study-{number}"
            )


def women(count: int) -> Maker:
    """A table of pictures of synthetic women, beside them in a folder of the table's name."""

    def make(path: Path) -> None:
        from tests.mammography import phantoms

        kept = path.parent / f"{path.stem}-pictures"
        kept.mkdir(exist_ok=True)
        table = phantoms.write_pictures(kept, range(count))
        with table.open(newline="") as stream:
            rows = list(csv.reader(stream))
        part = rows[0].index("split")
        rows = [[one for place, one in enumerate(row) if place != part] for row in rows]
        with path.open("w", newline="") as stream:
            csv.writer(stream).writerows([rows[0], *([f"{kept.name}/{row[0]}", *row[1:]] for row in rows[1:])])

    return make


def small_classifier(path: Path, size: tuple[int, int] = (48, 32)) -> None:
    """The shipped classifier with its calibration and thresholds, made to read small pictures: fast."""
    from dataclasses import replace

    from bioconv.models.model_file import read_model, write_model

    file = read_model(ZOO / "mammo-ddsm.safetensors")
    metadata = dict(file.metadata)
    preprocessing = dict(metadata["preprocessing"])
    preprocessing["preparation"] = dict(preprocessing["preparation"]) | {"size": list(size)}
    metadata["preprocessing"] = preprocessing
    write_model(path, replace(file, metadata=metadata))


def resnet50(path: Path) -> None:
    """Weights of a ResNet-50 under torchvision's names: zeros."""
    import torch
    from safetensors.torch import save_file

    from tests.models.test_imported import resnet

    save_file({name: torch.zeros(shape) for name, shape in resnet(50).items()}, path)


def pickled(path: Path) -> None:
    import torch

    torch.save({"fc.bias": torch.zeros(3)}, path)


MAKERS: dict[str, Maker] = {
    # sequences
    "bound.fa": fasta(80, 60, 1),
    "gene.fa": fasta(1, 900, 2),
    "genome.fa": genome,
    "hg38.fa": genome,
    "hg38.fa.bgz": blocked("hg38.fa"),
    "hg38.fa.gz": packed("hg38.fa"),
    "mine.fa": fasta(60, 101, 4),
    "peaks.fa": fasta(80, 101, 5),
    "peaks.fa.gz": packed("peaks.fa"),
    "unbound.fa": fasta(80, 60, 6, ""),
    "x.fa": fasta(3, 500, 7),
    "donors.fa": fasta(30, 60, 8, "CAGGTAAGT"),
    "acceptors.fa": fasta(30, 60, 9, "TTTTCAGGT"),
    "neither.fa": fasta(30, 60, 10, ""),
    "sites.csv": sites,
    "test.seq.gz": deepbind_table,
    "REST_GM12878_AC.seq.gz": deepbind_table,
    # regions, variants, motifs
    "peaks.bed": peaks,
    "peaks.narrowPeak": peaks,
    "calls.vcf.gz": vcf,
    "calls.vcf": vcf,
    "variants.vcf.gz": vcf,
    "jaspar.meme": motifs,
    "JASPAR2024.meme": motifs,
    "motifs.meme": motifs,
    # images
    "scans": folder(2),
    "more": folder(1, first=9),
    "images": folder(8),
    "masks": masks(8),
    "predicted": masks(3, eroded=True),
    "truth": masks(3),
    "pairs.csv": pairs,
    "fundus": folder(1, colour="red"),
    "slides": folder(1, colour="stain"),
    "slide.tif": lambda path: picture(path, colour="stain", size=160),
    "retina.png": lambda path: picture(path, colour="red"),
    "cells.png": picture,
    "cells.tif": plane,
    "cells.ome.tif": plane,
    "stack.ome.tif": stack,
    # mammograms
    "exams": exams,
    "exams.csv": women(8),
    "women.csv": women(12),
    "mine.csv": women(8),
    # predictions and labels
    "scores.csv": copy(DATA / "elk1_scores.csv"),
    "labels.csv": copy(DATA / "elk1_labels.csv"),
    "s.csv": copy(DATA / "screening_scores.csv"),
    "l.csv": copy(DATA / "screening_labels.csv"),
    "readers.csv": copy(DATA / "screening_readers.csv"),
    "marks.csv": copy(DATA / "screening_marks.csv"),
    "lesions.csv": copy(DATA / "screening_lesions.csv"),
    # models
    "a.safetensors": copy(ZOO / "encode-rest-gm12878.safetensors"),
    "b.safetensors": copy(ZOO / "encode-elk1-gm12878.safetensors"),
    "ctcf.safetensors": copy(ZOO / "encode-ctcfl-k562.safetensors"),
    "rest.safetensors": copy(ZOO / "encode-rest-gm12878.safetensors"),
    "masses.safetensors": small_classifier,
    "classifier.safetensors": small_classifier,
    "cells.safetensors": copy(ZOO / "nuclei.safetensors"),
    "resnet50.safetensors": resnet50,
    "resnet50.pth": pickled,
}
"""Name, as pages write it -> what makes it at a path."""

OF_PAGE: dict[str, dict[str, Maker]] = {
    "docs/mammography.md": {
        "exams.csv": women(2),
        "a.safetensors": small_classifier,
        "b.safetensors": lambda path: small_classifier(path, (56, 40)),
    },
    "docs/own-data.md": {
        "split.tsv": lambda path: path.write_text("name\tpart\nimage0.png\ttrain\nimage1.png\tdev\n") and None
    },
    "docs/datasets.md": {"mine": lambda path: shutil.copytree(shared("drive"), path) and None},
}
"""Page -> names that mean something else there."""


def shared(name: str) -> Path:
    """Return a folder of the development data, see tests/conftest.py."""
    import os

    return Path(os.environ.get("BIOCONV_DATA_MIRROR", ROOT.parent / "shared" / "data")) / name


def maker(page: str, name: str) -> Maker | None:
    """Return what makes a name on a page, None if nothing does."""
    return OF_PAGE.get(page, {}).get(name) or MAKERS.get(name)
