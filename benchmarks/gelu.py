"""GELU and its forms beside torch's: forward, and forward with backward, one thread.

    python benchmarks/gelu.py [--json PATH] [--rounds N] [--device cuda]

Cases are interleaved in one process. The table has the median and the minimum, the median in units of
torch's exact GELU, and the bytes saved for backward in units of x. Ratios carry over to other machines,
seconds do not.
"""

import argparse
import ctypes
import functools
import json
import statistics
import sys
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from lemmata.smoothing import gelu

SHAPE = (4096, 3072)
DTYPES = [torch.float32, torch.bfloat16]
Form = Callable[[Tensor], Tensor]
FORMS = ("none", "tanh", "tanh-minimax", "sigmoid", "sigmoid-minimax")
UNIT = "torch none"
CASES: dict[str, Form] = {
    UNIT: F.gelu,
    "torch tanh": functools.partial(F.gelu, approximate="tanh"),
    "torch x sigmoid(1.702 x)": lambda x: x * torch.sigmoid(1.702 * x),
    "torch x erfc(-x / sqrt 2) / 2": lambda x: x * torch.special.erfc(x * -(0.5**0.5)) / 2,
    **{f"lemmata {form}": functools.partial(gelu, approximate=form) for form in FORMS},
}


def keep_freed_memory() -> None:
    """Ask glibc to keep what is freed: page faults are a cost of the first steps, not of an activation."""
    if sys.platform == "linux":
        trim_threshold, mmap_threshold = -1, -3  # malloc.h
        ctypes.CDLL(None).mallopt(trim_threshold, 2**30)
        ctypes.CDLL(None).mallopt(mmap_threshold, 2**25)


def forward(form: Form, x: Tensor, _: Tensor) -> None:
    with torch.no_grad():
        form(x)


def step(form: Form, x: Tensor, grad: Tensor) -> None:
    """One forward and backward; the gradient is dropped, as an optimiser's zero_grad would."""
    x.grad = None
    form(x).backward(grad)


def seconds(work: Callable[..., None], form: Form, x: Tensor, grad: Tensor) -> float:
    """The time of one call, the device's queue empty on both sides."""
    synchronize = torch.cuda.synchronize if x.is_cuda else lambda: None
    synchronize()
    start = time.perf_counter()
    work(form, x, grad)
    synchronize()
    return time.perf_counter() - start


def saved_bytes(form: Form, x: Tensor) -> int:
    """Bytes that backward keeps: every storage once, x itself included."""
    storages: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storages[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        held = form(x)
    del held
    return sum(storages.values())


def measure(dtype: torch.dtype, rounds: int, device: str) -> list[dict[str, object]]:
    """Two records per case, timed round by round so that a slow second hits all alike."""
    generator = torch.Generator().manual_seed(0)
    x, grad = (torch.randn(SHAPE, generator=generator).to(device, dtype) for _ in range(2))
    x.requires_grad_()
    times: dict[tuple[str, str], list[float]] = {}
    for turn in range(rounds + 1):
        for name, form in CASES.items():
            for what, work in (("forward", forward), ("with backward", step)):
                elapsed = seconds(work, form, x, grad)
                if turn:  # the first round warms up
                    times.setdefault((name, what), []).append(elapsed)
    return [
        {
            "case": name,
            "what": what,
            "dtype": str(dtype).removeprefix("torch."),
            "shape": list(SHAPE),
            "median_ms": statistics.median(taken) * 1e3,
            "min_ms": min(taken) * 1e3,
            "ratio": statistics.median(taken) / statistics.median(times[UNIT, what]),
            "saved": saved_bytes(CASES[name], x) / x.nbytes,
        }
        for (name, what), taken in times.items()
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
    for dtype in DTYPES:
        found = measure(dtype, options.rounds, options.device)
        records += found
        for what in ("forward", "with backward"):
            print(f"\n{SHAPE}, {dtype}, {what}, {options.device}, torch {torch.__version__}")
            print(f"{'case':31}{'median ms':>10}{'min ms':>9}{'ratio':>7}{'saved':>7}")
            for record in (r for r in found if r["what"] == what):
                print(
                    f"{record['case']:31}{record['median_ms']:10.2f}{record['min_ms']:9.2f}"
                    f"{record['ratio']:7.2f}{record['saved']:7.2f}"
                )
    if options.json:
        with open(options.json, "w") as file:
            json.dump(
                {"torch": torch.__version__, "device": options.device, "records": records}, file, indent=1
            )


if __name__ == "__main__":
    main()
