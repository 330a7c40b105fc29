"""`bioconv info`: what is installed here, what it runs on, and which backend is chosen for what and why."""

from __future__ import annotations

import json
import platform
from dataclasses import asdict
from typing import Any

import click
from bioconv.cli.options import log_options

from bioconv import runtime
from bioconv.version import __version__

# extra -> distributions that make it whole, as in pyproject.toml
EXTRAS = {
    "bigwig": ("pybigtools",),
    "dask": ("dask", "distributed"),
    "dicom": ("pylibjpeg", "pylibjpeg-openjpeg"),
    "gpu": ("triton",),
    "jaspar": ("pyjaspar",),
    "onnx": ("onnx", "onnxruntime", "onnxscript"),
    "pandas": ("pandas",),
    "zarr": ("zarr",),
}


@click.command(name="info")
@click.option("--measure", is_flag=True, help="Measure the backends of each CUDA device now, with generated work.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@log_options
def command(measure: bool, as_json: bool) -> None:
    """Show versions, devices, kernels, the cache folder, and which backend is chosen for which task and why."""
    facts = collect(measure=measure)
    if as_json:
        click.echo(json.dumps(facts, indent=2))
        return
    click.echo("\n".join(_lines(facts)))


def collect(*, measure: bool = False) -> dict[str, Any]:
    """Return what the command shows."""
    from bioconv.conv import native
    from bioconv.conv.functional import choices
    from bioconv.conv.measurements import installed
    from bioconv.download import cache_folder

    found = runtime.cuda_devices()
    devices = [about.device for about in found]
    if measure:
        _measure(devices)
    return {
        "bioconv": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "torch": installed("torch"),
        "triton": installed("triton"),
        "devices": [asdict(about) for about in found],
        "threads": runtime.thread_count(),
        "kernels": {"compiled": native.kernels() is not None, "instructions": native.instructions()},
        "cache": str(cache_folder()),
        "extras": {extra: all(installed(name) != "none" for name in names) for extra, names in EXTRAS.items()},
        "backends": [asdict(choice) for device in ("cpu", *devices) for choice in choices(device)],
    }


def _measure(devices: list[str]) -> None:
    if not devices:
        runtime.logger.warning("--measure: no CUDA device; on the CPU there is nothing to measure")
    from bioconv.conv.measuring import measure_backends

    for device in devices:
        measure_backends(device)


def _lines(facts: dict[str, Any]) -> list[str]:
    kernels = facts["kernels"]
    devices = [
        f"{device['device']} {device['name']}, {device['memory_bytes'] / 1e9:.0f} GB, capability {device['capability']}"
        for device in facts["devices"]
    ]
    missing = [extra for extra, there in facts["extras"].items() if not there]
    rows = [
        ("bioconv", facts["bioconv"]),
        ("Python", f"{facts['python']}, {facts['platform']}"),
        ("torch", facts["torch"]),
        ("Triton", facts["triton"]),
        ("devices", "; ".join(devices) or "no CUDA device"),
        ("threads", str(facts["threads"])),
        ("kernels", f"compiled, {kernels['instructions']}" if kernels["compiled"] else "not compiled"),
        ("cache", facts["cache"]),
        ("extras", ", ".join(extra for extra, there in facts["extras"].items() if there) or "none"),
        ("not installed", ", ".join(missing) or "none"),
    ]
    lines = [f"{name:<14} {value}" for name, value in rows]
    lines += ["", "backends"]
    for choice in facts["backends"]:
        work = f"{choice['task']} {choice['shape']}".strip()
        lines.append(f"  {choice['device']:<8} {work:<30} {choice['backend']:<8} {choice['reason']}")
    if not facts["devices"]:
        lines.append("  no CUDA device: nothing else to choose from")
    return lines
