"""A given number is mathematics that says so, in every builder."""

from __future__ import annotations

import pytest
from given import HINT
from sites import body, build, plain, write

TEXT = """# Demo

We take {given}`p = 0.5` for both.

:::{given}
The prices are *exactly* 0.25 and

$$
x = 0.75.
$$
:::
"""
FILES = {
    "book/conf.py": 'extensions = ["myst_parser", "given"]\n'
    'myst_enable_extensions = ["colon_fence", "dollarmath"]\n',
    "book/index.md": TEXT,
}


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    return build(write(tmp_path_factory.mktemp("site"), FILES))["index"]


def test_role_is_mathematics_in_a_line_with_a_hint(page):
    assert f'We take <span class="given" title="{HINT}"><span class="math' in page
    assert "\\(p = 0.5\\)</span></span> for both." in page


def test_directive_holds_any_text(page):
    assert '<div class="given docutils container">' in page
    assert "<em>exactly</em> 0.25" in page
    assert "x = 0.75" in plain(body(page))


def test_role_works_in_restructured_text_too(tmp_path):
    files = {**FILES, "book/index.rst": "Demo\n====\n\nWe take :given:`p = 0.5`.\n"}
    del files["book/index.md"]
    assert 'class="given"' in body(build(write(tmp_path, files))["index"])


@pytest.mark.parametrize("builder", ["text", "latex"])
def test_other_builders_keep_the_numbers(tmp_path, builder):
    text = "\n".join(build(write(tmp_path, FILES), builder).values())
    assert all(number in text for number in ("p = 0.5", "0.25", "x = 0.75"))
