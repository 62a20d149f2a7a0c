"""What tests of several parts share: the digits of mpmath, and programs that run on several ranks."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import mpmath
import pytest

import lemmata

mpmath.mp.dps = 40  # for all oracles: a file that set its own would set that of whoever comes after it
pytest.register_assert_rewrite("helpers", "contract")  # their asserts show values, too

LAUNCHER = """
import os, sys
import importlib
import torch.distributed, lemmata.estimation  # once, and not in each of the ranks

program, folder, *modules = sys.argv[1:]
for module in modules:
    importlib.import_module(module)
for rank in range(3):
    if os.fork() == 0:
        sys.argv, sys.stdout = ["", str(rank), folder], open(f"{folder}/{rank}", "w")
        exec(program)
        sys.exit()
sys.exit(any(os.wait()[1] for _ in range(3)))
"""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, Any, Any]:
    """Each test begins with the same digits, whatever ran before it: a check with those that a user has."""
    with mpmath.workdps(15 if item.path.parent.name == "verify" else 40):
        return (yield)


@pytest.fixture
def run_ranks(tmp_path: Path) -> Callable[..., list[list[str]]]:
    """Run a program in three processes, with rank and a folder as its arguments: the lines each printed.

    What is named beside it is imported before, once.
    """

    def run(program: str, *modules: str) -> list[list[str]]:
        source = str(Path(lemmata.__file__).parent.parent)
        path = os.pathsep.join([source, *filter(None, [os.environ.get("PYTHONPATH")])])
        command = [sys.executable, "-c", LAUNCHER, program, str(tmp_path), *modules]
        launcher = subprocess.Popen(command, start_new_session=True, env={**os.environ, "PYTHONPATH": path})
        try:
            assert launcher.wait(timeout=200) == 0
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(launcher.pid, signal.SIGKILL)
        return [(tmp_path / str(rank)).read_text().splitlines() for rank in range(3)]

    return run
