"""The folder beside a trained model, `NAME.run/`: its split, states, logs and report."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bioconv.errors import OptionError, OutputError
from bioconv.runtime import logger
from bioconv.training.distributed import is_first, local_device, process_group
from bioconv.training.splits import Split, read_split, write_split


def run_folder(output: Path) -> Path:
    """Return the folder beside a model: `NAME.run`."""
    return output.with_suffix(".run")


def check_output(output: Path, *, resume: bool) -> None:
    """Refuse a place for a model that nothing can be written to, or that holds another training.

    Raises
    ------
    OptionError
        If there is an earlier training and it is not to be resumed, or the name will not do.
    OutputError
        If there is no such folder.
    """
    folder = run_folder(output)
    if str(output) == "-" or folder == output:
        message = f"-o {output}: a model is written to a file beside its folder NAME.run; give NAME.safetensors"
        raise OptionError(message)
    if not output.parent.is_dir():
        message = f"cannot write {output}: there is no folder {output.parent}; make it, or give another -o"
        raise OutputError(message)
    if not resume and (folder / "split.tsv").exists():
        message = f"{folder} holds an earlier training; go on with --resume, take it away, or give another -o"
        raise OptionError(message)


@contextmanager
def begun_run(
    output: Path, make_split: Callable[[], Split], *, split_file: str | Path | None, device: str, resume: bool
) -> Iterator[Split]:
    """Open the folder beside a model for a training, and write its split; under `torchrun` the processes meet here.

    To resume where nothing was kept is to begin, so that a script can always ask for it.

    Parameters
    ----------
    make_split
        Makes the split where there is none to follow.
    split_file
        A split to follow; None: the folder's on resuming, else a new one.

    Raises
    ------
    OptionError, OutputError
        As `check_output`.
    InputError
        If a split cannot be read or made.
    """
    first, folder = is_first(), run_folder(output)
    if first:
        check_output(output, resume=resume)
        if resume and not _is_begun(folder):
            logger.info("%s holds nothing to resume: the training begins from the start", folder)
    kept = folder / "split.tsv"
    path = kept if resume and kept.exists() else split_file
    split = make_split() if path is None else read_split(path)
    # One group for all trainings: it can be joined only once.
    with kept_if_begun(folder), process_group(local_device(device)):
        if first:
            write_split(kept, split)
        yield split


@contextmanager
def kept_if_begun(folder: Path) -> Iterator[None]:
    """Make the folder, and take it away after an error before which nothing was kept to go on from."""
    new = not folder.exists()
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        message = f"cannot make the folder {folder}: {error.strerror}; give another -o"
        raise OutputError(message) from error
    try:
        yield
    except BaseException:
        if new and not _is_begun(folder) and is_first():
            shutil.rmtree(folder, ignore_errors=True)
        raise


def has_state(folder: Path | None) -> bool:
    """Say whether the folder of one training holds a state to go on from; None: it is not kept."""
    return folder is not None and (folder / "last.safetensors").is_file()


def _is_begun(folder: Path) -> bool:
    return (folder / "search.tsv").exists() or any(folder.rglob("last.safetensors"))
