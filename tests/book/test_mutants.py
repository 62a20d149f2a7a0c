"""The tool behind `make mutants`, on a chapter of two small functions."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import faults
import mutants
import nbformat
import pytest
from nbformat import v4

MODULE = '''"""Halving -1, 2 or 3 times is no code."""

__all__ = ["clip", "halvings"]


def clip(x: "1 | 2", low: int = 0) -> float:
    return max(x, low)


def halvings(n: int) -> int:
    """How often 1 < n can be halved."""
    count = 0
    while n > 1:
        n, count = n // 2, count + 1
    return count
'''
GOOD = """
from lemmata.part._toy import clip, halvings

def test_halvings():
    assert [halvings(n) for n in (2, 4, 5, 1)] == [1, 2, 2, 0]

def test_clip():
    assert [clip(-1), clip(2), clip(-1, low=-3)] == [0, 2, -1]
"""
WEAK = "from lemmata.part._toy import halvings\n\ndef test_halvings():\n    assert halvings(4) > 0\n"
CELL = """import inspect
from lemmata.part import _toy as toy
print(inspect.getsource(toy.clip), toy.halvings(4))"""
SHOWN = MODULE[MODULE.index("def clip") : MODULE.index("\n\ndef halvings")] + " 2\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for folder in ("src/lemmata/part", "tests/part", "book/part"):
        (tmp_path / folder).mkdir(parents=True)
    for package in ("src/lemmata", "src/lemmata/part"):
        (tmp_path / package / "__init__.py").touch()
    (tmp_path / "_toc.yml").write_text("root: index\nchapters: [file: part/toy]\n")
    (tmp_path / "book/part/toy.md").write_text("---\nkernelspec: {name: python3}\n---\n# Toy\n")
    (tmp_path / "pyproject.toml").write_text(
        '[tool.pytest.ini_options]\naddopts = ["--import-mode=importlib", "--nbval", "--nbval-current-env"]\n'
    )
    (tmp_path / "src/lemmata/part/_toy.py").write_text(MODULE)
    return tmp_path


def add_notebook(project: Path) -> None:
    output = v4.new_output("stream", text=SHOWN)
    cell = v4.new_code_cell(CELL, outputs=[output], execution_count=1)
    nbformat.write(v4.new_notebook(cells=[cell]), project / "book/part/toy.ipynb")


def run(project: Path, tests: str, *options: str) -> subprocess.CompletedProcess[str]:
    (project / "tests/part/test_toy.py").write_text(tests)
    command = [sys.executable, mutants.__file__, "part/toy", f"--root={project}", *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def files(project: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in project.rglob("*") if path.is_file()}


def all_faults(source: str) -> list[str]:
    return [mutant.after for mutant in faults.mutants("a.py", source, ast.parse(source))]


def test_good_tests_kill_every_mutant(project):
    """Among them one that never ends."""
    done = run(project, GOOD, "--at-least=100", "--patience=2", f"--json={project / 'out.json'}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "12 of 12 mutants killed: 100.0 %" in done.stdout
    killed_by = {
        record["after"]: record["killed_by"]
        for record in json.loads((project / "out.json").read_text())["mutants"]
    }
    assert killed_by["return min(x, low)"] == "tests/part/test_toy.py::test_clip"
    assert killed_by["n, count = n * 2, count + 1"] == "too slow: tests/part/test_toy.py::test_halvings"


def test_survivors_of_weak_tests_are_named(project):
    """The notebook notices what the tests missed, by what the code does and not by what it looks like."""
    add_notebook(project)
    before = files(project)
    step, smallest = (
        all_faults(MODULE).index(f) + 1 for f in ("n, count = n // 2, count + 2", "return min(x, low)")
    )
    done = run(project, WEAK, "--only", str(step), str(smallest))
    assert done.returncode == 1, done.stdout + done.stderr
    assert "\n  1 of 2 killed" in done.stdout.partition("against the notebook")[2]
    named = f"src/lemmata/part/_toy.py:7: mutant {smallest}\n  - return max(x, low)\n  + return min(x, low)\n"
    assert done.stdout.endswith(named + done.stdout[done.stdout.rindex("1 of 2 mutants killed: 50.0 %") :])
    (project / "tests/part/test_toy.py").unlink()
    assert files(project) == before


def listed(project: Path, name: str, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, mutants.__file__, name, f"--root={project}", "--list", *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_chapter_is_all_its_files_and_the_numerics_it_uses(project):
    package = project / "src/lemmata/part/_toy"
    package.mkdir()
    (project / "src/lemmata/part/_toy.py").rename(package / "halving.py")
    (package / "__init__.py").write_text("from lemmata.part._toy.halving import *")
    (package / "doubling.py").write_text("from lemmata.numerics.sums import plus\n\ny = 2 * plus(1, 1)\n")
    (project / "src/lemmata/numerics").mkdir()
    (project / "src/lemmata/numerics/sums.py").write_text("def plus(a, b):\n    return a + b\n")
    (project / "tests/part/test_toy.py").write_text(GOOD)
    (project / "tests/part/test_toy_more.py").write_text(GOOD)
    (project / "tests/numerics").mkdir()
    (project / "tests/numerics/test_sums.py").write_text(GOOD)
    subject = mutants.read(project, "part/toy")
    assert list(subject.files) == [
        "src/lemmata/part/_toy/__init__.py", "src/lemmata/part/_toy/doubling.py",
        "src/lemmata/part/_toy/halving.py", "src/lemmata/numerics/sums.py",
    ]  # fmt: skip
    assert subject.tests == [
        "tests/part/test_toy.py", "tests/part/test_toy_more.py", "tests/numerics/test_sums.py",
    ]  # fmt: skip


def test_a_module_of_verify_has_mutants_too(project):
    (project / "src/lemmata/verify").mkdir()
    (project / "src/lemmata/verify/sure.py").write_text("x = 1 + 1\n")
    (project / "tests/verify").mkdir()
    for name in ("test_sets.py", "test_sure.py", "test_sure_more.py", "test_surely.py"):
        (project / "tests/verify" / name).touch()
    subject = mutants.read(project, "verify/sure")
    assert (list(subject.files), subject.notebooks) == (["src/lemmata/verify/sure.py"], [])
    assert subject.tests == [f"tests/verify/test_{name}.py" for name in ("sure", "sure_more", "sets")]
    assert "x = 1 - 1" in listed(project, "verify/sure").stdout


def test_what_is_no_chapter_is_refused(project):
    assert "no chapter 'part/joy'; there are part/toy" in listed(project, "part/joy").stderr
    assert "no module verify/joy" in listed(project, "verify/joy").stderr


def git(project: Path, *arguments: str) -> None:
    names = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run(["git", "-C", str(project), *names, *arguments], check=True, capture_output=True)


def test_only_functions_that_changed(project):
    """A function that moved, or whose docstring changed, has not."""
    (project / "tests/part/test_toy.py").write_text(GOOD)
    module = project / "src/lemmata/part/_toy.py"
    git(project, "init", "-q")
    git(project, "add", ".")
    git(project, "commit", "-qm", "base")
    assert listed(project, "part/toy", "--changed", "HEAD").stdout == "nothing of part/toy has changed\n"
    clip, halvings = MODULE[MODULE.index("def clip") : MODULE.index("def halvings")], "def halvings"
    moved = MODULE.replace(clip, "").replace("How often", "The number of times that") + "\n\n" + clip
    module.write_text(moved.replace(halvings, "def doublings(n):\n    return n * 2\n\n\ndef halvings"))
    out = listed(project, "part/toy", "--changed", "HEAD").stdout
    faults_seen = [line.strip() for line in out.splitlines() if line.startswith("  +")]
    assert faults_seen == ["+ return None", "+ return n / 2", "+ return n * 3"]
    git(project, "commit", "-qam", "two")
    git(project, "commit", "-qm", "three", "--allow-empty")
    assert listed(project, "part/toy", "--changed").stdout == "nothing of part/toy has changed\n"
    git(project, "update-ref", "refs/remotes/origin/main", "HEAD~2")
    assert listed(project, "part/toy", "--changed").stdout == out


@pytest.mark.parametrize(
    ("tests", "message"),
    [
        ("def test(): assert False", "the checks fail without a fault"),
        ("def test(): pass", "passed with a module that only raises"),
    ],
)
def test_checks_that_cannot_tell_are_refused(project, tests, message):
    done = run(project, tests)
    assert done.returncode == 1
    assert message in done.stderr


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a + b", ["a - b"]),
        ("-(a + b)", ["(a + b)", "-(a - b)"]),
        ("s.sum(-1)", ["s.mean(-1)", "s.sum(1)", "s.sum(-2)"]),
        ("f(x, dim=0)", ["f(x)", "f(x, dim=1)"]),
        ("f(x, keepdim=True)", ["f(x)", "f(x, keepdim=False)"]),
        ("a < b", ["a <= b", "a >= b"]),
        ("not a and b", ["not a or b", "a and b"]),
        ("a if f(b) else c", ["a if not f(b) else c"]),
        ('reduce_(x, "amin")', ["reduce_(x, 'amax')"]),
        ("é[max(a, b)]", ["é[min(a, b)]"]),
    ],
)
def test_faults_of_an_expression(source, expected):
    assert all_faults(f"x = {source}") == [f"x = {fault}" for fault in expected]


def test_faults_of_statements():
    assert all_faults("def f(a, b=0):\n    check(a)\n    return a, b") == [
        "def f(a, b=1):", "pass", "return (b, a)",
    ]  # fmt: skip
    assert all_faults("x += 1") == ["x -= 1", "x += 2"]


def test_what_has_no_behaviour_stays():
    source = '''"""2 + 2"""
import a
__all__ = ["sum"]

@a.cache(max=1)
def f(x: "1 + 1") -> 2 | 3:
    """1 + 1"""
    assert x > 0, "none"
    y = zip(x, cse(cse=True), strict=True)
    if y:
        return None
    raise ValueError(f"{x + 1} is not {1}")
'''
    assert all_faults(source) == ["if not y:"]


def test_numerics_that_only_other_chapters_call_are_theirs():
    subject = SimpleNamespace(reached={"a test": [["src/lemmata/numerics/a.py", 3]]})
    here, there, top, own = (
        faults.Mutant(number, file, 1, "", "", function=function)
        for number, (file, function) in enumerate(
            [
                ("src/lemmata/numerics/a.py", 3),
                ("src/lemmata/numerics/a.py", 9),
                ("src/lemmata/numerics/a.py", None),
                ("src/lemmata/part/_toy.py", 9),
            ]
        )
    )
    assert mutants.concerned(subject, [here, there, top, own]) == [here, top, own]
