"""What a reader sees as prose, as mathematics and as a number; and which numbers come from nowhere."""

from __future__ import annotations

import prose
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from seals import MIME


def typed(text: str) -> list[str]:
    return [number.text for number in prose.typed(text)]


# ------------------------------------------------------------------- what is a number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("A gap of 0.25 remains.", "0.25"),
        ("Between 1.5e-3 and 2.", "1.5e-3"),
        ("at most 1e-3 of it", "1e-3"),
        ("a part of .731 of it", ".731"),
        ("- a list: 12.75", "12.75"),
        ("| 0.5 | a table |\n|---|---|\n| a | b |", "0.5"),
        ("`x` is 0.5, $y$ is 2.", "0.5"),
        (":::{note}\n:class: tip\nIt was 0.5.\n:::", "0.5"),
        (":::{admonition} It was 0.5\nText.\n:::", "0.5"),
        ("````{note}\n```\n0.5\n```\nIt was 0.5.\n````", "0.5"),
        ("costs \\$3.50", "3.50"),
        ("two lines of $a\nb$ and 0.25", "0.25"),
        ("was 73 % right", "73 %"),
        ("was 73% right", "73%"),
        ("was 73 percent right", "73 percent"),
        ("was $73$ % right", "73 %"),
        ("was 73/100 of it", "73/100"),
        ("**0.731** of it", "0.731"),
        ("[0.731](page.md)", "0.731"),
        ("![reached 0.731 then](a.png)", "0.731"),
        ("<b>0.731</b>", "0.731"),
        ("<div>\n0.731\n</div>", "0.731"),
        ("$p = 0.25$", "0.25"),
        ("$$x = 1.5$$", "1.5"),
        ("\\begin{aligned} x &= 0.5 \\end{aligned}", "0.5"),
        ("a two-line formula $a = 0.5\n+ b$ ends.", "0.5"),
        ("{math}`0.5`", "0.5"),
        ("```{math}\n:label: x\n0.5\n```", "0.5"),
        ("$x=.731$", ".731"),
        ("$0{.}731$", "0.731"),
        ("$8.9\\,\\%$", "8.9\\,\\%"),
        ("$73\\,\\%$", "73\\,\\%"),
        ("$73\\%$", "73\\%"),
        ("$1.2\\cdot10^{-3}$", "1.2\\cdot10^{-3}"),
        ("$5\\times 10^{-9}$", "5\\times 10^{-9}"),
        ("$1.25\\ldots$", "1.25"),
        ("1. a list\n\n   - in it $0.5$", "0.5"),
        (":::{prf:theorem} About $0.5$\n:label: a\n\nText.\n:::", "0.5"),
        ("```{eval-rst}\nreached 0.731\n```", "0.731"),
    ],
)
def test_a_number_is_found(text, number):
    assert typed(text) == [number]


@pytest.mark.parametrize(
    "text",
    [
        "With {given}`p = 0.25` we get `0.5` and {glue:text}`gap:.2f`.",
        ":::{given}\n$$p = 0.25$$\nand 73 %.\n:::",
        "```python\nx = 0.5\n```\n",
        "````{note}\n```\n0.5\n```\n````",
        "[Section](page.md#v1.2), <span style='width:1.5em'>, https://example.org/v1.2 and <https://a.org/0.5>",
        ":::{figure} a0.5.png\n:width: 12.5em\n\nText.\n:::",
        "Python 3.11.2 has three parts, v1.2 is a name, 2. is a sentence.",
        "arXiv:2208.02955 and {cite}`key0.5` and doi: 10.1000/0.5",
        "$\\begin{gathered} a \\\\[.4em] b \\hspace{4.5em} \\kern1.5pt c \\tag{1.2} \\end{gathered}$",
        "$\\frac{73}{100}$, $73/100$, $x_{1,2}$, $10^{-3}$, $1000$, 1000 steps, 3:4, 24/7/365",
        "% a comment with 0.731\n\nText.",
        "<!-- 0.731 -->",
    ],
)
def test_what_is_no_number_of_the_text_is_left_alone(text):
    assert typed(text) == []


def test_a_number_knows_its_statement():
    text = ":::{prf:lemma} A title\n:label: a-b.c:d\n\n- in a list $0.5$\n:::\n\n$0.25$"
    assert [(n.text, n.statement) for n in prose.typed(text)] == [("0.5", "a-b.c:d"), ("0.25", None)]


# ------------------------------------------------------------------- what stands in an output


def unfounded(text: str, shown: str = "", record: dict | None = None) -> list[str]:
    data = {"text/plain": shown, **({MIME: record} if record else {})}
    outputs = [new_output("display_data", data=data)]
    return prose.unfounded(new_notebook(cells=[new_markdown_cell(text), new_code_cell("x", outputs=outputs)]))


@pytest.mark.parametrize(
    "shown", ["0.731251", "tensor(7.31251e-01)", "[1, -0.731254]", "731251/1000000", "731251*x**2/1000000"]
)
@pytest.mark.parametrize("text", ["$0.73125$", "$0.73125\\ldots$", "0.73125", "$73.125\\,\\%$"])
def test_five_digits_of_an_output_may_be_typed(text, shown):
    assert unfounded(text, shown) == []


def test_digits_may_be_rounded_or_cut_off():
    assert unfounded("$0.12346$ and $0.12345$", "0.1234567") == []
    assert unfounded("$1.2345\\ldots\\cdot10^{-4}$", "0.000123456") == []


@pytest.mark.parametrize("text", ["$0.7312$", "$0.73126$", "$1.73125$", "$7.3125$", "73 %"])
def test_fewer_or_other_digits_are_refused(text):
    (said,) = unfounded(text, "0.731251")
    assert "is typed; {glue} it, or mark it as {given}" in said


def test_a_statement_may_hold_the_digits_of_its_evidence_only():
    def statement(label):
        return f":::{{prf:lemma}} A title\n:label: {label}\n\n$x=0.5$\n:::"

    record = {"claim": "demo-a", "statement": "x = \\frac{1}{2}", "how": "", "tolerance": None}
    assert unfounded(statement("demo-a"), "", record) == []
    assert len(unfounded(statement("demo-b"), "", record)) == 1
    assert len(unfounded("$x=0.5$", "", record)) == 1


def test_a_worst_error_is_no_evidence_for_digits():
    record = {"claim": "demo-a", "statement": "x", "how": "", "tolerance": None}
    text = ":::{prf:lemma} A title\n:label: demo-a\n\n$x=0.5$\n:::"
    assert len(unfounded(text, "worst error 0.5 ulp on cpu", record)) == 1
