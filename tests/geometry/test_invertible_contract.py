"""What exponentials of low-rank matrices promise."""

from contract import Row, check, each

from lemmata.geometry import expm_low_rank, expm_low_rank_apply, expm_rank1, expm_rank1_apply, phi1


def vectors(*names):
    return lambda draw: {name: draw.normal(3, 4, scale=0.7) for name in names}


def factors(*names, r=2):
    return lambda draw: {name: draw.normal(3, 4, *(() if name == "v" else (r,)), scale=0.7) for name in names}


FINITE = ("v", "x", "y", "X", "Y")  # an infinite entry makes a matrix of NaN
ROWS = [
    Row(phi1, lambda draw: dict(s=draw.normal(3, 4, scale=3)), scalars=dict(s=0.5), takes=dict(s="nan")),
    Row(expm_rank1, vectors("x", "y"), bounded=FINITE),
    Row(expm_rank1_apply, lambda draw: vectors("v", "x", "y")(draw) | dict(inverse=False), bounded=FINITE),
    Row(
        expm_rank1_apply,
        lambda draw: vectors("v", "x", "y")(draw) | dict(inverse=True),
        "inverse",
        bounded=FINITE,
    ),
    Row(
        expm_rank1_apply,
        lambda draw: dict(v=draw.normal(3, 4), x=draw.normal(4), y=draw.normal(4)),
        "shared",
        shared=("x", "y"),
        bounded=FINITE,
    ),
    Row(expm_low_rank, factors("X", "Y"), bounded=FINITE),
    Row(expm_low_rank_apply, lambda draw: factors("v", "X", "Y")(draw) | dict(inverse=False), bounded=FINITE),
    Row(
        expm_low_rank_apply,
        lambda draw: factors("v", "X", "Y", r=4)(draw) | dict(inverse=True),
        "inverse",
        bounded=FINITE,
    ),
]


@each(ROWS)
def test_contract(row, promise):
    check(row, promise)
