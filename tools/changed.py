"""Which functions differ from an older commit: those whose syntax no file of the library had there.

Where a function stood, its docstring and its layout do not matter, so that moving is no change.
"""

from __future__ import annotations

import ast
import copy
import io
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

LIBRARY = "src/lemmata"


def git(root: Path, *arguments: str) -> bytes:
    done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, check=False)
    if done.returncode:
        raise LookupError(done.stderr.decode().strip())
    return done.stdout


def usual_base(root: Path) -> str:
    """Where this branch left origin/main, or the commit before the last."""
    try:
        return git(root, "merge-base", "HEAD", "origin/main").decode().strip()
    except LookupError:
        return "HEAD~1"


def units(tree: ast.AST) -> Iterator[ast.stmt]:
    """The functions of a file, methods one by one, and its other statements."""
    for statement in getattr(tree, "body", []):
        if isinstance(statement, ast.ClassDef):
            yield from units(statement)
        else:
            yield statement


def syntax(unit: ast.stmt) -> str:
    """A unit as text, without its docstring."""
    if isinstance(unit, ast.FunctionDef) and ast.get_docstring(unit, clean=False) is not None:
        unit = copy.copy(unit)
        unit.body = unit.body[1:]
    return ast.dump(unit)


def known(root: Path, base: str) -> set[str]:
    """Every unit of the library at ``base``."""
    with tarfile.open(fileobj=io.BytesIO(git(root, "archive", base, LIBRARY))) as archive:
        files = [archive.extractfile(member) for member in archive if member.name.endswith(".py")]
        trees = [ast.parse(file.read()) for file in files if file]
    return {syntax(unit) for tree in trees for unit in units(tree)}


def changed(tree: ast.AST, old: set[str]) -> set[int]:
    """The lines of a file whose unit is not among the old ones."""
    fresh = [unit for unit in units(tree) if syntax(unit) not in old]
    return {line for unit in fresh for line in range(unit.lineno, (unit.end_lineno or unit.lineno) + 1)}
