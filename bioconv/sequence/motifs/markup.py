"""Motifs inside MEME's XML and HTML outputs."""

from __future__ import annotations

import json
import re
from typing import Any
from xml.parsers import expat

from bioconv.errors import MotifError
from bioconv.sequence.motifs.matrix import Matrix, fail, parse_position, parse_row
from bioconv.wording import counted

_DATA = re.compile(r"\bdata\s*=\s*(?=\{)")
_USE_TEXT = "; give MEME's text output (meme.txt) instead"


def read_xml(text: str, path: str) -> list[Matrix]:
    """Return the probability matrices of MEME's XML output.

    Documents that declare entities are refused: MEME writes none, and they can expand without bound.

    Raises
    ------
    MotifError
        Naming file and line, if the document is malformed or its alphabet is neither DNA nor RNA.
    """
    reader = _XmlReader(path)
    try:
        reader.parser.Parse(text.encode(), True)
    except expat.ExpatError as error:
        problem = f"malformed XML ({expat.ErrorString(error.code)}); the file may be cut off"
        fail(path, error.lineno, problem)
    return reader.matrices


class _XmlReader:
    """Follows the elements of a MEME document and collects `motif/probabilities`."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.root = ""
        self.matrices: list[Matrix] = []
        self.symbols: dict[str, str] = {}
        self.parser = expat.ParserCreate(encoding="utf-8")
        self.parser.StartElementHandler = self.start
        self.parser.EndElementHandler = self.end
        self.parser.CharacterDataHandler = self.characters
        self.parser.EntityDeclHandler = self.refuse_entity
        self._motif: tuple[int, dict[str, str]] | None = None
        self._rows: list[list[float]] = []
        self._lines: list[int] = []
        self._values: dict[str, str] = {}
        self._letter = ""
        self._inside = False

    def line(self) -> int:
        return self.parser.CurrentLineNumber

    def refuse_entity(self, *declaration: object) -> None:
        fail(
            self.path,
            self.line(),
            f"the XML declares an entity ({declaration[0]}), which is refused" + _USE_TEXT,
        )

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if not self.root:
            self.root = tag
            if tag != "MEME":
                fail(self.path, self.line(), f"an XML document of <{tag}>, MEME's <MEME> expected" + _USE_TEXT)
        elif tag == "letter":
            self.symbols[attributes.get("id", "")] = attributes.get("symbol", "").upper()
        elif tag == "alphabet":
            kind = attributes.get("like", attributes.get("name", attributes.get("id", "")))
            if kind.lower() in {"protein", "amino-acid"}:
                fail(self.path, self.line(), "a protein alphabet; only DNA and RNA motifs can be used")
        elif tag == "motif":
            self._motif, self._rows, self._lines = (self.line(), attributes), [], []
        elif tag == "probabilities":
            self._inside = True
        elif tag == "alphabet_array":
            self._values = {}
        elif tag == "value":
            self._letter = self.symbols.get(attributes.get("letter_id", ""), attributes.get("letter_id", ""))
            self._values[self._letter] = ""

    def characters(self, data: str) -> None:
        if self._inside and self._letter:
            self._values[self._letter] = self._values.get(self._letter, "") + data

    def end(self, tag: str) -> None:
        if tag == "value":
            self._letter = ""
        elif tag == "probabilities":
            self._inside = False
        elif tag == "alphabet_array" and self._inside:
            self._rows.append(self._position())
            self._lines.append(self.line())
        elif tag == "motif" and self._motif:
            self.matrices.append(self._matrix(*self._motif))
            self._motif = None

    def _position(self) -> list[float]:
        values = {letter.replace("U", "T"): value.strip() for letter, value in self._values.items()}
        if set(values) != set("ACGT"):
            given = " ".join(self._values)
            fail(self.path, self.line(), f"a position with letters {given!r}; A, C, G and T expected")
        return parse_position([values[base] for base in "ACGT"], self.path, self.line())

    def _matrix(self, line: int, attributes: dict[str, str]) -> Matrix:
        name = attributes.get("name") or attributes.get("id", "")
        _check_width(name, attributes.get("width"), len(self._rows), self.path, line)
        sites = parse_row([attributes["sites"]], self.path, line)[0] if "sites" in attributes else None
        return Matrix(name, attributes.get("alt", ""), line, self._rows, self._lines, sites or None)


def read_html(text: str, path: str) -> list[Matrix]:
    """Return the matrices of the JSON that MEME, DREME and STREME embed in their HTML (`var data = {...}`).

    Raises
    ------
    MotifError
        If there is no such JSON, or what it holds are no DNA or RNA motifs.
    """
    found = _DATA.search(text)
    if found is None:
        message = f"{path}: an HTML page without embedded motifs" + _USE_TEXT
        raise MotifError(message)
    line = text.count("\n", 0, found.end()) + 1
    try:
        data, end = json.JSONDecoder().raw_decode(text, found.end())
    except (ValueError, RecursionError) as error:
        message = f"{path}:{line}: the embedded data is no JSON ({error})" + _USE_TEXT
        raise MotifError(message) from error
    motifs = data.get("motifs")
    if not isinstance(motifs, list):
        fail(path, line, "the embedded data holds no list of motifs" + _USE_TEXT)
    _check_symbols(data, path, line)
    places = [text.count("\n", 0, m.start()) + 1 for m in re.finditer(r'"pwm"\s*:', text[:end])]
    places += [line] * (len(motifs) - len(places))
    return [_from_json(motif, path, place) for motif, place in zip(motifs, places, strict=False)]


def _check_symbols(data: dict[str, Any], path: str, line: int) -> None:
    try:
        alphabet = data["alphabet"]
        letters = "".join(symbol["symbol"] for symbol in alphabet["symbols"][: alphabet["ncore"]])
    except (KeyError, TypeError):
        fail(path, line, "the embedded data names no alphabet" + _USE_TEXT)
    if letters.upper() not in {"ACGT", "ACGU"}:
        fail(
            path,
            line,
            f"alphabet {letters!r}: only DNA (ACGT) and RNA (ACGU) motifs can be used, not protein",
        )


def _from_json(motif: Any, path: str, line: int) -> Matrix:
    try:
        name, alt = str(motif["id"]), str(motif.get("alt", ""))
        rows = [parse_position([str(value) for value in row], path, line) for row in motif["pwm"]]
        sites = parse_row([str(motif["nsites"])], path, line)[0] if "nsites" in motif else None
    except (KeyError, TypeError, AttributeError):
        fail(path, line, "a motif of the embedded data lacks id or pwm" + _USE_TEXT)
    _check_width(name, motif.get("len"), len(rows), path, line)
    return Matrix(name, alt, line, rows, [line] * len(rows), sites or None)


def _check_width(name: str, width: object, rows: int, path: str, line: int) -> None:
    if width is not None and str(width) != str(rows):
        follow = counted(rows, "position", does=("follows", "follow"))
        fail(
            path,
            line,
            f"motif {name} announces width {width} but {follow}; correct one of them",
        )
