"""`bioconv train segment`: from folders to a model that segments, and what it refuses before it begins."""

from __future__ import annotations

import numpy as np
import pytest
from bioconv.cli.train_segment import command
from click.testing import CliRunner
from skimage.io import imsave

from bioconv.evaluation import dice
from bioconv.evaluation.objects import match_objects
from bioconv.images.masks import read_mask
from bioconv.images.reader import read_image
from bioconv.models.model_file import read_model
from bioconv.segmentation.learning.scoring import Decision, decide
from bioconv.segmentation.model import load_segmentation_model

QUICK = ["--widths", "8,16", "--patch", "32", "--per-epoch", "160", "--epochs", "5", "--batch-size", "4",
         "--ema", "none", "--warmup-steps", "5", "--quiet"]  # fmt: skip


def discs(rng, size=64):
    """Bright discs of radius 6 on noise, one in each of five of nine fields: image and numbered discs."""
    labels = np.zeros((size, size), np.uint8)
    yy, xx = np.mgrid[:size, :size]
    for number, field in enumerate(rng.permutation(9)[:5], 1):
        y, x = 21 * np.array(divmod(field, 3)) + rng.uniform(8, 13, 2)
        labels[(yy - y) ** 2 + (xx - x) ** 2 < 36] = number
    image = 60 + 120 * (labels > 0) + rng.normal(0, 10, labels.shape)
    return image.clip(0, 255).astype(np.uint8), labels


@pytest.fixture
def folders(tmp_path):
    rng = np.random.default_rng(0)
    for part in ("images", "masks"):
        (tmp_path / part).mkdir()
    for number in range(8):
        image, labels = discs(rng)
        imsave(tmp_path / "images" / f"{number}.png", image, check_contrast=False)
        imsave(tmp_path / "masks" / f"{number}.png", labels, check_contrast=False)
    return tmp_path


def run(*words):
    return CliRunner().invoke(command, [str(word) for word in words])


@pytest.mark.parametrize("kind", ["instances", "binary"])
def test_a_model_is_trained_and_segments(folders, kind):
    masks = folders / "masks"
    if kind == "binary":
        for path in masks.iterdir():
            imsave(path, 255 * (read_mask(path) > 0).astype(np.uint8), check_contrast=False)
    output = folders / "discs.safetensors"
    done = run(folders / "images", masks, "-o", output, "--kind", kind, *QUICK)
    assert done.exit_code == 0, done.output
    model = load_segmentation_model(output)
    assert model.kind == kind
    assert model.inputs == ("gray",)
    facts = read_model(output).metadata
    assert facts["metrics"]["ap50" if kind == "instances" else "dice"][0] > 0.7
    if kind == "instances":
        assert model.diameter == pytest.approx(12, abs=1.5)  # discs of radius 6
    # The file alone gives the scores that training wrote down.
    for line in (folders / "discs.run" / "dev.tsv").read_text().splitlines()[1:]:
        name, _, score, *_ = line.split("\t")
        pixels = read_image(folders / "images" / f"{name}.png").pixels[None]
        maps = model.maps(model.prepare(pixels, model.intensity(pixels)))
        labels = decide(maps, model.objective, Decision(model.threshold, model.settings))
        truth = read_mask(masks / f"{name}.png")
        again = (
            float(match_objects(labels, truth).counts.average_precision())
            if kind == "instances"
            else dice(labels, truth)
        )
        assert float(score) == pytest.approx(again, abs=1e-4)
    assert {path.name for path in (folders / "discs.run").iterdir()} >= {
        "split.tsv", "history.csv", "report.html", "best.safetensors", "last.safetensors",
    }  # fmt: skip


def test_training_goes_on_where_it_was_interrupted(folders):
    words = [folders / "images", folders / "masks", "--kind", "instances", *QUICK]
    assert run(*words, "-o", folders / "whole.safetensors", "--name", "m").exit_code == 0
    first = run(*words[:-1], "-o", folders / "parts.safetensors", "--name", "m", "--max-steps", "50", "--resume")
    assert first.exit_code == 0
    assert "parts.run holds nothing to resume: the training begins from the start" in first.stderr
    again = run(*words, "-o", folders / "parts.safetensors", "--name", "m")
    assert again.exit_code == 1
    assert "--resume" in str(again.exception)


def test_fine_tuning_keeps_the_architecture_and_the_preprocessing(folders):
    words = [folders / "images", folders / "masks", "--kind", "instances", *QUICK[2:]]
    start, end = folders / "start.safetensors", folders / "end.safetensors"
    assert run(*words, "-o", start, "--widths", "8,16", "--polarity", "dark-background").exit_code == 0
    done = run(*words, "-o", end, "--from", start, "--epochs", "1", "--learning-rate", "1e-5")
    assert done.exit_code == 0, done.output
    before, after = load_segmentation_model(start), load_segmentation_model(end)
    assert after.preprocessing == before.preprocessing
    for (name, a), (_, b) in zip(before.network.state_dict().items(), after.network.state_dict().items(), strict=True):
        assert a.shape == b.shape
        if name.endswith("weight"):
            assert float((a - b).abs().max()) < 0.01, name


def test_a_model_of_grey_images_can_go_on_with_colour_if_it_was_meant_to(folders):
    short = ["--kind", "instances", "--epochs", "1", "--max-steps", "2", "--patch", "32", "--quiet"]
    grey, both = folders / "grey.safetensors", folders / "both.safetensors"
    assert run(folders / "images", folders / "masks", "-o", grey, "--widths", "4,8", *short).exit_code == 0
    done = run(folders / "images", folders / "masks", "-o", both, "--widths", "4,8", "--colour", *short)
    assert done.exit_code == 0, done.output
    for path in (folders / "images").iterdir():
        pixels = read_image(path).pixels
        imsave(path, np.stack([pixels, pixels // 2, 255 - pixels], axis=-1), check_contrast=False)
    again = [folders / "images", folders / "masks", "--gamma", "0.5", *short]
    refused = run(*again, "-o", folders / "a.safetensors", "--from", grey)
    assert refused.exit_code == 1
    assert "reads the channels gray" in str(refused.exception)
    tuned = run(*again, "-o", folders / "b.safetensors", "--from", both)
    assert tuned.exit_code == 0, tuned.output
    model = load_segmentation_model(folders / "b.safetensors")
    assert model.inputs == ("red", "green", "blue")
    assert (model.preprocessing.gamma, load_segmentation_model(both).preprocessing.gamma) == (0.5, 1.0)
    ramp = np.linspace(0, 255, 256).reshape(1, 16, 16).astype(np.uint8)
    prepared = model.prepare(ramp, model.intensity(ramp))
    plain = load_segmentation_model(both).prepare(ramp, model.intensity(ramp))
    np.testing.assert_allclose(prepared, np.sqrt(plain), rtol=1e-6)


def test_what_cannot_be_trained_on_is_listed_before_training(folders):
    imsave(folders / "masks" / "3.png", np.zeros((64, 64), np.uint8), check_contrast=False)
    imsave(folders / "masks" / "5.png", np.ones((60, 64), np.uint8), check_contrast=False)
    output = folders / "m.safetensors"
    done = run(folders / "images", folders / "masks", "-o", output, "--kind", "instances")
    assert done.exit_code == 4
    assert not output.exists()
    assert not (folders / "m.run").exists()
