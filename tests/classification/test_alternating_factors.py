"""Steps by factors against their twin in logarithms, and where each of the two is at work."""

import functools

import pytest
import torch
from helpers import F64, INF, NAN, Draw, assert_close, column, gradients

from lemmata.classification import alternating_normalization, can_calibrate, match_prior, topk_entropy
from lemmata.classification._alternating import calibrate, matching
from lemmata.classification._alternating.factors import LEAST, alive, factors, peaked
from lemmata.classification._alternating.stacks import in_parts

HALF = column([0.5, 0.5])


def twin(b, a, q, alpha=1.0, num_iters=1):
    return in_parts(b, a, q, alpha, num_iters)


@pytest.fixture
def slow_rows(monkeypatch):
    """How many rows went to the logarithms, in each call."""
    counts = []

    def counted(b, *rest):
        counts.append(len(b))
        return in_parts(b, *rest)

    monkeypatch.setattr(calibrate, "in_parts", counted)
    return counts


def law(draw, *shape, scale):
    return draw.normal(*shape, scale=scale).softmax(-1)


def random(scale):
    draw = Draw(11)
    return law(draw, 6, 5, scale=scale), law(draw, 9, 5, scale=scale), law(draw, 5, scale=2)


def with_zeros():
    """Zeros everywhere, a class of prior 0, one that only a doubtful row has, and one that nobody has."""
    b, a, _ = random(2.0)
    q = column([0.4, 0.3, 0.0, 0.2, 0.1])
    b[0, 0] = b[1, 1] = b[:, 4] = 0
    a[:4, 0] = a[3:, 1] = a[:, 3] = a[:, 4] = 0
    b[3] = a[5] = column([0, 0, 1.0, 0, 0])  # nothing is left of them
    b, a = b / b.sum(-1, keepdim=True), a / a.sum(-1, keepdim=True)
    b[4] = column([NAN, 0.5, 0.5, 0, 0])
    return b, a, q


def rare_class():
    """One class has 1e-60 in most rows, and a prior of 1e-30."""
    b, a, q = (x.clone() for x in random(1.0))
    b[:4, 0], a[:, 0], q[0] = 1e-60, 1e-60, 1e-30
    return b / b.sum(-1, keepdim=True), a / a.sum(-1, keepdim=True), q / q.sum()


def nobody():
    b, a, q = random(2.0)
    return b, a[:0], q


INPUTS = {
    "random": functools.partial(random, 2.0),
    "sure": functools.partial(random, 30.0),
    "beyond": functools.partial(random, 300.0),  # of float64
    "zeros": with_zeros,
    "rare": rare_class,
    "nobody": nobody,
}
each_input = pytest.mark.parametrize("make", INPUTS.values(), ids=INPUTS)


# --------------------------------------------------------------------------- identity


def test_rows_do_not_depend_on_their_parts(monkeypatch):
    b, a, q = random(2.0)
    options = dict(alpha=1.5, num_iters=3)
    whole = alternating_normalization(b, a, q, **options)
    monkeypatch.setattr(calibrate, "ROOM", 2 * len(a))
    torch.testing.assert_close(alternating_normalization(b, a, q, **options), whole, rtol=1e-14, atol=0)
    monkeypatch.setattr("lemmata.classification._alternating.stacks.ROOM", 2 * a.numel())
    torch.testing.assert_close(twin(b, a, q, **options), whole, rtol=1e-13, atol=0)


def test_common_rows_are_made_in_one_product(monkeypatch):
    sizes = []

    def counted(b, *rest):
        sizes.append(len(b))
        return factors(b, *rest)

    monkeypatch.setattr(calibrate, "factors", counted)
    alternating_normalization(*random(2.0), num_iters=2)
    assert sizes == [6]


def test_what_is_left_of_rows():
    q = column([0.5, 0.5, 0.0])
    rows = column([[0.2, 0.0, 0.8], [0, 0, 1], [NAN, 0.5, 0.5], [0.3, 0.6, 0.1], [-1e-17, 0, 1.0]])
    assert alive(rows, q).tolist() == [True, False, False, True, False]
    assert_close(peaked(rows[[0, 1, 3]], q), [1, 0, 0, 0, 0, 0, 0.5, 1, 0], 1e-15)


@pytest.mark.parametrize("options", [dict(num_iters=1), dict(num_iters=5), dict(alpha=2.0, num_iters=4)])
def test_common_input_takes_no_logarithms(slow_rows, options):
    """This is what makes it fast: nothing of the size B n m is made."""
    draw = Draw(2)
    p, q = law(draw, 200, 10, scale=3.0), law(draw, 10, scale=1.0)
    for dtype in (torch.float64, torch.float32, torch.bfloat16):
        can_calibrate(p.to(dtype), q.to(dtype), threshold=0.6, **options)
        alternating_normalization(p[:50].to(dtype), p[50:].to(dtype), q.to(dtype), **options)
    assert slow_rows == []


# --------------------------------------------------------------------------- agreement


@each_input
@pytest.mark.parametrize("alpha", [1.0, 0.5, 1.5, 16.0])
@pytest.mark.parametrize("steps", [1, 2, 5, 30])
def test_it_is_its_twin(make, alpha, steps):
    """To 1e-12; powers multiply the rounding of logarithms, by 1.5^30 at most before all is decided."""
    b, a, q = make()
    found = alternating_normalization(b, a, q, alpha=alpha, num_iters=steps)
    slack = 1e-12 if alpha <= 1 or steps == 1 else 1e-10
    torch.testing.assert_close(found, twin(b, a, q, alpha, steps), rtol=slack, atol=1e-14, equal_nan=True)


@each_input
@pytest.mark.parametrize("steps", [1, 5])
def test_float32_is_float64_of_the_same_numbers(make, steps):
    b, a, q = (x.float() for x in make())
    found = alternating_normalization(b, a, q, num_iters=steps)
    exact = twin(b.double(), a.double(), q.double(), num_iters=steps)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, exact.float(), rtol=1e-6, atol=1e-30, equal_nan=True)
    narrow = twin(b, a, q, num_iters=steps)  # where no value may be read
    torch.testing.assert_close(narrow, exact.float(), rtol=1e-4, atol=1e-6, equal_nan=True)


@each_input
@pytest.mark.parametrize("alpha", [1.0, 1.5])
def test_slopes_are_those_of_the_twin(make, alpha):
    """Of all three arguments, with zeros, rows of NaN, and rows in both forms side by side."""
    b, a, q = make()
    weights = torch.arange(5, dtype=F64)

    def first(function):
        def made(*rows):
            result = function(*rows, alpha=alpha, num_iters=3)
            return torch.where(result.isnan(), 0.0, result) @ weights

        return gradients(made, b, a, q)

    fast, slow = first(alternating_normalization), first(twin)
    for one, other, x in zip(fast[1:], slow[1:], (b, a, q), strict=True):
        assert one.isfinite().all()
        kept = ~(x < LEAST) | (x == 0)  # slopes by smaller numbers are sums of what underflows
        torch.testing.assert_close(
            one[kept], other[kept], rtol=1e-9, atol=1e-11 * max(1.0, other.abs().sum().item())
        )


@each_input
def test_match_prior_is_its_twin(make, monkeypatch):
    b, a, q = make()
    rows = torch.cat([b, a])
    for steps in (1, 40):
        fast = match_prior(rows, q, num_iters=steps)
        slow = matching._in_logarithms(rows, q, steps)
        torch.testing.assert_close(fast, slow, rtol=1e-11, atol=1e-14, equal_nan=True)


def test_match_prior_takes_no_logarithms_of_common_input(monkeypatch):
    monkeypatch.setattr(matching, "_in_logarithms", None)
    b, a, q = random(3.0)
    made = match_prior(torch.cat([b, a]).float(), q.float(), num_iters=300)
    torch.testing.assert_close(made.mean(0), q.float())  # and they have the prior


def test_calibrated_rows_are_those_of_the_dense_form():
    """Under vmap no row is chosen by its value; the answers and the slopes are the same."""
    b, a, q = random(2.0)
    p = torch.cat([b, a])
    bad = p.clone()
    bad[3, 0] = NAN
    for rows in (p, bad):
        at = topk_entropy(rows).nanmedian().item()

        def made(p, q, at=at):
            return can_calibrate(p, q, threshold=at, alpha=1.5, num_iters=3)

        mapped = torch.vmap(made)(rows[None], q[None])[0]
        torch.testing.assert_close(made(rows, q), mapped, rtol=1e-12, atol=1e-14, equal_nan=True)
        kept = topk_entropy(rows) < at
        assert 0 < kept.sum() < len(rows)
        assert torch.equal(made(rows, q)[kept], rows[kept])

    def total(p, q):
        return (made(p, q) @ torch.arange(5, dtype=F64))[[0, 1, 2, 4, 5]].sum()

    by_hand = torch.autograd.grad(total(*(x := (bad.clone().requires_grad_(), q))), x[0])[0]
    torch.testing.assert_close(by_hand, torch.func.grad(total)(bad, q), rtol=1e-10, atol=1e-12)


# --------------------------------------------------------------------------- failure


@pytest.mark.parametrize("alpha", [0.5, 1.0, 4.0])
@pytest.mark.parametrize("side", [1, 0, -1])
def test_rows_are_lost_at_the_least_factor(alpha, side):
    """Without a sure row the factors are the prior over b: the smaller one is LEAST^(1/alpha) at the edge."""
    assert LEAST == 2.0**-256  # as the page says
    edge = LEAST ** (1 / max(alpha, 1))
    q = column([1.0, edge * (1 + side * 1e-6)])
    _, power, lost = factors(column([[1.0, 1.0]]), column([]).reshape(0, 2), q, alpha, 1)
    assert lost.tolist() == [side < 0]
    assert_close(power, [1.0, 1.0], 0)


@pytest.mark.parametrize("side", [1, 0, -1])
def test_rows_are_lost_at_the_least_sum_of_a_column(side):
    """Both classes are rare in proportion to their prior, so that no factor tells."""
    rare = LEAST * (1 + side * 1e-6)
    v, _, lost = factors(column([[1.0, rare]]), column([]).reshape(0, 2), column([1.0, rare]), 1.0, 1)
    assert_close(v, [1.0, 1.0], 1e-12)
    assert lost.tolist() == [side < 0]


def test_only_lost_rows_take_logarithms(slow_rows):
    q, sure = column([0.5, 0.3, 0.2]), column([[0.7, 0.3, 0.0], [0.4, 0.6, 0.0]])
    b = column([[0.3, 0.3, 0.4], [0.5, 0.5, 1e-200], [0.1, 0.2, 0.7], [0.5, 0.5, 1e-100]])
    found = alternating_normalization(b, sure, q, num_iters=3)
    assert slow_rows == [2]
    torch.testing.assert_close(found, twin(b, sure, q, num_iters=3), rtol=1e-13, atol=0)
    alternating_normalization(b, sure, q, alpha=0.125, num_iters=3)
    assert slow_rows == [2]  # powers of 1e-25 are no longer too small
    alternating_normalization(b[1:2], sure, q)
    assert slow_rows == [2, 1]


def test_powers_beyond_float64_are_those_of_the_twin(slow_rows):
    b, sure, q = column([[0.51, 0.49], [0.5, 0.5]]), column([[0.45, 0.55]] * 3), column([0.3, 0.7])
    for steps in (1, 4, 40):
        found = alternating_normalization(b, sure, q, alpha=16.0, num_iters=steps)
        torch.testing.assert_close(found, twin(b, sure, q, 16.0, steps), rtol=1e-9, atol=1e-12)
    assert slow_rows
    assert found.isfinite().all()


@pytest.mark.parametrize("order", [1, 2])
def test_derivatives_at_the_edge_of_the_range(slow_rows, order):
    """Factors of 1e-75: neither they nor their squares or cubes leave float64."""
    b, sure, q = column([[0.5, 0.5 - 1e-9, 1e-9]]), column([[0.5, 0.5, 1e-75]] * 2), column([0.5, 0.5, 1e-70])
    leaves = [x.clone().requires_grad_() for x in (b, sure, q)]
    slope = alternating_normalization(*leaves, num_iters=2)[0, 2]
    for _ in range(order):
        slopes = torch.autograd.grad(slope, leaves, create_graph=True)
        slope = sum((s * x.detach()).sum() for s, x in zip(slopes, leaves, strict=True))
    assert slow_rows == []
    assert all(s.isfinite().all() for s in slopes)
    assert torch.isfinite(slope)


def test_second_derivatives_pass_zeros():
    b, a, q = with_zeros()
    b = b[:3].requires_grad_()
    for alpha in (0.5, 1.0, 2.0):
        made = alternating_normalization(b, a, q, alpha=alpha, num_iters=2)
        (slope,) = torch.autograd.grad(made[:, 1].sum(), b, create_graph=True)
        (curve,) = torch.autograd.grad(slope.square().sum(), b)
        assert curve.isfinite().all()
        assert curve.abs().max() > 0
        assert (curve[b == 0] == 0).all()


def test_a_lost_row_leaves_the_slopes_of_the_others():
    q, sure = column([0.5, 0.3, 0.2]), column([[0.7, 0.3, 0.0], [0.4, 0.6, 0.0]])
    good, lost = column([[0.3, 0.3, 0.4]]), column([[0.5, 0.5, 1e-300]])

    def slopes(b):
        rows = sure.clone().requires_grad_()
        return torch.autograd.grad(alternating_normalization(b, rows, q, num_iters=4)[0, 0], rows)[0]

    torch.testing.assert_close(slopes(torch.cat([good, lost])), slopes(good), rtol=1e-13, atol=0)


def test_float32_products_of_reduced_precision_change_nothing():
    """A user who has allowed TF32 or bfloat16 products did not mean these."""
    b, a, q = (x.float() for x in random(2.0))
    exact = alternating_normalization(b, a, q, num_iters=5)
    before = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision("medium")
        assert torch.equal(alternating_normalization(b, a, q, num_iters=5), exact)
    finally:
        torch.set_float32_matmul_precision(before)


def test_infinite_scores_end_as_certain_rows():
    """A softmax of infinite margins has zeros and ones."""
    b = column([[0.0, -INF], [0.0, 0.0]]).softmax(-1)
    found = alternating_normalization(b, column([[0.0, 1.0]]), HALF, num_iters=3)
    assert found[0].tolist() == [1, 0]
    assert_close(found[1], [7 / 8, 1 / 8], 1e-14)  # theorem alternating-zero, 1 / (2 (k + 1))
