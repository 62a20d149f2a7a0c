"""How many words a reader meets in the main line of a chapter: at most 3,500.

    python tools/length.py book/part/a.md ...

Code, tables, displays, options of directives and sections "Details: ..." do not count; a formula in a line or
a reference is one word.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

MOST = 3500
NOT_READ = re.compile(r"\s*(:{3,}|:\w[\w-]*:|\||\+\+\+)")
ONE_WORD = (
    (re.compile(r"\$\$.*?\$\$", re.DOTALL), " "),
    (re.compile(r"\$[^$]+\$"), "x"),
    (re.compile(r"\{[\w:]+\}`[^`]*`"), "x"),
    (re.compile(r"\(https?://[^)]*\)"), ""),
)


def words(text: str) -> int:
    """The words of a text cell, or of a whole twin."""
    text = "\n".join(main_line(re.sub(r"\A---\n.*?\n---\n", "", text, flags=re.DOTALL)))
    for pattern, instead in ONE_WORD:
        text = pattern.sub(instead, text)
    return len(text.split())


def main_line(text: str) -> list[str]:
    """The lines outside fences of code and outside sections of details."""
    lines, fence, folded = [], "", 0
    for line in text.split("\n"):
        if fence:
            fence = "" if line.strip() and set(line.strip()) == {fence[0]} and fence in line else fence
        elif opened := re.match(r"\s*(`{3,}|~{3,})", line):
            fence = opened[1]
        elif heading := re.match(r"(#+) (Details:)?", line):
            level = len(heading[1])
            folded = 0 if level <= folded else folded
            folded = folded or (level if heading[2] else 0)
            lines += [] if folded else [line]
        elif not folded and not NOT_READ.match(line):
            lines.append(line)
    return lines


if __name__ == "__main__":
    counts = {path: words(Path(path).read_text(encoding="utf-8-sig")) for path in sys.argv[1:]}
    print("\n".join(f"{count:6d} {path}" for path, count in counts.items()))
    sys.exit(max(counts.values(), default=0) > MOST)
