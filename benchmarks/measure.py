"""What the scripts beside it share: timing, memory, peers, the machine, a table and one form of JSON.

A script says what its cases are, as tables of functions without arguments, and calls ``main``:

    def tables(quick: bool) -> Iterator[Table]:
        x = torch.randn(100 if quick else 10_000)
        cases = {"torch": lambda: x.softmax(0), "lemmata": lambda: entmax(x, dim=0)}
        yield Table("entmax", x.shape, "float32", cases, unit="torch", targets=[Target("lemmata", 3.0)])

    if __name__ == "__main__":
        main("entmax", __doc__, tables)

Then ``python benchmarks/entmax.py [--rounds N] [--quick] [--json PATH]`` prints the tables. The cases of a
table take turns in one process on one thread, so that a slow second hits all alike. Ratios are of medians.
"""

import argparse
import ctypes
import datetime
import importlib
import json
import os
import platform
import re
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

RESULTS = Path(__file__).parent / "results"
LEAST = 3  # rounds, however slow they are
USUAL = ("operation", "case", "shape", "dtype", "setting", "median_ms", "min_ms", "rounds", "ratio", "unit")
MISSING: dict[str, str] = {}  # peers that take no part, and why

Case = Callable[[], object]
Record = dict[str, Any]


@dataclass(frozen=True)
class Target:
    """What a case should reach: its time over that of another, or a field of its record, at most or at least.

    ``Target("lemmata", 0.65, over="torch")`` wants at most 0.65 of torch's time; ``over`` is the table's unit
    unless it is said. ``Target("lemmata", 2.5, "allocated")`` is about the field ``allocated``, and
    ``"added_ms"`` about the time above that of ``over``.
    """

    case: str
    bound: float
    what: str = "ratio"
    over: str = ""
    least: bool = False  # at least, not at most


@dataclass(frozen=True)
class Table:
    """Cases that take turns, the first word about them, and what is wanted of them."""

    operation: str
    shape: Sequence[int]
    dtype: str
    cases: Mapping[str, Case]
    unit: str  # the case whose time is 1
    setting: str = ""  # what else one must know
    targets: Sequence[Target] = ()
    more: Callable[[str, dict[str, float]], Record] = field(default=lambda case, medians: {})  # other fields
    rounds: int = 15
    seconds: float = 12.0  # after these no further round begins, if there were LEAST
    clock: Callable[[], float] = time.perf_counter


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


def interleaved(
    cases: Mapping[str, Case],
    rounds: int,
    *,
    seconds: float = float("inf"),
    clock: Callable[[], float] = time.perf_counter,
    said: Callable[[int], None] = lambda turn: None,
) -> dict[str, list[float]]:
    """The seconds of each case, round by round; a first round warms up and does not count."""
    times: dict[str, list[float]] = {name: [] for name in cases}
    begin = time.perf_counter()
    for turn in range(rounds + 1):
        if turn > LEAST and time.perf_counter() - begin > seconds:
            break
        said(turn)
        for name, case in cases.items():
            start = clock()
            case()
            if turn:
                times[name].append(clock() - start)
    return times


def records(table: Table, times: Mapping[str, list[float]]) -> list[Record]:
    """One record a case."""
    medians = {name: statistics.median(taken) for name, taken in times.items()}
    return [
        {
            "operation": table.operation,
            "case": name,
            "shape": list(table.shape),
            "dtype": table.dtype,
            "setting": table.setting,
            "median_ms": 1e3 * medians[name],
            "min_ms": 1e3 * min(taken),
            "rounds": len(taken),
            "ratio": medians[name] / medians[table.unit],
            "unit": table.unit,
            **table.more(name, medians),
        }
        for name, taken in times.items()
    ]


def reached(table: Table, found: Sequence[Record]) -> list[Record]:
    """One record a target whose cases took part: what was wanted, and what came."""
    by_name = {record["case"]: record for record in found}
    over = {target: target.over or table.unit for target in table.targets}
    return [
        {
            "operation": table.operation,
            "case": target.case,
            "shape": list(table.shape),
            "dtype": table.dtype,
            "setting": table.setting,
            "what": target.what,
            "over": over[target] if target.what in ("ratio", "added_ms") else "",
            "sense": "at least" if target.least else "at most",
            "bound": target.bound,
            "value": (value := value_of(target, by_name[target.case], by_name[over[target]])),
            "met": value >= target.bound if target.least else value <= target.bound,
        }
        for target in table.targets
        if {target.case, over[target]} <= by_name.keys()
    ]


def value_of(target: Target, one: Record, other: Record) -> float:
    if target.what == "ratio":
        return one["median_ms"] / other["median_ms"]
    if target.what == "added_ms":
        return one["median_ms"] - other["median_ms"]
    return one[target.what]


def keep_freed_memory() -> None:
    """Ask glibc to keep what is freed: page faults are a cost of the first steps, not of an operation."""
    if sys.platform == "linux":
        trim_threshold, mmap_threshold = -1, -3  # malloc.h
        ctypes.CDLL(None).mallopt(trim_threshold, 2**30)
        ctypes.CDLL(None).mallopt(mmap_threshold, 2**25)


def step(function: Callable[[Tensor], Tensor], x: Tensor, grad: Tensor | None = None) -> None:
    """One forward and backward; the gradient is dropped, as an optimiser's zero_grad would."""
    x.grad = None
    function(x).backward(grad)


def saved_bytes(function: Case) -> int:
    """Bytes that backward keeps: every storage once, inputs included."""
    storages: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storages[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        held = function()
    del held
    return sum(storages.values())


def allocated_bytes(function: Case) -> int:
    """Bytes that a call asks of the CPU's allocator, freed or not."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        function()
    events = profiler.profiler.kineto_results.events()
    return sum(event.nbytes() for event in events if event.name() == "[memory]" and event.nbytes() > 0)


def peer(name: str) -> ModuleType | None:
    """An optional package, never a script here that has its name; None, and why, where it is not installed."""
    path, here = sys.path[:], Path(__file__).resolve().parent
    sys.path[:] = [entry for entry in path if Path(entry).resolve() != here]
    try:
        return importlib.import_module(name)
    except Exception as error:  # a package may fail in its own way, too
        if name not in MISSING:
            print(f"{name} takes no part: {error} (pip install 'lemmata[bench]')", file=sys.stderr)
        MISSING[name] = str(error)
        return None
    finally:
        sys.path[:] = path


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


def write(path: Path, name: str, **lists: list[Record]) -> None:
    """The one form of the files in results/; numbers have four digits, which is more than a time has."""
    found = {
        "name": name,
        "date": datetime.date.today().isoformat(),
        "torch": torch.__version__,
        "threads": 1,
        "machine": machine(),
        "missing": sorted(MISSING),
        **{key: [short(record) for record in list_] for key, list_ in lists.items()},
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(lines(found))


def lines(found: Record) -> str:
    """JSON with one record a line, so that a diff shows which changed."""

    def shown(value: object) -> str:
        if not isinstance(value, list) or not value:
            return json.dumps(value)
        return "[\n  " + ",\n  ".join(json.dumps(record) for record in value) + "\n ]"

    return "{\n " + ",\n ".join(f"{json.dumps(key)}: {shown(value)}" for key, value in found.items()) + "\n}\n"


def short(record: Record) -> Record:
    return {key: float(f"{v:.4g}") if isinstance(v, float) else v for key, v in record.items()}


def show(found: Sequence[Record], goals: Sequence[Record]) -> None:
    """A table on the terminal: fields that some record has beyond the usual ones get a column."""
    first = found[0]
    others = list(dict.fromkeys(key for record in found for key in record if key not in USUAL))
    print(f"\n{title(first)}, in units of {first['unit']}")
    print(f"{'case':32}{'median ms':>11}{'min ms':>10}{'ratio':>8}" + "".join(f"{k:>11}" for k in others))
    for record in found:
        cells = "".join(f"{number(record.get(key)):>11}" for key in others)
        times = f"{record['median_ms']:11.2f}{record['min_ms']:10.2f}{record['ratio']:8.2f}"
        print(f"{record['case']:32}{times}{cells}")
    for goal in goals:
        over = f" over {goal['over']}" if goal["over"] else ""
        print(
            f"  {'met   ' if goal['met'] else 'MISSED'} {goal['case']}: {goal['what']}{over} "
            f"{number(goal['value'])}, wanted {goal['sense']} {number(goal['bound'])}"
        )
    sys.stdout.flush()


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


def options(doc: str | None) -> argparse.ArgumentParser:
    """The command line that all scripts have."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write the records here")
    parser.add_argument("--rounds", type=int, help="so many for each table, however long they take")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, one round: does it run at all?")
    return parser


def main(name: str, doc: str | None, tables: Callable[[bool], Iterable[Table]]) -> None:
    """Measure and print the tables of a script one by one; write them where the command line says."""
    chosen = options(doc).parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    progress, every, goals = Progress(), [], []
    rounds = chosen.rounds or (1 if chosen.quick else None)
    for table in tables(chosen.quick):
        found, met = measured(table, progress, rounds)
        met = [] if chosen.quick else met  # targets are for the true sizes
        show(found, met)
        every += found
        goals += met
    if chosen.json:
        write(chosen.json, name, records=every, targets=goals)
