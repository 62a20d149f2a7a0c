"""What another processor would not reproduce is found, and what nbval exempts is not."""

from __future__ import annotations

import processors
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output


def notebook(text: str, **data: str) -> object:
    outputs = [new_output("stream", text=text), new_output("display_data", data=data)]
    return new_notebook(cells=[new_code_cell("print(x)\n", outputs=outputs)])


def test_a_changed_digit_is_found() -> None:
    assert processors.different(notebook("gap 1.25\n"), notebook("gap 1.26\n")) == [
        "cell 0: print(x)", "-gap 1.26", "+gap 1.25",
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["same\n", "worst error 3e-16 on cpu\n"])
def test_the_same_and_what_is_exempt_are_not(text: str) -> None:
    other = notebook(text.replace("3e-16", "4e-16"), **{"text/plain": "a", "image/svg+xml": "<svg>1</svg>"})
    stored = notebook(text, **{"image/svg+xml": "<svg>2</svg>", "text/plain": "a"})
    assert processors.different(other, stored) == []


def test_this_processor_is_left_as_it_is() -> None:
    assert {"ATEN_CPU_CAPABILITY", "MKL_CBWR"} <= set(processors.SETTINGS["plain"])
    assert not processors.SETTINGS["this one"]
