"""Whether a statement and its evidence speak of the same things: a check of last resort against a mix-up.

    strangers(notebook)      the statements whose evidence shares no symbol with them, in words

The symbols of a statement are the letters, Greek letters and named functions of its formulas; those of its
evidence are the symbols of the formulas that were checked and the names in the cells that checked them.
One in common is enough. So a claim about something else is seen only if it shares nothing; a wrong claim in
the right letters is not, nor is one for a statement without a formula. No program can judge what a formula
means for a sentence: that stays with the reader, to whom the page shows both.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict

from nbformat import NotebookNode
from prose import pieces
from seals import MIME, sealed, shown

NAMED = re.compile(r"\\(?:operatorname\*?|mathrm|mathtt|mathsf)\{([^{}]*)\}")
WORDS = re.compile(r"\\(?:text|mbox|textrm|begin|end|tag|label|[hv]space)\*?\{[^{}]*\}")
LAYOUT = re.compile(  # commands that say how a formula looks or reads, not of what it speaks
    r"[td]?frac|left|right|[bB]igg?[lrm]?|[clv]?dots?|cdots|q?quad|[lg]eq?|neq?|lt|gt|notin|in|to|mapsto|infty|sqrt"
    r"|sum|int|prod|math\w+|over\w+|bar|hat|tilde|wide\w+|displaystyle|limits|nolimits|lim|approx|sim|equiv|iff"
    r"|implies|middle|mid|times|[lr](vert|Vert|floor|ceil|angle)|partial|pm|mp|cup|cap|setminus|top|tag"
)
EVERYWHERE = {"e", "i", "d", "h", "Theta"}  # constants, indices, differentials, and what every rate prints
TODAY = {  # statements of before this check, in other letters than their evidence; the list only gets shorter
    "angles-effective", "angles-sample", "bias-skewness", "hsic-cross-covariance", "hsic-nystrom",
}  # fmt: skip


def symbols(latex: str) -> set[str]:
    """The letters, Greek letters and named functions of a formula."""
    named = {name.replace("\\", "").strip() for name in NAMED.findall(latex)}
    rest = WORDS.sub(" ", NAMED.sub(" ", latex))
    commands = {name for name in re.findall(r"\\([A-Za-z]+)", rest) if not LAYOUT.fullmatch(name)}
    letters = set(re.findall(r"[A-Za-z]", re.sub(r"\\[A-Za-z]+", " ", rest)))
    return (named | {name.removeprefix("var") for name in commands} | letters) - EVERYWHERE


def names(code: str) -> set[str]:
    """The names in a cell of Python, and the words that they are made of."""
    tree = ast.parse(re.sub(r"^\s*[%!].*$", "", code, flags=re.MULTILINE))
    kinds = {ast.Name: "id", ast.Attribute: "attr", ast.arg: "arg"}
    found = {getattr(node, kinds[type(node)]) for node in ast.walk(tree) if type(node) in kinds}
    return {word for name in found for word in (name, *name.split("_"))} - EVERYWHERE


def strangers(notebook: NotebookNode) -> list[str]:
    """The statements that share no symbol with their evidence."""
    checked: dict[str, set[str]] = defaultdict(set)
    for cell, output in shown(notebook):
        record = output.data[MIME]
        checked[record["claim"]] |= symbols(record.get("statement", "")) | names(cell.source)
    found = []
    for statement in sealed(notebook):
        formulas = [p.text for p in pieces(f"{statement.title}\n\n{statement.body}") if p.mathematics]
        own, label = symbols(" ".join(formulas)), statement.label
        apart = bool(own) and not own & checked[label]
        if apart and label not in TODAY:
            found.append(f"the evidence of {label} shares no symbol with the statement")
        if label in TODAY and not apart:
            found.append(f"{label} and its evidence share a symbol: take it out of TODAY in tools/kinship.py")
    return found
