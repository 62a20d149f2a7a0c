"""A text beside a notebook is its twin, not a page; any other text is."""

from __future__ import annotations

import pages


def test_twins_are_no_pages_and_other_texts_are(tmp_path):
    for name in ("demo.md", "demo.ipynb", "introduction.md"):
        (tmp_path / "part").mkdir(exist_ok=True)
        (tmp_path / "part" / name).touch()
    assert pages.twins(tmp_path) == ["part/demo.md"]
