"""Entropies, and the softmax that has a given one."""

import math

import mpmath as mp
import pytest
import scipy.stats
import torch
from helpers import F64, INF, NAN, Draw, assert_close, close, column

from lemmata.simplex import entropy, entropy_normalize, renyi_entropy
from lemmata.simplex._entropy import search

LOG2 = math.log(2)


def scores(*shape, scale=1.0, seed=0):
    return Draw(seed).normal(*shape, scale=scale)


# --------------------------------------------------------------------------- identity


@pytest.mark.parametrize("k", [1, 2, 5])
def test_the_entropy_of_equal_shares_is_the_logarithm_of_their_number(k):
    p = torch.tensor([1 / k] * k + [0.0] * 3, dtype=F64)
    logits = torch.tensor([7.0] * k + [-INF] * 3, dtype=F64)
    for order in (0, 0.3, 0.999, 1, 1.001, 2, 1e30, INF):
        close(renyi_entropy(p, order=order).item(), math.log(k), 1e-15)
        close(renyi_entropy(logits=logits, order=order).item(), math.log(k), 1e-15)
    close(entropy(p).item(), math.log(k), 1e-15)
    close(entropy(logits=logits).item(), math.log(k), 1e-15)


def test_entropies_fall_with_the_order_and_pass_through_shannons():
    x = scores(50, 8, scale=3.0)
    orders = [0, 0.2, 0.74, 0.76, 0.999999, 1, 1.000001, 1.24, 1.26, 3, 50, INF]
    falls = torch.stack([renyi_entropy(logits=x, order=a) for a in orders])
    assert (falls.diff(dim=0) < 0).all()
    assert torch.equal(renyi_entropy(logits=x, order=1), entropy(logits=x))
    torch.testing.assert_close(falls[0], torch.full((50,), math.log(8), dtype=F64))
    torch.testing.assert_close(falls[-1], -torch.softmax(x, -1).amax(-1).log())


def test_masked_entries_are_as_good_as_absent():
    x, gone = scores(20, 6), torch.full((20, 3), -INF, dtype=F64)
    padded = torch.cat([x, gone], -1).roll(2, -1)
    torch.testing.assert_close(entropy(logits=padded), entropy(logits=x), rtol=1e-15, atol=0)
    for order in (0, 0.5, 2):
        many, few = (renyi_entropy(logits=z, order=order) for z in (padded, x))
        torch.testing.assert_close(many, few, rtol=1e-15, atol=0)
    one, other = entropy_normalize(padded, 1.2), entropy_normalize(x, 1.2)
    torch.testing.assert_close(one.probs.roll(-2, -1)[:, :6], other.probs, rtol=1e-12, atol=0)
    assert (one.probs.roll(-2, -1)[:, 6:] == 0).all()


def test_shift_scale_and_order_of_the_entries_do_not_matter():
    x, order = scores(30, 7), torch.randperm(7, generator=Draw(1).generator)
    probs, gamma = entropy_normalize(x, 1.3)
    shifted, scaled = entropy_normalize(x + 64, 1.3), entropy_normalize(x * 8, 1.3)
    mixed = entropy_normalize(x[:, order], 1.3)
    torch.testing.assert_close(shifted.probs, probs, rtol=1e-11, atol=0)
    torch.testing.assert_close(scaled.probs, probs, rtol=1e-12, atol=0)
    torch.testing.assert_close(8 * scaled.gamma, gamma, rtol=1e-12, atol=0)
    torch.testing.assert_close(mixed.probs, probs[:, order], rtol=1e-12, atol=0)
    torch.testing.assert_close(entropy(logits=x[:, order] - 3), entropy(logits=x), rtol=1e-14, atol=0)


def test_the_normalized_row_has_its_target_keeps_its_order_and_is_a_softmax():
    x, h = scores(200, 9, scale=5.0), Draw(2).uniform(200, low=0.01, high=2.19)
    probs, gamma = entropy_normalize(x, h)
    torch.testing.assert_close(entropy(probs), h, rtol=1e-13, atol=0)
    torch.testing.assert_close(probs, torch.softmax(gamma[:, None] * x, -1), rtol=1e-13, atol=1e-300)
    assert (gamma > 0).all()
    assert torch.equal(probs.argsort(dim=-1), x.argsort(dim=-1))


def test_a_row_that_has_its_target_stays():
    x = scores(40, 5)
    torch.testing.assert_close(entropy_normalize(x, entropy(logits=x)).gamma, torch.ones(40, dtype=F64))


# --------------------------------------------------------------------------- agreement


def exact(x, h):
    """gamma by bisection with 40 digits."""
    with mp.workdps(40):
        x = [mp.mpf(v) for v in x]

        def short(gamma):
            w = [mp.exp(gamma * (v - max(x))) for v in x]
            return -sum(v / sum(w) * mp.log(v / sum(w)) for v in w if v) - h

        low, high = mp.mpf(2) ** -60, mp.mpf(2) ** 60
        for _ in range(200):
            middle = mp.sqrt(low * high)
            low, high = (middle, high) if short(middle) > 0 else (low, middle)
        return low


def test_gamma_agrees_with_40_digits():
    for scale, h in ((1.0, 0.2), (1.0, 1.5), (30.0, 0.7), (1e-6, 1.0), (1e6, 1.7)):
        x = scores(4, 6, scale=scale)
        found = entropy_normalize(x, h).gamma
        assert_close(found, [exact(row, mp.mpf(h)) for row in x.tolist()], 1e-12)


@pytest.mark.parametrize(
    ("p", "target", "gamma"),
    [
        ((0.5, 0.25, 0.25), 0.5, 3.6284933922115209271),
        ((0.5, 0.25, 0.25), 0.9, 1.8446057838831409939),
        ((0.5, 0.25, 0.25), 1.0, 1.289865549766493348),
        ((0.4, 0.3, 0.2, 0.1), 0.5, 5.9050713412819344224),
        ((0.4, 0.3, 0.2, 0.1), 1.0, 2.3917641182917771295),
        ((0.4, 0.3, 0.2, 0.1), 1.3, 0.88527615115314065868),
        ((0.34, 0.33, 0.33), 0.5, 84.2489220209509),
    ],
)
def test_gamma_of_known_laws(p, target, gamma):
    # log p is rounded: 84 is beside a gap of 0.03, which keeps fourteen digits
    close(entropy_normalize(column(p).log(), target).gamma.item(), gamma, 1e-13)


def test_entropies_of_known_laws():
    close(entropy(column((0.5, 0.25, 0.25))).item(), 1.0397207708399179641, 1e-15)
    close(entropy(column((0.4, 0.3, 0.2, 0.1))).item(), 1.2798542258336674672, 1e-15)
    close(renyi_entropy(column((0.5, 0.25, 0.25)), order=2).item(), math.log(8 / 3), 1e-15)
    x = scores(5, 9)
    p = torch.softmax(x, -1)
    assert_close(entropy(p), scipy.stats.entropy(p.numpy(), axis=-1).tolist(), 1e-14)
    torch.testing.assert_close(entropy(logits=x), entropy(p), rtol=1e-14, atol=0)


@pytest.mark.parametrize(
    "order", [0.05, 0.7499, 0.7501, 0.99, 1 - 1e-9, 1, 1 + 1e-12, 1.2499, 1.2501, 7, 1e6]
)
def test_entropies_agree_with_40_digits_however_small(order):
    rows = [[0.0, -1.0, 2.0], [0.0, -40.0, -45.0], [0.0, -90.0, -1e5], [3.0, 3.0, -60.0], [1e8, 0.0, 1e8 - 1]]
    with mp.workdps(90):
        want = []
        for row in rows:
            w = [mp.exp(mp.mpf(v) - max(row)) for v in row]
            p = [v / sum(w) for v in w]
            shannon = -sum(v * mp.log(v) for v in p)
            want.append(shannon if order == 1 else mp.log(sum(v**order for v in p)) / (1 - mp.mpf(order)))
    assert_close(renyi_entropy(logits=column(rows), order=order), want, 1e-13)


def renyi(row, order):
    """Renyi's entropy of scores with 90 digits; the logarithm of the sum is one of 1 plus something."""
    with mp.workdps(90):
        gaps = sorted(mp.mpf(v) - max(row) for v in row)[:-1]
        L = [mp.log1p(mp.fsum(mp.exp(a * u) for u in gaps)) for a in (mp.mpf(order), mp.mpf(1))]
        return (L[0] - order * L[1]) / (1 - mp.mpf(order))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_the_smallest_orders_keep_their_digits(dtype):
    # 1 + (order - 1) would lose them
    for gap, order in ((1e16, 2e-16), (1e17, 1e-17), (1e17, 5e-17), (1.0, 1e-17), (3.0, 1e-50)):
        row = torch.tensor([0.0, -gap], dtype=dtype)
        want = renyi(row.tolist(), order)
        found = renyi_entropy(logits=row, order=order)
        assert_close(found, [want], 4 * torch.finfo(dtype).eps)
        masked = torch.cat([row, torch.tensor([-INF], dtype=dtype)])
        assert renyi_entropy(logits=masked, order=order) == found
    half = torch.tensor([0.5, 0.5, 0.0], dtype=dtype)
    close(renyi_entropy(half, order=1e-17).item(), LOG2, torch.finfo(dtype).eps)


def test_beside_order_1_small_entropies_keep_the_digits_of_float32():
    for gap in (1.0, 30.0, 72.0):
        for order in (1 - 1e-15, 1 + 1e-12, 1 - 1e-7, 0.9, 1.2):
            found = renyi_entropy(logits=torch.tensor([0.0, -gap]), order=order)
            assert_close(found, [renyi([0.0, -gap], order)], 2e-5 if gap > 70 else 5e-6)


@pytest.mark.parametrize(("dtype", "close_to"), [(torch.float32, 1e-5), (torch.float64, 1e-13)])
def test_gradients_at_the_largest_of_peaked_scores_keep_their_digits(dtype, close_to):
    row = [20.0, 0.0, -5.0]
    with mp.workdps(60):
        w = [mp.exp(mp.mpf(v) - 20) for v in row]
        p = [v / mp.fsum(w) for v in w]
        H = -mp.fsum(v * mp.log(v) for v in p)
        want = [-v * (mp.log(v) + H) for v in p]
    x = torch.tensor(row, dtype=dtype, requires_grad=True)
    assert_close(torch.autograd.grad(entropy(logits=x), x)[0], want, close_to)
    beside = torch.autograd.grad(renyi_entropy(logits=x, order=1 + 1e-12), x)[0]
    assert_close(beside, want, max(close_to, 1e-9))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_scores_over_the_whole_range_of_the_dtype(dtype):
    # the least finite score is no mask: it counts, and gamma is so small that it is written with few digits
    least, eps = torch.finfo(dtype).min, torch.finfo(dtype).eps
    wide = (
        ([1.0, 0.0, least], 1.0),
        ([0.0, least], 0.69),
        ([0.0, least / 4], 0.01),
        ([0.0, least, -INF], 0.3),
    )
    for row, h in (*wide, ([0.0, -1e-30, -1e30], 0.5), ([0.0, -1e-30, -1e30], 0.9), ([0.0, -3e-38], 1e-3)):
        found = entropy_normalize(torch.tensor(row, dtype=dtype), h)
        close(entropy(found.probs.double() / found.probs.double().sum()).item(), h, 4 * eps / h)
    with mp.workdps(60):
        gamma = exact([0.0, -1.0], mp.mpf(0.69)) / -mp.mpf(least)
    if dtype == torch.float64:
        assert_close(entropy_normalize(torch.tensor([0.0, least], dtype=dtype), 0.69).gamma, [gamma], 1e-12)
    x = torch.tensor([1.0, 0.0, -1e37], requires_grad=True)
    assert torch.autograd.grad(entropy_normalize(x, 1.0).probs[0], x)[0].isfinite().all()


@pytest.mark.parametrize("h", [1e-10, 1e-17])
def test_gradients_of_small_targets_are_right_until_the_variance_underflows(h):
    x = torch.tensor([0.0, -1.0, -3.0], requires_grad=True)
    target = torch.tensor(h, requires_grad=True)
    by_x, by_h = torch.autograd.grad(entropy_normalize(x, target).gamma, (x, target))
    with mp.workdps(60):
        gamma = exact(x.tolist(), mp.mpf(target.item()))
        w = [mp.exp(gamma * v) for v in x.tolist()]
        p = [v / mp.fsum(w) for v in w]
        mean = mp.fsum(q * v for q, v in zip(p, x.tolist(), strict=True))
        V = mp.fsum(q * (v - mean) ** 2 for q, v in zip(p, x.tolist(), strict=True))
    assert_close(by_h, [-1 / (gamma * V)], 1e-5)
    assert_close(by_x[1], [-gamma * p[1] * (-1 - mean) / V], 1e-5)
    slopes = torch.autograd.grad(entropy_normalize(x, target * 1e-21 / h).gamma, (x, target))
    assert all((slope == 0).all() for slope in slopes)  # as is documented


def test_forward_mode_returns_what_the_ordinary_call_does():
    for row, h in (([0.0, -1.0, -1.5], 1e-7), ([0.0, -1.0, -3.0], 1e-15), ([0.0, 0.0, -2.0, -INF], 0.8)):
        x, t = torch.tensor(row), torch.tensor([1.0, -2.0, 0.5, 0.0][: len(row)])
        value, slope = torch.func.jvp(lambda x, h=h: entropy_normalize(x, h), (x,), (t,))
        for found, want in zip(value, entropy_normalize(x, h), strict=True):
            assert torch.equal(found, want)
        by_x = torch.func.grad(lambda x, h=h: entropy_normalize(x, h).gamma)(x)
        assert_close(slope.gamma, [(by_x * t).sum().item()], 1e-5)


def test_float32_has_the_digits_of_float32():
    x = scores(300, 40, scale=4.0)
    h = Draw(3).uniform(300, low=0.05, high=3.6)
    wide, narrow = (
        entropy_normalize(x.float().double(), h.float().double()),
        entropy_normalize(x.float(), h.float()),
    )
    assert (entropy(narrow.probs.double()) - h).abs().max() < 2e-6
    torch.testing.assert_close(narrow.gamma.double(), wide.gamma, rtol=2e-5, atol=0)


def hard_rows(n, seed=0):
    """Scores of many shapes: heavy tails, clusters, ties, one far away."""
    z, y = Draw(seed).normal(60, n), Draw(seed + 1).normal(60, n)
    apart = torch.where(z > 1, 1e8 * z, y)
    far = torch.where(torch.arange(n) == 0, 50.0, z * 1e-6)
    yield from (z, 40 * z, 1e-20 * z, (3 * z).exp(), -(8 * z).exp(), z / y, z / y**3, z.round(), apart, far)


@pytest.mark.parametrize("n", [2, 3, 10, 100, 500])
def test_the_search_ends_soon(n, monkeypatch):
    rounds, excess = [], search._excess
    monkeypatch.setattr(search, "ROUNDS", 100)
    monkeypatch.setattr(search, "_excess", lambda *a: rounds.append(1) or excess(*a))
    for x in hard_rows(n):
        for dtype in (torch.float64, torch.float32):
            u = (x - x.amax(-1, keepdim=True)).to(dtype)
            scale, eps = search.scale_of(u), torch.finfo(dtype).eps
            low, high = scale.m.log(), scale.N.log()
            for part in (1e-9, 1e-3, 0.1, 0.5, 0.9, 0.999, 1 - 1e-9):
                h = low + part * (high - low)
                inside = ((h > low) & (h < high)).squeeze(-1)
                if not inside.any():
                    continue
                rounds.clear()
                gamma = search.gamma_of(u[inside], h[inside], looks=True)
                assert len(rounds) <= 17  # one less than where nobody looks
                E = excess(u[inside].where(u[inside] < 0, -INF), scale.m[inside], gamma)[0]
                assert ((E - (h - low)[inside]).abs() <= 80 * eps * h[inside]).all()


def test_rows_of_a_hundred_thousand():
    x = scores(2, 100_000, scale=3.0).float()
    for h in (0.5, 6.0, 11.5):
        assert (entropy(entropy_normalize(x, h).probs.double()) - h).abs().max() < 1e-5


def test_second_derivatives_at_peaks_and_masks():
    x = torch.tensor([[0.0, -1, -2, -INF], [50, 0, -80, 3]], dtype=F64, requires_grad=True)
    h = torch.tensor([0.6, 1e-3], dtype=F64, requires_grad=True)
    probs, gamma = entropy_normalize(x, h)
    weights = torch.linspace(1, 2, 8, dtype=F64).view(2, 4)
    first = torch.autograd.grad((probs * weights).sum() + gamma.sum(), (x, h), create_graph=True)
    second = torch.autograd.grad(sum(g.sum() for g in first), (x, h))
    assert all(g.isfinite().all() for g in (*first, *second))
    assert first[0][0, 3] == 0
    close(first[0].sum(-1)[0].item(), 0.0, 1e-12)  # a shift changes nothing


def test_forward_mode_under_a_mask_is_reverse_mode():
    x, h = torch.tensor([0.0, -1, -INF, 2, -INF], dtype=F64), torch.tensor(0.6, dtype=F64)
    for jacobian in (torch.func.jacfwd, torch.func.jacrev):
        by_x, by_h = jacobian(lambda *a: entropy_normalize(*a).probs, argnums=(0, 1))(x, h)
        assert by_x.isfinite().all()
        torch.testing.assert_close(by_x.sum(-1), torch.zeros(5, dtype=F64), rtol=0, atol=1e-14)
        wide = torch.func.jacrev(lambda x: entropy_normalize(x, h).probs)(x[[0, 1, 3]])
        torch.testing.assert_close(by_x[[0, 1, 3]][:, [0, 1, 3]], wide, rtol=1e-11, atol=1e-14)
        assert by_h[2] == 0


@pytest.mark.parametrize("row", [[1.0, 0.0, 0.5, -INF], [50.0, 50.0, -1e4, -INF]])
def test_every_way_to_a_second_derivative_under_a_mask_is_the_same(row):
    x, ways = torch.tensor(row, dtype=F64), (torch.func.jacfwd, torch.func.jacrev)
    for f in (lambda x: entropy_normalize(x, 0.9).gamma, lambda x: entropy_normalize(x, 0.9).probs):
        want = torch.func.jacrev(torch.func.jacrev(f))(x)
        assert want.isfinite().all()
        for outer in ways:
            for inner in ways:
                torch.testing.assert_close(
                    outer(inner(f))(x), want, rtol=1e-9, atol=1e-20 if row[0] > 1 else 1e-13
                )


def test_of_two_entries_only_the_target_decides():
    x = torch.tensor([0.3, -1.1], dtype=F64, requires_grad=True)
    probs = entropy_normalize(x, 0.5).probs
    assert torch.autograd.grad(probs[0], x)[0].abs().max() < 1e-14


# --------------------------------------------------------------------------- failure


def test_targets_out_of_reach_name_the_range():
    x = torch.tensor([[2.0, 1.0, 0.0, -INF], [1.0, 1.0, 0.0, -1.0]])
    with pytest.raises(ValueError, match=r"target_entropy .* in \(0\.693147, 1\.38629\), got 0\.5"):
        entropy_normalize(x, 0.5)
    with pytest.raises(ValueError, match=r"target_entropy .* in \(0, 1\.09861\), got 1\.2"):
        entropy_normalize(x, 1.2)
    with pytest.raises(ValueError, match=r"in \(1\.09861, 1\.09861\)"):
        entropy_normalize(torch.ones(3), 1.0)


def test_clamp_takes_the_nearest_end():
    x = torch.tensor([[2.0, 1.0, 0.0, -INF], [1.0, 1.0, 0.0, -1.0], [3.0, 3.0, 3.0, 3.0]], requires_grad=True)
    low, high = (entropy_normalize(x, h, clamp=True) for h in (0.0, 5.0))
    assert low.probs.tolist() == [[1, 0, 0, 0], [0.5, 0.5, 0, 0], [0.25] * 4]
    assert low.gamma.tolist() == [INF] * 3
    torch.testing.assert_close(high.probs, torch.tensor([[1 / 3] * 3 + [0], [0.25] * 4, [0.25] * 4]))
    assert high.gamma.tolist() == [0.0] * 3
    for side in (low, high):
        assert (torch.autograd.grad((side.probs**2).sum(), x)[0] == 0).all()


def test_rows_of_nothing_and_of_nan():
    x = torch.tensor(
        [[-INF, -INF, -INF], [NAN, 1.0, 0.0], [2.0, 1.0, 0.0], [INF, INF, 0.0]], requires_grad=True
    )
    probs, gamma = entropy_normalize(x[:3], torch.tensor([0.5, 0.5, 0.5]))
    assert probs[0].tolist() == [0.0] * 3
    assert gamma[0] == 0
    assert probs[1].isnan().all()
    assert gamma[1].isnan()
    assert probs[2].isfinite().all()
    assert torch.autograd.grad(probs[2].square().sum() + probs[0].sum(), x)[0][[0, 2]].isfinite().all()
    for value in (*entropy_normalize(x[:3], 0.5), entropy(logits=x), renyi_entropy(logits=x, order=1.1)):
        by_x = torch.autograd.grad(value.sum(), x, retain_graph=True)[0]
        assert by_x[1].isnan().all()
        assert not by_x[[0, 2]].isnan().any()
    assert entropy_normalize(x[2:3], torch.tensor([NAN])).probs.isnan().all()
    H = entropy(logits=x)
    assert H[0] == 0
    assert H[1].isnan()
    close(H[3].item(), LOG2, 1e-7)
    assert torch.autograd.grad(H[[0, 2, 3]].sum(), x)[0][[0, 3]].eq(0).all()
    assert entropy(torch.zeros(2, 3)).tolist() == [0, 0]
    assert entropy(torch.tensor([NAN, 0.5])).isnan()
    assert entropy_normalize(x[3:], 1.0, clamp=True).probs[0].tolist() == [0.5, 0.5, 0.0]


def test_where_values_are_not_read_a_target_out_of_reach_is_nan():
    x = torch.tensor([[2.0, 1.0], [2.0, 1.0]])
    probs, gamma = torch.vmap(entropy_normalize)(x, torch.tensor([0.5, 0.9]))
    assert probs[0].isfinite().all()
    assert probs[1].isnan().all()
    assert gamma[1].isnan()


def test_a_zero_probability_does_no_harm_to_gradients():
    x = torch.tensor([1.0, 0.0, -INF], requires_grad=True)
    by_p = torch.autograd.grad(entropy(torch.softmax(x, -1)), x)[0]
    torch.testing.assert_close(by_p, torch.autograd.grad(entropy(logits=x), x)[0])
    assert by_p[2] == 0
    by_entr = torch.autograd.grad(torch.special.entr(torch.softmax(x, -1)).sum(), x)[0]
    assert by_entr.isnan().all()  # torch's own


def test_what_is_no_distribution_is_refused():
    for wrong, words in (
        (torch.tensor([0.5, 0.2]), "p must sum to 1"),
        (torch.tensor([[0.5, 0.5], [0.5, 0.2]]), r"p must sum to 1 .* off by 0\.2999"),
        (torch.tensor([2.0, -1.0]), r"p must be in \[0, 1\] \(scores go to logits=\)"),
    ):
        with pytest.raises(ValueError, match=words):
            entropy(wrong)
    for both in ({}, dict(p=torch.ones(1), logits=torch.ones(1))):
        with pytest.raises(ValueError, match="exactly one of p and logits"):
            entropy(**both)
    for order in (-0.5, NAN):
        with pytest.raises(ValueError, match="order must be in"):
            renyi_entropy(logits=torch.zeros(2), order=order)
    with pytest.raises(TypeError, match="clamp must be a bool, got str"):
        entropy_normalize(torch.zeros(2), 0.5, clamp="no")
    with pytest.raises(ValueError, match="target_entropy must broadcast"):
        entropy_normalize(torch.zeros(2, 3), torch.zeros(3))
    entropy(torch.full((1000,), 1e-3).to(torch.bfloat16))  # sums to what rounding leaves


def test_float16_cannot_hold_every_gamma():
    x = torch.tensor([1e-4, 0.0, 0.0], dtype=torch.float16)
    probs, gamma = entropy_normalize(x, 1e-3)
    assert gamma.item() == INF
    assert probs.isfinite().all()
