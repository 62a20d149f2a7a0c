"""What Sphinx and the theme have to be told: which texts are no pages, where the repository is, if anywhere.

The publishing workflow sets ``LEMMATA_REPOSITORY`` (its URL), ``LEMMATA_REF`` (the tag that is built) and
``LEMMATA_BRANCH`` (where edits go). Only then do pages link to Colab and to the repository: no source file
holds its URL.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.config import Config

ON_DEMAND = {"slider.js"}  # page.js loads it


def twins(book: Path) -> list[str]:
    """The texts that stand beside a notebook of their name: the notebook is the page."""
    notebooks = sorted(book.glob("*/*.ipynb"))
    return [path.with_suffix(".md").relative_to(book).as_posix() for path in notebooks]


def theme_options(environment: Mapping[str, str]) -> dict[str, object]:
    """The theme options that follow from the environment."""
    url = environment.get("LEMMATA_REPOSITORY", "").rstrip("/")
    if not url:
        return {"repository_url": "", "launch_buttons": {}}
    return {
        "repository_url": url,
        "repository_branch": environment.get("LEMMATA_REF", "main"),
        "path_to_docs": "book",
        "use_repository_button": True,
        "use_issues_button": True,
        "use_edit_page_button": True,
        "launch_buttons": {"colab_url": "https://colab.research.google.com"},
    }


def configure(app: Sphinx, config: Config) -> None:
    config.exclude_patterns = [*config.exclude_patterns, *twins(Path(app.srcdir))]
    config.html_theme_options = {**config.html_theme_options, **theme_options(os.environ)}
    config.html_context = {"default_mode": "auto", **config.html_context}  # else the theme reports an error
    # Jupyter Book takes all style sheets and scripts of _static, in the order of the disk
    config.html_css_files = sorted(config.html_css_files)
    scripts = sorted(set(config.html_js_files) - ON_DEMAND)
    config.html_js_files = [(name, {"defer": "defer"}) for name in scripts]


def edit_url(url: str, environment: Mapping[str, str]) -> str:
    """Where "Suggest edit" leads: to a branch, not the tag; to a chapter's text twin, not its notebook."""
    ref, branch = environment.get("LEMMATA_REF", "main"), environment.get("LEMMATA_BRANCH", "main")
    return re.sub(r"\.ipynb$", ".md", url.replace(f"/edit/{ref}/", f"/edit/{branch}/"))


def edit_the_text(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: object) -> None:
    original = context.get("get_edit_provider_and_url")
    if original is not None:

        def edited() -> tuple[str, str]:
            provider, url = original()
            return provider, edit_url(url, os.environ)

        context["get_edit_provider_and_url"] = edited


def after_the_theme(app: Sphinx) -> None:
    """The theme makes its edit links at priority 500 and its buttons at 501; this has to come between."""
    app.connect("html-page-context", edit_the_text, priority=500)


def setup(app: Sphinx) -> dict[str, object]:
    app.connect("config-inited", configure, priority=400)
    app.connect("builder-inited", after_the_theme)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
