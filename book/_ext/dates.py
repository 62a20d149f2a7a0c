"""At the foot of each page: when its text last changed, as git says, and the version of the book."""

from __future__ import annotations

import functools
import subprocess
import tomllib
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.config import Config

PROJECT = Path(__file__).resolve().parents[2] / "pyproject.toml"


def git(folder: Path, *arguments: str) -> str:
    """What git answers, or nothing where there is no git or no repository."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()


@functools.cache
def has_history(folder: Path) -> bool:
    """In a clone of the last commits only, every file would seem to be as new as the oldest of them."""
    return git(folder, "rev-parse", "--is-shallow-repository") == "false"


def last_changed(source: Path) -> str:
    """The date of the last commit to a page's source, or to its twin."""
    files = [source, *source.parent.glob(f"{source.stem}.md")]
    if not has_history(source.parent):
        return ""
    return git(source.parent, "log", "-1", "--format=%cs", "--", *map(str, dict.fromkeys(files)))


def add_date(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: object) -> None:
    context["last_updated"] = last_changed(Path(app.env.doc2path(page))) if page in app.env.found_docs else ""


def add_version(app: Sphinx, config: Config) -> None:
    version = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]["version"]
    footer = {"extra_footer": f"<p>Version {version}</p>"}
    config.html_theme_options = {**config.html_theme_options, **footer}


def setup(app: Sphinx) -> dict[str, object]:
    app.connect("config-inited", add_version)
    app.connect("html-page-context", add_date)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
