"""Work on the workers of a dask.distributed cluster: pieces out, results back in the order of the pieces.

Nothing here knows what a piece is. Functions travel by name, so that every worker runs its own bioconv, of the same
version. A piece must give the same when it is done twice: dask does a piece again whose worker ended.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4

from bioconv import runtime
from bioconv.errors import ClusterError, MissingDependencyError
from bioconv.version import __version__

if TYPE_CHECKING:
    from distributed import Client, Future

_AHEAD = 3  # pieces under way or waiting for each thread of the workers
_PATIENCE = 15.0  # seconds without a result before the workers are counted
_TIMEOUT = "20s"
_KEPT = 2  # what runs have prepared in a process, of those that came last
_Piece = TypeVar("_Piece")


@dataclass(frozen=True)
class Work:
    """What workers do.

    Parameters
    ----------
    prepare
        A function of a module, from the job to what all pieces need (opened models, ...): called once per process.
    run
        A function of a module, from what `prepare` returned and a piece to the piece's result.
    job
        What a worker must know; pickled.
    alone
        Whether a process does one piece at a time, however many threads it has.
    """

    prepare: Callable[[Any], Any]
    run: Callable[[Any, Any], Any]
    job: Any
    alone: bool = False


@dataclass(frozen=True)
class Lost:
    """In place of a result: the piece ended its workers again and again, and was given up."""

    reason: str


class Cluster:
    """Workers behind a scheduler."""

    def __init__(self, client: Client, address: str) -> None:
        self._client, self._address = client, address

    def results(self, work: Work, pieces: Iterable[_Piece]) -> Iterator[tuple[_Piece, Any]]:
        """Yield each piece with its result, in order; a few pieces are under way at a time.

        Yields
        ------
        piece, result
            What `work.run` returned, or a `Lost`.

        Raises
        ------
        ClusterError
            If the scheduler is gone, or a worker has another version or not the files.
        """
        name = uuid4().hex
        source = iter(enumerate(pieces))
        waiting: deque[tuple[int, _Piece, Future[Any]]] = deque()
        try:
            while True:
                while len(waiting) < self._window() and (one := next(source, None)) is not None:
                    number, piece = one
                    waiting.append((number, piece, self._submit(name, f"{number}", work, piece)))
                if not waiting:
                    return
                number, piece, future = waiting.popleft()
                result = self._result(future)
                if isinstance(result, Lost):  # a neighbour on the same workers may have ended them
                    for _, _, other in waiting:
                        self._settle(other)
                    result = self._result(self._submit(name, f"{number}-alone", work, piece))
                yield piece, result
        finally:
            for _, _, future in waiting:
                future.cancel()

    def _window(self) -> int:
        """Return how many pieces may be under way or waiting."""
        return max(4, _AHEAD * self.threads())

    def threads(self) -> int:
        """Return how many threads the workers have now, all together; 0: there is no worker."""
        with self._speaking():
            return sum(self._client.nthreads().values())

    def _submit(self, name: str, number: str, work: Work, piece: object) -> Future[Any]:
        with self._speaking():
            return self._client.submit(
                run_piece, __version__, name, work, piece, key=f"bioconv-{name}-{number}", pure=False
            )

    def _settle(self, future: Future[Any]) -> None:
        """Wait until a piece is done, well or not."""
        from distributed import TimeoutError as NotYet

        while True:
            try:
                with self._speaking():
                    future.exception(timeout=_PATIENCE)
            except NotYet:
                self._say_where_it_waits()
            else:
                return

    def _result(self, future: Future[Any]) -> Any:
        from distributed import KilledWorker

        self._settle(future)
        with self._speaking():
            error = future.exception()
        if isinstance(error, KilledWorker):
            times = error.allowed_failures + 1
            return Lost(f"{times} workers ended while they worked on it (memory? see their logs); it was given up")
        with self._speaking():
            return future.result()

    def _say_where_it_waits(self) -> None:
        if not self.threads():
            runtime.warn_once(
                f"workers of {self._address}", f"no worker at {self._address}: waiting for one; Ctrl-C gives up"
            )

    @contextmanager
    def _speaking(self) -> Iterator[None]:
        """Turn the end of the connection into an error that names the scheduler."""
        from distributed.client import CancelledError
        from distributed.comm.core import CommClosedError

        try:
            yield
        except (CommClosedError, CancelledError, ConnectionError) as error:
            message = (
                f"the scheduler at {self._address} is gone or has dropped the work ({error}); start it and try again"
            )
            raise ClusterError(message) from error

    def check_versions(self) -> None:
        """Refuse workers that run another bioconv, or none.

        Raises
        ------
        ClusterError
        """
        with self._speaking():
            found = self._client.run(version_here, on_error="return")
        for worker, version in sorted(found.items()):
            if isinstance(version, BaseException):
                message = f"worker {worker} cannot run bioconv ({version}); install bioconv {__version__} there"
                raise ClusterError(message)
            _check_version(version, worker)


def version_here() -> str:
    """Return the version of bioconv in this process."""
    return __version__


def _check_version(version: str, worker: str) -> None:
    if version != __version__ and worker == "":
        message = f"this worker has bioconv {__version__}, the client {version}; install the same version on both"
        raise ClusterError(message)
    if version != __version__:
        message = f"worker {worker} has bioconv {version}, the client {__version__}; install the same version on both"
        raise ClusterError(message)


@contextmanager
def open_cluster(scheduler: str) -> Iterator[Cluster]:
    """Connect to a scheduler.

    Parameters
    ----------
    scheduler
        Its address, such as `tcp://host:8786`, or the file it was told to write (`--scheduler-file`).

    Raises
    ------
    MissingDependencyError
        Without the `dask` extra.
    ClusterError
        If none answers, or a worker has another version of bioconv.
    """
    try:
        from distributed import Client
    except ImportError as error:
        message = '--dask needs dask.distributed, here and on the workers: pip install "bioconv[dask]"'
        raise MissingDependencyError(message) from error
    is_address = "://" in scheduler or (not Path(scheduler).exists() and ":" in scheduler)
    if not is_address and not Path(scheduler).is_file():
        message = (
            f"--dask {scheduler}: no such scheduler file, and no address; give the file that `dask scheduler "
            "--scheduler-file` wrote, or tcp://HOST:PORT"
        )
        raise ClusterError(message)
    given = {"address": scheduler} if is_address else {"scheduler_file": scheduler}
    try:
        client = Client(**given, timeout=_TIMEOUT, set_as_default=False)
    except (OSError, ValueError) as error:  # no answer is an OSError of a kind
        message = f"--dask {scheduler}: no scheduler answers there ({error})"
        raise ClusterError(message) from error
    try:
        cluster = Cluster(client, scheduler)
        cluster.check_versions()
        yield cluster
    finally:
        client.close()


_prepared: dict[str, Any] = {}
_preparing = threading.Lock()
_working = threading.Lock()


def run_piece(version: str, name: str, work: Work, piece: Any) -> Any:
    """Do one piece: what runs on a worker.

    Raises
    ------
    ClusterError
        If this worker runs another bioconv than the client.
    """
    _check_version(version, "")
    with _preparing:
        if name not in _prepared:
            while len(_prepared) >= _KEPT:
                _prepared.pop(next(iter(_prepared)))
            _prepared[name] = work.prepare(work.job)
        ready = _prepared[name]
    if not work.alone:
        return work.run(ready, piece)
    with _working:
        return work.run(ready, piece)


def file_size(path: str | Path) -> int:
    """Return a file's bytes, -1 where there is none: what a worker must see too."""
    try:
        return Path(path).stat().st_size
    except OSError:
        return -1


def check_visible(path: str | Path, size: int) -> None:
    """Refuse, on a worker, to go on with a file that the client sees and this worker does not.

    Parameters
    ----------
    size
        What `file_size` said on the client.

    Raises
    ------
    ClusterError
    """
    here = file_size(path)
    if here != size:
        seen = "does not see it" if here < 0 else f"sees one of {here} bytes"
        message = (
            f"{path}: the client sees a file of {size} bytes, and a worker on {os.uname().nodename} {seen}; put the "
            "files on a disk that all workers have at the same place"
        )
        raise ClusterError(message)
