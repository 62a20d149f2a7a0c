"""The life of a notebook: made from its text twin, executed, sealed, kept or refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import jupytext
import nbformat
import notebooks
import pytest
import seals

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

Prose with ∎ and ü.

:::{prf:theorem} A title
:label: demo-sum

One and one is two.
:::

```{code-cell} ipython3
x
```
"""


@pytest.fixture
def twin(tmp_path: Path) -> Path:
    path = tmp_path / "book" / "part" / "demo.md"
    path.parent.mkdir(parents=True)
    path.write_text(TWIN, encoding="utf-8")
    (tmp_path / "_toc.yml").write_text("root: part/demo\n")
    return path


def stored(twin: Path) -> nbformat.NotebookNode:
    return nbformat.read(twin.with_suffix(".ipynb"), as_version=4)


def edit(twin: Path, old: str, new: str) -> None:
    assert old in TWIN
    twin.write_text(TWIN.replace(old, new), encoding="utf-8")


# ------------------------------------------------------------------- made and kept


def test_life_of_a_notebook(twin):
    """Executed once, kept when only prose changes, executed when code changes, left alone on failure."""
    assert notebooks.update(twin).startswith("executed")
    first = stored(twin)
    assert notebooks.executed(first)
    assert first.cells[1].outputs[0].text == "2\n"
    assert first.metadata.language_info == notebooks.LANGUAGE
    assert not any("execution" in cell.metadata for cell in first.cells)
    assert len(first.cells) == 4  # no cell is left behind
    assert set(first.metadata.lemmata.seals) == {"demo-sum", seals.WHOLE}
    assert notebooks.update(twin) == "unchanged"

    edit(twin, "Prose", "Better prose")
    assert notebooks.wrong(twin) == ["differs from its twin, run `make notebooks`"]
    assert notebooks.update(twin) == "text carried over, outputs kept"
    assert notebooks.wrong(twin) == []
    second = stored(twin)
    assert second.cells[1] == first.cells[1]  # outputs and id
    assert second.cells[2].source.startswith("Better prose")
    assert second.metadata == first.metadata  # seals, too

    edit(twin, "x + 1", "x + 2")
    assert notebooks.update(twin).startswith("executed")
    before = twin.with_suffix(".ipynb").read_bytes()
    assert b'"3\\n"' in before

    edit(twin, "x + 1", "1 / 0")
    with pytest.raises(notebooks.CellExecutionError, match="1 / 0"):
        notebooks.update(twin)
    assert twin.with_suffix(".ipynb").read_bytes() == before


def test_round_trip_gives_the_twin_back(twin, tmp_path):
    """JupyterLab saves both files and must not rewrite the text; see [tool.jupytext]."""
    root = Path(notebooks.ROOT)
    (tmp_path / "pyproject.toml").write_text((root / "pyproject.toml").read_text())
    notebook = notebooks.read_twin(twin)
    path = twin.with_suffix(".ipynb")
    notebooks.write(notebook, path)
    config = jupytext.config.load_jupytext_config(str(path))
    assert jupytext.writes(jupytext.read(path), fmt="md:myst", config=config) == TWIN


# ------------------------------------------------------------------- executed again


@pytest.fixture(scope="module")
def executed(tmp_path_factory) -> bytes:
    """The notebook of the twin, executed once."""
    path = tmp_path_factory.mktemp("executed") / "demo.md"
    path.write_text(TWIN, encoding="utf-8")
    notebooks.update(path)
    return path.with_suffix(".ipynb").read_bytes()


def test_executing_twice_changes_no_byte(twin, executed):
    notebooks.update(twin)
    assert twin.with_suffix(".ipynb").read_bytes() == executed


@pytest.fixture
def ran(twin, executed, monkeypatch) -> Path:
    """A twin with its executed notebook, where another execution is only noted."""
    twin.with_suffix(".ipynb").write_bytes(executed)
    monkeypatch.setattr(notebooks, "execute", lambda notebook, folder: seals.seal(notebook))
    return twin


def spoil(twin: Path, change) -> None:
    path = twin.with_suffix(".ipynb")
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(json.dumps(content), encoding="utf-8")


def strip(content):
    for cell in content["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None


def delete_an_output(content):
    content["cells"][3]["outputs"] = []


def edit_an_output(content):
    content["cells"][1]["outputs"][0]["text"] = ["3\n"]


def unseal(content):
    del content["metadata"]["lemmata"]


@pytest.mark.parametrize("change", [strip, delete_an_output, edit_an_output, unseal])
def test_a_notebook_that_is_not_as_executed_is_named_and_executed_again(ran, change):
    assert notebooks.wrong(ran) == []
    spoil(ran, change)
    (said,) = notebooks.wrong(ran)
    assert "run `make notebooks`" in said
    assert notebooks.update(ran).startswith("executed")


@pytest.mark.parametrize(
    ("old", "new", "runs"),
    [
        ("One and one is two.", "One and one is three.", True),
        ("A title", "Another title", True),
        (":label: demo-sum", ":label: demo-other", True),
        ("prf:theorem", "prf:definition", True),
        ("x = 1", "x = 2", True),
        ("Prose", "Prose again", False),
        ("One and one is two.", "One and one\nis two.", False),
    ],
)
def test_a_statement_or_code_that_changed_is_executed_prose_is_not(ran, old, new, runs):
    edit(ran, old, new)
    assert notebooks.update(ran).startswith("executed" if runs else "text carried over")


# ------------------------------------------------------------------- refused


CHEATS = """
```{code-cell} ipython3
:tags: [raises-exception]

1 / 0
```

```{code-cell} ipython3
:tags: [raises-exception]

no_longer = 2
```

```{code-cell} ipython3
import dataclasses, sympy as sp
from IPython.display import display
from lemmata.verify import MIME, Evidence, claim

good = claim("demo-sum").proved(sp.cosh(sp.Symbol("x")) ** 2 - sp.sinh(sp.Symbol("x")) ** 2, 1)
display(good)
```

```{code-cell} ipython3
display(dataclasses.replace(good, claim="demo-altered"))
display(Evidence("demo-hand", "proved", "1", "1"))
display({MIME: {**good.record, "claim": "demo-raw"}}, raw=True)
bundle, metadata = good._repr_mimebundle_()
display(bundle, metadata={MIME: {"worst": "0"}}, raw=True)
```
"""


def test_what_no_check_issued_and_what_no_longer_raises_is_refused(twin):
    """Evidence made by hand or altered shows no record; one that is displayed raw does, or a better error."""
    twin.write_text(TWIN + CHEATS, encoding="utf-8")
    with pytest.raises(notebooks.Refused) as stopped:
        notebooks.update(twin)
    assert str(stopped.value).splitlines() == [
        "evidence (proved) for demo-raw that no check issued",
        "evidence (proved) for demo-sum that no check issued",
        "a cell no longer raises: 'no_longer = 2'",
    ]
    assert not twin.with_suffix(".ipynb").exists()


# ------------------------------------------------------------------- twins, found and read


def test_only_twins_are_found(twin):
    (twin.parent / "plain.md").write_text("# No notebook\n")
    (twin.parent.parent / "index.md").write_text(TWIN, encoding="utf-8")
    assert notebooks.twins(twin.parent.parent) == [twin]


@pytest.mark.parametrize(
    "text", [TWIN.replace("jupytext:", "title: first\njupytext:"), "\ufeff" + TWIN], ids=["key first", "BOM"]
)
def test_a_twin_is_found_by_its_content(twin, text):
    twin.write_text(text, encoding="utf-8")
    assert notebooks.twins(twin.parent.parent) == [twin]
    assert len(notebooks.read_twin(twin).cells) == 4


def test_a_text_that_is_no_twin_is_named_and_refused_unless_it_is_a_page(twin, tmp_path, capsys):
    (twin.parent / "lost.md").write_text("# Lost\n")
    assert notebooks.no_twins(tmp_path) == 1
    assert "part/lost.md: no twin" in capsys.readouterr().out
    assert notebooks.main(["--check"], tmp_path) == 1
    assert "part/lost.md: no twin" in capsys.readouterr().out
    (tmp_path / "_toc.yml").write_text("root: part/demo\nchapters:\n  - file: part/lost\n")
    assert notebooks.no_twins(tmp_path) == 0
    assert capsys.readouterr().out == "plain pages: part/lost\n"


def test_check_writes_nothing(twin, capsys):
    assert notebooks.main(["--check", str(twin)]) == 1
    assert "has no notebook" in capsys.readouterr().out
    assert not twin.with_suffix(".ipynb").exists()


def test_check_finds_what_is_as_executed(ran, tmp_path, capsys):
    assert notebooks.main(["--check"], tmp_path) == 0
    assert capsys.readouterr().out == "part/demo: in sync\n"
    edit(ran, "Prose", "Better prose")
    assert notebooks.main(["--check"], tmp_path) == 1
    assert "part/demo: differs from its twin" in capsys.readouterr().out


def test_an_ascii_locale_changes_nothing(ran, tmp_path):
    """Files are UTF-8 whatever the locale says: read, checked and written."""
    edit(ran, "Prose", "Better prose")
    tools = Path(notebooks.__file__).parent
    program = f"import sys; sys.path.insert(0, {str(tools)!r}); import notebooks, pathlib; "
    program += f"sys.exit(notebooks.main(sys.argv[1:], pathlib.Path({str(tmp_path)!r})))"
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    for arguments in ([], ["--check"]):
        command = [sys.executable, "-c", program, *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert "∎ and ü" in stored(ran).cells[2].source
