"""A text beside a notebook is its twin, not a page; any other text is."""

from __future__ import annotations

import types

import pages


def test_twins_are_no_pages_and_other_texts_are(tmp_path):
    for name in ("demo.md", "demo.ipynb", "introduction.md"):
        (tmp_path / "part").mkdir(exist_ok=True)
        (tmp_path / "part" / name).touch()
    assert pages.twins(tmp_path) == ["part/demo.md"]


def test_style_sheets_and_scripts_come_in_order(tmp_path):
    config = types.SimpleNamespace(
        exclude_patterns=[],
        html_theme_options={},
        html_context={},
        html_css_files=["b.css", "a.css"],
        html_js_files=["slider.js", "b.js", "a.js"],
    )
    pages.configure(types.SimpleNamespace(srcdir=tmp_path), config)
    assert config.html_css_files == ["a.css", "b.css"]
    assert [name for name, _ in config.html_js_files] == ["a.js", "b.js"]
    assert config.html_context["default_mode"] == "auto"
