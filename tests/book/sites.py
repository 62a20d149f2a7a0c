"""Small books for the tests of our Sphinx extensions: write them, build them, look at a page."""

from __future__ import annotations

import io
import re
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace, patch_docutils


def write(root: Path, files: dict[str, str]) -> Path:
    """A project of these texts."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


def run(
    project: Path, builder: str = "html", jobs: int = 1, strict: bool = True, markdown: str = "markdown"
) -> Sphinx:
    """Build ``book/`` into ``html/``, say; where it is strict, a warning is an error.

    Which parser reads which file is said here: Sphinx 7.4 keeps what one book's extensions said of it for the
    next book of the same process.
    """
    book, out = project / "book", project / builder
    suffixes = {".rst": "restructuredtext", ".md": markdown, ".ipynb": "myst-nb"}
    with patch_docutils(), docutils_namespace():
        app = Sphinx(str(book), str(book), str(out), str(project / "trees"), builder,
                     confoverrides={"source_suffix": suffixes}, status=None,
                     warning=io.StringIO(), warningiserror=strict, parallel=jobs)  # fmt: skip
        app.build()
    return app


def build(project: Path, builder: str = "html", jobs: int = 1, markdown: str = "markdown") -> dict[str, str]:
    """Build ``book/`` and return its pages by address."""
    out = Path(run(project, builder, jobs, markdown=markdown).outdir)
    pages = [path for path in out.rglob("*") if path.suffix in (".html", ".txt", ".tex")]
    return {path.relative_to(out).with_suffix("").as_posix(): path.read_text("utf-8") for path in pages}


def body(page: str) -> str:
    """The page without what surrounds it."""
    found = re.search(r'<div class="body" role="main">(.*?)<div class="sphinxsidebar"', page, re.DOTALL)
    assert found, "the page has no text"
    return found[1]


def plain(html: str) -> str:
    """The words of a page."""
    return " ".join(re.sub(r"<[^>]+>", "", html).split())
