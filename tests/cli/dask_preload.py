"""What workers of the tests' cluster load: some hold a piece until they are killed, some end at it, one is old.

`ROLE` says which; `CONTROL` is a folder: where `hold` lies in it, no piece is done before `caught` lies there too,
which a victim writes, with its process, when it has done a piece and not yet handed it in.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import bioconv.cluster

CONTROL = Path(os.environ["CONTROL"])
ROLE = os.environ["ROLE"]
original = vars(bioconv.cluster).setdefault("run_piece_itself", bioconv.cluster.run_piece)  # loaded twice by dask


def run_piece(version, name, work, piece):
    if "killer" in str(piece):
        os.kill(os.getpid(), signal.SIGKILL)
    if ROLE == "victim":
        original(version, name, work, piece)
        part = CONTROL / "part"
        part.write_text(str(os.getpid()))
        part.rename(CONTROL / "caught")
        time.sleep(300)
    while (CONTROL / "hold").exists() and not (CONTROL / "caught").exists():
        time.sleep(0.02)
    return original(version, name, work, piece)


run_piece.__module__, run_piece.__qualname__ = original.__module__, original.__qualname__
bioconv.cluster.run_piece = run_piece
if ROLE == "old":
    bioconv.cluster.__version__ = "0.0.1"
