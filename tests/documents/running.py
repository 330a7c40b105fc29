"""Runs the steps of a page in order, in a folder that holds what the page's names stand for."""

from __future__ import annotations

import doctest
import io
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from bioconv import runtime
from bioconv.version import __version__
from tests.documents import places, reasons
from tests.documents.blocks import ROOT, Block, Step

NAMES = re.compile(r"[\w.+*-]+(?:/[\w.+*-]+)*")
OUTPUT = re.compile(r"\s(?:-o|--output|>)\s*\S+")


class NotAsWritten(AssertionError):
    """A step that does not do what its page says."""


@dataclass
class PageRun:
    """The folder a page is run in, and the names its Python has made so far.

    `shelf` keeps what makers made, for all pages; `environment` is that of every process and command.
    """

    page: str
    folder: Path
    shelf: Path
    environment: Mapping[str, str]
    names: dict[str, Any] = field(default_factory=lambda: {"__name__": "__main__"})
    trained: str = ""

    def __post_init__(self) -> None:
        for name in ("examples", "benchmarks"):
            (self.folder / name).symlink_to(ROOT / name)

    def write(self, block: Block) -> None:
        """Write a block that is a file."""
        path = self.folder / block.file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text)

    def run(self, step: Step) -> None:
        """Run one step.

        Raises
        ------
        NotAsWritten
            If it ends otherwise, or prints something else, than the page says.
        """
        code = reasons.shortened(step)
        self._provide(code, shell=step.kind != "python")
        with in_folder(self.folder, self.environment):
            if "deepbind:D" in code and not (Path(os.environ["BIOCONV_CACHE"]) / "deepbind-models-2015").exists():
                call(["models", "get", "deepbind-models-2015", "--quiet"])
            if step.kind == "python":
                run_python(step, self.names)
                return
            if "--resume" not in code or code.replace(" --resume", "") != self.trained:
                _clear(code)
            if "train " in code:
                self.trained = code.replace(" --resume", "")
            if step.plain:
                with few_windows(code != step.code):
                    status, said = call(expanded(code))
            else:
                status, said = shell(code)
        where = f"{step.page}:{step.line}: {code}"
        if status != step.status:
            message = f"{where}\nexit code {status}, expected {step.status}:\n{said[-3000:]}"
            raise NotAsWritten(message)
        compare(step, said, where, self.folder)

    def _provide(self, code: str, *, shell: bool) -> None:
        """Make what the code names and is not there yet; not what a command is told to write."""
        text = OUTPUT.sub(" ", code) if shell else code
        wanted = {name.rstrip("/") for name in NAMES.findall(text)} | {one.split("/")[0] for one in NAMES.findall(text)}
        for name in sorted(wanted):
            target = self.folder / name
            if name == "*.fa":
                self._provide("x.fa", shell=False)
                (self.folder / "bad.fa").write_text(">bad\nAC-GT\n")
            make = places.maker(self.page, name)
            if make is None or target.exists():
                continue
            own = name in places.OF_PAGE.get(self.page, {})
            if own or name in {"exams.csv", "women.csv", "mine.csv", "pairs.csv"}:  # with a folder beside the table
                make(target)
                continue
            kept = self.shelf / name
            if not kept.exists():
                make(kept)
            (shutil.copytree if kept.is_dir() else shutil.copyfile)(kept, target)


def _clear(code: str) -> None:
    """Commands below each other are alternatives: what an earlier one trained does not stand in the way."""
    for name in re.findall(r"-o (\S+\.safetensors)", code):
        if "train " in code:
            shutil.rmtree(Path(name).with_suffix(".run"), ignore_errors=True)
    if found := re.search(r"datasets make .*-o (\S+)", code):
        shutil.rmtree(found[1], ignore_errors=True)


@contextmanager
def in_folder(folder: Path, environment: Mapping[str, str]) -> Iterator[None]:
    """Change folder and environment for a while."""
    before, old = Path.cwd(), dict(os.environ)
    os.environ.update(environment)
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
        os.environ.clear()
        os.environ.update(old)


def expanded(code: str) -> list[str]:
    """Return the words of a command behind `bioconv`; patterns that are not quoted become the names they match."""
    words = []
    kept = {one for pair in re.findall(r"'([^']*)'|\"([^\"]*)\"", code) for one in pair}
    for word in shlex.split(code)[1:]:
        found = sorted(map(str, Path().glob(word))) if "*" in word and word not in kept else []
        words += found or [word]
    return words


def call(words: list[str]) -> tuple[int, str]:
    """Run `bioconv` in this process, which is left as it was found; return its exit code and all it wrote, in order."""
    import torch
    from bioconv.cli.main import main

    threads, handlers = torch.get_num_threads(), list(runtime.logger.handlers)
    level, propagate = runtime.logger.level, runtime.logger.propagate
    signals = {one: signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)}
    written = io.BytesIO()
    streams = [io.TextIOWrapper(written, "utf-8", write_through=True) for _ in range(2)]
    kept, affinity = (sys.argv, sys.stdout, sys.stderr), os.sched_getaffinity
    try:
        sys.argv, sys.stdout, sys.stderr = ["bioconv", *words], *streams
        os.sched_getaffinity = lambda process: {0}  # tests run beside each other: one thread for each
        main()
        status = 0
    except SystemExit as end:
        status = int(end.code or 0)
    finally:
        for stream in streams:
            stream.flush()
        sys.argv, sys.stdout, sys.stderr = kept
        os.sched_getaffinity = affinity
        torch.set_num_threads(threads)
        runtime.logger.handlers[:], runtime.logger.level, runtime.logger.propagate = handlers, level, propagate
        for one, handler in signals.items():
            signal.signal(one, handler)
    return status, written.getvalue().decode()


@contextmanager
def few_windows(shortened: bool) -> Iterator[None]:
    """Let a shortened training fit its null distributions to fewer random windows: a million take seconds."""
    from bioconv.sequence.binding import fit

    kept = fit.null_distribution
    if shortened:
        fit.null_distribution = partial(kept, count=5000)
    try:
        yield
    finally:
        fit.null_distribution = kept


_CLOSED_PIPE = 128 + signal.SIGPIPE


def shell(code: str) -> tuple[int, str]:
    """Run a statement in bash, where `bioconv` is the checkout's."""
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=120,
        check=False,
    )
    # What writes to `head` may be told so after head has seen enough, or end before: not a failure either way.
    status = 0 if done.returncode == _CLOSED_PIPE and "| head" in code else done.returncode
    return status, done.stdout.decode()


def run_python(step: Step, names: dict[str, Any]) -> None:
    """Run a block of Python, as a doctest where it has prompts."""
    where = f"{step.page}:{step.line}"
    if step.code.lstrip().startswith(">>>"):
        test = doctest.DocTestParser().get_doctest(step.code, names, where, step.page, step.line)
        said = io.StringIO()
        runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
        if runner.run(test, out=said.write, clear_globs=False).failed:
            raise NotAsWritten(f"{where}\n{said.getvalue()}")
        names.update(test.globs)
        return
    kept, sys.stdout = sys.stdout, io.StringIO()
    try:
        exec(compile("\n" * step.line + step.code, str(ROOT / step.page), "exec"), names)
    except Exception as error:
        message = f"{where}: {type(error).__name__}: {error}"
        raise NotAsWritten(message) from error
    finally:
        names["_printed"] = sys.stdout.getvalue()
        sys.stdout = kept


def compare(step: Step, said: str, where: str, folder: Path) -> None:
    """Compare what a console block shows with what was printed.

    The lines that are shown come in their order; others may lie between them, and `...` stands for anything. Times,
    speeds, the version and the folder are left out, and a number with a point may differ by one in its last digit.
    """
    printed = [steady(line, folder) for line in said.splitlines()]
    place = 0
    for line in step.shown:
        wanted = steady(line, folder)
        if wanted.strip() in {"", "..."}:
            continue
        found = next((n for n in range(place, len(printed)) if alike(wanted, printed[n])), None)
        if found is None:
            message = f"{where}\nnot printed (after line {place} of the output): {line}\nprinted:\n{said[-6000:]}"
            raise NotAsWritten(message)
        place = found + 1


def steady(line: str, folder: Path) -> str:
    """Leave out what differs from run to run."""
    line = line.replace(f"{folder}/", "").replace(str(folder), ".").replace(__version__, "VERSION").rstrip()
    line = re.sub(r"[\d.,]+ (s|ms|min)\b", r"TIME \1", line)
    return re.sub(r"[\d.,]+ ([kMG]bp/s|images?/s|sequences/s)", r"SPEED \1", line)


def alike(wanted: str, printed: str) -> bool:
    """Say whether a printed line is the one that is wanted."""
    if "..." in wanted:
        parts = [re.escape(part.rstrip()) for part in wanted.split("...")]
        return bool(re.fullmatch(".*".join(parts), printed))
    number = r"-?\d+\.\d+"
    if re.sub(number, "0", wanted) != re.sub(number, "0", printed):
        return False
    for one, other in zip(re.findall(number, wanted), re.findall(number, printed), strict=True):
        unit = 10.0 ** -len(one.partition(".")[2])
        if abs(float(one) - float(other)) > 1.001 * unit:
            return False
    return True
