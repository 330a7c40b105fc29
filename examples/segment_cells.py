"""Segment images that come with scikit-image: nuclei on grey and stained tissue, without any file.

Run: python examples/segment_cells.py
"""

from __future__ import annotations

import sys

import numpy as np
from skimage import data, filters

import bioconv

MODEL = sys.argv[1] if len(sys.argv) > 1 else "nuclei"


def main() -> None:
    """Print one row per picture."""
    print("image", "axes", "shape", "objects", "foreground", "sure", sep="\t")
    pictures = {"cell": (data.cell(), "YX"), "immunohistochemistry": (data.immunohistochemistry(), "YXS")}
    for name, (pixels, axes) in pictures.items():
        found = bioconv.segment(pixels, model=MODEL, axes=axes, uncertainty="entropy")
        share = (found.labels > 0).mean()
        sure = 1 - found.review["mean_uncertainty"]
        shape = "x".join(map(str, found.labels.shape))
        print(name, found.axes, shape, found.objects, f"{share:.1%}", f"{sure:.2f}", sep="\t")
    # What a threshold alone makes of the same cells, for comparison.
    cell = data.cell()
    print(f"Otsu's threshold on cell: {np.mean(cell > filters.threshold_otsu(cell)):.1%} foreground")


if __name__ == "__main__":
    main()
