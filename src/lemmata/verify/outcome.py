"""The outcomes of a check that does not hold, three words for three things.

*Refuted* means that the sides differ, and where. *Not decided* means that no difference was found, and no
proof either: it says nothing against the claim. A *vacuous* claim would be true of anything.
"""

from __future__ import annotations

import sympy as sp

from .evidence import ClaimFailed

__all__ = ["NotDecided", "Refuted", "Vacuous", "apart"]


class _Outcome(ClaimFailed):
    verdict = ""

    def __init__(self, claim: str, expected: object, found: object, at: object = None):
        super().__init__(claim, expected, found, at)
        self.args = (str(self.args[0]).replace(f"{claim} does not hold", f"{claim} {self.verdict}", 1),)


class Refuted(_Outcome):
    """The sides differ at a point, which ``at`` names, with numbers that differ as printed."""

    verdict = "does not hold: refuted"


class NotDecided(_Outcome):
    """No proof was found, and no point where the sides differ; ``found`` says what was tried."""

    verdict = "is not decided"


class Vacuous(_Outcome):
    """The claim would hold of anything: it says nothing."""

    verdict = "says nothing"


def apart(left: sp.Expr, right: sp.Expr) -> str:
    """Two different numbers in words, with as many digits as it takes to see that they differ."""
    for digits in (15, 30, 60):
        shown = [str(sp.N(number, digits)) for number in (left, right)]
        if shown[0] != shown[1]:
            break
    else:
        return f"{shown[0]} twice, and a difference of {sp.N(left - right, 5)}"
    return " and ".join(shown)
