"""Which outputs of a chapter another processor would not reproduce: execute it as if on others, and compare.

    python tools/processors.py training/dynamics ...    these chapters (default: all)
    python tools/processors.py --as plain ...           one setting only; see SETTINGS

The order of a sum and the last bits of an exponential depend on the instructions that torch, MKL, oneDNN,
OpenBLAS and NumPy find. Text that differs from what is stored is shown, beyond what nbval.cfg exempts.
"""

from __future__ import annotations

import argparse
import configparser
import difflib
import json
import os
import re
import sys
from unittest import mock

import chapters
import notebooks
import seals
from nbformat import NotebookNode

NAMES = (
    "ATEN_CPU_CAPABILITY",
    "MKL_CBWR",
    "ONEDNN_MAX_CPU_ISA",
    "OPENBLAS_CORETYPE",
    "NPY_DISABLE_CPU_FEATURES",
)
NEW = "X86_V4 AVX512_ICL AVX512_SPR"
SETTINGS = {
    "this one": {},
    "avx2": dict(zip(NAMES, ("avx2", "AVX2", "AVX2", "Zen", NEW), strict=True)),
    "plain": dict(zip(NAMES, ("default", "COMPATIBLE", "SSE41", "Nehalem", f"X86_V3 {NEW}"), strict=True)),
}
CONFIG = notebooks.ROOT / "tests" / "book" / "nbval.cfg"


def exempt(text: str) -> str:
    """The text without what nbval does not compare."""
    config = configparser.ConfigParser(interpolation=None)
    config.read_string(re.sub(r"\A[^\[]*", "", CONFIG.read_text(encoding="utf-8")))
    for rule in config.values():
        text = re.sub(rule["regex"], rule["replace"], text) if "regex" in rule else text
    return text


def said(cell: NotebookNode) -> list[str]:
    """The lines of all that a cell put out as text."""
    data = [json.dumps(output.get("data", {}), sort_keys=True, ensure_ascii=False) for output in cell.outputs]
    parts = [str(output.get("text", "")) for output in cell.outputs] + [d for d in data if d != "{}"]
    return exempt("\n".join(parts)).splitlines()


def different(fresh: NotebookNode, stored: NotebookNode) -> list[str]:
    """What each cell put out, where it is not the same: its number, then the lines as in a diff."""
    found = []
    for number, (new, old) in enumerate(zip(seals.code(fresh), seals.code(stored), strict=True)):
        lines = list(difflib.unified_diff(said(old), said(new), lineterm="", n=0))[2:]
        changed = [line[:160] for line in lines if not line.startswith("@@")]
        found += [f"cell {number}: {new.source.splitlines()[0]}", *changed] if changed else []
    return found


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("chapters", nargs="*")
    parser.add_argument("--as", dest="names", action="append", choices=SETTINGS, help="a setting")
    options = parser.parse_args(arguments)
    failed = 0
    for name in options.chapters or [str(chapter) for chapter in chapters.chapters(notebooks.ROOT)]:
        chapter = chapters.find(notebooks.ROOT, name)
        for setting in options.names or SETTINGS:
            fresh, stored = notebooks.read_twin(chapter.twin), seals.read(chapter.notebook)
            with mock.patch.dict(os.environ, SETTINGS[setting], OMP_NUM_THREADS="1"):
                try:
                    notebooks.execute(fresh, chapter.twin.parent)
                    found = different(fresh, stored)
                except Exception as error:  # a cell that fails is a difference, too
                    found = [notebooks.failure(error) or repr(error)]
            failed += bool(found)
            print("\n    ".join([f"{name}, {setting}: {'' if found else 'the same'}", *found]), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
