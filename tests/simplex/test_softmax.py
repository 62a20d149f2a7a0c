"""Softmax and its alternatives: what only this chapter knows."""

import math

import mpmath
import pytest
import torch
import torch.nn.functional as F
from helpers import F64, INF, NAN, Draw, assert_close, assert_refused, close, column, gradient
from torch.autograd import gradcheck, gradgradcheck

from lemmata.simplex import am_softmax_loss, entmax, entmax_loss, sparsemax, taylor_softmax, topk_softmax
from lemmata.simplex._softmax import rows, threshold

ALPHAS = [1, 1.0001, 1.05, 1.25, 1.5, 1.75, 2, 3, 10]
SCALES = [0.1, 1.0, 10.0]


def exact(x, alpha, digits=30):
    """alpha-entmax of a list of floats by bisection, in 30 digits (alpha = 1 in closed form)."""
    with mpmath.workdps(digits):
        x = [mpmath.mpf(v) for v in x]
        if alpha == 1:
            total = mpmath.fsum(mpmath.e ** (v - max(x)) for v in x)
            return [mpmath.e ** (v - max(x)) / total for v in x]
        a = mpmath.mpf(alpha) - 1
        low, high = max(x) * a - 1, max(x) * a

        def p(tau):
            return [max(0, a * v - tau) ** (1 / a) for v in x]

        for _ in range(90):
            middle = (low + high) / 2
            low, high = (middle, high) if mpmath.fsum(p(middle)) > 1 else (low, middle)
        return p(low)


def jacobian(function, x):
    return torch.func.jacrev(function)(x)


# --------------------------------------------------------------------------- identity


@pytest.mark.parametrize("alpha", ALPHAS)
def test_probabilities_sum_to_1_keep_the_order_and_ignore_a_shift(alpha):
    x = Draw(0).normal(7, 40, scale=3)
    p = entmax(x, alpha=alpha)
    assert (p >= 0).all()
    torch.testing.assert_close(p.sum(-1), torch.ones(7, dtype=F64), rtol=0, atol=1e-15)
    ranks = x.argsort(-1)
    assert (p.gather(-1, ranks).diff() >= 0).all()
    order = torch.randperm(40)
    torch.testing.assert_close(entmax(x[:, order], alpha=alpha), p[:, order], rtol=1e-12, atol=1e-16)
    torch.testing.assert_close(entmax(x + 1024, alpha=alpha), p, rtol=0, atol=1e-11)


@pytest.mark.parametrize("alpha", [1.05, 1.5, 2, 3])
def test_problem_has_no_better_point(alpha):
    def value(p):
        return (p * x).sum(-1) + (1 - p.pow(alpha).sum(-1)) / (alpha * (alpha - 1))

    x = Draw(0).normal(6)
    best = entmax(x, alpha=alpha)
    others = torch.distributions.Dirichlet(torch.full((6,), 0.3, dtype=F64)).sample((500,))
    near = best + 1e-3 * (others - best)
    assert (value(torch.cat([others, near])) < value(best)).all()


def test_alpha_1_is_softmax_to_the_bit_and_2_is_sparsemax():
    for dtype in (torch.float64, torch.float32, torch.bfloat16):
        x = Draw(0).normal(5, 300, scale=4, dtype=dtype)
        assert torch.equal(entmax(x, alpha=1), torch.softmax(x, -1))
        assert torch.equal(entmax(x, alpha=2), sparsemax(x))


@pytest.mark.parametrize("alpha", [1, 1.25, 1.5, 1.75, 2, 3])
def test_jacobian_is_that_of_the_statement(alpha):
    x = Draw(1).normal(8, scale=0.2)
    p = entmax(x, alpha=alpha)
    s = torch.where(p > 0, p ** (2 - alpha), 0.0)
    torch.testing.assert_close(
        jacobian(lambda x: entmax(x, alpha=alpha), x),
        torch.diag(s) - torch.outer(s, s) / s.sum(),
        rtol=1e-11,
        atol=1e-13,
    )


def test_softmax_jacobian_has_norm_at_most_one_half():
    J = jacobian(lambda x: entmax(x, alpha=1), column([0.0, 0.0]))
    close(torch.linalg.matrix_norm(J, 2).item(), 0.5)
    p = entmax(column([1.0, 0.0, -1.0]), alpha=1)
    J = jacobian(lambda x: entmax(x, alpha=1), column([1.0, 0.0, -1.0]))
    close(J.abs().sum().item() / 2, 1 - p.square().sum().item())


@pytest.mark.parametrize("alpha", [1.25, 1.5, 2, 3])
def test_one_entry_takes_all_exactly_from_a_gap_of_1_over_alpha_less_1(alpha):
    gap = 1 / (alpha - 1)
    assert entmax(column([gap, 0.0, -1.0]), alpha=alpha).tolist() == [1, 0, 0]
    less = entmax(column([gap - 1e-3, 0.0, -1.0]), alpha=alpha)
    assert less[0] < 1
    assert less[1] > 0
    assert entmax_loss(column([gap, 0.0]), torch.tensor(0), alpha=alpha) == 0
    assert entmax_loss(column([gap - 1e-3, 0.0]), torch.tensor(0), alpha=alpha) > 0


@pytest.mark.parametrize("alpha", [1.25, 1.5, 2, 3])
def test_bracket_holds_the_threshold(alpha):
    x = Draw(2).normal(20, 9, scale=2)
    u = x - x.amax(-1, keepdim=True)
    P = threshold.largest(u, alpha - 1)
    assert (P > 1 / 9 - 1e-12).all()  # the threshold is -P^a, in [-1, 0)
    assert (P <= 1).all()


@pytest.mark.parametrize("a", [1e-3, 0.05, 0.25, 0.5, 0.75, 1])
def test_newton_goes_one_way(a):
    u = Draw(3).normal(50, 200, scale=2)
    u = u - u.amax(-1, keepdim=True)
    steps = [torch.ones(50, 1, dtype=F64)]
    for _ in range(12):
        steps.append(threshold.newton(u, steps[-1], a))
    path = torch.cat(steps, -1)
    assert (path.diff() <= 1e-14 * path[:, 1:]).all()
    assert (path >= threshold.largest(u, a) * (1 - 1e-13)).all()


@pytest.mark.parametrize("a", [1e-4, 0.05, 0.25, 0.5, 0.75, 1])
@pytest.mark.parametrize("rise", [0.01, 0.3, 1.0, 3.0, 10.0, 100.0])
def test_newton_ends_soon(a, rise):
    """Well before the last of its rounds, whatever the row: bell curves, lines, a few above a crowd."""
    n = 4000
    line = torch.linspace(-1, 0, n, dtype=F64).expand(3, n)
    crowd = torch.where(torch.arange(n) < 5, 0.0, -0.01 - Draw(1).uniform(n)).expand(3, n)
    u = torch.cat([Draw(0).normal(5, n), line**3, line, crowd, -(torch.rand(2, n, dtype=F64) ** 9)]) * rise
    u = u - u.amax(-1, keepdim=True)
    P = torch.ones(len(u), 1, dtype=F64)
    for _ in range(threshold.ROUNDS - 4):
        P = threshold.newton(u, P, a)
    torch.testing.assert_close(threshold.newton(u, P, a), P, rtol=1e-13, atol=0)


def test_taylor_and_top_k_on_small_rows():
    assert taylor_softmax(column([1.0, 0.0, -1.0])).tolist() == [5 / 8, 1 / 4, 1 / 8]
    x = column([3.0, 2.0, 1.0, 0.0])
    torch.testing.assert_close(topk_softmax(x, 2)[:2], torch.softmax(x[:2], -1))
    assert topk_softmax(x, 2)[2:].tolist() == [0, 0]
    assert torch.equal(topk_softmax(x, 9), torch.softmax(x, -1))
    assert topk_softmax(x, 1).tolist() == [1, 0, 0, 0]


def test_entries_that_tie_for_the_last_place_all_stay():
    x = column([1.0, 0.0, 0.0, -1.0])
    for order in ([0, 1, 2, 3], [3, 2, 1, 0], [1, 0, 3, 2]):
        p = topk_softmax(x[order], 2)
        expected = torch.where(x[order] < 0, 0.0, p.amax() * torch.exp(x[order] - 1))
        torch.testing.assert_close(p, expected)
        assert (p > 0).sum() == 3


def test_taylor_is_neither_monotone_nor_blind_to_a_shift():
    assert_close(taylor_softmax(column([-3.0, -1.0])), [5 / 6, 1 / 6], 1e-15)
    assert_close(taylor_softmax(column([[1.0, 0.0], [2.0, 1.0]])), [5 / 7, 2 / 7, 2 / 3, 1 / 3], 1e-15)


@pytest.mark.parametrize("order", [2, 4, 6, 20, 40])
def test_taylor_is_positive_and_tends_to_softmax(order):
    x = torch.linspace(-30, 30, 601)
    assert (taylor_softmax(x, order=order) > 0).all()
    small = column([0.5, -0.25, 0.125])
    near = (taylor_softmax(small, order=order) - torch.softmax(small, -1)).abs().max()
    assert near < 0.5**order / math.factorial(order) + 1e-15


def test_margin_loss_is_cross_entropy_of_moved_scores():
    c, t = Draw(0).uniform(5, 7, low=-1), Draw(1).below(7, 5)
    moved = 12.0 * (c - 0.3 * F.one_hot(t, 7))
    torch.testing.assert_close(am_softmax_loss(c, t, margin=0.3, scale=12.0), F.cross_entropy(moved, t))
    one = am_softmax_loss(column([0.5, 0.3, 0.1]), torch.tensor(0), margin=0.2, scale=10.0)
    close(one.item(), 0.758623675679513471, 1e-14)
    even = am_softmax_loss(column([0.75, 0.5]), torch.tensor(0), margin=0.25, scale=8.0)
    close(even.item(), math.log(2))


# --------------------------------------------------------------------------- agreement


@pytest.mark.parametrize(
    ("x", "alpha", "p"),
    [
        ([1, 0, -1], 1, [0.665240955774822, 0.244728471054798, 0.0900305731703805]),
        ([1, 0, -1], 1.25, [0.750700303053256, 0.214849511543484, 0.0344501854032605]),
        ([1, 0, -1], 1.5, [0.5 + 7**0.5 / 8, 0.5 - 7**0.5 / 8, 0]),
        ([1, 0, -1], 2, [1, 0, 0]),
        ([0.5, 0, -0.25], 2, [0.75, 0.25, 0]),
        ([0.5, 0, -0.25], 1.5, [0.584056667779971, 0.264438666444006, 0.151504665776023]),
        ([1, 0.8, 0.1], 2, [0.6, 0.4, 0]),
        ([1, 0.8, 0.1], 1.5, [0.529247894322733, 0.39374904287397, 0.0770030628032976]),
        ([0.3, 0.2, 0.1], 2, [13 / 30, 1 / 3, 7 / 30]),
    ],
)
def test_reference_numbers(x, alpha, p):
    assert_close(entmax(column([float(v) for v in x]), alpha=alpha), p, 2e-14, 1e-16)


def test_reference_numbers_of_losses():
    x, y = column([1.0, 0.0, -1.0]).expand(3, 3), column([0.5, 0.0, -0.25]).expand(3, 3)
    t = torch.arange(3)
    for scores, alpha, first in ((x, 1, 0.407605964444380), (x, 2, 0.0), (x, 1.5, 0.0616558676061611)):
        losses = entmax_loss(scores, t, alpha=alpha, reduction="none")
        assert_close(losses, [first, first + 1, first + 2], 1e-14, 1e-15)
    assert_close(entmax_loss(y, t, alpha=2, reduction="none"), [1 / 16, 9 / 16, 13 / 16], 1e-15)


def test_reference_row_of_a_jacobian():
    J = jacobian(entmax, column([1.0, 0.0, -0.2]))
    assert_close(J[0], [0.377902579846, -0.217501691521, -0.160400888324], 1e-10)


@pytest.mark.parametrize("alpha", ALPHAS)
@pytest.mark.parametrize("scale", SCALES)
def test_entmax_agrees_with_bisection_in_30_digits(alpha, scale):
    """Also with the ties that rounding to a sixteenth makes, and by candidates, from 128 entries on."""
    for n in (3, 131):
        x = (Draw(n).normal(n, scale=scale) * 16).round() / 16
        p = exact(x.tolist(), alpha)
        assert_close(entmax(x, alpha=alpha), p, 0.0, 1e-13)
        single = entmax(x.float(), alpha=alpha)
        assert_close(single, p, 0.0, 8 * 2**-24)


@pytest.mark.parametrize("alpha", [*ALPHAS, 40, 1e13])
def test_equal_entries_share_equally(alpha):
    n = 100_000 if alpha < 3 else 1000
    for dtype in (F64, torch.float32):
        p = entmax(torch.full((n,), 3.0, dtype=dtype), alpha=alpha)
        torch.testing.assert_close(
            p, torch.full_like(p, 1 / n), rtol=1e-6 if dtype == torch.float32 else 1e-13, atol=0
        )


@pytest.mark.parametrize("alpha", [1.25, 1.5, 2, 3])
@pytest.mark.parametrize("n", [100, 200, 1000, 4099])
@pytest.mark.parametrize("scale", SCALES)
def test_candidates_are_enough(alpha, n, scale):
    """Values and gradients are those of whole rows, masked or not, however many candidates there are."""
    x = Draw(n).normal(4, n, scale=scale)
    x[1, ::2] = -INF
    x[2] = -INF
    x[3] = x[3].sort().values
    g = Draw(0).normal(4, n)
    p, dx = entmax(x, alpha=alpha), gradient(lambda x: entmax(x, alpha=alpha), x, g)
    plain, live = rows._plain(x, alpha - 1)
    torch.testing.assert_close(p, plain, rtol=1e-10, atol=1e-14)
    torch.testing.assert_close(dx, rows._slope(plain, live, g, alpha - 1), rtol=1e-7, atol=1e-12)


@pytest.mark.parametrize("alpha", [1, 1.5, 2, 3])
def test_losses_are_those_of_the_definition(alpha):
    """For classes and soft labels: value, gradient p - q, at least 0."""
    x, q = Draw(0).normal(6, 5), torch.softmax(Draw(1).normal(6, 5, scale=3), -1)

    def omega(p):
        some = p.clamp(min=1e-300)
        return ((some * some.log()) if alpha == 1 else (p**alpha - p) / (alpha * (alpha - 1))).sum(-1)

    t = Draw(2).below(5, 6)
    p = entmax(x, alpha=alpha)
    for target, labels in ((q, q), (t, F.one_hot(t, 5).double())):
        loss = entmax_loss(x, target, alpha=alpha, reduction="none")
        expected = ((p - labels) * x).sum(-1) - omega(p) + omega(labels)
        torch.testing.assert_close(loss, expected, rtol=1e-12, atol=1e-14)
        assert (loss >= 0).all()
        slope = gradient(lambda x, target=target: entmax_loss(x, target, alpha=alpha, reduction="sum"), x)
        torch.testing.assert_close(slope, p - labels, rtol=1e-12, atol=1e-14)
    assert_close(entmax_loss(x, p, alpha=alpha, reduction="none"), [0.0] * 6, 0.0, 1e-15)


def test_alpha_1_is_cross_entropy_less_the_entropy_of_the_labels():
    x, t = Draw(0).normal(6, 5), Draw(1).below(5, 6)
    q = torch.softmax(Draw(2).normal(6, 5), -1)
    torch.testing.assert_close(entmax_loss(x, t, alpha=1), F.cross_entropy(x, t))
    entropy = torch.special.entr(q).sum(-1).mean()
    torch.testing.assert_close(entmax_loss(x, q, alpha=1), F.cross_entropy(x, q) - entropy)


@pytest.mark.parametrize("alpha", [1, 1.5, 2])
def test_loss_is_convex(alpha):
    x, y, t = Draw(0).normal(200, 6, scale=3), Draw(1).normal(200, 6, scale=3), Draw(2).below(6, 200)

    def loss(x):
        return entmax_loss(x, t, alpha=alpha, reduction="none")

    assert (loss((x + y) / 2) <= (loss(x) + loss(y)) / 2 + 1e-14).all()


def test_losses_count_rows_as_torch_does():
    x, t = Draw(0).normal(2, 3, 5), torch.tensor([[0, -100, 4], [2, 1, -100]])
    x[0, 1] = NAN
    counted = (t != -100).sum()
    for alpha in (1, 1.5):
        rows_ = entmax_loss(x, t, alpha=alpha, reduction="none")
        assert rows_[t == -100].tolist() == [0, 0]
        mean = entmax_loss(x, t, alpha=alpha)
        torch.testing.assert_close(mean, rows_.sum() / counted)
        slope = gradient(lambda x, alpha=alpha: entmax_loss(x, t, alpha=alpha), x)
        assert (slope[t == -100] == 0).all()
    torch.testing.assert_close(entmax_loss(x, t, alpha=1), F.cross_entropy(x.movedim(-1, 1).nan_to_num(), t))
    assert entmax_loss(x, torch.full_like(t, -100)).isnan()
    assert entmax_loss(x[:0], t[:0]).isnan()
    assert entmax_loss(x, torch.full_like(t, 7), ignore_index=7, reduction="sum") == 0


# --------------------------------------------------------------------------- failure


@pytest.mark.parametrize("alpha", [1, 1.25, 1.5, 2, 3])
def test_masked_entries_are_0_with_gradient_0(alpha):
    x = column([1.0, -INF, 0.5, -INF])
    kept = [0, 2]
    p = entmax(x, alpha=alpha)
    assert p[[1, 3]].tolist() == [0, 0]
    torch.testing.assert_close(p[kept], entmax(x[kept], alpha=alpha))
    weights = column([1.0, 5.0, 2.0, INF])
    slope = gradient(lambda x: entmax(x, alpha=alpha), x, weights if alpha > 1 else weights.clamp(max=9))
    assert slope[[1, 3]].tolist() == [0, 0]
    close(slope.sum().item(), 0.0)


@pytest.mark.parametrize("alpha", [1, 1.25, 1.5, 2, 3])
@pytest.mark.parametrize("n", [3, 200])
def test_rows_of_infinities_and_nan(alpha, n):
    x = torch.zeros(5, n)
    x[4] = Draw(0).normal(n, scale=5)
    x[0] = -INF
    x[1, :2] = INF
    x[1, 2] = -INF
    x[2, 0] = NAN
    p = entmax(x, alpha=alpha)
    assert (p[0] == 0).all()
    assert p[1].tolist() == [0.5, 0.5, *[0.0] * (n - 2)]
    assert p[2].isnan().all()
    torch.testing.assert_close(p[3], torch.full((n,), 1 / n))
    slope = gradient(lambda x: entmax(x, alpha=alpha), x, torch.arange(5.0 * n).view(5, n))
    assert (slope[:2] == 0).all()
    assert slope[2].isnan().all()
    assert slope[3:].isfinite().all()


@pytest.mark.parametrize("alpha", [1.5, 2, 3])
@pytest.mark.parametrize("n", [127, 128, 129, 1000])
def test_blocks_of_masked_rows_are_0_and_a_nan_spoils_its_row(alpha, n):
    def of(x):
        return entmax(x, alpha=alpha)

    masked, g = torch.full((3, n), -INF), Draw(1).normal(3, n)
    assert (of(masked) == 0).all()
    assert (gradient(of, masked, g) == 0).all()
    x = Draw(0).normal(3, n, scale=5)
    x[1, 7] = NAN
    slope = gradient(of, x, g)
    assert slope[1].isnan().all()
    assert slope[[0, 2]].isfinite().all()


def test_nan_spoils_the_gradient_of_its_row_under_taylor():
    x = torch.tensor([[NAN, 0.0, 0.0], [1.0, 0.0, 0.0]])
    slope = gradient(taylor_softmax, x, torch.ones(2, 3))
    assert slope[0].isnan().all()
    assert slope[1].isfinite().all()


def test_masked_targets_cost_infinity_and_masked_rows_do_not_move():
    x, t = column([[0.0, -INF, 1.0], [-INF, -INF, -INF]]), torch.tensor([1, 0])
    for alpha in (1, 1.5, 2):
        loss = entmax_loss(x, t, alpha=alpha, reduction="none")
        assert loss.tolist() == [INF, INF]
        slope = gradient(lambda x, alpha=alpha: entmax_loss(x, t, alpha=alpha, reduction="sum"), x)
        assert not slope.isnan().any()
        assert slope[1].tolist() == [0, 0, 0]
        assert entmax_loss(x[0], torch.tensor(2), alpha=alpha).isfinite()
        assert entmax_loss(x[0], column([0.5, 0.0, 0.5]), alpha=alpha).isfinite()


def test_large_offsets_keep_their_unit():
    x = torch.tensor([1e8, 1e8 - 8, 0.0]) + torch.tensor([0.0, 0.0, 0.0])
    for alpha in (1.0001, 1.05, 1.5, 2):
        expected = entmax(torch.tensor([0.0, -8.0, -1e8]).double(), alpha=alpha)
        torch.testing.assert_close(entmax(x, alpha=alpha).double(), expected, rtol=0, atol=1e-6)
    x, t = torch.tensor([1.0, 0.0, -1.0]) + 2.0**20, torch.tensor(1)  # entmax 1.3 gives 0.98 for its loss
    close(entmax_loss(x, t).item(), 1.0616558676, 1e-6)
    close(entmax_loss(x, t, alpha=1).item(), 1.40760596444, 1e-6)
    huge = torch.tensor([3e38, -3e38, 2e38], requires_grad=True)
    assert entmax(huge).tolist() == [1, 0, 0]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("alpha", [1, 1.25, 1.5, 2])
def test_half_types_sum_to_1_within_their_rounding(dtype, alpha):
    """As many roundings as there are entries in the support; summed and sought in float32."""
    x = Draw(0).normal(16, 500, dtype=dtype)
    p = entmax(x, alpha=alpha)
    assert torch.equal(p, entmax(x.float(), alpha=alpha).to(dtype))
    assert ((p.double().sum(-1) - 1).abs() < 0.5 * torch.finfo(dtype).eps).all()


def test_any_axis_may_be_the_one_of_entries():
    x = Draw(0).normal(3, 70, 2)
    for dim in (0, 1, 2, -1, -2, -3):
        p = entmax(x, dim=dim)
        torch.testing.assert_close(p, entmax(x.movedim(dim, -1)).movedim(-1, dim), rtol=0, atol=1e-15)
        assert p.shape == x.shape


def test_second_derivatives_are_right_beside_zeros():
    """The square root of a probability has an infinite slope at 0; other libraries have NaN there."""
    x = column([0.9, 0.0, -1.0, -5.0]).requires_grad_()
    for alpha in (1.25, 1.5, 1.75, 2):
        assert gradcheck(lambda x, alpha=alpha: entmax(x, alpha=alpha), x)
        assert gradgradcheck(lambda x, alpha=alpha: entmax(x, alpha=alpha), x)


def test_an_entry_that_joins_at_infinite_slope_gets_its_share():
    """No float32 is a threshold at which the sum is near 1: entmax 1.3 gives 0.75 for the first."""
    x = torch.tensor([0.0, -0.0625, -0.0625, -2.0])
    expected = exact(x.tolist(), 10)
    assert_close(entmax(x, alpha=10), expected, 0.0, 1e-6)
    p = torch.func.jvp(lambda x: entmax(x, alpha=10), (x,), (x,))[0]
    assert_close(p, expected, 0.0, 1e-6)


def test_a_slope_far_above_the_others_cancels_nothing():
    """At alpha = 3 an entry that is about to leave has s = 1/p: 1e9 here."""
    x = column([0.5 - 1e-9, 0.0])
    J = jacobian(lambda x: entmax(x, alpha=3), x)  # p^2 - (1 - p)^2 = 2 (x_1 - x_2) is linear
    assert_close(J, [1.0, -1.0, -1.0, 1.0], 1e-6)
    torch.testing.assert_close(J.sum(-1), torch.zeros(2, dtype=F64), rtol=0, atol=1e-6)


def test_loss_of_top_k_is_finite_where_the_probability_is_0():
    """The paper's loss is no logarithm of this probability, which is 0 outside."""
    x = column([3.0, 2.0, 1.0, 0.0])
    assert topk_softmax(x, 2)[3] == 0
    close((torch.logsumexp(x[:2], -1) - x[3]).item(), 3.313261687518223)
    assert gradient(lambda x: topk_softmax(x, 2), x, column([1.0, 2.0, 3.0, 4.0]))[2:].tolist() == [0, 0]


@pytest.mark.parametrize("function", [entmax, sparsemax, taylor_softmax, lambda x: topk_softmax(x, 2)])
def test_what_is_no_row_is_refused(function):
    assert_refused(
        [
            (TypeError, "x must be float64", lambda: function(torch.arange(3))),
            (TypeError, "x must be float64", lambda: function(torch.tensor([True]))),
            (ValueError, "x must have at least one entry along dim", lambda: function(torch.ones(3, 0))),
        ]
    )
    assert function(torch.ones(0, 3)).shape == (0, 3)
    assert function(torch.ones(0, 70)).shape == (0, 70)


def test_wrong_settings_are_refused():
    x, t = torch.zeros(2, 3), torch.tensor([0, 1])
    assert_refused(
        [
            *(
                (ValueError, "alpha must be in", lambda alpha=alpha: entmax(x, alpha=alpha))
                for alpha in (0.99, -1, NAN, INF)
            ),
            (ValueError, "order must be even", lambda: taylor_softmax(x, order=3)),
            (ValueError, "order must be at least 2", lambda: taylor_softmax(x, order=0)),
            (ValueError, "k must be at least 1", lambda: topk_softmax(x, 0)),
            (ValueError, r"target must be in \[0, 3\)", lambda: entmax_loss(x, t + 2)),
            (ValueError, "target must sum to 1", lambda: entmax_loss(x, torch.full((2, 3), 0.3))),
            (ValueError, r"target must be in \[0, 1\]", lambda: entmax_loss(x, torch.full((2, 3), -0.3))),
            (ValueError, "target must have shape", lambda: entmax_loss(x, t[:1])),
            (TypeError, "target must be int64", lambda: entmax_loss(x, t.int())),
            (TypeError, "target must be int64", lambda: am_softmax_loss(x, torch.zeros(2, 3))),
            (ValueError, "input must have at least one entry", lambda: entmax_loss(x[:, :0], t)),
            (ValueError, "scale must be finite", lambda: am_softmax_loss(x, t, scale=INF)),
            (ValueError, "margin must be finite", lambda: am_softmax_loss(x, t, margin=1e300)),
            (ValueError, "order must be at most 40", lambda: taylor_softmax(x, order=42)),
        ]
    )
