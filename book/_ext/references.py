"""References live beside the chapter that cites them, ``book/<part>/<chapter>.bib``; no list names the files.

A source that several chapters cite stands with the first of them. Two things stop the build: a key that is
defined twice, and an entry that the chapter beside it does not cite.
"""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.environment import BuildEnvironment
from sphinx.errors import SphinxError

ENTRY = re.compile(r"^[ \t]*@\w+[ \t]*\{[ \t]*([^\s,{}]+)[ \t]*,", re.MULTILINE)


class ReferencesError(SphinxError):
    category = "References"


def files(book: Path) -> list[Path]:
    return sorted(book.glob("*/*.bib"))


def keys(book: Path) -> dict[str, list[str]]:
    """Each key, with the pages (``part/chapter``) in whose file it is defined."""
    found = defaultdict(list)
    for file in files(book):
        for key in ENTRY.findall(file.read_text(encoding="utf-8")):
            found[key].append(file.relative_to(book).with_suffix("").as_posix())
    return dict(found)


def stop(problems: list[str]) -> None:
    if problems:
        raise ReferencesError("\n" + "\n".join(f"  - {problem}" for problem in problems))


def configure(app: Sphinx, config: Config) -> None:
    """Tell sphinxcontrib-bibtex which files there are."""
    book = Path(app.srcdir)
    places = {key: " and in ".join(f"{page}.bib" for page in pages) for key, pages in keys(book).items()}
    stop([f"{key} is defined in {place}" for key, place in places.items() if " and in " in place])
    config.bibtex_bibfiles = [file.relative_to(book).as_posix() for file in files(book)]


def check(app: Sphinx, env: BuildEnvironment) -> None:
    references = env.get_domain("cite").citation_refs
    cited = {(ref.docname, target.key) for ref in references for target in ref.targets}
    stop(
        [
            f"{page}.bib holds {key}, which {page} does not cite"
            for key, (page, *_) in keys(Path(app.srcdir)).items()
            if (page, key) not in cited
        ]
    )


def setup(app: Sphinx) -> dict[str, object]:
    app.setup_extension("sphinxcontrib.bibtex")
    app.connect("config-inited", configure)
    app.connect("env-check-consistency", check)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
