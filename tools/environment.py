"""Make or mend ``.venv``, the exact environment of the book; `make` calls this before anything else.

    python3 tools/environment.py .venv

A ``.venv`` that cannot be used is made anew: one that was moved, that has no pip, or whose interpreter is
gone or has become another version; with ``--this-python``, one of another version than the Python that runs
this. The pinned packages are installed when ``requirements.txt`` or ``pyproject.toml`` has changed since, by
pip, or in a fraction of its time by the program that the variable UV names: ``make UV=$(which uv) setup``.
Only the standard library is imported, in words that an old Python understands, to say that it is too old.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OLDEST = (3, 11)
MAKE = ("-m", "venv")
UV = os.environ.get("UV", "")
PROBE = "import sys, pip; print('{}.{}'.format(*sys.version_info))"


def this() -> str:
    """The version of the Python that runs this, as '3.11'."""
    return "{}.{}".format(*sys.version_info)


def maker(venv: Path) -> str:
    """The version of the Python that made an environment; empty if it does not say."""
    path = venv / "pyvenv.cfg"
    pairs = [line.partition("=") for line in path.read_text().splitlines()] if path.is_file() else []
    said = {key.strip(): value.strip() for key, _, value in pairs}
    version = said.get("version") or said.get("version_info", "")  # uv's word
    return ".".join(version.split(".")[:2])


def installed(venv: Path) -> list[str]:
    """Where the environment stood and what it was made from when it was complete; empty if it never was."""
    path = venv / ".ready"
    return path.read_text().splitlines() if path.is_file() else []


def wanted(venv: Path) -> list[str]:
    """What ``installed`` says of a complete one. Its scripts begin with the place where they were made."""
    texts = [(ROOT / name).read_bytes() for name in ("requirements.txt", "pyproject.toml")]
    return [str(venv.resolve()), hashlib.sha256(b"\0".join(texts)).hexdigest()]


def fault(venv: Path, version: str = "") -> str:
    """Why an environment cannot be used, in words; empty if it can. It must be of ``version``, if given."""
    place = installed(venv)[:1]
    if place and place != wanted(venv)[:1]:
        return f"it was made at {place[0]}"
    try:
        command = [str(venv / "bin/python"), "-c", PROBE]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return "its interpreter does not start"
    if done.returncode:
        return "it has no pip" if "pip" in done.stderr else "its interpreter fails"
    now = done.stdout.strip()
    if now != maker(venv):
        return f"Python {maker(venv)} made it, and its interpreter is now {now}"
    return f"it is of Python {now}, not {version}" if version not in ("", now) else ""


def make(venv: Path) -> None:
    if sys.version_info[:2] < OLDEST:
        oldest = "{}.{}".format(*OLDEST)
        sys.exit(f"Lemmata needs Python {oldest} or newer; this is {this()}. Try: make PYTHON=python3.12 ...")
    print(f"Making {venv} ...", flush=True)
    if venv.exists():
        shutil.rmtree(venv)
    by_pip = [sys.executable, *MAKE]
    by_uv = [
        UV,
        "venv",
        "--quiet",
        "--seed",
        "--python",
        sys.executable,
    ]  # of a Python without ensurepip, too
    subprocess.run([*(by_uv if UV else by_pip), str(venv)], check=True)


def install(venv: Path) -> None:
    print(f"Installing the pinned environment into {venv} (once; torch is the large part) ...", flush=True)
    python = str(venv.absolute() / "bin/python")
    pip = [python, "-m", "pip", "install", "--no-compile"]
    packages = ["--requirement", "requirements.txt"]
    project = ["--no-deps", "--no-build-isolation", "--editable", "."]
    commands = [[*pip, "--progress-bar", "on", *packages], [*pip, "--quiet", *project]]
    if UV:
        commands = [[UV, "pip", "install", "--python", python, *what] for what in (packages, project)]
    for command in commands:
        subprocess.run(command, cwd=str(ROOT), check=True)
    # pip would compile on one core; and what does not compile in a package, pip would not mind either
    compiling = ["-m", "compileall", "-qq", "-j", "0", "-x", "/tests?/", str(venv.absolute() / "lib")]
    subprocess.run([python, *compiling], stdout=subprocess.DEVNULL, check=False)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("venv", type=Path)
    parser.add_argument("--this-python", action="store_true", help="it must be of the Python that runs this")
    wish = parser.parse_args()
    wrong = fault(wish.venv, this() if wish.this_python else "")
    try:
        if wrong:
            print(f"{wish.venv} cannot be used: {wrong}" if wish.venv.exists() else f"{wish.venv} is missing")
            make(wish.venv)
        if installed(wish.venv) != wanted(wish.venv):
            install(wish.venv)
            (wish.venv / ".ready").write_text("\n".join(wanted(wish.venv)) + "\n")
    except subprocess.CalledProcessError as error:
        return error.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
