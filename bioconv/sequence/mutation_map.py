"""`bioconv.mutation_map`: what every single substitution of a sequence does to a model's score.

Alipanahi et al., Nat Biotechnol 33:831-838 (2015), doi 10.1038/nbt.3300, call this picture a mutation map.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bioconv import runtime
from bioconv.errors import InputError, OptionError
from bioconv.sequence.fasta import FastaReader, encode
from bioconv.sequence.predictors import Predictor, load_predictors
from bioconv.sequence.records import Piece, whole_records
from bioconv.sequence.reference_genome import Genome
from bioconv.wording import counted, unreadable

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]

LONGEST = 10_000
LETTERS = "ACGTN"
_AT_ONCE = 1 << 22  # letters of substituted sequences in memory
_REGION = re.compile(r"(?P<name>.+):(?P<start>[0-9,]{1,20})-(?P<end>[0-9,]{1,20})\Z")
_SEQUENCE = re.compile(r"[ACGTUNacgtun]+\Z")


@dataclass(frozen=True, eq=False)
class MutationMap:
    """Scores of a sequence and of all its single substitutions.

    Attributes
    ----------
    name, model : str
    start : int
        Place of the first letter, 0-based.
    codes : (L,) uint8
        The sequence: A=0 C=1 G=2 T=3, 4 unknown.
    score : float
        Of the sequence itself.
    scores : (L, 4) float64
        With A, C, G, T at each place; `score` where that is the letter already.
    """

    name: str
    model: str
    start: int
    codes: NDArray[np.uint8]
    score: float
    scores: Floats

    @property
    def sequence(self) -> str:
        """The letters."""
        return "".join(LETTERS[code] for code in self.codes.tolist())

    def deltas(self, *, gated: bool = False) -> Floats:
        """Return the (L, 4) changes of the score.

        Parameters
        ----------
        gated
            As the authors' program draws them: zero where neither the sequence nor the substituted one scores above 0,
            so that changes between two sequences that are not bound do not show.
        """
        delta = self.scores - self.score
        return np.asarray(np.where(np.maximum(self.scores, self.score) > 0, delta, 0.0)) if gated else delta

    def importance(self, *, gated: bool = False) -> Floats:
        """Return (L,) how much each letter is worth: the largest loss that a substitution of it brings, or 0.

        Parameters
        ----------
        gated
            As in `deltas`.
        """
        return np.asarray(np.maximum(-self.deltas(gated=gated).min(axis=1), 0))

    def to_pandas(self, *, gated: bool = False) -> pd.DataFrame:
        """Return one row per place (0-based) and other letter: position, ref, alt, score, delta (needs pandas).

        Parameters
        ----------
        gated
            As in `deltas`, for the column `delta`.
        """
        import pandas as pd

        deltas = self.deltas(gated=gated)
        rows = [
            (self.start + place, LETTERS[code], LETTERS[letter], self.scores[place, letter], deltas[place, letter])
            for place, code in enumerate(self.codes.tolist())
            for letter in range(4)
            if letter != code
        ]
        return pd.DataFrame(rows, columns=["position", "ref", "alt", "score", "delta"])


@dataclass(frozen=True)
class Target:
    """A sequence to be mapped: its name, place (0-based) of its first letter, and letters."""

    name: str
    start: int
    sequence: str


def read_target(given: str, reference: str | os.PathLike[str] | None = None) -> Target:
    """Read a sequence as letters, from a FASTA file, or as a region of a genome.

    Parameters
    ----------
    given
        `chr:start-end`, 1-based, both ends included (as samtools takes it), if there is a reference; else a FASTA
        file with one record (`-`: stdin), or letters.
    reference
        FASTA of the genome.

    Raises
    ------
    InputError
        If it is none of these, empty, longer than 10,000 letters, or outside its sequence.
    """
    match = _REGION.match(given)
    if reference is not None and match:
        return _from_region(match, Genome(os.fspath(reference), "-r"))
    if reference is not None:
        message = f"{given!r} is no region; with -r give one like chr1:101-200 (1-based, both ends included)"
        raise InputError(message)
    if given == "-" or os.path.isfile(given):  # noqa: PTH113 - letters may be longer than a name can be
        return _from_file(given)
    if _SEQUENCE.match(given):
        return _checked(Target("sequence", 0, given.upper().replace("U", "T")), "the sequence")
    if os.path.isdir(given):  # noqa: PTH112 - as above
        raise InputError(unreadable(given, IsADirectoryError()))
    hint = "; for a region give its genome with -r" if match else "; check the path, or the letters"
    message = f"{given[:60]!r} is neither a FASTA file nor letters of a sequence (ACGTUN){hint}"
    raise InputError(message)


def _from_region(match: re.Match[str], genome: Genome) -> Target:
    start, end = (int(match[part].replace(",", "") or 0) for part in ("start", "end"))
    contig = genome.contig(match["name"])
    if contig is None:
        message = f"region {match.group()}: {match['name']} is not in {genome.path}"
        raise InputError(message)
    if not 1 <= start <= end <= genome.lengths[contig]:
        message = f"region {match.group()}: expected 1 <= start <= end <= {genome.lengths[contig]:,} (1-based)"
        raise InputError(message)
    _check_length(end - start + 1, f"region {match.group()}")
    return Target(contig, start - 1, genome.fetch(contig, start - 1, end).decode())


def _from_file(path: str) -> Target:
    found: list[Target] = []
    reader = FastaReader(path, overlap=0, padding=0)
    for item in whole_records(reader.chunks(), longest=LONGEST):
        if isinstance(item, Piece):
            _check_length(LONGEST + 1, f"{reader.source}, record {item.record.name!r}")
            continue
        for record, codes in zip(item.records, item.codes, strict=True):
            found.append(Target(record.name, 0, "".join(LETTERS[code] for code in codes.tolist())))
        if len(found) > 1:
            break
    if len(found) != 1:
        many = f"more than one record ({found[0].name}, {found[1].name}, ...)" if found else "no record"
        message = f"{reader.source}: {many}; a mutation map is of one sequence"
        raise InputError(message)
    if other := reader.ambiguous + reader.foreign:
        said = counted(other, "letter")
        runtime.logger.warning("%s: %s other than ACGTUN taken as unknown", reader.source, said)
    return _checked(found[0], f"{reader.source}, record {found[0].name!r}")


def _checked(target: Target, where: str) -> Target:
    if not target.sequence:
        message = f"{where}: no letters in it"
        raise InputError(message)
    _check_length(len(target.sequence), where)
    return target


def _check_length(length: int, where: str) -> None:
    if length > LONGEST:
        message = f"{where} is longer than {LONGEST:,} letters; give a part of it"
        raise InputError(message)


def map_mutations(target: Target, predictor: Predictor) -> MutationMap:
    """Score a sequence and all its single substitutions, whole, with one model.

    Raises
    ------
    OptionError
        If the model gives no score.
    """
    if "score" not in predictor.labels:
        message = f"model {predictor.name} has no score but {', '.join(predictor.labels)}; a mutation map needs one"
        raise OptionError(message)
    codes = encode(target.sequence)
    length = len(codes)
    place, letter = np.divmod(np.arange(4 * length), 4)
    other = codes[place] != letter
    place, letter = place[other], letter[other]
    scores = np.empty((length, 4))
    own = float(predictor.predict([codes])[0, predictor.labels.index("score")])
    scores[:] = own
    step = max(_AT_ONCE // length, 1)
    for first in range(0, len(place), step):
        at, to = place[first : first + step], letter[first : first + step]
        changed = np.tile(codes, (len(at), 1))
        changed[np.arange(len(at)), at] = to
        scores[at, to] = predictor.predict(list(changed))[:, predictor.labels.index("score")]
    return MutationMap(target.name, predictor.name, target.start, codes, own, scores)


def mutation_map(
    sequence: str,
    *,
    model: str | os.PathLike[str],
    reference: str | os.PathLike[str] | None = None,
    device: str = "auto",
) -> MutationMap:
    """Score every single substitution of a sequence.

    The score is that of the whole sequence, as `predict` gives it: exact, nothing is approximated.

    Parameters
    ----------
    sequence : str
        Letters, a FASTA file with one record, or with `reference` a region `chr:start-end` (1-based, both ends
        included, as samtools takes it).
    model : name or path
    reference : path, optional
        FASTA of the genome, plain or bgzip.
    device : str
        `auto`, `cpu`, `cuda` or `cuda:N`.

    Returns
    -------
    MutationMap

    Raises
    ------
    InputError, ModelError, OptionError

    Examples
    --------
    >>> import tempfile, pathlib
    >>> import numpy as np
    >>> from bioconv import mutation_map
    >>> from bioconv.conv.detectors import Detectors
    >>> from bioconv.models.model_file import write_model
    >>> from bioconv.sequence.deepbind import MotifModel, to_model_file
    >>> gata = np.eye(4)[[2, 0, 3, 0]].T[None]
    >>> detectors = Detectors(gata, np.zeros(1), False, np.ones((1, 1)), np.zeros(1), None, 0.0, False)
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "gata.safetensors"
    >>> write_model(file, to_model_file(MotifModel("gata", detectors, window=4, padded=False)))
    >>> found = mutation_map("CCGATACC", model=file)
    >>> found.score, found.importance().round().astype(int).tolist()
    (4.0, [0, 0, 1, 1, 1, 1, 0, 0])
    """
    (predictor,) = load_predictors([model], device=device)
    return map_mutations(read_target(sequence, reference), predictor)
