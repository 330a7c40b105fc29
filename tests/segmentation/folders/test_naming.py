"""Names of outputs: where they go without -o, and that no two of them meet."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from bioconv.segmentation.folders.naming import (
    FOLDERS,
    default_output,
    output_bases,
    relative_names,
)


def test_default_folder_lies_beside_the_input(tmp_path, monkeypatch):
    (tmp_path / "scans/deep").mkdir(parents=True)
    (tmp_path / "x.ome.tif").touch()
    assert default_output([tmp_path / "scans"]) == tmp_path / "scans-segmented"
    assert default_output([tmp_path / "x.ome.tif"]) == tmp_path / "x-segmented"
    assert default_output([tmp_path / "scans/a.png", tmp_path / "x.ome.tif"]) == tmp_path / "segmented"
    monkeypatch.chdir(tmp_path / "scans")
    assert default_output([Path()]) == tmp_path / "scans-segmented"
    assert default_output([Path("deep/")]) == tmp_path / "scans/deep-segmented"


def test_names_mirror_the_tree(tmp_path):
    (tmp_path / "scans/a").mkdir(parents=True)
    files = [tmp_path / "scans/a/x.png", tmp_path / "scans/y.png"]
    assert relative_names(files, [tmp_path / "scans"]) == ["a/x.png", "y.png"]
    assert relative_names(files, [tmp_path / "scans", tmp_path / "z.png"]) == ["scans/a/x.png", "scans/y.png"]
    assert relative_names([tmp_path / "z.png"], [tmp_path / "z.png"]) == ["z.png"]


def test_outputs_that_would_meet_get_names_of_their_own():
    assert output_bases(["a.png", "a.tif", "b.nii.gz", "A.bmp"]) == ["a-png", "a-tif", "b", "A-bmp"]
    assert output_bases(["a-png.tif", "a.bmp", "a.png"]) == ["a-png", "a-bmp", "a-png-2"]
    assert output_bases(["x.png", "overlays/x.png"]) == ["x", "overlays/x-2"]


names = st.lists(
    st.builds(
        "{}{}{}".format,
        st.sampled_from(["", "s/", "overlays/", "rois/", "S/"]),
        st.sampled_from(["a", "A", "a-png", "a-2", "a-png-2", "b.c"]),
        st.sampled_from([".png", ".tif", ".PNG", ".nii.gz", ".ome.tif", ""]),
    ),
    unique=True,
    max_size=15,
)


@given(names)
def test_no_two_outputs_meet_even_where_case_does_not_count(found):
    bases = output_bases(found)
    folders = ["", *(f"{folder}/" for folder in set(FOLDERS.values()))]
    places = [f"{folder}{base}".casefold() for base in bases for folder in folders]
    assert len(set(places)) == len(places) == len(folders) * len(found)
