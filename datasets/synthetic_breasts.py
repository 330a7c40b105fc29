"""A folder of synthetic mammograms, some with a mass: pictures, the table of exams, the boxes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from bioconv.datasets.mammography_phantom import SyntheticMammogram, synthetic_mammograms
from bioconv.datasets.synthetic_files import check_count, synthetic_folder, write_picture, write_table

from bioconv.errors import OptionError

_BITS = 12
_EXTENT = 2.5  # of a mass's width: where it has faded to a twentieth
_WIDTH = 0.03  # of a mass, in columns of the picture; as the phantom draws it
_ABOUT = """
images/synthetic-*.png  four views of each woman, 12 bits in 16; letters such as LCC are burnt in.
synthetic-exams.csv     path, patient, laterality, view, study, label (1: this breast has a mass), group.
synthetic-boxes.csv     image, x0, y0, x1, y1 of each mass in each view, in pixels: 0-based, half-open.

The women know nothing about cancer: their breasts are ellipses, their masses blurred discs.

Train:  bioconv train classify synthetic-exams.csv -o model.safetensors
"""


def make_breasts(
    output: str | Path, *, count: int = 20, size: int = 256, contrast: float = 0.7, share: float = 0.5, seed: int = 0
) -> Path:
    """Write a folder of women, four views each, and return it; the same settings give the same bytes.

    Parameters
    ----------
    output
        The folder.
    count
        Women.
    size
        Rows of a picture; it has 25/32 as many columns.
    contrast
        Of a mass, above 0; 1 is the whole range of grey.
    share
        Of women with a mass, in the left or in the right breast.
    seed
        Same seed, same women.

    Raises
    ------
    OptionError, OutputError
        If a number makes no sense; as `synthetic_folder`.
    """
    check_count(count)
    columns = round(size * 25 / 32)
    if columns < 64 or contrast <= 0 or not 0 <= share <= 1:
        message = f"size {size}, contrast {contrast:g}, share {share:g}; expected 82 rows or more, above 0, 0 to 1"
        raise OptionError(message)
    settings = {"count": count, "size": size, "contrast": contrast, "share": share, "seed": seed}
    exams, boxes = [], []
    # Exactly as many as the share says, spread over the women; the side is drawn.
    sick = [int((number + 1) * share) > int(number * share) for number in range(count)]
    with synthetic_folder(output, "breasts", settings, _ABOUT) as folder:
        (folder / "images").mkdir()
        for number in range(count):
            rng = np.random.default_rng([seed, number])
            side = "LR"[int(rng.integers(2))] if sick[number] else ""
            views = synthetic_mammograms(
                int(rng.integers(2**31)), shape=(size, columns), masses={side: contrast} if side else None
            )
            woman = f"synthetic-{number + 1:04d}"
            for view in views:
                name = f"images/{woman}-{view.laterality}-{view.view}.png"
                pixels = np.rint(view.pixels * (2**_BITS - 1)).astype(np.uint16)
                write_picture(folder / name, pixels, "with a mass" if view.mass else "without a mass")
                label = int(view.laterality == side)
                exams.append((name, woman, view.laterality, view.view, f"{woman}-exam", label, woman))
                boxes += [(name, *_box(view))] if view.mass else []
        columns_of_exams = ("path", "patient", "laterality", "view", "study", "label", "group")
        write_table(folder / "synthetic-exams.csv", columns_of_exams, exams)
        write_table(folder / "synthetic-boxes.csv", ("image", "x0", "y0", "x1", "y1"), boxes)
    return Path(output)


def _box(view: SyntheticMammogram) -> tuple[int, int, int, int]:
    """Return x0, y0, x1, y1 of a mass, inside the picture."""
    rows, columns = view.pixels.shape
    y, x = view.mass or (0.0, 0.0)
    reach = _EXTENT * _WIDTH * columns
    low = max(0, round(x - reach)), max(0, round(y - reach))
    return *low, min(columns, round(x + reach) + 1), min(rows, round(y + reach) + 1)
