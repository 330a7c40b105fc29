"""Labels: which words are answers, and what is known of breasts and exams from their images."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bioconv.errors import InputError
from bioconv.mammography.identifiers import Identifiers
from bioconv.mammography.labels import Label, joined_label, label_rows, read_labels
from bioconv.mammography.objective import Head
from bioconv.mammography.views import View

HEAD = Head("label", ("normal", "cancer"))


def view(name, side, kind, label="", patient="p", study="s", **more):
    return View(Path(f"/in/{name}"), patient, study, side, kind, name=name, label=label, **more)


@given(st.lists(st.sampled_from([True, False, None])))
def test_what_is_known_never_depends_on_what_is_not(labels):
    """Whatever the unknown ones are, a label that is said comes out."""
    said = joined_label(labels)
    ends = {any(bool(one) if one is not None else other for one in labels) for other in (True, False)}
    assert said == (ends.pop() if len(ends) == 1 else None)


def test_words_that_are_answers():
    views = [view(str(n), "L", "CC", word) for n, word in enumerate(("Normal", "CANCER", "1", "0", ""))]
    assert list(read_labels(views, HEAD).values()) == [False, True, True, False, None]
    digits = Head("label", ("0", "2"))
    assert list(read_labels([view("a", "L", "CC", "2")], digits).values()) == [True]
    with pytest.raises(InputError, match=r"labels that are no answers of the model, 1 of 2: '1' of b; it knows 0, 2,"):
        read_labels([view("a", "L", "CC", "2"), view("b", "L", "CC", "1")], digits)
    with pytest.raises(InputError, match=r"none of 1 image has a label; give a table with a filled column `label`"):
        read_labels([view("a", "L", "CC")], HEAD)


def rows(*views):
    return label_rows(views, read_labels(views, HEAD), Identifiers())


def test_a_breast_is_positive_where_an_image_is_and_an_exam_where_a_breast_is():
    found = rows(
        view("a", "L", "CC", "cancer"), view("b", "L", "MLO"),
        view("c", "R", "CC", "normal"), view("d", "R", "MLO", "normal"),
    )  # fmt: skip
    assert found["image"]["a",] == Label(True, "p")
    assert found["image"]["b",].positive is None
    assert {key[2]: one.positive for key, one in found["breast"].items()} == {"L": True, "R": False}
    assert found["exam"]["p", "s"].positive is True


def test_what_is_not_known_is_not_called_negative():
    found = rows(view("a", "L", "CC", "normal"), view("b", "L", "MLO"), view("c", "R", "CC", "normal"))
    assert {key[2]: one.positive for key, one in found["breast"].items()} == {"L": None, "R": False}
    assert found["exam"]["p", "s"].positive is None


def test_a_view_that_is_not_scored_may_be_the_positive_one():
    spot = {"modifiers": ("spot compression",)}
    whole = view("a", "L", "CC", "normal", group="g")
    assert rows(whole, view("b", "L", "CC", "cancer", **spot))["exam"]["p", "s"] == Label(True, "g")
    assert rows(whole, view("b", "L", "CC", **spot))["exam"]["p", "s"] == Label(False, "g")
    only = rows(whole, view("b", "R", "CC", patient="q", **spot))
    assert ("q", "s") not in only["exam"]
