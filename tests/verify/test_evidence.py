"""What evidence looks like: the same everywhere but for what was measured, readable, safe as HTML."""

from __future__ import annotations

import copy
import dataclasses
import functools
import json
import pickle
import re
import subprocess
import sys
from html.parser import HTMLParser

import pytest
import sympy as sp
import torch

from lemmata.verify import MIME, SYMBOLS, ClaimFailed, Evidence, claim
from lemmata.verify import evidence as evidence_module
from lemmata.verify import statistics as statistics_module
from lemmata.verify.evidence import issued

x = sp.Symbol("x", positive=True)
POINTS = torch.linspace(0.5, 2, 5, dtype=torch.float64)


def one_of_each():
    demo = claim("demo-all")
    return [
        demo.proved(sp.Derivative(sp.log(x), x), 1 / x),
        demo.instances(lambda n: n**2, lambda n: sum(2 * k + 1 for k in range(n)), [1, 2, 3]),
        demo.certified(sp.sin(x), x, box={x: (1, 2)}, relation="<"),
        demo.agrees(torch.log1p, sp.log(1 + x), [x], [POINTS], why="one rounding"),
        demo.gradient(torch.log1p, sp.log(1 + x), [x], [POINTS], why="one rounding"),
        demo.sampled(torch.rand(5000, generator=torch.Generator().manual_seed(0)), 0.5, detects=0.05),
        demo.rate([1, 0.5, 0.25], [1, 0.5, 0.25], 1),
        demo.counterexample(x**2, x, at={x: 2}),
    ]


@pytest.fixture(scope="module")
def evidence():
    return one_of_each()


class Text(HTMLParser):
    """Tags and text of a page; unknown or unclosed markup shows in the balance."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.open, self.text = [], [], ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_there_is_one_of_every_kind(evidence):
    assert [e.kind for e in evidence] == list(SYMBOLS)


def test_the_record_is_the_same_when_it_is_made_again(evidence):
    for first, second in zip(evidence, one_of_each(), strict=True):
        assert json.dumps(first.record) == json.dumps(second.record)
        assert first._repr_mimebundle_() == second._repr_mimebundle_()


def test_what_was_measured_is_in_the_metadata_and_marked_in_the_text(evidence):
    for e in evidence:
        data, metadata = e._repr_mimebundle_()
        assert set(data[MIME]) == {"claim", "kind", "statement", "how", "tolerance"}
        assert metadata[MIME] == {"worst": e.worst}
        assert "worst" not in json.dumps(data[MIME])
        for text in (data["text/plain"], data["text/html"]):
            kept = re.sub(r"worst error [^\n<]*? on (cpu, cuda|cpu|cuda)", "worst error", text)
            assert kept.count("worst error") == len([line for line in e.details if "worst error" in line])
            assert "cpu" not in kept
            assert "absolute" not in kept


def test_the_worst_error_is_the_worst_of_all_dtypes(evidence):
    agrees = evidence[3]
    worst = [float(re.search(r"worst error ([\d.e+-]+) ulp", line)[1]) for line in agrees.details]
    assert re.match(rf"{max(worst):.2g} ulp .* on cpu", agrees.worst)


def test_word_and_symbol_say_the_kind_without_colour(evidence):
    for e in evidence:
        page = Text(e._html())
        assert page.open == []
        assert e.kind in page.text
        assert SYMBOLS[e.kind] in page.text
        assert e.claim in page.text
        assert ("a", {"href": f"#{e.claim}"}) in page.tags
        assert page.tags[0][0] == "details"
        assert page.tags[1][0] == "summary"


def test_formulas_are_escaped_in_html():
    e = Evidence("demo", "proved", r"a<b \& c>d", "x<y & z", ("<script>alert(1)</script>",))
    page = Text(e._html())
    assert "a<b \\& c>d" in page.text
    assert "x<y & z" in page.text
    assert "script" not in [tag for tag, _ in page.tags]


def test_a_label_cannot_break_out_of_its_attribute():
    page = Text(Evidence('a" onclick="alert(1)', "proved", "1", "1")._html())
    assert not any("onclick" in attributes for _, attributes in page.tags)


def test_the_text_reads_in_a_terminal(evidence):
    for e in evidence:
        lines = str(e).splitlines()
        assert lines[0] == f"{SYMBOLS[e.kind]} {e.kind}  demo-all"
        assert "\\" not in lines[1]
    assert str(evidence[0]).splitlines()[1] == "  Derivative(log(x), x) == 1/x"
    assert str(evidence[7]).splitlines()[1] == "  not x**2 == x at x = 2"


def test_what_was_made_by_hand_or_altered_shows_no_evidence(evidence):
    hand = Evidence("demo-all", "proved", "1 = 1", "trust me")
    altered = dataclasses.replace(evidence[1], kind="proved")
    for false in (hand, altered, dataclasses.replace(evidence[3], worst="1e-30 ulp on cpu")):
        data, metadata = false._repr_mimebundle_()
        assert list(data) == ["text/plain"]
        assert data["text/plain"].startswith("(no evidence: made by hand, not by a check)")
        assert metadata == {}
    assert dataclasses.replace(evidence[1])._repr_mimebundle_() == evidence[1]._repr_mimebundle_()


@pytest.mark.parametrize(
    "make",
    [
        lambda: evidence_module.issue("demo-all", "proved", "1 = 1", "trust me"),
        lambda: statistics_module.issue("demo-all", "proved", "1 = 1", "trust me"),
        lambda: getattr(evidence_module, "issue")("demo-all", "proved", "1 = 1", "trust me"),  # noqa: B009
        lambda: [*map(evidence_module.issue, ["demo-all"], ["proved"], ["1 = 1"], ["trust me"])],
        lambda: functools.partial(evidence_module.issue, "demo-all", "proved")("1 = 1", "trust me"),
    ],
)
def test_only_a_check_can_issue(make):
    before = issued()
    with pytest.raises(TypeError, match="evidence must come from a check"):
        make()
    assert issued() == before


def test_what_was_issued_cannot_be_edited_afterwards():
    e = claim("demo-edited").instances(lambda n: n, lambda n: n + 0, [1, 2])
    before, kept = issued(), e._repr_mimebundle_()
    e.record["kind"] = e.measured["worst"] = "proved"
    issued()[-1][0]["kind"] = "proved"
    kept[0][MIME]["kind"] = "proved"
    assert issued() == before
    assert e._repr_mimebundle_()[0][MIME]["kind"] == "instances"
    object.__setattr__(e, "kind", "proved")
    assert issued() == before
    for how in map(str, range(100)):  # a dictionary keyed by the object finds some of these, by its identity
        object.__setattr__(e, "how", how)
        assert list(e._repr_mimebundle_()[0]) == ["text/plain"]


def test_copies_and_pickles_are_what_was_issued_and_heirs_are_not(evidence):
    e = evidence[1]
    for same in (copy.copy(e), copy.deepcopy(e), pickle.loads(pickle.dumps(e))):
        assert same._repr_mimebundle_() == e._repr_mimebundle_()

    class Heir(Evidence):
        pass

    fields = {field.name: getattr(e, field.name) for field in dataclasses.fields(e)}
    assert list(Heir(**fields)._repr_mimebundle_()[0]) == ["text/plain"]
    assert list(type(e)(**{**fields, "claim": "another"})._repr_mimebundle_()[0]) == ["text/plain"]


def test_every_check_issues_what_it_returns(evidence):
    by_hand = Evidence("demo-all", "proved", "1 = 1", "trust me")
    assert all((e.record, e.measured) in issued() for e in evidence)
    assert (by_hand.record, by_hand.measured) not in issued()


def test_the_formula_is_latex_printed_from_the_objects(evidence):
    assert evidence[0].statement == rf"\frac{{d}}{{d x}} \log{{\left(x \right)}} = {sp.latex(1 / x)}"
    assert evidence[0]._repr_mimebundle_()[0]["text/latex"].startswith(r"$$\textbf{proved}\quad \frac")


def test_colab_gets_the_formula_that_it_can_typeset(monkeypatch, evidence):
    monkeypatch.setitem(sys.modules, "google.colab", object())
    data, _ = evidence[0]._repr_mimebundle_()
    assert "text/html" not in data
    assert "text/latex" in data


def test_an_unknown_kind_is_no_evidence():
    with pytest.raises(ValueError, match="kind"):
        Evidence("demo", "believed", "1 = 1", "trust me")


@pytest.mark.parametrize("label", ["", None, 3])
def test_a_claim_has_a_label(label):
    with pytest.raises(TypeError, match="label"):
        claim(label)


def test_a_failure_says_what_was_expected_and_found_and_where():
    failure = ClaimFailed("demo", "1", "2", {"x": 3})
    assert isinstance(failure, AssertionError)
    assert str(failure) == "demo does not hold\n  expected: 1\n  found:    2\n  at:       {'x': 3}"
    assert "at:" not in str(ClaimFailed("demo", "1", "2"))


def test_importing_verify_imports_no_chapter_and_nothing_of_the_book():
    script = (
        "import sys, lemmata.verify; "
        "print([m for m in sys.modules if m.split('.')[0] in ('matplotlib', 'IPython', 'sklearn') "
        "or m.startswith('lemmata.') and not m.startswith('lemmata.verify')])"
    )
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
