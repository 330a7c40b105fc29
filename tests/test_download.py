from __future__ import annotations

import contextlib
import errno
import gzip
import hashlib
import os
import random
import resource
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from bioconv import download
from bioconv.download import RemoteFile, cache_folder, cached_path, fetch
from bioconv.errors import DownloadError

ROOT = Path(__file__).parent.parent
CONTENT = bytes(range(256)) * 1200  # more than one chunk
SHA256 = hashlib.sha256(CONTENT).hexdigest()

Answer = Callable[[BaseHTTPRequestHandler], None]


class Server(ThreadingHTTPServer):
    """Answers the first request with the first answer and so on; the last answer is repeated."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: list[Answer] = []
        self.paths: list[str] = []
        self.ranges: list[str] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Stay silent: clients are meant to hang up."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.close_connection = True
        self.server.ranges.append(self.headers.get("Range", ""))
        self.server.paths.append(self.path)
        self.server.answers[min(len(self.server.paths), len(self.server.answers)) - 1](self)

    def log_message(self, *args: object) -> None:
        pass


def answer(body: bytes, *, status: int = 200, length: int | None = -1, **headers: str) -> Answer:
    """Return an answer whose Content-Length is that of the body (-1), none (None), or a lie."""

    def give(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        if length is not None:
            handler.send_header("Content-Length", str(len(body) if length == -1 else length))
        for key, value in headers.items():
            handler.send_header(key.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return give


def drop(handler: BaseHTTPRequestHandler) -> None:
    handler.connection.shutdown(socket.SHUT_RDWR)


def stall(handler: BaseHTTPRequestHandler) -> None:
    answer(CONTENT[:1000], length=len(CONTENT))(handler)
    time.sleep(2)


def drip(handler: BaseHTTPRequestHandler) -> None:
    answer(b"", length=len(CONTENT))(handler)
    for start in range(0, len(CONTENT), 4096):
        handler.wfile.write(CONTENT[start : start + 4096])
        time.sleep(0.05)


def garbage(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"\x00\xff not HTTP at all\r\n\r\n")


def endless(handler: BaseHTTPRequestHandler) -> None:
    answer(b"", length=None)(handler)
    for _ in range(10_000):
        handler.wfile.write(CONTENT)


good = answer(CONTENT)
wrong = answer(CONTENT[:-1] + b"?")


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BIOCONV_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("BIOCONV_DATA_MIRROR", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(download, "FIRST_WAIT_S", 0.01)
    monkeypatch.setattr(download, "READ_TIMEOUT_S", 1.0)
    monkeypatch.setattr(download, "SLOWEST_BYTES_PER_S", 10 * len(CONTENT))


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def item(url: str = "", *, name: str = "numbers.bin") -> RemoteFile:
    return RemoteFile("set", name, url, len(CONTENT), SHA256)


def leftovers() -> list[Path]:
    return [path for path in cache_folder().rglob("*") if path.is_file()]


@contextlib.contextmanager
def refused(match: str, *, part: bytes = b"") -> Iterator[None]:
    """Expect a DownloadError that names the file, and a cache as empty as before but for what can be gone on with."""
    with pytest.raises(DownloadError, match=match) as caught:
        yield
    assert "numbers.bin" in str(caught.value)
    assert [path.read_bytes() for path in leftovers()] == [part] * bool(part)
    assert not cached_path(item()).exists()


def test_fetch_keeps_the_verified_file_and_asks_once(server: Server) -> None:
    server.answers = [good]
    wanted = item(f"{server.url}/numbers.bin")
    assert fetch(wanted) == cached_path(wanted)
    assert fetch(wanted).read_bytes() == CONTENT
    assert server.paths == ["/numbers.bin"]
    assert leftovers() == [cached_path(wanted)]


@pytest.mark.parametrize(
    "bad",
    [
        answer(CONTENT[:5000], length=len(CONTENT)),
        answer(CONTENT[:5000]),
        answer(CONTENT[:5000], length=None),
        answer(CONTENT, length=5000),
        answer(b""),
        answer(b"busy", status=500),
        answer(b"busy", status=503),
        answer(b"too many", status=429),
        drop,
        stall,
        drip,
        garbage,
    ],
    ids=[
        "truncated", "short", "short, no length", "lies short", "empty", "500", "503", "429", "dropped",
        "stalled", "dripping", "not HTTP",
    ],
)  # fmt: skip
def test_a_transfer_that_breaks_off_is_tried_again(
    server: Server, bad: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[bool] = []
    monkeypatch.setattr(download.time, "sleep", _between(time.sleep, seen))
    server.answers = [bad, good]
    wanted = item(f"{server.url}/numbers.bin")
    assert fetch(wanted).read_bytes() == CONTENT
    assert len(server.paths) == 2
    assert leftovers() == [cached_path(wanted)]
    assert True not in seen


def _between(sleep: Callable[[float], None], seen: list[bool]) -> Callable[[float], None]:
    """Wait as asked, and note whether the file is visible meanwhile (the server waits in here as well)."""

    def wait(seconds: float) -> None:
        seen.append(bool([path for path in leftovers() if not path.name.endswith(".part")]))
        sleep(seconds)

    return wait


@pytest.mark.parametrize(
    ("bad", "part"),
    [(answer(CONTENT[:5000], length=len(CONTENT)), CONTENT[:4096]), (answer(b"", status=502), b""), (drop, b"")],
)
def test_a_transfer_that_breaks_off_every_time_ends_in_an_error(server: Server, bad: Answer, part: bytes) -> None:
    server.answers = [bad]
    with refused("in 4 attempt.*by hand, or set BIOCONV_DATA_MIRROR", part=part):
        fetch(item(f"{server.url}/numbers.bin"))
    assert len(server.paths) == 4


@pytest.mark.parametrize(
    ("bad", "match"),
    [
        (wrong, "it is not the file that bioconv knows"),
        (answer(CONTENT + b"!"), "longer than the 307200 bytes"),
        (endless, "longer than the 307200 bytes"),
        (answer(gzip.compress(bytes(50_000_000)), Content_Encoding="gzip"), "longer than the 307200 bytes"),
        (answer(b"", status=404), "answered 404"),
        (answer(b"", status=403), "answered 403"),
    ],
    ids=["wrong bytes", "one byte more", "endless", "gzip bomb", "404", "403"],
)
def test_a_wrong_answer_is_final(server: Server, bad: Answer, match: str) -> None:
    server.answers = [bad, good]
    with refused(match):
        fetch(item(f"{server.url}/numbers.bin"))
    assert len(server.paths) == 1


def test_a_lie_about_more_than_there_is(server: Server) -> None:
    server.answers = [answer(CONTENT, length=len(CONTENT) + 1)]
    with refused("in 4 attempt", part=CONTENT):
        fetch(item(f"{server.url}/numbers.bin"))


def test_a_redirect_is_followed_and_checked(server: Server) -> None:
    server.answers = [
        answer(b"", status=302, Location="/there"),
        wrong,
        answer(b"", status=302, Location="/x"),
        good,
    ]
    with refused("is not the file"):
        fetch(item(f"{server.url}/numbers.bin"))
    assert fetch(item(f"{server.url}/numbers.bin")).read_bytes() == CONTENT


def test_no_network_names_the_ways_out() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with refused(f"no connection.*{SHA256}.*{cache_folder() / 'set'}.*BIOCONV_DATA_MIRROR"):
        fetch(item(f"http://127.0.0.1:{port}/numbers.bin"))


def test_a_file_put_by_hand_is_used_only_if_it_is_the_right_one(server: Server) -> None:
    server.answers = [good]
    wanted = item(f"{server.url}/numbers.bin")
    cached_path(wanted).parent.mkdir(parents=True)
    cached_path(wanted).write_bytes(CONTENT)
    assert fetch(wanted).read_bytes() == CONTENT
    assert server.paths == []
    cached_path(wanted).write_bytes(CONTENT[::-1])
    assert fetch(wanted).read_bytes() == CONTENT
    assert server.paths == ["/numbers.bin"]


def test_no_address_and_no_mirror() -> None:
    with refused("no public address.*BIOCONV_DATA_MIRROR"):
        fetch(item())


def ranged(content: bytes = CONTENT, *, shift: int = 0, pause_s: float = 0.0) -> Answer:
    """Return an answer of the part that is asked for, or of one that begins `shift` bytes later."""

    def give(handler: BaseHTTPRequestHandler) -> None:
        begin = int((handler.headers.get("Range") or "bytes=0-")[6:].rstrip("-")) + shift
        said = {"Content_Range": f"bytes {begin}-{len(content) - 1}/{len(content)}"}
        answer(b"", status=206 if begin else 200, length=len(content) - begin, **said)(handler)
        for start in range(begin, len(content), 4096):
            handler.wfile.write(content[start : start + 4096])
            time.sleep(pause_s)

    return give


class TestResume:
    broken = staticmethod(answer(CONTENT[:150_000], length=len(CONTENT)))

    @pytest.mark.parametrize("by", ["another attempt", "another run"])
    def test_only_the_rest_is_asked_for(self, server: Server, by: str, monkeypatch: pytest.MonkeyPatch) -> None:
        server.answers = [self.broken, ranged()]
        wanted = item(f"{server.url}/numbers.bin")
        if by == "another run":
            monkeypatch.setattr(download, "ATTEMPTS", 1)
            with refused("in 1 attempt", part=CONTENT[: 36 * 4096]):
                fetch(wanted)
        assert fetch(wanted).read_bytes() == CONTENT
        assert server.ranges == ["", f"bytes={36 * 4096}-"]
        assert leftovers() == [cached_path(wanted)]

    @pytest.mark.parametrize(
        "odd",
        [good, answer(b"", status=416), ranged(shift=1), answer(CONTENT, status=206), ranged(b"?" + CONTENT[1:])],
        ids=["whole file", "416", "later part", "206 of what?", "right part"],
    )
    def test_a_server_that_answers_otherwise(self, server: Server, odd: Answer) -> None:
        server.answers = [self.broken, odd, good]
        wanted = item(f"{server.url}/numbers.bin")
        assert fetch(wanted).read_bytes() == CONTENT
        assert server.ranges[1] == f"bytes={36 * 4096}-"
        assert server.ranges[2:] in ([], [""])
        assert leftovers() == [cached_path(wanted)]

    @pytest.mark.parametrize("left", [b"?" * 100_000, CONTENT, b"?" * len(CONTENT), CONTENT + b"?" * 99])
    def test_what_was_left_is_not_trusted(self, server: Server, left: bytes) -> None:
        server.answers = [ranged()]
        wanted = item(f"{server.url}/numbers.bin")
        self.leave(wanted, left)
        assert fetch(wanted).read_bytes() == CONTENT
        assert leftovers() == [cached_path(wanted)]

    def test_a_wrong_rest_is_told_from_a_wrong_part(self, server: Server) -> None:
        """It is asked for once more from the beginning, and only then refused."""
        server.answers = [ranged(CONTENT[:-1] + b"?")]
        self.leave(item(), CONTENT[:100_000])
        with refused("is not the file that bioconv knows"):
            fetch(item(f"{server.url}/numbers.bin"))
        assert server.ranges == ["bytes=100000-", ""]

    def test_a_part_that_another_process_holds_is_left_alone(self, server: Server) -> None:
        fcntl = pytest.importorskip("fcntl")
        server.answers = [ranged()]
        wanted = item(f"{server.url}/numbers.bin")
        part = self.leave(wanted, CONTENT[:100_000])
        with part.open("rb") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            assert fetch(wanted).read_bytes() == CONTENT
        assert server.ranges == [""]
        assert part.read_bytes() == CONTENT[:100_000]

    def test_a_part_that_cannot_be_opened(self, server: Server) -> None:
        server.answers = [ranged()]
        wanted = item(f"{server.url}/numbers.bin")
        part = self.leave(wanted, b"")
        part.unlink()
        part.mkdir()
        assert fetch(wanted).read_bytes() == CONTENT

    @staticmethod
    def leave(wanted: RemoteFile, content: bytes) -> Path:
        part = cached_path(wanted).with_name(f".{wanted.name}.{SHA256[:16]}.part")
        part.parent.mkdir(parents=True)
        part.write_bytes(content)
        return part

    @pytest.mark.parametrize("kills", [3, pytest.param(20, marks=pytest.mark.slow)])
    def test_kills_at_random_moments(self, server: Server, kills: int) -> None:
        server.answers = [ranged(pause_s=0.005)]
        wanted = item(f"{server.url}/numbers.bin")
        rng = random.Random(kills)
        for _ in range(kills):
            before = len(server.paths)
            run = run_fetch(wanted)
            while len(server.paths) == before and run.poll() is None:
                time.sleep(0.01)
            time.sleep(rng.uniform(0, 0.5))
            run.kill()
            run.communicate()
            assert not cached_path(wanted).exists() or cached_path(wanted).read_bytes() == CONTENT
            if rng.random() < 0.3:
                cached_path(wanted).unlink(missing_ok=True)
        assert fetch(wanted).read_bytes() == CONTENT
        assert leftovers() == [cached_path(wanted)]


class TestMirror:
    def test_folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: Server) -> None:
        server.answers = [good]
        (tmp_path / "mirror" / "set").mkdir(parents=True)
        (tmp_path / "mirror" / "set" / "numbers.bin").write_bytes(CONTENT)
        monkeypatch.setenv("BIOCONV_DATA_MIRROR", f"{tmp_path}/mirror/")
        assert fetch(item(server.url)).read_bytes() == CONTENT
        assert server.paths == []

    @pytest.mark.parametrize(
        ("content", "match"),
        [
            (None, "No such file.*unset BIOCONV_DATA_MIRROR"),
            (CONTENT[:-1], "ended after 307199 of 307200 bytes, in 1 attempt"),
            (CONTENT + b"!", "longer than"),
            (CONTENT[:-1] + b"?", "not the file that bioconv knows.*right file into the mirror"),
        ],
        ids=["missing", "short", "long", "wrong"],
    )
    def test_a_bad_folder_is_never_a_reason_to_look_elsewhere(
        self,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        server: Server,
        content: bytes | None,
        match: str,
    ) -> None:
        server.answers = [good]
        (tmp_path / "set").mkdir()
        if content is not None:
            (tmp_path / "set" / "numbers.bin").write_bytes(content)
        monkeypatch.setenv("BIOCONV_DATA_MIRROR", str(tmp_path))
        with refused(f"{tmp_path}/set/numbers.bin.*{match}|{match}"):
            fetch(item(server.url))
        assert server.paths == []

    def test_url(self, monkeypatch: pytest.MonkeyPatch, server: Server) -> None:
        server.answers = [good]
        monkeypatch.setenv("BIOCONV_DATA_MIRROR", f"{server.url}/data/")
        assert fetch(item("http://127.0.0.1:1/elsewhere", name="a b.bin")).read_bytes() == CONTENT
        assert server.paths == ["/data/set/a%20b.bin"]

    @pytest.mark.parametrize(("bad", "match"), [(answer(b"", status=404), "answered 404"), (wrong, "not the file")])
    def test_a_bad_url_is_never_a_reason_to_look_elsewhere(
        self, monkeypatch: pytest.MonkeyPatch, server: Server, bad: Answer, match: str
    ) -> None:
        server.answers = [bad, good]
        monkeypatch.setenv("BIOCONV_DATA_MIRROR", f"{server.url}/data")
        with refused(match):
            fetch(item(f"{server.url}/public"))
        assert server.paths == ["/data/set/numbers.bin"]

    def test_no_such_folder(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv("BIOCONV_DATA_MIRROR", str(tmp_path / "nowhere"))
        with refused("nowhere', which is no folder.*or unset it"):
            fetch(item("http://127.0.0.1:1"))

    def test_a_scheme_that_is_not_spoken(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("BIOCONV_DATA_MIRROR", "ftp://somewhere")
        with pytest.raises(DownloadError, match="'ftp://somewhere'; give a folder or an http"):
            fetch(item())


def run_fetch(wanted: RemoteFile, **options: object) -> subprocess.Popen[str]:
    arguments = (wanted.set, wanted.name, wanted.url, wanted.size, wanted.sha256)
    code = f"from bioconv.download import *; print(fetch(RemoteFile{arguments!r}))"
    return subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **options,
    )


def test_processes_at_once_all_end_well(server: Server) -> None:
    together = threading.Barrier(3, timeout=30)

    def wait_for_the_others(handler: BaseHTTPRequestHandler) -> None:
        answer(CONTENT[:70_000], length=len(CONTENT))(handler)
        together.wait()
        handler.wfile.write(CONTENT[70_000:])

    server.answers = [wait_for_the_others]
    wanted = item(f"{server.url}/numbers.bin")
    runs = [run_fetch(wanted) for _ in range(3)]
    for run in runs:
        out, err = run.communicate(timeout=60)
        assert (out.strip(), err) == (str(cached_path(wanted)), "")
    assert leftovers() == [cached_path(wanted)]
    assert cached_path(wanted).read_bytes() == CONTENT


def test_a_killed_process_leaves_nothing_under_the_final_name(server: Server) -> None:
    waiting = threading.Event()

    def half(handler: BaseHTTPRequestHandler) -> None:
        answer(CONTENT[:150_000], length=len(CONTENT))(handler)
        waiting.set()
        time.sleep(3)

    server.answers = [half, good]
    wanted = item(f"{server.url}/numbers.bin")
    run = run_fetch(wanted)
    assert waiting.wait(30)
    run.kill()
    run.communicate()
    assert not cached_path(wanted).exists()
    assert fetch(wanted).read_bytes() == CONTENT


def test_a_full_disk(server: Server) -> None:
    """A limit on the size of files stands in for it: the write fails just the same."""
    server.answers = [good]
    wanted = item(f"{server.url}/numbers.bin")
    limit = (100_000, resource.getrlimit(resource.RLIMIT_FSIZE)[1])
    run = run_fetch(wanted, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limit))
    _, err = run.communicate(timeout=60)
    assert f"DownloadError: cannot write {cached_path(wanted)}: File too large; nothing was kept" in err
    assert "BIOCONV_CACHE" in err
    assert leftovers() == []


def test_a_cache_that_cannot_be_written(server: Server) -> None:
    server.answers = [good]
    cache_folder().mkdir()
    cache_folder().chmod(0o500)
    wanted = item(f"{server.url}/numbers.bin")
    if os.access(cache_folder(), os.W_OK):
        pytest.skip("this user may write everywhere")
    with refused("Permission denied.*Set BIOCONV_CACHE"):
        fetch(wanted)


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.ENOSPC])
def test_a_cache_where_no_folder_can_be_made(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with refused(f"{os.strerror(number)}; nothing was kept. Set BIOCONV_CACHE"):
        fetch(item("http://127.0.0.1:1"))


def test_a_cache_that_is_a_file(server: Server) -> None:
    server.answers = [good]
    cache_folder().write_text("not a folder")
    with pytest.raises(DownloadError, match=r"cannot write .*numbers\.bin: Not a directory.*Set BIOCONV_CACHE"):
        fetch(item(f"{server.url}/numbers.bin"))


@pytest.mark.parametrize("name", ["", "/etc/passwd", "../x", "a/../x", "a//b", "a\\b", "C:x", "a/.", "a\nb"])
def test_names_that_would_leave_the_cache(name: str) -> None:
    with pytest.raises(ValueError, match="not a plain relative path"):
        item(name=name)


def test_cache_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BIOCONV_CACHE", "~/there")
    assert cache_folder() == Path.home() / "there"
    monkeypatch.setenv("BIOCONV_CACHE", "")
    assert cache_folder().name == "bioconv"


def test_nothing_is_said_by_default(server: Server, capfd: pytest.CaptureFixture[str]) -> None:
    server.answers = [drop, good]
    fetch(item(f"{server.url}/numbers.bin"))
    assert capfd.readouterr() == ("", "")
