"""Recurrent models beside published results: splice junctions, promoters, secondary structure, RNA-binding proteins.

python benchmarks/recurrent_models.py splice DATA > benchmarks/recurrent_splice.md          # ten folds
python benchmarks/recurrent_models.py splice13k DATA [FOLDS] > benchmarks/recurrent_splice13k.md
python benchmarks/recurrent_models.py promoters DATA > benchmarks/recurrent_promoters.md    # leave one out
python benchmarks/recurrent_models.py structure DATA > benchmarks/recurrent_structure.md    # the original files
python benchmarks/recurrent_models.py clip DATA > benchmarks/recurrent_clip.md              # the published split

DATA is the folder that holds the prepared sets. Everything is trained here, with the settings in `MODELS` and
`TRAINED`; of what is not tested a tenth (or one fold) chooses the epoch. Equal sequences, on either strand, are never
on two sides of a split.
"""

from __future__ import annotations

import csv
import gzip
import io
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from timing import machine

from bioconv.evaluation import auroc, bootstrap
from bioconv.evaluation.intervals import wilson_interval
from bioconv.models.recurrent import RecurrentConfig
from bioconv.runtime import set_torch_threads
from bioconv.sequence.recurrent.data import Reading, SequenceData, read_data
from bioconv.sequence.recurrent.fit import RecurrentPlan, train_recurrent
from bioconv.sequence.recurrent.recipe import DEFAULTS
from bioconv.sequence.recurrent.scoring import PartScores
from bioconv.training.splits import Split, make_split
from bioconv.version import __version__

Rows = Iterable[tuple[str, ...]]
MODELS = {
    "LSTM, both directions": RecurrentConfig(hidden=64, pooling="attention", dropout=0.3),
    "CNN: 64 detectors, maximum": RecurrentConfig(filters=64, filter_length=9, layers=0, dropout=0.3),
    "hybrid: 64 detectors, LSTM": RecurrentConfig(
        filters=64, filter_length=9, hidden=64, pooling="attention", dropout=0.4
    ),
}
LSTM, CNN, HYBRID = MODELS
AT_SITE = {  # of windows around a site: what is read there
    "hybrid, read at the site": replace(MODELS[HYBRID], pooling="centre"),
    "LSTM, read at the site": replace(MODELS[LSTM], pooling="centre"),
    "CNN: 64 detectors of 41 letters at the site": replace(MODELS[CNN], filter_length=41, pooling="centre"),
}
TRAINED = {
    "splice": replace(DEFAULTS, epochs=25),
    "splice13k": replace(DEFAULTS, epochs=20, batch_size=64),
    "promoters": replace(DEFAULTS, epochs=40, batch_size=16),
    "structure": replace(DEFAULTS, epochs=25, batch_size=4, l2=0.3, monitor="accuracy"),
    "clip": replace(DEFAULTS, epochs=4, batch_size=64),
}


def table(rows: Rows, columns: str, reading: Reading | None = None) -> SequenceData:
    """Read rows as `bioconv train lstm` reads a table."""
    with tempfile.TemporaryDirectory() as place:
        path = Path(place, "table.csv")
        text = io.StringIO()
        csv.writer(text).writerows([columns.split(","), *rows])
        path.write_text(text.getvalue())
        return read_data([path], reading)


def numbered(names: Sequence[str]) -> list[str]:
    """Return names that differ: those that occur again get a number."""
    seen: Counter[str] = Counter()
    found = []
    for name in names:
        seen[name] += 1
        found.append(name if seen[name] == 1 else f"{name}#{seen[name]}")
    return found


def read_splice(folder: Path) -> SequenceData:
    lines = (folder / "uci-splice-junction" / "splice.data").read_text().splitlines()
    cells = [[cell.strip() for cell in line.split(",")] for line in lines if line]
    names = numbered([name for _, name, _ in cells])
    rows = [(name, sequence, label) for name, (label, _, sequence) in zip(names, cells, strict=True)]
    return table(rows, "name,sequence,label", Reading(classes=("N", "EI", "IE")))


def read_splice13k(folder: Path) -> SequenceData:
    with gzip.open(folder / "splice-junction-13k" / "full_data.csv.gz", "rt") as stream:
        cells = list(csv.DictReader(stream))
    names = numbered([row["Name"] for row in cells])
    rows = [(name, row["Sequence"], row["Class"]) for name, row in zip(names, cells, strict=True)]
    return table(rows, "name,sequence,label", Reading(classes=("N", "EI", "IE")))


def read_promoters(folder: Path) -> SequenceData:
    lines = (folder / "uci-ecoli-promoters" / "promoters.data").read_text().splitlines()
    cells = [[cell.strip() for cell in line.split(",")] for line in lines if line]
    names = numbered([name for _, name, _ in cells])
    rows = [(name, sequence, label) for name, (label, _, sequence) in zip(names, cells, strict=True)]
    return table(rows, "name,sequence,label", Reading(classes=("-", "+")))


def read_structure(folder: Path) -> SequenceData:
    """Read the chains; of the training file every fifth that resembles no other chooses the epoch.

    Half of the training chains have a relative there (a tenth of their words of four letters or more), the test
    chains have none: a validation among relatives would flatter a network that remembers them.
    """
    rows = []
    for part in ("train", "test"):
        text = (folder / "uci-protein-secondary-structure" / f"protein-secondary-structure.{part}").read_text()
        chain: list[tuple[str, str]] = []
        for line in [*text.splitlines(), "end"]:
            if line.strip() in ("<>", "end", "<end>"):
                if chain:
                    letters, labels = zip(*chain, strict=True)
                    rows.append((f"{part}-{len(rows)}", "".join(letters), "".join(labels), part))
                chain = []
            elif line and not line.startswith("#"):
                letter, label = line.split()
                chain.append((letter, label))
    words = {name: {chain[at : at + 4] for at in range(len(chain) - 3)} for name, chain, _, _ in rows}
    alone = [name for name, own in words.items() if name.startswith("train") and max(
        len(own & other) / min(len(own), len(other)) for key, other in words.items() if key != name
    ) < 0.1]  # fmt: skip
    dev = set(alone[::5])
    named = [(name, chain, labels, "dev" if name in dev else part) for name, chain, labels, part in rows]
    return table(named, "name,sequence,labels,split", Reading(alphabet="protein"))


def read_clip(folder: Path, name: str) -> SequenceData:
    """Read both files; what is in the test file is left out of training."""
    found: dict[str, list[tuple[str, str, str]]] = {}
    for part in ("training", "test"):
        with gzip.open(folder / "rbp-clip-ideeps" / f"{name}.{part}.fa.gz", "rt") as stream:
            records = stream.read().split(">")[1:]
        own = []
        for number, record in enumerate(records):
            head, _, sequence = record.partition("\n")
            own.append((f"{part}-{number}", sequence.replace("\n", ""), head.strip()[-1]))
        found[part] = own
    turned = str.maketrans("ACGTN", "TGCAN")
    known = {sequence for _, sequence, _ in found["test"]}
    known |= {sequence.translate(turned)[::-1] for sequence in known}
    train = [(*row, "train") for row in found["training"] if row[1] not in known]
    return table([*train, *((*row, "test") for row in found["test"])], "name,sequence,label,split")


def folds_of(data: SequenceData, count: int) -> NDArray[np.int64]:
    """Return the fold of each sequence: equal sequences together, classes evenly."""
    labels = [int(own[0]) for own in data.targets]
    split = make_split(data.names, labels=labels, groups=data.groups, folds=count, seed=0)
    return np.array([int(split.parts[name]) for name in data.names])


def held_out(
    data: SequenceData, network: RecurrentConfig, what: str, folds: NDArray[np.int64], done: int, run: int = 0
) -> PartScores:
    """Return the scores of the first folds, each by a model that was trained on the others, one of them for dev.

    Every run begins at other weights.
    """
    count, parts = int(folds.max()) + 1, []
    for fold in range(done):
        dev = (fold + 1) % count
        said = {
            n: "test" if f == fold else "dev" if f == dev else "train"
            for n, f in zip(data.names, folds.tolist(), strict=True)
        }
        split = Split(said, dict(zip(data.names, data.groups, strict=True)), f"fold {fold} of {count}")
        plan = RecurrentPlan(network=network, config=replace(TRAINED[what], seed=fold + count * run))
        parts.append(train_recurrent(data, plan, split=split).scores["test"])
        print(
            f"{what} run {run} fold {fold}: {(parts[-1].found == parts[-1].truth).mean():.4f}",
            file=sys.stderr,
            flush=True,
        )
    return joined(parts)


def joined(parts: Sequence[PartScores]) -> PartScores:
    """Put the scores of several folds together."""
    starts = np.cumsum([0, *(len(part.names) for part in parts)])
    return replace(
        parts[0],
        names=sum((part.names for part in parts), ()),
        groups=sum((part.groups for part in parts), ()),
        logits=np.concatenate([part.logits for part in parts]),
        truth=np.concatenate([part.truth for part in parts]),
        owner=np.concatenate([part.owner + start for part, start in zip(parts, starts, strict=False)]),
    )


def share(some: NDArray[np.bool_]) -> str:
    """Return a share in per cent with Wilson's interval."""
    found = wilson_interval(int(some.sum()), len(some))
    return f"{100 * found.value:.2f} ({100 * found.low:.2f} to {100 * found.high:.2f})"


def title(text: str) -> None:
    print(f"# {text}\n\nbioconv {__version__}; {machine()}\n")


def splice(folder: Path) -> None:
    data = read_splice(folder)
    folds = folds_of(data, 10)
    title("Splice junctions of primates (UCI): ten-fold cross-validation")
    print(f"{len(data.names):,} windows of 60 letters; errors in per cent with 95 % intervals (Wilson's).\n")
    print("| | accuracy | error N | error EI | error IE |\n|---|---|---|---|---|")
    published = (("KBANN", 4.62, 7.56, 8.47), ("back-propagation", 5.29, 5.74, 10.75))
    for name, *errors in published:
        print(f"| {name}, published (1,000 examples) | | {' | '.join(f'{error:.2f}' for error in errors)} |")
    for name, network in {**MODELS, **AT_SITE}.items():
        found = held_out(data, network, "splice", folds, 10)
        wrong = found.found != found.truth
        errors = [share(wrong[found.truth == number]) for number in range(3)]
        print(f"| {name} | {share(~wrong)} | {' | '.join(errors)} |", flush=True)
    print("\nPublished: notes of the data set (Towell, Noordewier & Shavlik; doi 10.24432/C5M888).")


def splice13k(folder: Path, done: int) -> None:
    data = read_splice13k(folder)
    folds = folds_of(data, 10)
    title("13,666 splice junctions of primates: ten-fold cross-validation")
    lengths = Counter(data.lengths.tolist())
    print(
        f"{len(data.names):,} sequences of {' and '.join(f'{n} ({c:,})' for n, c in sorted(lengths.items()))} letters;"
    )
    print("95 % intervals (Wilson's), per cent.\n")
    print("| | folds tested | accuracy |\n|---|---|---|")
    print("| LSTM over trinucleotides, published (mean of 50 runs) | | 91.34 |")
    scores = {name: held_out(data, network, "splice13k", folds, done) for name, network in AT_SITE.items()}
    hybrid = next(iter(AT_SITE))
    again = held_out(data, AT_SITE[hybrid], "splice13k", folds, done, run=1)
    mean = (scores[hybrid].probabilities() + again.probabilities()) / 2
    scores[f"{hybrid}, trained again"] = again
    scores["hybrid, mean of both trainings"] = replace(again, logits=np.log(mean))
    for name, found in scores.items():
        print(f"| {name} | {done} | {share(found.found == found.truth)} |")
    print("\nPublished: Regan, Saghafi & Li 2021, doi 10.2174/1389202922666211011143008 (held-out test of their own).")


def promoters(folder: Path) -> None:
    data = read_promoters(folder)
    title("Promoters of E. coli (UCI): leave one out")
    print("| | errors of 106 |\n|---|---|\n| KBANN, recalled, not read again at its source | 4 |")
    folds = np.unique(np.array(data.groups), return_inverse=True)[1]
    for name in (LSTM, HYBRID, CNN):
        network = replace(MODELS[name], hidden=32)
        wrong = []
        for fold in range(int(folds.max()) + 1):
            rest = [n for n, f in zip(data.names, folds.tolist(), strict=True) if f != fold]
            labels = {n: int(own[0]) for n, own in zip(data.names, data.targets, strict=True)}
            parts = make_split(rest, labels=[labels[n] for n in rest], fractions={"train": 0.9, "dev": 0.1}, seed=fold)
            said = {name: parts.parts.get(name, "test") for name in data.names}
            split = Split(said, dict(zip(data.names, data.groups, strict=True)), "leave one out")
            plan = RecurrentPlan(network=network, config=replace(TRAINED["promoters"], seed=fold))
            found = train_recurrent(data, plan, split=split).scores["test"]
            wrong += (found.found != found.truth).tolist()
        print(f"promoters {name} {sum(wrong)} of {len(wrong)}", file=sys.stderr, flush=True)
        print(f"| {name} | {sum(wrong)} |", flush=True)


def structure(folder: Path) -> None:
    data = read_structure(folder)
    title("Secondary structure of proteins (Qian & Sejnowski 1988): the original training and test files")
    tested = data.of([place for place, part in enumerate(data.parts) if part == "test"])
    print(f"{len(tested.names)} test chains; Q3: per cent of residues whose state (h, e, _) is right.\n")
    print("| | Q3 |\n|---|---|\n| published network | 64.3 |")
    network = RecurrentConfig(letters=20, filters=48, filter_length=15, hidden=16, dropout=0.5, pooling="none")
    runs = []
    for seed in range(5):
        plan = RecurrentPlan(network=network, config=replace(TRAINED["structure"], seed=seed))
        runs.append(train_recurrent(data, plan).scores["test"])
        print(f"| hybrid: 48 detectors of 15, LSTM; seed {seed} | {q3(runs[-1])} |", flush=True)
    mean = np.mean([run.probabilities() for run in runs], axis=0)
    print(f"| mean of their probabilities | {q3(replace(runs[0], logits=np.log(mean)))} |")
    most = Counter(runs[0].truth.tolist()).most_common(1)[0][1]
    print(f"| the most frequent state | {100 * most / len(runs[0].truth):.1f} |")
    print("\nPublished: notes of the data set; Qian & Sejnowski 1988, doi 10.1016/0022-2836(88)90564-5.")
    print("Intervals: chains drawn again.")


def q3(found: PartScores) -> str:
    right = np.bincount(found.owner, found.found == found.truth)
    counts = np.stack([right, np.bincount(found.owner)], axis=1)
    value = bootstrap(
        lambda rows, _: float(rows[:, 0].sum() / rows[:, 1].sum()), counts, np.zeros(len(counts)),
        groups=np.arange(len(counts)), count=2000,
    )  # fmt: skip
    return f"{100 * value.value:.1f} ({100 * value.low:.1f} to {100 * value.high:.1f})"


def clip(folder: Path) -> None:
    names = sorted(path.name.removesuffix(".test.fa.gz") for path in (folder / "rbp-clip-ideeps").glob("*.test.fa.gz"))
    title("RNA-binding proteins (CLIP): the published split")
    print("AUROC on 10,000 test windows each. Bound and unbound windows differ in composition: see the first row.\n")
    print(f"| | {' | '.join(name.split('_')[2] for name in names)} | mean |\n|---|{'---|' * (len(names) + 1)}")
    sets = {name: read_clip(folder, name) for name in names}
    rows = {"share of G and C alone": [composition(data) for data in sets.values()]}
    print_row("share of G and C alone", rows["share of G and C alone"])
    for model in (HYBRID, CNN):
        network = replace(MODELS[model], pool=2 if model == HYBRID else 1)
        found = []
        for data in sets.values():
            plan = RecurrentPlan(network=network, config=TRAINED["clip"])
            scores = train_recurrent(data, plan).scores["test"]
            found.append(float(auroc(scores.logits[:, 1] - scores.logits[:, 0], scores.truth == 1)))
            print(f"clip {model} {found[-1]:.4f}", file=sys.stderr, flush=True)
        print_row(model, found)
    print("\nPublished over all 31 experiments of the set (not these five alone; from memory, see doi")
    print("10.1186/s12864-018-4889-1): iDeepS, sequence and structure, 0.86; a DeepBind-like network 0.85.")


def print_row(name: str, found: Sequence[float]) -> None:
    print(f"| {name} | {' | '.join(f'{one:.3f}' for one in found)} | {np.mean(found):.3f} |", flush=True)


def composition(data: SequenceData) -> float:
    """Return the area of the share of G and C, its sign chosen on the training part."""
    parts = np.array(data.parts)
    labels = np.array([int(own[0]) == 1 for own in data.targets])
    shares = np.array([float(((codes == 1) | (codes == 2)).mean()) for codes in data.codes])
    train, test = parts == "train", parts == "test"
    sign = 1 if auroc(shares[train], labels[train]) >= 0.5 else -1
    return float(auroc(sign * shares[test], labels[test]))


def main(words: list[str]) -> None:
    set_torch_threads(1)
    what, folder = words[0], Path(words[1])
    if what == "splice13k":
        splice13k(folder, int(words[2]) if len(words) > 2 else 10)
    else:
        {"splice": splice, "promoters": promoters, "structure": structure, "clip": clip}[what](folder)


if __name__ == "__main__":
    main(sys.argv[1:])
