"""Both exponentials are e^u, and a processor's maker decides between them."""

import math
import platform
from pathlib import Path

import pytest
import torch

from lemmata.numerics import exponentials
from lemmata.numerics.exponentials import exp, exp_, exp_is_slow, unit_of_exponents

SLOW = pytest.mark.parametrize("slow", [False, True])


@pytest.fixture
def chosen(slow, monkeypatch):
    monkeypatch.setattr(exponentials, "exp_is_slow", lambda: slow)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@SLOW
def test_the_error_is_that_of_one_more_rounding_of_the_exponent(chosen, dtype):
    """In all the range, with an ulp for torch's exponential itself (SLEEF's are of 1 ulp, MKL's better)."""
    u, eps = torch.linspace(-87, 88, 20_001).to(dtype), torch.finfo(dtype).eps
    truth = u.double().exp()
    bound = eps * (1 + u.double().abs())
    assert ((exp(u, torch.empty_like(u)) / truth - 1).abs() <= bound).all()
    unit = unit_of_exponents(u)
    assert ((exp_(u * unit, unit) / truth - 1).abs() <= bound).all()


@SLOW
def test_the_ends_of_the_range(chosen):
    u = torch.tensor([-math.inf, -200.0, 0.0, 200.0, math.inf, math.nan])
    assert exp(u, u) is u
    assert u[:5].tolist() == [0.0, 0.0, 1.0, math.inf, math.inf]
    assert u[5].isnan()


@SLOW
def test_on_another_device_it_is_the_usual_one(chosen):
    assert unit_of_exponents(torch.empty(1, device="meta")) == 1


@pytest.mark.parametrize(
    ("info", "name", "mkl", "slow"),
    [
        ("processor : 0\nvendor_id\t: AuthenticAMD\n", "", True, True),
        ("processor : 0\nvendor_id\t: GenuineIntel\n", "", True, False),
        ("vendor_id\t: AuthenticAMD\n", "", False, False),
        ("processor : 0\nBogoMIPS : 50.00\n", "", True, False),  # nobody says
        (None, "AMD64 Family 25 Model 97 Stepping 2, AuthenticAMD", True, True),  # Windows
        (None, "Intel64 Family 6 Model 151 Stepping 2, GenuineIntel", True, False),
        (None, "", True, False),
    ],
)
def test_the_maker_decides(tmp_path, monkeypatch, info, name, mkl, slow):
    path = tmp_path / "cpuinfo"
    if info is not None:
        path.write_text(info)
    monkeypatch.setattr(exponentials, "Path", lambda _: Path(path))
    monkeypatch.setattr(platform, "processor", lambda: name)
    monkeypatch.setattr(torch.backends.mkl, "is_available", lambda: mkl)
    assert exp_is_slow.__wrapped__() is slow
