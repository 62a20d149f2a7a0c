"""Minimisation over the simplex: what only this chapter knows."""

import math
from fractions import Fraction as Q

import mpmath
import pytest
import torch
from helpers import F64, INF, NAN, Draw, assert_close, assert_refused, close, column
from simplex.minimization_cases import METHODS, X, distance

from lemmata.simplex import (
    SimplexMinimum,
    em_mixture_weights,
    exponentiated_gradient,
    frank_wolfe,
    projected_gradient,
    simplex_gap,
    softmax_gradient_descent,
    sparsemax,
)
from lemmata.simplex._minimization import descent, loop

BEST = column([0.6, 0.4, 0.0])
UNIFORM = torch.full((3,), 1 / 3, dtype=F64)
SIZES = ["2/(t+2)", "sought", "away"]


def counted(f):
    """The function, and the list of what it was called with."""
    calls = []

    def g(p):
        calls.append(p)
        return f(p)

    return g, calls


# --------------------------------------------------------------------------- identity


def test_gap_is_0_exactly_where_the_conditions_hold():
    g = column([1.0, 1.0, 2.0])
    assert simplex_gap(column([0.25, 0.75, 0.0]), g) == 0
    close(simplex_gap(column([0.25, 0.5, 0.25]), g).item(), 0.25)
    close(simplex_gap(column([0.25, 0.5, 0.25]), g + 1e6).item(), 0.25, 1e-9)
    p, g = Draw(0).normal(4, 7).softmax(-1), Draw(1).normal(4, 7)
    close((simplex_gap(p, g) - (p * g).sum(-1) + g.amin(-1)).abs().max().item(), 0.0)
    order = torch.randperm(7)
    torch.testing.assert_close(simplex_gap(p[:, order], g[:, order]), simplex_gap(p, g))
    torch.testing.assert_close(simplex_gap(p.T, g.T, dim=0), simplex_gap(p, g))


def test_gap_of_a_convex_function_bounds_what_is_missing():
    p = torch.distributions.Dirichlet(torch.full((3,), 0.5, dtype=F64)).sample((300,))
    gap = simplex_gap(p, 2 * (p - X))
    missing = distance(p) - distance(BEST)
    assert (gap >= missing - 1e-15).all()
    # |p - p*|^2 is what a convex quadratic leaves of the gap at least
    assert (gap >= missing + (p - BEST).square().sum(-1) - 1e-15).all()


def test_frank_wolfe_goes_through_these_fractions():
    rows = [(1, 0), (Q(1, 3), Q(2, 3)), (Q(2, 3), Q(1, 3)), (Q(2, 5), Q(3, 5)), (Q(3, 5), Q(2, 5))]
    for steps, p in enumerate(rows, 1):
        found = frank_wolfe(distance, UNIFORM, tol=0, steps=steps, step_size="2/(t+2)")
        assert_close(found.p, [*p, 0], 1e-15, 1e-16)
    gaps = [Q(11, 15), Q(8, 5), Q(32, 45), Q(8, 45), Q(12, 25), 0]
    assert_close(found.history.gap, gaps, 1e-14, 1e-15)
    # exactly at the minimum it would go on, and leave it
    away = frank_wolfe(distance, found.p + column([1e-12, -1e-12, 0]), tol=0, steps=1, step_size="2/(t+2)")
    assert away.value > found.value


def test_multiplicative_step_is_this():
    found = exponentiated_gradient(distance, UNIFORM, tol=0, steps=1, lr=0.5)
    assert_close(found.p, [0.449377528642703, 0.367919202441962, 0.182703268915335], 1e-14)
    g = 2 * (UNIFORM - X)
    assert_close(found.p, torch.softmax(UNIFORM.log() - 0.5 * g, -1).tolist(), 1e-14)


def test_multiplicative_step_is_the_natural_gradient_of_the_logits():
    theta = Draw(0).normal(5)
    p, c = theta.softmax(-1), Draw(1).normal(5)
    jacobian = torch.func.jacrev(lambda t: t.softmax(-1))(theta)
    plain = torch.func.grad(lambda t: t.softmax(-1) @ c)(theta)
    torch.testing.assert_close(plain, p * (c - p @ c))
    torch.testing.assert_close(jacobian @ -(c - p @ c), -plain)  # d theta = -g has dp = -J g
    found = exponentiated_gradient(lambda p: p @ c, p, tol=0, steps=1, lr=0.1)
    torch.testing.assert_close(found.p, torch.softmax(theta - 0.1 * c, -1))


def test_projected_step_is_sparsemax():
    found = projected_gradient(distance, UNIFORM, tol=0, steps=1, lr=0.5)
    torch.testing.assert_close(found.p, sparsemax(X))
    assert_close(found.p, [0.6, 0.4, 0.0], 1e-15, 1e-16)
    assert found.gap < 1e-15


def test_every_vertex_is_stationary_for_the_logits():
    found = softmax_gradient_descent(lambda p: p @ X, column([0.0, -INF, -INF]), tol=0, steps=3, lr=1.0)
    assert found.p.tolist() == [1, 0, 0]
    assert found.gap > 0.8
    assert not found.converged


@pytest.mark.parametrize("step", [1, 0.125])
def test_a_confident_mistake_takes_sinh_against_its_own_size(step):
    M, f = 4.0, lambda p: p[..., 1]
    theta = column([0.0, M])
    for start, search, time in (
        (theta, softmax_gradient_descent, M + math.sinh(M)),
        (theta.softmax(-1), exponentiated_gradient, M),
    ):
        found = search(f, start, tol=0, steps=int(2 * time / step), lr=step)
        turned = (found.history.value > 0.5).sum().item() * step
        assert abs(turned - time) <= 2.5 * step


def test_plateau_of_the_reference():
    c, theta = column([0.0, 1.0, 2.0]), column([0.0, 0.0, 12.0])
    found = exponentiated_gradient(lambda p: p @ c, theta.softmax(-1), tol=0, steps=40, lr=0.5)
    close(found.p[0].item(), 0.999999998, 1e-9)
    found = softmax_gradient_descent(lambda p: p @ c, theta, tol=0, steps=1000, lr=0.5)
    assert found.p[2] > 0.99998


def test_em_never_rises_and_keeps_its_rate():
    x = Draw(0).normal(4, 60, 9, scale=2)
    best = em_mixture_weights(x, tol=1e-9, steps=4000)
    found = em_mixture_weights(x, tol=0, steps=50)
    value = found.history.value
    assert (value.diff(dim=-1) <= 1e-14).all()
    bound = math.log(9) / torch.arange(1, 52)
    assert (value - best.value[:, None] <= bound).all()
    assert (found.gap >= found.value - best.value).all()


def test_rows_are_problems_of_their_own():
    target = Draw(0).normal(5, 4)

    def f(p, at=slice(None)):
        return (p - target[at]).square().sum(-1)

    p0 = torch.full((5, 4), 0.25, dtype=F64)
    for search in METHODS.values():
        whole = search(f, p0, tol=1e-6, steps=200)
        for i in range(5):
            alone = search(lambda p, i=i: f(p, i), p0[i], tol=1e-6, steps=200)
            torch.testing.assert_close(whole.p[i], alone.p, rtol=0, atol=1e-12)
            assert whole.steps[i] == alone.steps
        assert whole.history.gap.shape[-1] > whole.steps.max()


@pytest.mark.parametrize("eta", [1e-6, 1e-2, 2.0])
@pytest.mark.parametrize("name", ["MULTIPLY", "PROJECT", "SOFTMAX"])
def test_a_promise_is_the_value_to_second_order_and_the_distance(name, eta):
    method, p = getattr(descent, name), column([0.5, 0.3, 0.2])
    state = p if name == "PROJECT" else p.log()
    point = loop.evaluate(distance, p)
    moved = method.move(state, point, eta)
    new = loop.evaluate(distance, method.probabilities(moved))
    first, bend, far = (v.item() for v in method.promise(state, moved, point, new))
    change = (moved if name == "SOFTMAX" else new.p) - (state if name == "SOFTMAX" else p)
    exact = {
        "MULTIPLY": float(sum(b * mpmath.log(b / a) for a, b in zip(*map(precise, (p, new.p)), strict=True))),
        "PROJECT": change.square().sum().item() / 2,
        "SOFTMAX": change.square().sum().item() / 2,
    }[name]
    if eta > 1e-3:
        close(far, exact, 1e-9)
        if name != "SOFTMAX":  # quadratic in p, not in the logits
            close(first + bend, (new.value - point.value).item(), 1e-12)
    assert far > 0
    slope = point.grad - point.grad @ p
    if eta <= 1e-2 and name == "SOFTMAX":
        assert first == pytest.approx(-eta * (p * slope).square().sum().item(), rel=1e-9)
        curve = torch.autograd.functional.hessian(lambda t: distance(t.softmax(-1)), state)
        assert bend == pytest.approx((change @ curve @ change).item() / 2, rel=0.1)
    if eta == 1e-6 and name == "MULTIPLY":
        d = new.p / p - 1
        assert far == pytest.approx((p * d.square()).sum().item() / 2, rel=1e-4)


def precise(p):
    total = mpmath.fsum(map(mpmath.mpf, p.tolist()))
    return [mpmath.mpf(v) / total for v in p.tolist()]


def test_nobody_moves_from_a_minimum():
    for name in ("away", "multiply", "project"):
        found = METHODS[name](lambda p: p.square().sum(-1), UNIFORM, tol=1e-12)
        assert found.steps == 0
        assert found.history.gap.shape == (1,)
    still = em_mixture_weights(Draw(0).normal(5, 3), steps=0)
    assert_close(still.p, [1 / 3] * 3, 1e-15)


def test_a_thousand_steps_is_the_default():
    swing = dict(tol=0.0, lr=1e-9)
    for search in (exponentiated_gradient, projected_gradient):
        assert search(lambda p: p @ X, UNIFORM, **swing).steps == 1000
    assert em_mixture_weights(Draw(0).normal(5, 3), tol=0).history.gap.shape == (1001,)


# --------------------------------------------------------------------------- agreement


@pytest.mark.parametrize("name", ["away", "multiply", "project"])
def test_minimum_of_a_distance(name):
    found = METHODS[name](distance, UNIFORM, tol=1e-14)
    assert isinstance(found, SimplexMinimum)
    assert found.converged
    torch.testing.assert_close(found.p, BEST, rtol=0, atol=1e-7)
    close(found.value.item(), 0.33)
    assert (found.history.value.diff() <= 1e-14).all()


@pytest.mark.parametrize("name", METHODS)
def test_minimum_of_reciprocals_against_mpmath(name):
    w = column([1.0, 4.0, 9.0])
    found = METHODS[name](lambda p: (w / p).sum(-1), UNIFORM, tol=1e-9, steps=200)
    roots = [mpmath.sqrt(v) for v in (1, 4, 9)]
    assert_close(found.p, [r / sum(roots) for r in roots], 1e-5)
    close(found.value.item(), float(sum(roots) ** 2), 1e-10)  # 36


@pytest.mark.parametrize("name", ["multiply", "project", "away"])
def test_minimum_with_entropy_is_softmax(name):
    c, tau = column([0.3, -0.2, 0.9, 0.0]), 0.5

    def f(p):
        return p @ c + tau * torch.special.xlogy(p, p).sum(-1)

    found = METHODS[name](f, torch.full((4,), 0.25, dtype=F64), tol=1e-13)
    want = [mpmath.exp(-mpmath.mpf(v) / mpmath.mpf(tau)) for v in c.tolist()]
    assert_close(found.p, [w / sum(want) for w in want], 2e-6)
    assert found.converged
    fine = exponentiated_gradient(f, torch.full((4,), 0.25, dtype=F64), tol=0, lr=1 / tau, steps=1)
    assert_close(fine.p, [w / sum(want) for w in want], 1e-12)  # one step of this size


def test_linear_functions_end_at_a_vertex_exactly():
    c = column([0.3, -0.2, 0.9])
    for size in SIZES:
        found = frank_wolfe(lambda p: p @ c, UNIFORM, tol=0, step_size=size)
        assert found.p.tolist() == [0, 1, 0]
        assert found.gap == 0
        assert found.steps <= 3


def test_em_of_two_components_against_its_root():
    two = column([0.5, 0.1, 0.2, 0.4, 0.3, 0.3]).view(3, 2)
    found = em_mixture_weights(two.log(), tol=1e-15, steps=5000)
    assert_close(found.p, [0.875, 0.125], 1e-6)
    want = -sum(mpmath.log(mpmath.mpf(a) * 7 / 8 + mpmath.mpf(b) / 8) for a, b in two.tolist()) / 3
    close(found.value.item(), float(want))


def test_adding_to_log_likelihoods_changes_no_weight():
    x = Draw(0).normal(30, 4)
    shifted = em_mixture_weights(x + 1000 * Draw(1).normal(30, 1))
    torch.testing.assert_close(shifted.p, em_mixture_weights(x).p, rtol=0, atol=1e-9)


def test_regret_of_hedge_is_within_its_bound():
    T, n = 400, 10
    losses = Draw(0).uniform(T, n)
    p, total, eta = torch.full((n,), 1 / n, dtype=F64), 0.0, math.sqrt(8 * math.log(n) / T)
    for loss in losses:
        total += (p @ loss).item()
        p = exponentiated_gradient(lambda p, loss=loss: p @ loss, p, tol=0, steps=1, lr=eta).p
    regret = total - losses.sum(0).min().item()
    assert 0 < regret <= math.sqrt(T * math.log(n) / 2)


def test_frank_wolfe_keeps_its_rate_where_it_has_to_move_far():
    A = Draw(0).normal(20, 20)
    H = A @ A.T / 20 + torch.eye(20, dtype=F64) / 4

    def f(p):
        return p @ H @ p / 2

    p0 = torch.full((20,), 0.05, dtype=F64)
    best = projected_gradient(f, p0, tol=1e-12)
    assert best.converged
    L = torch.linalg.eigvalsh(H).max()
    value = frank_wolfe(f, p0, tol=0, steps=100, step_size="2/(t+2)").history.value[1:]
    assert (value - best.value <= 4 * L / (torch.arange(1, 101) + 2)).all()
    close(frank_wolfe(f, p0, tol=1e-10).value.item(), best.value.item(), 1e-9)


# --------------------------------------------------------------------------- failure


def test_away_steps_take_out_what_does_not_belong():
    found = frank_wolfe(distance, column([0.1, 0.1, 0.8]), tol=1e-12)
    assert found.p[2] == 0
    assert found.steps < 40
    slow = frank_wolfe(distance, column([0.1, 0.1, 0.8]), tol=1e-12, step_size="sought", steps=200)
    assert not slow.converged
    assert slow.p[2] > 0


def test_masked_stays_masked_and_the_gap_says_what_that_costs():
    p0 = column([0.5, 0.0, 0.5])
    for name in ("multiply", "logits"):
        found = METHODS[name](distance, p0, tol=1e-9, steps=300)
        assert found.p[1] == 0
        assert not found.converged
        assert found.gap > 0.1
        torch.testing.assert_close(found.p, column([0.95, 0.0, 0.05]), rtol=0, atol=2e-3)
    assert projected_gradient(distance, p0, tol=1e-9).converged

    def steep(p):  # at 0 the slope by the second is -inf
        return distance(p) - p[..., 1].sqrt()

    found = exponentiated_gradient(steep, p0, tol=1e-9, steps=100)
    assert found.gap == INF
    torch.testing.assert_close(found.p, column([0.95, 0.0, 0.05]), rtol=0, atol=1e-6)


def test_gap_of_infinite_slopes():
    p = column([0.5, 0.5, 0.0])
    assert simplex_gap(p, column([1.0, 1.0, INF])) == 0
    assert simplex_gap(p, column([1.0, 1.0, -INF])) == INF
    assert simplex_gap(p, column([1.0, INF, 1.0])) == INF
    assert simplex_gap(p, column([1.0, NAN, 1.0])).isnan()


def test_a_step_far_too_long_is_refused_when_sought_and_diverges_when_fixed():
    w = column([1.0, 4.0, 9.0])

    def f(p):
        return (w / p).sum(-1)

    fixed = exponentiated_gradient(f, UNIFORM, tol=1e-9, lr=10.0, steps=300)
    assert not fixed.converged
    assert fixed.p.isfinite().all()
    assert exponentiated_gradient(f, UNIFORM, tol=1e-9).converged
    unit = exponentiated_gradient(lambda p: 1e12 * f(p), UNIFORM, tol=1e3)
    assert unit.converged
    assert unit.steps == exponentiated_gradient(lambda p: 1e-12 * f(p), UNIFORM, tol=1e-21).steps


def test_a_value_that_is_no_number_ends_the_row_where_it_was():
    def f(p):  # NaN below 0.2
        return torch.where(p[..., 0] < 0.2, NAN, p[..., 0])

    for name, options in (("multiply", dict(lr=0.5)), ("project", dict(lr=0.05)), ("away", {})):
        found = METHODS[name](f, torch.full((2, 2), 0.5, dtype=F64), tol=1e-9, steps=40, **options)
        assert found.p.isfinite().all()
        assert (found.value >= 0.2).all()
        assert not found.converged.any()


def test_no_probability_is_lost_where_it_underflows():
    weights = iter([column([2000.0, 0.0]), column([0.0, 4000.0])])

    def turns(p):  # another function at every step
        return p @ next(weights, column([0.0, 1.0]))

    found = exponentiated_gradient(turns, column([0.5, 0.5]), tol=0, steps=2, lr=1)
    assert found.history.value[1] == 4000  # p was (0, 1), and exp(-2000) is 0
    assert found.p.tolist() == [1, 0]


def test_em_leaves_out_what_is_impossible_and_padding():
    x = Draw(0).normal(20, 3)
    padded = torch.cat([x, torch.full((7, 3), -INF, dtype=F64)])
    one, other = em_mixture_weights(x), em_mixture_weights(padded)
    torch.testing.assert_close(one.p, other.p)
    torch.testing.assert_close(one.value, other.value)
    x[:, 1] = -INF
    found = em_mixture_weights(x)
    assert found.p[1] == 0
    assert found.converged
    nothing = em_mixture_weights(torch.full((2, 3), -INF))
    assert nothing.p.tolist() == pytest.approx([1 / 3] * 3)
    assert nothing.value == 0
    assert em_mixture_weights(torch.zeros(0, 2)).converged


def test_history_and_counts():
    f, calls = counted(distance)
    found = projected_gradient(f, UNIFORM, tol=1e-9)
    assert len(calls) == found.history.gap.shape[-1]
    assert found.steps < len(calls)  # some were taken back
    assert found.history.value[-1] == found.value
    assert found.history.gap[-1] == found.gap
    assert projected_gradient(distance, UNIFORM, tol=1e-9, steps=0).p.tolist() == UNIFORM.tolist()
    assert projected_gradient(distance, torch.zeros(0, 3), tol=0).p.shape == (0, 3)


def test_works_within_no_grad_and_records_nothing():
    scale = torch.tensor(2.0, dtype=F64, requires_grad=True)
    with torch.no_grad():
        found = projected_gradient(lambda p: scale * distance(p), UNIFORM, tol=1e-9)
    assert found.converged
    assert not found.value.requires_grad
    assert scale.grad is None


def test_bad_arguments_are_named():
    outside, nowhere = column([2.0, -1.0, 0.0]), column([NAN, 0.0])

    def flat(p):
        return p.detach().sum(-1)

    assert_refused(
        [
            (ValueError, "p0 must sum to 1", lambda: frank_wolfe(distance, 0.9 * UNIFORM, tol=0)),
            (ValueError, "p0 must be in", lambda: projected_gradient(distance, outside, tol=0)),
            (ValueError, "without a gradient", lambda: frank_wolfe(flat, UNIFORM, tol=0)),
            (ValueError, r"f\(p\) must have shape", lambda: frank_wolfe(lambda p: p, UNIFORM, tol=0)),
            (TypeError, r"f\(p\) must be a tensor", lambda: frank_wolfe(lambda p: 1.0, UNIFORM, tol=0)),
            (ValueError, "logits must have", lambda: softmax_gradient_descent(distance, nowhere, tol=0)),
            (ValueError, "step_size", lambda: frank_wolfe(distance, UNIFORM, tol=0, step_size="armijo")),
            (ValueError, "log_likelihood must have the axes", lambda: em_mixture_weights(X)),
            (TypeError, "tol", lambda: frank_wolfe(distance, UNIFORM)),
        ]
    )
