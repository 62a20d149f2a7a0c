"""A page asks for one style sheet and one script: what Sphinx and its extensions put in some thirty files.

A browser fetches six files at a time, and shows nothing before the last style sheet is there. When the site
is built, the files that a page names are joined in their order, under the name of their content: pages with
the same files share them. A script of three lines that would hold up the page stands in the page itself. The
search page keeps its scripts, for some wait for others that are large.
"""

from __future__ import annotations

import hashlib
import posixpath
import re
from pathlib import Path

from sphinx.application import Sphinx

STYLE = re.compile(r'[ \t]*<link rel="stylesheet"[^>]* href="((?:\.\./)*)(_static/[^"?]+)[^"]*" />\n?')
SCRIPT = re.compile(r'[ \t]*<script defer(?:="defer")? src="((?:\.\./)*)(_static/[^"?]+)[^"]*"></script>\n?')
HOLDS_UP = re.compile(r'<script src="(?:\.\./)*(_static/documentation_options\.js)[^"]*"></script>')
IMPORT = re.compile(r'@import "([^"]+)";')
ADDRESS = re.compile(r'url\((["\']?)(?!["\']?(?:data:|[a-z]+:|/|#))([^)"\']+)\1\)')
MAP = re.compile(r"/\*# sourceMappingURL=.*?\*/|//# sourceMappingURL=.*")


def style(out: Path, name: str) -> str:
    """A style sheet with what it imports, its addresses as seen from ``_static``."""
    folder = posixpath.dirname(name)

    def moved(found: re.Match[str]) -> str:
        return f"url({found[1]}{posixpath.relpath(posixpath.join(folder, found[2]), '_static')}{found[1]})"

    def imported(found: re.Match[str]) -> str:
        return style(out, posixpath.normpath(posixpath.join(folder, found[1])))

    text = MAP.sub("", (out / name).read_text(encoding="utf-8"))
    return IMPORT.sub(imported, ADDRESS.sub(moved, text))


def script(out: Path, name: str) -> str:
    """Between semicolons: each ends before the next begins, and no "use strict" is one for all."""
    return ";" + MAP.sub("", (out / name).read_text(encoding="utf-8")).rstrip() + "\n;"


def joined(out: Path, page: str, kind: re.Pattern[str]) -> str:
    """The page with one file instead of all of a kind, where the first of them stood."""
    names = [name for _, name in kind.findall(page)]
    if len(names) < 2:
        return page
    one, ending = (style, "css") if kind is STYLE else (script, "js")
    text = "\n".join(one(out, name) for name in names)
    bundle = f"_static/bundle-{hashlib.sha256(text.encode()).hexdigest()[:8]}.{ending}"
    (out / bundle).write_text(text, encoding="utf-8")
    first = kind.search(page)
    assert first  # there are two
    tag = first[0].replace(names[0], bundle)
    head, rest = page[: first.start()], page[first.end() :]
    return head + re.sub(r"\?v=\w+", "", tag) + kind.sub("", rest)


def bundle(app: Sphinx, error: Exception | None) -> None:
    if error is not None or app.builder.name != "html":
        return
    out = Path(app.outdir)
    for path in sorted(out.rglob("*.html")):
        if "_static" in path.parts:
            continue
        page = joined(out, path.read_text(encoding="utf-8"), STYLE)
        page = HOLDS_UP.sub(lambda found: f"<script>{script(out, found[1])}</script>", page)
        if path.name != "search.html":
            page = joined(out, page, SCRIPT)
        path.write_text(page, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, object]:
    app.connect("build-finished", bundle, priority=900)  # after those that change scripts
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
