"""What the solids of two sheets promise."""

from contract import Row, check, compiles, each, exports, fake, meta
from helpers import column

from lemmata.geometry import dform, dform_curve, dform_volume, ellipse_arclength
from lemmata.geometry._dforms import ellipse, oval, solid
from lemmata.numerics.legendre import legendre

TOO_THIN = dict(a=(0.0, -1.0, 1e6), b=(0.0, -1.0, 1e6))


def axes(**more):
    return lambda draw: dict(
        a=draw.uniform(3, low=2.0, high=3.0), b=draw.uniform(3, low=1.0, high=1.5), **more
    )


def arcs(draw):
    return (draw.uniform(3, 4, low=0.5, high=1.0)).flip(-1).cumsum(-1).flip(-1)


EQUAL = column([1.0, 2.0, 3.0])
ROWS = [
    Row(
        ellipse_arclength,
        lambda draw: dict(t=draw.uniform(3, low=0.2, high=1.4), **axes()(draw)),
        scalars=dict(t=0.5, a=2.0, b=1.0),
        takes=dict(t="nan"),
        wrong=TOO_THIN,
        points=(dict(a=EQUAL, b=EQUAL), dict(t=column([0.0, 0.0, 0.0]))),
    ),
    Row(
        dform_volume,
        axes(),
        scalars=dict(a=2.0, b=1.0),
        wrong=TOO_THIN,
        points=(dict(a=EQUAL, b=EQUAL), dict(a=column([1.0, 1.0, 1.0]), b=column([2.0, 3.0, 1.0]))),
    ),
    Row(
        dform_curve,
        axes(n=1),
        scalars=dict(a=2.0, b=1.0),
        wrong=dict(**TOO_THIN, n=(0, -1)),
        points=(dict(a=EQUAL, b=EQUAL),),
    ),
    Row(
        dform,
        lambda draw: dict(curvature=arcs(draw)),
        points=(dict(curvature=column([[1.0, 1.0], [1.0, 0.0], [3.0, 0.5]])),),
    ),
]


@each(ROWS)
def test_contract(row, promise, monkeypatch):
    """With few nodes and steps, enough for such axes: the code is the same."""
    monkeypatch.setattr(solid, "RULE", legendre(2))
    monkeypatch.setattr(oval, "RULE", legendre(2))
    few = promise in (compiles, exports, fake, meta)
    monkeypatch.setattr(ellipse, "LANDEN", 1 if few else 3)
    monkeypatch.setattr(ellipse, "SEARCH", 1)
    check(row, promise)
