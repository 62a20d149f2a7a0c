"""HSIC of samples that lie on several ranks, exactly: each block of samples visits each rank once."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch import distributed as dist

from lemmata import _arguments as check
from lemmata.estimation import HSICTest
from lemmata.numerics.kernels import Kernel, KernelLike, kernel_of
from lemmata.numerics.precision import compute_dtype, no_autocast
from lemmata.numerics.tiles import distances, squared_distances
from lemmata.numerics.units import unit_of
from lemmata.training._distributed.groups import all_states, check_group

__all__ = ["sharded_hsic", "sharded_hsic_test"]

SIDE = 256  # of a tile
ORDERS = 16  # tiles of y in so many orders are made together
KEPT = 2**20  # how many numbers the samples in all orders that travel together may hold


def sharded_hsic(
    x: Tensor,
    y: Tensor,
    *,
    kernel: KernelLike = "gaussian",
    bandwidth: float | tuple[float, float] | None = None,
    estimator: str = "unbiased",
    group: dist.ProcessGroup | None = None,
) -> Tensor:
    r"""HSIC of paired samples that lie on several ranks: what :func:`~lemmata.estimation.hsic` gives of all.

    .. math:: \mathrm{HSIC} = \frac1c\sum_{i,j} A_{ij}L_{ij},\qquad
              A_{ij} = K_{ij} - \frac{r_i + r_j}{a} + \frac{\sum r}{ab},\quad r_i=\sum_j K_{ij}

    with a = b = n and c = n^2 for V; for U without the diagonal, a = n - 2, b = n - 1 and c = n(n - 3).
    Blocks of samples go round a ring twice: for the sums of the rows, then for the products. A rank holds its
    own samples and two blocks that visit; it sends (world - 1) times 8(2d + e + 1) bytes a sample. Sums are
    float64. Nothing is differentiated.

    Implements :prf:ref:`distributed-ring`.

    Args:
        x: samples ``(n_r, d)`` of this rank, n_r may be 0; d is the same on all ranks.
        y: samples ``(n_r, e)``.
        kernel: as in :func:`~lemmata.estimation.hsic`; a function is given float64.
        bandwidth: a number or a pair, for ``"gaussian"`` and ``"laplace"``: a median would need all data on
            one rank. Not used by the others.
        estimator: ``"unbiased"`` (at least 4 samples on all ranks together) or ``"biased"``.
        group: the ranks; None: all.

    Returns:
        A number, the same on all ranks, in the dtype of the data.

    Example:
        >>> from torch import distributed as dist
        >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
        >>> x = torch.tensor([0.0, 1.0, 2.0, 4.0, 7.0]).unsqueeze(-1)
        >>> y = torch.tensor([1.0, 0.0, 3.0, 5.0, 6.0]).unsqueeze(-1)
        >>> sharded_hsic(x, y, bandwidth=1.0)
        tensor(0.0467)
        >>> dist.destroy_process_group()
    """
    check_group(group)
    with torch.no_grad():
        made = _shards(lambda: _checked(x, y, kernel, bandwidth, estimator), group, "sharded_hsic")
    with torch.no_grad(), no_autocast(x):
        value = made.values(made.x, made.row_sums(made.x), made.y[None])[0] * made.unit
        return value.to(torch.promote_types(x.dtype, y.dtype))


def sharded_hsic_test(
    x: Tensor,
    y: Tensor,
    *,
    permutations: int = 999,
    kernel: KernelLike = "gaussian",
    bandwidth: float | tuple[float, float] | None = None,
    estimator: str = "biased",
    generator: torch.Generator | None = None,
    group: dist.ProcessGroup | None = None,
) -> HSICTest:
    r"""The permutation test of :func:`~lemmata.estimation.hsic_test` over ranks, with the same permutations.

    The state of the generator of the first rank goes to all, so that they shuffle alike: a pair is taken
    apart across ranks, too. For each order the samples of y go round the ring to their new places, and then
    with those of x once more. p counts as there, with the same allowance for ties.

    Implements :prf:ref:`distributed-ring`.

    Args:
        x: as in :func:`sharded_hsic`.
        y: as in :func:`sharded_hsic`.
        permutations: B, at least 1.
        kernel: as in :func:`sharded_hsic`.
        bandwidth: as in :func:`sharded_hsic`.
        estimator: the statistic.
        generator: of the permutations, on the CPU; that of the first rank decides. None: torch's own there.
        group: the ranks; None: all.

    Returns:
        :class:`~lemmata.estimation.HSICTest`, the same on all ranks, without gradients.

    Example:
        >>> from torch import distributed as dist
        >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
        >>> x = torch.linspace(-1, 1, 50).unsqueeze(-1)
        >>> generator = torch.Generator().manual_seed(0)
        >>> sharded_hsic_test(x, x**2, bandwidth=0.5, permutations=99, generator=generator).p_value
        tensor(0.0100, dtype=torch.float64)
        >>> dist.destroy_process_group()
    """
    check_group(group)

    def checked() -> _Given:
        check.generator("generator", generator)
        count = check.at_least("permutations", permutations, 1)
        given = _checked(x, y, kernel, bandwidth, estimator)
        return given._replace(same={**given.same, "permutations": count})

    with torch.no_grad():
        made = _shards(checked, group, "sharded_hsic_test")
    with torch.no_grad(), no_autocast(x):
        sums = made.row_sums(made.x)
        orders = made.orders(permutations, generator)
        statistics = torch.cat([made.values(made.x, sums, made.shuffled(pi)) for pi in orders])
        biased = replace(made, biased=True)
        own = [biased.values(v, biased.row_sums(v), v[None])[0] for v in (made.x, made.y)]
        slack = 32 * torch.finfo(compute_dtype(x, y)).eps * (own[0] * own[1]).clamp(min=0).sqrt()
        t, null = statistics[0], statistics[1:]
        p = (1 + (null >= t - slack).sum(dtype=t.dtype)) / (1 + permutations)
        statistic = (t * made.unit).to(torch.promote_types(x.dtype, y.dtype))
        return HSICTest(statistic, torch.where(t.isnan(), math.nan, p), null * made.unit)


@dataclass(frozen=True)
class _Shards:
    """This rank's samples, made ready, and what it knows of the others."""

    x: Tensor  # (n_r, d), float64, near 0 and in units of its bandwidth or its largest entry on any rank
    y: Tensor  # (n_r, e)
    sizes: list[int]  # how many samples each rank has
    rank: int
    group: Any
    kernel: Kernel
    unit: Tensor  # of HSIC
    biased: bool
    name: str  # of the public function

    @property
    def n(self) -> int:
        return sum(self.sizes)

    def all_of(self, mine: Tensor) -> Tensor:
        """The sum over the ranks, in their order."""
        return all_states(lambda: (mine, {}), self.group, self.name).sum(0)

    def ring(self, block: Tensor) -> Iterator[tuple[int, Tensor]]:
        """The block of each rank, this one's first, then that of the rank before it, and so on round."""
        world = len(self.sizes)
        for step in range(world):
            at = (self.rank - step) % world
            yield at, block
            if step < world - 1:
                block = self._passed_on(block, self.sizes[(at - 1) % world])

    def _passed_on(self, block: Tensor, size: int) -> Tensor:
        """Send a block to the next rank, and receive that of the one before, unless it is empty."""
        world, fresh = len(self.sizes), block.new_empty(size, *block.shape[1:])
        ends = (dist.isend, block.contiguous(), 1), (dist.irecv, fresh, -1)
        calls = [
            dist.P2POp(call, tensor, group=self.group, group_peer=(self.rank + way) % world)
            for call, tensor, way in ends
            if tensor.numel()
        ]
        try:
            for work in dist.batch_isend_irecv(calls) if calls else ():
                work.wait()
        except RuntimeError as error:
            raise RuntimeError(
                f"{self.name} on rank {self.rank} of {world}: a rank beside it has died, or is late"
            ) from error
        return fresh

    def row_sums(self, side: Tensor) -> Tensor:
        """The row sums of this rank's samples over all samples, (n_r,); for U without the diagonal."""
        sums = side.new_zeros(len(side))
        for at, block in self.ring(side):
            for i, j in _tiles(len(side), len(block)):
                values = _tile(self.kernel, side[None, i], block[None, j])[0]
                if at == self.rank and i == j and not self.biased:
                    values.fill_diagonal_(0)
                sums[i] += values.sum(1)
        return sums

    def values(self, side: Tensor, sums: Tensor, others: Tensor) -> Tensor:
        """HSIC of one sample with each of the others (c, n_r, e); K is centred, then L need not be. (c,)"""
        n, c = self.n, len(others)
        rows = sums[:, None] / (n if self.biased else n - 2)
        level = self.all_of(rows.sum(0)) / (n if self.biased else n - 1)
        block = torch.cat([side, rows, others.movedim(0, 1).flatten(1)], 1)
        total, cuts = side.new_zeros(c), [side.shape[1], 1, c * others.shape[2]]
        for at, visitor in self.ring(block):
            samples, its_rows, its_others = visitor.split(cuts, 1)
            its_others = its_others.unflatten(1, (c, others.shape[2])).movedim(0, 1)
            for i, j in _tiles(len(side), len(samples)):
                values = _tile(self.kernel, side[None, i], samples[None, j])[0]
                values -= rows[i] + (its_rows[j].mT - level)
                if at == self.rank and i == j and not self.biased:
                    values.fill_diagonal_(0)
                for b in range(0, c, ORDERS):
                    shuffled = _tile(self.kernel, others[b : b + ORDERS, i], its_others[b : b + ORDERS, j])
                    total[b : b + ORDERS] += torch.mv(shuffled.flatten(1), values.flatten())
        return self.all_of(total) / (n * n if self.biased else n * (n - 3))

    def orders(self, count: int, generator: torch.Generator | None) -> Iterator[Tensor]:
        """The order as it is and this many random ones, (c, n), so many at a time that memory stays O(n)."""
        own = self._first_generator(generator)
        size = max(1, KEPT // max(1, self.n, max(self.sizes) * self.y.shape[1]))
        for start in range(0, 1 + count, size):
            numbers = range(start, min(start + size, 1 + count))
            yield torch.stack(
                [torch.randperm(self.n, generator=own) if b else torch.arange(self.n) for b in numbers]
            )

    def _first_generator(self, generator: torch.Generator | None) -> torch.Generator:
        """The generator of the first rank; on the others a new one in its state."""
        first = generator if generator is not None else torch.default_generator
        state = first.get_state().to(self.x.device)
        dist.broadcast(state, group=self.group, group_src=0)
        if self.rank == 0:
            return first
        return torch.Generator().set_state(state.cpu())

    def shuffled(self, pi: Tensor) -> Tensor:
        """This rank's places of y in each of the orders (c, n): (c, n_r, e), picked from blocks that pass."""
        starts = [sum(self.sizes[:k]) for k in range(len(self.sizes))]
        wanted = pi[:, starts[self.rank] :][:, : len(self.y)].to(self.y.device)
        made = self.y.new_empty(*wanted.shape, self.y.shape[1])
        for at, block in self.ring(self.y):
            place = wanted - starts[at]
            inside = (place >= 0) & (place < len(block))
            made[inside] = block[place[inside]]
        return made


def _tiles(rows: int, columns: int) -> Iterator[tuple[slice, slice]]:
    for i in range(0, rows, SIDE):
        for j in range(0, columns, SIDE):
            yield slice(i, min(i + SIDE, rows)), slice(j, min(j + SIDE, columns))


def _tile(kernel: Kernel, left: Tensor, right: Tensor) -> Tensor:
    """Values (m, s, t) of a kernel less its constant, from (m, s, d) and (m, t, d), float64."""
    if kernel.of == "samples":
        return torch.stack([kernel.value(a, b) for a, b in zip(left, right, strict=True)]).clone()
    if kernel.of == "product":
        return torch.bmm(left, right.mT)
    made = distances if kernel.of == "distance" else squared_distances
    return kernel.value(made(left.contiguous(), right.contiguous()))


# --------------------------------------------------------------------------- samples


class _Given(NamedTuple):
    """The arguments of one rank, which are right."""

    x: Tensor
    y: Tensor
    kernel: Kernel
    widths: list[float]  # 1 where there is none
    estimator: str
    same: dict[str, Any]  # what the other ranks must have, too


def _shards(checked: Callable[[], _Given], group, name) -> _Shards:
    """The samples of a public function, checked on all ranks, their mean out and in one unit."""
    made: list[_Given] = []

    def header() -> tuple[Tensor, dict[str, Any]]:
        made.append(given := checked())
        largest = [v.double().abs().amax().item() if v.numel() else 0.0 for v in (given.x, given.y)]
        numbers = [float(len(given.x)), *largest]
        return torch.tensor(numbers, dtype=torch.float64, device=given.x.device), given.same

    states = all_states(header, group, name)
    x, y, kernel, widths, estimator, _ = made[0]
    sizes, least = states[:, 0].long().tolist(), 4 if estimator == "unbiased" else 1
    if (n := sum(sizes)) < least:
        raise ValueError(f"x must have at least {least} samples here, got n = {n}")
    units = unit_of(states[:, 1:].amax(0, keepdim=True), 0)[0]
    if kernel.of == "samples":
        units = torch.ones_like(units)
    a, b = (v.double() / unit for v, unit in zip((x, y), units, strict=True))
    if kernel.of != "samples":
        sums = torch.cat([a.sum(0), b.sum(0)])
        mean = all_states(lambda: (sums, {}), group, name).sum(0) / n
        a, b = a - mean[: a.shape[1]], b - mean[a.shape[1] :]
    if kernel.scaled:
        most = torch.finfo(torch.float64).max
        scales = [(s / unit).clamp(8 / most, most) for s, unit in zip(widths, units, strict=True)]
        a, b = (v / width for v, width in zip((a, b), scales, strict=True))
    unit = units.prod() ** kernel.power
    return _Shards(a, b, sizes, dist.get_rank(group), group, kernel, unit, estimator == "biased", name)


def _checked(x, y, kernel, bandwidth, estimator) -> _Given:
    """The arguments, or an error."""
    for label, value in (("x", x), ("y", y)):
        check.floating(label, value)
        if value.dim() != 2:
            raise ValueError(f"{label} must be samples (n, d), got shape {tuple(value.shape)}")
    if len(x) != len(y):
        raise ValueError(f"y must have as many samples as x, {len(x)}, got shape {tuple(y.shape)}")
    check.choice("estimator", estimator, ("biased", "unbiased"))
    made, widths = kernel_of(kernel), [1.0, 1.0]
    if made.scaled:
        pair = bandwidth if isinstance(bandwidth, tuple) else (bandwidth, bandwidth)
        if len(pair) != 2:
            raise ValueError(f"bandwidth must be one for both arguments or a pair, got {bandwidth}")
        widths = [_width(width) for width in pair]
    same = {"d": x.shape[1], "e": y.shape[1], "dtypes": (x.dtype, y.dtype), "bandwidth": tuple(widths)}
    same |= {"kernel": kernel if isinstance(kernel, str) else "a function", "estimator": estimator}
    return _Given(x, y, made, widths, estimator, same)


def _width(width: Any) -> float:
    if width is None or isinstance(width, str):
        raise ValueError(f"bandwidth must be a number (a median would need all data), got {width!r}")
    if check.positive("bandwidth", width) == math.inf:
        raise ValueError(f"bandwidth must be finite, got {width}")
    return float(width)
