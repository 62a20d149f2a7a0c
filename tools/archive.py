"""The site as one zip that opens from disk, and its checksum beside it.

    python tools/archive.py _build/html _build/lemmata-0.1.0.zip [more files, to lie beside the pages]
    sha256sum --check lemmata-0.1.0.zip.sha256

The same files give the same bytes: they are sorted, and all have one date and one mode.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import zipfile
from pathlib import Path

DATE = (1980, 1, 1, 0, 0, 0)  # the oldest that a zip can hold
NOT_NEEDED = {".map"}  # where scripts came from, for those who would debug them


def members(site: Path, more: list[Path]) -> dict[str, Path]:
    """The files of the archive by their names in it, in order."""
    pages = [path for path in site.rglob("*") if path.is_file() and path.suffix not in NOT_NEEDED]
    named = {path.relative_to(site).as_posix(): path for path in pages}
    return dict(sorted({**named, **{path.name: path for path in more}}.items()))


def write(archive: Path, files: dict[str, Path]) -> None:
    """All files in one folder, which is named as the archive."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as out:
        for name, path in files.items():
            entry = zipfile.ZipInfo(f"{archive.stem}/{name}", DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            out.writestr(entry, path.read_bytes())


def checksum(archive: Path) -> Path:
    """Write what ``sha256sum`` would print."""
    path = archive.with_name(f"{archive.name}.sha256")
    path.write_text(f"{hashlib.sha256(archive.read_bytes()).hexdigest()}  {archive.name}\n", encoding="utf-8")
    return path


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("site", type=Path)
    parser.add_argument("archive", type=Path)
    parser.add_argument("more", type=Path, nargs="*")
    wish = parser.parse_args(arguments)
    if not (wish.site / "index.html").is_file():
        print(f"{wish.site} holds no index.html")
        return 1
    files = members(wish.site, wish.more)
    write(wish.archive, files)
    checksum(wish.archive)
    size = wish.archive.stat().st_size / 1e6
    print(f"{wish.archive}: {len(files)} files, {size:.1f} MB; unpack it and open index.html")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
