"""Entity linking: smoothed counts, links with ties and NIL, and the probabilities behind the best scores."""

import itertools
import math

import pytest
import torch
from helpers import DTYPES, F64, INF, NAN, Draw, assert_close, rounding

from lemmata.applications import link, link_probs, mention_prior
from lemmata.classification import multilabel_cross_entropy

MASKS = [list(mask) for mask in itertools.product((False, True), repeat=3)]
NONE = torch.zeros(2, 3, dtype=torch.bool)


def agree(actual, expected, *tolerances):
    assert_close(actual, torch.as_tensor(expected, dtype=F64).flatten().tolist(), *tolerances)


def gradient_of_expected_loss(s, q):
    """Over one positive or none, with the probabilities q, NIL last, by the loss of the library."""
    target = torch.cat([torch.eye(s.shape[-1]), torch.zeros(1, s.shape[-1])])
    x = s.clone().requires_grad_()
    rows = multilabel_cross_entropy(x.expand(len(target), -1), target, reduction="none")
    return torch.autograd.grad((q * rows).sum(), x)[0]


def possible(draw, K):
    """Scores that belong to probabilities: any, shifted down until the shares leave something for NIL."""
    s = draw.normal(K) - 1.0
    while link_probs(s)[-1] <= 0.01:
        s = s - 0.5
    return s


# ------------------------------------------------------------------- identity


@pytest.mark.parametrize("K", [1, 2, 3, 7])
@pytest.mark.parametrize("seed", range(5))
def test_scores_are_the_best_for_their_probabilities(K, seed):
    """entity-linking-optimum: the gradient of the expected loss vanishes."""
    s = possible(Draw(seed), K)
    q = link_probs(s)
    agree(q.sum(), 1.0, 1e-14)
    assert gradient_of_expected_loss(s, q).abs().max() < 1e-14


@pytest.mark.parametrize("seed", range(5))
def test_scores_lie_between_two_logits(seed):
    """entity-linking-between and entity-linking-one."""
    s = possible(Draw(seed), 4)
    q = link_probs(s)
    assert (q[:-1].logit() < s).all()
    assert (s < (q[:-1] / q[-1]).log()).all()
    assert s.topk(2).values.sum() < 0
    assert torch.equal(s.argsort(), q[:-1].argsort())


def test_one_candidate_is_a_logit():
    s = torch.tensor([[-800.0], [-30.0], [-1.0], [0.0], [2.0], [30.0], [800.0]], dtype=F64)
    agree(link_probs(s), torch.cat([s.sigmoid(), (-s).sigmoid()], -1), 1e-13)


def test_two_candidates_without_nil_are_two_logits():
    s = torch.tensor([0.7, -0.7], dtype=F64)
    q = link_probs(s)
    agree(q[:2], s.sigmoid(), 1e-14)
    assert abs(q[2]) < 1e-15


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
    probs = link_probs(noisy, here)
    agree(probs[:-1][here], link_probs(x[here])[:-1], 1e-14)
    assert probs[:-1][~here].count_nonzero() == 0
    assert abs(probs.sum() - 1) < 1e-14
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


def test_no_candidates_are_nil():
    assert link(torch.ones(2, 3), NONE).tolist() == [-1, -1]
    assert link(torch.ones(2, 3), NONE, -INF).tolist() == [-1, -1]
    assert link(torch.ones(2, 0)).tolist() == [-1, -1]
    assert link_probs(torch.ones(2, 0)).tolist() == [[1.0], [1.0]]
    assert link_probs(torch.ones(2, 3), NONE).tolist() == [[0.0, 0.0, 0.0, 1.0]] * 2
    assert mention_prior(torch.ones(2, 3), mask=NONE).tolist() == [[0.0] * 3] * 2


# ------------------------------------------------------------------- agreement


@pytest.mark.parametrize("dtype", DTYPES)
def test_probabilities_agree_with_the_formula(dtype):
    s = (Draw(3).normal(50, 3) - 1.5).to(dtype)
    x = s.double().exp()
    D = 1 + x.sum(-1, keepdim=True)
    h = x * (1 + x) / (D + x**2)
    weights = torch.cat([h * (D - x), (D * (1 - h.sum(-1, keepdim=True))).clamp(min=0)], -1)
    expected = weights / weights.sum(-1, keepdim=True)
    made, kept = rounding(dtype)
    agree(link_probs(s), expected, 0, 16 * made + kept)


def test_published_minimiser():
    """Three candidates of probabilities 0.5, 0.2 and 0.1."""
    s = torch.tensor([0.142802684058, -1.09294393728, -1.75414724079], dtype=F64)
    agree(link_probs(s), torch.tensor([0.5, 0.2, 0.1, 0.2], dtype=F64), 1e-11)


@pytest.mark.parametrize("q2", [0.05, 0.2612, 0.45])
def test_two_candidates_cross_zero_at_the_bound(q2):
    """entity-linking-pair: at x_1 = 1 the shares lie on the curve."""
    y = (math.sqrt(9 + 16 * q2 / (1 - q2)) - 3) / 2
    q = link_probs(torch.tensor([0.0, math.log(y)], dtype=F64))
    agree(q[1], q2, 1e-12)
    agree(q[0], (5 - q2 - math.sqrt((1 - q2) * (9 + 7 * q2))) / 4, 1e-12)


# ------------------------------------------------------------------- failure


def test_scores_of_no_probabilities_leave_nothing_for_nil():
    q = link_probs(torch.tensor([[1.0, 1.0], [300.0, 200.0], [3.0, -1.0]], dtype=F64))
    assert (q[:, 2] == 0).all()
    assert q.isfinite().all()
    assert q[0].tolist() == [0.5, 0.5, 0.0]


def test_extreme_scores():
    q = link_probs(torch.tensor([[-INF, 0.5], [-900.0, -900.0], [900.0, -2000.0]], dtype=F64))
    agree(q[0], [0.0, *link_probs(torch.tensor([0.5], dtype=F64)).tolist()], 1e-14)
    assert q[1].tolist() == [0.0, 0.0, 1.0]
    agree(q[2], [1.0, 0.0, 0.0], 0, 1e-300)
    assert link_probs(torch.tensor([[NAN, 0.0], [INF, 0.0]])).isnan().all()


def test_the_largest_counts_and_the_smallest():
    agree(mention_prior(torch.tensor([1e300, 0.0], dtype=F64)), [1.0, 1e-300], 1e-14)
    assert mention_prior(torch.tensor([60000.0, 60000.0], dtype=torch.float16)).tolist() == [0.5, 0.5]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: mention_prior(torch.tensor([-1.0])),
            ValueError,
            "counts must be at least 0, got values from -1",
        ),
        (lambda: mention_prior(torch.tensor([1])), TypeError, "counts must be float64"),
        (lambda: mention_prior(torch.ones(2), INF), ValueError, "alpha must be finite, got inf"),
        (lambda: mention_prior(torch.ones(2), torch.tensor(INF)), ValueError, "alpha must be finite"),
        (lambda: mention_prior(torch.ones(2), 0.0), ValueError, "alpha must be positive, got 0.0"),
        (lambda: link(torch.ones(2), torch.ones(2)), TypeError, "mask must be bool"),
        (lambda: link(torch.ones(2, 3), threshold=torch.ones(3)), ValueError, "threshold must broadcast"),
        (lambda: link(torch.tensor(1.0)), ValueError, "scores must have a last axis"),
        (
            lambda: link_probs(torch.ones(2), torch.ones(3, dtype=torch.bool)),
            ValueError,
            "mask must broadcast",
        ),
    ],
)
def test_bad_arguments_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call()
