"""What importing the library adds to importing PyTorch. Each case is a process of its own.

    python benchmarks/importing.py [--rounds N] [--quick] [--json PATH]

What comes after PyTorch is timed inside the process: the difference of two whole ones is lost in their noise.
Parts load when they are first used, so that all of them are a case, too. Python keeps what it has compiled
in a folder that lasts for all rounds, as an installed package does, whatever PYTHONDONTWRITEBYTECODE says.
"""

import functools
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator

from measure import Table, Target
from report import main

UNIT, LIBRARY, PARTS = "torch alone", "lemmata", "lemmata, every part"
CODE = {
    UNIT: "",
    LIBRARY: "import lemmata",
    PARTS: "import lemmata; [getattr(lemmata, part) for part in lemmata.PARTS if part != 'verify']",
}
PROGRAM = """
import sys, time
{}
sys.dont_write_bytecode, sys.pycache_prefix = False, {!r}
start = time.perf_counter()
{}
print(time.perf_counter() - start)
"""


def start(first: str, then: str, compiled: str, after: list[float]) -> None:
    """Run both in a process, and keep the seconds of the second."""
    program = [sys.executable, "-c", PROGRAM.format(first, compiled, then)]
    after.append(float(subprocess.run(program, capture_output=True, text=True, check=True).stdout))


def tables(quick: bool) -> Iterator[Table]:
    with tempfile.TemporaryDirectory() as folder:
        yield table(quick, folder)


def table(quick: bool, folder: str) -> Table:
    after: dict[str, list[float]] = {name: [] for name in CODE}
    first = "" if quick else "import torch"
    cases = {
        name: functools.partial(start, first, "" if quick else code, folder, after[name])
        for name, code in CODE.items()
    }

    def then(name: str, medians: object) -> dict[str, float]:
        return {} if name == UNIT else {"after_torch_ms": 1e3 * statistics.median(after[name][1:])}

    targets = [Target(name, 60, "after_torch_ms") for name in (LIBRARY, PARTS)]
    return Table("import", (), "", cases, UNIT, targets=targets, more=then, rounds=9, seconds=40)


if __name__ == "__main__":
    main("importing", __doc__, tables)
