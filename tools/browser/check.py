"""All checks of a site, and what they found, in words."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from browser import links, pages, reader, speed
from browser.pages import Contents
from browser.session import Fault, chromium, served

JOBS = 3  # on two cores: a page that settles leaves one of them idle
READERS = 2  # what is timed has a core to itself


@dataclass
class Report:
    contents: dict[str, Contents] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    def text(self) -> str:
        """A line for each fault, with all views that have it, and one for each page that was timed."""
        views: dict[tuple[str, str], list[str]] = {}
        for fault in self.faults:
            views.setdefault((fault.page, fault.what), []).append(fault.view)
        lines = [f"{page}: {what}{said(seen)}" for (page, what), seen in sorted(views.items())]
        return "\n".join([*lines, *map(self.timing, self.seconds)])

    def timing(self, page: str) -> str:
        weight = f", {self.contents[page].weight / 1e6:.2f} MB" if page in self.contents else ""
        return f"{page:40} first screen {self.seconds[page]:5.2f} s{weight}"

    def verdict(self) -> str:
        wrong = len({(fault.page, fault.what) for fault in self.faults})
        return f"{len(self.contents or self.seconds)} pages, {wrong} fault{'s' * (wrong != 1)}"


def said(views: list[str]) -> str:
    seen = ", ".join(filter(None, dict.fromkeys(views)))
    return f" ({seen})" if seen else ""


def chosen(site: Path, only: list[str]) -> list[str]:
    every = pages.names(site)
    unknown = [name for name in only if f"{name}.html" not in every]
    if unknown or not every:
        raise SystemExit(f"{site} holds no page {' and no page '.join(unknown)}".removesuffix(" "))
    return [f"{name}.html" for name in only] or every


def looked(site: Path, names: list[str]) -> Report:
    """What is seen on the pages by themselves, in a browser of their own."""
    with served(site) as home, chromium() as browser:
        contents, faults = pages.over_http(browser, home, names)
        faults += pages.from_disk(browser, site, names)
        return Report(contents, faults)


def used(site: Path, names: list[str]) -> Report:
    """What a reader meets who searches, sorts and switches."""
    with served(site) as home, chromium() as browser:
        faults = reader.searches(browser, home)
        faults += reader.theme(browser, home, "index.html")
        for page in sorted({*reader.TABLES} & {*names}):
            faults += reader.table(browser, home, page)
        return Report(faults=faults)


def first_screens(site: Path, chapters: list[str]) -> Report:
    """How long the first screens take, by themselves in their browser."""
    with served(site) as home, chromium() as browser:
        seconds = speed.measure(browser, home, chapters)
        return Report(faults=speed.slow(seconds), seconds=seconds)


def check(site: Path, only: list[str], looks: bool = True, timed: bool = True) -> Report:
    """Look at the pages, then measure their first screens; or one of these."""
    names = sorted(chosen(site, only), key=lambda name: -(site / name).stat().st_size)
    report = seen(site, names, whole=not only) if looks else Report()
    if timed:
        chapters = sorted(filter(partial(pages.is_chapter, site), names))
        loads = [
            partial(first_screens, site, some) for job in range(READERS) if (some := chapters[job::READERS])
        ]
        times = together(loads, READERS)
        report.faults += times.faults
        report.seconds = dict(sorted(times.seconds.items()))
    return report


def seen(site: Path, names: list[str], whole: bool) -> Report:
    """So many browsers look at the pages, large ones first, and one of them does what a reader does."""
    tasks = [partial(looked, site, names[job::JOBS]) for job in range(min(JOBS, len(names)))]
    if whole and "search.html" in names:
        tasks.append(partial(used, site, names))
    report = together(tasks, JOBS)
    report.faults += [*links.broken(site, report.contents), *speed.heavy(report.contents)]
    return report


def together(tasks: list[Callable[[], Report]], jobs: int) -> Report:
    """So many tasks at a time, each in a browser of its own; one report of all."""
    report = Report()
    with ThreadPoolExecutor(jobs) as pool:
        for part in pool.map(lambda task: task(), tasks):
            report.contents |= part.contents
            report.faults += part.faults
            report.seconds |= part.seconds
    return report
