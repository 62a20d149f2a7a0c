"""Run every script in ``findings/``: what another library, tool or format did that surprised us, seen again.

    python tools/surprises.py findings          status 1 if one fails
    ... --seconds 900                           each may take so long

A script installs pinned public packages in a folder of its own and fails when they behave otherwise than it
says. None of this is part of `make test`: it needs the network, and other people's releases.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def run(script: Path, seconds: float) -> tuple[str, str]:
    """Run one script: how it ended ("" if well), and what it printed. What it has started ends with it."""
    with tempfile.TemporaryFile("w+", errors="replace") as log:
        process = subprocess.Popen(
            ["bash", str(script)], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
        try:
            status = process.wait(seconds)
            how = f"status {status}" if status else ""
        except subprocess.TimeoutExpired:
            how = f"not done after {seconds:g} s"
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        log.seek(0)
        return how, log.read()


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seconds", type=float, default=600)
    wish = parser.parse_args(arguments)
    scripts = sorted(wish.folder.glob("*.sh"))
    failed = 0
    for script in scripts:
        began = time.perf_counter()
        how, printed = run(script, wish.seconds)
        failed += bool(how)
        line = f"FAILED, {how}" if how else "as stated"
        print(f"{script.name}: {line} ({time.perf_counter() - began:.0f} s)", flush=True)
        if how:
            print("\n".join("    " + row for row in printed.splitlines()[-20:]), flush=True)
    total = f"{len(scripts) - failed} of {len(scripts)} as stated"
    print(total if scripts else f"there is no script in {wish.folder}")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
