"""Orthogonal and truncated normal weights: identities, their laws, agreement with torch and scipy, failure.

Statistical tests are seeded; their seeds aside, each fails with a probability below 1e-5 (|z| < 4.5, or the
p-value that is stated); about 200 such comparisons in all files of the chapter.
"""

import functools

import pytest
import torch
from helpers import DEVICES, DTYPES, F64, INF, NAN, Draw, assert_refused, seeded, z_score
from mpmath import mp
from scipy import stats
from torch import nn

from lemmata.geometry import gram_error, orthogonal_, truncated_normal_
from lemmata.geometry._initialization import orthogonal, truncated_normal

EPS = {dtype: torch.finfo(dtype).eps for dtype in DTYPES}

on_devices = pytest.mark.parametrize("device", DEVICES)
in_dtypes = pytest.mark.parametrize("dtype", DTYPES)


def far_from_orthonormal(q):
    """The largest entry of the smaller Gram matrix less the identity."""
    q = q.double()
    q = q if q.shape[-2] >= q.shape[-1] else q.mT
    return (q.mT @ q - torch.eye(q.shape[-1], dtype=F64, device=q.device)).abs().max().item()


# --------------------------------------------------------------------------- identity: orthogonal_

SHAPES = [(1, 1), (5, 5), (7, 3), (3, 7), (64, 16, 3, 3), (513, 128), (128, 520), (1030, 200), (130, 52, 10)]


@on_devices
@in_dtypes
@pytest.mark.parametrize("shape", SHAPES)
def test_columns_or_rows_are_orthonormal(shape, dtype, device):
    q = orthogonal_(torch.empty(shape, dtype=dtype, device=device), generator=seeded(7180, device))
    assert q.dtype == dtype
    assert q.shape == shape
    rounding = 4 if dtype in (torch.float64, torch.float32) else 1
    assert far_from_orthonormal(q.flatten(1)) < rounding * EPS[dtype] * max(1, min(shape) ** 0.5)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize(
    "shape", [(40, 40), (200, 130), (512, 128), (128, 515), (1500, 300), (128, 60, 3, 3)]
)
def test_a_seed_gives_the_matrix_of_torch(shape, dtype):
    """Q is unique, so Cholesky's and Householder's differ by rounding, and never by a sign."""
    ours = orthogonal_(torch.empty(shape, dtype=dtype), 1.5, generator=seeded())
    theirs = nn.init.orthogonal_(torch.empty(shape, dtype=dtype), 1.5, generator=seeded())
    condition = 1e3 if shape[0] == shape[1] else 20
    assert (ours - theirs).abs().max() < condition * EPS[dtype]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("shape", [(512, 128), (1024, 256), (256, 1024), (2000, 130)])
def test_tall_matrices_are_as_orthogonal_as_those_of_torch(shape, dtype):
    ours, theirs = (
        init(torch.empty(shape, dtype=dtype), generator=seeded())
        for init in (orthogonal_, nn.init.orthogonal_)
    )
    ours, theirs = (gram_error(q.double() if shape[0] > shape[1] else q.double().T) for q in (ours, theirs))
    assert ours**0.5 < 1.6 * theirs**0.5  # 1.1 to 1.45 at four times as long and 128 wide, less beyond


@in_dtypes
def test_half_types_are_rounded_once(dtype):
    single = orthogonal_(torch.empty(6, 4), 3.0, generator=seeded())
    if EPS[dtype] > 1e-6:
        half = orthogonal_(torch.empty(6, 4, dtype=dtype), 3.0, generator=seeded())
        assert torch.equal(half, single.to(dtype))


def test_batched_draws_a_matrix_for_each_index():
    q = orthogonal_(torch.empty(2, 3, 6, 4, dtype=F64), 2.0, generator=seeded(), batched=True)
    assert far_from_orthonormal(q / 2) < 1e-14
    assert torch.unique(q[..., 0, 0]).numel() == 6
    flat = orthogonal_(torch.empty(2, 3, 6, 4, dtype=F64), generator=seeded())
    assert far_from_orthonormal(flat.flatten(1)) < 1e-14


def test_batches_by_cholesky_are_those_by_householder():
    a = Draw(0).normal(2, 600, 130)
    q, r = torch.linalg.qr(a)
    fast = orthogonal._cholesky_or_householder(a.clone())
    signs = r.diagonal(dim1=-2, dim2=-1).sign().unsqueeze(-2)
    torch.testing.assert_close(fast, q * signs, rtol=0, atol=1e-14)
    assert far_from_orthonormal(fast) < 1e-14


@pytest.mark.parametrize("kind", ["singular", "nearly singular", "zero column"])
def test_what_cholesky_cannot_bear_goes_to_householder(kind):
    a = Draw(0).normal(520, 128, dtype=torch.float32)
    a[:, 5] = {"singular": a[:, 7], "nearly singular": a[:, 4] + 1e-4 * a[:, 5], "zero column": 0 * a[:, 5]}[
        kind
    ]
    assert far_from_orthonormal(orthogonal._cholesky_or_householder(a)) < 1e-5


def test_cholesky_is_taken_from_the_stated_shape_on(monkeypatch):
    calls = []
    work = orthogonal.by_cholesky
    monkeypatch.setattr(orthogonal, "by_cholesky", lambda a: calls.append(a.shape) or work(a))
    for shape in [(512, 128), (511, 128), (512, 127), (128, 512), (515, 129)]:
        orthogonal_(torch.empty(shape), generator=seeded())
    assert calls == [(512, 128), (512, 128)]


def test_cholesky_needs_no_help_with_gaussians(monkeypatch):
    monkeypatch.setattr(torch.linalg, "qr", None)  # would fail if it were called
    for shape in [(512, 128), (128, 3000), (1200, 300)]:
        assert far_from_orthonormal(orthogonal_(torch.empty(shape), generator=seeded())) < 1e-5
    for q in orthogonal_(torch.empty(2, 512, 128), generator=seeded(), batched=True):
        assert far_from_orthonormal(q) < 1e-5


def test_coarse_matmul_precision_is_kept_out(monkeypatch):
    monkeypatch.setattr(torch, "get_float32_matmul_precision", lambda: "medium")
    monkeypatch.setattr(orthogonal, "by_cholesky", None)  # would fail if it were called
    assert far_from_orthonormal(orthogonal_(torch.empty(512, 128), generator=seeded())) < 1e-5


@pytest.mark.parametrize("shape", [(512, 128), (20, 10)])
def test_autocast_changes_no_digit(shape):
    expected = orthogonal_(torch.empty(shape), generator=seeded())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got = orthogonal_(torch.empty(shape), generator=seeded())
        error = gram_error(got)
    assert torch.equal(got, expected)
    assert torch.equal(error, gram_error(expected))


# --------------------------------------------------------------------------- identity: both


@pytest.mark.parametrize("init", [orthogonal_, truncated_normal_])
def test_initialisers_fill_in_place_without_a_gradient(init):
    parameter = nn.Parameter(torch.empty(4, 3, 2).transpose(0, 2))  # not contiguous
    assert init(parameter, generator=seeded()) is parameter
    assert parameter.requires_grad
    assert parameter.grad_fn is None
    plain = init(torch.empty(2, 3, 4), generator=seeded())
    assert torch.equal(parameter, plain)


@pytest.mark.parametrize("init", [orthogonal_, truncated_normal_])
@pytest.mark.parametrize("tensor", [torch.empty(3, 2, device="meta"), torch.empty(0, 3), torch.empty(3, 0)])
def test_nothing_is_drawn_where_there_is_nothing_to_fill(init, tensor):
    generator = seeded()
    before = generator.get_state()
    assert init(tensor, generator=generator) is tensor
    assert torch.equal(generator.get_state(), before)


@pytest.mark.parametrize("init", [orthogonal_, truncated_normal_])
def test_draws_come_from_the_generator_alone(init):
    state = torch.get_rng_state()
    first, second, other = (init(torch.empty(4, 4), generator=seeded(s)) for s in (1, 1, 2))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), state)
    init(torch.empty(4, 4))
    assert not torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("init", [orthogonal_, truncated_normal_])
@pytest.mark.parametrize("shape", [(6, 4), (512, 128), (3, 2, 2)])
def test_initialisers_compile_to_one_graph(init, shape):
    """Without a generator, which torch.compile does not take."""
    torch.compiler.reset()
    made = []
    for call in (init, torch.compile(init, fullgraph=True, backend="eager")):
        torch.manual_seed(0)
        x = torch.empty(shape, dtype=F64)
        assert call(x) is x
        made.append(x)
    torch.testing.assert_close(*made, rtol=0, atol=1e-13)


# --------------------------------------------------------------------------- agreement: Haar


def test_square_orthogonal_matrices_have_the_moments_of_haar():
    """Each of 20000 matrices 4 x 4: E q^4 = 3/(n(n+2)), E q11^2 q22^2 = (n+1)/(n(n-1)(n+2)), and more."""
    n = 4
    q = orthogonal_(torch.empty(20000, n, n, dtype=F64), generator=seeded(), batched=True)
    assert abs(z_score(q[:, 0, 0], 0)) < 4.5
    assert abs(z_score(q[:, 0, 0] ** 2, 1 / n)) < 4.5
    for entry in (q[:, 0, 0], q[:, 3, 3], q[:, 2, 1]):
        assert abs(z_score(entry**4, 3 / (n * (n + 2)))) < 4.5
    assert abs(z_score(q[:, 0, 0] ** 2 * q[:, 1, 1] ** 2, (n + 1) / (n * (n - 1) * (n + 2)))) < 4.5
    assert abs(z_score(q[:, 0, 0] ** 2 * q[:, 0, 1] ** 2, 1 / (n * (n + 2)))) < 4.5
    cross = q[:, 0, 0] * q[:, 1, 1] * q[:, 0, 1] * q[:, 1, 0]
    assert abs(z_score(cross, -1 / (n * (n - 1) * (n + 2)))) < 4.5
    assert abs(z_score(torch.linalg.det(q), 0)) < 4.5
    trace = q.diagonal(dim1=-2, dim2=-1).sum(-1)
    assert abs(z_score(trace, 0)) < 4.5
    assert abs(z_score(trace**2, 1)) < 4.5


@pytest.mark.parametrize("corner", [(0, 0), (2, 2)])
def test_entries_of_haar_matrices_have_the_law_of_a_cosine(corner):
    """(1 + q) / 2 is Beta((n - 1) / 2, (n - 1) / 2), here of the first entry and the last: p > 1e-5."""
    q = orthogonal_(torch.empty(4000, 5, 3, dtype=F64), generator=seeded(), batched=True)
    entry = q[(slice(None), *corner)].numpy()
    assert stats.kstest((1 + entry) / 2, stats.beta(2, 2).cdf).pvalue > 1e-5


def test_without_the_sign_it_would_not_be_haar():
    """The Q of LAPACK: its first entry is never positive, and its determinant is fixed by n."""
    q, _ = torch.linalg.qr(torch.randn(500, 3, 3, dtype=F64, generator=seeded()))
    assert (q[:, 0, 0] <= 0).all()
    assert abs(z_score(orthogonal_(torch.empty_like(q), generator=seeded(), batched=True)[:, 0, 0], 0)) < 4.5


# --------------------------------------------------------------------------- agreement: truncated normal

ENDS = [
    (-2, 2),
    (-1, 3),
    (-3, 1),
    (0, INF),
    (-INF, 0.5),
    (-INF, INF),
    (2, 3),
    (-6, -5),
    (5, 6),
    (9, INF),
    (0.1, 0.2),
]


@functools.cache
def truncated_oracle(a, b):
    a, b = mp.mpf(a), mp.mpf(b)
    mass = mp.quad(mp.npdf, [a, 0, b] if a < 0 < b else [a, b])
    m1, m2 = (
        mp.quad(lambda z, k=k: z**k * mp.npdf(z), [a, 0, b] if a < 0 < b else [a, b]) / mass for k in (1, 2)
    )
    return float(m1), float(mp.sqrt(m2 - m1**2))


@pytest.mark.parametrize(("a", "b"), ENDS)
def test_moments_of_the_truncated_law(a, b):
    """Cancellation in 1 + ... - mu^2 costs about (b - a)^-2 roundings, and mu^4 in a tail."""
    mean, std = truncated_normal._truncated_moments(a, b)
    expected = truncated_oracle(a, b)
    assert mean == pytest.approx(expected[0], rel=1e-13, abs=1e-15)
    assert std == pytest.approx(expected[1], rel=1e-10)


def test_factor_at_two_is_that_of_keras_and_jax():
    assert truncated_normal._truncated_moments(-2.0, 2.0) == (
        0,
        pytest.approx(0.87962566103423975, rel=2e-16),
    )


@in_dtypes
@pytest.mark.parametrize(("a", "b"), ENDS)
def test_result_has_the_mean_and_the_deviation(a, b, dtype):
    x = truncated_normal_(
        torch.empty(40000, dtype=dtype), 0.5, mean=-1.0, a=a, b=b, generator=seeded()
    ).double()
    slack = EPS[dtype] * 2  # of rounding the mean -1 to a half type
    mu, s = truncated_oracle(a, b)
    low, high = (-1 + 0.5 * (end - mu) / s for end in (a, b))
    assert low - 8 * slack <= x.min()
    assert x.max() <= high + 8 * slack
    if dtype in (torch.float64, torch.float32):
        law = stats.truncnorm(a, b, loc=-1 - 0.5 * mu / s, scale=0.5 / s)
        assert stats.kstest(x.numpy(), law.cdf).pvalue > 1e-5
    assert abs(z_score(x, -1)) < 4.5 + slack * 400
    assert abs(z_score((x + 1) ** 2, 0.25)) < 4.5 + slack * 400


def test_torch_returns_less_than_its_std():
    theirs = nn.init.trunc_normal_(torch.empty(10**5), std=1.0, a=-2.0, b=2.0, generator=seeded())
    assert theirs.std().item() == pytest.approx(0.8796, abs=0.01)
    ours = truncated_normal_(torch.empty(10**5), 1.0, generator=seeded())
    assert ours.std().item() == pytest.approx(1, abs=0.01)


def test_truncated_normal_of_deviation_zero_is_its_mean():
    assert (truncated_normal_(torch.empty(9), 0.0, mean=3.0, generator=seeded()) == 3).all()


def test_mirrored_ends_give_mirrored_numbers():
    right = truncated_normal_(torch.empty(99), a=1.0, b=2.0, generator=seeded())
    left = truncated_normal_(torch.empty(99), a=-2.0, b=-1.0, generator=seeded())
    assert torch.equal(right, -left)


def test_smallest_uniform_number_is_no_infinity(monkeypatch):
    """0 comes up once in 2^24 draws of float32; the middle of its cell stands for it."""
    monkeypatch.setattr(torch.Tensor, "uniform_", lambda x, low, high, generator: x.fill_(low))
    z = truncated_normal._truncated(torch.empty(1), -INF, INF, None)
    assert z.item() == pytest.approx(stats.norm.ppf(2**-25), rel=1e-5)
    assert truncated_normal._truncated(torch.empty(1), -6.0, -5.0, None).item() == pytest.approx(-6, rel=1e-6)


# --------------------------------------------------------------------------- failure


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: orthogonal_(torch.empty(3)), r"tensor must have at least 2 dimensions, got shape \(3,\)"),
        (lambda: truncated_normal_(torch.empty(3), -1.0), "std must be finite and at least 0, got -1.0"),
        (lambda: truncated_normal_(torch.empty(3), INF), "std must be finite and at least 0, got inf"),
        (lambda: truncated_normal_(torch.empty(3), a=1.0, b=1.00009), "b must exceed a by at least 1e-4"),
        (lambda: truncated_normal_(torch.empty(3), a=NAN), "b must exceed a"),
        (lambda: truncated_normal_(torch.empty(3), a=2.0, b=1.0), "b must exceed a"),
        (lambda: truncated_normal_(torch.empty(3), a=12.0, b=13.0), "a and b must keep at least 1e-30"),
    ],
)
def test_bad_values_are_named(call, message):
    assert_refused([(ValueError, message, call)])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: orthogonal_(torch.empty(3, 3, dtype=torch.int64)),
            "tensor must be float64.*got torch.int64",
        ),
        (lambda: orthogonal_(torch.empty(3, 3), "relu"), "gain must be a number, got str"),
        (lambda: truncated_normal_(torch.empty(3, dtype=torch.complex64)), "tensor must be float64"),
        (lambda: truncated_normal_(torch.empty(3), True), "std must be a number, got bool"),
    ],
)
def test_bad_types_are_named(call, message):
    assert_refused([(TypeError, message, call)])


def test_edges_of_what_is_accepted():
    assert truncated_normal_(torch.empty(2), a=1.0, b=1.00011, generator=seeded()).isfinite().all()
    assert truncated_normal_(torch.empty(2), a=11.0, b=12.0, generator=seeded()).isfinite().all()
    assert orthogonal_(torch.empty(1, 1), INF, generator=seeded()).isinf()
