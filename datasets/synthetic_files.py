"""Folders of synthetic data: whole or not at all, and every file in them says what it is."""

from __future__ import annotations

import csv
import io
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from bioconv.errors import OptionError, OutputError
from bioconv.images.pictures import to_png
from bioconv.outputs import open_output, provenance

NOTICE = (
    "SYNTHETIC: made by a program, not measured. For tests, demonstrations and teaching; it is evidence of nothing."
)


@contextmanager
def synthetic_folder(output: str | Path, kind: str, settings: Mapping[str, object], about: str) -> Iterator[Path]:
    """Make a folder under a temporary name; it gets its own, with a `README.txt`, when the block ends well.

    Parameters
    ----------
    kind
        What is made, as the command calls it.
    settings
        What it was made with: the same settings give the same bytes.
    about
        What the files are.

    Raises
    ------
    OutputError
        If the folder exists and is not empty, or cannot be written.
    """
    target = Path(output)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        message = f"-o {target} is there already; synthetic data get a folder of their own"
        raise OutputError(message)
    part = target.parent / f".{target.name}.{os.getpid()}.part"
    try:
        part.mkdir(parents=True)
        yield part
        line = provenance(make=kind, **settings)
        (part / "README.txt").write_text(f"{NOTICE}\n\n{about.strip()}\n\n{line}\n")
        part.replace(target)
    except OSError as error:
        message = f"cannot write {target}: {error.strerror}; nothing was kept"
        raise OutputError(message) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a table, tab-separated if so named, else by commas, after a `#` line that says it is synthetic."""
    text = io.StringIO()
    text.write(f"# {NOTICE}\n")
    writer = csv.writer(text, delimiter="\t" if path.suffix == ".tsv" else ",", lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    with open_output(path) as stream:
        stream.write(text.getvalue().encode())


def write_picture(path: Path, pixels: NDArray[Any], about: str) -> None:
    """Write a PNG whose text chunks say that it is synthetic."""
    with open_output(path) as stream:
        stream.write(to_png(pixels, texts={"Description": f"{NOTICE} {about}", "Source": provenance()}))


def check_count(count: int) -> None:
    """Refuse to make nothing.

    Raises
    ------
    OptionError
        If there is less than one.
    """
    if count < 1:
        message = f"--count is {count}; give 1 or more"
        raise OptionError(message)
