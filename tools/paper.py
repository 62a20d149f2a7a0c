"""The whole book as a PDF, in the order of the table of contents, printed by Chromium from the built site.

    python tools/paper.py _build/html _build/lemmata-0.1.0.pdf

Each page is printed by itself, as ``book/_static/print.css`` wants it. Then they are put together: a title
with the contents, bookmarks for parts, chapters and sections, links that stay inside the book, page numbers.
Where there is no Chromium, nothing is printed, and the last line says so.
"""

from __future__ import annotations

import html
import io
import shutil
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urldefrag

import chapters
import yaml

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]

# A link to each place of the page: only places that a link of the same page leads to get a name in the PDF.
NAME_ALL = """() => {
  const links = document.body.appendChild(document.createElement("div"));
  for (const place of document.querySelectorAll("article [id]"))
    links.appendChild(document.createElement("a")).href = "#" + place.id;
}"""
SECTIONS = """() => [...document.querySelectorAll("article section[id] > h2")].map(
  (heading) => [heading.parentElement.id, heading.firstChild.textContent.trim()])"""

TOP = 842.0  # of a sheet of A4, in points
Place = tuple[str, str]  # address of a page, anchor; no anchor for its top


@dataclass
class Page:
    """One page of the site, printed."""

    part: str
    address: str  # file:///.../estimation/hsic.html
    title: str = ""
    sections: list[list[str]] = field(default_factory=list)  # anchor, title
    pdf: bytes = b""
    first: int = 0  # its first sheet in the book, from 0


def contents(site: Path, root: Path) -> list[Page]:
    """The pages of the book in reading order."""
    toc = yaml.safe_load(chapters.read(root / "_toc.yml"))
    parts = {toc["root"]: ""} | {
        name: part["caption"]
        for part in toc["parts"]
        for name in chapters.pages({"chapters": part["chapters"]})
    }
    return [Page(part, (site / f"{name}.html").resolve().as_uri()) for name, part in parts.items()]


# ------------------------------------------------------------------- printing


def browser() -> str | None:
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def print_all(pages: list[Page], tab) -> None:
    for page in pages:
        tab.goto(page.address)
        page.title = tab.title().removesuffix(" — Lemmata")
        page.sections = tab.evaluate(SECTIONS)
        tab.evaluate(NAME_ALL)
        tab.evaluate("() => document.fonts.ready.then(() => null)")
        page.pdf = tab.pdf(prefer_css_page_size=True, print_background=True)
        print(f"{page.title}", flush=True)


def print_text(text: str, tab) -> bytes:
    tab.set_content(text)
    return tab.pdf(prefer_css_page_size=True, print_background=True)


HEAD = "<meta charset='utf-8'><style>body { font: 10pt sans-serif; margin: 0 } %s</style>"
TITLE = (
    HEAD
    % """
  @page { size: A4; margin: 30mm 25mm }
  h1 { font-size: 34pt; margin: 0 } h2 { font-size: 10pt; margin: 4.5mm 0 1mm }
  a { display: flex; justify-content: space-between; color: black; text-decoration: none; line-height: 1.5 }
"""
)
NUMBERS = (
    HEAD
    % """
  @page { size: A4; margin: 0 }
  p { height: 297mm; margin: 0; box-sizing: border-box; padding: 284mm 18mm 0; break-after: page;
      display: flex; justify-content: space-between; font-size: 8pt; color: #555 }
  p:last-child { break-after: auto }
"""
)


def title_page(pages: list[Page], version: str) -> str:
    """The name of the book and what is where."""
    lines = [TITLE, f"<h1>Lemmata</h1>Version {version}"]
    part = ""
    for page in pages[1:]:
        if page.part != part:
            part = page.part
            lines.append(f"<h2>{html.escape(part)}</h2>")
        title = html.escape(page.title)
        lines.append(f'<a href="{page.address}"><span>{title}</span><span>{page.first + 1}</span></a>')
    return "\n".join(lines)


def numbers(pages: list[Page], sheets: int) -> str:
    """The foot of each sheet: its page and its number."""
    titles = [""] * sheets
    for page, following in zip(pages, [*(page.first for page in pages[1:]), sheets], strict=True):
        titles[page.first : following] = [page.title] * (following - page.first)
    feet = [f"<p><span>{html.escape(title)}</span><span>{i + 1}</span></p>" for i, title in enumerate(titles)]
    return NUMBERS + "\n".join([feet[0].replace("<p>", "<p style='visibility: hidden'>"), *feet[1:]])


# ------------------------------------------------------------------- one book of all


def places(address: str, reader, first: int) -> dict[Place, tuple[int, float]]:
    """(sheet, height) of each named place of a printed page, and of its top."""
    found: dict[Place, tuple[int, float]] = {(address, ""): (first, TOP)}
    for name, target in reader.named_destinations.items():
        sheet = reader.get_destination_page_number(target)
        found[address, unquote(name.removeprefix("/"))] = first + sheet, float(target.top or TOP)
    return found


def links(address: str, reader) -> Iterator[tuple[int, list[float], str]]:
    """(sheet, rectangle, where it leads) of each link of a printed page, which loses them."""
    for number, sheet in enumerate(reader.pages):
        for annotation in [entry.get_object() for entry in sheet.pop("/Annots", [])]:
            action = annotation.get("/A", {})
            inside = annotation.get("/Dest") or action.get("/D")
            target = action.get("/URI") or f"{address}#{str(inside).removeprefix('/')}"
            yield number, [float(x) for x in annotation["/Rect"]], str(target)


def bind(title: bytes, pages: list[Page], feet: bytes):
    """The sheets of all pages in one document, with its links, bookmarks and feet."""
    from pypdf import PdfReader, PdfWriter

    book = PdfWriter()
    known: dict[Place, tuple[int, float]] = {}
    found: list[tuple[int, list[float], str]] = []
    for address, first, pdf in [("", 0, title), *((page.address, page.first, page.pdf) for page in pages)]:
        reader = PdfReader(io.BytesIO(pdf))
        known |= places(address, reader, first)
        found += [(first + sheet, *rest) for sheet, *rest in links(address, reader)]
        book.append(reader, import_outline=False)
    add_links(book, known, found)
    add_bookmarks(book, known, pages)
    for sheet, foot in zip(book.pages, PdfReader(io.BytesIO(feet)).pages, strict=True):
        sheet.merge_page(foot)
        sheet.compress_content_streams()
    return book


def add_links(book, known: dict[Place, tuple[int, float]], found: list[tuple[int, list[float], str]]) -> None:
    """Links into the book stay inside; those to files that are not in it go."""
    from pypdf.annotations import Link
    from pypdf.generic import Fit

    for sheet, rectangle, target in found:
        address, anchor = urldefrag(target)
        place = known.get((address, unquote(anchor))) or known.get((address, ""))
        if place:
            link = Link(rect=rectangle, target_page_index=place[0], fit=Fit.xyz(top=place[1]))
        elif target.startswith("http"):
            link = Link(rect=rectangle, url=target)
        else:
            continue
        book.add_annotation(sheet, link)


def add_bookmarks(book, known: dict[Place, tuple[int, float]], pages: list[Page]) -> None:
    from pypdf.generic import Fit

    def bookmark(title: str, sheet: int, top: float = TOP, parent=None):
        return book.add_outline_item(
            title=title, page_number=sheet, parent=parent, fit=Fit.xyz(top=top), is_open=False
        )

    parts: dict[str, object] = {"": None}
    for page in pages:
        if page.part not in parts:
            parts[page.part] = bookmark(page.part, page.first)
        chapter = bookmark(page.title, page.first, parent=parts[page.part])
        for anchor, title in page.sections:
            if place := known.get((page.address, anchor)):
                bookmark(title, *place, parent=chapter)


def count(pdf: bytes) -> int:
    from pypdf import PdfReader

    return len(PdfReader(io.BytesIO(pdf)).pages)


def make(site: Path, out: Path, executable: str) -> None:
    from playwright.sync_api import sync_playwright

    pages = contents(site, chapters.ROOT)
    version = tomllib.loads(chapters.read(chapters.ROOT / "pyproject.toml"))["project"]["version"]
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        tab = chromium.new_page(color_scheme="light")
        print_all(pages, tab)
        sheets = count(print_text(title_page(pages, version), tab))
        for page in pages:
            page.first, sheets = sheets, sheets + count(page.pdf)
        title, feet = print_text(title_page(pages, version), tab), print_text(numbers(pages, sheets), tab)
        chromium.close()
    book = bind(title, pages, feet)
    book.add_metadata({"/Title": f"Lemmata {version}", "/Author": "The Lemmata contributors"})
    book.compress_identical_objects()
    book.write(out)
    print(f"{out}: {sheets} pages, {out.stat().st_size / 1e6:.1f} MB")


def main(arguments: list[str]) -> int:
    site, out = map(Path, arguments)
    if not (site / "index.html").is_file():
        print(f"{site} holds no index.html: run `make book` first")
        return 1
    executable = browser()
    if executable is None:
        print(f"No PDF was made: there is no Chromium here (looked for {', '.join(BROWSERS)})")
        return 0
    make(site, out, executable)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
