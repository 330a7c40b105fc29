"""How the models of the package are trained again: one command line each, from data by name."""

from __future__ import annotations

from bioconv.datasets import chipseq

_NUCLEI = (
    "train segment dataset:dsb2018-bbbc038 -o first.safetensors --kind instances --polarity dark-background "
    "--decoder-convolutions 2 --widths 16,32,96,160,192 --per-epoch 4000 --epochs 16 --precision bfloat16 --seed 2",
    "train segment dataset:dsb2018-bbbc038 -o nuclei.safetensors --kind instances --from first.safetensors "
    "--gamma 0.5 --per-epoch 3000 --epochs 8 --learning-rate 0.0015 --precision bfloat16 --seed 2 --licence CC0-1.0",
)
_VESSELS = (
    "train segment dataset:chase-db1 -o first.safetensors --kind binary --class-names background,vessel "
    "--widths 16,24,32,48 --decoder-convolutions 2 --patch 192 --per-epoch 2000 --epochs 10 --batch-size 6 "
    "--foreground 0 --loss bce --precision bfloat16",
    "train segment dataset:chase-db1 -o vessels.safetensors --kind binary --class-names background,vessel "
    "--from first.safetensors --patch 192 --per-epoch 2000 --epochs 8 --batch-size 6 --foreground 0.3 --loss dice-ce "
    "--learning-rate 0.002 --precision bfloat16 --licence CC-BY-4.0",
)
_MAMMO_DDSM = (
    "train classify dataset:ddsm-cancer-cases-192 -o mammo-ddsm.safetensors --matched --pooling max --size 192,112 "
    "--dropout 0.3 --epochs 60 --batch-size 16 --learning-rate 0.002 --l2 0.02 --ema 0.98 --domain 'film mammograms "
    "(DDSM, 192 pixels) of women with a proven cancer'",
)
_SPLICE_SITES = (
    "train lstm dataset:uci-splice-junction -o splice-sites.safetensors --classes N,EI,IE --class-names "
    "EI=donor,IE=acceptor,N=neither --filters 64 --filter-length 9 --dropout 0.4 --epochs 25 --background neither "
    "--feature donor=five_prime_cis_splice_site@30+2 --feature acceptor=three_prime_cis_splice_site@28+2 "
    "--licence CC-BY-4.0",
)


def commands(model: str) -> tuple[str, ...]:
    """Return the commands, without `bioconv`, that train a model of the package again, in their order.

    Raises
    ------
    KeyError
        If the package has no such model, or it has no recipe.
    """
    return _recipes()[model]


def _recipes() -> dict[str, tuple[str, ...]]:
    binding = {
        f"encode-{subset.replace('_', '-').lower()}": (
            f"train deepbind dataset:{chipseq.SOURCE.name}/{subset} "
            f"-o encode-{subset.replace('_', '-').lower()}.safetensors --ranked --refit --licence Apache-2.0",
        )
        for subset in chipseq.SOURCE.subsets
    }
    return {**binding, "mammo-ddsm": _MAMMO_DDSM, "nuclei": _NUCLEI, "splice-sites": _SPLICE_SITES, "vessels": _VESSELS}
