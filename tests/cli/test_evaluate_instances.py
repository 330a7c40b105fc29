"""`bioconv evaluate --masks --instances`: objects of two folders of label images."""

from __future__ import annotations

import json

import numpy as np
import pytest
from bioconv.cli.evaluate import command
from click.testing import CliRunner

from bioconv.evaluation.objects import match_objects


@pytest.fixture
def folders(tmp_path):
    truth = np.kron(np.arange(1, 10).reshape(3, 3), np.pad(np.ones((5, 5), int), 1))
    images = {"a": (np.where(truth == 4, 0, truth), truth), "b": (np.roll(truth, 2, 1), truth), "c": (truth * 0,) * 2}
    for side, name in enumerate(("found", "true")):
        (tmp_path / name).mkdir()
        for image, pair in images.items():
            np.save(tmp_path / name / f"{image}.npy", pair[side])
    return tmp_path, images


def test_instances(folders):
    path, images = folders
    given = ["--masks", str(path / "found"), str(path / "true"), "--instances", "--resamples", "50"]
    done = CliRunner().invoke(command, [*given, "--json"])
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout)
    matchings = [match_objects(*pair) for pair in images.values()]
    tp, fp, fn = (sum(getattr(one, key) for one in matchings) for key in ("tp", "fp", "fn"))
    assert result["task"] == "instances"
    assert result["models"]["pooled"]["ap50"]["value"] == pytest.approx(tp / (tp + fp + fn))
    assert [row["tp"] for row in result["images"]] == [one.tp for one in matchings]
    assert result["images"][2]["ap50"] == 1
    table = CliRunner().invoke(command, given).stdout.splitlines()
    assert table[1].split("\t")[:5] == ["name", "tp", "fp", "fn", "ap50"]
    assert table[2].split("\t")[:5] == ["a", "8", "0", "1", "0.8889"]
    assert table[-1] == "# 3 images, 1 without any object: such an image counts as perfect"


def test_a_bad_image_is_named(folders):
    path, _ = folders
    np.save(path / "true/b.npy", np.ones((2, 2), int))
    done = CliRunner().invoke(command, ["--masks", str(path / "found"), str(path / "true"), "--instances"])
    assert done.exit_code == 3
    assert "b.npy" in done.stderr
    assert "they must be equal" in done.stderr


def test_usage(folders):
    path, _ = folders
    both = ["--masks", str(path / "found"), str(path / "true"), "--instances", "--classes", "all"]
    assert CliRunner().invoke(command, both).exit_code == 2
    assert CliRunner().invoke(command, ["--scores", "a", "--labels", "b", "--instances"]).exit_code == 2
