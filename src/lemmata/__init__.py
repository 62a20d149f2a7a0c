"""Lemmata: a textbook that runs, and the library that it derives.

Each part of the book is a subpackage (:mod:`lemmata.classification`, ...) that holds the public names of all
its chapters. A part is imported when it is first asked for. :mod:`lemmata.verify` checks derivations; it
needs the extra ``lemmata[verify]``. Importing ``lemmata`` itself imports neither.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lemmata import applications as applications
    from lemmata import classification as classification
    from lemmata import estimation as estimation
    from lemmata import generative as generative
    from lemmata import geometry as geometry
    from lemmata import simplex as simplex
    from lemmata import smoothing as smoothing
    from lemmata import training as training
    from lemmata import verify as verify

__all__ = ["__version__"]

PARTS = (
    "smoothing",
    "simplex",
    "classification",
    "estimation",
    "geometry",
    "generative",
    "training",
    "applications",
    "verify",
)


def __getattr__(name: str) -> Any:
    """A part, imported now; ``__version__``, read from the installed package."""
    if name in PARTS:
        return import_module(f"lemmata.{name}")
    if name == "__version__":
        from importlib.metadata import version

        return version("lemmata")
    raise AttributeError(f"module 'lemmata' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, *PARTS]
