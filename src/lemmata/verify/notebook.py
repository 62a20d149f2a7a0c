"""What a chapter's cells need: the look of figures, numbers for the text, the library's source."""

from __future__ import annotations

import ast
import inspect
import linecache
import textwrap
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from IPython.display import Markdown

__all__ = ["figures", "glue", "source"]


def figures() -> None:
    """The book's style, as SVG without a date: the same picture is the same file, in light and dark."""
    import matplotlib.pyplot as plt
    from matplotlib_inline.backend_inline import set_matplotlib_formats

    plt.style.use("lemmata.verify.book")
    set_matplotlib_formats("svg", metadata={"Date": None})


def glue(name: str, value: object, display: bool = True) -> None:
    """Keep a value for the text, as ``myst_nb.glue`` does; a float with six digits.

    The others depend on the processor and on how its libraries add, and would fail the next machine's test.
    """
    from myst_nb import glue as keep

    keep(name, float(f"{value:.6g}") if isinstance(value, float) else value, display)


def source(*functions: Callable[..., Any]) -> Markdown:
    """The source of functions or classes as imported, without their docstrings, as one code block.

    Example:
        >>> print(source(source).data[:26])
        ```python
        def source(*func
    """
    from IPython.display import Markdown

    return Markdown("```python\n" + "\n\n\n".join(map(_without_docstring, functions)) + "\n```")


def _without_docstring(function: Callable[..., Any]) -> str:
    """By line numbers: Python 3.13 strips the indentation of ``__doc__``, so it need not be in the source."""
    written = _class_source(function) if inspect.isclass(function) else inspect.getsource(function)
    code = textwrap.dedent(written).rstrip()
    body = ast.parse(code).body[0].body  # type: ignore[attr-defined]
    lines = code.split("\n")
    if ast.get_docstring(ast.parse(code).body[0]) is not None:  # type: ignore[arg-type]
        del lines[body[0].lineno - 1 : body[0].end_lineno]
    return "\n".join(lines)


def _class_source(found: type) -> str:
    """Through one of its methods: where a public class says that it lives, inspect finds nothing."""
    files = [method.__code__.co_filename for method in vars(found).values() if inspect.isfunction(method)]
    lines = next(filter(None, map(linecache.getlines, files)), None)  # what dataclasses write has no file
    if lines is None:
        return inspect.getsource(found)
    classes = (node for node in ast.walk(ast.parse("".join(lines))) if isinstance(node, ast.ClassDef))
    node = next(node for node in classes if node.name == found.__name__)
    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    return "".join(lines[first - 1 : node.end_lineno])
