"""What a chapter's cells need: the look of figures, numbers for the text, the library's source."""

from __future__ import annotations

import ast
import html
import inspect
import json
import linecache
import textwrap
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from IPython.display import HTML, Markdown

__all__ = ["figures", "glue", "in_clone", "slider", "source"]


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


def in_clone(name: str) -> Path:
    """Where a file or folder of the repository lies, for a page that reads what no wheel holds.

    Args:
        name: from the root of the repository, as ``examples/captcha``.

    Raises:
        FileNotFoundError: the page runs outside a clone.
    """
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / name).exists():
            return folder / name
    raise FileNotFoundError(
        f"This page reads {name} of the repository, which the installed library lacks, and no folder above "
        f"{here} has it: run the page in a clone"
    )


def slider(
    name: str, values: Sequence[float], x: Any, curves: Mapping[str, Any], xlabel: str, ylabel: str
) -> HTML:
    """Curves that move with a parameter, which the website draws when a reader asks for it.

    Args:
        name: The parameter, as it is shown.
        values: Its values, two or more, in the order of the slider.
        x: Abscissae of all curves, shape ``(points,)``.
        curves: By name, ordinates of shape ``(len(values), points)``; those of shape ``(points,)`` stay.
            What is not finite is a gap.
        xlabel: What stands below the axis.
        ylabel: What stands beside the axis.

    Returns:
        A line that unfolds. It holds all curves, with four digits: more than a screen shows.

    Raises:
        ValueError: For fewer than two values, or ordinates of another shape.

    Example:
        >>> slider("a", [1, 2], [0, 1], {"a x": [[0, 1], [0, 2]]}, "x", "y").data[:56]
        '<details class="lemmata-slider"><summary>Move a <small>('
    """
    from IPython.display import HTML

    if len(values) < 2:
        raise ValueError(f"values must be two or more, got {list(values)}")
    across = np.asarray(x, dtype=float)
    rows = {curve: np.asarray(y, dtype=float) for curve, y in curves.items()}
    for curve, y in rows.items():
        if y.shape not in (across.shape, (len(values), *across.shape)):
            raise ValueError(f"curve {curve!r} must have {len(x)} points for each value, got shape {y.shape}")
    drawn = {
        "name": name,
        "values": [float(value) for value in values],
        "x": _four_digits(across),
        "curves": {curve: _four_digits(np.atleast_2d(y)) for curve, y in rows.items()},
        "xlabel": xlabel,
        "ylabel": ylabel,
    }
    data = json.dumps(drawn, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    return HTML(
        f'<details class="lemmata-slider"><summary>Move {html.escape(name)} <small>(on the website)</small>'
        f'</summary><script type="application/json">{data}</script></details>'
    )


def _four_digits(values: np.ndarray | np.float64) -> Any:
    """Nested lists of numbers; None for what is not finite, which JSON does not know."""
    if isinstance(values, np.ndarray):
        return [_four_digits(part) for part in values]
    return float(f"{values:.4g}") if np.isfinite(values) else None


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
