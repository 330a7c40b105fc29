"""Copies of an image on both sides of a split are refused, others told."""

from __future__ import annotations

import numpy as np
import pytest

from bioconv.errors import InputError
from bioconv.images.copies import thumbnail
from bioconv.training.copies import check_copies
from bioconv.training.splits import Split

ONE, OTHER = np.random.default_rng(0).random((2, 40, 50))
NAMES = ["a", "b", "c"]


@pytest.mark.parametrize(("copy", "turned"), [(ONE[:, ::-1] * 3 + 1, False), (np.rot90(ONE), True)])
def test_copies_across_parts_are_refused_and_within_one_told(copy, turned):
    thumbnails = np.stack([thumbnail(own) for own in (ONE, OTHER, copy)])
    with pytest.raises(InputError, match=r"1 pair of images .*a \(train\) and c \(dev\), correlation (1|0\.99)"):
        check_copies(Split({"a": "train", "b": "dev", "c": "dev"}, {}), NAMES, thumbnails, turned=turned)
    (line,) = check_copies(Split({"a": "dev", "b": "train", "c": "dev"}, {}), NAMES, thumbnails, turned=turned)
    assert line.startswith("a (dev) and c (dev)")
    if turned:
        assert not check_copies(Split({"a": "dev", "b": "train", "c": "train"}, {}), NAMES, thumbnails)
