"""The compiled library is used only where it was built from the sources beside it."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from bioconv import runtime
from bioconv.conv import native

find = native.kernels.__wrapped__  # without the cache


@pytest.fixture(autouse=True)
def forget_warnings(monkeypatch):
    monkeypatch.setattr(runtime, "_warned", set())
    monkeypatch.setattr(runtime.logger, "propagate", True)


@pytest.mark.skipif(native.kernels() is None, reason="no compiled kernels")
def test_a_library_of_other_sources_is_not_used(monkeypatch, caplog):
    assert find() is not None
    monkeypatch.setattr(native, "source_hash", lambda: "other")
    with caplog.at_level(logging.WARNING, logger="bioconv"):
        assert find() is None
        assert find() is None
    assert [record.message for record in caplog.records] == [
        "compiled kernels are older than their sources: running on NumPy, slower; reinstall to rebuild them"
    ]


def test_without_a_library_it_is_said_once(monkeypatch, caplog, tmp_path):
    monkeypatch.setattr(native, "_FOLDER", tmp_path)
    with caplog.at_level(logging.WARNING, logger="bioconv"):
        assert find() is None
        assert find() is None
    assert len(caplog.records) == 1
    assert "compiled kernels not found" in caplog.records[0].message


def test_the_hash_follows_the_sources(monkeypatch, tmp_path):
    monkeypatch.setattr(native, "_FOLDER", tmp_path)
    (tmp_path / "a.c").write_text("int a;")
    first = native.source_hash()
    (tmp_path / "b.h").write_text("int b;")
    second = native.source_hash()
    (tmp_path / "a.c").write_text("int A;")
    assert len({first, second, native.source_hash()}) == 3


def test_pointer_refuses_arrays_with_gaps():
    with pytest.raises(ValueError, match="contiguous"):
        native.pointer(np.zeros((4, 4))[:, ::2])
