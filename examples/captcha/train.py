"""Train a small reader of four digits on images that the package `captcha` draws here; no service is touched.

    python examples/captcha/train.py                 # 4 digits, about 4 minutes of one core
    python examples/captcha/train.py --quick         # seconds: that the program works
    python examples/captcha/train.py --help

Kill it at any moment and start the same command again: it goes on from the last checkpoint, and ends with the
same weights to the last bit, because all that is drawn in step t depends on the seed and on t alone.
Training, validation and test images have seeds of their own. Times are CPU seconds of this process.
"""

import argparse
import json
import math
import os
import random
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from captcha import image as drawing
from torch import Tensor, nn
from tqdm import tqdm

from lemmata.applications import SeparableConv2d

DIGITS = "0123456789"
LENGTH, BLANK = 4, 10
HEIGHT, WIDTH = 30, 80  # half of what the package draws


class Seeded:
    """What the package asks of `secrets`, from a seed: the package itself cannot be seeded."""

    def __init__(self, seed: int):
        draw = random.Random(seed)
        self.randbelow, self.randbits, self.choice = draw.randrange, draw.getrandbits, draw.choice


def draw(texts: list[str], seed: int, width: int = 160, progress: bool = False) -> Tensor:
    """Images of the texts, uint8 (n, 30, width / 2): grey, each pixel the mean of four."""
    captcha, secrets = drawing.ImageCaptcha(width=width), drawing.secrets
    drawing.secrets = Seeded(seed)
    try:
        bar = tqdm(texts, desc="images", disable=not progress, mininterval=1.0)
        images = [np.asarray(captcha.generate_image(text).convert("L").reduce(2)) for text in bar]
    finally:
        drawing.secrets = secrets
    return torch.from_numpy(np.stack(images))


def digits(n: int, seed: int, progress: bool = False) -> tuple[Tensor, Tensor]:
    """n images of four digits and what they say, (n, 4), both from one seed."""
    labels = torch.randint(10, (n, LENGTH), generator=torch.Generator().manual_seed(seed))
    return draw(["".join(map(str, row)) for row in labels.tolist()], seed, progress=progress), labels


def prepared(images: Tensor) -> Tensor:
    """Float32 (n, 1, h, w): ink is positive, each image has mean 0 and variance 1."""
    x = -images.float().flatten(1)
    x = (x - x.mean(1, keepdim=True)) / (x.std(1, keepdim=True) + 1)
    return x.view(len(images), 1, *images.shape[1:]).contiguous(memory_format=torch.channels_last)


def shifted(x: Tensor, generator: torch.Generator) -> Tensor:
    """Each image moved by up to 2 pixels across and 1 up or down; what comes in is 0, the mean."""
    n, _, h, w = x.shape
    down = torch.randint(3, (n, 1, 1), generator=generator) + torch.arange(h).view(1, h, 1)
    across = torch.randint(5, (n, 1, 1), generator=generator) + torch.arange(w).view(1, 1, w)
    padded = F.pad(x[:, 0], (2, 2, 1, 1))
    return padded[torch.arange(n).view(n, 1, 1), down, across].unsqueeze(1)


def standard(inputs: int, outputs: int) -> nn.Module:
    return nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)


def separable(inputs: int, outputs: int) -> nn.Module:
    return SeparableConv2d(inputs, outputs, 3, padding=1, bias=False)


def normed(module: nn.Module, size: int) -> list[nn.Module]:
    return [module, nn.BatchNorm2d(size), nn.ReLU()]


class Reader(nn.Module):
    """Convolutions, the mean over the height, and scores: columns (n, 20, 11), or four heads (n, 4, 10)."""

    def __init__(self, conv="separable", head="ctc", width=64, classes=10, length=LENGTH):
        super().__init__()
        layer, a, b = {"separable": separable, "standard": standard}[conv], width, 2 * width
        self.trunk = nn.Sequential(
            *normed(nn.Conv2d(1, a // 4, 3, stride=2, padding=1, bias=False), a // 4),
            *normed(layer(a // 4, a), a),
            *normed(layer(a, a), a),
            nn.MaxPool2d(2, ceil_mode=True),
            *normed(layer(a, b), b),
            *normed(layer(b, b), b),
            nn.MaxPool2d((2, 1)),
            *normed(layer(b, b), b),
        ).to(memory_format=torch.channels_last)
        self.head, self.classes, self.length = head, classes, length
        self.scores = nn.Linear(b, classes + 1) if head == "ctc" else nn.LazyLinear(length * classes)

    def forward(self, x: Tensor) -> Tensor:
        columns = self.trunk(x).mean(2).mT  # (n, 20, features)
        if self.head == "ctc":
            return self.scores(columns)
        return self.scores(columns.flatten(1)).view(-1, self.length, self.classes)


def loss_of(model: Reader, x: Tensor, labels: Tensor) -> Tensor:
    """The mean over images of -log P(what they say), a sum over the four heads, or over alignments."""
    scores = model(x)
    if model.head == "heads":
        return F.cross_entropy(scores.flatten(0, 1), labels.flatten(), reduction="sum") / len(x)
    logs, n = scores.log_softmax(-1).transpose(0, 1), len(x)
    lengths = torch.full((n,), logs.shape[0]), torch.full((n,), LENGTH)
    return F.ctc_loss(logs, labels, *lengths, blank=BLANK, reduction="sum") / n


def collapsed(path: list[int]) -> list[int]:
    """What a row of columns says: repeats count once, then blanks go."""
    return [c for c, before in zip(path, [None, *path], strict=False) if c not in (before, BLANK)]


@torch.no_grad()
def read(model: Reader, images: Tensor) -> Tensor:
    """The most probable digits, (n, 4); -1 throughout where a row of columns does not say four."""
    model.eval()
    best = torch.cat([model(prepared(part)).argmax(-1) for part in images.split(250)])
    if model.head == "heads":
        return best
    rows = [collapsed(row) for row in best.tolist()]
    return torch.tensor([row if len(row) == LENGTH else [-1] * LENGTH for row in rows])


def rate(done: float, top: float) -> float:
    """One cycle: up in the first fifth, then down to 0 along a cosine."""
    rise = 0.2
    if done < rise:
        return top * (0.1 + 0.9 * done / rise)
    return top * (1 + math.cos(math.pi * (done - rise) / (1 - rise))) / 2


def save(state: dict, file: Path) -> None:
    """Whole or not at all: a kill in the middle leaves the file that was there before."""
    part = file.with_suffix(".part")
    torch.save(state, part)
    os.replace(part, file)


def started(options: argparse.Namespace) -> Reader:
    torch.manual_seed(options.seed)
    model = Reader(options.conv, options.head, options.width)
    model(torch.zeros(2, 1, HEIGHT, WIDTH))  # sizes of the last layer
    return model


def batch_of(step: int, n: int, options: argparse.Namespace) -> Tensor:
    """Which images step number ``step`` sees: a new order every epoch, from the seed and the epoch."""
    per_epoch = n // options.batch
    generator = torch.Generator().manual_seed(1_000_003 * options.seed + step // per_epoch)
    return torch.randperm(n, generator=generator).split(options.batch)[step % per_epoch]


def train(options: argparse.Namespace) -> tuple[Reader, float]:
    """The trained reader and the CPU seconds it took, images included."""
    began = time.process_time()
    torch.set_num_threads(1)
    images, labels = digits(options.images, seed=1000 + options.seed, progress=True)
    x = prepared(images)
    model, file = started(options), options.out / "checkpoint.pt"
    optimizer = torch.optim.AdamW(model.parameters(), lr=options.rate, weight_decay=0.02)
    step, spent, settings = 0, 0.0, {k: v for k, v in vars(options).items() if k not in ("out", "every")}
    if file.exists():
        state = torch.load(file, weights_only=True)
        if state["settings"] != settings:
            raise SystemExit(f"{file} is of another run: remove it, or give another --out")
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        step, spent = state["step"], state["seconds"]
    total = options.epochs * (len(x) // options.batch)
    bar = tqdm(range(step, total), initial=step, total=total, desc="steps", mininterval=1.0)
    for t in bar:
        generator = torch.Generator().manual_seed(7_000_003 * (options.seed + 1) + t)
        at = batch_of(t, len(x), options)
        for group in optimizer.param_groups:
            group["lr"] = rate(t / total, options.rate)
        model.train()
        optimizer.zero_grad()
        loss = loss_of(model, shifted(x[at], generator), labels[at])
        loss.backward()
        optimizer.step()
        if t % 20 == 0:
            bar.set_postfix(loss=f"{loss.item():.3f}")
        if (t + 1) % options.every == 0 or t + 1 == total:
            now = spent + time.process_time() - began
            state = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
            save({**state, "step": t + 1, "seconds": now, "settings": settings}, file)
    return model, torch.load(file, weights_only=True)["seconds"]


def measured(model: Reader, n: int, seed: int) -> dict:
    images, labels = digits(n, seed)
    found = read(model, images)
    right = found == labels
    return {
        "images": n,
        "seed": seed,
        "exact": right.all(1).double().mean().item(),
        "characters": right.double().mean().item(),
        "by place": right.double().mean(0).tolist(),
        "without a reading": (found[:, 0] < 0).sum().item(),
    }


def arguments(words: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("_build/captcha"), help="folder of all results")
    parser.add_argument("--conv", choices=("separable", "standard"), default="separable")
    parser.add_argument("--head", choices=("ctc", "heads"), default="ctc")
    parser.add_argument("--width", type=int, default=64, help="channels of the first two layers")
    parser.add_argument("--images", type=int, default=8000)
    parser.add_argument("--epochs", type=int, default=9)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rate", type=float, default=0.004, help="the largest of the cycle")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--every", type=int, default=100, help="steps between checkpoints")
    parser.add_argument("--test", action="store_true", help="the 500 test images, not those for choosing")
    parser.add_argument("--quick", action="store_true", help="256 images, 2 epochs, 16 channels")
    options = parser.parse_args(words)
    if options.quick:
        options.images, options.epochs, options.width, options.every = 256, 2, 16, 3
    return options


def main() -> None:
    options = arguments()
    options.out.mkdir(parents=True, exist_ok=True)
    model, seconds = train(options)
    result = measured(model, 500, seed=1 if options.test else 2)
    result |= {"cpu seconds": seconds, "parameters": sum(p.numel() for p in model.parameters())}
    half = {k: v.half() if v.is_floating_point() else v for k, v in model.state_dict().items()}
    save(half, options.out / "model.pt")
    settings = {k: str(v) for k, v in vars(options).items()}
    (options.out / "result.json").write_text(json.dumps(result | {"settings": settings}, indent=1))
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
