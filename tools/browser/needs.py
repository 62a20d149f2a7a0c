"""What the checks need from the machine: Debian's Chromium, and from PyPI Playwright and axe-core."""

from __future__ import annotations

import shutil
import sys
from importlib.resources import files
from importlib.util import find_spec

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
PACKAGES = ("playwright", "axe_playwright_python")


def chromium() -> str:
    """The browser's path; empty if there is none."""
    return next(filter(None, map(shutil.which, CHROMIUM)), "")


def missing() -> str:
    """Why no page can be looked at here, in words; empty if it can."""
    if not chromium():
        return f"there is no Chromium here ({', '.join(CHROMIUM)}); on Debian: apt-get install chromium"
    absent = [name for name in PACKAGES if find_spec(name) is None]
    if absent:
        return f"{' and '.join(absent)} cannot be imported; pip install -r requirements-browser.txt"
    return ""


def axe() -> str:
    """The source of axe-core, which the package carries."""
    return (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")


if __name__ == "__main__":  # `make browser` asks before it builds anything
    if reason := missing():
        print(f"browser: skipped, for {reason}")
    sys.exit(bool(reason))
