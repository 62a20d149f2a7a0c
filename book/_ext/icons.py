"""The icons that the pages show and no others: fonts of a few kilobytes for 300, a style sheet of 3 for 100.

The pictures are those of Font Awesome, which the theme brings. Its fonts may be cut down if the result has
another name (SIL Open Font License 1.1). An icon that they do not have stops the build.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable
from pathlib import Path

import pydata_sphinx_theme
from fontTools import subset
from sphinx.application import Sphinx
from sphinx.errors import SphinxError

THEME = Path(pydata_sphinx_theme.__file__).parent / "theme/pydata_sphinx_theme/static"
FONTS = {"fa-solid-900.ttf": 900, "fa-brands-400.ttf": 400}
CLASSES = re.compile(r'class="((?:[^"]* )?fa[bs]? [^"]*|[^"]*\bfa-[^"]*)"')
RULE = re.compile(r'([^{}]+)\{content:"\\([0-9a-f]+)"\}')
SHEET = """\
.fa, .fas, .fa-solid, .fab, .fa-brands {
  display: inline-block;
  font: var(--fa-font-solid);
  text-rendering: auto;
  -webkit-font-smoothing: antialiased;
}
.fab, .fa-brands { font: var(--fa-font-brands); }
.fa-lg { font-size: 1.25em; line-height: 0.05em; vertical-align: -0.075em; }
:root {
  --fa-font-solid: normal 900 1em/1 "Lemmata Icons";
  --fa-font-brands: normal 400 1em/1 "Lemmata Icons";
}
"""
STYLES = {"fa", "fas", "fab", "fa-solid", "fa-brands", "fa-lg"}  # what SHEET knows, that is no icon


class IconsError(SphinxError):
    category = "Icons"


def known(sheet: str) -> dict[str, int]:
    """The code point of each icon, by the name of its class, from Font Awesome's style sheet."""
    return {
        name: int(code, 16)
        for selectors, code in RULE.findall(sheet)
        for name in re.findall(r"\.(fa-[\w-]+):before", selectors)
    }


def used(page: str) -> set[str]:
    """The icons of a page."""
    words = {word for classes in CLASSES.findall(page) for word in classes.split()}
    return {word for word in words if re.match(r"fa[a-z]?$|fa-", word)} - STYLES


def of_the_theme(sheets: Iterable[str]) -> set[int]:
    """The icons that the theme's own style sheets set: they stand in them as private letters."""
    return {ord(letter) for letter in "".join(sheets) if "\ue000" <= letter <= "\uf8ff"}


def cut(source: Path, points: set[int], target: Path) -> None:
    """A font with these icons, without a name."""
    options = subset.Options(name_IDs=[0, 13, 14], hinting=False, flavor="woff")  # the copyright stays
    font = subset.load_font(str(source), options)
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes=points & set(font.getBestCmap()))
    subsetter.subset(font)
    subset.save_font(font, str(target), options)


def style_sheet(icons: dict[str, int]) -> str:
    faces = "".join(
        f'@font-face {{ font-family: "Lemmata Icons"; font-weight: {weight}; font-display: block;'
        f' src: url("icons-{weight}.woff") format("woff"); }}\n'
        for weight in FONTS.values()
    )
    return (
        faces
        + SHEET
        + "".join(f'.{name}::before {{ content: "\\{icons[name]:x}"; }}\n' for name in sorted(icons))
    )


def write(app: Sphinx, error: Exception | None) -> None:
    if error is not None or app.builder.name != "html":
        return
    [awesome] = (THEME / "vendor/fontawesome").iterdir()  # the folder of its version
    [sheet] = awesome.glob("css/*.css")
    codes, icons = known(sheet.read_text(encoding="utf-8")), {}
    for page in Path(app.outdir).rglob("*.html"):
        for name in used(page.read_text(encoding="utf-8")):
            if name not in codes:
                raise IconsError(
                    f"{page.relative_to(app.outdir)} shows '{name}', which Font Awesome does not have"
                )
            icons[name] = codes[name]
    sheets = (path.read_text(encoding="utf-8") for path in (THEME / "styles").glob("*.css"))
    points = set(icons.values()) | of_the_theme(sheets)
    static = Path(app.outdir, "_static")
    shutil.rmtree(static / "vendor/fontawesome", ignore_errors=True)
    shutil.copy(awesome / "LICENSE.txt", static / "icons.txt")
    (static / "icons.css").write_text(style_sheet(icons), encoding="utf-8")
    for font, weight in FONTS.items():
        cut(awesome / "webfonts" / font, points, static / f"icons-{weight}.woff")


def setup(app: Sphinx) -> dict[str, object]:
    app.connect("build-finished", write)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
