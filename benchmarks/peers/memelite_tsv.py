"""FASTA to TSV with memelite 0.5.0: python memelite_tsv.py MOTIFS.meme SEQUENCES.fa OUT.tsv P.

It returns no matched letters.
Threads: the environment variable NUMBA_NUM_THREADS.
"""

import sys
from pathlib import Path

from memelite.fimo import fimo
from sequences import COLUMNS


def main(motifs: str, sequences: str, output: str, p: float) -> None:
    with Path(output).open("w") as stream:
        stream.write(COLUMNS)
        for hits in fimo(motifs, sequences, threshold=p):
            if not len(hits):
                continue
            motif_id, _, alt = hits["motif_name"].iloc[0].partition(" ")
            names = ("sequence_name", "start", "end", "strand", "score", "p-value")
            columns = zip(*(hits[name].tolist() for name in names), strict=True)
            stream.write(
                "".join(
                    f"{motif_id}\t{alt}\t{name}\t{start + 1}\t{end}\t{strand}\t{score:.6g}\t{p_hit:.3g}\t\t\n"
                    for name, start, end, strand, score, p_hit in columns
                )
            )


if __name__ == "__main__":
    main(*sys.argv[1:4], float(sys.argv[4]))
