"""Splits in which nothing is known twice: what is planted across is found, what is made has none."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from bioconv.datasets.listing import read_listing
from bioconv.datasets.splitting import check_data, joint_groups, split_data
from bioconv.datasets.synthetic_cells import synthetic_cells
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from bioconv.errors import InputError, OptionError
from bioconv.training.splits import Split, read_split, write_split

HALVES = {"train": 0.5, "test": 0.5}


def sequences(count, seed=0, length=40):
    rng = np.random.default_rng(seed)
    return ["".join(rng.choice(list("ACGT"), length)) for _ in range(count)]


def other_strand(letters):
    return letters[::-1].translate(str.maketrans("ACGT", "TGCA"))


@pytest.fixture
def table(tmp_path):
    """Forty sequences: s0 and s20 are one, s1 and s21 reverse complements; patients of four."""
    own = sequences(40)
    own[20], own[21] = own[0], other_strand(own[1]).lower()
    rows = [f"s{n},{letters},{'ab'[n % 2]},p{n % 10}" for n, letters in enumerate(own)]
    path = tmp_path / "data.csv"
    path.write_text("\n".join(["name,sequence,class,patient", *rows, ""]))
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Twelve images, and copies of the first two: turned and smaller as JPEG, brighter."""
    root = tmp_path_factory.mktemp("images")
    for number in range(12):
        Image.fromarray(synthetic_cells(number, shape=(96, 96), nuclei=8).pixels).save(root / f"i{number}.png")
    first = Image.open(root / "i0.png")
    first.rotate(90).resize((80, 80)).save(root / "turned.jpg", quality=85)
    Image.open(root / "i1.png").point(lambda value: value // 2 + 40).save(root / "brighter.png")
    return root


def test_groups_and_copies_stay_together(table):
    split, said = split_data(table, fractions=HALVES, stratify="class", seed=3)
    parts = [split.parts[f"s{n}"] for n in range(40)]
    for one, other in combinations(range(40), 2):
        if one % 10 == other % 10:
            assert parts[one] == parts[other]
    assert parts.count("train") == 20
    assert "10 groups given" in said
    assert any("2 sequences are copies or reverse complements" in line for line in said)


def test_without_groups_classes_have_their_shares(table):
    text = table.read_text().replace("patient", "batch")
    table.write_text(text)
    split, _ = split_data(table, fractions={"train": 0.5, "dev": 0.25, "test": 0.25}, stratify="class")
    assert split.parts["s0"] == split.parts["s20"]
    assert split.parts["s1"] == split.parts["s21"]
    for part, wanted in (("train", 10), ("dev", 5), ("test", 5)):
        names = split.names(part)
        assert all(abs(sum(int(name[1:]) % 2 == k for name in names) - wanted) <= 2 for k in (0, 1))


@pytest.mark.parametrize(("seed", "folds"), [(seed, folds) for seed in range(3) for folds in (None, 3)])
def test_what_is_made_has_no_leaks(table, tmp_path, seed, folds):
    split, _ = split_data(table, fractions=None if folds else HALVES, folds=folds, seed=seed)
    write_split(tmp_path / "s.tsv", split)
    (said,) = check_data(table, read_split(tmp_path / "s.tsv"))
    assert said.startswith("no leaks: compared 40 samples")
    assert split_data(table, fractions=None if folds else HALVES, folds=folds, seed=seed)[0] == split


def given_parts(table, **moved):
    """A split by patient in which some samples lie elsewhere."""
    return Split({f"s{n}": moved.get(f"s{n}", "test" if n % 10 < 2 else "train") for n in range(40)}, {})


def test_each_kind_of_leak_is_refused(table):
    check_data(table, given_parts(table))
    with pytest.raises(InputError, match=r"1 group cross its parts: p5 in test \(s5\)"):
        check_data(table, given_parts(table, s5="test"))
    with pytest.raises(InputError) as error:
        check_data(table, given_parts(table, s0="train", s21="train"))
    assert "2 groups cross" in str(error.value)
    assert "2 identical inputs cross" in str(error.value)
    crossing = Split(given_parts(table).parts, dict.fromkeys((f"s{n}" for n in range(40)), "one"))
    with pytest.raises(InputError, match="one in test"):
        check_data(table, crossing)


@pytest.mark.parametrize(
    ("names", "said"), [(range(39), "split does not know: s39"), (range(41), "does not hold: s40")]
)
def test_the_split_of_other_data(table, names, said):
    with pytest.raises(InputError, match=said):
        check_data(table, Split({f"s{n}": "train" for n in names}, {}))


def test_copies_of_images_are_found_kept_together_and_refused(folder):
    split, said = split_data(folder, fractions=HALVES, seed=1)
    assert split.parts["i0"] == split.parts["turned"]
    assert split.parts["i1"] == split.parts["brighter"]
    assert split.groups["turned"] == "i0"
    assert any(line.startswith("2 pairs of images that are copies") for line in said)
    check_data(folder, split)
    moved = dict(split.parts) | {"turned": "train" if split.parts["i0"] == "test" else "test"}
    with pytest.raises(InputError, match=r"i0 \(\w+\) and turned \(\w+\), correlation"):
        check_data(folder, Split(moved, {}))


def test_an_image_that_cannot_be_read_is_named(folder, tmp_path):
    (tmp_path / "bad.png").write_bytes((folder / "i0.png").read_bytes()[:200])
    with pytest.raises(InputError, match=r"1 of 1 image .*\n.*bad.png.*cut short"):
        split_data(tmp_path)


def test_listings(tmp_path, folder):
    table = tmp_path / "t.csv"
    table.write_text(f"image,name,group\n{folder}/i0.png,a,g\n{folder}/i1.png,,g\n")
    listing = read_listing(table)
    assert listing.names == ["a", f"{folder}/i1.png"]
    assert listing.group_column() == "group"
    fasta = tmp_path / "t.fa"
    fasta.write_text(">a\nACGT\n>b\nACGA\n>c\nTCGT\n")
    a, b, c = read_listing(fasta).fingerprints
    assert a != b == c
    nested = tmp_path / "all" / "women" / "x.png"
    nested.parent.mkdir(parents=True)
    nested.write_bytes((folder / "i0.png").read_bytes())
    assert read_listing(tmp_path / "all").names == ["women/x"]
    assert read_listing(tmp_path / "all").columns == {"folder": ["women"]}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name,sequence\na,AC\na,GT\n", "a more than once"),
        ("what\n1\n", "expected sequence, image or name"),
        ("sequence\nACGT\n", "every sequence needs a name"),
        ("name,sequence\n", "lists nothing"),
    ],
)
def test_listings_that_make_no_sense(tmp_path, text, said):
    path = tmp_path / "t.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=said):
        read_listing(path)


def test_columns_that_make_no_sense(table):
    with pytest.raises(InputError, match="no column 'woman'; there are name, sequence, class, patient"):
        split_data(table, group="woman")
    with pytest.raises(OptionError, match="40 values for 40 samples"):
        split_data(table, stratify="name")


def test_samples_without_a_group_are_alone(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("name,group\na,b\nb,\nc,b\nd,\n")
    split, _ = split_data(path, fractions=HALVES)
    assert split.groups == {"a": "b", "b": "b'", "c": "b", "d": "d"}


@given(st.integers(1, 12).flatmap(lambda n: st.tuples(
    st.lists(st.integers(0, n), min_size=n, max_size=n), st.lists(st.integers(0, n), min_size=n, max_size=n),
    st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)), max_size=8),
)))  # fmt: skip
def test_joint_groups_are_connected_components(drawn):
    groups, marks, pairs = drawn
    names = [f"n{place}" for place in range(len(groups))]
    edges = list(pairs)
    for own in (groups, marks):
        edges += [(a, b) for a, b in combinations(range(len(own)), 2) if own[a] == own[b]]
    rows, columns = np.array(edges, int).reshape(-1, 2).T
    links = coo_array((np.ones(len(edges)), (rows, columns)), shape=(len(names), len(names)))
    _, component = connected_components(links, directed=False)
    joint = joint_groups(names, [f"g{one}" for one in groups], [f"m{one}" for one in marks], pairs)
    for a, b in combinations(range(len(names)), 2):
        assert (joint[a] == joint[b]) == (component[a] == component[b])
