"""The library as a user gets it: light to import, nothing but itself in the wheel, annotated in full."""

from __future__ import annotations

import importlib
import inspect
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = sorted(f"lemmata.{path.parent.name}" for path in (ROOT / "src" / "lemmata").glob("*/__init__.py"))
LIGHT = ["lemmata", *(name for name in PACKAGES if name != "lemmata.verify")]


@cache
def imported() -> dict[str, list[str]]:
    """For the library and each part: what its import loads, beyond torch and the standard library."""
    program = f"""
import importlib, json, sys, torch
seen, loaded = set(sys.modules), {{}}
for name in {LIGHT}:
    importlib.import_module(name)
    fresh = {{m for m in set(sys.modules) - seen if m.partition(".")[0] not in sys.stdlib_module_names}}
    loaded[name] = sorted(m for m in fresh if m.partition(".")[0] != "torch")
print(json.dumps(loaded))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.mark.parametrize("module", LIGHT)
def test_import_is_light(module):
    """Importing the library, or a part, costs torch and nothing else."""
    loaded = imported()[module]
    assert module in loaded
    assert {name.partition(".")[0] for name in loaded} == {"lemmata"}
    assert "lemmata.verify" not in loaded


def unannotated(name: str, function: Callable, method: bool) -> list[str]:
    """What a public function leaves without annotation."""
    signature = inspect.signature(function)
    parameters = list(signature.parameters.values())[method:]
    missing = [f"{name}({p.name}: ?)" for p in parameters if p.annotation is p.empty]
    return missing + ([f"{name}() -> ?"] if signature.return_annotation is signature.empty else [])


@pytest.mark.parametrize("name", PACKAGES)
def test_public_surface_is_annotated(name):
    """mypy checks what is annotated; this says that everything public is."""
    module = importlib.import_module(name)
    missing = []
    for public in module.__all__:
        member = getattr(module, public)
        if inspect.isfunction(member):
            missing += unannotated(public, member, method=False)
        elif inspect.isclass(member):
            methods = {
                n: f for n, f in vars(member).items() if inspect.isfunction(f) and not n.startswith("_")
            }
            for method, function in methods.items():
                missing += unannotated(f"{public}.{method}", function, method=True)
    assert missing == []


def test_unannotated_is_found():
    def function(a: int, b=1) -> None: ...

    assert unannotated("function", function, method=False) == ["function(b: ?)"]
    assert unannotated("f", lambda: None, method=False) == ["f() -> ?"]


def test_wheel_holds_only_the_library(tmp_path):
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"lemmata"}
    assert "lemmata/py.typed" in names
    metadata = zipfile.ZipFile(wheel).read(next(n for n in names if n.endswith("METADATA"))).decode()
    required = [
        line for line in metadata.splitlines() if line.startswith("Requires-Dist") and "extra" not in line
    ]
    assert required == ["Requires-Dist: torch>=2.6"]
