"""What a batch would do, without doing it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from bioconv.errors import BioconvError, InputError
from bioconv.images.reader import open_image
from bioconv.images.writer import mask_suffix
from bioconv.segmentation.folders.naming import Item
from bioconv.segmentation.folders.results import output_path
from bioconv.segmentation.inference.pipeline import Segmenter
from bioconv.segmentation.inference.rescaling import scaled_shape

PLAN_COLUMNS = ("input", "axes", "shape", "dtype", "spacing", "channels", "scale", "tile", "kept", "mask")


def plan_rows(
    segmenter: Segmenter, items: Sequence[Item], output: Path
) -> Iterator[tuple[Item, tuple[str, ...] | InputError]]:
    """Yield, for each item, its row of the plan or why it will fail, as far as the heads of the files tell.

    Raises
    ------
    OptionError
        If the memory is too little.
    """
    for item in items:
        try:
            yield item, _row(segmenter, item, output)
        except InputError as error:
            yield item, error
        except BioconvError:
            raise
        except Exception as error:
            yield item, InputError(f"{item.source}: {type(error).__name__}: {error}")


def _row(segmenter: Segmenter, item: Item, output: Path) -> tuple[str, ...]:
    if item.reason:
        raise InputError(item.reason)
    path = item.files[0] if len(item.files) == 1 else list(item.files)
    with open_image(path, axes=segmenter.choices.axes) as source:
        info = source.info
        view, memory, scales, _ = segmenter.plan(source)
        scaled = scaled_shape(view.shape, scales[0])
        side = segmenter.resources.tile
        tile = segmenter.runners[0].tile(scaled, max_bytes=memory.tile_bytes, side=side)
        mask = output_path(output, item.base, "mask", mask_suffix(info))
        spacing = "unknown" if info.spacing is None else "x".join(f"{step:.4g}" for step in info.spacing) + info.unit
        return (
            item.name, info.axes, "x".join(map(str, info.shape)), str(info.dtype), spacing,
            ",".join(info.channels[number] or str(number) for number in view.channels), f"{scales[0][-1]:.4g}",
            "x".join(map(str, tile)), "on disk" if memory.frame_on_disk or memory.results_on_disk else "in memory",
            str(mask),
        )  # fmt: skip
