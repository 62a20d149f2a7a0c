"""Each chapter's sources are found beside it; what is doubled or uncited stops the build."""

from __future__ import annotations

from pathlib import Path

import pytest
import references
from sites import body, build, plain, write

ENTRY = """@misc{{{key},
  author = {{Author, Ann}},
  title  = {{The title of {key}}},
  year   = {{2020}},
}}
"""
FILES = {
    "book/conf.py": 'extensions = ["myst_parser", "references"]\nbibtex_reference_style = "author_year"\n',
    "book/index.md": "# Book\n\n```{toctree}\npart/one\npart/two\nall\n```\n",
    "book/part/one.md": "# One\n\nSee {cite:t}`first2020`.\n",
    "book/part/two.md": "# Two\n\nSee {cite:t}`first2020` and {cite:p}`second2020`.\n",
    "book/all.md": "# All\n\n```{bibliography}\n```\n",
    "book/part/one.bib": ENTRY.format(key="first2020"),
    "book/part/two.bib": ENTRY.format(key="second2020"),
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write(tmp_path, FILES)


def refused(project: Path) -> str:
    with pytest.raises(references.ReferencesError) as stopped:
        build(project)
    return str(stopped.value)


def test_the_bibliography_lists_what_any_chapter_cites_once(project):
    page = plain(body(build(project)["all"]))
    assert page.count("The title of first2020") == page.count("The title of second2020") == 1


def test_a_new_file_is_found_by_itself(project):
    moved = FILES["book/part/two.bib"] + FILES["book/part/one.bib"]
    files = {"book/part/one.bib": "", "book/part/two.bib": moved}
    assert "The title of first2020" in plain(body(build(write(project, files))["all"]))


def test_key_that_is_defined_twice_stops_the_build(project):
    write(project, {"book/part/two.bib": FILES["book/part/two.bib"] + FILES["book/part/one.bib"]})
    assert "first2020 is defined in part/one.bib and in part/two.bib" in refused(project)


def test_key_that_is_defined_twice_in_a_file_stops_the_build(project):
    write(project, {"book/part/one.bib": FILES["book/part/one.bib"] * 2})
    assert "first2020 is defined in part/one.bib and in part/one.bib" in refused(project)


def test_entry_that_its_chapter_does_not_cite_stops_the_build(project):
    write(project, {"book/part/one.bib": FILES["book/part/one.bib"] + ENTRY.format(key="third2020")})
    assert "part/one.bib holds third2020, which part/one does not cite" in refused(project)


def test_comments_and_strings_are_no_entries(tmp_path):
    write(tmp_path, {"part/one.bib": "@comment{no}\n@string{ann = {Ann}}\n" + ENTRY.format(key="a:b/c")})
    assert references.keys(tmp_path) == {"a:b/c": ["part/one"]}
