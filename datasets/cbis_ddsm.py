"""Mammograms with masses and calcifications, CBIS-DDSM: to be fetched by hand."""

from __future__ import annotations

from bioconv.datasets.registry import Expected, Result, Source

SOURCE = Source(
    name="cbis-ddsm",
    title="Curated Breast Imaging Subset of DDSM",
    about="10,239 DICOM files (163.6 GB) of 1,566 women: film mammograms with masses or calcifications, outlines of "
    "them, and four tables of descriptions with proven pathology.",
    kind="images",
    citation="Lee et al., Sci Data 4:170177 (2017); the data: doi 10.7937/K9/TCIA.2016.7O02S9CY",
    doi="10.1038/sdata.2017.177",
    licence="CC-BY-3.0",
    terms="Free to use and pass on with citation.",
    weights="may be passed on; cite the set",
    registration="Go to https://www.cancerimagingarchive.net/collection/cbis-ddsm/ and fetch it there with the NBIA "
    "Data Retriever",
    address="https://www.cancerimagingarchive.net/collection/cbis-ddsm/",
    address_note="not tried; no sums of its files are known",
    split="Official: the tables `*_train_set.csv` and `*_test_set.csv`. Some women are in a mass and in a "
    "calcification table: group by patient.",
    results=(
        Result(
            "Shen 2019, one model",
            "AUROC per image, malignant against benign",
            "0.88",
            "doi 10.1038/s41598-019-48995-4",
        ),
        Result(
            "Shen 2019, ensemble", "AUROC per image, malignant against benign", "0.91", "doi 10.1038/s41598-019-48995-4"
        ),
    ),
    expected=(
        Expected("mass_case_description_train_set.csv", 1, holds="pathology"),
        Expected("mass_case_description_test_set.csv", 1, holds="pathology"),
        Expected("calc_case_description_train_set.csv", 1, holds="pathology"),
        Expected("calc_case_description_test_set.csv", 1, holds="pathology"),
        Expected("*.dcm", 10_239, holds="DICM"),
    ),
)
