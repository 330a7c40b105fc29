"""From a DICOM file to the prepared breast: laterality is the header's, whatever the pixels look like."""

from __future__ import annotations

import numpy as np
import pytest
from bioconv.datasets.mammography_phantom import synthetic_mammograms

from bioconv.mammography.exams import group_exams, score_exam
from bioconv.mammography.finding import find_views
from bioconv.mammography.preparation import Preparation, prepare
from bioconv.mammography.views import read_pixels, read_view
from tests.mammography import samples

WOMAN = synthetic_mammograms(11, masses={"L": 0.5})
SETTINGS = Preparation(size=(128, 100))


@pytest.mark.parametrize("monochrome", [1, 2])
@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("number", range(4))
def test_laterality_never_swaps(tmp_path, number, mirrored, monochrome):
    phantom = WOMAN[number]
    pixels = phantom.pixels[:, ::-1] if mirrored else phantom.pixels
    path = samples.write_mammogram(tmp_path / "a.dcm", pixels, phantom.laterality, phantom.view, monochrome=monochrome)
    found, view = read_pixels(read_view(path))
    assert (view.laterality, view.view) == (phantom.laterality, phantom.view)
    prepared = prepare(found, view, SETTINGS)
    # The chest wall comes to the left: a left breast as it is, a right one flipped, and mirrored the other way round.
    assert prepared.flipped == ((phantom.laterality == "R") != mirrored)
    assert any("PatientOrientation" in text for text in prepared.warnings) == mirrored
    expected = prepare(phantom.pixels, view, SETTINGS).pixels
    np.testing.assert_allclose(prepared.pixels, expected, atol=2e-3)
    if phantom.mass is not None:
        column = phantom.pixels.shape[1] - 1 - phantom.mass[1] if mirrored else phantom.mass[1]
        place = prepared.placement.to_prepared(np.array([phantom.mass[0], column]))
        bright = np.unravel_index(prepared.pixels[0][:, : SETTINGS.size[1]].argmax(), SETTINGS.size)
        if phantom.view == "CC":
            assert np.hypot(*(place - bright)) < 6


@pytest.mark.parametrize("side", ["L", "R"])
@pytest.mark.parametrize("pixels_of", [0, 1])
def test_header_rules_where_pixels_disagree(tmp_path, side, pixels_of):
    """Pixels of a right breast (0) under either header: the header's side stays, and the disagreement is said."""
    path = samples.write_mammogram(tmp_path / "a.dcm", WOMAN[pixels_of].pixels, side, "CC")
    found, view = read_pixels(read_view(path))
    prepared = prepare(found, view, SETTINGS)
    assert view.laterality == side
    assert bool(prepared.warnings) == (WOMAN[pixels_of].laterality != side)
    if prepared.warnings:
        assert f"It was scored as {side}" in prepared.warnings[0]


@pytest.mark.parametrize("mirrored", [False, True])
def test_the_mass_is_scored_in_its_own_breast(tmp_path, mirrored):
    """End to end with a detector that sees nothing but brightness above the usual."""
    for phantom in WOMAN:
        pixels = phantom.pixels[:, ::-1] if mirrored else phantom.pixels
        name = f"{phantom.laterality}{phantom.view}.dcm"
        samples.write_mammogram(tmp_path / name, pixels, phantom.laterality, phantom.view)
    views, failures = find_views([tmp_path])
    assert not failures
    plain = {(phantom.laterality, phantom.view): phantom for phantom in synthetic_mammograms(11)}
    scores = {}
    for view in views:
        prepared = prepare(read_pixels(view)[0], view, SETTINGS)
        without = prepare(plain[view.laterality, view.view].pixels, view, SETTINGS)
        scores[view.path] = float(np.abs(prepared.pixels - without.pixels).max())
    (exam,) = group_exams(views)
    result = score_exam(exam, scores)
    by_side = {breast.laterality: breast.score for breast in result.breasts}
    assert by_side["L"] > 0.2 > 0.05 > by_side["R"]
    assert result.views == ("R-CC", "R-MLO", "L-CC", "L-MLO")
