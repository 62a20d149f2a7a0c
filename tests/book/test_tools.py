"""The tools behind `make book`: what a page asks of other hosts, and where its links lead."""

from __future__ import annotations

import offline
import pages
import pytest


@pytest.mark.parametrize(
    "html",
    [
        '<script src="https://cdn.example/x.js"></script>',
        '<script src="//cdn.example/x.js"></script>',
        '<link rel="stylesheet" href="https://fonts.example/f.css">',
        '<link rel="preload" as="font" href="https://fonts.example/f.woff2">',
        '<img alt="" src="http://pictures.example/a.png">',
        '<iframe src="https://video.example/"></iframe>',
        '<div style="background: url(https://pictures.example/a.png)"></div>',
        "<style>@import 'https://fonts.example/f.css';</style>",
    ],
)
def test_page_that_asks_another_host_is_found(html, tmp_path, capsys):
    (tmp_path / "page.html").write_text(f"<html><body>{html}</body></html>")
    assert offline.main(tmp_path) == 1
    assert "page.html" in capsys.readouterr().out


def test_style_sheet_that_asks_another_host_is_found(tmp_path):
    (tmp_path / "a.css").write_text("@font-face { src: url('https://fonts.example/f.woff2') }")
    assert offline.main(tmp_path) == 1


def test_site_that_asks_nobody_passes(tmp_path):
    (tmp_path / "a.css").write_text("@font-face { src: url('fonts/f.woff2') }")
    (tmp_path / "page.html").write_text('<a href="https://example.org">link</a><script src="x.js"></script>')
    assert offline.main(tmp_path) == 0


def test_no_page_at_all_is_no_success(tmp_path):
    assert offline.main(tmp_path) == 1


def test_links_to_a_repository_come_from_the_environment_alone():
    assert pages.theme_options({}) == {"repository_url": "", "launch_buttons": {}}
    options = pages.theme_options({"LEMMATA_REPOSITORY": "https://example.org/a/b/", "LEMMATA_REF": "v1"})
    assert (options["repository_url"], options["repository_branch"]) == ("https://example.org/a/b", "v1")
    assert options["path_to_docs"] == "book"


def test_edits_go_to_the_text_twin_on_a_branch():
    environment = {"LEMMATA_REF": "v1", "LEMMATA_BRANCH": "trunk"}
    url = pages.edit_url("https://example.org/a/b/edit/v1/book/part/demo.ipynb", environment)
    assert url == "https://example.org/a/b/edit/trunk/book/part/demo.md"
