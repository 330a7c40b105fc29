"""What of the documentation is not run here and why, and what is made shorter. Every line has to match something.

A line is a page's name (`*` for any), a pattern that is searched for in the step, and the reason or the options. What
is not listed is run as it stands. A reason that depends on the machine comes with a question: `missing` asks whether
it holds.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from tests.documents.blocks import Step
from tests.documents.places import shared


@dataclass(frozen=True)
class Reason:
    """Why a step is not run; `missing` None: never."""

    page: str
    pattern: str
    text: str
    missing: Callable[[], bool] | None = None

    def matches(self, step: Step) -> bool:
        return fnmatchcase(step.page, self.page) and bool(re.search(self.pattern, step.code))


def without_program(name: str) -> Callable[[], bool]:
    return lambda: shutil.which(name) is None


def without_module(name: str) -> Callable[[], bool]:
    return lambda: importlib.util.find_spec(name) is None


def without_data(name: str) -> Callable[[], bool]:
    return lambda: not shared(name).exists()


_PACS = "there is no archive here; tests/mammography/dicomweb asks one that was made for it"
_MIRROR = "the data set is not in BIOCONV_DATA_MIRROR"

NOT_RUN = (
    Reason("README.md", r"^(python3 -m venv|pip install|pytest)", "the build runs it as it stands: .ci/run"),
    Reason("docs/mammography.md", r"--dicomweb|open_server|out/dicom/", _PACS),
    Reason("docs/training.md", r"^torchrun", "two trainings at once take long; tests/cli/test_train_lstm.py does so"),
    Reason("docs/mammography.md", r"--resume", "nothing is interrupted here; tests/training/test_resume.py goes on"),
    Reason("docs/clusters.md", r"", "tests/test_examples_clusters.py runs this page on workers of its own"),
    Reason("docs/datasets.md", r"bioconv train .*dataset:", "tests/cli/test_models_retrain.py runs short ones of each"),
    Reason("*", r"models retrain (?!.*--dry-run)", "whole trainings; tests/cli/test_models_retrain.py runs short ones"),
    Reason("*", r"\bbedtools\b", "bedtools is not installed", without_program("bedtools")),
    Reason("*", r"jaspar:", "pyjaspar is not installed", without_module("pyjaspar")),
    Reason("*", r"deepbind:D|deepbind-models-2015|--protein REST", _MIRROR, without_data("deepbind-models-2015")),
    Reason("*", r"deepbind-encode-chipseq/", _MIRROR, without_data("deepbind-encode-chipseq")),
    Reason("*", r"chase-db1 |get chase-db1|chase_db1", _MIRROR, without_data("chase-db1")),
    Reason("*", r"(get|verify) drive", _MIRROR, without_data("drive")),
    Reason("*", r"dsb2018-bbbc038 -o", _MIRROR, without_data("dsb2018-bbbc038")),
    Reason("*", r"ddsm-cancer-cases-192 -o", _MIRROR, without_data("ddsm-cancer-cases-192")),
    Reason("*", r"uci-splice-junction -o", _MIRROR, without_data("uci-splice-junction")),
)


@dataclass(frozen=True)
class Short:
    """Options put behind a command so that it takes seconds; where its output is shown it is run as it stands."""

    pattern: str
    options: str

    def matches(self, step: Step) -> bool:
        return step.kind == "sh" and bool(re.search(self.pattern, step.code))


_SMALL = "--epochs 1 --threads 1"
SHORTER = (
    Short(r"train deepbind (?!.*--from)", f"{_SMALL} --per-epoch 64 --detectors 4 --hidden 4"),
    Short(r"train deepbind .*--from", f"{_SMALL} --per-epoch 64"),
    Short(r"train lstm (?!.*--from)", f"{_SMALL} --hidden 4 --max-steps 4"),
    Short(r"train segment (?!.*--from)", f"{_SMALL} --per-epoch 4 --widths 4,8 --patch 32"),
    Short(r"train segment .*--from", f"{_SMALL} --per-epoch 4 --patch 32"),
    Short(r"train classify (?!.*--(from|patches))", f"{_SMALL} --max-steps 2 --size 64,48 --width 0.25"),
    Short(r"train classify .*--patches", f"{_SMALL} --max-steps 2 --width 0.25"),
    Short(r"train classify .*--from", f"{_SMALL} --max-steps 2"),
    Short(r"datasets make motifs", "--count 20"),
    Short(r"datasets make (cells|breasts) (?!-o made)", "--count 2"),
    Short(r"datasets make breasts -o made", "--count 20"),
)


def reason(step: Step) -> str:
    """Return why a step is not run on this machine; nothing: it is."""
    for one in NOT_RUN:
        if one.matches(step) and (one.missing is None or one.missing()):
            return one.text
    return ""


def shortened(step: Step) -> str:
    """Return the command with the options that make it short."""
    return " ".join([step.code, *(one.options for one in SHORTER if one.matches(step))])
