"""Exponentials of low-rank matrices: what only this chapter knows."""

import math

import mpmath as mp
import pytest
import torch
from helpers import DTYPES, F64, INF, NAN, Draw, assert_close, assert_derivatives, close, column, gradient

from lemmata.geometry import expm_low_rank, expm_low_rank_apply, expm_rank1, expm_rank1_apply, phi1
from lemmata.geometry._invertible.phi import exp_and_phi

X, Y = column([1.0, 2.0, -1.0]), column([0.5, -1.0, 3.0])


def pair(seed=0, n=5, r=None, scale=0.6):
    draw = Draw(seed)
    shape = (n,) if r is None else (n, r)
    return draw.normal(*shape, scale=scale), draw.normal(*shape, scale=scale)


def exact_phi(s):
    return mp.expm1(s) / s if s else mp.mpf(1)


def exact_slope(s, order=1):
    """The derivative of phi, the integral of t^k e^(ts) over t from 0 to 1."""
    if abs(s) < 1:
        return mp.fsum(s**j / mp.factorial(j) / (j + order + 1) for j in range(40))
    with mp.workdps(80):
        return (
            ((s - 1) * mp.exp(s) + 1) / s**2 if order == 1 else ((s * s - 2 * s + 2) * mp.exp(s) - 2) / s**3
        )


def product(x, y):
    return x.unsqueeze(-1) * y.unsqueeze(-2)


def near(actual, expected, tolerance=1e-13):
    torch.testing.assert_close(actual, expected, rtol=tolerance, atol=tolerance)


# ------------------------------------------------------------------- identity


def test_the_example_by_hand():
    assert torch.equal(
        expm_rank1(column([1.0, 2.0]), column([2.0, -1.0])), column([[3.0, -1.0], [4.0, -1.0]])
    )


def test_the_reference_numbers():
    matrix = expm_rank1(X, Y)
    assert_close(matrix[0], [1.10987677816242, -0.219753556324835, 0.659260668974505], 1e-13)
    assert_close(torch.linalg.det(matrix), [0.0111089965382423065], 1e-12)
    assert_close(torch.linalg.svdvals(matrix), [1.72977215763959, 1, 0.00642223109510644], 1e-12)


@pytest.mark.parametrize("r", [None, 1, 2, 4, 5, 7])
def test_there_and_back_with_the_opposite_log_determinant(r):
    factors, v = pair(1, r=r), Draw(2).normal(7, 5)
    apply = expm_rank1_apply if r is None else expm_low_rank_apply
    out, logdet = apply(v, *factors)
    back, other = apply(out, *factors, inverse=True)
    near(back, v, 1e-12)
    assert torch.equal(other, -logdet)
    assert logdet.shape == (7,)
    near(logdet, (factors[0] * factors[1]).sum().expand(7))


@pytest.mark.parametrize("r", [None, 2, 5, 7])
def test_the_product_is_that_with_the_matrix_whose_inverse_has_the_opposite_factor(r):
    (x, y), v = pair(3, r=r), Draw(4).normal(7, 5)
    whole, apply = (expm_rank1, expm_rank1_apply) if r is None else (expm_low_rank, expm_low_rank_apply)
    matrix = whole(x, y)
    out, logdet = apply(v, x, y)
    near(out, v @ matrix.mT)
    near(torch.linalg.slogdet(matrix)[1], logdet[0])
    near(matrix @ whole(-x, y), torch.eye(5, dtype=F64))
    near(apply(v, x, y, inverse=True)[0], v @ whole(-x, y).mT)


def test_rank_one_is_low_rank_with_one_column():
    (x, y), v = pair(5), Draw(6).normal(5)
    columns = x[:, None], y[:, None]
    near(expm_rank1(x, y), expm_low_rank(*columns))
    near(expm_rank1_apply(v, x, y), expm_low_rank_apply(v, *columns))


def test_columns_of_zeros_and_no_columns_change_nothing():
    (x, y), v = pair(7, r=2), Draw(8).normal(3, 5)
    wide = [torch.cat([m, torch.zeros(5, 1, dtype=F64)], 1) for m in (x, y)]
    near(expm_low_rank(*wide), expm_low_rank(x, y))
    none = torch.zeros(5, 0, dtype=F64)
    assert torch.equal(expm_low_rank(none, none), torch.eye(5, dtype=F64))
    out, logdet = expm_low_rank_apply(v, none, none)
    assert torch.equal(out, v)
    assert torch.equal(logdet, torch.zeros(3, dtype=F64))


def test_orthogonal_vectors_keep_the_volume_exactly():
    x, y = column([1.0, 2.0, -1.0, 3.0]), column([3.0, -1.0, 1.0, 0.0])
    for dtype in DTYPES[:2]:
        scaled = (1000 * x).to(dtype)
        expected = torch.eye(4, dtype=F64) + product(1000 * x, y)
        assert torch.equal(expm_rank1(scaled, y.to(dtype)).double(), expected)
        assert torch.equal(expm_low_rank(scaled[:, None], y[:, None].to(dtype)).double(), expected)
        assert expm_rank1_apply(x.to(dtype), scaled, y.to(dtype))[1] == 0


def test_leading_axes_broadcast():
    draw = Draw(9)
    v, x, y = draw.normal(2, 1, 4), draw.normal(3, 4), draw.normal(2, 3, 4)
    out, logdet = expm_rank1_apply(v, x, y)
    assert (out.shape, logdet.shape) == ((2, 3, 4), (2, 3))
    near(out[1, 2], expm_rank1_apply(v[1, 0], x[2], y[1, 2])[0])
    near(logdet, (x * y).sum(-1))
    assert expm_rank1(x, y).shape == (2, 3, 4, 4)
    near(expm_rank1(x, y)[1, 2], expm_rank1(x[2], y[1, 2]))
    out, logdet = expm_low_rank_apply(v, x[..., None], y[..., None])
    assert (out.shape, logdet.shape) == ((2, 3, 4), (2, 3))
    near(out, expm_rank1_apply(v, x, y)[0])
    assert expm_low_rank(x[..., None], y[..., None]).shape == (2, 3, 4, 4)


def test_a_shared_factor_beside_one_for_each_vector():
    draw = Draw(10)
    v, x, y = draw.normal(3, 4), draw.normal(4), draw.normal(3, 4)
    for first, second in ((x, y), (y, x)):
        out, logdet = expm_rank1_apply(v, first, second)
        for i in range(3):
            one = [f if f.dim() == 1 else f[i] for f in (first, second)]
            near(out[i], expm_rank1_apply(v[i], *one)[0])
            near(logdet[i], (one[0] * one[1]).sum())


def test_dtypes_may_differ():
    x, y = (v.float() for v in pair(11))
    v = Draw(12).normal(3, 5).bfloat16()
    out, logdet = expm_rank1_apply(v, x, y)
    assert (out.dtype, logdet.dtype) == (torch.bfloat16, torch.float32)
    assert expm_rank1(x, y.double()).dtype == F64
    assert expm_rank1_apply(v, x, y.double())[1].dtype == F64
    out, logdet = expm_low_rank_apply(v, x[:, None], y[:, None].double())
    assert (out.dtype, logdet.dtype) == (torch.bfloat16, F64)
    assert expm_low_rank(x[:, None], y[:, None].double()).dtype == F64


# ------------------------------------------------------------------- agreement

NUMBERS = [0.0, 1e-300, 1e-20, 1e-8, 1e-4, 0.1, 1.0, 1.99, 2.0, 2.01, 5.0, 30.0, 80.0]
NUMBERS += [-v for v in NUMBERS] + [
    -15.0,
    -16.83,
    -16.95,
    -17.5,
    -33.3,
    -36.6,
    -37.1,
    -300.0,
]  # expm1 is almost -1


@pytest.mark.parametrize("dtype", DTYPES[:2])
def test_phi_and_its_derivatives(dtype):
    s = column(NUMBERS, dtype=dtype)
    exact = [mp.mpf(v) for v in s.double().tolist()]
    eps = torch.finfo(dtype).eps
    assert_close(phi1(s), [exact_phi(v) for v in exact], 3 * eps)
    assert_close(gradient(phi1, s), [exact_slope(v) for v in exact], 4 * eps)
    second = gradient(lambda s: gradient_of(phi1, s), s)
    assert_close(second, [exact_slope(v, 2) for v in exact], 16 * eps)


def gradient_of(function, s):
    return torch.autograd.grad(function(s).sum(), s, create_graph=True)[0]


def test_phi_at_its_ends():
    ends = column([INF, -INF, NAN, 1000.0, -1e300])
    assert_close(phi1(ends)[:2], [INF, 0], 0)
    assert phi1(ends)[2].isnan()
    assert_close(phi1(ends)[3:], [INF, 1e-300], 1e-15)
    slopes = gradient(phi1, ends[[0, 1, 3]])
    assert_close(slopes, [INF, 0, INF], 0)
    assert phi1(0).dtype == F64
    assert phi1(0) == 1


@pytest.mark.parametrize("dtype", DTYPES[:2])
@pytest.mark.parametrize("scale", [1e-4, 0.3, 3.0])
def test_rank_one_against_mpmath(dtype, scale):
    x, y = (v.to(dtype) for v in pair(13, n=4, scale=scale))
    s = mp.fdot(x.double().tolist(), y.double().tolist())
    exact = [
        exact_phi(s) * mp.mpf(a) * mp.mpf(b) + (i == j)
        for i, a in enumerate(x.double().tolist())
        for j, b in enumerate(y.double().tolist())
    ]
    largest = float(max(map(abs, exact)))
    eps = torch.finfo(dtype).eps
    assert_close(expm_rank1(x, y), exact, eps if dtype != F64 else 8 * eps, 8 * 2**-52 * largest)
    out, logdet = expm_rank1_apply(torch.eye(4, dtype=dtype), x, y)
    assert_close(out.mT, exact, 0, 8 * eps * largest)
    assert_close(
        logdet[0], [s], eps, eps * float(mp.fdot(x.double().abs().tolist(), y.double().abs().tolist()))
    )


MATRICES = {
    "zero": [[0, 0], [0, 0]],
    "singular": [[1, 2], [2, 4]],
    "Jordan block": [[-2, 1], [0, -2]],
    "nilpotent": [[3, -3], [3, -3]],
    "nearly defective": [[1, 1], [1e-12, 1]],
    "rotation": [[0, 40], [-40, 0]],
    "small": [[0, -0.049], [0.049, 0]],
    "tiny": [[1e-9, 2e-9], [-1e-9, 3e-9]],
    "stable": [[-100, 1], [0, -0.01]],
    "large": [[20, 5], [1, 30]],
}


@pytest.mark.parametrize("name", MATRICES)
def test_exponential_and_phi_of_a_matrix_against_mpmath(name):
    a = column(MATRICES[name])
    with mp.workdps(120):
        block = mp.matrix(4, 4)
        for i in range(2):
            block[i, 2 + i] = 1
            for j in range(2):
                block[i, j] = mp.mpf(a[i, j].item())
        whole = mp.expm(block)
    found = exp_and_phi(a)
    size = max(1.0, a.abs().sum().item())
    for at, matrix in zip((0, 2), found, strict=True):
        exact = [whole[i, at + j] for i in range(2) for j in range(2)]
        assert_close(matrix, exact, 0, 1e-15 * size * float(max(map(abs, exact))))


def test_the_exponential_of_a_small_full_matrix_has_all_digits():
    """torch's own has ten where it is alone: pytorch#196592."""
    a = column([[0.0, -0.049], [0.049, 0.0]])
    exact = [math.cos(0.049), -math.sin(0.049), math.sin(0.049), math.cos(0.049)]
    eye = torch.eye(2, dtype=F64)
    assert_close(expm_low_rank(a, eye), exact, 1e-15)
    assert_close(expm_low_rank_apply(eye, a, eye)[0].mT, exact, 1e-15)


@pytest.mark.parametrize("n", [3, 6])
def test_low_rank_against_the_exponential_of_the_product(n):
    x, y = pair(14, n=n, r=3, scale=0.8)
    expected = torch.matrix_exp((x @ y.mT).expand(2, -1, -1))[0]
    near(expm_low_rank(x, y), expected)
    out, logdet = expm_low_rank_apply(torch.eye(n, dtype=F64), x, y)
    near(out.mT, expected)
    near(logdet, torch.linalg.slogdet(expected)[1].expand(n))


def test_decay_in_single_precision_where_torch_loses_digits():
    twenty = -20 * torch.eye(2)
    for found in (
        expm_low_rank(twenty, torch.eye(2)),
        expm_low_rank_apply(torch.eye(2), twenty, torch.eye(2))[0],
    ):
        assert_close(found.diagonal(), [math.exp(-20)] * 2, 1e-7)


@pytest.mark.parametrize("degrees", [0, 30, 90, 150, 180])
def test_singular_values_and_bounds_of_the_condition_number(degrees):
    e = torch.eye(6, dtype=F64)
    cosine = math.cos(math.radians(degrees)) if degrees != 90 else 0.0
    for p in (0.01, 1.0, 6.0):
        x, y = p * e[0], cosine * e[0] + math.sqrt(1 - cosine**2) * e[3]
        s = p * cosine
        h = p * (math.sinh(s / 2) / s if s else 0.5)
        values = torch.linalg.svdvals(expm_rank1(x, y))
        expected = [math.exp(s / 2 + math.asinh(h)), 1, 1, 1, 1, math.exp(s / 2 - math.asinh(h))]
        assert_close(values, expected, 1e-12)
        condition = (values[0] / values[-1]).item()
        assert math.exp(abs(s)) * (1 - 1e-12) <= condition <= math.exp(p) * (1 + 1e-12)


def test_which_matrices_are_reached():
    u, v = pair(15)
    for q in (-0.999, -0.5, 1e-9, 3.0):
        v = v * (q / (u @ v))
        x, y = u, v * math.log1p(q) / q
        near(expm_rank1(x, y), torch.eye(5, dtype=F64) + product(u, v), 1e-12)


def test_exponentials_multiply_where_they_commute_only():
    e = torch.eye(4, dtype=F64)
    sides = [(e[0], e[1], e[2], e[3]), (e[0], e[1], e[1], e[0])]
    equal = []
    for x1, y1, x2, y2 in sides:
        together = expm_low_rank(torch.stack([x1, x2], -1), torch.stack([y1, y2], -1))
        equal.append(torch.allclose(expm_rank1(x1, y1) @ expm_rank1(x2, y2), together))
    assert equal == [True, False]


def test_derivatives_where_the_scalar_product_vanishes():
    x, y, v = column([1.0, 2.0]), column([2.0, -1.0]), column([0.5, -0.3])
    assert_derivatives(lambda *z: torch.cat([expm_rank1_apply(*z)[0], expm_rank1(*z[1:]).flatten()]), v, x, y)
    assert_derivatives(lambda *z: expm_rank1_apply(*z, inverse=True)[0], v, torch.zeros_like(x), y)
    zeros = torch.zeros(3, 2, dtype=F64)
    assert_derivatives(lambda X, Y: expm_low_rank(X, Y), zeros, Draw(16).normal(3, 2))


# ------------------------------------------------------------------- failure


@pytest.mark.parametrize("dtype", DTYPES[:2])
def test_one_dimension_is_the_ordinary_exponential(dtype):
    for s in (-30.0, -20.0, 0.0, 3.0):
        x, y, v = (column([w], dtype=dtype) for w in (s, 1.0, 2.0))
        eps = 4 * torch.finfo(dtype).eps
        assert_close(expm_rank1(x, y), [math.exp(s)], eps)
        assert_close(expm_rank1_apply(v, x, y)[0], [2 * math.exp(s)], eps)
        assert_close(expm_rank1_apply(v, x, y, inverse=True)[0], [2 * math.exp(-s)], eps)


def test_no_dimension_is_nothing():
    none = torch.zeros(0)
    assert expm_rank1(none, none).shape == (0, 0)
    out, logdet = expm_rank1_apply(torch.zeros(3, 0), none, none)
    assert out.shape == (3, 0)
    assert torch.equal(logdet, torch.zeros(3))


@pytest.mark.parametrize(("dtype", "s"), [(torch.float32, 90.0), (F64, 720.0)])
def test_where_the_exponential_overflows_the_inverse_and_the_determinant_do_not(dtype, s):
    x, y, v = (column(w, dtype=dtype) for w in ([s, 0.0], [1.0, 0.0], [1.0, 1.0]))
    out, logdet = expm_rank1_apply(v, x, y)
    assert out.isnan().all()
    assert logdet == s
    out, logdet = expm_rank1_apply(v, x, y, inverse=True)
    assert_close(out, [0, 1], 1e-6, 1e-6)
    assert logdet == -s


def test_where_the_exponential_overflows_at_rank_two_the_inverse_and_the_determinant_do_not():
    x = column([[800.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
    y, v = column([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]), column([1.0, 1.0, 1.0])
    out, logdet = expm_low_rank_apply(v, x, y)
    assert not out[0].isfinite()
    assert logdet == 801
    out, logdet = expm_low_rank_apply(v, x, y, inverse=True)
    assert_close(out, [0, math.exp(-1), 1], 0, 801 * 2**-52)  # some roundings of the norm
    assert logdet == -801


@pytest.mark.parametrize("bad", [NAN, INF, 1e5])
@pytest.mark.parametrize("r", [None, 1, 2, 4])
def test_a_bad_row_spoils_no_other_in_value_and_slope(r, bad):
    shape, apply = ((3, 4), expm_rank1_apply) if r is None else ((3, 4, r), expm_low_rank_apply)
    draw = Draw(17)
    v, x, y = draw.normal(3, 4), draw.normal(*shape, scale=0.5), draw.normal(*shape, scale=0.5)
    spoilt = x.clone()
    spoilt[1] = bad

    def products(x):
        return apply(v, x, y)[0]

    near(products(spoilt)[::2], products(x)[::2], 1e-12)
    near(gradient(products, spoilt)[::2], gradient(products, x)[::2], 1e-12)


def test_long_sums_are_as_exact_as_the_docstring_says():
    """e^s is off by the rounding of s: 139 roundings here, more than the one of its largest entry."""
    draw = Draw(18)
    x, y = draw.normal(50).abs(), draw.normal(50).abs()
    y = y * (500 / (x @ y))
    s = mp.fdot(x.tolist(), y.tolist())
    exact = [
        exact_phi(s) * mp.mpf(a) * mp.mpf(b) + (i == j)
        for i, a in enumerate(x.tolist())
        for j, b in enumerate(y.tolist())
    ]
    assert_close(expm_rank1(x, y), exact, 0, 501 * 2**-52 * float(max(exact)))


def test_one_exponential_does_not_reach_all_of_positive_determinant():
    """diag(-1, -2): the trace of the exponential of a real 2 x 2 matrix is at least -2 sqrt(det)."""
    matrix = expm_low_rank(3 * Draw(19).normal(2000, 2, 2), torch.eye(2, dtype=F64).expand(2000, 2, 2))
    trace, root = matrix.diagonal(dim1=-2, dim2=-1).sum(-1), torch.linalg.det(matrix).clamp(min=0).sqrt()
    size = matrix.abs().amax((-2, -1))
    assert (trace >= -2 * root - 1e-6 * size).all()


def test_a_row_of_nan_spoils_no_other():
    v, x = torch.ones(3, 2, dtype=F64), torch.ones(3, 2, dtype=F64)
    y = column([[1.0, -1.0], [NAN, 0.0], [1e4, 1.0]])
    out, logdet = expm_rank1_apply(v, x, y)
    assert torch.equal(out.isnan().all(-1), torch.tensor([False, True, True]))
    assert torch.equal(logdet.isnan(), torch.tensor([False, True, False]))
    out, _ = expm_low_rank_apply(v, x[..., None], y[..., None])
    assert torch.equal(out.isnan().any(-1), torch.tensor([False, True, True]))


def test_shapes_that_do_not_fit_are_named():
    v, x, m = torch.ones(3, 4), torch.ones(4), torch.ones(4, 2)
    for call, name in (
        (lambda: expm_rank1(torch.tensor(1.0), x), "x must"),
        (lambda: expm_rank1(x, x[:3]), "y must"),
        (lambda: expm_rank1(torch.ones(2, 4), torch.ones(3, 4)), "y must have leading"),
        (lambda: expm_rank1_apply(v[:, :3], x, x), "v must"),
        (lambda: expm_rank1_apply(v, torch.ones(2, 4), x), "v must have leading"),
        (lambda: expm_rank1_apply(torch.tensor(1.0), x, x), "v must"),
        (lambda: expm_low_rank(x, x), "X must"),
        (lambda: expm_low_rank(m, m[:, :1]), "Y must"),
        (lambda: expm_low_rank(m.expand(2, 4, 2), m.expand(3, 4, 2)), "Y must have leading"),
        (lambda: expm_low_rank_apply(v[:, :3], m, m), "v must"),
        (lambda: expm_low_rank_apply(v, m.expand(2, 4, 2), m), "v must have leading"),
    ):
        with pytest.raises(ValueError, match=name):
            call()
    for call, name in (
        (lambda: expm_rank1(x.long(), x), "x must"),
        (lambda: expm_low_rank_apply(v.long(), m, m), "v must"),
        (lambda: phi1("one"), "s must"),
    ):
        with pytest.raises(TypeError, match=name):
            call()


def test_what_the_usual_formulas_lose():
    """Why phi1 exists: the value by exp, and the slope by expm1, in float32."""
    s = torch.tensor([1e-8], requires_grad=True)
    assert ((s.exp() - 1) / s).item() == 0
    slope = torch.autograd.grad(s.expm1() / s, s)[0].item()
    assert abs(slope - 0.5) > 0.4
    close(torch.autograd.grad(phi1(s), s)[0].item(), 0.5, 1e-6)
