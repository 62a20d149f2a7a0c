r"""Formulas as MathML, made when the book is built: a page shows them at once, without a script.

``math-core`` converts TeX; what it does not know stops the build, with the formula's place. What our texts
or SymPy write is first put into words that it knows: ``split``, ``smallmatrix`` and ``\substack``. The space
in ``\\[.4em]`` is dropped: math-core 0.9 would print it.

The font is STIX Two Math, ``_static/math.woff2``: a browser that does not load it takes one that it has. Its
root signs are made narrower and less high by ``tools/roots.py``.
"""

from __future__ import annotations

import html
import re
from typing import Any

from docutils import nodes
from math_core import LatexError, LatexToMathML
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number

logger = logging.getLogger(__name__)

IN_OUTPUT = re.compile(r'(<span class="math [^>]*>)\\\((.*?)\\\)(?=</span>)', re.DOTALL)
ENVIRONMENT = re.compile(r"\\begin\{(\w+\*?)\}(?:(?!\\begin).)*?\\end\{\1\}", re.DOTALL)
FOLLOWED = re.compile(r"</math></span>([.,;:!?)\]’”]+)")
SPACE = re.compile(r"\\\\\s*\[[^\]]*(?:em|ex|pt|mu)\]")
LEAF = r"<m[ino]\b[^>]*>[^<]*</m[ino]>"
ROOT = re.compile(rf"<msqrt>|<mroot>(?:<mrow>|(?P<leaf>{LEAF}))")
STRUT = '<mspace width="0" height="0.72em" depth="0.2em"/>'
SAME = (
    (r"\begin{split}", r"\begin{aligned}"),
    (r"\end{split}", r"\end{aligned}"),
    (r"\begin{smallmatrix}", r"{\scriptstyle\begin{matrix}"),
    (r"\end{smallmatrix}", r"\end{matrix}}"),
    (r"\substack", ""),
)


def mathml(tex: str, display: bool, namespace: bool = False) -> str:
    """The ``<math>`` element of a formula; ``LatexError`` if it holds what math-core does not know."""
    for ours, known in SAME:
        tex = tex.replace(ours, known)
    converter = LatexToMathML(xml_namespace=namespace, fancy_error=False)
    found = converter.convert_with_local_state(SPACE.sub(r"\\\\", tex), displaystyle=display)
    return ROOT.sub(strutted, found)


def strutted(root: re.Match[str]) -> str:
    """Below a root at least what its lowest sign is made for: Chromium would hang it below a low letter."""
    leaf = root["leaf"]
    return f"<mroot><mrow>{STRUT}{leaf}</mrow>" if leaf else root[0] + STRUT


def lines(tex: str) -> str:
    r"""A display as Sphinx means it: what empty lines part stands below each other, ``\\`` breaks a line."""
    blocks = [in_lines(block.strip()) for block in tex.split("\n\n") if block.strip()]
    return blocks[0] if len(blocks) == 1 else r"\begin{gathered}" + r"\\".join(blocks) + r"\end{gathered}"


def in_lines(block: str) -> str:
    bare = block  # what of it stands in no environment
    while ENVIRONMENT.search(bare):
        bare = ENVIRONMENT.sub("", bare)
    if r"\\" not in bare:
        return block
    environment = "aligned" if "&" in bare else "gathered"
    return rf"\begin{{{environment}}}{block}\end{{{environment}}}"


def converted(tex: str, display: bool, builder: Any, place: Any) -> str:
    try:
        return mathml(tex, display, namespace=builder.name == "epub")
    except LatexError as error:
        logger.warning("math-core does not know this formula: %s\n%s", error, tex, location=place)
        return html.escape(tex)


# --- the text


def visit_inline(self: Any, node: nodes.math) -> None:
    self.body.append(self.starttag(node, "span", "", CLASS="math notranslate nohighlight"))
    self.body.append(converted(node.astext(), False, self.builder, node) + "</span>")
    raise nodes.SkipNode


def visit_display(self: Any, node: nodes.math_block) -> None:
    self.body.append(self.starttag(node, "div", CLASS="math notranslate nohighlight"))
    if node["number"]:
        self.body.append(f'<span class="eqno">({get_node_equation_number(self, node)})')
        self.add_permalink_ref(node, "Link to this equation")
        self.body.append("</span>")
    self.body.append(converted(lines(node.astext()), True, self.builder, node) + "</div>\n")
    raise nodes.SkipNode


# --- what cells have printed


def convert_outputs(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """The formulas in HTML that a notebook has stored: the evidence below a statement."""
    if app.builder.format != "html":
        return
    for node in doctree.findall(nodes.raw):
        if "html" in node["format"].split() and 'class="math ' in node.astext():
            text = IN_OUTPUT.sub(
                lambda found: found[1] + converted(html.unescape(found[2]), False, app.builder, docname),
                node.astext(),
            )
            node.children[:] = [nodes.Text(text)]


def keep_together(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: object) -> None:
    """No line begins with the comma after a formula: it moves into the span, which does not wrap."""
    if "body" in context:
        context["body"] = FOLLOWED.sub(r"</math>\1</span>", context["body"])


def setup(app: Sphinx) -> dict[str, object]:
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_display, None))
    app.connect("doctree-resolved", convert_outputs)
    app.connect("html-page-context", keep_together)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
