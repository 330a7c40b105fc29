"""From the records of a VCF to what each alternative allele does to a model's score."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from bioconv import runtime
from bioconv.errors import InputError, OptionError
from bioconv.sequence.fasta import encode
from bioconv.sequence.haplotypes import smallest_edit
from bioconv.sequence.reference_genome import Genome
from bioconv.sequence.scanning.pipeline import in_order
from bioconv.sequence.variant_scores import NONE, Best, Scores, Site, VariantScorer
from bioconv.sequence.vcf import VcfReader, VcfRecord, allele_flag, is_bases
from bioconv.wording import counted

_BATCH = 512
_LONGEST = 1 << 20
_EVEN = 1e-5  # a difference that rounding can make
MISMATCH = ("warn", "skip", "error")


@dataclass(frozen=True, slots=True)
class VariantEffect:
    """One alternative allele and one model.

    Attributes
    ----------
    chrom, id, ref, alt : str
        As in the VCF.
    start, end : int
        Place of `ref`, 0-based half-open.
    model : str
    ref_score, alt_score, delta : float
        Of the two haplotypes, and alternative less reference (gated: 0 where neither is above 0); NaN where there
        is no score.
    offset : int or None
        First letter of the best window of the higher haplotype, counted from `start` along the reference.
    strand : str
        `+` or `-`: the strand on which that window scores; `.` where there is no score.
    ref_match : bool or None
        Whether the reference genome has `ref` there; None where that could not be seen.
    flags : tuple of str
        Why there is no score, or what to know about it.
    ref_p, alt_p : float
        P-value of each score as that of one random window, where the model has a null distribution; else NaN.
    """

    chrom: str
    start: int
    end: int
    id: str
    ref: str
    alt: str
    model: str
    ref_score: float
    alt_score: float
    delta: float
    offset: int | None
    strand: str
    ref_match: bool | None
    flags: tuple[str, ...]
    ref_p: float = NONE
    alt_p: float = NONE


@dataclass(frozen=True, eq=False)
class _Allele:
    """An alternative allele on its way to be scored."""

    record: VcfRecord
    alt: str
    ref_match: bool | None
    flags: tuple[str, ...]
    site: Site | None


class VariantRun:
    """Models applied to the variants of VCFs, a batch of records at a time.

    Parameters
    ----------
    genome : Genome
    scorers : sequence of VariantScorer
    ref_mismatch : {"warn", "skip", "error"}
        What to do where the genome does not have a record's REF: score with the record's REF in its place, give no
        score, or stop.
    threads : int, optional
        Default: the processors this process may use. Results do not depend on it.

    Attributes
    ----------
    records, alleles, scored, mismatches : int
        What has been seen so far; `scored`: alleles with a score.
    """

    def __init__(
        self,
        genome: Genome,
        scorers: Sequence[VariantScorer],
        *,
        ref_mismatch: str = "warn",
        threads: int | None = None,
    ) -> None:
        if ref_mismatch not in MISMATCH:
            message = f"ref_mismatch is {ref_mismatch!r}; expected one of {', '.join(MISMATCH)}"
            raise OptionError(message)
        if not scorers:
            message = "no model: give --model NAME|FILE (bioconv models list shows the names)"
            raise OptionError(message)
        self.genome = genome
        self.scorers = list(scorers)
        self._reach = max(scorer.reach for scorer in scorers)
        self._mismatch = ref_mismatch
        self._threads = runtime.thread_count(threads)
        self.records = self.alleles = self.scored = self.mismatches = 0

    def effects(self, reader: VcfReader) -> Iterator[tuple[VcfRecord, list[list[VariantEffect]]]]:
        """Yield each record with the effects of its alternative alleles: alleles, then models.

        Raises
        ------
        InputError
            A damaged record, or a REF that the genome does not have where that is an error: file and line.
        """
        for batch, found in in_order(self._scores, self._batches(reader), self._threads):
            for row, alleles in enumerate(batch):
                made = [
                    [_effect(allele, scorer, scores) for scorer, scores in zip(self.scorers, each, strict=True)]
                    for allele, each in zip(alleles, found[row], strict=True)
                ]
                self.records += 1
                self.alleles += len(made)
                self.scored += sum(effects[0].delta == effects[0].delta for effects in made)
                yield alleles[0].record, made

    def _batches(self, reader: VcfReader) -> Iterator[list[list[_Allele]]]:
        batch: list[list[_Allele]] = []
        letters = 0
        for record in reader.records():
            alleles = self._alleles(record, reader.source)
            batch.append(alleles)
            letters += sum(one.site.letters for one in alleles if one.site)
            if len(batch) == _BATCH or letters > _LONGEST:
                yield batch
                batch, letters = [], 0
        if batch:
            yield batch

    def _alleles(self, record: VcfRecord, source: str) -> list[_Allele]:
        contig = self.genome.contig(record.chrom)
        problem, match = self._check(record, contig, source)
        found = []
        for alt in record.alts:
            flags = tuple(flag for flag in (problem, allele_flag(alt)) if flag)
            if flags or contig is None:
                found.append(_Allele(record, alt, match, flags, None))
                continue
            noted: tuple[str, ...] = ("ref_mismatch",) if match is False else ()
            if alt.upper() == record.ref.upper():
                noted += ("alt_is_ref",)
            site = self._site(contig, record, alt)
            noted += () if site.edit.complete else ("long_repeat",)
            found.append(_Allele(record, alt, match, noted, site))
        return found

    def _check(self, record: VcfRecord, contig: str | None, source: str) -> tuple[str | None, bool | None]:
        """Return why no allele of this record can be scored, if so, and whether the genome has its REF."""
        if contig is None:
            key = f"contig {self.genome.path} {record.chrom}"
            runtime.warn_once(key, f"{source}: {record.chrom} is not in {self.genome.path}: its variants get no score")
            return "missing_contig", None
        start, end = record.pos - 1, record.pos - 1 + len(record.ref)
        if start < 0 or end > self.genome.lengths[contig]:
            return "outside_contig", None
        if not is_bases(record.ref):
            return "ref_not_bases", None
        here = self.genome.fetch(contig, start, end)
        if here == record.ref.upper().encode():
            return None, True
        self.mismatches += 1
        said = f"{source}, line {record.line}: REF is {record.ref[:20]} at {record.chrom}:{record.pos}, "
        said += f"{self.genome.path} has {here[:20].decode()}: another assembly?"
        if self._mismatch == "error":
            message = f"{said} (--ref-mismatch warn or skip goes on)"
            raise InputError(message)
        runtime.warn_once(f"mismatch {source} {self.genome.path}", said)
        return ("ref_mismatch" if self._mismatch == "skip" else None), False

    def _site(self, contig: str, record: VcfRecord, alt: str) -> Site:
        start, end = record.pos - 1, record.pos - 1 + len(record.ref)
        ref = record.ref.upper().encode()

        def letters(first: int, last: int) -> bytes:
            """Return the reference with the record's REF in it."""
            before = self.genome.fetch(contig, first, min(last, start))
            after = self.genome.fetch(contig, max(first, end), last)
            return before + ref[max(first - start, 0) : max(last - start, 0)] + after

        edit = smallest_edit(start, ref, alt.upper().encode(), letters)
        left = letters(edit.start - self._reach, edit.start)
        right = letters(edit.end, edit.end + self._reach)
        return Site(edit, *(encode(part) for part in (left, right, edit.ref, edit.alt)))

    def _scores(self, batch: list[list[_Allele]]) -> list[list[list[Scores | None]]]:
        """Return the scores of each record's alleles under each model; None where there is nothing to score."""
        sites = [allele.site for alleles in batch for allele in alleles if allele.site]
        columns = [iter(scorer.score(sites)) for scorer in self.scorers]
        return [
            [[next(column) if allele.site else None for column in columns] for allele in alleles] for alleles in batch
        ]

    def close(self) -> None:
        """Log what the reader of the results should know."""
        if self.genome.renamed:
            names = " ".join(f"{one}={other}" for one, other in self.genome.renamed.items())
            runtime.logger.info("sequence names of the VCF that differ in %s: %s", self.genome.path, names)
        if self.mismatches:
            runtime.logger.warning("%s whose REF the genome does not have", counted(self.mismatches, "record"))


def _effect(allele: _Allele, scorer: VariantScorer, scores: Scores | None) -> VariantEffect:
    record = allele.record
    start = record.pos - 1
    scores = scores or Scores(Best(), Best())
    delta = scores.alt.score - scores.ref.score
    best = scores.alt if delta > _EVEN else scores.ref
    if scorer.gated and max(scores.ref.score, scores.alt.score) <= 0:
        delta = 0.0
    there = not np.isnan(delta)
    return VariantEffect(
        record.chrom, start, start + len(record.ref), record.id, record.ref, allele.alt, scorer.name,
        scores.ref.score, scores.alt.score, delta,
        best.start - start if there else None,
        ("+" if best.strand > 0 else "-") if there else ".",
        allele.ref_match, (*allele.flags, *scores.flags), scores.ref_p, scores.alt_p,
    )  # fmt: skip
