"""A change is a file that the changelog takes: ``changes/<name>.<kind>.md``, of a known kind, not empty."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["towncrier"]
KINDS = [kind["directory"] for kind in SETTINGS["type"]]


def refused(folder: Path) -> list[str]:
    """The files of a folder that are no change of a known kind."""
    found = [path for path in sorted(folder.iterdir()) if path.name not in ("README.md", "template.md")]
    return [path.name for path in found if not (named(path.name) and path.read_text("utf-8").strip())]


def named(name: str) -> bool:
    subject, *kind = name.split(".")
    return bool(subject) and kind in [[known, "md"] for known in KINDS]


def test_every_change_has_a_known_kind_and_says_something():
    assert refused(ROOT / "changes") == []


@pytest.mark.parametrize(
    "name", ["gelu.wrong.md", "gelu.md", "gelu.fixed.txt", "gelu.tail.fixed.md", ".fixed.md"]
)
def test_file_of_another_kind_is_refused(tmp_path, name):
    (tmp_path / name).write_text("A change.")
    (tmp_path / "good.fixed.md").write_text("A change.")
    assert refused(tmp_path) == [name]


def test_empty_file_is_refused(tmp_path):
    (tmp_path / "empty.fixed.md").write_text("\n")
    assert refused(tmp_path) == ["empty.fixed.md"]


def test_changelog_has_the_place_where_changes_go():
    changelog = (ROOT / SETTINGS["filename"]).read_text(encoding="utf-8")
    assert changelog.count(SETTINGS["start_string"]) == 1
