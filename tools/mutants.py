"""How many small faults in a chapter's code its checks notice; ``faults.py`` says which faults.

    python tools/mutants.py classification/multilabel      status 1 if fewer than 90 % are noticed
    python tools/mutants.py verify/symbolic                a module of lemmata.verify
    ... --changed [BASE]                                   in functions that differ from a commit
    ... --sample 30 --seed 1                               30 of them, drawn at random
    ... --list                                             what would be changed, and nothing else
    ... --only 17 42                                       these, and what pytest said of each

The code is that of the chapter (``chapters.py``) and the numerics that it uses. The checks are the tests of
these files, and the chapter's notebook, each cell against its stored output; of a module of lemmata.verify,
its tests and the sets of true and false claims. A fault is noticed when a check fails, crashes, or takes ten
times as long as without it (and 10 s). First each meets the quick tests that reach it; what is left meets all
tests, then the notebook. Everything runs in copies of the working tree.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import importlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import deque
from pathlib import Path

import changed
import chapters
import pytest
from faults import Mutant, mutants
from trials import Job, Subject, in_parallel

ROOT = Path(__file__).resolve().parent.parent
NOT_COPIED = shutil.ignore_patterns(".*", "_build", "__pycache__", "*.partial")
QUICK = 1.0  # seconds: slower tests, such as those that compile, wait for the second round
GROUP = 4  # what the quick tests missed is tried together: if a group passes, so does each of it


def read(root: Path, name: str) -> Subject:
    """The chapter ``part/name``, or ``verify/module``: its files, the numerics they use, and their checks."""
    verify = name.startswith("verify/")
    if verify:
        files = [root / "src/lemmata" / f"{name}.py"]
        if not files[0].is_file():
            raise LookupError(f"no module {name}")
        sets = (root / "tests/verify").glob("test_sets.py")  # of true and false claims, for every module
        tests, notebooks = [*tests_of(root, files[0]), *sets], []
    else:
        chapter = chapters.find(root, name)
        files = chapter.modules + [path for path in chapter.sources if path.parent.name == "numerics"]
        tests, notebooks = chapter.tests, [chapter.notebook] if chapter.notebook.exists() else []
        tests += [test for path in files[len(chapter.modules) :] for test in tests_of(root, path)]
    texts = {str(path.relative_to(root)): path.read_text(encoding="utf-8") for path in files}
    sources = {path: (text, ast.parse(text)) for path, text in texts.items()}
    short = [[str(path.relative_to(root)) for path in paths] for paths in (tests, notebooks)]
    # verify works in other threads: a profiler sees nothing there, and Python 3.11 hangs when one is stopped
    return Subject(sources, *short, traced=not verify)


def tests_of(root: Path, module: Path) -> list[Path]:
    """The tests of a module that belongs to no chapter."""
    folder = root / "tests" / module.parent.name
    return [path for path in sorted(folder.glob("test_*.py")) if chapters.named(path, module.stem)]


# ------------------------------------------------------------------- the rounds


def measure(subject: Subject, copies: list[Path]) -> None:
    """Without a fault all checks pass; with a module that only raises neither tests nor notebook may."""
    job = Job([], subject.tests + subject.notebooks, measure=True)
    for _, status, copy in in_parallel(subject, deque([job]), copies):
        if status != 0:
            sys.exit((copy / "log").read_text() + "\nthe checks fail without a fault")
        modules, subject.seconds, subject.reached = json.loads((copy / "measured").read_text())
    for module in modules:  # once here instead of in every fork; none of them is the project's
        with contextlib.suppress(BaseException):
            importlib.import_module(module)
    file, (_, tree) = next(iter(subject.files.items()))
    broken = Mutant(0, file, 1, "", "", edit=(tree, "body", ast.parse("raise ImportError").body))
    jobs = deque(Job([broken], checks) for checks in (subject.tests, subject.notebooks) if checks)
    for job, status, _ in in_parallel(subject, jobs, copies):
        if status == 0:
            sys.exit(f"{job.checks} passed with a module that only raises: they import another one")


def sift(subject: Subject, jobs: deque[Job], copies: list[Path], talk: bool) -> list[Mutant]:
    """The mutants that no check of a round kills. A group that fails is halved until it is one mutant."""
    survivors: list[Mutant] = []
    began, total = time.perf_counter(), sum(len(job.group) for job in jobs)
    killed = 0
    for job, status, copy in in_parallel(subject, jobs, copies):
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


def rounds(subject: Subject, chosen: list[Mutant], copies: list[Path], talk: bool) -> list[Mutant]:
    """What survives the quick tests that reach the fault, then all tests, then the notebook."""
    tests = [name for name in subject.seconds if name.partition("::")[0] in subject.tests]
    tests.sort(key=subject.seconds.__getitem__)
    quick = [name for name in tests if subject.seconds[name] < QUICK]

    def near(mutant: Mutant) -> list[str]:
        place = [mutant.file, mutant.function]
        return [name for name in quick if place in subject.reached[name]] or quick

    print(f"{len(chosen)} mutants, each against the quick tests that reach it:", flush=True)
    alone = deque(Job([mutant], subject.tests, near(mutant)) for mutant in chosen)
    left = sift(subject, alone, copies, talk)
    later = (("all tests", subject.tests, tests), ("the notebook", subject.notebooks, None))
    for title, checks, wanted in later:
        if left and checks:
            print(f"{len(left)} mutants, {GROUP} at a time, against {title}:", flush=True)
            left = sift(subject, deque(Job(group, checks, wanted) for group in grouped(left)), copies, talk)
    return left


def concerned(subject: Subject, chosen: list[Mutant]) -> list[Mutant]:
    """Without those in functions of numerics that no check of this chapter calls: others use them."""
    called = {tuple(place) for places in subject.reached.values() for place in places}
    return [
        mutant
        for mutant in chosen
        if "/numerics/" not in mutant.file or (mutant.file, mutant.function) in {*called, (mutant.file, None)}
    ]


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("chapter", help="part/name, for instance classification/multilabel")
    parser.add_argument("--changed", nargs="?", const="", metavar="BASE", help="since then (the last merge)")
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


def choose(wish: argparse.Namespace, subject: Subject) -> list[Mutant]:
    chosen: list[Mutant] = []
    for file, (source, tree) in subject.files.items():
        chosen += mutants(file, source, tree, len(chosen) + 1)
    if wish.changed is not None:
        old = changed.known(wish.root, wish.changed or changed.usual_base(wish.root))
        lines = {file: changed.changed(tree, old) for file, (_, tree) in subject.files.items()}
        chosen = [mutant for mutant in chosen if mutant.line in lines[mutant.file]]
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
        try:
            subject = read(copies[0], wish.chapter)
            subject.patience = wish.patience
            chosen = choose(wish, subject)
        except LookupError as error:
            sys.exit(error.args[0])
        if wish.changed is not None and not chosen:
            print(f"nothing of {wish.chapter} has changed")
            return 0
        if not chosen or not subject.tests:
            sys.exit(f"{wish.chapter} has {len(chosen)} mutants and {len(subject.tests)} files of tests")
        if wish.list:
            print(*chosen, sep="\n")
            return 0
        print(f"without a fault: {', '.join(subject.tests + subject.notebooks)} ...", flush=True)
        measure(subject, copies)
        print(f"  passed in {sum(subject.seconds.values()):.0f} s")
        chosen = concerned(subject, chosen)
        survivors = rounds(subject, chosen, copies, bool(wish.only))
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
