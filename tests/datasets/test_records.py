from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from bioconv.datasets.records import ImageRecord, Images, SequenceRecord, Sequences
from bioconv.datasets.tables import fasta_of, lines_of, rows_of, with_own_names
from hypothesis import given
from hypothesis import strategies as st

from bioconv.errors import InputError, OptionError
from bioconv.images.pictures import to_png
from bioconv.sequence.alphabets import PROTEIN
from bioconv.sequence.labelled import read_labelled

SEQUENCES = [SequenceRecord("a", "ACGN", "no"), SequenceRecord('b "x", y', "TTTTT", "yes", split="test")]


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream, delimiter="\t" if path.suffix == ".tsv" else ","))


class TestSequences:
    def test_they_are_read_anew_and_one_by_one(self) -> None:
        read: list[str] = []

        def records() -> Iterator[SequenceRecord]:
            for one in SEQUENCES:
                read.append(one.name)
                yield one

        found = Sequences("toys", records)
        assert read == []
        assert next(iter(found)) is SEQUENCES[0]
        assert read == ["a"]
        assert list(found) == list(found) == SEQUENCES
        assert len(found) == 2

    @pytest.mark.parametrize("suffix", [".csv", ".tsv"])
    def test_the_table_holds_what_is_known(self, tmp_path: Path, suffix: str) -> None:
        target = Sequences("toys", lambda: SEQUENCES).write_table(tmp_path / f"t{suffix}")
        assert rows(target) == [
            {"name": "a", "sequence": "ACGN", "label": "no", "split": ""},
            {"name": 'b "x", y', "sequence": "TTTTT", "label": "yes", "split": "test"},
        ]

    def test_the_table_is_read_by_trainings(self, tmp_path: Path) -> None:
        numbered = [SequenceRecord(one.name, one.sequence, str(place)) for place, one in enumerate(SEQUENCES)]
        data = read_labelled(Sequences("toys", lambda: numbered).write_table(tmp_path / "t.csv"))
        assert data.names == [one.name for one in SEQUENCES]
        assert [codes.tolist() for codes in data.codes] == [[0, 1, 2, 4], [3] * 5]
        assert data.labels is not None
        assert data.labels.tolist() == [0, 1]

    def test_no_table(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="toys holds no records"):
            Sequences("toys", lambda: []).write_table(tmp_path / "t.csv")
        with pytest.raises(OptionError, match=r"t\.txt: a table's name ends in \.csv or \.tsv"):
            Sequences("toys", lambda: SEQUENCES).write_table(tmp_path / "t.txt")
        assert list(tmp_path.iterdir()) == []

    def test_torch(self) -> None:
        found = Sequences("toys", lambda: SEQUENCES, ("no", "yes")).to_torch()
        assert len(found) == 2
        (first, truth), (second, other) = found[0], found[1]
        assert first.tolist() == [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]]
        assert second.tolist() == [[0] * 5, [0] * 5, [0] * 5, [1] * 5]
        assert (truth.tolist(), other.tolist(), str(truth.dtype)) == (0, 1, "torch.int64")

    def test_torch_of_labelled_letters(self) -> None:
        record = SequenceRecord("p", "WYX", labels="_he")
        hot, truth = Sequences("toys", lambda: [record], alphabet=PROTEIN, states="_eh").to_torch()[0]
        assert tuple(hot.shape) == (20, 3)
        assert hot.sum(0).tolist() == [1, 1, 0]
        assert [PROTEIN.letters[place] for place in hot[:, :2].argmax(0)] == ["W", "Y"]
        assert truth.tolist() == [0, 2, 1]

    def test_torch_of_an_unknown_label(self) -> None:
        with pytest.raises(InputError, match="toys, record 'a': label 'no' is none of yes"):
            Sequences("toys", lambda: SEQUENCES, ("yes",)).to_torch()


class TestImages:
    @pytest.fixture
    def records(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[ImageRecord]:
        monkeypatch.setenv("BIOCONV_CACHE", str(tmp_path / "cache"))
        folder = tmp_path / "cache/toys/images"
        folder.mkdir(parents=True)
        rng = np.random.default_rng(0)
        for name, shape in (("grey", (4, 5)), ("mask", (4, 5)), ("colour", (4, 5, 3))):
            (folder / f"{name}.png").write_bytes(to_png(rng.integers(0, 9, shape, dtype=np.uint8)))
        seen = {"label": "1", "group": "w", "laterality": "L", "view": "CC"}
        return [
            ImageRecord("one", folder / "grey.png", folder / "mask.png", stratum="g"),
            ImageRecord("two", folder / "colour.png", **seen),
        ]

    def test_tables(self, records: list[ImageRecord], tmp_path: Path) -> None:
        folder = tmp_path / "cache/toys"
        far = Images("toys", lambda: records[:1]).write_table(tmp_path / "t.csv")
        assert rows(far) == [
            {
                "name": "one",
                "image": str(folder / "images/grey.png"),
                "mask": str(folder / "images/mask.png"),
                "stratum": "g",
            }
        ]
        near = Images("toys", lambda: records[1:], mammograms=True).write_table(folder / "t.csv")
        assert rows(near) == [
            {"path": "images/colour.png", "patient": "w", "laterality": "L", "view": "CC", "label": "1"}
        ]

    def test_torch(self, records: list[ImageRecord]) -> None:
        from PIL import Image

        stored = np.asarray(Image.open(records[0].mask))
        pixels, mask = Images("toys", lambda: records[:1]).to_torch()[0]
        assert pixels[0].tolist() == np.asarray(Image.open(records[0].image)).tolist()
        assert stored.max() > 1
        assert mask.tolist() == stored.tolist()
        found = Images("toys", lambda: records, ("0", "1")).to_torch()
        assert found[0][1].tolist() == (stored > 0).tolist()
        colour, label = found[1]
        assert colour.permute(1, 2, 0).tolist() == np.asarray(Image.open(records[1].image)).tolist()
        assert label.item() == 1

    def test_torch_without_truth(self, records: list[ImageRecord]) -> None:
        with pytest.raises(InputError, match="toys, two: no mask, and label '1' is none of"):
            Images("toys", lambda: records).to_torch()


WORDS = st.text("ACGT", min_size=1, max_size=4)


@given(st.lists(st.tuples(st.sampled_from("ab"), WORDS)))
def test_groups_hold_the_same_sequences_and_names_differ(given_: list[tuple[str, str]]) -> None:
    records = list(with_own_names((name, sequence, "") for name, sequence in given_))
    assert len({one.name for one in records}) == len(records)
    opposite = dict(zip("ACGT", "TGCA", strict=True))
    for one in records:
        for other in records:
            turned = "".join(opposite[letter] for letter in reversed(other.sequence))
            assert (one.group == other.group) == (one.sequence in {other.sequence, turned})


def test_text_files(tmp_path: Path) -> None:
    import gzip

    text = ">one here\nAC\nGT\n\n>two\nA\n"
    (tmp_path / "plain").write_text(text)
    (tmp_path / "packed").write_bytes(gzip.compress(text.encode()))
    for name in ("plain", "packed"):
        assert list(fasta_of(tmp_path / name)) == [("one here", "ACGT"), ("two", "A")]
        assert list(lines_of(tmp_path / name)) == [">one here", "AC", "GT", ">two", "A"]
    (tmp_path / "table").write_text('a,b\n1,"x,y"\n')
    assert list(rows_of(tmp_path / "table")) == [{"a": "1", "b": "x,y"}]
