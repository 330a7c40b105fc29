"""What every form of `bioconv evaluate` writes: where it came from, JSON, the table, the notes."""

from __future__ import annotations

import hashlib
import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bioconv.cli.evaluate_options import Request

from bioconv import runtime

if TYPE_CHECKING:
    from bioconv.evaluation.figures import Settings

Figures = dict[str, Any]


def file_facts(path: str) -> Figures:
    """Return where an input lies and the sha256 of its bytes; what came through a pipe has gone by."""
    if not Path(path).is_file():
        return {"path": path}
    with Path(path).open("rb") as stream:
        return {"path": path, "sha256": hashlib.file_digest(stream, "sha256").hexdigest()}


def heading(task: str, inputs: Figures, settings: Settings) -> Figures:
    """Return what a result begins with."""
    from bioconv.version import __version__

    drawn = {"level": settings.level, "resamples": settings.resamples, "seed": settings.seed}
    line = shlex.join(["bioconv", *sys.argv[1:]])
    return {"bioconv": __version__, "command": line, "task": task, "inputs": inputs, **drawn}


def write_result(result: Figures, request: Request, table: str) -> None:
    """Write the JSON file, then JSON or the table to stdout, then the notes to the log."""
    from bioconv.outputs import open_output, provenance

    text = json.dumps(result, indent=1, allow_nan=False) + "\n"
    if request.output:
        with open_output(request.output) as stream:
            stream.write(text.encode())
    head = provenance(command=result["command"], level=result["level"], seed=result["seed"])
    with open_output(None) as stream:
        stream.write((text if request.as_json else f"# {head}\n{table}").encode())
    for note in result["notes"]:
        runtime.logger.info("%s", note)
