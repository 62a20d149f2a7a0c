"""What every chapter's first cell needs: the look of its figures, and the library's source on the page."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from IPython.display import Markdown

__all__ = ["figures", "source"]


def figures() -> None:
    """The book's style, as SVG without a date: the same picture is the same file, in light and dark."""
    import matplotlib.pyplot as plt
    from matplotlib_inline.backend_inline import set_matplotlib_formats

    plt.style.use("lemmata.verify.book")
    set_matplotlib_formats("svg", metadata={"Date": None})


def source(*functions: Callable[..., Any]) -> Markdown:
    """The source of functions as imported, without their docstrings, as one code block.

    Example:
        >>> print(source(source).data[:26])
        ```python
        def source(*func
    """
    from IPython.display import Markdown

    return Markdown("```python\n" + "\n\n\n".join(map(_without_docstring, functions)) + "\n```")


def _without_docstring(function: Callable[..., Any]) -> str:
    """By line numbers: Python 3.13 strips the indentation of ``__doc__``, so it need not be in the source."""
    code = textwrap.dedent(inspect.getsource(function)).rstrip()
    body = ast.parse(code).body[0].body  # type: ignore[attr-defined]
    lines = code.split("\n")
    if ast.get_docstring(ast.parse(code).body[0]) is not None:  # type: ignore[arg-type]
        del lines[body[0].lineno - 1 : body[0].end_lineno]
    return "\n".join(lines)
