"""`--dask`: a cluster of worker processes gives what one process gives, also when a worker is killed at its work."""

from __future__ import annotations

import csv
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bioconv.cluster import check_visible, file_size
from bioconv.errors import ClusterError
from bioconv.version import __version__
from tests.mammography import phantoms

pytest.importorskip("distributed", reason="dask.distributed is not installed")

ROOT = Path(__file__).parent.parent.parent
MOTIFS = ROOT / "examples/data/crp_lexa.meme"
MAIN = "from bioconv.cli.main import main; main()"
WAIT = 240


def environment(**more: object) -> dict[str, str]:
    quiet = {"OMP_NUM_THREADS": "1", "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1"}
    return {**os.environ, "PYTHONPATH": str(ROOT), **quiet, **{name: str(value) for name, value in more.items()}}


class LocalCluster:
    """A scheduler and workers, each a process."""

    def __init__(self, folder: Path) -> None:
        self.control, self.file, self._log = folder / "control", folder / "scheduler.json", folder / "log"
        self.control.mkdir()
        self._running: list[subprocess.Popen] = []
        self._start("scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", self.file)
        wait_for(self.file)

    def _start(self, what: str, *words: object, **more: object) -> subprocess.Popen:
        command = [sys.executable, "-W", "ignore", "-m", f"distributed.cli.dask_{what}", *map(str, words)]
        with self._log.open("ab") as log:
            process = subprocess.Popen(
                [*command, "--no-dashboard"], stdout=log, stderr=log, env=environment(**more), start_new_session=True
            )
        self._running.append(process)
        return process

    def worker(self, role: str, *words: str) -> subprocess.Popen:
        options = ("--scheduler-file", self.file, "--nthreads", "1", "--nworkers", "1", "--local-directory")
        preload = ("--preload", ROOT / "tests/cli/dask_preload.py")
        place = self.control / "space"
        return self._start("worker", *options, place, *preload, *words, ROLE=role, CONTROL=self.control)

    def hold(self) -> None:
        (self.control / "caught").unlink(missing_ok=True)
        (self.control / "hold").touch()

    def close(self) -> None:
        for process in reversed(self._running):
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def wait_for(path: Path) -> str:
    end = time.monotonic() + WAIT
    while time.monotonic() < end:
        if path.exists() and (text := path.read_text()):
            return text
        time.sleep(0.05)
    message = f"{path} did not come"
    raise AssertionError(message)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """A cluster with one worker that stays."""
    made = LocalCluster(tmp_path_factory.mktemp("cluster"))
    made.worker("survivor")
    yield made
    made.close()


def start(*words: object, main: str = MAIN) -> subprocess.Popen:
    command = [sys.executable, "-c", main, *map(str, words)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment())


def ended(process: subprocess.Popen, check: int) -> str:
    """Return what a command said on stderr."""
    try:
        _, said = process.communicate(timeout=WAIT)
    finally:
        process.kill()
    assert process.returncode == check, said
    return said


def with_one_killed(cluster: LocalCluster, *words: object, check: int) -> str:
    """Run a command on two workers, of which one is killed with a piece it has done and not handed in."""
    cluster.hold()
    cluster.worker("victim", "--no-nanny")
    running = start(*words, "--dask", cluster.file)
    try:
        os.kill(int(wait_for(cluster.control / "caught")), signal.SIGKILL)
        return ended(running, check)
    finally:
        running.kill()
        running.communicate()


def below_head(path: Path) -> bytes:
    return path.read_bytes().split(b"\n", 1)[1]


def steady(folder: Path) -> list[dict]:
    """Return the records of a manifest in their order, without what differs from run to run."""
    records = [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]
    for record in records:
        record.pop("seconds")
        record["facts"].pop("command")
        record["facts"].pop("device", None)  # the client does not know the workers'
    return records


def files(folder: Path) -> dict[str, bytes]:
    """Return all files of a folder of results but the manifest, parts of files too."""
    found = [path for path in folder.rglob("*") if path.is_file() and path.name != "manifest.jsonl"]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def failures(said: str) -> list[str]:
    return [line for line in said.splitlines() if line.startswith(("error", "warning"))]


@pytest.fixture(scope="module")
def sequences(tmp_path_factory) -> Path:
    """Two good files, of which the first is cut into pieces, and one that is spoilt near its end."""
    folder, rng = tmp_path_factory.mktemp("sequences"), random.Random(1)
    records = [
        f">{f's{n}' if n % 97 else ''}\n{''.join(rng.choices('ACGT', k=rng.randint(1, 900)))}\n" for n in range(1500)
    ]
    (folder / "many.fa").write_text("".join(records))
    (folder / "few.fa").write_text("".join(records[:5]))
    (folder / "bad.fa").write_text("".join(records[:700]) + ">torn\nAC*GT\n" + "".join(records[:5]))
    return folder


def test_scan(cluster, sequences, tmp_path):
    inputs = [sequences / f"{name}.fa" for name in ("many", "bad", "missing", "few")]
    words = ("scan", *inputs, "-m", MOTIFS, "-p", "1e-3", "-o")
    said = ended(start(*words, tmp_path / "one.tsv"), 3)
    again = with_one_killed(cluster, *words, tmp_path / "two.tsv", check=3)
    assert below_head(tmp_path / "one.tsv") == below_head(tmp_path / "two.tsv")
    assert len((tmp_path / "one.tsv").read_bytes().splitlines()) > 1000
    assert "record 'torn', line 1402" in said
    assert failures(said) == failures(again)
    for form in ("matrix", "bed"):
        words = ("scan", *inputs[:1], "-m", MOTIFS, "--format", form, "--background", "input", "-o")
        ended(start(*words, tmp_path / f"one.{form}"), 0)
        ended(start(*words, tmp_path / f"two.{form}", "--dask", cluster.file), 0)
        assert below_head(tmp_path / f"one.{form}") == below_head(tmp_path / f"two.{form}")


def test_segment(cluster, spot_model_path, spots, tmp_path):
    from PIL import Image

    scans = tmp_path / "scans"
    scans.mkdir()
    for number in range(5):
        Image.fromarray(spots(seed=number)).save(scans / f"a{number}.png")
    (scans / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\nno")
    words = ("segment", scans, "--model", spot_model_path(), "--measure", "--overlay", "-o")
    said = ended(start(*words, tmp_path / "one"), 3)
    again = with_one_killed(cluster, *words, tmp_path / "two", check=3)
    assert files(tmp_path / "one") == files(tmp_path / "two")
    assert len(files(tmp_path / "one")) == 15
    assert steady(tmp_path / "one") == steady(tmp_path / "two")
    assert failures(said) == failures(again)
    # What is done is left alone, and what ends its workers is named and given up; its neighbours are not.
    shutil.copy(scans / "a1.png", scans / "killer.png")
    shutil.copy(scans / "a2.png", scans / "z.png")
    said = ended(start(*words, tmp_path / "two", "--dask", cluster.file), 3)
    assert "1 of 8 images segmented, 5 done before, 2 failed" in said
    last = {record["input"]: record for record in steady(tmp_path / "two")}
    assert "killer.png: 2 workers ended while they worked on it" in last["killer.png"]["reason"]
    assert last["z.png"]["status"] == "done"


def test_classify(cluster, mass_model, tmp_path):
    women = tmp_path / "women"
    women.mkdir()
    table = phantoms.write_pictures(women, range(300, 302))
    (women / "w300-LCC.png").write_bytes(b"nothing")
    (tmp_path / "salt").write_text("0f" * 16)
    words = ("classify", table, "--model", mass_model, "--salt", tmp_path / "salt", "-o")
    said = ended(start(*words, tmp_path / "one"), 3)
    again = with_one_killed(cluster, *words, tmp_path / "two", check=3)
    one, two = (
        {name: data for name, data in files(tmp_path / folder).items() if not name.endswith(".html")}
        for folder in ("one", "two")
    )
    assert one == two
    assert len([name for name in one if name.startswith("heat_maps")]) == 7
    assert steady(tmp_path / "one") == steady(tmp_path / "two")
    assert failures(said) == failures(again)
    with (tmp_path / "two/exams.csv").open() as stream:
        assert len(list(csv.DictReader(stream))) == 2


def test_another_version_is_refused(cluster, sequences):
    old = cluster.worker("old", "--no-nanny")
    try:
        for _ in range(60):  # until it has joined
            running = start("scan", sequences / "few.fa", "-m", MOTIFS, "--dask", cluster.file)
            _, said = running.communicate(timeout=WAIT)
            if running.returncode:
                break
        assert running.returncode == 1
        assert f"has bioconv 0.0.1, the client {__version__}; install the same version on both" in said
    finally:
        old.kill()
        old.wait()


@pytest.mark.parametrize(
    ("words", "before", "said"),
    [
        (("--dask", "nowhere.json"), "", "nowhere.json: no such scheduler file"),
        (("--dask", "tcp://127.0.0.1:1"), "import bioconv.cluster as c; c._TIMEOUT = '1s'", "no scheduler answers"),
        (("--dask", "tcp://127.0.0.1:1"), "import sys; sys.modules['distributed'] = None", 'install "bioconv[dask]"'),
        (("--dask", "x.json", "--shard", "1/2"), "", "give one of them"),
        (("--shard", "1/2"), "", "add --stream"),
        (("--shard", "3/2", "--stream"), "", "not I/N"),
    ],
)
def test_refusals(sequences, words, before, said):
    assert said in ended(start("scan", sequences / "few.fa", "-m", MOTIFS, *words, main=f"{before}\n{MAIN}"), 1)


def test_stdin_is_not_shared_out(cluster):
    for words in (("--dask", cluster.file), ("--shard", "1/2", "--stream")):
        assert "can be read once" in ended(start("scan", "-", "-m", MOTIFS, *words), 1)


def test_a_file_that_a_worker_does_not_see(tmp_path):
    path = tmp_path / "a.fa"
    assert file_size(path) == -1
    with pytest.raises(ClusterError, match=r"client sees a file of 3 bytes, and a worker on .* does not see it"):
        check_visible(path, 3)
    path.write_text(">a")
    with pytest.raises(ClusterError, match="sees one of 2 bytes; put the files on a disk that all workers have"):
        check_visible(path, 3)
    check_visible(path, 2)
