"""Train and judge the shipped models of ENCODE ChIP-seq: on `_AC` alone, `_B` scored once at the end.

    python benchmarks/encode_models.py all DATA OUT GENOME > benchmarks/encode_models.md    # or, step by step:
    python benchmarks/encode_models.py train DATA OUT [--seeds 3] [--only REST]
    python benchmarks/encode_models.py judge DATA OUT GENOME > benchmarks/encode_models.md
    python benchmarks/encode_models.py ship OUT

DATA is the folder of `*_AC.seq.gz` and `*_B.seq.gz`; OUT keeps every model; GENOME is human sequence for genomic
negatives; `ship` puts the models of seed 0 into the package, their figures on `_B` included. The authors' models are
those of `bioconv models get deepbind-models-2015`.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from bioconv import runtime
from bioconv.conv.detectors import batch_scores
from bioconv.evaluation import Interval, auprc, auroc, bootstrap, delong_interval, delong_test
from bioconv.models.model_file import read_model, write_model
from bioconv.sequence.binding.data import gc_matched_windows, read_binding
from bioconv.sequence.binding.defaults import DEFAULTS
from bioconv.sequence.binding.fit import BindingPlan, train_binding
from bioconv.sequence.binding.recipe import Recipe
from bioconv.sequence.deepbind import load_motif_model
from bioconv.sequence.labelled import read_labelled
from bioconv.version import __version__
from bioconv.zoo import resolve

CITATION = (
    "Data: ENCODE Project Consortium, Nature 489:57-74 (2012), doi 10.1038/nature11247; prepared by Alipanahi, Delong, "
    "Weirauch & Frey, Nat Biotechnol 33:831-838 (2015), doi 10.1038/nbt.3300"
)

SOURCE = (
    "101-bp windows (hg19) around ENCODE ChIP-seq peaks; trained on the _AC files alone (peaks of odd rank up to 1000 "
    "and all above), tested on _B (even ranks up to 1000). Trained against dinucleotide shuffles: part of the score is "
    "that real sequence differs from shuffled, see test_auroc_genomic and genome_against_shuffles."
)
WEAKNESS = {  # what the most important detectors resemble in HOCOMOCO 13, on the first 500 training peaks
    "encode-arid3a-hepg2": "Its detectors read forkhead and HNF4 sites, no motif of ARID3A: indirect binding.",
    "encode-arid3a-k562": "Its detectors read CTCF, GATA::TAL1 and AP-1 sites, no motif of ARID3A: indirect binding.",
    "encode-elk1-gm12878": "Its detectors read the ETS family's CCGGAAGT and cannot tell ELK1 from its relatives.",
    "encode-foxm1-gm12878": "Its detectors read BATF/AP-1, MEF2 and STAT-like sites, no forkhead: indirect binding.",
    "encode-gabpa-gm12878": "Its detectors read the ETS family's CCGGAAGT and cannot tell GABPA from its relatives.",
    "encode-myc-h1-hesc": "E-boxes are shared with MAX, USF1 and others; CTCF and GC-rich sites count as well.",
    "encode-sp1-gm12878": "Its detectors read NF-Y's CCAAT box, which the top peaks carry; SP1's GC boxes come lower.",
    "encode-zbtb7a-hepg2": "A weak preference (GACCCC); expect many unspecific hits in GC-rich promoters.",
}
CELLS = {"gm12878": "GM12878", "k562": "K562", "hepg2": "HepG2", "h1-hesc": "H1-hESC"}
AUTHORS = {
    "encode-arid3a-k562": "D00736.002", "encode-ctcfl-k562": "D00753.001", "encode-elk1-gm12878": "D00360.007",
    "encode-foxa1-hepg2": "D00761.001", "encode-gabpa-gm12878": "D00409.004", "encode-myc-h1-hesc": "D00785.001",
    "encode-rest-gm12878": "D00799.001", "encode-sp1-gm12878": "D00650.007", "encode-usf1-hepg2": "D00700.006",
    "encode-zbtb7a-hepg2": "D00714.004",
}  # fmt: skip
# DoojinBaek/DeepBind, commit 3ae7c03, test AUC at the best validation setting: not the paper's own table.
REPRODUCTION = {
    "encode-arid3a-k562": 0.735, "encode-ctcfl-k562": 0.946, "encode-elk1-gm12878": 0.901, "encode-foxa1-hepg2": 0.957,
    "encode-gabpa-gm12878": 0.947, "encode-myc-h1-hesc": 0.822, "encode-rest-gm12878": 0.978,
    "encode-sp1-gm12878": 0.852, "encode-usf1-hepg2": 0.986, "encode-zbtb7a-hepg2": 0.773,
}  # fmt: skip
# HOCOMOCO 13, best window of either strand; its matrices are partly made of these peaks.
FLOOR = {
    "encode-ctcfl-k562": 0.932, "encode-elk1-gm12878": 0.922, "encode-foxa1-hepg2": 0.969,
    "encode-gabpa-gm12878": 0.969, "encode-myc-h1-hesc": 0.836, "encode-rest-gm12878": 0.990,
    "encode-sp1-gm12878": 0.697,
    "encode-usf1-hepg2": 0.994,
}  # fmt: skip


def targets(data: Path) -> dict[str, Path]:
    """Return model name (`encode-rest-gm12878`) to training file."""
    found = {}
    for path in sorted(data.glob("*_AC.seq.gz")):
        protein, cell = path.name.split("_")[:2]
        found[re.sub("[^a-z0-9-]", "", f"encode-{protein}-{cell}".lower())] = path
    return found


def train(data: Path, out: Path, seeds: int, only: str) -> None:
    """Train every model that OUT does not have yet."""
    out.mkdir(parents=True, exist_ok=True)
    for seed in range(seeds):
        for name, path in targets(data).items():
            file = out / f"{name}.seed{seed}.safetensors"
            if only.lower() not in name or file.exists():
                continue
            read = read_binding(path)
            run = train_binding(read, _plan(name, seed))
            write_model(file, run.model)
            (out / f"{file.stem}.json").write_text(json.dumps(run.model.metadata["metrics"]))
            dev = run.metrics["dev"]["auroc"]
            print(
                f"{name} seed {seed}: held-out AUROC {dev.value:.4f}, {sum(r.seconds for r in run.runs):.0f} s",
                file=sys.stderr,
                flush=True,
            )


def _plan(name: str, seed: int) -> BindingPlan:
    config = replace(DEFAULTS, seed=seed)
    return BindingPlan(
        recipe=Recipe(), config=config, ranked=True, refit=True, name=name, licence="Apache-2.0", citation=CITATION
    )


def judge(data: Path, out: Path, genome: Path) -> None:
    """Score `_B` once with every model, the authors' included; write figures for `ship`, print the table."""
    facts, rows, draws = {}, [], []
    chromosomes = list(read_labelled(genome).codes)
    for name, path in targets(data).items():
        test = read_labelled(path.with_name(path.name.replace("_AC", "_B")))
        codes, labels = np.asarray(test.codes), test.labels
        runs = [_scored(file, codes) for file in sorted(out.glob(f"{name}.seed*.safetensors"))]
        authors = _scored(resolve(f"deepbind:{AUTHORS[name]}"), codes) if name in AUTHORS else None
        far = gc_matched_windows(chromosomes, codes[labels == 1], count=5 * 500, seed=0)
        genomic = _on_genome(out / f"{name}.seed0.safetensors", codes, labels, far)
        theirs = _on_genome(resolve(f"deepbind:{AUTHORS[name]}"), codes, labels, far) if name in AUTHORS else None
        dev = read_model(out / f"{name}.seed0.safetensors").metadata["metrics"]["auroc"][0]
        single, precise = delong_interval(runs[0], labels), bootstrap(auprc, runs[0], labels, count=1000)
        facts[name] = {
            "test_auroc": [single.value, single.low, single.high],
            "test_auprc": [precise.value, precise.low, precise.high],
            "test_auroc_genomic": [genomic[0].value, genomic[0].low, genomic[0].high],
            "genome_against_shuffles": genomic[1],
        }
        rows.append((name, dev, runs, labels, authors, precise, genomic, theirs))
        draws.append(_resampled(runs, authors, labels))
    (out / "test.json").write_text(json.dumps(facts, indent=1))
    _print(rows, draws)


def _on_genome(file: Path, codes: np.ndarray, labels: np.ndarray, windows: np.ndarray) -> tuple[Interval, float]:
    """Return the AUROC of peaks against genomic windows, and of the windows against shuffles of the peaks."""
    peaks, shuffles, genome = (_scored(file, part) for part in (codes[labels == 1], codes[labels == 0], windows))
    against = delong_interval(np.concatenate([peaks, genome]), np.repeat([1, 0], [len(peaks), len(genome)]))
    between = auroc(np.concatenate([genome, shuffles]), np.repeat([1, 0], [len(genome), len(shuffles)]))
    return against, float(between)


def _scored(file: Path, codes: np.ndarray) -> np.ndarray:
    detectors = load_motif_model(file).detectors
    return detectors.pool_strands(batch_scores(codes, detectors, padded=True)).astype(np.float64)


def _resampled(runs: list[np.ndarray], authors: np.ndarray | None, labels: np.ndarray) -> np.ndarray:
    """Return (2000, 3) AUROC of seed 0, of the seeds' mean, and of the authors, on the same resampled sequences."""
    rng = np.random.default_rng(0)
    kinds = [np.flatnonzero(labels == label) for label in (0, 1)]
    models = [runs[0], np.mean(runs, axis=0), runs[0] if authors is None else authors]
    draws = []
    for _ in range(2000):
        chosen = np.concatenate([rng.choice(kind, len(kind)) for kind in kinds])
        draws.append([auroc(model[chosen], labels[chosen]) for model in models])
    return np.array(draws)


def _print(rows: list[tuple], draws: list[np.ndarray]) -> None:
    print("# The shipped ENCODE models on sequences they have not seen\n")
    print(
        f"bioconv {__version__}; AUROC on `_B` (500 peaks, 500 dinucleotide shuffles); `benchmarks/encode_models.py`.\n"
    )
    print("`held-out`: 250 top peaks of `_AC` that were left out, all that was looked at before `_B`; `seeds`: single")
    print("models; `mean of seeds`: their averaged scores; `difference`: seed 0 less the authors' weights, 95 % by")
    print(
        "DeLong; `sd`: of seed 0 over 2000 resamples; `genomic`: peaks against windows of the genome with the same GC"
    )
    print(
        "content, seed 0 and the authors; `background`: those windows against the shuffles, where 0.5 would mean that a"
    )
    print("model does not tell real sequence from shuffled. The authors' weights may have seen `_B`.\n")
    head = ("model", "held-out", "seeds", "mean of seeds", "sd", "AUPRC", "authors", "difference", "reproduction")
    head += ("PWM floor", "genomic: ours, authors'", "background: ours, authors'")
    print("| " + " | ".join(head) + " |\n|" + "---|" * len(head))
    for (name, dev, runs, labels, authors, precise, *genomic), draw in zip(rows, draws, strict=True):
        each = " ".join(f"{auroc(run, labels):.3f}" for run in runs)
        cells = [f"{dev:.3f}", each, f"{auroc(np.mean(runs, axis=0), labels):.3f}", f"{draw[:, 0].std():.4f}"]
        cells.append(f"{precise.value:.3f}")
        if authors is None:
            cells += ["-", "-"]
        else:
            change = delong_test(runs[0], authors, labels)
            cells += [f"{auroc(authors, labels):.3f}", f"{change.value:+.3f} ({change.low:+.3f} to {change.high:+.3f})"]
        cells += [f"{table[name]:.3f}" if name in table else "-" for table in (REPRODUCTION, FLOOR)]
        cells.append(", ".join("-" if one is None else f"{one[0].value:.3f}" for one in genomic))
        cells.append(", ".join("-" if one is None else f"{one[1]:.3f}" for one in genomic))
        print(f"| {name} | " + " | ".join(cells) + " |")
    ten = [(row, draw) for row, draw in zip(rows, draws, strict=True) if row[4] is not None]
    values = np.array([[auroc(m, row[3]) for m in (*row[2], np.mean(row[2], axis=0), row[4])] for row, _ in ten]).mean(
        0
    )
    means = np.mean([draw for _, draw in ten], axis=0)
    print(
        "\nMean over the ten with authors' weights: " + ", ".join(f"{value:.4f}" for value in values[:-2]) + " (seeds),"
    )
    print(
        f"{values[-2]:.4f} (mean of seeds), {values[-1]:.4f} (authors). Differences to the authors, paired bootstrap,"
    )
    for number, what in enumerate(("seed 0", "mean of seeds")):
        change = means[:, number] - means[:, 2]
        low, high = np.quantile(change, [0.025, 0.975])
        point = values[0 if number == 0 else -2] - values[-1]
        print(f"95 %: {what} {point:+.4f} ({low:+.4f} to {high:+.4f})" + (";" if number == 0 else "."))
    pairs = [[(one[0].value, one[1]) for one in row[6:8]] for row, _ in ten]
    (ours, ours_between), (theirs, their_between) = np.mean(pairs, axis=0)
    print(
        f"\nAgainst genomic windows, mean of the ten: ours {ours:.4f}, authors' {theirs:.4f}. Windows against shuffles"
    )
    print(
        f"{ours_between:.3f} and {their_between:.3f}: part of the gain on `_B` is telling real sequence from shuffled."
    )


def ship(out: Path) -> None:
    """Copy the models of seed 0, with their figures on `_B`, into the package and list them there."""
    zoo = Path(__file__).parent.parent / "bioconv" / "zoo"
    facts, table = json.loads((out / "test.json").read_text()), {}
    for name, found in facts.items():
        model = read_model(out / f"{name}.seed0.safetensors")
        weakness = WEAKNESS.get(name, "")
        metadata = model.metadata | {"metrics": model.metadata["metrics"] | found, "source": SOURCE}
        if weakness:
            metadata["source"] += f" Known weakness: {weakness}"
        write_model(zoo / f"{name}.safetensors", replace(model, metadata=metadata))
        _, protein, cell = name.split("-", 2)
        area = found["test_auroc"]
        table[name] = {
            "file": f"{name}.safetensors",
            "protein": protein.upper(),
            "type": "TF",
            "species": "Homo sapiens",
            "experiment": "ChIP-seq",
            "details": f"CellLine={CELLS[cell]}",
            "cite": "doi 10.1038/nature11247, 10.1038/nbt.3300",
            "about": f"AUROC {area[0]:.3f} ({area[1]:.3f} to {area[2]:.3f}) on 500 unseen peaks and their shuffles."
            + (f" {weakness}" if weakness else ""),
        }
    (zoo / "packaged.json").write_text(json.dumps(table, indent=1) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=["all", "train", "judge", "ship"])
    parser.add_argument("paths", nargs="+", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", default="")
    given = parser.parse_args()
    torch.set_num_threads(runtime.thread_count(1))
    match given.step:
        case "all":
            data, out, genome = given.paths
            train(data, out, given.seeds, given.only)
            judge(data, out, genome)
            ship(out)
        case "train":
            train(*given.paths, given.seeds, given.only)
        case "judge":
            judge(*given.paths)
        case "ship":
            ship(*given.paths)


if __name__ == "__main__":
    main()
