"""Whether a notebook that JupyterLab wants to save says what the files already say."""

from __future__ import annotations

from typing import Any

OF_THE_EDITOR = {"collapsed", "editable", "execution", "jupyter", "scrolled", "slideshow", "trusted"}
OF_ONE_RUN = {"execution_count", "transient"}


def unchanged(stored: dict, model: dict) -> bool:
    """Whether cells, outputs and pairing agree; ids, counts, widgets, versions are the editor's."""
    return essence(stored) == essence(model)


def essence(notebook: dict) -> tuple[Any, list]:
    pairing = notebook.get("metadata", {}).get("jupytext", {}).get("formats")
    return pairing, [of_cell(cell) for cell in notebook["cells"]]


def of_cell(cell: dict) -> tuple:
    metadata = {key: value for key, value in cell["metadata"].items() if key not in OF_THE_EDITOR}
    outputs = [of_output(output) for output in cell.get("outputs", [])]
    return cell["cell_type"], joined(cell["source"]), metadata, outputs


def of_output(output: dict) -> dict:
    kept = {key: joined(value) for key, value in output.items() if key not in OF_ONE_RUN}
    return kept | {"data": {kind: joined(value) for kind, value in output.get("data", {}).items()}}


def joined(text: Any) -> Any:
    """A text that may come as a list of its lines."""
    lines = isinstance(text, list) and all(isinstance(line, str) for line in text)
    return "".join(text) if lines else text
