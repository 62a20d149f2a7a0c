"""Steps: identities, agreement with closed forms and torch's optimisers, what breaks."""

import copy
import math

import pytest
import torch
from helpers import DTYPES, F64, INF, NAN, column, seeded

from lemmata.training import Polyak, polyak_step, steepest_direction

NORMS = ("l1", "l2", "linf", "spectral")


def gaussian(*shape, seed=0):
    return torch.randn(shape, generator=seeded(seed), dtype=F64)


def length(v, norm):
    """The norm that a direction is to have the length 1 in."""
    if norm == "spectral":
        return torch.linalg.matrix_norm(v, 2)
    return torch.linalg.vector_norm(v, {"l1": 1, "l2": 2, "linf": INF}[norm])


def rate(g, norm):
    """The dual norm."""
    if norm == "spectral":
        return torch.linalg.svdvals(g).sum()
    return torch.linalg.vector_norm(g, {"l1": INF, "l2": 2, "linf": 1}[norm])


def take(optimizer, loss_of):
    """One step."""

    def closure():
        optimizer.zero_grad()
        loss = loss_of()
        loss.backward()
        return loss

    return optimizer.step(closure)


# ------------------------------------------------------------------- identity


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("shape", [(3, 5), (5, 3), (1, 4), (4, 4)])
def test_direction_has_length_one_and_reaches_the_dual_norm(norm, shape):
    """Implements dynamics-steepest: length 1, and the rate that no direction beats."""
    g = gaussian(*shape)
    v = steepest_direction(g, norm)
    torch.testing.assert_close(length(v, norm), torch.ones((), dtype=F64))
    torch.testing.assert_close((g * v).sum(), -rate(g, norm))
    others = gaussian(50, *shape, seed=1)
    for other in others:
        assert (g * other).sum() / length(other, norm) >= (g * v).sum() - 1e-12


def test_directions_of_known_gradients():
    g = column([3.0, -4.0])
    assert steepest_direction(g).tolist() == [-0.6, 0.8]
    assert steepest_direction(g, "linf").tolist() == [-1.0, 1.0]
    assert steepest_direction(g, "l1").tolist() == [0.0, 1.0]
    assert steepest_direction(column([2.0, -2.0]), "l1").tolist() == [-1.0, 0.0]
    assert steepest_direction(column([0.0, 5.0, -0.1]), "linf").tolist() == [0.0, -1.0, 1.0]


def test_spectral_direction_of_a_rotation_is_minus_the_rotation():
    turn = column([[0.6, -0.8], [0.8, 0.6]])
    torch.testing.assert_close(steepest_direction(7e5 * turn, "spectral"), -turn)


@pytest.mark.parametrize("norm", NORMS)
def test_axes_choose_what_is_one_vector(norm):
    g = gaussian(2, 3, 4)
    matrix = norm == "spectral"
    got = steepest_direction(g, norm, dim=(0, 2))
    for j in range(3):
        torch.testing.assert_close(got[:, j], steepest_direction(g[:, j], norm))
    if matrix:
        got = steepest_direction(g, norm)
        torch.testing.assert_close(got[1], steepest_direction(g[1], norm))
        turned = steepest_direction(g, norm, dim=(2, 0))
        torch.testing.assert_close(turned, steepest_direction(g, norm, dim=(0, 2)))
    else:
        torch.testing.assert_close(
            steepest_direction(g, norm, dim=-1)[1, 2], steepest_direction(g[1, 2], norm)
        )
        torch.testing.assert_close(
            steepest_direction(g, norm), steepest_direction(g.flatten(), norm).view(g.shape)
        )


def test_one_number_is_a_vector():
    assert [steepest_direction(column(-3.0), norm).item() for norm in NORMS[:3]] == [1.0, 1.0, 1.0]


@pytest.mark.parametrize("lr", [0.5, 1.0, 1.5])
def test_polyak_brings_the_minimum_nearer(lr):
    """dynamics-polyak-step, along a path on a convex loss that is no quadratic."""
    x, goal = column([3.0, -2.0, 0.7]), column([1.0, 1.0, 1.0])
    for _ in range(30):
        x.requires_grad_()
        loss = (x - goal).pow(4).sum() + (x - goal).abs().sum()
        (g,) = torch.autograd.grad(loss, x)
        before = (x.detach() - goal).square().sum()
        x = x.detach() + polyak_step(g, loss, lr=lr)
        bound = before - lr * (2 - lr) * loss.detach() ** 2 / g.square().sum()
        assert (x - goal).square().sum() <= bound + 1e-12


def test_wrong_target_doubles_the_angle():
    """dynamics-wrong-target: x = sqrt(2 d) cot(phi) goes to sqrt(2 d) cot(2 phi)."""
    d, phi = 0.3, torch.linspace(0.1, 1.5, 15, dtype=F64)
    x = math.sqrt(2 * d) / phi.tan()
    steps = polyak_step(x, x.square() / 2, -d)
    torch.testing.assert_close(x + steps, math.sqrt(2 * d) / (2 * phi).tan(), rtol=1e-11, atol=1e-11)


def test_target_above_the_loss_means_no_step():
    g, loss = gaussian(3, 2), column([1.0, 2.0, 3.0])
    step = polyak_step(g, loss, 2.0)
    assert (step[:2] == 0).all()
    assert (step[2] != 0).all()
    assert torch.equal(step, polyak_step(g, loss, column([2.0])))
    assert torch.equal(polyak_step(g, loss, column([9.0, 2.0, 2.0]))[2], step[2])


def test_capped_step_is_no_longer_than_the_caps():
    """dynamics-clipped: the length is L min(1/|g|, M); the other cap is that of a learning rate."""
    g, loss = (
        gaussian(6, 4) * column([[1e-3], [0.1], [1.0], [3.0], [10.0], [1e3]]),
        torch.full((6,), 2.0, dtype=F64),
    )
    norm = g.norm(dim=1)
    capped = polyak_step(g, loss, lr=0.5, max_scale=0.7).norm(dim=1)
    torch.testing.assert_close(capped, 0.5 * 2 * torch.minimum(1 / norm, torch.full_like(norm, 0.7)))
    capped = polyak_step(g, loss, lr=0.5, max_lr=0.7).norm(dim=1)
    torch.testing.assert_close(capped, 0.5 * torch.minimum(2 / norm, 0.7 * norm))


def test_several_tensors_share_one_norm():
    a, b, loss = gaussian(3, 2), gaussian(3, 4, 2, seed=1), column([1.0, 2.0, 3.0])
    square = a.square().sum(1) + b.square().sum((1, 2))
    one, other = polyak_step([a, b], loss)
    torch.testing.assert_close(one, -(loss / square)[:, None] * a)
    torch.testing.assert_close(other, -(loss / square)[:, None, None] * b)
    assert isinstance(polyak_step((a,), loss), tuple)


def test_optimizer_solves_equations():
    X, y = gaussian(6, 9), gaussian(6, seed=1)
    w, b = (torch.nn.Parameter(torch.zeros(n, dtype=F64)) for n in (9, 1))
    optimizer = Polyak([{"params": [w]}, {"params": [b]}])

    def loss_of():
        return (X @ w + b - y).square().mean()

    first = take(optimizer, loss_of)
    assert first.item() == pytest.approx(y.square().mean().item())
    for _ in range(300):
        last = take(optimizer, loss_of)
    assert last < 1e-12


# ------------------------------------------------------------------- agreement


def test_optimizer_takes_the_step_of_the_function():
    start = [gaussian(3, 2), gaussian(4, seed=1)]
    parameters = [torch.nn.Parameter(x.clone()) for x in start]
    optimizer = Polyak(parameters, 0.25, lr=0.8, max_lr=0.3, max_scale=0.9)
    loss = take(optimizer, lambda: sum(p.pow(4).sum() for p in parameters))
    steps = polyak_step([4 * x**3 for x in start], loss.detach(), 0.25, lr=0.8, max_lr=0.3, max_scale=0.9)
    for p, x, step in zip(parameters, start, steps, strict=True):
        torch.testing.assert_close(p.detach(), x + step)


def test_groups_have_rates_of_their_own():
    p, q = (torch.nn.Parameter(column([1.0])) for _ in range(2))
    optimizer = Polyak([{"params": [p]}, {"params": [q], "lr": 0.5}])
    take(optimizer, lambda: (p.square() + q.square()).sum() / 2)
    assert (p.item(), q.item()) == pytest.approx((0.5, 0.75))


def test_a_saved_optimizer_goes_on_as_it_would_have():
    p = torch.nn.Parameter(column([3.0, -1.0]))
    optimizer = Polyak([p], -0.5, lr=0.7)
    optimizer.param_groups[0]["f_star"] = -0.25
    state = copy.deepcopy(optimizer.state_dict())
    other_p = torch.nn.Parameter(p.detach().clone())
    other = Polyak([other_p])
    other.load_state_dict(state)
    for o, x in ((optimizer, p), (other, other_p)):
        for _ in range(3):
            take(o, lambda x=x: x.square().sum())
    assert torch.equal(p, other_p)


def test_schedulers_of_torch_work():
    p = torch.nn.Parameter(column([1.0]))
    optimizer = Polyak([p])
    scheduler = torch.optim.lr_scheduler.LinearLR(optimizer, 0.5, 0.5, 1)
    take(optimizer, lambda: p.square().sum() / 2)
    assert p.item() == 0.75
    scheduler.step()


@pytest.mark.parametrize("dtype", DTYPES)
def test_half_types_and_rank(dtype):
    """What rounding adds to a matrix of rank one is left out of its spectral direction."""
    a, b = gaussian(40, 1), gaussian(1, 30, seed=1)
    exact = -(a / a.norm()) @ (b / b.norm())
    v = steepest_direction((a @ b).to(dtype), "spectral")
    assert v.dtype == dtype
    assert (v.double() - exact).norm() < 8 * torch.finfo(dtype).eps


@pytest.mark.parametrize("dtype", [F64, torch.float32])
@pytest.mark.parametrize("unit", [1e-30, 1e30])
def test_the_unit_does_not_matter(dtype, unit):
    g = gaussian(4, 3).to(dtype)
    for norm in NORMS:
        torch.testing.assert_close(
            steepest_direction(unit * g, norm), steepest_direction(g, norm), rtol=1e-5, atol=1e-6
        )
    one = polyak_step(g, torch.ones((), dtype=dtype))
    torch.testing.assert_close(
        polyak_step(unit * g, torch.tensor(unit, dtype=dtype)), one, rtol=1e-5, atol=1e-6
    )


FIRST = {  # at the rate 1, from 0, gradient 3: dynamics-first-step
    "SGD": -3.0,
    "ASGD": -3.0,
    "RAdam": -3.0,
    "LBFGS": -1.0,
    "Adam": -1.0,
    "AdamW": -1.0,
    "Adamax": -1.0,
    "Adagrad": -1.0,
    "Rprop": -1.0,
    "NAdam": -1.0564518,
    "RMSprop": -10.0,
    "Adadelta": -math.sqrt(1e-5),
    "Adafactor": -1e-3,
}


@pytest.mark.parametrize("name", FIRST)
def test_first_steps_of_torch(name):
    """What the table in the chapter rests on; a new torch that changes it fails here."""
    p = torch.nn.Parameter(torch.zeros(1, 1, dtype=F64))
    optimizer = getattr(torch.optim, name)([p], lr=1.0, **({"max_iter": 1} if name == "LBFGS" else {}))
    p.grad = torch.full_like(p, 3.0)
    optimizer.step(*([lambda: torch.ones(())] if name == "LBFGS" else []))
    assert p.item() == pytest.approx(FIRST[name], rel=2e-6)


def moves_of(make, gradient, steps):
    p, found = torch.nn.Parameter(torch.zeros(1, dtype=F64)), []
    optimizer = make([p])
    for _ in range(steps):
        before = p.item()
        p.grad = torch.full_like(p, gradient)
        optimizer.step()
        found.append(p.item() - before)
    return found


def test_nesterov_begins_with_more_than_the_gradient():
    def make(p):
        return torch.optim.SGD(p, lr=1.0, momentum=0.9, nesterov=True)

    assert moves_of(make, 3.0, 1) == pytest.approx([-5.7])


def test_five_steps_of_radam_grow_with_the_loss():
    small, large = (moves_of(lambda p: torch.optim.RAdam(p, lr=1.0), g, 6) for g in (3.0, 3000.0))
    ratios = [b / a for a, b in zip(small, large, strict=True)]
    assert ratios[:5] == pytest.approx([1000.0] * 5)
    assert ratios[5] == pytest.approx(1.0)


# ------------------------------------------------------------------- failure


@pytest.mark.parametrize("norm", NORMS)
def test_zero_and_empty_gradients_have_no_direction(norm):
    for shape in ((2, 3), (0, 3), (2, 0)):
        assert torch.equal(steepest_direction(torch.zeros(shape), norm), torch.zeros(shape))
    batch = torch.stack([torch.zeros(2, 2), torch.eye(2)])
    v = steepest_direction(batch, norm, dim=(1, 2))
    assert (v[0] == 0).all()
    assert (v[1] != 0).any()


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("value", [NAN, INF, -INF])
def test_what_is_not_finite_stays_in_its_row(norm, value):
    g = gaussian(3, 2, 2)
    spoilt = g.clone()
    spoilt[1, 0, 1] = value
    v = steepest_direction(spoilt, norm, dim=(1, 2))
    assert v[1].isnan().all()
    assert torch.equal(v[0], steepest_direction(g, norm, dim=(1, 2))[0])


def test_no_step_where_the_gradient_is_zero():
    assert polyak_step(torch.zeros(3), torch.tensor(2.0)).abs().max() == 0
    assert polyak_step(torch.zeros(3), torch.tensor(2.0), max_lr=1.0, max_scale=2.0).abs().max() == 0
    p = torch.nn.Parameter(torch.ones(2))
    take(Polyak([p]), lambda: (0 * p).sum() + 1)
    assert p.tolist() == [1.0, 1.0]


def test_parameters_without_a_gradient_stay():
    p, q = (torch.nn.Parameter(torch.ones(1)) for _ in range(2))
    optimizer = Polyak([p, q])
    take(optimizer, lambda: p.square().sum() / 2)
    assert (p.item(), q.item()) == (0.5, 1.0)
    assert optimizer.step(lambda: torch.ones(())).item() == 1.0  # q alone, and p's gradient again


def test_optimizer_refuses_by_name():
    p = torch.nn.Parameter(torch.ones(2))
    for wrong in (dict(lr=0.0), dict(lr=INF), dict(max_lr=-1.0), dict(max_scale=0.0), dict(f_star=NAN)):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            Polyak([p], **wrong)
    with pytest.raises(TypeError, match="f_star"):
        Polyak([p], torch.tensor(1.0))
    with pytest.raises(TypeError, match="closure"):
        Polyak([p]).step(None)
    with pytest.raises(TypeError, match="closure"):
        Polyak([p]).step(lambda: 3.0)
    with pytest.raises(ValueError, match="closure"):
        Polyak([p]).step(lambda: torch.ones(2))


def test_functions_refuse_by_name():
    g = torch.ones(2, 3)
    with pytest.raises(ValueError, match=r"grad.*\(3,\)"):
        steepest_direction(torch.ones(3), "spectral")
    with pytest.raises(ValueError, match="dim"):
        steepest_direction(g, "spectral", dim=(0,))
    with pytest.raises(ValueError, match="dim"):
        steepest_direction(g, "l2", dim=(0, -2))
    with pytest.raises(ValueError, match=r"grad.*\(2, 3\) beside \(3,\)"):
        polyak_step(g, torch.ones(3))
    with pytest.raises(ValueError, match="grad"):
        polyak_step([], torch.ones(()))
    with pytest.raises(ValueError, match="f_star"):
        polyak_step(g, torch.ones(2), torch.ones(3))
    with pytest.raises(TypeError, match="grad"):
        polyak_step([g, 3.0], torch.ones(2))
    with pytest.raises(ValueError, match="lr"):
        polyak_step(g, torch.ones(2), lr=INF)
