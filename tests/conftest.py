"""What tests of several parts share: programs that run on several ranks."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import lemmata


@pytest.fixture
def run_ranks(tmp_path: Path) -> Callable[[str], list[list[str]]]:
    """Run a program in three processes, with rank and a folder as its arguments: the lines each printed."""

    def run(program: str) -> list[list[str]]:
        source = str(Path(lemmata.__file__).parent.parent)
        path = os.pathsep.join([source, *filter(None, [os.environ.get("PYTHONPATH")])])
        ranks = [
            subprocess.Popen(
                [sys.executable, "-c", program, str(rank), str(tmp_path)],
                text=True,
                env={**os.environ, "PYTHONPATH": path},
                stdout=subprocess.PIPE,
            )
            for rank in range(3)
        ]
        try:
            return [rank.communicate(timeout=100)[0].splitlines() for rank in ranks]
        finally:
            for rank in ranks:
                rank.kill()

    return run
