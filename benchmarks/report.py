"""What the scripts beside it share: the command line, progress, a table on the terminal, a form of JSON.

    {"name", "date", "torch", "threads", "machine", "missing": [...], "records": [...], "targets": [...]}

Missing are peers that took no part. A record has "operation", "case", "shape", "dtype", "setting",
"median_ms", "min_ms", "rounds", "ratio" (of its median to that of the case "unit") and what the script adds.
The book's tables are made from these files.
"""

import argparse
import datetime
import json
import os
import platform
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from measure import MISSING, Record, Table, interleaved, keep_freed_memory, reached, records

USUAL = ("operation", "case", "shape", "dtype", "setting", "median_ms", "min_ms", "rounds", "ratio", "unit")


class Progress:
    """One line that says what runs: overwritten on a terminal, elsewhere printed when its subject changes."""

    def __init__(self) -> None:
        self.terminal, self.subject = sys.stderr.isatty(), ""

    def say(self, subject: str, detail: str = "") -> None:
        if self.terminal:
            print(f"\r\x1b[K{subject} {detail}", end="", file=sys.stderr, flush=True)
        elif subject != self.subject:
            print(subject, file=sys.stderr, flush=True)
        self.subject = subject

    def clear(self) -> None:
        if self.terminal:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def machine() -> dict[str, Any]:
    """What the times depend on."""
    blas = re.search(r"BLAS_INFO=(\w+)", torch.__config__.show())
    return {
        "cpu": cpu_model(),
        "cores": os.cpu_count(),
        "simd": torch.backends.cpu.get_cpu_capability(),
        "blas": blas[1] if blas else "unknown",
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
    }


def cpu_model() -> str:
    """The name of the processor; virtual machines hide it, so family and model stand beside it."""
    if not os.path.exists("/proc/cpuinfo"):
        return platform.processor()
    lines = (line.partition(":") for line in Path("/proc/cpuinfo").read_text().splitlines())
    info = {key.strip(): value.strip() for key, _, value in reversed(list(lines))}
    if "cpu family" not in info:
        return info.get("model name", platform.processor())
    return f"{info['model name']}, family {info['cpu family']}, model {info['model']}"


def slug(name: str) -> str:
    """The folder of a machine in results/: ``amd-epyc-family-25-model-17``."""
    return re.sub(r"\W+", "-", re.sub(r"\(\w+\)|processor", "", name.lower())).strip("-")


def write(path: Path, name: str, where: Record | None = None, **rest: Any) -> None:
    """The one form of the files in results/; numbers have four digits, which is more than a time has."""
    found = {
        "name": name,
        "date": datetime.date.today().isoformat(),
        "torch": torch.__version__,
        "threads": 1,
        "machine": where or machine(),
        "missing": sorted(MISSING),
        **{key: list(map(short, value)) if type(value) is list else value for key, value in rest.items()},
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(lines(found))


def lines(found: Record) -> str:
    """JSON with one record a line, so that a diff shows which changed."""

    def shown(value: object) -> str:
        if not isinstance(value, list) or not value:
            return json.dumps(value)
        return "[\n  " + ",\n  ".join(json.dumps(record) for record in value) + "\n ]"

    fields = (f"{json.dumps(key)}: {shown(value)}" for key, value in found.items())
    return "{\n " + ",\n ".join(fields) + "\n}\n"


def short(record: Record) -> Record:
    return {key: float(f"{v:.4g}") if isinstance(v, float) else v for key, v in record.items()}


def show(found: Sequence[Record], goals: Sequence[Record]) -> None:
    """A table on the terminal: fields that some record has beyond the usual ones get a column."""
    first = found[0]
    others = list(dict.fromkeys(key for record in found for key in record if key not in USUAL))
    print(f"\n{title(first)}, in units of {first['unit']}")
    wide = {key: max(11, len(key) + 2) for key in others}
    names = "".join(f"{key:>{wide[key]}}" for key in others)
    print(f"{'case':32}{'median ms':>11}{'min ms':>10}{'ratio':>8}{names}")
    for record in found:
        cells = "".join(f"{number(record.get(key)):>{wide[key]}}" for key in others)
        times = f"{record['median_ms']:11.2f}{record['min_ms']:10.2f}{record['ratio']:8.2f}"
        print(f"{record['case']:32}{times}{cells}")
    for goal in goals:
        print("  " + sentence(goal))
    sys.stdout.flush()


def sentence(goal: Record) -> str:
    """A target in words: what came, and what was wanted."""
    over = f" over {goal['over']}" if goal["over"] else ""
    came = f"{goal['case']}: {goal['what']}{over} {number(goal['value'])}"
    if goal["met"] is None:
        return came
    return f"{came}, wanted {goal['sense']} {number(goal['bound'])}: {'met' if goal['met'] else 'MISSED'}"


def title(record: Record) -> str:
    shape = " x ".join(str(n) for n in record["shape"])
    return ", ".join(filter(None, [record["operation"], shape, record["dtype"], record["setting"]]))


def number(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float | int) else str(value or "-")


def measured(table: Table, progress: Progress, rounds: int | None) -> tuple[list[Record], list[Record]]:
    """The records of a table and of its targets."""
    subject, most = f"{table.operation} {tuple(table.shape)} {table.dtype}", rounds or table.rounds
    times = interleaved(
        table.cases,
        most,
        seconds=float("inf") if rounds else table.seconds,
        clock=table.clock,
        said=lambda turn: progress.say(subject, f"round {turn} of {most}" if turn else "warms up"),
    )
    found = records(table, times)
    progress.clear()
    return found, reached(table, found)


def run(tables: Iterable[Table], chosen: argparse.Namespace) -> tuple[list[Record], list[Record]]:
    """Measure and print tables one by one; targets are for the true sizes."""
    progress, every, goals = Progress(), [], []
    for table in tables:
        found, met = measured(table, progress, chosen.rounds)
        show(found, [] if chosen.quick else met)
        every += found
        goals += met
    return every, goals


def command_line(doc: str | None) -> argparse.Namespace:
    """What all scripts can be told; and the process made ready for timing."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write the records here")
    parser.add_argument("--rounds", type=int, help="so many for each table, however long they take")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, one round: does it run at all?")
    torch.set_num_threads(1)
    keep_freed_memory()
    chosen = parser.parse_args()
    chosen.rounds = chosen.rounds or (1 if chosen.quick else None)
    return chosen


def main(name: str, doc: str | None, tables: Callable[[bool], Iterable[Table]]) -> None:
    chosen = command_line(doc)
    found, goals = run(tables(chosen.quick), chosen)
    if chosen.json:
        write(chosen.json, name, records=found, targets=goals)
