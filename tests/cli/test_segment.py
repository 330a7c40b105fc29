"""`bioconv segment`: mixed folders, bad files, killed runs, and what a second run does again."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
import tifffile
from bioconv.cli.segment import command
from click.testing import CliRunner, Result
from PIL import Image
from scipy import ndimage

import bioconv
from bioconv import runtime
from bioconv.errors import OptionError, OutputError
from bioconv.manifest import Manifest, file_hash

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def segment(monkeypatch):
    """Run the command in this process, which is left as it was found; returns click's result."""
    import torch

    threads, handlers, level = torch.get_num_threads(), list(runtime.logger.handlers), runtime.logger.level

    def run(*arguments: object, check: int = 0) -> Result:
        words = [str(word) for word in arguments]
        monkeypatch.setattr(sys, "argv", ["bioconv", "segment", *words])
        result = CliRunner().invoke(command, words)
        said = result.stderr + (repr(result.exception) if result.exception else "")
        assert result.exit_code == check, said
        return result

    yield run
    torch.set_num_threads(threads)
    runtime.logger.handlers[:], runtime.logger.level, runtime.logger.propagate = handlers, level, True


@pytest.fixture(scope="module")
def model(spot_model_path) -> Path:
    return spot_model_path()


@pytest.fixture
def scans(tmp_path, spots) -> Path:
    """Three good images of one picture, and one that is none."""
    folder = tmp_path / "scans"
    (folder / "deep").mkdir(parents=True)
    Image.fromarray(spots()).save(folder / "a.png")
    tifffile.imwrite(folder / "a.tif", spots().astype(np.uint16) * 200, photometric="minisblack")
    np.save(folder / "deep/b.npy", spots())
    (folder / "bad.png").write_text("no picture")
    return folder


def outputs(folder: Path) -> dict[str, tuple[int, str]]:
    """Every file below a folder but the manifest: when it was written, and what it holds."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != "manifest.jsonl")
    return {path.relative_to(folder).as_posix(): (path.stat().st_mtime_ns, file_hash(path)) for path in files}


def test_what_cannot_work_is_refused_before_it_is_announced(segment, scans, model, tmp_path):
    """Nothing is said of results, and no folder is made for them."""
    for words, error in ((("--tile", "1"), OptionError), (("--events", tmp_path / "none/x"), OutputError)):
        result = segment(scans, "--model", model, "-o", tmp_path / "out", *words, check=1)
        assert isinstance(result.exception, error)
        assert "results go to" not in result.stderr
        assert not (tmp_path / "out").exists()


def centres(labels: np.ndarray) -> np.ndarray:
    """Middle of each object, (n, 2), in the order of their numbers."""
    return np.array(ndimage.center_of_mass(labels > 0, labels, range(1, int(labels.max()) + 1)))


def test_a_folder_gives_masks_beside_it(segment, scans, model):
    done = segment(scans, "--model", model, check=3)
    results = scans.parent / "scans-segmented"
    assert done.stdout == ""
    assert done.stderr.startswith(f"results go to {results}\n")
    assert f"error: {scans}/bad.png: " in done.stderr
    assert set(outputs(results)) == {"a-png.png", "a-tif.tif", "deep/b.npy"}
    places = [(y, x) for y in (10, 30, 50) for x in (10, 30, 50, 70)]
    for path in ("a-png.png", "a-tif.tif", "deep/b.npy"):
        read = np.load(results / path) if path.endswith("npy") else bioconv_read(results / path)
        assert read.dtype == np.uint8
        np.testing.assert_allclose(centres(read), places, atol=0.3)
    record = Manifest(results).records["bad.png"]
    assert (record.status, record.outputs) == ("failed", ())
    assert "named .png" in record.reason


def bioconv_read(path: Path) -> np.ndarray:
    return tifffile.imread(path) if path.suffix == ".tif" else np.asarray(Image.open(path))


def test_command_and_function_agree(segment, scans, model, tmp_path):
    words = ["--uncertainty", "entropy", "--probabilities", "--measure", "--pixel-size", 0.5]
    segment(scans, "--model", model, "-o", tmp_path / "o", *words, check=3)
    one = bioconv.segment(scans / "a.png", model=model, uncertainty="entropy", spacing=(0.5, 0.5))
    np.testing.assert_array_equal(one.labels, bioconv_read(tmp_path / "o/a-png.tif"))  # PNG has no spacing
    table = one.measure()
    assert table.to_csv(image=str(scans / "a.png")) == (tmp_path / "o/measurements/a-png.csv").read_text()
    np.testing.assert_array_equal(table.columns["area_px"], np.bincount(one.labels.ravel())[1:])
    np.testing.assert_allclose(table.columns["area_um2"], table.columns["area_px"] / 4)
    np.testing.assert_allclose(one.probabilities, tifffile.imread(tmp_path / "o/probabilities/a-png.tif"), atol=1e-6)
    np.testing.assert_allclose(one.uncertainty, tifffile.imread(tmp_path / "o/uncertainty/a-png.tif"), atol=1e-6)
    found = list(bioconv.segment(scans, model=model))
    assert [type(each).__name__ for each in found] == ["Segmentation", "Segmentation", "Failure", "Segmentation"]
    records = Manifest(tmp_path / "o").records
    assert found[2].reason == records["bad.png"].reason
    assert [each.objects for each in found if not isinstance(each, bioconv.Failure)] == [12, 12, 12]
    with (tmp_path / "o/review.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["rank"] for row in rows] == ["1", "2", "3"]
    scores = {row["input"]: float(row["score"]) for row in rows}
    assert scores["a.png"] == pytest.approx(one.review["score"], abs=1e-6)
    assert list(scores.values()) == sorted(scores.values(), reverse=True)


def test_what_is_done_is_left_alone(segment, scans, model, spots):
    results = scans.parent / "scans-segmented"
    segment(scans, "--model", model, check=3)
    before = outputs(results)
    again = segment(scans, "--model", model, check=3)
    assert outputs(results) == before
    assert again.stderr.count("done before\n") == 3
    # A new image costs only itself; a changed one, a lost and a damaged mask are made anew.
    np.save(scans / "new.npy", spots())
    segment(scans, "--model", model, check=3)
    assert {path for path, was in before.items() if outputs(results)[path] != was} == set()
    np.save(scans / "deep/b.npy", spots(seed=5))
    (results / "a-png.png").write_bytes(b"x")
    segment(scans, "--model", model, check=3)
    after = outputs(results)
    assert {path for path, was in before.items() if after[path][0] != was[0]} == {"deep/b.npy", "a-png.png"}
    assert after["a-png.png"][1] == before["a-png.png"][1]
    # Other settings are other results; --overwrite does all of it again.
    segment(scans, "--model", model, "--min-size", 40, check=3)
    assert not set(outputs(results).values()) & set(after.values())
    now = outputs(results)
    segment(scans, "--model", model, "--min-size", 40, "--overwrite", check=3)
    assert {path: was[1] for path, was in outputs(results).items()} == {path: was[1] for path, was in now.items()}
    assert not {was[0] for was in outputs(results).values()} & {was[0] for was in now.values()}


def test_a_stale_mask_never_looks_current(segment, scans, model):
    results = scans.parent / "scans-segmented"
    segment(scans, "--model", model, "--overlay", check=3)
    assert (results / "overlays/a-png.png").is_file()
    (scans / "a.png").write_bytes((scans / "a.png").read_bytes()[:60])
    segment(scans, "--model", model, check=3)
    assert set(outputs(results)) == {"a-tif.tif", "deep/b.npy", "overlays/a-tif.png", "overlays/deep/b.png"}
    assert Manifest(results).records["a.png"].status == "failed"


def test_leftovers_of_a_kill_go_when_the_file_fails(segment, scans, model):
    results = scans.parent / "scans-segmented"
    segment(scans, "--model", model, check=3)
    (results / "bad.png").write_bytes(b"renamed just before the kill")
    (results / ".bad.png.x_1y.part").write_bytes(b"half written")
    (results / "bad.notes.txt").write_text("somebody's")
    segment(scans, "--model", model, check=3)
    assert not (results / "bad.png").exists()
    assert not (results / ".bad.png.x_1y.part").exists()
    assert (results / "bad.notes.txt").exists()


def test_another_file_of_the_same_name_is_not_replaced(segment, scans, model, tmp_path, spots):
    (tmp_path / "other").mkdir()
    Image.fromarray(spots(seed=3)).save(tmp_path / "other/a.png")
    (scans / "a.tif").unlink()
    segment(scans, "--model", model, "-o", tmp_path / "o", check=3)
    before = outputs(tmp_path / "o")
    done = segment(tmp_path / "other", "--model", model, "-o", tmp_path / "o", check=4)
    assert "holds the result of another a.png" in done.stderr
    assert outputs(tmp_path / "o") == before
    assert segment(scans, "--model", model, "-o", tmp_path / "o", check=3).stderr.count("done before\n") == 2
    segment(tmp_path / "other", "--model", model, "-o", tmp_path / "o", "--overwrite")


def test_shards_share_one_folder(segment, scans, model):
    results = scans.parent / "scans-segmented"
    segment(scans, "--model", model, "--shard", "1/2", "--report", check=3)  # a.png, bad.png
    assert set(outputs(results)) == {"a-png.png", "report.html", "thumbnails/a-png.jpg"}
    segment(scans, "--model", model, "--shard", "2/2", "--report")
    assert {"a-png.png", "a-tif.tif", "deep/b.npy"} <= set(outputs(results))
    page = (results / "report.html").read_text()
    assert page.count("<img ") == 3  # of both shards
    assert "bad.png" in page


def test_json_events_and_failures_that_are_allowed(segment, scans, model, tmp_path):
    events = tmp_path / "events.jsonl"
    done = segment(scans, "--model", model, "--json", "--events", events, "--max-failures", 1, "--quiet")
    said = json.loads(done.stdout)
    assert {name: said[name] for name in ("inputs", "segmented", "done_before", "failed")} == {
        "inputs": 4, "segmented": 3, "done_before": 0, "failed": 1,
    }  # fmt: skip
    assert [one["status"] for one in said["images"]] == ["done", "done", "failed", "done"]
    assert [json.loads(line)["event"] for line in events.read_text().splitlines()] == [
        "start", "done", "done", "failed", "done",
    ]  # fmt: skip
    assert done.stderr.splitlines() == [f"error: {said['images'][2]['reason']}"]


def test_dry_run_writes_nothing(segment, scans, model):
    done = segment(scans, "--model", model, "--dry-run", "--diameter", 24, check=3)
    head, *rows = (line.split("\t") for line in done.stdout.splitlines())
    assert [row[0] for row in rows] == ["a.png", "a.tif", "deep/b.npy"]
    first = dict(zip(head, rows[0], strict=True))
    assert (first["axes"], first["shape"], first["scale"]) == ("YX", "60x80", "0.5")
    assert first["mask"].endswith("scans-segmented/a-png.png")
    assert not (scans.parent / "scans-segmented").exists()


def test_a_volume_keeps_its_affine(segment, model, tmp_path, spots):
    import nibabel

    affine = np.array([[-0.5, 0, 0, 9], [0, 0.5, 0, 8], [0, 0, 2, 7], [0, 0, 0, 1]])
    stack = np.stack([spots(), np.roll(spots(), 2, axis=0)], axis=-1).swapaxes(0, 1)  # x, y, z
    nibabel.save(nibabel.Nifti1Image(stack, affine), tmp_path / "v.nii.gz")
    segment(tmp_path / "v.nii.gz", "--model", model, "--stitch-z", 0.3, "--measure")
    mask = nibabel.load(tmp_path / "v-segmented/v.nii.gz")
    np.testing.assert_allclose(mask.affine, affine)
    assert mask.shape == stack.shape
    labels = np.asarray(mask.dataobj)
    assert labels.max() == 12
    assert set(np.unique(labels[..., 0])) == set(np.unique(labels[..., 1]))
    with (tmp_path / "v-segmented/measurements/v.csv").open() as stream:
        rows = list(csv.DictReader(line for line in stream if not line.startswith("#")))
    assert [int(row["label"]) for row in rows] == list(range(1, 13))
    for row in rows:
        assert float(row["volume_mm3"]) == pytest.approx(0.5 * int(row["volume_px"]))
        assert int(row["volume_px"]) == (labels == int(row["label"])).sum()


@pytest.mark.parametrize(("form", "suffix"), [("imagej", "zip"), ("geojson", "geojson")])
def test_every_object_has_an_outline(segment, scans, model, form, suffix):
    segment(scans / "deep", "--model", model, "--rois", form)
    path = scans / f"deep-segmented/rois/b.{suffix}"
    if form == "imagej":
        with zipfile.ZipFile(path) as archive:
            assert len(archive.namelist()) == 12
    else:
        assert len(json.loads(path.read_text())["features"]) == 12
    segment(scans / "deep", "--model", model)  # less is wanted: nothing to do
    assert path.exists()


def test_refusals(segment, scans, model, tmp_path):
    (tmp_path / "empty").mkdir()
    assert "empty; expected PNG, JPEG, " in segment(tmp_path / "empty", "--model", model, check=4).stderr
    left = segment(scans, "--model", model, "--pattern", "*.none", check=4).stderr
    assert f"no images that --pattern and --exclude leave in {scans}; expected PNG" in left
    assert "no such file; check the path" in segment(tmp_path / "none.png", "--model", model, check=4).stderr
    assert not (tmp_path / "none-segmented").exists()
    for words in (
        ("-o", scans), ("-o", scans / "a.png"), ("--shard", "3/2"), ("--max-memory", "much"), ("--model", "nonesuch"),
        ("--max-memory", "1MB"), ("--uncertainty", "mc-dropout"), ("--threshold", "2"),
    ):  # fmt: skip
        segment(scans, *([] if "--model" in words else ["--model", model]), *words, check=1)
    assert not (tmp_path / "scans-segmented").exists()
    segment(scans, "--uncertainty", "guess", check=2)
    segment(scans, "--model", model, check=3)
    assert "give the images" in segment(tmp_path / "scans-segmented", "--model", model, check=4).stderr


def test_channels_are_chosen_by_number_or_name(segment, model, tmp_path, spots):
    pair = np.stack([np.zeros((60, 80), np.uint8), spots()])
    tifffile.imwrite(tmp_path / "two.ome.tif", pair, metadata={"axes": "CYX", "Channel": {"Name": ["GFP", "DAPI"]}})
    done = segment(tmp_path / "two.ome.tif", "--model", model, check=4)
    assert "0: GFP, 1: DAPI" in done.stderr
    assert "results in" not in done.stderr
    said = "0 of 1 image segmented, 0 done before, 1 failed; no results; the reasons are in "
    assert f"{said}{tmp_path / 'two-segmented' / 'manifest.jsonl'}\n" in done.stderr
    assert [path.name for path in (tmp_path / "two-segmented").iterdir()] == ["manifest.jsonl"]
    for channel in ("1", "dapi"):
        segment(tmp_path / "two.ome.tif", "--model", model, "--channel", channel)
        assert tifffile.imread(tmp_path / "two-segmented/two.tif").max() == 12


@pytest.fixture(scope="module")
def mixed(tmp_path_factory, spots) -> Path:
    """60 files of nine formats and folders, nine of which are bad in ways of their own."""
    folder = tmp_path_factory.mktemp("batch") / "scans"
    for name in ("png", "tiff", "other/deep"):
        (folder / name).mkdir(parents=True)
    for number in range(17):
        image = spots(seed=number)
        Image.fromarray(image).save(folder / f"png/{number:02}.png")
        tifffile.imwrite(folder / f"tiff/{number:02}.tif", image.astype(np.uint16) * 99, photometric="minisblack")
        form = ("bmp", "npy", "ome.tif")[number % 3]
        path = folder / f"other/deep/{number:02}.{form}"
        if form == "bmp":
            Image.fromarray(image).save(path)
        elif form == "npy":
            np.save(path, image.astype(np.float32))
        else:
            tifffile.imwrite(path, image, metadata={"axes": "YX", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5})
    _spoil(folder, spots())
    assert sum(path.is_file() for path in folder.rglob("*")) == 60
    return folder


BAD = {
    "bad/ambiguous.npy": "axes",
    "bad/channels.ome.tif": "--channel",
    "bad/colour.png": "in colour",
    "bad/empty.tif": "empty",
    "bad/nan.npy": "not finite",
    "bad/no-pixels.dcm": "",
    "bad/slide.czi": "Zeiss CZI",
    "bad/text.tif": "named .tif",
    "bad/truncated.png": "",
}


def _spoil(folder: Path, image: np.ndarray) -> None:
    import pydicom
    from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

    bad = folder / "bad"
    bad.mkdir()
    np.save(bad / "ambiguous.npy", np.stack([image] * 5))
    tifffile.imwrite(bad / "channels.ome.tif", np.stack([image, image]), metadata={"axes": "CYX"})
    Image.fromarray(np.stack([image, image // 2, image // 3], axis=-1)).save(bad / "colour.png")
    (bad / "empty.tif").touch()
    np.save(bad / "nan.npy", np.where(image > 190, np.nan, image).astype(np.float32))
    (bad / "slide.czi").write_bytes(b"ZISRAWFILE" + bytes(600))
    (bad / "text.tif").write_text("the images are on the other disk")
    Image.fromarray(image).save(bad / "truncated.png")
    (bad / "truncated.png").write_bytes((bad / "truncated.png").read_bytes()[:900])
    meta = pydicom.dataset.FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = SecondaryCaptureImageStorage, generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    header = pydicom.Dataset()
    header.file_meta, header.PatientID, header.Modality = meta, "1", "OT"
    header.SOPClassUID, header.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    header.save_as(bad / "no-pixels.dcm", enforce_file_format=True)


def test_sixty_files_nine_bad_killed_half_way(segment, mixed, model):
    results = mixed.parent / "scans-segmented"
    words = [sys.executable, "-m", "bioconv", "segment", str(mixed), "--model", str(model)]
    process = subprocess.Popen(words, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, stderr=subprocess.DEVNULL)
    manifest = results / "manifest.jsonl"
    deadline = time.monotonic() + 240
    while process.poll() is None and (not manifest.is_file() or manifest.read_bytes().count(b"\n") < 25):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    assert process.wait(timeout=30) == -signal.SIGKILL  # it was at work
    manifest.write_bytes(manifest.read_bytes() + b'{"bioconv": "0.1.0", "format": 1, "inp')  # and at writing
    known = Manifest(results).records
    kept = {one.path for record in known.values() for one in record.outputs}
    before = {path: was for path, was in outputs(results).items() if path in kept}
    assert 10 < len(before) < 51

    done = segment(mixed, "--model", model, check=3)
    assert f"{51 - len(before)} of 60 images segmented, {len(before)} done before, 9 failed" in done.stderr
    after = outputs(results)
    assert {path: after[path] for path in before} == before  # nothing redone
    assert len(after) == 51  # nothing lost, nothing left over
    records = Manifest(results).records
    assert len(records) == 60
    failed = {name: record.reason for name, record in records.items() if record.status == "failed"}
    assert set(failed) == set(BAD)
    assert len(set(failed.values())) == 9
    for name, part in BAD.items():
        assert failed[name].startswith(str(mixed / name))
        assert part in failed[name]
        assert failed[name] in done.stderr
        assert "unexpected" not in failed[name]
    assert all(record.facts["objects"] == 12 for record in records.values() if record.status == "done")
    again = segment(mixed, "--model", model, check=3)
    assert "0 of 60 images segmented, 51 done before, 9 failed" in again.stderr
    assert outputs(results) == after
