"""All checks of a site, and what they found, in words."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from browser import links, pages, reader, speed
from browser.pages import Contents
from browser.session import Fault, chromium, served

JOBS = 2


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
        weight = self.contents[page].weight / 1e6
        return f"{page:40} first screen {self.seconds[page]:5.2f} s, {weight:.2f} MB"

    def verdict(self) -> str:
        wrong = len({(fault.page, fault.what) for fault in self.faults})
        return f"{len(self.contents)} pages, {wrong} fault{'s' * (wrong != 1)}"


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


def check(site: Path, only: list[str], timed: bool = True) -> Report:
    """Two browsers look at the pages, large ones first; then one searches, and loads pages undisturbed."""
    names = sorted(chosen(site, only), key=lambda name: -(site / name).stat().st_size)
    report = together(site, names)
    report.faults += [*links.broken(site, report.contents), *speed.heavy(report.contents)]
    searched = not only and "search.html" in names
    chapters = sorted(name for name, held in report.contents.items() if held.chapter and timed)
    if searched or chapters:
        with served(site) as home, chromium() as browser:
            if searched:
                report.faults += reader.searches(browser, home)
                report.faults += reader.theme(browser, home, "index.html")
                for page in sorted({*reader.TABLES} & {*names}):
                    report.faults += reader.table(browser, home, page)
            report.seconds = speed.measure(browser, home, chapters)
            report.faults += speed.slow(report.seconds)
    return report


def together(site: Path, names: list[str]) -> Report:
    report = Report()
    jobs = min(JOBS, len(names))
    with ThreadPoolExecutor(jobs) as pool:
        for part in pool.map(partial(looked, site), [names[job::jobs] for job in range(jobs)]):
            report.contents |= part.contents
            report.faults += part.faults
    return report
