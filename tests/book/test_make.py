"""What `make` does around the checks: the environment, one chapter alone, two workers, `make findings`."""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

import chapters
import environment
import pytest
import surprises

ROOT = Path(__file__).resolve().parents[2]
THIS = environment.this()


# ------------------------------------------------------------------- .venv


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    """An environment without pip; symlinks only, so it takes a moment."""
    venv.create(tmp_path / ".venv", symlinks=True, with_pip=False)
    return tmp_path / ".venv"


@pytest.fixture
def sound(empty: Path) -> Path:
    """As much of pip as the probe asks for."""
    (packages,) = empty.glob("lib/python*/site-packages")
    (packages / "pip.py").touch()
    return empty


def test_sound_environment_has_no_fault(sound):
    assert environment.fault(sound) == ""
    assert environment.fault(sound, THIS) == ""


def test_environment_without_pip_is_a_fault(empty):
    assert environment.fault(empty) == "it has no pip"


def test_environment_that_uv_made_is_none(sound):
    config = sound / "pyvenv.cfg"
    config.write_text(config.read_text().replace(f"version = {THIS}", f"version_info = {THIS}"))
    assert environment.fault(sound, THIS) == ""


@pytest.mark.parametrize(("uv", "by"), [("", "-m pip install"), ("/opt/uv", "/opt/uv pip install --python")])
def test_uv_installs_where_it_is_named(empty, monkeypatch, uv, by):
    asked: list[str] = []
    monkeypatch.setattr(environment, "UV", uv)
    monkeypatch.setattr(subprocess, "run", lambda command, **_: asked.append(" ".join(command)))
    environment.install(empty)
    packages, project, _ = asked
    assert f"{by} " in packages
    assert packages.endswith("--requirement requirements.txt")
    assert f"{by} " in project
    assert project.endswith("--no-deps --no-build-isolation --editable .")


def test_environment_without_interpreter_is_a_fault(sound):
    (sound / "bin/python").unlink()
    assert environment.fault(sound) == "its interpreter does not start"
    (sound / "bin/python").symlink_to("/gone/python3")
    assert environment.fault(sound) == "its interpreter does not start"


def test_environment_of_another_python_is_a_fault(sound):
    config = sound / "pyvenv.cfg"
    config.write_text(config.read_text().replace(f"version = {THIS}", "version = 3.1"))
    assert environment.fault(sound) == f"Python 3.1 made it, and its interpreter is now {THIS}"


def test_environment_of_another_python_than_asked_for_is_a_fault(sound):
    assert environment.fault(sound, "3.99") == f"it is of Python {THIS}, not 3.99"


def test_environment_that_was_moved_is_a_fault(sound):
    (sound / ".ready").write_text("\n".join(environment.wanted(sound)))
    assert environment.fault(sound) == ""
    moved = sound.with_name("moved")
    sound.rename(moved)
    assert environment.fault(moved) == f"it was made at {sound}"


@pytest.fixture
def places(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Where something would be installed; as much of pip as the probe asks for is."""
    asked: list[Path] = []

    def install(place: Path) -> None:
        asked.append(place)
        (packages,) = place.glob("lib/python*/site-packages")
        (packages / "pip.py").touch()

    monkeypatch.setattr(environment, "install", install)
    monkeypatch.setattr(environment, "UV", "")
    monkeypatch.setattr(environment, "MAKE", ("-m", "venv", "--without-pip"))
    return asked


def run(monkeypatch: pytest.MonkeyPatch, place: Path) -> int:
    monkeypatch.setattr(sys, "argv", ["environment.py", str(place)])
    return environment.main()


def test_environment_is_mended_once(empty, places, monkeypatch, capsys):
    """Made anew where it has no pip, installed into, and then left alone until a pin moves."""
    (empty / "leftover").touch()
    (empty / ".ready").write_text("\n".join(environment.wanted(empty)))
    assert run(monkeypatch, empty) == 0
    assert "cannot be used: it has no pip" in capsys.readouterr().out
    assert environment.fault(empty) == ""
    assert not (empty / "leftover").exists()
    assert run(monkeypatch, empty) == 0
    assert places == [empty]
    (empty / ".ready").write_text("\n".join([str(empty.resolve()), "of other pins"]))
    assert run(monkeypatch, empty) == 0
    assert places == [empty] * 2


def test_environment_whose_installation_failed_is_not_ready(sound, monkeypatch):
    def fails(place: Path) -> None:
        raise subprocess.CalledProcessError(7, ["pip"])

    monkeypatch.setattr(environment, "install", fails)
    assert run(monkeypatch, sound) == 7
    assert not (sound / ".ready").exists()


def test_old_python_is_told_what_to_do(sound, monkeypatch, capsys):
    """It may not make an environment, but it may find one that is ready."""
    (sound / ".ready").write_text("\n".join(environment.wanted(sound)) + "\n")
    monkeypatch.setattr(environment, "OLDEST", (99, 0))
    assert run(monkeypatch, sound) == 0
    with pytest.raises(SystemExit, match=r"needs Python 99.0 or newer; .* make PYTHON=python3.12"):
        run(monkeypatch, sound.with_name("another"))


# ------------------------------------------------------------------- the checks of one chapter, two workers

CONFTEST = (ROOT / "conftest.py").read_text(encoding="utf-8")
GUARD = """import pytest

@pytest.mark.parametrize("name", ["part/one", "part/one_more"])
def test_guard(name):
    assert name
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Two chapters, of which one name begins with the other; of torch only its names, which is quick."""
    texts = {
        "conftest.py": CONFTEST,
        "pyproject.toml": f'[tool.pytest.ini_options]\npythonpath = ["{ROOT / "tools"}", "quick"]\n'
        'addopts = ["--import-mode=importlib", "--doctest-modules", "--nbval", "--nbval-current-env"]\n',
        "_toc.yml": "root: index\nchapters: [file: part/one, file: part/one_more]\n",
        "quick/torch/__init__.py": "",
        "quick/torch/nn/__init__.py": "",
        "quick/torch/nn/functional.py": "",
        "src/lemmata/part/__init__.py": "",
        "tests/book/test_book.py": GUARD,
    }
    for name in ("one", "one_more"):
        texts[f"src/lemmata/part/_{name}.py"] = 'def f():\n    """\n    >>> 1 + 1\n    2\n    """\n'
        texts[f"tests/part/test_{name}.py"] = "def test_it():\n    assert True\n"
        texts[f"book/part/{name}.md"] = "---\nkernelspec: {name: python3}\n---\n# A chapter\n"
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    add_notebook(tmp_path, "one")
    return tmp_path


def add_notebook(project: Path, name: str) -> None:
    """Three cells that need each other: on two workers the second would not know ``x``."""
    import nbformat
    from nbformat import v4

    sources = ["x = 1", "x = x + 1", "print(x)"]
    cells = [v4.new_code_cell(source, execution_count=i + 1) for i, source in enumerate(sources)]
    cells[-1].outputs = [v4.new_output("stream", text="2\n")]
    nbformat.write(v4.new_notebook(cells=cells), project / f"book/part/{name}.ipynb")


def pytest_in(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments]
    return subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)


def test_one_chapter_is_its_tests_doctests_guards_and_notebook(project):
    done = pytest_in(project, "--chapter", "part/one", "--collect-only", "-q")
    assert done.stdout.split("\n\n")[0].splitlines() == [
        "tests/part/test_one.py::test_it",
        "src/lemmata/part/_one.py::part._one.f",
        "book/part/one.ipynb::Cell 0",
        "book/part/one.ipynb::Cell 1",
        "book/part/one.ipynb::Cell 2",
        "tests/book/test_book.py::test_guard[part/one]",
    ], done.stdout + done.stderr


def test_doctests_of_one_chapter_are_those_of_its_public_names():
    """Of the part, where they are found, and of no chapter beside it."""
    first, *_, last = [chapter for chapter in chapters.chapters(ROOT) if chapter.part == "estimation"]
    part = "src/lemmata/estimation/__init__.py"
    done = pytest_in(ROOT, "--chapter", str(last), "--collect-only", "-q", part)
    found = [line.rpartition(".")[2] for line in done.stdout.splitlines() if "__init__.py::" in line]
    assert found, done.stdout + done.stderr
    assert set(found) <= set(last.public)
    assert not set(found) & set(first.public)


def test_unknown_chapter_is_refused_with_those_there_are(project):
    done = pytest_in(project, "--chapter", "part/two")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "no chapter 'part/two'; there are part/one, part/one_more" in done.stderr


def test_a_notebook_stays_on_one_worker(project):
    """And failures are told, each worker's in the same report, with pytest's line at the end."""
    (project / "tests/part/test_one.py").write_text("def test_it():\n    assert 1 == 2, 'seen'\n")
    done = pytest_in(project, "--numprocesses", "2", "tests", "src", "book")
    assert "AssertionError: seen" in done.stdout
    assert done.stdout.splitlines()[-1].strip("= ").startswith("1 failed, 8 passed"), done.stdout


# ------------------------------------------------------------------- make findings


def scripts(folder: Path, **texts: str) -> Path:
    for name, text in texts.items():
        (folder / f"{name}.sh").write_text(text)
    return folder


def test_findings_that_hold_pass(tmp_path, capsys):
    assert surprises.main([str(scripts(tmp_path, a="echo a", b="true"))]) == 0
    said = [line.partition(" (")[0] for line in capsys.readouterr().out.splitlines()]
    assert said == ["a.sh: as stated", "b.sh: as stated", "2 of 2 as stated"]


def test_a_finding_that_no_longer_holds_fails_with_its_words(tmp_path, capsys):
    assert surprises.main([str(scripts(tmp_path, a="echo it is mended >&2; exit 3", b="true"))]) == 1
    out = capsys.readouterr().out
    assert out.startswith("a.sh: FAILED, status 3")
    assert "    it is mended\n" in out
    assert out.endswith("1 of 2 as stated\n")


def test_a_finding_that_never_ends_is_stopped_with_all_it_started(tmp_path, capsys):
    script = f"(sleep 3; touch {tmp_path}/late) & sleep 60"
    assert surprises.main([str(scripts(tmp_path, a=script)), "--seconds", "0.5"]) == 1
    assert "FAILED, not done after 0.5 s" in capsys.readouterr().out
    assert not (tmp_path / "late").exists()


def test_no_finding_is_said(tmp_path, capsys):
    assert surprises.main([str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"there is no script in {tmp_path}\n"
