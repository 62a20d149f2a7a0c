"""Each chapter can be downloaded as a notebook and as its text, and says by itself how it can be run.

The first cell of a chapter has the line ``REPOSITORY = ""``. Where the book is published, that is, where
``LEMMATA_REPOSITORY`` says in which repository, the downloads have it there, with ``LEMMATA_TAG`` if given.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.errors import SphinxError

EMPTY = re.compile(r'(REPOSITORY = \\?")(\\?")')  # in Python, and in the JSON of a notebook


class DownloadError(SphinxError):
    category = "Downloads"


def twin(notebook: str | os.PathLike[str]) -> Path | None:
    """The text beside a notebook."""
    path = Path(notebook)
    text = path.with_suffix(".md")
    return text if path.suffix == ".ipynb" and text.is_file() else None


def offer_the_text(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: object) -> None:
    """Beside the theme's button for the notebook, one for its text."""
    groups = [group for group in context["header_buttons"] if group.get("label") == "download-buttons"]
    if not groups or doctree is None or not twin(app.env.doc2path(page)):
        return
    notebook, *others = groups[0]["buttons"]
    notebook["tooltip"] = "The notebook, with its outputs"
    text = {**notebook, "text": ".md", "tooltip": "The notebook as text", "label": "download-text-button"}
    text["url"] = re.sub(r"\.ipynb$", ".md", notebook["url"])
    groups[0]["buttons"] = [notebook, text, *others]


def origin(environment: Mapping[str, str]) -> str:
    """What pip can install the published library from."""
    url, tag = environment.get("LEMMATA_REPOSITORY", "").rstrip("/"), environment.get("LEMMATA_TAG", "")
    return f"{url}@{tag}" if url and tag else url


def filled(name: str, text: str, repository: str) -> str:
    """The text of a download that knows its repository."""
    text, found = EMPTY.subn(lambda at: f"{at[1]}{repository}{at[2]}", text)
    if found != 1:
        raise DownloadError(f'{name} has the line `REPOSITORY = ""` {found} times, not once')
    return text


def write(app: Sphinx, error: Exception | None) -> None:
    """Sphinx has copied the notebooks: their texts join them."""
    if error is not None or app.builder.format != "html":
        return
    for page in sorted(app.env.found_docs):
        source = Path(app.env.doc2path(page))
        for file in (source, twin(source)) if twin(source) else ():
            name = file.relative_to(app.srcdir).as_posix()
            text = file.read_text(encoding="utf-8")
            if repository := origin(os.environ):
                text = filled(name, text, repository)
            (Path(app.outdir) / "_sources" / name).write_text(text, encoding="utf-8")


def after_the_theme(app: Sphinx) -> None:
    app.connect("html-page-context", offer_the_text, priority=502)


def setup(app: Sphinx) -> dict[str, object]:
    app.connect("builder-inited", after_the_theme)
    app.connect("build-finished", write)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
