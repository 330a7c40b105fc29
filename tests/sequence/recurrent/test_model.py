"""Recurrent models as files: what is kept, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

import bioconv
from bioconv.errors import ModelError
from bioconv.models.model_file import ModelFile, architecture_of, read_model, write_model
from bioconv.sequence.alphabets import PROTEIN
from bioconv.sequence.recurrent.model import from_model_file, load_sequence_model, to_model_file
from tests.sequence.recurrent.recurrent_models import model_path, sequence_model

USE = {
    "window": 60,
    "features": {"yes": {"type": "five_prime_cis_splice_site", "offset": 30, "length": 2}},
    "background": "N",
    "facts": {"licence": "CC0"},
}


def test_a_file_gives_the_model_back(tmp_path):
    model = sequence_model(**USE)
    write_model(tmp_path / "x.safetensors", to_model_file(model))
    found = load_sequence_model(tmp_path / "x.safetensors")
    for name in ("name", "alphabet", "labels", "temperature", "window", "features", "background", "facts"):
        assert getattr(found, name) == getattr(model, name)
    assert found.digest() == model.digest() != sequence_model(2).digest()
    codes = torch.randint(0, 5, (2, 9), dtype=torch.uint8)
    inputs = (codes, torch.tensor([9, 5]))
    assert torch.equal(found.network(*inputs), model.network(*inputs))
    assert architecture_of(tmp_path / "x.safetensors") == "recurrent"
    assert bioconv.load_model(tmp_path / "x.safetensors").digest() == model.digest()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"labels": ("a", "b")}, "2 labels for 3 outputs"),
        ({"labels": ("a", "b", "b")}, "expected different texts"),
        ({"labels": ("a", "b", "c\td")}, "expected different texts"),
        ({"alphabet": PROTEIN}, "protein has 20 letters, the network 4"),
        ({"temperature": 0.0}, "temperature is 0.0; expected a number above 0"),
        ({"window": -1}, "window is -1"),
        ({"background": "x"}, "background is 'x'; expected one of no, yes, N"),
        ({"features": {"x": {"type": "gene", "offset": 0}}}, "features are"),
        ({"features": {"yes": {"type": "gene"}}}, "features are"),
        ({"features": {"yes": {"type": "gene", "offset": 0, "length": 0}}}, "features are"),
        ({"name": ""}, "name is ''"),
    ],
)
def test_parts_that_do_not_fit(change, said):
    with pytest.raises(ModelError, match=said):
        to_model_file(replace(sequence_model(**USE), **change))


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("alphabet", "klingon", "alphabet 'klingon' is not known"),
        ("temperature", "hot", "temperature is 'hot'"),
        ("window", 1.5, "window is 1.5"),
        ("strand", "+", "strand unknown or missing"),
    ],
)
def test_damaged_files_name_themselves(tmp_path, key, value, said):
    file = read_model(model_path(tmp_path))
    about = {**file.metadata["recurrent"], key: value}
    bad = ModelFile(file.architecture, file.config, file.tensors, {**file.metadata, "recurrent": about})
    write_model(tmp_path / "bad.safetensors", bad)
    with pytest.raises(ModelError, match=rf"bad.safetensors: .*{said}"):
        load_sequence_model(tmp_path / "bad.safetensors")


def test_other_models_are_refused(tmp_path):
    file = read_model(model_path(tmp_path))
    with pytest.raises(ModelError, match="'unet' that does not read sequences letter by letter"):
        from_model_file(ModelFile("unet", {}, {}, file.metadata))
    with pytest.raises(ModelError, match="does not read sequences"):
        from_model_file(ModelFile("recurrent", file.config, file.tensors, {"name": "x"}))
    (tmp_path / "nothing").write_bytes(b"")
    with pytest.raises(ModelError, match="nothing: cannot be read as a model file"):
        architecture_of(tmp_path / "nothing")
