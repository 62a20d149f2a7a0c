"""Findings are read where they were found, and again by part; what nobody could read stops the build."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from sites import body, build, plain, write

import findings

CONF = """
extensions = ["myst_parser", "sphinx_proof", "findings"]
myst_enable_extensions = ["colon_fence", "dollarmath"]
"""
DEMO = """# Demo, and more

:::{prf:theorem}
:label: demo-sum
$a+b=b+a$
:::

:::{finding} The sum of $n$ terms is not "obvious"
It depends, see {prf:ref}`demo-sum`, {ref}`a place <place>`, [below](#place) and {doc}`/late/other`.

$$
E=mc^2
$$ (energy)

*Cure:* none.
:::

(place)=
## Later

:::{finding} Second
Of the same chapter.
:::
"""
OTHER = """# Other

:::{finding} Third
A text.
:::
"""
INDEX = """# Book

```{toctree}
:numbered: 1
late/other
early/demo
early/plain
```

```{toctree}
findings/index
findings/early
findings/late
```
"""
PAGE = "# Findings: {part}\n\n```{{findings}}\n:part: {part}\n```\n"


# Two parts, three chapters, three findings; the second part of the alphabet is the first to read.
FILES = {
    "book/conf.py": CONF,
    "book/index.md": INDEX,
    "book/early/demo.md": DEMO,
    "book/early/plain.md": "# Plain\n\nNothing.\n",
    "book/late/other.md": OTHER,
    "book/findings/index.md": "# Findings\n\n```{findings}\n```\n",
    "book/findings/early.md": PAGE.format(part="early"),
    "book/findings/late.md": PAGE.format(part="late"),
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write(tmp_path, FILES)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The pages of the project, built once."""
    return build(write(tmp_path_factory.mktemp("site"), FILES))


def without_proofs(project: Path) -> Path:
    """sphinx-proof knows neither text files nor two processes."""
    statement = DEMO[DEMO.index(":::{prf") : DEMO.index(":::{finding")]
    demo = DEMO.replace(statement, "").replace("{prf:ref}`demo-sum`, ", "")
    rewrite(project, "early/demo", demo)
    (project / "book" / "conf.py").write_text(CONF.replace('"sphinx_proof", ', ""))
    return project


def rewrite(project: Path, page: str, text: str) -> Path:
    return write(project, {f"book/{page}.md": text})


# --- identity


def test_finding_is_a_box_in_its_chapter(site):
    page = site["early/demo"]
    assert '<div class="finding admonition" id="finding-demo-second">' in page
    assert "Finding: Second" in plain(page)
    assert 'id="finding-demo-the-sum-of-n-terms-is-not-obvious"' in page


def test_index_lists_every_title_by_part_and_chapter_in_reading_order(site):
    page = body(site["findings/index"])
    expected = ["3 findings.", "Late: Other", "Third", "Early: Demo, and more", "The sum of", "Second"]
    places = [plain(page).rindex(text) for text in expected]
    assert places == sorted(places)
    assert '<span class="math notranslate nohighlight">\\(n\\)</span>' in page


def test_index_is_a_table_that_can_be_sorted_and_chosen_from_by_part(site):
    rows = re.findall(r'<tr class="(\S+) row-\w+">', body(site["findings/index"]))
    assert rows == ["table-heading", "part-late", "table-heading", "part-early", "part-early"]
    assert 'class="ledger findings sortable' in site["findings/index"]


def test_index_links_to_part_chapter_and_place(site):
    found = re.findall(r'href="([^#"][^"]*)"', body(site["findings/index"]))
    assert found == [
        "late.html", "../late/other.html", "../late/other.html#finding-other-third",
        "early.html", "../early/demo.html",
        "../early/demo.html#finding-demo-the-sum-of-n-terms-is-not-obvious",
        "../early/demo.html#finding-demo-second",
    ]  # fmt: skip


def test_part_page_shows_the_whole_text_with_references_from_there(site):
    page = body(site["findings/early"])
    assert "It depends, see Theorem 2.1, a place, below and Other." in plain(page)
    assert "Cure: none." in plain(page)
    assert "Third" not in plain(page).split("Second")[0]
    for target in ("demo-sum", "place", "finding-demo-second"):
        assert f'href="../early/demo.html#{target}"' in page
    assert 'href="../late/other.html"' in page


def test_part_page_leaves_numbers_to_the_chapter(site):
    assert "equation-energy" in site["early/demo"]
    assert "equation-energy" not in site["findings/early"]


def test_no_id_stands_twice_on_a_page(site):
    for page in site.values():
        ids = re.findall(r' id="([^"]+)"', page)
        assert len(ids) == len(set(ids))


@pytest.mark.parametrize("jobs", [1, 2])
def test_pages_follow_a_chapter_in_the_next_build(project, jobs):
    build(without_proofs(project), jobs=jobs)
    chapter = project / "book" / "early" / "plain.md"
    chapter.write_text("# Plain\n\n:::{finding} New\nText.\n:::\n")
    pages = build(project, jobs=jobs)
    assert "New" in plain(body(pages["findings/early"]))
    assert "4 findings." in plain(body(pages["findings/index"]))
    chapter.write_text("# Plain\n\nNothing again.\n")
    assert "3 findings." in plain(body(build(project, jobs=jobs)["findings/index"]))


@pytest.mark.parametrize("builder", ["text", "latex"])
def test_other_builders_have_the_text_too(project, builder):
    text = "\n".join(build(without_proofs(project), builder).values())
    assert text.count("Of the same chapter.") == 2
    assert "Finding: Second" in text


# --- failure


def refused(project: Path) -> str:
    """What the build says when it stops."""
    with pytest.raises(findings.FindingsError) as stopped:
        build(project)
    return str(stopped.value)


def test_page_of_a_part_without_findings_stops_the_build(project):
    rewrite(project, "late/other", "# Other\n\nNothing.\n")
    assert "findings/late collects the findings of late, where no chapter has one" in refused(project)


def test_findings_that_no_page_collects_stop_the_build(project):
    rewrite(project, "findings/late", "# Nothing\n")
    said = refused(project)
    assert "no page collects the findings of late: write book/findings/late.md" in said
    assert ":part: late" in said


def test_two_findings_of_one_title_stop_the_build(project):
    again = DEMO[DEMO.index(":::{finding} Second") :]
    rewrite(project, "early/plain", f"# Plain\n\n{again}\n{again.replace('Second', 'second')}")
    assert "early/plain has two findings of one title, finding-plain-second" in refused(project)


def test_finding_outside_a_part_stops_the_build(project):
    rewrite(project, "index", INDEX + "\n:::{finding} Stray\nText.\n:::\n")
    assert "index has a finding, but is no chapter of a part" in refused(project)
