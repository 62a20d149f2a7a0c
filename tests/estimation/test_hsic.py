"""HSIC, CKA, distance covariance: exact laws by enumeration, agreement with naive sums, and what breaks."""

import itertools
import math
import warnings
from fractions import Fraction

import pytest
import torch
from estimation.hsic_oracle import (
    ESTIMATORS,
    NAMES,
    exact_distances,
    exact_gram,
    four_fold,
    oracle,
    pair,
    song_form,
)
from helpers import DEVICES, DTYPES, F64, INF, NAN, Draw, assert_refused, close, seeded
from scipy import integrate

from lemmata.estimation import (
    HSICSketch,
    cka,
    distance_covariance,
    hsic,
    hsic_from_gram,
    hsic_gaussian_population,
    hsic_test,
)
from lemmata.numerics import tiles

pytestmark = pytest.mark.parametrize("device", DEVICES)


@pytest.fixture
def normal(device):
    """Normal samples, the same on every device."""
    return Draw(6910, device).normal


@pytest.fixture(params=[512, 4], ids=["one tile", "many tiles"])
def tile(request, monkeypatch):
    monkeypatch.setattr(tiles, "TILE", request.param)


# ------------------------------------------------------------------- identity


LAW = {(0, 0): Fraction(3, 8), (0, 1): Fraction(1, 8), (1, 0): Fraction(1, 8), (1, 1): Fraction(3, 8)}
FREE = dict.fromkeys(itertools.product((0, 1), (0, 1)), Fraction(1, 4))


def half(a, b):
    """1 where the samples are equal, 1/2 where not."""
    return torch.where((a[:, None] == b[None]).all(-1), 1.0, 0.5).to(a.dtype)


def expectation(law, n, estimator, device):
    """Exactly: the mean over all samples of size n, each kind of sample once."""
    total = 0.0
    for sample in itertools.combinations_with_replacement(law, n):
        counts = [sample.count(point) for point in law]
        ways = math.factorial(n) / math.prod(math.factorial(c) for c in counts)
        weight = ways * math.prod(law[point] ** c for point, c in zip(law, counts, strict=True))
        x, y = torch.tensor(sample, dtype=F64, device=device).T.unsqueeze(-1)
        total += float(weight) * hsic(x, y, kernel=half, estimator=estimator).item()
    return total


@pytest.mark.parametrize("n", [4, 5, 6])
def test_unbiased_means_unbiased(device, n):
    """The plug-in is not, and dividing by (n-1)^2 overshoots: 39/2048 and 13/384 for 1/64 at n = 4."""
    dependent = {4: Fraction(39, 2048), 5: Fraction(37, 2000), 6: Fraction(125, 6912)}[n]
    repaired = {4: Fraction(13, 384), 5: Fraction(37, 1280), 6: Fraction(5, 192)}[n]
    independent = {4: Fraction(3, 256), 5: Fraction(1, 100), 6: Fraction(5, 576)}[n]
    close(expectation(LAW, n, "unbiased", device), 1 / 64, 1e-14)
    close(expectation(FREE, n, "unbiased", device), 0, 1e-14)
    biased = expectation(LAW, n, "biased", device)
    close(biased, float(dependent), 1e-14)
    close(biased * n**2 / (n - 1) ** 2, float(repaired), 1e-14)
    close(expectation(FREE, n, "biased", device), float(independent), 1e-14)
    close(float(independent), (n - 1) / n**2 / 16, 1e-14)  # (n-1)/n^2 (1-a)(1-b), a = b = 3/4


def test_numbers_of_the_sheet(device):
    x, y = (torch.tensor(v, dtype=F64, device=device)[:, None] for v in ([0, 1, 2, 4, 7], [1, 0, 3, 5, 6]))
    close(hsic(x, y, bandwidth=1.0, estimator="biased").item(), 0.132751645787927828, 1e-15)
    close(hsic(x, y, bandwidth=1.0).item(), 0.0466984920319777254, 1e-15)
    close(hsic(x, y, bandwidth=1.0, estimator="biased").item() * 25 / 16, 0.20742444654363723, 1e-15)
    close(cka(x, y, kernel="gaussian", bandwidth=1.0, estimator="biased").item(), 0.887352669144200552, 1e-14)
    close(hsic(x, y, kernel="linear", estimator="biased").item(), 5.2**2, 1e-14)
    close(hsic(x, y, kernel="linear").item(), 36 + 23 / 30, 1e-14)


@pytest.mark.parametrize("kernel", NAMES)
def test_both_forms_of_the_unbiased_estimator(normal, kernel):
    x, y = pair(normal, 6)
    k, l = exact_gram(x, kernel), exact_gram(y, kernel)
    expected = four_fold(k.tolist(), l.tolist())
    close(hsic(x, y, kernel=kernel, bandwidth=1.0).item(), expected, 1e-13)
    close(hsic_from_gram(k, l).item(), expected, 1e-13)


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("kernel", NAMES)
def test_symmetric_in_its_arguments(normal, kernel, estimator):
    """hyppo takes the bandwidth of y from x: its answers differ by a factor of 40."""
    x, y = pair(normal, 30)
    y = 100 * y
    there, back = (
        hsic(x, y, kernel=kernel, estimator=estimator),
        hsic(y, x, kernel=kernel, estimator=estimator),
    )
    close(there.item(), back.item(), 1e-13)
    swapped = hsic(x, y, kernel=kernel, bandwidth=(0.5, 2.0)), hsic(y, x, kernel=kernel, bandwidth=(2.0, 0.5))
    close(swapped[0].item(), swapped[1].item(), 1e-13)


def test_units_change_nothing_under_the_median(normal):
    x, y = pair(normal, 40)
    for kernel in ("gaussian", "laplace"):
        whole = hsic(x, y, kernel=kernel).item()
        for scale in (1e-3, 100.0, -7.0):
            close(hsic(x, scale * y + 3, kernel=kernel).item(), whole, 1e-12)
    p = [hsic_test(x, scale * y, generator=seeded(), permutations=99).p_value for scale in (1, 100)]
    assert p[0] == p[1]


def test_distance_covariance_is_that_of_szekely(normal):
    """n = 4 by hand; four times the kernel (|x| + |x'| - |x - x'|)/2; U-centred matrices."""
    x, y = pair(normal, 12)
    line = torch.arange(4.0, dtype=F64, device=x.device)[:, None]
    close(distance_covariance(line, line, estimator="biased").item(), 13 / 16, 1e-15)
    for estimator in ESTIMATORS:
        sizes = [v.norm(dim=1) for v in (x, y)]
        k, l = ((s[:, None] + s - exact_distances(v)) / 2 for s, v in zip(sizes, (x, y), strict=True))
        value = distance_covariance(x, y, estimator=estimator).item()
        close(value, 4 * oracle(k, l, estimator), 1e-13)
    n = 12

    def centred(d):
        d = d - d.sum(0) / (n - 2) - d.sum(1, keepdim=True) / (n - 2) + d.sum() / ((n - 1) * (n - 2))
        return d - torch.diag(d.diagonal())

    u = (centred(exact_distances(x)) * centred(exact_distances(y))).sum().item() / (n * (n - 3))
    close(distance_covariance(x, y).item(), u, 1e-13)


def test_population_value_of_the_normal_law(device):
    close(hsic_gaussian_population(0.5, bandwidth=1.0).item(), 0.010763320143793833526, 1e-15)
    close(hsic_gaussian_population(0.9, bandwidth=1).item(), 0.051143442185387802819, 1e-15)
    assert hsic_gaussian_population(0.0, bandwidth=1.0) == 0
    tiny = hsic_gaussian_population(1e-8, bandwidth=1.0).item()
    assert tiny == pytest.approx(1e-16 / 27, rel=1e-12)
    rho = torch.tensor([-0.5, 0.5, 1.0, 1.1, NAN], device=device, dtype=torch.float32)
    values = hsic_gaussian_population(rho, bandwidth=(1.0, 1.0))
    assert values.dtype == torch.float32
    assert values[0] == values[1]
    close(values[2].item(), 5**-0.5 + 1 / 3 - 2 / 8**0.5, 1e-6)
    assert values[3:].isnan().all()
    s, t, rho = 0.7, 1.9, 0.6
    close(
        hsic_gaussian_population(rho, bandwidth=(s, t)).item(),
        hsic_gaussian_population(rho, bandwidth=(t, s)).item(),
        1e-15,
    )

    def joint(v, u):  # X - X' and Y - Y' are normal of variance 2
        density = math.exp(-(u * u - 2 * rho * u * v + v * v) / (4 * (1 - rho**2)))
        density /= 4 * math.pi * math.sqrt(1 - rho**2)
        return density * math.exp(-u * u / (2 * s * s) - v * v / (2 * t * t))

    def apart(v, u):  # E k(u, X') E l(v, Y') under the law of (X, Y)
        density = math.exp(-(u * u - 2 * rho * u * v + v * v) / (2 * (1 - rho**2)))
        density /= 2 * math.pi * math.sqrt(1 - rho**2)
        k, l = (w / math.sqrt(w * w + 1) * math.exp(-z * z / (2 * w * w + 2)) for w, z in ((s, u), (t, v)))
        return density * k * l

    first, second = (integrate.dblquad(f, -9, 9, -9, 9, epsabs=1e-11)[0] for f in (joint, apart))
    product = s * t / math.sqrt((s * s + 2) * (t * t + 2))
    close(hsic_gaussian_population(rho, bandwidth=(s, t)).item(), first + product - 2 * second, 1e-9)


def test_linear_cka_does_not_see_rotation_scale_and_shift(normal):
    x, y = pair(normal, 30, 4, 5)
    q, _ = torch.linalg.qr(normal(4, 4))
    for estimator in ESTIMATORS:
        whole = cka(x, y, estimator=estimator).item()
        close(cka(3 * x @ q + 7, y, estimator=estimator).item(), whole, 1e-12)
        close(cka(x, x @ q, estimator=estimator).item(), 1, 1e-13)
        close(cka(x, -x, kernel="gaussian", estimator=estimator).item(), 1, 1e-13)


def test_biased_cka_of_wide_samples_is_1_whatever_they_are(normal):
    x, y = normal(20, 2000), normal(20, 2000)
    assert cka(x, y, estimator="biased") > 0.98
    assert abs(cka(x, y)) < 0.2


def test_linear_kernels_miss_what_others_see(device):
    x = torch.linspace(-1, 1, 41, dtype=F64, device=device)[:, None]
    close(hsic(x, x**2, kernel="linear", estimator="biased").item(), 0, 1e-15)
    assert hsic(x, x**2) > 0.01


# ------------------------------------------------------------------- agreement


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("kernel", NAMES)
@pytest.mark.parametrize("n", [4, 5, 8, 9, 30])
def test_agrees_with_the_trace_form(normal, tile, kernel, estimator, n):
    for d, e in ((3, 2), (1, 40), (1, 1)):
        x, y = normal(n, d), normal(n, e)
        k, l = exact_gram(x, kernel, 0.8), exact_gram(y, kernel, 2.5)
        size = (k.abs().max() * l.abs().max()).item()
        for value in (
            hsic(x, y, kernel=kernel, bandwidth=(0.8, 2.5), estimator=estimator).item(),
            hsic_from_gram(k, l, estimator=estimator).item(),
        ):
            assert abs(value - oracle(k, l, estimator)) < 1e-13 * size
        aligned = cka(x, y, kernel=kernel, bandwidth=(0.8, 2.5), estimator=estimator).item()
        own = oracle(k, k, estimator) * oracle(l, l, estimator)
        close(aligned, oracle(k, l, estimator) / math.sqrt(own), 1e-7)  # n = 4 is near 0 / 0


def test_functions_are_kernels_too(normal, tile):
    x, y = pair(normal, 11)
    for estimator in ESTIMATORS:
        made = hsic(x, y, kernel=lambda a, b: (a @ b.mT + 1) ** 2, estimator=estimator)
        k, l = ((v @ v.T + 1) ** 2 for v in (x, y))
        close(made.item(), oracle(k, l, estimator), 1e-11)
    one = hsic(x[:1], y[:1], kernel=lambda a, b: a @ b.mT, estimator="biased")
    close(one.item(), 0)


def test_a_kernel_may_say_equal_or_not(normal, tile):
    """True and False are 1 and 0, in the dtype that the library computes in."""
    x, y = (v.round() for v in pair(normal, 9))

    def equal(a, b):
        return (a[:, None] == b[None]).all(-1)

    for dtype in DTYPES:
        made = hsic(x.to(dtype), y.to(dtype), kernel=equal, estimator="biased")
        wide = hsic(x, y, kernel=lambda a, b: equal(a, b).double(), estimator="biased")
        assert made.dtype == dtype
        close(
            made.item(), oracle(equal(x, x).double(), equal(y, y).double(), "biased"), torch.finfo(dtype).eps
        )
        close(made.item(), wide.item(), torch.finfo(dtype).eps)


def test_a_batch_of_gram_matrices_is_its_matrices(normal):
    k, l = (v @ v.mT + v.shape[-1] for v in normal(2, 3, 5, 5))
    for estimator in ("biased", "unbiased"):
        singly = torch.stack([hsic_from_gram(a, b, estimator=estimator) for a, b in zip(k, l, strict=True)])
        torch.testing.assert_close(hsic_from_gram(k, l, estimator=estimator), singly, rtol=1e-13, atol=1e-13)


def test_batches_broadcast(normal, tile, monkeypatch):
    x, y = normal(3, 1, 9, 2), normal(4, 9, 5)
    for entries in (2**20, 100):  # all at once, one at a time
        monkeypatch.setattr(tiles, "ENTRIES", entries)
        for kernel in (*NAMES, lambda a, b: (a @ b.mT).exp()):
            whole = hsic(x, y, kernel=kernel)
            assert whole.shape == (3, 4)
            rows = [[hsic(x[i, 0], y[j], kernel=kernel) for j in range(4)] for i in range(3)]
            torch.testing.assert_close(
                whole, torch.stack([torch.stack(r) for r in rows]), rtol=1e-11, atol=1e-13
            )
    assert cka(x, y).shape == (3, 4)
    assert hsic(x[:0], y).shape == (0, 4)
    assert hsic(x[:0], y, kernel=lambda a, b: a @ b.mT).shape == (0, 4)
    test = hsic_test(x, y, permutations=7, generator=seeded())
    assert test.statistic.shape == test.p_value.shape == (3, 4)
    assert test.null.shape == (3, 4, 7)
    law = hsic_test(x, y, method="gamma").null
    assert law.shape.shape == law.scale.shape == (3, 4)


def test_the_population_value_is_what_large_samples_show(normal):
    """Deterministic by its seed; four standard deviations (6e-4, over seeds) would be 2.4e-3."""
    x = normal(1500, 1)
    y = 0.9 * x + math.sqrt(1 - 0.81) * normal(1500, 1)
    close(hsic(x, y, bandwidth=1.0).item(), hsic_gaussian_population(0.9, bandwidth=1.0).item(), 2.4e-3)


@pytest.mark.parametrize(("dtype", "offset", "tolerance"), [(F64, 1e8, 1e-6), (torch.float32, 1e4, 2e-3)])
def test_far_from_0_nothing_cancels(normal, dtype, offset, tolerance):
    """The data is rounded there (by 1e-8 and 1e-3 of its spread), which is all that may be seen."""
    x, y = pair(normal, 60)
    for kernel in NAMES:
        for estimator in ESTIMATORS:
            near = hsic(x, y, kernel=kernel, estimator=estimator).item()
            far = hsic(
                (x + offset).to(dtype), (y - offset).to(dtype), kernel=kernel, estimator=estimator
            ).item()
            assert far == pytest.approx(near, rel=tolerance, abs=tolerance * 0.01)


def test_clusters_far_apart_keep_their_digits(normal):
    """float32 products of coordinates near 500 would be wrong by 0.1 in the exponent; that the data itself is
    rounded there, by 3e-5, is all that may be seen."""
    x = normal(200, 2) + 1000.0 * (torch.arange(200, device=normal(1).device) % 2)[:, None]
    x, y = x.float(), normal(200, 2).float()
    for kernel in ("gaussian", "laplace", "distance"):
        exact = hsic(x.double(), y.double(), kernel=kernel, bandwidth=1.0).item()
        assert hsic(x, y, kernel=kernel, bandwidth=1.0).item() == pytest.approx(exact, rel=1e-3, abs=1e-8)
    k = exact_gram(1e3 * x, "gaussian", 1.0)
    spread = hsic(1e3 * x.double(), y.double(), bandwidth=1.0).item()
    close(spread, song_form(k, exact_gram(y, "gaussian", 1.0)), 1e-13)


def test_wide_bandwidths_keep_their_digits(normal):
    """All entries are then near 1; as s grows HSIC s^4/4... tends to linear HSIC."""
    x, y = pair(normal, 50)
    linear = hsic(x, y, kernel="linear").item()
    for dtype, tolerance in ((F64, 1e-5), (torch.float32, 1e-4)):
        made = hsic(x.to(dtype), y.to(dtype), bandwidth=1e3).item()
        assert made * 1e12 == pytest.approx(linear, rel=tolerance)


@pytest.mark.parametrize("dtype", DTYPES)
def test_dtypes_layouts_and_arguments(normal, dtype, device):
    x, y = (v.to(dtype) for v in pair(normal, 20, 4, 4))
    kept = x.clone(), y.clone()
    eps = torch.finfo(dtype).eps
    for kernel in NAMES:
        value = hsic(x, y, kernel=kernel, bandwidth=2.0)
        assert value.dtype == dtype
        exact = hsic(x.double(), y.double(), kernel=kernel, bandwidth=2.0)
        torch.testing.assert_close(value.double(), exact, rtol=eps, atol=1e-6 if dtype != F64 else 1e-14)
        spread = x.repeat_interleave(2, 0)[::2]
        torch.testing.assert_close(
            hsic(spread, y, kernel=kernel, bandwidth=2.0), value, rtol=4 * eps, atol=1e-6
        )
        with torch.autocast(torch.device(device).type, dtype=torch.bfloat16):
            again = hsic(x, y, kernel=kernel, bandwidth=2.0)
        assert torch.equal(again, value)
    assert cka(x, y).dtype == dtype
    test = hsic_test(x, y, permutations=5)
    assert test.statistic.dtype == dtype
    assert test.p_value.dtype == test.null.dtype == F64
    assert hsic(x.half(), y.bfloat16()).dtype == torch.float32
    k = x[:, :1] * x[:, 0]
    assert hsic_from_gram(k, k).dtype == dtype
    assert torch.equal(x, kept[0])
    assert torch.equal(y, kept[1])


def test_autocast_leaves_sketches_and_gradients_alone(normal, device):
    x, y = (v.float() for v in pair(normal, 20))
    x.requires_grad_()
    plain = torch.autograd.grad(hsic(x, y, bandwidth=1.0), x)[0]
    sketch = HSICSketch(8, bandwidth=1.0, generator=seeded()).update(x, y).value()
    with torch.autocast(torch.device(device).type, dtype=torch.bfloat16):
        again = torch.autograd.grad(hsic(x, y, bandwidth=1.0), x)[0]
        assert torch.equal(HSICSketch(8, bandwidth=1.0, generator=seeded()).update(x, y).value(), sketch)
    assert torch.equal(again, plain)
    assert not sketch.requires_grad


# ------------------------------------------------------------------- failure


def test_the_least_samples(normal):
    x, y = normal(4, 2), normal(4, 2)
    assert hsic(x, y).isfinite()
    assert hsic(x[:1], y[:1], estimator="biased", bandwidth=1.0) == 0
    assert hsic_test(x[:1], y[:1], permutations=2, bandwidth=1.0).p_value == 1
    assert hsic(x[:, :0], y, bandwidth=1.0) == 0  # no numbers at all: equal samples
    assert hsic_test(x, y, method="gamma").p_value.isfinite()


def test_constants_are_independent_of_everything(normal, device):
    x, constant = normal(12, 2), torch.full((12, 3), 0.1, dtype=F64, device=device)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for kernel in (*NAMES, lambda a, b: (a @ b.mT + 1).exp()):
            for estimator in ESTIMATORS:
                for a, b in ((x, constant), (constant, x), (constant, constant)):
                    assert hsic(a, b, kernel=kernel, estimator=estimator) == 0
                    assert cka(a, b, kernel=kernel, estimator=estimator).isnan()
                    assert hsic_test(a, b, kernel=kernel, estimator=estimator, permutations=9).p_value == 1
            assert hsic_test(x, constant, kernel=kernel, method="gamma").p_value == 1
            assert hsic_test(constant, x, kernel=kernel, method="gamma").statistic == 0


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_unbiased_cka_of_equidistant_samples_is_no_number(normal, dtype):
    """Their U with themselves is exactly 0; what rounding leaves of it must not pass for a value."""
    for n in (4, 5, 10, 33):
        x, y = torch.eye(n, dtype=dtype), normal(n, 3).to(dtype)
        for a, b in ((x, y), (y, x), (x, x)):
            assert cka(a, b).isnan()
    assert cka(normal(20, 2000).to(dtype), normal(20, 2000).to(dtype)).isfinite()


@pytest.mark.parametrize("value", [NAN, INF, -INF])
def test_what_is_not_finite_gives_nan(normal, value):
    x, y = pair(normal, 9)
    broken = x.clone()
    broken[4, 1] = value
    for kernel in NAMES:
        for bandwidth in ("median", 1.0):
            assert hsic(broken, y, kernel=kernel, bandwidth=bandwidth).isnan()
            assert hsic(y, broken, kernel=kernel, bandwidth=bandwidth, estimator="biased").isnan()
        for method in ("permutation", "gamma"):
            test = hsic_test(y, broken, kernel=kernel, method=method, permutations=5)
            assert test.statistic.isnan()
            assert test.p_value.isnan()
    assert cka(broken, y).isnan()
    assert distance_covariance(broken, y).isnan()
    assert HSICSketch(4, bandwidth=1.0).update(broken, y).value().isnan()
    k = exact_gram(x, "gaussian")
    k[2, 3] = k[3, 2] = NAN
    assert hsic_from_gram(k, k).isnan()
    large = normal(300, 2)
    large[7, 0] = value
    assert hsic(large, normal(300, 2)).isnan()  # the median by selection


def test_gram_matrices_that_are_not_symmetric_raise_where_they_can_be_read(device):
    k = torch.eye(5, device=device)
    k[0, 1] = 0.5
    if device == "cpu":
        with pytest.raises(ValueError, match=r"L must be symmetric, got entries that differ by 0\.5"):
            hsic_from_gram(torch.eye(5), k)
    torch.vmap(lambda k: hsic_from_gram(k, k))(k.expand(2, 5, 5))


BAD_CALLS = [
    (TypeError, "x must be float64.* got torch.int64", lambda x: hsic(x.long(), x)),
    (TypeError, "y must be a tensor, got list", lambda x: hsic(x, [1.0])),
    (TypeError, "K must be float64", lambda x: hsic_from_gram(x.long(), x)),
    (TypeError, "x must be a tensor", lambda x: hsic(1.0, x)),
    (TypeError, "x must be a tensor", lambda x: cka([1.0], x)),
    (TypeError, "rho must be float64", lambda x: hsic_gaussian_population(x.long(), bandwidth=1.0)),
    (TypeError, "rho must be a number, got str", lambda x: hsic_gaussian_population("0.5", bandwidth=1.0)),
    (TypeError, "bandwidth must be a number, got bool", lambda x: hsic(x, x, bandwidth=True)),
    (TypeError, "bandwidth must be a number, got NoneType", lambda x: hsic(x, x, bandwidth=(1.0, None))),
    (ValueError, r"x must be samples .* got shape \(5,\)", lambda x: hsic(x[:, 0], x)),
    (ValueError, r"y must have as many samples as x, 5, got shape \(4, 5\)", lambda x: hsic(x, x[:4])),
    (ValueError, "batch dimensions that broadcast", lambda x: hsic(x.expand(2, 5, 5), x.expand(3, 5, 5))),
    (ValueError, "x must have at least 4 samples here, got n = 3", lambda x: hsic(x[:3], x[:3])),
    (ValueError, "x must have at least 1 samples here", lambda x: hsic(x[:0], x[:0], estimator="biased")),
    (ValueError, "K must have at least 4 samples", lambda x: hsic_from_gram(x[:3, :3], x[:3, :3])),
    (ValueError, "at least 4 samples", lambda x: cka(x[:3], x[:3])),
    (ValueError, "estimator must be 'biased' or 'unbiased', got 'v'", lambda x: hsic(x, x, estimator="v")),
    (ValueError, "kernel, unless it is a function, must be 'gaussian', .* got 'rbf'",
     lambda x: hsic(x, x, kernel="rbf")),
    (TypeError, "what kernel returns must be a tensor, got NoneType",
     lambda x: hsic(x, x, kernel=lambda a, b: None)),
    (TypeError, "what kernel returns must be a tensor, got float",
     lambda x: cka(x, x, kernel=lambda a, b: 1.0)),
    (ValueError, r"kernel must return real numbers \(1, 1\) here, got torch.float32 of shape \(\)",
     lambda x: hsic(x, x, kernel=lambda a, b: (a @ b.mT).sum())),
    (ValueError, r"kernel must return real numbers .* got torch.float32 of shape \(1,\)",
     lambda x: hsic(x, x, kernel=lambda a, b: (a * a).sum(-1))),
    (ValueError, r"kernel must return real numbers .* of shape \(5,\)",
     lambda x: hsic(x, x, kernel=lambda a, b: a.sum(0))),
    (ValueError, r"kernel must return real numbers \(4, 4\) here, got .* of shape \(4, 1\)",
     lambda x: hsic_test(x[:4], x[:4], kernel=lambda a, b: a.sum(1, keepdim=True))),
    (ValueError, r"kernel must return real numbers .* got torch.complex64",
     lambda x: hsic(x, x, kernel=lambda a, b: a @ b.mT + 0j)),
    (ValueError, "bandwidth must be positive.* got 0", lambda x: hsic(x, x, bandwidth=0.0)),
    (ValueError, "bandwidth must be positive.* got -1", lambda x: hsic(x, x, bandwidth=(1.0, -1.0))),
    (ValueError, "bandwidth must be finite, got inf", lambda x: hsic(x, x, bandwidth=INF)),
    (ValueError, "bandwidth must be a number, or 'median' .* got 'mean'",
     lambda x: hsic(x, x, bandwidth="mean")),
    (ValueError, "bandwidth must be one .* or a pair", lambda x: hsic(x, x, bandwidth=(1.0, 1.0, 1.0))),
    (ValueError, "bandwidth must", lambda x: hsic_gaussian_population(0.5, bandwidth=-1.0)),
    (ValueError, "bandwidth must .* got 'median'",
     lambda x: hsic_gaussian_population(0.5, bandwidth="median")),
    (ValueError, r"K must be square, .* got shape \(3, 5\)", lambda x: hsic_from_gram(x[:3], x)),
    (ValueError, r"L must be 5 x 5 as K is, got shape \(4, 4\)", lambda x: hsic_from_gram(x, x[:4, :4])),
]  # fmt: skip


def test_bad_input_is_named(device):
    assert_refused(BAD_CALLS, torch.eye(5, device=device))
