"""What cannot be read is said in the same words by every command: its name, why, what to do; and the exit code."""

from __future__ import annotations

import shlex

import pytest
from bioconv.cli.main import cli

from bioconv import runtime
from bioconv.errors import BioconvError

MISSING = ": no such file; check the path"
FOLDER = ": a folder where a file is expected; give the file"
VCF = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\nchr1\t20\t.\tT\tA\t.\t.\t.\n"


@pytest.fixture
def folder(tmp_path, model_path, monkeypatch):
    (tmp_path / "m.safetensors").write_bytes(model_path(3).read_bytes())
    (tmp_path / "x.fa").write_text(">chr1\nACGTTGCATTACGGATCCATTTGACCAGTACCG\n")
    (tmp_path / "v.vcf").write_text(VCF)
    (tmp_path / "k.meme").write_text("MEME version 4\n\nMOTIF k\nletter-probability matrix:\n1 0 0 0\n0 1 0 0\n")
    (tmp_path / "own").mkdir()
    handlers, level = list(runtime.logger.handlers), runtime.logger.level
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    runtime.logger.handlers[:], runtime.logger.level, runtime.logger.propagate = handlers, level, True


def run(command: str) -> tuple[int, str]:
    """Return exit code and message, as `bioconv` ends; a message that was logged is on stderr."""
    try:
        return int(cli.main(shlex.split(command), standalone_mode=False) or 0), ""
    except BioconvError as error:
        return 1, f"error: {error}\n"


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        ("scan GONE -m k.meme", 4, MISSING),
        ("scan x.fa -m GONE", 1, MISSING),
        ("scan x.fa -m k.meme --bed GONE", 4, MISSING),
        ("predict GONE --model m.safetensors", 4, MISSING),
        ("variants GONE -r x.fa --model m.safetensors", 4, MISSING),
        ("variants v.vcf -r GONE --model m.safetensors", 1, MISSING),
        ("mutation-map chr1:1-9 -r GONE --model m.safetensors", 4, MISSING),
        ("motifs m.safetensors -s GONE", 4, MISSING),
        ("motifs m.safetensors --match GONE", 1, MISSING),
        ("segment GONE", 4, MISSING),
        ("classify GONE --model mammo-ddsm --dry-run", 4, MISSING),
        ("classify GONE.csv --model mammo-ddsm --dry-run", 4, MISSING),
        ("evaluate m.safetensors GONE", 4, MISSING),
        ("evaluate --scores GONE --labels x.fa", 4, MISSING),
        ("train deepbind GONE -o n.safetensors", 4, MISSING),
        ("train lstm GONE -o n.safetensors", 4, MISSING),
        ("train segment GONE -o n.safetensors", 4, MISSING),
        ("train classify GONE -o n.safetensors", 4, MISSING),
        ("train lstm x.fa -o n.safetensors --config GONE", 1, MISSING),
        ("datasets split GONE -o n.tsv", 4, MISSING),
        ("datasets info GONE.fa", 4, MISSING),
        ("scan own -m k.meme", 4, FOLDER),
        ("scan x.fa -m own", 1, FOLDER),
        ("predict own --model m.safetensors", 4, FOLDER),
        ("variants own -r x.fa --model m.safetensors", 4, FOLDER),
        ("mutation-map own --model m.safetensors", 4, FOLDER),
        ("motifs m.safetensors -s own", 4, FOLDER),
        ("evaluate --scores own --labels x.fa", 4, FOLDER),
        ("train deepbind own -o n.safetensors", 4, FOLDER),
        ("train lstm own -o n.safetensors", 4, FOLDER),
        ("train classify own -o n.safetensors", 4, FOLDER),
    ],
)
def test_one_wording(folder, capsys, command, code, said):
    before = sorted(folder.rglob("*"))
    status, raised = run(command)
    lines = (capsys.readouterr().err + raised).splitlines()
    word = next(word for word in shlex.split(command) if word.startswith("GONE") or word == "own")
    assert (status, lines[-1]) == (code, f"error: {word}{said}"), lines
    assert [path for path in sorted(folder.rglob("*")) if path not in before and path.suffix != ".fai"] == []
