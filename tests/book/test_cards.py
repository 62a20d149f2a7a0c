"""A table of sentences says, in each cell, what its column is called; a phone shows its rows as cards."""

from __future__ import annotations

import re

import pytest
from sites import build, write

LONG = "the exact value, for all n, and under every law that has a mean"
HEAD = '| you "want" | call | from $n$ |\n|---|---|---|\n'


@pytest.fixture
def table(tmp_path):
    """The page's table of these lines."""

    def built(lines: str) -> str:
        files = {
            "book/conf.py": 'extensions = ["myst_parser", "cards"]\nmyst_enable_extensions = ["dollarmath"]\n'
            'html_theme = "sphinx_book_theme"\n',
            "book/index.md": f"# Demo\n\n{lines}\n",
        }
        page = build(write(tmp_path, files))["index"]
        return re.search(r"<table.*?</table>", page, re.DOTALL)[0]

    return built


def labels(table: str) -> list[str]:
    return re.findall(r"<td( data-label=[^>]*)?>", table)


def test_cells_after_the_first_say_their_column(table):
    made = table(f"{HEAD}| mean | `x.mean()` | {LONG} |\n| sum | | 2 |")
    assert made.startswith('<table class="table cards">')
    assert labels(made) == ["", ' data-label="call"', ' data-label="from \\(n\\)"'] * 2
    assert made.count("<tr") == 3
    assert LONG in made


def test_of_two_columns_the_second_needs_no_heading(table):
    made = table(f"| kind | what it promises |\n|---|---|\n| proved | {LONG} |")
    assert (made.startswith('<table class="table cards">'), labels(made)) == (True, ["", ""])


def test_short_rows_stay_a_table(table):
    made = table(f"{HEAD}| mean | 1.25 | 2 |\n| sum | 2.5 | 3 |")
    assert (made.startswith('<table class="table">'), "data-label" in made) == (True, False)
