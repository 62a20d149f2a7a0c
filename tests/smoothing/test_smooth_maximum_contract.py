"""What the smooth maxima promise."""

from contract import Row, check, each

from lemmata.smoothing import boltzmann_maximum, logsumexp_maximum, mellowmax, p_norm_maximum, smooth_abs


def rows(draw):
    return dict(x=draw.normal(3, 5), sharpness=1.5, dim=-1)


def learned(draw):
    return dict(x=draw.normal(3, 5), sharpness=draw.uniform(3, low=0.5, high=3.0), dim=-1)


ROWS = [
    *(Row(f, learned, "learned") for f in (logsumexp_maximum, mellowmax, boltzmann_maximum)),
    Row(
        p_norm_maximum,
        lambda draw: dict(x=draw.uniform(3, 5, low=0.1), p=draw.uniform(3, low=1.2, high=4.0), dim=-1),
        "learned",
    ),
    *(
        Row(
            smooth_abs,
            lambda draw, kind=kind: dict(
                x=draw.normal(3, 5), sharpness=draw.uniform(3, 5, low=0.5, high=3.0), kind=kind
            ),
            f"learned {kind}",
            programs=kind in ("logcosh", "sqrt", "erf"),
        )
        for kind in ("logcosh", "sqrt", "softplus", "tanh", "erf")
    ),
    *(
        Row(f, rows, machine_code=True, wrong=dict(sharpness=(0, -1.5), dim=(2, -3)))
        for f in (logsumexp_maximum, mellowmax, boltzmann_maximum)
    ),
    *(
        Row(
            p_norm_maximum,
            lambda draw, p=p: dict(x=draw.uniform(3, 5, low=0.1), p=p, dim=-1),
            f"{p}",
            machine_code=True,
            wrong=dict(p=(0.5, -1), dim=(2, -3)),
        )
        for p in (1.5, 3)
    ),
    *(
        Row(
            smooth_abs,
            lambda draw, kind=kind: dict(x=draw.normal(3, 5), sharpness=1.5, kind=kind),
            kind,
            programs=kind in ("logcosh", "sqrt", "erf"),
            machine_code=True,
        )
        for kind in ("logcosh", "sqrt", "softplus", "tanh", "erf")
    ),
]


@each(ROWS)
def test_contract(row, promise):
    check(row, promise)
