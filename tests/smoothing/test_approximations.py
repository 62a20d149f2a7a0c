"""Hard functions made soft: identities, agreement with mpmath, and what happens at the edges."""

import itertools
import math
import shutil
from fractions import Fraction

import pytest
import torch
import torch.nn.functional as F
from mpmath import mp
from torch.autograd import gradcheck, gradgradcheck

from lemmata.kernels.capped_simplex import capped_simplex
from lemmata.kernels.elementary_symmetric import log_symmetric
from lemmata.kernels.log_space import log_sum_exp, log_times
from lemmata.smoothing.approximations import (
    smooth_accuracy,
    smooth_fbeta,
    smooth_sign,
    smooth_step,
    soft_argmax,
    soft_one_hot,
    soft_round,
    soft_round_inverse,
    soft_top_k,
)

mp.dps = 40
INF, NAN = math.inf, math.nan
DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
DTYPES = [torch.float64, torch.float32, torch.bfloat16, torch.float16]
METHODS = ["subset", "sigmoid"]
X = (2.0, 1.0, 4.0, 5.0, 3.0)

pytestmark = pytest.mark.parametrize("device", DEVICES)


@pytest.fixture
def draw(device):
    """Random tensors, drawn on the CPU so that every device sees the same."""
    generator = torch.Generator().manual_seed(6620)

    class Draw:
        def normal(self, *shape, scale=1.0, dtype=torch.float64):
            return (torch.randn(shape, generator=generator, dtype=torch.float64) * scale).to(device, dtype)

        def uniform(self, *shape, low=0.0, high=1.0, dtype=torch.float64):
            u = torch.rand(shape, generator=generator, dtype=torch.float64)
            return (low + (high - low) * u).to(device, dtype)

        def below(self, n, *shape):
            return torch.randint(n, shape, generator=generator).to(device)

    return Draw()


def column(values, device, dtype=torch.float64):
    return torch.tensor(values, dtype=dtype, device=device)


def derivatives(function, x, weights=None):
    """The values, the gradient of their (weighted) sum, and that of a weighted sum of the gradient."""
    x = x.detach().clone().requires_grad_()
    y = function(x)
    weights = torch.ones_like(y) if weights is None else weights
    (first,) = torch.autograd.grad((y * weights).sum(), x, create_graph=True)
    if not first.requires_grad:
        return y.detach(), first, torch.zeros_like(first)
    slopes = torch.linspace(-1, 2, first.numel(), device=x.device).to(first.dtype).reshape(first.shape)
    return y.detach(), first.detach(), torch.autograd.grad((first * slopes).sum(), x)[0]


def assert_close(actual, expected, relative, absolute=0.0):
    """Elementwise |actual - expected| <= relative |expected| + absolute, measured in float64."""
    expected = torch.tensor([float(e) for e in expected], dtype=torch.float64).reshape(actual.shape)
    torch.testing.assert_close(actual.double().cpu(), expected, rtol=relative, atol=absolute)


def resolution(dtype, scale):
    """The relative tolerance that the dtypes leave.

    Computed in float32 or float64: an exponent of size s is rounded by eps s, which is a relative error of
    its exponential; 16 eps for the rest. A half type then rounds once, by half its eps.
    """
    made = torch.finfo(torch.float64 if dtype == torch.float64 else torch.float32).eps
    kept = torch.finfo(dtype).eps
    return made * (16 + 4 * scale) + (kept / 2 if kept > made else 0.0)


def smallest(dtype):
    """Below it a dtype has no digits left."""
    return torch.finfo(dtype).tiny * torch.finfo(dtype).eps


# ------------------------------------------------------------------- the oracles


def exact_one_hot(row, sharpness):
    weights = [mp.exp(mp.mpf(sharpness) * (mp.mpf(v) - mp.mpf(max(row)))) for v in row]
    return [w / mp.fsum(weights) for w in weights]


def exact_subset(row, k, temperature=1.0):
    """Marginals and their Jacobian by definition: sums over subsets."""
    s = [mp.mpf(v) / mp.mpf(temperature) for v in row]
    n, chosen = len(row), list(itertools.combinations(range(len(row)), k))
    weights = [mp.exp(mp.fsum(s[i] for i in subset)) for subset in chosen]
    total = mp.fsum(weights)

    def share(*members):
        kept = (w for w, subset in zip(weights, chosen, strict=True) if set(members) <= set(subset))
        return mp.fsum(kept) / total

    p = [share(i) for i in range(n)]
    return p, [[(share(i, j) - p[i] * p[j]) / temperature for j in range(n)] for i in range(n)]


def exact_sigmoid(row, k, temperature=1.0):
    """The projection and its Jacobian; the threshold by bisection, starting from the derived bracket."""
    s = [mp.mpf(v) / mp.mpf(temperature) for v in row]
    n, ordered = len(s), sorted(s, reverse=True)
    middle = (ordered[k - 1] + ordered[k]) / 2
    low, high = middle - mp.log(k) - 1, middle + mp.log(n - k) + 1

    def probabilities(nu):
        return [1 / (1 + mp.exp(nu - v)) for v in s]

    for _ in range(160):
        nu = (low + high) / 2
        low, high = (nu, high) if mp.fsum(probabilities(nu)) > k else (low, nu)
    p = probabilities(low)
    w = [q / (1 + mp.exp(v - low)) for q, v in zip(p, s, strict=True)]
    total = mp.fsum(w)
    return p, [[w[i] * ((i == j) - w[j] / total) / temperature for j in range(n)] for i in range(n)]


EXACT = {"subset": exact_subset, "sigmoid": exact_sigmoid}


def exact_round(x, a):
    x, a = mp.mpf(x), mp.mpf(a)
    floor = mp.floor(x)
    return floor + mp.mpf(1) / 2 + mp.tanh(a * (x - floor - mp.mpf(1) / 2)) / (2 * mp.tanh(a / 2))


def exact_round_slope(x, a):
    x, a = mp.mpf(x), mp.mpf(a)
    r = x - mp.floor(x) - mp.mpf(1) / 2
    return a * mp.sech(a * r) ** 2 / (2 * mp.tanh(a / 2))


def exact_inverse(y, a):
    y, a = mp.mpf(y), mp.mpf(a)
    f = y - mp.floor(y)
    q = 1 / (1 + mp.exp(a))
    return (
        mp.floor(y)
        + mp.mpf(1) / 2
        + mp.log((f * (1 - q) + (1 - f) * q) / ((1 - f) * (1 - q) + f * q)) / (2 * a)
    )


# ------------------------------------------------------------------- identity


def test_reference_numbers(device):
    x = column(X, device)
    subset = [0.115425986879180, 0.043341151752164, 0.674583406378333, 0.870530303811567, 0.296119151178756]
    sigmoid = [0.169272836813791, 0.069733544459991, 0.600898536003117, 0.803641375433977, 0.356453707289124]
    assert_close(soft_top_k(x, 2), subset, 2e-14)
    assert_close(soft_top_k(x, 2, method="sigmoid"), sigmoid, 2e-14)
    for a, value in ((1.0, 1.2864445010057796087), (5, 1.1140365300894556017), (20, 1.0003353480706952677)):
        assert_close(soft_round(column(1.3, device), sharpness=a), [value], 3e-16)
        assert_close(soft_round_inverse(column(value, device), sharpness=a), [1.3], 1e-13)
    p = column([0.9, 0.2, 0.1, 0.6, 0.4, 0.1, 0.3, 0.05], device)
    t = torch.tensor([1, 0, 0, 1, 0, 0, 0, 0], device=device)
    assert_close(smooth_fbeta(p, t), [mp.mpf(20) / 31], 2e-16)


@pytest.mark.parametrize("sharpness", [0.3, 1, 7.0])
def test_one_hot_is_the_gradient_of_the_smooth_maximum(draw, sharpness):
    x = draw.normal(4, 6)
    _, gradient, _ = derivatives(lambda x: torch.logsumexp(sharpness * x, -1) / sharpness, x)
    p = soft_one_hot(x, sharpness=sharpness)
    torch.testing.assert_close(p, gradient, rtol=1e-13, atol=0)
    torch.testing.assert_close(p.sum(-1), torch.ones_like(p[:, 0]), rtol=1e-15, atol=0)
    torch.testing.assert_close(soft_one_hot(x + 1000.0, sharpness=sharpness), p, rtol=1e-11, atol=0)


def test_jacobian_of_one_hot_and_its_norm(draw, device):
    for x in (draw.normal(5), column([2.0, 2.0, -900.0], device), draw.normal(2, scale=0.01)):
        jacobian = torch.func.jacrev(lambda x: soft_one_hot(x, sharpness=3.0))(x)
        p = soft_one_hot(x, sharpness=3.0)
        torch.testing.assert_close(jacobian, 3 * (p.diag() - p.outer(p)), rtol=1e-12, atol=1e-16)
        assert torch.linalg.matrix_norm(jacobian, 2) <= 1.5 * (1 + 1e-15)
    even = torch.func.jacrev(lambda x: soft_one_hot(x, sharpness=3.0))(column([2.0, 2.0, -900.0], device))
    assert_close(torch.linalg.matrix_norm(even, 2), [1.5], 1e-15)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("sharpness", [INF, 1e306, 1e308])
def test_infinite_sharpness_is_the_hard_operation(device, dtype, sharpness):
    x = column([[1.0, 3.0, 3.0, -INF], [2.0, -1.0, 0.0, 1.0]], device, dtype)
    for function, values in (
        (soft_one_hot, [[0, 0.5, 0.5, 0], [1, 0, 0, 0]]),
        (soft_argmax, [1.5, 0]),
        (smooth_step, [[1, 1, 1, 0], [1, 0, 0.5, 1]]),
        (smooth_sign, [[1, 1, 1, -1], [1, -1, 0, 1]]),
        (soft_round, [[1, 3, 3, -INF], [2, -1, 0, 1]]),
    ):
        y, gradient, _ = derivatives(lambda x, f=function: f(x, sharpness=sharpness), x)
        assert y.tolist() == values
        assert y.dtype == gradient.dtype == dtype
        assert (gradient == 0).all()
    halves = column([-1.5, -0.5, 0.5, 1.5, 2.5, 0.4, 0.6, -0.6], device, dtype)
    assert soft_round(halves, sharpness=sharpness).tolist() == [-2, 0, 0, 2, 2, 0, 1, -1]


def test_the_largest_finite_sharpness(device):
    x = column([0.0, 1e-31], device, torch.float32)
    assert soft_one_hot(x, sharpness=3e32)[1] == 1
    assert 0.5 < soft_one_hot(x / 100, sharpness=3e32)[1] < 0.6  # not yet hard
    assert soft_one_hot(x / 100, sharpness=4e32)[1] == 1  # hard
    assert smooth_step(x[1] / 100, sharpness=3e32) < 0.6
    assert smooth_step(x[1] / 100, sharpness=4e32) == 1


def test_one_hot_and_argmax_converge_at_the_stated_rate(draw):
    x = draw.normal(50, 6)
    top = x.topk(2).values
    gap = top[:, 0] - top[:, 1]
    for sharpness in (1.0, 4.0, 16.0):
        p = soft_one_hot(x, sharpness=sharpness)
        missing = 1 - p.amax(-1)
        assert (missing <= 5 * torch.exp(-sharpness * gap) + 1e-15).all()
    clear = gap > 0.1
    nearly = soft_argmax(x, sharpness=400.0)[clear]
    torch.testing.assert_close(nearly, x.argmax(-1)[clear].double(), rtol=0, atol=1e-13)


def test_argmax_of_two_equal_peaks_is_between_them(device):
    for c, sharpness in itertools.product((0.5, 3.0, 100.0), (0.1, 1.0, 50.0, INF)):
        assert_close(soft_argmax(column([c, 0.0, c], device), sharpness=sharpness), [1], 1e-15)
    assert soft_argmax(column([5.0], device), sharpness=1.0) == 0


def test_positions(draw, device):
    x = draw.normal(2, 4, 3)
    p = soft_one_hot(x, sharpness=2.0, dim=1)
    for values in (draw.normal(4), torch.tensor([3, 0, -2, 7], device=device), draw.normal(4).half()):
        expected = (p * values.double()[:, None]).sum(1)
        torch.testing.assert_close(soft_argmax(x, sharpness=2.0, dim=1, values=values), expected)
        torch.testing.assert_close(soft_argmax(x, sharpness=2.0, dim=-2, values=values), expected)
    for shape in ((4, 3), (4, 1), (1, 4, 3), (2, 4, 3)):
        values = draw.normal(*shape)
        torch.testing.assert_close(soft_argmax(x, sharpness=2.0, dim=1, values=values), (p * values).sum(1))
    rows = soft_argmax(x, sharpness=2.0, dim=1)
    count = torch.arange(4.0, device=device, dtype=torch.float64)
    moved = soft_argmax(x, sharpness=2.0, dim=1, values=3 - 2 * count)
    torch.testing.assert_close(moved, 3 - 2 * rows)
    _, gradient, _ = derivatives(lambda v: soft_argmax(x, sharpness=2.0, dim=1, values=v), count)
    torch.testing.assert_close(gradient, p.sum((0, 2)))


def test_step_and_sign_are_one_function(draw):
    x = draw.normal(100, scale=3.0)
    step, sign = smooth_step(x, sharpness=1.7), smooth_sign(x, sharpness=1.7)
    torch.testing.assert_close(sign, 2 * step - 1, rtol=1e-13, atol=1e-15)
    torch.testing.assert_close(smooth_step(-x, sharpness=1.7), 1 - step, rtol=1e-13, atol=1e-15)
    assert torch.equal(smooth_sign(-x, sharpness=1.7), -sign)
    _, slope, _ = derivatives(lambda x: smooth_step(x, sharpness=1.7), x)
    torch.testing.assert_close(slope, 1.7 * step * smooth_step(-x, sharpness=1.7), rtol=1e-14, atol=0)
    assert smooth_step(x[0] * 0, sharpness=1.7) == 0.5


@pytest.mark.parametrize("a", [1e-30, 0.1, 5.0, 60.0, 800.0, 1e5])
def test_soft_rounding_keeps_integers_halves_signs_and_order(draw, device, a):
    n = torch.arange(-5.0, 6.0, device=device, dtype=torch.float64)
    assert torch.equal(soft_round(n, sharpness=a), n)
    assert torch.equal(soft_round(n + 0.5, sharpness=a), n + 0.5)
    assert torch.equal(soft_round_inverse(n, sharpness=a), n)
    torch.testing.assert_close(soft_round_inverse(n + 0.5, sharpness=a), n + 0.5, rtol=1e-15, atol=0)
    x = draw.uniform(400, low=-3, high=3).sort().values
    y = soft_round(x, sharpness=a)
    assert torch.equal(soft_round(-x, sharpness=a), -y)
    torch.testing.assert_close(soft_round(x + 7, sharpness=a), y + 7, rtol=0, atol=3e-15 * max(a, 1))
    assert (y.diff() >= 0).all()
    assert ((y - n[:, None]).abs().amin(0) <= (x - n[:, None]).abs().amin(0) + 1e-15).all()
    if a == 1e-30:
        torch.testing.assert_close(y, x, rtol=1e-15, atol=0)
    if a == 1e5:
        torch.testing.assert_close(y, x.round(), rtol=0, atol=1e-14)


@pytest.mark.parametrize("a", [0.1, 1.0, 5.0, 20.0])
def test_slopes_of_soft_rounding_from_both_sides(device, a):
    for x, slope in ((2.0, a / math.sinh(a)), (0.5, a / 2 / math.tanh(a / 2))):
        for step in (-1e-12, 0.0, 1e-12):
            _, gradient, _ = derivatives(lambda x: soft_round(x, sharpness=a), column(x + step, device))
            assert_close(gradient, [slope], 1e-10 * a)
    _, gradient, _ = derivatives(lambda y: soft_round_inverse(y, sharpness=a), column([2.0, 0.5], device))
    assert_close(gradient, [math.sinh(a) / a, 2 * math.tanh(a / 2) / a], 1e-13)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("a", [1e-6, 0.5, 5.0, 30.0])
def test_the_inverse_undoes_soft_rounding(draw, dtype, a):
    x = draw.uniform(200, low=-3, high=3, dtype=dtype)
    eps = torch.finfo(dtype).eps
    back = soft_round_inverse(soft_round(x, sharpness=a), sharpness=a)
    whole = x.round()
    lost = (whole.abs() + 0.5) * eps * math.sinh(a) / a  # the rounding of y, through the steepest slope
    near = (back - x).abs() <= 4 * lost + 4 * eps
    assert near.all()
    forth = soft_round(soft_round_inverse(x, sharpness=a), sharpness=a)
    torch.testing.assert_close(forth, x, rtol=0, atol=4 * eps * (3 + a))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_top_k_sums_to_k_within_the_unit_interval_in_order(draw, dtype, method):
    eps = torch.finfo(dtype).eps
    for n, scale in itertools.product((1, 2, 7, 30), (0.01, 1.0, 30.0, 3e4)):
        x = draw.normal(5, n, scale=scale).clamp(-6e4, 6e4).to(dtype)
        x[0] = x[0, 0]
        for k in range(0, n + 1, max(1, n // 5)):
            p = soft_top_k(x, k, method=method)
            assert p.shape == x.shape
            assert p.dtype == dtype
            assert (p >= 0).all()
            assert (p <= 1).all()
            assert ((p.double().sum(-1) - k).abs() <= 4 * (k + 1) * eps).all()
            ordered = p.gather(-1, x.argsort(-1))
            assert (ordered.diff() >= -4 * eps).all()
            torch.testing.assert_close(p[0], torch.full_like(p[0], k / n), rtol=4 * eps, atol=0)


@pytest.mark.parametrize("method", METHODS)
def test_top_k_of_everything_and_of_nothing(draw, method):
    x = draw.normal(3, 4, scale=100.0)
    for k, value in ((0, 0.0), (4, 1.0)):
        for temperature in (0, 1e-30, 1.0):
            p, gradient, _ = derivatives(
                lambda x, k=k, t=temperature: soft_top_k(x, k, temperature=t, method=method), x
            )
            assert (p == value).all()
            assert (gradient == 0).all()


@pytest.mark.parametrize("method", METHODS)
def test_the_k_largest_are_the_complement_of_the_others_reversed(draw, method):
    x = draw.normal(4, 7, scale=3.0)
    for k in range(1, 7):
        p = soft_top_k(x, k, temperature=0.6, method=method)
        rest = soft_top_k(-x, 7 - k, temperature=0.6, method=method)
        torch.testing.assert_close(p, 1 - rest, rtol=0, atol=1e-14)
        torch.testing.assert_close(soft_top_k(x / 0.6, k, method=method), p, rtol=1e-13, atol=1e-15)
        torch.testing.assert_close(soft_top_k(x + 9, k, temperature=0.6, method=method), p)
        order = torch.tensor([3, 0, 6, 1, 5, 2, 4], device=x.device)
        moved = soft_top_k(x[:, order], k, temperature=0.6, method=method)
        torch.testing.assert_close(moved, p[:, order], rtol=1e-13, atol=1e-15)


def test_subset_marginals_are_the_gradient_of_log_e_k(draw):
    x = draw.normal(4, 7, scale=2.0)
    for k in range(1, 8):
        _, gradient, _ = derivatives(lambda x, k=k: log_symmetric(x, k)[..., k], x)
        torch.testing.assert_close(soft_top_k(x, k), gradient, rtol=1e-12, atol=1e-15)
    torch.testing.assert_close(soft_top_k(x, 1), torch.softmax(x, -1), rtol=1e-13, atol=0)
    torch.testing.assert_close(
        soft_top_k(x, 1, temperature=0.2), soft_one_hot(x, sharpness=5.0), rtol=1e-12, atol=0
    )


def test_the_projection_is_a_sigmoid_behind_one_threshold(draw):
    x = draw.normal(4, 7, scale=2.0)
    for k in range(1, 7):
        z = torch.logit(soft_top_k(x, k, temperature=1.5, method="sigmoid"))
        nu = x - 1.5 * z
        torch.testing.assert_close(nu, nu[:, :1].expand_as(nu), rtol=0, atol=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_ties_share_what_remains_at_temperature_0(device, method):
    x = column([[1.0, 2.0, 1.0, 1.0, 0.0], [INF, 1.0, INF, INF, 3.0], [-INF, 1.0, -INF, 2.0, -INF]], device)
    third = 1 / 3
    for k, rows in (
        (1, [[0, 1, 0, 0, 0], [third, 0, third, third, 0], [0, 0, 0, 1, 0]]),
        (2, [[third, 1, third, third, 0], [2 * third, 0, 2 * third, 2 * third, 0], [0, 1, 0, 1, 0]]),
        (4, [[1, 1, 1, 1, 0], [1, 0, 1, 1, 1], [0, 0, 0, 0, 0]]),
    ):
        p, gradient, _ = derivatives(lambda x, k=k: soft_top_k(x, k, temperature=0, method=method), x)
        assert_close(p, [v for row in rows for v in row], 1e-15)
        assert (gradient == 0).all()
        cold = soft_top_k(x, k, temperature=1e-30, method=method)
        torch.testing.assert_close(cold, p, rtol=1e-14, atol=1e-14)


def test_accuracy_is_the_mean_probability_of_the_right_class(draw, device):
    s, y = draw.normal(3, 4, 5), draw.below(5, 3, 4)
    rows = smooth_accuracy(s, y, reduction="none")
    torch.testing.assert_close(rows, torch.exp(-F.cross_entropy(s.mT, y, reduction="none")))
    torch.testing.assert_close(smooth_accuracy(s, y), rows.sum() / 12)
    torch.testing.assert_close(smooth_accuracy(s, y, reduction="sum"), rows.sum())
    hard = smooth_accuracy(1e4 * s, y)
    torch.testing.assert_close(hard, (s.argmax(-1) == y).double().mean())
    _, gradient, _ = derivatives(lambda s: smooth_accuracy(s, y, reduction="none"), s)
    p = torch.softmax(s, -1)
    slope = p.gather(-1, y[..., None]) * (F.one_hot(y, 5) - p)
    torch.testing.assert_close(gradient, slope, rtol=1e-12, atol=1e-16)


@pytest.mark.parametrize("beta", [0, 0.5, 1.0, 2.0, 1e200, INF])
def test_fbeta_is_the_f_measure_of_hard_decisions(draw, beta):
    p, t = draw.below(2, 6, 30).double(), draw.below(2, 6, 30)
    hits, found, there = (p * t).sum(1), p.sum(1), t.sum(1)
    precision, recall = hits / found, hits / there
    weight = 1 / (1 + beta * beta)
    expected = 1 / (weight / precision + (1 - weight) / recall)
    torch.testing.assert_close(smooth_fbeta(p, t, beta=beta, dim=1), expected, rtol=1e-14, atol=0)
    if beta == 1:
        torch.testing.assert_close(smooth_fbeta(p, t, dim=-1), 2 * hits / (found + there))
        torch.testing.assert_close(smooth_fbeta(p, t), 2 * hits.sum() / (found + there).sum())


def test_fbeta_over_an_axis(draw):
    p, t = draw.uniform(3, 4, 5), draw.uniform(3, 4, 5)
    for dim in (0, 1, 2, -1, -3):
        hits, total = (p * t).sum(dim), 4 * t.sum(dim) + p.sum(dim)
        torch.testing.assert_close(smooth_fbeta(p, t, beta=2.0, dim=dim), 5 * hits / total)
    torch.testing.assert_close(smooth_fbeta(p[0, 0, 0], t[0, 0, 0], beta=1.0),
                               2 * (p * t)[0, 0, 0] / (p + t)[0, 0, 0])  # fmt: skip


def test_the_mean_over_batches_is_not_the_f_measure(device):
    tenths = [Fraction(v, 20) for v in (18, 4, 2, 12, 8, 2, 6, 1)]
    p = column([float(v) for v in tenths], device)
    t = torch.tensor([1, 0, 0, 1, 0, 0, 0, 0], device=device)
    for size, exact in (
        (1, Fraction(129, 608)),
        (2, Fraction(1123878989, 3123300180)),
        (8, Fraction(20, 31)),
    ):
        batches = torch.tensor(list(itertools.combinations(range(8), size)), device=device)
        assert_close(smooth_fbeta(p[batches], t[batches], dim=1).mean(), [float(exact)], 1e-14)
    batches = torch.tensor(list(itertools.combinations(range(8), 4)), device=device)
    assert_close(smooth_fbeta(p[batches], t[batches], dim=1).mean(), [0.5331188732552115], 1e-14)


# ------------------------------------------------------------------- agreement


@pytest.mark.parametrize("sharpness", [0.5, 3.0, 100.0])
@pytest.mark.parametrize("dtype", DTYPES)
def test_one_hot_and_argmax_agree_with_mpmath(draw, dtype, sharpness):
    x = draw.normal(5, 6, dtype=dtype)
    exact = [exact_one_hot(row, sharpness) for row in x.tolist()]
    close = resolution(dtype, sharpness * (x.amax() - x.amin()).item())
    p = soft_one_hot(x, sharpness=sharpness)
    assert p.dtype == dtype
    assert_close(p, [v for row in exact for v in row], close, smallest(dtype))
    mean = soft_argmax(x, sharpness=sharpness)
    assert mean.dtype == dtype
    assert_close(mean, [mp.fsum(i * v for i, v in enumerate(row)) for row in exact], close, smallest(dtype))


@pytest.mark.parametrize("dtype", DTYPES)
def test_step_and_sign_agree_with_mpmath(draw, dtype):
    x = draw.normal(60, scale=5.0, dtype=dtype)
    close = resolution(dtype, 2.5 * x.abs().max().item())
    z = [mp.mpf(2.5) * mp.mpf(v) for v in x.tolist()]
    step = [1 / (1 + mp.exp(-v)) for v in z]
    slope = [mp.mpf(2.5) / (2 + mp.exp(v) + mp.exp(-v)) for v in z]
    for function, values, slopes in (
        (smooth_step, step, slope),
        (smooth_sign, [mp.tanh(v / 2) for v in z], [2 * v for v in slope]),
    ):
        y, gradient, _ = derivatives(lambda x, f=function: f(x, sharpness=2.5), x)
        assert y.dtype == gradient.dtype == dtype
        assert_close(y, values, close, smallest(dtype))
        assert_close(gradient, slopes, 2 * close, smallest(dtype))


@pytest.mark.parametrize("a", [1e-8, 0.3, 5.0, 50.0, 1e3])
@pytest.mark.parametrize("dtype", DTYPES)
def test_soft_rounding_agrees_with_mpmath(draw, dtype, a):
    x = torch.cat([draw.uniform(60, low=-4, high=4), 10.0 ** draw.uniform(40, low=-30, high=0)]).to(dtype)
    close = resolution(dtype, a)
    with mp.workdps(60 + int(a)):  # tanh must not be 1
        exact = [exact_round(v, a) for v in x.tolist()]
        slopes = [exact_round_slope(v, a) for v in x.tolist()]
    y, gradient, _ = derivatives(lambda x: soft_round(x, sharpness=a), x)
    assert y.dtype == gradient.dtype == dtype
    lost = 2 * max(torch.finfo(dtype).tiny, torch.finfo(torch.float32).tiny)  # torch's sigmoid ends there
    assert_close(y, exact, close, lost)
    assert_close(gradient, slopes, 2 * close, lost * a)


@pytest.mark.parametrize("a", [1e-8, 0.3, 5.0, 50.0, 87.0, 1e3])
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_inverse_agrees_with_mpmath(draw, dtype, a):
    y = torch.cat([draw.uniform(60, low=-4, high=4), 10.0 ** draw.uniform(40, low=-30, high=0)]).to(dtype)
    with mp.workdps(60 + int(a / 2)):  # 1 - e^-a must not be 1
        exact = [exact_inverse(v, a) for v in y.tolist()]
    x = soft_round_inverse(y, sharpness=a)
    assert x.dtype == dtype
    assert_close(x, exact, resolution(dtype, 1.0), smallest(dtype))


def test_symmetric_polynomials_of_all_sizes(draw, device):
    for n in (0, 1, 2, 5):
        x = draw.normal(n)
        weights = [mp.exp(mp.mpf(v)) for v in x.tolist()]
        for k in range(n + 3):
            exact = [
                mp.fsum(mp.fprod(chosen) for chosen in itertools.combinations(weights, j))
                for j in range(k + 1)
            ]
            log = log_symmetric(x, k)
            assert log.shape == (k + 1,)
            assert_close(log.exp(), exact, 1e-13)
    x = column([[-INF, -INF], [INF, 0.0], [1.0, 3.0]], device)
    total, gradient, _ = derivatives(log_sum_exp, x)
    assert total.tolist()[:2] == [-INF, INF]
    assert_close(total[2], [3 + mp.log1p(mp.exp(-2))], 1e-15)
    assert not gradient.isnan().any()
    assert log_times(x[0], x[1]).tolist() == [-INF, -INF]
    assert log_times(x[1], x[2]).tolist() == [INF, 3.0]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("scale", [1.0, 20.0])
@pytest.mark.parametrize("dtype", DTYPES)
def test_top_k_and_its_gradient_agree_with_mpmath(draw, dtype, scale, method):
    for n, k, temperature in ((2, 1, 1.0), (5, 2, 0.5), (7, 1, 1.0), (7, 4, 3.0), (7, 6, 1.0)):
        x, weights = draw.normal(2, n, scale=scale, dtype=dtype), draw.normal(2, n, dtype=dtype)
        p, gradient, _ = derivatives(
            lambda x, k=k, t=temperature: soft_top_k(x, k, temperature=t, method=method), x, weights
        )
        span = (x.amax() - x.amin()).item() / temperature
        close = resolution(dtype, 2 * span)
        for row in range(2):
            exact, jacobian = EXACT[method](x[row].tolist(), k, temperature)
            assert_close(p[row], exact, close, smallest(dtype))
            slopes = [
                mp.fsum(w * jacobian[i][j] for i, w in enumerate(weights[row].tolist())) for j in range(n)
            ]
            sizes = [mp.fsum(abs(jacobian[i][j]) for i in range(n)) for j in range(n)]
            assert_close(gradient[row], slopes, 2 * close, 8 * close * float(max(sizes)) + smallest(dtype))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_the_projection_of_many_entries(draw, dtype):
    eps = torch.finfo(dtype).eps
    for n, k, scale in itertools.product((1000, 20_000), (1, 10, 990), (1e-3, 3.0, 1e6)):
        x = draw.normal(2, n, scale=scale, dtype=dtype)
        x[1] = x[1, 0]
        p, gradient, _ = derivatives(
            lambda x, k=k: soft_top_k(x, k, method="sigmoid"), x, draw.normal(2, n).to(dtype)
        )
        torch.testing.assert_close(
            p.double().sum(-1), torch.full_like(p[:, 0], k).double(), rtol=30 * eps, atol=0
        )
        assert gradient.sum(-1).abs().max() <= 100 * eps * gradient.abs().sum(-1).max() + smallest(dtype)
        torch.testing.assert_close(p[1], torch.full_like(p[1], k / n), rtol=30 * eps, atol=0)


def test_the_threshold_of_worst_cases(device):
    """All alike, it lies at the ends of its bracket: log(n - k) above the middle or log k below it."""
    for n, k in ((10_000, 1), (10_000, 9_999), (2, 1), (3, 1)):
        x = torch.zeros(n, dtype=torch.float64, device=device)
        x[0], x[-1] = 5.0, -5.0
        x = x.sort(descending=True).values
        middle = (x[k - 1] + x[k]) / 2
        p = capped_simplex(x - middle, k)
        assert_close(p.sum(), [k], 1e-14)
        w = p * (1 - p)
        jacobian = torch.func.jacrev(lambda x, k=k: capped_simplex(x, k)[0])(x - middle)
        expected = -w[0] * w / w.sum()
        expected[0] += w[0]
        torch.testing.assert_close(jacobian, expected, rtol=1e-10, atol=1e-16)


@pytest.mark.parametrize("dtype", DTYPES)
def test_accuracy_and_fbeta_agree_with_mpmath(draw, dtype):
    s, y = draw.normal(6, 5, scale=4.0, dtype=dtype), draw.below(5, 6)
    rows = smooth_accuracy(s, y, reduction="none")
    assert rows.dtype == dtype
    exact = [exact_one_hot(row, 1)[i] for row, i in zip(s.tolist(), y.tolist(), strict=True)]
    close = resolution(dtype, (s.amax() - s.amin()).item())
    assert_close(rows, exact, close, smallest(dtype))
    p, t = draw.uniform(6, 5, dtype=dtype), draw.uniform(6, 5, dtype=dtype)
    f, gradient, _ = derivatives(lambda p: smooth_fbeta(p, t, beta=1.5, dim=1), p)
    assert f.dtype == gradient.dtype == dtype
    square, values, slopes = mp.mpf(2.25), [], []
    for p_row, t_row in zip(p.tolist(), t.tolist(), strict=True):
        hits = mp.fsum(mp.mpf(a) * mp.mpf(b) for a, b in zip(p_row, t_row, strict=True))
        total = square * mp.fsum(t_row) + mp.fsum(p_row)
        values.append((1 + square) * hits / total)
        slopes += [(1 + square) * (mp.mpf(b) / total - hits / total**2) for b in t_row]
    assert_close(f, values, resolution(dtype, 0))
    assert_close(gradient, slopes, resolution(dtype, 0), resolution(dtype, 0))


def one_hot(x):
    return soft_one_hot(x, sharpness=2.0)


def argmax(x):
    return soft_argmax(x, sharpness=2.0, dim=0)


def positions(x, v):
    return soft_argmax(x, sharpness=2.0, values=v)


def step(x):
    return smooth_step(x, sharpness=2.0)


def sign(x):
    return smooth_sign(x, sharpness=2.0)


def rounded(x):
    return soft_round(x, sharpness=5.0)


def unrounded(x):
    return soft_round_inverse(x, sharpness=5.0)


def subset(x):
    return soft_top_k(x, 2, temperature=0.7)


def most(x):
    return soft_top_k(x, 5, temperature=0.7)


def projection(x):
    return soft_top_k(x, 2, temperature=0.7, method="sigmoid", dim=1)


def across(x):
    return soft_top_k(x, 2, method="sigmoid", dim=0)


def everything(x):
    return soft_top_k(x, 6)


def nothing(x):
    return soft_top_k(x, 0)


def accuracy(x):
    return smooth_accuracy(x, torch.tensor([0, 5, 2], device=x.device), reduction="none")


def fbeta(x, v):
    return smooth_fbeta(torch.sigmoid(x), torch.sigmoid(v).expand(3, 6), beta=2.0, dim=1)


EVERY = [one_hot, argmax, positions, step, sign, rounded, unrounded, subset, most, projection, across,
         everything, nothing, accuracy, fbeta]  # fmt: skip
TIES = [one_hot, argmax, subset, most, projection, across, accuracy]


def arguments(function, draw, requires_grad=True):
    values = [draw.normal(3, 6), draw.normal(6)]
    return [v.requires_grad_(requires_grad) for v in values[: function.__code__.co_argcount]]


@pytest.mark.parametrize("function", EVERY)
def test_derivatives_in_every_mode(draw, function):
    inputs = arguments(function, draw)
    assert gradcheck(function, inputs, check_forward_ad=True, check_batched_grad=True)
    assert gradgradcheck(function, inputs, check_fwd_over_rev=True)


@pytest.mark.parametrize("function", TIES)
def test_derivatives_at_ties(draw, function):
    x = arguments(function, draw, requires_grad=False)[0]
    x[:, :4] = 0.5
    x[1] = -1.0
    x[2] = x[0]
    x.requires_grad_()
    assert gradcheck(function, (x,), check_forward_ad=True)
    assert gradgradcheck(function, (x,))


@pytest.mark.parametrize("function", EVERY)
def test_third_derivatives(draw, function):
    first, *rest = arguments(function, draw, requires_grad=False)

    def slope(x):
        return torch.func.grad(lambda x: function(x, *rest).square().sum())(x)

    curved = torch.func.jacrev(slope)
    direction, size = draw.normal(3, 6), 1e-5
    secant = (curved(first + size * direction) - curved(first - size * direction)) / (2 * size)
    _, moved = torch.func.jvp(curved, (first,), (direction,))
    torch.testing.assert_close(moved, secant, rtol=1e-5, atol=1e-6 * (1 + secant.abs().max().item()))


@pytest.mark.parametrize("function", EVERY)
def test_vmap_is_a_loop(draw, function):
    inputs = arguments(function, draw, requires_grad=False)
    many = torch.stack([inputs[0], inputs[0] + 0.25, 2 * inputs[0]])
    rest = inputs[1:]
    rows = torch.vmap(lambda x: function(x, *rest))(many)
    slopes = torch.vmap(torch.func.grad(lambda x: function(x, *rest).square().sum()))(many)
    for i, x in enumerate(many):
        y, gradient, _ = derivatives(lambda x: function(x, *rest).square(), x)
        torch.testing.assert_close(rows[i].square(), y)
        torch.testing.assert_close(slopes[i], gradient)


@pytest.mark.parametrize("function", EVERY)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_autocast_changes_nothing(draw, device, function, dtype):
    inputs = [x.to(dtype) for x in arguments(function, draw, requires_grad=False)]
    plain = derivatives(lambda x: function(x, *inputs[1:]), inputs[0])
    with torch.autocast(torch.device(device).type, dtype=torch.bfloat16):
        cast = derivatives(lambda x: function(x, *inputs[1:]), inputs[0])
    for one, other in zip(plain, cast, strict=True):
        assert one.dtype == other.dtype
        assert torch.equal(one, other)


def compiled_agrees(function, inputs, backend):
    torch._dynamo.reset()
    compiled = torch.compile(function, fullgraph=True, backend=backend)
    results = []
    for f in (compiled, function):
        x = inputs[0].clone().requires_grad_()
        y = f(x, *inputs[1:])
        results.append((y.detach(), *torch.autograd.grad(y.square().sum(), x)))
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("function", EVERY)
def test_compiles_whole(draw, function):
    compiled_agrees(function, arguments(function, draw, requires_grad=False), "aot_eager")


@pytest.mark.skipif(shutil.which("g++") is None, reason="inductor needs a C++ compiler on the CPU")
def test_compiles_to_machine_code(draw):
    compiled_agrees(rounded, arguments(rounded, draw, requires_grad=False), "inductor")


@pytest.mark.parametrize("function", EVERY)
def test_any_layout_and_arguments_unchanged(draw, function):
    inputs = arguments(function, draw, requires_grad=False)
    before = [x.clone() for x in inputs]
    expected = function(*inputs)
    padded = F.pad(inputs[0], (0, 6))[:, :6]
    for x in (inputs[0].T.contiguous().T, padded, inputs[0].repeat_interleave(2, 1)[:, ::2]):
        torch.testing.assert_close(function(x, *inputs[1:]), expected, rtol=1e-15, atol=1e-16)
    for one, other in zip(inputs, before, strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("function", EVERY)
def test_no_value_is_read_off_the_cpu(draw, function):
    inputs = [
        x.to("meta") for x in arguments(function, draw, requires_grad=False)
    ]  # there are no values there
    x = inputs[0].requires_grad_()
    if function is accuracy:
        y = smooth_accuracy(x, torch.zeros(3, dtype=torch.int64, device="meta"), reduction="none")
    else:
        y = function(x, *inputs[1:])
    (gradient,) = torch.autograd.grad(y.sum(), x)
    assert gradient.shape == x.shape


def test_axes(draw):
    x = draw.normal(2, 4, 3)
    for dim in (0, 1, 2, -1, -2, -3):
        last = x.movedim(dim, -1)
        for function in (lambda x, d: soft_one_hot(x, sharpness=2.0, dim=d),
                         lambda x, d: soft_top_k(x, 1, dim=d),
                         lambda x, d: soft_top_k(x, 1, dim=d, method="sigmoid")):  # fmt: skip
            assert function(x, dim).shape == x.shape
            torch.testing.assert_close(function(x, dim).movedim(dim, -1), function(last, -1))
        torch.testing.assert_close(soft_argmax(x, sharpness=2.0, dim=dim), soft_argmax(last, sharpness=2.0))


# ------------------------------------------------------------------- failure: extreme input


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("sharpness", [1e-320, 1.0, 1e30, INF])
def test_infinite_entries_of_one_hot_and_argmax(device, dtype, sharpness):
    x = column([[-INF, -INF, -INF], [INF, 1.0, INF], [INF, -INF, 0.0], [-INF, 2.0, -INF]], device, dtype)
    p, gradient, second = derivatives(lambda x: soft_one_hot(x, sharpness=sharpness), x)
    assert p.tolist() == [[0, 0, 0], [0.5, 0, 0.5], [1, 0, 0], [0, 1, 0]]
    mean, slope, bent = derivatives(lambda x: soft_argmax(x, sharpness=sharpness), x)
    assert mean.tolist() == [0, 1, 0, 1]
    for derivative in (gradient, second, slope, bent):
        assert (derivative == 0).all()
    some = column([-INF, 1.0, 2.0], device, dtype)
    torch.testing.assert_close(
        soft_one_hot(some, sharpness=sharpness)[1:], soft_one_hot(some[1:], sharpness=sharpness)
    )


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("temperature", [0, 1e-300, 1e-30, 1.0, 1e30, 1e300])
@pytest.mark.parametrize("dtype", DTYPES)
def test_infinite_entries_of_top_k(device, dtype, temperature, method):
    x = column([[-INF] * 4, [INF, 1.0, INF, INF], [1.0, 1.0, INF, 1.0], [-INF, 2.0, -INF, -INF],
                [-INF, 0.0, 0.0, 0.0], [INF, 0.0, 1.0, -INF]], device, dtype)  # fmt: skip
    weights = column([1.0, -2.0, 3.0, 0.5], device, dtype)
    p, gradient, second = derivatives(
        lambda x: soft_top_k(x, 2, temperature=temperature, method=method), x, weights
    )
    third = 1 / 3
    assert_close(
        p[:5],
        [0] * 4
        + [2 * third, 0, 2 * third, 2 * third]
        + [third, third, 1, third]
        + [0] * 4
        + [0]
        + [2 * third] * 3,
        8 * torch.finfo(dtype).eps,
    )
    assert p[5, [0, 3]].tolist() == [1, 0]
    assert p[5, 1] <= p[5, 2]
    for derivative in (gradient, second):
        assert not derivative.isnan().any()
        assert (derivative[x.isinf()] == 0).all()
    assert (gradient[:2] == 0).all()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("temperature", [1e-320, 1e-40, 1e-30, 1e-10])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_tiny_temperatures_are_the_hard_operation(draw, device, dtype, temperature, method):
    x = draw.normal(4, 9, dtype=dtype)
    x[0, :4], x[1], x[2, 0] = 0.3, 1.0, -INF
    x[3, 0], x[3, 1] = 1e-20, 2e-20
    for k in range(1, 9):
        p, gradient, second = derivatives(
            lambda x, k=k: soft_top_k(x, k, temperature=temperature, method=method), x
        )
        hard = soft_top_k(x, k, temperature=0)
        if temperature < 1e-20:
            torch.testing.assert_close(p, hard, rtol=1e-5, atol=1e-5)
        assert not gradient.isnan().any()
        assert not second.isnan().any()


def test_the_smallest_temperature(device):
    x = column([0.0, 1e-33, 1.0], device, torch.float32)
    for method in METHODS:
        p = soft_top_k(x, 2, temperature=1e-300, method=method)
        assert 0.5 < p[1] < 0.6  # 1e-32 is the least that float32 is given
        assert soft_top_k(x * 100, 2, temperature=1e-300, method=method)[1] > 0.9


@pytest.mark.parametrize("method", METHODS)
def test_huge_temperatures_make_all_alike(draw, method):
    x = draw.normal(3, 5, dtype=torch.float32)
    for temperature in (1e30, 1e300):
        p = soft_top_k(x, 2, temperature=temperature, method=method)
        torch.testing.assert_close(p, torch.full_like(p, 0.4), rtol=1e-6, atol=0)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_huge_scores_stay_exact(device, dtype, method):
    x = column([1e4, 1e4 - 1, 0.0, 1e4 - 2, -1e4, 1e30, 1e30, -1e30], device, dtype)
    exact, _ = EXACT[method]([0, -1, -2], 1)
    p = soft_top_k(x, 3, method=method)
    assert_close(p[[0, 1, 3]], exact, 1e-6 if dtype == torch.float32 else 1e-14)
    assert p[[2, 4, 5, 6, 7]].tolist() == [0, 0, 1, 1, 0]


@pytest.mark.parametrize("function", [one_hot, positions, subset, most, projection, accuracy])
def test_nan_goes_to_its_whole_row(draw, function):
    inputs = arguments(function, draw, requires_grad=False)
    clean = function(*inputs)
    inputs[0][1, 4] = NAN
    rows, gradient, _ = derivatives(lambda x: function(x, *inputs[1:]), inputs[0])
    assert rows[1].isnan().all()
    assert gradient[1].isnan().any()
    assert torch.equal(rows[::2], clean[::2])
    assert gradient[::2].isfinite().all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_nan_in_hard_operations_and_among_masked_entries(device, dtype):
    x = column([[NAN, 1.0, 2.0], [0.0, NAN, -INF], [NAN, -INF, -INF], [3.0, 1.0, 2.0]], device, dtype)
    for rows in (soft_one_hot(x, sharpness=INF), soft_argmax(x, sharpness=INF)[:, None],
                 *(soft_top_k(x, 2, temperature=t, method=m) for t in (0, 1.0) for m in METHODS),
                 soft_top_k(x, 3)):  # fmt: skip
        assert rows[:3].isnan().all()
        assert rows[3].isfinite().all()
    for function in (smooth_step, smooth_sign, soft_round):
        assert torch.equal(function(x, sharpness=INF).isnan(), x.isnan())
        assert torch.equal(function(x, sharpness=3.0).isnan(), x.isnan())
    assert torch.equal(soft_round_inverse(x, sharpness=3.0).isnan(), x.isnan())


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("sharpness", [1e-320, 3.0, 1e3, 1e30])
def test_elementwise_functions_at_infinity(device, dtype, sharpness):
    x = column([-INF, INF, 0.0], device, dtype)
    for function, values in ((smooth_step, [0, 1, 0.5]), (smooth_sign, [-1, 1, 0]),
                             (soft_round, [-INF, INF, 0]), (soft_round_inverse, [-INF, INF, 0])):  # fmt: skip
        y, gradient, second = derivatives(lambda x, f=function: f(x, sharpness=sharpness), x)
        assert y.tolist() == values
        assert gradient[:2].tolist() == [0, 0]
        assert not gradient.isnan().any()
        assert not second.isnan().any()


def test_the_inverse_where_its_slope_overflows(device):
    y = column([0.0, 1e-37, 0.3, 0.5, -1e-37, 7.25], device, torch.float32)
    x, gradient, _ = derivatives(lambda y: soft_round_inverse(y, sharpness=1e3), y)
    with mp.workdps(1000):
        assert_close(x, [exact_inverse(v, 1e3) for v in y.tolist()], 3e-7)
    assert 1e34 < gradient[0] < INF
    assert (gradient > 0).all()
    wide = soft_round_inverse(y, sharpness=1e39)  # beyond float32 itself
    assert_close(wide, [0, 0.5, 0.5, 0.5, -0.5, 7.5], 1e-6)
    subnormal = column([1e-40, 1e-42], device, torch.float32)
    with mp.workdps(1000):
        exact = [exact_inverse(v, 90) for v in subnormal.tolist()]
    assert_close(
        soft_round_inverse(subnormal, sharpness=90.0), exact, 0, 2e-7
    )  # roundings of numbers near 1/2


def test_accuracy_at_infinity(device):
    s = column([[-INF, -INF], [INF, 0.0], [INF, INF], [-INF, 1.0]], device)
    y = torch.tensor([0, 0, 1, 0], device=device)
    rows, gradient, second = derivatives(lambda s: smooth_accuracy(s, y, reduction="none"), s)
    assert rows.tolist() == [0, 1, 0.5, 0]
    assert (gradient == 0).all()
    assert (second == 0).all()


@pytest.mark.parametrize("beta", [0, 1.0, 3.0, INF])
@pytest.mark.parametrize("dtype", DTYPES)
def test_fbeta_of_nothing_is_0(device, dtype, beta):
    p, t = torch.zeros(2, 3, dtype=dtype, device=device), torch.zeros(2, 3, device=device)
    t[1, 0] = beta == 0
    f, gradient, second = derivatives(lambda p: smooth_fbeta(p, t, beta=beta, dim=1), p)
    assert f.tolist() == [0, 0]
    assert (gradient == 0).all()
    assert (second == 0).all()
    _, gradient, _ = derivatives(lambda t: smooth_fbeta(p, t, beta=beta, dim=1), t * 0)
    assert (gradient == 0).all()
    small = smooth_fbeta(p + 1e-6, t * 0, beta=1.0, dim=1)  # the limit is the value
    assert small.tolist() == [0, 0]
    assert smooth_fbeta(p[:0], t[:0]) == 0
    assert smooth_fbeta(p[:, :0], t[:, :0], dim=1).tolist() == [0, 0]


def test_fbeta_of_nan_where_values_are_not_read(device):
    p, t = column([[NAN, 0.5], [0.25, 0.5]], device), column([[1.0, 0.0], [1.0, 0.0]], device)
    f = torch.vmap(smooth_fbeta)(p, t)
    assert f[0].isnan()
    assert f[1] == 2 / 7


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_types_are_summed_in_float32(device, dtype):
    eps = torch.finfo(dtype).eps
    p = torch.full((100_000,), 0.5, dtype=dtype, device=device)
    t = torch.arange(100_000, device=device) % 4 == 0
    assert_close(smooth_fbeta(p, t), [mp.mpf(1) / 3], eps)
    x = torch.zeros(4096, dtype=dtype, device=device)
    assert_close(soft_argmax(x, sharpness=1.0), [2047.5], eps)
    assert_close(soft_one_hot(x, sharpness=1.0)[:1], [mp.mpf(1) / 4096], eps)
    assert_close(soft_top_k(x, 3, method="sigmoid")[:1], [mp.mpf(3) / 4096], eps)
    rows = smooth_accuracy(x.reshape(1024, 4), torch.zeros(1024, dtype=torch.int64, device=device))
    assert_close(rows, [0.25], eps)


@pytest.mark.parametrize("dtype", DTYPES)
def test_no_rows(device, dtype):
    x = torch.zeros(0, 4, device=device, dtype=dtype)
    for y in (soft_one_hot(x, sharpness=1.0), soft_top_k(x, 2), soft_top_k(x, 2, method="sigmoid"),
              soft_top_k(x, 4), soft_top_k(x, 0), soft_top_k(x, 2, temperature=0),
              smooth_step(x, sharpness=1.0), smooth_sign(x, sharpness=INF), soft_round(x, sharpness=2.0),
              soft_round_inverse(x, sharpness=2.0), soft_one_hot(x, sharpness=INF)):  # fmt: skip
        assert y.shape == (0, 4)
        assert y.dtype == dtype
    assert soft_argmax(x, sharpness=1.0).shape == (0,)
    target = torch.zeros(0, dtype=torch.int64, device=device)
    assert smooth_accuracy(x, target).isnan()
    assert smooth_accuracy(x, target, reduction="sum") == 0
    assert smooth_accuracy(x, target, reduction="none").shape == (0,)


@pytest.mark.parametrize("method", METHODS)
def test_one_entry(device, method):
    x = column([[3.0], [-INF], [INF]], device)
    assert soft_top_k(x, 1, method=method).flatten().tolist() == [1, 0, 1]
    assert soft_one_hot(x, sharpness=1.0).flatten().tolist() == [1, 0, 1]
    assert soft_argmax(x, sharpness=1.0).tolist() == [0, 0, 0]


# ------------------------------------------------------------------- failure: bad input


# fmt: off
SHARP = [soft_one_hot, soft_argmax, smooth_step, smooth_sign, soft_round, soft_round_inverse]
BAD_CALLS = {
    "types": [
        *((TypeError, "float64.* got torch.int64", lambda x, y, f=f: f(y, sharpness=1.0)) for f in SHARP),
        *((TypeError, "must be a tensor, got float", lambda x, y, f=f: f(0.5, sharpness=1.0)) for f in SHARP),
        *((TypeError, "sharpness must be a number, got str", lambda x, y, f=f: f(x, sharpness="1"))
          for f in SHARP),
        *((TypeError, "sharpness must be a number, got bool", lambda x, y, f=f: f(x, sharpness=True))
          for f in SHARP),
        (TypeError, "^y must be", lambda x, y: soft_round_inverse(y, sharpness=1.0)),
        (TypeError, "^x must be", lambda x, y: soft_round(y, sharpness=1.0)),
        (TypeError, "x must be float64", lambda x, y: soft_top_k(y, 1)),
        (TypeError, "k must be an int, got float", lambda x, y: soft_top_k(x, 1.0)),
        (TypeError, "k must be an int, got bool", lambda x, y: soft_top_k(x, True)),
        (TypeError, "temperature must be a number, got Tensor", lambda x, y: soft_top_k(x, 1, temperature=x)),
        (TypeError, "temperature must be a number, got bool",
         lambda x, y: soft_top_k(x, 1, temperature=True)),
        (TypeError, "dim must be an int, got float", lambda x, y: soft_top_k(x, 1, dim=1.0)),
        (TypeError, "values must be a real tensor, got list",
         lambda x, y: soft_argmax(x, sharpness=1.0, values=[1])),
        (TypeError, "values must be a real tensor, got torch.complex128",
         lambda x, y: soft_argmax(x, sharpness=1.0, values=x + 0j)),
        (TypeError, "input must be float64", lambda x, y: smooth_accuracy(y, y)),
        (TypeError, "target must be int64, got torch.int32", lambda x, y: smooth_accuracy(x, y[:, 0].int())),
        (TypeError, "probabilities must be float64", lambda x, y: smooth_fbeta(y, y)),
        (TypeError, "beta must be a number, got str", lambda x, y: smooth_fbeta(x, y, beta="1")),
        (TypeError, "beta must be a number, got bool", lambda x, y: smooth_fbeta(x, y, beta=True)),
        (TypeError, "dim must be an int or None, got tuple", lambda x, y: smooth_fbeta(x, y, dim=(0, 1))),
        (TypeError, "dim must be an int or None, got bool", lambda x, y: smooth_fbeta(x, y, dim=True)),
    ],
    "ranges": [
        *((ValueError, f"sharpness must be positive.*got {k}", lambda x, y, f=f, k=k: f(x, sharpness=k))
          for f in SHARP for k in (0, -1.0, NAN)),
        (ValueError, "sharpness must be finite", lambda x, y: soft_round_inverse(x, sharpness=INF)),
        (ValueError, "k must be at least 0, got -1", lambda x, y: soft_top_k(x, -1)),
        (ValueError, "k must be at most the number of entries 3, got 4", lambda x, y: soft_top_k(x, 4)),
        (ValueError, "number of entries 2, got 3", lambda x, y: soft_top_k(x, 3, dim=0)),
        *((ValueError, rf"temperature must be in \[0, inf\).*got {t}",
           lambda x, y, t=t: soft_top_k(x, 1, temperature=t)) for t in (-1, NAN, INF)),
        (ValueError, "method must be 'subset' or 'sigmoid', got 'sort'",
         lambda x, y: soft_top_k(x, 1, method="sort")),
        *((ValueError, rf"beta must be in \[0, inf\], got {b}", lambda x, y, b=b: smooth_fbeta(x, y, beta=b))
          for b in (-1, NAN)),
        (ValueError, "reduction must be", lambda x, y: smooth_accuracy(x, y[:, 0], reduction="average")),
    ],
    "shapes": [
        (ValueError, r"x must have at least one entry along dim -1, got shape \(2, 0\)",
         lambda x, y: soft_one_hot(x[:, :0], sharpness=1.0)),
        (ValueError, "at least one entry", lambda x, y: soft_argmax(x[:0], sharpness=1.0, dim=0)),
        (ValueError, "at least one entry", lambda x, y: soft_top_k(x[:, :0], 0)),
        (ValueError, r"dim must be an axis of x of shape \(2, 3\), got 2",
         lambda x, y: soft_top_k(x, 1, dim=2)),
        (ValueError, "dim must be an axis of x", lambda x, y: soft_one_hot(x[0, 0], sharpness=1.0)),
        (ValueError, r"values must broadcast to \(3,\), got \(2,\)",
         lambda x, y: soft_argmax(x, sharpness=1.0, values=x[:, 0])),
        (ValueError, r"values must broadcast to \(2, 3\), got \(3, 2\)",
         lambda x, y: soft_argmax(x, sharpness=1.0, values=x.T)),
        (ValueError, "input must have at least one entry", lambda x, y: smooth_accuracy(x[:, :0], y[:, 0])),
        (ValueError, r"target must have shape \(2,\) beside input, got \(2, 3\)",
         lambda x, y: smooth_accuracy(x, y)),
        (ValueError, r"target must have shape \(2, 3\) beside probabilities, got \(2, 1\)",
         lambda x, y: smooth_fbeta(x, y[:, :1])),
        *((ValueError, rf"dim must be an axis of probabilities of shape \(2, 3\), got {d}",
           lambda x, y, d=d: smooth_fbeta(x, y, dim=d)) for d in (2, -3)),
    ],
}
# fmt: on


@pytest.mark.parametrize("kind", BAD_CALLS)
def test_bad_input_is_named(device, kind):
    x = torch.zeros(2, 3, device=device, dtype=torch.float64)
    for error, message, call in BAD_CALLS[kind]:
        with pytest.raises(error, match=message):
            call(x, torch.zeros(2, 3, device=device, dtype=torch.int64))


@pytest.mark.parametrize("value", [-0.1, 1.1, NAN, INF])
def test_values_outside_the_unit_interval_raise_on_the_cpu(device, value):
    if device != "cpu":
        pytest.skip("reading them would wait for the device")
    half, bad = torch.full((2, 3), 0.5), torch.full((2, 3), 0.5)
    bad[1, 1] = value
    with pytest.raises(ValueError, match=r"probabilities must be in \[0, 1\], got values from"):
        smooth_fbeta(bad, half)
    with pytest.raises(ValueError, match=r"target must be in \[0, 1\], got values from"):
        smooth_fbeta(half, bad)


@pytest.mark.parametrize("value", [-1, 3])
def test_classes_out_of_range_raise_on_the_cpu(device, value):
    if device != "cpu":
        pytest.skip("reading them would wait for the device")
    with pytest.raises(ValueError, match=rf"target must be in \[0, 3\), got values from .*{value}"):
        smooth_accuracy(torch.zeros(2, 3), torch.tensor([1, value]))
    assert smooth_accuracy(torch.zeros(2, 3), torch.tensor([0, 2])) == torch.tensor(1 / 3)
