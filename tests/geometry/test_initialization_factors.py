"""The Q of QR by matrix products: the one of LAPACK, as orthogonal, and right for what is singular."""

import pytest
import torch
from helpers import F64, Draw, seeded
from torch import nn

from lemmata.geometry import gram_error, orthogonal_
from lemmata.geometry._initialization import factors, orthogonal

F32 = torch.float32


def by_lapack(a):
    """In float64, with the signs that make it unique."""
    q, r = torch.linalg.qr(a.double())
    return q * torch.where(r.diagonal() < 0, -1.0, 1.0)


def departure(q):
    return gram_error(q.double()).sqrt().item()


# --------------------------------------------------------------------------- identity


@pytest.mark.parametrize("shape", [(1, 1), (5, 5), (300, 200), (193, 193), (500, 384), (400, 385)])
@pytest.mark.parametrize("transposed", [False, True])
def test_panels_of_reflections_give_the_q_of_lapack(shape, transposed):
    a = Draw(0).normal(*shape, dtype=F32)
    a = a.mT.contiguous().mT if transposed else a
    expected = by_lapack(a)
    q = a.clone()
    factors.by_reflections(q)
    assert q.stride() == a.stride()
    assert (q - expected).abs().max() < 1e-3 * (0.02 if shape[0] > shape[1] else 1)  # the condition differs
    assert departure(q) < 2e-6 * shape[1] ** 0.5


@pytest.mark.parametrize("kind", ["zero", "zero column", "equal columns", "triangular", "identity"])
def test_reflections_of_singular_and_triangular_matrices(kind):
    a = Draw(0).normal(300, 250, dtype=F32)
    if kind == "zero":
        a.zero_()
    elif kind == "zero column":
        a[:, 100] = 0
    elif kind == "equal columns":
        a[:, 201] = a[:, 3]
    elif kind == "triangular":
        a = a.triu()
    else:
        a = torch.eye(300, 250)
    factors.by_reflections(a)
    assert departure(a) < 3e-5
    if kind == "identity":
        assert torch.equal(a, torch.eye(300, 250))


@pytest.mark.parametrize("n", [100, 256, 257, 600])
def test_groups_have_the_factor_of_lapack(n):
    a = Draw(0).normal(3 * n, n)
    gram = factors._gram(a)
    torch.testing.assert_close(gram.triu(), (a.mT @ a).triu(), rtol=1e-12, atol=1e-11)
    expected = torch.linalg.cholesky(a.mT @ a, upper=True)
    r, inverses = factors._factor(gram)
    for k, inverse in enumerate(inverses):
        rows = slice(factors.GROUP * k, factors.GROUP * (k + 1))
        torch.testing.assert_close(expected[rows, rows] @ inverse, torch.eye(len(inverse), dtype=F64))
        torch.testing.assert_close(r[rows, rows.stop :], expected[rows, rows.stop :])


@pytest.mark.parametrize("shape", [(2400, 600), (17000, 130)])
@pytest.mark.parametrize("transposed", [False, True])
def test_groups_and_blocks_give_the_q_of_lapack(shape, transposed):
    a = Draw(0).normal(*shape, dtype=F32)
    a = a.mT.contiguous().mT if transposed else a
    expected = by_lapack(a)
    assert factors.by_cholesky(a)
    assert (a - expected).abs().max() < 2e-6


def test_what_cholesky_gives_up_is_not_touched():
    a = Draw(0).normal(1300, 300, dtype=F32)
    a[:, 280] = a[:, 5]
    kept = a.clone()
    assert not factors.by_cholesky(a)
    assert torch.equal(a, kept)


# --------------------------------------------------------------------------- agreement: torch


@pytest.mark.parametrize("shape", [(800, 800), (1000, 800), (780, 900), (3200, 800), (800, 3300)])
def test_large_matrices_are_those_of_torch(shape):
    ours, theirs = (
        init(torch.empty(shape), generator=seeded()) for init in (orthogonal_, nn.init.orthogonal_)
    )
    assert (ours - theirs).abs().max() < (1e-4 if min(shape) == max(shape) else 1e-5)
    ours, theirs = (departure(q if shape[0] >= shape[1] else q.T) for q in (ours, theirs))
    assert ours < 1.05 * theirs


def test_panels_are_taken_from_the_stated_shape_on(monkeypatch):
    calls = []
    work = orthogonal.by_reflections
    monkeypatch.setattr(orthogonal, "by_reflections", lambda a: calls.append(a.shape) or work(a))
    for shape, dtype in [((768, 768), F32), ((900, 767), F32), ((768, 900), F32), ((768, 768), F64)]:
        orthogonal_(torch.empty(shape, dtype=dtype), generator=seeded())
    assert calls == [(768, 768), (900, 768)]
    batch = orthogonal_(torch.empty(2, 770, 769), generator=seeded(), batched=True)
    assert calls[2:] == [(770, 769)] * 2
    assert all(departure(q) < 1e-4 for q in batch)
