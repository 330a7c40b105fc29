"""`bioconv variants` from outside: table, annotated VCF, exit codes, and nothing half-written."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from pathlib import Path

import pytest

import bioconv

ROOT = Path(__file__).parent.parent.parent
TEXT = "ACGTTGCATTACGGATCCATTTGACCAGTACCGATTACAGGCATTACCGATAGGCA"
VCF = """##fileformat=VCFv4.2
##contig=<ID=1,length=55>
#CHROM	POS	ID	REF	ALT	QUAL	FILTER	INFO	FORMAT	s 1
1	20	rs1	T	A,<DEL>	30	PASS	DP=9;BIOCONV_DELTA_m=5	GT	0|1
1	25	.	C	*	.	.	.	GT	./.
1	29	.	TACC	T	.	q10	X	GT	1/1
"""


def run(*arguments: object, check: int = 0, **options) -> subprocess.CompletedProcess:
    command = [sys.executable, "-W", "error", "-m", "bioconv", "variants", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, env=environment, timeout=120, text=True, **options)
    assert done.returncode == check, done.stderr
    return done


@pytest.fixture
def files(tmp_path, model_path):
    (tmp_path / "v.vcf").write_text(VCF)
    (tmp_path / "r.fa").write_text(f">chr1\n{TEXT}\n")
    return tmp_path / "v.vcf", "-r", tmp_path / "r.fa", "--model", model_path(3)


def test_command_and_function_agree(files):
    done = run(*files)
    head, names, *rows = done.stdout.splitlines()
    assert head.startswith(f"# bioconv {bioconv.__version__} model:m=sha256:")
    assert "window:m=12 " in head
    columns = (
        "chrom pos id ref alt model ref_score alt_score delta abs_delta best_offset strand ref_match flags ref_p alt_p"
    )
    assert names.split("\t") == columns.split()
    found = list(bioconv.variants(files[0], reference=files[2], model=files[4]))
    assert len(found) == len(rows) == 4
    for row, effect in zip(rows, found, strict=True):
        cells = dict(zip(columns.split(), row.split("\t"), strict=True))
        assert (cells["chrom"], int(cells["pos"]) - 1, cells["ref"]) == (effect.chrom, effect.start, effect.ref)
        assert cells["alt"] == effect.alt
        assert cells["flags"] == (";".join(effect.flags) or ".")
        if cells["delta"] == "NA":
            assert effect.delta != effect.delta
            continue
        shown = [float(cells[name]) for name in ("ref_score", "alt_score", "delta", "abs_delta")]
        assert shown == pytest.approx([effect.ref_score, effect.alt_score, effect.delta, abs(effect.delta)], abs=1e-6)
        assert (int(cells["best_offset"]), cells["strand"], cells["ref_match"]) == (
            effect.offset,
            effect.strand,
            "true",
        )
    assert "3 records, 4 alternative alleles, 2 scored" in done.stderr
    assert "1=chr1" in done.stderr


def test_annotated_vcf(files, tmp_path):
    rows = [line.split("\t") for line in run(*files, "--vcf-out", tmp_path / "o.vcf").stdout.splitlines()[2:]]
    before, after = VCF.splitlines(), (tmp_path / "o.vcf").read_text().splitlines()
    assert after[:2] == before[:2]
    assert after[2].startswith(f"##bioconv=bioconv {bioconv.__version__} model:m=sha256:")
    assert after[3].startswith("##INFO=<ID=BIOCONV_DELTA_m,Number=A,Type=Float,Description=")
    assert after[4].startswith("##INFO=<ID=BIOCONV_FLAGS,Number=.,Type=String,Description=")
    assert after[5] == before[2]
    for old, new in zip(before[3:], after[6:], strict=True):
        old, new = old.split("\t"), new.split("\t")
        assert old[:7] + old[8:] == new[:7] + new[8:]
    infos = [line.split("\t")[7] for line in after[6:]]
    assert infos[0] == f"DP=9;BIOCONV_DELTA_m={float(rows[0][8]):.6g},.;BIOCONV_FLAGS=.,symbolic"
    assert infos[1] == "BIOCONV_FLAGS=spanning_deletion"
    assert infos[2] == f"X;BIOCONV_DELTA_m={float(rows[3][8]):.6g}"


def test_bgzip_output_stdin_and_again(files, tmp_path):
    from Bio import bgzf

    plain, packed = tmp_path / "o.vcf", tmp_path / "o.vcf.gz"
    run("-", *files[1:], "-o", tmp_path / "o.tsv", "--vcf-out", packed, "--no-header", input=VCF)
    run(*files, "-o", tmp_path / "p.tsv", "--vcf-out", plain, "--no-header")
    assert (tmp_path / "o.tsv").read_text() == (tmp_path / "p.tsv").read_text()
    assert gzip.decompress(packed.read_bytes()) == plain.read_bytes()
    with packed.open("rb") as stream:
        assert list(bgzf.BgzfBlocks(stream))[-1][3] == 0  # the empty block that ends a bgzip file
    again = run(packed, *files[1:], "-o", tmp_path / "q.tsv", "--vcf-out", "-", "--no-header")
    assert again.stdout == plain.read_text()
    several = run(*files, "--model", files[4], "--vcf-out", plain)
    assert "BIOCONV_DELTA_m_2=" in plain.read_text()
    assert len(several.stdout.splitlines()) == 2 + 8


def test_nothing_is_left_of_a_failure(files, tmp_path):
    out, annotated = tmp_path / "o.tsv", tmp_path / "o.vcf.gz"
    files[0].write_text(VCF + "1\tten\t.\tA\tC\t.\t.\t.\tGT\t.\n")
    done = run(*files, "-o", out, "--vcf-out", annotated, check=4)
    assert "v.vcf, line 7: POS is 'ten'" in done.stderr
    assert run(*files, check=4).stdout == ""
    assert run(tmp_path / "none.vcf", *files[1:], check=4).stdout == ""
    files[0].write_text(VCF.replace("20\trs1\tT", "20\trs1\tG"))
    done = run(*files, "-o", out, "--ref-mismatch", "error", check=4)
    assert "line 4: REF is G at 1:20" in done.stderr
    run(files[0], "-r", tmp_path / "none.fa", *files[3:], "-o", out, check=1)
    run(*files, "--vcf-out", "-", check=1)
    run(*files, "-o", files[0], check=1)
    run(*files, "--vcf-out", files[2], check=1)
    run(files[0], *files[3:], check=2)
    assert not out.exists()
    assert not annotated.exists()
    assert not list(tmp_path.glob(".*"))
    assert files[0].read_text().startswith("##fileformat")
    assert run(*files, "--ref-mismatch", "skip").stdout.splitlines()[2].endswith("false\tref_mismatch\tNA\tNA")
