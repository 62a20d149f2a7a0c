"""Under a statement stands a line of chips, each a link to what it says; cells that only check are folded."""

import re

import pytest
import seals
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from test_ledger import CONF, TEXT, build, project, store  # noqa: F401 (a fixture)

import lemmata.verify as verify

SHOWN = (
    '<details class="lemmata-evidence" data-kind="{kind}" style="x"><summary><strong>{kind}</strong> '
    '<a href="#{label}"><code>{label}</code></a></summary></details>'
)


def cell(source, *shown, tags=()):
    """A cell that printed evidence, (label, kind), or text."""
    outputs = [
        new_output("stream", text=found)
        if isinstance(found, str)
        else new_output(
            "display_data",
            data={
                verify.MIME: {"claim": found[0], "kind": found[1], "statement": "a + b"},
                "text/html": SHOWN.format(label=found[0], kind=found[1]),
            },
            metadata={verify.MIME: {"worst": None}},
        )
        for found in shown
    ]
    return new_code_cell(source, execution_count=1, outputs=outputs, metadata={"tags": list(tags)})


def page(project, *cells, name="demo"):  # noqa: F811
    made = new_notebook(cells=[new_markdown_cell(TEXT), *cells])
    made.metadata.language_info = {"name": "python", "pygments_lexer": "ipython3"}
    for number, found in enumerate(made.cells):
        found["id"] = f"c{number}"
    seals.seal(made)
    store(project, made)
    conf = CONF.replace('"ledger"]', '"ledger", "evidence"]')
    (project / "book" / "conf.py").write_text(conf)
    (project / "book" / "all.md").rename(project / "book" / "ledger.md")
    index = project / "book" / "index.md"
    index.write_text(index.read_text().replace("all\napi", "ledger\napi"))
    return build(project)[name]


SUM, LIMIT = ("demo-sum", "proved"), ("demo-limit", "rate")


def folds(text, kind="checks"):
    """(attributes, line, what is behind it) of each fold."""
    pattern = rf'<details class="lemmata-{kind}"(.*?)>\s*<summary>(.*?)</summary>(.*?)\n</details>'
    return re.findall(pattern, text, re.DOTALL)


# --- identity


def test_chips_lead_to_the_blocks_the_code_and_the_ledger(project):  # noqa: F811
    text = page(project, cell("prove(a)", SUM), cell("prove(b)", SUM), cell("rate(a + b)", LIMIT))
    line = re.findall(r'<p class="lemmata-chips">(.*?)</p>', text)
    assert len(line) == 2
    assert 'href="#demo-sum-proved"' in line[0]
    assert "∎\N{NO-BREAK SPACE}proved ×2" in line[0]
    assert 'href="../api.html#lemmata.part.add"' in line[0]
    assert 'href="../ledger.html#ledger-demo-sum"' in line[0]
    assert text.count('id="demo-sum-proved"') == 1
    assert text.index('id="demo-sum"') < text.index("lemmata-chips") < text.index('id="demo-limit"')


def test_the_ledger_has_the_place_that_chips_lead_to(project):  # noqa: F811
    assert 'id="ledger-demo-sum"' in page(project, cell("a + b", SUM, LIMIT), name="ledger")


def test_neighbours_are_folded_together_and_say_what_they_check(project):  # noqa: F811
    text = page(project, cell("c = a + b"), cell("prove(a, b)", SUM), cell("rate(a, b)", LIMIT))
    [(_, summary, inside)] = folds(text)
    assert summary == "∎\N{NO-BREAK SPACE}proved · ↘\N{NO-BREAK SPACE}rate: Theorem 1.1, Lemma 1.3"
    assert inside.count("<pre>") == 3
    assert "<a " not in re.sub(r"<pre>.*?</pre>", "", inside)  # links inside a summary cannot be reached


def test_a_section_of_details_is_folded_whole_with_what_leads_into_it(project):  # noqa: F811
    aside = new_markdown_cell("## Details: the case $n=1$\n\nFew ask.")
    text = page(project, cell("prove(a, b)", SUM, LIMIT), aside, cell("print(1)", "1"))
    [(place, line, inside)] = folds(text, "details")
    assert line.startswith("the case <span")
    assert "Few ask." in inside
    assert "print" in inside
    assert place.replace(" id=", "href=").replace('"', '"#', 1) in text


# --- failure: what a reader would miss stays open


@pytest.mark.parametrize(
    "cells",
    [
        [cell("prove(a, b)", SUM, LIMIT, tags=["open"])],
        [cell("prove(a, b); print(a)", SUM, LIMIT, "1")],
    ],
)
def test_cells_that_show_more_or_are_to_be_read_stay_open(project, cells):  # noqa: F811
    assert not folds(page(project, *cells))


def test_a_cell_that_shows_nothing_stays_open_unless_checks_follow(project):  # noqa: F811
    text = page(project, cell("prove(a, b)", SUM, LIMIT), cell("d = a + b"), new_markdown_cell("Text."))
    [(_, _, inside)] = folds(text)
    assert inside.count("<pre>") == 1


def test_text_between_parts_the_folds(project):  # noqa: F811
    text = page(project, cell("prove(a)", SUM), new_markdown_cell("Text."), cell("rate(a + b)", LIMIT))
    assert len(folds(text)) == 2


def test_hidden_imports_say_what_they_are(project):  # noqa: F811
    hidden = ["hide-input"]
    shown = [cell("import math", tags=hidden), cell("f()", "7", tags=hidden), cell("g()", tags=hidden)]
    text = page(project, *shown, cell("check", SUM, LIMIT))
    assert re.findall('<p class="collapsed[^>]*>([^<]*)', text)[:2] == [
        "Imports of this page",
        "Show code cell source",
    ]
