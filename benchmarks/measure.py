"""What the scripts beside it share: cases that take turns, what is wanted of them, memory, peers.

A script says what its cases are, as tables of functions without arguments, and calls ``main`` of ``report``:

    def tables(quick: bool) -> Iterator[Table]:
        x = torch.randn(100 if quick else 10_000)
        cases = {"torch": lambda: x.softmax(0), "lemmata": lambda: entmax(x, dim=0)}
        yield Table("entmax", x.shape, "float32", cases, unit="torch", targets=[Target("lemmata", 3.0)])

    if __name__ == "__main__":
        main("entmax", __doc__, tables)

Then ``python benchmarks/entmax.py [--rounds N] [--quick] [--json PATH]`` prints the tables. The cases of a
table take turns in one process on one thread, so that a slow second hits all alike. Ratios are of medians.
"""

import ctypes
import importlib
import os
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # the profiler tells of its starts and stops
LEAST = 3  # rounds, however slow they are
SLOWER = 10  # a case that comes after one so many times slower finds caches and memory of that one
MISSING: dict[str, str] = {}  # peers that take no part, and why

Case = Callable[[], object]
Record = dict[str, Any]


@dataclass(frozen=True)
class Target:
    """What is wanted of a case: its time over that of another, or a field of its record, at most or at least.

    ``Target("lemmata", 0.65, over="torch")`` wants at most 0.65 of torch's time; ``over`` is the table's unit
    unless it is said. ``Target("lemmata", 2.5, "allocated")`` is about the field ``allocated``, and
    ``"added_ms"`` about the time above that of ``over``. Without a bound the two are compared.
    Names of our cases begin with "lemmata": of others they win or lose.
    """

    case: str
    bound: float | None = None
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
    seconds: float = 10.0  # after these no further round begins, if there were LEAST
    clock: Callable[[], float] = time.perf_counter


def interleaved(
    cases: Mapping[str, Case],
    rounds: int,
    *,
    seconds: float = float("inf"),
    clock: Callable[[], float] = time.perf_counter,
    said: Callable[[int], None] = lambda turn: None,
) -> dict[str, list[float]]:
    """The seconds of each case, round by round; a first round warms up and does not count.

    A case runs once more, untimed, where it comes after one ``SLOWER`` times slower.
    """
    times: dict[str, list[float]] = {name: [] for name in cases}
    warm = {name: float("inf") for name in cases}  # what each took last
    begin, before = time.perf_counter(), 0.0
    for turn in range(rounds + 1):
        if turn > LEAST and time.perf_counter() - begin > seconds:
            break
        said(turn)
        for name, case in cases.items():
            if before > SLOWER * warm[name]:
                case()
            start = clock()
            case()
            before = warm[name] = clock() - start
            if turn:
                times[name].append(before)
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
            "met": met(target, value),
        }
        for target in table.targets
        if {target.case, over[target]} <= by_name.keys()
    ]


def met(target: Target, value: float) -> bool | None:
    if target.bound is None:
        return None
    return value >= target.bound if target.least else value <= target.bound


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


def return_freed_memory() -> None:
    """The opposite, for a peak: what one case has freed is not at hand for the next."""
    if sys.platform == "linux":
        ctypes.CDLL(None).mallopt(-3, 2**16)  # larger blocks are mapped, each anew


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
    """An optional package, never a script here that has its name; None, and why, where it does not load."""
    ours = [entry for entry in sys.path if Path(entry).resolve() == Path(__file__).resolve().parent]
    sys.path[:] = [entry for entry in sys.path if entry not in ours]
    try:
        return importlib.import_module(name)
    except Exception as error:  # a package may fail in its own way, too
        if name not in MISSING:
            print(f"{name} takes no part: {error} (pip install 'lemmata[bench]')", file=sys.stderr)
        MISSING[name] = str(error)
        return None
    finally:
        sys.path[:0] = ours  # the rest stays as it is: KeOps adds the folder in which it compiles
