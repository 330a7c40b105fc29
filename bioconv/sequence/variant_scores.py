"""Scores of both haplotypes around variants.

Windows (the default): the best window, both strands where the model reads both, among those that touch the edit on
that haplotype. Windows are scored as `scan` does: of the model's length, padded or not as the model says, none that
is more than half unknown. Near the end of a sequence there are fewer; a haplotype shorter than one window is scored
whole, padded.

Context: the score of one stretch of fixed length with the edit in its middle, whole, padded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bioconv import runtime
from bioconv.conv.arithmetic import chunk_overlap, output_size
from bioconv.conv.detector_hits import scorable
from bioconv.conv.detectors import batch_scores, window_scores
from bioconv.errors import OptionError
from bioconv.sequence.deepbind import MotifModel
from bioconv.sequence.haplotypes import Edit, flanks

Codes = NDArray[np.uint8]
NONE = float("nan")


@dataclass(frozen=True, eq=False)
class Site:
    """An edit and the letters around it, as codes.

    Attributes
    ----------
    edit : Edit
    left, right : (n,) uint8
        Letters before and after the edit, as many as any model needs, fewer at the ends of a sequence.
    ref, alt : (n,) uint8
        Letters of the edit.
    """

    edit: Edit
    left: Codes
    right: Codes
    ref: Codes
    alt: Codes

    @property
    def letters(self) -> int:
        """How many letters are kept."""
        return sum(len(codes) for codes in (self.left, self.right, self.ref, self.alt))


@dataclass(frozen=True, slots=True)
class Best:
    """A haplotype's score, the reference place (0-based) where its window begins, and its strand (1, -1)."""

    score: float = NONE
    start: int = 0
    strand: int = 0


@dataclass(frozen=True, slots=True)
class Scores:
    """Both haplotypes' scores, p-values where the model has a null distribution, and what is to be noted."""

    ref: Best
    alt: Best
    ref_p: float = NONE
    alt_p: float = NONE
    flags: tuple[str, ...] = ()


class VariantScorer:
    """One model and how it is applied to variants.

    Scores agree to about 1e-6 of their size whatever else is scored in the same run.

    Parameters
    ----------
    model : MotifModel
    context : int, optional
        Score one stretch of this length instead of windows.
    window : int, optional
        Letters of a window, in place of the model's own.
    gated : bool
        A change between two haplotypes of which neither scores above 0 counts as none.
    device : str
    """

    def __init__(
        self,
        model: MotifModel,
        *,
        context: int | None = None,
        window: int | None = None,
        gated: bool = False,
        device: str = "auto",
    ) -> None:
        self.name = model.name
        self.gated = gated
        self._model = model
        self._context = context
        self._window = window or max(model.window, model.detectors.length)
        shortest = 1 if model.padded else model.detectors.length
        if context is not None and (context < 1 or window is not None):
            message = f"--context {context}: give a length of 1 or more, and not --window with it"
            raise OptionError(message)
        if self._window < shortest:
            message = f"--window {window}: the detectors of {model.name} span {shortest} letters; give that or more"
            raise OptionError(message)
        self._device = runtime.device_name(device)
        null = model.null
        described = {} if null is None else null.description
        same = described.get("window") == self._window and described.get("padded") == model.padded
        self.null = null if same and context is None else None

    @property
    def reach(self) -> int:
        """Letters needed on either side of an edit."""
        return chunk_overlap(self._window) if self._context is None else self._context

    def facts(self) -> dict[str, object]:
        """Return model and mode, for the head of an output."""
        mode = f"context{self._context}" if self._context else f"{self._window}{'n' if self._model.padded else ''}"
        return {
            f"model:{self.name}": f"sha256:{self._model.digest()[:16]}",
            f"window:{self.name}": mode,
            "gated": self.gated or None,
            "device": self._device,
        }

    def score(self, sites: Sequence[Site]) -> list[Scores]:
        """Score both haplotypes of each site."""
        haplotypes: list[tuple[Codes, int]] = []  # codes, reference place of the first
        flags: list[tuple[str, ...]] = []
        for site in sites:
            wanted = flanks((len(site.ref), len(site.alt)), self._context, self._window)
            noted = set()
            for allele, (left, right) in zip((site.ref, site.alt), wanted or ((0, 0), (0, 0)), strict=True):
                before, after = site.left[len(site.left) - min(left, len(site.left)) :], site.right[:right]
                codes = np.concatenate([before, allele, after]) if wanted else allele[:0]
                haplotypes.append((codes, site.edit.start - len(before)))
                noted |= {"contig_end"} if len(before) + len(after) < left + right else set()
                noted |= {"unknown_letters"} if (codes >= 4).any() else set()
            noted |= set() if wanted else {"longer_than_context"}
            flags.append(tuple(sorted(noted)))
        best = self._windows(haplotypes) if self._context is None else self._whole(haplotypes)
        for pair, site in enumerate(sites):
            if np.array_equal(site.ref, site.alt):  # not even the rounding of sums apart
                best[2 * pair + 1] = best[2 * pair]
        p = np.full(len(best), NONE) if self.null is None else self.null.p_values(np.array([one.score for one in best]))
        found = [
            Scores(ref, alt, float(ref_p), float(alt_p), noted)
            for ref, alt, ref_p, alt_p, noted in zip(best[::2], best[1::2], p[::2], p[1::2], flags, strict=True)
        ]
        return [replace(one, flags=(*one.flags, "no_score")) if _unscored(one) else one for one in found]

    def _whole(self, haplotypes: Sequence[tuple[Codes, int]]) -> list[Best]:
        """Score haplotypes whole, padded."""
        best = [Best()] * len(haplotypes)
        lengths = np.array([len(codes) if _known(codes) else 0 for codes, _ in haplotypes])
        for length in np.unique(lengths[lengths > 0]).tolist():
            group = np.flatnonzero(lengths == length).tolist()
            same = np.stack([haplotypes[index][0] for index in group])
            scores = batch_scores(same, self._model.detectors, padded=True, device=self._device)
            for index, row in zip(group, scores, strict=True):
                pooled = float(self._model.detectors.pool_strands(row[None])[0])
                best[index] = Best(pooled, haplotypes[index][1], -1 if row.argmax() else 1)
        return best

    def _windows(self, haplotypes: Sequence[tuple[Codes, int]]) -> list[Best]:
        """Score the best window of each haplotype; all haplotypes in one run, end to end."""
        short = [index for index, (codes, _) in enumerate(haplotypes) if len(codes) < self._window]
        best = [Best()] * len(haplotypes)
        for index, found in zip(short, self._whole([haplotypes[index] for index in short]), strict=True):
            best[index] = found
        flat = np.concatenate([np.empty(0, np.uint8), *(codes for codes, _ in haplotypes)])
        if len(flat) < self._window:
            return best
        scores = window_scores(
            flat, self._model.detectors, window=self._window, padded=self._model.padded, device=self._device
        )
        pooled = self._model.detectors.pool_strands(scores).astype(np.float64)
        pooled[~scorable(flat, self._window)] = -np.inf
        even = np.round(pooled, 5)  # windows that differ by the rounding of sums alone: the first one
        reverse = np.round(scores[:, -1], 5) > np.round(scores[:, 0], 5)  # of equal strands the forward one
        begin = 0
        for index, (codes, origin) in enumerate(haplotypes):
            inside = even[begin : begin + output_size(len(codes), self._window)]
            if inside.size and np.isfinite(inside.max()):
                window = int(inside.argmax())
                strand = -1 if reverse[begin + window] else 1
                best[index] = Best(float(pooled[begin + window]), origin + window, strand)
            begin += len(codes)
        return best


def _known(codes: Codes) -> bool:
    return len(codes) > 0 and 2 * int((codes >= 4).sum()) <= len(codes)


def _unscored(scores: Scores) -> bool:
    return bool(np.isnan(scores.ref.score) or np.isnan(scores.alt.score))
