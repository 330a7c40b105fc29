"""What a model's detectors look for: position frequency matrices of the windows they respond to.

References
----------
Alipanahi, Delong, Weirauch & Frey (2015) Nat Biotechnol 33:831-838, doi:10.1038/nbt.3300 (supplementary code).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bioconv.conv.detector_peaks import detector_peaks
from bioconv.conv.detectors import Codes, Detectors
from bioconv.conv.reference_detectors import reverse_complement
from bioconv.errors import InputError
from bioconv.sequence.motifs import Motif
from bioconv.sequence.motifs.information import column_bits, consensus, informative_span
from bioconv.sequence.motifs.matrix import DEFAULT_SITES

Floats = NDArray[np.float64]

PSEUDOCOUNT = 1e-4
"""Added to the count of every letter in every column."""
TRIM_SHARE, TRIM_BITS = 0.1, 0.1
"""Columns at the ends are cut below this share of the best column's information, and below this many bits."""
RARITY = 1e-4
"""Share of random windows that a motif made from the weights alone fits: sets how sharp it is."""
_LOT = 4096  # sequences at once


@dataclass(frozen=True, eq=False)
class DetectorMotif:
    """One detector as a motif.

    Attributes
    ----------
    detector : int
        Its number, from 1.
    motif : Motif or None
        None where the detector responds nowhere, or to nothing in particular.
    begin, end : int
        Columns of the detector that the motif covers, 0-based and half-open.
    sites : int or None
        Sequences in which it responds; None (and so the rest) where the motif is from the weights alone.
    share : float or None
        Those sequences' share of all.
    mean_response, max_response : float or None
        Of the sites; 0 without any.
    importance : float or None
        How much the sequences' scores fall on average when the detector's features are set to zero. Negative for
        a detector that speaks against.
    """

    detector: int
    motif: Motif | None
    begin: int
    end: int
    sites: int | None = None
    share: float | None = None
    mean_response: float | None = None
    max_response: float | None = None
    importance: float | None = None

    @property
    def name(self) -> str:
        """`detector01`, as `bioconv scan` calls it."""
        return f"detector{self.detector:02d}"

    @property
    def consensus(self) -> str:
        """One IUPAC letter per column; empty without a motif."""
        return consensus(self.motif.frequencies) if self.motif else ""

    @property
    def bits(self) -> float:
        """Information of all columns; 0 without a motif."""
        return float(column_bits(self.motif.frequencies).sum()) if self.motif else 0.0


def detector_motifs(
    detectors: Detectors, sequences: Sequence[Codes] | None = None, *, name: str = "model"
) -> list[DetectorMotif]:
    """Turn every detector into a motif.

    With sequences (best: those the model was trained to find) it is the letters of one window per sequence: that of
    the detector's largest response, if that is above zero. A model that reads both strands is read on the strand that
    gives the sequence's score. Sequences are read whole, padded by unknown letters, as the published definition of
    a score has it; an unknown letter counts as a quarter of each. Each count is raised by `PSEUDOCOUNT`; columns at
    the ends are cut while they hold less than 0.1 bits or a tenth of the best column's information.

    Without sequences the weights stand alone: column i is softmax(b w_i), with the one sharpness b at which the whole
    motif holds log2(1 / `RARITY`) = 13.3 bits. (Among random windows, those whose response is in the top `RARITY` have
    about these letters.) A detector that no word can reach has none. There are no sites, responses or importance then.

    Parameters
    ----------
    detectors
        The network.
    sequences
        (n,) uint8 codes each, n >= 1 and of any length; or None.
    name
        The model's name, the first part of the motifs' names (`name:detector01`).

    Returns
    -------
    list of DetectorMotif
        One per detector, in order.

    Raises
    ------
    InputError
        If there are no sequences, or one is empty.

    Examples
    --------
    >>> one, zero = np.ones(1), np.zeros(1)
    >>> filters = np.array([[[0, 9, 0, 0], [0, 0, 0, 9], [0, 0, 0, 0], [9, 0, 9, 0]]])  # TATC
    >>> tatc = Detectors(filters, zero - 20, False, one[:, None], zero, None, 0.0, False)
    >>> found = detector_motifs(tatc, [np.array([2, 3, 0, 3, 1], np.uint8), np.array([3, 0, 3, 2], np.uint8)])[0]
    >>> found.consensus, found.sites, found.max_response
    ('TATS', 2, 16.0)
    """
    label = "_".join(name.split()) or "model"
    if sequences is None:
        return [_from_weights(index, detectors, label) for index in range(detectors.count)]
    tally = _Tally(detectors)
    for records in _lots(sequences):
        tally.add(records)
    return [tally.motif(index, label) for index in range(detectors.count)]


def _lots(sequences: Sequence[Codes]) -> Iterator[Codes]:
    """Yield the sequences in groups of one length: (N, n)."""
    lengths = np.array([len(sequence) for sequence in sequences], np.int64)
    if not len(lengths) or not lengths.all():
        which = f"sequence {int(np.argmin(lengths)) + 1} is empty" if len(lengths) else "there are no sequences"
        message = f"{which}; give sequences of at least one letter"
        raise InputError(message)
    for length in np.unique(lengths).tolist():
        index = np.flatnonzero(lengths == length).tolist()
        for first in range(0, len(index), _LOT):
            yield np.stack([sequences[k] for k in index[first : first + _LOT]])


class _Tally:
    """Counts letters at the detectors' sites, lot by lot."""

    def __init__(self, detectors: Detectors) -> None:
        self._detectors = detectors
        count, length = detectors.count, detectors.length
        self._letters = np.zeros((count, length, 5), np.int64)
        self._sites = np.zeros(count, np.int64)
        self._response, self._largest, self._fall = np.zeros((3, count))
        self._sequences = 0

    def add(self, records: Codes) -> None:
        """Count the sites in (N, n) sequences."""
        m = self._detectors.length
        peaks = detector_peaks(records, self._detectors)
        padded = np.pad(np.minimum(records, 4), ((0, 0), (m - 1, m - 1)), constant_values=4)
        within = np.arange(m)
        for index, response in enumerate(peaks.response.T):
            rows = np.flatnonzero(response > 0)
            sites = padded[rows[:, None], peaks.start[rows, index, None] + (m - 1) + within]
            reverse = peaks.strand[rows, index] < 0
            sites[reverse] = reverse_complement(sites[reverse])
            counts = np.bincount((sites + 5 * within).ravel(), minlength=5 * m)
            self._letters[index] += counts.reshape(m, 5)
        self._sites += (peaks.response > 0).sum(axis=0)
        self._response += peaks.response.sum(axis=0, dtype=np.float64)
        self._largest = np.maximum(self._largest, peaks.response.max(axis=0))
        self._fall += peaks.fall.sum(axis=0, dtype=np.float64)
        self._sequences += len(records)

    def motif(self, index: int, label: str) -> DetectorMotif:
        """Return what has been counted for one detector."""
        sites = int(self._sites[index])
        motif, begin, end = None, 0, 0
        if sites:
            counts = self._letters[index, :, :4] + self._letters[index, :, 4:] / 4 + PSEUDOCOUNT
            motif, begin, end = _trimmed(counts, index + 1, label, sites)
        return DetectorMotif(
            detector=index + 1,
            motif=motif,
            begin=begin,
            end=end,
            sites=sites,
            share=sites / self._sequences,
            mean_response=float(self._response[index]) / max(sites, 1),
            max_response=float(self._largest[index]),
            importance=float(self._fall[index]) / self._sequences,
        )


def _trimmed(counts: Floats, number: int, label: str, sites: float) -> tuple[Motif | None, int, int]:
    frequencies = counts / counts.sum(axis=1, keepdims=True)
    bits = column_bits(frequencies)
    begin, end = informative_span(bits, max(TRIM_SHARE * bits.max(), TRIM_BITS))
    if begin == end:
        return None, 0, 0
    name = f"{label}:detector{number:02d}"
    return Motif(name, consensus(frequencies[begin:end]), frequencies[begin:end], sites, label), begin, end


def _from_weights(index: int, detectors: Detectors, label: str) -> DetectorMotif:
    """Return the motif that a detector's weights make on their own."""
    columns = detectors.filters[index].T.astype(np.float64)
    if columns.max(axis=1).sum() + detectors.thresholds[index] <= 0:
        return DetectorMotif(index + 1, None, 0, 0)
    columns -= columns.max(axis=1, keepdims=True)
    wanted = -np.log2(RARITY)
    # Information grows with the sharpness; the steepest weight step of the filter is the natural unit.
    unit = max(float(-columns.min()), 1e-30)
    low, high = 0.0, 1e6
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if column_bits(_softmax(columns / unit * middle)).sum() < wanted else (low, middle)
    motif, begin, end = _trimmed(_softmax(columns / unit * high), index + 1, label, DEFAULT_SITES)
    return DetectorMotif(index + 1, motif, begin, end)


def _softmax(columns: Floats) -> Floats:
    odds = np.exp(columns)
    return np.asarray(odds / odds.sum(axis=1, keepdims=True))
