"""What a check returns when it holds, what it raises when it does not, and how both are shown."""

from __future__ import annotations

import html
import json
import sys
from dataclasses import dataclass, fields
from typing import Any, Protocol

__all__ = ["MIME", "SYMBOLS", "Claim", "ClaimFailed", "Evidence", "issue", "issued"]

MIME = "application/vnd.lemmata.evidence+json"

SYMBOLS = {
    "proved": "∎",
    "instances": "#",
    "certified": "⊂",
    "agrees": "≈",
    "gradient": "∇",
    "sampled": "∼",
    "rate": "↘",
    "counterexample": "↯",
}

BLOCK = "border-left:3px solid #4a8fe7;padding:.35em .8em;margin:.6em 0"
FORMULA = "display:block;overflow-x:auto;overflow-y:hidden;padding:.35em 0"


class Claim(Protocol):
    """What a check needs to know of a claim: its label."""

    @property
    def label(self) -> str: ...


class ClaimFailed(AssertionError):  # it reads as a sentence: "the claim failed"
    """A check that did not hold; ``lemmata.verify.outcome`` says in which of three ways.

    Attributes:
        claim: label of the statement.
        expected: what the claim says.
        found: what the check found instead.
        at: the input that shows it, or None.
    """

    def __init__(self, claim: str, expected: object, found: object, at: object = None):
        self.claim, self.expected, self.found, self.at = claim, expected, found, at
        lines = [f"{claim} does not hold", f"  expected: {expected}", f"  found:    {found}"]
        super().__init__("\n".join(lines if at is None else [*lines, f"  at:       {at}"]))


@dataclass(frozen=True)
class Evidence:
    r"""One check that held, displayed by Jupyter as a compact block.

    Only a check issues evidence. What is made by hand, or altered, can be read, but it is displayed without
    the record that a page needs.

    Attributes:
        claim: label of the statement, e.g. ``"multilabel-loss"``.
        kind: one of ``SYMBOLS``: proved, instances, certified, agrees, gradient, sampled, rate or
            counterexample.
        statement: LaTeX printed from the very objects that were compared.
        how: one line that says what was done.
        details: further lines, folded on the page.
        tolerance: the tolerance that the check required, if it has one.
        worst: the worst error met *on this machine*; it goes to the metadata of the output and is marked
            in its text, because it may differ in the last bits elsewhere, while all the rest may not.
        plain: the statement as plain text, for a terminal.
    """

    claim: str
    kind: str
    statement: str
    how: str
    details: tuple[str, ...] = ()
    tolerance: str | None = None
    worst: str | None = None
    plain: str = ""

    def __post_init__(self) -> None:
        if self.kind not in SYMBOLS:
            raise ValueError(f"kind must be one of {', '.join(SYMBOLS)}, got {self.kind!r}")

    @property
    def _key(self) -> tuple[Any, ...]:
        return type(self), *(getattr(self, field.name) for field in fields(self))

    @property
    def record(self) -> dict[str, Any]:
        """What a program reads: the same on every machine."""
        return {
            "claim": self.claim,
            "kind": self.kind,
            "statement": self.statement,
            "how": self.how,
            "tolerance": self.tolerance,
        }

    @property
    def measured(self) -> dict[str, Any]:
        """What was met on this machine."""
        return {"worst": self.worst}

    def __str__(self) -> str:
        head = (
            f"{SYMBOLS[self.kind]} {self.kind}  {self.claim}\n  {self.plain or self.statement}\n  {self.how}"
        )
        return "\n".join([head, *(f"  {line}" for line in self.details)])

    def _html(self) -> str:
        details = "".join(f"<li>{html.escape(line)}</li>" for line in self.details)
        return (
            f'<details class="lemmata-evidence" data-kind="{self.kind}" style="{BLOCK}"><summary>'
            f"<strong>{SYMBOLS[self.kind]} {self.kind}</strong> "
            f'<a href="#{html.escape(self.claim)}"><code>{html.escape(self.claim)}</code></a>'
            f'<span class="math notranslate nohighlight" style="{FORMULA}">'
            rf"\({html.escape(self.statement)}\)</span></summary>"
            f"<p>{html.escape(self.how)}</p>" + (f"<ul>{details}</ul>" if details else "") + "</details>"
        )

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        if self._key not in _issued:
            return {"text/plain": f"(no evidence: made by hand, not by a check)\n{self}"}, {}
        record, measured = map(json.loads, _issued[self._key])
        data = {
            "text/plain": str(self),
            "text/html": self._html(),
            "text/latex": rf"$$\textbf{{{self.kind}}}\quad {self.statement}$$",
            MIME: record,
        }
        if "google.colab" in sys.modules:  # Colab typesets text/latex but not formulas inside text/html
            del data["text/html"]
        return data, {MIME: measured}


# What checks issued in this process, in order, as it was then. By its fields: a dictionary may find an object
# that was altered by its identity.
_issued: dict[tuple[Any, ...], tuple[str, str]] = {}


def issue(*parts: Any, **more: Any) -> Evidence:
    """The ``Evidence`` of a check that has just held; called by checks, and by nothing else."""
    caller = sys._getframe(1).f_globals.get("__name__", "")
    if not caller.startswith("lemmata.verify."):
        raise TypeError(f"evidence must come from a check, got a call from {caller or 'nowhere'}")
    evidence = Evidence(*parts, **more)
    _issued[evidence._key] = json.dumps(evidence.record), json.dumps(evidence.measured)
    return evidence


def issued() -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Record and measurements of all evidence that checks have issued in this process."""
    return [(json.loads(record), json.loads(measured)) for record, measured in _issued.values()]
