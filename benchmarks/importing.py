"""What importing the library adds to importing PyTorch. Each case is a process of its own.

    python benchmarks/importing.py [--rounds N] [--quick] [--json PATH]

Parts load when they are first used, so that all of them are a case, too.
"""

import functools
import subprocess
import sys
from collections.abc import Iterator

from measure import Table, Target
from report import main

UNIT, LIBRARY, PARTS = "import torch", "lemmata", "lemmata, every part"
CODE = {
    "python alone": "pass",
    UNIT: "import torch",
    LIBRARY: "import torch, lemmata",
    PARTS: "import torch, lemmata; [getattr(lemmata, name) for name in dir(lemmata) if name != 'verify']",
}
TARGETS = [Target(LIBRARY, 60, "added_ms"), Target(PARTS, 60, "added_ms")]


def start(code: str) -> None:
    subprocess.run([sys.executable, "-c", code], check=True)


def tables(quick: bool) -> Iterator[Table]:
    code = {UNIT: "pass", LIBRARY: "pass", PARTS: "pass"} if quick else CODE
    cases = {name: functools.partial(start, line) for name, line in code.items()}
    yield Table("import", (), "", cases, UNIT, targets=TARGETS, rounds=9, seconds=40)


if __name__ == "__main__":
    main("importing", __doc__, tables)
