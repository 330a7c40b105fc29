"""Nuclei in stained tissue of many organs, MoNuSeg: to be fetched by hand."""

from __future__ import annotations

from bioconv.datasets.registry import Expected, Source

SOURCE = Source(
    name="monuseg",
    title="Nuclei in stained tissue of many organs (MoNuSeg 2018)",
    about="Tiles of 1000 x 1000 pixels at 40x, haematoxylin and eosin, of TCGA slides, with outlines of all nuclei as "
    "XML: 30 to train in the challenge, 37 in the archive offered since; 14 to test.",
    kind="images",
    citation="Kumar et al., IEEE Trans Med Imaging 39:1380-1391 (2020); Kumar et al., 36:1550-1560 (2017)",
    doi="10.1109/TMI.2019.2947628",
    licence="CC-BY-NC-SA-4.0",
    terms="Not for commercial use; pass on under the same terms.",
    weights="for comparison only",
    registration="Go to https://monuseg.grand-challenge.org/Data/ and download the training and the test data there",
    address="https://monuseg.grand-challenge.org/Data/",
    address_note="not tried; no sums of its files are known",
    split="Official: the training and the test archive.",
    expected=(
        Expected("*.tif", 44, shape=(1000, 1000), partner=".xml"),
        Expected("*.xml", 44, holds="<Annotations", partner=".tif"),
    ),
)
