"""How checks run: one thread each, a notebook on one worker; ``--chapter`` runs those of one chapter."""

import os

# before torch is imported: the order of a sum, hence its last bits, is the same everywhere
os.environ.setdefault("OMP_NUM_THREADS", "1")
# SymPy's cache of 1000 loses what is wanted again, a fifth of its time; to search for garbage takes a tenth
os.environ.setdefault("SYMPY_CACHE_SIZE", "None")
os.environ.setdefault("PYTHONSTARTUP", os.path.join(os.path.dirname(__file__), "tests", "book", "kernel.py"))

import gc
import re
from collections import Counter
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

GUARDS = "tests/book/test_book.py"  # checks every chapter in turn
collect_ignore_glob = ["tests/training/distributed_*.py"]  # programs, each for several ranks
if find_spec("triton") is None:  # which is for Linux alone
    collect_ignore_glob += [
        "src/lemmata/*/_*/triton.py",
        "src/lemmata/*/_*/gpu_kernels.py",
        "src/lemmata/numerics/triton/rows.py",
    ]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--chapter", metavar="PART/NAME", help="only the checks of one chapter")


def pytest_configure(config: pytest.Config) -> None:
    if find_spec("warm"):  # beside the tests of the book
        import warm

        warm.install()
    name = config.getoption("--chapter")
    if name and config.args_source is not config.ArgsSource.ARGS:
        chapter = wanted(config)
        paths = [*chapter.tests, *chapter.modules, part(chapter), chapter.notebook, chapter.root / GUARDS]
        config.args[:] = map(str, paths)


def wanted(config: pytest.Config) -> Any:
    """The chapter that ``--chapter`` names."""
    import chapters

    try:
        return chapters.find(config.rootpath, config.getoption("--chapter"))
    except LookupError as error:
        raise pytest.UsageError(error.args[0]) from None


def part(chapter: Any) -> Path:
    """Where doctests are found: public functions say that they live at their part."""
    return chapter.root / "src" / "lemmata" / chapter.part / "__init__.py"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Of what checks all chapters, or holds the doctests of several, keep what is the wanted chapter's."""
    if config.getoption("--chapter"):
        chapter = wanted(config)
        named = re.compile(rf"[\[-]{re.escape(str(chapter))}[\]-]")
        public = re.compile(rf"lemmata\.{chapter.part}\.({'|'.join(chapter.public)})(\..*)?")
        keep = {chapter.root / GUARDS: named.search, part(chapter): public.fullmatch}
        others = [item for item in items if item.path in keep and not keep[item.path](item.name)]
        items[:] = [item for item in items if item not in others]
        config.hook.pytest_deselected(items=others)


def pytest_collection_finish() -> None:
    """What is imported by now stays: no search for garbage looks at it again."""
    gc.collect()
    gc.freeze()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Which chapters took longest, tests and notebook together; on an idle core 35 s are the most."""
    import chapters

    every = chapters.chapters(config.rootpath)
    of = {path: str(chapter) for chapter in every for path in (*chapter.tests, chapter.notebook)}
    seconds: Counter[str] = Counter()
    for report in (report for reports in terminalreporter.stats.values() for report in reports):
        if isinstance(report, pytest.TestReport):
            chapter = of.get(config.rootpath / report.nodeid.partition("::")[0], "")
            seconds[chapter] += report.duration
    del seconds[""]
    if seconds:
        said = ", ".join(f"{chapter} {time:.0f} s" for chapter, time in seconds.most_common(5))
        terminalreporter.write_line(f"longest chapters: {said}")


@pytest.fixture(scope="session", autouse=True)
def _names_of_doctests(doctest_namespace: dict[str, Any]) -> None:
    """A doctest has the public names of its part, and what every module of a chapter calls the same."""
    import math

    import torch
    import torch.nn.functional as F

    doctest_namespace.update(math=math, torch=torch, nn=torch.nn, F=F)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """One test after the other to the worker that is free, the largest wholes first.

    The mark ``xdist_group`` has no effect: xdist 3.8 adds it to ``_nodeid``, which pytest 9.2 does not read.
    """
    from xdist.scheduler import LoadScopeScheduling

    class Wholes(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            path = nodeid.partition("::")[0]
            if "::test_machine_code" in nodeid:  # inductor takes long to begin: once is enough
                return "machine code"
            return path if is_whole(config.rootpath / path) else nodeid

    return Wholes(config, log)


@cache
def is_whole(path: Path) -> bool:
    """Whether the checks of a file share what is dear to make: a kernel, or a fixture of the module."""
    return path.suffix == ".ipynb" or 'scope="module"' in path.read_text(encoding="utf-8")
