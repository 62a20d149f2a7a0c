"""How names become public: a file lists them in its ``__all__``, and nothing above it lists them again.

A package's ``__init__`` takes in what its files list, by ``from ... import *``, and calls one of these. They
set ``__all__`` while running, since type checkers take a list that they cannot read for an empty one; without
one they pass on what was taken in, which is the same.
"""

import sys
from types import ModuleType

__all__ = ["collect", "publish"]


def collect(chapter: str) -> list[str]:
    """Set the ``__all__`` of a package to the names it has taken in, and return it."""
    package = sys.modules[chapter]
    names = [
        name
        for name, value in vars(package).items()
        if not name.startswith("_") and not isinstance(value, ModuleType)
    ]
    package.__all__ = names  # type: ignore[attr-defined]
    return names


def publish(part: str) -> None:
    """Make a part the home of the names it has taken in from its chapters.

    A chapter's modules are private and may move. What is public says that it lives at the part, so that a
    pickle, the documentation and a traceback name the place that stays.
    """
    for name in collect(part):
        getattr(sys.modules[part], name).__module__ = part
