"""The whole scan against a window-by-window loop in plain Python."""

from __future__ import annotations

import gzip
import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bioconv import scan
from bioconv.errors import InputError
from bioconv.sequence import fasta, regions
from bioconv.sequence.motifs import Motif
from bioconv.sequence.scanning import pipeline
from bioconv.sequence.scanning.engines import MotifEngine
from bioconv.sequence.scanning.hits import Hit
from bioconv.sequence.scanning.matrix import best_scores
from bioconv.sequence.scanning.options import ScanOptions
from bioconv.sequence.scanning.pipeline import ScanRun
from tests.sequence.scanning.texts import random_text, write_fasta

BACKGROUND = np.array([0.3, 0.2, 0.2, 0.3])
OPTIONS = ScanOptions(p=0.01, background="0.3,0.2,0.2,0.3", threads=1)
Found = tuple[str, str, int, int, str, float, float, str]


def make_motifs(seed: int, lengths: tuple[int, ...]) -> list[Motif]:
    rng = np.random.default_rng(seed)
    return [
        Motif(f"m{k}", f"alt {k}", rng.dirichlet(np.full(4, 0.3), length), 20.0, "test")
        for k, length in enumerate(lengths)
    ]


def steps_of(motif: Motif, pseudocount: float) -> list[dict[str, float]]:
    """Log-odds per column and letter, in whole steps of the score's grid."""
    size = 1e-5 if len(motif.frequencies) <= 10 else 1e-3
    out = []
    for row in motif.frequencies.tolist():
        column = {}
        for letter, share, base in zip("ACGT", row, BACKGROUND.tolist(), strict=True):
            value = (share * motif.sites + pseudocount * base) / ((motif.sites + pseudocount) * base)
            column[letter] = round(math.log2(value) / size) if value else -math.inf
        out.append(column)
    return out


def p_of_scores(columns: list[dict[str, float]]) -> dict[float, float]:
    """P-value of every score that occurs, by a dictionary of all sums."""
    shares = dict(zip("ACGT", BACKGROUND.tolist(), strict=True))
    mass: dict[float, float] = {0: 1.0}
    for column in columns:
        spread: dict[float, float] = {}
        for score, p in mass.items():
            for letter, step in column.items():
                spread[score + step] = spread.get(score + step, 0.0) + p * shares[letter]
        mass = spread
    total, out = 0.0, {}
    for score in sorted(mass, reverse=True):
        total += mass[score]
        out[score] = total
    out.pop(-math.inf, None)
    return out


def turned(text: str) -> str:
    return text[::-1].translate(str.maketrans("ACGT", "TGCA"))


def brute_force(sequences: dict[str, str], motifs: list[Motif], options: ScanOptions = OPTIONS) -> list[Found]:
    """Score every window on both strands, letter by letter."""
    tables = []
    for motif in motifs:
        columns = steps_of(motif, options.pseudocount)
        tables.append((columns, p_of_scores(columns), 1e-5 if len(columns) <= 10 else 1e-3))
    hits = []
    for name, text in sequences.items():
        letters = text.upper().replace("U", "T")
        for start, (motif, (columns, p_values, size)) in itertools.product(
            range(len(letters)), zip(motifs, tables, strict=True)
        ):
            window = letters[start : start + len(columns)]
            if len(window) < len(columns) or set(window) - set("ACGT"):
                continue
            for strand in "+-" if options.strand == "both" else options.strand:
                word = window if strand == "+" else turned(window)
                score = sum(column[letter] for column, letter in zip(columns, word, strict=True))
                p = p_values.get(score, 2.0)
                if p <= options.p * (1 + 1e-12):
                    hits.append((motif.name, name, start, start + len(word), strand, score * size, p, word))
    return hits


def keys(hits: object) -> list[Found]:
    return [
        (h.motif_id, h.sequence_name, h.start, h.end, h.strand, h.score, h.p_value, h.matched_sequence)
        for h in hits  # type: ignore[attr-defined]
    ]


def assert_same(found: list[Found], expected: list[Found]) -> None:
    assert [(*f[:5], f[7]) for f in found] == [(*f[:5], f[7]) for f in expected]
    for one, other in zip(found, expected, strict=True):
        assert one[5:7] == pytest.approx(other[5:7], rel=1e-9, abs=1e-9)


def cut_into(patch: pytest.MonkeyPatch, block: int | None) -> None:
    """Read files and memory in blocks of this size."""
    if block is not None:
        patch.setattr(fasta, "_BLOCK", block)
        patch.setattr(regions, "_PIECE", block)


@st.composite
def problems(draw: st.DrawFn) -> tuple[dict[str, str], list[Motif]]:
    seed = draw(st.integers(0, 2**32 - 1))
    sizes = draw(st.lists(st.sampled_from([0, 1, 4, 30, 150, 400]), min_size=1, max_size=4))
    sequences = {f"s{k}": random_text(seed + k, size) for k, size in enumerate(sizes)}
    lengths = draw(st.lists(st.sampled_from([1, 2, 4, 6, 7, 11]), min_size=1, max_size=4))
    return sequences, make_motifs(seed, tuple(lengths))


@settings(max_examples=60, deadline=None)
@given(
    problem=problems(),
    p=st.sampled_from([1e-3, 0.02, 0.4, 1.0]),
    pseudocount=st.sampled_from([0.1, 1.0]),
    block=st.sampled_from([1, 5, 37, 200, None]),
    threads=st.sampled_from([1, 1, 3]),
)
def test_hits_equal_brute_force(problem, p, pseudocount, block, threads, no_kernels, tmp_path_factory):
    sequences, motifs = problem
    options = replace(OPTIONS, p=p, pseudocount=pseudocount, threads=threads)
    path = write_fasta(tmp_path_factory.getbasetemp() / "scan.fa", sequences)
    expected = brute_force(sequences, motifs, options)
    with pytest.MonkeyPatch.context() as patch:
        cut_into(patch, block)
        found = keys(scan(path, motifs=motifs, options=options))
        assert_same(found, expected)
        assert keys(scan(sequences, motifs=motifs, options=options)) == found
        with no_kernels():
            assert_same(keys(scan(path, motifs=motifs, options=options)), found)
        streamed = keys(scan(path, motifs=motifs, options=replace(options, stream=True)))
        assert streamed == found


@pytest.mark.parametrize("strand", ["+", "-"])
def test_one_strand(strand):
    """The background is as read on the scanned strand; this one is symmetric, so the scores are the same."""
    sequences, motifs = {"a": random_text(1, 500)}, make_motifs(2, (5, 8))
    options = replace(OPTIONS, strand=strand)
    assert_same(keys(scan(sequences, motifs=motifs, options=options)), brute_force(sequences, motifs, options))


@pytest.mark.parametrize("kernels", [True, False])
@pytest.mark.parametrize("length", [8, 16, 30])
def test_forbidden_letters_never_add_up_to_a_hit(length, kernels, no_kernels):
    """Without a pseudocount only the word itself is a hit, however many letters are forbidden."""
    rng = np.random.default_rng(length)
    word = "".join(rng.choice(list("ACGT"), length))
    motif = Motif("word", "", np.eye(4)[["ACGT".index(letter) for letter in word]], 20.0, "test")
    text = f"{turned(word)}{random_text(3, 3000)}{word}AA{word}"
    options = replace(OPTIONS, p=1.0, pseudocount=0.0)
    expected = brute_force({"a": text}, [motif], options)
    assert {hit[4] for hit in expected} == {"+", "-"}
    if kernels:
        found = keys(scan({"a": text}, motifs=[motif], options=options))
    else:
        with no_kernels():
            found = keys(scan({"a": text}, motifs=[motif], options=options))
    assert_same(found, expected)


def test_reverse_complement_mirrors_the_hits():
    text = random_text(4, 6000).upper().replace("U", "T")
    motifs = make_motifs(5, (4, 6, 8, 12, 15))
    hits = keys(scan({"a": text}, motifs=motifs, options=OPTIONS))
    mirrored = [
        (m, name, len(text) - end, len(text) - start, "-+"[strand == "-"], score, p, letters)
        for m, name, start, end, strand, score, p, letters in keys(
            scan({"a": turned(text)}, motifs=motifs, options=OPTIONS)
        )
    ]
    assert len(hits) > 200
    assert sorted(mirrored) == sorted(hits)


FILTERS = [
    {},
    {"best_per_sequence": True},
    {"no_overlap": True},
    {"no_overlap": True, "best_per_sequence": True},
    {"top": 3},
    {"top": 2, "no_overlap": True, "sort": "p"},
    {"sort": "p"},
    {"q": 0.5},
    {"stream": True, "no_overlap": True},
]


def overlap(one: Hit, other: Hit) -> bool:
    same = (one.motif_id, one.sequence_name) == (other.motif_id, other.sequence_name)
    return same and one.start < other.end and other.start < one.end


def expected_choice(hits: list[Hit], chosen: dict[str, object]) -> list[Hit]:
    """Apply the options to all hits in input order, in plain Python."""
    rank = {id(hit): (hit.p_value, -hit.score, k) for k, hit in enumerate(hits)}
    ordered = sorted(hits, key=lambda hit: rank[id(hit)])
    if chosen.get("best_per_sequence"):
        seen: dict[tuple[str, str], Hit] = {}
        for hit in ordered:
            seen.setdefault((hit.motif_id, hit.sequence_name), hit)
        ordered = list(seen.values())
    if chosen.get("no_overlap"):
        kept: list[Hit] = []
        for hit in ordered:
            if not any(overlap(hit, other) for other in kept):
                kept.append(hit)
        ordered = kept
    if "q" in chosen:
        ordered = [hit for hit in ordered if hit.q_value <= 0.5]
    if "top" in chosen:
        count: dict[str, int] = {}
        first = []
        for hit in ordered:
            count[hit.motif_id] = count.get(hit.motif_id, 0) + 1
            if count[hit.motif_id] <= chosen["top"]:  # type: ignore[operator]
                first.append(hit)
        ordered = first
    by_p = chosen.get("sort") == "p"
    return sorted(ordered, key=lambda hit: (hit.p_value, rank[id(hit)][2]) if by_p else rank[id(hit)][2])


@pytest.mark.parametrize("block", [3, 64, 500, None])
@pytest.mark.parametrize("chosen", FILTERS, ids=lambda chosen: "-".join(chosen) or "none")
def test_options_choose_the_same_hits_for_every_chunk_size(chosen, block, tmp_path, monkeypatch):
    sequences = {f"s{k}": random_text(k, size) for k, size in enumerate((300, 0, 900, 40, 250))}
    motifs = make_motifs(8, (3, 5, 5, 11))
    path = write_fasta(tmp_path / "x.fa", sequences)
    every = list(scan(path, motifs=motifs, options=replace(OPTIONS, p=0.05)))
    cut_into(monkeypatch, block)
    expected = expected_choice(every, chosen)
    options = replace(OPTIONS, p=0.05, **chosen)
    for source in (path, sequences):
        found = list(scan(source, motifs=motifs, options=options))
        assert keys(found) == keys(expected)
        if not chosen.get("stream"):
            assert [hit.q_value for hit in found] == [hit.q_value for hit in expected]
        else:
            assert all(math.isnan(hit.q_value) for hit in found)


def test_q_values_count_all_windows_and_strands_of_all_files(tmp_path):
    files = [{"a": random_text(1, 700, 0.02)}, {"b": random_text(2, 300, 0.1), "c": "ACG", "d": "N" * 50}]
    paths = [write_fasta(tmp_path / f"{k}.fa", sequences) for k, sequences in enumerate(files)]
    motifs = make_motifs(9, (4, 7))
    hits = list(scan(paths, motifs=motifs, options=OPTIONS))
    for motif in motifs:
        length = len(motif.frequencies)
        tests = 2 * sum(
            "N" not in text[k : k + length]
            for sequences in files
            for text in sequences.values()
            for k in range(len(text) - length + 1)
        )
        mine = [hit for hit in hits if hit.motif_id == motif.name]
        assert mine
        p = [hit.p_value for hit in mine]
        for hit in mine:
            expected = min(other * tests / sum(x <= other for x in p) for other in p if other >= hit.p_value)
            assert hit.q_value == pytest.approx(min(1.0, expected), rel=1e-9)


@pytest.mark.parametrize("block", [11, 100, None])
def test_summary_counts_what_was_scanned(block, tmp_path, monkeypatch):
    cut_into(monkeypatch, block)
    sequences = {"a": random_text(1, 400), "b": "ACGTRYKZZQ" * 3, "empty": "", "c": "AC"}
    path = write_fasta(tmp_path / "x.fa", sequences)
    motifs = make_motifs(3, (4, 4, 9))
    hits = scan([path, sequences], motifs=motifs, options=OPTIONS)
    count = len(list(hits))
    summary = hits.summary
    assert (summary.files, summary.sequences, summary.bases) == (2, 8, 2 * 432)
    assert (summary.ambiguous, summary.foreign, summary.hits) == (18, 18, count)
    windows = skipped = 0
    for text, length in itertools.product(sequences.values(), (4, 4, 9)):
        for k in range(len(text) - length + 1):
            known = not set(text[k : k + length].upper()) - set("ACGTU")
            windows += 4 * known
            skipped += 4 * (not known)
    assert (summary.windows, summary.skipped) == (windows, skipped)


def make_run(motifs: list[Motif], options: ScanOptions) -> ScanRun:
    return ScanRun([MotifEngine(motifs, BACKGROUND, options)], options)


@pytest.mark.parametrize("threads", [1, 3])
def test_a_file_that_fails_half_way_leaves_nothing(threads, tmp_path, monkeypatch):
    cut_into(monkeypatch, 100)
    good = write_fasta(tmp_path / "good.fa", {"a": random_text(1, 900)})
    bad = write_fasta(tmp_path / "bad.fa", {"b": random_text(2, 900) + "?"})
    cut = tmp_path / "cut.fa.gz"
    cut.write_bytes(gzip.compress(write_fasta(tmp_path / "c.fa", {"c": random_text(3, 9000)}).read_bytes())[:-500])
    also = write_fasta(tmp_path / "also.fa", {"d": random_text(4, 500)})
    motifs, options = make_motifs(6, (4, 6)), replace(OPTIONS, threads=threads)
    run = make_run(motifs, options)
    for path in (good, bad, cut, tmp_path / "missing.fa", also):
        if path in {good, also}:
            run.add(path)
        else:
            with pytest.raises(InputError, match=path.name):
                run.add(path)
    found = [hit for batch in run.finish() for hit in batch.hits(run.names, run.details)]
    expected = list(scan([good, also], motifs=motifs, options=OPTIONS))
    assert found == expected
    assert {hit.sequence_name for hit in found} == {"a", "d"}
    assert (run.summary.files, run.summary.sequences) == (2, 2)
    with pytest.raises(InputError, match=r"bad\.fa"):
        list(scan([good, bad], motifs=motifs, options=options))


@settings(max_examples=25, deadline=None)
@given(problem=problems(), block=st.sampled_from([1, 13, 100, None]), threads=st.sampled_from([1, 2]))
def test_best_scores_are_the_maximum_over_all_windows(problem, block, threads, no_kernels, tmp_path_factory):
    sequences, motifs = problem
    path = write_fasta(tmp_path_factory.getbasetemp() / "best.fa", sequences)
    options = replace(OPTIONS, threads=threads)
    every = brute_force(sequences, motifs, replace(options, p=1.0))
    expected = [
        [max((h[5] for h in every if (h[0], h[1]) == (m.name, name)), default=math.nan) for m in motifs]
        for name in sequences
    ]
    with pytest.MonkeyPatch.context() as patch:
        cut_into(patch, block)
        for source, context in ((path, None), (sequences, None), (path, no_kernels())):
            with context or pytest.MonkeyPatch.context():
                run = make_run(motifs, options)
                rows = list(best_scores(run, source))
                run.close()
            assert [record.name for record, _ in rows] == list(sequences)
            for (_, row), wanted in zip(rows, expected, strict=True):
                assert row.tolist() == pytest.approx(wanted, rel=1e-9, abs=1e-9, nan_ok=True)


def test_threads_keep_the_order_and_pass_errors_on():
    assert [r for _, r in pipeline.in_order(lambda n: n * n, range(50), 4)] == [n * n for n in range(50)]
    with pytest.raises(ZeroDivisionError):
        list(pipeline.in_order(lambda n: 1 // (7 - n), range(50), 4))
