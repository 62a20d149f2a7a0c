"""The API pages, made from the modules: ``book/api/estimation.rst`` is a title and ``.. api:: estimation``.

First comes what the part says of itself. Then each chapter, in reading order, has a section: its title, which
leads there, the docstring of its module, and its public names in the order of their source, documented under
the name by which they are imported, ``lemmata.<part>.<name>``.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.errors import SphinxError
from sphinx.pycode import ModuleAnalyzer
from sphinx.util.docutils import SphinxDirective

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))

from chapters import Chapter, chapters, tree


class ApiError(SphinxError):
    category = "API"


class ApiDirective(SphinxDirective):
    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        part = self.arguments[0]
        chosen = [chapter for chapter in chapters_of(self.env) if chapter.part == part]
        if not chosen:
            raise ApiError(f"{self.env.docname} documents {part!r}, which has no chapter")
        for path in (path for chapter in chosen for path in (chapter.twin, *chapter.modules)):
            self.env.note_dependency(str(path))
        read_sources(part, chosen)
        text = "\n".join(line for chapter in chosen for line in section(chapter))
        return self.parse_text_to_nodes(f"{introduction(part, chosen)}\n{text}", allow_section_headings=True)


def chapters_of(env: BuildEnvironment) -> list[Chapter]:
    """The chapters of the project whose book this is."""
    return chapters(Path(env.srcdir, env.config.api_root).resolve())


def read_sources(part: str, chosen: list[Chapter]) -> None:
    """Let autodoc, which looks in the part, find the comments and the order of members in the chapters."""
    known = ModuleAnalyzer.for_module(f"lemmata.{part}")  # the one that autodoc will get
    known.analyze()
    for path in (path for chapter in chosen for path in chapter.modules):
        file = ModuleAnalyzer.for_file(str(path), f"lemmata.{part}")
        file.analyze()
        for kind in ("annotations", "attr_docs", "overloads", "tagorder"):
            getattr(known, kind).update(getattr(file, kind))


def introduction(part: str, chosen: list[Chapter]) -> str:
    """The part's docstring, and one line to copy."""
    names = [name for chapter in chosen for name in in_source_order(chapter)]
    if not names:
        raise ApiError(f"no chapter of {part} has a public name")
    return (
        f".. automodule:: lemmata.{part}\n   :no-members:\n\n"
        f"Import from the part: ``from lemmata.{part} import {names[0]}``.\n"
    )


def section(chapter: Chapter) -> Iterator[str]:
    """The text of one chapter, in reStructuredText."""
    heading = f":doc:`{chapter.title} </{chapter}>`"
    yield from ("", heading, "-" * len(heading), "", *chapter.docstring.splitlines(), "")
    for name in in_source_order(chapter):
        full = f"lemmata.{chapter.part}.{name}"
        yield from (f".. {directive(full)}:: {full}", "")


def in_source_order(chapter: Chapter) -> list[str]:
    """Its public names: file by file as its ``__init__`` has them, and within a file from top to bottom."""
    places = {
        name: (str(path), line)
        for path in chapter.modules
        for line, node in enumerate(tree(path).body)
        for name in defined(node)
    }
    files = list(dict.fromkeys(places[name][0] for name in chapter.public))
    return sorted(chapter.public, key=lambda name: (files.index(places[name][0]), places[name][1]))


def defined(node: ast.stmt) -> list[str]:
    """The names that a statement of a module defines."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return [target.id for target in targets if isinstance(target, ast.Name)]


def directive(full: str) -> str:
    """The directive of autodoc that documents an object."""
    part, _, name = full.rpartition(".")
    found = getattr(import_module(part), name)
    if inspect.isclass(found):
        return "autoexception" if issubclass(found, BaseException) else "autoclass"
    return "autofunction" if callable(found) else "autodata"


def check(app: Sphinx, env: BuildEnvironment) -> None:
    """Stop the build if a public name is on no page."""
    documented = env.domaindata["py"]["objects"]
    wrong = []
    for chapter in chapters_of(env):
        names = [f"lemmata.{chapter.part}.{name}" for name in chapter.public]
        wrong += [f"{name} is on no API page" for name in names if name not in documented]
    if wrong:
        hint = "write book/api/<part>.rst, a title and the line `.. api:: <part>`, and list it in _toc.yml"
        raise ApiError("\n" + "\n".join(f"  - {problem}" for problem in wrong) + f"\n{hint}")


def setup(app: Sphinx) -> dict[str, object]:
    app.add_config_value("api_root", "..", "env")  # the project's root, seen from the book's folder
    app.add_directive("api", ApiDirective)
    app.connect("env-check-consistency", check)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
