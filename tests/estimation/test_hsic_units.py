"""No answer depends on the unit of the data: what is a ratio stays, and HSIC has the unit to its power."""

import pytest
import torch
from estimation.hsic_oracle import ESTIMATORS, exact_distances, pair
from helpers import DEVICES, F64, INF, Draw, close, seeded

from lemmata.estimation import (
    HSICSketch,
    cka,
    distance_correlation,
    distance_covariance,
    hsic,
    hsic_from_gram,
    hsic_gaussian_population,
    hsic_nystrom,
    hsic_test,
)

pytestmark = pytest.mark.parametrize("device", DEVICES)
POWERS = {"gaussian": 0, "laplace": 0, "linear": 2, "distance": 1}  # of the unit of x, in HSIC
UNITS = [2.0**k for k in (28, -40, -66, 60, 100, -100)]  # about 2e8, 1e-12, 1e-20, 1e18, 1e30, 1e-30
WIDE = torch.bfloat16, torch.float32, F64  # the types of such range
kernels = pytest.mark.parametrize("kernel", POWERS)
dtypes = pytest.mark.parametrize("dtype", WIDE)


@pytest.fixture
def normal(device):
    """Normal samples, the same on every device."""
    return Draw(6910, device).normal


def narrow_and_wide(normal, dtype):
    """Linear kernels of few columns go by moments, those of many by tiles."""
    x, y = (v.to(dtype) for v in pair(normal, 9))
    yield x, y
    yield x.repeat(1, 7), y.repeat(1, 9)


def slope(value, leaf):
    return torch.autograd.grad(value, leaf)[0].double()


# ------------------------------------------------------------------- identity


@kernels
@dtypes
def test_alignment_has_no_unit(normal, dtype, kernel):
    """To the bit, since division by a power of two is exact; the slope has the inverse unit."""
    for x, y in narrow_and_wide(normal, dtype):
        for estimator in ESTIMATORS:
            leaf = x.clone().requires_grad_()
            value = cka(leaf, y, kernel=kernel, estimator=estimator)
            near = slope(value, leaf)
            for unit in UNITS:
                far = (unit * x).requires_grad_()
                again = cka(far, y / unit, kernel=kernel, estimator=estimator)
                assert torch.equal(again, value)
                if unit < 1e20:  # else some slopes are below the numbers of the dtype
                    assert torch.equal(slope(again, far) * unit, near)


@kernels
@dtypes
def test_tests_have_no_unit(normal, dtype, kernel):
    for x, y in narrow_and_wide(normal, dtype):
        for options in (dict(permutations=19), dict(method="gamma")):
            near = hsic_test(x, y, kernel=kernel, generator=seeded(), **options)
            assert near.p_value < 1
            for unit in UNITS:
                far = hsic_test(unit * x, unit * y, kernel=kernel, generator=seeded(), **options)
                assert far.p_value == near.p_value


@kernels
@dtypes
def test_hsic_has_the_unit_to_a_power(normal, dtype, kernel):
    """And what the permutations give; y in the inverse unit leaves HSIC alone, and the slope its unit."""
    for x, y in narrow_and_wide(normal, dtype):
        for estimator in ESTIMATORS:
            leaf = x.clone().requires_grad_()
            value = hsic(leaf, y, kernel=kernel, estimator=estimator)
            near = slope(value, leaf)
            for unit in UNITS[:4]:
                far = (unit * x).requires_grad_()
                again = hsic(far, y / unit, kernel=kernel, estimator=estimator)
                assert torch.equal(again, value)
                assert torch.equal(slope(again, far) * unit, near)
                assert torch.equal(
                    hsic(far, y, kernel=kernel, estimator=estimator), value * unit ** POWERS[kernel]
                )
        near = hsic_test(x, y, kernel=kernel, permutations=5, generator=seeded())
        far = hsic_test(2**20 * x, y, kernel=kernel, permutations=5, generator=seeded())
        assert torch.equal(far.null, near.null * 2 ** (20 * POWERS[kernel]))
        near, far = (hsic_test(v, y, kernel=kernel, method="gamma").null for v in (x, 2**20 * x))
        assert torch.equal(far.shape, near.shape)
        assert torch.equal(far.scale, near.scale * 2 ** (20 * POWERS[kernel]))


def test_sketches_and_landmarks_have_the_unit_to_its_power(normal):
    x, y = pair(normal, 12)
    for dtype in WIDE:
        a, b = x.to(dtype), y.to(dtype)
        near = HSICSketch(kernel="linear").update(a, b)
        landmarks = hsic_nystrom(a, b, landmarks=4, kernel="linear", generator=seeded())
        for unit in UNITS:
            far = HSICSketch(kernel="linear").update(unit * a, b / unit)
            for estimator in ESTIMATORS:
                assert torch.equal(far.cka(estimator), near.cka(estimator))
                assert torch.equal(far.value(estimator), near.value(estimator))
            again = hsic_nystrom(unit * a, b / unit, landmarks=4, kernel="linear", generator=seeded())
            assert torch.equal(again, landmarks)


def test_distance_correlation_has_no_unit_and_covariance_has_it(normal):
    for x, y in narrow_and_wide(normal, torch.float32):
        for estimator in ESTIMATORS:
            for unit in UNITS[:4]:
                pairs = (x, y), (unit * x, y)
                one, other = (distance_correlation(*v, estimator=estimator) for v in pairs)
                assert torch.equal(one, other)
                one, other = (distance_covariance(*v, estimator=estimator) for v in pairs)
                assert torch.equal(unit * one, other)


def test_gram_matrices_have_units(normal):
    x, y = normal(2, 3, 6, 2)
    k, l = x @ x.mT, y @ y.mT
    for estimator in ESTIMATORS:
        near = hsic_from_gram(k, l, estimator=estimator)
        for unit in (2.0**600, 2.0**-600):
            assert torch.equal(hsic_from_gram(unit * k, l / unit, estimator=estimator), near)
        assert hsic_from_gram(2.0**600 * k, 2.0**600 * l, estimator="biased").isinf().all()


# ------------------------------------------------------------------- agreement


@pytest.mark.parametrize("scale", [2e8, 1e-12, 1e-20, 1e18])
def test_wide_layers_in_any_unit(normal, scale):
    """64 samples of 512 features, and 400 of 3: what was 0, NaN and p = 1 in float32."""
    x = normal(64, 512).float()
    tall = normal(400, 3).float()
    for a, b in ((x, x + normal(64, 512).float()), (tall, tall[:, :2] + 0.01 * normal(400, 2).float())):
        for kernel in POWERS:
            for estimator in ESTIMATORS:
                far = (scale * a).requires_grad_()
                value = cka(far, b, kernel=kernel, estimator=estimator)
                leaf = (far.detach().double() / scale).requires_grad_()
                exact = cka(leaf, b.double(), kernel=kernel, estimator=estimator)
                close(value.item(), exact.item(), 2e-4)
                expected = slope(exact, leaf)
                size = expected.abs().max().item()
                torch.testing.assert_close(slope(value, far) * scale, expected, rtol=0, atol=3e-3 * size)
        for kernel in ("linear", "distance"):
            test = hsic_test(scale * a, b, kernel=kernel, permutations=19, generator=seeded())
            assert test.p_value == 0.05
            assert hsic_test(scale * a, b, kernel=kernel, method="gamma").p_value < 1e-9


def test_transforms_and_compilation_see_units(normal):
    torch.compiler.reset()
    x, y = normal(3, 7, 2).float(), normal(7, 3).float()

    def f(x, y):
        return torch.stack(
            [measure(x, y, kernel=k) for measure in (cka, hsic) for k in ("linear", "distance")]
        )

    compiled = torch.compile(f, fullgraph=True, backend="eager")
    for unit in (2.0**60, 2.0**-66):
        rows = torch.stack([f(unit * v, y) for v in x])
        close_ratio(compiled(unit * x[0], y), rows[0])
        close_ratio(torch.vmap(f, in_dims=(0, None))(unit * x, y), rows)
        slopes = torch.func.grad(lambda x, y: f(x, y)[:2].sum())(unit * x[0], y)
        leaf = (unit * x[0]).requires_grad_()
        plain = torch.autograd.grad(f(leaf, y)[:2].sum(), leaf)[0]
        torch.testing.assert_close(unit * slopes, unit * plain, rtol=1e-3, atol=1e-6)


def close_ratio(actual, expected):
    torch.testing.assert_close(actual / expected, torch.ones_like(expected), rtol=1e-4, atol=0)


# ------------------------------------------------------------------- failure


def test_the_ends_of_a_dtype(normal):
    """Numbers below the least normal one keep the digits they have; 3e38 does not overflow in the mean."""
    x, y = (v.float() for v in pair(normal, 9))
    for kernel in POWERS:
        whole = cka(x, y, kernel=kernel).item()
        close(cka(x * (3e38 / x.abs().max()), y, kernel=kernel).item(), whole, 1e-4)
        close(cka(x * 1e-38, y, kernel=kernel).item(), whole, 1e-4)
        close(cka(x * 1e-43, y, kernel=kernel).item(), whole, 0.1)
        far = (1e300 * x.double()).requires_grad_()
        value = cka(far, 1e-300 * y.double(), kernel=kernel)
        close(value.item(), cka(x.double(), y.double(), kernel=kernel).item(), 1e-12)
        assert slope(value, far).isfinite().all()


def test_hsic_is_infinite_only_where_it_is_too_large(normal):
    x, y = (v.float() for v in pair(normal, 9))
    for kernel in ("linear", "distance"):
        far = (2.0**100 * x).requires_grad_()
        value = hsic(far, 2.0**60 * y, kernel=kernel, estimator="biased")
        assert value == INF
        assert not slope(value, far).isnan().any()
        assert hsic(2.0**-100 * x, 2.0**-60 * y, kernel=kernel) == 0
        constant = torch.full_like(x, 3e38)
        assert hsic(constant, 2.0**100 * y, kernel=kernel) == 0
        wide = hsic(2.0**900 * x.double(), 2.0**-880 * y.double(), kernel=kernel)
        close(
            wide.item(),
            hsic(x.double(), y.double(), kernel=kernel).item() * 2 ** (20 * POWERS[kernel]),
            1e-12,
        )


def test_bandwidths_of_any_size(normal):
    """Far samples are alike to themselves only: U of that Gram matrix, the identity, is 0."""
    x, y = (v.float() for v in pair(normal, 9))
    for kernel in ("gaussian", "laplace"):
        for far, width in ((1e30 * x, 1.0), (x, 1e-30), (1e30 * x, 1e-30), (1e300 * x.double(), 1e-300)):
            far = far.requires_grad_()
            value = hsic(far, y.to(far), kernel=kernel, bandwidth=(width, 1.0))
            assert value.abs() < 1e-7
            assert (slope(value, far) == 0).all()
        assert hsic(x, y, kernel=kernel, bandwidth=1e30) == 0
    for width in (1e200, 1e-200):
        assert hsic_gaussian_population(0.5, bandwidth=width) == 0


def test_gradients_are_finite_far_from_0(normal):
    """A spread of 1e-6 at 1: as small as float32 lets it be."""
    x = (1 + 1e-6 * normal(30, 3)).float().requires_grad_()
    y = (1 + 1e-6 * normal(30, 3)).float()
    for kernel in POWERS:
        value = cka(x, y, kernel=kernel)
        exact = cka(x.detach().double(), y.double(), kernel=kernel)
        close(value.item(), exact.item(), 1e-3)
        assert slope(value, x).isfinite().all()


def test_distances_of_the_oracle(normal):
    """The definition of Székely: doubly centred distances, and their correlation."""
    x, y = pair(normal, 12)

    def biased(d):
        return d - d.mean(0) - d.mean(1, keepdim=True) + d.mean()

    def unbiased(d):
        n = len(d)
        d = d - d.sum(0) / (n - 2) - d.sum(1, keepdim=True) / (n - 2) + d.sum() / ((n - 1) * (n - 2))
        return d - torch.diag(d.diagonal())

    for estimator, centre, power in (("biased", biased, 0.5), ("unbiased", unbiased, 1)):
        a, b = (centre(exact_distances(v)) for v in (x, y))
        expected = ((a * b).sum() / ((a * a).sum() * (b * b).sum()).sqrt()) ** power
        close(distance_correlation(x, y, estimator=estimator).item(), expected.item(), 1e-12)


def test_distance_correlation_of_lines_and_constants(normal):
    x = normal(12, 3)
    q, _ = torch.linalg.qr(normal(3, 3))
    for estimator in ESTIMATORS:
        close(distance_correlation(x, 5 - 2 * x @ q, estimator=estimator).item(), 1, 1e-12)
        assert distance_correlation(x, x.new_ones(12, 1), estimator=estimator).isnan()
    grid = torch.tensor([[0.0, 0], [0, 1], [1, 0], [1, 1]], dtype=F64).requires_grad_()
    value = distance_correlation(grid[:, :1], grid[:, 1:], estimator="biased")
    assert value == 0  # independent
    assert (slope(value, grid) == 0).all()
    assert distance_correlation(grid[:, :1], grid[:, 1:]) < 0
