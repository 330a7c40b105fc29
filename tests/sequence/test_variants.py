"""Variant effects against whole haplotypes written out, and what must not change them."""

from __future__ import annotations

import numpy as np
import pytest

import bioconv
from bioconv.conv.detectors import batch_scores
from bioconv.errors import InputError, ModelError, OptionError
from bioconv.models.model_file import write_model
from bioconv.sequence.deepbind import load_motif_model, to_model_file
from bioconv.sequence.fasta import encode
from bioconv.sequence.null_distribution import fit_null
from bioconv.sequence.variant_scores import VariantScorer
from bioconv.sequence.variants import VariantOptions

HEADER = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
COMPLEMENT = str.maketrans("ACGT", "TGCA")
GIAB = "giab-chr20-variants"


def write_vcf(path, rows):
    path.write_text(HEADER + "".join(f"{chrom}\t{pos}\t.\t{ref}\t{alt}\t.\t.\t.\n" for chrom, pos, ref, alt in rows))
    return path


def write_fasta(path, contigs):
    path.write_text("".join(f">{name}\n{text}\n" for name, text in contigs.items()))
    return path


def effects(folder, contigs, rows, model, **options):
    vcf, fasta = write_vcf(folder / "v.vcf", rows), write_fasta(folder / "r.fa", contigs)
    return list(bioconv.variants(vcf, reference=fasta, model=model, options=VariantOptions(**options)))


def random_genome(seed, length, letters="ACGT"):
    return "".join(np.random.default_rng(seed).choice(list(letters), length))


def random_variants(seed, name, text, count):
    """SNVs, insertions, deletions and replacements, in VCF's way of anchoring or not."""
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(count):
        start = int(rng.integers(0, len(text)))
        size = int(rng.integers(1, min(6, len(text) - start) + 1))
        ref = text[start : start + size]
        alt = "".join(rng.choice(list("ACGT"), rng.integers(1, 7)))
        kind = rng.integers(4)
        if kind == 0:  # substitution
            ref, alt = ref[0], "ACGT"[("ACGT".index(ref[0]) + int(rng.integers(1, 4))) % 4]
        elif kind == 1:  # insertion
            ref, alt = ref[0], ref[0] + alt
        elif kind == 2:  # deletion
            alt = ref[0]
        if ref != alt:
            rows.append((name, start + 1, ref, alt))
    return rows


def places(text, start, ref, alt):
    """Every way to write the variant with nothing in common at its ends: (start, ref, alt)."""
    whole = text[:start] + alt + text[start + len(ref) :]
    grown = len(whole) - len(text)
    found = []
    for at in range(len(text) + 1):
        if grown <= 0 and whole == text[:at] + text[at - grown :]:
            found.append((at, text[at : at - grown], ""))
        if grown > 0 and whole == text[:at] + whole[at : at + grown] + text[at:]:
            found.append((at, "", whole[at : at + grown]))
    if not found:  # neither a pure insertion nor a pure deletion
        while ref[-1] == alt[-1]:
            ref, alt = ref[:-1], alt[:-1]
        while ref[0] == alt[0]:
            ref, alt, start = ref[1:], alt[1:], start + 1
        found = [(start, ref, alt)]
    return whole, found


def touching(text, intervals, model):
    """The best score of the windows that overlap an interval, or span it where it is empty."""
    window = model.window
    starts = {
        i
        for begin, end in intervals
        for i in range(len(text) - window + 1)
        if (i < end and begin < i + window and begin < end) or (begin == end and i < begin < i + window)
    }
    codes = encode(text)
    scores = [
        batch_scores(codes[None, i : i + window], model.detectors, padded=model.padded, backend="reference").max()
        for i in sorted(starts)
    ]
    return max(scores, default=None)


@pytest.mark.parametrize(
    ("seed", "options"),
    [(1, {}), (2, {"padded": True, "window": 5}), (3, {"average": False, "hidden": 0, "both": False, "window": 8})],
)
def test_best_touching_window_of_whole_haplotypes(tmp_path, motif_model, model_path, seed, options):
    model = motif_model(seed, **options)
    contigs = {"chr1": random_genome(seed, 150, "AACT"), "chr2": random_genome(seed + 1, 40)}
    rows = [row for name, text in contigs.items() for row in random_variants(seed, name, text, 60)]
    found = effects(tmp_path, contigs, rows, model_path(seed, **options))
    assert len(found) == len(rows)
    compared = 0
    for effect, (name, pos, ref, alt) in zip(found, rows, strict=True):
        whole, ways = places(contigs[name], pos - 1, ref, alt)
        expected_ref = touching(contigs[name], [(at, at + len(old)) for at, old, _ in ways], model)
        expected_alt = touching(whole, [(at, at + len(new)) for at, _, new in ways], model)
        assert effect.ref_match is True
        if expected_ref is None or expected_alt is None:
            assert "contig_end" in effect.flags
            continue
        compared += 1
        np.testing.assert_allclose(
            [effect.ref_score, effect.alt_score], [expected_ref, expected_alt], rtol=1e-4, atol=1e-4
        )
        assert effect.delta == effect.alt_score - effect.ref_score
        # The window that is named has the score that is named.
        text = whole if effect.delta > 0 else contigs[name]
        if len(whole) == len(contigs[name]):
            begin = effect.start + effect.offset
            codes = encode(text[begin : begin + model.window])[None]
            both = batch_scores(codes, model.detectors, padded=model.padded)[0]
            assert both["+-".index(effect.strand)] == pytest.approx(max(effect.ref_score, effect.alt_score), abs=1e-4)
    assert compared > 0.9 * len(rows)


def test_context_is_the_whole_stretch_around_the_variant(tmp_path, motif_model, model_path):
    model, text = motif_model(4), random_genome(5, 300)
    rows = [("chr1", 150, text[149], "ACGT".replace(text[149], "")[0]), ("chr1", 150, text[149], text[149] + "GATTACA")]
    found = effects(tmp_path, {"chr1": text}, rows, model_path(4), context=101)

    def whole(letters):
        assert len(letters) == 101
        return batch_scores(encode(letters)[None], model.detectors, padded=True, backend="reference").max()

    snv, insertion = found
    assert snv.ref_score == pytest.approx(whole(text[99:200]), rel=1e-5)
    assert snv.alt_score == pytest.approx(whole(text[99:149] + rows[0][3] + text[150:200]), rel=1e-5)
    (at, _, new), *more = places(text, 149, *rows[1][2:])[1]
    assert not more  # nothing repeats there
    assert insertion.ref_score == pytest.approx(whole(text[at - 50 : at + 51]), rel=1e-5)
    assert insertion.alt_score == pytest.approx(whole(text[at - 47 : at] + new + text[at : at + 47]), rel=1e-5)
    (long,) = effects(tmp_path, {"chr1": text}, [("chr1", 10, text[9:60], text[9])], model_path(4), context=20)
    assert "longer_than_context" in long.flags
    assert np.isnan(long.delta)


def test_the_way_an_indel_is_written_does_not_matter(tmp_path, model_path):
    text = random_genome(6, 60) + "CACACACACA" + random_genome(7, 60)
    rows = [("c", 61 + shift, text[60 + shift : 63 + shift], text[60 + shift]) for shift in range(-1, 7)]
    rows += [("c", 58, text[57:72], text[57:60] + text[62:72])]
    rows = [
        row for row in rows if text[: row[1] - 1] + row[3] + text[row[1] - 1 + len(row[2]) :] == text[:60] + text[62:]
    ]
    assert len(rows) >= 8
    for options in ({}, {"context": 31}):
        found = effects(tmp_path, {"c": text}, rows, model_path(8), **options)
        scores = np.array([(one.ref_score, one.alt_score) for one in found])
        np.testing.assert_allclose(scores, np.broadcast_to(scores[0], scores.shape), atol=1e-5)
        assert len({one.start + one.offset for one in found}) == 1
        assert found[0].delta != 0


def test_swapping_the_alleles_turns_the_sign(tmp_path, model_path):
    """With the alternative haplotype as the genome, the variant back to the reference has the opposite effect."""
    text = random_genome(9, 200, "AACT")
    for row in random_variants(10, "c", text, 25):
        _, pos, ref, alt = row
        (there,) = effects(tmp_path, {"c": text}, [row], model_path(9))
        (tmp_path / "r.fa.fai").unlink()
        changed = text[: pos - 1] + alt + text[pos - 1 + len(ref) :]
        (back,) = effects(tmp_path, {"c": changed}, [("c", pos, alt, ref)], model_path(9))
        (tmp_path / "r.fa.fai").unlink()
        expected = (there.alt_score, there.ref_score, -there.delta)
        assert (back.ref_score, back.alt_score, back.delta) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("options", [{}, {"context": 21}])
def test_the_other_strand_gives_the_same(tmp_path, model_path, options):
    text = random_genome(11, 200, "AACT")
    rows = random_variants(12, "c", text, 60)
    if options:  # one letter that cannot be split evenly lies to the right: only equal halves mirror
        rows = [row for row in rows if len(row[2]) == len(row[3]) == 1]
    turned = [
        ("c", len(text) - (pos - 1) - len(ref) + 1, ref[::-1].translate(COMPLEMENT), alt[::-1].translate(COMPLEMENT))
        for _, pos, ref, alt in rows
    ]
    one = effects(tmp_path, {"c": text}, rows, model_path(13), **options)
    (tmp_path / "r.fa.fai").unlink()
    two = effects(tmp_path, {"c": text[::-1].translate(COMPLEMENT)}, turned, model_path(13), **options)
    np.testing.assert_allclose([x.delta for x in one], [x.delta for x in two], atol=1e-5)
    assert np.abs([x.delta for x in one]).max() > 0.1


def test_alleles_without_letters_keep_their_row(tmp_path, model_path):
    text = "ACGTACGTTGCATGCAACGTNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNACGRACGT"
    rows = [
        ("1", 3, "G", "T,*,<DEL>,GA"),
        ("1", 3, "G", "."),
        ("1", 3, "G", "G]chr2:5]"),
        ("1", 3, "G", "R"),
        ("1", 3, "Y", "A"),
        ("1", 5, "T", "A"),
        ("9", 5, "A", "T"),
        ("1", 0, "N", "T"),
        ("1", 68, "TA", "T"),
        ("1", 40, "N", "A"),
        ("1", 4, "t", "T"),
        ("1", 20, "tn", "c"),
        ("1", 64, "R", "C"),
    ]
    found = effects(tmp_path, {"chr1": text}, rows, model_path(14))
    assert [one.alt for one in found[:4]] == ["T", "*", "<DEL>", "GA"]
    flags = [one.flags for one in found]
    assert flags[:7] == [
        ("contig_end",), ("spanning_deletion",), ("symbolic",), ("contig_end",), ("no_alt",), ("breakend",),
        ("alt_not_bases",),
    ]  # fmt: skip
    assert flags[7:9] == [("ref_not_bases",), ("ref_mismatch", "contig_end")]
    assert flags[9:12] == [("missing_contig",), ("outside_contig",), ("outside_contig",)]
    assert set(flags[12]) == {"unknown_letters", "no_score"}
    assert flags[13] == ("alt_is_ref", "contig_end")
    assert found[13].delta == 0
    assert "unknown_letters" in flags[14]
    assert found[14].ref_match is True
    assert flags[15] == ("ref_not_bases",)
    scored = [not np.isnan(one.delta) for one in found]
    assert scored == [True, False, False, True, *[False] * 4, True, *[False] * 4, True, True, False]
    for one in found:
        assert np.isnan(one.delta) == (one.offset is None) == (one.strand == ".")


def test_ref_mismatch(tmp_path, model_path, caplog):
    text = random_genome(15, 80)
    wrong = "ACGT".replace(text[39], "")
    row = ("c", 40, wrong[0], wrong[1])
    (warned,) = effects(tmp_path, {"c": text}, [row], model_path(15))
    assert (warned.ref_match, warned.flags) == (False, ("ref_mismatch",))
    assert "REF is" in caplog.text
    changed = text[:39] + wrong[0] + text[40:]
    (tmp_path / "r.fa.fai").unlink()
    (same,) = effects(tmp_path, {"c": changed}, [row], model_path(15))
    assert (same.ref_score, same.alt_score) == pytest.approx((warned.ref_score, warned.alt_score), abs=1e-5)
    assert same.ref_match is True
    (tmp_path / "r.fa.fai").unlink()
    (skipped,) = effects(tmp_path, {"c": text}, [row], model_path(15), ref_mismatch="skip")
    assert np.isnan(skipped.delta)
    assert (skipped.ref_match, skipped.flags) == (False, ("ref_mismatch",))
    with pytest.raises(InputError, match=r"v.vcf, line 3: REF is \w at c:40, .*r.fa has \w: another assembly"):
        effects(tmp_path, {"c": text}, [row], model_path(15), ref_mismatch="error")


def test_names_of_contigs(tmp_path, model_path):
    text = random_genome(16, 60)
    rows = [(name, 30, text[29], "ACGT".replace(text[29], "")[0]) for name in ("1", "chr1", "MT", "chrM", "M", "X")]
    found = effects(tmp_path, {"chr1": text, "M": text, "X": text}, rows, model_path(1))
    assert [one.delta for one in found] == pytest.approx([found[0].delta] * 6, abs=1e-5)
    assert [one.chrom for one in found] == [row[0] for row in rows]
    (tmp_path / "r.fa.fai").unlink()
    (plain,) = effects(tmp_path, {"1": text}, [("chr1", *rows[0][1:])], model_path(1))
    assert plain.delta == pytest.approx(found[0].delta, abs=1e-5)


def told(found):
    """What is said of variants, scores to four decimals."""
    return [(x.start, x.ref, x.alt, x.offset, x.strand, x.flags, f"{x.ref_score:.4f} {x.alt_score:.4f}") for x in found]


def test_batches_threads_order_and_case_do_not_matter(tmp_path, model_path, monkeypatch):
    text = random_genome(17, 300, "AACT")
    rows = random_variants(18, "c", text, 40)
    one = effects(tmp_path, {"c": text}, rows, model_path(17), threads=1)
    monkeypatch.setattr("bioconv.sequence.variant_run._BATCH", 3)
    monkeypatch.setattr("bioconv.sequence.reference_genome._BLOCK", 7)
    assert told(effects(tmp_path, {"c": text}, rows, model_path(17), threads=3)) == told(one)
    order = np.random.default_rng(0).permutation(len(rows))
    mixed = effects(tmp_path, {"c": text}, [rows[k] for k in order], model_path(17))
    assert told(mixed) == told(one[k] for k in order)
    lower = effects(
        tmp_path, {"c": text.lower()}, [(c, p, r.lower(), a.lower()) for c, p, r, a in rows], model_path(17)
    )
    assert [x.delta for x in lower] == pytest.approx([x.delta for x in one], abs=1e-5)


def test_memory_does_not_grow_with_the_context(tmp_path, model_path, monkeypatch):
    """What waits to be scored together is bounded in letters, those around the variants included."""
    text = random_genome(5, 400)
    seen = []

    def watch(scorer, sites):
        seen.append(sum(len(part) for site in sites for part in (site.left, site.right, site.ref, site.alt)))
        return whole(scorer, sites)

    whole = VariantScorer.score
    monkeypatch.setattr(VariantScorer, "score", watch)
    monkeypatch.setattr("bioconv.sequence.variant_run._LONGEST", 2000)
    rows = random_variants(6, "c", text, 60)
    found = effects(tmp_path, {"c": text}, rows, model_path(1), context=200, threads=1)
    assert len(found) >= 50
    assert len(seen) > 5
    assert max(seen) < 2000 + 410  # as many, and one variant more


def test_gated_changes_below_zero_are_none(tmp_path, model_path):
    text = random_genome(20, 300)
    rows = random_variants(21, "c", text, 60)
    found = effects(tmp_path, {"c": text}, rows, model_path(17))
    gated = effects(tmp_path, {"c": text}, rows, model_path(17), gated=True)
    below = [max(one.ref_score, one.alt_score) <= 0 for one in found]
    assert 5 < sum(below) < 55
    for one, other, silent in zip(found, gated, below, strict=True):
        assert other.delta == (0 if silent else one.delta)
        assert (other.ref_score, other.alt_score, other.offset) == (one.ref_score, one.alt_score, one.offset)


def test_scores_are_the_models_own_and_p_values_its_nulls(tmp_path, motif_model):
    """An SNV's reference score is the best of the W windows around it, as `scan` would score them."""
    text = random_genome(19, 90)
    null = fit_null(np.random.default_rng(0).normal(size=20_000), {"window": 12, "padded": False})
    model = motif_model(19).with_null(null)
    write_model(tmp_path / "m.safetensors", to_model_file(model))
    row = ("c", 45, text[44], "ACGT".replace(text[44], "")[0])
    (found,) = effects(tmp_path, {"c": text}, [row], tmp_path / "m.safetensors")
    np.testing.assert_allclose(found.ref_p, null.p_values(np.array(found.ref_score)))
    np.testing.assert_allclose(found.alt_p, null.p_values(np.array(found.alt_score)))
    (other,) = effects(tmp_path, {"c": text}, [row], tmp_path / "m.safetensors", window=14)
    assert np.isnan(other.ref_p)
    # A context as long as the sequence is the sequence's own record score, before and after.
    (whole,) = effects(tmp_path, {"c": text[:89]}, [row], tmp_path / "m.safetensors", context=89)
    before = bioconv.predict({"a": text[:89], "b": text[:44] + row[3] + text[45:89]}, model=tmp_path / "m.safetensors")
    np.testing.assert_allclose([whole.ref_score, whole.alt_score], before.values[:, 0], rtol=1e-6)


def test_genome_in_a_bottle(shared_data, tmp_path, monkeypatch, published_gabpa):
    """All 221 REF alleles are those of the genome at their real coordinates; indexes of read-only files are cached."""
    monkeypatch.setenv("BIOCONV_CACHE", str(tmp_path))
    vcf = shared_data(f"{GIAB}/test_nist.b37_chr20_100kbp_at_10mb.vcf.gz")
    genome = shared_data(f"{GIAB}/ucsc.hg19.chr20.unittest.fasta.gz")
    found = list(bioconv.variants(vcf, reference=genome, model=published_gabpa))
    assert not genome.with_name(f"{genome.name}.fai").exists() or (genome.parent.stat().st_mode & 0o222)
    assert len({(one.start, one.ref) for one in found}) == 221
    assert all(one.ref_match for one in found)
    assert all(one.flags == () and not np.isnan(one.delta) for one in found)
    table = bioconv.variants(vcf, reference=genome, model=published_gabpa).to_pandas()
    assert len(table) == len(found)
    assert table["delta"].tolist() == [one.delta for one in found]


@pytest.fixture(scope="session")
def published_gabpa(shared_data, tmp_path_factory):
    import tarfile

    folder = tmp_path_factory.mktemp("published")
    with tarfile.open(shared_data("deepbind-models-2015/params.tar.gz")) as archive:
        for member in archive:
            name = member.name.split("/")[-1]
            if name in {"D00409.004.txt", "D00360.007.txt"}:
                (folder / name).write_bytes(archive.extractfile(member).read())
    return folder / "D00409.004.txt"


@pytest.mark.parametrize("name", ["D00409.004", "D00360.007"])
def test_published_models_in_the_tert_promoter(shared_data, tmp_path, published_gabpa, name):
    """C228T and C250T make ETS sites: gains for GABPA and ELK1, the largest of all changes at these places."""
    import gzip

    with gzip.open(shared_data("mpra-satmut/elements.tsv.gz"), "rt") as stream:
        lines = [line.split("\t") for line in stream]
    wild = {int(f[1]): f[2] for f in lines if f[9] == "TERT-GBM" and f[10].strip() == "GRCh38"}
    first = min(wild)
    text = "".join(wild[pos] for pos in range(first, max(wild) + 1))
    spots = (1295113, 1295135)
    rows = [("chr5", pos - first + 1, wild[pos], alt) for pos in spots for alt in "ACGT" if alt != wild[pos]]
    assert {wild[pos] for pos in spots} == {"G"}
    found = effects(tmp_path, {"chr5": text}, rows, published_gabpa.with_name(f"{name}.txt"))
    for spot in spots:
        here = {one.alt: one.delta for one in found if one.start == spot - first}
        assert here["A"] > 1
        assert here["A"] == max(here.values())


def test_index_of_a_genome_in_a_folder_that_is_marked_read_only(tmp_path, model_path, monkeypatch):
    monkeypatch.setenv("BIOCONV_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "genomes"
    folder.mkdir()
    fasta = write_fasta(folder / "r.fa", {"c": "ACGTACGTTACGGACTACGT"})
    vcf = write_vcf(tmp_path / "v.vcf", [("c", 10, "A", "C")])
    folder.chmod(0o555)
    try:
        for _ in range(2):
            (found,) = bioconv.variants(vcf, reference=fasta, model=model_path())
            assert found.ref_match
        assert [path.name for path in folder.iterdir()] == ["r.fa"]
        assert len(list((tmp_path / "cache" / "indexes").glob("*/r.fa.fai"))) == 1
    finally:
        folder.chmod(0o755)


def test_errors(tmp_path, model_path):
    write_vcf(tmp_path / "v.vcf", [])
    with pytest.raises(InputError, match=r"none.fa: no such file"):
        bioconv.variants(tmp_path / "v.vcf", reference=tmp_path / "none.fa", model=model_path())
    write_fasta(tmp_path / "r.fa", {"c": "ACGT"})
    with pytest.raises(OptionError, match="no model"):
        bioconv.variants(tmp_path / "v.vcf", reference=tmp_path / "r.fa", model=[])
    with pytest.raises(OptionError, match="--context 5"):
        effects(tmp_path, {"c": "ACGT"}, [], model_path(), context=5, window=13)
    with pytest.raises(OptionError, match="--window 3"):
        effects(tmp_path, {"c": "ACGT"}, [], model_path(), window=3)
    with pytest.raises(OptionError, match="expected one of warn, skip, error"):
        effects(tmp_path, {"c": "ACGT"}, [], model_path(), ref_mismatch="ignore")
    with pytest.raises(ModelError):
        effects(tmp_path, {"c": "ACGT"}, [], tmp_path / "r.fa")
    assert effects(tmp_path, {"c": "ACGT"}, [], model_path()) == []
    assert load_motif_model(model_path()).name == "m"
