"""The statements of a text, read by the parser that the build uses: guards, seals and the ledger ask here.

    statements(text)          every ``prf:`` directive of one text cell, nested or not, in order
    statements_of(notebook)   of all text cells that the build shows, each parsed alone as myst-nb does

What looks like a statement inside a comment (``% ...``), a code block or another literal text is none. The
ledger compares this reading with what the build itself found, and stops where the two differ.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import yaml
from docutils.parsers.rst import Directive, directives
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from myst_parser.config.main import MdParserConfig
from myst_parser.parsers.directives import parse_directive_text
from myst_parser.parsers.mdit import create_md_parser

CONFIG = Path(__file__).resolve().parent.parent / "_config.yml"
NEED_EVIDENCE = ("theorem", "lemma", "proposition", "corollary")
LITERAL = {"code", "code-block", "sourcecode", "code-cell", "raw-cell", "literalinclude", "parsed-literal"}
LITERAL |= {"math", "raw", "eval-rst", "csv-table"}  # their content is no Markdown


@dataclass(frozen=True)
class Statement:
    """One ``prf:`` directive, with or without a number."""

    type: str
    label: str | None
    options: dict[str, Any]
    title: str
    body: str
    line: int  # in its cell, from 0

    @property
    def needs_evidence(self) -> bool:
        return self.type in NEED_EVIDENCE and "nonumber" not in self.options

    @property
    def text(self) -> str:
        """Type, title, options and body, however its lines are broken."""
        options = " ".join(f":{name}: {value}" for name, value in sorted(self.options.items()))
        return " ".join(f"{self.type} {self.title} {options} {self.body}".split())


class AnyOption(dict):
    """Options of a directive that is only passed through."""

    def __missing__(self, name: str) -> Any:
        return directives.unchanged


class Through(Directive):
    """Any directive whose content is Markdown."""

    optional_arguments, final_argument_whitespace, has_content = 1, True, True
    option_spec = AnyOption(name=directives.unchanged)


class Proof(Through):
    """A statement, as sphinx-proof declares it."""

    option_spec = {  # noqa: RUF012 (docutils' own protocol)
        "label": directives.unchanged_required,
        "class": directives.class_option,
        "nonumber": directives.flag,
    }


@functools.cache
def parser() -> MarkdownIt:
    """MyST's parser with the extensions of ``_config.yml``."""
    settings = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))
    settings = {**settings["parse"], **settings["sphinx"]["config"]}
    names = [field.name for field in fields(MdParserConfig) if f"myst_{field.name}" in settings]
    chosen = {name: settings[f"myst_{name}"] for name in names}
    return create_md_parser(MdParserConfig(**chosen), RendererHTML)


def blocks(text: str) -> list[Token]:
    """The blocks of a text; what stands inside their lines is not parsed."""
    md = parser()
    with md.reset_rules():
        md.disable("front_matter", ignoreInvalid=True)
        md.core.ruler.enableOnly(["normalize", "block"])
        return md.parse(text)


def directive(token: Token) -> tuple[str, str, str] | None:
    """(name, what follows it in its line, content) of a token that is a directive."""
    name, first = [*token.info.split(maxsplit=1), "", ""][:2]
    if token.type not in ("fence", "colon_fence") or not re.fullmatch(r"\{[^}]+\}", name):
        return None
    nested = token.type == "colon_fence" and token.content.startswith(":::")
    return name[1:-1], first.strip(), "\n" * nested + token.content  # a fence is no option


def statements(text: str, line: int = 0) -> list[Statement]:
    """Every statement of a text, in order."""
    return list(_statements(text, line))


def _statements(text: str, line: int) -> Iterator[Statement]:
    for token in blocks(text):
        start = line + (token.map or [0])[0]
        found = directive(token)
        if found is None:
            if token.type == "colon_fence":  # a plain division
                yield from _statements(token.content, start + 1)
            continue
        name, first, content = found
        if name in LITERAL:
            continue
        kind = name.removeprefix("prf:") if name.startswith("prf:") and name != "prf:proof" else None
        parsed = parse_directive_text(Proof if kind else Through, first, content)
        if kind:
            label = parsed.options.get("label")
            yield Statement(kind, label, parsed.options, first, "\n".join(parsed.body), start)
        yield from _statements("\n".join(parsed.body), start + 1 + parsed.body_offset)


def statements_of(notebook: dict) -> list[Statement]:
    """Every statement of a notebook's text cells, but for those that the build leaves out."""
    shown = [
        cell["source"]
        for cell in notebook["cells"]
        if cell["cell_type"] == "markdown"
        and not {"remove-cell", "remove_cell"} & set(cell["metadata"].get("tags", []))
    ]
    return [statement for text in shown for statement in statements(text)]
