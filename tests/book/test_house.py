"""The house keeps its order: short files, imports one way, public names at home in their part."""

from __future__ import annotations

import ast
import importlib
import pickle
import pkgutil
import re
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import chapters
import pytest

import lemmata

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = ROOT / "src" / "lemmata"
FOUNDATION = ("numerics", "_arguments.py", "_parts.py", "_torch.py")
LIMITS = {"src": 350, "tools": 350, "book/_ext": 350, "conftest.py": 350, "tests": 500}
PARTS = [name for name in lemmata.PARTS if name != "verify"]


def python_files(folder: Path) -> list[Path]:
    return [folder] if folder.is_file() else sorted(folder.rglob("*.py"))


# ------------------------------------------------------------------- files are short


@pytest.mark.parametrize("folder", LIMITS)
def test_a_file_is_about_one_thing_and_short(folder):
    files = python_files(ROOT / folder)
    lengths = {str(path.relative_to(ROOT)): len(path.read_bytes().splitlines()) for path in files}
    assert {path: lines for path, lines in lengths.items() if lines > LIMITS[folder]} == {}


# ------------------------------------------------------------------- imports go one way


def owner(root: Path, file: Path) -> str:
    """Who a file of the library belongs to: the foundation, a part, verify, or the chapter "part/name"."""
    first, *rest = file.relative_to(root / "src" / "lemmata").parts
    if not rest:
        return "foundation" if first in FOUNDATION else "lemmata"
    if first in (*FOUNDATION, "verify"):
        return "foundation" if first in FOUNDATION else first
    return first if rest == ["__init__.py"] else f"{first}/{Path(rest[0]).stem.removeprefix('_')}"


def wrong_imports(root: Path) -> list[str]:
    """Imports that reach what they may not: foundation < chapters in reading order < parts; verify apart.

    What belongs to another chapter comes from its part, by its public name.
    """
    order = {"foundation": 0} | {str(chapter): i + 1 for i, chapter in enumerate(chapters.chapters(root))}
    found = []
    for file in python_files(root / "src" / "lemmata"):
        here = owner(root, file)
        for module, name in chapters.imports(root, file):
            target = chapters.home(root, module, name)
            there = owner(root, target) if target else "nowhere"
            if here == "verify":
                good = there in ("verify", "foundation")
            elif here in order:
                private = re.search(r"\._(?!_)", module) and there not in (here, "foundation")
                good = order.get(there, len(order)) <= order[here] and not private
            else:
                good = there != "nowhere"
            if not good:
                found.append(f"{file.relative_to(root)} imports {name} of {module}")
    return found


def cycle(root: Path) -> list[str]:
    """A circle of files that import each other, if there is one."""
    graph = {}
    for file in python_files(root / "src" / "lemmata"):
        reached = {chapters.home(root, module, name) for module, name in chapters.imports(root, file)}
        graph[file] = reached - {file, None}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return [str(file.relative_to(root)) for file in error.args[1]]
    return []


def test_imports_go_one_way():
    assert wrong_imports(ROOT) == []
    assert cycle(ROOT) == []


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """Two chapters of one part, and something below and beside them."""
    texts = {
        "_toc.yml": "root: index\nchapters: [file: part/first, file: part/second]\n",
        "src/lemmata/__init__.py": "",
        "src/lemmata/_arguments.py": "from lemmata._torch import f",
        "src/lemmata/_torch.py": "",
        "src/lemmata/numerics/__init__.py": "",
        "src/lemmata/numerics/sums.py": "",
        "src/lemmata/part/__init__.py": "from ._first import *\nfrom ._second import *",
        "src/lemmata/part/_first.py": "from lemmata import _arguments\n__all__ = ['f']",
        "src/lemmata/part/_second.py": "from lemmata.numerics.sums import s\n__all__ = ['g']",
        "src/lemmata/verify/__init__.py": "from . import exact",
        "src/lemmata/verify/exact.py": "",
        "book/part/first.md": "---\nkernelspec: {}\n---\n# One\n",
        "book/part/second.md": "---\nkernelspec: {}\n---\n# Two\n",
    }
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def add(root: Path, file: str, line: str) -> None:
    path = root / "src" / "lemmata" / file
    path.write_text(f"{path.read_text()}\n{line}\n")


def test_good_imports_pass(small):
    add(small, "part/_second.py", "from lemmata.part import f")
    assert wrong_imports(small) == []


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("numerics/sums.py", "from lemmata.part import f"),
        ("_torch.py", "from lemmata.part._first import f"),
        ("part/_first.py", "from lemmata.part import g"),
        ("part/_second.py", "from lemmata.part._first import helper"),
        ("part/_second.py", "from ._first import helper"),
        ("part/_first.py", "from lemmata.verify import exact"),
        ("part/_first.py", "import lemmata.part"),
        ("verify/exact.py", "from lemmata.part import f"),
    ],
)
def test_wrong_imports_are_found(small, file, line):
    add(small, file, line)
    (found,) = wrong_imports(small)
    assert found.startswith(f"src/lemmata/{file} imports ")


def test_circles_are_found(small):
    add(small, "_torch.py", "from lemmata import _arguments")
    assert {Path(file).name for file in cycle(small)} == {"_torch.py", "_arguments.py"}


# ------------------------------------------------------------------- torch's private calls stand in one file


def private_calls(tree: ast.AST) -> list[str]:
    """What code takes from torch that its documentation does not promise."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            names = [ast.unparse(node)]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        found += [name for name in names if re.match(r"torch\.(\w+\.)*_(?!_)", name)]
    return found


def test_private_calls_into_torch_stand_in_one_file():
    elsewhere = {
        str(path.relative_to(ROOT)): private_calls(ast.parse(path.read_text(encoding="utf-8")))
        for path in python_files(LIBRARY)
        if path.name != "_torch.py"
    }
    assert {path: calls for path, calls in elsewhere.items() if calls} == {}


@pytest.mark.parametrize(
    "line",
    [
        "torch._standard_gamma(x)",
        "torch._C._functorch.peek_interpreter_stack()",
        "torch.autograd.forward_ad._current_level",
        "from torch._dynamo import allow_in_graph",
        "from torch.autograd.forward_ad import _current_level",
        "import torch._inductor",
    ],
)
def test_private_calls_are_found(line):
    assert private_calls(ast.parse(line))


def test_public_calls_are_none():
    assert private_calls(ast.parse("torch.exp(x).add_(1); torch.__version__; self._torch; x._version")) == []


# ------------------------------------------------------------------- names are at home in their part


def modules() -> list[str]:
    return ["lemmata", *(found.name for found in pkgutil.walk_packages(lemmata.__path__, "lemmata."))]


@pytest.mark.parametrize("name", modules())
def test_every_module_says_what_it_gives(name):
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != "triton":
            raise
        pytest.skip("triton is not installed")
    assert [public for public in module.__all__ if not hasattr(module, public)] == []
    assert len(set(module.__all__)) == len(module.__all__)


def public_objects() -> list[tuple[str, str]]:
    return [(part, name) for part in PARTS for name in importlib.import_module(f"lemmata.{part}").__all__]


@pytest.mark.parametrize(("part", "name"), public_objects())
def test_public_name_lives_at_its_part(part, name):
    """A pickle of it, or of an object of its class, names the part, which stays where modules move."""
    member = getattr(importlib.import_module(f"lemmata.{part}"), name)
    assert (member.__module__, member.__qualname__) == (f"lemmata.{part}", name)
    written = pickle.dumps(member)
    assert pickle.loads(written) is member
    assert f"lemmata.{part}".encode() in written
    assert b"._" not in written


def test_parts_load_when_they_are_asked_for():
    program = (
        "import sys, lemmata\n"
        "loaded = lambda: sorted(m for m in sys.modules if m.count('.') == 1 and m.startswith('lemmata.'))\n"
        "print(loaded())\n"
        "lemmata.estimation.hsic\n"
        "print('lemmata.estimation' in loaded(), 'lemmata.geometry' in loaded())\n"
        "print(set(lemmata.PARTS) <= set(dir(lemmata)))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[]", "True False", "True"]


def test_every_folder_of_the_library_is_a_part_or_the_foundation():
    folders = {path.parent.name for path in LIBRARY.glob("*/__init__.py")}
    assert folders - {"numerics"} == set(lemmata.PARTS)
