"""Find the genes of a plasmid that have a CRP or LexA site in front of them.

Takes the 150 bases upstream of every annotated gene of *Yersinia pestis* plasmid pPCP1 and scans them with two
motifs of *E. coli* regulators. Run from anywhere: `python examples/scan_promoters.py`.
"""

from pathlib import Path

from Bio import SeqIO

import bioconv
from bioconv.sequence.scanning.options import ScanOptions

DATA = Path(__file__).parent / "data"
UPSTREAM = 150


def promoters(path: Path) -> dict[str, str]:
    """Return the sequence upstream of each gene, read in the gene's direction, by gene name."""
    record = SeqIO.read(path, "genbank")
    sequences = {}
    for feature in record.features:
        if feature.type != "gene":
            continue
        name = feature.qualifiers.get("gene", feature.qualifiers["locus_tag"])[0]
        start, end = int(feature.location.start), int(feature.location.end)
        if feature.location.strand > 0:
            upstream = record.seq[max(0, start - UPSTREAM) : start]
        else:
            upstream = record.seq[end : end + UPSTREAM].reverse_complement()
        sequences[name] = str(upstream)
    return sequences


def main() -> None:
    """Print the sites, best first."""
    options = ScanOptions(p=1e-4, best_per_sequence=True, sort="p")
    hits = bioconv.scan(promoters(DATA / "NC_005816.gb"), motifs=DATA / "crp_lexa.meme", options=options)
    print("gene\tmotif\tdistance to gene\tstrand\tp-value\tq-value\tsite")
    for hit in hits:
        distance = UPSTREAM - hit.end
        row = (hit.sequence_name, hit.motif_id, distance, hit.strand, f"{hit.p_value:.2g}", f"{hit.q_value:.2g}")
        print(*row, hit.matched_sequence, sep="\t")


if __name__ == "__main__":
    main()
