"""Attention, its scale and its entropy: what only this chapter knows."""

import math

import mpmath
import pytest
import torch
import torch.nn.functional as F
from helpers import F64, INF, NAN, Draw, assert_close, assert_refused, close, column, gradient
from torch.autograd import gradcheck
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.attention.bias import causal_lower_right

from lemmata.simplex import (
    attention_entropy,
    logn_scale,
    scaled_dot_product_attention,
    sphere_entropy_deficit,
)


def draw(seed=0, L=6, S=6, heads=(2, 3), dtype=F64):
    """A query, a key and a value."""
    source = Draw(seed)
    return tuple(source.normal(*heads, length, 4, dtype=dtype) for length in (L, S, S))


def by_hand(q, k, v, mask, factor):
    """Attention with a factor for each row, by softmax; a row that sees nothing gives 0."""
    scores = (factor.unsqueeze(-1) * (q @ k.mT)).masked_fill(~mask, -INF)
    return torch.softmax(scores, -1).nan_to_num(0.0) @ v


def exact_entropy(scores, digits=40):
    with mpmath.workdps(digits):
        weights = [mpmath.e ** mpmath.mpf(s) for s in scores]
        total = mpmath.fsum(weights)
        return -mpmath.fsum(w / total * mpmath.log(w / total) for w in weights)


def exact_deficit(kappa, d, digits=60):
    with mpmath.workdps(digits):
        kappa, nu = mpmath.mpf(kappa), mpmath.mpf(d) / 2 - 1
        mean = kappa * mpmath.besseli(nu + 1, kappa) / mpmath.besseli(nu, kappa)
        return mean - mpmath.log(mpmath.hyp0f1(nu + 1, kappa**2 / 4))


def of_scores(x, **options):
    """The entropy of rows of scores."""
    return attention_entropy(torch.ones_like(x[..., :1, None]), x[..., None], scale=1.0, **options)[..., 0]


# --------------------------------------------------------------------------- identity


@pytest.mark.parametrize("scale", ["sqrt", None, 0.25, 0.5])
def test_it_is_pytorchs_where_the_scale_is_one_number(scale):
    q, k, v = draw()
    number = scale if isinstance(scale, float) else None
    for causal in (False, True):
        assert torch.equal(
            scaled_dot_product_attention(q, k, v, is_causal=causal, scale=scale),
            F.scaled_dot_product_attention(q, k, v, is_causal=causal, scale=number),
        )
    mask = Draw(1).labels(2, 1, 6, 6, share=0.7)
    mask[..., 0] = True
    expected = F.scaled_dot_product_attention(q, k, v, mask, scale=number)
    torch.testing.assert_close(scaled_dot_product_attention(q, k, v, mask, scale=scale), expected)


def test_up_to_n0_the_log_law_changes_nothing_and_at_n0_it_is_1():
    q, k, v = draw()
    assert torch.equal(
        scaled_dot_product_attention(q, k, v, scale="logn"), scaled_dot_product_attention(q, k, v)
    )
    assert logn_scale(512) == 1
    assert logn_scale(column([0.0, 1.0, 64.0, 512.0])).tolist() == [1, 1, 1, 1]
    close(logn_scale(1024).item(), 10 / 9)
    assert logn_scale(column([NAN, 1024.0])).isnan().tolist() == [True, False]
    assert logn_scale(column([0.0, 1.0]), clip=False).tolist() == [0, 0]
    assert logn_scale(torch.tensor([[8, 64]]), n0=8).tolist() == [[1, 2]]
    assert logn_scale(torch.tensor([8]), n0=8).dtype == torch.get_default_dtype()
    assert logn_scale(torch.tensor(70000.0, dtype=torch.bfloat16), n0=2).dtype == torch.bfloat16
    close(gradient(lambda n: logn_scale(n, n0=4, clip=False), column([10.0])).item(), 1 / (10 * math.log(4)))


def test_each_causal_row_counts_its_own_keys():
    q, k, v = draw()
    rows = torch.arange(1, 7, dtype=F64).log() / math.log(3) / 2
    seen = torch.ones(6, 6, dtype=torch.bool).tril()
    for clip in (False, True):
        factor = rows.clamp(min=0.5) if clip else rows
        expected = by_hand(q, k, v, seen, factor)
        options = dict(scale="logn", n0=3, clip=clip)
        torch.testing.assert_close(scaled_dot_product_attention(q, k, v, is_causal=True, **options), expected)
        torch.testing.assert_close(scaled_dot_product_attention(q, k, v, seen, **options), expected)


def test_padding_does_not_count():
    q, k, v = draw()
    options = dict(scale="logn", n0=2)
    alone = scaled_dot_product_attention(
        q[..., :4, :], k[..., :4, :], v[..., :4, :], is_causal=True, **options
    )
    right = torch.arange(6) < 4
    padded = scaled_dot_product_attention(q, k, v, right, is_causal=True, **options)
    torch.testing.assert_close(padded[..., :4, :], alone)
    shift = [torch.cat([x[..., 4:, :], x[..., :4, :]], -2) for x in (q, k, v)]
    left = scaled_dot_product_attention(*shift, torch.arange(6) >= 2, is_causal=True, **options)
    torch.testing.assert_close(left[..., 2:, :], alone)
    assert (left[..., :2, :] == 0).all()
    entropies = attention_entropy(q, k, attn_mask=right, is_causal=True, **options)
    alone = attention_entropy(q[..., :4, :], k[..., :4, :], is_causal=True, **options)
    torch.testing.assert_close(entropies[..., :4], alone)


@pytest.mark.parametrize("new", [1, 2, 5])
def test_a_cache_goes_on_where_the_whole_text_is(new):
    q, k, v = draw()
    options = dict(scale="logn", n0=2, is_causal=True)
    whole = scaled_dot_product_attention(q, k, v, **options)
    step = scaled_dot_product_attention(q[..., -new:, :], k, v, **options)
    torch.testing.assert_close(step, whole[..., -new:, :])
    torch.testing.assert_close(
        scaled_dot_product_attention(q[..., -new:, :], k, v, is_causal=True),
        F.scaled_dot_product_attention(q[..., -new:, :], k, v, causal_lower_right(new, 6)),
    )
    entropy = attention_entropy(q, k, **options)
    torch.testing.assert_close(attention_entropy(q[..., -new:, :], k, **options), entropy[..., -new:])


def test_more_queries_than_keys_leave_the_first_ones_blank():
    q, k, v = draw(L=6, S=4)
    out = scaled_dot_product_attention(q, k, v, is_causal=True)
    assert (out[..., :2, :] == 0).all()
    torch.testing.assert_close(out[..., 2, :], v[..., 0, :])
    assert (attention_entropy(q, k, is_causal=True)[..., :3] == 0).all()


def test_floating_masks_are_bool_masks_and_finite_ones_are_added():
    q, k, v = draw()
    mask = Draw(2).labels(2, 1, 6, 6, share=0.6)
    options = dict(scale="logn", n0=2)
    expected = scaled_dot_product_attention(q, k, v, mask, **options)
    for floor in (-INF, torch.finfo(F64).min):
        floating = torch.zeros(2, 1, 6, 6, dtype=F64).masked_fill(~mask, floor)
        torch.testing.assert_close(scaled_dot_product_attention(q, k, v, floating, **options), expected)
        torch.testing.assert_close(
            attention_entropy(q, k, attn_mask=floating, **options),
            attention_entropy(q, k, attn_mask=mask, **options),
        )
    bias = Draw(3).normal(6, 6)
    torch.testing.assert_close(
        scaled_dot_product_attention(q, k, v, bias), F.scaled_dot_product_attention(q, k, v, bias)
    )
    counted = scaled_dot_product_attention(q, k, v, bias - 1e4 * ~mask, **options)  # a score like any other
    factor = torch.full((6,), math.log(6) / math.log(2) / 2, dtype=F64)
    scores = factor[:, None] * (q @ k.mT) + bias - 1e4 * ~mask
    torch.testing.assert_close(counted, torch.softmax(scores, -1) @ v)


def test_a_tensor_scales_rows_or_heads_and_has_a_gradient():
    q, k, v = draw()
    per_head = column([[0.2], [0.5], [1.0]])
    out = scaled_dot_product_attention(q, k, v, scale=per_head)
    for head, number in enumerate(per_head.flatten().tolist()):
        alone = scaled_dot_product_attention(q[:, head], k[:, head], v[:, head], scale=number)
        torch.testing.assert_close(out[:, head], alone)
    rows = Draw(4).uniform(2, 3, 6).requires_grad_()
    assert gradcheck(lambda s: scaled_dot_product_attention(q, k, v, scale=s), rows)
    assert gradcheck(lambda s: attention_entropy(q, k, scale=s), rows)
    close(
        attention_entropy(q, k, scale=per_head)[0, 1, 2].item(),
        attention_entropy(q, k, scale=0.5)[0, 1, 2].item(),
    )


def test_groups_of_heads_share_keys():
    q, k, v = draw(heads=(2, 4))[0], *draw(heads=(2, 2))[1:]
    options = dict(scale="logn", n0=2, is_causal=True)
    expected = scaled_dot_product_attention(
        q, k.repeat_interleave(2, 1), v.repeat_interleave(2, 1), **options
    )
    torch.testing.assert_close(scaled_dot_product_attention(q, k, v, enable_gqa=True, **options), expected)


def test_entropy_ignores_shift_and_order_and_falls_with_the_scale():
    x = Draw(0).normal(5, 9)
    H = of_scores(x)
    torch.testing.assert_close(of_scores(x + 1024), H, rtol=1e-11, atol=0)
    torch.testing.assert_close(of_scores(x[:, torch.randperm(9)]), H, rtol=1e-14, atol=0)
    assert (math.log(9) - H > 0).all()
    close(of_scores(torch.zeros(7, dtype=F64)).item(), math.log(7))
    lam = column([0.7] * 5).requires_grad_()
    values = attention_entropy(torch.ones(5, 1, 1, dtype=F64), x[..., None], scale=lam[:, None])[:, 0]
    a = torch.softmax(0.7 * x, -1)
    variance = (a * x.square()).sum(-1) - (a * x).sum(-1).square()
    torch.testing.assert_close(torch.autograd.grad(values.sum(), lam)[0], -0.7 * variance)


def test_dropout_is_pytorchs():
    q, k, v = draw()
    torch.manual_seed(0)
    ours = scaled_dot_product_attention(q, k, v, dropout_p=0.5)
    torch.manual_seed(0)
    assert torch.equal(ours, F.scaled_dot_product_attention(q, k, v, dropout_p=0.5))


@pytest.mark.parametrize("options", [{}, dict(is_causal=True), dict(is_causal=True, scale="logn", n0=2)])
def test_one_program_takes_every_length(options):
    torch.compiler.reset()
    step = torch.compile(
        lambda q, k, v: scaled_dot_product_attention(q, k, v, **options), backend="aot_eager", fullgraph=True
    )
    for L, S in ((5, 5), (9, 9), (12, 12), (5, 9), (6, 11)):
        q, k, v = draw(L=L, S=S, heads=(1, 2))
        torch.testing.assert_close(step(q, k, v), scaled_dot_product_attention(q, k, v, **options))


@pytest.mark.parametrize("heads", [(), (3,), (2, 3), (2, 2, 3)])
def test_a_mask_may_have_the_axis_of_keys_alone(heads):
    q, k, v = draw(heads=heads)
    mask = torch.arange(6) < 4
    options = dict(scale="logn", n0=2)
    expected = scaled_dot_product_attention(q, k[..., :4, :], v[..., :4, :], **options)
    for given in (mask, torch.zeros(6, dtype=F64).masked_fill(~mask, -INF)):
        torch.testing.assert_close(scaled_dot_product_attention(q, k, v, given, **options), expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_rows_up_to_n0_stay_what_they_were_bit_for_bit(dtype):
    source = Draw(8)
    q, k, v = (source.normal(1, 2, 12, 128, dtype=dtype) for _ in range(3))  # 1/sqrt(128) is not exact
    plain = scaled_dot_product_attention(q, k, v, is_causal=True)
    grown = scaled_dot_product_attention(q, k, v, is_causal=True, scale="logn", n0=8)
    assert torch.equal(grown[..., :8, :], plain[..., :8, :])
    assert not torch.equal(grown[..., 8:, :], plain[..., 8:, :])


# --------------------------------------------------------------------------- agreement


def test_entropy_agrees_with_40_digits_however_small_it_is():
    rows = [
        [1.0, 0.0],
        [1.0] + [0.0] * 3,
        [1.0] + [0.0] * 7,
        [0.0, -50.0, -700.0],
        [3.0, 3.0, -30.0],
        [1e4, 0.0],
    ]
    for row in rows:
        got = of_scores(column(row)).item()
        want = exact_entropy(row)
        assert abs(got - want) <= 1e-13 * want + 1e-300  # two sums of positive terms, in float64
    assert_close(
        torch.stack([of_scores(column(row)) for row in rows[:3]]),
        [0.582203108888217955, 1.26830149421000747, 1.99430076885128521],
        1e-15,
    )


def test_half_types_are_computed_in_float32():
    q, k, _ = draw(dtype=torch.bfloat16)
    wide = attention_entropy(q.float(), k.float())
    assert torch.equal(attention_entropy(q, k), wide.bfloat16())


@pytest.mark.parametrize("d", [1, 2, 3, 4, 16, 64, 65, 66, 1000])
def test_deficit_agrees_with_60_digits(d):
    for kappa in (1e-6, 1e-2, 0.5, 1.0, 8.0, 64.0, 300.0, 1e4, 1e6):
        want = exact_deficit(kappa, d)
        assert abs(sphere_entropy_deficit(kappa, d).item() / want - 1) < 1e-12  # 32 steps of a few roundings


def test_deficit_has_the_numbers_and_the_ends_of_the_text():
    for kappa, d, value in (
        (1.0, 3, 0.15159592392813567),
        (8.0, 64, 0.488994259845784664),
        (64.0, 64, 15.4734001602340908),
        (2.0, 2, 0.571555774445059681),
    ):
        close(sphere_entropy_deficit(kappa, d).item(), value, 1e-13)
    assert sphere_entropy_deficit(column([0.0, INF, -INF]), 5).tolist() == [0, INF, INF]
    assert sphere_entropy_deficit(column([INF, -INF]), 1).tolist() == [math.log(2)] * 2  # two points
    assert sphere_entropy_deficit(column([-3.0]), 5) == sphere_entropy_deficit(column([3.0]), 5)
    large = sphere_entropy_deficit(column([1e200, 1e210]), 4)
    close((large[1] - large[0]).item(), 1.5 * math.log(1e10))  # (d - 1) / 2 log kappa
    close(sphere_entropy_deficit(4096.0, 4096).item() / 4096, math.log((1 + math.sqrt(5)) / 2) / 2, 1e-4)
    small = 1e-4
    close(sphere_entropy_deficit(small, 7).item(), small**2 / 14 - 3 * small**4 / (4 * 49 * 9), 1e-13)


def test_deficit_is_that_of_keys_on_a_sphere():
    source = Draw(5)
    keys = F.normalize(source.normal(40_000, 8), dim=-1)
    query = torch.zeros(1, 8, dtype=F64)
    query[0, 0] = 1
    missing = math.log(40_000) - attention_entropy(query, keys, scale=4.0).item()
    close(missing, sphere_entropy_deficit(4.0, 8).item(), 0.02)  # a few standard errors


def test_gradients_of_the_fused_path():
    leaves = [x.requires_grad_() for x in draw(L=3, S=4)]
    mask = torch.tensor([[True] * 4, [False] * 4, [True, False, True, False]])

    def out(q, k, v):
        return scaled_dot_product_attention(q, k, v, mask, scale="logn", n0=2)

    assert gradcheck(out, leaves)
    with sdpa_kernel(SDPBackend.MATH):
        assert torch.autograd.gradgradcheck(out, leaves, fast_mode=True)


# --------------------------------------------------------------------------- failure


@pytest.mark.parametrize("heads", [(2,), (2, 3)])
def test_a_row_that_sees_nothing_gives_0_with_gradient_0(heads):
    leaves = [x.requires_grad_() for x in draw(heads=heads)]
    mask = torch.ones(6, 6, dtype=torch.bool)
    mask[2] = False
    for given in (mask, torch.zeros(6, 6, dtype=F64).masked_fill(~mask, -INF)):
        for scale in ("sqrt", "logn"):
            out = scaled_dot_product_attention(*leaves, given, scale=scale, n0=2)
            assert (out[..., 2, :] == 0).all()
            q_slope, *others = torch.autograd.grad(out.square().sum(), leaves)
            assert (q_slope[..., 2, :] == 0).all()
            assert all(slope.isfinite().all() for slope in (q_slope, *others))
            H = attention_entropy(*leaves[:2], scale=scale, n0=2, attn_mask=given)
            assert (H[..., 2] == 0).all()
            slope = torch.autograd.grad(H.square().sum(), leaves[0])[0]
            assert (slope[..., 2, :] == 0).all()
            assert slope.isfinite().all()


@pytest.mark.parametrize("heads", [(2,), (1, 2)])
def test_nan_in_a_row_that_sees_nothing_goes_nowhere(heads):
    q, k, v = draw(heads=heads)
    q[..., 2, :] = NAN
    rows = torch.ones(6, dtype=F64)
    leaves = [x.requires_grad_() for x in (q, k, v, rows)]
    mask = torch.ones(6, 6, dtype=torch.bool)
    mask[2] = False
    for given in (mask, torch.zeros(6, 6, dtype=F64).masked_fill(~mask, -INF)):
        out = scaled_dot_product_attention(q, k, v, given, scale=rows)
        assert (out[..., 2, :] == 0).all()
        assert all(slope.isfinite().all() for slope in torch.autograd.grad(out.square().sum(), leaves))
        H = attention_entropy(q, k, scale=rows, attn_mask=given)
        assert (H[..., 2] == 0).all()
        slopes = torch.autograd.grad(H.square().sum(), (q, k, rows))
        assert all(slope.isfinite().all() for slope in slopes)


def test_the_smallest_number_of_a_half_type_hides_a_key_whatever_its_score():
    q = torch.full((1, 1, 1, 1), 250.0, dtype=torch.float16)
    k = torch.tensor([250.0, -20.0], dtype=torch.float16).view(1, 1, 2, 1)
    mask = torch.tensor([[torch.finfo(torch.float16).min, 0.0]], dtype=torch.float16)
    v = torch.eye(2, dtype=torch.float16)[None, None]
    out = scaled_dot_product_attention(q, k, v, mask, scale=1.0)
    assert out.flatten().tolist() == [0, 1]
    assert attention_entropy(q, k, attn_mask=mask, scale=1.0).item() == 0


def test_second_derivatives_of_the_entropy_are_finite_at_ties_and_blank_rows():
    x = column([[0.0, 0.0, 0.0], [1.0, 1.0, 0.0], [2.0, 1.0, 0.0]])
    mask = torch.tensor([[[True] * 3], [[True] * 3], [[False] * 3]])
    assert torch.func.hessian(lambda x: of_scores(x, attn_mask=mask).sum())(x).isfinite().all()


@pytest.mark.parametrize("S", [1, 3, 15, 16, 40])
@pytest.mark.parametrize("dtype", [torch.float32, F64, torch.bfloat16])
def test_nan_spoils_its_row_however_few_keys_there_are(S, dtype):
    q, k, v = draw(S=S, dtype=dtype)
    q[0, 1, 2, 0] = NAN
    out = scaled_dot_product_attention(q, k, v)
    assert out[0, 1, 2].isnan().all()
    assert out.isnan().sum() == 4
    scale = torch.ones(2, 3, 6)
    scale[0, 1, 2] = NAN
    q, k, v = draw(S=S, dtype=dtype)
    assert scaled_dot_product_attention(q, k, v, scale=scale).isnan().sum() == 4


@pytest.mark.parametrize("S", [1, 15, 63, 64, 65, 80, 128, 256])
@pytest.mark.parametrize("dtype", [torch.float32, F64, torch.bfloat16, torch.float16])
def test_inf_spoils_its_row_however_many_keys_there_are(S, dtype):
    for bad in (INF, NAN):
        q, k, v = draw(S=S, dtype=dtype)
        q[0, 1, 2, 0] = bad
        out = scaled_dot_product_attention(q, k, v)
        assert out[0, 1, 2].isnan().all()
        assert out.isnan().sum() == 4


def test_two_axes_are_enough():
    q, k, v = draw(heads=())
    batched = scaled_dot_product_attention(q[None], k[None], v[None], scale="logn", n0=2)
    torch.testing.assert_close(scaled_dot_product_attention(q, k, v, scale="logn", n0=2), batched[0])
    assert_refused([
        (ValueError, "value must be", lambda: scaled_dot_product_attention(q, k, v[:, 0])),
        (ValueError, "query must be", lambda: scaled_dot_product_attention(q[0], k, v)),
    ])  # fmt: skip


def test_what_does_not_fit_is_named():
    q, k, v = draw()
    attend, entropy = scaled_dot_product_attention, attention_entropy
    assert_refused([
        (ValueError, "key must be .* S above 0", lambda: attend(q, k[..., :0, :], v[..., :0, :])),
        (ValueError, r"key must be \(\.\.\., S, 4\)", lambda: attend(q, k[..., :3], v)),
        (ValueError, "key must have leading axes", lambda: attend(q, k[:, :2], v)),
        (ValueError, "key must broadcast", lambda: entropy(q, k[:, :2])),
        (ValueError, r"value must be \(\.\.\., 6, Ev\)", lambda: attend(q, k, v[..., :3, :])),
        (TypeError, "key must be torch.float64 as query is", lambda: attend(q, k.float(), v)),
        (TypeError, "value must be torch.float64 as key is", lambda: attend(q, k, v.float())),
        (ValueError, "attn_mask must broadcast", lambda: attend(q, k, v, torch.ones(5, 6, dtype=torch.bool))),
        (TypeError, "attn_mask must be bool or floating", lambda: attend(q, k, v, torch.ones(6, 6).long())),
        (ValueError, "scale must be 'sqrt', 'logn' or None", lambda: attend(q, k, v, scale="log")),
        (ValueError, "scale must be finite", lambda: entropy(q, k, scale=NAN)),
        (ValueError, "scale must broadcast", lambda: attend(q, k, v, scale=torch.ones(5))),
        (ValueError, "dropout_p must be in", lambda: attend(q, k, v, dropout_p=1.5)),
        (ValueError, "n0 must be finite and above 1", lambda: attend(q, k, v, n0=1)),
        (ValueError, "n must be at least 0", lambda: logn_scale(torch.tensor([3, -1]))),
        (ValueError, "got -3", lambda: logn_scale(torch.tensor([NAN, -3.0]))),
        (ValueError, "n must be at least 0, got nan", lambda: logn_scale(NAN)),
        (ValueError, "key must have a number of heads", lambda: attend(q, k[:, :2], v, enable_gqa=True)),
        (ValueError, "value must have a number", lambda: attend(q, k, v[:, :0], enable_gqa=True)),
        (ValueError, "query must have an axis", lambda: attend(q[0, 0], k, v, enable_gqa=True)),
        (ValueError, "d must be at least 1", lambda: sphere_entropy_deficit(1.0, 0)),
    ])  # fmt: skip
