"""How many small faults in a chapter's code its checks notice; ``faults.py`` says which faults.

    python tools/mutants.py classification/multilabel      status 1 if fewer than 90 % are noticed
    ... --sample 30 --seed 1                               30 of them, drawn at random
    ... --list                                             what would be changed, and nothing else
    ... --only 17 42                                       these, and what pytest said of each

The code is src/lemmata/<part>/<chapter>.py and the kernels that it imports. The checks are the tests of these
files, and the chapter's notebook, each cell against its stored output. A fault is noticed when a check fails,
crashes, or takes ten times as long as without it (and 10 s). First each meets the quick tests that reach it;
what is left meets all tests, then the notebook. Everything runs in copies of the working tree.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import importlib.util
import json
import marshal
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import pytest
from faults import Mutant, mutants, put

ROOT = Path(__file__).resolve().parent.parent
NOT_COPIED = shutil.ignore_patterns(".*", "_build", "__pycache__", "*.partial")
QUICK = 1.0  # seconds: slower tests, such as those that compile, wait for the second round
GROUP = 4  # what the quick tests missed is tried together: if a group passes, so does each of it
START = 120  # seconds to import and to collect


@dataclass
class Chapter:
    """A chapter's code, its checks, and what was measured while the code had no fault."""

    files: dict[str, tuple[str, ast.Module]]  # source and tree
    tests: list[str]
    notebooks: list[str]
    seconds: dict[str, float] = field(default_factory=dict)  # by check
    reached: dict[str, list[list[Any]]] = field(default_factory=dict)  # by check: [file, line] of functions
    patience: float = 10.0  # seconds that any check may take; the first of a run imports what it needs


class Job(NamedTuple):
    """What one process does: faults to put in, files to check, and which of their checks in which order."""

    group: list[Mutant]
    checks: list[str]
    wanted: list[str] | None = None  # None: all, as they come
    measure: bool = False


def read(root: Path, name: str) -> Chapter:
    """The chapter ``part/chapter``: its module, the kernels that it imports, and the checks that exist."""
    files: dict[str, tuple[str, ast.Module]] = {}
    waiting = [f"src/lemmata/{name}.py"]
    while waiting:
        path = waiting.pop(0)
        source = (root / path).read_text()
        tree = ast.parse(source)
        files[path] = source, tree
        modules = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        kernels = [f"src/{m.replace('.', '/')}.py" for m in modules if m.startswith("lemmata.kernels.")]
        waiting += [kernel for kernel in kernels if kernel not in files and kernel not in waiting]
    tests: list[str] = []
    for path in files:
        part, stem = Path(path).parent.name, Path(path).stem
        tests += [
            f"tests/{part}/{found.name}" for found in sorted(root.glob(f"tests/{part}/test_{stem}*.py"))
        ]
    notebook = f"book/{name}.ipynb"
    return Chapter(files, tests, [notebook] if (root / notebook).exists() else [])


# ------------------------------------------------------------------- one run of checks, in its own process


def write(chapter: Chapter, copy: Path, group: list[Mutant], shown: bool) -> None:
    """Put the code with its faults into a copy, compiled, so that no dates are compared (PEP 552).

    Where the source is ``shown``, its text stays without fault: a notebook that prints it would notice the
    text, not the behaviour.
    """
    for mutant in group:
        put(*mutant.edit)
    for file, (source, tree) in chapter.files.items():
        path = copy / file
        text = source if shown else ast.unparse(tree)
        code = compile(ast.fix_missing_locations(tree) if shown else text, str(path), "exec")
        path.write_text(text)
        cache = Path(importlib.util.cache_from_source(str(path)))
        cache.parent.mkdir(exist_ok=True)
        unchecked = (1).to_bytes(4, "little") + bytes(8)
        cache.write_bytes(importlib.util.MAGIC_NUMBER + unchecked + marshal.dumps(code))


class Watch:
    """The pytest plugin of a run: which checks in which order, how long each may take, which was last."""

    def __init__(self, chapter: Chapter, copy: Path, job: Job) -> None:
        self.chapter, self.copy, self.job = chapter, copy, job
        self.paths = {str(copy / file): file for file in chapter.files}
        self.modules: list[str] = []
        self.seconds: dict[str, float] = {}
        self.reached: dict[str, list[tuple[str, int]]] = {}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        if self.job.wanted is not None:
            order = {name: i for i, name in enumerate(self.job.wanted)}
            items[:] = sorted((item for item in items if item.nodeid in order), key=lambda i: order[i.nodeid])
        files = {name: getattr(module, "__file__", None) for name, module in list(sys.modules.items())}
        self.modules = [name for name, file in files.items() if file and not file.startswith(str(self.copy))]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        (self.copy / "last").write_text(item.nodeid)
        calls: set[tuple[str, int]] = set()

        def note(frame: Any, event: str, _: Any) -> None:
            if event == "call" and frame.f_code.co_filename in self.paths:
                calls.add((self.paths[frame.f_code.co_filename], frame.f_code.co_firstlineno))

        if self.job.measure:
            sys.setprofile(note)
        else:
            usual = self.chapter.seconds.get(item.nodeid, 1.0)
            signal.setitimer(signal.ITIMER_REAL, 10 * usual + self.chapter.patience)
        started = time.perf_counter()
        result = yield
        sys.setprofile(None)
        self.seconds[item.nodeid] = time.perf_counter() - started
        self.reached[item.nodeid] = sorted(calls)
        return result

    def pytest_sessionfinish(self) -> None:
        if self.job.measure:
            measured = [self.modules, self.seconds, self.reached]
            (self.copy / "measured").write_text(json.dumps(measured))
        else:
            signal.alarm(START)


def run(chapter: Chapter, copy: Path, job: Job) -> NoReturn:
    """Check faulty code in this process, a fresh fork, and leave with pytest's exit status."""
    status = 99
    try:
        os.setsid()
        for stream in (1, 2):
            os.dup2(os.open(copy / "log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND), stream)
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        resource.setrlimit(resource.RLIMIT_DATA, (memory // 2, resource.getrlimit(resource.RLIMIT_DATA)[1]))
        signal.signal(signal.SIGALRM, signal.SIG_DFL)  # ends the process, whatever it is doing
        signal.alarm(0 if job.measure else START)
        (copy / "last").write_text("its import")
        write(chapter, copy, job.group, shown=job.measure or job.checks == chapter.notebooks)
        os.chdir(copy)
        sys.path.insert(0, str(copy / "src"))
        os.environ["PYTHONPATH"] = str(copy / "src")  # for the kernel of a notebook, and other processes
        arguments = [*job.checks, "-x", "-q", "-p", "no:cacheprovider", "--tb=short"]
        status = int(pytest.main(arguments, [Watch(chapter, copy, job)]))
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        os._exit(status)


def in_parallel(chapter: Chapter, jobs: deque[Job], copies: list[Path]) -> Iterator[tuple[Job, int, Path]]:
    """Run jobs, to which more may be added meanwhile: (job, exit status, the copy it ran in)."""
    free, running = list(copies), dict[int, tuple[Job, Path]]()
    try:
        while jobs or running:
            while jobs and free:
                job, copy = jobs.popleft(), free.pop()
                sys.stdout.flush()
                pid = os.fork()
                if pid == 0:
                    run(chapter, copy, job)
                running[pid] = job, copy
            pid, status = os.wait()
            stop(pid)  # what it has started goes with it
            job, copy = running.pop(pid)
            yield job, os.waitstatus_to_exitcode(status), copy
            free.append(copy)
    finally:
        for pid in running:
            stop(pid)


def stop(group: int) -> None:
    with contextlib.suppress(OSError):
        os.killpg(group, signal.SIGKILL)


# ------------------------------------------------------------------- the rounds


def measure(chapter: Chapter, copies: list[Path]) -> None:
    """Without a fault all checks pass; with a module that only raises neither tests nor notebook may."""
    job = Job([], chapter.tests + chapter.notebooks, measure=True)
    for _, status, copy in in_parallel(chapter, deque([job]), copies):
        if status != 0:
            sys.exit((copy / "log").read_text() + "\nthe checks fail without a fault")
        modules, chapter.seconds, chapter.reached = json.loads((copy / "measured").read_text())
    for module in modules:  # once here instead of in every fork; none of them is the project's
        with contextlib.suppress(BaseException):
            importlib.import_module(module)
    file, (_, tree) = next(iter(chapter.files.items()))
    broken = Mutant(0, file, 1, "", "", edit=(tree, "body", ast.parse("raise ImportError").body))
    jobs = deque(Job([broken], checks) for checks in (chapter.tests, chapter.notebooks) if checks)
    for job, status, _ in in_parallel(chapter, jobs, copies):
        if status == 0:
            sys.exit(f"{job.checks} passed with a module that only raises: they import another one")


def sift(chapter: Chapter, jobs: deque[Job], copies: list[Path], talk: bool) -> list[Mutant]:
    """The mutants that no check of a round kills. A group that fails is halved until it is one mutant."""
    survivors: list[Mutant] = []
    began, total = time.perf_counter(), sum(len(job.group) for job in jobs)
    killed = 0
    for job, status, copy in in_parallel(chapter, jobs, copies):
        half = len(job.group) // 2
        if status in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            survivors += job.group
        elif half:
            jobs.extend(job._replace(group=part) for part in (job.group[:half], job.group[half:]))
        else:
            how = "too slow: " if status == -signal.SIGALRM else "crashed: " if status < 0 else ""
            job.group[0].killed_by = how + (copy / "last").read_text()
            killed += 1
        if talk and len(job.group) == 1:
            print(f"{job.group[0]}\n{(copy / 'log').read_text()}\n")
        elif sys.stdout.isatty():
            print(f"\r  {killed} killed, {len(survivors)} not, of {total} ", end="", flush=True)
    print(f"\r  {killed} of {total} killed in {time.perf_counter() - began:.0f} s", flush=True)
    return sorted(survivors, key=lambda mutant: mutant.number)


def grouped(left: list[Mutant]) -> list[list[Mutant]]:
    """Up to GROUP mutants together, each in another function, where it hides no other so easily."""
    groups: list[list[Mutant]] = []
    for mutant in left:
        for group in groups:
            taken = [(other.file, other.function) for other in group]
            if len(group) < GROUP and (mutant.file, mutant.function) not in taken:
                group.append(mutant)
                break
        else:
            groups.append([mutant])
    return groups


def rounds(chapter: Chapter, chosen: list[Mutant], copies: list[Path], talk: bool) -> list[Mutant]:
    """What survives the quick tests that reach the fault, then all tests, then the notebook."""
    tests = [name for name in chapter.seconds if name.partition("::")[0] in chapter.tests]
    tests.sort(key=chapter.seconds.__getitem__)
    quick = [name for name in tests if chapter.seconds[name] < QUICK]

    def near(mutant: Mutant) -> list[str]:
        place = [mutant.file, mutant.function]
        return [name for name in quick if place in chapter.reached[name]] or quick

    print(f"{len(chosen)} mutants, each against the quick tests that reach it:", flush=True)
    alone = deque(Job([mutant], chapter.tests, near(mutant)) for mutant in chosen)
    left = sift(chapter, alone, copies, talk)
    later = (("all tests", chapter.tests, tests), ("the notebook", chapter.notebooks, None))
    for title, checks, wanted in later:
        if left and checks:
            print(f"{len(left)} mutants, {GROUP} at a time, against {title}:", flush=True)
            left = sift(chapter, deque(Job(group, checks, wanted) for group in grouped(left)), copies, talk)
    return left


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("chapter", help="part/chapter, for instance classification/multilabel")
    parser.add_argument("--root", type=Path, default=ROOT, help="the project (default: this one)")
    parser.add_argument("--at-least", type=float, default=90, metavar="PERCENT", help="status 1 below it")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every mutant and what killed it")
    parser.add_argument("--sample", type=int, metavar="N", help="this many, drawn at random")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, nargs="+", metavar="NUMBER", help="these, with pytest's words")
    parser.add_argument("--list", action="store_true", help="print the mutants and run nothing")
    parser.add_argument("--patience", type=float, default=10, metavar="SECONDS", help="before too slow")
    parser.add_argument("--jobs", type=int, default=2, help="processes at a time (default: 2)")
    return parser.parse_args()


def choose(wish: argparse.Namespace, chapter: Chapter) -> list[Mutant]:
    chosen: list[Mutant] = []
    for file, (source, tree) in chapter.files.items():
        chosen += mutants(file, source, tree, len(chosen) + 1)
    if wish.only:
        chosen = [mutant for mutant in chosen if mutant.number in wish.only]
    if wish.sample and wish.sample < len(chosen):
        drawn = random.Random(wish.seed).sample(chosen, wish.sample)
        chosen = sorted(drawn, key=lambda mutant: mutant.number)
    return chosen


def main() -> int:
    wish = options()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="mutants-", ignore_cleanup_errors=True) as folder:
        copies = [Path(folder).resolve() / str(i) for i in range(wish.jobs)]
        for copy in copies:
            shutil.copytree(wish.root if copy is copies[0] else copies[0], copy, ignore=NOT_COPIED)
        chapter = read(copies[0], wish.chapter)
        chapter.patience = wish.patience
        chosen = choose(wish, chapter)
        if not chosen or not chapter.tests:
            sys.exit(f"{wish.chapter} has {len(chosen)} mutants and {len(chapter.tests)} files of tests")
        if wish.list:
            print(*chosen, sep="\n")
            return 0
        print(f"without a fault: {', '.join(chapter.tests + chapter.notebooks)} ...", flush=True)
        measure(chapter, copies)
        print(f"  passed in {sum(chapter.seconds.values()):.0f} s")
        survivors = rounds(chapter, chosen, copies, bool(wish.only))
    killed = len(chosen) - len(survivors)
    share = 100 * killed / len(chosen)
    print(*survivors, f"{killed} of {len(chosen)} mutants killed: {share:.1f} %", sep="\n", end=", ")
    print(f"{time.perf_counter() - began:.0f} s")
    if wish.json:
        shown = ("number", "file", "line", "before", "after", "killed_by")
        records = [{name: getattr(mutant, name) for name in shown} for mutant in chosen]
        wish.json.write_text(json.dumps({"percent": share, "mutants": records}, indent=1) + "\n")
    return int(share < wish.at_least)


if __name__ == "__main__":
    sys.exit(main())
