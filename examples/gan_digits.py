"""Small GANs on digits of 8x8 pixels: does self-modulated batch norm help? Read by generative/self_modulation.

    python examples/gan_digits.py   # trains what is missing; writes book/generative/self_modulation.npz

Resumable: each run is a file in _build/gan_digits. The plan below was committed before the first of these
runs; before it, outside of this script, larger networks of two kinds had been looked at on the validation
digits, at three rates, to learn how many steps a sample needs.

Plan. 1797 digits, 897 to train, 450 to validate, 450 to test, by one permutation. One generator (z of 16, a
layer to 32 x 2 x 2, two transposed convolutions k=4, s=2, p=1, hidden 16, tanh) and one discriminator (two
convolutions, 16 and 32, leaky ReLU, a layer; for kinds with labels, a projection besides). Kinds: "none",
"batch" (BN), "concat" (BN, and z beside the channels of each layer), "self" (self-modulated BN), "class"
(BN with scale and shift by class) and "self, class". Losses of lemmata.generative: density_ratio_loss(...,
"jensen_shannon"), and softplus for the generator. Adam, betas (0.5, 0.999), the same rate for both, batches
of 32, 1200 simultaneous steps. Rate: of RATES, the one with the least validation MMD at the end, seed 100.
Then four fresh seeds, 0 to 3, at it. Metric: unbiased squared MMD, Gaussian kernel, width the median
distance of training digits, 2000 draws against the test digits, which are looked at once. Second: accuracy
on the test digits of one nearest neighbour among 897 draws with their labels; draws without labels get
those of a support vector machine fitted to the training digits. A kind is called better or worse than
"batch" if the 95 % interval (t, three degrees) of the paired difference of MMD excludes 0. Beside them a
mixture of normal laws and a kernel density of the training digits, number of parts and width by log
likelihood on the validation digits.
"""

import math
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import Tensor, nn

from lemmata.generative import SelfModBatchNorm2d, density_ratio_loss

KINDS = ("batch", "self", "concat", "none", "class", "self, class")
RATES, SEEDS, STEPS, EVERY, BATCH, NZ = (1e-3, 2e-3), (0, 1, 2, 3), 1200, 100, 32, 16
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
        self.kind, beside = kind, NZ if kind == "concat" else 0
        self.first = nn.Linear(NZ, 32 * 4)
        self.second = nn.ConvTranspose2d(32 + beside, 16, 4, 2, 1)
        self.third = nn.ConvTranspose2d(16 + beside, 1, 4, 2, 1)
        self.norms = nn.ModuleList(self._norm(channels) for channels in (32, 16))

    def _norm(self, channels: int) -> nn.Module:
        if self.kind == "none":
            return nn.Identity()
        if self.kind == "class":
            return ClassBatchNorm2d(channels)
        if self.kind.startswith("self"):
            return SelfModBatchNorm2d(channels, NZ, num_classes=10 if "class" in self.kind else None)
        return nn.BatchNorm2d(channels)

    def _normed(self, norm: nn.Module, h: Tensor, z: Tensor, labels: Tensor) -> Tensor:
        more = {"self": (z,), "class": (labels,), "self, class": (z, labels)}.get(self.kind, ())
        h = norm(h, *more).relu()
        return (
            torch.cat([h, z[..., None, None].expand(-1, -1, *h.shape[2:])], 1) if self.kind == "concat" else h
        )

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        h = self._normed(self.norms[0], self.first(z).view(-1, 32, 2, 2), z, labels)
        return self.third(self._normed(self.norms[1], self.second(h), z, labels)).tanh()


class Discriminator(nn.Module):
    """Its output is log q/p, of the generator's law q and that of the data p."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 16, 4, 2, 1), nn.Conv2d(16, 32, 4, 2, 1)
        self.last, self.project = nn.Linear(128, 1), nn.Embedding(10, 128) if "class" in kind else None
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


def train(kind: str, rate: float, seed: int, steps: int = STEPS) -> tuple[Generator, list[float]]:
    """A generator, and its MMD on the validation digits on the way."""
    torch.manual_seed(seed)
    parts = digits()
    (x, y), held, scale = parts["train"], parts["valid"][0], width(parts["train"][0])
    generator, discriminator = Generator(kind), Discriminator(kind)
    models = [list(model.parameters()) for model in (generator, discriminator)]
    optimizers = [torch.optim.Adam(model, rate, betas=(0.5, 0.999), fused=True) for model in models]
    curve = []
    for step in range(1, steps + 1):
        rows, labels = torch.randint(len(x), (BATCH,)), torch.randint(10, (BATCH,))
        fake = generator(torch.randn(BATCH, NZ), labels)
        u = discriminator(torch.cat([x[rows], fake]), torch.cat([y[rows], labels]))
        losses = F.softplus(u[BATCH:]).mean(), density_ratio_loss(u[:BATCH], u[BATCH:], "jensen_shannon")
        slopes = [torch.autograd.grad(v, m, retain_graph=True) for v, m in zip(losses, models, strict=True)]
        for model, slope, optimizer in zip(models, slopes, optimizers, strict=True):
            for w, g in zip(model, slope, strict=True):
                w.grad = g
            optimizer.step()
        if step % EVERY == 0:
            curve.append(mmd(draws(generator, 1000, 1)[0], held, scale))
    return generator, curve


def run(kind: str, rate: float, seed: int) -> dict:
    """Trained once: later calls read the file."""
    path = RUNS / f"{kind.replace(', ', '-')}_{rate:g}_{seed}.pt"
    if not path.exists():
        generator, curve = train(kind, rate, seed)
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save({"state": generator.state_dict(), "curve": curve}, path)
        print(f"{path.stem:24s}" + " ".join(f"{1000 * v:6.1f}" for v in curve), flush=True)
    return torch.load(path)


def restored(kind: str, state: dict[str, np.ndarray]) -> Generator:
    """A generator from what RESULT holds, weights in float16."""
    generator = Generator(kind)
    kinds = {name: value.dtype for name, value in generator.state_dict().items()}
    generator.load_state_dict({name: torch.tensor(v).to(kinds[name]) for name, v in state.items()})
    return generator


def main() -> None:
    torch.set_num_threads(1)
    kept: dict[str, np.ndarray] = {}
    for kind in KINDS:
        tried = [run(kind, rate, 100)["curve"][-1] for rate in RATES]
        rate = RATES[min(range(len(RATES)), key=lambda i: tried[i] if math.isfinite(tried[i]) else math.inf)]
        runs = [run(kind, rate, seed) for seed in SEEDS]
        kept[f"{kind}|rate"], kept[f"{kind}|curve"] = np.array(rate), np.array([r["curve"] for r in runs])
        for seed, r in zip(SEEDS, runs, strict=True):
            for name, value in r["state"].items():
                value = value.half() if value.is_floating_point() else value
                kept[f"{kind}|{seed}|{name}"] = value.numpy()
    np.savez_compressed(RESULT, **kept)


if __name__ == "__main__":
    main()
