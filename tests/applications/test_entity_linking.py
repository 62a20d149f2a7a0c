"""Entity linking: smoothed counts, links with ties and NIL, and the links that the best scores make."""

import itertools
import math

import pytest
import torch
from helpers import DTYPES, F64, INF, NAN, Draw, assert_close, rounding

from lemmata.applications import link, mention_prior
from lemmata.classification import multilabel_cross_entropy

MASKS = [list(mask) for mask in itertools.product((False, True), repeat=3)]
NONE = torch.zeros(2, 3, dtype=torch.bool)


def agree(actual, expected, *tolerances):
    assert_close(actual, torch.as_tensor(expected, dtype=F64).flatten().tolist(), *tolerances)


def weights(s):
    """entity-linking-optimum: what the probabilities are proportional to, that of NIL last."""
    x = s.exp()
    D = 1 + x.sum(-1, keepdim=True)
    h = x * (1 + x) / (D + x**2)
    return torch.cat([h * (D - x), D * (1 - h.sum(-1, keepdim=True))], -1)


def law(s):
    return weights(s) / weights(s).sum(-1, keepdim=True)


def gradient_of_expected_loss(s, q):
    """Over one positive or none, with the probabilities q, NIL last, by the loss of the library."""
    target = torch.cat([torch.eye(s.shape[-1]), torch.zeros(1, s.shape[-1])])
    x = s.clone().requires_grad_()
    rows = multilabel_cross_entropy(x.expand(len(target), -1), target, reduction="none")
    return torch.autograd.grad((q * rows).sum(), x)[0]


def possible(draw, K, spread=1.0):
    """The best scores for some probabilities: any, shifted down until the shares leave something for NIL."""
    s = spread * draw.normal(K) - 1.0
    while weights(s)[-1] < 0:
        s = s - 0.1
    return s


# ------------------------------------------------------------------- identity


@pytest.mark.parametrize("K", [1, 2, 3, 7, 50])
@pytest.mark.parametrize("seed", range(4))
def test_scores_are_the_best_for_their_probabilities(K, seed):
    """entity-linking-optimum: the gradient of the expected loss vanishes."""
    s = possible(Draw(seed), K)
    assert gradient_of_expected_loss(s, law(s)).abs().max() < 1e-14


@pytest.mark.parametrize("K", [2, 3, 50])
@pytest.mark.parametrize("spread", [0.0, 0.3, 4.0])
def test_links_of_the_best_scores(K, spread):
    """entity-linking-between and entity-linking-one: what they say of the threshold 0; spread 0 is a tie."""
    made = 0
    for seed in range(20):
        s = possible(Draw(seed), K, spread)
        q, nil = law(s).split([K, 1])
        assert (q.logit() < s + 1e-12).all()
        assert (s < (q / nil).log() + 1e-12).all()
        assert s.topk(2).values.sum() < 1e-12
        assert torch.equal(s.argsort(stable=True), q.argsort(stable=True))
        at = link(s).item()
        assert at in (-1, q.argmax().item())
        assert at >= 0 or q.max() <= 0.5 + 1e-12
        assert at < 0 or q[at] > nil
        made += at >= 0
    assert (made > 0) == (spread == 4.0)


@pytest.mark.parametrize("nil", [0.0, 1e-9])
def test_two_candidates_with_almost_no_nil_are_two_logits(nil):
    """entity-linking-between (1): equality for two candidates exactly where NIL is impossible."""
    s = torch.tensor([0.7, -0.7 - nil], dtype=F64)
    q = law(s)
    agree(q[:2], s.sigmoid(), nil + 1e-15)
    assert abs(q[2]) <= nil + 1e-15
    assert link(s).item() == 0


def test_prior_is_the_mean_of_the_posterior():
    counts = torch.tensor([[8.0, 1.0, 0.0], [0.0, 0.0, 0.0]], dtype=F64)
    expected = torch.tensor([[8.5, 1.5, 0.5], [0.5, 0.5, 0.5]], dtype=F64)
    agree(mention_prior(counts, 0.5), expected / expected.sum(-1, keepdim=True), 1e-15)
    each = mention_prior(counts, torch.tensor([0.5, 3.0], dtype=F64))
    agree(each[0], mention_prior(counts, 0.5)[0], 1e-15)
    assert mention_prior(counts).tolist() == mention_prior(counts, 1.0).tolist()


@pytest.mark.parametrize("mask", MASKS)
def test_masked_candidates_are_not_there(mask):
    x, here = torch.tensor([0.4, -1.0, 0.7], dtype=F64), torch.tensor(mask)
    noisy = torch.where(here, x, NAN)
    prior = mention_prior(noisy.abs(), 1.0, mask=here)
    agree(prior[here], mention_prior(x[here].abs(), 1.0), 1e-14)
    assert prior[~here].count_nonzero() == 0
    kept = [i for i in range(3) if mask[i]]
    inner = link(x[here], threshold=-0.5).item()
    assert link(noisy, here, -0.5).item() == (kept[inner] if inner >= 0 else -1)


def test_ties_take_the_first_and_the_threshold_is_nil():
    scores = torch.tensor([[1.0, 2.0, 2.0], [0.0, -1.0, 0.0], [-3.0, -2.0, -4.0], [NAN, 5.0, 1.0]])
    assert link(scores).tolist() == [1, -1, -1, -1]
    assert link(scores[:3], threshold=torch.tensor([2.0, -0.5, -2.5])).tolist() == [-1, 0, 1]
    assert link(scores[:3], threshold=-INF).tolist() == [1, 0, 1]


def test_each_row_has_its_own_number():
    draw = Draw(5)
    x, each = draw.uniform(2, 3, 4), 0.2 + draw.uniform(2, 3)
    prior, found = mention_prior(x, each), link(x, threshold=each)
    for i, j in itertools.product(range(2), range(3)):
        agree(prior[i, j], mention_prior(x[i, j], each[i, j].item()), 1e-15)
        assert found[i, j] == link(x[i, j], threshold=each[i, j].item())


def test_no_candidates_are_nil():
    assert link(torch.ones(2, 3), NONE).tolist() == [-1, -1]
    assert link(torch.ones(2, 3), NONE, -INF).tolist() == [-1, -1]
    assert link(torch.ones(2, 0)).tolist() == [-1, -1]
    assert mention_prior(torch.ones(2, 3), mask=NONE).tolist() == [[0.0] * 3] * 2


# ------------------------------------------------------------------- agreement


@pytest.mark.parametrize("dtype", DTYPES)
def test_prior_agrees_with_the_formula(dtype):
    draw = Draw(3)
    counts, alpha = (9 * draw.uniform(50, 3)).to(dtype), (0.1 + draw.uniform(50)).to(dtype)
    n = counts.double() + alpha.double().unsqueeze(-1)
    made, kept = rounding(dtype)
    agree(mention_prior(counts, alpha), n / n.sum(-1, keepdim=True), 0, 8 * made + kept)


def test_published_minimiser():
    """Of probabilities 0.5, 0.2 and 0.1 the first is linked, though it is no more likely than not."""
    s = torch.tensor([0.142802684058, -1.09294393728, -1.75414724079], dtype=F64)
    agree(law(s), torch.tensor([0.5, 0.2, 0.1, 0.2], dtype=F64), 1e-11)
    assert link(s).item() == 0


@pytest.mark.parametrize("q2", [0.05, 0.2612, 0.45])
def test_two_candidates_cross_zero_at_the_bound(q2):
    """entity-linking-pair: at x_1 = 1 the shares lie on the curve."""
    y = (math.sqrt(9 + 16 * q2 / (1 - q2)) - 3) / 2
    q = law(torch.tensor([0.0, math.log(y)], dtype=F64))
    agree(q[1], q2, 1e-12)
    agree(q[0], (5 - q2 - math.sqrt((1 - q2) * (9 + 7 * q2))) / 4, 1e-12)


# ------------------------------------------------------------------- failure


def test_scores_of_no_probabilities():
    """entity-linking-one: two scores above 0, or four at it, are not the best ones of any law."""
    assert (weights(torch.tensor([[1.0, 1.0], [3.0, -1.0]], dtype=F64))[:, -1] < 0).all()
    assert weights(torch.zeros(4, dtype=F64))[-1] < 0


def test_the_largest_counts_and_the_smallest():
    agree(mention_prior(torch.tensor([1e300, 0.0], dtype=F64)), [1.0, 1e-300], 1e-14)
    assert mention_prior(torch.tensor([60000.0, 60000.0], dtype=torch.float16)).tolist() == [0.5, 0.5]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: mention_prior(torch.tensor([2.0, -1.0])),
            ValueError,
            "counts must be at least 0, got values from -1",
        ),
        (lambda: mention_prior(torch.tensor([1])), TypeError, "counts must be float64"),
        (
            lambda: mention_prior(torch.ones(2), INF),
            ValueError,
            "alpha must be positive and finite in .*32, got inf",
        ),
        (lambda: mention_prior(torch.zeros(2), 1e-60), ValueError, "alpha must be positive and finite in"),
        (lambda: mention_prior(torch.ones(2), 1e60), ValueError, "alpha must be positive and finite in"),
        (
            lambda: mention_prior(torch.ones(2), torch.tensor(INF)),
            ValueError,
            "alpha must be positive and finite",
        ),
        (lambda: mention_prior(torch.tensor([3e38, 3e38])), ValueError, "counts must have a finite sum"),
        (
            lambda: mention_prior(torch.tensor([[INF, 1.0], [1.0, 1.0]])),
            ValueError,
            "counts must have a finite sum",
        ),
        (
            lambda: mention_prior(torch.ones(2, 3), torch.tensor([1.0, INF])),
            ValueError,
            "alpha must be positive and finite",
        ),
        (lambda: mention_prior(torch.ones(2), torch.tensor(1)), TypeError, "alpha must be float64"),
        (lambda: link(torch.ones(2), threshold=torch.tensor(1)), TypeError, "threshold must be float64"),
        (lambda: mention_prior(torch.ones(2), 0.0), ValueError, "alpha must be positive, got 0.0"),
        (lambda: link(torch.ones(2), torch.ones(2)), TypeError, "mask must be bool"),
        (lambda: link(torch.ones(2, 3), threshold=torch.ones(3)), ValueError, "threshold must broadcast"),
        (lambda: link(torch.tensor(1.0)), ValueError, "scores must have a last axis"),
    ],
)
def test_bad_arguments_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call()
