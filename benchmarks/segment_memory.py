"""How much memory `bioconv segment` takes for a TIFF of 20000 x 20000 pixels, and that the mask does not depend on it.

Claimed: the largest resident set stays below --max-memory.

The image is generated (a tiled BigTIFF of 8-bit bright ellipses on noise, seeded, about a million of them): it measures
memory and time, not how well anything is found. It and the temporary maps need about 6 GB in the temporary folder
(TMPDIR).

Run: python benchmarks/segment_memory.py [--model nuclei] [--side 20000] [--limits 2GB 4GB]
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import tifffile
import timing

HERE = Path(__file__).parent
TILE = 512


def field(side: int, *, seed: int) -> np.ndarray:
    """One square of ellipses on noise, uint8."""
    rng = np.random.default_rng(seed)
    image = rng.normal(12, 3, (side, side)).astype(np.float32)
    for _ in range(side * side // 400):
        y, x = rng.uniform(0, side, 2)
        a, b = rng.uniform(5, 11, 2)
        reach = 14
        top, left = max(0, int(y) - reach), max(0, int(x) - reach)
        ys, xs = np.mgrid[top : min(side, int(y) + reach), left : min(side, int(x) + reach)]
        turn = rng.uniform(0, np.pi)
        u = (ys - y) * np.cos(turn) + (xs - x) * np.sin(turn)
        v = (xs - x) * np.cos(turn) - (ys - y) * np.sin(turn)
        inside = (u / a) ** 2 + (v / b) ** 2 < 1
        part = image[ys[0, 0] : ys[-1, 0] + 1, xs[0, 0] : xs[0, -1] + 1]
        part[inside] = rng.uniform(60, 200) + rng.normal(0, 6, int(inside.sum()))
    return image.clip(0, 255).astype(np.uint8)


def write_image(path: Path, side: int) -> None:
    """Write the large image tile by tile: sixteen fields, turned, in an order drawn by a seed."""
    fields = [field(TILE, seed=seed) for seed in range(16)]

    def tiles() -> Iterator[np.ndarray]:
        rng = np.random.default_rng(0)
        for _ in range((-(-side // TILE)) ** 2):
            yield np.ascontiguousarray(np.rot90(fields[rng.integers(16)], rng.integers(4)))

    tifffile.imwrite(
        path, tiles(), shape=(side, side), dtype=np.uint8, tile=(TILE, TILE), bigtiff=True, photometric="minisblack",
        compression="zlib",
    )  # fmt: skip


def measure(folder: Path, model: str, limit: str) -> tuple[list[str], str]:
    """Segment once; return the row of the table and the hash of the mask."""
    output = folder / f"out-{limit}"
    command = [
        sys.executable, "-m", "bioconv", "segment", "--quiet", "--model", model, "--max-memory", limit,
        "-o", str(output), str(folder / "large.tif"),
    ]  # fmt: skip
    path = os.pathsep.join(filter(None, [str(HERE.parent), os.environ.get("PYTHONPATH", "")]))
    took = timing.run_program(command, {"PYTHONPATH": path})
    record = json.loads((output / "manifest.jsonl").read_text())
    mask = record["outputs"][0]
    facts = record["facts"]
    tile = " x ".join(map(str, facts["tile"]))
    row = [limit, f"{took.peak:.0f}", f"{took.wall:.0f}", f"{took.cpu:.0f}", tile, f"{facts['objects']:,}"]
    (output / mask["path"]).unlink()
    return row, mask["sha256"]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", default="nuclei")
    parser.add_argument("--side", type=int, default=20_000)
    parser.add_argument("--limits", nargs="+", default=["2GB"])
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_image(folder / "large.tif", given.side)
        size = (folder / "large.tif").stat().st_size
        found = [measure(folder, given.model, limit) for limit in given.limits]
    same = "" if len(found) == 1 else f" The masks are {'' if len({h for _, h in found}) == 1 else 'not '}the same."
    timing.write_report(
        __file__,
        [
            "# Memory of segmenting a large image\n",
            f"A generated image of {given.side} x {given.side} pixels (tiled BigTIFF, {size / 1e6:.0f} MB: ellipses on "
            f"noise, seeded; it measures memory and time, not how well anything is found), model {given.model}. "
            f"{timing.machine()}.\n",
            "Peak: largest resident set of the process as the kernel counts it, in millions of bytes, as --max-memory "
            f"counts.{same}\n",
            timing.table(["--max-memory", "peak MB", "wall s", "CPU s", "tile", "objects"], [row for row, _ in found]),
        ],
    )


if __name__ == "__main__":
    main()
