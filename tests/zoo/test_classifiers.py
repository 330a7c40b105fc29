"""The shipped classifier of mammograms: complete, small, as good as its card says, and never without its warning."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from bioconv.cli.main import cli
from bioconv.datasets.mammography_phantom import synthetic_mammograms
from click.testing import CliRunner

import bioconv
from bioconv.evaluation import auroc
from bioconv.mammography.classifier import Classifier
from bioconv.mammography.finding import find_views
from bioconv.mammography.model import load_classification_model
from bioconv.models.model_file import read_model
from bioconv.zoo import packaged, resolve
from tests.mammography.samples import write_mammogram

NAME = "mammo-ddsm"


def test_it_is_the_only_one_and_its_card_says_what_users_need():
    assert [name for name, model in packaged().items() if model.task == "classify"] == [NAME]
    path = resolve(NAME)
    assert path.stat().st_size < 8_000_000
    facts = read_model(path).metadata
    assert facts["licence"].startswith("research use only")
    assert "Heath" in facts["citation"]
    assert "192 pixels" in facts["classification"]["domain"]
    assert facts["training"]["matched"] is True
    figure, low, high = facts["metrics"]["test breast auroc"]
    assert 0.5 < low < figure < high < 1
    assert "cannot" in packaged()[NAME].about


def test_every_row_carries_the_warning(tmp_path):
    for view in synthetic_mammograms(3, shape=(256, 200)):
        place = tmp_path / f"{view.laterality}{view.view}.dcm"
        write_mammogram(place, view.pixels, view.laterality, view.view)
    found = bioconv.classify(tmp_path, model=NAME)
    rows = [*found.images, *found.breasts, *found.exams]
    assert len(rows) == 4 + 2 + 1
    assert all("192 pixels" in row["domain_warning"] for row in rows)


def test_it_is_named_but_never_chosen_silently(tmp_path):
    (tmp_path / "exams").mkdir()
    result = CliRunner().invoke(cli, ["classify", str(tmp_path / "exams")])
    assert result.exit_code == 2
    assert NAME in result.output


@pytest.mark.slow
def test_unseen_women_are_scored_as_the_card_says(shared_data, tmp_path):
    """The benchmark's test part: its split is drawn from the women's names alone."""
    from bioconv.training.splits import make_split

    folder = shared_data("ddsm-cancer-cases-192/labels.csv").parent
    with (folder / "labels.csv").open() as stream:
        rows = [row for row in csv.DictReader(stream) if row["dark"] == "0"]
    sites = {row["patient"]: row["site"] for row in rows}
    women = sorted(sites)
    parts = make_split(
        women, labels=[sites[one] for one in women], fractions={"train": 0.6, "dev": 0.2, "test": 0.2}, seed=0
    ).parts
    test = [row for row in rows if parts[row["patient"]] == "test"]
    with (tmp_path / "test.csv").open("w", newline="") as stream:
        lines = [[(folder / row["path"]).resolve(), row["patient"], row["side"], row["view"]] for row in test]
        csv.writer(stream).writerows([["path", "patient", "laterality", "view"], *lines])
    classifier = Classifier([load_classification_model(resolve(NAME))])
    scores = [classifier.score(view).scores[0] for view in find_views([tmp_path / "test.csv"])[0]]
    figure = read_model(resolve(NAME)).metadata["metrics"]["test image auroc"][0]
    assert auroc(np.array(scores), [row["affected"] == "1" for row in test]) == pytest.approx(figure, abs=2e-3)
