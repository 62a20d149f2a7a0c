"""200,000 classes over two processes: a linear layer that no process holds whole, trained, saved, resumed.

    torchrun --nproc-per-node 2 examples/extreme_multilabel.py

From a fresh clone: ``make setup && .venv/bin/torchrun --nproc-per-node 2 examples/extreme_multilabel.py``.
Self-made data: a row has a few labels of a Zipf law, and its features are the sum of the labels' codes plus
noise, so that there is something to learn. Each process holds its share of the classes as a DTensor; a step
sends four numbers a row. Every ``--every`` steps all shards are saved; started again with the same ``--out``
(killed or not) it goes on from there, and the result is the same to the bit. At the end the first process
draws the loss, and prints how many of five best scores are labels, beside always naming the five commonest.
"""

import argparse
import os
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed.checkpoint as dcp
from torch import Tensor
from torch import distributed as dist
from torch.distributed.tensor import DTensor, Shard, init_device_mesh
from tqdm import tqdm

from lemmata.training import sharded_linear_multilabel_cross_entropy


def options(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--classes", type=int, default=200_000)
    parser.add_argument("--width", type=int, default=32, help="of the features")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--every", type=int, default=50, help="steps between two checkpoints")
    parser.add_argument("--rate", type=float, default=0.5)
    parser.add_argument("--out", type=Path, default=Path("extreme_multilabel"))
    parser.add_argument("--timeout", type=float, default=60, help="seconds that a rank waits for the others")
    return parser.parse_args(argv)


class Data:
    """Rows of labels and features, each batch from its own seed: the same on all ranks, whenever."""

    def __init__(self, classes: int, width: int) -> None:
        generator = torch.Generator().manual_seed(0)
        self.codes = torch.randn(classes, width, generator=generator) / width**0.5
        self.cumulative = (10 + torch.arange(classes, dtype=torch.float64)).pow(-1.1).cumsum(0)

    def batch(self, seed: int, rows: int) -> tuple[Tensor, Tensor]:
        """Features (rows, width), and labels by index (rows, 5), where -1 is none."""
        generator = torch.Generator().manual_seed(seed)
        u = torch.rand(rows, 5, generator=generator, dtype=torch.float64) * self.cumulative[-1]
        labels = torch.searchsorted(self.cumulative, u).clamp(max=len(self.codes) - 1)
        labels[torch.arange(5) > torch.randint(5, (rows, 1), generator=generator)] = -1
        known = (labels >= 0).unsqueeze(-1)
        x = torch.where(known, self.codes[labels.clamp(min=0)], 0.0).sum(1)
        return x + 0.1 * torch.randn(x.shape, generator=generator) / x.shape[1] ** 0.5, labels


def best_five(x: Tensor, weight: Tensor, bias: Tensor, start: int) -> Tensor:
    """The classes of the five best scores on all ranks, (rows, 5): each sends its own five."""
    scores = x @ weight.T + bias
    top = scores.topk(min(5, scores.shape[1]), -1)
    mine = torch.full((2, len(x), 5), -torch.inf, dtype=torch.float64)
    mine[0, :, : top.values.shape[1]] = top.values
    mine[1, :, : top.values.shape[1]] = top.indices + start
    parts = [torch.empty_like(mine) for _ in range(dist.get_world_size())]
    dist.all_gather(parts, mine)
    values, classes = torch.cat(parts, -1)
    return classes.gather(1, values.topk(5, -1).indices).long()


def precision(guess: Tensor, labels: Tensor) -> float:
    """How many of five guesses are labels, as a share of what is possible."""
    hits = (guess.unsqueeze(-1) == labels.unsqueeze(1)).any(-1).sum(-1)
    return (hits.sum() / (labels >= 0).sum()).item()


def train(args: argparse.Namespace) -> dict[str, Any]:
    """Train from the newest checkpoint, if there is one, to the last step."""
    mesh = init_device_mesh("cpu", (dist.get_world_size(),))
    data, rank = Data(args.classes, args.width), dist.get_rank()
    chunk = -(-args.classes // mesh.size())
    start, stop = (min(args.classes, k * chunk) for k in (rank, rank + 1))

    def sharded(*shape: int) -> DTensor:
        whole = torch.Size((args.classes, *shape))
        stride = torch.empty(whole, device="meta").stride()
        return DTensor.from_local(
            torch.zeros(stop - start, *shape), mesh, [Shard(0)], shape=whole, stride=stride
        )

    weight, bias = sharded(args.width).requires_grad_(), sharded().requires_grad_()
    optimizer = torch.optim.Adagrad([weight, bias], lr=args.rate, initial_accumulator_value=1e-6)
    squares = [optimizer.state[v]["sum"] for v in (weight, bias)]
    losses, step = torch.zeros(args.steps), torch.zeros((), dtype=torch.int64)
    state = {
        "weight": weight.detach(),
        "bias": bias.detach(),
        "squares": squares,
        "losses": losses,
        "step": step,
    }
    saved = sorted(args.out.glob("step-*/.metadata"))
    if saved:
        dcp.load(state, checkpoint_id=saved[-1].parent)
    begun = time.monotonic()
    for i in tqdm(range(int(step), args.steps), disable=rank > 0, initial=int(step), total=args.steps):
        x, labels = data.batch(1 + i, args.batch)
        loss = sharded_linear_multilabel_cross_entropy(x, weight, labels, linear_bias=bias)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses[i] = loss.to_local().detach()
        step += 1
        if (i + 1) % args.every == 0:
            dcp.save(state, checkpoint_id=args.out / f"step-{i + 1:06d}")
        if os.environ.get("LEMMATA_KILL_AT") == str(i + 1):  # what the tests do to it
            os.kill(os.getpid(), 9)
    x, labels = data.batch(0, 512)
    with torch.no_grad():
        found = best_five(x, weight.to_local(), bias.to_local(), start)
    return {
        "loss": losses,
        "precision": precision(found, labels),
        "common": precision(torch.arange(5).expand(len(x), 5), labels),
        "seconds": time.monotonic() - begun,
        "weights": weight.to_local().detach(),
    }


def plot(result: dict[str, Any], file: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 3.5), layout="constrained")
    axes.plot(result["loss"])
    axes.set(
        xlabel="step", ylabel="loss of the batch", title=f"{result['precision']:.0%} of labels in the best 5"
    )
    figure.savefig(file, dpi=150)


def main(argv: list[str] | None = None) -> dict[str, Any]:
    args = options(argv)
    torch.set_num_threads(1)
    if not dist.is_initialized():
        dist.init_process_group("gloo", timeout=timedelta(seconds=args.timeout))
    try:
        result = train(args)
        if dist.get_rank() == 0:
            plot(result, args.out / "loss.png")
            print(f"in the best five scores: {result['precision']:.1%} of the labels")
            print(f"the five commonest:      {result['common']:.1%}")
            print(f"plot: {args.out / 'loss.png'}")
        return result
    finally:
        dist.destroy_process_group()


if __name__ == "__main__":
    main()
