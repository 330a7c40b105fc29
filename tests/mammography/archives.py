"""Archives that speak DICOMweb: a small one that misbehaves on request, and Orthanc; and a model without training."""

from __future__ import annotations

import base64
import json
import shutil
import socket
import subprocess
import threading
import time
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.error import URLError
from urllib.parse import parse_qs, urlsplit
from urllib.request import ProxyHandler, Request, build_opener

import numpy as np
import pydicom
import torch
from bioconv.datasets.mammography_phantom import synthetic_mammograms

from bioconv.mammography.decisions import LEVELS, Decisions, Threshold
from bioconv.mammography.dicomweb.server import Limits
from bioconv.mammography.model import to_model_file
from bioconv.mammography.objective import Head, Objective
from bioconv.mammography.preparation import Preparation
from bioconv.models.model_file import write_model
from bioconv.models.residual import Residual, ResidualConfig
from bioconv.training.normalisation import Normalisation
from tests.mammography import samples

BOUNDARY = "a boundary"
QUICK = Limits(attempts=2, first_wait_s=0.01, stall_s=0.4, slowest=10_000)
MULTIPART = f'multipart/related; type="application/dicom"; boundary="{BOUNDARY}"'
_JSON = "application/dicom+json"
ORTHANC = shutil.which("Orthanc")
PLUGIN = next((path for path in Path("/usr").glob("*/orthanc/plugins/libOrthancDicomWeb.so")), None)


def tiny_model(path):
    """Write a classifier of random weights, with decisions made by hand."""
    torch.manual_seed(0)
    network = Residual(ResidualConfig(width=0.1, blocks=(1, 1))).eval()
    side = (0.9, 0.8, 1.0)
    decisions = [
        Decisions(level, 2.0, 0.1, 20, 20, (Threshold("sensitivity=0.9", 0.1, side, side),)).to_json()
        for level in LEVELS
    ]
    facts = {"name": "tiny", "classification": {"decisions": decisions, "domain": "nothing at all"}}
    preprocessing = (Preparation(size=(64, 48)), Normalisation(np.array([0.3]), np.array([0.2])))
    write_model(
        path, to_model_file(network, "residual", Objective((Head("mass", ("no", "yes")),)), preprocessing, facts)
    )
    return path


def write_exam(folder, study="s1", *, patient="Doe^Jane", **tags):
    """Write the four views of a woman who does not exist; returns the files by SOPInstanceUID."""
    files = {}
    for number, view in enumerate(synthetic_mammograms(7, shape=(96, 80), masses={"L": 0.7}), start=1):
        path = folder / f"{view.laterality}{view.view}.dcm"
        own = {"SOPInstanceUID": samples.uid(f"{study} {number}"), "InstanceNumber": number}
        samples.write_mammogram(
            path, view.pixels, view.laterality, view.view, study=study, patient=patient, **own, **tags
        )
        files[own["SOPInstanceUID"]] = path
    return files


def wrapped(content, *, kind="application/dicom", end=True, length=None, boundary=BOUNDARY):
    """A multipart of one part."""
    said = f"\r\nContent-Length: {length}" if length is not None else ""
    head = f"--{boundary}\r\nContent-Type: {kind}{said}\r\n\r\n".encode()
    return head + content + (f"\r\n--{boundary}--\r\n".encode() if end else b"")


class Archive:
    """Serves files by QIDO-RS and WADO-RS; `odd` holds functions of the handler by the end of a path."""

    def __init__(self, files):
        self.instances = {
            uid: (path.read_bytes(), pydicom.dcmread(path, stop_before_pixels=True)) for uid, path in files.items()
        }
        self.odd, self.requests, self.most = {}, [], 100
        archive = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                archive.requests.append((self.path, dict(self.headers)))
                self.close_connection = True
                path = urlsplit(self.path).path
                odd = next((act for end, act in archive.odd.items() if path.endswith(end)), None)
                try:
                    if odd is None or odd(self) == "usual":
                        archive.usual(self, path.removeprefix("/dicom-web/").split("/"))
                except OSError:
                    pass

            def log_message(self, *_):
                pass

        self.httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.httpd.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.httpd.server_address[1]}/dicom-web"

    def usual(self, handler, parts):
        page = {name: int(value[0]) for name, value in parse_qs(urlsplit(handler.path).query).items()}
        headers = [one for _, one in self.instances.values() if one.StudyInstanceUID == parts[1]]
        if parts[-1] == "series":
            found = {one.SeriesInstanceUID: listed(one, "Modality", "SeriesInstanceUID") for one in headers}
        elif parts[-1] == "instances":
            headers = [one for one in headers if parts[3] == one.SeriesInstanceUID]
            found = {one.SOPInstanceUID: listed(one, "SOPClassUID", "SOPInstanceUID") for one in headers}
        else:
            return answer(handler, 200, wrapped(self.instances[parts[5]][0]), MULTIPART)
        first = page.get("offset", 0)
        chosen = list(found.values())[first : first + min(page.get("limit", self.most), self.most)]
        return answer(handler, 200, json.dumps(chosen).encode(), "application/dicom+json")

    def __enter__(self):
        self.thread = threading.Thread(target=self.httpd.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.httpd.shutdown()
        self.thread.join()
        self.httpd.server_close()


def listed(header, *keywords):
    return {f"{header[name].tag:08X}": {"vr": header[name].VR, "Value": [str(header[name].value)]} for name in keywords}


def answer(handler, status, body=b"", kind="text/plain", *, length=None, **headers):
    handler.send_response(status)
    handler.send_header("Content-Type", kind)
    handler.send_header("Content-Length", str(len(body) if length is None else length))
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)


def free_port():
    with closing(socket.socket()) as place:
        place.bind(("127.0.0.1", 0))
        return place.getsockname()[1]


@contextmanager
def orthanc(folder, user="reader", password="a secret of the house"):
    """Run Orthanc with its DICOMweb plugin; yields its address, and functions that upload: its own way, STOW-RS."""
    port = free_port()
    config = {
        "Name": "test", "StorageDirectory": str(folder / "store"), "IndexDirectory": str(folder / "store"),
        "HttpPort": port, "DicomServerEnabled": False, "RemoteAccessAllowed": True, "AuthenticationEnabled": True,
        "RegisteredUsers": {user: password}, "Plugins": [str(PLUGIN)],
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
    }  # fmt: skip
    (folder / "orthanc.json").write_text(json.dumps(config))
    basic = base64.b64encode(f"{user}:{password}".encode()).decode()
    opener = build_opener(ProxyHandler({}))

    def ask(path, data=None, **headers):
        headers = {"Authorization": f"Basic {basic}"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        request = Request(f"http://127.0.0.1:{port}{path}", data=data, headers=headers)
        with opener.open(request, timeout=20) as response:
            return response.read()

    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([ORTHANC, str(folder / "orthanc.json")], stdout=log, stderr=log)
        try:
            for _ in range(300):
                try:
                    ask("/system")
                    break
                except URLError:
                    assert process.poll() is None, (folder / "log").read_text()
                    time.sleep(0.1)
            (folder / "token").write_text(f"Basic {basic}\n")
            (folder / "token").chmod(0o600)
            yield (
                f"http://127.0.0.1:{port}/dicom-web",
                lambda path: ask("/instances", path.read_bytes()),
                lambda path: ask(
                    "/dicom-web/studies", wrapped(path.read_bytes()), Content_Type=MULTIPART, Accept=_JSON
                ),
            )
        finally:
            process.terminate()
            process.wait(20)
