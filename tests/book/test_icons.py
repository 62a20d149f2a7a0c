"""The icon fonts hold what the pages show."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import icons
import pytest
import sites
from fontTools.ttLib import TTFont

PAGE = '<i class="fa-solid fa-sun fa-lg"></i><i class="fas fa-bars"></i><i class="fa-brands fa-github"></i>'
MORE = '<p class="fable note">fa-moon</p>'


def made(folder: Path, page: str) -> Path:
    sites.write(folder, {"index.html": page, "_static/vendor/fontawesome/1/a.js": ""})
    icons.write(SimpleNamespace(outdir=folder, builder=SimpleNamespace(name="html")), None)
    return folder / "_static"


def points(font: Path) -> set[int]:
    return set(TTFont(font).getBestCmap())


# --- identity


def test_icons_are_what_classes_name(tmp_path):
    assert icons.used(PAGE + MORE) == {"fa-sun", "fa-bars", "fa-github"}


def test_the_fonts_hold_these_and_those_of_the_theme(tmp_path):
    static = made(tmp_path, PAGE)
    sun, bars, moon, github, lightbulb = 0xF185, 0xF0C9, 0xF186, 0xF09B, 0xF0EB
    assert {sun, bars, lightbulb} <= points(static / "icons-900.woff")
    assert moon not in points(static / "icons-900.woff")
    assert github in points(static / "icons-400.woff")
    sheet = (static / "icons.css").read_text(encoding="utf-8")
    assert '.fa-sun::before { content: "\\f185"; }' in sheet
    assert "fa-moon" not in sheet
    assert sum(path.stat().st_size for path in static.glob("icons*.[cw]*")) < 20_000


def test_font_awesome_is_gone_but_for_its_licence(tmp_path):
    static = made(tmp_path, PAGE)
    assert not (static / "vendor/fontawesome").exists()
    assert "Reserved Font Name" in (static / "icons.txt").read_text(encoding="utf-8")
    names = [str(name) for name in TTFont(static / "icons-900.woff")["name"].names]
    assert names == ["Copyright (c) Font Awesome"]  # and not its name, which is reserved


# --- agreement


def test_the_names_of_icons_are_font_awesomes():
    known = icons.known('.fa-a:before,.fa-b-c:before{content:"\\f001"}.x{y:z}.fa-d:before{content:"\\f002"}')
    assert known == {"fa-a": 0xF001, "fa-b-c": 0xF001, "fa-d": 0xF002}


# --- failure


def test_an_icon_that_is_not_there_stops_the_build(tmp_path):
    with pytest.raises(icons.IconsError, match=r"index\.html shows 'fa-nosuch'"):
        made(tmp_path, '<i class="fas fa-nosuch"></i>')
