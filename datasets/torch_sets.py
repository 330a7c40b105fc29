"""Records as torch Datasets; the one place in this folder that imports torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from bioconv.datasets.records import ImageRecord
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset


class SequenceSet(Dataset[Any]):
    """Sequences as codes in memory, made one-hot when they are asked for."""

    def __init__(self, codes: Sequence[NDArray[np.uint8]], truths: Sequence[Any], letters: int) -> None:
        self.codes, self.truths, self.letters = codes, truths, letters

    def __len__(self) -> int:
        """Return the number of sequences."""
        return len(self.codes)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """Return one sequence, (letters, length) float32, and its truth."""
        codes = torch.from_numpy(self.codes[index].astype(np.int64))
        hot = torch.nn.functional.one_hot(codes, self.letters + 1)[:, : self.letters]
        return hot.T.to(torch.float32), torch.as_tensor(self.truths[index], dtype=torch.int64)


class ImageSet(Dataset[Any]):
    """Images that are read when they are asked for."""

    def __init__(self, records: Sequence[ImageRecord], classes: tuple[str, ...]) -> None:
        self.records, self.classes = records, classes

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.records)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """Return one image, (channels, height, width) float32, and its mask or the number of its class."""
        from bioconv.images.masks import read_mask
        from bioconv.images.reader import read_image

        record = self.records[index]
        image = read_image(record.image)
        pixels = image.pixels if "C" in image.info.axes else image.pixels[None]
        values = torch.from_numpy(pixels.astype(np.float32))
        if record.mask is None:
            return values, torch.tensor(self.classes.index(record.label))
        mask = np.asarray(read_mask(record.mask))
        # Pictures of masks have 255 where a loss wants 1.
        return values, torch.from_numpy((mask != 0 if len(self.classes) == 2 else mask).astype(np.int64))
