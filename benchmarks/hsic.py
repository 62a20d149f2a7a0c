"""HSIC beside dense PyTorch, hyppo and KeOps: time, memory, and what the sketch loses.

    python benchmarks/hsic.py [--rounds N] [--quick] [--json PATH]

Times in units of ours at a given bandwidth. Memory is the peak above the inputs (VmHWM, Linux), in MiB, of a
process in which nothing large ran before. hyppo and KeOps (package pykeops) take part where they are
installed; hyppo's statistic is normalised, as ours is in "cka". KeOps is written in two ways.
"""

import functools
import json
import math
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from measure import Table, Target, peer, return_freed_memory
from report import main
from torch import Tensor

from lemmata.estimation import HSICSketch, cka, hsic, hsic_test

WIDTH, D, PERMUTATIONS = 4.0, 10, 999  # the width is close to the median distance
UNIT, MEDIAN, SKETCH = "lemmata", "lemmata, median bandwidth", "lemmata sketch (512)"
DENSE, HYPPO, TOGETHER, APART = "dense torch", "hyppo, width given", "KeOps, one sum", "KeOps, three sums"
Case = Callable[[], float]


def data(n: int) -> tuple[Tensor, Tensor]:
    """Samples that depend on each other weakly."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(n, D, generator=generator)
    return x, x.sin() + torch.randn(n, D, generator=generator)


def targets(n: int) -> list[Target]:
    """Those over peers are for one size: the larger, the easier to meet."""
    hyppo_over, dense_over = (100, 20) if n == 5000 else (None, None)
    return [
        Target(MEDIAN, 1.8 if n <= 5000 else None),
        Target(HYPPO, hyppo_over, least=True),
        Target(DENSE, dense_over, least=True),
        Target(TOGETHER, least=True),
    ]


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
    lazy = peer("pykeops.torch").LazyTensor
    k, l = ((((lazy(v[:, None]) - lazy(v[None])) ** 2).sum(-1) * (-0.5 / WIDTH**2)).exp() for v in (x, y))
    if together:
        r, s, kl = k.concat(l).concat(k * l).sum(1).double().unbind(1)
    else:
        r, s, kl = (v.sum(1).double()[:, 0] for v in (k, l, k * l))
    return song(r - 1, s - 1, (kl - 1).sum(), len(x))


def hyppo(x: Tensor, y: Tensor, **options: float) -> float:
    statistic = peer("hyppo.independence").Hsic(**options).statistic
    return float(statistic(x.double().numpy(), y.double().numpy()))


def backward(x: Tensor, y: Tensor) -> float:
    x, y = (v.clone().requires_grad_() for v in (x, y))
    value = hsic(x, y, bandwidth=WIDTH)
    value.backward()
    return value.item()


def sketch(x: Tensor, y: Tensor, seed: int = 0) -> float:
    generator = torch.Generator().manual_seed(seed)
    return HSICSketch(512, bandwidth=WIDTH, generator=generator).update(x, y).value().item()


def cases(n: int) -> dict[str, Case]:
    """Every case of this size; the larger ones leave out what takes too long or too much."""
    x, y = data(n)
    found: dict[str, Case] = {
        UNIT: lambda: hsic(x, y, bandwidth=WIDTH).item(),
        "lemmata, with backward": lambda: backward(x, y),
        MEDIAN: lambda: hsic(x, y).item(),
        "lemmata cka": lambda: cka(x, y, kernel="gaussian", bandwidth=WIDTH).item(),
        "lemmata, float64": lambda: hsic(x.double(), y.double(), bandwidth=WIDTH).item(),
        SKETCH: lambda: sketch(x, y),
    }
    if n <= 5000:
        found[DENSE] = lambda: dense(x, y)
        if peer("hyppo.independence"):
            found[HYPPO] = lambda: hyppo(x, y, gamma=0.5 / WIDTH**2)
    if peer("pykeops.torch"):
        found[TOGETHER] = lambda: keops(x, y, True)
        if n <= 5000:
            found[APART] = lambda: keops(x, y, False)
    return found


def status(field: str) -> float:
    """A line of /proc/self/status, in MiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(float(line.split()[1]) / 1024 for line in lines if line.startswith(field))


def peak(name: str, n: int) -> float:
    """The MiB that a case takes at its peak, in a child of a process that never held more than its inputs."""
    reading, writing = os.pipe()
    if not os.fork():
        cases(600)[name]()  # a child first gets the pages of libraries when it touches them
        case = cases(n)[name]
        Path("/proc/self/clear_refs").write_text("5")  # VmHWM begins again
        before = status("VmRSS")
        case()
        os.write(writing, str(status("VmHWM") - before).encode())
        os._exit(0)
    os.wait()
    os.close(writing)
    with open(reading) as pipe:
        return float(pipe.read())


def peaks(n: int) -> None:
    """Print those of all cases; libraries load, and compile, in a small run before."""
    torch.set_num_threads(1)
    return_freed_memory()
    for case in cases(600).values():
        case()
    print(json.dumps({name: peak(name, n) for name in cases(n)}))


def memory(n: int) -> dict[str, float]:
    """The same from a fresh process; nothing where there is no /proc."""
    if not os.path.exists("/proc/self/clear_refs"):
        return {}
    command = [sys.executable, __file__, "--peaks", str(n)]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return json.loads(printed.splitlines()[-1])  # KeOps prints, too


def table(n: int, rounds: int) -> Table:
    work, held = cases(n), memory(n) if n == 5000 else {}

    def more(name: str, medians: object) -> dict[str, float]:
        found = {"peak_mib": held[name]} if name in held else {}
        if name == SKETCH:  # root mean square over five draws of the features, relative
            exact = work[UNIT]()
            errors = [sketch(*data(n), seed=seed) / exact - 1 for seed in range(5)]
            found["error"] = math.sqrt(statistics.fmean(e * e for e in errors))
        return found

    return Table("hsic", (n, D), "float32", work, UNIT, targets=targets(n), more=more, rounds=rounds)


def test_table(n: int, permutations: int) -> Table:
    """Permutations in units of as many plain passes, the statistic and the kernels being the same."""
    x, y = data(n)
    draw = functools.partial(torch.Generator().manual_seed, 0)
    work = {
        "lemmata, one plain pass": lambda: hsic(x, y, bandwidth=WIDTH, estimator="biased").item(),
        "lemmata hsic_test": lambda: hsic_test(
            x, y, permutations=permutations, bandwidth=WIDTH, generator=draw()
        ),
    }

    def passes(name: str, medians: dict[str, float]) -> dict[str, float]:
        if name != "lemmata hsic_test":
            return {}
        return {"per_pass": medians[name] / permutations / medians["lemmata, one plain pass"]}

    return Table(
        "hsic_test",
        (n, D),
        "float32",
        work,
        "lemmata, one plain pass",
        f"{permutations} permutations",
        [Target("lemmata hsic_test", 0.15, "per_pass")],
        passes,
        rounds=3,
    )


def tables(quick: bool) -> Iterator[Table]:
    for n, rounds in ((100, 1),) if quick else ((2000, 9), (5000, 5), (20_000, 1)):
        yield table(n, rounds)
    yield test_table(50, 9) if quick else test_table(2000, PERMUTATIONS)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--peaks"]:
        peaks(int(sys.argv[2]))
    else:
        main("hsic", __doc__, tables)
