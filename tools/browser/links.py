"""Every link within the site leads to a file of it, and every anchor to an element of that page."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote

from browser.pages import Contents
from browser.session import Fault


def broken(site: Path, contents: dict[str, Contents]) -> list[Fault]:
    faults = []
    for page, held in contents.items():
        for link in held.links:
            what = wrong(site, unquote(link), contents)
            faults += [Fault(page, "", what)] if what else []
    return faults


def wrong(site: Path, link: str, contents: dict[str, Contents]) -> str:
    """What is wrong with a link from the site's folder, in words; empty if it leads somewhere."""
    address, _, anchor = link.partition("#")
    path = address.partition("?")[0]
    if not (site / path).is_file():
        return f"link to {path or 'the folder of the site'}, which is no file of the site"
    if anchor and path in contents and anchor not in contents[path].anchors | {"top"}:
        return f"link to {link}, which has no such anchor"
    return ""
