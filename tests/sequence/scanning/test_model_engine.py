"""Scanning with motif models: against window-by-window definitions, and whatever way the input is cut."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from bioconv.conv import reference_detectors as definition
from bioconv.conv.detectors import Detectors
from bioconv.errors import OptionError
from bioconv.models.model_file import write_model
from bioconv.sequence import nulls
from bioconv.sequence.deepbind import MotifModel, load_motif_model, to_model_file
from bioconv.sequence.fasta import FastaReader, encode
from bioconv.sequence.scanning import pipeline
from bioconv.sequence.scanning.hits import join_batches
from bioconv.sequence.scanning.model_engine import ModelEngine
from bioconv.sequence.scanning.options import ScanOptions

UNIFORM = np.full(4, 0.25)


def toy_model(
    *, window: int = 9, padded: bool = False, hidden: int = 0, both: bool = True, seed: int = 3
) -> MotifModel:
    """Three detectors of five letters with a null distribution from few windows: fast, not exact.

    The thresholds keep the rectifier open, so that no score occurs so often that rounding decides about it.
    """
    rng = np.random.default_rng(seed)
    width = hidden or 1
    detectors = Detectors(
        filters=rng.normal(size=(3, 4, 5)).astype(np.float32),
        thresholds=rng.normal(size=3).astype(np.float32) + 2,
        average_pooling=False,
        weights1=np.abs(rng.normal(size=(3, width))).astype(np.float32),
        biases1=rng.normal(size=width).astype(np.float32),
        weights2=rng.normal(size=hidden).astype(np.float32) if hidden else None,
        bias2=0.25 if hidden else 0.0,
        reverse_complement=both,
    )
    null = nulls.null_distribution(detectors, UNIFORM, window=window, padded=padded, count=20_000, cached=False)
    return MotifModel("toy", detectors, window, padded, null)


def random_record(rng: np.random.Generator, length: int) -> str:
    letters = np.array(list("ACGTN"))[rng.choice(5, length, p=[0.24, 0.24, 0.24, 0.24, 0.04])]
    return "".join(letters)


def engine_hits(model: MotifModel, path, options: ScanOptions, block: int | None) -> list[tuple]:
    """Run the pipeline over a FASTA file read in blocks of the given size."""
    engine = ModelEngine(model, UNIFORM, options)
    run = pipeline.ScanRun([engine], options)
    run.reader = lambda source: FastaReader(source, overlap=run.overlap, padding=run.padding, block=block)
    hits = join_batches(list(run.stream(path)))
    rows = list(hits.hits(run.names, run.details))
    return [
        (h.sequence_name, h.start, h.end, h.strand, h.score, h.p_value, h.motif_alt_id, h.matched_sequence)
        for h in rows
    ]


def expected_hits(model: MotifModel, records: dict[str, str], p: float) -> list[tuple]:
    """Score window by window with the slow definition, then merge by hand."""
    threshold = model.null.threshold(p)
    rows = []
    for name, text in records.items():
        codes, width, padded = encode(text), model.window, model.padded
        if len(codes) <= width:
            width, padded = len(codes), True
        starts = [i for i in range(len(codes) - width + 1) if width and 2 * (codes[i : i + width] == 4).sum() <= width]
        scored: list[tuple[int, np.float32, int]] = []
        for i in starts:
            window = codes[i : i + width]
            strands = [definition.score(window, model.detectors, padded)]
            if model.detectors.reverse_complement:
                strands.append(definition.score(definition.reverse_complement(window), model.detectors, padded))
            tie = abs(strands[0] - strands[-1]) < 1e-4 and len(strands) > 1  # a palindrome: rounding decides
            scored.append((i, np.float32(max(strands)), 0 if tie else 1 if strands[0] == max(strands) else -1))
        assume(all(abs(row[1] - threshold) > 1e-4 for row in scored))
        over = [row for row in scored if row[1] >= threshold]
        clusters = []
        for row in over:
            if clusters and row[0] - clusters[-1][-1][0] < width:
                clusters[-1].append(row)
            else:
                clusters.append([row])
        rows += [
            (name, *max(cluster, key=lambda row: (round(float(row[1]), 4), -row[0])), width) for cluster in clusters
        ]
    return rows


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), padded=st.booleans(), block=st.integers(7, 200), hidden=st.sampled_from([0, 4]))
@example(seed=4542, padded=False, block=7, hidden=4)  # both strands alike
@example(seed=704, padded=False, block=7, hidden=4)  # a record as long as the window, cut by a block
def test_hits_equal_the_merged_windows_of_the_definition(tmp_path_factory, seed, padded, block, hidden):
    rng = np.random.default_rng(seed)
    records = {f"r{k}": random_record(rng, length) for k, length in enumerate([300, 4, 9, 0, 10, 57])}
    path = tmp_path_factory.mktemp("fasta") / "x.fa"
    path.write_text("".join(f">{name}\n{text}\n" for name, text in records.items()))
    model = toy_model(padded=padded, hidden=hidden, seed=seed % 7)
    whole = engine_hits(model, path, ScanOptions(p=0.05, threads=1), None)
    assert engine_hits(model, path, ScanOptions(p=0.05, threads=2), block) == whole
    expected = expected_hits(model, records, 0.05)
    assert len(whole) == len(expected)
    for hit, (name, start, score, strand, width) in zip(whole, expected, strict=True):
        assert hit[0] == name
        assert start <= hit[1] < hit[2] <= start + width
        assert hit[4] == pytest.approx(float(score), abs=1e-4)
        assert strand == 0 or (hit[3] == "+") == (strand > 0)
        letters = encode(records[name][hit[1] : hit[2]])
        read = letters if hit[3] == "+" else definition.reverse_complement(letters)
        assert hit[7] == "".join("ACGTN"[code] for code in read)


def test_reverse_complement_mirrors_the_hits(tmp_path):
    rng = np.random.default_rng(11)
    text = "".join(np.array(list("ACGT"))[rng.integers(0, 4, 4000)])
    turned = text[::-1].translate(str.maketrans("ACGT", "TGCA"))
    model, options = toy_model(), ScanOptions(p=0.01)
    (tmp_path / "a.fa").write_text(f">x\n{text}\n")
    (tmp_path / "b.fa").write_text(f">x\n{turned}\n")
    there = engine_hits(model, tmp_path / "a.fa", options, None)
    back = engine_hits(model, tmp_path / "b.fa", options, None)
    assert len(there) == len(back) > 15
    scores = [hit[4] for hit in reversed(back)]
    assert [hit[4] for hit in there] == pytest.approx(scores, abs=1e-5)
    # Which of several equally good windows comes first differs between the directions; the match does not.
    mirrored = [(4000 - hit[2], 4000 - hit[1], {"+": "-", "-": "+"}[hit[3]]) for hit in reversed(back)]
    same = sum(a[1:4] == b for a, b in zip(there, mirrored, strict=True))
    assert same >= 0.9 * len(there)


@pytest.mark.parametrize("strand", ["+", "-"])
def test_one_strand_reads_one_strand(tmp_path, strand):
    rng = np.random.default_rng(2)
    text = "".join(np.array(list("ACGT"))[rng.integers(0, 4, 500)])
    (tmp_path / "x.fa").write_text(f">x\n{text}\n")
    both = toy_model()
    options = ScanOptions(p=0.02, strand=strand)
    engine = ModelEngine(both, UNIFORM, options)
    engine._null = engine._record_null = both.null  # the same threshold for this comparison
    run = pipeline.ScanRun([engine], options)
    (batch,) = [batch for batch in run.stream(tmp_path / "x.fa") if len(batch)]
    assert set(batch.strand.tolist()) == {1 if strand == "+" else -1}
    codes = encode(text)
    columns = definition.scores(codes, both.detectors, (9, 1, False))
    best = columns[:, 0 if strand == "+" else 1].max()
    assert batch.score.max() == pytest.approx(best, abs=1e-5)


def test_several_models_and_motifs_come_in_one_order(tmp_path):
    from bioconv.sequence.motifs import Motif
    from bioconv.sequence.scanning.engines import MotifEngine

    rng = np.random.default_rng(8)
    records = {f"r{k}": random_record(rng, 700) for k in range(3)}
    path = tmp_path / "x.fa"
    path.write_text("".join(f">{name}\n{text}\n" for name, text in records.items()))
    options = ScanOptions(p=0.03, threads=2)
    motif = Motif("m", "", rng.dirichlet([0.3] * 4, 6), 20.0, "test")

    def run(block: int | None) -> list:
        engines = [MotifEngine([motif], UNIFORM, options), ModelEngine(toy_model(), UNIFORM, options)]
        engines.append(ModelEngine(toy_model(window=21, seed=5), UNIFORM, options))
        scan = pipeline.ScanRun(engines, options)
        scan.reader = lambda source: FastaReader(source, overlap=scan.overlap, padding=scan.padding, block=block)
        hits = join_batches(list(scan.stream(path)))
        return [
            (h.sequence_name, h.start, h.motif_id, h.end, h.strand, h.score)
            for h in hits.hits(scan.names, scan.details)
        ]

    whole = run(None)
    assert {row[2] for row in whole} == {"m", "toy"}
    assert [row[:2] for row in whole] == sorted(row[:2] for row in whole)
    assert all(run(block) == whole for block in (53, 211, 1000))


def test_matrix_of_a_model_is_its_best_window(tmp_path):
    from bioconv.sequence.scanning.matrix import best_scores

    rng = np.random.default_rng(4)
    records = {"long": random_record(rng, 200), "short": "ACGTAC", "one": "A", "unknown": "N" * 30}
    path = tmp_path / "x.fa"
    path.write_text("".join(f">{name}\n{text}\n" for name, text in records.items()))
    model, options = toy_model(), ScanOptions()
    for block in (11, 64, 1000):
        run = pipeline.ScanRun([ModelEngine(model, UNIFORM, options)], options)
        run.reader = lambda source, run=run, size=block: FastaReader(source, overlap=run.overlap, padding=0, block=size)
        table = {record.name: scores[0] for record, scores in best_scores(run, path)}
        codes = encode(records["long"])
        known = [2 * (codes[i : i + 9] == 4).sum() <= 9 for i in range(192)]
        assert table["long"] == pytest.approx(definition.scores(codes, model.detectors, (9, 1, False))[known].max())
        for name in ("short", "one"):
            codes = encode(records[name])
            assert table[name] == pytest.approx(definition.scores(codes, model.detectors, (len(codes), 1, True)).max())
        assert np.isnan(table["unknown"])


def test_published_golden_table(shared_data, tmp_path):
    """The example of the DeepBind distribution: all 16 values as its README prints them."""
    import tarfile

    from bioconv.sequence.scanning.matrix import best_scores
    from bioconv.sequence.scanning.scan import build_engines

    golden = """
        7.345649 -0.152710 -0.763340 -0.026180
       -0.159393  3.663924 -0.196943 -0.026180
       -0.143584  0.357632  5.885349 -0.026180
       -0.161033 -0.081444 -0.379695 17.682623"""
    folder = shared_data("deepbind-models-2015")
    names = [line.split()[0] for line in (folder / "example.ids").read_text().splitlines()]
    with tarfile.open(folder / "params.tar.gz") as archive:
        for name in names:
            (tmp_path / f"{name}.txt").write_bytes(archive.extractfile(f"params/{name}.txt").read())
    options = ScanOptions(deepbind_compat=True)
    run = pipeline.ScanRun(build_engines([], [tmp_path / f"{name}.txt" for name in names], options, []), options)
    table = np.array([scores for _, scores in best_scores(run, folder / "example.fa")])
    expected = np.array([float(word) for word in itertools.chain(golden.split())]).reshape(4, 4)
    np.testing.assert_allclose(table, expected, atol=1e-6, rtol=0)


def test_the_published_program_has_no_mean_of_strands(motif_model):
    model = motif_model(1)
    averaged = replace(model, detectors=replace(model.detectors, strand_pooling="mean"))
    with pytest.raises(OptionError, match="no mean of the strands, as m has it"):
        ModelEngine(averaged, np.full(4, 0.25), ScanOptions(deepbind_compat=True))
    ModelEngine(model, np.full(4, 0.25), ScanOptions(deepbind_compat=True))


def test_regions_of_a_genome_are_scored_like_records(tmp_path):
    """A short region is scored whole, a longer one by its windows, wherever it lies in its sequence."""
    rng = np.random.default_rng(6)
    text = "".join(np.array(list("ACGT"))[rng.integers(0, 4, 600)])
    regions = [(3, 9), (40, 49), (100, 110), (200, 320)]
    (tmp_path / "genome.fa").write_text(f">chr\n{text}\n")
    (tmp_path / "regions.bed").write_text("".join(f"chr\t{start}\t{end}\n" for start, end in regions))
    (tmp_path / "cut.fa").write_text("".join(f">{start}\n{text[start:end]}\n" for start, end in regions))
    model = toy_model(padded=False)

    def hits(path, **options):
        run = pipeline.ScanRun([ModelEngine(model, UNIFORM, ScanOptions(**options))], ScanOptions(**options))
        return list(join_batches(list(run.stream(path))).hits(run.names, run.details))

    genomic = hits(tmp_path / "genome.fa", p=0.5, bed=tmp_path / "regions.bed")
    cut = hits(tmp_path / "cut.fa", p=0.5)
    assert {int(hit.sequence_name) for hit in cut} == {start for start, _ in regions}
    assert [(hit.start, hit.end, hit.strand, hit.score) for hit in genomic] == [
        (hit.start + int(hit.sequence_name), hit.end + int(hit.sequence_name), hit.strand, hit.score) for hit in cut
    ]


def test_whole_records_have_a_null_of_their_own(tmp_path):
    model = toy_model(window=9)
    padded = nulls.null_distribution(model.detectors, UNIFORM, window=9, padded=True, count=50_000, cached=False)
    model = replace(model, record_null=padded)
    write_model(tmp_path / "toy.safetensors", to_model_file(model))
    read = load_motif_model(tmp_path / "toy.safetensors")
    np.testing.assert_array_equal(read.record_null.knots, padded.knots)
    rng = np.random.default_rng(8)
    text = "".join(f">r{i}\n{''.join(rng.choice(list('ACGT'), 9))}\n" for i in range(4000))
    (tmp_path / "records.fa").write_text(text)
    rows = engine_hits(read, tmp_path / "records.fa", ScanOptions(p=0.05), None)
    assert abs(len(rows) / 4000 - 0.05) < 4 * np.sqrt(0.05 * 0.95 / 4000)
    without = engine_hits(replace(read, record_null=None), tmp_path / "records.fa", ScanOptions(p=0.05), None)
    assert len(without) > 1.2 * len(rows)  # padding brings more positions, hence higher scores
