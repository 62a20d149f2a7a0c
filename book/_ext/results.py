"""What the benchmarks wrote to ``benchmarks/results/``, read and put into words; ``benchmarks.py`` shows it.

A file of another form than ``benchmarks/report.py`` writes today stops the build: it is old, or no result.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sphinx.errors import SphinxError

HEAD = {"name", "date", "torch", "threads", "machine", "missing", "records"}
FIELDS = {"operation", "case", "shape", "dtype", "setting", "median_ms", "min_ms", "ratio", "unit"}
EVEN = 1.05  # a time within five per cent of another is that other
OURS = "lemmata"
RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")

Record = dict[str, Any]


class BenchmarkError(SphinxError):
    category = "Benchmarks"


def everywhere(folder: Path, name: str) -> list[Path]:
    """The folders of the machines on which this script ran."""
    return [path.parent for path in sorted(folder.glob(f"*/{name}.json"))]


def read(folder: Path, name: str) -> Record:
    """The results of one script on one machine."""
    path, again = folder / f"{name}.json", "`make bench` writes it"
    if not path.is_file():
        raise BenchmarkError(f"{path} does not exist: {again}")
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BenchmarkError(f"{path} is not JSON ({error}): {again}") from None
    if lacks := missing(found):
        raise BenchmarkError(f"{path} is of another form, without {', '.join(sorted(lacks))}: {again}")
    return found


def missing(found: Any) -> set[str]:
    """The fields that a result of today's form has, and this has not."""
    if not isinstance(found, dict) or not found.keys() >= HEAD:
        return HEAD - set(found)
    return {field for record in found["records"] for field in FIELDS - record.keys()}


def ours(case: str) -> bool:
    return case.startswith(OURS)


def number(value: float) -> str:
    """Two digits or all before the point, or a power of ten: ``0.61``, ``2.0``, ``1,526``, ``4·10⁻⁷``."""
    if value < 0:
        return f"−{number(-value)}"
    if value == 0 or value >= 9.95:
        return f"{value:,.0f}"
    if value >= 1e-3:
        return f"{value:#.2g}"
    digits, _, power = f"{value:.1e}".partition("e")
    return f"{digits}·10{str(int(power)).translate(RAISED)}"


def milliseconds(value: float) -> str:
    amount, unit = (value / 1000, "s") if value >= 1000 else (value, "ms")
    return f"{number(amount)}\N{NO-BREAK SPACE}{unit}"


def setting(record: Record) -> tuple[str, ...]:
    """What tells the tables of an operation apart."""
    shape = " × ".join(f"{n:,}" for n in record["shape"])
    return (shape, record["dtype"], record["setting"])


def headings(settings: Iterable[tuple[str, ...]]) -> tuple[str, list[str]]:
    """What all have in common, and the rest of each."""
    columns = list(zip(*settings, strict=True))
    common = [values[0] for values in columns if len(set(values)) == 1]
    apart = [values for values in columns if len(set(values)) > 1]
    return listed(common), [listed(each) for each in zip(*apart, strict=True)]


def listed(words: Iterable[str]) -> str:
    return ", ".join(filter(None, words))


def over_the_peer(target: Record) -> tuple[str, str, float] | None:
    """Our case, the peer's, and our time over the peer's; None where a target is not about a peer's time."""
    case, over, value = target["case"], target["over"], target["value"]
    if target["what"] != "ratio" or ours(case) == ours(over):
        return None
    return (case, over, value) if ours(case) else (over, case, 1 / value)


def outcome(ratio: float) -> str:
    if ratio > EVEN:
        return "loss"
    return "win" if ratio < 1 / EVEN else "even"


def outcomes(ratios: Iterable[float]) -> str:
    """``win``, or ``win to loss`` where it depends on the size."""
    found = set(map(outcome, ratios))
    ordered = [word for word in ("win", "even", "loss") if word in found]
    return " to ".join(dict.fromkeys((ordered[0], ordered[-1])))


def verdict(target: Record) -> str:
    """``met ≤ 0.65``, ``missed ≥ 4``; where nothing was wanted ``win``, ``loss`` or ``even``, or nothing."""
    if target["met"] is not None:
        sign = "≥" if target["sense"] == "at least" else "≤"
        return f"{'met' if target['met'] else 'missed'} {sign}\N{NO-BREAK SPACE}{target['bound']:g}"
    against = over_the_peer(target)
    return outcome(against[2]) if against else ""


def processor(found: Record) -> str:
    """Its name in short: of ``Intel(R) Xeon(R) Processor, family 6`` it is ``Intel Xeon``; or the GPU's."""
    at = found["machine"]
    return re.sub(r"\(\w+\)|,.*| Processor\b", "", at.get("device") or at["cpu"]).strip()


def machine(found: Record) -> str:
    """What the times depend on, in a line."""
    at = found["machine"]
    device = f"{at['device']}, " if "device" in at else ""
    return (
        f"{device}{at['cpu']} ({at['cores']} cores, {at['simd']}), BLAS {at['blas']}, {at['system']}, "
        f"PyTorch {found['torch']}, Python {at['python']}, threads: {found['threads']}"
    )
