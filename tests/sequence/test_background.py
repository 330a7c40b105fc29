"""Background models, against arithmetic by hand and matrices written by the tests."""

from __future__ import annotations

import gzip
import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bioconv.errors import OptionError
from bioconv.sequence.background import read_background, read_markov_background, symmetrise

ORDER0 = "# order 0\nA 0.4\nc 0.1 # lower case\n\nG 1.0e-01\nU 0.4\n"


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str | bytes], str]:
    def writer(content: str | bytes) -> str:
        path = tmp_path / "given.bg"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(path)

    return writer


Write = Callable[[str | bytes], str]


def test_words(write: Write) -> None:
    np.testing.assert_array_equal(read_background("uniform"), [0.25] * 4)
    np.testing.assert_allclose(read_background("0.3,0.2,0.2,0.3"), [0.3, 0.2, 0.2, 0.3], rtol=1e-15)
    np.testing.assert_allclose(read_background("0.303, 0.183, 0.209, 0.306").sum(), 1, rtol=1e-15)
    np.testing.assert_allclose(read_background(write(ORDER0)), [0.4, 0.1, 0.1, 0.4], rtol=1e-12)


@pytest.mark.parametrize("dress", [str.encode, lambda text: text.replace("\n", "\r\n").encode(),
                                   lambda text: gzip.compress(text.encode(), mtime=0)])  # fmt: skip
def test_bytes_around_the_text_do_not_matter(write: Write, dress: Callable[[str], bytes]) -> None:
    order0, order1 = read_markov_background(write(dress(ORDER0.rstrip())))
    np.testing.assert_allclose(order0, [0.4, 0.1, 0.1, 0.4], rtol=1e-12)
    assert order1 is None


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(counts=st.lists(st.integers(1, 1000), min_size=16, max_size=16), lower=st.booleans())
def test_first_order(write: Write, counts: list[int], lower: bool) -> None:
    joint = np.array(counts, dtype=float).reshape(4, 4) / sum(counts)
    words = ["".join(pair) for pair in itertools.product("ACGT", repeat=2)]
    lines = [f"{base} {value!r}" for base, value in zip("ACGT", joint.sum(axis=1).tolist(), strict=True)]
    lines += [f"{word} {value!r}" for word, value in zip(words, joint.ravel().tolist(), strict=True)]
    lines += ["AAA 0.5", "# order 2 above is not used"]
    text = "\n".join(reversed(lines))
    order0, order1 = read_markov_background(write(text.lower() if lower else text))
    assert order1 is not None
    np.testing.assert_allclose(order0, joint.sum(axis=1), rtol=1e-9)
    for previous, base in itertools.product(range(4), repeat=2):
        wanted = joint[previous, base] / sum(joint[previous, other] for other in range(4))
        assert order1[previous, base] == pytest.approx(wanted, rel=1e-9)
    np.testing.assert_allclose(order1.sum(axis=1), 1, rtol=1e-12)


def test_real_file(shared_data: Callable[[str], Path]) -> None:
    """The file's own 1-mers are the first letters of its 2-mers, to its three digits."""
    order0, order1 = read_markov_background(shared_data("fimo-oracle/klf1/background"))
    np.testing.assert_allclose(order0, [0.256, 0.244, 0.244, 0.256], rtol=1e-12)
    assert order1 is not None
    assert order1[1, 2] == pytest.approx(1.667e-02 / (7.587e-02 + 6.998e-02 + 1.667e-02 + 8.147e-02))  # CpG is rare
    np.testing.assert_allclose(order0 @ order1, order0, atol=2e-3)


PAIRS = "".join(f"{a}{b} 0.0625\n" for a in "ACGT" for b in "ACGT")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "is empty"),
        ("# nothing\n", "no frequency for A, C, G, T"),
        ("A 0.5\nC 0.2\nG 0.3\n", "no frequency for T"),
        (ORDER0 + "T 0.4\n", ":7: T is given twice"),
        (ORDER0 + "N 0.1\n", ":7: 'N 0.1' is not a line"),
        (ORDER0 + "A\n", ":7: 'A' is not a line"),
        (ORDER0.replace("A 0.4", "A x"), ":2: 'x' is not a number"),
        (ORDER0.replace("A 0.4", "A nan"), ":2: nan is not a frequency"),
        (ORDER0.replace("A 0.4", "A -0.4"), ":2: -0.4 is not a frequency"),
        (ORDER0.replace("A 0.4", "A 0"), "each must be above 0"),
        (ORDER0.replace("A 0.4", "A 0.5"), "sum to 1.1"),
        (ORDER0 + "AC 0.1\n", "no frequency for AA, AG"),
        (ORDER0 + PAIRS.replace("AA 0.0625", "AA 0.1"), "2-mer frequencies sum to 1.03"),
        (ORDER0 + PAIRS.replace("0.0625\nC", "0\nC").replace("AA 0.0625", "AA 0"), "2-mer"),
        (b"\0\1\2", "binary"),
        (gzip.compress(ORDER0.encode(), mtime=0)[:-12], "damaged gzip"),
    ],
)
def test_bad_files(write: Write, content: str | bytes, words: str) -> None:
    with pytest.raises(OptionError) as caught:
        read_markov_background(write(content))
    assert "given.bg" in str(caught.value)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("unifrom", "no background file 'unifrom'; give 'uniform', four"),
        ("0.5,0.5", "has 2 numbers, 4 expected"),
        ("0.25,0.25,0.25,x", "'x' is not a number"),
        ("0.25,0.25,0.25,", "'' is not a number"),
        ("0.3,0.3,0.3,0.3", "sum to 1.2"),
        ("0.5,0.5,0,0", "each must be above 0"),
        ("0.5,0.5,-0.5,0.5", "-0.5 is not a frequency"),
        ("inf,0,0,0", "inf is not a frequency"),
        ("x" * 5000, "no background file"),
        ("0.2,0.2" * 900, "is not a number"),
    ],
)
def test_bad_words(spec: str, words: str) -> None:
    with pytest.raises(OptionError) as caught:
        read_background(spec)
    assert words in str(caught.value)


def test_symmetrise() -> None:
    background = np.array([0.1, 0.2, 0.3, 0.4])
    np.testing.assert_allclose(symmetrise(background), [0.25, 0.25, 0.25, 0.25])
    found = symmetrise(np.array([0.5, 0.1, 0.2, 0.2]))
    np.testing.assert_allclose(found, [0.35, 0.15, 0.15, 0.35])
    np.testing.assert_array_equal(symmetrise(found), found)
    np.testing.assert_array_equal(background, [0.1, 0.2, 0.3, 0.4])
