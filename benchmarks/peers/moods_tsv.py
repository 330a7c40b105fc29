"""FASTA to TSV with MOODS 1.9.4.1: python moods_tsv.py MOTIFS.jaspar SEQUENCES.fa OUT.tsv P.

It has no p-values of hits.
"""

import sys
from pathlib import Path

import MOODS.scan
import MOODS.tools
from sequences import COLUMNS, read_fasta, read_jaspar, reverse_complement

PSEUDOCOUNT = 0.1
WINDOW = 7  # as in MOODS's own scripts


def main(motifs: str, sequences: str, output: str, p: float) -> None:
    background = MOODS.tools.flat_bg(4)
    names, matrices, thresholds = [], [], []
    for motif_id, alt, counts in read_jaspar(motifs):
        matrix = MOODS.tools.log_odds(counts, background, PSEUDOCOUNT, 2)
        threshold = MOODS.tools.threshold_from_p(matrix, background, p)
        for strand, oriented in (("+", matrix), ("-", MOODS.tools.reverse_complement(matrix))):
            names.append((motif_id, alt, strand, len(matrix[0])))
            matrices.append(oriented)
            thresholds.append(threshold)
    scanner = MOODS.scan.Scanner(WINDOW)
    scanner.set_motifs(matrices, background, thresholds)
    with Path(output).open("w") as stream:
        stream.write(COLUMNS)
        for name, letters in read_fasta(sequences):
            for (motif_id, alt, strand, length), hits in zip(names, scanner.scan(letters), strict=True):
                head = f"{motif_id}\t{alt}\t{name}\t"
                rows = []
                for hit in hits:
                    at = hit.pos
                    matched = letters[at : at + length]
                    if strand == "-":
                        matched = reverse_complement(matched)
                    rows.append(f"{head}{at + 1}\t{at + length}\t{strand}\t{hit.score:.6g}\t\t\t{matched}\n")
                stream.write("".join(rows))


if __name__ == "__main__":
    main(*sys.argv[1:4], float(sys.argv[4]))
