"""The first page of this book: its line of code computes what its theorem says, and gives what it says."""

from __future__ import annotations

import re
from pathlib import Path

import lemmata.geometry

TEXT = (Path(__file__).resolve().parents[2] / "book" / "index.md").read_text(encoding="utf-8")
LINE = re.search(r"^(?P<call>(?P<function>\w+)\(.*\))  # (?P<value>\S+)$", TEXT, re.MULTILINE)


def test_the_line_of_code_gives_what_it_says():
    value = eval(LINE["call"], vars(lemmata.geometry))
    assert f"{value:.2e}" == LINE["value"]


def test_the_line_of_code_is_the_theorem_above_it():
    label = re.search(r"{quoted} (\S+)", TEXT)[1]
    assert f":prf:ref:`{label}`" in getattr(lemmata.geometry, LINE["function"]).__doc__
