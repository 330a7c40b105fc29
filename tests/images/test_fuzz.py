"""Cut and changed files of every format: an image of the declared shape, or an InputError; nothing else."""

from __future__ import annotations

import random
import resource
import time

import numpy as np
import pytest

from bioconv.errors import InputError
from bioconv.images.reader import open_image
from tests.images.samples import make_all

LARGEST = 500_000_000


def damaged(data, rng):
    data = bytearray(data)
    kind = rng.randrange(5)
    if kind == 0:
        return bytes(data[: rng.randrange(len(data))])
    if kind == 1:
        start, count = rng.randrange(len(data)), rng.randrange(1, 40)
        data[start : start + count] = bytes(rng.randrange(256) for _ in range(rng.randrange(40)))
        return bytes(data)
    where = min(len(data), 600 if kind < 4 else len(data))
    for _ in range(rng.randrange(1, 9)):
        data[rng.randrange(where)] = rng.choice([0, 1, 127, 128, 255, rng.randrange(256)])
    return bytes(data)


def read_damaged(path, rng):
    """Return whether it was read."""
    try:
        with open_image(path, axes=rng.choice([None, None, "ZYX"])) as image:
            if np.prod([float(size) for size in image.info.shape]) * image.info.dtype.itemsize > LARGEST:
                return False
            pixels = image.read()
    except InputError as error:
        text = str(error)
    else:
        text = ""
    if text:
        assert text.startswith(str(path))
        assert "\n" not in text
        return False
    assert (pixels.shape, pixels.dtype) == (image.info.shape, image.info.dtype)
    return True


def check(tmp_path, seed, count):
    (tmp_path / "whole").mkdir()
    files = make_all(tmp_path / "whole")
    rng = random.Random(seed)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    read = 0
    for number in range(count):
        source = files[number % len(files)]
        path = tmp_path / source.name
        path.write_bytes(damaged(source.read_bytes(), rng))
        started = time.monotonic()
        read += read_damaged(path, rng)
        assert time.monotonic() - started < 60, f"{path} hangs"
    assert 0.05 * count < read < 0.8 * count  # damage is done, and some of it is harmless
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1_500_000  # kB: no bombs


def test_damaged_files(tmp_path):
    check(tmp_path, 1, 400)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 8))
def test_more_damaged_files(tmp_path, seed):
    check(tmp_path, seed, 3000)


def test_whole_files_are_read(tmp_path):
    for path in make_all(tmp_path):
        assert read_damaged(path, random.Random(0)), path
