"""D-forms: what holds exactly, agreement with mpmath and with hand-made solids, what breaks."""

import base64
import json
import math
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
import torch
from helpers import F64, INF, assert_derivatives, close, column, seeded
from mpmath import mp
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.special import ellipeinc

from lemmata.geometry import dform, dform_curve, dform_volume, ellipse_arclength
from lemmata.geometry._dforms import ellipse, oval, solid
from lemmata.geometry._dforms.pieces import cardinal_sine, root
from lemmata.numerics.legendre import legendre

BOOK = Path(__file__).parents[2] / "book/geometry"
RATIOS = [1.01, 1.5, 2.0, 10.0, 100.0]


# ------------------------------------------------------------------- the oracle


def exact_length(t, a, b):
    with mp.workdps(30):
        return float(mp.mpf(b) * mp.ellipe(mp.mpf(t), 1 - (mp.mpf(a) / mp.mpf(b)) ** 2))


def exact_volume(r):
    """By SciPy's quadrature in the eccentric angle, its elliptic integral and its root finder."""
    m, n, l = 1 - r**2, 1 - 1 / r**2, ellipeinc(math.pi / 2, 1 - r**2)

    def term(t):
        s = ellipeinc(t, m)
        tau = brentq(lambda v: r * ellipeinc(v, n) - s, 0, math.pi / 2, xtol=1e-15)
        first = (r * math.sin(t)) ** 2 + math.cos(t) ** 2
        second = math.sin(tau) ** 2 + (r * math.cos(tau)) ** 2
        difference = (r**2 * math.sin(t) * math.cos(tau)) ** 2 - (math.cos(t) * math.sin(tau)) ** 2
        return math.sin(t) * math.cos(tau) * math.sqrt(max(0.0, difference) / first / second) * first**0.5

    middle = brentq(lambda v: ellipeinc(v, m) - l / 2, 0, math.pi / 2, xtol=1e-15)
    return 8 * quad(term, 0, middle, epsabs=0, epsrel=1e-12, limit=200)[0]


def falling(*shape, seed=0):
    """Curvatures that do not increase."""
    return torch.rand(*shape, generator=seeded(seed), dtype=F64).flip(-1).cumsum(-1).flip(-1)


# ------------------------------------------------------------------- identity


def test_a_circle_has_its_arc_for_length():
    t = column([-7.0, -1.0, 0.0, 0.5, 2.0, 30.0])
    torch.testing.assert_close(ellipse_arclength(t, 3.0, 3.0), 3 * t, rtol=1e-15, atol=0)


def test_the_four_quarters_have_one_length():
    quarter = ellipse_arclength(math.pi / 2, 2.0, 1.0)
    ends = ellipse_arclength(torch.arange(1, 9, dtype=F64) * math.pi / 2, 2.0, 1.0)
    torch.testing.assert_close(ends, quarter * torch.arange(1, 9), rtol=1e-14, atol=0)
    torch.testing.assert_close(ellipse_arclength(math.pi / 2, 1.0, 2.0), quarter, rtol=1e-14, atol=0)


@pytest.mark.parametrize("r", [1.5, 2.0, 10.0])
def test_the_seam_has_its_length_and_keeps_to_both_sheets(r):
    """Both planar sheets have its coordinates y and z at the same distance along their edges."""
    n = 400
    seam = dform_curve(r, 1.0, n)
    l = ellipse_arclength(math.pi / 2, r, 1.0)
    chords = seam.diff(dim=0).norm(dim=-1)
    assert (chords.sum() - l).abs() < 5e-4 * l
    assert (chords / (l / n)).sub(1).abs().max() < 0.02
    t = torch.asin(seam[1:-1, 1].clamp(max=1))
    s = l * torch.arange(1, n, dtype=F64) / n
    torch.testing.assert_close(ellipse_arclength(t, r, 1.0), s, rtol=1e-9, atol=1e-9 * r)


def test_the_two_halves_of_the_seam_are_mirrored():
    for n in (1, 2, 5, 8):
        seam = dform_curve(3.0, 1.0, n)
        x, y, z = seam.unbind(-1)
        torch.testing.assert_close(x, x[-1] - x.flip(0), rtol=1e-13, atol=1e-13)
        torch.testing.assert_close(y, z.flip(0), rtol=1e-13, atol=1e-13)
        assert seam.shape == (n + 1, 3)
        close(y[-1].item(), 1.0)
        assert y[0] == 0
        assert x[0] == 0


def test_volume_scales_and_does_not_know_the_order_of_the_axes():
    for unit in (1e-90, 0.5, 7.0, 1e90):
        value = dform_volume(unit * 2.0, unit) / unit**3
        close(value.item(), dform_volume(2.0, 1.0).item())
    assert torch.equal(dform_volume(1.0, 2.0), dform_volume(2.0, 1.0))


def test_a_circle_is_flat():
    a = torch.tensor(1.25, dtype=F64, requires_grad=True)
    volume = dform_volume(a, 1.25)
    assert volume == 0
    assert torch.autograd.grad(volume, a)[0] == 0
    assert dform_curve(1.25, 1.25, 4)[:, 0].abs().max() == 0
    assert dform(torch.full((5,), 0.5, dtype=F64))[1] == 0


def test_the_solids_of_ellipses_are_convex():
    for r in (1.01, 1.2, 2.0, 5.0, 20.0):
        x, y, z = dform_curve(r, 1.0, 300).unbind(-1)
        for height in (y, z):
            slopes = height.diff() / x.diff()
            assert (slopes.diff() < 1e-7).all()


def test_the_solids_of_ovals_whose_curvature_falls_are_convex():
    first, second = falling(50, 40), falling(50, 40, seed=1)
    second = second * (first.sum(-1) / second.sum(-1)).unsqueeze(-1)
    for other in (None, second):
        x, y, z = dform(first, other)[0].unbind(-1)
        for height in (y, z):
            slopes = height.diff() / x.diff()
            assert (slopes.diff() < 1e-9 * slopes.abs().amax()).all()


def test_exchanging_the_sheets_turns_the_solid_round():
    first, second = column([3.0, 2.0, 1.0]), column([4.0, 1.5, 0.5])
    one, other = dform(first, second), dform(second, first)
    torch.testing.assert_close(one[1:], other[1:], rtol=1e-13, atol=0)
    x, y, z = one[0].flip(0).unbind(-1)
    torch.testing.assert_close(torch.stack([x[0] - x, z, y], -1), other[0], rtol=1e-13, atol=1e-14)


def test_one_arc_cut_in_pieces_is_the_same_oval():
    coarse, fine = column([3.0, 2.0, 1.0]), column([3.0] * 2 + [2.0] * 2 + [1.0] * 2)
    one, other = dform(coarse), dform(fine)
    torch.testing.assert_close(one[1:], other[1:], rtol=1e-12, atol=0)
    torch.testing.assert_close(one[0], other[0][::2], rtol=1e-12, atol=1e-14)


# ------------------------------------------------------------------- agreement


@pytest.mark.parametrize("r", [0.01, 0.5, *RATIOS, 1000.0])
def test_the_arc_length_agrees_with_mpmath(r):
    """Terms of Landen's transformation cancel by a part of the ratio: 1e-12 of the length is not exceeded."""
    t = column([-2.0, 1e-3, 0.25, 1.0, 1.5, 3.0, 4.5])
    got = ellipse_arclength(t, r, 1.0)
    for value, at in zip(got.tolist(), t.tolist(), strict=True):
        assert value == pytest.approx(exact_length(at, r, 1.0), rel=2e-13 * max(r, 1 / r) ** 0.5)


@pytest.mark.parametrize("r", [1.0, 14.0, 100.0, 1000.0])
def test_short_arcs_at_the_end_of_a_long_axis_lose_digits_with_the_square_of_the_ratio(r):
    for t in (1e-12, 1e-8, 1e-5):
        for a, b, loss in ((r, 1.0, 5e-16 * r * r), (1.0, r, 0.0)):
            got = ellipse_arclength(t, a, b).item()
            assert got == pytest.approx(exact_length(t, a, b), rel=4e-15 + loss)


@pytest.mark.parametrize("r", RATIOS)
def test_the_inverse_undoes_the_arc_length(r):
    a, b = column([r]).expand(41), column([1.0]).expand(41)
    for p, q, end in ((a, b, 1.0), (b, a, 0.5)):
        s = (
            ellipse.arclength(column([math.pi / 2]), p[:1], q[:1])
            * end
            * torch.linspace(0, 1, 41, dtype=F64) ** 3
        )
        t = ellipse.eccentric(s, p, q)
        assert (t >= 0).all()
        assert (t <= math.pi / 2 + 1e-12).all()
        torch.testing.assert_close(ellipse.arclength(t, p, q), s, rtol=1e-11, atol=1e-16)


@pytest.mark.parametrize(
    ("r", "tolerance"),
    [(1.01, 1e-13), (1.5, 1e-14), (2.0, 1e-14), (10.0, 1e-14), (30.0, 1e-13), (100.0, 1e-12)],
)
def test_the_volume_agrees_with_scipy(r, tolerance):
    assert dform_volume(r, 1.0).item() == pytest.approx(exact_volume(r), rel=tolerance)


def test_known_numbers_of_two_to_one():
    l = ellipse_arclength(math.pi / 2, 2.0, 1.0).item()
    assert l == pytest.approx(2.4221120551369190, rel=1e-14)
    seam = dform_curve(2.0, 1.0, 2)
    assert seam[-1, 0].item() == pytest.approx(1.56975737884, rel=1e-11)
    assert seam[1].tolist() == pytest.approx([1.56975737884 / 2, 0.804116390975438, 0.804116390975438], 1e-11)
    assert dform_volume(2.0, 1.0).item() == pytest.approx(3.16746359186, rel=1e-11)


def test_stadiums_make_half_cylinders():
    for n in (1, 4):
        arcs = torch.cat([torch.full((n,), 2.0), torch.zeros(n)]).to(F64)
        seam, volume, surface = dform(arcs)
        close(volume.item(), 2 * math.pi / 8)
        close(surface.item(), 6 * math.pi / 4)
        middle = [0.5, 0.5, 0.5]
        torch.testing.assert_close(seam[n], column(middle), rtol=1e-14, atol=0)
        torch.testing.assert_close(seam[-1], column([1.0, 0.5, 0.0]), rtol=1e-14, atol=1e-16)
        torch.testing.assert_close(seam[0], column([0.0, 0.0, 0.5]), rtol=1e-14, atol=0)


def test_ovals_close_in_on_the_ellipse():
    """The arcs' error falls with the square of their number."""
    gaps = []
    for n in (32, 64):
        l = ellipse_arclength(math.pi / 2, 2.0, 1.0)
        a, b = column([2.0]).expand(n + 1), column([1.0]).expand(n + 1)
        t = ellipse.eccentric(l * torch.linspace(0, 1, n + 1, dtype=F64), a, b)
        turned = torch.atan2(2 * t.sin(), t.cos())
        _, volume, surface = dform(turned.diff() * n / l)
        assert abs(surface.item() / (4 * math.pi) - 1) < 1 / n**2
        gaps.append(volume.item() - dform_volume(2.0, 1.0).item())
    assert 3.8 < gaps[0] / gaps[1] < 4.2
    assert abs(gaps[1]) < 1e-3


def test_few_arcs_cost_no_digits(monkeypatch):
    """A disc with a stadium: within the second arc the integrand has a branch point a third of it away."""
    disc, stadium = column([1.0, 1.0]), column([2.0, 0.0])
    few = dform(disc, stadium)
    monkeypatch.setattr(oval, "RULE", legendre(48))
    torch.testing.assert_close(few[1:], dform(disc, stadium)[1:], rtol=2e-15, atol=0)


def test_the_surface_of_two_different_ovals_is_that_of_both():
    first, second = column([3.0, 2.0, 1.0]), column([4.0, 1.5, 0.5])
    alone = [dform(sheet)[2].item() for sheet in (first, second)]
    close(dform(first, second)[2].item(), sum(alone) / 2)


def test_derivatives_of_both_orders(monkeypatch):
    """With three nodes: the code is the same."""
    monkeypatch.setattr(solid, "RULE", legendre(3))
    monkeypatch.setattr(oval, "RULE", legendre(2))
    a, b = column([2.0, 3.0]), column([1.0, 1.2])
    arcs, share = column([3.0, 2.0, 0.0]), column([4.0, 1.0, 0.0]) / 5
    assert_derivatives(dform_volume, a[:1], b[:1])
    assert_derivatives(ellipse_arclength, column([0.3, 2.0]), a, b)
    assert_derivatives(lambda s: ellipse.eccentric(s, a[:1], b[:1]), column([0.4]))
    assert_derivatives(lambda k: dform(k, k.sum() * share)[:2], arcs + 0.01)


def test_one_newton_step_has_a_wrong_second_derivative():
    """Why ``eccentric`` takes two: the difference is that of the theorem."""
    a, b, s = column([2.0]), column([1.0]), column([1.0])
    known = ellipse.eccentric(s, a, b).detach()

    def second(steps):
        def at(s):
            return ellipse._newton(known, s, a, b, steps=steps).sum()

        return torch.func.hessian(at)(s).item()

    def speed(t):
        return ellipse.speed(t, a, b).sum()

    slope = torch.func.grad(speed)(known).item()  # F_tt; F_s = -1
    close(second(1) - second(2), slope / speed(known).item() ** 3, 1e-10)


# ------------------------------------------------------------------- the page


def notebook_html(mark):
    cells = json.loads((BOOK / "dforms.ipynb").read_text(encoding="utf-8"))["cells"]
    found = [
        "".join(output["data"]["text/html"])
        for cell in cells
        for output in cell.get("outputs", [])
        if mark in "".join(output.get("data", {}).get("text/html", ""))
    ]
    assert len(found) == 1, mark
    return found[0]


def test_the_nets_can_be_downloaded_and_fit_together():
    """Equal distances along the edges, true size in millimetres, and both sheets equal."""
    page = notebook_html("dform-nets")
    data = re.search(r'href="data:image/svg\+xml;base64,([^"]+)"', page)[1]
    assert len(data) < 40_000
    svg = ElementTree.fromstring(base64.b64decode(data).decode())
    space = "{http://www.w3.org/2000/svg}"
    assert svg.get("width") == "297mm"
    assert svg.get("viewBox") == "0 0 297 210"
    edges = [{key: float(v) for key, v in edge.attrib.items()} for edge in svg.iter(f"{space}ellipse")]
    assert len(edges) == 2
    ticks = [
        [float(v) for v in re.findall(r"[\d.]+", path.get("d"))][:2] for path in svg.iter(f"{space}path")
    ]
    numbers = [int(text.text) for text in svg.iter(f"{space}text")]
    assert numbers == [*range(48), *range(48)]
    for edge, marks, start, way in zip(edges, (ticks[:48], ticks[48:]), (0, 12), (1, -1), strict=True):
        a, b = edge["rx"], edge["ry"]
        assert a / b == pytest.approx(2.318033, rel=1e-5)
        assert edge["cx"] - a > 5
        assert edge["cy"] - b > 5
        assert edge["cy"] + b < 205
        angles = [math.atan2((edge["cy"] - y) / b, (x - edge["cx"]) / a) for x, y in marks]
        quarter = ellipse_arclength(math.pi / 2, a, b).item()
        for i, at in enumerate(angles):
            along = ellipse_arclength(at, a, b).item() / quarter * 12
            assert abs((along - start - way * i + 24) % 48 - 24) < 1e-3


def test_the_turning_solid_needs_no_network_and_little_room():
    page = notebook_html("dform-turn")
    assert len(page) < 20_000
    assert "http" not in page
    assert "prefers-reduced-motion" in page
    assert 'type="range"' in page
    seam = json.loads(re.search(r"const seam = (\[\[.*?\]\]);", page)[1])
    torch.testing.assert_close(column(seam), dform_curve(2.0, 1.0, 40), rtol=0, atol=6e-5)


# ------------------------------------------------------------------- failure


def test_axes_that_are_too_different_are_refused():
    for a, b in ((1001.0, 1.0), (1.0, 1001.0), (INF, 1.0)):
        with pytest.raises(ValueError, match="ratio of at most 1000"):
            dform_volume(a, b)
    assert dform_volume(1000.0, 1.0).isfinite()
    thin = torch.vmap(dform_volume)(column([2000.0, 2.0]), column([1.0, 1.0]))  # where nobody can look
    assert thin.isnan().tolist() == [True, False]


def test_ovals_that_do_not_close_up_are_refused():
    with pytest.raises(ValueError, match="curvature must close up"):
        dform(column([1.0, 2.0, 3.0]))
    rows = torch.vmap(dform)(column([[1.0, 2.0], [2.0, 1.0]]))
    assert rows[1].isnan().tolist() == [True, False]
    torch.testing.assert_close(rows[1][1], dform(column([2.0, 1.0]))[1])


def test_a_growing_curvature_can_be_mended_by_the_other_sheet():
    """phi >= chi is what counts: one sheet may miss what the other has to spare."""
    assert dform(column([1.9, 2.1]), column([3.5, 0.5]))[1] > 0


def test_wrong_curvatures_are_refused_by_name():
    for wrong, message in (
        (column([-1.0, 2.0]), "curvature must not be negative"),
        (column([0.0, 0.0]), "curvature must have a positive entry"),
        (torch.ones(0, dtype=F64), "curvature must be .* with at least one arc"),
        (torch.tensor(1.0), "curvature must be"),
    ):
        with pytest.raises(ValueError, match=message):
            dform(wrong)
    with pytest.raises(ValueError, match="other must have the sum"):
        dform(column([2.0, 1.0]), column([2.0, 1.1]))
    with pytest.raises(ValueError, match="other must have shape"):
        dform(column([2.0, 1.0]), column([3.0]))
    for wrong in (torch.tensor([2, 1]), [2.0, 1.0]):
        with pytest.raises(TypeError, match="other must be"):
            dform(column([2.0, 1.0]), wrong)
    dform(torch.tensor([2.0, 1.0]), torch.tensor([2.9999998, 0.0]))  # equal up to rounding


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_many_arcs_in_low_precision_do_not_hide_another_perimeter(dtype):
    arcs = torch.linspace(1, 0.2, 32).to(dtype)
    share = torch.linspace(2, 0, 32)
    dform(arcs, (share / share.sum() * arcs.float().sum()).to(dtype))
    dform(arcs.double(), (share / share.sum() * arcs.float().sum()).to(dtype))
    with pytest.raises(ValueError, match="other must have the sum"):
        dform(arcs, 1.1 * arcs)


def test_sheets_of_different_perimeters_are_nan_where_nobody_can_look():
    rows = torch.vmap(dform)(column([[2.0, 1.0], [2.0, 1.0]]), column([[2.0, 1.1], [2.5, 0.5]]))
    assert rows[1].isnan().tolist() == [True, False]


def test_the_cardinal_sine_has_two_derivatives_at_0():
    x = column([0.0, 0.0499999, 0.0500001, 1.0, 3.0])
    torch.testing.assert_close(cardinal_sine(x), torch.sinc(x / math.pi), rtol=1e-15, atol=0)
    assert_derivatives(cardinal_sine, column([0.0, 0.02, 1.0]))
    bend = torch.func.grad(torch.func.grad(cardinal_sine))(column(0.0))
    close(bend.item(), -1 / 3)


def test_the_root_has_slope_0_where_it_is_0():
    x = column([-1.0, 0.0, 4.0]).requires_grad_()
    y = root(x)
    assert y.tolist() == [0.0, 0.0, 2.0]
    assert torch.autograd.grad(y.sum(), x)[0].tolist() == [0.0, 0.0, 0.25]
    assert root(column([math.nan])).isnan().all()


def test_numbers_have_no_say_in_the_dtype():
    half = torch.tensor(0.5, dtype=torch.float16)
    assert ellipse_arclength(half, 2.0, 1.0).dtype == torch.float16
    assert ellipse_arclength(0.5, 2 * half, 1.0).dtype == torch.float16
    assert ellipse_arclength(half, 2 * half.double(), 1.0).dtype == torch.float64
    assert ellipse_arclength(0.5, 2.0, 1.0).dtype == torch.float64
    assert dform_volume(half, 1.0).dtype == torch.float16


def test_float32_is_rounded_once():
    a = torch.tensor([1.0001, 2.0, 30.0])
    exact = dform_volume(a.double(), 1.0)
    assert torch.equal(dform_volume(a, 1.0), exact.float())
    assert oval.SLACK < 1e-10
