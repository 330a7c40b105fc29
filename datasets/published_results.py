"""Tables of published figures."""

from __future__ import annotations

from bioconv.datasets.registry import Source

SOURCE = Source(
    name="published-results",
    title="Published figures to compare with",
    about="Areas of DeepSEA and DanQ for 919 features, of DeepBind re-implementations, of matrices on the ENCODE sets, "
    "and error rates on the UCI sets, each with its protocol.",
    kind="results",
    citation="Quang & Xie, Nucleic Acids Res 44:e107 (2016), and others named in the tables",
    doi="10.1093/nar/gkw226",
    licence="MIT (tables of lab-rasool); non-commercial (table of DanQ)",
    terms="Figures are facts; the table of DanQ comes from a repository for non-commercial use.",
    weights="nothing is trained on it",
    address="https://github.com/uci-cbcl/DanQ",
)
