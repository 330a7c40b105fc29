"""What was measured on a device, kept in the cache folder: one JSON file per device and set of versions."""

from __future__ import annotations

import importlib.metadata
import json
import re
import threading
from functools import cache
from pathlib import Path
from typing import Any

from bioconv import runtime
from bioconv.download import cache_folder
from bioconv.errors import BioconvError
from bioconv.outputs import open_output
from bioconv.version import __version__


def installed(package: str) -> str:
    """Return the version of a package, or `none`, without importing it."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "none"


class Measurements:
    """Entries by key, for one device as it is named and the versions of torch, triton and bioconv.

    Parameters
    ----------
    device_name : str
        For example `NVIDIA H100 80GB HBM3`.

    Attributes
    ----------
    path : Path
        The file; it need not exist.
    """

    def __init__(self, device_name: str) -> None:
        self.about = {
            "device": device_name,
            "torch": installed("torch"),
            "triton": installed("triton"),
            "bioconv": __version__,
        }
        name = re.sub(r"[^A-Za-z0-9.+]+", "-", " ".join(self.about.values())).strip("-")
        self.path = cache_folder() / "kernels" / f"{name}.json"
        self._lock = threading.Lock()
        self._entries = self._read()

    def get(self, key: str) -> dict[str, Any] | None:
        """Return an entry, if there is one."""
        entry = self._entries.get(key)
        return entry if isinstance(entry, dict) else None

    def names(self) -> list[str]:
        """Return the keys of all entries, in order."""
        return sorted(self._entries)

    def put(self, key: str, entry: dict[str, Any]) -> None:
        """Keep an entry, in the file too if it can be written."""
        with self._lock:
            self._entries[key] = entry
            # Another process may have measured something else meanwhile.
            whole = {"about": self.about, "entries": {**self._read(), **self._entries}}
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                with open_output(self.path) as stream:
                    stream.write(json.dumps(whole, indent=1, sort_keys=True).encode())
            except (OSError, BioconvError) as error:
                runtime.warn_once(
                    "measurements", f"what was measured on the device is not kept: {error}; set BIOCONV_CACHE"
                )

    def _read(self) -> dict[str, Any]:
        if not self.path.is_file():
            return {}
        try:
            whole = json.loads(self.path.read_bytes())
            return dict(whole["entries"]) if whole["about"] == self.about else {}
        except (OSError, ValueError, KeyError, TypeError) as error:
            runtime.warn_once(f"measurements {self.path}", f"{self.path} cannot be read ({error}): measured anew")
            return {}


@cache
def measurements_at(device_name: str, folder: Path) -> Measurements:
    """Return the measurements of a device, read once per process and cache folder."""
    return Measurements(device_name)


def measurements(device_name: str) -> Measurements:
    """Return the measurements of a device."""
    return measurements_at(device_name, cache_folder())
