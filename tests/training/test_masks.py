"""Masks: padding changes nothing, empty rows have their answers, places and lengths are exact."""

import itertools
import math

import pytest
import torch
import torch.nn.functional as F
from helpers import DTYPES, F64, INF, NAN, Draw, derivatives
from torch import nn

from lemmata.training import (
    conv_lengths,
    conv_mask,
    lengths_to_mask,
    masked_attention,
    masked_log_softmax,
    masked_logsumexp,
    masked_max,
    masked_mean,
    masked_min,
    masked_softmax,
    masked_var,
    reverse_padded,
)

MASKS = [list(mask) for mask in itertools.product((False, True), repeat=4)]
NONE = torch.zeros(2, 3, dtype=torch.bool)


def values(function):
    """A function of data and mask that gives one tensor."""
    return lambda x, m: function(x, m, -1)[0]


def rows(function):
    return lambda x, m: function(x, m, -1)


REDUCTIONS = {
    masked_mean: rows(masked_mean),
    masked_var: rows(masked_var),
    masked_max: values(masked_max),
    masked_min: values(masked_min),
    masked_logsumexp: rows(masked_logsumexp),
}
MAPS = {masked_softmax: rows(masked_softmax), masked_log_softmax: rows(masked_log_softmax)}
PLAIN = {
    masked_mean: lambda x: x.mean(-1),
    masked_var: lambda x: x.var(-1),
    masked_max: lambda x: x.amax(-1),
    masked_min: lambda x: x.amin(-1),
    masked_logsumexp: lambda x: x.logsumexp(-1),
    masked_softmax: lambda x: x.softmax(-1),
    masked_log_softmax: lambda x: x.log_softmax(-1),
}
ALL = {**REDUCTIONS, **MAPS}
each_function = pytest.mark.parametrize("function", ALL, ids=lambda f: f.__name__)


def counting(function):
    """The function with the entries that count of its result, where it gives a row."""
    if function in REDUCTIONS:
        return REDUCTIONS[function]
    return lambda x, m: torch.where(m, MAPS[function](x, m), 0.0)


# ------------------------------------------------------------------- identity


@each_function
@pytest.mark.parametrize("fill", [0.0, 1e30, -1e30, NAN, INF, -INF])
def test_content_of_padding_changes_no_bit(function, fill):
    """Of value, gradient and second derivative: masks-contract, masks-select."""
    x = Draw(0).normal(5, 6)
    m = Draw(1).labels(5, 6, share=0.6)
    m[:, 0] = m[:, 3] = True
    found = derivatives(lambda x: counting(function)(x, m), torch.where(m, x, fill))
    for one, other in zip(found, derivatives(lambda x: counting(function)(x, m), x), strict=True):
        assert torch.equal(one, other)
        assert not one.isnan().any()
    assert (found[1][~m] == 0).all()


@each_function
@pytest.mark.parametrize("extra", [1, 7, 60])
def test_amount_of_padding_changes_roundings_only(function, extra):
    x = Draw(0).normal(5, 6)
    m = torch.ones(5, 6, dtype=torch.bool)
    wide, mask = F.pad(x, (0, extra), value=NAN), F.pad(m, (0, extra), value=False)
    got = counting(function)(wide, mask)
    got = got if function in REDUCTIONS else got[:, :6]
    torch.testing.assert_close(got, counting(function)(x, m), rtol=1e-13, atol=1e-14)


@each_function
def test_an_empty_row_has_one_answer_and_gradient_0(function):
    x = torch.full((2, 3), NAN, dtype=F64)
    answers = {masked_max: -INF, masked_min: INF, masked_logsumexp: -INF, masked_log_softmax: -INF}
    answers[masked_softmax] = 0.0
    value, first, second = derivatives(lambda x: ALL[function](x, NONE), x)
    want = torch.full_like(value, answers.get(function, NAN))
    assert torch.equal(value.nan_to_num(nan=7), want.nan_to_num(nan=7))
    assert (first == 0).all()
    assert (second == 0).all()


@pytest.mark.parametrize("function", [masked_mean, masked_var, masked_max, masked_min])
def test_the_answer_of_an_empty_row_can_be_chosen(function):
    out = function(torch.ones(2, 3), NONE, -1, empty=0.25)
    out = out if isinstance(out, torch.Tensor) else out[0]
    assert out.tolist() == [0.25, 0.25]


@pytest.mark.parametrize("correction", [0, 1, 2, -1, 1.5])
def test_variance_needs_more_entries_than_the_correction(correction):
    x = torch.tensor([1.0, 2.0, 4.0, 9.0], dtype=F64).expand(16, 4)
    got = masked_var(x, torch.tensor(MASKS), -1, correction=correction, empty=-5.0)
    for one, mask in zip(got.tolist(), MASKS, strict=True):
        n, chosen = sum(mask), x[0][torch.tensor(mask)]
        enough = n > correction and n > 0
        want = (chosen - chosen.mean()).square().sum().item() / (n - correction) if enough else -5.0
        assert one == pytest.approx(want, rel=1e-14)


def test_place_of_the_maximum_is_never_masked():
    """masks-max, over all masks and rows of -inf, ties and NaN."""
    for row in itertools.product((-INF, 0.0, 1.0), repeat=4):
        x = torch.tensor(row).expand(16, 4)
        top, place = masked_max(x, torch.tensor(MASKS))
        low, where = masked_min(-x, torch.tensor(MASKS))
        assert torch.equal(place, where)
        assert torch.equal(top, -low)
        for i, mask in enumerate(MASKS):
            counts = [j for j in range(4) if mask[j]]
            want = min(counts, key=lambda j: (-row[j], j)) if counts else -1
            assert place[i] == want
            assert top[i] == (row[want] if counts else -INF)


def test_a_nan_that_counts_is_the_largest_and_the_smallest():
    x, m = torch.tensor([3.0, NAN, NAN, 9.0]), torch.tensor([True, False, True, True])
    for function in (masked_max, masked_min):
        value, place = function(x, m)
        assert value.isnan()
        assert place == 2


def test_places_are_exact_in_half_types():
    for dtype in (torch.bfloat16, torch.float16):
        x = torch.zeros(3000, dtype=dtype)
        x[2049] = 1
        value, place = masked_max(x, torch.ones(3000, dtype=torch.bool))
        assert (value, place, place.dtype) == (1, 2049, torch.int64)


def test_keepdim_and_several_axes():
    x, m = Draw(0).normal(2, 3, 4), Draw(1).labels(2, 3, 4, share=0.7)
    m[:, 0, 0] = m[:, 0, 1] = True
    for function in (masked_mean, masked_var, masked_logsumexp):
        for dim in ((0, 2), (-1, 0), (1,), (0, 1, 2)):
            flat = [function(x, m, dim, keepdim=True), function(x, m, dim)]
            assert flat[0].shape == x.sum(dim, keepdim=True).shape
            torch.testing.assert_close(flat[0].squeeze(dim), flat[1], rtol=0, atol=0, equal_nan=True)
    chosen = [x[:, i][m[:, i]] for i in range(3)]
    want = {masked_mean: torch.mean, masked_var: torch.var, masked_logsumexp: lambda v: v.logsumexp(0)}
    for function, plain in want.items():
        torch.testing.assert_close(function(x, m, (0, 2)), torch.stack([plain(v) for v in chosen]))
    torch.testing.assert_close(masked_mean(x, m), x[m].mean())
    torch.testing.assert_close(masked_var(x, m), x[m].var())
    for function in (masked_max, masked_min):
        kept, gone = function(x, m, 1, keepdim=True), function(x, m, 1)
        for one, other in zip(kept, gone, strict=True):
            assert one.shape == (2, 1, 4)
            assert torch.equal(one.squeeze(1), other)


def test_reversal_is_its_own_inverse():
    """masks-reverse, for words and for vectors, along any axis."""
    for T in range(1, 6):
        lengths = torch.arange(T + 1)
        x = torch.arange(1, T + 1).expand(T + 1, T)
        once = reverse_padded(x, lengths)
        for L in range(T + 1):
            assert once[L].tolist() == [*range(L, 0, -1), *range(L + 1, T + 1)]
        assert torch.equal(reverse_padded(once, lengths), x)
        assert torch.equal(lengths_to_mask(lengths, T), x <= lengths.unsqueeze(-1))
    x = Draw(0).normal(2, 3, 4, 5)
    lengths = torch.tensor([[0, 1, 2], [3, 4, 4]])
    for dim in (2, -2):
        out = reverse_padded(x, lengths, dim)
        assert torch.equal(out[1, 0], x[1, 0, [2, 1, 0, 3]])
    assert torch.equal(reverse_padded(x[0, 0, 0], torch.tensor(5), 0), x[0, 0, 0].flip(0))


def test_lengths_behind_a_convolution():
    """masks-windows."""
    assert conv_lengths(torch.tensor([5, 2]), 3).tolist() == [3, 0]
    for k, s, p, d in itertools.product((1, 2, 3, 5), (1, 2, 3), (0, 1, 2, 4), (1, 2)):
        span = d * (k - 1) + 1
        got = conv_lengths(torch.arange(12), k, stride=s, padding=p, dilation=d).tolist()
        for L in range(12):
            fits = L > 0 and L + 2 * p >= span
            x = torch.zeros(1, 1, L)
            want = F.conv1d(x, torch.zeros(1, 1, k), stride=s, padding=p, dilation=d).shape[-1] if fits else 0
            assert got[L] == want


@pytest.mark.parametrize("size", [3, (2,), (2, 3), (1, 2, 2)])
def test_masks_behind_a_convolution_count_their_windows(size):
    m = Draw(3).labels(4, 5, 6, 7, share=0.8)
    count = 1 if isinstance(size, int) else len(size)
    kernel = (size,) if isinstance(size, int) else size
    flat = m.flatten(0, 3 - count).unsqueeze(1).double()
    conv = (F.conv1d, F.conv2d, F.conv3d)[count - 1]
    ones = torch.ones(1, 1, *kernel, dtype=F64)
    for s, p, d in itertools.product((1, 2), (0, 1), (1, 2)):
        inside = conv(flat, ones, stride=s, padding=p, dilation=d)
        options = dict(stride=s, padding=(p,) * count, dilation=d)
        for rule, want in (("all", inside == math.prod(kernel)), ("any", inside > 0)):
            got = conv_mask(m, size, rule=rule, **options)
            assert torch.equal(got.flatten(), want.flatten())


# ------------------------------------------------------------------- agreement


@each_function
@pytest.mark.parametrize("dtype", DTYPES)
def test_it_is_the_plain_function_of_what_counts(function, dtype):
    """masks-mean, masks-softmax: of each row alone, in float64; half types are rounded once."""
    x = Draw(0).normal(16, 4, scale=3).to(dtype)
    for row, mask in zip(x, MASKS, strict=True):
        m = torch.tensor(mask)
        if sum(mask) > 1:
            got = ALL[function](row, m)
            got = got if function in REDUCTIONS else got[m]
            assert got.dtype == dtype
            want = PLAIN[function](row[m].double())
            eps = torch.finfo(dtype).eps
            torch.testing.assert_close(got.double(), want, rtol=4 * eps, atol=4 * eps)


def test_half_types_sum_in_float32():
    x = torch.full((1000,), 100.0, dtype=torch.float16)
    everything = torch.ones(1000, dtype=torch.bool)
    assert masked_mean(x, everything) == 100
    assert masked_var(300 * (x - 100) + torch.arange(1000) % 2 * 200, everything).isfinite()


def test_log_softmax_keeps_its_digits():
    x = torch.tensor([1e8, 1e8 - 8, -1e8, NAN])
    m = torch.tensor([True, True, True, False])
    assert masked_log_softmax(x, m)[:2].tolist() == pytest.approx([-3.3541e-4, -8.000335], rel=1e-4)
    assert masked_log_softmax(x, m)[3] == -INF
    ties = masked_log_softmax(torch.tensor([INF, INF, 0.0, -INF]), m)
    assert ties.tolist() == pytest.approx([-math.log(2), -math.log(2), -INF, -INF])


def test_a_recurrent_network_backwards_is_that_of_packed_sequences():
    """masks-recurrent."""
    torch.manual_seed(0)
    both = nn.GRU(3, 4, batch_first=True, bidirectional=True).double()
    back = nn.GRU(3, 4, batch_first=True).double()
    back.load_state_dict({name: getattr(both, f"{name}_reverse") for name in back.state_dict()})
    x, n = Draw(0).normal(4, 6, 3), torch.tensor([6, 1, 3, 5])
    packed = nn.utils.rnn.pack_padded_sequence(x, n, batch_first=True, enforce_sorted=False)
    want, _ = nn.utils.rnn.pad_packed_sequence(both(packed)[0], batch_first=True)
    got = reverse_padded(back(reverse_padded(x, n))[0], n)
    m = lengths_to_mask(n, 6).unsqueeze(-1)
    torch.testing.assert_close(torch.where(m, got, 0.0), want[..., 4:], rtol=0, atol=1e-14)


@pytest.mark.parametrize("heads", [(), (2,)])
@pytest.mark.parametrize("fill", [0.0, 1e30, NAN, INF])
def test_attention_of_a_padded_batch(heads, fill):
    """masks-attention: values and gradients are those of each text alone, 0 elsewhere."""
    lengths = torch.tensor([5, 2, 0])
    m = lengths_to_mask(lengths, 5)
    at = m.view(3, *(1,) * len(heads), 5)
    data = [Draw(seed).normal(3, *heads, 5, 2) for seed in range(3)]
    padded = [torch.where(at.unsqueeze(-1), x, fill).requires_grad_() for x in data]
    out = masked_attention(*padded, at.unsqueeze(-1) & at.unsqueeze(-2))
    slopes = torch.autograd.grad(out.square().sum(), padded)
    for i, n in enumerate(lengths.tolist()):
        alone = [x[i, ..., :n, :].clone().requires_grad_() for x in data]
        assert (out[i, ..., n:, :] == 0).all()
        assert all((slope[i, ..., n:, :] == 0).all() for slope in slopes)
        if n:
            q, k, v = alone
            want = torch.softmax(q @ k.mT / math.sqrt(2), -1) @ v
            torch.testing.assert_close(out[i, ..., :n, :], want)
            for slope, one in zip(slopes, torch.autograd.grad(want.square().sum(), alone), strict=True):
                torch.testing.assert_close(slope[i, ..., :n, :], one)


def test_attention_takes_a_scale_and_a_cross_mask():
    q, k, v = (Draw(seed).normal(3, n, 2) for seed, n in ((0, 4), (1, 5), (2, 5)))
    m = Draw(3).labels(3, 4, 5, share=0.7)
    m[..., 0] = True
    want = torch.softmax((q @ k.mT * 0.3).masked_fill(~m, -INF), -1) @ v
    torch.testing.assert_close(masked_attention(q, k, v, m, scale=0.3), want)


def test_pooling_over_windows():
    x, m = Draw(0).normal(3, 9), Draw(1).labels(3, 9, share=0.5)
    got = masked_mean(x.unfold(-1, 3, 2), m.unfold(-1, 3, 2), -1, empty=-7.0)
    behind = conv_mask(m, 3, stride=2, rule="any")
    sums, n = (F.avg_pool1d(v.double()[:, None], 3, 2)[:, 0] * 3 for v in (x * m, m))
    torch.testing.assert_close(got, torch.where(behind, sums / n.clamp(min=1), -7.0))


# ------------------------------------------------------------------- failure


@pytest.mark.parametrize("dtype", [torch.float32, torch.int64, torch.uint8])
def test_a_mask_of_numbers_is_refused(dtype):
    m = torch.ones(3, dtype=dtype)
    for function in (*ALL, lambda x, m: masked_attention(x[None], x[None], x[None], m)):
        with pytest.raises(TypeError, match=rf"mask must be bool.*got {dtype}"):
            function(torch.ones(3), m)


def test_masks_that_do_not_fit_are_refused():
    for function in ALL:
        with pytest.raises(ValueError, match="mask must broadcast"):
            function(torch.ones(3), torch.ones(2, 3, dtype=torch.bool), -1)
    with pytest.raises(ValueError, match="dim must name each axis once"):
        masked_mean(torch.ones(2, 3), NONE, (0, 0))
    with pytest.raises(TypeError, match="dim must be an int or a tuple"):
        masked_logsumexp(torch.ones(2, 3), NONE, None)


def test_attention_refuses_shapes_that_do_not_fit():
    x = torch.ones(2, 3, 4)
    m = torch.ones(3, 3, dtype=torch.bool)
    for arguments, words in (
        ((x[0, 0], x, x, m), "query must have axes"),
        ((x, x, x[:, :2], m), "value must have 3 entries"),
        ((x, torch.ones(5, 3, 4), x, m), "key must broadcast"),
        ((x, x, x, torch.tensor(True)), "mask must have an axis of keys"),
    ):
        with pytest.raises(ValueError, match=words):
            masked_attention(*arguments)


def test_lengths_out_of_range_are_refused():
    with pytest.raises(ValueError, match=r"lengths must be in \[0, 4\), got values from -1 to 4"):
        lengths_to_mask(torch.tensor([4, -1]), 3)
    with pytest.raises(ValueError, match="lengths must be in"):
        reverse_padded(torch.ones(1, 3), torch.tensor([4]))
    with pytest.raises(ValueError, match="kernel_size must span at most 3 entries of mask, got 5"):
        conv_mask(NONE, 3, dilation=2)


def test_a_product_leaks_and_a_selection_does_not():
    """masks-select, the failure that the functions avoid."""
    x = torch.tensor([1.0, NAN], requires_grad=True)
    m = torch.tensor([True, False])
    assert (x * m).sum().isnan()
    assert masked_mean(x, m) == 1


def test_programs_of_functions_without_data():
    """Masks and lengths compile, and batch under vmap."""
    m, n = Draw(0).labels(3, 4, 6), torch.tensor([[0, 3], [6, 1]])

    def masks(m):
        return conv_mask(m, 3, padding=1, stride=2, rule="any")

    def lengths(n):
        return lengths_to_mask(conv_lengths(n, 3), 6)

    for function, x in ((masks, m), (lengths, n)):
        assert torch.equal(torch.vmap(function)(x), torch.stack([function(one) for one in x]))
        assert torch.equal(torch.compile(function, fullgraph=True, backend="eager")(x), function(x))
