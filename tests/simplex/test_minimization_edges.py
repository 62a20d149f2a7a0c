"""Minimisation over the simplex: half types, starts that are none, and what is refused."""

import pytest
import torch
from helpers import F64, INF, NAN, Draw, assert_close, assert_refused, column
from simplex.minimization_cases import METHODS, distance

from lemmata.simplex import (
    em_mixture_weights,
    exponentiated_gradient,
    frank_wolfe,
    projected_gradient,
    simplex_gap,
    softmax_gradient_descent,
)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_types_have_converged_only_if_the_p_that_they_return_has(dtype):
    target = Draw(0).uniform(40)

    def f(p):
        return (p - target.to(p.dtype)).square().sum(-1)

    start = torch.full((40,), 1 / 40, dtype=dtype)
    for tol, fine in ((1e-4, False), (0.5, True)):
        found = exponentiated_gradient(f, start, tol=tol)
        p = found.p.double() / found.p.double().sum()
        assert found.gap <= tol * 1.01
        assert (simplex_gap(p, 2 * (p - target)) <= tol) == fine
        assert found.converged == fine


def test_no_value_is_no_convergence():
    best = column([1.0, 0.0])
    for value in (INF, -INF):
        found = projected_gradient(lambda p, value=value: p[..., 1] + value, best, tol=1e-6)
        assert found.gap == 0
        assert not found.converged


def test_a_start_in_a_half_type_may_be_rounded_and_no_more():
    for dtype, off in ((torch.bfloat16, 0.06), (torch.float16, 0.01), (torch.float32, 1e-3), (F64, 1e-5)):
        for n in (3, 100, 1000):
            p0 = Draw(n).normal(n).softmax(-1)
            assert (
                projected_gradient(lambda p: p.square().sum(-1), p0.to(dtype), tol=1e-3, steps=1).p.dtype
                == dtype
            )
            with pytest.raises(ValueError, match="p0 must sum to 1"):
                projected_gradient(lambda p: p.square().sum(-1), ((1 - off) * p0).to(dtype), tol=1e-3)


def test_gap_of_slopes_whose_difference_overflows():
    p = torch.tensor([1.0, 0.0], requires_grad=True)
    gap = simplex_gap(p, torch.tensor([-3e38, 3e38]))
    assert gap == 0
    assert not torch.autograd.grad(gap, p)[0].isnan().any()
    assert simplex_gap(p, torch.tensor([3e38, -3e38])) == INF


def test_what_has_no_gradient_and_what_is_too_long_are_refused():
    scale, start = torch.ones(3, requires_grad=True), torch.ones(3) / 3

    def longest(search):
        return lambda: search(lambda p: p.square().sum(-1), start, tol=0, lr=1e40)

    def inferred():
        with torch.inference_mode():
            return projected_gradient(distance, start, tol=0)

    assert_refused(
        [
            (ValueError, "without a gradient", lambda: frank_wolfe(lambda p: scale.sum(), start, tol=0)),
            (ValueError, "inference_mode", inferred),
            *[
                (ValueError, "lr must be at most", longest(METHODS[k]))
                for k in ("multiply", "project", "logits")
            ],
        ]
    )
    fine = exponentiated_gradient(lambda p: p.square().sum(-1), start.double(), tol=0, lr=1e40, steps=1)
    assert fine.p.isfinite().all()


def test_frank_wolfe_stays_where_the_first_vertex_is_impossible():
    likelihood = column([1.0, 0.0, 0.0, 1.0]).view(2, 2)
    half = column([0.5, 0.5])
    found = frank_wolfe(
        lambda p: -(likelihood @ p).log().mean() + p[0] / 10, half, tol=1e-6, step_size="2/(t+2)"
    )
    assert found.steps == 0
    assert found.p.tolist() == [0.5, 0.5]
    assert not found.converged


def test_a_sought_size_comes_back_from_a_confident_mistake():
    c, theta = column([0.0, 1.0, 2.0]), column([0.0, 0.0, 12.0])
    slow = softmax_gradient_descent(lambda p: p @ c, theta, tol=0, steps=100).history.value
    fast = exponentiated_gradient(lambda p: p @ c, theta.softmax(-1), tol=0, steps=100).history.value
    assert 2 * (fast >= 0.1).sum() < (slow >= 0.1).sum() < 60


@pytest.mark.parametrize("name", METHODS)
def test_a_start_without_a_value_is_refused_with_what_to_write(name):
    start = column([0.5, 0.3, 0.2, 0.0])

    def starts(f):
        return lambda: METHODS[name](f, start, tol=1e-6)

    assert_refused(
        [
            (ValueError, r"f\(p\) must not be NaN .* entr", starts(lambda p: (p * p.log()).sum(-1))),
            (
                ValueError,
                "gradient of f must not be NaN",
                starts(lambda p: torch.special.xlogy(p, p).sum(-1)),
            ),
            (ValueError, r"f\(p\) must not", starts(lambda p: torch.where(p == 0, NAN, p).sum(-1))),
        ]
    )
    found = METHODS[name](lambda p: -torch.special.entr(p).sum(-1), start, tol=1e-6)
    assert found.history.gap[0] == INF
    if name in ("multiply", "logits"):  # masked
        assert_close(found.p, [1 / 3, 1 / 3, 1 / 3, 0], 1e-3, 1e-9)
        assert not found.converged
    still = exponentiated_gradient(lambda p: (1 / p).sum(-1), start, tol=1e-6)
    assert still.value == INF
    assert still.steps == 0
    rows = torch.full((2, 3, 2), 0.5, dtype=F64).log()
    rows[0, 1, 1] = NAN  # in data, not in a formula: its row says so, and the other goes on
    found = em_mixture_weights(rows, tol=1e-6)
    assert found.value.isnan().tolist() == [True, False]
    assert found.converged.tolist() == [False, True]
