"""Every public name has a row in the contract."""

import importlib
import importlib.util
import inspect
import sys
from pathlib import Path

import pytest

import lemmata

PARTS = [part for part in lemmata.PARTS if part != "verify"]
ELSEWHERE = {  # methods that the tests of their chapters run by other means
    "all_reduce": "on three ranks",
    "extra_repr": "it is what print shows of a module",
    "plot": "it draws",
}


def rows(part):
    """The rows of the part's chapters."""
    for file in sorted((Path(__file__).parent / part).glob("test_*_contract.py")):
        spec = importlib.util.spec_from_file_location(f"rows_of_{file.stem}", file)
        sys.modules[spec.name] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        yield from module.ROWS


def made(result):
    """The names of the types in a result, records in records, too."""
    yield type(result).__name__
    held = result if isinstance(result, tuple) else getattr(result, "__dict__", {}).values()
    for value in held:
        if isinstance(value, tuple):
            yield from made(value)


def entry_points(part):
    """Functions, classes, and the methods that a class defines itself, but for records' own."""
    module = importlib.import_module(f"lemmata.{part}")
    for name in module.__all__:
        value = getattr(module, name)
        yield name
        if inspect.isclass(value):
            own = {n: v for n, v in vars(value).items() if not isinstance(v, property)}
            methods = [n for n, v in own.items() if callable(v) or isinstance(v, classmethod)]
            yield from (f"{name}.{n}" for n in methods if n[0] != "_" and n not in ELSEWHERE)


@pytest.mark.parametrize("part", PARTS)
def test_every_entry_point_has_a_row(part):
    table = list(rows(part))
    names = {row.function for row in table}
    names |= {name.split(".")[0] for name in names}
    names |= {name for row in table for name in made(row.call(**row.arguments()))}
    assert set(entry_points(part)) - names == set()


@pytest.mark.parametrize("part", PARTS)
def test_no_two_rows_have_one_name(part):
    names = [row.name for row in rows(part)]
    assert sorted(names) == sorted(set(names))
