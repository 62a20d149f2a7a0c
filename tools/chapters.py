"""What a chapter is, said once: the ledger, the guards, the mutants, the API pages and the tests ask here.

    python tools/chapters.py            fail if a generated line is stale, or a chapter is not whole
    python tools/chapters.py --write    bring the lines up to date

A chapter ``part/name`` is a page of ``_toc.yml`` with a text twin, and everything of that name:

    chapter = find(root, "estimation/hsic")      or one of chapters(root), in reading order
    chapter.part, chapter.name, str(chapter)     "estimation", "hsic", "estimation/hsic" (the page, too)
    chapter.title                                the first heading of its twin
    chapter.twin, chapter.notebook               book/<part>/<name>.md, .ipynb
    chapter.module                               lemmata.<part>._<name>, its name to import
    chapter.modules                              src/lemmata/<part>/_<name>.py, or the files of _<name>/
    chapter.sources                              the modules and what they import of lemmata, and so on
    chapter.docstring                            of its module; the first line says what you get
    chapter.public                               the public names, from the ``__all__`` of its modules
    chapter.tests                                tests/<part>/test_<name>.py and tests/<part>/test_<name>_*.py
    problems(chapter), strays(root)              what is wrong, in words; files of a part that no chapter owns

All paths are absolute. Nothing is imported but PyYAML: modules are read, not run. Generated are the lines
``from lemmata.<part>._<name> import *`` in ``src/lemmata/<part>/__init__.py``, sorted as ruff wants them, and
the README's table, in reading order.
"""

from __future__ import annotations

import argparse
import ast
import functools
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
HEADING = re.compile(r"^# +(.+?)[ #]*$", re.MULTILINE)
FRONT = re.compile(r"\A---[ \t]*\n(.*?)^---[ \t]*$", re.MULTILINE | re.DOTALL)
FENCED = re.compile(r"^(`{3,})(.*?)^\1`*[ \t]*$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Chapter:
    """One chapter of the project in ``root``; see the head of this file."""

    root: Path
    part: str
    name: str

    def __str__(self) -> str:
        return f"{self.part}/{self.name}"

    @property
    def twin(self) -> Path:
        return self.root / "book" / self.part / f"{self.name}.md"

    @property
    def notebook(self) -> Path:
        return self.twin.with_suffix(".ipynb")

    @property
    def title(self) -> str:
        text = read(self.twin) if self.twin.is_file() else ""
        found = HEADING.search(FENCED.sub("", FRONT.sub("", text)))
        return found[1] if found else self.name

    @property
    def module(self) -> str:
        return f"lemmata.{self.part}._{self.name}"

    @property
    def modules(self) -> list[Path]:
        folder = self.root / "src" / "lemmata" / self.part
        one = folder / f"_{self.name}.py"
        return [one] if one.is_file() else sorted((folder / f"_{self.name}").rglob("*.py"))

    @property
    def sources(self) -> list[Path]:
        return closure(self.root, self.modules)

    @property
    def docstring(self) -> str:
        file = file_of(self.root, self.module)
        return (ast.get_docstring(tree(file)) or "") if file else ""

    @property
    def public(self) -> list[str]:
        file = file_of(self.root, self.module)
        return exported(self.root, file) if file else []

    @property
    def tests(self) -> list[Path]:
        folder = self.root / "tests" / self.part
        longer = {c.name for c in chapters(self.root) if c.part == self.part and len(c.name) > len(self.name)}
        return [
            path
            for path in sorted(folder.glob(f"test_{self.name}*.py"))
            if named(path, self.name) and not any(named(path, name) for name in longer)
        ]


def named(test: Path, name: str) -> bool:
    """Whether a file of tests carries this chapter's name (a longer one that begins with it may own it)."""
    return test.stem == f"test_{name}" or test.stem.startswith(f"test_{name}_")


# ------------------------------------------------------------------- the book


def read(path: Path) -> str:
    """A text of the project: UTF-8 wherever it is read, with or without a byte-order mark."""
    return path.read_text(encoding="utf-8-sig")


def is_twin(text: str) -> bool:
    """Whether a text is a notebook's twin, by what it holds: a kernel in its head, or a code cell."""
    front = FRONT.match(text)
    kernel = front and re.search(r"^(kernelspec|jupytext):", front[1], re.MULTILINE)
    return bool(kernel) or any(block[2].startswith("{code-cell}") for block in FENCED.finditer(text))


def pages(toc: dict) -> list[str]:
    """Every page that a ``_toc.yml`` names, in reading order."""
    named = [toc[key] for key in ("root", "file") if key in toc]
    for key in ("parts", "chapters", "sections", "subtrees", "entries"):
        for entry in toc.get(key) or []:
            named += pages(entry)
    return [name.removesuffix(".md").removesuffix(".ipynb") for name in named]


def contents(root: Path) -> list[str]:
    """The pages of this project's table of contents."""
    return pages(yaml.safe_load(read(root / "_toc.yml")))


def chapters(root: Path = ROOT) -> list[Chapter]:
    """All chapters in reading order; those that ``_toc.yml`` forgets come last, and have a problem."""
    listed = {page: place for place, page in enumerate(contents(root))}
    found = {notebook.with_suffix("") for notebook in (root / "book").glob("*/*.ipynb")}
    found |= {path.with_suffix("") for path in (root / "book").glob("*/*.md") if is_twin(read(path))}
    every = [Chapter(root, path.parent.name, path.name) for path in sorted(found)]
    return sorted(every, key=lambda chapter: listed.get(str(chapter), len(listed)))


def find(root: Path, name: str) -> Chapter:
    """The chapter ``part/name``; LookupError names those there are."""
    known = {str(chapter): chapter for chapter in chapters(root)}
    if name not in known:
        raise LookupError(f"no chapter {name!r}; there are {', '.join(known)}")
    return known[name]


# ------------------------------------------------------------------- modules, read but not run


def tree(path: Path) -> ast.Module:
    return _parsed(path, path.stat().st_mtime_ns)


@functools.lru_cache(maxsize=512)
def _parsed(path: Path, _changed: int) -> ast.Module:
    return ast.parse(path.read_bytes())


def file_of(root: Path, module: str) -> Path | None:
    """The file of a module or package of the library, if it has one."""
    path = root.joinpath("src", *module.split("."))
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)


def imports(root: Path, file: Path) -> Iterator[tuple[str, str | None]]:
    """(module, name or None) for each import of the library by a file, in full however it is written."""
    package = list(file.relative_to(root / "src").parts[:-1])
    for node in ast.walk(tree(file)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names if alias.name.split(".")[0] == "lemmata")
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) + 1 - node.level] if node.level else []
            module = ".".join([*above, *filter(None, [node.module])])
            if module.split(".")[0] == "lemmata":
                yield from ((module, alias.name) for alias in node.names)


def exported(root: Path, file: Path) -> list[str]:
    """The names that a file gives away: its ``__all__``, or what it takes in by ``from ... import *``."""
    for node in tree(file).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return [name.value for name in ast.walk(node.value) if isinstance(name, ast.Constant)]
    starred = [file_of(root, module) for module, name in imports(root, file) if name == "*"]
    return [name for other in starred if other for name in exported(root, other)]


def home(root: Path, module: str, name: str | None) -> Path | None:
    """The file that an import reaches, behind the packages that only pass a name on."""
    file = file_of(root, f"{module}.{name}") or file_of(root, module)
    if file is None or name in (None, "*") or file.name != "__init__.py":
        return file
    passed_on = [source for source, every in imports(root, file) if every == "*"]
    behind = [other for other in passed_on if name in exported(root, file_of(root, other) or file)]
    return home(root, behind[0], name) if behind else file


def closure(root: Path, files: list[Path]) -> list[Path]:
    """These files and every file of the library that they need, each once."""
    found = list(dict.fromkeys(files))
    for file in found:  # which grows
        reached = (home(root, module, name) for module, name in imports(root, file))
        found += dict.fromkeys(path for path in reached if path and path not in found)
    return found


# ------------------------------------------------------------------- what is wrong


def problems(chapter: Chapter) -> list[str]:
    """What a chapter lacks, in words; nothing if it is whole."""
    part, name = chapter.part, chapter.name
    rooms = {
        f"book/{part}/{name}.md": chapter.twin.is_file(),
        f"src/lemmata/{part}/_{name}.py (or a folder _{name}/)": chapter.modules,
        f"tests/{part}/test_{name}.py": (chapter.root / "tests" / part / f"test_{name}.py").is_file(),
        f"src/lemmata/{part}/__init__.py": file_of(chapter.root, f"lemmata.{part}"),
    }
    found = [f"{chapter}: {room} is missing" for room, there in rooms.items() if not there]
    if str(chapter) not in contents(chapter.root):
        found.append(f"{chapter} is not in _toc.yml")
    if chapter.twin.is_file() and not is_twin(read(chapter.twin)):
        found.append(f"{chapter}: the text beside its notebook is no twin: no kernelspec, no code cell")
    if chapter.modules and not chapter.docstring:
        found.append(f"{chapter}: its module has no docstring, whose first line says what you get")
    return found


def strays(root: Path = ROOT) -> list[str]:
    """Files of the book's parts that no chapter owns: modules, tests, and texts that are no page."""
    known, listed = chapters(root), contents(root)
    owned = {path for chapter in known for path in (chapter.twin, *chapter.modules, *chapter.tests)}
    found = []
    for part in dict.fromkeys(chapter.part for chapter in known):
        library, tests = root / "src" / "lemmata" / part, root / "tests" / part
        files = [*library.rglob("*.py"), *tests.rglob("test_*.py"), *(root / "book" / part).glob("*.md")]
        found += [file for file in sorted(files) if file not in owned and file != library / "__init__.py"]
    pages = {root / "book" / f"{page}.md" for page in listed}
    return [f"{file.relative_to(root)} belongs to no chapter" for file in found if file not in pages]


# ------------------------------------------------------------------- generated lines

BEGIN, END = "<!-- chapters: written by tools/chapters.py -->", "<!-- end of chapters -->"


def generated(root: Path) -> dict[Path, str]:
    """The text that each file with generated lines should have."""
    every = chapters(root)
    texts = {root / "README.md": table(read(root / "README.md"), every)}
    for part in dict.fromkeys(chapter.part for chapter in every):
        file = root / "src" / "lemmata" / part / "__init__.py"
        if file.is_file():
            modules = sorted(c.module for c in every if c.part == part and c.modules)
            texts[file] = passing_on(read(file), part, modules)
    return texts


def passing_on(text: str, part: str, modules: list[str]) -> str:
    """A part's ``__init__`` with one line for each of these modules, where such lines stand already."""
    line = re.compile(rf"from lemmata\.{part}\._\w+ import \*|from lemmata import _parts")
    old = text.splitlines()
    places = [i for i, found in enumerate(old) if line.fullmatch(found)]
    if not places:
        raise LookupError(f"lemmata.{part} has no line `from lemmata import _parts` to begin with")
    new = ["from lemmata import _parts", *(f"from {module} import *" for module in modules)]
    return "\n".join([*old[: places[0]], *new, *old[places[-1] + 1 :]]) + "\n"


def what_you_get(chapter: Chapter) -> str:
    return next(iter(chapter.docstring.splitlines()), "").rstrip(".")


def table(text: str, every: list[Chapter]) -> str:
    """The README with its table of chapters, which stands between two marks."""
    before, found, rest = text.partition(BEGIN)
    _, closed, after = rest.partition(END)
    if not found or not closed:
        raise LookupError(f"README.md has no {BEGIN!r} and {END!r} with the chapters between")
    rows = [f"| {c.part} | `{c.name}` | {what_you_get(c)} |" for c in every]
    head = ["| part | chapter | what you get |", "|---|---|---|"]
    return before + "\n".join([BEGIN, "", *head, *rows, "", END]) + after


def stale(root: Path = ROOT) -> list[Path]:
    return [file for file, text in generated(root).items() if read(file) != text]


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--write", action="store_true", help="bring generated lines up to date")
    write = parser.parse_args(arguments).write
    for file in (old := stale(root)):
        if write:
            file.write_text(generated(root)[file], encoding="utf-8")
        print(f"{file.relative_to(root)}: " + ("written" if write else "stale, run `make notebooks`"))
    wrong = [problem for chapter in chapters(root) for problem in problems(chapter)] + strays(root)
    print(*wrong, sep="\n", end="\n" if wrong else "")
    return int(bool(wrong or (old and not write)))


if __name__ == "__main__":
    sys.exit(main())
