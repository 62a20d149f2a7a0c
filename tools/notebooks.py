"""Carry every chapter's text twin (book/<part>/<chapter>.md) into its notebook, and execute what changed.

    python tools/notebooks.py                   what differs from the stored notebook
    python tools/notebooks.py --all             everything, for instance after a change in src
    python tools/notebooks.py book/part/a.md    these only
    python tools/notebooks.py --check           write nothing; fail if a notebook is not its twin, as executed

A notebook is executed when its code or a numbered statement differs from what was executed (``seals.py``), or
when outputs are missing. When only prose changed, the stored outputs are kept. A notebook that fails, or that
shows evidence which no check issued, is named, and its old file stays as it was.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import time
from pathlib import Path

import chapters
import jupytext
import nbformat
import seals
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

ROOT = Path(__file__).resolve().parent.parent
LANGUAGE = {"name": "python", "pygments_lexer": "ipython3"}  # versions would only make diffs
SECONDS_PER_CELL = 600
RAISES = "raises-exception"  # the tag of a cell that teaches by its error
WHICH_EVIDENCE = """\
import json, sys
verify = sys.modules.get("lemmata.verify.evidence")
print(json.dumps(verify.issued() if verify else []))"""


class Refused(Exception):
    """An execution that went through, and yet gives no notebook."""


# ------------------------------------------------------------------- twins


def twins(book: Path) -> list[Path]:
    """The text twins of all chapters, sorted."""
    return [path for path in sorted(book.glob("*/*.md")) if chapters.is_twin(chapters.read(path))]


def no_twins(root: Path) -> int:
    """Name the texts beside the twins that are none, and count those that are no page of the book either."""
    pages = {root / "book" / f"{page}.md" for page in chapters.contents(root)}
    others = sorted(set((root / "book").glob("*/*.md")) - set(twins(root / "book")))
    if plain := [f"{path.parent.name}/{path.stem}" for path in others if path in pages]:
        print(f"plain pages: {', '.join(plain)}")
    lost = [path for path in others if path not in pages]
    for path in lost:
        print(f"{path.parent.name}/{path.name}: no twin (no kernelspec, no code cell), no page of _toc.yml")
    return len(lost)


def read_twin(path: Path) -> NotebookNode:
    """The notebook that a twin describes: stable cell ids, no outputs, no version noise."""
    notebook = jupytext.reads(chapters.read(path), fmt="md:myst")
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
    return [cell.source for cell in seals.code(notebook)]


def executed(notebook: NotebookNode) -> bool:
    """Whether the stored outputs come from one run from the top."""
    counts = [cell.execution_count for cell in seals.code(notebook)]
    return counts == list(range(1, len(counts) + 1))


def keep_outputs(fresh: NotebookNode, stored: NotebookNode) -> None:
    """Copy the stored outputs and seals into ``fresh``, which has the same code cells."""
    for cell, old in zip(seals.code(fresh), seals.code(stored), strict=True):
        cell.outputs, cell.execution_count = old.outputs, old.execution_count
    if "lemmata" in stored.metadata:
        fresh.metadata["lemmata"] = stored.metadata["lemmata"]


# ------------------------------------------------------------------- execution


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
    notebook.cells.append(new_code_cell(WHICH_EVIDENCE))
    try:
        client.execute()
    finally:
        asked = notebook.cells.pop()
        if sys.stdout.isatty():
            print("\r" + " " * 40 + "\r", end="")
    notebook.metadata.language_info = NotebookNode(LANGUAGE)
    refuse(notebook, json.loads(asked.outputs[0].text))
    seals.seal(notebook)


def refuse(notebook: NotebookNode, issued: list) -> None:
    """Raise ``Refused`` for evidence that no check issued, and for a cell that should raise and did not."""
    made = [record for record, measured in seals.evidence(notebook) if [record, measured] not in issued]
    found = [f"evidence ({record['kind']}) for {record['claim']} that no check issued" for record in made]
    found += [f"a cell no longer raises: {cell.source.splitlines()[0]!r}" for cell in not_raised(notebook)]
    if found:
        raise Refused("\n".join(found))


def not_raised(notebook: NotebookNode) -> list[NotebookNode]:
    """The cells that are there to raise an error, and show none."""
    tagged = [cell for cell in seals.code(notebook) if RAISES in cell.metadata.get("tags", [])]
    return [cell for cell in tagged if all(output.output_type != "error" for output in cell.outputs)]


def write(notebook: NotebookNode, path: Path) -> None:
    """Write in one step, so that an interrupted run leaves the old file."""
    partial = path.with_suffix(".ipynb.partial")
    nbformat.write(notebook, partial)  # in UTF-8, whatever the locale
    partial.replace(path)


def update(twin: Path, force: bool = False) -> str:
    """Bring one notebook up to date with its twin; says what was done."""
    target = twin.with_suffix(".ipynb")
    fresh = read_twin(twin)
    stored = seals.read(target) if target.exists() else None
    keep = stored is not None and executed(stored) and code_of(stored) == code_of(fresh) and not force
    if keep:
        keep_outputs(fresh, stored)
        keep = not seals.broken(fresh)
    if not keep:
        started = time.perf_counter()
        execute(fresh, twin.parent)
        done = f"executed in {time.perf_counter() - started:.1f} s"
    elif text_of(stored) == text_of(fresh) and stored.metadata == fresh.metadata:
        return "unchanged"
    else:
        done = "text carried over, outputs kept"
    write(fresh, target)
    return done


# ------------------------------------------------------------------- checks without execution


def wrong(twin: Path) -> list[str]:
    """How a stored notebook differs from its twin and from what was executed, in words."""
    target = twin.with_suffix(".ipynb")
    if not target.exists():
        return ["has no notebook, run `make notebooks`"]
    stored = seals.read(target)
    if text_of(stored) != text_of(read_twin(twin)):
        return ["differs from its twin, run `make notebooks`"]
    return seals.broken(stored) if executed(stored) else ["was not executed, run `make notebooks`"]


def failure(error: Exception) -> str:
    """What nbclient prints of a failing cell and its traceback, or why a notebook was refused, indented."""
    return "\n".join("    " + line for line in str(error).splitlines())


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("paths", nargs="*", type=Path, help="text twins or notebooks (default: all)")
    parser.add_argument("--all", action="store_true", help="execute even what did not change")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if one is stale")
    options = parser.parse_args(arguments)
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # as in the tests: the kernel inherits it
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")  # a traceback quotes the text, in any locale

    chosen = [path.with_suffix(".md") for path in options.paths]
    failed = 0 if chosen else no_twins(root)
    for twin in chosen or twins(root / "book"):
        name = f"{twin.parent.name}/{twin.stem}"
        if options.check:
            found = wrong(twin)
            failed += bool(found)
            print("\n".join(f"{name}: {problem}" for problem in found or ["in sync"]))
            continue
        print(f"{name} ...", flush=True)
        try:
            print(f"    {update(twin, options.all)}", flush=True)
        except (CellExecutionError, TimeoutError, Refused) as error:
            failed += 1
            print(f"{failure(error)}\n    {name} failed; its notebook was left as it was", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
