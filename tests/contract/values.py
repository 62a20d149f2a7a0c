"""Promises about values: types, memory, layouts, rows that know nothing of each other, what is not finite."""

import torch
from helpers import DTYPES, INF, NAN, rounding

from .rows import assert_same, each_data, each_tensor, is_data, leaves, run, slopes, weighted


def dtypes(row):
    """Each result has the dtype that the row says, and the value of float64 up to rounding."""
    for dtype in DTYPES:
        narrow = each_data(row.arguments(), lambda x, dtype=dtype: x.to(dtype))
        results, wide = run(row, narrow), run(row, each_data(narrow, torch.Tensor.double))
        made, kept = rounding(dtype)
        floating = 0
        for result, exact in zip(results, wide, strict=True):
            if not is_data(result):
                assert torch.equal(result, exact)
                continue
            expected = row.results[min(floating, len(row.results) - 1)] or dtype
            assert result.dtype == expected, f"{result.dtype} for {dtype}"
            floating += 1
            if row.fills:  # other types are filled with other numbers
                continue
            eps = made + (kept if expected == dtype else 0.0) / row.roundings
            assert_same(row, [result.double()], [exact], eps)


def untouched(row):
    """No argument is written to, not even to be put back, by the call and its backward pass."""
    arguments, data = leaves(row.arguments())
    given = {name: value for name, value in arguments.items() if isinstance(value, torch.Tensor)}
    before = {name: (value.detach().clone(), value._version) for name, value in given.items()}
    results = run(row, arguments)
    slopes(row, results, data)
    for name, value in given.items():
        assert torch.equal(value, before[name][0]), f"{name} is changed"
        assert value._version == before[name][1], f"{name} is written to"


def _layouts(x):
    """The same numbers with gaps, with other strides, and with an offset."""
    if x.dim() == 0:
        return x, x, x
    turned = x.transpose(0, -1).contiguous().transpose(0, -1)
    return x.repeat_interleave(2, -1)[..., ::2], turned, torch.cat([x[:1], x])[1:]


def strided(row):
    """Values and gradients do not depend on how arguments lie in memory, nor on whether entries share it."""
    plain = row.arguments()
    pairs = [(each_tensor(plain, lambda x, i=i: _layouts(x)[i]), plain) for i in range(3)]
    if not row.fills:
        shared = each_tensor(plain, lambda x: x[:1].expand_as(x) if x.dim() else x)
        pairs.append((shared, each_tensor(shared, torch.Tensor.contiguous)))
    for pair in pairs:
        outcomes = []
        for arguments in pair:
            arguments = each_data(arguments, lambda x: x.detach().requires_grad_(row.differentiable))
            results = run(row, arguments)
            outcomes.append((*results, *slopes(row, results, filter(is_data, arguments.values()))))
        assert_same(row, *outcomes)


def autocast(row):
    """Autocast changes neither values nor gradients, not by a bit."""
    for dtype in DTYPES:
        outcomes = []
        for enabled in (False, True):
            arguments, data = leaves(each_data(row.arguments(), lambda x, dtype=dtype: x.to(dtype)))
            with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
                results = run(row, arguments)
            outcomes.append((*results, *slopes(row, results, data)))
        for cast, plain in zip(*outcomes, strict=True):
            assert cast.dtype == plain.dtype
            assert torch.equal(cast, plain)


# ------------------------------------------------------------------- rows side by side


def _rows(row, arguments, index):
    """Some rows of every tensor that has them."""
    return each_tensor(
        arguments, lambda x: x.movedim(row.axis, 0)[index].movedim(0, row.axis) if x.dim() else x, row.shared
    )


def empty(row):
    """No rows give no rows, and gradients in the shape of the arguments."""
    whole = run(row, row.arguments())
    arguments, data = leaves(_rows(row, row.arguments(), slice(0, 0)))
    results = run(row, arguments)
    for none, some in zip(results, whole, strict=True):
        assert none.shape == (0, *some.shape[1:]), none.shape
        assert none.dtype == some.dtype
    gradients = slopes(row, results, data)
    assert [slope.shape for slope in gradients] == [x.shape for x in data][: len(gradients)]


def one(row):
    """A row alone gives what it gives among others."""
    arguments = row.arguments()
    alone = run(row, _rows(row, arguments, slice(1, 2)))
    assert_same(row, alone, [result[1:2] for result in run(row, arguments)])


def vmap(row):
    """``torch.vmap`` is a loop: over all tensors or one, along the first axis or the last, for gradients."""
    samples = [row.arguments(seed) for seed in range(3)]
    names = [name for name, value in samples[0].items() if isinstance(value, torch.Tensor)]
    for chosen in (names, names[:1]):
        picked = [{**samples[0], **{name: sample[name] for name in chosen}} for sample in samples]
        looped = [torch.stack(results) for results in zip(*(run(row, one) for one in picked), strict=True)]

        def function(*given, chosen=chosen):
            return run(row, {**samples[0], **dict(zip(chosen, given, strict=True))})

        for axis in (0, -1):
            stacked = [torch.stack([sample[name] for sample in picked], axis) for name in chosen]
            assert_same(row, torch.vmap(function, in_dims=axis)(*stacked), looped)
        if row.differentiable and names[0] in row.data:
            slope = torch.func.grad(lambda *given: weighted(function(*given)))
            by_hand = [slope(*(one[name] for name in chosen)) for one in picked]
            stacked = [torch.stack([one[name] for one in picked]) for name in chosen]
            assert_same(row, [torch.vmap(slope)(*stacked)], [torch.stack(by_hand)])


# ------------------------------------------------------------------- what is not finite


def _with(row, name, value):
    """The arguments with the first entry of a tensor, or of its row 1, replaced."""
    arguments = row.arguments()
    x = arguments[name].clone()
    place = x.movedim(row.axis, 0)[1] if row.rows and name not in row.shared else x
    place[(0,) * place.dim()] = value
    return {**arguments, name: x}


def nan(row):
    """NaN gives NaN, in its row alone; or a ValueError that names the argument."""
    _spoil(row, NAN, lambda results: any(result.isnan().any() for result in results))


def infinite(row):
    """An infinite entry changes its row alone; or is a ValueError that names the argument."""
    for value in (INF, -INF):
        _spoil(row, value, lambda results: True)


def _spoil(row, value, holds):
    clean = run(row, row.arguments())
    for name in row.data:
        if name in row.bounded and value in (INF, -INF):
            continue
        try:
            results = run(row, _with(row, name, value))
        except ValueError as error:
            if name not in str(error):
                raise
            continue
        apart = row.rows and name not in row.shared
        changed = [result[1] if apart else result for result in results if is_data(result)]
        assert holds(changed) or not changed, f"{name} = {value} gives {changed}"
        if apart:
            for result, other in zip(results, clean, strict=True):
                assert_same(row, [result[0], result[2:]], [other[0], other[2:]])
