"""`bioconv.variants`: what the variants of a VCF do to a model's score."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from bioconv.sequence.deepbind import load_motif_model
from bioconv.sequence.reference_genome import Genome
from bioconv.sequence.variant_run import VariantEffect, VariantRun
from bioconv.sequence.variant_scores import VariantScorer
from bioconv.sequence.vcf import VcfReader
from bioconv.zoo import resolve

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class VariantOptions:
    """How variants are scored.

    Attributes
    ----------
    context : int, optional
        Score one stretch of this length with the variant in its middle, instead of the windows that touch it.
    window : int, optional
        Letters of a window, in place of the model's own.
    gated : bool
        Take a change between two haplotypes of which neither scores above 0 for none, as in the DeepBind authors'
        mutation maps.
    ref_mismatch : {"warn", "skip", "error"}
        Where the genome does not have a record's REF: score with it all the same, give no score, or stop.
    device : str
        `auto`, `cpu`, `cuda` or `cuda:N`.
    threads : int, optional
        Default: the processors this process may use. Results do not depend on it.
    """

    context: int | None = None
    window: int | None = None
    gated: bool = False
    ref_mismatch: str = "warn"
    device: str = "auto"
    threads: int | None = None


class VariantEffects:
    """The effects of the variants of a VCF: iterate over them once, or turn them into a table.

    Parameters
    ----------
    run
        The models and the genome; variants are scored as the effects are read.
    path
        The VCF.
    """

    def __init__(self, run: VariantRun, path: str | Path) -> None:
        self._run = run
        self._path = path

    def __iter__(self) -> Iterator[VariantEffect]:
        with VcfReader(self._path) as reader:
            reader.read_header()
            for _, alleles in self._run.effects(reader):
                for effects in alleles:
                    yield from effects
        self._run.close()

    def to_pandas(self) -> pd.DataFrame:
        """Return all effects as a table with the fields of `VariantEffect` as columns (needs pandas)."""
        import pandas as pd

        names = [field.name for field in fields(VariantEffect)]
        return pd.DataFrame([[getattr(effect, name) for name in names] for effect in self], columns=names)


def variants(
    vcf: str | os.PathLike[str],
    *,
    reference: str | os.PathLike[str],
    model: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    options: VariantOptions | None = None,
) -> VariantEffects:
    r"""Score the variants of a VCF with models: alternative haplotype against reference.

    Parameters
    ----------
    vcf : path
        VCF 4, plain, gzip or bgzip; `-` is stdin.
    reference : path
        FASTA of the genome, plain or bgzip; a missing index is made.
    model : name or path, or a list of them
    options : VariantOptions, optional

    Returns
    -------
    VariantEffects
        Iterate over it once for `VariantEffect` records: per variant, per alternative allele, per model. Nothing is
        left out: an allele without letters (`*`, `<DEL>`, a breakend) comes without scores and says why in `flags`.

    Raises
    ------
    InputError, ModelError, OptionError

    Examples
    --------
    >>> import tempfile, pathlib
    >>> import numpy as np
    >>> from bioconv import variants
    >>> from bioconv.conv.detectors import Detectors
    >>> from bioconv.models.model_file import write_model
    >>> from bioconv.sequence.deepbind import MotifModel, to_model_file
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> gata = np.eye(4)[[2, 0, 3, 0]].T[None]
    >>> detectors = Detectors(gata, np.zeros(1), False, np.ones((1, 1)), np.zeros(1), None, 0.0, True)
    >>> write_model(folder / "gata.safetensors", to_model_file(MotifModel("gata", detectors, window=4, padded=False)))
    >>> _ = (folder / "ref.fa").write_text(">chr1\nCCCCGATACCCCC\n")
    >>> rows = ["#CHROM POS ID REF ALT QUAL FILTER INFO".split(), "1 7 . T C . . .".split()]
    >>> _ = (folder / "v.vcf").write_text("##fileformat=VCFv4.2\n" + "".join("\t".join(row) + "\n" for row in rows))
    >>> for effect in variants(folder / "v.vcf", reference=folder / "ref.fa", model=folder / "gata.safetensors"):
    ...     print(effect.start, effect.alt, effect.ref_score, effect.alt_score, effect.offset, effect.strand)
    6 C 4.0 3.0 -2 +
    """
    chosen = options or VariantOptions()
    models = [model] if isinstance(model, (str, os.PathLike)) else list(model)
    return VariantEffects(build_run(models, reference, chosen), os.fspath(vcf))


def build_run(
    models: Sequence[str | os.PathLike[str]], reference: str | os.PathLike[str], options: VariantOptions
) -> VariantRun:
    """Load models and genome; models that share a name are told apart by `#2`, `#3`, ..."""
    scorers: list[VariantScorer] = []
    names: dict[str, int] = {}
    for given in models:
        loaded = load_motif_model(resolve(os.fspath(given)))
        scorer = VariantScorer(
            loaded, context=options.context, window=options.window, gated=options.gated, device=options.device
        )
        names[loaded.name] = times = names.get(loaded.name, 0) + 1
        scorer.name += f"#{times}" if times > 1 else ""
        scorers.append(scorer)
    genome = Genome(os.fspath(reference))
    return VariantRun(genome, scorers, ref_mismatch=options.ref_mismatch, threads=options.threads)
