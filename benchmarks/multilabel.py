"""Multi-label cross-entropy beside its peers: forward and backward, 8 positives a row, one thread.

    python benchmarks/multilabel.py [--json PATH] [--rounds N] [--device cuda]

Cases are interleaved in one process. The table has the median and the minimum, the median in units of the
sparse form, and the bytes saved for backward and allocated in units of the scores. Ratios carry over to other
machines, seconds do not.
"""

import argparse
import ctypes
import json
import statistics
import sys
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from lemmata.classification import multilabel_cross_entropy, sparse_multilabel_cross_entropy

POSITIVES = 8
SHAPES = [(512, 10_000), (64, 100_000), (4096, 1000), (256, 100)]


def blog(scores: Tensor, target: Tensor) -> Tensor:
    """The published snippet: wrong labels are pushed away by 1e12 (hard labels only)."""
    scores = (1 - 2 * target) * scores
    negative, positive = scores - target * 1e12, scores - (1 - target) * 1e12
    zero = torch.zeros_like(scores[..., :1])
    negative, positive = (torch.cat([side, zero], -1) for side in (negative, positive))
    return (torch.logsumexp(negative, -1) + torch.logsumexp(positive, -1)).mean()


def blog_soft(scores: Tensor, target: Tensor, epsilon: float = 1e-7) -> Tensor:
    """The published form for soft labels, with clipped logarithms as weights."""
    zero = torch.zeros_like(scores[..., :1])
    negative = torch.cat([scores + (1 - target).clamp(min=epsilon).log(), zero], -1)
    positive = torch.cat([-scores + target.clamp(min=epsilon).log(), zero], -1)
    return (torch.logsumexp(negative, -1) + torch.logsumexp(positive, -1)).mean()


def blog_sparse(scores: Tensor, index: Tensor, epsilon: float = 1e-7) -> Tensor:
    """The published sparse form, which subtracts the positives and is wrong when they dominate."""
    zero = torch.zeros_like(scores[..., :1])
    chosen = scores.gather(-1, index)
    positive = torch.logsumexp(torch.cat([-chosen, zero], -1), -1)
    every = torch.logsumexp(torch.cat([scores, zero], -1), -1)
    part = torch.logsumexp(chosen, -1) - every
    return (positive + every + (1 - part.exp()).clamp(epsilon, 1).log()).mean()


def keep_freed_memory() -> None:
    """Ask glibc to keep what is freed: page faults are a cost of the first steps, not of a loss."""
    if sys.platform == "linux":
        trim_threshold, mmap_threshold = -1, -3  # malloc.h
        ctypes.CDLL(None).mallopt(trim_threshold, 2**30)
        ctypes.CDLL(None).mallopt(mmap_threshold, 2**25)


def cases(rows: int, classes: int, device: str) -> tuple[Tensor, dict[str, Callable[[Tensor], Tensor]]]:
    """The scores and every case as a function of them."""
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(rows, classes, generator=generator).to(device).requires_grad_()
    index = torch.stack([torch.randperm(classes, generator=generator)[:POSITIVES] for _ in range(rows)]).to(
        device
    )
    hard = torch.zeros(rows, classes, dtype=torch.bool, device=device).scatter_(-1, index, True)
    real, soft = hard.float(), hard.float() * 0.8 + 0.1
    return scores, {
        "lemmata sparse": lambda s: sparse_multilabel_cross_entropy(s, index),
        "lemmata dense, bool": lambda s: multilabel_cross_entropy(s, hard),
        "lemmata dense, float": lambda s: multilabel_cross_entropy(s, real),
        "lemmata soft": lambda s: multilabel_cross_entropy(s, soft),
        "blog (1e12)": lambda s: blog(s, real),
        "blog, soft": lambda s: blog_soft(s, soft),
        "blog, sparse (inexact)": lambda s: blog_sparse(s, index),
        "BCEWithLogits": lambda s: F.binary_cross_entropy_with_logits(s, real),
        "F.cross_entropy (one label)": lambda s: F.cross_entropy(s, index[:, 0]),
    }


def step(loss: Callable[[Tensor], Tensor], scores: Tensor) -> None:
    """One forward and backward; the gradient is dropped, as an optimiser's zero_grad would."""
    scores.grad = None
    loss(scores).backward()


def seconds(loss: Callable[[Tensor], Tensor], scores: Tensor) -> float:
    """The time of one step, the device's queue empty on both sides."""
    synchronize = torch.cuda.synchronize if scores.is_cuda else lambda: None
    synchronize()
    start = time.perf_counter()
    step(loss, scores)
    synchronize()
    return time.perf_counter() - start


def saved_bytes(loss: Callable[[Tensor], Tensor], scores: Tensor) -> int:
    """Bytes that backward keeps: every storage once, the scores themselves included."""
    storages: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storages[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        held = loss(scores)
    del held
    return sum(storages.values())


def allocated_bytes(loss: Callable[[Tensor], Tensor], scores: Tensor) -> int:
    """Bytes that one step asks of the CPU's allocator, freed or not."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        step(loss, scores)
    events = profiler.profiler.kineto_results.events()
    return sum(event.nbytes() for event in events if event.name() == "[memory]" and event.nbytes() > 0)


def measure(rows: int, classes: int, rounds: int, device: str) -> list[dict[str, object]]:
    """One record per case, timed round by round so that a slow second hits all alike."""
    scores, losses = cases(rows, classes, device)
    times: dict[str, list[float]] = {name: [] for name in losses}
    for turn in range(rounds + 1):
        for name, loss in losses.items():
            elapsed = seconds(loss, scores)
            if turn:  # the first round warms up
                times[name].append(elapsed)
    unit, size = statistics.median(times["lemmata sparse"]), scores.nbytes
    return [
        {
            "case": name,
            "shape": [rows, classes],
            "median_ms": statistics.median(taken) * 1e3,
            "min_ms": min(taken) * 1e3,
            "ratio": statistics.median(taken) / unit,
            "saved": saved_bytes(losses[name], scores) / size,
            "allocated": None if scores.is_cuda else allocated_bytes(losses[name], scores) / size,
        }
        for name, taken in times.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", help="write the records here")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    records = []
    for rows, classes in SHAPES:
        print(
            f"\n({rows}, {classes}), {POSITIVES} positives a row, {options.device}, torch {torch.__version__}"
        )
        print(f"{'case':30}{'median ms':>10}{'min ms':>9}{'ratio':>7}{'saved':>7}{'alloc':>7}")
        for record in measure(rows, classes, options.rounds, options.device):
            records.append(record)
            allocated = "-" if record["allocated"] is None else f"{record['allocated']:.1f}"
            print(
                f"{record['case']:30}{record['median_ms']:10.2f}{record['min_ms']:9.2f}{record['ratio']:7.2f}"
                f"{record['saved']:7.2f}{allocated:>7}"
            )
    if options.json:
        with open(options.json, "w") as file:
            json.dump(
                {"torch": torch.__version__, "device": options.device, "records": records}, file, indent=1
            )


if __name__ == "__main__":
    main()
