"""The self-orthogonality penalty: identities, agreement with mpmath and with samples, what breaks."""

import itertools
import math

import pytest
import torch
from helpers import DEVICES, DTYPES, F64, INF, NAN, assert_close, assert_refused, column, gradient, seeded
from mpmath import mp

from lemmata.geometry import (
    expected_sign_similarity,
    gram_error,
    self_orthogonality,
    sign_similarity,
    welch_bound,
)

on_devices = pytest.mark.parametrize("device", DEVICES)
SHARPNESSES = [0.0, 0.3, 1.0, 10.0, 1e6, INF]
W1 = [[1.0, 2.0, 0.0], [2.0, 1.0, -1.0]]


def normal(*shape, seed=0, dtype=F64, device="cpu"):
    return torch.randn(shape, generator=seeded(seed), dtype=F64).to(device, dtype)


# ------------------------------------------------------------------- the oracle


def exact_similarity(one, two, covariance, gamma):
    """arcsin(a rho) / arcsin(a) of two rows of floats, in the digits of mpmath."""
    mul = lambda u, v: mp.fsum(  # noqa: E731
        mp.mpf(p) * mp.mpf(s) * mp.mpf(q)
        for p, row in zip(u, covariance, strict=True)
        for s, q in zip(row, v, strict=True)
    )
    rho = mul(one, two) / mp.sqrt(mul(one, one) * mul(two, two))
    if gamma == 0:
        return rho
    a = mp.mpf(1) if gamma == INF else 2 * mp.mpf(gamma) ** 2 / (1 + 2 * mp.mpf(gamma) ** 2)
    return mp.asin(a * rho) / mp.asin(a)


def exact_batch(output, gamma, center):
    """The cosines of smoothed signs, column by column."""
    columns = [[mp.mpf(v) for v in c] for c in output.T.tolist()]
    if center:
        columns = [[v - mp.fsum(c) / len(c) for v in c] for c in columns]
    scaled = [[v / mp.sqrt(mp.fsum(w * w for w in c) / len(c)) for v in c] for c in columns]
    smooth = {0.0: lambda v: v, INF: mp.sign}.get(gamma, lambda v: mp.erf(gamma * v))
    signs = [[smooth(v) for v in c] for c in scaled]
    dot = lambda u, v: mp.fsum(p * q for p, q in zip(u, v, strict=True))  # noqa: E731
    return [dot(u, v) / mp.sqrt(dot(u, u) * dot(v, v)) for u in signs for v in signs]


# ------------------------------------------------------------------- identity


@on_devices
def test_reference_similarities(device):
    w = column(W1, device)
    assert_close(expected_sign_similarity(w)[0, 1:], [0.52123640960707968932], 1e-15)
    w, covariance = column([[1.0, 0.0], [1.0, 1.0]], device), column([[1.0, 0.0], [0.0, 100.0]], device)
    assert_close(
        expected_sign_similarity(w, covariance)[0, 1:], [2 / mp.pi * mp.asin(1 / mp.sqrt(101))], 1e-14
    )
    assert expected_sign_similarity(w)[0, 1].item() == pytest.approx(0.5, abs=1e-15)
    assert expected_sign_similarity(w, gamma=0.0)[0, 1].item() == pytest.approx(0.5**0.5, abs=1e-15)


@pytest.mark.parametrize("theta", [0.0, 0.1, 1.0, math.pi / 2, 3.0, math.pi])
def test_white_inputs_see_the_angle_of_the_weights(theta):
    w = column([[1.0, 0.0], [5 * math.cos(theta), 5 * math.sin(theta)]])
    assert expected_sign_similarity(w)[0, 1].item() == pytest.approx(1 - 2 * theta / math.pi, abs=1e-7)


@pytest.mark.parametrize("gamma", SHARPNESSES)
@pytest.mark.parametrize("center", [False, True])
def test_the_diagonal_is_one_and_the_matrix_symmetric_and_positive(gamma, center):
    found = sign_similarity(normal(3, 20, 6), gamma=gamma, center=center)
    torch.testing.assert_close(
        found.diagonal(dim1=1, dim2=2), torch.ones(3, 6, dtype=F64), rtol=1e-14, atol=0
    )
    torch.testing.assert_close(found, found.mT, rtol=1e-14, atol=1e-16)
    assert torch.linalg.eigvalsh(found).min() > -1e-14
    law = expected_sign_similarity(normal(3, 6, 4), gamma=gamma)
    assert (law.diagonal(dim1=1, dim2=2) == 1).all()
    assert law.abs().max() <= 1


@pytest.mark.parametrize("gamma", SHARPNESSES)
def test_scales_of_units_do_not_matter_and_signs_turn(gamma):
    y, w = normal(30, 4), normal(4, 3)
    units = column([1e-200, 1e150, -3.0, 1.0])
    turned = units.sign() * units.sign()[:, None]
    same = dict(rtol=1e-12, atol=1e-15)
    for center in (False, True):
        plain = sign_similarity(y, gamma=gamma, center=center)
        torch.testing.assert_close(
            sign_similarity(y * units, gamma=gamma, center=center), plain * turned, **same
        )
    plain = expected_sign_similarity(w, gamma=gamma)
    torch.testing.assert_close(
        expected_sign_similarity(w * units[:, None], gamma=gamma), plain * turned, **same
    )
    a = normal(3, 3, seed=1)
    covariance = a @ a.T
    law = expected_sign_similarity(w, covariance, gamma=gamma)
    torch.testing.assert_close(expected_sign_similarity(w, 1e-200 * covariance, gamma=gamma), law, **same)
    torch.testing.assert_close(expected_sign_similarity(w @ a, gamma=gamma), law, rtol=1e-9, atol=1e-12)


def test_centring_is_a_shift_of_every_unit():
    y = normal(40, 3)
    moved = y + column([5.0, -100.0, 0.25])
    for gamma in (0.0, 3.0, INF):
        centred = sign_similarity(y - y.mean(0), gamma=gamma)
        torch.testing.assert_close(
            sign_similarity(moved, gamma=gamma, center=True), centred, rtol=1e-10, atol=1e-12
        )
    assert_close(sign_similarity(moved[:, :2], gamma=INF), [1, -1, -1, 1], 1e-14)
    expected = torch.corrcoef(y.T)
    torch.testing.assert_close(sign_similarity(y, gamma=0.0, center=True), expected, rtol=1e-13, atol=1e-15)


def test_signs_are_counted():
    y = column([[1, 2, -5], [2, -1, 0], [-1, -1, 3], [3, 5, 0]])
    found = sign_similarity(y, gamma=INF)
    assert_close(found, [1, 0.5, -(2**-0.5), 0.5, 1, -(2**-0.5), -(2**-0.5), -(2**-0.5), 1], 1e-15)
    one = sign_similarity(normal(1, 4), gamma=INF)
    assert (one.abs() == 1).all()
    assert (sign_similarity(normal(1, 4), center=True) == 0).all()


@pytest.mark.parametrize(("k", "d"), [(3, 2), (2, 2), (2, 5), (1, 1), (7, 1), (100, 64)])
def test_welch_bound(k, d):
    expected = math.sqrt(max(0.0, k * k / d - k) / (k * (k - 1))) if k > 1 else 0.0
    assert welch_bound(k, d) == pytest.approx(expected, rel=1e-12, abs=0)
    mean_square = self_orthogonality(expected_sign_similarity(normal(k, d), gamma=0.0), lam1=0.0)
    assert mean_square >= welch_bound(k, d) ** 2 - 1e-15


def test_welch_bound_is_attained_and_holds_for_batches():
    turn = torch.arange(5, dtype=F64) * 2 * math.pi / 5
    frame = torch.stack([turn.cos(), turn.sin()], -1)
    found = self_orthogonality(expected_sign_similarity(frame, gamma=0.0), lam1=0.0)
    assert found.item() == pytest.approx(welch_bound(5, 2) ** 2, rel=1e-12)
    for gamma, center in itertools.product((0.0, 10.0, INF), (False, True)):
        batch = sign_similarity(normal(6, 20), gamma=gamma, center=center)
        rank = 5 if center and gamma == 0 else 6
        assert self_orthogonality(batch, lam1=0.0) >= welch_bound(20, rank) ** 2 - 1e-15


def test_centred_signs_go_below_the_floor_of_one_sample_less():
    """Signs of centred outputs have a mean of their own: three of them span three dimensions, not two."""
    y = column([[2.0, -1.0, -1.0], [-1.0, 2.0, -1.0], [-1.0, -1.0, 2.0]])
    found = [self_orthogonality(sign_similarity(y, gamma=g, center=True), lam1=0.0) for g in (0.0, INF)]
    assert_close(torch.stack(found), [0.25, 1 / 9], 1e-14)
    assert welch_bound(3, 2) ** 2 == 0.25


def test_the_penalty_by_hand():
    s = column([[9.0, 0.5, -0.25], [0.5, 9.0, 1.0], [-0.25, 1.0, 9.0]])
    total, square = 2 * 1.25, 2 * (0.25 + 0.0625 + 1)
    assert self_orthogonality(s, lam1=3.0, lam2=7.0, reduction="sum").item() == 3 * total**2 + 7 * square
    expected = 3 * (total / 6) ** 2 + 7 * square / 6
    assert self_orthogonality(s, lam1=3.0, lam2=7.0).item() == pytest.approx(expected, rel=1e-15)
    expected = 100 * (total / 6) ** 2 + square / 6
    assert self_orthogonality(s).item() == pytest.approx(expected, rel=1e-15)
    for k in (0, 1):
        assert self_orthogonality(torch.ones(2, k, k)).tolist() == [0, 0]


@pytest.mark.parametrize("m", [2, 3, 4])
def test_the_squared_sum_is_content_with_one_line(m):
    ups, downs = (m * m + m) // 2, (m * m - m) // 2
    line = torch.cat([torch.ones(ups, 1, dtype=F64), -torch.ones(downs, 1, dtype=F64)])
    for gamma in (0.0, INF):
        assert self_orthogonality(expected_sign_similarity(line, gamma=gamma), lam2=0.0) == 0
    assert self_orthogonality(expected_sign_similarity(line)) == 1


def test_lengths_under_the_three_penalties():
    """Scale-free: at right angles to each row; for unit rows the Gram error is the sum of squared cosines."""
    w = normal(4, 6)
    for gamma in (0.0, 2.0, INF):
        pull = gradient(lambda w, g=gamma: self_orthogonality(expected_sign_similarity(w, gamma=g)), w)
        assert pull.abs().max() > 0.01
        assert (pull * w).sum(-1).abs().max() < 1e-13
    pull = gradient(lambda w: gram_error(w.mT), w)
    torch.testing.assert_close(pull, 4 * (w @ w.T - torch.eye(4, dtype=F64)) @ w)
    unit = w / w.norm(dim=-1, keepdim=True)
    squares = self_orthogonality(expected_sign_similarity(unit, gamma=0.0), lam1=0.0, reduction="sum")
    torch.testing.assert_close(gram_error(unit.mT), squares)


# ------------------------------------------------------------------- agreement


@on_devices
@pytest.mark.parametrize("gamma", [0.0, 1e-9, 1e-3, 0.5, 1.0, 1.5, 10.0, 1e5, INF])
def test_the_law_agrees_with_mpmath(device, gamma):
    w, a = normal(5, 3, seed=2), normal(3, 3, seed=3)
    covariance = (a @ a.T).tolist()
    truth = [exact_similarity(u, v, covariance, gamma) for u in w.tolist() for v in w.tolist()]
    found = expected_sign_similarity(w.to(device), column(covariance, device), gamma=gamma)
    beside = ~torch.eye(5, dtype=torch.bool).flatten()
    assert_close(
        found.flatten()[beside.to(device)], [t for t, b in zip(truth, beside, strict=True) if b], 1e-13, 1e-14
    )


@on_devices
@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("gamma", [0.0, 1e-20, 0.5, 10.0, 1e15, INF])
def test_the_sketch_agrees_with_mpmath(device, gamma, center):
    y = normal(7, 3, seed=4) + 0.5
    assert_close(
        sign_similarity(y.to(device), gamma=gamma, center=center), exact_batch(y, gamma, center), 1e-13, 1e-14
    )


@pytest.mark.parametrize("dtype", DTYPES[1:])
@on_devices
def test_other_types_agree_with_float64(device, dtype):
    """The tolerance: a few roundings, eight in the sketch, where erf has a slope of 10."""
    eps = max(torch.finfo(dtype).eps, 1e-6)
    y, w = normal(30, 4, dtype=dtype, device=device), normal(4, 6, dtype=dtype, device=device)
    for function in (
        sign_similarity,
        lambda y: sign_similarity(y, center=True),
        lambda y: self_orthogonality(sign_similarity(y), lam1=1.0),
    ):
        got, want = function(y), function(y.double())
        assert got.dtype == dtype
        torch.testing.assert_close(got.double(), want, rtol=4 * eps, atol=8 * eps)
    got, want = expected_sign_similarity(w), expected_sign_similarity(w.double())
    assert got.dtype == dtype
    torch.testing.assert_close(got.double(), want, rtol=2 * eps, atol=2 * eps)
    mixed = expected_sign_similarity(w, torch.eye(6, dtype=F64, device=device))
    assert mixed.dtype == F64


@pytest.mark.parametrize("gamma", [0.0, 1.0, 10.0, INF])
def test_many_samples_tend_to_the_law(gamma):
    """Within five standard errors of a cosine of 40 000 samples, at most 1/200 each."""
    a = normal(3, 3, seed=5)
    w = normal(4, 3, seed=6)
    y = normal(40_000, 3, seed=7) @ a.T @ w.T
    law = expected_sign_similarity(w, a @ a.T, gamma=gamma)
    assert (sign_similarity(y, gamma=gamma) - law).abs().max() < 5 / 200
    assert (law - expected_sign_similarity(w, gamma=gamma)).abs().max() > 0.2


def test_means_replace_directions():
    """Independent outputs, a and c standard deviations from 0: erf(a / root 2) erf(c / root 2)."""
    y = normal(40_000, 2, seed=8) + column([1.0, 0.5])
    expected = math.erf(0.5**0.5) * math.erf(0.5 * 0.5**0.5)
    assert abs(sign_similarity(y, gamma=INF)[0, 1].item() - expected) < 5 / 200
    assert abs(sign_similarity(y, gamma=INF, center=True)[0, 1].item()) < 5 / 200


@pytest.mark.parametrize("gamma", [0.5, 10.0])
def test_the_share_of_samples_with_a_slope(gamma):
    """(E g)^2 / E g^2 of the slopes at normal outputs, by a fine grid."""
    u = torch.linspace(-9, 9, 20_001, dtype=F64)
    mass = (-u.square() / 2).exp()
    mass = mass / mass.sum()
    g = gradient(lambda u: torch.erf(gamma * u), u)
    share = (mass * g).sum().square() / (mass * g.square()).sum()
    assert share.item() == pytest.approx(math.sqrt(1 + 4 * gamma**2) / (1 + 2 * gamma**2), rel=1e-9)


# ------------------------------------------------------------------- failure


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("gamma", [0.0, 10.0, INF])
@on_devices
def test_a_dead_unit_is_alone_and_has_no_gradient(device, dtype, gamma):
    y = normal(8, 3, device=device, dtype=dtype)
    y[:, 1] = 0
    found = sign_similarity(y, gamma=gamma)
    assert (found[1] == 0).all()
    assert (found[:, 1] == 0).all()
    others = sign_similarity(y[:, [0, 2]], gamma=gamma)
    torch.testing.assert_close(found[[0, 0, 2, 2], [0, 2, 0, 2]], others.flatten())
    slope = gradient(lambda y: sign_similarity(y, gamma=gamma), y, torch.rand_like(found))
    assert (slope[:, 1] == 0).all()
    assert slope.isfinite().all()
    constant = torch.full_like(y, 0.1)
    assert (sign_similarity(constant, gamma=gamma, center=True) == 0).all()
    w = normal(3, 4, device=device, dtype=dtype)
    w[1] = 0
    law = expected_sign_similarity(w, gamma=gamma)
    assert (law[1] == 0).all()
    assert (law[:, 1] == 0).all()
    slope = gradient(lambda w: expected_sign_similarity(w, gamma=gamma), w, torch.rand_like(law))
    assert (slope[1] == 0).all()
    assert slope.isfinite().all()


def test_directions_that_no_input_has():
    covariance = column([[1.0, 0.0], [0.0, 0.0]])
    w = column([[1.0, 5.0], [2.0, -7.0], [0.0, 1.0]])
    found = expected_sign_similarity(w, covariance)
    assert found.tolist() == [[1, 1, 0], [1, 1, 0], [0, 0, 0]]
    assert (expected_sign_similarity(w, -covariance) == 0).all()


@pytest.mark.parametrize("bad", [NAN, INF, -INF])
@pytest.mark.parametrize("gamma", [0.0, 10.0, INF])
def test_one_bad_entry_spoils_its_unit_alone(bad, gamma):
    y, w = normal(9, 3), normal(3, 4)
    y[2, 1] = w[1, 2] = bad
    for function, x in (
        (lambda y: sign_similarity(y, gamma=gamma), y),
        (lambda w: expected_sign_similarity(w, gamma=gamma), w),
    ):
        found = function(x)
        assert found[1].isnan().all()
        assert found[:, 1].isnan().all()
        assert found[[0, 0, 2, 2], [0, 2, 0, 2]].isfinite().all()


@pytest.mark.parametrize("bad", [NAN, INF])
@pytest.mark.parametrize("gamma", [0.0, 10.0, INF])
def test_a_bad_unit_leaves_the_gradients_of_others(bad, gamma):
    y, w, covariance = normal(9, 4), normal(4, 4), torch.eye(4, dtype=F64) + 0.5
    y[:, 3] = w[3] = 0  # dead: 0 with all but the bad one
    good = [0, 2]
    for function, x, dim in (
        (lambda y: sign_similarity(y, gamma=gamma), y, 1),
        (lambda y: sign_similarity(y, gamma=gamma, center=True), y, 1),
        (lambda w: expected_sign_similarity(w, gamma=gamma), w, 0),
        (lambda w: expected_sign_similarity(w, covariance, gamma=gamma), w, 0),
    ):
        spoilt = x.clone()
        spoilt.select(dim, 1)[2] = bad
        at = torch.tensor(good)
        want = gradient(lambda x, f=function: f(x)[0, 1], x.index_select(dim, at))
        slope = gradient(lambda x, f=function: f(x)[0, 2], spoilt)
        torch.testing.assert_close(slope.index_select(dim, at), want)
        assert (slope.select(dim, 1) == 0).all()
        assert function(spoilt)[3].isnan().tolist() == [False, True, False, False]


@pytest.mark.parametrize("scale", [1e-36, 1e-30, 1e30, 1e37])
def test_huge_and_tiny_numbers_in_float32(scale):
    y, w = normal(9, 3, dtype=torch.float32), normal(3, 4, dtype=torch.float32)
    close = dict(rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(sign_similarity(y * scale), sign_similarity(y), **close)
    torch.testing.assert_close(
        sign_similarity(y * scale, center=True), sign_similarity(y, center=True), **close
    )
    torch.testing.assert_close(expected_sign_similarity(w * scale), expected_sign_similarity(w), **close)
    covariance = torch.eye(4) + 0.5
    law = expected_sign_similarity(w, covariance)
    torch.testing.assert_close(expected_sign_similarity(w, scale * covariance), law, **close)


@on_devices
@pytest.mark.parametrize("gamma", [10.0, 1e6, INF])
@pytest.mark.parametrize("theta", [1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6])
def test_nearly_parallel_units_in_float32(device, theta, gamma):
    """Value and slope of the same numbers in mpmath; the sines and cosines of theta and -theta are floats."""
    rows = torch.tensor([[1.0, 0.0], [math.cos(theta), math.sin(theta)]])
    for sign in (1.0, -1.0):
        w = rows * torch.tensor([[1.0], [sign]])
        eye = [[1.0, 0.0], [0.0, 1.0]]
        exact = exact_similarity(w[0].tolist(), w[1].tolist(), eye, gamma)
        found = expected_sign_similarity(w.to(device), gamma=gamma)[0, 1]
        assert abs(found.item() - float(exact)) <= torch.finfo(torch.float32).eps
        slope = gradient(lambda w: expected_sign_similarity(w, gamma=gamma)[0, 1], w.to(device))[0, 1]
        one, height = w[1].tolist(), mp.mpf(10) ** -9
        up = exact_similarity([1.0, height], one, eye, gamma) - exact_similarity(
            [1.0, -height], one, eye, gamma
        )
        assert slope.item() == pytest.approx(float(up / (2 * height)), rel=2e-3)


def test_parallel_units_are_a_kink_with_gradient_zero():
    w = column([[1.0, 2.0], [2.0, 4.0], [-1.0, -2.0]])
    assert expected_sign_similarity(w).tolist() == [[1, 1, -1], [1, 1, -1], [-1, -1, 1]]
    assert gradient(expected_sign_similarity, w).abs().max() == 0
    smooth = gradient(lambda w: expected_sign_similarity(w, gamma=10.0)[0, 2], w)
    assert smooth.isfinite().all()


def test_no_units_are_no_error_and_no_inputs_are():
    assert expected_sign_similarity(torch.ones(0, 3)).shape == (0, 0)
    assert expected_sign_similarity(torch.ones(2, 0, 3)).shape == (2, 0, 0)
    assert sign_similarity(torch.ones(4, 0)).shape == (0, 0)
    for shape in ((2, 0), (3, 2, 0)):
        with pytest.raises(ValueError, match="weight must have at least one entry along dim"):
            expected_sign_similarity(torch.ones(shape))


def test_bad_arguments():
    y, w = torch.ones(4, 3), torch.ones(2, 3)
    assert_refused(
        [
            (
                ValueError,
                r"output must have two axes \(b, k\) or more, got shape \(4,\)",
                lambda: sign_similarity(y[:, 0]),
            ),
            (ValueError, "output must have at least one entry along dim", lambda: sign_similarity(y[:0])),
            (TypeError, "output must be float64", lambda: sign_similarity(y.long())),
            (
                ValueError,
                r"gamma must be in \[0, 1e\+15\] or inf, got -1",
                lambda: sign_similarity(y, gamma=-1.0),
            ),
            (TypeError, "gamma must be a number, got str", lambda: sign_similarity(y, gamma="auto")),
            (TypeError, "center must be a bool, got int", lambda: sign_similarity(y, center=1)),
            (ValueError, r"weight must have two axes", lambda: expected_sign_similarity(w[0])),
            (
                ValueError,
                r"covariance must be \(\.\.\., 3, 3\) beside weight",
                lambda: expected_sign_similarity(w, torch.eye(2)),
            ),
            (
                ValueError,
                "covariance must be finite and symmetric",
                lambda: expected_sign_similarity(w, torch.ones(3, 3).triu()),
            ),
            (
                ValueError,
                "covariance must broadcast",
                lambda: expected_sign_similarity(w.expand(2, 2, 3), torch.eye(3).expand(3, 3, 3)),
            ),
            (
                ValueError,
                r"similarity must be square \(\.\.\., k, k\), got shape \(4, 3\)",
                lambda: self_orthogonality(y),
            ),
            (
                ValueError,
                "lam1 must be at least 0 and finite, got -1",
                lambda: self_orthogonality(y[:3], lam1=-1.0),
            ),
            (
                ValueError,
                "lam2 must be at least 0 and finite, got nan",
                lambda: self_orthogonality(y[:3], lam2=NAN),
            ),
            (
                ValueError,
                "reduction must be 'mean' or 'sum'",
                lambda: self_orthogonality(y[:3], reduction="none"),
            ),
            (ValueError, "d must be at least 1, got 0", lambda: welch_bound(2, 0)),
        ]
    )
