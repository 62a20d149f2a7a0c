"""One run of a chapter's checks against faulty code, in a process and a copy of the project of its own.

``mutants.py`` says which faults meet which checks; here is how: what is written into the copy, the plugin of
pytest that orders, times and measures, and several runs side by side.
"""

from __future__ import annotations

import ast
import contextlib
import importlib.util
import json
import marshal
import os
import resource
import signal
import sys
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import pytest
from faults import Mutant, put

START = 120  # seconds to import and to collect


@dataclass
class Subject:
    """The code under test, its checks, and what was measured while the code had no fault."""

    files: dict[str, tuple[str, ast.Module]]  # source and tree
    tests: list[str]
    notebooks: list[str]
    traced: bool = True  # whether to note which check reaches which function
    seconds: dict[str, float] = field(default_factory=dict)  # by check
    reached: dict[str, list[list[Any]]] = field(default_factory=dict)  # by check: [file, line] of functions
    patience: float = 10.0  # seconds that any check may take; the first of a run imports what it needs


class Job(NamedTuple):
    """What one process does: faults to put in, files to check, and which of their checks in which order."""

    group: list[Mutant]
    checks: list[str]
    wanted: list[str] | None = None  # None: all, as they come
    measure: bool = False


def write(subject: Subject, copy: Path, group: list[Mutant], shown: bool) -> None:
    """Put the code with its faults into a copy, compiled, so that no dates are compared (PEP 552).

    Where the source is ``shown``, its text stays without fault: a notebook that prints it would notice the
    text, not the behaviour.
    """
    for mutant in group:
        put(*mutant.edit)
    for file, (source, tree) in subject.files.items():
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

    def __init__(self, subject: Subject, copy: Path, job: Job) -> None:
        self.subject, self.copy, self.job = subject, copy, job
        self.paths = {str(copy / file): file for file in subject.files}
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
            sys.setprofile(note if self.subject.traced else None)
        else:
            usual = self.subject.seconds.get(item.nodeid, 1.0)
            signal.setitimer(signal.ITIMER_REAL, 10 * usual + self.subject.patience)
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


def run(subject: Subject, copy: Path, job: Job) -> NoReturn:
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
        write(subject, copy, job.group, shown=job.measure or job.checks == subject.notebooks)
        os.chdir(copy)
        sys.path.insert(0, str(copy / "src"))
        os.environ["PYTHONPATH"] = str(copy / "src")  # for the kernel of a notebook, and other processes
        arguments = [*job.checks, "-x", "-q", "-p", "no:cacheprovider", "--tb=short"]
        status = int(pytest.main(arguments, [Watch(subject, copy, job)]))
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        os._exit(status)


def in_parallel(subject: Subject, jobs: deque[Job], copies: list[Path]) -> Iterator[tuple[Job, int, Path]]:
    """Run jobs, to which more may be added meanwhile: (job, exit status, the copy it ran in)."""
    free, running = list(copies), dict[int, tuple[Job, Path]]()
    try:
        while jobs or running:
            while jobs and free:
                job, copy = jobs.popleft(), free.pop()
                sys.stdout.flush()
                pid = os.fork()
                if pid == 0:
                    run(subject, copy, job)
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
