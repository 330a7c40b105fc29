"""The model file: same in as out, same bytes every time, and every kind of damage is named."""

from __future__ import annotations

import json

import numpy as np
import pytest
import safetensors.numpy

from bioconv.errors import ModelError, OutputError
from bioconv.models.model_file import ModelFile, read_model, to_bytes, write_model


@pytest.fixture
def model():
    tensors = {"b": np.arange(6, dtype=np.float32).reshape(2, 3), "a": np.array(1.5), "c": np.zeros(0, np.int64)}
    facts = {"name": "x", "window": {"length": 5, "padded": True}, "licence": "CC0", "training": {"n": [1, 2]}}
    return ModelFile("deepbind", {"length": 3}, tensors, facts)


def description(**changes):
    facts = {"format": 1, "architecture": "deepbind", "config": {}, "metadata": {}} | changes
    return {"bioconv": json.dumps(facts)}


def test_same_out_as_in(tmp_path, model):
    path = tmp_path / "m.safetensors"
    write_model(path, model)
    again = read_model(path)
    assert (again.architecture, again.config, again.metadata) == (model.architecture, model.config, model.metadata)
    assert sorted(again.tensors) == sorted(model.tensors)
    for name, array in model.tensors.items():
        assert (again.tensors[name].dtype, again.tensors[name].shape) == (array.dtype, array.shape)
        np.testing.assert_array_equal(again.tensors[name], array)
    assert [p.name for p in tmp_path.iterdir()] == ["m.safetensors"]


def test_same_model_same_bytes(tmp_path, model):
    shuffled = ModelFile(
        model.architecture,
        model.config,
        dict(reversed(model.tensors.items())),
        dict(reversed(model.metadata.items())),
    )
    assert to_bytes(shuffled) == to_bytes(model)
    write_model(tmp_path / "m", model)
    assert to_bytes(read_model(tmp_path / "m")) == to_bytes(model)


def test_strided_tensors_are_kept_right(tmp_path):
    array = np.arange(12.0).reshape(3, 4).T[::2]
    write_model(tmp_path / "m", ModelFile("deepbind", {}, {"x": array}))
    np.testing.assert_array_equal(read_model(tmp_path / "m").tensors["x"], array)


def test_every_truncation_is_an_error(tmp_path, model):
    data = to_bytes(model)
    path = tmp_path / "m"
    for length in [*range(0, len(data), 7), len(data) - 1]:
        path.write_bytes(data[:length])
        with pytest.raises(ModelError, match="m: "):
            read_model(path)


@pytest.mark.parametrize("data", [b"", b"garbage" * 100, b"\x80\x04\x95pickle", b"\xff" * 64, b"# deepbind 0.1\n"])
def test_garbage(tmp_path, data):
    (tmp_path / "m").write_bytes(data)
    with pytest.raises(ModelError, match="cannot be read as a model file"):
        read_model(tmp_path / "m")


@pytest.mark.parametrize(
    ("metadata", "match"),
    [
        (None, "no bioconv model"),
        ({"format": "pt"}, "no bioconv model"),
        (description() | {"more": "1"}, "no bioconv model"),
        ({"bioconv": "{"}, "no JSON"),
        ({"bioconv": "[]"}, "format None"),
        (description(format=2), "model format 2; this bioconv reads format 1"),
        (description(surprise=1), r"keys \['surprise'\] in model format 1"),
        (description(metadata={"surprise": 1}), r"metadata keys \['surprise'\] in model format 1"),
        (description(config=[]), "config is list; expected dict"),
    ],
)
def test_foreign_descriptions(tmp_path, metadata, match):
    (tmp_path / "m").write_bytes(safetensors.numpy.save({"a": np.zeros(2)}, metadata=metadata))
    with pytest.raises(ModelError, match=match):
        read_model(tmp_path / "m")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_numbers_that_are_not_finite(tmp_path, value):
    array = np.array([1, value], np.float32)
    with pytest.raises(ModelError, match="'w' holds numbers that are not finite"):
        to_bytes(ModelFile("deepbind", {}, {"w": array}))
    (tmp_path / "m").write_bytes(safetensors.numpy.save({"w": array}, metadata=description()))
    with pytest.raises(ModelError, match="'w' holds numbers that are not finite"):
        read_model(tmp_path / "m")


def test_writer_refuses_what_the_reader_would(tmp_path):
    for facts in ({"surprise": 1}, {"metrics": {"auc": float("nan")}}, {"labels": {1, 2}}):
        with pytest.raises(ModelError):
            write_model(tmp_path / "m", ModelFile("deepbind", {}, {}, facts))
    assert not list(tmp_path.iterdir())
    with pytest.raises(OutputError):
        write_model(tmp_path / "no" / "m", ModelFile("deepbind", {}, {}))


def test_missing_file(tmp_path):
    with pytest.raises(ModelError, match="nothing"):
        read_model(tmp_path / "nothing")


def test_tensor_checks_shape(model):
    assert model.tensor("b", (2, None)).shape == (2, 3)
    for name, shape, match in [
        ("b", (3, 2), r"expected float32 \(3, 2\)"),
        ("a", (), "float64"),
        ("z", (1,), "no tensor"),
    ]:
        with pytest.raises(ModelError, match=match):
            model.tensor(name, shape)
