from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from bioconv.errors import InputError
from bioconv.images.masks import pair_masks, read_mask

LABELS = np.array([[0, 1, 2], [3, 0, 1]], np.uint8)


@pytest.mark.parametrize("name", ["m.png", "m.tif", "m.bmp", "m.gif", "m.npy"])
def test_formats(tmp_path, name):
    path = tmp_path / name
    if name.endswith("npy"):
        np.save(path, LABELS)
    elif name.endswith("gif"):
        Image.fromarray(LABELS).convert("P").save(path)
    else:
        Image.fromarray(LABELS).save(path)
    found = read_mask(path)
    assert found.shape == LABELS.shape
    if not name.endswith("gif"):  # its palette may be put in another order
        np.testing.assert_array_equal(found, LABELS)
    assert ((found == found[0, 0]) == (LABELS == 0)).all()


def test_sixteen_bits_pages_and_kinds(tmp_path):
    deep = LABELS.astype(np.uint16) * 20_000
    Image.fromarray(deep).save(tmp_path / "deep.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "deep.png"), deep)
    pages = [Image.fromarray(LABELS), Image.fromarray(LABELS.T.reshape(2, 3))]
    pages[0].save(tmp_path / "pages.tif", save_all=True, append_images=pages[1:])
    np.testing.assert_array_equal(read_mask(tmp_path / "pages.tif"), [LABELS, LABELS.T.reshape(2, 3)])
    Image.fromarray(LABELS > 0).save(tmp_path / "bit.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "bit.png"), LABELS > 0)
    assert read_mask(tmp_path / "bit.png").dtype == np.uint8
    Image.fromarray(np.stack([LABELS] * 3 + [LABELS * 0 + 9], axis=-1)).save(tmp_path / "grey.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "grey.png"), LABELS)
    np.save(tmp_path / "float.npy", LABELS.astype(float))
    np.testing.assert_array_equal(read_mask(tmp_path / "float.npy"), LABELS)


def test_palette_gives_indices(tmp_path):
    image = Image.fromarray(LABELS).convert("P")
    image.putpalette([200, 0, 0, 0, 200, 0, 0, 0, 200, 5, 5, 5])
    image.save(tmp_path / "p.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "p.png"), LABELS)


def test_refuses(tmp_path):
    Image.fromarray(np.stack([LABELS, LABELS, LABELS + 1], axis=-1)).save(tmp_path / "colour.png")
    with pytest.raises(InputError, match="in colour"):
        read_mask(tmp_path / "colour.png")
    np.save(tmp_path / "half.npy", LABELS + 0.5)
    with pytest.raises(InputError, match="no labels"):
        read_mask(tmp_path / "half.npy")
    np.save(tmp_path / "object.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match="not a readable NPY"):
        read_mask(tmp_path / "object.npy")
    whole = tmp_path / "cut.png"
    Image.fromarray(np.random.default_rng(0).integers(255, size=(64, 64), dtype=np.uint8)).save(whole)
    whole.write_bytes(whole.read_bytes()[:2000])
    with pytest.raises(InputError, match=r"cut\.png: not a readable image"):
        read_mask(whole)


def test_pairs(tmp_path):
    for name in ("p/a.png", "p/b.tif", "p/b.png", "t/a.TIF", "t/b.png", "t/c.npy", "t/.d.png", "t/readme.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    pairs = {pair.name: pair for pair in pair_masks(tmp_path / "p", tmp_path / "t")}
    assert list(pairs) == ["a", "b", "c"]
    assert pairs["a"].files() == (tmp_path / "p/a.png", tmp_path / "t/a.TIF")
    with pytest.raises(InputError, match="b: 2 predicted masks"):
        pairs["b"].files()
    with pytest.raises(InputError, match=r"c: there is no predicted mask beside .*c\.npy"):
        pairs["c"].files()
    (tmp_path / "e").mkdir()
    with pytest.raises(InputError, match="neither"):
        pair_masks(tmp_path / "e", tmp_path / "e")
