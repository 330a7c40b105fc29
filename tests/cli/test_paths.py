"""No command writes over what it reads, two outputs into one file, or begins what it could not write."""

from __future__ import annotations

from pathlib import Path

import pytest
from bioconv.cli.main import cli

from bioconv.errors import OptionError, OutputError

VCF = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\nchr1\t20\t.\tT\tA\t.\t.\t.\n"


@pytest.fixture
def folder(tmp_path, model_path, monkeypatch):
    (tmp_path / "m.safetensors").write_bytes(model_path(3).read_bytes())
    (tmp_path / "x.fa").write_text(">chr1\nACGTTGCATTACGGATCCATTTGACCAGTACCG\n")
    (tmp_path / "x.fa.fai").write_text("chr1\t33\t6\t33\t34\n")
    (tmp_path / "v.vcf").write_text(VCF)
    (tmp_path / "lab.csv").write_text("name,sequence,label\na,ACGTTGCATTACGG,1\nb,GGGACCCTTTAGAC,0\n")
    (tmp_path / "k.meme").write_text("MEME version 4\n")
    (tmp_path / "r.bed").write_text("chr1\t0\t20\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("predict x.fa --model m.safetensors -o m.safetensors", "-o m.safetensors is one of the inputs"),
        ("predict x.fa --model m.safetensors --events x.fa", "--events x.fa is one of the inputs"),
        ("predict x.fa --model m.safetensors -o y --events ./y", "-o and --events both go to"),
        ("scan x.fa --model m.safetensors -o m.safetensors", "-o m.safetensors is one of the inputs"),
        ("scan x.fa --model m.safetensors --events x.fa", "--events x.fa is one of the inputs"),
        ("scan x.fa --model m.safetensors --bed r.bed -o r.bed", "-o r.bed is one of the inputs"),
        ("mutation-map ACGTACGT --model m.safetensors -o m.safetensors", "-o m.safetensors is one of the inputs"),
        ("mutation-map ACGTACGT --model m.safetensors -o a.svg --plot a.svg", "both go to a.svg"),
        ("variants v.vcf -r x.fa --model m.safetensors -o m.safetensors", "-o m.safetensors is one of the inputs"),
        ("variants v.vcf -r x.fa --model m.safetensors -o x.fa.fai", "-o x.fa.fai is one of the inputs"),
        ("variants v.vcf -r x.fa --model m.safetensors --vcf-out -", "both go to stdout"),
        ("variants v.vcf -r x.fa --model m.safetensors --vcf-out /dev/stdout", "both go to stdout"),
        ("motifs m.safetensors -o y --meme y", "both go to y"),
        ("motifs m.safetensors --match k.meme -s x.fa --meme k.meme", "--meme k.meme is one of the inputs"),
        ("evaluate m.safetensors lab.csv -o lab.csv", "-o lab.csv is one of the inputs"),
        ("evaluate m.safetensors lab.csv -o a.svg --plot a.svg", "both go to a.svg"),
        ("train deepbind x.fa -o x.fa", "-o x.fa is one of the inputs"),
        ("train deepbind x.fa -o n.safetensors --from m.safetensors --events x.fa", "--events x.fa is one of"),
        ("train deepbind x.fa -o n.safetensors --negatives x.fa", "bound and as unbound sequences; give two files"),
        ("evaluate --scores - --labels -", "stdin (-) can be read once"),
    ],
)
def test_inputs_stay_as_they_are(folder, command, message):
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(OptionError) as refused:
        cli.main(command.split(), standalone_mode=False)
    assert message in str(refused.value)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_what_swallows_everything_may_take_two_outputs(folder):
    status = cli.main(
        ["predict", "x.fa", "--model", "m.safetensors", "-o", "/dev/null", "--events", "/dev/null"],
        standalone_mode=False,
    )
    assert status == 0
    assert Path("/dev/null").is_char_device()


def test_a_scan_with_nothing_to_look_for(folder, monkeypatch):
    monkeypatch.setattr("bioconv.zoo.packaged", dict)
    with pytest.raises(OptionError, match="no motifs and no model"):
        cli.main(["scan", "x.fa"], standalone_mode=False)


@pytest.mark.parametrize(
    "command",
    [
        "models export none.safetensors -o no/x",
        "models import none.safetensors --as resnet50 --keys timm -o no/x",
        "mutation-map ACGT --model none.safetensors --plot no/x",
        "variants none.vcf -r none.fa --model none.safetensors --vcf-out no/x",
        "motifs none.safetensors --meme no/x",
        "evaluate none.safetensors none.csv --plot no/x",
        "predict none.fa --model none.safetensors -o no/x",
        "segment none.png --events no/x",
        "train lstm none.csv -o x.safetensors --events no/x",
        "datasets split none.csv -o no/x",
        "datasets info . -o no/x",
        "datasets get uci-ecoli-promoters --table no/x",
    ],
)
def test_an_output_without_a_folder_is_refused_before_any_work(folder, command):
    """Before inputs and models are opened: none of them is there."""
    with pytest.raises(OutputError, match="cannot write no/x: there is no folder no; make it"):
        cli.main(command.split(), standalone_mode=False)
