"""The tools behind `make notebooks` and `make book`."""

from __future__ import annotations

import json
from pathlib import Path

import jupytext
import nbformat
import notebooks
import offline
import pages
import pytest

TWIN = """---
jupytext:
  formats: md:myst,ipynb
  text_representation:
    extension: .md
    format_name: myst
kernelspec:
  display_name: Python 3
  language: python
  name: python3
---

# Demo

```{code-cell} ipython3
:tags: [hide-input]

x = 1
print(x + 1)
```

Prose.

```{code-cell} ipython3
x
```
"""


@pytest.fixture
def twin(tmp_path: Path) -> Path:
    path = tmp_path / "book" / "part" / "demo.md"
    path.parent.mkdir(parents=True)
    path.write_text(TWIN)
    return path


def stored(twin: Path) -> nbformat.NotebookNode:
    return nbformat.read(twin.with_suffix(".ipynb"), as_version=4)


def test_life_of_a_notebook(twin):
    """Executed once, kept when only prose changes, executed when code changes, left alone on failure."""
    assert notebooks.update(twin).startswith("executed")
    first = stored(twin)
    assert notebooks.executed(first)
    assert first.cells[1].outputs[0].text == "2\n"
    assert first.metadata.language_info == notebooks.LANGUAGE
    assert not any("execution" in cell.metadata for cell in first.cells)
    assert notebooks.update(twin) == "unchanged"

    twin.write_text(TWIN.replace("Prose.", "Better prose."))
    assert notebooks.out_of_sync(twin)
    assert notebooks.update(twin) == "text carried over, outputs kept"
    assert not notebooks.out_of_sync(twin)
    second = stored(twin)
    assert second.cells[1] == first.cells[1]  # outputs and id
    assert second.cells[2].source == "Better prose."

    twin.write_text(TWIN.replace("x + 1", "x + 2"))
    assert notebooks.update(twin).startswith("executed")
    before = twin.with_suffix(".ipynb").read_bytes()
    assert b'"3\\n"' in before

    twin.write_text(TWIN.replace("x + 1", "1 / 0"))
    with pytest.raises(notebooks.CellExecutionError, match="1 / 0"):
        notebooks.update(twin)
    assert twin.with_suffix(".ipynb").read_bytes() == before


def test_executing_twice_changes_no_byte(twin):
    notebooks.update(twin)
    first = twin.with_suffix(".ipynb").read_bytes()
    notebooks.update(twin, force=True)
    assert twin.with_suffix(".ipynb").read_bytes() == first


def test_round_trip_gives_the_twin_back(twin, tmp_path):
    """JupyterLab saves both files and must not rewrite the text; see [tool.jupytext]."""
    root = Path(notebooks.ROOT)
    (tmp_path / "pyproject.toml").write_text((root / "pyproject.toml").read_text())
    notebook = notebooks.read_twin(twin)
    path = twin.with_suffix(".ipynb")
    notebooks.write(notebook, path)
    config = jupytext.config.load_jupytext_config(str(path))
    assert jupytext.writes(jupytext.read(path), fmt="md:myst", config=config) == TWIN


def test_only_twins_are_found(twin):
    (twin.parent / "plain.md").write_text("# No notebook\n")
    (twin.parent.parent / "index.md").write_text(TWIN)
    assert notebooks.twins(twin.parent.parent) == [twin]


def test_check_writes_nothing(twin, capsys):
    assert notebooks.main(["--check", str(twin)]) == 1
    assert "differs from its twin" in capsys.readouterr().out
    assert not twin.with_suffix(".ipynb").exists()


def test_a_stripped_notebook_is_executed_again(twin):
    notebooks.update(twin)
    path = twin.with_suffix(".ipynb")
    content = json.loads(path.read_text())
    for cell in content["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None
    path.write_text(json.dumps(content))
    assert notebooks.update(twin).startswith("executed")


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
