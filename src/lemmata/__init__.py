"""Lemmata: a textbook that runs, and the library that it derives.

Each part of the book is a subpackage (:mod:`lemmata.classification`, ...), each chapter a module in it.
:mod:`lemmata.verify` checks derivations; it needs the extra ``lemmata[verify]``. Importing ``lemmata``
itself imports neither.
"""

__all__ = ["__version__"]


def __getattr__(name: str) -> str:
    """``lemmata.__version__``, read from the installed package when asked for."""
    if name == "__version__":
        from importlib.metadata import version

        return version("lemmata")
    raise AttributeError(f"module 'lemmata' has no attribute {name!r}")
