"""What HSIC is made of: kernels, tiles of Gram matrices, and the median of all distances."""

import pytest
import torch
from estimation.hsic_oracle import NAMES, exact_gram, pair, song_form
from helpers import DEVICES, F64, Draw, close

from lemmata.estimation import hsic
from lemmata.estimation._hsic import median
from lemmata.estimation._hsic.gram import gram, whole
from lemmata.estimation._hsic.kernels import KERNELS, kernel_of

pytestmark = pytest.mark.parametrize("device", DEVICES)


@pytest.fixture
def normal(device):
    """Normal samples, the same on every device."""
    return Draw(6910, device).normal


# ------------------------------------------------------------------- identity


SQUARE = kernel_of(lambda a, b: (a @ b.mT + 1) ** 2)


@pytest.mark.parametrize("kernel", NAMES)
def test_a_kernel_and_its_constant_are_the_formula(normal, kernel):
    x = normal(1, 9, 3)
    made = whole(x, KERNELS[kernel]) + KERNELS[kernel].constant
    torch.testing.assert_close(made[0], exact_gram(x[0], kernel), rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("kernel", ["gaussian", "laplace", "distance"])
def test_the_slope_of_a_kernel_is_its_derivative(normal, kernel):
    """Of k(x, x') by x, for one number each: slope (x - x')."""
    x = torch.linspace(-2, 2, 8, dtype=F64, device=normal(1).device)[None, :, None].requires_grad_()
    values = whole(x, KERNELS[kernel])[0, :, 0]
    (derivative,) = torch.autograd.grad(values.sum() - values[0], x)
    expected = KERNELS[kernel].slope(values.detach()) * (x[0, :, 0] - x[0, 0, 0])
    torch.testing.assert_close(derivative[0, 1:, 0], expected[1:], rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("kernel", [*KERNELS.values(), SQUARE], ids=[*KERNELS, "function"])
def test_tiles_are_parts_of_the_whole(normal, kernel):
    """Near and far, of one column and of more: whichever way the exponents are made."""
    for d, scale in ((1, 1.0), (3, 1.0), (3, 1e-2), (3, 30.0)):
        x = scale * normal(2, 9, d)
        made, expected = gram(x, kernel), whole(x, kernel)
        rows, columns = slice(2, 7), slice(5, 9)
        size = expected.abs().max().item()
        tile = made.tile(rows, columns)
        torch.testing.assert_close(tile, expected[:, rows, columns], rtol=1e-10, atol=1e-14 * size)
        i, j = torch.tensor([[0, 3], [8, 1]]), torch.tensor([[4, 5, 2], [0, 7, 6]])
        tiles = gram(x[:1], kernel).permuted_tile(i, j)
        picked = expected[0][i[:, :, None], j[:, None, :]]
        torch.testing.assert_close(tiles, picked, rtol=1e-10, atol=1e-14 * size)
        pi = torch.stack([torch.randperm(9), torch.arange(9)]).to(x.device)
        for tile, order in zip(gram(x[:1], kernel).permuted(pi).tile(rows, columns), pi, strict=True):
            picked = expected[0][order[rows]][:, order[columns]]
            torch.testing.assert_close(tile, picked, rtol=1e-10, atol=1e-14 * size)


def test_tiles_share_their_memory(normal):
    made = gram(normal(1, 40, 3), KERNELS["gaussian"])
    first, second = (made.tile(slice(0, 20), part) for part in (slice(0, 20), slice(20, 40)))
    assert first.data_ptr() == second.data_ptr() == made.memory.data_ptr()


@pytest.mark.parametrize("n", [2, 3, 4, 5, 182, 183, 300, 600])
def test_the_median_is_exact(normal, monkeypatch, n):
    monkeypatch.setattr(median, "FEW", 100)
    shapes = [lambda z: z, lambda z: z.sign(), lambda z: (z.abs() > 2).double(), lambda z: (2 * z).round()]
    for kept in (2**20, 1000):  # the second needs more than one pass
        monkeypatch.setattr(median, "KEPT", kept)
        for d in (1, 3):
            for shape in shapes:
                x = shape(normal(n, d))
                found, other = median.median_distance(x[None])
                distances = torch.pdist(x.cpu())
                assert found.item() == pytest.approx(distances.median().item(), rel=1e-11)
                rest = distances[distances > 0]
                if found == 0:
                    assert other.item() == pytest.approx(rest.median().item() if len(rest) else 1, rel=1e-11)


# ------------------------------------------------------------------- agreement


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


def test_the_median_is_taken_of_each_argument(normal):
    x, y = pair(normal, 25)
    widths = tuple(torch.pdist(v.cpu()).median().item() for v in (x, y))
    for kernel in ("gaussian", "laplace"):
        close(hsic(x, y, kernel=kernel).item(), hsic(x, y, kernel=kernel, bandwidth=widths).item(), 1e-12)
        mixed = hsic(x, y, kernel=kernel, bandwidth=("median", 3.0)).item()
        close(mixed, hsic(x, y, kernel=kernel, bandwidth=(widths[0], 3.0)).item(), 1e-12)


def test_one_pass_finds_the_median_of_many(normal, monkeypatch):
    """The bracket of a sample is so narrow that nothing is counted twice."""
    passes, between = [], median._between
    monkeypatch.setattr(median, "_between", lambda *a: passes.append(1) or between(*a))
    monkeypatch.setattr(median, "KEPT", 20_000)
    x = normal(700, 3).exp()
    assert torch.equal(median._sample(x), median._sample(x))
    found, _ = median.median_distance((x - x.mean(0))[None])
    assert found.item() == pytest.approx(torch.pdist(x.cpu()).median().item(), rel=1e-11)
    assert len(passes) == 1


# ------------------------------------------------------------------- failure


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


def test_many_samples_have_no_median_under_transforms(normal, monkeypatch):
    monkeypatch.setattr(median, "KEPT", 30)
    monkeypatch.setattr(median, "FEW", 30)
    with pytest.raises(
        ValueError, match="bandwidth must be a number under transforms of as many as 9 samples"
    ):
        torch.vmap(hsic)(normal(2, 9, 1), normal(2, 9, 1))
