r"""What a reader of a text cell sees, in pieces of prose and mathematics, and the numbers typed there.

    pieces(text)                each piece, with the label of the statement it stands in
    typed(text)                 the decimals, percentages, powers of ten and typed fractions among them
    unfounded(notebook)         those of a notebook that nothing in it computed, in words

A number that was measured or computed is glued from a cell, so that it cannot go stale. It may be typed

- with five significant digits or more, if they stand in a stored output of the same notebook,
- in a numbered statement, if its digits stand in the stored evidence of that statement,
- when it is given, that is chosen and exact: in the role {given}`p = 0.5` or the directive :::{given}, which
  show the reader that nothing measured it.

Digits stand in an output if a number there gives them when it is cut off or rounded. Integers are free, and
so are fractions in mathematics, lengths of LaTeX, code, and the numbers of links and citations.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from typing import NamedTuple

from markdown_it.token import Token
from myst_parser.parsers.directives import parse_directive_text
from nbformat import NotebookNode
from seals import MIME, code
from statements import LITERAL, Proof, Through, directive, parser

DIGITS = 5  # fewer could stand in an output by chance
AS_TEXT = {"eval-rst", "csv-table", "parsed-literal", "raw"}  # directives whose content is shown as it is
NO_PROSE = re.compile(r"\{?(given|glue|prf:|c?ref|eq|numref|cite|doc|term|download|py:|c:|abbr)")  # roles
NO_TITLE = re.compile(r"figure|image|include|ledger|glue|toctree|api|finding.|(exercise|solution)")
HTML = re.compile(r"<!--.*?-->|<(style|script)\b.*?</\1>|<[^>]*>", re.DOTALL)
ADDRESS = re.compile(r"\bhttps?://\S+|\b(?:arXiv|doi):\s?\S+", re.IGNORECASE)

LAYOUT = re.compile(  # numbers of LaTeX that are no numbers of the text
    r"\\\\\s*\[[^\]]*\]|\\[hv]space\*?\{[^}]*\}|\\m?kern\S*|\\rule(\[[^\]]*\])?\{[^}]*\}\{[^}]*\}"
    r"|\\(tag|label|eqref|ref|color|textcolor)\*?\{[^}]*\}"
)
POWER = r"\s*(?:\\l?dots)?\s*\\(?:cdot|times)\s*10\^(?:\{[+-]?\d+\}|\d)"
IN_MATHEMATICS = re.compile(
    rf"(?<![\d.])\d*\.\d+(?:{POWER})?(?:(?:\s|\\[,;: !]|~)*\\%)?"
    r"|\d+(?:\s|\\[,;: !]|~)*\\%"
    r"|\d+\s*\\(?:cdot|times)\s*10\^\{-\d+\}"
    r"|(?<![\w.\\])\d+e-?\d+"
)
IN_PROSE = re.compile(
    r"(?<![\w.])(?:\d+(?:\.\d+)?|\.\d+)\s?(?:%|percent\b|per cent\b)"
    r"|(?<![\w./])\d+/\d+(?![\w./]*\d)"
    r"|(?<![\w.])(?:\d+(?:\.\d+)?|\.\d+)[eE][+-]?\d+(?!\w)"
    r"|(?<![\w.])\d*\.\d+(?![\w.]*\d)"
)
STORED = re.compile(
    rf"\\frac\{{\d+\}}\{{\d+\}}|\d+(?:\*\w+(?:\*\*\d+)?)?/\d+|\d*\.?\d+(?:{POWER}|e[+-]?\d+)?", re.IGNORECASE
)  # 3/4 also in 3*x**2/4


class Piece(NamedTuple):
    """A run of text, or one formula, and the label of the statement that it stands in."""

    text: str
    mathematics: bool
    statement: str | None


# ------------------------------------------------------------------- what is shown


def pieces(text: str, statement: str | None = None) -> Iterator[Piece]:
    """What a text cell shows, in order."""
    md = parser()
    with md.reset_rules():
        md.disable("front_matter", ignoreInvalid=True)
        tokens = md.parse(text)
    for token in tokens:
        if token.type == "inline":
            yield from in_line(token.children or [], statement)
        elif token.type.startswith(("math_block", "amsmath")):
            yield Piece(token.content, True, statement)
        elif token.type == "html_block":
            yield Piece(HTML.sub(" ", token.content), False, statement)
        elif found := directive(token):
            yield from in_directive(*found, statement)
        elif token.type == "colon_fence":
            yield from pieces(token.content, statement)


def in_directive(name: str, first: str, content: str, statement: str | None) -> Iterator[Piece]:
    """What a directive shows: its title, if it has one, and its content."""
    if name == "given":
        return
    if name in LITERAL:
        if name == "math" or name in AS_TEXT:
            yield Piece(content if name == "math" else HTML.sub(" ", content), name == "math", statement)
        return
    proof = name.startswith("prf:") and name != "prf:proof"
    parsed = parse_directive_text(Proof if proof else Through, first, content)
    statement = parsed.options.get("label", statement) if proof else statement
    if not NO_TITLE.match(name):
        yield from pieces(first, statement)
    yield from pieces("\n".join(parsed.body), statement)


def in_line(tokens: list[Token], statement: str | None) -> Iterator[Piece]:
    """The formulas of a paragraph, then its prose in one piece, in which a formula of digits alone stays."""
    prose, link = "", False
    for token in tokens:
        if token.type.startswith("math_inline"):
            yield Piece(token.content, True, statement)
            prose += token.content if token.content.strip().isdigit() else " "
        elif token.type == "myst_role" and token.meta["name"] == "math":
            yield Piece(token.content, True, statement)
        elif token.type == "myst_role" and not NO_PROSE.match(token.meta["name"]):
            prose += token.content
        elif token.type in ("link_open", "link_close"):  # an address that stands as text is no prose
            link = token.type == "link_open" and token.markup in ("linkify", "autolink")
        elif token.type in ("text", "image") and not link:
            prose += token.content
        elif token.type not in ("strong_open", "strong_close", "em_open", "em_close"):
            prose += " "
    yield Piece(prose, False, statement)


# ------------------------------------------------------------------- the numbers


class Number(NamedTuple):
    """A number that was typed, as it stands there and as what it is worth, and what stands around it."""

    text: str
    value: Decimal
    context: str
    statement: str | None


def typed(text: str) -> list[Number]:
    """The numbers of a text cell that must come from somewhere."""
    return [number for piece in pieces(text) for number in numbers(piece)]


def numbers(piece: Piece) -> Iterator[Number]:
    if piece.mathematics:
        shown = LAYOUT.sub(" ", piece.text.replace("{.}", ".").replace("{,}", ""))
        shown, pattern = re.sub(r"(?<=\d)\\[,;:! ](?=\d)", "", shown), IN_MATHEMATICS
    else:
        shown, pattern = ADDRESS.sub(" ", piece.text), IN_PROSE
    for match in pattern.finditer(shown):
        around = shown[max(0, match.start() - 30) : match.end() + 15]
        yield Number(match[0].strip(), value(match[0]), " ".join(around.split()), piece.statement)


def value(number: str) -> Decimal:
    """What is written, with the digits that are written: 0.50 has two; a fraction has twenty."""
    if found := re.match(r"\\frac\{(\d+)\}\{(\d+)\}|(\d+)(?:\*.*)?/(\d+)", number):
        above, below = (Decimal(part) for part in found.groups() if part)
        return round(above / below, 20) if below else Decimal(0)
    found = re.match(r"\s*(\d*\.?\d+)(?:e([+-]?\d+)|.*?10\^\{?([+-]?\d+))?", number, re.IGNORECASE)
    assert found, number
    return Decimal(found[1]).scaleb(int(found[2] or found[3] or 0))


def digits(number: Decimal) -> int:
    return len(number.as_tuple().digits)


def stands(number: Number, stored: Iterable[Decimal]) -> bool:
    """Whether a stored number gives the typed one when it is cut off or rounded; a percentage, a share."""
    last = Decimal(1).scaleb(number.value.as_tuple().exponent)
    factors = (1, 100) if "%" in number.text or "per" in number.text else (1,)
    near = [s * f for s in stored for f in factors if abs(s * f - number.value) < last]
    ways = (ROUND_DOWN, ROUND_HALF_UP, ROUND_HALF_EVEN)
    return any(found.quantize(last, way) == number.value for found in near for way in ways)


def stored(notebook: NotebookNode) -> tuple[set[Decimal], dict[str, set[Decimal]]]:
    """The numbers in a notebook's outputs, and those in the evidence of each statement."""
    every: set[Decimal] = set()
    proofs: dict[str, set[Decimal]] = {}
    for output in (output for cell in code(notebook) for output in cell.get("outputs", [])):
        data = output.get("data", {})
        every |= values(output.get("text", "") + data.get("text/plain", "") + data.get("text/latex", ""))
        if record := data.get(MIME):
            lines = [line for line in data.get("text/plain", "").splitlines() if "worst error" not in line]
            lines += [record.get(key) or "" for key in ("statement", "how", "tolerance")]
            proofs.setdefault(record["claim"], set()).update(values("\n".join(lines)))
    return every, proofs


def values(text: str) -> set[Decimal]:
    return {value(match[0]) for match in STORED.finditer(text)}


def unfounded(notebook: NotebookNode) -> list[str]:
    """The numbers typed in prose or mathematics that nothing in the notebook gives."""
    every, proofs = stored(notebook)
    found = []
    for number in (n for cell in notebook.cells if cell.cell_type == "markdown" for n in typed(cell.source)):
        enough = digits(number.value) >= DIGITS and stands(number, every)
        if not enough and not stands(number, proofs.get(number.statement or "", ())):
            where = f"...{number.context}..."
            found.append(f"{number.text} is typed; {{glue}} it, or mark it as {{given}}: {where}")
    return found
