"""Look at the built site in a browser; status 1 if anything is wrong with it.

    PYTHONPATH=tools python -m browser _build/html
    ... --only estimation/hsic        these pages, and no link or search of the site
    ... --untimed                     do not measure the first screens
    ... --timed                       do nothing else

`make browser` asks ``browser.needs`` first, and skips all this where something is missing.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from browser import needs


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="browser", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("site", type=Path)
    parser.add_argument("--only", nargs="+", metavar="PAGE", default=[])
    part = parser.add_mutually_exclusive_group()
    part.add_argument("--untimed", action="store_true")
    part.add_argument("--timed", action="store_true")
    return parser.parse_args()


def main() -> int:
    wish = arguments()
    if reason := needs.missing():
        sys.exit(f"browser: {reason}")
    from browser.check import check  # imports Playwright, which may be missing

    began = time.perf_counter()
    report = check(wish.site.resolve(), wish.only, looks=not wish.timed, timed=not wish.untimed)
    print(report.text())
    print(f"{report.verdict()} ({time.perf_counter() - began:.0f} s)")
    return int(bool(report.faults))


if __name__ == "__main__":
    sys.exit(main())
