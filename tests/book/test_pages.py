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
    assert "preload" not in left
    assert "own.js" in left
    assert not list(scripts.iterdir())


def script(name: str | None, body: str = "") -> types.SimpleNamespace:
    return types.SimpleNamespace(filename=name, attributes={"body": body} if body else {})


def test_each_script_is_loaded_once_and_live_code_never():
    scripts = [script("a.js"), script(None, "let x"), script("b.js"), script("a.js"), script(None, "let y")]
    context = {"script_files": [*scripts, script("thebe.js"), script(None, "const thebe = 1")]}
    pages.needed_once(None, "", "", context, None)
    assert context["script_files"] == [*scripts[:3], scripts[4]]


def test_style_sheets_and_scripts_come_in_order(tmp_path):
    config = types.SimpleNamespace(
        exclude_patterns=[],
        html_theme_options={},
        html_context={},
        html_css_files=["b.css", "a.css"],
        html_js_files=["b.js", "a.js"],
    )
    pages.configure(types.SimpleNamespace(srcdir=tmp_path), config)
    assert config.html_css_files == ["a.css", "b.css"]
    assert [name for name, _ in config.html_js_files] == ["a.js", "b.js"]
    assert config.html_context["default_mode"] == "auto"
