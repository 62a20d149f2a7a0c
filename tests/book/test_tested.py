"""Tests that assert nothing are found, and functions behind statements that no test names."""

from __future__ import annotations

from pathlib import Path

import chapters
import pytest
import tested

HELPERS = """
def assert_near(a, b):
    assert abs(a - b) < 1

def look(a):
    return a

def through(a):
    assert_near(a, a)
"""


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def idle(tmp_path: Path, body: str, above: str = "") -> list[str]:
    text = f"{above}\n\ndef test_it(x=1):\n" + "".join(f"    {line}\n" for line in body.splitlines())
    root = write(tmp_path, {"tests/helpers.py": HELPERS, "tests/part/test_it.py": text})
    return tested.idle(root)


# ------------------------------------------------------------------- tests that assert


@pytest.mark.parametrize(
    "body",
    [
        "assert x == 1",
        "for i in range(3):\n    assert i < x",
        "with pytest.raises(ValueError, match='x'):\n    f(x)",
        "torch.testing.assert_close(x, x)",
        "claim('label').proved(x, x)",
        "subprocess.run(['true'], check=True)",
        "gradcheck(f, x)",
        "raise AssertionError('not yet')",
        "here(x)",
        "Things().run(x)",
        "fixture_like(x)",
    ],
)
def test_an_asserting_test_is_no_finding(tmp_path, body):
    above = "def here(x):\n    assert x\n\nclass Things:\n    def run(self, x):\n        assert x\n"
    assert idle(tmp_path, body, f"{above}\ndef fixture_like(x):\n    return here(x)\n") == []


@pytest.mark.parametrize("body", ["assert_near(x, 1)", "through(x)", "helpers.through(x)"])
def test_helpers_that_assert_count(tmp_path, body):
    assert idle(tmp_path, body, "import helpers\nfrom helpers import assert_near, through") == []


def test_a_helper_of_another_package_that_says_assert_counts(tmp_path):
    assert idle(tmp_path, "assert_close(x, x)", "from torch.testing import assert_close") == []


def test_a_fixture_may_assert(tmp_path):
    root = write(tmp_path, {"tests/test_a.py": "def x():\n    assert 1 == 2\n\ndef test_it(x):\n    pass\n"})
    assert tested.idle(root) == []


@pytest.mark.parametrize(
    "body",
    [
        "pass",
        "f(x)",
        "x == 1",
        "assert True",
        "claim('label')",
        "subprocess.run(['true'])",
        "look(x)",
        "torch.allclose(x, x)",
        "raise ValueError",
    ],
)
def test_a_test_that_asserts_nothing_is_found(tmp_path, body):
    said = idle(tmp_path, body, "from helpers import look")
    assert said == ["tests/part/test_it.py: test_it asserts nothing"]


# ------------------------------------------------------------------- functions behind statements

MODULE = '''
__all__ = ["Adder", "add"]

def add(a, b):
    """A sum. Implements :prf:ref:`thm:sum.1`."""

def helper(a):
    """Helps :prf:ref:`thm:sum.1`; no test has to name it."""

class Adder:
    """A module."""

    def forward(self):
        """Implements :prf:ref:`the sum <thm:sum.1>`."""

    def merge(self):
        """Implements :prf:ref:`demo-merge`."""

    def _hidden(self):
        """Helps :prf:ref:`demo-hidden`."""
'''
FILES = {
    "_toc.yml": "root: part/demo\n",
    "book/part/demo.md": "```{code-cell}\n1\n```\n",
    "src/lemmata/__init__.py": "",
    "src/lemmata/part/__init__.py": "",
    "src/lemmata/part/_demo.py": MODULE,
}
IMPORT = "from lemmata.part import Adder, add as plus\n"
GOOD = f"""{IMPORT}
def total():
    return Adder().merge()

ROWS = [(plus, 1), (total, 2)]

@each(ROWS)
def test_it(row):
    assert row
"""


def untested(tmp_path: Path, text: str) -> list[str]:
    root = write(tmp_path, {**FILES, "tests/part/test_demo.py": text})
    return tested.untested(chapters.find(root, "part/demo"))


def test_implementations_are_found_with_labels_of_any_form(tmp_path):
    write(tmp_path, FILES)
    found = list(tested.implementations(tmp_path / "src/lemmata/part/_demo.py"))
    assert found == [
        ("thm:sum.1", "add"),
        ("thm:sum.1", "helper"),
        ("thm:sum.1", "Adder.forward"),
        ("demo-merge", "Adder.merge"),
    ]


def test_functions_named_in_a_table_of_cases_are_tested(tmp_path):
    assert untested(tmp_path, GOOD) == []


def test_a_file_of_tests_that_was_replaced_by_pass_is_seen(tmp_path):
    assert len(untested(tmp_path, "pass\n")) == 3


@pytest.mark.parametrize(
    "text",
    [
        GOOD.replace("assert row", "pass"),
        GOOD.replace("@each(ROWS)", ""),
        GOOD.replace(IMPORT, ""),
        "def test_it():\n    assert 'add Adder merge'\n",
        GOOD.replace("test_it", "check_it"),
    ],
    ids=["asserts nothing", "cases unused", "not imported", "in a string", "not a test"],
)
def test_a_function_that_no_asserting_test_uses_is_named(tmp_path, text):
    assert "part/demo: no test that asserts names add, which implements a statement" in untested(
        tmp_path, text
    )


def test_a_method_is_named_by_its_own_name(tmp_path):
    (said,) = untested(tmp_path, GOOD.replace("merge", "update"))
    assert "names Adder.merge," in said
