"""The 927 published DeepBind models, as a data set: `bioconv models get` makes models of it."""

from __future__ import annotations

from bioconv.datasets.registry import Source

SOURCE = Source(
    name="deepbind-models-2015",
    title="The 927 published DeepBind models",
    about="Parameters of models of SELEX (461), RNAcompete (244), ChIP-seq (137) and PBM (85), and the index of them. "
    "`bioconv models get deepbind-models-2015` unpacks them under names that commands take.",
    kind="models",
    citation="Alipanahi, Delong, Weirauch & Frey, Nat Biotechnol 33:831-838 (2015)",
    doi="10.1038/nbt.3300",
    licence="BSD-3-Clause",
    terms="Free to use and pass on with the authors' notice.",
    weights="they are weights: fetched by users, not carried in the package",
    address="https://github.com/kundajelab/deepbind",
    conversion="The parameter files of one commit, packed into one archive.",
)
