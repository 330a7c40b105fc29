"""`bioconv models summary`, `features`, `import` and `export`: what they print and write."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from bioconv.cli.models import command
from bioconv.cli.models_look import parse_sizes
from bioconv.datasets.mammography_phantom import synthetic_mammograms
from click.testing import CliRunner
from PIL import Image

from bioconv import runtime
from bioconv.errors import BioconvError, ModelError, OptionError
from bioconv.models.building import build_network, network_file, open_network
from bioconv.models.model_file import read_model, write_model


@pytest.fixture
def models():
    """Run `bioconv models ...` in this process; return stdout; an expected error is raised."""
    handlers, level = list(runtime.logger.handlers), runtime.logger.level

    def run(*words: object) -> str:
        result = CliRunner().invoke(command, [str(word) for word in words])
        if isinstance(result.exception, BioconvError):
            raise result.exception
        assert result.exit_code == 0, result.output
        return result.stdout

    yield run
    runtime.logger.handlers[:], runtime.logger.level, runtime.logger.propagate = handlers, level, True


@pytest.fixture
def classifier(tmp_path) -> Path:
    """A small classifier of grey images."""
    torch.manual_seed(0)
    network = build_network("residual", {"outputs": 2, "width": 0.25, "blocks": [1, 1]})
    write_model(tmp_path / "c.safetensors", network_file(network, "residual", {"labels": ["benign", "malignant"]}))
    return tmp_path / "c.safetensors"


def test_summary_of_an_architecture(models):
    rows = [
        line.split("\t") for line in models("summary", "lenet5", "--input", "1,32,32", "--outputs", 10).splitlines()
    ]
    assert rows[0] == ["layer", "kind", "output", "receptive_field", "parameters", "memory_bytes"]
    # LeCun et al. 1998, figure 2 and section II.B: sizes of the maps, weights of C1, C5 and F6.
    assert [row[2] for row in rows[1:-1]] == ["6x28x28", "6x14x14", "16x10x10", "16x5x5", "16x5x5", "120", "84", "10"]
    assert [row[4] for row in rows[1:-1]] == ["156", "0", "2416", "0", "0", "48120", "10164", "850"]
    assert [row[3] for row in rows[1:5]] == ["5x5", "6x6", "14x14", "16x16"]
    assert rows[-1] == ["total", "", "", "", "61706", str(sum(int(row[5]) for row in rows[1:-1]))]


def test_summary_of_a_file_a_name_and_volumes(models, classifier):
    found = json.loads(models("summary", classifier, "--input", "1,40,40", "--json"))
    assert found["parameters"] == sum(row["parameters"] for row in found["layers"])
    assert found["layers"][-1]["output"] == [2]
    assert models("summary", "vessels", "--input", "3,64,64").splitlines()[-2].split("\t")[2] == "1x64x64"
    assert "1x16x32x32" in models("summary", "unet", "--input", "1,16,32,32")


@pytest.mark.parametrize(
    ("words", "match"),
    [
        (["vessels", "--input", "1,64,64"], "does not take an image"),
        (["vessels", "--input", "3,64,64", "--outputs", "2"], "--outputs is for architectures"),
        (["vessels", "--input", "3,8,64,64"], "2 axes and channels; --input has 4 numbers"),
        (["resnet18", "--input", "3,8,64,64"], "2 axes and channels"),
        (["encode-rest-gm12878", "--input", "3,64,64"], "'deepbind' does not take images"),
        (["resnet81", "--input", "3,64,64"], "no model file or known model"),
        (["resnet18", "--input", "64,64"], "--input 64,64: expected channels and sizes"),
        (["resnet18", "--input", "3,64,0"], "--input 3,64,0: expected"),
        (["resnet18", "--input", "3,a,0"], "expected channels"),
    ],
)
def test_summary_of_what_does_not_fit(models, words, match):
    with pytest.raises(BioconvError, match=match):
        models("summary", *words)
    assert parse_sizes("3,224,200") == (3, 224, 200)


def test_features(models, classifier, tmp_path, spots):
    Image.fromarray(spots((50, 70))).save(tmp_path / "cell.png")
    paths = models("features", classifier, tmp_path / "cell.png").splitlines()
    assert [Path(path).name for path in paths] == [
        "input.png", "filters-body.conv1.png", "maps-body.conv1.png", "maps-body.png",
    ]  # fmt: skip
    assert {Path(path).parent for path in paths} == {tmp_path / "cell-features"}
    for path in paths:
        picture = np.asarray(Image.open(path).convert("RGB"))
        assert min(picture.shape[:2]) > 100
        assert picture.std() > 5
    named = json.loads(
        models("features", "vessels", tmp_path / "cell.png", "-o", tmp_path / "f", "--layer", "encoder.1.0", "--json")
    )
    assert [Path(path).name for path in named["pictures"]] == [
        "input.png", "filters-encoder.0.0.png", "maps-encoder.1.0.png",
    ]  # fmt: skip
    with pytest.raises(ModelError, match=r"no layer 'encoder.9' in UNet; near: encoder"):
        models("features", "vessels", tmp_path / "cell.png", "--layer", "encoder.9")


def test_import(models, tmp_path, spots):
    torch.manual_seed(0)
    network = build_network("resnet18", {"channels_in": 3, "outputs": 5}).eval()
    keys = {n.removeprefix("body.").replace("head.", "fc."): t for n, t in network.state_dict().items()}
    safetensors.torch.save_file(keys, tmp_path / "w.safetensors")
    words = [
        "import",
        tmp_path / "w.safetensors",
        "--as",
        "resnet18",
        "--keys",
        "timm",
        "-o",
        tmp_path / "m.safetensors",
    ]
    with pytest.raises(ModelError, match=r"fc.weight \(5, 512\) instead of \(1000, 512\)"):
        models(*words)
    assert not (tmp_path / "m.safetensors").exists()
    said = json.loads(models(*words, "--outputs", 5, "--licence", "Apache-2.0", "--citation", "He et al.", "--json"))
    assert said["parameters"] == 11_689_512 - 995 * 513
    file = read_model(tmp_path / "m.safetensors")
    assert (file.metadata["licence"], file.metadata["citation"]) == ("Apache-2.0", "He et al.")
    assert file.metadata["preprocessing"]["mean"] == [0.485, 0.456, 0.406]
    batch = torch.randn(1, 3, 40, 40)
    with torch.inference_mode():
        np.testing.assert_allclose(open_network(file)(batch), network(batch), rtol=1e-4, atol=1e-4)
    # What is imported can be looked at.
    Image.fromarray(np.dstack([spots((40, 40))] * 3)).save(tmp_path / "c.png")
    assert len(models("features", tmp_path / "m.safetensors", tmp_path / "c.png").splitlines()) == 4
    with pytest.raises(OptionError, match="is one of the inputs"):
        models(*words[:-1], tmp_path / "w.safetensors")


def test_export(models, classifier, tmp_path):
    import onnxruntime

    with pytest.raises(OptionError, match="a classifier, which is written for images of one size: give --input 1,Y,X"):
        models("export", classifier, "-o", tmp_path / "c.onnx")
    with pytest.raises(OptionError, match="takes 1 channels and 2 axes"):
        models("export", classifier, "-o", tmp_path / "c.onnx", "--input", "3,32,32")
    found = json.loads(models("export", classifier, "-o", tmp_path / "c.onnx", "--input", "1,32,40", "--json"))
    assert 0 <= found["difference"] < 1e-5
    session = onnxruntime.InferenceSession(tmp_path / "c.onnx", providers=["CPUExecutionProvider"])
    images = torch.randn(4, 1, 32, 40)
    with torch.inference_mode():
        expected = open_network(read_model(classifier))(images)
    np.testing.assert_allclose(session.run(None, {"images": images.numpy()})[0], expected, rtol=1e-4, atol=1e-5)


def test_features_of_a_classifier_of_mammograms(models, mass_model, tmp_path):
    """Its pictures are of the prepared breast, 64 x 48 or so, not of the middle of the file."""
    image = synthetic_mammograms(1, shape=(200, 150))[0]
    Image.fromarray(np.rint(255 * image.pixels / image.pixels.max()).astype(np.uint8)).save(tmp_path / "m.png")
    found = json.loads(models("features", mass_model, tmp_path / "m.png", "-o", tmp_path / "f", "--json"))
    assert len(found["pictures"]) >= 3
    assert all(Path(path).stat().st_size > 1000 for path in found["pictures"])
