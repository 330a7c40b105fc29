"""The shipped model of splice sites: complete, small, as good as its card says, and in its place along a sequence."""

from __future__ import annotations

import re

import numpy as np
import pytest

import bioconv
from bioconv.models.model_file import read_model
from bioconv.sequence.recurrent.data import read_data
from bioconv.sequence.recurrent.inference import logits_of
from bioconv.sequence.recurrent.model import load_sequence_model
from bioconv.sequence.recurrent.splitting import make_recurrent_split
from bioconv.zoo import packaged, resolve

NAME = "splice-sites"
# Made up around the consensus of textbooks: CAG|GTAAGT at a donor, a run of pyrimidines and CAG|G at an acceptor.
DONOR = "GCTGACCTGATCCTGGAGGAGCTGGACCAG" + "GTAAGTGGGCACTGGGGAGGGGCTGGGCAG"
ACCEPTOR = "CTGACTTCTGTCTCTCTTTTCTCCTCCCAG" + "GTGCTGGAGAACGTGGACAGCAAGGAGATC"


def test_it_is_the_only_one_and_its_card_says_what_users_need():
    assert [name for name, model in packaged().items() if model.task == "sequence"] == [NAME]
    path = resolve(NAME)
    assert path.stat().st_size < 1_000_000
    facts = read_model(path).metadata
    assert facts["licence"] == "CC-BY-4.0"
    assert "10.24432/C5M888" in facts["citation"]
    assert re.fullmatch("[0-9a-f]{64}", facts["training"]["data"]["sha256"])
    model = load_sequence_model(path)
    assert (model.labels, model.background, model.window) == (("neither", "donor", "acceptor"), "neither", 60)


def test_the_consensus_is_found_and_only_where_the_border_is():
    rng = np.random.default_rng(0)
    shuffled = "".join(rng.permutation(list(DONOR)))
    found = bioconv.predict({"donor": DONOR, "acceptor": ACCEPTOR, "shuffled": shuffled}, model=NAME)
    values = dict(zip(found.names, found.values, strict=True))
    assert [label.rpartition(":")[2] for label in found.labels] == ["neither", "donor", "acceptor"]
    assert values["donor"].argmax() == 1
    assert values["acceptor"].argmax() == 2
    assert values["shuffled"].argmax() == 0
    np.testing.assert_allclose(found.values.sum(1), 1, atol=1e-6)


def test_held_out_sequences_are_classified_as_the_card_says(shared_data, tmp_path, monkeypatch):
    """The split is drawn from the data and the seed alone, so that it can be drawn again."""
    from bioconv.datasets import uci_splice

    monkeypatch.setenv("BIOCONV_DATA_MIRROR", str(shared_data("uci-splice-junction/splice.data").parent.parent))
    monkeypatch.setenv("BIOCONV_CACHE", str(tmp_path))
    table = tmp_path / "splice.csv"
    uci_splice.load().write_table(table)
    data = read_data([table])
    dev = data.of(make_recurrent_split(data, 0).indices(data.names, "dev"))
    model = load_sequence_model(resolve(NAME))
    called = {"neither": "N", "donor": "EI", "acceptor": "IE"}
    numbers = [called[model.labels[logits.argmax()]] for logits in logits_of(model.network, dev.codes)]
    truth = [data.classes[int(target[0])] for target in dev.targets]
    right = np.mean([one == other for one, other in zip(numbers, truth, strict=True)])
    assert right == pytest.approx(read_model(resolve(NAME)).metadata["metrics"]["dev accuracy"][0], abs=2e-3)
