"""The scores of `detectors` in torch, on any device: one convolution serves all windows that overlap."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from bioconv.conv.arithmetic import output_size
from bioconv.conv.detector_tables import split_filters
from bioconv.conv.device_memory import PieceSize, in_pieces

if TYPE_CHECKING:
    from bioconv.conv.detector_network import Detectors

CHUNK = 16384  # windows at once: fastest on a processor (4k and 64k are slower)
DEVICE_CHUNK = 1 << 20  # the same for a device: enough to keep one busy
_SMALLEST = 64


def scores(
    codes: NDArray[np.uint8], detectors: Detectors, grid: tuple[int, int, bool], device: str
) -> NDArray[np.float32]:
    """Return (N, S) scores of the windows of a grid (window, stride, padded)."""
    out = np.empty((output_size(len(codes), grid[0], stride=grid[1]), detectors.strands), np.float32)
    for first, score in parts(codes, detectors, grid, device):
        out[first : first + len(score)] = score.cpu().numpy()
    return out


def parts(
    codes: NDArray[np.uint8], detectors: Detectors, grid: tuple[int, int, bool], device: str
) -> Iterator[tuple[int, Tensor]]:
    """Yield (first window, (n, S) scores on the device), in pieces that its memory holds."""
    window, stride, padded = grid
    count = output_size(len(codes), window, stride=stride)
    network = _Network(detectors, padded, device)
    # Few windows of many letters each must not fill the memory either.
    most = CHUNK if device == "cpu" else DEVICE_CHUNK
    chunk = most // 4 if padded and device == "cpu" else most
    batch = chunk if stride == 1 and window < CHUNK else max(1, most * 16 // (window + 1))

    @torch.inference_mode()
    def work(first: int, stop: int) -> tuple[int, Tensor]:
        letters = network.letters(codes[first * stride : (stop - 1) * stride + window])
        separate = stride != 1 or window < detectors.length or stop - first == 1
        return first, network.separate(letters, window, stride) if separate else network.sliding(letters, window)

    yield from in_pieces(work, 0, count, piece=PieceSize(batch, min(batch, _SMALLEST)), device=device)


class _Network:
    """The network's tensors on a device; letters are (4, n), responses (S D, positions)."""

    def __init__(self, detectors: Detectors, padded: bool, device: str) -> None:
        self.padded, self.average, self.length = padded, detectors.average_pooling, detectors.length
        self.strands, self.count = detectors.strands, detectors.count
        filters = np.ascontiguousarray(detectors.stranded_filters().reshape(-1, 4, detectors.length))
        self.filters = torch.from_numpy(filters).to(device)
        # A device's convolution may round its factors to few bits (TF32): two parts of the weights lose nothing by it.
        high, low, scale = split_filters(filters)
        self.halves = None if device == "cpu" else torch.from_numpy(np.concatenate([high, low]) * scale).to(device)
        self.thresholds = torch.from_numpy(np.tile(detectors.thresholds, self.strands)).to(device)
        self.weights1 = torch.from_numpy(detectors.weights1).to(device)
        self.biases1 = torch.from_numpy(detectors.biases1).to(device)
        self.weights2 = None if detectors.weights2 is None else torch.from_numpy(detectors.weights2).to(device)
        self.bias2 = detectors.bias2

    def letters(self, codes: NDArray[np.uint8]) -> Tensor:
        one_hot = torch.cat([torch.eye(4), torch.full((1, 4), 0.25)]).to(self.filters.device)
        return one_hot[torch.from_numpy(codes).to(self.filters.device).long()].T.contiguous()

    def respond(self, windows: Tensor) -> Tensor:
        """Turn (N, 4, n) letters into (N, S D, positions) rectified responses."""
        if self.halves is None:
            return functional.conv1d(windows, self.filters, self.thresholds).relu()
        high, low = functional.conv1d(windows, self.halves).chunk(2, dim=1)
        return (high + low + self.thresholds[:, None]).relu()

    def separate(self, letters: Tensor, window: int, stride: int) -> Tensor:
        """Score every window on its own: (N, S)."""
        windows = letters.unfold(1, window, stride).transpose(0, 1)  # (N, 4, W)
        if self.padded:
            windows = functional.pad(windows, (self.length - 1,) * 2, value=0.25)
        values = self.respond(windows)
        return self.head(values.amax(2).T, values.mean(2).T if self.average else None)

    def sliding(self, letters: Tensor, window: int) -> Tensor:
        """Score all windows of a stretch with one convolution: (N, S)."""
        inside = window - self.length + 1
        values = self.respond(letters[None])[0]
        top = sliding_maximum(values, inside)
        total = _sliding_sum(values, inside) if self.average else None
        if self.padded:
            top, total = self._overhangs(letters, window, top, total)
            inside = window + self.length - 1
        return self.head(top, None if total is None else total / inside)

    def _overhangs(
        self, letters: Tensor, window: int, top: Tensor, total: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """Add the positions where a detector hangs over a window's end, its letters there unknown.

        With k letters inside, a detector is what it was with k - 1, plus one letter; weights less those of
        the unknown letter make the letters outside a constant.
        """
        windows, unknown = top.shape[1], self.filters.mean(1)
        weights = (self.filters - unknown[:, None]).permute(2, 0, 1).contiguous()  # (m, S D, 4)
        start = (self.thresholds + unknown.sum(1))[:, None].expand(-1, letters.shape[1] + 1)
        left = right = start
        for k in range(1, self.length):
            left = torch.addmm(left[:, 1:], weights[-k], letters[:, : letters.shape[1] - k + 1])
            right = torch.addmm(right[:, :-1], weights[k - 1], letters[:, k - 1 :])
            for values in (left[:, :windows], right[:, window - k : window - k + windows]):
                top = torch.maximum(top, values)
                total = None if total is None else total + values.relu()
        return top, total

    def head(self, top: Tensor, mean: Tensor | None) -> Tensor:
        """Turn (S D, N) pooled features into (N, S) scores."""
        pooled = top.reshape(self.strands, self.count, -1)
        if mean is not None:
            both = torch.stack([pooled, mean.reshape(pooled.shape)], dim=2)
            pooled = both.reshape(self.strands, 2 * self.count, -1)
        return torch.cat([self._perceptron(part) for part in torch.split(pooled, 2048, dim=2)])  # fits a cache

    def _perceptron(self, pooled: Tensor) -> Tensor:
        """Turn (S, P, N) into (N, S)."""
        weights = self.weights1.T.expand(len(pooled), -1, -1)
        hidden = torch.baddbmm(self.biases1[:, None], weights, pooled)
        if self.weights2 is None:
            return (hidden[:, 0] + self.bias2).T
        return (torch.matmul(self.weights2, hidden.relu_()) + self.bias2).T


def sliding_maximum(values: Tensor, width: int) -> Tensor:
    """Maximum of every `width` neighbours along the last axis, by doubling: log2(width) passes."""
    reach = 1
    while reach * 2 <= width:
        values = torch.maximum(values[..., :-reach], values[..., reach:])
        reach *= 2
    if reach < width:
        values = torch.maximum(values[..., : values.shape[-1] - (width - reach)], values[..., width - reach :])
    return values


def _sliding_sum(values: Tensor, width: int) -> Tensor:
    """Sum of every `width` neighbours, from sums of 1, 2, 4, ... (no running sum, so no error that grows)."""
    windows = values.shape[-1] - width + 1
    total, offset, reach = torch.zeros_like(values[..., :windows]), 0, 1
    while True:
        if width & reach:
            total = total + values[..., offset : offset + windows]
            offset += reach
        if reach * 2 > width:
            return total
        values = values[..., :-reach] + values[..., reach:]
        reach *= 2
