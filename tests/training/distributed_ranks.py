"""What three ranks run for test_distributed.py: errors against one device, a line of JSON a world."""

import copy
import json
import math
import sys

import torch
from torch import distributed as dist
from torch.distributed.tensor import DTensor, Shard, init_device_mesh

from lemmata.classification import linear_multilabel_cross_entropy, multilabel_cross_entropy
from lemmata.estimation import HSICSketch, Moments, hsic, hsic_test
from lemmata.training import (
    class_shard,
    sharded_hsic,
    sharded_hsic_test,
    sharded_linear_multilabel_cross_entropy,
    sharded_multilabel_cross_entropy,
)
from lemmata.training._distributed.groups import replicated

RANK, FOLDER = int(sys.argv[1]), sys.argv[2]
INF, F64 = math.inf, torch.float64
torch.set_num_threads(1)
found: dict = {}
calls: dict = {}


def counted(name):
    """The collective, and how often it was called with how many bytes."""
    original = getattr(dist, name)

    def call(*args, **kwargs):
        tensor = args[1] if name == "all_gather" else args[0]
        seen = calls.setdefault(name, [0, 0])
        seen[0], seen[1] = seen[0] + 1, seen[1] + tensor.nbytes
        return original(*args, **kwargs)

    return call


for name in ("all_gather", "all_reduce", "broadcast"):
    setattr(dist, name, counted(name))


def error(mine, whole, least=1e-30):
    """The largest error, as a share of the largest number; NaN and infinity must be the same."""
    mine, whole = mine.detach().double(), whole.detach().double()
    if mine.shape != whole.shape:
        return INF
    same = (mine == whole) | (mine.isnan() & whole.isnan())
    size = whole[whole.isfinite()].abs().max().item() if whole.isfinite().any() else 1.0
    gap = torch.where(same, 0.0, (mine - whole).abs())
    return (gap.max().item() if gap.numel() else 0.0) / max(size, least)


def note(name, *pairs):
    """Keep the worst error under a name; the comparison with NaN must not lose one."""
    errors = [error(*pair) for pair in pairs]
    found[name] = max([found.get(name, 0.0), *errors], key=lambda e: INF if e != e else e)


def slopes(loss, leaves, second, cut=slice(None), axes=(None,) * 4):
    """The gradients, and those of a weighted sum of their squares, with weights cut as the leaves are."""
    first = torch.autograd.grad(loss, leaves, create_graph=second)
    if not second:
        return list(first)
    total = 0
    for g, axis in zip(first, axes, strict=False):
        sizes = [11 if k == axis else size for k, size in enumerate(g.shape)]
        weights = torch.linspace(1, 2, math.prod(sizes), dtype=g.dtype).view(sizes)
        at = tuple(cut if k == axis else slice(None) for k in range(g.dim()))
        total = total + (g.square() * weights[at]).sum()
    return [*first, *torch.autograd.grad(total, leaves)]


def leaf(x):
    return x.detach().clone().requires_grad_()


def data(dtype):
    g = torch.Generator().manual_seed(21)
    scores = 3 * torch.randn(6, 11, generator=g, dtype=F64)
    labels = torch.rand(6, 11, generator=g) < 0.3
    labels[4] = False
    soft = torch.rand(6, 11, generator=g, dtype=F64)
    mask = torch.rand(6, 11, generator=g) < 0.7
    mask[2] = False
    theta = torch.randn(6, generator=g, dtype=F64)
    x, weight, bias = (torch.randn(*s, generator=g, dtype=F64) for s in ((6, 3), (11, 3), (11,)))
    return [
        v.to(dtype) if v.is_floating_point() else v
        for v in (scores, labels, soft, mask, theta, x, weight, bias)
    ]


def index_of(labels):
    rows = [row.nonzero().flatten().tolist() for row in labels]
    most = max(map(len, rows)) + 1
    return torch.tensor([row[::-1] + [-1] * (most - len(row)) for row in rows])


def losses(cut, dtype, tag):
    """The loss of scores: dense, by index, soft, masked, at infinity."""
    scores, labels, soft, mask, theta, *_ = data(dtype)
    wild = scores.clone()
    wild[0, [1, 9, 10]], wild[1, [2, 10]], wild[3, 5] = INF, -INF, INF
    shard = class_shard(len(range(11)[cut]))
    index = index_of(labels)
    cases = {
        "dense": (scores, labels, {}, {}),
        "index": (scores, labels, dict(shard=shard), {}),
        "soft": (scores, soft, {}, {}),
        "masked": (scores, labels, {}, dict(mask=mask)),
        "infinite": (wild, labels, {}, {}),
    }
    for name, (s, t, more, masks) in cases.items():
        for reduction in ("mean", "none"):
            one, mine = [leaf(s), leaf(theta)], [leaf(s[:, cut]), leaf(theta)]
            if name == "soft":
                one.append(leaf(t)), mine.append(leaf(t[:, cut]))
            target = index if name == "index" else mine[2] if name == "soft" else t[:, cut]
            expected = multilabel_cross_entropy(
                one[0], one[2] if name == "soft" else t, threshold=one[1], reduction=reduction, **masks
            )
            got = sharded_multilabel_cross_entropy(
                mine[0],
                target,
                threshold=mine[1],
                reduction=reduction,
                **{k: v[:, cut] for k, v in masks.items()},
                **more,
            )
            note(f"{name}-{tag}", (got, expected))
            weights = torch.linspace(1, 2, max(1, expected.numel()), dtype=dtype).view_as(expected)
            second = name != "infinite" and dtype == F64
            wanted = slopes((expected * weights).sum(), one, second)
            mine_too = slopes((got * weights).sum(), mine, second, cut, (1, None, 1))
            per = len(one)
            for k, (a, b) in enumerate(zip(mine_too, wanted, strict=True)):
                here = b if k % per == 1 else b[:, cut]
                name_of = f"{name}-{'second' if k >= per else 'slope'}-{tag}"
                note(name_of, (a, here, 1.0 if k % per == 1 else 1e-30))  # a slope by a threshold may cancel


def layers(cut, dtype, tag):
    """The loss of a layer: by index, dense and soft, with all gradients."""
    _, labels, soft, _, theta, x, weight, bias = data(dtype)
    shard = class_shard(len(range(11)[cut]))
    for name, whole, part, more in (
        ("index", index_of(labels), index_of(labels), dict(shard=shard)),
        ("dense", labels, labels[:, cut], {}),
        ("soft", soft, soft[:, cut], {}),
    ):
        one = [leaf(v) for v in (x, weight, bias, theta)]
        mine = [leaf(v) for v in (x, weight[cut], bias[cut], theta)]
        expected = linear_multilabel_cross_entropy(
            one[0], one[1], whole, linear_bias=one[2], threshold=one[3], reduction="none"
        )
        got = sharded_linear_multilabel_cross_entropy(
            mine[0], mine[1], part, linear_bias=mine[2], threshold=mine[3], reduction="none", **more
        )
        note(f"layer-{name}-{tag}", (got, expected))
        weights = torch.linspace(1, 2, 6, dtype=dtype)
        wanted = slopes((expected * weights).sum(), one, dtype == F64)
        mine_too = slopes((got * weights).sum(), mine, dtype == F64, cut, (None, 0, 0, None))
        for k, (a, b) in enumerate(zip(mine_too, wanted, strict=True)):
            note(
                f"layer-{name}-{'second' if k > 3 else 'slope'}-{tag}", (a, b[cut] if k % 4 in (1, 2) else b)
            )


def strange(cut, world):
    """NaN on one rank, half types, what a step sends."""
    scores, labels, _, _, _, x, weight, _ = data(F64)
    worst = scores.clone()
    worst[0, 10], worst[3, 0] = math.nan, math.nan
    got = sharded_multilabel_cross_entropy(worst[:, cut], labels[:, cut], reduction="none")
    note("nan", (got, multilabel_cross_entropy(worst, labels, reduction="none")))
    half = scores.to(torch.bfloat16)
    got = sharded_multilabel_cross_entropy(half[:, cut], labels[:, cut], reduction="none")
    note("bfloat16", (got, multilabel_cross_entropy(half, labels, reduction="none")))
    assert got.dtype == torch.bfloat16
    gloo(world)
    sharded_multilabel_cross_entropy(scores[:, cut].float(), labels[:, cut])  # now the ranks know the size
    calls.clear()
    mine = leaf(scores[:, cut].float())
    sharded_multilabel_cross_entropy(mine, labels[:, cut]).backward()
    found["scores"] = copy.deepcopy(calls)
    calls.clear()
    x, mine = leaf(x.float()), leaf(weight[cut].float())
    sharded_linear_multilabel_cross_entropy(x, mine, labels[:, cut]).backward()
    found["layer"] = copy.deepcopy(calls)


def gloo(world):
    """What gloo would do wrong: equal numbers in bfloat16, and a NaN that is not on rank 0."""
    x, g = torch.zeros(600, dtype=torch.bfloat16), torch.full((600,), 129.0 + RANK).bfloat16()
    x.requires_grad_()
    replicated(x, None).backward(g)
    total = float(sum(129 + rank for rank in range(world)))
    note("gloo-sums", (x.grad, torch.full((600,), total).bfloat16()))
    for at in range(world):
        numbers = torch.arange(1.0, 2 * world, 2).expand(4, world).clone()
        numbers[0, at] = math.nan
        got = sharded_multilabel_cross_entropy(
            numbers[:, RANK : RANK + 1], torch.zeros(4, 1), reduction="none"
        )
        note("gloo-nan-32", (got, multilabel_cross_entropy(numbers, torch.zeros(4, world), reduction="none")))


def dtensors(world):
    """The same of DTensors, which torch cuts as it likes."""
    scores, labels, _, mask, _, x, weight, bias = data(F64)
    mesh = init_device_mesh("cpu", (world,))

    def cut(v, dim):
        chunks = v.chunk(world, dim)
        empty = v.narrow(dim, 0, 0)
        part = chunks[RANK] if len(chunks) > RANK else empty
        return DTensor.from_local(part.contiguous(), mesh, [Shard(dim)], shape=v.shape, stride=v.stride())

    one = leaf(scores)
    mine = cut(scores, 1).requires_grad_()
    expected = multilabel_cross_entropy(one, labels, mask=mask)
    got = sharded_multilabel_cross_entropy(mine, cut(labels, 1), mask=cut(mask, 1))
    expected.backward(), got.backward()
    note("dtensor", (got.to_local(), expected), (mine.grad.full_tensor(), one.grad))
    one, mine = [leaf(weight), leaf(bias)], [cut(v, 0).requires_grad_() for v in (weight, bias)]
    features, other = leaf(x), leaf(x)
    index = index_of(labels)
    expected = linear_multilabel_cross_entropy(features, one[0], index, linear_bias=one[1])
    got = sharded_linear_multilabel_cross_entropy(other, mine[0], index, linear_bias=mine[1])
    expected.backward(), got.backward()
    note("dtensor", (got.to_local(), expected), (other.grad, features.grad))
    note("dtensor", *((m.grad.full_tensor(), o.grad) for m, o in zip(mine, one, strict=True)))


def samples(cut):
    """HSIC by a ring, its test, and the sums that one collective merges."""
    g = torch.Generator().manual_seed(6910)
    x, e = torch.randn(2, 301, 2, generator=g, dtype=F64)
    y = torch.cat([x.sin() + e, e], 1) + 10
    a, b = x[cut], y[cut]
    for kernel in ("gaussian", "laplace", "linear", "distance", lambda p, q: (p @ q.mT + 1) ** 2):
        for estimator in ("biased", "unbiased"):
            more = dict(bandwidth=(1.0, 2.0)) if kernel in ("gaussian", "laplace") else {}
            got = sharded_hsic(a, b, kernel=kernel, estimator=estimator, **more)
            note("hsic", (got, hsic(x, y, kernel=kernel, estimator=estimator, **more)))
    got = sharded_hsic(1e-30 * a.float(), 1e30 * b.float(), kernel="linear")
    note("hsic-units", (got, hsic(1e-30 * x.float(), 1e30 * y.float(), kernel="linear")))
    for estimator in ("biased", "unbiased"):
        more = dict(bandwidth=1.0, estimator=estimator, permutations=30)
        seeds = torch.Generator().manual_seed(RANK), torch.Generator().manual_seed(0)
        got = sharded_hsic_test(a[:, :1], b[:, 2:3], generator=seeds[0], **more)
        expected = hsic_test(x[:, :1], y[:, 2:3], generator=seeds[1], **more)
        note("test", *zip(got, expected, strict=True))
    half = x.to(torch.bfloat16)
    sketch = HSICSketch(8, bandwidth=1.0, generator=torch.Generator().manual_seed(1))
    whole = HSICSketch(8, bandwidth=1.0, generator=torch.Generator().manual_seed(1))
    sketch.update(half[cut], half[cut]).all_reduce()
    note("sketch", (sketch.value(), whole.update(half, half).value()))
    moments = Moments.of(half[cut], dim=0).all_reduce()
    note("moments", (moments.variance, Moments.of(half, dim=0).variance))
    bad = x.clone()
    bad[300, 1] = math.nan
    note("moments", (Moments.of(bad[cut], dim=0).all_reduce().mean, Moments.of(bad, dim=0).mean))


for world, cuts, rows in ((1, [], []), (2, [8], [77]), (3, [4, 4], [5, 5])):
    if world > RANK:
        store = f"file://{FOLDER}/{world}"
        dist.init_process_group("gloo", init_method=store, rank=RANK, world_size=world)
        found.clear()
        ends = [0, *cuts, 11]
        cut = slice(ends[RANK], ends[RANK + 1])
        for dtype, tag in ((F64, "64"), (torch.float32, "32")):
            losses(cut, dtype, tag)
            layers(cut, dtype, tag)
        strange(cut, world)
        dtensors(world)
        ends = [0, *rows, 301]
        samples(slice(ends[RANK], ends[RANK + 1]))
        print(json.dumps([world, found]), flush=True)
        dist.destroy_process_group()
