"""Alternating normalisation: what only this chapter knows."""

import math
from fractions import Fraction as Q

import mpmath
import pytest
import torch
from helpers import F64, NAN, Draw, assert_close, assert_derivatives, assert_refused, close, column

from lemmata.classification import alternating_normalization, can_calibrate, match_prior, topk_entropy
from lemmata.simplex import em_mixture_weights, entropy

HALF = column([0.5, 0.5])
SURE = column([[0.05, 0.95]])


def stacked(b, a, q, alpha, steps):
    """The definition, on a stack that is built: all rows after the steps."""
    L = torch.cat([a, b[None]])
    for _ in range(steps):
        L = L**alpha
        L = L * len(L) * q / L.sum(0)
        L = L / L.sum(-1, keepdim=True)
    return L


@pytest.fixture
def stack():
    draw = Draw(7)
    return draw.normal(5, 4).softmax(-1), draw.normal(7, 4).softmax(-1), draw.normal(4).softmax(-1)


# --------------------------------------------------------------------------- identity


def test_steps_of_the_example():
    """Theorem alternating-step, and its continuation."""
    wanted = [Q(29, 40), Q(499, 638), Q(7631, 9520), Q(112201, 138722)]
    for count, want in enumerate(wanted, 1):
        assert_close(alternating_normalization(HALF, SURE, HALF, num_iters=count), [want, 1 - want], 1e-14)
    rows = match_prior(torch.cat([SURE, HALF[None]]), HALF, num_iters=1)
    assert_close(rows[0], [0.121848739496, 0.878151260504], 1e-11)


@pytest.mark.parametrize("eps", [0.05, 0.3])
@pytest.mark.parametrize("n", [0, 1, 2, 5, 100])
def test_copies_of_one_sure_row(n, eps):
    sure = column([[eps, 1 - eps]]).expand(n, 2)
    found = alternating_normalization(HALF, sure, HALF)[0].item()
    close(found, (2 * n * (1 - eps) + 1) / (2 * (n + 1)))


def test_three_classes():
    sure, b = column([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1]]), column([0.4, 0.35, 0.25])
    cases = [
        ([1 / 3] * 3, 1, [Q(225, 836), Q(819, 3344), Q(1625, 3344)]),
        ([0.5, 0.25, 0.25], 1, [Q(450, 1061), Q(819, 4244), Q(1625, 4244)]),
        ([1 / 3] * 3, 2, [Q(9064, 51103), Q(14553, 102206), Q(69525, 102206)]),
    ]
    for q, alpha, want in cases:
        assert_close(alternating_normalization(b, sure, column(q), alpha=alpha), want, 1e-14)


def test_no_sure_row_gives_the_prior_of_the_classes_that_are_left():
    q, nobody = column([0.5, 0.3, 0.2]), column([]).reshape(0, 3)
    assert_close(alternating_normalization(column([0.1, 0.2, 0.7]), nobody, q), q.tolist(), 1e-15)
    assert_close(alternating_normalization(column([0.1, 0.0, 0.9]), nobody, q), [5 / 7, 0, 2 / 7], 1e-15)


def test_limit_of_a_pair():
    """Theorem alternating-pair: the limit, and the factor of every step."""
    close(alternating_normalization(HALF, SURE, HALF, num_iters=60)[0].item(), 0.8133945031366292471, 1e-15)
    s = math.sqrt(19)
    rho = ((s - 1) / (s + 1)) ** 2
    for k in range(1, 12):
        b = alternating_normalization(HALF, SURE, HALF, num_iters=k)
        t = (b[0] / b[1]).item()
        close((t - s) / (t + s), (1 - s) / (1 + s) * rho**k, 1e-13)


@pytest.mark.parametrize(("n", "q0"), [(1, 0.5), (3, 0.25), (1, 0.3), (2, 0.6), (1, 0.9)])
def test_three_speeds_of_zeros(n, q0):
    """Theorem alternating-zero."""
    q, sure = column([q0, 1 - q0]), column([[0.0, 1.0]]).expand(n, 2)
    rho, u = (1 - q0) / q0, 1.0
    for k in range(1, 60):
        u = (n * u + n + 1) / rho
        b = alternating_normalization(HALF, sure, q, num_iters=k)
        close((b[0] / b[1]).item() / u, 1.0, 1e-12)
    if (n, q0) == (1, 0.5):
        late = alternating_normalization(HALF, sure, q, num_iters=2000)[1].item()
        close(late / (1 / 4002), 1.0, 1e-10)
        close(late, 2.49875e-4, 1e-8)


def test_the_means_tell_that_the_prior_is_not_met():
    """The check that the page advises: after 100 steps b_1 is 1/202, and a prior may be out of reach."""
    rows = column([[0.0, 1.0], [0.5, 0.5]])
    made = match_prior(rows, HALF)
    close(made[1, 1].item(), 1 / 202)
    close((made.mean(0) - HALF).abs().max().item(), 1 / 404)
    within = column([0.3, 0.7])  # below 1/(n+1): met, with b_0 = (n+1) q_0
    assert_close(match_prior(rows, within)[1], [0.6, 0.4], 1e-14)
    assert_close(match_prior(rows, column([0.9, 0.1])).mean(0), [0.5, 0.5], 1e-14)


def test_one_row_shows_the_factors_of_all(stack):
    """Theorem alternating-factors, as the page uses it for rows that come one by one."""
    _, a, q = stack
    made = match_prior(a, q)
    again = a * (made[3] / a[3])
    torch.testing.assert_close(again / again.sum(-1, keepdim=True), made)


def test_a_prior_that_cannot_be_met_leaves_no_row_out():
    """After 400 steps the factor would be 9 to minus that; the sure row still holds its class."""
    sure, q = column([[0.0, 1.0]]), column([0.9, 0.1])
    assert_close(alternating_normalization(HALF, sure, q, num_iters=400), [1.0, 0.0], 1e-15, 1e-25)
    rows = torch.cat([sure, HALF[None]])
    assert_close(match_prior(rows, q, num_iters=400), [0.0, 1.0, 1.0, 0.0], 1e-15, 1e-25)
    by_float32 = torch.vmap(lambda p: match_prior(p, q.float(), num_iters=400))(rows[None].float())
    assert_close(by_float32, [0.0, 1.0, 1.0, 0.0], 1e-15, 1e-25)  # in logarithms


def test_a_prior_that_is_met_changes_nothing(stack):
    """Proposition alternating-columns."""
    _, a, q = stack
    fixed = match_prior(a, q, num_iters=400)
    torch.testing.assert_close(fixed.mean(0), q)
    torch.testing.assert_close(match_prior(a, a.mean(0)), a)
    torch.testing.assert_close(match_prior(fixed, q, num_iters=1), fixed)
    apart = torch.eye(2, dtype=F64)  # no class in common
    assert torch.equal(match_prior(apart, column([0.3, 0.7])), apart)
    empty = column([[0.5, 0.5, 0.0]] * 2)  # a column of zeros
    torch.testing.assert_close(match_prior(empty, column([0.25, 0.25, 0.5])), empty)


def test_balanced_rows_keep_the_order():
    draw = Draw(3)
    """Proposition alternating-balance."""
    b, a = draw.normal(50, 4).softmax(-1), torch.full((9, 4), 0.25, dtype=F64)
    found = alternating_normalization(b, a, a[0])
    assert torch.equal(found.argsort(-1), b.argsort(-1))
    assert (found.amax(-1) <= b.amax(-1)).all()
    close((found / (b / (b + 9 / 4)) * (b / (b + 9 / 4)).sum(-1, keepdim=True)).max().item(), 1.0)


def test_small_exponents_end_at_the_prior(stack):
    """Theorem alternating-exponent."""
    b, a, q = stack
    cautious = alternating_normalization(b, a, q, alpha=0.5, num_iters=60)
    torch.testing.assert_close(cautious, q.expand_as(b))
    one_zero = alternating_normalization(HALF, column([[0.0, 1.0]]), HALF, alpha=0.5, num_iters=200)
    assert_close(one_zero, [0.75, 0.25], 1e-14)  # a zero stays: not the prior
    bold = alternating_normalization(b, a, q, alpha=2, num_iters=400)
    torch.testing.assert_close(bold, alternating_normalization(b, a, q, alpha=2, num_iters=40))
    assert bold.amax(-1).min() < 0.95  # and large ones not at single classes


def exactly(b, a, q, alpha, steps):
    """The last row of the stack after the steps, with 60 digits."""
    with mpmath.workdps(60):
        L = [[mpmath.mpf(v) for v in row] for row in [*a, b]]
        for _ in range(steps):
            L = [[v**alpha for v in row] for row in L]
            sums = [sum(column) for column in zip(*L, strict=True)]
            L = [[v * w / s for v, w, s in zip(row, q, sums, strict=True)] for row in L]
            L = [[v / sum(row) for v in row] for row in L]
    return L[-1]


def test_a_larger_exponent_need_not_end_at_single_classes():
    """Theorem alternating-exponent: only cross-ratios tend to 0 or infinity."""
    b, a, q = [0.3, 0.7], [[0.001, 0.999]] * 2, [0.05, 0.95]
    for steps in (8, 9, 10, 11, 12, 500):
        found = alternating_normalization(column(b), column(a), column(q), alpha=2.0, num_iters=steps)
        if steps <= 12:
            assert_close(found, exactly(b, a, q, 2, steps), 1e-12)
        close(found[0].item(), 0.17056, 1e-4)


THIRDS = [1 / 3] * 3
STEEP = [  # b, sure rows, prior, exponent, steps
    ([0.6, 0.35, 0.05], [[0.7, 0.26, 0.04]], THIRDS, 16, 1),
    ([0.9, 0.09, 0.01], [], THIRDS, 16, 1),
    ([0.9, 0.0999, 1e-4], [], THIRDS, 8, 1),
    ([0.98, 0.02], [[0.97, 0.03]], [0.5, 0.5], 2, 7),
    ([0.5, 0.4, 0.1], [[0.6, 0.3, 0.1], [0.2, 0.2, 0.6]], THIRDS, 1.5, 13),
]


@pytest.mark.parametrize("case", STEEP)
def test_steep_powers_against_mpmath(case):
    b, a, q, alpha, steps = case
    sure = column(a).reshape(-1, len(b))
    found = alternating_normalization(column(b), sure, column(q), alpha=alpha, num_iters=steps)
    assert_close(found, exactly(b, a, q, alpha, steps), 1e-11)
    if not a:
        assert_close(found, q, 1e-14)


def test_steep_powers_have_these_values():
    """The same as numbers, which another formula gave."""
    found = [
        alternating_normalization(column(b), column(a).reshape(-1, len(b)), column(q), alpha=p, num_iters=k)
        for b, a, q, p, k in STEEP
    ]
    assert_close(found[0], [0.038, 0.485, 0.476], 0, 1e-3)
    close(found[3][1].item() / 2.6e-12, 1.0, 0.02)


def test_factors_of_any_size_in_float32():
    """A factor of 1e33 is one: nothing is clamped."""
    z = torch.tensor([[0.0, -75, -1], [0, -75, -2], [0, -75, -0.5]]).softmax(-1)
    q = torch.tensor([0.3, 0.3, 0.4])
    exact = match_prior(z.double(), q.double())
    torch.testing.assert_close(match_prior(z, q).double(), exact, rtol=1e-4, atol=1e-6)
    assert_close(match_prior(z, q)[0], [0.285, 0.285, 0.429], 0, 1e-3)
    tiny, half = torch.tensor([[1.0, 1e-35]] * 2), torch.tensor([0.5, 0.5])
    assert_close(match_prior(tiny, half), [0.5] * 4, 1e-5)
    nobody, rare = torch.empty(0, 2), torch.tensor([1.0, 1e-38])
    torch.testing.assert_close(alternating_normalization(half, nobody, rare), rare, rtol=1e-4, atol=0)


def test_slopes_of_the_smallest_numbers():
    """The slope of the logarithm of 1e-42 is inf in float32; that of the result is not."""
    p = torch.tensor([[1.0, 1e-42], [0.5, 0.5], [0.3, 0.7]]).requires_grad_()
    for result in (match_prior(p, HALF.float()), alternating_normalization(p, p[2:], HALF.float())):
        (slope,) = torch.autograd.grad(result[:, 0].sum(), p)
        assert not slope.isnan().any()
        assert slope[1:].isfinite().all()


def test_entropy_of_the_largest():
    """Proposition alternating-entropy."""
    p = column([[0.5, 0.25, 0.25], [0.5, 0.5, 0.0]])
    assert_close(topk_entropy(p, 3, normalize=False), [1.03972077083992, 0.693147180559945], 1e-14)
    assert_close(topk_entropy(p, 2), [0.91829583405449, 1.0], 1e-14)
    assert_close(topk_entropy(p, 2, renormalize=False), [0.630929753571457] * 2, 1e-14)
    assert topk_entropy(p, 1).tolist() == [0, 0]
    torch.testing.assert_close(topk_entropy(p, 3, normalize=False), entropy(p))
    torch.testing.assert_close(topk_entropy(p, 9), topk_entropy(p, 3))
    torch.testing.assert_close(topk_entropy(p), topk_entropy(p, 3))


def test_doubtful_rows_do_not_see_each_other(stack):
    b, a, q = stack
    p = torch.cat([column([[0.97, 0.01, 0.01, 0.01]]), b, column([[0.01, 0.01, 0.97, 0.01]])])
    at = topk_entropy(p, 2)[2].item()  # inclusive: this row is doubtful
    found = can_calibrate(p, q, k=2, threshold=at, alpha=1.5, num_iters=3)
    doubt = topk_entropy(p, 2) >= at
    assert doubt[2]
    assert 0 < doubt.sum() < len(p)
    torch.testing.assert_close(found[~doubt], p[~doubt], rtol=0, atol=0)
    expected = alternating_normalization(p[doubt], p[~doubt], q, alpha=1.5, num_iters=3)
    torch.testing.assert_close(found[doubt], expected)
    torch.testing.assert_close(can_calibrate(p, q, threshold=0), q.expand_as(p))
    default = can_calibrate(p, q)
    torch.testing.assert_close(default, can_calibrate(p, q, k=3, threshold=0.9, alpha=1.0, num_iters=1))
    wide = alternating_normalization(b.reshape(5, 1, 4), a, q)
    torch.testing.assert_close(wide[:, 0], alternating_normalization(b, a, q))


# --------------------------------------------------------------------------- agreement


@pytest.mark.parametrize("alpha", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("steps", [1, 2, 5])
def test_factors_are_the_stack(stack, alpha, steps):
    """Theorem alternating-factors: what is kept is enough."""
    b, a, q = stack
    found = alternating_normalization(b, a, q, alpha=alpha, num_iters=steps)
    for row, got in zip(b, found, strict=True):
        torch.testing.assert_close(got, stacked(row, a, q, alpha, steps)[-1], rtol=1e-12, atol=1e-15)


def test_matching_is_the_stack(stack):
    _, a, q = stack
    torch.testing.assert_close(match_prior(a, q, num_iters=3), stacked(a[-1], a[:-1], q, 1.0, 3))
    torch.testing.assert_close(match_prior(a, q), match_prior(a, q, num_iters=100), rtol=0, atol=0)


def test_many_steps_against_mpmath(stack):
    b, a, q = ([[mpmath.mpf(v) for v in row] for row in x.reshape(-1, 4).tolist()] for x in stack)
    (q,) = q
    with mpmath.workdps(40):
        L = [*a, b[0]]
        for _ in range(12):
            sums = [sum(row[j] for row in L) for j in range(4)]
            L = [[row[j] * q[j] / sums[j] for j in range(4)] for row in L]
            L = [[v / sum(row) for v in row] for row in L]
    found = alternating_normalization(*stack, num_iters=12)[0]
    assert_close(found, L[-1], 1e-12)


def test_the_limit_answers_as_em_does(stack):
    """Theorem alternating-em."""
    rows = torch.cat(stack[:2]).repeat(3, 1) ** 3
    rows = rows / rows.sum(-1, keepdim=True)
    pi = column([0.4, 0.3, 0.2, 0.1])
    shares = em_mixture_weights((rows / pi).log(), tol=1e-13, steps=20000).p
    assert shares.min() > 1e-3
    by_em = rows / pi * shares
    by_em = by_em / by_em.sum(-1, keepdim=True)
    torch.testing.assert_close(by_em.mean(0), shares)
    torch.testing.assert_close(match_prior(rows, shares, num_iters=2000), by_em)


def test_the_limit_is_bayes_without_the_shares_of_training():
    """Theorem alternating-bayes, on a law of 6 symptoms that is met exactly."""
    f = torch.tensor([[5, 1, 1, 1, 1, 1], [1, 4, 2, 1, 1, 1], [1, 1, 1, 2, 2, 3]], dtype=F64) / 10
    pi, q = column([0.7, 0.2, 0.1]), column([0.1, 0.3, 0.6])
    p = (pi[:, None] * f / (pi @ f)).T
    times = ((q @ f) * 10**2).round().long()
    torch.testing.assert_close(times.to(F64) / 100, q @ f)
    right = (q[:, None] * f / (q @ f)).T.repeat_interleave(times, 0)
    rows = p.repeat_interleave(times, 0)
    torch.testing.assert_close(match_prior(rows, q, num_iters=3000), right)
    one = match_prior(rows, q, num_iters=1)
    step = rows * q / rows.mean(0)
    torch.testing.assert_close(one, step / step.sum(-1, keepdim=True))  # the mean, not pi
    assert (one - right).abs().max() > 0.09


def test_derivatives(stack):
    b, a, q = stack

    def made(x, y, z, **options):
        rows = (v / v.sum(-1, keepdim=True) for v in (x, y, z))
        return alternating_normalization(*rows, **options)

    assert_derivatives(lambda *x: made(*x), b[:2], a[:3], q)
    assert_derivatives(lambda *x: made(*x, alpha=1.5, num_iters=3), b[:1], a[:2], q)


# --------------------------------------------------------------------------- failure


def test_zeros_stay_and_have_no_slope():
    q = column([0.5, 0.3, 0.2])
    b = column([[0.5, 0.5, 0.0], [0.2, 0.3, 0.5]]).requires_grad_()
    a = column([[1.0, 0.0, 0.0], [0.0, 0.5, 0.5]]).requires_grad_()
    for alpha, steps in ((1.0, 1), (0.5, 3), (3.0, 40)):
        found = alternating_normalization(b, a, q, alpha=alpha, num_iters=steps)
        assert found[0, 2] == 0
        slopes = torch.autograd.grad((found * column([1.0, 2.0, 4.0])).sum(), (b, a))
        assert all(slope.isfinite().all() for slope in slopes)
        assert slopes[0][0, 2] == 0
        assert slopes[1][0, 1:].tolist() == [0, 0]


def test_a_class_that_nobody_has_is_gone():
    q = column([0.5, 0.5, 0.0])
    found = alternating_normalization(column([[0.2, 0.3, 0.5], [0, 0, 1]]), column([[0.0, 0, 1]]), q)
    assert_close(found[0], [0.5, 0.5, 0.0], 1e-15)  # the sure row has no class left, and counts nothing
    assert found[1].isnan().all()


BAD = [([NAN, 0.5, 0.5], [0.4, 0.4, 0.2]), ([0.0, 0.0, 1.0], [0.5, 0.5, 0.0])]


@pytest.mark.parametrize(("bad", "law"), BAD)
@pytest.mark.parametrize("calibrate", [match_prior, can_calibrate])
def test_a_bad_row_leaves_the_slopes_of_the_others(bad, law, calibrate):
    """One row of NaN, or of a class that nobody has, which is sure."""
    good, q = column([[0.2, 0.3, 0.5], [0.6, 0.35, 0.05], [0.33, 0.33, 0.34]]), column(law)

    def slopes(rows, kept):
        rows = rows.clone().requires_grad_()
        made = calibrate(rows, q)[kept]
        return torch.autograd.grad((made * column([1.0, 2.0, 4.0])).sum(), rows)[0][kept]

    found = slopes(torch.cat([good[:1], column([bad]), good[1:]]), [0, 2, 3])
    assert found.isfinite().all()
    torch.testing.assert_close(found, slopes(good, [0, 1, 2]), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(("bad", "law"), BAD)
def test_a_bad_doubtful_row_leaves_the_slopes_of_the_sure_ones(bad, law):
    good, sure = column([[0.3, 0.3, 0.4]]), column([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1]]).requires_grad_()
    for options in (dict(num_iters=1), dict(num_iters=3), dict(alpha=2.0, num_iters=2)):
        slopes = [
            torch.autograd.grad(alternating_normalization(b, sure, column(law), **options)[0, 0], sure)[0]
            for b in (torch.cat([good, column([bad])]), good)
        ]
        assert slopes[0].isfinite().all()
        torch.testing.assert_close(*slopes, rtol=1e-12, atol=1e-14)


def test_rows_with_nan_are_left_alone():
    p = column([[0.05, 0.95], [NAN, 0.5], [0.5, 0.5]])
    found = can_calibrate(p, HALF)
    assert_close(found[2], [Q(29, 40), Q(11, 40)], 1e-14)
    assert found[1, 1] == 0.5
    whole = match_prior(p, HALF)
    torch.testing.assert_close(whole[[0, 2]], match_prior(p[[0, 2]], HALF))
    assert whole[1, 1] == 0.5
    assert alternating_normalization(p, SURE, HALF)[1].isnan().all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_small_probabilities_keep_their_ratios(dtype):
    tiny = torch.tensor([[6e-8, 1.0]], dtype=dtype)
    found = alternating_normalization(tiny, tiny.expand(1000, 2), torch.tensor([0.5, 0.5], dtype=dtype))
    assert_close(found, [0.5, 0.5], 64 * torch.finfo(dtype).eps)
    steep = alternating_normalization(tiny, tiny, HALF.to(dtype), alpha=16.0, num_iters=200)
    assert steep.isfinite().all()


def test_the_threshold_is_compared_before_rounding():
    """Between the entropy of a row and what bfloat16 makes of it, the former decides."""
    p = torch.tensor([[0.0625, 0.9375], [0.3125, 0.6875]]).bfloat16()  # exact
    exact, rounded = (topk_entropy(x, 2)[1].item() for x in (p.double(), p))
    assert abs(exact - rounded) > 1e-4
    found = can_calibrate(p, HALF.bfloat16(), k=2, threshold=(exact + rounded) / 2)
    assert torch.equal(found, p) == (exact < rounded)


def test_refusals():
    b, q = HALF[None], HALF
    assert_refused(
        [
            (ValueError, "prior must sum to 1", lambda: alternating_normalization(b, SURE, q / 2)),
            (ValueError, r"prior must be in \[0, 1\]", lambda: can_calibrate(b, column([1.5, -0.5]))),
            (ValueError, "prior must have shape", lambda: match_prior(b, column([1.0]))),
            (ValueError, "confident must have shape", lambda: alternating_normalization(b, HALF, q)),
            (ValueError, "confident must be in", lambda: alternating_normalization(b, SURE * NAN, q)),
            (ValueError, "uncertain must sum to 1", lambda: alternating_normalization(b * 0.9, SURE, q)),
            (ValueError, "alpha must be at most 16", lambda: can_calibrate(b, q, alpha=math.inf)),
            (ValueError, "num_iters must be at least 1", lambda: match_prior(b, q, num_iters=0)),
            (ValueError, "k must be at least 1", lambda: topk_entropy(b, 0)),
            (ValueError, "threshold must be a number", lambda: can_calibrate(b, q, threshold=NAN)),
            (ValueError, "p must have the axes", lambda: can_calibrate(HALF, q)),
            (ValueError, "p must have the axes", lambda: match_prior(HALF, q)),
            (TypeError, "p must be float64", lambda: topk_entropy(torch.tensor([[0, 1]]))),
        ]
    )
