"""Splits: what must hold of any, and the guarantees of scikit-learn's."""

from __future__ import annotations

import hashlib
import warnings
from collections import Counter

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedKFold

from bioconv.errors import InputError, OptionError
from bioconv.training.splits import PARTS, Split, check_split, fingerprint, make_split, read_split, write_split

SHARES = st.lists(st.integers(1, 9), min_size=2, max_size=4).map(
    lambda weights: {part: weight / sum(weights) for part, weight in zip(PARTS, weights, strict=False)}
)
LABELS = st.lists(st.integers(0, 4), min_size=8, max_size=80)
SEEDS = st.integers(0, 2**40)


def names_of(count: int) -> list[str]:
    return [f"sample{number}" for number in range(count)]


def made(names: list[str], **options) -> Split:
    """Return a split, or give the example up if there are too few samples for its parts."""
    try:
        return make_split(names, **options)
    except InputError as error:
        assume("no samples for" not in str(error))
        raise


def counted(split: Split, labels: dict[str, object]) -> Counter:
    return Counter((split.parts[name], labels[name]) for name in split.parts)


@given(labels=LABELS, shares=SHARES, seed=SEEDS)
def test_classes_are_within_one_sample_of_their_share(labels, shares, seed):
    names = names_of(len(labels))
    split = made(names, labels=labels, fractions=shares, seed=seed)
    assert sorted(split.parts) == sorted(names)
    found = counted(split, dict(zip(names, labels, strict=True)))
    for label, count in Counter(labels).items():
        for part, share in shares.items():
            assert abs(found[part, label] - share * count) < 1 + 1e-9


@given(labels=LABELS, folds=st.integers(2, 6), seed=SEEDS)
def test_folds_are_as_even_as_sklearns(labels, folds, seed):
    """Both promise that a class's numbers, and the sizes, differ by at most one between folds."""
    names = names_of(len(labels))
    assume(max(Counter(labels).values()) >= folds)
    split = made(names, labels=labels, folds=folds, seed=seed)
    ours = counted(split, dict(zip(names, labels, strict=True)))
    found = {label: sorted(ours[str(fold), label] for fold in range(folds)) for label in set(labels)}
    sizes = sorted(Counter(split.parts.values()).values())
    assert sizes[-1] - sizes[0] <= 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a class has fewer members than there are folds
        dealt = list(StratifiedKFold(folds, shuffle=True, random_state=0).split(names, labels))
    for label in set(labels):
        assert found[label] == sorted(int((np.array(labels)[test] == label).sum()) for _, test in dealt)


GROUPS = st.lists(st.tuples(st.integers(0, 11), st.integers(0, 2)), min_size=8, max_size=80)


@given(samples=GROUPS, shares=SHARES, seed=SEEDS)
def test_no_group_crosses_and_sizes_are_within_a_group(samples, shares, seed):
    names, groups = names_of(len(samples)), [f"patient {group}" for group, _ in samples]
    split = made(names, groups=groups, fractions=shares, seed=seed)
    assert sorted(split.parts) == sorted(names)
    home: dict[str, str] = {}
    for name, group in zip(names, groups, strict=True):
        assert home.setdefault(group, split.parts[name]) == split.parts[name]
    largest = max(Counter(groups).values())
    sizes = Counter(split.parts.values())
    assert all(abs(sizes[part] - share * len(names)) <= largest for part, share in shares.items())
    check_split(split)


@given(samples=GROUPS, shares=SHARES, seed=SEEDS)
def test_groups_of_one_class_keep_the_classes_even(samples, shares, seed):
    """As of patients who are healthy or ill: every class within its largest group of its share."""
    groups = [f"{label}-{group}" for group, label in samples]
    names, labels = names_of(len(samples)), [label for _, label in samples]
    split = made(names, labels=labels, groups=groups, fractions=shares, seed=seed)
    found = counted(split, dict(zip(names, labels, strict=True)))
    for label, count in Counter(labels).items():
        largest = max(size for group, size in Counter(groups).items() if group.startswith(f"{label}-"))
        for part, share in shares.items():
            assert abs(found[part, label] - share * count) <= largest


def test_large_groups_come_first():
    """One group as large as all others together: only then does everything divide evenly."""
    groups = ["large"] * 10 + [f"small {number}" for number in range(10)]
    for seed in range(10):
        split = make_split(names_of(20), groups=groups, folds=2, seed=seed)
        assert Counter(split.parts.values()) == {"0": 10, "1": 10}


def test_mixed_groups_are_stratified_far_better_than_by_chance():
    """Positives gather in few groups: dealing by size alone leaves folds without any."""
    rng = np.random.default_rng(4)
    groups = np.repeat(np.arange(40), 10)
    labels = (rng.random(400) < np.where(groups % 8 == 0, 0.9, 0.02)).astype(int)
    names = names_of(400)
    ideal = labels.sum() / 5

    def worst(**options) -> float:
        found = counted(make_split(names, folds=5, **options), dict(zip(names, labels, strict=True)))
        return max(abs(found[str(fold), 1] - ideal) for fold in range(5))

    assert worst(labels=labels, groups=groups) <= 3
    assert np.mean([worst(groups=groups, seed=seed) for seed in range(5)]) > 5


@given(labels=LABELS, order=st.randoms(use_true_random=False), seed=SEEDS, grouped=st.booleans())
def test_the_order_of_the_samples_does_not_matter(labels, order, seed, grouped):
    names = names_of(len(labels))
    groups = [number % 7 for number in range(len(names))] if grouped else None
    split = made(names, labels=labels, groups=groups, folds=3, seed=seed)
    shuffled = list(range(len(names)))
    order.shuffle(shuffled)
    again = make_split(
        [names[place] for place in shuffled],
        labels=[labels[place] for place in shuffled],
        groups=None if groups is None else [groups[place] for place in shuffled],
        folds=3,
        seed=seed,
    )
    assert again == split


def test_seeds_differ_and_every_sample_may_land_anywhere():
    names = names_of(20)
    splits = [make_split(names, fractions={"train": 0.8, "test": 0.2}, seed=seed) for seed in range(200)]
    times = Counter(name for split in splits for name in split.names("test"))
    assert min(times.values()) >= 20  # of 40 expected, standard deviation 5.7
    assert max(times.values()) <= 62


TEXT = st.text(st.characters(blacklist_categories=("Cs", "Cc", "Zl", "Zp")), min_size=1, max_size=8)


@settings(max_examples=50, deadline=None)
@given(names=st.lists(TEXT, min_size=4, max_size=12, unique=True), grouped=st.booleans(), seed=SEEDS)
def test_files_hold_everything(names, grouped, seed, tmp_path_factory):
    groups = [name[:1] for name in names] if grouped else None
    split = made(names, groups=groups, folds=2, seed=seed)
    path = tmp_path_factory.mktemp("split") / "split.tsv"
    write_split(path, split)
    assert read_split(path) == split


def test_the_file_says_how_it_was_made(tmp_path):
    split = make_split(["b", "a", "c"], labels="xyx", fractions={"train": 0.67, "dev": 0.33}, seed=3)
    write_split(tmp_path / "s.tsv", split)
    head, *lines = (tmp_path / "s.tsv").read_text().splitlines()
    assert head.startswith("# bioconv ")
    assert head.endswith("split fractions=train:0.67,dev:0.33 seed=3 stratified=yes grouped=no")
    assert lines[0] == "name\tpart"
    assert [line.split("\t")[0] for line in lines[1:]] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ":1: columns"),
        ("name\tpart\n", ":1: no samples"),
        ("# x\nname,part\na,train\n", ":2: columns"),
        ("name\tpart\na\ttrain\textra\n", ":2: 3 columns; 2 expected"),
        ("name\tpart\na\ttrain\n\nb\tdev\n", ":3: 1 columns"),
        ("name\tpart\na\ttrain\na\tdev\n", ":3: sample 'a' for the second time"),
        ("name\tpart\na\ttraining\n", ":2: part 'training'; one of train, train-dev, dev, test"),
        ("name\tpart\na\ttrain\nb\t0\n", ":3: both folds and parts"),
    ],
)
def test_bad_files(tmp_path, text, words):
    path = tmp_path / "given.tsv"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        read_split(path)
    assert f"given.tsv{words}" in str(caught.value)


def test_unreadable_files(tmp_path):
    (tmp_path / "bytes.tsv").write_bytes(b"name\tpart\n\xff\ttrain\n")
    for name, said in (("", "a folder where a file"), ("none.tsv", "no such file"), ("bytes.tsv", "as a split")):
        with pytest.raises(InputError, match=said):
            read_split(tmp_path / name)


def test_crossing_is_refused():
    names = names_of(8)
    split = make_split(names, folds=2)
    patients = {name: f"P{int(name[6:]) // 2}" for name in names}
    with pytest.raises(InputError, match=r"lets \d groups? cross its parts: P\d in 0 \(sample\d\) and 1 \(sample\d\)"):
        check_split(split, groups=patients)
    whole = make_split(names, groups=[patients[name] for name in names], folds=2)
    check_split(whole)
    prints = {name: fingerprint(name.encode()) for name in names}
    check_split(whole, fingerprints=prints)
    one, other = whole.names("0")[0], whole.names("1")[0]
    with pytest.raises(InputError, match=rf"1 identical input cross .*the same input in 0 \({one}\) and 1 \({other}\)"):
        check_split(whole, fingerprints={**prints, one: prints[other]})
    within = whole.names("0")
    check_split(whole, fingerprints={**prints, within[0]: prints[within[1]]})
    with pytest.raises(InputError, match="1 sample of the split without identical input: sample7"):
        check_split(whole, fingerprints={name: prints[name] for name in names[:-1]})


def test_fingerprint_is_sha256():
    assert fingerprint(b"ACGT") == hashlib.sha256(b"ACGT").hexdigest()


def test_folds_and_indices():
    names = names_of(9)
    split = make_split(names, folds=3)
    held = split.fold(1)
    assert held.names("dev") == split.names("1")
    assert held.names("train") == sorted(split.names("0") + split.names("2"))
    assert [names[place] for place in held.indices(names, "dev")] == held.names("dev")
    with pytest.raises(OptionError, match="no fold 3: the split's parts are 0, 1, 2"):
        split.fold(3)
    with pytest.raises(OptionError, match="no fold 0"):
        make_split(names, fractions={"train": 1.0}).fold(0)
    with pytest.raises(InputError, match="1 sample not in the split: other"):
        split.indices([*names, "other"], "0")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "either fractions or a number"),
        ({"folds": 2, "fractions": {"train": 1.0}}, "either fractions or a number"),
        ({"folds": 1}, "1 folds; 2 or more"),
        ({"fractions": {"train": 0.8, "dev": 0.1}}, "sum to 1"),
        ({"fractions": {"training": 1.0}}, "parts of train, train-dev, dev, test"),
        ({"fractions": {"train": 1.5, "dev": -0.5}}, "sum to 1"),
    ],
)
def test_shares_that_make_no_sense(options, words):
    with pytest.raises(OptionError, match=words):
        make_split(names_of(5), **options)


@pytest.mark.parametrize(
    ("names", "options", "words"),
    [
        (["a", "b", "a"], {"folds": 2}, "1 name given more than once: a"),
        (["a", "b\tc"], {"folds": 2}, "cannot stand in a table"),
        (["a", "b\n"], {"folds": 2}, "cannot stand in a table"),
        (["a", ""], {"folds": 2}, "cannot stand in a table"),
        (["a", "b"], {"folds": 2, "groups": ["x", "y\r"]}, "cannot stand in a table"),
        (["a", "b"], {"folds": 3}, r"no samples for 2: 2 samples for 3 parts"),
        (["a", "b"], {"folds": 2, "groups": ["x", "x"]}, "no samples for 1: 1 group for 2 parts"),
        (["a", "b"], {"folds": 2, "labels": [1]}, "2 samples, but 1 labels or groups"),
        ([], {"folds": 2}, "no samples for 0, 1"),
    ],
)
def test_samples_that_cannot_be_split(names, options, words):
    with pytest.raises(InputError, match=words):
        make_split(names, **options)
