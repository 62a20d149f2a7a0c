"""What HSIC is made of: kernels, tiles of Gram matrices, and the median of all distances."""

import pytest
import torch
from estimation.hsic_oracle import NAMES, exact_gram, pair, song_form
from helpers import DEVICES, F64, Draw, close

from lemmata.estimation import cka, hsic
from lemmata.estimation._hsic import median, selection
from lemmata.estimation._hsic.gram import gram, whole
from lemmata.numerics import exponentials
from lemmata.numerics.kernels import KERNELS, kernel_of

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


def test_exponentials_of_either_kind_give_the_whole(normal, monkeypatch, device):
    """In float32 too, where errors are those of rounding: of the coordinates, of products and of values."""
    for slow in (False, True):
        monkeypatch.setattr(exponentials, "exp_is_slow", lambda slow=slow: slow)
        assert (gram(normal(1, 9, 3), KERNELS["gaussian"]).unit != 1) is (slow and device == "cpu")
        for d, scale in ((1, 1.0), (3, 1.0), (3, 1e-2), (3, 30.0)):
            x = scale * normal(2, 9, d)
            expected, every = whole(x, KERNELS["gaussian"]), slice(None)
            for v, error in ((x, 1e-13), (x.float(), 2e-6)):
                tile = gram(v, KERNELS["gaussian"]).tile(every, every).double()
                size = expected.abs().max().item()
                torch.testing.assert_close(tile, expected, rtol=0, atol=error * size)


def test_tiles_share_their_memory(normal):
    made = gram(normal(1, 40, 3), KERNELS["gaussian"])
    first, second = (made.tile(slice(0, 20), part) for part in (slice(0, 20), slice(20, 40)))
    assert first.data_ptr() == second.data_ptr() == made.memory.data_ptr()


def test_samples_joined_or_apart_narrow_or_wide(normal):
    """Kernels of all widths in float32, tiles of both samples made together and apart: against float64."""
    for d, e in ((3, 3), (3, 5), (1, 4), (2, 60)):
        x, y = normal(2, 530, d), normal(2, 530, e)
        y[..., 0] += x[..., 0]
        for width in (0.3, 1.0, 4.0, (0.4, 6.0), 20.0):
            for function in (hsic, lambda *a, **o: cka(*a, kernel="gaussian", **o)):
                truth = function(x, y, bandwidth=width)
                value = function(x.float(), y.float(), bandwidth=width)
                own = [hsic(v, v, bandwidth=width, estimator="biased") for v in (x, y)]
                size = (own[0] * own[1]).sqrt() if function is hsic else 1
                bad = (value - truth).abs() > 3e-6 * (truth.abs() + size)
                assert not bad.any(), (d, e, width)


def test_constant_samples_of_a_batch_have_exactly_0(normal):
    """Even where others need narrow kernels, whose values are summed with the 1 that they have too much."""
    x = torch.cat([10 * normal(1, 700, 3), torch.full((1, 700, 3), 0.7, dtype=F64, device=normal(1).device)])
    y = 10 * normal(2, 700, 3)
    for dtype in (F64, torch.float32):
        for pair_ in ((x, y), (y, x)):
            for estimator in ("biased", "unbiased"):
                value = hsic(*(v.to(dtype) for v in pair_), bandwidth=1.0, estimator=estimator)
                assert value[0] != 0
                assert value[1] == 0


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


LAWS = [lambda z: z, lambda z: z.exp(), lambda z: (2 * z).round(), lambda z: z / z.roll(1, 0)]


@pytest.mark.parametrize("side", [512, 60])
def test_selection_in_float32_is_that_in_float64(normal, monkeypatch, side):
    """Of any rank, with ties and far points, in tiles whose entries LANES divide or not; or it declines."""
    monkeypatch.setattr(selection, "SIDE", side)
    found, asked = 0, 0
    for n in (200, 333, 601):
        for d in (1, 3, 40):
            for law in LAWS:
                x = law(normal(n, d))
                x = (x - x.mean(0)) / x.abs().max()
                ordered = torch.pdist(x.cpu()).square().sort().values
                for share in (0.3, 0.5, 0.8):
                    rank = int(share * len(ordered))
                    value = selection.select(x, rank) if x.device.type == "cpu" else None
                    found, asked = found + (value is not None), asked + 1
                    assert value is None or value.item() == pytest.approx(ordered[rank].item(), rel=1e-11)
    assert found > 0.7 * asked or normal(1).device.type != "cpu"


def test_selection_counts_what_rounding_has_moved(normal, device):
    """Distances that float32 cannot tell apart: all that may have changed places are made again."""
    if device != "cpu":
        pytest.skip("on a GPU there is another way")
    x = torch.cat([normal(150, 4) * 1e-3 + 0.5, normal(150, 4) * 1e-3 - 0.5])
    ordered = torch.pdist(x).square().sort().values
    assert len(ordered.float().unique()) < len(ordered) - 1000
    values = [(selection.select(x, rank), ordered[rank]) for rank in range(26_000, 44_000, 1_000)]
    proved = [(value.item(), truth.item()) for value, truth in values if value is not None]
    assert proved
    for value, truth in proved:
        assert value == pytest.approx(truth, rel=1e-13)


@pytest.mark.parametrize("most", [2**22, 15_000, 6_000])
@pytest.mark.parametrize("few", [2**14, 16])
def test_selection_narrows_down_what_it_keeps(normal, device, monkeypatch, most, few):
    """In several steps or at once; each entry by itself where memory is short; or it declines."""
    if device != "cpu":
        pytest.skip("on a GPU there is another way")
    for name, value in (("MOST", most), ("FEW", few), ("PART", 512), ("SIDE", 100)):
        monkeypatch.setattr(selection, name, value)
    proved = 0
    for x in (normal(500, 3), normal(500, 2).exp(), normal(500, 40), normal(500, 2).mul(4).round()):
        x = (x - x.mean(0)) / x.abs().max()
        ordered = torch.pdist(x).square().sort().values
        for rank in range(1_000, len(ordered), 9_001):
            value = selection.select(x, rank)
            proved += value is not None
            assert value is None or value.item() == pytest.approx(ordered[rank].item(), rel=1e-11)
    assert proved > 25


def test_selection_counts_in_sums_or_declines(device):
    """A sum of what is -1 or 1 is an integer, odd or even as their number; any other proves nothing."""
    entries = torch.tensor([-1.0, 1.0, -1.0, 0.25, 1.0], device=device)
    assert selection._left(entries, entries[3:]) == 2
    assert selection._left(entries, entries[2:3]) is None
    assert selection._left(entries[:3] + 0.2, entries[3:4]) is None


def test_one_pass_finds_the_median_of_many(normal, monkeypatch):
    """The bracket of a sample is so narrow that nothing is counted twice."""
    monkeypatch.setattr(selection, "LEAST", 10**6)  # where it is not fit to be asked
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
