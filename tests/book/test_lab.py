"""`make lab` writes nothing that was only opened; tried by hand with a server, decided here without one."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
from nbformat import v4
from quiet_saves import unchanged

RECORD = "application/x+json"


@pytest.fixture
def stored() -> dict:
    """What the files say."""
    data = {"text/plain": "1\n2\n", RECORD: {"claim": "a"}}
    output = v4.new_output("display_data", data=data, metadata={"worst": 0})
    cells = [
        v4.new_markdown_cell("# Title\n\nText."),
        v4.new_code_cell("x\ny", outputs=[output], execution_count=1, metadata={"tags": ["hide-input"]}),
    ]
    return v4.new_notebook(cells=cells, metadata={"jupytext": {"formats": "md:myst,ipynb"}})


def editor_noise(notebook: dict) -> None:
    """What JupyterLab and jupytext add on their own."""
    notebook["metadata"]["jupytext"]["default_lexer"] = "ipython3"
    notebook["metadata"]["language_info"] = {"name": "python", "version": "3.99"}
    notebook["metadata"]["widgets"] = {"state": {}}
    notebook["metadata"]["kernelspec"] = {"display_name": "Python 3 (ipykernel)", "name": "python3"}
    for cell in notebook["cells"]:
        cell["id"] = "another"
        cell["metadata"]["trusted"] = True
    notebook["cells"][1]["execution_count"] = 7
    notebook["cells"][1]["outputs"][0]["data"]["text/plain"] = ["1\n", "2\n"]


def retyped(notebook: dict) -> None:
    notebook["cells"][0]["source"] += " More."


def retagged(notebook: dict) -> None:
    notebook["cells"][1]["metadata"]["tags"] = []


def other_output(notebook: dict) -> None:
    notebook["cells"][1]["outputs"][0]["data"]["text/plain"] = "3\n"


def other_evidence(notebook: dict) -> None:
    notebook["cells"][1]["outputs"][0]["data"][RECORD] = {"claim": "b"}


def other_worst_error(notebook: dict) -> None:
    notebook["cells"][1]["outputs"][0]["metadata"] = {"worst": 1}


def cleared(notebook: dict) -> None:
    notebook["cells"][1]["outputs"] = []


def deleted(notebook: dict) -> None:
    del notebook["cells"][0]


def another_kind(notebook: dict) -> None:
    notebook["cells"][0]["cell_type"] = "raw"


def unpaired(notebook: dict) -> None:
    del notebook["metadata"]["jupytext"]["formats"]


def test_opening_is_no_change(stored):
    assert unchanged(stored, copy.deepcopy(stored))


def test_what_the_editor_adds_is_no_change(stored):
    model = copy.deepcopy(stored)
    editor_noise(model)
    assert unchanged(stored, model)


CHANGES = [
    retyped, retagged, other_output, other_evidence, other_worst_error, cleared, deleted, another_kind,
    unpaired,
]  # fmt: skip


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_a_change_is_saved(stored, change: Callable[[dict], None]):
    model = copy.deepcopy(stored)
    editor_noise(model)
    change(model)
    assert not unchanged(stored, model)
