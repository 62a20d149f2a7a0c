"""Every chapter of the book keeps its promises; ``guards.py`` says what they are."""

from __future__ import annotations

from pathlib import Path

import guards
import nbformat
import notebooks
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
TOC = yaml.safe_load((ROOT / "_toc.yml").read_text())
STORED = sorted((ROOT / "book").glob("*/*.ipynb"))


@pytest.fixture(params=STORED, ids=lambda path: f"{path.parent.name}/{path.stem}")
def path(request: pytest.FixtureRequest) -> Path:
    return request.param


@pytest.fixture
def notebook(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(path, as_version=4)


ABOUT_THE_NOTEBOOK = [
    guards.unexecuted, guards.no_outputs, guards.errors, guards.figures_without_alt,
    guards.no_claim, guards.unmatched, guards.typed_decimals,
]  # fmt: skip


@pytest.mark.parametrize("guard", ABOUT_THE_NOTEBOOK, ids=lambda guard: guard.__name__)
def test_notebook(guard, notebook):
    assert guard(notebook) == []


def test_notebook_is_valid(notebook):
    nbformat.validate(notebook)


def test_notebook_is_its_twin(path, notebook):
    assert guards.out_of_sync(notebook, notebooks.read_twin(path.with_suffix(".md"))) == []


def test_labels_name_the_chapter(path, notebook):
    assert guards.foreign_labels(notebook, path.stem) == []


def test_chapter_lives_in_three_rooms(path):
    assert guards.missing_rooms(ROOT, path.parent.name, path.stem) == []


def test_chapter_is_in_the_table_of_contents(path):
    assert guards.not_in_toc(TOC, path.parent.name, path.stem) == []


def test_every_twin_has_a_notebook():
    assert STORED, "the book has no chapter: nothing would be tested"
    assert {twin.with_suffix(".ipynb") for twin in notebooks.twins(ROOT / "book")} == set(STORED)


def test_every_page_of_the_table_of_contents_exists():
    def exists(page: str) -> bool:
        return any((ROOT / "book" / (page + end)).exists() for end in (".md", ".ipynb", ".rst"))

    assert [page for page in guards.pages_of(TOC) if not exists(page)] == []
