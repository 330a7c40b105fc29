"""How the models of the package are trained again: the trainings of each, in their order, from data by name."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from bioconv.datasets import chipseq

from bioconv.errors import ModelError

_NUCLEI = (
    "train segment dataset:dsb2018-bbbc038 -o first.safetensors --kind instances --polarity dark-background "
    "--decoder-convolutions 2 --widths 16,32,96,160,192 --per-epoch 4000 --epochs 16 --precision bfloat16 --seed 2",
    "train segment dataset:dsb2018-bbbc038 -o nuclei.safetensors --kind instances --from first.safetensors "
    "--gamma 0.5 --per-epoch 3000 --epochs 8 --learning-rate 0.0015 --precision bfloat16 --seed 2 --licence CC0-1.0 "
    "--citation 'Caicedo et al. 2019, doi 10.1038/s41592-019-0612-7 (BBBC038v1)'",
)
_VESSELS = (
    "train segment dataset:chase-db1 -o first.safetensors --kind binary --class-names background,vessel "
    "--widths 16,24,32,48 --decoder-convolutions 2 --patch 192 --per-epoch 2000 --epochs 10 --batch-size 6 "
    "--foreground 0 --loss bce --precision bfloat16",
    "train segment dataset:chase-db1 -o vessels.safetensors --kind binary --class-names background,vessel "
    "--from first.safetensors --patch 192 --per-epoch 2000 --epochs 8 --batch-size 6 --foreground 0.3 --loss dice-ce "
    "--learning-rate 0.002 --precision bfloat16 --licence CC-BY-4.0 "
    "--citation 'Fraz et al. 2012, doi 10.1109/TBME.2012.2205687 (CHASE_DB1, Kingston University)'",
)
_MAMMO_DDSM = (
    "train classify dataset:ddsm-cancer-cases-192 -o mammo-ddsm.safetensors --matched --pooling max --size 192,112 "
    "--dropout 0.3 --epochs 60 --batch-size 16 --learning-rate 0.002 --l2 0.02 --ema 0.98 --domain 'film mammograms "
    "(DDSM, 192 pixels) of women with a proven cancer' --licence 'research use only; cite DDSM' --citation 'Heath et "
    "al. 2001, The Digital Database for Screening Mammography, Proc. 5th IWDM, 212-218'",
)
_SPLICE_SITES = (
    "train lstm dataset:uci-splice-junction -o splice-sites.safetensors --classes N,EI,IE --class-names "
    "EI=donor,IE=acceptor,N=neither --filters 64 --filter-length 9 --dropout 0.4 --epochs 25 --background neither "
    "--feature donor=five_prime_cis_splice_site@30+2 --feature acceptor=three_prime_cis_splice_site@28+2 "
    "--licence CC-BY-4.0 --citation 'Towell, Noordewier & Shavlik 1992, UCI Machine Learning Repository, doi "
    "10.24432/C5M888'",
)
_ENCODE = (
    "--citation 'Data: ENCODE Project Consortium, Nature 489:57-74 (2012), doi 10.1038/nature11247; prepared by "
    "Alipanahi, Delong, Weirauch & Frey, Nat Biotechnol 33:831-838 (2015), doi 10.1038/nbt.3300'"
)


@dataclass(frozen=True)
class Step:
    """One training of a recipe.

    Parameters
    ----------
    words
        The command, without `bioconv`.
    output
        The model file it writes.
    data
        What it is trained on: `dataset:NAME` or `dataset:NAME/SUBSET`.
    """

    words: tuple[str, ...]
    output: Path
    data: str

    @property
    def line(self) -> str:
        """Return the command as it is typed."""
        return shlex.join(["bioconv", *self.words])


def recipe_names() -> tuple[str, ...]:
    """Return the models that have a recipe."""
    return tuple(_recipes())


def commands(model: str) -> tuple[str, ...]:
    """Return the commands, without `bioconv`, that train a model of the package again, in their order.

    Raises
    ------
    ModelError
        If there is no recipe of that name.
    """
    known = _recipes()
    if model not in known:
        message = f"no recipe to train {model!r} again; there is one for each of {', '.join(known)}"
        raise ModelError(message)
    return known[model]


def steps(model: str, output: str | Path) -> tuple[Step, ...]:
    """Return the trainings of a model for a file of any name; the models in between lie beside it.

    Raises
    ------
    ModelError
        If there is no recipe of that name.

    Examples
    --------
    >>> [str(step.output) for step in steps("nuclei", "mine/again.safetensors")]
    ['mine/again-first.safetensors', 'mine/again.safetensors']
    """
    output, split = Path(output), [shlex.split(command) for command in commands(model)]
    own = [words[words.index("-o") + 1] for words in split]
    placed = {name: output.with_name(f"{output.stem}-{name}") for name in own[:-1]} | {own[-1]: output}
    return tuple(
        Step(
            tuple(str(placed.get(word, word)) for word in words),
            placed[name],
            next(word for word in words if word.startswith("dataset:")),
        )
        for words, name in zip(split, own, strict=True)
    )


def _recipes() -> dict[str, tuple[str, ...]]:
    binding = {
        f"encode-{subset.replace('_', '-').lower()}": (
            f"train deepbind dataset:{chipseq.SOURCE.name}/{subset} "
            f"-o encode-{subset.replace('_', '-').lower()}.safetensors --ranked --refit --licence Apache-2.0 {_ENCODE}",
        )
        for subset in chipseq.SOURCE.subsets
        if any(one.name.startswith(f"{subset}_") and "_AC." in one.name for one in chipseq.SOURCE.files)
    }
    return {**binding, "mammo-ddsm": _MAMMO_DDSM, "nuclei": _NUCLEI, "splice-sites": _SPLICE_SITES, "vessels": _VESSELS}
