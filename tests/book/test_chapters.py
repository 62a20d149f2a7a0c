"""One definition of a chapter: what belongs to it, what it lacks, and the lines that follow from it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import chapters
import pytest

TWIN = "---\nkernelspec:\n  name: python3\n---\n\n```{code-cell}\n# no heading\n```\n\n# The sum, $a+b$\n"
TOC = """
root: index
parts:
  - chapters:
      - file: part/sum
        sections:
          - file: part/sum_rule.ipynb
  - chapters:
      - file: other/last
      - file: api/part
"""
FILES = {
    "_toc.yml": TOC,
    "README.md": f"# Title\n\n{chapters.BEGIN}\nold\n{chapters.END}\n\nThe end.\n",
    "book/part/sum.md": TWIN,
    "book/part/sum_rule.md": TWIN.replace("sum", "rule"),
    "book/other/last.md": "# Last\n\n```{code-cell}\n1\n```\n",
    "src/lemmata/__init__.py": "",
    "src/lemmata/_arguments.py": '__all__ = ["floating"]\n',
    "src/lemmata/numerics/__init__.py": "",
    "src/lemmata/numerics/logs.py": "from lemmata import _arguments as check\n",
    "src/lemmata/numerics/unused.py": "",
    "src/lemmata/part/__init__.py": '"""A part."""\n\nfrom lemmata import _parts\n\n_parts.publish(1)\n',
    "src/lemmata/part/_sum/__init__.py": '"""Sums, made well.\n\nMore.\n"""\nfrom .pairs import *\n',
    "src/lemmata/part/_sum/pairs.py": (
        '__all__ = ["add", "Adder"]\nfrom ...numerics import logs\nfrom . import tools\n'
    ),
    "src/lemmata/part/_sum/tools.py": '__all__ = ["hidden"]\n',
    "src/lemmata/part/_sum_rule.py": '"""Rules."""\n__all__ = ["rule"]\nfrom lemmata.part import add\n',
    "src/lemmata/other/__init__.py": '"""Another."""\n\nfrom lemmata import _parts\n',
    "src/lemmata/other/_last.py": '"""Last.'  '"""\n__all__ = []\nimport lemmata.numerics.logs\n',
    "tests/part/test_sum.py": "",
    "tests/part/test_sum_pairs.py": "",
    "tests/part/test_sum_rule.py": "",
    "tests/part/test_sum_rule_more.py": "",
    "tests/other/test_last.py": "",
}  # fmt: skip


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert chapters.main(["--write"], tmp_path) == 0
    return tmp_path


def names(root: Path, paths: list[Path]) -> list[str]:
    return [path.relative_to(root).as_posix() for path in paths]


# ------------------------------------------------------------------- identity


def test_chapters_stand_in_reading_order(root):
    assert [str(chapter) for chapter in chapters.chapters(root)] == [
        "part/sum",
        "part/sum_rule",
        "other/last",
    ]


def test_a_chapter_says_what_is_its_own(root):
    chapter = chapters.find(root, "part/sum")
    assert chapter.title == "The sum, $a+b$"
    assert names(root, [chapter.twin, chapter.notebook]) == ["book/part/sum.md", "book/part/sum.ipynb"]
    assert chapter.module == "lemmata.part._sum"
    files = ["__init__", "pairs", "tools"]
    assert names(root, chapter.modules) == [f"src/lemmata/part/_sum/{file}.py" for file in files]
    assert chapter.public == ["add", "Adder"]
    assert chapters.what_you_get(chapter) == "Sums, made well"
    assert names(root, chapter.tests) == ["tests/part/test_sum.py", "tests/part/test_sum_pairs.py"]


def test_the_longest_name_owns_a_test(root):
    tests = names(root, chapters.find(root, "part/sum_rule").tests)
    assert tests == ["tests/part/test_sum_rule.py", "tests/part/test_sum_rule_more.py"]


def test_sources_follow_imports_however_they_are_written(root):
    lower = ["src/lemmata/numerics/logs.py", "src/lemmata/_arguments.py"]
    sum_ = chapters.find(root, "part/sum")
    assert names(root, sum_.sources) == [*names(root, sum_.modules), *lower]
    assert names(root, chapters.find(root, "other/last").sources) == ["src/lemmata/other/_last.py", *lower]


def test_a_name_taken_from_a_part_leads_to_the_file_that_defines_it(root):
    found = names(root, chapters.find(root, "part/sum_rule").sources)
    assert found[:2] == ["src/lemmata/part/_sum_rule.py", "src/lemmata/part/_sum/pairs.py"]
    assert "src/lemmata/part/__init__.py" not in found


def test_a_whole_project_has_no_problem(root):
    assert [problem for chapter in chapters.chapters(root) for problem in chapters.problems(chapter)] == []
    assert chapters.strays(root) == chapters.stale(root) == []
    assert chapters.main([], root) == 0


def test_generated_lines(root):
    part = chapters.read(root / "src/lemmata/part/__init__.py")
    lines = "".join(f"from lemmata.part._{name} import *\n" for name in ("sum", "sum_rule"))
    assert part == f'"""A part."""\n\nfrom lemmata import _parts\n{lines}\n_parts.publish(1)\n'
    readme = chapters.read(root / "README.md")
    assert (
        "| part | `sum` | Sums, made well |\n| part | `sum_rule` | Rules |\n| other | `last` | Last |"
        in readme
    )
    assert readme.startswith("# Title\n")
    assert readme.endswith("\n\nThe end.\n")
    assert chapters.main(["--write"], root) == 0
    assert chapters.read(root / "README.md") == readme


def test_importing_it_is_quick():
    """It is asked before everything else: no torch, no Sphinx, no notebook."""
    heavy = "{'torch', 'sympy', 'sphinx', 'docutils', 'nbformat', 'jupytext'}"
    program = f"import sys; sys.path.insert(0, {str(Path(chapters.__file__).parent)!r}); import chapters; "
    program += f"print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


# ------------------------------------------------------------------- failure


def test_an_unknown_chapter_is_refused_with_those_there_are(root):
    with pytest.raises(
        LookupError, match="no chapter 'part/su'; there are part/sum, part/sum_rule, other/last"
    ):
        chapters.find(root, "part/su")


MISSING = {
    "book/part/sum.md": "part/sum: book/part/sum.md is missing",
    "src/lemmata/part/_sum_rule.py": "part/sum_rule: src/lemmata/part/_sum_rule.py (or a folder",
    "tests/part/test_sum.py": "part/sum: tests/part/test_sum.py is missing",
    "src/lemmata/other/__init__.py": "other/last: src/lemmata/other/__init__.py is missing",
}


@pytest.mark.parametrize("room", MISSING)
def test_a_missing_room_is_named(root, room, capsys):
    (root / "book/part/sum.ipynb").write_text("{}")
    (root / room).unlink()
    assert chapters.main([], root) == 1
    assert MISSING[room] in capsys.readouterr().out


def test_a_chapter_that_the_table_of_contents_forgets_comes_last_and_is_named(root):
    (root / "_toc.yml").write_text(TOC.replace("      - file: part/sum\n        sections:\n", "").replace(
        "          - file: part/sum_rule", "      - file: part/sum_rule"))  # fmt: skip
    last = chapters.chapters(root)[-1]
    assert chapters.problems(last) == ["part/sum is not in _toc.yml"]


def test_a_module_without_docstring_is_named(root):
    (root / "src/lemmata/part/_sum_rule.py").write_text('__all__ = ["rule"]\n')
    assert any("no docstring" in found for found in chapters.problems(chapters.find(root, "part/sum_rule")))


@pytest.mark.parametrize(
    "stray", ["src/lemmata/part/_forgotten.py", "tests/part/test_summary.py", "book/part/lost.md"]
)
def test_what_no_chapter_owns_is_named(root, stray):
    (root / stray).write_text("lost\n")
    assert chapters.strays(root) == [f"{stray} belongs to no chapter"]


def test_a_stale_line_is_named(root, capsys):
    (root / "src/lemmata/part/_sum/__init__.py").write_text(
        '"""Sums, made better."""\nfrom .pairs import *\n'
    )
    assert chapters.main([], root) == 1
    assert "README.md: stale" in capsys.readouterr().out


def test_no_place_for_generated_lines_is_said(root):
    (root / "README.md").write_text("# Title\n")
    with pytest.raises(LookupError, match=r"README\.md has no"):
        chapters.stale(root)


@pytest.mark.parametrize(
    ("text", "twin"),
    [
        ("---\njupytext:\n  formats: x\n---\n", True),
        ("---\ntitle: first\nkernelspec:\n  name: python3\n---\n", True),
        ("# Title\n\n```{code-cell} ipython3\n1\n```\n", True),
        ("# Title\n\n````\n```{code-cell}\n1\n```\n````\n", False),
        ("---\ntitle: x\n---\nkernelspec: in the text\n", False),
        ("# Title\n\nProse.\n", False),
    ],
)
def test_a_twin_is_known_by_what_it_holds(text, twin):
    assert chapters.is_twin(text) is twin
