"""What a scan reports, and the account it gives of itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bioconv.errors import OptionError
from bioconv.wording import counted


@dataclass(frozen=True, kw_only=True)
class ScanOptions:
    """What to report.

    Attributes
    ----------
    p : float
        Largest p-value of a hit, included.
    q : float, optional
        Largest q-value of a hit, included.
    strand : {"both", "+", "-"}
    motif_ids : tuple of str
        Shell patterns on motif names; empty: all.
    background : str
        `uniform`, `input` (composition of the sequences), a file, or four comma-separated numbers.
    pseudocount : float
        Sites added to each motif column, distributed as the background.
    grid : {"fine", "fimo"}
        Rounding of motif scores: fine, or FIMO's (its 1000 levels shift p-values by up to several per cent).
    top : int, optional
        Best hits kept per motif.
    best_per_sequence : bool
        Keep one hit per motif and sequence.
    no_overlap : bool
        Keep no two overlapping hits of one motif.
    sort : {"input", "p"}
    stream : bool
        Give hits at once, without q-values.
    bed : path, optional
        Regions of an indexed FASTA to scan.
    genomic_coords : bool
        Headers are `chr:start-end(strand)`, 0-based half-open; hits are on the genome.
    skip_masked : bool
        Lower case is unknown.
    window_padding : {"auto", "none", "n"}
        How a model's windows are scored; see `model_engine`.
    deepbind_compat : bool
        Score as the published DeepBind program does, its bug included (matrix output only).
    device : str
        `auto`, `cpu`, `cuda`, `cuda:N`; `auto` takes a GPU for models only.
    threads : int, optional
        Default: the processors this process may use. Results do not depend on it.

    Raises
    ------
    OptionError
        If a value makes no sense, or two contradict each other.
    """

    p: float = 1e-4
    q: float | None = None
    strand: str = "both"
    motif_ids: tuple[str, ...] = ()
    background: str = "uniform"
    pseudocount: float = 0.1
    grid: str = "fine"
    top: int | None = None
    best_per_sequence: bool = False
    no_overlap: bool = False
    sort: str = "input"
    stream: bool = False
    bed: str | Path | None = None
    genomic_coords: bool = False
    skip_masked: bool = False
    window_padding: str = "auto"
    deepbind_compat: bool = False
    device: str = "auto"
    threads: int | None = None

    def __post_init__(self) -> None:
        checks = (
            (0 < self.p <= 1, f"-p {self.p}: give a p-value above 0, at most 1"),
            (self.q is None or 0 < self.q <= 1, f"-q {self.q}: give a q-value above 0, at most 1"),
            (self.strand in {"both", "+", "-"}, f"--strand {self.strand}: give both, + or -"),
            (self.sort in {"input", "p"}, f"--sort {self.sort}: give input or p"),
            (self.grid in {"fine", "fimo"}, f"--grid {self.grid}: give fine or fimo"),
            (self.pseudocount >= 0, f"--pseudocount {self.pseudocount}: give 0 or more"),
            (self.top is None or self.top > 0, f"--top {self.top}: give 1 or more"),
            (not (self.stream and (self.q or self.top or self.sort == "p")), _STREAM),
            (not (self.bed and self.genomic_coords), "--bed and --genomic-coords: give one of them"),
        )
        for right, message in checks:
            if not right:
                raise OptionError(message)


_STREAM = "--stream gives hits at once and cannot be combined with -q, --top or --sort p"


@dataclass
class Summary:
    """What a scan went through.

    Attributes
    ----------
    files, sequences, bases : int
        Inputs read to their end, and what they held.
    longest : int
        Length of the longest sequence.
    ambiguous, foreign : int
        IUPAC letters, and letters that are no nucleotide code, taken as unknown.
    windows, skipped : int
        Windows tested and windows with unknown letters, over all motifs and strands.
    hits : int
        Hits reported.
    seconds : float
    """

    files: int = 0
    sequences: int = 0
    bases: int = 0
    longest: int = 0
    ambiguous: int = 0
    foreign: int = 0
    windows: int = 0
    skipped: int = 0
    hits: int = 0
    seconds: float = 0.0

    def add(self, other: Summary) -> None:
        """Add what the `other` went through, of the same input or the next; hits and seconds are counted elsewhere."""
        self.files += other.files
        self.sequences += other.sequences
        self.bases += other.bases
        self.longest = max(self.longest, other.longest)
        self.ambiguous += other.ambiguous
        self.foreign += other.foreign
        self.windows += other.windows
        self.skipped += other.skipped

    def line(self, *, with_hits: bool = True) -> str:
        """Return the summary in one line; without the hits where none were looked for (`with_hits` False)."""
        rate = self.bases / 1e6 / self.seconds if self.seconds > 0 else 0.0
        skipped = f"{counted(self.skipped, 'window')} with unknown letters skipped"
        hits = f", {skipped}, {counted(self.hits, 'hit')}" if with_hits else ""
        read = f"{counted(self.sequences, 'sequence')}, {counted(self.bases, 'base')}"
        return f"{read}{hits}, {self.seconds:.2f} s, {rate:.1f} Mbp/s"
