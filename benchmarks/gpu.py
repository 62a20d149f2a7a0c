"""Everything that has a kernel, on one GPU, unattended: tests first, then times, in less than six minutes.

    python benchmarks/gpu.py [--json PATH] [--seconds N] [--only WORD] [--dry]

Writes ``benchmarks/results/<device>/gpu.json``, in the form of ``report.py``: what the tests of the kernels
said, the bandwidth of a copy, and a record for each case: forward and backward, median and minimum over
rounds in which the cases of a table take turns; the most memory that a step has beside its arguments; and
where memory is the limit ``bandwidth``, the bytes that must be moved over the time and over the copy's. A
case that fails is in ``failed`` with its ``error``, and the rest go on. ``--dry`` runs all of it with tiny
shapes on the CPU, in Triton's interpreter.
"""

import argparse
import itertools
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import report
import torch
import torch.nn.functional as F
from torch import Tensor

import lemmata.numerics.triton as kernels
from lemmata.classification import (
    linear_multilabel_cross_entropy,
    multilabel_cross_entropy,
    sparse_multilabel_cross_entropy,
)
from lemmata.estimation import hsic
from lemmata.geometry import orthogonal_
from lemmata.simplex import entmax, sparsemax
from lemmata.smoothing import gelu

DRY = "--dry" in sys.argv
ROOT = Path(__file__).resolve().parent.parent
DEVICE = "cpu" if DRY else "cuda"
ROUNDS, SECONDS_EACH = (1, 0.0) if DRY else (30, 3.0)
TARGET = 0.85  # share of the copy's bandwidth of the dense loss, (8192, 128256) in bfloat16
POSITIVES = 8
Step = Callable[[], object]
Record = dict[str, Any]


@dataclass
class Table:
    """Cases that take turns."""

    operation: str
    shape: Sequence[int]
    dtype: str
    unit: str  # the case whose time is 1
    cases: dict[str, Step]
    moved: int = 0  # bytes that a step of ours reads and writes at the least; 0 where arithmetic is the limit
    more: Record = field(default_factory=dict)


# --------------------------------------------------------------------------- cases


@contextmanager
def without_kernels() -> Iterator[None]:
    """The plain form, on any device."""
    kept = list(kernels.DEVICES)
    kernels.DEVICES.clear()
    try:
        yield
    finally:
        kernels.DEVICES[:] = kept


def plain(run: Step) -> Step:
    """A step, backward included, in plain PyTorch."""

    def case() -> None:
        with without_kernels():
            run()

    return case


def compiled(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """While compiling the plain form is taken, too, for inductor to fuse."""
    return torch.compile(function, backend="eager" if DRY else "inductor", dynamic=False)


def step(function: Callable[[Tensor], Tensor], *leaves: Tensor, grad: Tensor | None = None) -> Step:
    """One forward and backward; gradients are dropped, as an optimiser's zero_grad would."""

    def run() -> None:
        for leaf in leaves:
            leaf.grad = None
        function(leaves[0]).backward(grad)

    return run


def normal(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(shape, device=DEVICE, dtype=dtype).requires_grad_()


def small(*shape: int) -> tuple[int, ...]:
    """The shape, or in a dry run one that the interpreter manages."""
    return tuple(min(size, 4) for size in shape) if DRY else shape


def name_of(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def dense(rows: int, classes: int, dtype: torch.dtype, compile: bool = False) -> Table:
    """Bool labels: read the scores twice and write them once, read the labels twice."""
    shape = small(rows, classes)
    s, on = normal(*shape, dtype=dtype), torch.rand(shape, device=DEVICE) < POSITIVES / classes
    index = torch.zeros(shape[0], dtype=torch.int64, device=DEVICE)
    real = on.to(dtype)

    def loss(s: Tensor) -> Tensor:
        return multilabel_cross_entropy(s, on)

    cases = {
        "lemmata": step(loss, s),
        "lemmata, plain": plain(step(loss, s)),
        "BCEWithLogits": step(lambda s: F.binary_cross_entropy_with_logits(s, real), s),
        "F.cross_entropy (one label)": step(lambda s: F.cross_entropy(s, index), s),
    }
    if compile:
        cases["lemmata, plain, compiled"] = step(compiled(loss), s)
    moved = 3 * s.nbytes + 2 * on.nbytes
    return Table("multilabel dense", shape, name_of(dtype), "F.cross_entropy (one label)", cases, moved)


def soft(rows: int, classes: int, dtype: torch.dtype) -> Table:
    shape = small(rows, classes)
    s, labels = normal(*shape, dtype=dtype), torch.rand(shape, device=DEVICE, dtype=dtype)
    cases = {
        "lemmata": step(lambda s: multilabel_cross_entropy(s, labels), s),
        "lemmata, plain": plain(step(lambda s: multilabel_cross_entropy(s, labels), s)),
        "BCEWithLogits": step(lambda s: F.binary_cross_entropy_with_logits(s, labels), s),
    }
    moved = 3 * s.nbytes + 2 * labels.nbytes
    return Table("multilabel soft", shape, name_of(dtype), "BCEWithLogits", cases, moved)


def sparse(rows: int, classes: int, dtype: torch.dtype, compile: bool = False) -> Table:
    shape = small(rows, classes)
    s = normal(*shape, dtype=dtype)
    index = torch.randint(-1, shape[1], (shape[0], POSITIVES), device=DEVICE)
    one = index[:, 0].clamp(min=0)

    def loss(s: Tensor) -> Tensor:
        return sparse_multilabel_cross_entropy(s, index)

    cases = {
        "lemmata": step(loss, s),
        "lemmata, plain": plain(step(loss, s)),
        "F.cross_entropy (one label)": step(lambda s: F.cross_entropy(s, one), s),
    }
    if compile:
        cases["lemmata, plain, compiled"] = step(compiled(loss), s)
    unit = "F.cross_entropy (one label)"
    return Table("multilabel sparse", shape, name_of(dtype), unit, cases, 3 * s.nbytes)


def settings(rows: int, classes: int, dtype: torch.dtype) -> Table:
    """The dense loss with other blocks and stages than those that were chosen without a GPU."""
    import lemmata.classification._multilabel.triton as module

    shape = small(rows, classes)
    s, on = normal(*shape, dtype=dtype), torch.rand(shape, device=DEVICE) < POSITIVES / classes
    chosen = module.BLOCK, module.STAGES

    def one(block: int, stages: int) -> Step:
        run = step(lambda s: multilabel_cross_entropy(s, on), s)

        def case() -> None:
            module.BLOCK, module.STAGES = block, stages
            try:
                run()
            finally:
                module.BLOCK, module.STAGES = chosen

        return case

    tried = [chosen] if DRY else itertools.product((1024, 2048, 4096, 8192), (1, 3))
    cases = {f"block {block}, stages {stages}": one(block, stages) for block, stages in tried}
    unit = "block {}, stages {}".format(*chosen)
    return Table("multilabel settings", shape, name_of(dtype), unit, cases, 3 * s.nbytes + 2 * on.nbytes)


def linear(rows: int, features: int, classes: int, dtype: torch.dtype) -> Table:
    rows, features, classes = small(rows, features, classes)
    x, w = normal(rows, features, dtype=dtype), normal(classes, features, dtype=dtype)
    index = torch.randint(-1, classes, (rows, POSITIVES), device=DEVICE)
    one = index[:, 0].clamp(min=0)
    cases = {
        "lemmata": lambda x: linear_multilabel_cross_entropy(x, w, index),
        "F.linear, then lemmata": lambda x: sparse_multilabel_cross_entropy(F.linear(x, w), index),
        "F.linear, then F.cross_entropy": lambda x: F.cross_entropy(F.linear(x, w), one),
    }
    if hasattr(torch.nn, "LinearCrossEntropyOptions"):  # since 2.13
        chunks = torch.nn.LinearCrossEntropyOptions()
        cases["F.linear_cross_entropy, chunked"] = lambda x: F.linear_cross_entropy(x, w, one, options=chunks)
    steps = {name: step(loss, x, w) for name, loss in cases.items()}
    more = {"scores_bytes": rows * classes * x.element_size()}
    shape = (rows, features, classes)
    return Table("multilabel linear", shape, name_of(dtype), "F.linear, then F.cross_entropy", steps, 0, more)


def dependence(n: int, d: int) -> Table:
    n, d = small(n, d)
    x, y = normal(n, d), normal(n, d)

    def value(x: Tensor) -> Tensor:
        return hsic(x, y, bandwidth=1.0)

    cases = {"lemmata": step(value, x, y), "lemmata, plain": plain(step(value, x, y))}
    return Table("hsic", (n, d), "float32", "lemmata, plain", cases)


def probabilities(rows: int, n: int, compile: bool = False) -> Table:
    """Read the scores and write p; read p and its gradient, and write that of the scores."""
    rows, n = small(rows, n)
    x, g = normal(rows, n), torch.randn(rows, n, device=DEVICE)
    cases = {
        "lemmata, 1.5": step(entmax, x, grad=g),
        "lemmata, sparsemax": step(sparsemax, x, grad=g),
        "lemmata, 1.5, plain": plain(step(entmax, x, grad=g)),
        "torch.softmax": step(lambda x: torch.softmax(x, -1), x, grad=g),
    }
    if compile:
        cases["lemmata, 1.5, plain, compiled"] = step(compiled(entmax), x, grad=g)
    return Table("entmax", (rows, n), "float32", "torch.softmax", cases, 5 * x.nbytes)


def weights(*shape: int) -> Table:
    made = torch.empty(small(*shape), device=DEVICE)
    cases = {"lemmata": lambda: orthogonal_(made), "torch": lambda: torch.nn.init.orthogonal_(made)}
    return Table("orthogonal_", made.shape, "float32", "torch", cases)


def activation(rows: int, n: int, dtype: torch.dtype) -> Table:
    rows, n = small(rows, n)
    x, g = normal(rows, n, dtype=dtype), torch.randn(rows, n, device=DEVICE, dtype=dtype)
    cases = {"lemmata": step(gelu, x, grad=g), "F.gelu": step(F.gelu, x, grad=g)}
    return Table("gelu", (rows, n), name_of(dtype), "F.gelu", cases, 5 * x.nbytes)


HALF, FULL = torch.bfloat16, torch.float32
TABLES: list[tuple[Callable[..., Table], tuple[Any, ...]]] = [  # the most wanted first, should time run out
    (dense, (8192, 128256, HALF, True)),
    (dense, (8192, 128256, FULL)),
    (sparse, (8192, 128256, HALF, True)),
    (linear, (8192, 4096, 128256, HALF)),
    (dense, (512, 10_000, FULL, True)),
    (dense, (64, 100_000, FULL)),
    (dense, (512, 10_000, HALF)),
    (dense, (64, 100_000, HALF)),
    (sparse, (512, 10_000, FULL)),
    (sparse, (64, 100_000, FULL)),
    (soft, (512, 10_000, FULL)),
    (dependence, (20_000, 10)),
    (probabilities, (512, 32_000, True)),
    (probabilities, (4096, 1000)),
    (settings, (8192, 128256, HALF)),
    (weights, (4096, 4096)),
    (weights, (16384, 256)),
    (activation, (8192, 8192, FULL)),
    (activation, (8192, 8192, HALF)),
]


# --------------------------------------------------------------------------- measuring


def milliseconds(case: Step) -> float:
    if DRY:
        start = time.perf_counter()
        case()
        return 1e3 * (time.perf_counter() - start)
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    begin.record()
    case()
    end.record()
    torch.cuda.synchronize()
    return float(begin.elapsed_time(end))


def peak_bytes(case: Step) -> int | None:
    """What a step holds at most, beside what was there before it."""
    if DRY:
        return None
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    case()
    torch.cuda.synchronize()
    return int(torch.cuda.max_memory_allocated() - before)


def copy_bandwidth() -> float:
    """Bytes a second that a copy of 2 GiB reads and writes."""
    x = torch.empty(2**10 if DRY else 2**31, dtype=torch.uint8, device=DEVICE)
    y = torch.empty_like(x)
    times = [milliseconds(lambda: y.copy_(x)) for _ in range(2 if DRY else 12)]
    return 2 * x.nbytes / (1e-3 * statistics.median(times[1:]))


def interleaved(table: Table) -> tuple[dict[str, list[float]], dict[str, int | None], dict[str, str]]:
    """Times and peaks of the cases, and what failed; the first two calls warm up, and compile."""
    times: dict[str, list[float]] = {name: [] for name in table.cases}
    peaks, errors = {}, {}
    for name, case in table.cases.items():
        try:
            milliseconds(case)
            peaks[name] = peak_bytes(case)
        except Exception as error:
            errors[name] = f"{type(error).__name__}: {error}"[:500]
    begin = time.perf_counter()
    for turn in range(ROUNDS):
        if turn > 3 and time.perf_counter() - begin > SECONDS_EACH:
            break
        for name, case in table.cases.items():
            if name not in errors:
                times[name].append(milliseconds(case))
    return times, peaks, errors


def records(table: Table, bandwidth: float) -> tuple[list[Record], list[Record]]:
    """What was measured, in the form of report.py, and what failed; if the unit did, another case is it."""
    times, peaks, errors = interleaved(table)
    about = {
        "operation": table.operation,
        "shape": list(table.shape),
        "dtype": table.dtype,
        "setting": "",
        **table.more,
    }
    medians = {name: statistics.median(taken) for name, taken in times.items() if taken}
    unit = table.unit if table.unit in medians else next(iter(medians), "")
    failed = [{**about, "case": name, "error": error} for name, error in errors.items()]
    return [
        {
            **about,
            "case": name,
            "median_ms": median,
            "min_ms": min(times[name]),
            "rounds": len(times[name]),
            "ratio": median / medians[unit],
            "unit": unit,
            **memory(peaks[name]),
            **({"bandwidth": table.moved / (1e-3 * median) / bandwidth} if table.moved else {}),
        }
        for name, median in medians.items()
    ], failed


def memory(peak: int | None) -> Record:
    return {} if peak is None else {"peak_mib": peak / 2**20}


def kernel_tests() -> Record:
    """What pytest says of the kernels' tests, and of the promise that a GPU gives what the CPU gives."""
    files = [*ROOT.glob("tests/*/*_kernels.py")]
    files += [] if DRY else ROOT.glob("tests/*/test_*_contract.py")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "kernels or cuda"]
    command += ["--collect-only"] if DRY else ["--maxfail=20"]
    start = time.perf_counter()
    try:
        done = subprocess.run(
            [*command, *map(str, files)], cwd=ROOT, capture_output=True, text=True, check=False, timeout=150
        )
        found = {"passed": done.returncode == 0, "said": done.stdout[-3000:]}
    except Exception as error:
        found = {"passed": False, "said": f"{type(error).__name__}: {error}"[-3000:]}
    return {**found, "seconds": time.perf_counter() - start}


def machine() -> Record:
    device = "none: a dry run in Triton's interpreter" if DRY else torch.cuda.get_device_name()
    triton = __import__("triton").__version__ if kernels.INSTALLED else None
    return {**report.machine(), "device": device, "cuda": torch.version.cuda, "triton": triton}


def targets(found: list[Record]) -> list[Record]:
    """Whether the dense loss is as fast as was wanted, if it was measured."""
    wanted = {"operation": "multilabel dense", "case": "lemmata", "dtype": "bfloat16"}
    wanted["shape"] = list(small(8192, 128256))  # type: ignore[assignment]
    shares = [r["bandwidth"] for r in found if all(r.get(key) == value for key, value in wanted.items())]
    asked = {"setting": "", "what": "bandwidth", "over": "", "sense": "at least", "bound": TARGET}
    return [
        {**wanted, **asked, "value": share, "met": None if DRY else share >= TARGET} for share in shares[:1]
    ]


def shown(record: Record) -> str:
    what = f"  {record['case']:32}"
    if "error" in record:
        return f"{what}{record['error'][:70]}"
    share = f"{record['bandwidth']:7.2f} of copy" if "bandwidth" in record else ""
    peak = f"{record['peak_mib']:10.0f} MiB" if "peak_mib" in record else ""
    return f"{what}{record['median_ms']:10.3f} ms{record['ratio']:8.2f}x{share}{peak}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dry", action="store_true", help="tiny shapes on the CPU; the times mean nothing")
    parser.add_argument("--json", type=Path, help="write here")
    parser.add_argument("--seconds", type=float, default=330.0, help="after these no table begins")
    parser.add_argument("--only", default="", help="tables with this in their name, without tests")
    options = parser.parse_args()
    if DRY:
        os.environ["TRITON_INTERPRET"] = "1"  # at which Triton looks when the first kernel imports it
        kernels.DEVICES.append("cpu")
    elif not torch.cuda.is_available():  # no fault: `make bench` runs every script
        print("there is no GPU here; --dry runs everything with tiny shapes on the CPU")
        return
    start = time.perf_counter()
    torch.manual_seed(0)
    tests = None if options.only else kernel_tests()
    said = "not run" if tests is None else "passed" if tests["passed"] else tests["said"]
    print(f"tests: {said}", flush=True)
    bandwidth = copy_bandwidth()
    found: list[Record] = []
    failed: list[Record] = []
    print(f"copy: {bandwidth / 1e12:.2f} TB/s", flush=True)
    for number, (make, arguments) in enumerate(TABLES, 1):
        passed = time.perf_counter() - start
        about = {"operation": make.__name__, "shape": [size for size in arguments if type(size) is int]}
        if options.only not in make.__name__:
            continue
        if passed > options.seconds:
            failed.append({**about, "case": "all", "error": f"time was up after {passed:.0f} s"})
            continue
        print(f"[{number}/{len(TABLES)}, {passed:.0f} s] {make.__name__} {arguments}", flush=True)
        try:
            made, lost = records(make(*arguments), bandwidth)
        except Exception as error:
            made, lost = [], [{**about, "case": "all", "error": f"{type(error).__name__}: {error}"[:500]}]
        found += made
        failed += lost
        print("\n".join(map(shown, made + lost)), flush=True)
        if not DRY:
            torch.cuda.empty_cache()
    seconds = time.perf_counter() - start
    more = {"seconds": seconds, "copy_bytes_per_second": bandwidth, "tests": tests, "dry": DRY}
    write(options.json, records=found, targets=targets(found), failed=failed, **more)


def write(path: Path | None, **rest: Any) -> None:
    if path is None and not DRY:
        path = ROOT / "benchmarks" / "results" / report.slug(torch.cuda.get_device_name()) / "gpu.json"
    if path is not None:
        report.write(path, "gpu", machine(), **rest)
        print(f"written: {path}")


if __name__ == "__main__":
    main()
