"""The kernels compiled for a GPU of the Hopper family, on any machine: what the interpreter does not check.

Triton brings its own assembler, so that no GPU is needed to see that a kernel compiles, uses the matrix units, and in
the shape taken by default keeps its numbers in registers.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("triton")
ROOT = Path(__file__).parents[2]

# In a process of its own: in this one the kernels may be interpreted.
PROGRAM = """
import json, pathlib, subprocess, sys, tempfile, triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from bioconv.conv import triton_pooling, triton_pwm, triton_windows
from bioconv.conv.pooling_device import PoolLaunch

ASSEMBLER = pathlib.Path(triton.__file__).parent / "backends/nvidia/bin/ptxas"
LIST = dict(places="*i32", groups="*i32", words="*i32", count="*i64", capacity="i64")
SEARCH = dict(codes="*u8", size="i32", owned="i32")
WINDOWS = dict(
    codes="*u8", size="i32", count="i32", step="i32", window="i32", letters="i32", positions="i32", high="*fp16",
    low="*fp16", thresholds="*fp32", scale="fp32", weights="*fp32", mean_weights="*fp32", biases="*fp32",
    output_weights="*fp32", output_bias="fp32", scores="*fp32",
)
EXACT = dict(
    codes="*u8", size="i32", places="*i32", groups="*i32", words="*i32", candidates="i64", losses="*i32",
    lengths="*i32", budgets="*i32", keys="*i32", letters="i32", stride="i64", orders="*i64", totals="*i32",
    count="*i64", capacity="i64",
)
TILE = dict(ROWS=128, FEATURES=64, COLUMNS=128)
SEARCH_BY_LOOKUP = SEARCH | dict(table="*i32", limits="*i32", letters="i32") | LIST
HEAD = dict(FEATURES=128, CHANNELS=32, STRANDS=2, PRECISION="ieee")

def product(weights, limits):
    return SEARCH | dict(weights=weights, limits=limits, columns="i32") | LIST

def windows(hidden, average, padded):
    sizes = dict(ROWS=64, HIDDEN=hidden, AVERAGE=average, PADDED=padded, LINEAR=hidden == 16)
    return triton_windows.score_windows, WINDOWS, HEAD | sizes, (4, 2)

DETECTORS = dict(
    codes="*u8", sequences="i32", letters="i32", length="i32", weights="*fp32", thresholds="*fp32", detectors="i32",
    each="i32",
)
POOLED = dict(top="*fp32", at="*i32", total="*fp32")
GRADS = dict(
    parts="i32", at="*i32", top_grad="*fp32", total_grad="*fp32", weights_grad="*fp32", thresholds_grad="*fp32"
)
LAUNCH = PoolLaunch()

def pooling(kernel, more, average):
    sizes = dict(ROWS=LAUNCH.rows, FEATURES=128, CHANNELS=LAUNCH.channels, STRANDS=2, AVERAGE=average)
    return kernel, DETECTORS | more, sizes, (LAUNCH.warps, LAUNCH.stages)

CASES = {
    "float16": (triton_pwm.find_candidates, product("*fp16", "*fp32"), TILE, (8, 3)),
    "int8": (triton_pwm.find_candidates, product("*i8", "*i32"), TILE, (8, 3)),
    "lookup": (triton_pwm.find_candidates_by_lookup, SEARCH_BY_LOOKUP, dict(ROWS=256, COLUMNS=2), (4, 2)),
    "exact": (triton_pwm.score_candidates, EXACT, dict(ENTRIES=64), (4, 3)),
    "windows": windows(64, True, True),
    "pooling": pooling(triton_pooling.pool, POOLED, True),
    "gradients of maxima": pooling(triton_pooling.pool_gradients, GRADS, False),
    "gradients": pooling(triton_pooling.pool_gradients, GRADS, True),
}
facts = {}
for name, (kernel, signature, constants, (warps, stages)) in CASES.items():
    types = {**signature, **dict.fromkeys(constants, "constexpr")}
    source = ASTSource(fn=kernel, signature=types, constexprs=constants)
    options = dict(num_warps=warps, num_stages=stages)
    compiled = triton.compile(source, target=GPUTarget("cuda", 90, 32), options=options)
    with tempfile.NamedTemporaryFile(suffix=".ptx", mode="w") as file:
        file.write(compiled.asm["ptx"]); file.flush()
        said = subprocess.run(
            [ASSEMBLER, "-v", "--gpu-name", "sm_90a", file.name, "-o", "/dev/null"], capture_output=True, text=True
        )
    facts[name] = dict(
        assembled=said.returncode == 0, spills="0 bytes spill stores, 0 bytes spill loads" not in said.stderr,
        matrix_unit="wgmma" in compiled.asm["ptx"], shared=compiled.metadata.shared,
    )
print(json.dumps(facts))
"""


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    from triton import backends

    if not (Path(backends.__file__).parent / "nvidia" / "bin" / "ptxas").exists():
        pytest.skip("this triton brings no assembler for NVIDIA")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TRITON_CACHE_DIR": str(tmp_path_factory.mktemp("triton"))}
    environment.pop("TRITON_INTERPRET", None)
    # Triton reads a kernel's source from its file, so the modules must be files; the program itself need not be.
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_kernels_assemble_and_fit(compiled):
    for name, facts in compiled.items():
        assert facts["assembled"], name
        assert facts["shared"] <= 227 * 1024, name  # what a block may have on sm_90


def test_default_shapes_keep_their_numbers_in_registers(compiled):
    assert not {name for name, facts in compiled.items() if facts["spills"]}


def test_products_use_the_matrix_unit(compiled):
    assert {name for name, facts in compiled.items() if not facts["matrix_unit"]} == {"lookup", "exact"}
