"""The API pages document every public name once, where it is imported from."""

from __future__ import annotations

import contextlib
import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import api
import pytest
from chapters import chapters
from sites import body, build, plain, write

import lemmata

ROOT = Path(__file__).resolve().parents[2]
CONF = """
extensions = ["sphinx.ext.autodoc", "sphinx.ext.napoleon", "myst_parser", "sphinx_proof", "api"]
myst_enable_extensions = ["colon_fence"]
add_module_names = False
autodoc_default_options = {"members": True, "member-order": "bysource"}
"""
INDEX = """# Book

```{toctree}
:numbered: 1
invented/second
invented/first
```

```{toctree}
api
```
"""
SECOND = '''r"""Two things that come second: :func:`beta` and :class:`Alpha`.

What holds for all: :math:`x`.
"""

__all__ = ["LIMIT", "Alpha", "Missed", "beta"]

def beta(x: float) -> float:
    """A function. Implements :prf:ref:`second-sum`."""
    return x

class Alpha:
    """A class."""

    z: int  #: comes first
    a: int  #: comes second

    def forward(self, x: float) -> float:
        """Its method."""
        return x

class Missed(Exception):
    """An exception."""

LIMIT: Alpha = Alpha()
"""A constant."""
'''
PART = '''"""Invented: a part for this test."""

from lemmata import _parts
from lemmata.invented._second import *
from lemmata.invented._first import *

_parts.publish(__name__)
'''
FIRST = '''"""What comes first."""

from lemmata import _parts
from lemmata.invented._first.z import *
from lemmata.invented._first.a import *

_parts.collect(__name__)
'''
EARLY = '''__all__ = ["early"]

def early():
    """Comes before ``a`` by the order of imports."""

def no():
    """Private."""
'''
TWIN = "---\njupytext: {}\n---\n\n# "
STATEMENT = ":::{prf:theorem}\n:label: second-sum\nA.\n:::\n"
FILES = {
    "_toc.yml": "root: index\nchapters: [{file: invented/second}, {file: invented/first}, {file: api}]\n",
    "book/conf.py": CONF,
    "book/index.md": INDEX,
    "book/invented/first.md": f"{TWIN}The first\n",
    "book/invented/second.md": f"{TWIN}The second\n\n{STATEMENT}",
    "book/api.rst": "Invented\n========\n\n.. api:: invented\n",
    "src/lemmata/invented/__init__.py": PART,
    "src/lemmata/invented/_second.py": SECOND,
    "src/lemmata/invented/_first/__init__.py": FIRST,
    "src/lemmata/invented/_first/a.py": '__all__ = ["late"]\n\ndef late():\n    """Last."""\n',
    "src/lemmata/invented/_first/z.py": EARLY,
}


@contextlib.contextmanager
def importable(project: Path) -> Iterator[Path]:
    """The project, with its part importable as ``lemmata.invented``."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lemmata, "__path__", [*lemmata.__path__, str(project / "src" / "lemmata")])
        importlib.invalidate_caches()
        yield project
    for name in [name for name in sys.modules if name.startswith("lemmata.invented")]:
        del sys.modules[name]
    vars(lemmata).pop("invented", None)


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Path]:
    with importable(write(tmp_path, FILES)) as project:
        yield project


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page of a part with two chapters, built once."""
    with importable(write(tmp_path_factory.mktemp("site"), FILES)) as project:
        return body(build(project)["api"])


# --- identity


def test_page_has_part_chapters_and_names_in_order(page):
    page = plain(page)
    expected = ["Invented: a part for this test.", "from lemmata.invented import beta"]
    expected += ["The second", "Two things that come second: beta() and Alpha.", "beta(x: float)"]
    expected += ["forward(x", "exception Missed", "LIMIT: Alpha"]
    expected += ["The first", "What comes first.", "early()", "late()"]
    places = [page.index(text) for text in expected]
    assert places == sorted(places)
    assert "no()" not in page


def test_names_are_documented_where_they_are_imported_from(page):
    for name in ("beta", "Alpha", "Alpha.forward", "Missed", "LIMIT", "early", "late"):
        assert page.count(f'id="lemmata.invented.{name}"') == 1
    assert "lemmata.invented._" not in page


def test_headings_statements_and_names_are_links(page):
    assert 'href="invented/second.html"' in page
    assert 'href="invented/second.html#second-sum"' in page
    assert re.search(r'<a class="[^"]*" href="#lemmata.invented.beta"', page)


def test_comments_of_members_are_read_in_their_order(page):
    page = plain(page)
    places = [page.index(text) for text in ("comes first", "comes second", "Its method.")]
    assert places == sorted(places)


def test_page_follows_a_module_of_the_chapter(project):
    build(project)
    path = project / "src" / "lemmata" / "invented" / "_first" / "__init__.py"
    path.write_text(path.read_text().replace("What comes first", "What came first"))
    assert "What came first" in plain(body(build(project)["api"]))


@pytest.mark.parametrize("part", dict.fromkeys(chapter.part for chapter in chapters(ROOT)))
def test_every_public_name_of_the_library_has_one_entry(part):
    lines = [line for chapter in chapters(ROOT) if chapter.part == part for line in api.section(chapter)]
    entries = [line.split(":: ")[1] for line in lines if line.startswith(".. auto")]
    public = importlib.import_module(f"lemmata.{part}").__all__
    assert sorted(entries) == sorted(f"lemmata.{part}.{name}" for name in public)


@pytest.mark.parametrize("part", dict.fromkeys(chapter.part for chapter in chapters(ROOT)))
def test_every_part_of_the_library_has_a_page(part):
    assert f".. api:: {part}\n" in (ROOT / "book" / "api" / f"{part}.rst").read_text(encoding="utf-8")


# --- failure


def refused(project: Path) -> str:
    with pytest.raises(api.ApiError) as stopped:
        build(project)
    return str(stopped.value)


def test_part_without_chapters_stops_the_build(project):
    write(project, {"book/api.rst": "Other\n=====\n\n.. api:: other\n"})
    assert "api documents 'other', which has no chapter" in refused(project)


def test_part_without_a_page_stops_the_build(project):
    write(project, {"book/api.rst": "Nothing\n=======\n"})
    said = refused(project)
    assert "lemmata.invented.beta is on no API page" in said
    assert "book/api/<part>.rst" in said
