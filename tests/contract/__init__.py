"""The contract: what every public function promises, and one checker for all of it.

The rows of a chapter stand beside its tests, in ``tests/<part>/test_<chapter>_contract.py``::

    ROWS = [
        Row(soft_argmax, lambda draw: dict(x=draw.normal(3, 6), sharpness=2.0)),
        ...
    ]

    @each(ROWS)
    def test_contract(row, promise):
        check(row, promise)

Each row is tested for every promise below that its arguments can have, under the name ``promise-function``.
What a function does not promise is a word in its row; so is what it ought to do and does not today. Both are
strict: when the promise is kept after all, the test fails until the word is taken out.
"""

import pytest

from .arguments import EVERY_KIND, arguments, numbers, scalars
from .capture import compiles, cuda, exports, fake, meta
from .derivatives import detached, finite, forward, gradients, second
from .keeping import checkpoint, fills, pickles, seeds
from .rows import Row, is_data
from .values import autocast, dtypes, empty, infinite, nan, one, strided, untouched, vmap

__all__ = [
    "EVERY_KIND",
    "Row",
    "arguments",
    "autocast",
    "check",
    "checkpoint",
    "compiles",
    "cuda",
    "detached",
    "dtypes",
    "each",
    "empty",
    "exports",
    "fake",
    "fills",
    "finite",
    "forward",
    "gradients",
    "infinite",
    "meta",
    "nan",
    "numbers",
    "one",
    "pickles",
    "promises",
    "scalars",
    "second",
    "seeds",
    "strided",
    "untouched",
    "vmap",
]

OF_ANY = (arguments, numbers, pickles)
OF_DATA = (dtypes, strided, autocast, fake, meta, cuda)
OF_PROGRAMS = (compiles, exports)
OF_FUNCTIONS = (untouched, nan)
OF_ROWS = (empty, one, infinite, vmap)
OF_DERIVATIVES = (gradients, second, forward, finite)


def promises(row):
    """The promises that a row's arguments can have."""
    given = row.arguments()
    yield from OF_ANY
    yield from (scalars,) if row.scalars else ()
    yield from (checkpoint,) if row.checkpoint else ()
    yield from (seeds,) if "generator" in given else ()
    if any(map(is_data, given.values())):
        yield from OF_DATA
        yield from OF_PROGRAMS if row.programs else ()
        yield from (fills,) if row.fills else OF_FUNCTIONS
        yield from OF_ROWS if row.rows else ()
        yield from () if row.fills else OF_DERIVATIVES if row.differentiable else (detached,)


def each(rows):
    """A test for each promise of each row; what does not hold today is a failure that is expected."""
    cases = []
    for row in rows:
        known = {promise.__name__ for promise in promises(row)}
        unknown = {*row.no, *row.today} - known
        assert not unknown, f"{row.name}: no such promise as {unknown}"
        for promise in promises(row):
            fault = row.today.get(promise.__name__)
            marks = [pytest.mark.xfail(reason=fault, strict=True)] if fault else []
            cases.append(pytest.param(row, promise, id=f"{promise.__name__}-{row.name}", marks=marks))
    return pytest.mark.parametrize(("row", "promise"), cases)


def check(row, promise):
    """Assert that the row keeps the promise, or that it does not where it says so."""
    reason = row.no.get(promise.__name__)
    if reason is None:
        promise(row)
        return
    try:
        promise(row)
    except Exception:
        return
    raise AssertionError(f"{row.name} keeps its promise ({promise.__name__}), though its row says: {reason}")
