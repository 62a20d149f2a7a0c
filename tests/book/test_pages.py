"""A text beside a notebook is its twin, not a page; any other text is."""

from __future__ import annotations

import types

import pages


def test_twins_are_no_pages_and_other_texts_are(tmp_path):
    for name in ("demo.md", "demo.ipynb", "introduction.md"):
        (tmp_path / "part").mkdir(exist_ok=True)
        (tmp_path / "part" / name).touch()
    assert pages.twins(tmp_path) == ["part/demo.md"]


def test_what_holds_up_the_first_screen_is_taken_out(tmp_path):
    scripts = tmp_path / "_static/vendor/fontawesome/6.5.2/js"
    scripts.mkdir(parents=True)
    (scripts / "all.min.js").touch()
    icons = '<script src="../_static/vendor/fontawesome/6.5.2/js/all.min.js?digest=1"></script>'
    fonts = "".join(
        f'<link rel="preload" as="font" href="../vendor/fontawesome/6.5.2/webfonts/fa-{name}-1.woff2" />'
        for name in ("solid", "brands")
    )
    page = tmp_path / "demo.html"
    page.write_text(f'<head>{icons}{fonts}<script src="own.js"></script></head>')
    app = types.SimpleNamespace(outdir=tmp_path, builder=types.SimpleNamespace(format="html"))
    pages.lighten(app, None)
    left = page.read_text()
    assert "all.min.js" not in left
    assert "fa-brands" not in left
    assert "fa-solid" in left
    assert "own.js" in left
    assert not list(scripts.iterdir())
