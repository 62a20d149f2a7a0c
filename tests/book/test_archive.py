"""The archive of the site: the same bytes for the same files, whole, with a checksum that fits."""

from __future__ import annotations

import hashlib
import os
import zipfile
from pathlib import Path

import archive
import pytest


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "site/part").mkdir(parents=True)
    for name in ("part/page.html", "index.html", "style.css", "style.css.map"):
        (tmp_path / "site" / name).write_text(name)
    (tmp_path / "lemmata.whl").write_text("wheel")
    return tmp_path / "site"


def packed(site: Path, name: str = "lemmata-1.zip") -> Path:
    out = site.parent / name
    assert archive.main([str(site), str(out), str(site.parent / "lemmata.whl")]) == 0
    return out


def test_archive_holds_the_site_in_one_folder(site, capsys):
    with zipfile.ZipFile(packed(site)) as found:
        assert found.namelist() == [
            "lemmata-1/index.html",
            "lemmata-1/lemmata.whl",
            "lemmata-1/part/page.html",
            "lemmata-1/style.css",
        ]
        assert found.read("lemmata-1/part/page.html") == b"part/page.html"
    assert "4 files, 0.0 MB" in capsys.readouterr().out


def test_same_files_give_the_same_bytes(site):
    first = packed(site).read_bytes()
    for path in sorted(site.rglob("*"), reverse=True):
        os.utime(path, (0, 10**9))
    (site / "index.html").chmod(0o600)
    assert packed(site).read_bytes() == first
    (site / "index.html").write_text("changed")
    assert packed(site).read_bytes() != first


def test_checksum_is_that_of_the_archive(site):
    out = packed(site)
    line = (site.parent / "lemmata-1.zip.sha256").read_text()
    assert line == f"{hashlib.sha256(out.read_bytes()).hexdigest()}  lemmata-1.zip\n"


def test_a_folder_without_pages_is_refused(tmp_path, capsys):
    assert archive.main([str(tmp_path), str(tmp_path / "a.zip")]) == 1
    assert "holds no index.html" in capsys.readouterr().out
