"""FASTA to TSV with lightmotif 0.10.1: python lightmotif_tsv.py MOTIFS.jaspar SEQUENCES.fa OUT.tsv P."""

import sys
from pathlib import Path

import lightmotif
from sequences import COLUMNS, read_fasta, reverse_complement

PSEUDOCOUNT = 0.025  # per letter, as bioconv's 0.1 per column


def main(motifs: str, sequences: str, output: str, p: float) -> None:
    scorers = []
    for motif in lightmotif.load(motifs, "jaspar16"):
        pssm = motif.counts.normalize(PSEUDOCOUNT).log_odds()
        threshold = pssm.score(p)
        scorers.append((motif.name, motif.description or "", pssm, pssm.reverse_complement(), threshold))
    with Path(output).open("w") as stream:
        stream.write(COLUMNS)
        for name, letters in read_fasta(sequences):
            striped = lightmotif.stripe(letters)
            for motif_id, alt, pssm, mirrored, threshold in scorers:
                length, p_value = len(pssm), pssm.pvalue
                head = f"{motif_id}\t{alt}\t{name}\t"
                for matrix, strand in ((pssm, "+"), (mirrored, "-")):
                    rows = []
                    for hit in lightmotif.Scanner(matrix, striped, threshold=threshold):
                        at, score = hit.position, hit.score
                        matched = letters[at : at + length]
                        if strand == "-":
                            matched = reverse_complement(matched)
                        p_hit = f"{p_value(score):.3g}"
                        rows.append(f"{head}{at + 1}\t{at + length}\t{strand}\t{score:.6g}\t{p_hit}\t\t{matched}\n")
                    stream.write("".join(rows))


if __name__ == "__main__":
    main(*sys.argv[1:4], float(sys.argv[4]))
