"""Carry every chapter's text twin (book/<part>/<chapter>.md) into its notebook, and execute what changed.

    python tools/notebooks.py                   what differs from the stored notebook
    python tools/notebooks.py --all             everything, for instance after a change in src
    python tools/notebooks.py book/part/a.md    these only
    python tools/notebooks.py --check           write nothing; fail if a notebook is not its twin

A notebook is executed when its code differs from the stored one or when outputs are missing. When only its
prose changed, the stored outputs are kept. A notebook that fails is shown, and its old file stays as it was.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
import time
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parent.parent
LANGUAGE = {"name": "python", "pygments_lexer": "ipython3"}  # versions would only make diffs
SECONDS_PER_CELL = 600


def twins(book: Path) -> list[Path]:
    """The text twins of all chapters, sorted."""
    return sorted(path for path in book.glob("*/*.md") if path.read_text().startswith("---\njupytext:"))


def read_twin(path: Path) -> NotebookNode:
    """The notebook that a twin describes: stable cell ids, no outputs, no version noise."""
    notebook = jupytext.read(path, fmt="md:myst")
    jupytext_metadata = notebook.metadata.get("jupytext", {})
    notebook.metadata = NotebookNode(
        jupytext=NotebookNode(formats=jupytext_metadata.get("formats", "")),
        kernelspec=notebook.metadata.get("kernelspec", NotebookNode()),
        language_info=NotebookNode(LANGUAGE),
    )
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    seen: dict[str, int] = {}
    for cell in notebook.cells:
        digest = hashlib.sha1(f"{cell.cell_type}\n{cell.source}".encode()).hexdigest()[:12]
        seen[digest] = seen.get(digest, -1) + 1
        cell.id = digest if seen[digest] == 0 else f"{digest}-{seen[digest]}"
    return notebook


def text_of(notebook: NotebookNode) -> list[tuple[str, str, dict]]:
    """What a notebook and its twin have in common."""
    return [(cell.cell_type, cell.source, dict(cell.metadata)) for cell in notebook.cells]


def code_of(notebook: NotebookNode) -> list[str]:
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"]


def executed(notebook: NotebookNode) -> bool:
    """Whether the stored outputs come from one run from the top."""
    counts = [cell.execution_count for cell in notebook.cells if cell.cell_type == "code"]
    return counts == list(range(1, len(counts) + 1))


def keep_outputs(fresh: NotebookNode, stored: NotebookNode) -> None:
    """Copy the stored outputs into the same code cells of ``fresh``."""
    source = (cell for cell in stored.cells if cell.cell_type == "code")
    for cell in (cell for cell in fresh.cells if cell.cell_type == "code"):
        old = next(source)
        cell.outputs, cell.execution_count = old.outputs, old.execution_count


def execute(notebook: NotebookNode, folder: Path) -> None:
    """Run every cell in ``folder``, and leave nothing behind that changes from run to run by itself."""
    cells = len(notebook.cells)

    def show(cell: NotebookNode, cell_index: int) -> None:
        if sys.stdout.isatty():
            print(f"\r    cell {cell_index + 1} of {cells} ", end="", flush=True)

    client = NotebookClient(
        notebook,
        kernel_name="python3",
        extra_arguments=["--IPKernelApp.log_level=40"],  # errors only: it warns of its own local connection
        timeout=SECONDS_PER_CELL,
        record_timing=False,
        coalesce_streams=True,  # how a stream is cut into pieces is a matter of timing
        on_cell_start=show,
        resources={"metadata": {"path": str(folder)}},
    )
    try:
        client.execute()
    finally:
        if sys.stdout.isatty():
            print("\r" + " " * 40 + "\r", end="")
    notebook.metadata.language_info = NotebookNode(LANGUAGE)


def write(notebook: NotebookNode, path: Path) -> None:
    """Write in one step, so that an interrupted run leaves the old file."""
    partial = path.with_suffix(".ipynb.partial")
    nbformat.write(notebook, partial)
    partial.replace(path)


def update(twin: Path, force: bool = False) -> str:
    """Bring one notebook up to date with its twin; says what was done."""
    target = twin.with_suffix(".ipynb")
    fresh = read_twin(twin)
    stored = nbformat.read(target, as_version=4) if target.exists() else None
    keep = stored is not None and executed(stored) and code_of(stored) == code_of(fresh) and not force
    if not keep:
        started = time.perf_counter()
        execute(fresh, twin.parent)
        done = f"executed in {time.perf_counter() - started:.1f} s"
    elif text_of(stored) == text_of(fresh) and stored.metadata == fresh.metadata:
        return "unchanged"
    else:
        keep_outputs(fresh, stored)
        done = "text carried over, outputs kept"
    write(fresh, target)
    return done


def out_of_sync(twin: Path) -> bool:
    """Whether the stored notebook differs from its twin, or was not executed."""
    target = twin.with_suffix(".ipynb")
    if not target.exists():
        return True
    stored = nbformat.read(target, as_version=4)
    return text_of(stored) != text_of(read_twin(twin)) or not executed(stored)


def failure(error: CellExecutionError | TimeoutError) -> str:
    """The failing cell and its traceback, as nbclient prints them, indented."""
    return "\n".join("    " + line for line in str(error).splitlines())


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("paths", nargs="*", type=Path, help="text twins or notebooks (default: all)")
    parser.add_argument("--all", action="store_true", help="execute even what did not change")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if one is stale")
    options = parser.parse_args(arguments)
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # as in the tests: the kernel inherits it

    failed = 0
    for twin in [path.with_suffix(".md") for path in options.paths] or twins(ROOT / "book"):
        name = f"{twin.parent.name}/{twin.stem}"
        if options.check:
            stale = out_of_sync(twin)
            failed += stale
            print(f"{name}: {'differs from its twin, run `make notebooks`' if stale else 'in sync'}")
            continue
        print(f"{name} ...", flush=True)
        try:
            print(f"    {update(twin, options.all)}", flush=True)
        except (CellExecutionError, TimeoutError) as error:
            failed += 1
            print(f"{failure(error)}\n    {name} failed; its notebook was left as it was", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
