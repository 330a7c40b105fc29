"""Variant effects as a table and as fields of the VCF they came from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, BinaryIO, cast

from bioconv.sequence.variant_run import VariantEffect, VariantRun
from bioconv.sequence.vcf import VcfRecord, info_name, with_header, with_info

COLUMNS = (
    "chrom", "pos", "id", "ref", "alt", "model", "ref_score", "alt_score", "delta", "abs_delta", "best_offset",
    "strand", "ref_match", "flags", "ref_p", "alt_p",
)  # fmt: skip
_FLAGS = "BIOCONV_FLAGS"


def table_head() -> str:
    """Return the header line of the table."""
    return "\t".join(COLUMNS) + "\n"


def table_row(effect: VariantEffect) -> str:
    """Return one row: POS 1-based as in the VCF, scores with six decimals, `NA` for what there is not."""
    delta = effect.delta
    match = "NA" if effect.ref_match is None else str(effect.ref_match).lower()
    fields = (
        effect.chrom, str(effect.start + 1), effect.id, effect.ref, effect.alt, effect.model,
        *(_number(value) for value in (effect.ref_score, effect.alt_score, delta, abs(delta))),
        "NA" if effect.offset is None else str(effect.offset), effect.strand, match,
        ";".join(effect.flags) or ".", *("NA" if math.isnan(p) else f"{p:.3g}" for p in (effect.ref_p, effect.alt_p)),
    )  # fmt: skip
    return "\t".join(fields) + "\n"


def _number(value: float) -> str:
    return "NA" if math.isnan(value) else f"{round(value, 6) + 0.0:.6f}"  # no minus zero


class VcfAnnotator:
    """Adds `BIOCONV_DELTA_<model>` and `BIOCONV_FLAGS` to INFO; every other byte stays as it was."""

    def __init__(self, run: VariantRun) -> None:
        self._models = {scorer.name: f"BIOCONV_DELTA_{info_name(scorer.name)}" for scorer in run.scorers}

    def head(self, header: Sequence[bytes], provenance: str) -> bytes:
        """Return the header with the new fields described, and a line `##bioconv=` on how they were made."""
        what = "Score of the alternative haplotype less that of the reference, model"
        lines = [f"##bioconv={provenance}"] if provenance else []
        for model, name in self._models.items():
            said = model.replace("\\", "/").replace('"', "'")
            lines.append(f'##INFO=<ID={name},Number=A,Type=Float,Description="{what} {said}">')
        why = "Why an allele has no score, or what to know about it; one entry per allele, flags joined by |"
        lines.append(f'##INFO=<ID={_FLAGS},Number=.,Type=String,Description="{why}">')
        return b"".join(line + b"\n" for line in with_header(header, lines, [*self._models.values(), _FLAGS]))

    def line(self, record: VcfRecord, alleles: Sequence[Sequence[VariantEffect]]) -> bytes:
        """Return a record's line with its alleles' effects."""
        info = {}
        for number, name in enumerate(self._models.values()):
            deltas = [effects[number].delta for effects in alleles]
            if not all(math.isnan(delta) for delta in deltas):
                info[name] = ",".join("." if math.isnan(delta) else f"{round(delta, 6) + 0.0:.6g}" for delta in deltas)
        flags = ["|".join(dict.fromkeys(flag for effect in effects for flag in effect.flags)) for effects in alleles]
        if any(flags):
            info[_FLAGS] = ",".join(flag or "." for flag in flags)
        return with_info(record.raw, info, also=[*self._models.values(), _FLAGS]) + b"\n"


def bgzip(stream: BinaryIO) -> BinaryIO:
    """Return a writer of bgzip blocks into a stream, which stays open when the writer is closed."""
    from Bio.bgzf import BgzfWriter

    return cast("BinaryIO", BgzfWriter(fileobj=_KeptOpen(stream)))  # type: ignore[no-untyped-call]


class _KeptOpen:
    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.mode = "wb"

    def close(self) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
