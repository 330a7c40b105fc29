"""`bioconv scan` from outside: output, exit codes, messages, and nothing half-written."""

from __future__ import annotations

import gzip
import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import bioconv
from bioconv.sequence.scanning.options import ScanOptions

ROOT = Path(__file__).parent.parent.parent
GENOME = ROOT / "examples/data/NC_005816.fna"
MOTIFS = ROOT / "examples/data/crp_lexa.meme"


def run(*arguments: object, check: int | None = 0, **options) -> subprocess.CompletedProcess:
    """Run the command; `check` is the exit code expected."""
    command = [sys.executable, "-m", "bioconv", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, env=environment, timeout=120, text=True, **options)
    assert check is None or done.returncode == check, done.stderr
    return done


def rows(text: str) -> list[list[str]]:
    return [line.split("\t") for line in text.splitlines() if line and not line.startswith(("#", "motif_id"))]


def test_tsv_has_fimos_columns_and_says_where_it_comes_from():
    done = run("scan", GENOME, "-m", MOTIFS)
    head, names = done.stdout.splitlines()[:2]
    assert head.startswith(f"# bioconv {bioconv.__version__} motifs=2 background=0.25,0.25,0.25,0.25")
    columns = "motif_id motif_alt_id sequence_name start stop strand score p-value q-value matched_sequence"
    assert names == columns.replace(" ", "\t")
    assert len(rows(done.stdout)) == 13
    assert "1 sequence, 9,609 bases" in done.stderr
    best = min(rows(done.stdout), key=lambda row: float(row[7]))
    assert best[:6] == ["LexA", "", "gi|45478711|ref|NC_005816.1|", "5951", "5968", "-"]


def test_matched_sequences_are_where_they_are_said_to_be():
    from Bio import SeqIO
    from Bio.Seq import Seq

    sequence = str(SeqIO.read(GENOME, "fasta").seq)
    for row in rows(run("scan", GENOME, "-m", MOTIFS, "-p", "1e-3").stdout):
        window = Seq(sequence[int(row[3]) - 1 : int(row[4])])
        assert row[9] == str(window if row[5] == "+" else window.reverse_complement())


def test_command_and_function_agree():
    table = rows(run("scan", GENOME, "-m", MOTIFS, "-p", "5e-4", "--no-overlap", "-q", "0.5").stdout)
    options = ScanOptions(p=5e-4, no_overlap=True, q=0.5)
    hits = list(bioconv.scan(GENOME, motifs=MOTIFS, options=options))
    assert len(hits) == len(table) > 5
    for hit, row in zip(hits, table, strict=True):
        assert [hit.motif_id, hit.sequence_name, str(hit.start + 1), str(hit.end), hit.strand] == [row[0], *row[2:6]]
        assert [f"{hit.score:.6g}", f"{hit.p_value:.3g}", f"{hit.q_value:.3g}", hit.matched_sequence] == row[6:]


def test_formats_agree():
    tsv = rows(run("scan", GENOME, "-m", MOTIFS).stdout)
    bed = rows(run("scan", GENOME, "-m", MOTIFS, "--format", "bed").stdout)
    gff = rows(run("scan", GENOME, "-m", MOTIFS, "--format", "gff3").stdout)
    lines = run("scan", GENOME, "-m", MOTIFS, "--format", "jsonl").stdout.splitlines()
    records = [json.loads(line) for line in lines]
    assert "provenance" in records.pop(0)
    for t, b, g, j in zip(tsv, bed, gff, records, strict=True):
        assert [b[0], b[3], b[5], b[9]] == [t[2], t[0], t[5], t[9]]
        assert (int(b[1]) + 1, int(b[2])) == (int(t[3]), int(t[4])) == (int(g[3]), int(g[4])) == (j["start"], j["stop"])
        assert float(b[4]) == pytest.approx(min(1000, -10 * math.log10(float(t[7]))), abs=0.51)
        assert float(g[5]) == pytest.approx(-10 * math.log10(float(t[7])), abs=0.02)
        assert f"pvalue={t[7]}" in g[8]
        assert (j["p-value"], j["q-value"], j["matched_sequence"]) == (float(t[7]), float(t[8]), t[9])


def test_matrix_is_the_best_score_of_each_sequence(tmp_path):
    (tmp_path / "two.fa").write_text(">a\nACGT\n" + GENOME.read_text().replace("gi|45478711|ref|NC_005816.1|", "b"))
    done = run("scan", tmp_path / "two.fa", "-m", MOTIFS, "--format", "matrix")
    assert "warning" not in done.stderr
    table = done.stdout.splitlines()
    assert table[1].split("\t") == ["sequence_name", "CRP", "LexA"]
    assert table[2].split("\t") == ["a", "NA", "NA"]
    hits = rows(run("scan", GENOME, "-m", MOTIFS).stdout)
    best = [max(float(row[6]) for row in hits if row[0] == motif) for motif in ("CRP", "LexA")]
    assert [float(value) for value in table[3].split("\t")[1:]] == pytest.approx(best, abs=1e-3)


def test_stdin_gzip_and_several_files_give_the_same_hits(tmp_path):
    expected = rows(run("scan", GENOME, "-m", MOTIFS, "--stream").stdout)
    assert all(row[8] == "" for row in expected)
    packed = tmp_path / "no_telling_name"
    packed.write_bytes(gzip.compress(GENOME.read_bytes()))
    with packed.open("rb") as stream:
        assert rows(run("scan", "-", "-m", MOTIFS, "--stream", stdin=stream).stdout) == expected
    assert rows(run("scan", packed, GENOME, "-m", MOTIFS, "--stream").stdout) == expected * 2


def test_background_of_the_input_changes_the_scores():
    with_input = run("scan", GENOME, "-m", MOTIFS, "--background", "input").stdout
    letters = "".join(GENOME.read_text().splitlines()[1:])
    gc = (letters.count("G") + letters.count("C")) / len(letters) / 2
    shares = [float(x) for x in re.search(r"background=(\S+)", with_input)[1].split(",")]
    assert shares == pytest.approx([0.5 - gc, gc, gc, 0.5 - gc], abs=1e-6)


BAD = {
    "missing": (None, 4, "no such file; check the path"),
    "empty": (b"", 0, "no sequences"),
    "text": (b"hello\n", 4, "line 1: not FASTA"),
    "fastq": (b"@r\nACGT\n+\nIIII\n", 4, "FASTQ"),
    "binary": (bytes(range(256)), 4, "binary"),
    "gap": (b">a\nAC\nG-T\n", 4, "record 'a', line 3: b'-' is not a letter"),
    "short": (b">a\nACGT\n", 0, "longer than every sequence"),
    "truncated": (gzip.compress(os.urandom(9000) + b">a\n")[:5000], 4, "damaged or cut short"),
    "protein": (b">p\nMKVLEQPFMKVLEQPFMKVLEQPFM\n", 0, "is this protein?"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_sequence_file(name, tmp_path):
    content, code, message = BAD[name]
    path = tmp_path / "input.fa"
    if content is not None:
        path.write_bytes(content)
    done = run("scan", path, "-m", MOTIFS, "-o", tmp_path / "out.tsv", check=code)
    said = [line for line in done.stderr.splitlines() if message in line]
    assert len(said) == 1
    assert "Traceback" not in done.stderr
    assert (code == 4) == (str(path) in said[0]) or code == 0
    assert sorted(p.name for p in tmp_path.iterdir() if p != path) == ([] if code else ["out.tsv"])


def test_one_bad_file_does_not_stop_the_others(tmp_path):
    bad = tmp_path / "bad.fa"
    bad.write_text(GENOME.read_text() + "*\n")
    done = run("scan", bad, GENOME, "-m", MOTIFS, check=3)
    assert len(rows(done.stdout)) == 13  # the hits before the bad line are dropped
    assert f"error: {bad}, record" in done.stderr
    run("scan", bad, GENOME, "-m", MOTIFS, "--max-failures", 1)
    run("scan", bad, GENOME, "-m", MOTIFS, "--format", "matrix", check=3)


def test_events_note_every_input(tmp_path):
    log = tmp_path / "events.jsonl"
    run("scan", GENOME, tmp_path / "missing.fa", "-m", MOTIFS, "--events", log, check=3)
    events = [json.loads(line) for line in log.read_text().splitlines()]
    assert [(event["event"], event.get("input")) for event in events] == [
        ("start", None),
        ("done", str(GENOME)),
        ("failed", str(tmp_path / "missing.fa")),
    ]
    assert "no such file; check the path" in events[2]["reason"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("-m", "missing.meme"), 1, "missing.meme"),
        (("-m", MOTIFS, "--motif-id", "CRX"), 1, "near names are CRP"),
        (("-m", MOTIFS, "-p", "0"), 1, "-p 0.0"),
        (("-m", MOTIFS, "--threads", "0"), 1, "--threads"),
        (("-m", MOTIFS, "--stream", "--top", "3"), 1, "--stream"),
        (("-m", MOTIFS, "--format", "xml"), 2, "'xml' is not one of"),
        (("-m", MOTIFS, "-o", "missing_folder/out.tsv"), 1, "out.tsv: there is no folder missing_folder; make it"),
        (("-m", MOTIFS, "--background", "0.5,0.5"), 1, "background"),
        (("-m", MOTIFS, "--format", "matrix", "--top", "3"), 1, "--format matrix"),
        (("-m", MOTIFS, "-"), 1, "stdin (-) can be read once"),
        (("-m", MOTIFS, ""), 1, "a file name is empty"),
        (("-m", MOTIFS, "--track", "/dev/null/tracks"), 1, "cannot make the track folder"),
        (("-m", MOTIFS, "-o", GENOME), 1, "is one of the inputs"),
        (("--model", "deepbind:D00328.003", "--motif-id", "X"), 1, "--motif-id chooses among motifs"),
    ],
)
def test_bad_options(arguments, code, message, tmp_path):
    stdin = ["-"] if "-" in arguments else []
    done = run("scan", GENOME, *stdin, *arguments, check=code, cwd=tmp_path)
    assert message in done.stderr
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_wrong_row_in_a_motif_file_names_file_and_line(tmp_path):
    lines = MOTIFS.read_text().splitlines()
    lines[11] = lines[11].rsplit(" ", 2)[0]
    bad = tmp_path / "bad.meme"
    bad.write_text("\n".join(lines))
    assert f"{bad}:12" in run("scan", GENOME, "-m", bad, check=1).stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_full_disk():
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "bioconv", "scan", str(GENOME), "-m", str(MOTIFS)]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, cwd=ROOT, text=True, timeout=60)
    assert done.returncode == 1
    assert "No space left" in done.stderr
    assert "Traceback" not in done.stderr


def test_existing_output_survives_a_failure(tmp_path):
    output = tmp_path / "out.tsv"
    output.write_text("precious")
    run("scan", tmp_path / "missing.fa", "-m", MOTIFS, "-o", output, check=4)
    assert output.read_text() == "precious"
    run("scan", GENOME, "-m", MOTIFS, "-o", output)
    assert output.read_text().startswith("# bioconv")


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
def test_closed_pipe_ends_quietly():
    script = f'{sys.executable} -m bioconv scan {GENOME} -m {MOTIFS} -p 0.5 | head -n 1; echo "${{PIPESTATUS[0]}}"'
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert done.stdout.splitlines()[-1] == "0"
    assert "Broken" not in done.stderr
    assert "Traceback" not in done.stderr


def test_output_through_a_link_keeps_the_link(tmp_path):
    (tmp_path / "real.tsv").write_text("old")
    (tmp_path / "link.tsv").symlink_to(tmp_path / "real.tsv")
    run("scan", GENOME, "-m", MOTIFS, "-o", tmp_path / "link.tsv")
    assert (tmp_path / "link.tsv").is_symlink()
    assert (tmp_path / "real.tsv").read_text().startswith("# bioconv")


def test_termination_leaves_nothing_behind(tmp_path):
    fifo = tmp_path / "endless.fa"
    os.mkfifo(fifo)
    command = [sys.executable, "-m", "bioconv", "scan", str(fifo), "-m", str(MOTIFS), "-o", str(tmp_path / "out.tsv")]
    # The pipe opens for writing once the scan has opened its end.
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE) as process, fifo.open("wb") as stream:
        stream.write(b">a\n" + b"ACGT\n" * 1000)
        stream.flush()
        assert [path.name for path in tmp_path.glob(".out.tsv.*.part")] != []
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 143
    assert sorted(path.name for path in tmp_path.iterdir()) == ["endless.fa"]


def test_old_line_ends_are_refused(tmp_path):
    path = tmp_path / "mac.fa"
    path.write_bytes(GENOME.read_bytes().replace(b"\n", b"\r"))
    assert "lines end in CR alone" in run("scan", path, "-m", MOTIFS, check=4).stderr


def test_background_of_a_pipe_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    done = run("scan", tmp_path / "pipe", "-m", MOTIFS, "--background", "input", check=1)
    assert "can be read once" in done.stderr


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
def test_compressed_pipe():
    """A pipe can be opened only once."""
    script = f"{sys.executable} -m bioconv scan <(gzip -c {GENOME}) -m <(gzip -c {MOTIFS}) --no-header"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, cwd=ROOT, timeout=60, check=True)
    assert len(rows(done.stdout)) == 13


def test_help_and_pwm_scan_import_nothing_heavy():
    show = (
        "import sys; sys.argv = ['bioconv', *{arguments}]\nfrom bioconv.cli.main import main\ntry:\n main()\nfinally:\n"
    )
    show += " print('MODULES', *sorted(name for name in sys.modules if '.' not in name), file=sys.stderr)"
    for arguments, unwanted in (
        (["--help"], {"numpy", "torch", "Bio", "pooch"}),
        (["scan", "--help"], {"numpy", "torch", "Bio", "pooch"}),
        (["scan", str(GENOME), "-m", str(MOTIFS), "--quiet"], {"torch", "scipy", "Bio", "pooch", "pandas"}),
    ):
        code = show.format(arguments=arguments)
        done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
        (modules,) = [line for line in done.stderr.splitlines() if line.startswith("MODULES")]
        assert not unwanted & set(modules.split()), arguments


def test_tracks_hold_the_hits(tmp_path):
    pybigtools = pytest.importorskip("pybigtools")
    table = rows(run("scan", GENOME, "-m", MOTIFS, "--track", tmp_path / "tracks").stdout)
    for motif in ("CRP", "LexA"):
        expected = [0.0] * 9609
        for row in table:
            if row[0] == motif:
                for place in range(int(row[3]) - 1, int(row[4])):
                    expected[place] = max(expected[place], -math.log10(float(row[7])))
        reader = pybigtools.open(str(tmp_path / "tracks" / f"{motif}.bw"))
        (name,) = reader.chroms()
        assert reader.chroms(name) == 9609
        values = [0.0] * 9609
        for start, end, value in reader.records(name):
            values[start:end] = [value] * (end - start)
        assert values == pytest.approx(expected, abs=0.01)
