"""On the notation page a name in code leads to the function of its part."""

from __future__ import annotations

import re

from sites import body, build, write

CONF = """
extensions = ["myst_parser", "sphinx_proof", "notation"]
"""
NOTATION = """# Notation

`mean` in the text.

## Part, and everywhere

| symbol | in code | meaning |
|---|---|---|
| $m$ | `mean`, `other` | `mean` |

## Other: more

| symbol | in code | meaning |
|---|---|---|
| $m$ | `mean` | |
"""
FILES = {
    "book/conf.py": CONF,
    "book/index.md": "# Book\n\n```{toctree}\nnotation\napi\n```\n",
    "book/notation.md": NOTATION,
    "book/api.rst": "API\n===\n\n.. py:function:: lemmata.part.mean(a)\n",
}


def test_names_of_the_part_are_links_and_no_others(tmp_path):
    page = body(build(write(tmp_path, FILES))["notation"])
    part, other = page.split("Other: more")
    assert len(re.findall('href="api.html#lemmata.part.mean"', part)) == 2  # the two in the table
    assert "other</span></code></a>" not in part
    assert "api.html" not in other
