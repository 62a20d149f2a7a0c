"""HSIC beside dense PyTorch, hyppo and KeOps: time, memory, and what the sketch loses. One thread.

    python benchmarks/hsic.py [--json PATH] [--rounds N] [--quick]

Cases of one size are interleaved in one process; the table has the median and the minimum of the CPU time,
which a busy machine disturbs less than the clock, and the median in units of ours. Ratios carry over to
other machines, seconds do not. Memory is the peak above the inputs (VmHWM, Linux) of a process of its own.
hyppo and KeOps (package pykeops) take part where they are installed; hyppo's statistic is normalised, as
ours is in "cka". KeOps is written in two ways.
"""

import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

os.environ["OMP_NUM_THREADS"] = "1"

import torch
from torch import Tensor

from lemmata.estimation import HSICSketch, cka, hsic

WIDTH, D = 4.0, 10  # close to the median distance
Case = Callable[[], float]


def data(n: int, dtype: torch.dtype = torch.float32, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Samples that depend on each other weakly."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, D, generator=generator)
    return x.to(dtype), (x.sin() + torch.randn(n, D, generator=generator)).to(dtype)


def song(r: Tensor, s: Tensor, kl: Tensor, n: int) -> float:
    """The unbiased estimator from sums off the diagonal."""
    apart = r.sum() * s.sum() / ((n - 1) * (n - 2))
    return ((kl + apart - 2 / (n - 2) * (r * s).sum()) / (n * (n - 3))).item()


def dense(x: Tensor, y: Tensor) -> float:
    """Whole Gram matrices, without the product of two of them."""
    k, l = (torch.exp(torch.cdist(v, v).square_().mul_(-0.5 / WIDTH**2)).fill_diagonal_(0) for v in (x, y))
    return song(k.sum(1).double(), l.sum(1).double(), (k * l).sum().double(), len(x))


def keops(x: Tensor, y: Tensor, together: bool) -> float:
    """Three reductions, or one of three numbers a pair."""
    from pykeops.torch import LazyTensor

    k, l = (
        (((LazyTensor(v[:, None]) - LazyTensor(v[None])) ** 2).sum(-1) * (-0.5 / WIDTH**2)).exp()
        for v in (x, y)
    )
    if together:
        r, s, kl = k.concat(l).concat(k * l).sum(1).double().unbind(1)
    else:
        r, s, kl = (v.sum(1).double()[:, 0] for v in (k, l, k * l))
    return song(r - 1, s - 1, (kl - 1).sum(), len(x))


def hyppo(x: Tensor, y: Tensor, **options: float) -> float:
    from hyppo.independence import Hsic

    return float(Hsic(**options).statistic(x.double().numpy(), y.double().numpy()))


def backward(x: Tensor, y: Tensor) -> float:
    x, y = (v.clone().requires_grad_() for v in (x, y))
    value = hsic(x, y, bandwidth=WIDTH)
    value.backward()
    return value.item()


def cases(n: int) -> dict[str, Case]:
    """Every case of this size; the first is the unit."""
    x, y = data(n)
    small = n <= 5000
    found: dict[str, Case] = {
        "lemmata": lambda: hsic(x, y, bandwidth=WIDTH).item(),
        "lemmata, with backward": lambda: backward(x, y),
        "lemmata, median bandwidth": lambda: hsic(x, y).item(),
        "lemmata cka": lambda: cka(x, y, kernel="gaussian", bandwidth=WIDTH).item(),
        "lemmata, float64": lambda: hsic(x.double(), y.double(), bandwidth=WIDTH).item(),
        "lemmata sketch (512)": lambda: sketch(x, y).value().item(),
    }
    if small:
        found["dense torch"] = lambda: dense(x, y)
    if small and importlib.util.find_spec("hyppo"):
        found["hyppo Hsic, width given"] = lambda: hyppo(x, y, gamma=0.5 / WIDTH**2)
        found["hyppo Hsic, its median"] = lambda: hyppo(x, y)
    if importlib.util.find_spec("pykeops"):
        found["KeOps, three sums"] = lambda: keops(x, y, False)
        found["KeOps, one sum"] = lambda: keops(x, y, True)
    return found


def sketch(x: Tensor, y: Tensor, seed: int = 0) -> HSICSketch:
    return HSICSketch(512, bandwidth=WIDTH, generator=torch.Generator().manual_seed(seed)).update(x, y)


def measure(n: int, rounds: int) -> list[dict[str, object]]:
    """One record per case, timed round by round so that a slow second hits all alike."""
    work, times, values = cases(n), {}, {}
    for turn in range(rounds + 1):
        for name, case in work.items():
            start = time.process_time()
            values[name] = case()
            if turn:  # the first round warms up, and compiles what KeOps needs
                times.setdefault(name, []).append(time.process_time() - start)
    unit = statistics.median(times["lemmata"])
    return [
        {
            "n": n,
            "case": name,
            "median_s": statistics.median(taken),
            "min_s": min(taken),
            "ratio": statistics.median(taken) / unit,
            "value": values[name],
        }
        for name, taken in times.items()
    ]


def status(field: str) -> float:
    """A line of /proc/self/status, in MiB; NaN where there is none."""
    if not os.path.exists("/proc/self/status"):
        return float("nan")
    with open("/proc/self/status") as file:
        return next(float(line.split()[1]) / 1024 for line in file if line.startswith(field))


def forget_peak() -> None:
    """Let VmHWM begin again; nothing where there is no /proc."""
    if os.path.exists("/proc/self/clear_refs"):
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")


def peak(name: str, n: int) -> None:
    """Print the MiB that a case takes at its peak, above what the process had with its inputs."""
    torch.set_num_threads(1)
    for case in (cases(600)[name], cases(n)[name]):  # libraries load in the small one
        forget_peak()
        before = status("VmRSS")
        case()
    print(status("VmHWM") - before)


def memory(name: str, n: int) -> float | None:
    """The same from a fresh process; None where there is no /proc."""
    if not os.path.exists("/proc/self/clear_refs"):
        return None
    command = [sys.executable, __file__, "--peak", name, "--size", str(n)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[-1])


def streamed(total: int, seeds: int) -> dict[str, object]:
    """A million samples through the sketch, and its error against the exact value at 20000."""
    made = HSICSketch(512, bandwidth=WIDTH, generator=torch.Generator().manual_seed(0))
    made.update(*data(1000))
    forget_peak()
    before, start = status("VmRSS"), time.process_time()
    for k in range(total // 10_000):
        made.update(*data(10_000, seed=k + 1))
    taken, grown = time.process_time() - start, status("VmHWM") - before
    x, y = data(20_000)
    exact = hsic(x, y, bandwidth=WIDTH).item()
    errors = [sketch(x, y, seed).value().item() / exact - 1 for seed in range(seeds)]
    return {
        "samples": total,
        "seconds": taken,
        "grown_mib": grown,
        "value": made.value().item(),
        "exact_20000": exact,
        "errors_20000": errors,
        "rms_error_20000": statistics.fmean(e * e for e in errors) ** 0.5,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", help="write the records here")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="n = 1000 and 2000 and a short stream")
    parser.add_argument("--peak", help=argparse.SUPPRESS)
    parser.add_argument("--size", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peak:
        return peak(options.peak, options.size)
    torch.set_num_threads(1)
    records = []
    for n in (1000, 2000) if options.quick else (5000, 20_000):
        print(f"\nn = {n}, d = {D}, one thread, torch {torch.__version__}, load {os.getloadavg()[0]:.1f}")
        print(f"{'case':30}{'median s':>10}{'min s':>9}{'ratio':>8}{'peak MiB':>10}  value")
        for record in measure(n, options.rounds):
            record["peak_mib"] = memory(str(record["case"]), n)
            records.append(record)
            held = "-" if record["peak_mib"] is None else f"{record['peak_mib']:.0f}"
            print(
                f"{record['case']:30}{record['median_s']:10.3f}{record['min_s']:9.3f}{record['ratio']:8.2f}"
                f"{held:>10}  {record['value']:.6g}"
            )
    stream = streamed(20_000 if options.quick else 1_000_000, 2 if options.quick else 5)
    print("\nsketch, 512 features: " + json.dumps(stream))
    if options.json:
        with open(options.json, "w") as file:
            found = {
                "torch": torch.__version__,
                "load": os.getloadavg(),
                "records": records,
                "stream": stream,
            }
            json.dump(found, file, indent=1)


if __name__ == "__main__":
    main()
