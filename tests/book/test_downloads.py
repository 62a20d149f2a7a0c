"""A chapter is offered as notebook and as text, and both know where the published library is."""

from __future__ import annotations

import json
import subprocess
import types
from pathlib import Path

import dates
import downloads
import pytest
from nbformat import v4

CELL = 'import sys\n\nREPOSITORY = ""  # filled in\nprint(REPOSITORY)'


@pytest.fixture
def book(tmp_path: Path) -> Path:
    """A chapter of two files, and a page of one."""
    (tmp_path / "part").mkdir()
    notebook = v4.new_notebook(cells=[v4.new_code_cell(CELL)])
    (tmp_path / "part/demo.ipynb").write_text(json.dumps(notebook, indent=1))
    (tmp_path / "part/demo.md").write_text(f"```{{code-cell}}\n{CELL}\n```\n")
    (tmp_path / "index.md").write_text("# Title\n")
    (tmp_path / "out/_sources/part").mkdir(parents=True)
    return tmp_path


def app(book: Path) -> types.SimpleNamespace:
    sources = {"part/demo": book / "part/demo.ipynb", "index": book / "index.md"}
    env = types.SimpleNamespace(found_docs=set(sources), doc2path=lambda page: str(sources[page]))
    builder = types.SimpleNamespace(format="html")
    return types.SimpleNamespace(srcdir=book, outdir=book / "out", env=env, builder=builder)


def buttons(book: Path, page: str, name: str) -> list[dict]:
    notebook = {"type": "link", "url": f"_sources/{name}", "text": Path(name).suffix, "label": "a"}
    group = {"label": "download-buttons", "buttons": [notebook, {"text": ".pdf"}]}
    context = {"header_buttons": [{"label": "fullscreen-button"}, group]}
    downloads.offer_the_text(app(book), page, "page.html", context, object())
    return group["buttons"]


def test_the_text_is_offered_beside_the_notebook(book):
    shown = buttons(book, "part/demo", "part/demo.ipynb")
    assert [button["text"] for button in shown] == [".ipynb", ".md", ".pdf"]
    assert shown[1]["url"] == "_sources/part/demo.md"


def test_a_page_without_notebook_keeps_its_buttons(book):
    assert [button["text"] for button in buttons(book, "index", "index.md")] == [".md", ".pdf"]


def test_what_is_downloaded_knows_the_repository(book, monkeypatch):
    monkeypatch.setenv("LEMMATA_REPOSITORY", "https://example.org/a/b/")
    monkeypatch.setenv("LEMMATA_TAG", "v1.2.0")
    downloads.write(app(book), None)
    line = 'REPOSITORY = "https://example.org/a/b@v1.2.0"  # filled in'
    text = (book / "out/_sources/part/demo.md").read_text()
    notebook = json.loads((book / "out/_sources/part/demo.ipynb").read_text())
    assert line in text
    assert notebook["cells"][0]["source"].splitlines()[2] == line
    assert 'REPOSITORY = ""' in (book / "part/demo.md").read_text()


def test_without_repository_files_are_copied(book, monkeypatch):
    monkeypatch.delenv("LEMMATA_REPOSITORY", raising=False)
    downloads.write(app(book), None)
    for name in ("part/demo.md", "part/demo.ipynb"):
        assert (book / "out/_sources" / name).read_bytes() == (book / name).read_bytes()


@pytest.mark.parametrize(("text", "found"), [("x = 1", 0), (CELL + CELL, 2)])
def test_a_chapter_without_the_line_stops_the_build(text, found):
    with pytest.raises(downloads.DownloadError, match=f"demo.md has the line .* {found} times"):
        downloads.filled("demo.md", text, "https://example.org/a/b")


# ------------------------------------------------------------------- dates


@pytest.fixture
def commit(book, monkeypatch):
    dates.has_history.cache_clear()
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]

    def at(date: str, *files: str) -> None:
        monkeypatch.setenv("GIT_COMMITTER_DATE", f"{date}T12:00:00Z")
        for command in (["add", *files], [*identity, "commit", "-qm", "change"]):
            subprocess.run(["git", "-C", str(book), *command], check=True)

    subprocess.run(["git", "init", "-q", str(book)], check=True)
    yield at
    dates.has_history.cache_clear()


def test_a_page_is_as_new_as_its_notebook_or_text(book, commit):
    commit("2001-02-03", "part/demo.ipynb", "part/demo.md", "index.md")
    (book / "part/demo.md").write_text("new")
    commit("2002-03-04", "part/demo.md")
    assert dates.last_changed(book / "part/demo.ipynb") == "2002-03-04"
    assert dates.last_changed(book / "index.md") == "2001-02-03"


def test_there_is_no_date_without_history(book, commit, tmp_path_factory):
    commit("2001-02-03", "index.md")
    assert dates.last_changed(book / "part/demo.ipynb") == ""  # not committed
    shallow = tmp_path_factory.mktemp("clone")
    subprocess.run(["git", "clone", "-q", "--depth=1", f"file://{book}", str(shallow)], check=True)
    assert dates.last_changed(shallow / "index.md") == ""
    nowhere = tmp_path_factory.mktemp("nowhere")
    assert dates.last_changed(nowhere / "index.md") == ""
