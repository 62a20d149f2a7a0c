"""Every chapter of the book keeps its promises; ``guards.py`` says what they are."""

from __future__ import annotations

from pathlib import Path

import chapters
import guards
import length
import nbformat
import notebooks
import pytest
import seals
import tested

import lemmata
from lemmata.verify import MIME

ROOT = Path(__file__).resolve().parents[2]
CHAPTERS = chapters.chapters(ROOT)


@pytest.fixture(params=CHAPTERS, ids=str, scope="module")
def chapter(request: pytest.FixtureRequest) -> chapters.Chapter:
    return request.param


@pytest.fixture(scope="module")
def notebook(chapter: chapters.Chapter) -> nbformat.NotebookNode:
    return seals.read(chapter.notebook)


ABOUT_THE_NOTEBOOK = [
    guards.unexecuted, guards.no_outputs, guards.errors, guards.no_longer_raises, guards.unsealed,
    guards.made_by_hand, guards.not_compared, guards.bare_figures, guards.no_claim,
    guards.unmatched, guards.unrelated, guards.typed_decimals, guards.more_digits_than_kept,
]  # fmt: skip


@pytest.mark.parametrize("guard", ABOUT_THE_NOTEBOOK, ids=lambda guard: guard.__name__)
def test_notebook(guard, notebook):
    assert guard(notebook) == []


def test_main_line_is_short(chapter):
    assert length.words(chapters.read(chapter.twin)) <= length.MOST


def test_notebook_is_valid(notebook):
    assert nbformat.validator.isvalid(notebook)


def test_notebook_is_its_twin(chapter, notebook):
    assert guards.out_of_sync(notebook, notebooks.read_twin(chapter.twin)) == []


def test_labels_name_the_chapter(chapter, notebook):
    assert guards.foreign_labels(notebook, chapter.name) == []


def test_chapter_is_whole(chapter):
    assert chapters.problems(chapter) == []


def test_functions_behind_statements_are_tested(chapter):
    assert tested.untested(chapter) == []


def test_book_has_chapters():
    assert CHAPTERS, "the book has no chapter: nothing would be tested"
    assert {twin.with_suffix(".ipynb") for twin in notebooks.twins(ROOT / "book")} == {
        *(ROOT / "book").glob("*/*.ipynb")
    }


def test_every_file_of_a_part_belongs_to_a_chapter():
    assert chapters.strays(ROOT) == []


def test_generated_lines_are_up_to_date():
    assert chapters.stale(ROOT) == [], "run `make notebooks`"


def test_parts_of_the_library_are_those_of_the_book():
    """``PARTS``, and the lines for type checkers beside it, name every folder of ``src/lemmata``."""
    source = ROOT / "src" / "lemmata"
    parts = list(dict.fromkeys(chapter.part for chapter in CHAPTERS))
    assert list(lemmata.PARTS) == [*parts, "verify"]
    folders = {path.parent.name for path in source.glob("*/__init__.py")}
    assert folders - {"numerics"} == set(lemmata.PARTS)
    for part in lemmata.PARTS:
        assert f"    from lemmata import {part} as {part}\n" in chapters.read(source / "__init__.py")


def test_every_page_of_the_table_of_contents_exists():
    def exists(page: str) -> bool:
        return any((ROOT / "book" / (page + end)).exists() for end in (".md", ".ipynb", ".rst"))

    assert [page for page in chapters.contents(ROOT) if not exists(page)] == []


def test_every_test_asserts_something():
    assert tested.idle(ROOT) == []


def test_tools_and_library_mean_the_same_record():
    assert seals.MIME == MIME
