"""Studies fetched from an archive that behaves, and from one that does not."""

from __future__ import annotations

import json
import ssl
import stat
import subprocess
import time

import pytest

from bioconv import runtime
from bioconv.errors import DownloadError, OptionError, OutputError
from bioconv.mammography.dicomweb import study as fetching
from bioconv.mammography.dicomweb.address import open_server
from bioconv.mammography.dicomweb.server import Limits
from bioconv.mammography.dicomweb.study import fetch_study, list_mammograms
from tests.mammography import samples
from tests.mammography.archives import MULTIPART, QUICK, Archive, answer, wrapped, write_exam

STUDY = samples.uid("s1")
TOMOSYNTHESIS = "1.2.840.10008.5.1.4.1.1.13.1.3"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return write_exam(tmp_path_factory.mktemp("exam"))


@pytest.fixture
def archive(files):
    with Archive(files) as archive:
        yield archive


@pytest.fixture
def token(tmp_path):
    path = tmp_path / "token"
    path.write_text("opensesame\n")
    path.chmod(0o600)
    return path


def fetched(archive, study=STUDY, *, limits=QUICK, force=False, **how):
    """Views and reasons of failures by UID, and what lay in the folder meanwhile."""
    server = open_server(archive.url, limits=limits, **how)
    with fetch_study(server, study, force=force) as (views, failures):
        content = {view.name: view.path.read_bytes() for view in views}
        reasons = {one.name: one.reason for one in failures}
    return views, reasons, content


def of_instance(archive, uid, act):
    archive.odd[f"/instances/{uid}"] = act


def test_a_study_comes_as_it_is_stored(archive, files):
    other = archive.instances.copy()
    archive.most = 3  # sends fewer at once than are asked for
    views, reasons, content = fetched(archive)
    assert not reasons
    assert {uid: path.read_bytes() for uid, path in files.items()} == content
    assert [view.name for view in views] == sorted(other)
    assert {(view.laterality, view.view) for view in views} == {("L", "CC"), ("L", "MLO"), ("R", "CC"), ("R", "MLO")}
    assert all(view.sop_uid == view.name for view in views)


def test_the_folder_is_private_and_goes(archive, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with fetch_study(open_server(archive.url, limits=QUICK), STUDY) as (views, _):
        folder = views[0].path.parent
        assert folder.parent == tmp_path
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert not any(uid in str(view.path) for view in views for uid in (view.sop_uid, STUDY))
    assert not folder.exists()
    with pytest.raises(KeyboardInterrupt), fetch_study(open_server(archive.url, limits=QUICK), STUDY):
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())


def test_one_bad_instance_leaves_the_others(archive, files):
    first, *others = sorted(files)
    whole = files[first].read_bytes()
    tried = []

    def act(handler):
        tried.append(1)
        answer(handler, 200, wrapped(whole[:4000], end=False), MULTIPART)

    of_instance(archive, first, act)
    views, reasons, _ = fetched(archive)
    assert [view.name for view in views] == others
    assert list(reasons) == [first]
    assert reasons[first].startswith(f"{archive.url}: instance {first}: it ended before its closing delimiter")
    assert len(tried) == QUICK.attempts


def lies_long(handler, whole):
    answer(handler, 200, wrapped(whole), MULTIPART, length=len(whole) + 10_000)


def breaks_off(handler, whole):
    answer(handler, 200, wrapped(whole)[: len(whole) // 2], MULTIPART, length=len(wrapped(whole)))


def cut_short(handler, whole):
    answer(handler, 200, wrapped(whole), MULTIPART, length=len(whole) // 2)


def part_lies(handler, whole):
    answer(handler, 200, wrapped(whole, length=len(whole) + 1), MULTIPART)


def stalls(handler, whole):
    answer(handler, 200, wrapped(whole)[:500], MULTIPART, length=len(whole))
    time.sleep(3 * QUICK.stall_s)


def drips(handler, whole):
    answer(handler, 200, b"", MULTIPART, length=len(whole))
    for place in range(0, 300, 10):
        handler.wfile.write(wrapped(whole)[place : place + 10])
        time.sleep(0.05)


def page(handler, whole):
    answer(handler, 200, b"<html>sign in</html>", "text/html")


def metadata(handler, whole):
    answer(handler, 200, wrapped(b"[]", kind="application/dicom+json"), MULTIPART)


def no_dicom(handler, whole):
    answer(handler, 200, wrapped(b"\0" * 400), MULTIPART)


def no_boundary(handler, whole):
    answer(handler, 200, wrapped(whole), 'multipart/related; type="application/dicom"')


def two(handler, whole):
    body = wrapped(whole, end=False) + b"\r\n" + wrapped(whole)
    answer(handler, 200, body, MULTIPART)


def packed(handler, whole):
    answer(handler, 200, wrapped(whole), MULTIPART, Content_Encoding="gzip")


def too_long(handler, whole):
    answer(handler, 200, wrapped(whole), MULTIPART, length=3 << 30)


def too_much(handler, whole):
    """No length at all: what is sent counts."""
    handler.send_response(200)
    handler.send_header("Content-Type", MULTIPART)
    handler.end_headers()
    handler.wfile.write(wrapped(b"\0" * 200_000, end=False))


def forbidden(handler, whole):
    answer(handler, 403)


def broken(handler, whole):
    answer(handler, 500)


@pytest.mark.parametrize(
    ("act", "said", "attempts"),
    [
        (breaks_off, "ended after .* of .* bytes|broke off", 2),
        (cut_short, "closing delimiter", 2),
        (part_lies, "bytes came where the server said", 2),
        (stalls, "nothing came for 0.4 s, in 2 attempt", 2),
        (drips, "stalled", 2),
        (broken, "answered 500, in 2 attempt", 2),
        (page, "sent text/html where application/dicom is expected", 1),
        (metadata, r"sent application/dicom\+json where", 1),
        (no_dicom, "no DICOM file", 1),
        (no_boundary, "boundary", 1),
        (two, "more than one part", 1),
        (packed, r"packed \(gzip\)", 1),
        (too_long, "3221225472 bytes or more", 1),
        (too_much, "bytes or more, where 100000", 1),
        (forbidden, "403; the token is not allowed", 1),
    ],
)
def test_bad_answers(archive, files, act, said, attempts, monkeypatch):
    first = min(files)
    tried = []
    of_instance(archive, first, lambda handler: (tried.append(1), act(handler, files[first].read_bytes())))
    views, reasons, _ = fetched(archive, limits=Limits(2, 0.01, 0.4, 10_000, largest=100_000))
    assert len(views) == 3
    with pytest.raises(AssertionError, match=said):
        raise AssertionError(reasons[first])
    assert STUDY not in reasons[first]
    assert len(tried) == attempts


def test_a_length_too_great_matters_not_once_all_is_there(archive, files):
    first = min(files)
    of_instance(archive, first, lambda handler: lies_long(handler, files[first].read_bytes()))
    assert fetched(archive)[2][first] == files[first].read_bytes()


def test_another_instance_is_refused(archive, files):
    first, second, *_ = sorted(files)
    of_instance(archive, first, lambda handler: answer(handler, 200, wrapped(files[second].read_bytes()), MULTIPART))
    views, reasons, _ = fetched(archive)
    assert len(views) == 3
    assert "another instance" in reasons[first]


def test_a_plain_file_is_taken(archive, files):
    first = min(files)
    of_instance(archive, first, lambda handler: answer(handler, 200, files[first].read_bytes(), "application/dicom"))
    assert fetched(archive)[2][first] == files[first].read_bytes()


def test_what_passes_is_tried_again(archive, files):
    first = min(files)
    left = [503, 429, 0]

    def act(handler):
        status = left.pop(0)
        return answer(handler, status, Retry_After="0") if status else "usual"

    of_instance(archive, first, act)
    views, reasons, _ = fetched(archive, limits=Limits(3, 0.01, 2))
    assert len(views) == 4
    assert not reasons


def test_the_server_says_how_long_to_wait(archive, monkeypatch):
    waits = []
    monkeypatch.setattr(time, "sleep", waits.append)
    archive.odd["/series"] = lambda handler: answer(handler, 503, Retry_After="7" if len(waits) < 2 else "86400")
    with pytest.raises(DownloadError, match="answered 503, in 4 attempt"):
        fetched(archive, limits=Limits(4, 1.0, 2))
    assert waits == [7, 7, 60]


def test_tomosynthesis_and_raw_data_are_not_fetched(tmp_path):
    files = write_exam(tmp_path)
    tomo, raw, *_ = sorted(files)
    with Archive(files) as archive:
        archive.instances[tomo][1].SOPClassUID = TOMOSYNTHESIS
        archive.instances[raw][1].SOPClassUID = "1.2.840.10008.5.1.4.1.1.1.2.1"
        views, reasons, _ = fetched(archive)
        asked = [path for path, _ in archive.requests]
        assert len(views) == 2
        assert "tomosynthesis volume" in reasons[tomo]
        assert "--force" in reasons[raw]
        assert not any(tomo in path or raw in path for path in asked)
        assert len(fetched(archive, force=True)[0]) == 3


def test_other_modalities_are_left_alone(tmp_path):
    files = write_exam(tmp_path)
    with Archive(files) as archive:
        for number, (_, header) in enumerate(archive.instances.values()):
            header.Modality, header.SeriesInstanceUID = ("CT" if number else "MG"), samples.uid(f"series {number}")
        views, reasons, _ = fetched(archive)
        assert len(views) == 1
        assert not reasons
        for _, header in archive.instances.values():
            header.Modality = "SR"
        _, reasons, _ = fetched(archive)
        assert "series are of modality SR, and MG is expected" in reasons[STUDY]


def test_a_study_that_is_not_there(archive):
    _, reasons, _ = fetched(archive, samples.uid("another"))
    assert "no such study" in reasons[samples.uid("another")]
    archive.odd["/series"] = lambda handler: answer(handler, 404)
    _, reasons, _ = fetched(archive)
    assert archive.url in reasons[STUDY]
    assert "404" in reasons[STUDY]
    assert "comes before /studies" in reasons[STUDY]


@pytest.mark.parametrize(
    ("status", "body", "kind", "said"),
    [
        (401, b"", "text/plain", "401; give a token that the server takes with --token-file"),
        (200, b"<html>", "text/html", "no DICOMweb server: it answered text/html"),
        (200, b'{"a": 1}', "application/dicom+json", "no list of data sets"),
        (200, b"[1]", "application/dicom+json", "no list of data sets"),
        (200, b"[" * 100_000, "application/json", "no list of data sets"),
        (406, b"", "text/plain", "406; the server does not send"),
        (418, b"", "text/plain", "418; ask who runs it"),
    ],
)
def test_servers_that_cannot_be_asked(archive, status, body, kind, said):
    archive.odd["/series"] = lambda handler: answer(handler, status, body, kind)
    with pytest.raises(DownloadError) as caught:
        fetched(archive)
    assert said in str(caught.value)
    assert archive.url in str(caught.value)
    assert STUDY in str(caught.value)
    assert len(archive.requests) == 1


def test_no_server_at_all(archive):
    with Archive({}) as gone:
        pass
    with pytest.raises(DownloadError, match=r"Connection refused.*in 2 attempt"):
        fetched(gone)


def test_names_from_a_server_lead_nowhere_else(archive):
    uids = [["../../../secret"], ["1.2.3"], ["1.2?x=1"], [None], [], "1.2", [1.5]]
    entries = [{"00080018": {"vr": "UI", "Value": values}} for values in uids] + [{}, {"00080018": "1.2.4"}]
    archive.odd["/instances"] = lambda handler: answer(handler, 200, json.dumps(entries).encode(), "application/json")
    found = list_mammograms(open_server(archive.url, limits=QUICK), STUDY)
    assert [one.uid for one in found] == ["1.2.3", "1.5"]
    with pytest.raises(OptionError, match="is no UID"):
        fetched(archive, "1.2/../3")


def test_a_full_disk(archive, monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(
        fetching, "_view", lambda server, one, path, force: fetching._written(iter([b"x"]), 1, path / "x")
    )
    with pytest.raises(OutputError, match="set TMPDIR"):
        fetched(archive)
    assert not list(tmp_path.iterdir())


def test_a_token_goes_to_its_server_and_nowhere_else(archive, files, token):
    first = min(files)
    with Archive(files) as other:
        target = f"{other.url}/studies/{STUDY}"
        of_instance(archive, first, lambda handler: answer(handler, 302, Location=target))
        views, reasons, _ = fetched(archive, token_file=token)
        assert not other.requests
    assert len(views) == 3
    assert "sends on to http://127.0.0.1" in reasons[first]
    assert all(headers["Authorization"] == "Bearer opensesame" for _, headers in archive.requests)
    assert not any("opensesame" in reason for reason in reasons.values())
    of_instance(archive, first, lambda handler: answer(handler, 307, Location="file:///etc/hostname"))
    views, reasons, _ = fetched(archive)
    assert len(views) == 3
    assert "307" in reasons[first]


def test_a_redirect_on_the_same_server_is_followed(archive, files):
    first = min(files)

    def act(handler):
        if handler.path.endswith("?again"):
            return "usual"
        return answer(handler, 302, Location=f"{handler.path}?again")

    of_instance(archive, first, act)
    assert fetched(archive)[2][first] == files[first].read_bytes()


def test_proxies_and_netrc_are_not_asked_about_this_machine(archive, monkeypatch, tmp_path):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert len(fetched(archive)[0]) == 4


def test_certificates(files, tmp_path):
    key, certificate = tmp_path / "key.pem", tmp_path / "ca.pem"
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=test", "-addext",
            "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]  # fmt: skip
    try:
        subprocess.run(made, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no openssl to make a certificate with")
    archive = Archive(files)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    archive.httpd.socket = context.wrap_socket(archive.httpd.socket, server_side=True)
    archive.httpd.handle_error = lambda *_: None
    plain, archive.url = archive.url, archive.url.replace("http:", "https:")
    with archive:
        assert len(fetched(archive, ca=certificate)[0]) == 4
        with pytest.raises(DownloadError, match=r"certificate is not trusted .*--ca"):
            fetched(archive)
        elsewhere = open_server(archive.url.replace("127.0.0.1", "localhost"), ca=certificate, limits=QUICK)
        with pytest.raises(DownloadError, match="certificate is not trusted"):
            list_mammograms(elsewhere, STUDY)
    with Archive(files) as archive:
        archive.url = archive.url.replace("http:", "https:")
        with pytest.raises(DownloadError, match="no TLS connection"):
            fetched(archive)
    with pytest.raises(OptionError, match="is for https"):
        open_server(plain, ca=certificate)
    with pytest.raises(OptionError, match="cannot be read as PEM"):
        open_server("https://a.org", ca=key.parent / "none.pem")
    (tmp_path / "empty.pem").write_text("nothing")
    with pytest.raises(OptionError, match="cannot be read as PEM"):
        open_server("https://a.org", ca=tmp_path / "empty.pem")


@pytest.mark.parametrize(
    "url",
    [
        "a.org/dicom-web",
        "ftp://a.org",
        "https://",
        "https://a.org/?x=1",
        "https://a b.org",
        "https://a.org:x",
        "https://a.org\n",
    ],
)
def test_what_is_no_address(url):
    with pytest.raises(OptionError, match="is no address"):
        open_server(url)


def test_secrets_are_not_said(tmp_path, token):
    with pytest.raises(OptionError) as caught:
        open_server("https://doe:opensesame@a.org")
    assert "opensesame" not in str(caught.value)
    with pytest.raises(OptionError, match=r"not sent over http://"):
        open_server("http://a.org", token_file=token)
    with pytest.raises(OptionError, match=r"not sent over http://"):
        open_server("http://localhost.a.org", token_file=token)
    server = open_server("http://localhost:1/dicom-web/", token_file=token)
    assert server.url == "http://localhost:1/dicom-web"
    assert server.authorization == "Bearer opensesame"
    assert "opensesame" not in repr(server)
    token.write_text("Basic opensesame")
    assert open_server("https://a.org", token_file=token).authorization == "Basic opensesame"
    for text in ("", "one\ntwo opensesame", "opensesame and more words", "opensésame"):
        token.write_text(text, "utf-8")
        with pytest.raises(OptionError, match="no token") as caught:
            open_server("https://a.org", token_file=token)
        assert "opens" not in str(caught.value)
    with pytest.raises(OptionError, match="no such file; check the path"):
        open_server("https://a.org", token_file=tmp_path / "none")


def test_warnings_of_open_doors(token, caplog, monkeypatch):
    monkeypatch.setattr(runtime.logger, "propagate", True)
    with caplog.at_level("WARNING", logger="bioconv"):
        open_server("http://a.org")
        token.chmod(0o644)
        open_server("https://a.org", token_file=token)
    assert "without encryption" in caplog.text
    assert "can be read by others" in caplog.text
    assert "opensesame" not in caplog.text
