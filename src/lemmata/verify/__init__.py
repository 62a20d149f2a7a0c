r"""Claims and their evidence, for this book and for your own derivations.

A *claim* is the label of a numbered statement. Each of its methods is one kind of check; it returns
``Evidence`` when the check holds and raises ``ClaimFailed`` when it does not.

Example:
    >>> import sympy as sp
    >>> from lemmata.verify import claim
    >>> s, R = sp.symbols("s R", positive=True)
    >>> loss = sp.log(1 + R + sp.exp(s))
    >>> claim("demo-slope").proved(sp.Derivative(loss, s), sp.exp(s) / (1 + R + sp.exp(s))).kind
    'proved'

This package needs the ``verify`` extra (SymPy, mpmath, python-flint, NumPy); the rest does not.
"""

from __future__ import annotations

from dataclasses import dataclass

from . import certified as _certified
from . import exact as _exact
from . import induction as _induction
from . import numeric as _numeric
from . import refutation as _refutation
from . import statistics as _statistics
from . import symbolic as _symbolic
from .evidence import MIME, SYMBOLS, ClaimFailed, Evidence
from .exact import expectation
from .moments import (
    SampleExpectation,
    central_moment,
    centred_sum,
    cumulant,
    power_sums,
    raw_moments,
    sample_expectation,
    unbiased_estimator,
)
from .oracle import Errors, errors, oracle

__all__ = [
    "MIME",
    "SYMBOLS",
    "ClaimFailed",
    "Errors",
    "Evidence",
    "SampleExpectation",
    "central_moment",
    "centred_sum",
    "claim",
    "cumulant",
    "errors",
    "expectation",
    "oracle",
    "power_sums",
    "raw_moments",
    "sample_expectation",
    "unbiased_estimator",
]


@dataclass(frozen=True)
class claim:  # used like a function: claim("label").proved(...)
    """A numbered statement, by its label; the methods are the kinds of evidence.

    ========================================= ================== ======================================
    method                                    kind               what holds when it returns
    ========================================= ================== ======================================
    ``proved``, ``induction``                 ``proved``         SymPy reduced the difference to 0
    ``instances``                             ``instances``      exact equality in finitely many cases
    ``certified``, ``supremum``, ``root``     ``certified``      a rigorous enclosure by ball arithmetic
    ``agrees``                                ``agrees``         torch agrees with the proved expression
    ``gradient``                              ``gradient``       autograd agrees with its derivative
    ``sampled``                               ``sampled``        a Monte Carlo mean, with its false-alarm rate
    ``rate``                                  ``rate``           the measured order of convergence
    ``counterexample``                        ``counterexample`` a statement is false at one exact point
    ========================================= ================== ======================================
    """

    label: str

    def __post_init__(self) -> None:
        if not isinstance(self.label, str) or not self.label:
            raise TypeError(f"label must be a non-empty string, got {self.label!r}")

    proved = _symbolic.proved
    induction = _induction.induction
    instances = _exact.instances
    certified = _certified.certified
    supremum = _certified.supremum
    root = _certified.root
    counterexample = _refutation.counterexample
    agrees = _numeric.agrees
    gradient = _numeric.gradient
    sampled = _statistics.sampled
    rate = _statistics.rate
