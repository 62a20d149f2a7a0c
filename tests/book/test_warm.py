"""A forked kernel is as fresh as one that was started, and can be interrupted and ended."""

from __future__ import annotations

import os
import sys

import pytest
import warm
from nbval.kernel import CURRENT_ENV_KERNEL_NAME, RunningKernel

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="kernels are forked on Linux alone")
STATE = """import os, sys
print([name for name in sys.modules if name.startswith(("lemmata", "matplotlib.pyplot", "pytest"))])
print("x" in globals(), os.getcwd(), os.environ["WANTED"], os.environ["MPLBACKEND"].rpartition(".")[2])
print(os.getpid(), os.getppid(), os.getsid(0) == os.getpid())
x = 1"""


def said(kernel: RunningKernel, source: str) -> str:
    """What a cell prints, or the name of its error."""
    asked, text = kernel.execute_cell_input(source), ""
    while True:
        message = kernel.get_message("iopub", timeout=60)
        if message["parent_header"].get("msg_id") != asked:
            continue
        content = message["content"]
        text += content.get("text", "") + content.get("ename", "")
        if content.get("execution_state") == "idle":
            return text
        if message["msg_type"] == "execute_input" and "sleep" in source:
            kernel.interrupt()


@pytest.fixture
def start(tmp_path, monkeypatch):
    monkeypatch.setenv("WANTED", "this")
    kernels = []

    def started() -> RunningKernel:
        kernels.append(RunningKernel(CURRENT_ENV_KERNEL_NAME, cwd=str(tmp_path)))
        return kernels[-1]

    yield started
    for kernel in kernels:
        kernel.stop()


def test_a_kernel_knows_nothing_of_ours_nor_of_the_kernel_before(start, tmp_path):
    seen = [said(start(), STATE).splitlines() for _ in range(2)]
    for modules, state, _ in seen:
        assert modules == "[]"
        assert state == f"False {tmp_path} this backend_inline"
    one, other = (processes.split() for *_, processes in seen)
    assert one[0] != other[0]
    assert one[1] == other[1] != str(os.getpid())  # both forked, and not from this process
    assert one[2] == other[2] == "True"


def test_a_cell_is_interrupted_and_its_kernel_lives(start):
    kernel = start()
    assert said(kernel, "import time; time.sleep(60)") == "KeyboardInterrupt"
    assert said(kernel, "print(2)") == "2\n"


def test_what_is_killed_is_gone(start):
    kernel = start()
    process = kernel.km.provisioner.process
    assert process.poll() is None
    kernel.km.shutdown_kernel(now=True)
    assert process.poll() is not None
    assert process.wait() == 0


def test_a_parent_that_knows_ours_is_not_forked(monkeypatch):
    monkeypatch.setitem(sys.modules, "lemmata", warm)
    with pytest.raises(AssertionError, match="lemmata was imported before"):
        warm.fresh()
