"""Formulas become MathML when the book is built; what math-core does not know, or misreads, is seen to."""

import contextlib
import html
import re
from pathlib import Path

import pytest
import sites
from math_core import LatexError
from mathml import in_lines, lines, mathml

BOOK = Path(__file__).parents[2] / "book"
CONF = """
extensions = ["myst_parser", "mathml"]
html_math_renderer = "mathml"
myst_enable_extensions = ["dollarmath"]
"""
TEXT = r"""# Formulas

Let $a<b$, be given.

$$
a &= b \\[.4em]
  &\ge c
$$ (two)

```{raw} html
<span class="math notranslate nohighlight" style="x">\(\log{\left(a \right)} &lt; b\)</span> and \(c\)
```
"""


def symbols(element: str) -> str:
    return html.unescape(re.sub(r"<[^>]+>", "", element))


# --- identity


def test_a_formula_is_there_without_a_script(tmp_path):
    page = sites.build(sites.write(tmp_path, {"book/conf.py": CONF, "book/index.md": TEXT}))["index"]
    found = re.findall(r"<math.*?</math>", page, re.DOTALL)
    assert [symbols(formula) for formula in found] == [
        "a<b",
        "a=b≥c",
        "log\N{FUNCTION APPLICATION}(a)<b",
    ]
    assert "</math>,</span> be given" in page  # no line begins with the comma
    assert not re.search("<script[^>]*mathjax", page, re.IGNORECASE)
    assert '<span class="eqno">(1)' in page
    assert r"\(c\)" in page  # text that no cell has marked as a formula


def test_each_line_of_a_display_stands_alone():
    assert lines("a") == "a"
    assert lines("a\n\nb") == r"\begin{gathered}a\\b\end{gathered}"
    assert in_lines(r"a\\b") == r"\begin{gathered}a\\b\end{gathered}"
    assert in_lines(r"a&=b\\&=c") == r"\begin{aligned}a&=b\\&=c\end{aligned}"
    within = r"x=\begin{cases}a&b\\\begin{matrix}c\\d\end{matrix}&e\end{cases}"
    assert in_lines(within) == within


# --- agreement


@pytest.mark.parametrize(
    ("tex", "known"),
    [
        (r"\begin{split}a&=b\\&=c\end{split}", r"\begin{aligned}a&=b\\&=c\end{aligned}"),
        (r"\left.x\right|_{\substack{ t=0 }}", r"\left.x\right|_{{ t=0 }}"),
        (r"\begin{gathered}a\\[.4em]b\\ [2pt]c\end{gathered}", r"\begin{gathered}a\\b\\c\end{gathered}"),
    ],
)
def test_what_math_core_does_not_know_is_said_in_other_words(tex, known):
    assert mathml(tex, display=True) == mathml(known, display=True)
    assert "em" not in symbols(mathml(tex, display=True))


def test_brackets_that_begin_a_line_stay():
    assert symbols(mathml(r"\begin{gathered}a\\ [b]\end{gathered}", display=True)) == "a[b]"


@pytest.mark.parametrize("accent", ["bar", "hat", "tilde", "dot", "vec"])
def test_an_accent_does_not_touch_its_letter(accent):
    """Chromium sets them too low in this font; the style sheet lifts what is marked as an accent."""
    found = mathml(rf"\{accent} p", display=False)
    assert re.search(r'<mover accent="true"><mi>.</mi><mo[^>]*>.</mo></mover>', found)
    style = (BOOK / "_static" / "lemmata.css").read_text(encoding="utf-8")
    [rule] = re.findall(r'mover\[accent="true"\] > :last-child \{(.*?)\}', style, re.DOTALL)
    assert "padding-bottom: 0.1em" in rule


@pytest.mark.parametrize(
    "tex", [r"\sqrt w", r"\sqrt{2}\,\sigma", r"\sqrt[3]{x}", r"\sqrt[n]{x+y}", r"\sqrt{\sqrt a}"]
)
def test_what_stands_below_a_root_is_as_high_as_the_lowest_sign(tex):
    """Chromium hangs a sign that is too high below the letter; a strut without width holds it up."""
    found = mathml(tex, display=False)
    roots = found.count("<msqrt>") + found.count("<mroot>")
    assert roots == tex.count(r"\sqrt")
    struts = re.findall(r'<(?:msqrt|mroot><mrow)><mspace width="0" height="0.72em" depth="0.2em"/>', found)
    assert len(struts) == roots


def test_the_font_has_all_that_the_chapters_use():
    note = (BOOK / "_static" / "math.woff2.txt").read_text(encoding="utf-8")
    [ranges] = re.findall(r"--unicodes=(\S+)", note)
    known = {
        point
        for first, last in re.findall(r"U\+([0-9A-F]+)(?:-([0-9A-F]+))?", ranges)
        for point in range(int(first, 16), int(last or first, 16) + 1)
    }
    text = "".join(path.read_text(encoding="utf-8") for path in BOOK.glob("*/*.md"))
    displays = re.findall(r"\$\$(.+?)\$\$", text, re.DOTALL)
    inline = re.findall(r"(?<![$\\])\$([^$\n`]+)\$(?!\$)", text)
    missing = {}
    for tex in [*map(lines, displays), *inline]:
        with contextlib.suppress(LatexError):  # no formula: the build would have stopped
            missing |= {s: tex for s in symbols(mathml(tex, display=True)) if ord(s) not in known and s > " "}
    assert len(displays) > 100
    assert len(inline) > 1000
    assert not missing


# --- failure


def test_an_unknown_command_stops_the_build(tmp_path):
    text = "# Formulas\n\nLet $\\nosuchthing x$.\n"
    with pytest.raises(Exception, match="nosuchthing"):
        sites.build(sites.write(tmp_path, {"book/conf.py": CONF, "book/index.md": text}))
    with pytest.raises(LatexError):
        mathml(r"\nosuchthing", display=False)
