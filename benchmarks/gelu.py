"""GELU and its forms beside torch's, forward, and forward with backward.

    python benchmarks/gelu.py [--rounds N] [--quick] [--json PATH]

The table has the time in units of torch's exact GELU, and the bytes saved for backward in units of x.
"""

import functools
from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from measure import Table, Target, saved_bytes, step
from report import main
from torch import Tensor

from lemmata.smoothing import gelu

Form = Callable[[Tensor], Tensor]
EXACT, UNIT = "lemmata exact", "torch exact"
FORMS: dict[str, Form] = {
    UNIT: F.gelu,
    "torch tanh": functools.partial(F.gelu, approximate="tanh"),
    "torch x sigmoid(1.702 x)": lambda x: x * torch.sigmoid(1.702 * x),
    "torch x erfc(-x / sqrt 2) / 2": lambda x: x * torch.special.erfc(x * -(0.5**0.5)) / 2,
    EXACT: gelu,
    **{
        f"lemmata {form}": functools.partial(gelu, approximate=form)
        for form in ("tanh", "tanh-minimax", "sigmoid", "sigmoid-minimax")
    },
}
MOST = {torch.float32: 1.6, torch.bfloat16: 2.0}


def forward(form: Form, x: Tensor) -> None:
    with torch.no_grad():
        form(x)


def tables(quick: bool) -> Iterator[Table]:
    shape = (16, 64) if quick else (4096, 3072)
    for dtype, most in MOST.items():
        generator = torch.Generator().manual_seed(0)
        x, grad = (torch.randn(shape, generator=generator).to(dtype) for _ in range(2))
        x.requires_grad_()

        def saved(name: str, medians: object, x: Tensor = x) -> dict[str, float]:
            return {"saved": saved_bytes(lambda: FORMS[name](x)) / x.nbytes}

        name = str(dtype).removeprefix("torch.")
        both = {case: functools.partial(step, form, x, grad) for case, form in FORMS.items()}
        one = {case: functools.partial(forward, form, x) for case, form in FORMS.items()}
        wanted = [Target(EXACT, most)]
        yield Table("gelu, with backward", shape, name, both, UNIT, targets=wanted, more=saved, seconds=10)
        yield Table("gelu, forward", shape, name, one, UNIT, targets=[Target(EXACT)], seconds=6)


if __name__ == "__main__":
    main("gelu", __doc__, tables)
