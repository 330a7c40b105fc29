"""`bioconv train classify`: from a table to a model that classifies, and what it refuses before it begins."""

from __future__ import annotations

import csv
import shutil
from types import SimpleNamespace

import pytest
from bioconv.cli.train_classify import _warn_of_patches, command
from click.testing import CliRunner

import bioconv
from bioconv import runtime
from bioconv.errors import InputError, OptionError
from tests.mammography import phantoms

QUICK = ["--size", "64,48", "--width", "0.25", "--augment", "none", "--epochs", "1", "--batch-size", "16",
         "--ema", "none", "--warmup-steps", "1", "--threads", "1"]  # fmt: skip


@pytest.fixture(autouse=True)
def as_found():
    import torch

    threads, handlers, level = torch.get_num_threads(), list(runtime.logger.handlers), runtime.logger.level
    yield
    torch.set_num_threads(threads)
    runtime.logger.handlers[:], runtime.logger.level, runtime.logger.propagate = handlers, level, True


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Twelve women: four train, four are dev, four are test."""
    folder = tmp_path_factory.mktemp("women")
    return phantoms.write_pictures(folder, range(12), split=lambda number: ("train", "dev", "test")[number // 4])


@pytest.fixture
def table(pictures, tmp_path):
    """The same in a folder of its own, to be changed."""
    folder = tmp_path / "women"
    shutil.copytree(pictures.parent, folder)
    return folder / "exams.csv"


def run(*words, check=0):
    result = CliRunner().invoke(command, [str(word) for word in words])
    assert result.exit_code == check, result.output + repr(result.exception)
    return result


def test_a_model_is_trained_tuned_and_used(pictures, tmp_path):
    first, tuned = tmp_path / "first.safetensors", tmp_path / "tuned.safetensors"
    done = run(pictures, "-o", first, "--also", "density:0.3", "--domain", "phantoms", "--threshold", "youden", *QUICK)
    assert "no probabilities and no thresholds of one exam: ten of either are needed in dev" in done.stderr
    folder = tmp_path / "first.run"
    scores = list(csv.DictReader((folder / "test.tsv").read_text().splitlines(), delimiter="\t"))
    assert [row["level"] for row in scores].count("image") == 16
    assert [row["level"] for row in scores].count("exam") == 4
    report = (folder / "report.html").read_text()
    assert "Research use only, not a medical device." in report
    assert "No probabilities and no thresholds of one exam" in report
    assert {row.split("\t")[1] for row in (folder / "split.tsv").read_text().splitlines()[2:]} == {
        "train",
        "dev",
        "test",
    }
    quick = [word for word in QUICK if word not in ("--size", "64,48", "--width", "0.25")]
    run(pictures, "-o", tuned, "--from", first, "--freeze", "all-but-head", *quick, "--quiet")
    model = bioconv.load_model(tuned)
    assert model.preparation.size == (64, 48)
    assert [head.name for head in model.objective.heads] == ["label"]
    assert model.facts["training"]["started_from"] == "first.safetensors"
    found = bioconv.classify(pictures, model=[first])
    assert len(found.exams) == 12
    assert "phantoms" in found.domain_warning
    assert "density=a" in found.images[0]
    assert all(row["probability"] is None for row in found.exams)


def test_the_function_trains_the_same(pictures, tmp_path):
    from dataclasses import replace

    from bioconv.mammography.learning.fit import ClassificationPlan
    from bioconv.mammography.learning.recipe import AUGMENTATIONS, DEFAULTS

    run(pictures, "-o", tmp_path / "a.safetensors", *QUICK, "--quiet")
    config = replace(DEFAULTS, epochs=1, batch_size=16, ema=None, warmup_steps=1)
    recipe = ClassificationPlan(network={"width": 0.25}, augmentation=AUGMENTATIONS["none"])
    made = bioconv.train(
        "classify", pictures, output=tmp_path / "b.safetensors", config=config, recipe=recipe, device="cpu",
        preparation=phantoms.PREPARATION,
    )  # fmt: skip
    one, other = bioconv.load_model(tmp_path / "a.safetensors"), made.model.tensors
    state = one.network.state_dict()
    assert all((state[name].numpy() == own).all() for name, own in other.items() if name in state)


def test_resume_and_what_is_there_already(pictures, tmp_path):
    out = tmp_path / "m.safetensors"
    begun = run(pictures, "-o", out, *QUICK, "--resume")
    assert "m.run holds nothing to resume: the training begins from the start" in begun.stderr
    before = out.read_bytes()
    result = run(pictures, "-o", out, *QUICK, check=1)
    assert "--resume" in str(result.exception)
    out.unlink()
    run(pictures, "-o", out, *QUICK, "--quiet", "--resume")
    assert out.read_bytes() == before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--threshold", "best"], "'best' is no rule for a threshold"),
        (["--also", "density:much"], "--also 'density:much': give COLUMN or COLUMN:WEIGHT"),
        (["--from", "{model}", "--architecture", "resnet18"], "--architecture is that of the model of --from"),
    ],
)
def test_options_that_make_no_sense(pictures, tmp_path, mass_model, words, said):
    words = [str(mass_model) if word == "{model}" else word for word in words]
    result = run(pictures, "-o", tmp_path / "m.safetensors", *QUICK, *words, check=1)
    assert isinstance(result.exception, OptionError)
    assert said in str(result.exception)
    assert not (tmp_path / "m.run").exists()


@pytest.mark.parametrize("size", ["64", "64,x", "0,48", "64,48,3"])
def test_odd_sizes(pictures, tmp_path, size):
    done = run(pictures, "-o", tmp_path / "m.safetensors", "--size", size, check=2)
    assert "give HEIGHT,WIDTH in pixels" in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--label", "finding"], "no column 'finding'; the header has path, patient"),
        (["--also", "birads"], "no column 'birads'"),
        (["--positive", "2"], "'2' is none of them; give --positive 0 or --positive 1"),
    ],
)
def test_tables_that_make_no_sense(pictures, tmp_path, words, said):
    done = run(pictures, "-o", tmp_path / "m.safetensors", *QUICK, *words, check=4)
    assert said in done.stderr


def test_leaks_are_refused(table, tmp_path):
    text = table.read_text()
    table.write_text(text.replace("w0-RCC.png,woman 0,R,CC,s0,0,a,train", "w0-RCC.png,woman 0,R,CC,s0,0,a,dev"))
    result = run(table, "-o", tmp_path / "m.safetensors", *QUICK, check=1)
    assert isinstance(result.exception, InputError)
    assert "woman 0 in dev (w0-RCC.png) and train" in str(result.exception)
    table.write_text(text)
    shutil.copy(table.parent / "w0-LCC.png", table.parent / "w5-LCC.png")
    result = run(table, "-o", tmp_path / "m.safetensors", *QUICK, check=1)
    assert "w0-LCC.png (train) and w5-LCC.png (dev), correlation 1.0000" in str(result.exception)
    assert not (tmp_path / "m.run").exists()


def test_views_are_joined_and_breasts_scored_by_the_network(pictures, tmp_path):
    single, joined = tmp_path / "single.safetensors", tmp_path / "joined.safetensors"
    run(pictures, "-o", single, *QUICK, "--quiet")
    quick = [word for word in QUICK if word not in ("--size", "64,48", "--width", "0.25")]
    run(pictures, "-o", joined, "--from", single, "--fusion", "views", *quick, "--quiet")
    assert bioconv.load_model(joined).joins_views
    found = bioconv.classify(pictures, model=joined)
    assert {row["rule"] for row in found.breasts} == {"network of views, max of breasts"}
    both = run(pictures, "-o", tmp_path / "m.safetensors", "--from", joined, "--matched", *quick, check=1)
    assert "--fusion views is that of" in str(both.exception)
    assert "--fusion none takes it off" in str(both.exception)
    run(pictures, "-o", tmp_path / "m.safetensors", "--from", joined, "--fusion", "none", *quick, "--quiet")
    assert not bioconv.load_model(tmp_path / "m.safetensors").joins_views
    from bioconv.cli.classify import command as classify

    words = [str(pictures), "--model", str(joined), "--views-rule", "mean", "-o", str(tmp_path / "out")]
    refused = CliRunner().invoke(classify, words)
    assert isinstance(refused.exception, OptionError)
    assert "--views-rule: the model joins the views of a breast itself" in str(refused.exception)


def test_from_made_breasts_to_patches_to_whole_images(tmp_path, monkeypatch):
    """The recipe of docs/mammography.md, small."""
    from bioconv.datasets.synthetic_breasts import make_breasts

    made = make_breasts(tmp_path / "made", count=16, size=96, contrast=0.7)
    lines = (made / "synthetic-exams.csv").read_text().splitlines()[1:]
    parts = ["split", *("dev" if int(line.split("synthetic-")[2][:4]) % 4 > 1 else "train" for line in lines[1:])]
    table = made / "exams.csv"
    table.write_text("".join(f"{line},{part}\n" for line, part in zip(lines, parts, strict=True)))
    patches, whole = tmp_path / "patches.safetensors", tmp_path / "whole.safetensors"
    words = ["--patches", made / "synthetic-boxes.csv", "--patch-size", 16]
    run(table, "-o", patches, *words, *QUICK, "--quiet")
    quick = [word for word in QUICK if word not in ("--size", "64,48", "--width", "0.25")]
    run(table, "-o", whole, "--from", patches, "--top", 1, "--freeze", "all-but-head", *quick, "--quiet")
    before, after = bioconv.load_model(patches).network.state_dict(), bioconv.load_model(whole).network.state_dict()
    assert all((after[name] == own).all() for name, own in before.items() if name.startswith("body."))
    assert len(bioconv.classify(table, model=whole).exams) == 16
    with pytest.raises(OptionError, match="tells patches of 16 pixels apart"):
        bioconv.classify(table, model=patches)
    warned = []
    monkeypatch.setattr(runtime.logger, "warning", lambda *said: warned.append(said[0]))
    for part, split, start in (("", None, patches), ("dev", None, patches), ("", "s.tsv", patches), ("", None, whole)):
        data = SimpleNamespace(images=[SimpleNamespace(part=part)])
        _warn_of_patches(start, data, {"split_file": split})
    assert len(warned) == 1
    assert "learnt from patches of some of these women" in warned[0]
    odd = run(table, "-o", tmp_path / "m.safetensors", *words, "--label", "kind", *QUICK, check=1)
    assert "--label, --positive: patches are told apart by whether they show a lesion" in str(odd.exception)
