"""What Fourier densities promise. Coefficients are pairs of real numbers here, (..., N + 1, 2)."""

from typing import Any

import torch
from contract import Row, check, each
from helpers import F64
from torch import Tensor
from torch.distributions import kl_divergence

from lemmata.estimation import FourierDensity, fourier_coefficients
from lemmata.estimation._fourier import quantile


def complexes(a: Any) -> Tensor:
    wide = a if a.dtype in (F64, torch.float32) else a.float()
    return torch.view_as_complex(wide.contiguous())


def coefficients(a: Any) -> Tensor:
    return torch.view_as_real(fourier_coefficients(complexes(a))).to(a.dtype)


def interval(a: Any) -> FourierDensity:
    return FourierDensity(complexes(a), validate_args=False)


def circle(a: Any) -> FourierDensity:
    return FourierDensity(complexes(a), period=24.0, validate_args=False)


def line(a: Any, loc: Any, scale: Any) -> FourierDensity:
    return FourierDensity(complexes(a), loc, scale, validate_args=False)


def built(a: Any, loc: Any, scale: Any, validate_args: bool) -> FourierDensity:
    return FourierDensity(complexes(a), loc, scale, validate_args=validate_args)


def turned(a: Any, period: float) -> FourierDensity:
    return FourierDensity(complexes(a), period=period)


def log_prob_around(a: Any, value: float | Tensor) -> Tensor:
    return circle(a).log_prob(value)


def log_prob_on_the_line(a: Any, value: Any, loc: Any, scale: Any) -> Tensor:
    return line(a, loc, scale).log_prob(value)


def prob(a: Any, value: float | Tensor) -> Tensor:
    return interval(a).prob(value)


def cdf(a: Any, value: float | Tensor) -> Tensor:
    return interval(a).cdf(value)


def icdf(a: Any, value: float | Tensor) -> Tensor:
    return interval(a).icdf(value)


def rsample(a: Any, sample_shape: tuple[int, ...], generator: torch.Generator | None) -> Tensor:
    return circle(a).rsample(sample_shape, generator=generator).movedim(-1, 0).to(a.dtype)


def sample(a: Any, sample_shape: tuple[int, ...], generator: torch.Generator | None) -> Tensor:
    return circle(a).sample(sample_shape, generator=generator).movedim(-1, 0).to(a.dtype)


def entropy(a: Any) -> Tensor:
    return circle(a).entropy().to(a.dtype)


def divergence(a: Any, b: Any) -> Tensor:
    return kl_divergence(circle(a), circle(b)).to(a.dtype)


def penalty(a: Any) -> Tensor:
    return interval(a).smoothness_penalty().to(a.dtype)


def moments(a: Any, loc: Any, scale: Any) -> tuple[Tensor, ...]:
    both = interval(a), line(a, loc, scale)
    return tuple(x.to(a.dtype) for d in both for x in (d.mean, d.variance))


def expanded(a: Any, batch_shape: tuple[int, ...]) -> Tensor:
    return interval(a).expand(batch_shape).mean.movedim(-1, 0).to(a.dtype)


def three(draw, **options):
    return dict(a=draw.normal(3, 4, 2), **options)


def at(low=-0.9, high=0.9):
    return lambda draw: three(draw, value=draw.uniform(3, low=low, high=high))


def drawn(draw):
    return three(draw, sample_shape=(4,), generator=torch.Generator())


def over_the_line(draw):
    return three(draw, loc=draw.normal(3), scale=draw.uniform(3, low=0.5, high=2.0))


def pair(draw):
    return three(draw, b=draw.normal(3, 3, 2))


def valued(draw):
    return dict(over_the_line(draw), value=draw.normal(3, scale=3.0))


ZERO = dict(bounded=("a",))
DRAWS = dict(
    one="a batch of another size draws other numbers",
    vmap="vmap refuses random numbers",
)
VALUE = dict(bounded=("a",), takes=dict(value="nan"))
TINY = dict(finite="of 1e-30 there are second derivatives of 1e60, and of 1e30 squares, beyond float32")
ELSEWHERE = dict(
    programs=False
)  # those of log_prob on the line, icdf, entropy and the moments there stand for all
ROWS = [
    Row(
        fourier_coefficients,
        lambda draw: dict(a=draw.normal(3, 4)),
        multiplies=True,
        takes=dict(a="complexes"),
    ),
    Row(coefficients, three, stands_for="fourier_coefficients", case="complex", multiplies=True, **ELSEWHERE),
    Row(
        log_prob_around,
        at(-30, 30),
        stands_for="FourierDensity.log_prob",
        case="circle",
        **ELSEWHERE,
        **VALUE,
    ),
    Row(
        log_prob_on_the_line,
        valued,
        stands_for="FourierDensity.log_prob",
        case="line",
        bounded=("a", "value", "loc", "scale"),
        no=TINY,
    ),
    Row(prob, at(), stands_for="FourierDensity.prob", **ELSEWHERE, **VALUE),
    Row(cdf, at(), stands_for="FourierDensity.cdf", **ELSEWHERE, **VALUE),
    Row(
        icdf,
        at(0.1, 0.9),
        stands_for="FourierDensity.icdf",
        today=dict(vmap="searchsorted warns of a layout"),
        **ELSEWHERE,
        **VALUE,
    ),
    Row(rsample, drawn, stands_for="FourierDensity.rsample", no=DRAWS, **ELSEWHERE, **ZERO),
    Row(
        sample, drawn, stands_for="FourierDensity.sample", differentiable=False, no=DRAWS, **ELSEWHERE, **ZERO
    ),
    Row(entropy, three, stands_for="FourierDensity.entropy", **ZERO),
    Row(
        divergence,
        pair,
        stands_for="FourierDensity",
        case="kl_divergence",
        bounded=("a", "b"),
        no=dict(TINY),
        **ELSEWHERE,
    ),
    Row(penalty, three, stands_for="FourierDensity.smoothness_penalty", **ELSEWHERE, **ZERO),
    Row(moments, over_the_line, stands_for="FourierDensity", case="moments", no=TINY, **ELSEWHERE, **ZERO),
    Row(
        expanded,
        lambda draw: three(draw, batch_shape=(2, 3)),
        stands_for="FourierDensity.expand",
        rows=False,
        **ELSEWHERE,
        **ZERO,
    ),
]


@each(ROWS)
def test_contract(row, promise, monkeypatch):
    """With few steps to a quantile, as graphs of derivatives are made of them."""
    monkeypatch.setattr(quantile, "STEPS", 6)
    check(row, promise)
