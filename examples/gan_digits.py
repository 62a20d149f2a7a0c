"""Small GANs on digits of 8 x 8: does self-modulated batch norm help? Read by generative/self_modulation.

    python examples/gan_digits.py   # trains what is missing; writes book/generative/self_modulation.npz

Resumable: each run is a file in _build/gan_digits. The plan below was committed before the first of its runs.
Seen before it, on the validation digits alone: "batch" and "self" at three rates, one seed each, and two
runs of "batch" in an earlier plan with smaller networks (rates 0.001 and 0.002), which 1200 steps left half
trained.

Plan. 1797 digits, 897 to train, 450 to validate, 450 to test, by one permutation. One generator (z of 16, a
layer to 48 x 2 x 2, two transposed convolutions k=4, s=2, p=1, hidden 24, tanh) and one discriminator (two
convolutions, 32 and 64, leaky ReLU, a layer; for "class", which has labels, a projection besides). Kinds:
"none", "batch" (BN), "concat" (BN, and z beside the channels of each layer), "self" (self-modulated BN) and
"class" (BN with scale and shift by class). Losses of lemmata.generative: density_ratio_loss(...,
"jensen_shannon"), and softplus for the generator. Adam, betas (0.5, 0.999), rate 0.002 for all, not tuned
by kind, batches of 64, 900 steps of each in turn. The generator that is judged is the running mean of the
weights, memory 0.99. Seeds 0, 1, 2. Metric: unbiased squared MMD, Gaussian kernel, width the median
distance of training digits, 2000 draws against the test digits, which are looked at once. Second: accuracy
on the test digits of one nearest neighbour among 897 draws with their labels; draws without labels get
those of a support vector machine fitted to the training digits. A kind is called better or worse than
"batch" if the 95 % interval (t, two degrees) of the paired difference of MMD excludes 0. Beside them a
mixture of normal laws and a kernel density of the training digits, number of parts and width by log
likelihood on the validation digits.

Added after the table of these had been seen, and committed before its runs: "onehot", the labels as "class"
has them, in the discriminator, too, but in the generator as ten channels of 0 and 1 beside those of each
layer. Nothing else is different or tuned. It is compared with "batch" by the rule above, and with "class" in
the same way: what do labels give, and what their form? Densities with labels, likewise: the kernel density,
whose points have labels, and a mixture of normal laws for each class, of 1, 2 or 3 parts, by likelihood on
validation digits.
"""

import copy
import itertools
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import Tensor, nn

from lemmata.generative import SelfModBatchNorm2d, density_ratio_loss

KINDS = ("batch", "self", "concat", "none", "class", "onehot")
LABELLED = ("class", "onehot")
SEEDS, NZ, LEVELS = (0, 1, 2), 16, 63
RATE, STEPS, EVERY, BATCH, MEMORY = 0.002, 900, 100, 64, 0.99
ROOT = Path(__file__).resolve().parents[1]
RUNS, RESULT = ROOT / "_build/gan_digits", ROOT / "book/generative/self_modulation.npz"


class ClassBatchNorm2d(nn.Module):
    """Batch norm with a scale and a shift for each class."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=False)
        self.gamma, self.beta = nn.Embedding(10, channels), nn.Embedding(10, channels)
        nn.init.ones_(self.gamma.weight)
        nn.init.zeros_(self.beta.weight)

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        return self.gamma(labels)[..., None, None] * self.norm(x) + self.beta(labels)[..., None, None]


class Generator(nn.Module):
    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind, beside = kind, {"concat": NZ, "onehot": 10}.get(kind, 0)
        self.first = nn.Linear(NZ, 48 * 4)
        self.second = nn.ConvTranspose2d(48 + beside, 24, 4, 2, 1)
        self.third = nn.ConvTranspose2d(24 + beside, 1, 4, 2, 1)
        self.norms = nn.ModuleList(self._norm(channels) for channels in (48, 24))

    def _norm(self, channels: int) -> nn.Module:
        if self.kind == "none":
            return nn.Identity()
        if self.kind == "class":
            return ClassBatchNorm2d(channels)
        if self.kind == "self":
            return SelfModBatchNorm2d(channels, NZ)
        return nn.BatchNorm2d(channels)

    def _normed(self, norm: nn.Module, h: Tensor, z: Tensor, labels: Tensor) -> Tensor:
        more = {"self": (z,), "class": (labels,)}.get(self.kind, ())
        h = norm(h, *more).relu()
        beside = {"concat": z, "onehot": F.one_hot(labels, 10).to(z)}.get(self.kind, z[:, :0])
        return torch.cat([h, beside[..., None, None].expand(-1, -1, *h.shape[2:])], 1)

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        h = self._normed(self.norms[0], self.first(z).view(-1, 48, 2, 2), z, labels)
        return self.third(self._normed(self.norms[1], self.second(h), z, labels)).tanh()


class Discriminator(nn.Module):
    """Its output is log q/p, of the generator's law q and that of the data p."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 32, 4, 2, 1), nn.Conv2d(32, 64, 4, 2, 1)
        self.last, self.project = nn.Linear(256, 1), nn.Embedding(10, 256) if kind in LABELLED else None
        if self.project is not None:
            nn.init.zeros_(self.project.weight)

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        h = F.leaky_relu(self.second(F.leaky_relu(self.first(x), 0.2)), 0.2).flatten(1)
        u = self.last(h).squeeze(-1)
        return u if self.project is None else u + (h * self.project(labels)).sum(-1)


def digits() -> dict[str, tuple[Tensor, Tensor]]:
    """Images in [-1, 1] and labels, in three parts."""
    found = load_digits()
    images = torch.tensor(found.images, dtype=torch.float32).unsqueeze(1) / 8 - 1
    labels = torch.tensor(found.target, dtype=torch.int64)
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
    parts = zip(("train", "valid", "test"), order.split((897, 450, 450)), strict=True)
    return {name: (images[rows], labels[rows]) for name, rows in parts}


def width(train: Tensor) -> float:
    return torch.pdist(train.flatten(1).double()).median().item()


def mmd(x: Tensor, y: Tensor, scale: float) -> float:
    """The unbiased estimate of the squared maximum mean discrepancy, Gaussian kernel."""
    x, y = x.flatten(1).double(), y.flatten(1).double()
    pairs = ((x, x), (y, y), (x, y))
    xx, yy, xy = (torch.exp(-torch.cdist(a, b).square() / (2 * scale**2)) for a, b in pairs)
    n, m = len(x), len(y)
    return ((xx.sum() - n) / (n * (n - 1)) + (yy.sum() - m) / (m * (m - 1)) - 2 * xy.mean()).item()


@torch.no_grad()
def draws(generator: Generator, size: int, seed: int) -> tuple[Tensor, Tensor]:
    """Images and the labels that were asked for, the running means in use."""
    source = torch.Generator().manual_seed(seed)
    z, labels = torch.randn(size, NZ, generator=source), torch.randint(10, (size,), generator=source)
    generator.eval()
    images = generator(z, labels)
    generator.train()
    return images, labels


def train(kind: str, seed: int, steps: int = STEPS) -> tuple[Generator, list[float]]:
    """The mean generator, and its MMD on the validation digits on the way."""
    torch.manual_seed(seed)
    parts = digits()
    (x, y), held, scale = parts["train"], parts["valid"][0], width(parts["train"][0])
    generator, discriminator = Generator(kind), Discriminator(kind)
    mean = copy.deepcopy(generator)
    first, second = (
        torch.optim.Adam(model.parameters(), RATE, betas=(0.5, 0.999), fused=True)
        for model in (generator, discriminator)
    )
    curve = []
    for step in range(1, steps + 1):
        rows, labels = torch.randint(len(x), (BATCH,)), torch.randint(10, (BATCH,))
        fake = generator(torch.randn(BATCH, NZ), labels)
        u = discriminator(torch.cat([x[rows], fake.detach()]), torch.cat([y[rows], labels]))
        second.zero_grad()
        density_ratio_loss(u[:BATCH], u[BATCH:], "jensen_shannon").backward()
        second.step()
        first.zero_grad()
        F.softplus(discriminator(fake, labels)).mean().backward()
        first.step()
        for kept, new in zip(mean.state_dict().values(), generator.state_dict().values(), strict=True):
            if kept.is_floating_point():
                kept.lerp_(new, 1 - MEMORY)
        if step % EVERY == 0:
            curve.append(mmd(draws(mean, 1000, 1)[0], held, scale))
    return mean, curve


def run(kind: str, seed: int) -> dict:
    """Trained once: later calls read the file."""
    path = RUNS / f"{kind}_{seed}.pt"
    if not path.exists():
        generator, curve = train(kind, seed)
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save({"state": generator.state_dict(), "curve": curve}, path)
        print(f"{path.stem:12s}" + " ".join(f"{1000 * v:6.1f}" for v in curve), flush=True)
    return torch.load(path)


def packed(state: dict[str, Tensor]) -> tuple[np.ndarray, np.ndarray]:
    """Each row of each tensor as whole numbers of size up to LEVELS, and the size of its largest entry."""
    rows = [value.reshape(len(value), -1) for value in state.values() if value.is_floating_point()]
    most = [row.abs().amax(1) for row in rows]
    whole = [LEVELS * row / top.clamp_min(1e-30)[:, None] for row, top in zip(rows, most, strict=True)]
    flat = torch.cat([row.round().flatten() for row in whole])
    return flat.to(torch.int8).numpy(), torch.cat(most).half().numpy()


def main() -> None:
    torch.set_num_threads(1)
    parts = digits()
    scale, test = width(parts["train"][0]), parts["test"][0]
    kept: dict[str, np.ndarray] = {"steps": np.arange(EVERY, STEPS + 1, EVERY)}
    for kind, seed in itertools.product(KINDS, SEEDS):
        found, name, generator = run(kind, seed), f"{kind}{seed}", Generator(kind)
        generator.load_state_dict(found["state"])
        kept[f"{name}|whole"], kept[f"{name}|most"] = packed(found["state"])
        kept[f"{name}|curve"] = np.array(found["curve"], dtype=np.float32)
        kept[f"{name}|score"] = np.array(mmd(draws(generator, 2000, 100 + seed)[0], test, scale))
    np.savez_compressed(RESULT, **kept)


if __name__ == "__main__":
    main()
