"""What the tests assert, and which functions they name: read from their text, nothing is run.

    idle(root)               the tests that assert nothing, in words
    untested(chapter)        the public functions behind a statement that no test of the chapter names
    tested_in(name, files)   those of these files of tests that name a function
    implementations(file)    (label, name) of each function or class whose docstring refers to a statement

A test asserts if it holds an ``assert`` (of more than a constant), a ``pytest.raises`` or ``warns``, a check
of a ``claim``, a process that must succeed, or a call of something that does: a function of the same file or
of another file of the tests, or a fixture. It names a function of the library if it uses it, or something at
the top of its file (a table of cases, a helper) that does.
"""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path

from chapters import Chapter, tree

REFERENCE = re.compile(r":prf:ref:`(?:[^`<]*<)?([^`<>]+?)>?`")
RAISING = {"raises", "warns", "fail", "gradcheck", "gradgradcheck", "check_call", "check_output"}
Function = ast.FunctionDef | ast.AsyncFunctionDef


# ------------------------------------------------------------------- implementations


def implementations(file: Path) -> Iterator[tuple[str, str]]:
    """(label, name) for each public function, class or method whose docstring refers to a statement."""

    def walk(node: ast.AST, prefix: str) -> Iterator[tuple[str, str]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.ClassDef) and not child.name.startswith("_"):
                name = f"{prefix}{child.name}"
                for label in dict.fromkeys(REFERENCE.findall(ast.get_docstring(child) or "")):
                    yield label, name
                if isinstance(child, ast.ClassDef):
                    yield from walk(child, f"{name}.")

    yield from walk(tree(file), "")


def untested(chapter: Chapter) -> list[str]:
    """The public functions behind a statement of the chapter that none of its tests names."""
    behind = dict.fromkeys(name for file in chapter.modules for _, name in implementations(file))
    public, files = chapter.public, chapter.tests
    lost = [name for name in behind if name.partition(".")[0] in public and not tested_in(name, files)]
    return [f"{chapter}: no test that asserts names {name}, which implements a statement" for name in lost]


def tested_in(name: str, files: list[Path]) -> list[Path]:
    """The files of tests that name a function; a method by its own name, ``forward`` by its class."""
    owner, _, last = name.rpartition(".")
    wanted = owner if last in ("forward", "__call__") else last
    return [file for file in files if wanted in names(file)]


# ------------------------------------------------------------------- tests


def tests(file: Path) -> list[Function]:
    """The tests of a file: its functions ``test...``, in classes or not."""
    found = [node for node in ast.walk(tree(file)) if isinstance(node, Function)]
    return [function for function in found if function.name.startswith("test")]


def idle(root: Path) -> list[str]:
    """The tests of the project that assert nothing."""
    return [
        f"{file.relative_to(root)}: {test.name} asserts nothing"
        for file in sorted((root / "tests").rglob("test_*.py"))
        for test in tests(file)
        if not asserts(file, test)
    ]


@functools.cache
def asserts(file: Path, function: ast.AST, depth: int = 3) -> bool:
    """Whether a function asserts, or calls something that does."""
    if any(asserting(node) for node in ast.walk(function)):
        return True
    called = {called_name(node) for node in ast.walk(function) if isinstance(node, ast.Call)}
    fixtures = {a.arg for a in function.args.args} if isinstance(function, Function) else set()
    for name in called & set(imported(file)):  # assert_close and the like of other packages
        if name.startswith("assert_") and not module_file(file, imported(file)[name][0]):
            return True
    found = [place for name in called | fixtures for place in definitions(file, name)]
    return depth > 0 and any(asserts(*place, depth - 1) for place in found if place[1] is not function)


def called_name(call: ast.Call) -> str:
    """The last name of what is called: ``c`` of ``a.b.c(...)``."""
    return getattr(call.func, "attr", getattr(call.func, "id", ""))


def asserting(node: ast.AST) -> bool:
    """Whether a piece of code can fail by itself."""
    if isinstance(node, ast.Assert):
        return not isinstance(node.test, ast.Constant)
    if isinstance(node, ast.Raise):
        return node.exc is not None and "AssertionError" in ast.unparse(node.exc)
    if not isinstance(node, ast.Call):
        return False
    of = getattr(node.func, "value", None)  # what the method belongs to
    claimed = isinstance(of, ast.Call) and called_name(of) == "claim"
    must = any(word.arg == "check" and getattr(word.value, "value", 0) is True for word in node.keywords)
    return claimed or must or called_name(node) in RAISING or bool(of and called_name(node)[:7] == "assert_")


def definitions(file: Path, name: str) -> list[tuple[Path, ast.AST]]:
    """(file, function or class) behind a name of a file of tests, there or where it is imported from."""
    here = [(file, node) for node in tops(file).get(name, []) if isinstance(node, Function | ast.ClassDef)]
    if here or name not in imported(file):
        return here
    module, original = imported(file)[name]
    other = module_file(file, module)
    return definitions(other, original) if other and other != file else []


@functools.cache
def module_file(file: Path, module: str) -> Path | None:
    """The file of a module that tests import from each other: it lies in their folder or above."""
    parts = module.replace(".", "/")
    for folder in file.parents:
        for found in (folder / f"{parts}.py", folder / parts / "__init__.py"):
            if found.is_file():
                return found
        if folder.name == "tests":
            break
    return None


def tops(file: Path) -> dict[str, list[ast.AST]]:
    return _tops(tree(file))


@functools.cache
def _tops(module: ast.Module) -> dict[str, list[ast.AST]]:
    """What stands at the top of a file under each name: functions, classes, assignments."""
    found: dict[str, list[ast.AST]] = {}
    for node in module.body:
        names = [node.name] if isinstance(node, Function | ast.ClassDef) else []
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = [part.id for target in targets for part in ast.walk(target) if isinstance(part, ast.Name)]
        for name in names:
            found.setdefault(name, []).append(node)
    return found


def imported(file: Path) -> dict[str, tuple[str, str]]:
    return _imported(tree(file))


@functools.cache
def _imported(module: ast.Module) -> dict[str, tuple[str, str]]:
    """{name: (module, name there)} of all ``from ... import ...`` of a file."""
    froms = [node for node in ast.walk(module) if isinstance(node, ast.ImportFrom)]
    return {a.asname or a.name: (node.module or "", a.name) for node in froms for a in node.names}


def names(file: Path) -> set[str]:
    return _names(file, tree(file))


@functools.cache
def _names(file: Path, _parsed: ast.Module) -> set[str]:
    """The names of the library that the asserting tests of a file use."""
    wanted: list[ast.AST] = [test for test in tests(file) if asserts(file, test)]
    top, origin, found = dict(tops(file)), imported(file), set()
    for node in wanted:  # which grows
        for part in ast.walk(node):
            if isinstance(part, ast.Attribute):
                found.add(part.attr)
            elif isinstance(part, ast.Name):
                module, original = origin.get(part.id, ("", ""))
                found |= {original} if module.split(".")[0] == "lemmata" else set()
                wanted += top.pop(part.id, [])  # each once
    return found
