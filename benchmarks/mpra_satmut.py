"""How well models' variant scores agree with measured effects: saturation mutagenesis of 29 regulatory experiments.

The measured effects are those of Kircher et al., Nat Commun 10:3583 (2019), doi 10.1038/s41467-019-11526-w
(elements.tsv.gz of github.com/kircherlab/MPRA_SaturationMutagenesis): log2 change of expression for every single
substitution and deletion of 21 promoters and enhancers. The wild-type sequence of each element is put together from
the table's own Ref column (GRCh38); variants with fewer than 10 barcodes are left out, as is the custom. Scores are
those of `bioconv.variants` with the element as the whole genome.

Two figures for each experiment and model, over all its variants: Pearson's correlation of the score's change with the
measured one, and the AUC of the change's size for telling variants of p < 1e-5 from all others. A model knows one
factor and an element is read by many, so the model that was expected to matter was fixed for each element beforehand
(EXPECTED), from the element's literature and cell line; the whole table is given beside it.

Run: python benchmarks/mpra_satmut.py [--model NAME|FILE ...] [--elements FILE] (see README.md)
"""

from __future__ import annotations

import argparse
import gzip
import os
import tempfile
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

import bioconv
from bioconv.sequence.variants import VariantOptions

MODELS = {
    "deepbind:D00409.004": "GABPA",
    "deepbind:D00360.007": "ELK1",
    "deepbind:D00650.007": "SP1",
    "deepbind:D00785.001": "MYC",
    "deepbind:D00446.009": "HNF4A",
    "deepbind:D00317.009": "CEBPB",
    "deepbind:D00765.001": "GATA1",
    "deepbind:D00761.001": "FOXA1",
    "deepbind:D00819.002": "TCF7L2",
    "deepbind:D00799.001": "REST",
}
"""Published models, fixed before any was scored; REST, which none of the elements is known for, as a control."""
EXPECTED = {
    "TERT-GAa": "GABPA", "TERT-GBM": "GABPA", "TERT-GSc": "GABPA", "TERT-HEK": "GABPA", "LDLR": "SP1",
    "LDLR.2": "SP1", "F9": "HNF4A", "HNF4A": "HNF4A", "SORT1": "CEBPB", "SORT1.2": "CEBPB", "SORT1-flip": "CEBPB",
    "HBB": "GATA1", "HBG1": "GATA1", "PKLR-24h": "GATA1", "PKLR-48h": "GATA1", "GP1BA": "GATA1", "BCL11A": "GATA1",
    "MYCrs6983267": "TCF7L2",
}  # fmt: skip
MODES = {
    "best window that touches the variant (default)": VariantOptions(),
    "the same, --gated": VariantOptions(gated=True),
    "101 letters around it, --context 101": VariantOptions(context=101),
    "the same, --context 101 --gated": VariantOptions(context=101, gated=True),
}
SHOWN = (0, 3)
"""The modes of which the whole table is printed."""
BARCODES = 10
SIGNIFICANT = 1e-5
RELEASE = "GRCh38"


@dataclass
class Element:
    """One experiment: wild-type sequence, and what was measured for each variant of it."""

    name: str
    first: int
    text: str
    variants: list[tuple[int, str, str]]
    effect: NDArray[np.float64]
    significant: NDArray[np.bool_]


def read_elements(path: Path) -> list[Element]:
    rows: dict[str, list[list[str]]] = defaultdict(list)
    with gzip.open(path, "rt") as stream:
        columns = stream.readline().split()
        assert columns[1:5] + columns[7:] == [
            "Pos",
            "Ref",
            "Alt",
            "Barcodes",
            "Coefficient",
            "pValue",
            "Element",
            "Release",
        ]
        for line in stream:
            fields = line.split()
            if fields[10] == RELEASE and fields[1] != "NA":  # places that the release does not have
                rows[fields[9]].append(fields)
    return [_element(name, fields) for name, fields in sorted(rows.items())]


def _element(name: str, rows: list[list[str]]) -> Element:
    wild = {int(row[1]): row[2] for row in rows}
    first = min(wild)
    text = "".join(wild.get(place, "N") for place in range(first, max(wild) + 1))
    kept = [row for row in rows if int(row[4]) >= BARCODES]
    variants = [(int(row[1]) - first, row[2], row[3]) for row in kept]
    assert all(text[place] == ref for place, ref, _ in variants)
    effect = np.array([float(row[7]) for row in kept])
    return Element(name, first, text, variants, effect, np.array([float(row[8]) < SIGNIFICANT for row in kept]))


def write_inputs(elements: list[Element], folder: Path) -> tuple[Path, Path]:
    """Write the elements as a genome, their variants as a VCF."""
    with (folder / "elements.fa").open("w") as fasta, (folder / "variants.vcf").open("w") as vcf:
        vcf.write("##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n")
        for element in elements:
            fasta.write(f">{element.name}\n{element.text}\n")
            for place, ref, alt in element.variants:
                if alt == "-":  # VCF wants a letter beside a deletion
                    last = place == len(element.text) - 1
                    place -= last
                    ref = element.text[place : place + 2]
                    alt = ref[0] if last else ref[1]
                vcf.write(f"{element.name}\t{place + 1}\t.\t{ref}\t{alt}\t.\t.\t.\n")
    return folder / "elements.fa", folder / "variants.vcf"


def deltas(elements: list[Element], models: Iterable[str], options: VariantOptions) -> NDArray[np.float64]:
    """Return (variants, models) changes of score, the elements' variants one after the other."""
    models = list(models)
    with tempfile.TemporaryDirectory() as folder:
        fasta, vcf = write_inputs(elements, Path(folder))
        found = bioconv.variants(vcf, reference=fasta, model=models, options=options)
        return np.array([effect.delta for effect in found]).reshape(-1, len(models))


def agreement(element: Element, delta: NDArray[np.float64]) -> tuple[float, float]:
    """Return Pearson's r and the AUC of one model on one experiment."""
    scored = ~np.isnan(delta)
    r = float(np.corrcoef(delta[scored], element.effect[scored])[0, 1]) if delta[scored].any() else 0.0
    truth = element.significant[scored]
    auc = float(roc_auc_score(truth, np.abs(delta[scored]))) if 0 < truth.sum() < len(truth) else float("nan")
    return r, auc


def table(elements: list[Element], names: list[str], found: NDArray[np.float64]) -> list[str]:
    """Return one row per experiment: r / AUC of each model, the expected one in bold."""
    lines = ["| experiment | variants | p < 1e-5 | " + " | ".join(names) + " |", "| --- " * (3 + len(names)) + "|"]
    begin = 0
    for element in elements:
        part = found[begin : begin + len(element.variants)]
        begin += len(element.variants)
        cells = []
        for column, name in enumerate(names):
            r, auc = agreement(element, part[:, column])
            bold = "**" if EXPECTED.get(element.name) == name else ""
            cells.append(f"{bold}{r:.2f} / {auc:.2f}{bold}")
        counts = f"{len(element.variants):,} | {int(element.significant.sum()):,}"
        lines.append(f"| {element.name} | {counts} | " + " | ".join(cells) + " |")
    return lines


def expected_means(elements: list[Element], names: list[str], found: NDArray[np.float64]) -> tuple[int, float, float]:
    """Return of how many experiments the expected model is here, and its mean r and AUC over them."""
    begin, figures = 0, []
    for element in elements:
        part = found[begin : begin + len(element.variants)]
        begin += len(element.variants)
        if EXPECTED.get(element.name) in names:
            figures.append(agreement(element, part[:, names.index(EXPECTED[element.name])]))
    r, auc = np.mean(figures, axis=0) if figures else (np.nan, np.nan)
    return len(figures), float(r), float(auc)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", action="append", help="instead of the ten published ones; repeatable")
    parser.add_argument("--elements", type=Path, help="default: mpra-satmut/ in the folder BIOCONV_DATA_MIRROR names")
    given = parser.parse_args()
    folder = Path(os.environ.get("BIOCONV_DATA_MIRROR", "."))
    elements = read_elements(given.elements or folder / "mpra-satmut" / "elements.tsv.gz")
    models = given.model or list(MODELS)
    names = [MODELS.get(model, Path(model).stem) for model in models]
    all_found = [deltas(elements, models, options) for options in MODES.values()]
    print("| scored | experiments with an expected model | mean r | mean AUC |\n| --- | --- | --- | --- |")
    for mode, found in zip(MODES, all_found, strict=True):
        count, r, auc = expected_means(elements, names, found)
        print(f"| {mode} | {count} | {r:.3f} | {auc:.3f} |")
    for mode in SHOWN:
        print(f"\n## {list(MODES)[mode][0].upper()}{list(MODES)[mode][1:]}: r / AUC\n")
        print("\n".join(table(elements, names, all_found[mode])))


if __name__ == "__main__":
    main()
