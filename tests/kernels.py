"""How kernels are tested without a GPU: run by Triton's interpreter, and compiled for one that is not there.

The tests of kernels stand in ``tests/<part>/<chapter>_kernels.py``, whose name pytest does not look for.
On a machine with a GPU ``pytest tests/*/*_kernels.py`` runs them on it.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import lemmata.numerics.triton

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
REAL = pytest.mark.skipif(
    DEVICE != "cuda", reason="half types and their rounding: the interpreter's are not a GPU's"
)
SOURCE = str(Path(lemmata.__file__).parent.parent)

#: Triton's compiler in place of its launcher: what is launched with tensors of the CPU is made for a GPU.
COMPILER = """
import sys
import torch, lemmata.numerics.triton
from triton.backends.compiler import GPUTarget
from triton.runtime import driver, jit

class Absent:
    def get_current_target(self): return GPUTarget("cuda", int(sys.argv[1]), 32)
    def get_current_device(self): return 0
    def get_current_stream(self, device): return 0

made, run = set(), jit.JITFunction.run

def compile_only(self, *arguments, grid, warmup, **options):
    made.add(self.fn.__name__)
    return run(self, *arguments, grid=grid, warmup=True, **options)

driver.set_active(Absent())
jit.JITFunction.run = compile_only
lemmata.numerics.triton.DEVICES.append("cpu")
"""


def on_the_cpu() -> None:
    """Send tensors of the CPU to the kernels; they need the interpreter."""
    pytest.importorskip("triton", reason="the kernels need triton")
    if DEVICE == "cpu":
        if os.environ.get("TRITON_INTERPRET") != "1":
            pytest.skip("there is no GPU, and TRITON_INTERPRET is not 1")
        if "cpu" not in lemmata.numerics.triton.DEVICES:
            lemmata.numerics.triton.DEVICES.append("cpu")


def interpreted(file: Path) -> str:
    """What pytest says of a file of tests that runs the kernels in the interpreter; all of them pass."""
    options = ["-q", "-p", "no:cacheprovider", "-W", "ignore"]
    return _run([sys.executable, "-m", "pytest", *options, str(file)], TRITON_INTERPRET="1")


def compiled(program: str, capability: int, cache: Path) -> list[str]:
    """The kernels that a program launches, each compiled for a GPU of the capability, as 90 for an H100."""
    command = [sys.executable, "-c", f"{COMPILER}\n{program}\nprint(*sorted(made))", str(capability)]
    return _run(command, TRITON_CACHE_DIR=str(cache), TRITON_INTERPRET="0").split()


def _run(command: list[str], **environment: str) -> str:
    pytest.importorskip("triton", reason="the kernels need triton")
    path = os.pathsep.join([SOURCE, *filter(None, [os.environ.get("PYTHONPATH")])])
    everything = {**os.environ, "PYTHONPATH": path, "CUDA_VISIBLE_DEVICES": "", **environment}
    done = subprocess.run(command, env=everything, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout
