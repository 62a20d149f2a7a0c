"""The first code of each chapter runs in a fresh Python, and prints what stands beside it."""

from __future__ import annotations

import ast
import contextlib
import io
import re
from pathlib import Path

import chapters
import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]
SNIPPET = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
NUMBER = re.compile(r"-?\d+\.\d+(?:e[-+]?\d+)?|\b(?:True|False)\b")


def run(source: str) -> list[tuple[str, str]]:
    """What each top-level statement prints, and the comments on its lines and on those just below it."""
    lines, namespace, said = source.splitlines(), {}, []
    for statement in ast.parse(source).body:
        with contextlib.redirect_stdout(io.StringIO()) as out:
            exec(compile(ast.Module([statement], []), "snippet", "exec"), namespace)
        first, last = statement.lineno - 1, statement.end_lineno
        below = next((i for i in range(last, len(lines)) if not lines[i].startswith("#")), len(lines))
        beside = [line.partition("  # ")[2] for line in lines[first:last]]
        said.append((out.getvalue(), "\n".join([*beside, *lines[last:below]])))
    return said


def wrong(printed: str, beside: str) -> list[str]:
    """Numbers beside a statement that it does not print, to their last digit; `about` allows all."""
    if not printed or "about" in beside:
        return []
    got = [NUMBER.findall(re.sub(r"\.(?=[],)])", ".0", printed)), NUMBER.findall(beside)]
    return [want for have, want in zip(*got, strict=False) if not agrees(have, want)] + got[1][len(got[0]) :]


def agrees(have: str, want: str) -> bool:
    if want in ("True", "False"):
        return have == want
    mantissa, _, exponent = want.partition("e")
    unit = 10.0 ** (int(exponent or 0) - len(mantissa.partition(".")[2]))
    return abs(float(have) - float(want)) <= 0.51 * unit


@pytest.mark.parametrize("chapter", chapters.chapters(ROOT), ids=str)
def test_first_code_prints_what_stands_beside_it(chapter):
    source = SNIPPET.search(chapter.twin.read_text(encoding="utf-8"))
    torch.manual_seed(0)
    said = run(source[1])
    assert any(printed for printed, _ in said), "it prints nothing"
    assert [pair for pair in said if wrong(*pair)] == []


@pytest.mark.parametrize(
    ("line", "fine"),
    [
        ("print(0.1235)  # 0.12", True),
        ("print(0.126)  # 0.12", False),
        ("print(0.126)\n# 0.12", False),
        ("print([0.5, 0.25])\n# [0.50, 0.25]", True),
        ("print([0.5])  # 0.5, 0.25", False),
        ("print(-4.9768e-15)  # -4.977e-15", True),
        ("print(-4.9768e-15)  # -4.978e-15", False),
        ("print([True, False])  # True, True", False),
        ("print(0.3)  # about 0.2", True),
    ],
)
def test_numbers_are_read_to_their_last_digit(line, fine):
    assert any(wrong(*pair) for pair in run(line)) != fine
