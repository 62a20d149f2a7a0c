"""The slope of entmax, what is kept for it, and what a soft target may be off by."""

import pytest
import torch
import torch.utils.checkpoint
from helpers import INF, NAN, Draw, allocated, assert_refused, gradient

from lemmata.simplex import entmax, entmax_loss
from lemmata.simplex._softmax import rows
from lemmata.simplex._softmax.rows import _slope


@pytest.mark.parametrize("a", [1.5, 2.0])
@pytest.mark.parametrize("tiny", [1e-4, 1e-6, 1e-8])
def test_one_slope_far_above_the_others_loses_no_digits(a, tiny):
    p, g = torch.tensor([[tiny, 0.6, 0.4 - tiny]]), torch.tensor([[1.0, 2.0, 3.0]])
    s = p.double().pow(1 - a)
    exact = s * (g.double() - (s * g).sum() / s.sum())
    found = _slope(p, torch.ones(1, 1, dtype=torch.bool), g, a)
    torch.testing.assert_close(found.double(), exact, rtol=1e-6, atol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_slope_beyond_all_numbers_makes_no_nan(dtype):
    """At alpha = 50 a share of 0.1 has s = 1e48: infinity over infinity was the mean. Ties have s = 6^48."""
    x = torch.cat([Draw(0).uniform(4, 6) / 50, torch.zeros(1, 6)]).to(dtype).requires_grad_()
    g = Draw(1).normal(5, 6, dtype=dtype)
    (slope,) = torch.autograd.grad(entmax(x, alpha=50), x, g, create_graph=True)
    exact = gradient(lambda x: entmax(x, alpha=50), x.detach().double(), g.double())
    torch.testing.assert_close(slope[:4].double(), exact[:4], rtol=200 * torch.finfo(dtype).eps, atol=0)
    assert (slope[4].sign() == exact[4].sign()).all()
    assert slope[4].isfinite().all()
    assert not torch.autograd.grad(slope, x, Draw(2).normal(5, 6, dtype=dtype))[0].isnan().any()


def kept_for_backward(x):
    kept = {}

    def keep(tensor):
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        p = entmax(x)
    return p, sum(kept.values())


@pytest.mark.parametrize("scale", [10.0, 1.0, 0.1, 0.0])
def test_backward_keeps_the_probabilities_and_the_places_of_candidates(scale):
    """A flag a row, and four bytes a candidate: hardly more than the support, at most half of the entries."""
    x = (Draw(0).normal(64, 4096, dtype=torch.float32) * scale).requires_grad_()
    p, kept = kept_for_backward(x)
    widest, width = int((p > 0).sum(-1).max()), (kept - x.nbytes - len(x)) / (4 * 64)
    assert widest <= width < 2 * widest if 2 * widest <= 4096 else width == 0
    peak, _ = allocated(lambda: entmax(x.detach()))
    assert peak < (2.5 if scale >= 1 else 6) * x.nbytes  # of one block


def mixed(n):
    """Rows with few, with all and with no probabilities, and one whose largest stands at the end."""
    few, ends = Draw(n).normal(3, n, scale=9), Draw(1).normal(1, n)
    ends[0, -1] = 4.0
    all_and_none = torch.stack([torch.zeros(n), torch.full((n,), -INF)]).double()
    return torch.cat([few, all_and_none, ends, ends - 1e3, all_and_none, few])


@pytest.mark.parametrize("alpha", [1.25, 1.5, 2, 3])
@pytest.mark.parametrize("n", [200, 1003, 4099])
@pytest.mark.parametrize("lengths", [1, 2, 3, 100])
def test_each_block_has_candidates_of_its_own(monkeypatch, alpha, n, lengths):
    """Some have none, and backward takes each at its word; infinite weights where p is 0 change nothing."""
    monkeypatch.setattr(rows, "BLOCK", lengths * n)
    x, g = mixed(n), Draw(0).normal(12, n)
    plain, live = rows._plain(x, alpha - 1)
    g[0, plain[0] == 0] = INF
    g[1, plain[1] == 0] = NAN
    dx = gradient(lambda x: entmax(x, alpha=alpha), x, g)
    torch.testing.assert_close(entmax(x, alpha=alpha), plain, rtol=1e-10, atol=1e-14)
    torch.testing.assert_close(dx, _slope(plain, live, g, alpha - 1), rtol=1e-7, atol=1e-12)


@pytest.mark.parametrize("alpha", [1.5, 2, 3])
def test_no_maximum_of_groups_is_near_the_largest(alpha):
    """It stands alone at the end, where there is no group: the maxima have no threshold at all."""
    x = torch.zeros(2, 1601, dtype=torch.float64)
    x[0, -1], x[1, -1] = 50.0, 0.25
    dx = gradient(lambda x: entmax(x, alpha=alpha), x, Draw(0).normal(2, 1601))
    plain, live = rows._plain(x, alpha - 1)
    torch.testing.assert_close(entmax(x, alpha=alpha), plain, rtol=1e-10, atol=1e-14)
    torch.testing.assert_close(dx, _slope(plain, live, Draw(0).normal(2, 1601), alpha - 1))


@pytest.mark.parametrize("alpha", [1.5, 2, 3])
def test_transforms_agree_where_there_are_candidates(alpha):
    """Each way to a vector-Jacobian product, of rows in one block and of rows one by one."""

    def of(x):
        return entmax(x, alpha=alpha)

    def pull(x, g):
        return torch.func.vjp(of, x)[1](g)[0]

    x, g = Draw(0).normal(3, 200, scale=2), Draw(1).normal(3, 200)
    expected = gradient(of, x, g)
    y = x.clone().requires_grad_()
    (batch,) = torch.autograd.grad(of(y), y, torch.stack([g, g]), is_grads_batched=True)
    again = torch.utils.checkpoint.checkpoint(of, y, use_reentrant=False)
    ways = [
        pull(x, g),
        torch.vmap(pull)(x, g),
        torch.vmap(torch.vmap(pull))(x.unsqueeze(1), g.unsqueeze(1)).squeeze(1),
        torch.vmap(pull, in_dims=(None, 0))(x, g.unsqueeze(0))[0],
        torch.func.vjp(torch.vmap(of), x)[1](g)[0],
        torch.einsum("rn,rnm->rm", g, torch.vmap(torch.func.jacrev(of))(x)),
        torch.autograd.grad(of(y), y, g, create_graph=True)[0],
        batch[1],
        torch.autograd.grad(again, y, g)[0],
    ]
    for way in ways:
        torch.testing.assert_close(way.detach(), expected, rtol=1e-10, atol=1e-13)


def test_candidates_do_not_ask_for_the_default_device():
    x, g = Draw(0).normal(3, 1003), Draw(1).normal(3, 1003)
    expected = gradient(entmax, x, g)
    with torch.device("meta"):
        assert torch.equal(gradient(entmax, x, g), expected)


def test_soft_targets_may_be_off_by_their_rounding():
    x, target = torch.zeros(1, 2), torch.tensor([[0.5, 0.5]])
    assert entmax_loss(x, target + torch.tensor([5e-5, 0.0])).isfinite()
    assert entmax_loss(x, torch.tensor([[0.1, 0.9]]).double()).isfinite()  # it was refused
    assert_refused([(ValueError, "target must sum to 1", lambda: entmax_loss(x, target + 1e-3))])


@pytest.mark.parametrize(
    ("dtype", "off"), [(torch.bfloat16, 0.04), (torch.float16, 0.005), (torch.float32, 2e-4)]
)
@pytest.mark.parametrize("n", [2, 1000])
def test_soft_targets_of_half_types_may_be_off_by_no_more(dtype, off, n):
    """0.42 was taken in bfloat16; entries that are rounded leave 0.004 at most."""
    q = Draw(n).normal(3, n, scale=2).softmax(-1)
    x = torch.zeros_like(q)
    assert entmax_loss(x, q.to(dtype)).isfinite()
    assert entmax_loss(x, (q / q.to(dtype).sum(-1, keepdim=True)).to(dtype)).isfinite()
    for wrong in (off, 0.42, -off, -0.42):
        target = (q * (1 - wrong)).to(dtype).clamp(max=1)
        if n == 1000 or wrong > 0:
            assert_refused([(ValueError, "target must sum to 1", lambda t=target: entmax_loss(x, t))])


def test_soft_targets_of_many_classes_may_be_subnormal():
    """A million equal shares in float16 add up to 1.013."""
    q = torch.full((1, 1_000_000), 1e-6).half()
    assert entmax_loss(torch.zeros(q.shape), q).isfinite()
