"""HSIC: exact laws by enumeration, agreement with naive sums, tests with known level, and what breaks."""

import itertools
import json
import math
import sys
import warnings
from fractions import Fraction

import pytest
import torch
from scipy import integrate, stats
from torch.autograd import gradcheck, gradgradcheck

from lemmata.estimation import (
    GammaNull,
    HSICSketch,
    HSICTest,
    cka,
    distance_covariance,
    hsic,
    hsic_from_gram,
    hsic_gaussian_population,
    hsic_nystrom,
    hsic_test,
)
from lemmata.kernels import gram_sums, median_distance
from lemmata.kernels.feature_sums import FeatureSums

MODULE = sys.modules["lemmata.estimation.hsic"]  # the package's name hsic is the function
INF, NAN = math.inf, math.nan
DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
DTYPES = [torch.float64, torch.float32, torch.bfloat16, torch.float16]
F64 = torch.float64
ESTIMATORS = ["biased", "unbiased"]
NAMES = ["gaussian", "laplace", "linear", "distance"]
KERNELS = {  # of a distance matrix, with bandwidth s
    "gaussian": lambda d, s: torch.exp(-d * d / (2 * s * s)),
    "laplace": lambda d, s: torch.exp(-d / s),
    "distance": lambda d, s: -d,
}

pytestmark = pytest.mark.parametrize("device", DEVICES)


@pytest.fixture
def normal(device):
    """Normal samples, drawn on the CPU so that every device sees the same."""
    generator = torch.Generator().manual_seed(6910)

    def draw(*shape, dtype=F64):
        return torch.randn(shape, generator=generator, dtype=F64).to(device, dtype)

    return draw


@pytest.fixture(params=[512, 4], ids=["one tile", "many tiles"])
def tile(request, monkeypatch):
    monkeypatch.setattr(gram_sums, "TILE", request.param)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def pair(normal, n, d=3, e=2):
    x = normal(n, d)
    return x, x[:, :1].sin() + normal(n, e)


def close(value, expected, tolerance=1e-12):
    assert value == pytest.approx(expected, rel=tolerance, abs=tolerance)


# ------------------------------------------------------------------- the oracle


def exact_distances(x):
    return (x[:, None] - x[None]).square().sum(-1).sqrt()


def exact_gram(x, kernel, s=1.0):
    x = x.double()
    return x @ x.T if kernel == "linear" else KERNELS[kernel](exact_distances(x), s)


def trace_form(k, l, divisor=None):
    n = len(k)
    h = torch.eye(n, dtype=k.dtype, device=k.device) - 1 / n
    return (torch.trace(k @ h @ l @ h) / (divisor or n**2)).item()


def four_fold(k, l):
    """The U-statistic of K_ij L_ij - 2 K_ij L_iq + K_ij L_qr over distinct indices."""
    terms = [
        k[i][j] * l[i][j] - 2 * k[i][j] * l[i][q] + k[i][j] * l[q][r]
        for i, j, q, r in itertools.permutations(range(len(k)), 4)
    ]
    return sum(terms) / len(terms)


def song_form(k, l):
    n = len(k)
    k, l = k - torch.diag(k.diagonal()), l - torch.diag(l.diagonal())
    one = torch.ones(n, dtype=k.dtype, device=k.device)
    apart = (one @ k @ one) * (one @ l @ one) / ((n - 1) * (n - 2))
    return ((torch.trace(k @ l) + apart - 2 / (n - 2) * (one @ k @ l @ one)) / (n * (n - 3))).item()


def oracle(k, l, estimator):
    return trace_form(k, l) if estimator == "biased" else song_form(k, l)


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


def test_the_population_value_is_what_large_samples_show(normal):
    """Deterministic by its seed; four standard deviations (6e-4, over seeds) would be 2.4e-3."""
    x = normal(1500, 1)
    y = 0.9 * x + math.sqrt(1 - 0.81) * normal(1500, 1)
    close(hsic(x, y, bandwidth=1.0).item(), hsic_gaussian_population(0.9, bandwidth=1.0).item(), 2.4e-3)


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


def test_tiles_of_full_size(normal):
    """Over the edge of one tile of 512, against dense sums, in both widths."""
    x, y = pair(normal, 700, 4, 3)
    for kernel in NAMES:
        k, l = exact_gram(x, kernel, 2.0), exact_gram(y, kernel, 2.0)
        value = hsic(x, y, kernel=kernel, bandwidth=2.0).item()
        close(value, song_form(k, l), 1e-12)
        single = hsic(x.float(), y.float(), kernel=kernel, bandwidth=2.0)
        assert single.dtype == torch.float32
        close(single.item(), value, 2e-6)


def test_batches_broadcast(normal, tile, monkeypatch):
    x, y = normal(3, 1, 9, 2), normal(4, 9, 5)
    for entries in (2**20, 100):  # all at once, one at a time
        monkeypatch.setattr(gram_sums, "_ENTRIES", entries)
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


def test_one_pass_finds_the_median_of_many(normal, monkeypatch):
    """The bracket of a sample is so narrow that nothing is counted twice."""
    passes, between = [], median_distance._between
    monkeypatch.setattr(median_distance, "_between", lambda *a: passes.append(1) or between(*a))
    monkeypatch.setattr(median_distance, "_KEPT", 20_000)
    x = normal(700, 3).exp()
    assert torch.equal(median_distance._sample(x), median_distance._sample(x))
    found, _ = median_distance.median_distance((x - x.mean(0))[None])
    assert found.item() == pytest.approx(torch.pdist(x.cpu()).median().item(), rel=1e-11)
    assert len(passes) == 1


def test_tiles_share_their_memory(normal):
    made = gram_sums.gram(normal(1, 40, 3), "gaussian")
    first, second = (made.tile(slice(0, 20), part) for part in (slice(0, 20), slice(20, 40)))
    assert first.data_ptr() == second.data_ptr() == made.memory.data_ptr()


def test_landmarks_come_from_the_generator_alone(normal):
    x, y = pair(normal, 40)
    values = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        values.append(hsic_nystrom(x, y, landmarks=3, bandwidth=1.0, generator=seeded()))
    assert torch.equal(*values)


def test_the_least_p_value_is_a_thousandth_unless_asked_otherwise(normal):
    x = normal(30, 1)
    test = hsic_test(x, x, bandwidth=1.0, generator=seeded())
    assert test.null.shape == (999,)
    assert test.p_value == 0.001


def test_landmarks_may_repeat(normal):
    """Equal samples make the landmarks' Gram matrix singular: what rounding leaves of it must not count."""
    x, y = pair(normal, 30)
    x, y = torch.cat([x, x]), torch.cat([y, y])
    options = {"bandwidth": 1.0, "estimator": "biased"}
    whole = hsic_nystrom(x, y, landmarks=60, generator=seeded(), **options)
    assert whole.item() == pytest.approx(hsic(x, y, **options).item(), rel=1e-8)


def test_means_of_features_keep_what_float32_rounds_off(normal):
    phi = (normal(200, 3) + 1e4).float()
    torch.testing.assert_close(FeatureSums.of(phi, phi).p, phi.double().mean(0), rtol=0, atol=2e-5)


def test_a_sketch_needs_four_samples_and_keeps_far_means(normal):
    x, y = normal(4, 3), normal(4, 2)
    sketch = HSICSketch(kernel="linear").update(x, y)
    assert sketch.value().item() == pytest.approx(hsic(x, y, kernel="linear").item(), rel=1e-10)
    assert HSICSketch(kernel="linear").update(x[:3], y[:3]).value().isnan()
    far = (normal(300, 3) + 1e7).float()
    merged = HSICSketch(kernel="linear")
    for part in far.split([100, 200]):
        merged.update(part, part)
    assert merged.value().item() == pytest.approx(
        hsic(far.double(), far.double(), kernel="linear").item(), rel=1e-9
    )


def test_a_batch_of_gram_matrices_is_its_matrices(normal):
    k, l = (v @ v.mT + v.shape[-1] for v in normal(2, 3, 5, 5))
    for estimator in ("biased", "unbiased"):
        singly = torch.stack([hsic_from_gram(a, b, estimator=estimator) for a, b in zip(k, l, strict=True)])
        torch.testing.assert_close(hsic_from_gram(k, l, estimator=estimator), singly, rtol=1e-13, atol=1e-13)


def test_two_features_are_enough_for_a_sketch(normal):
    x, y = normal(2, 6, 3)
    assert HSICSketch(2, bandwidth=1.0, generator=seeded(0)).update(x, y).value("biased") >= 0


@pytest.mark.parametrize("n", [2, 3, 4, 5, 182, 183, 300, 600])
def test_the_median_is_exact(normal, monkeypatch, n):
    monkeypatch.setattr(median_distance, "_FEW", 100)
    shapes = [lambda z: z, lambda z: z.sign(), lambda z: (z.abs() > 2).double(), lambda z: (2 * z).round()]
    for kept in (2**20, 1000):  # the second needs more than one pass
        monkeypatch.setattr(median_distance, "_KEPT", kept)
        for d in (1, 3):
            for shape in shapes:
                x = shape(normal(n, d))
                found, other = median_distance.median_distance(x[None])
                distances = torch.pdist(x.cpu())
                assert found.item() == pytest.approx(distances.median().item(), rel=1e-11)
                rest = distances[distances > 0]
                if found == 0:
                    assert other.item() == pytest.approx(rest.median().item() if len(rest) else 1, rel=1e-11)


def test_the_median_is_taken_of_each_argument(normal):
    x, y = pair(normal, 25)
    widths = tuple(torch.pdist(v.cpu()).median().item() for v in (x, y))
    for kernel in ("gaussian", "laplace"):
        close(hsic(x, y, kernel=kernel).item(), hsic(x, y, kernel=kernel, bandwidth=widths).item(), 1e-12)
        mixed = hsic(x, y, kernel=kernel, bandwidth=("median", 3.0)).item()
        close(mixed, hsic(x, y, kernel=kernel, bandwidth=(widths[0], 3.0)).item(), 1e-12)


def test_a_median_of_0_falls_back_with_a_warning(normal, device):
    x = torch.zeros(20, 2, dtype=F64, device=device)
    x[:3] = torch.tensor([3.0, 4.0])
    y = normal(20, 1)
    if device == "cpu":
        with pytest.warns(UserWarning, match="half of the distances") as caught:
            value = hsic(x, y)
        assert caught[0].filename == __file__
    else:
        value = hsic(x, y)
    close(value.item(), hsic(x, y, bandwidth=(5.0, torch.pdist(y.cpu()).median().item())).item(), 1e-13)
    assert value.abs() > 0


# ------------------------------------------------------------------- tests of independence


def test_permutation_moments_are_those_of_all_permutations(normal):
    for n in (4, 5, 6):
        x, y = normal(n, 2), normal(n, 1).exp()
        for kernel in ("gaussian", "linear"):
            k, l = exact_gram(x, kernel), exact_gram(y, kernel)
            all_values = torch.tensor(
                [trace_form(k, l[list(pi)][:, list(pi)]) for pi in itertools.permutations(range(n))],
                dtype=F64,
            )
            law = hsic_test(x, y, kernel=kernel, bandwidth=1.0, method="gamma").null
            close((law.shape * law.scale).item(), all_values.mean().item(), 1e-12)
            close((law.shape * law.scale**2).item(), all_values.var(correction=0).item(), 1e-11)


def test_gamma_p_value_is_a_survival_function(normal):
    x, y = pair(normal, 40)
    test = hsic_test(x, y, method="gamma")
    assert isinstance(test, HSICTest)
    assert isinstance(test.null, GammaNull)
    a, scale = test.null.shape.item(), test.null.scale.item()
    assert test.p_value.item() == pytest.approx(
        stats.gamma.sf(test.statistic.item(), a, scale=scale), rel=1e-9
    )
    close(test.statistic.item(), hsic(x, y, estimator="biased").item(), 1e-15)
    strong = hsic_test(x, x, method="gamma").p_value.item()
    assert 0 < strong < 1e-16  # 1 - cdf would be 0


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("kernel", ["gaussian", "linear", "distance"])
def test_the_permutation_null_is_hsic_of_permuted_samples(normal, tile, kernel, estimator):
    x, y = pair(normal, 13)
    test = hsic_test(x, y, kernel=kernel, permutations=20, estimator=estimator, generator=seeded(3))
    generator = seeded(3)
    orders = [torch.randperm(13, generator=generator).to(x.device) for _ in range(20)]
    expected = torch.stack([hsic(x, y[pi], kernel=kernel, estimator=estimator) for pi in orders])
    torch.testing.assert_close(test.null, expected, rtol=1e-11, atol=1e-14)
    close(test.statistic.item(), hsic(x, y, kernel=kernel, estimator=estimator).item(), 1e-12)
    count = (expected >= test.statistic).sum().item()
    close(test.p_value.item(), (1 + count) / 21, 1e-15)


def test_functions_can_be_tested(normal):
    x, y = pair(normal, 10)
    named = hsic_test(x, y, kernel="linear", permutations=9, generator=seeded())
    made = hsic_test(x, y, kernel=lambda a, b: a @ b.mT, permutations=9, generator=seeded())
    torch.testing.assert_close(named.null, made.null, rtol=1e-10, atol=1e-13)
    assert named.p_value == made.p_value


def test_ties_count_against_rejection(device):
    """Of 24 orders of two pairs, a third give the statistic of the data, which is the largest."""
    x = torch.tensor([0.0, 0.0, 1.0, 1.0], device=device)[:, None]
    for dtype in (F64, torch.float32):
        test = hsic_test(
            x.to(dtype), 0.1 * x.to(dtype), bandwidth=(1.0, 0.3), permutations=2999, generator=seeded()
        )
        top = (test.null >= test.statistic.double() * (1 - 1e-6)).sum().item()
        assert test.p_value.item() == (1 + top) / 3000
        assert abs(top / 2999 - 1 / 3) < 0.04  # 4.6 standard deviations


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


LEVELS = [(method, n) for method in ("permutation", "gamma") for n in (10, 20, 100)]


@pytest.mark.parametrize(("method", "n"), LEVELS)
def test_level_under_independence(device, method, n):
    """Rejections at 5 % of normal and Cauchy samples, in bands of 4.4 standard deviations (a false alarm in
    1e5; by their seed they are fixed). The gamma test is allowed 6 %: Gretton's moments reject 8.2 % of the
    normal and 11.6 % of the Cauchy samples at n = 10, the exact ones 5.2 %."""
    reps = {10: 3000, 20: 1500, 100: 400}[n] if method == "gamma" else 400
    for draw in ("normal", "cauchy"):
        generator = seeded(n)
        x, y = torch.randn(2, reps, n, 1, generator=generator, dtype=F64).to(device)
        if draw == "cauchy":
            x, y = (v / torch.randn(reps, n, 1, generator=generator, dtype=F64).to(device) for v in (x, y))
        p = hsic_test(x, y, method=method, permutations=19, generator=generator).p_value
        level = 0.06 if method == "gamma" else 0.05
        rejected = (p <= 0.05 + 1e-12).double().mean().item()
        band = 4.4 * math.sqrt(level * (1 - level) / reps)
        assert 0.05 - 4.4 * math.sqrt(0.05 * 0.95 / reps) < rejected < level + band


def test_a_generator_decides_and_the_default_is_torchs(normal):
    x, y = pair(normal, 9)
    first, again, other = (hsic_test(x, y, permutations=30, generator=seeded(s)).null for s in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    torch.manual_seed(1)
    assert torch.equal(hsic_test(x, y, permutations=30).null, first)


def test_a_terminal_sees_progress_after_a_second(device, monkeypatch, capsys):
    clock = iter([0.0, 0.5, *[2.0] * 9])
    monkeypatch.setattr(MODULE.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    progress = MODULE._Progress(5)
    progress.show(1)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    progress.show(2)
    progress.end()
    assert capsys.readouterr().err == "\rhsic_test: 2 of 5 permutations\n"
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False, raising=False)
    silent = MODULE._Progress(5)
    silent.show(3)
    silent.end()
    assert capsys.readouterr().err == ""


# ------------------------------------------------------------------- sketches


def test_the_linear_sketch_is_exact(normal):
    x, y = pair(normal, 50, 4, 3)
    x, y = x + 1e6, 10 * y - 1e5
    sketch = HSICSketch(kernel="linear")
    for cut in (slice(0, 1), slice(1, 20), slice(20, 20), slice(20, 50)):
        assert sketch.update(x[cut], y[cut]) is sketch
    for estimator in ESTIMATORS:
        whole = hsic(x, y, kernel="linear", estimator=estimator).item()
        assert sketch.value(estimator).item() == pytest.approx(whole, rel=1e-9)
        assert sketch.cka(estimator).item() == pytest.approx(cka(x, y, estimator=estimator).item(), rel=1e-9)
    assert sketch.value().dtype == F64


@pytest.mark.parametrize("kernel", ["gaussian", "laplace"])
def test_a_sketch_is_the_estimator_of_its_features(normal, monkeypatch, kernel):
    """Whatever the pieces, and merged from any."""
    x, y = pair(normal, 40)
    made = [HSICSketch(16, kernel=kernel, bandwidth=(1.0, 2.0), generator=seeded(5)) for _ in range(4)]
    whole = made[0].update(x, y)
    phi = []
    for v, w in zip((x, y), whole.projections, strict=True):
        wave = v @ w
        phi.append(torch.cat([wave.cos(), wave.sin()], 1) / 8**0.5)
    k, l = (p @ p.T for p in phi)
    torch.testing.assert_close(k.diagonal(), torch.ones_like(k[0]))
    for estimator in ESTIMATORS:
        close(whole.value(estimator).item(), oracle(k, l, estimator), 1e-14)
    monkeypatch.setattr(MODULE, "_BLOCK", 7)
    parts = made[1].update(x[:30], y[:30])
    assert parts.merge(made[2].update(x[30:], y[30:])) is parts
    close(parts.value().item(), whole.value().item(), 1e-14)
    close(made[3].merge(parts).value().item(), whole.value().item(), 1e-14)
    close(
        parts.merge(HSICSketch(16, kernel=kernel, bandwidth=(1.0, 2.0))).value().item(),
        whole.value().item(),
        1e-14,
    )


@pytest.mark.parametrize(("kernel", "tolerance"), [("gaussian", 0.04), ("laplace", 0.08)])
def test_features_meet_the_kernel(normal, kernel, tolerance):
    """The entries at 4096 features, each an average of 2048 cosines (standard deviation below 0.016)."""
    x = normal(12, 3)
    sketch = HSICSketch(4096, kernel=kernel, bandwidth=(2.0, 1.0), generator=seeded())
    sketch.update(x, x)
    wave = x @ sketch.projections[0]
    made = torch.cos(wave[:, None] - wave[None]).mean(-1)
    assert (made - exact_gram(x, kernel, 2.0)).abs().max() < tolerance
    directions = sketch.projections[0].T[:3]
    if kernel == "gaussian":  # orthogonal in blocks of d
        inner = directions @ directions.T
        assert (inner - torch.diag(inner.diagonal())).abs().max() < 1e-12


def test_a_sketch_comes_close_to_hsic(normal):
    x, y = pair(normal, 1000, 3, 3)
    exact = hsic(x, y, bandwidth=2.0).item()
    errors = [
        HSICSketch(512, bandwidth=2.0, generator=seeded(s)).update(x, y).value().item() / exact - 1
        for s in range(4)
    ]
    assert max(map(abs, errors)) < 0.2
    single = HSICSketch(512, bandwidth=2.0, generator=seeded()).update(x.float(), y.float()).value().item()
    assert single / exact - 1 == pytest.approx(errors[0], abs=1e-4)


def test_sketches_of_too_little_data(normal):
    x = normal(3, 2)
    sketch = HSICSketch(kernel="linear").update(x, x)
    assert sketch.value().isnan()
    assert sketch.value("biased") > 0
    empty = HSICSketch(kernel="linear").update(x[:0], x[:0])
    assert empty.value("biased").isnan()
    assert empty.update(x[:0], x[:0]).merge(sketch).value("biased") == sketch.value("biased")
    assert sketch.merge(HSICSketch(kernel="linear").update(x[:0], x[:0])).value("biased").isfinite()


WORKER = """
import json, sys
import torch
from torch import distributed as dist
from lemmata.estimation import HSICSketch

rank, folder = int(sys.argv[1]), sys.argv[2]
torch.set_num_threads(1)
generator = torch.Generator().manual_seed(6910)
x, e = torch.randn(2, 101, 2, generator=generator, dtype=torch.float64)
y = x.sin() + e + 10
for world, cuts in ((1, []), (2, [77]), (3, [5, 5])):
    if rank < world:
        store = f"file://{folder}/{world}-{cuts}".replace(" ", "")
        dist.init_process_group("gloo", init_method=store, rank=rank, world_size=world)
        group = dist.new_group(list(range(world)))
        a, b = x.tensor_split(cuts)[rank], y.tensor_split(cuts)[rank]
        linear = HSICSketch(kernel="linear").update(a, b).all_reduce()
        seeded = HSICSketch(8, bandwidth=(1.0, 2.0), generator=torch.Generator().manual_seed(1))
        seeded.update(a, b).all_reduce(group)
        other = HSICSketch(8, bandwidth=1.0, generator=torch.Generator().manual_seed(rank)).update(a, b)
        try:
            other.all_reduce()
            refused = False
        except ValueError:
            refused = True
        print(json.dumps([world, linear.value().item(), linear.cka().item(), seeded.value().item(),
                          refused == (rank > 0)]), flush=True)
        dist.destroy_process_group()
"""


def test_gloo_worlds_of_one_two_and_three(device, run_ranks):
    if device != "cpu":
        pytest.skip("gloo works on the CPU")
    lines = run_ranks(WORKER)
    assert [len(printed) for printed in lines] == [3, 2, 1]
    x, e = torch.randn(2, 101, 2, generator=torch.Generator().manual_seed(6910), dtype=F64)
    y = x.sin() + e + 10
    sketch = HSICSketch(8, bandwidth=(1.0, 2.0), generator=seeded(1)).update(x, y)
    expected = [hsic(x, y, kernel="linear").item(), cka(x, y).item(), sketch.value().item()]
    seen = {}
    for world, *values in (json.loads(line) for line in itertools.chain(*lines)):
        assert seen.setdefault(world, values) == values  # the same on every rank
        assert values[:3] == pytest.approx(expected, rel=1e-11)
        assert values[3]


def test_nystrom_shrinks_and_ends_exact(normal):
    x, y = pair(normal, 120)
    for kernel in ("gaussian", "laplace", "linear", lambda a, b: (a @ b.mT + 1) ** 2):
        exact = hsic(x, y, kernel=kernel, estimator="biased").item()
        values = [
            hsic_nystrom(x, y, landmarks=m, kernel=kernel, generator=seeded()).item()
            for m in (5, 20, 60, 120)
        ]
        assert all(v <= exact * (1 + 1e-9) for v in values)
        assert values[-1] == pytest.approx(exact, rel=1e-8)
    unbiased = hsic_nystrom(x, y, landmarks=120, estimator="unbiased", generator=seeded()).item()
    assert unbiased == pytest.approx(hsic(x, y).item(), rel=1e-8)
    first = hsic_nystrom(x, y, landmarks=5, generator=seeded())
    assert first < 0.98 * hsic(x, y, estimator="biased")
    assert hsic_nystrom(x.expand(2, 3, 120, 3), y, landmarks=9).shape == (2, 3)
    assert hsic_nystrom(x.half(), y.half(), landmarks=9).dtype == torch.float16
    assert hsic_nystrom(x * NAN, y, landmarks=9, bandwidth=1.0).isnan()


# ------------------------------------------------------------------- gradients and transforms

GRADIENT_KERNELS = [*NAMES, lambda a, b: (a @ b.mT + 1) ** 2]


@pytest.mark.parametrize("kernel", GRADIENT_KERNELS, ids=[*NAMES, "function"])
def test_gradients_of_both_orders(normal, tile, kernel):
    x, y = (v.requires_grad_() for v in pair(normal, 5, 2, 1))
    for estimator in ESTIMATORS:

        def measure(x, y, estimator=estimator):
            return hsic(x, y, kernel=kernel, bandwidth=(1.3, 0.9), estimator=estimator)

        def aligned(x, y, estimator=estimator):
            return cka(x, y, kernel=kernel, bandwidth=(1.3, 0.9), estimator=estimator)

        assert gradcheck(measure, (x, y), check_forward_ad=True, check_batched_grad=True)
        assert gradcheck(aligned, (x, y), fast_mode=True)
        assert gradgradcheck(measure, (x, y), fast_mode=True)


def test_gradients_of_wide_linear_kernels_go_through_tiles(normal, tile):
    """Few columns take moments instead; here there are more columns than samples."""
    x, y = normal(5, 6).requires_grad_(), normal(5, 7).requires_grad_()
    for estimator in ESTIMATORS:

        def measure(x, y, estimator=estimator):
            return hsic(x, y, kernel="linear", estimator=estimator)

        def by_gram(x, y, estimator=estimator):
            return hsic_from_gram(x @ x.mT, y @ y.mT, estimator=estimator)

        slopes = (torch.autograd.grad(f(x, y), (x, y)) for f in (measure, by_gram))
        for ours, expected in zip(*slopes, strict=True):
            torch.testing.assert_close(ours, expected, rtol=1e-10, atol=1e-12)
        assert gradcheck(measure, (x, y), fast_mode=True)
        assert gradgradcheck(measure, (x, y), fast_mode=True)


def test_a_kernel_may_be_blind(normal, tile):
    """A function that does not look at its arguments has the gradient 0."""
    x, y = pair(normal, 6)
    y.requires_grad_()
    value = hsic(x, y, kernel=lambda a, b: torch.ones(len(a), len(b), dtype=a.dtype) + 0 * (a @ a.mT).sum())
    assert value.abs() < 1e-12
    (slope,) = torch.autograd.grad(value, y)
    assert (slope == 0).all()


def test_gradients_reach_one_argument_alone(normal, tile):
    x, y = pair(normal, 9)
    x.requires_grad_()
    for kernel in ("gaussian", "linear", "laplace"):
        (g_x,) = torch.autograd.grad(hsic(x, y, kernel=kernel, bandwidth=1.0), x)
        both = y.clone().requires_grad_()
        g = torch.autograd.grad(hsic(x, both, kernel=kernel, bandwidth=1.0), (x, both))
        torch.testing.assert_close(g[0], g_x)
        swapped = torch.autograd.grad(hsic(both, x.detach(), kernel=kernel, bandwidth=1.0), both)[0]
        torch.testing.assert_close(g[1], swapped, rtol=1e-10, atol=1e-13)
    assert gradcheck(lambda k: hsic_from_gram(k + k.mT, k + k.mT), normal(5, 5).requires_grad_())


def test_gradients_take_the_median_as_a_constant(normal):
    x, y = pair(normal, 8)
    x.requires_grad_()
    widths = tuple(torch.pdist(v.detach().cpu()).median().item() for v in (x, y))
    (median,) = torch.autograd.grad(hsic(x, y), x)
    (fixed,) = torch.autograd.grad(hsic(x, y, bandwidth=widths), x)
    torch.testing.assert_close(median, fixed, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("kernel", NAMES)
@pytest.mark.parametrize("dtype", [F64, torch.float32])
def test_gradients_at_equal_samples_are_finite(normal, tile, kernel, dtype):
    """The root of 0 has no slope: equal samples pull on each other with 0."""
    x, y = pair(normal, 12)
    x[3:6] = x[0]
    y[4] = y[0]
    x, y = (v.to(dtype).requires_grad_() for v in (x, y))
    g = torch.autograd.grad(hsic(x, y, kernel=kernel, bandwidth=1.0), (x, y), create_graph=True)
    again = torch.autograd.grad(sum(v.square().sum() for v in g), (x, y))
    plain = torch.autograd.grad(hsic(x, y, kernel=kernel, bandwidth=1.0), (x, y))
    for v, w in zip(g, plain, strict=True):
        assert v.isfinite().all()
        torch.testing.assert_close(
            v, w, rtol=1e-3 if dtype != F64 else 1e-9, atol=1e-5 if dtype != F64 else 1e-11
        )
    assert all(v.isfinite().all() for v in again)


def test_float32_gradients_agree_with_float64(normal):
    x, y = pair(normal, 300)
    for kernel in NAMES:
        grads = []
        for dtype in (F64, torch.float32):
            a = x.to(dtype).requires_grad_()
            grads += torch.autograd.grad(hsic(a, y.to(dtype), kernel=kernel, bandwidth=2.0), a)
        size = grads[0].abs().max().item()
        torch.testing.assert_close(grads[1].double(), grads[0], rtol=0, atol=1e-3 * size)


def test_vmap_and_jacobians(normal):
    x, y = normal(3, 7, 2), normal(7, 3)
    for kernel in (*NAMES, lambda a, b: (a @ b.mT).exp()):
        for bandwidth in (1.5, "median"):

            def f(x, y, kernel=kernel, bandwidth=bandwidth):
                return hsic(x, y, kernel=kernel, bandwidth=bandwidth)

            rows = torch.stack([f(v, y) for v in x])
            mapped = torch.vmap(f, in_dims=(0, None))(x, y)
            torch.testing.assert_close(mapped, rows, rtol=1e-11, atol=1e-13)
            moved = torch.vmap(f, in_dims=(1, None))(x.transpose(0, 1), y)
            torch.testing.assert_close(moved, rows, rtol=1e-11, atol=1e-13)
        g = torch.func.grad(f)(x[0], y)
        leaf = x[0].clone().requires_grad_()
        torch.testing.assert_close(g, torch.autograd.grad(f(leaf, y), leaf)[0], rtol=1e-10, atol=1e-13)
        per_sample = torch.vmap(torch.func.grad(f), in_dims=(0, None))(x, y)
        torch.testing.assert_close(per_sample[0], g, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_unbiased_cka_of_equidistant_samples_is_no_number(normal, dtype):
    """Their U with themselves is exactly 0; what rounding leaves of it must not pass for a value."""
    for n in (4, 5, 10, 33):
        x, y = torch.eye(n, dtype=dtype), normal(n, 3).to(dtype)
        for pair in ((x, y), (y, x), (x, x)):
            assert cka(*pair).isnan()
    assert cka(normal(20, 2000).to(dtype), normal(20, 2000).to(dtype)).isfinite()


def test_many_samples_have_no_median_under_transforms(normal, monkeypatch):
    monkeypatch.setattr(median_distance, "_KEPT", 30)
    monkeypatch.setattr(median_distance, "_FEW", 30)
    with pytest.raises(
        ValueError, match="bandwidth must be a number under transforms of as many as 9 samples"
    ):
        torch.vmap(hsic)(normal(2, 9, 1), normal(2, 9, 1))


@pytest.mark.parametrize("kernel", NAMES)
def test_compiles_whole(normal, kernel):
    torch.compiler.reset()

    def f(x, y):
        return hsic(x, y, kernel=kernel, bandwidth=1.5)

    compiled = torch.compile(f, fullgraph=True, backend="aot_eager")
    x, y = (v.requires_grad_() for v in pair(normal, 9))
    torch.testing.assert_close(compiled(x, y), f(x, y), rtol=1e-12, atol=1e-14)
    slopes = (torch.autograd.grad(g(x, y), (x, y)) for g in (compiled, f))
    for there, here in zip(*slopes, strict=True):
        torch.testing.assert_close(there, here, rtol=1e-10, atol=1e-13)


# ------------------------------------------------------------------- dtypes and extreme input


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


def test_the_least_samples(normal):
    x, y = normal(4, 2), normal(4, 2)
    assert hsic(x, y).isfinite()
    assert hsic(x[:1], y[:1], estimator="biased", bandwidth=1.0) == 0
    assert hsic_test(x[:1], y[:1], permutations=2, bandwidth=1.0).p_value == 1
    assert hsic(x[:, :0], y, bandwidth=1.0) == 0  # no numbers at all: equal samples
    assert hsic_test(x, y, method="gamma").p_value.isfinite()


# ------------------------------------------------------------------- bad input

BAD_CALLS = [
    (TypeError, "x must be float64.* got torch.int64", lambda x: hsic(x.long(), x)),
    (TypeError, "y must be a tensor, got list", lambda x: hsic(x, [1.0])),
    (TypeError, "K must be float64", lambda x: hsic_from_gram(x.long(), x)),
    (TypeError, "x must be a tensor", lambda x: hsic(1.0, x)),
    (TypeError, "y must be float64", lambda x: HSICSketch(kernel="linear").update(x, x.long())),
    (TypeError, "rho must be float64", lambda x: hsic_gaussian_population(x.long(), bandwidth=1.0)),
    (TypeError, "landmarks must be an int", lambda x: hsic_nystrom(x, x, landmarks=2.0)),
    (TypeError, "permutations must be an int", lambda x: hsic_test(x, x, permutations=9.0)),
    (TypeError, "features must be an int", lambda x: HSICSketch(8.0, bandwidth=1.0)),
    (ValueError, r"x must be samples .* got shape \(5,\)", lambda x: hsic(x[:, 0], x)),
    (ValueError, r"y must have as many samples as x, 5, got shape \(4, 5\)", lambda x: hsic(x, x[:4])),
    (ValueError, "batch dimensions that broadcast", lambda x: hsic(x.expand(2, 5, 5), x.expand(3, 5, 5))),
    (ValueError, "x must have at least 4 samples here, got n = 3", lambda x: hsic(x[:3], x[:3])),
    (ValueError, "x must have at least 1 samples here", lambda x: hsic(x[:0], x[:0], estimator="biased")),
    (ValueError, "at least 4 samples", lambda x: hsic_test(x[:3], x[:3], method="gamma")),
    (ValueError, "K must have at least 4 samples", lambda x: hsic_from_gram(x[:3, :3], x[:3, :3])),
    (ValueError, "at least 4 samples", lambda x: cka(x[:3], x[:3])),
    (ValueError, "estimator must be 'biased' or 'unbiased', got 'v'", lambda x: hsic(x, x, estimator="v")),
    (ValueError, "estimator must be", lambda x: HSICSketch(kernel="linear").update(x, x).value("u")),
    (ValueError, "kernel must be a function or one of .* got 'rbf'", lambda x: hsic(x, x, kernel="rbf")),
    (ValueError, "bandwidth must be positive.* got 0", lambda x: hsic(x, x, bandwidth=0.0)),
    (ValueError, "bandwidth must be positive.* got -1", lambda x: hsic(x, x, bandwidth=(1.0, -1.0))),
    (ValueError, "bandwidth must be positive.* got inf", lambda x: hsic(x, x, bandwidth=INF)),
    (ValueError, "bandwidth must be positive.* got 'mean'", lambda x: hsic(x, x, bandwidth="mean")),
    (ValueError, "bandwidth must be positive.* got True", lambda x: hsic(x, x, bandwidth=True)),
    (ValueError, "bandwidth must be one .* or a pair", lambda x: hsic(x, x, bandwidth=(1.0, 1.0, 1.0))),
    (ValueError, "bandwidth must .* got None", lambda x: HSICSketch()),
    (ValueError, "bandwidth must .* got 'median'", lambda x: HSICSketch(bandwidth="median")),
    (ValueError, "bandwidth must", lambda x: hsic_gaussian_population(0.5, bandwidth=-1.0)),
    (ValueError, "features must be even and at least 2, got 7", lambda x: HSICSketch(7, bandwidth=1.0)),
    (ValueError, "features must be even and at least 2, got 0", lambda x: HSICSketch(0, bandwidth=1.0)),
    (ValueError, "kernel must be 'gaussian', 'laplace' or", lambda x: HSICSketch(kernel="distance")),
    (ValueError, r"x must be samples \(n, d\)", lambda x: HSICSketch(kernel="linear").update(x[None], x)),
    (ValueError, "y must have as many samples as x, 5", lambda x: HSICSketch(bandwidth=1.0).update(x, x[:4])),
    (ValueError, "as many columns as at first",
     lambda x: HSICSketch(kernel="linear").update(x, x).update(x, x[:, :2])),
    (ValueError, "updated before it has a value", lambda x: HSICSketch(bandwidth=1.0).value()),
    (ValueError, "updated before all_reduce", lambda x: HSICSketch(bandwidth=1.0).all_reduce()),
    (ValueError, "kernel must be 'linear' for cka", lambda x: HSICSketch(bandwidth=1.0).update(x, x).cka()),
    (ValueError, "other must have the kernel 'linear', got 'gaussian'",
     lambda x: HSICSketch(kernel="linear").merge(HSICSketch(bandwidth=1.0))),
    (ValueError, "the same features",
     lambda x: HSICSketch(4, bandwidth=1.0, generator=seeded(1)).update(x, x)
     .merge(HSICSketch(4, bandwidth=1.0, generator=seeded(2)).update(x, x))),
    (ValueError, "landmarks must be from 1 to n = 5, got 6", lambda x: hsic_nystrom(x, x, landmarks=6)),
    (ValueError, "landmarks must be from 1 to n = 5, got 0", lambda x: hsic_nystrom(x, x, landmarks=0)),
    (ValueError, "positive semidefinite, got 'distance'",
     lambda x: hsic_nystrom(x, x, landmarks=2, kernel="distance")),
    (ValueError, "method must be 'permutation' or 'gamma', got 'chi2'",
     lambda x: hsic_test(x, x, method="chi2")),
    (ValueError, "permutations must be at least 1, got 0", lambda x: hsic_test(x, x, permutations=0)),
    (ValueError, "'biased' for the gamma test, got 'unbiased'",
     lambda x: hsic_test(x, x, method="gamma", estimator="unbiased")),
    (ValueError, r"K must be square, .* got shape \(3, 5\)", lambda x: hsic_from_gram(x[:3], x)),
    (ValueError, r"L must be 5 x 5 as K is, got shape \(4, 4\)", lambda x: hsic_from_gram(x, x[:4, :4])),
]  # fmt: skip


def test_bad_input_is_named(device):
    x = torch.eye(5, device=device)
    for error, message, call in BAD_CALLS:
        with pytest.raises(error, match=message):
            call(x)


def test_gram_matrices_that_are_not_symmetric_raise_where_they_can_be_read(device):
    k = torch.eye(5, device=device)
    k[0, 1] = 0.5
    if device == "cpu":
        with pytest.raises(ValueError, match=r"L must be symmetric, got entries that differ by 0\.5"):
            hsic_from_gram(torch.eye(5), k)
    torch.vmap(lambda k: hsic_from_gram(k, k))(k.expand(2, 5, 5))
