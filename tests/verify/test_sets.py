"""A hostile set and a friendly one: every falsehood is refused, and most ordinary truths are shown.

The rows are data, in ``falsehoods``, ``falsehoods_numeric`` and ``truths``; here they are run.
"""

from __future__ import annotations

import time

import pytest
from verify import falsehoods, falsehoods_numeric
from verify.truths import TRUTHS

from lemmata.verify import ClaimFailed, Evidence

PATIENCE = 30  # seconds until a false claim is refused
NOT_YET = {"inequality: three cubes": "no sign found"}  # truths that no check can show today -> what it says


def rows(*groups):
    return [
        pytest.param(row, id=f"{group}: {name}")
        for groups_ in groups
        for group, claims in groups_.items()
        for name, (_, row) in claims.items()
    ]


FALSE = rows(falsehoods.FALSE, falsehoods_numeric.FALSE)
MISUSED = rows(falsehoods_numeric.MISUSED)
EITHER = rows(falsehoods_numeric.EITHER)


def refused(row, error):
    start = time.perf_counter()
    with pytest.raises(error):
        row()
    assert time.perf_counter() - start < PATIENCE


@pytest.mark.parametrize("row", FALSE)
def test_a_false_claim_fails(row):
    refused(row, ClaimFailed)


@pytest.mark.parametrize("row", MISUSED)
def test_a_misused_check_says_so(row):
    refused(row, (ValueError, TypeError))


@pytest.mark.parametrize("row", EITHER)
def test_what_has_no_value_or_no_place_is_refused(row):
    refused(row, (ClaimFailed, ValueError, TypeError))


def expected(name):
    """The truth's name; one that is refused today must go on to fail until it is taken off the list."""
    reason = NOT_YET.get(name)
    return pytest.param(name, marks=pytest.mark.xfail(raises=ClaimFailed, reason=reason) if reason else ())


@pytest.mark.parametrize("name", [*map(expected, TRUTHS)])
def test_an_ordinary_truth_is_shown(name):
    assert isinstance(TRUTHS[name](), Evidence)


def test_the_sets_are_as_large_as_they_should_be():
    assert len(FALSE) + len(MISUSED) + len(EITHER) >= 150
    assert NOT_YET.keys() <= TRUTHS.keys()
    assert len(TRUTHS) - len(NOT_YET) >= 5 / 6 * len(TRUTHS) >= 50
