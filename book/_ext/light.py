"""The first screen at once: a page loads what it needs, when it needs it.

Extensions of Sphinx put their scripts and style sheets on every page. Here a page keeps those that its text
needs, each once, and no script runs before the text is there; a picture is loaded when it comes near. What
the theme loads by itself is in ``_templates/static/webpack-macros.html``, its icons in ``icons.py``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.errors import SphinxError

# A word in the name of a file, or in the text of a script: what stands in a page that needs it.
NEEDED_FOR = {
    "thebe": "thebe-launch-button",  # live code, which no page has
    "sphinx-design": 'class="sd-',
    "design-tabs": 'class="sd-tab',
    "toggle": "dropdown",
    "clipboard": "<pre>",
    "copybutton": "<pre>",
    "exercise": "exercise",
    "mystnb": 'class="cell ',
}
FIRST = "documentation_options"  # a script in the page adds to what it says
# Names, punctuation and spaces are most of the code, in the colour of the text.
UNCOLOURED = re.compile(r'<span class="(?:n|p|w)">([^<]*)</span>')
IMAGE = re.compile(r"<img (?![^>]*\bloading=)")
# When a page has loaded, the theme measures every block of code, folded ones too: a second of layout.
MEASURE_ALL = ',"complete"===document.readyState?T():window.addEventListener("load",T)'

# On the search page these come after what they use, which waits for the text.
SEARCH = re.compile(r'<script src="(?=(?:_static/(?:searchtools|language_data)|searchindex)\.js)')


class LightError(SphinxError):
    category = "Light"


def needed(files: Iterable[Any], body: str) -> list[Any]:
    """The scripts or style sheets that a page with this text needs, each once."""
    kept: dict[str, Any] = {}
    for file in files:
        name = f"{file.filename or ''} {file.attributes.get('body') or ''}"
        if all(mark in body for word, mark in NEEDED_FOR.items() if word in name.lower()):
            kept.setdefault(name, file)
    return list(kept.values())


def lighten(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: object) -> None:
    if app.builder.name != "html":
        return
    body = context.get("body", "")
    context["css_files"] = needed(context["css_files"], body)
    context["script_files"] = needed(context["script_files"], body)
    for script in context["script_files"]:
        if script.filename and FIRST not in str(script.filename):
            script.attributes["defer"] = "defer"
    if body:
        context["body"] = IMAGE.sub('<img loading="lazy" ', UNCOLOURED.sub(r"\1", body))


def lighten_theme(app: Sphinx, error: Exception | None) -> None:
    if error is not None or app.builder.name != "html":
        return
    static = Path(app.outdir, "_static")
    script = static / "scripts/pydata-sphinx-theme.js"
    text = script.read_text(encoding="utf-8")
    if MEASURE_ALL not in text:
        raise LightError(f"{script} does not hold what is to be taken out of it: {MEASURE_ALL}")
    script.write_text(text.replace(MEASURE_ALL, ""), encoding="utf-8")
    search = Path(app.outdir, "search.html")
    search.write_text(SEARCH.sub('<script defer src="', search.read_text(encoding="utf-8")), encoding="utf-8")


def setup(app: Sphinx) -> dict[str, object]:
    app.connect("html-page-context", lighten, priority=900)
    app.connect("build-finished", lighten_theme)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
