"""False claims on boxes, in floating point and about samples, and arguments that no check may take.

``FALSE`` must raise ``ClaimFailed``; ``MISUSED`` a ``ValueError`` or ``TypeError``; ``EITHER`` one of these,
where the documentation leaves open which.
"""

from __future__ import annotations

import math

import sympy as sp
import torch
from sympy import (
    Abs,
    Derivative,
    Heaviside,
    Integral,
    Max,
    Piecewise,
    Rational,
    Sum,
    acos,
    cos,
    exp,
    floor,
    log,
    oo,
    pi,
    sin,
    sqrt,
    tan,
    tanh,
)
from verify.falsehoods import S1, A, demo, i, induction, k, m, n, p, proved, q, r, t, u, x, z

from lemmata.verify import (
    cumulant,
    expectation,
    sample_expectation,
    unbiased_estimator,
)

y = sp.Symbol("y")
F64 = [torch.float64]
HALF = Rational(1, 2)


def certified(lhs, relation, rhs, *box, **options):
    sides = dict(zip((x, y), box, strict=False))
    return demo.certified(lhs, rhs, relation=relation, box=sides, **{"limit": 3000, **options})


def supremum(expr, value, *box, **options):
    return demo.supremum(expr, value, box=dict(zip((x, y), box, strict=False)), **{"limit": 3000, **options})


def root(expr, value, low, high, **options):
    return demo.root(expr, value, box={x: (low, high)}, **{"limit": 3000, **options})


def numbers(*values):
    return torch.tensor(values, dtype=torch.float64)


LINE = torch.linspace(-3, 3, 13, dtype=torch.float64)
ROWS = torch.randn(6, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
s = sp.symbols("s1:4", real=True)
LSE = log(sum(exp(v) for v in s))


def agrees(function, expr, *points, args=(x,), **options):
    points = [numbers(*values) if isinstance(values, tuple) else values for values in points or [LINE]]
    return demo.agrees(function, expr, args, points, **{"why": "a set", "dtypes": F64, **options})


def gradient(function, expr, *points, args=(x,), **options):
    points = [numbers(*values) if isinstance(values, tuple) else values for values in points or [LINE]]
    return demo.gradient(
        function, expr, args, points, **{"why": "a set", "dtypes": F64, "scale": 1.0, **options}
    )


def uniform(*shape, seed=0):
    return torch.rand(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def normal(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def chain(length, memory, *shape):
    """A Gaussian chain that forgets slowly; stationary law of mean 0 and variance 1."""
    noise = normal(length, *shape, seed=3)
    links = [noise[0]]
    for step in noise[1:]:
        links.append(memory * links[-1] + math.sqrt(1 - memory**2) * step)
    return torch.stack(links)


def sampled(samples, expected, detects, **options):
    return demo.sampled(samples, expected, detects=detects, **options)


def own_mean(samples, detects):
    """The samples do have their own mean, and their law has another."""
    expected = samples.mean().item()
    return sampled(samples, expected, detects)


def halving(first, count=6):
    return [first / 2**j for j in range(count)]


def rate(errors, order, steps=None, **options):
    return demo.rate(errors, halving(1 / 8) if steps is None else steps, order, **options)


class Scaled(torch.autograd.Function):
    """exp, with a backward that is too large by 1e-9."""

    @staticmethod
    def forward(ctx, v):
        ctx.save_for_backward(v)
        return v.exp()

    @staticmethod
    def backward(ctx, grad):
        return grad * ctx.saved_tensors[0].exp() * (1 + 1e-9)


# fmt: off
# --- certified, supremum, root, counterexample --------------------------------------------------------------

UNIT, BOTH = (0, 1), (-1, 1)
NANO = Rational(1, 10**9)

CERTIFIED = {
    "a pole on both sides": ("no value at 1/3",
        lambda: certified(1 / (x - Rational(1, 3)), "<=", 1 / (x - Rational(1, 3)) + 1 + x, UNIT)),
    "a root on both sides": ("no value at -1", lambda: certified(sqrt(x), ">=", sqrt(x) - 1 - x**2, BOTH)),
    "a logarithm on both sides": ("no value at -1", lambda: certified(log(x), "<", log(x) + 1 + x**2, BOTH)),
    "a tangent on both sides": ("no value at pi/2", lambda: certified(tan(x), "<=", tan(x) + x, (1, 2))),
    "an arcus on both sides": ("no value at 2", lambda: certified(acos(x), "<=", acos(x) + x, (0, 2))),
    "a gap in a quotient": ("no value at 0", lambda: certified((x**2 - x) / x, "<=", 1, BOTH)),
    "a pole that a zero cancels": ("no value at pi/2", lambda: certified(tan(x) * cos(x), "<=", 1, (0, 2))),
    "a pole in two dimensions": (
        "no value at x = y", lambda: certified(1 / (x - y) ** 2 + x, "<=", 1 / (x - y) ** 2 + 2, UNIT, UNIT)),
    "poles that cancel between the terms": (
        "no value at 0", lambda: certified(x + 1 / x, "<=", 3 + 1 / x, BOTH)),
    "a slope at the end": ("no value at 0", lambda: certified(Derivative(sqrt(x), x), ">=", 0, UNIT)),
    "a negative logarithm": ("no value at 0", lambda: certified(log(x**2), "<=", 1, BOTH)),
    "an inverse": ("no value at 0", lambda: certified(1 / x, "<=", 0, (-1, 0))),
    "a cube root": ("not real at -1", lambda: certified(x ** Rational(1, 3), "<=", 2, BOTH)),
    "the pole of zeta": ("no value at 1", lambda: certified(sp.zeta(x), ">=", -(10**6), (0, 2))),
    "sine on the left": ("x = -1/2", lambda: certified(sin(x), "<=", x, BOTH)),
    "exp below its third order": ("x = 1: 2.718, 2.667",
        lambda: certified(exp(x), "<=", 1 + x + x**2 / 2 + x**3 / 6, (Rational(1, 9), 1))),
    "too tight by 1e-15": (
        "x = 1/2", lambda: certified(x * (1 - x), "<=", Rational(1, 4) - Rational(1, 10**15), UNIT)),
    "gamma's minimum": (
        "x = 1.4616: 0.885603", lambda: certified(sp.gamma(x), ">=", Rational(88561, 10**5), (1, 2))),
    "zero at one point": ("x = 0", lambda: certified(x**2, ">", 0, BOTH)),
    "equal, strictly": ("equal at every x", lambda: certified(cos(x) ** 2 + sin(x) ** 2, "<", 1, UNIT)),
    "floor": ("x = 0.9: 0, 0.4", lambda: certified(floor(x), ">=", x - Rational(1, 2), UNIT)),
    "maximum": (
        "x = 1, y = 0: 1, 3/4", lambda: certified(Max(x, y), "<=", (x + y) / 2 + Rational(1, 4), UNIT, UNIT)),
    "norms": ("x = y = 1: r2, 2", lambda: certified(sqrt(x**2 + y**2), ">=", x + y, (1, 2), (1, 2))),
    "a spike": (
        "x = 0.7: 2, 1", lambda: certified(2 * exp(-((10**4 * (x - Rational(7, 10))) ** 2)), "<=", 1, UNIT)),
    "a jump": ("x = 1: 1, 1/2", lambda: certified(Heaviside(x), "<=", Rational(1, 2), BOTH)),
    "twelfth digit": (
        "0.367879441171442", lambda: certified(x * exp(-x), "<=", Rational("0.367879441171"), (0, 2))),
}

SUPREMUM = {
    "an end of the interval": ("sup 1", lambda: supremum(sin(x), sin(3), (0, 3))),
    "a rounded value": ("sup 0.42888", lambda: supremum(x * exp(-(x**2)), Rational(43, 100), (0, 3))),
    "the thirteenth digit": ("off by 1e-13",
        lambda: supremum(x * (1 - x), Rational(1, 4) + Rational(1, 10**13), (0, Rational(7, 9)),
            within=Rational(1, 10**14))),
    "the infimum": ("sup 1, inf -1", lambda: supremum(cos(x), -1, (1, 7))),
    "unbounded": ("tan has a pole", lambda: supremum(tan(x), 10, (0, 2))),
    "a corner": ("sup 1/27", lambda: supremum(x * y * (1 - x - y), Rational(1, 26), UNIT, UNIT)),
    "a value that is not reached": ("sup tanh 5", lambda: supremum(tanh(x), 1, (0, 5))),
    "too wide": ("every value lies as near", lambda: supremum(x * (1 - x), Rational(1, 8), UNIT, within=1)),
    "a majorant that is none": (
        "x = 9: 3/5, 1/9", lambda: supremum(x / (6 + x), 1, (0, oo), tail=(5, 1 / x, "a fraction"))),
    "a majorant that grows": (
        "sup 1/2", lambda: supremum(x / (1 + x**2), Rational(1, 2), (0, oo), tail=(4, log(x) / 9, "slow"))),
    "a cut that comes too early": ("1/x is 10 at 1/10",
        lambda: supremum(x / (1 + x**2), Rational(1, 2), (0, oo), tail=(Rational(1, 10), 1 / x,
            "1 + x^2 > x^2"))),
}

ROOT = {
    "the thirteenth digit": (
        "1.7320508075688772", lambda: root(x**2 - 3, "1.7320508075689", 1, 2, within=Rational(1, 10**14))),
    "the wrong one": ("-r3 is outside", lambda: root(x**2 - 3, -sqrt(3), 1, 2)),
    "one of three": ("0, 1, -1", lambda: root(x**3 - x, 1, -2, 2)),
    "a double one": ("no sign change", lambda: root((x - 1) ** 2, 1, 0, 3)),
    "a pole": ("no value at 1", lambda: root(1 / (x - 1) ** 3, 1, 0, 3)),
    "the pole of tan": ("no value at pi/2", lambda: root(tan(x), pi / 2, 1, 2)),
    "a hole": ("no value at 0", lambda: root(sin(x) ** 2 / x, 0, -1, 1)),
    "a jump": ("1 on one side, -1 on the other", lambda: root(Abs(x) / x, 0, -1, 1)),
    "no root": ("positive", lambda: root(exp(x) + x**2, 0, -1, 1)),
}

COUNTEREXAMPLE = {
    "a root of a square": ("equal at 2", lambda: demo.counterexample(sqrt(x**2), x, at={x: 2})),
    "exp above its tangent": (
        "true at 1", lambda: demo.counterexample(exp(x), 1 + x, at={x: 1}, relation=">=")),
    "double angle": ("equal", lambda: demo.counterexample(cos(2 * x), 1 - 2 * sin(x) ** 2, at={x: 3})),
    "by less than the margin": (
        "by 0.7", lambda: demo.counterexample(exp(x), x + 1, at={x: 1}, margin=Rational(3, 4))),
    "equal numbers, weakly": ("1 <= 1", lambda: demo.counterexample(x**2, x, at={x: 1}, relation="<=")),
}

# --- agrees: the code against the formula -------------------------------------------------------------------

CANCELLING = {
    "exp(x) - 1 over x": (
        "1e-60: 0, 1", lambda: agrees(lambda v: (v.exp() - 1) / v, (exp(x) - 1) / x, (1e-60, 1.0))),
    "log of cosh": (
        "1e-40: 0, 5e-81", lambda: agrees(lambda v: v.cosh().log(), log(sp.cosh(x)), (1e-40, 2.0))),
    "1 - erf": ("15: 0, 7e-100", lambda: agrees(lambda v: 1 - v.erf(), 1 - sp.erf(x), (15.0, 0.5))),
    "softplus": (
        "-200: 0, 1e-87", lambda: agrees(lambda v: (1 + v.exp()).log(), log(1 + exp(x)), (-200.0, 1.0))),
    "1 - sigmoid": (
        "150: 0, 7e-66", lambda: agrees(lambda v: 1 - v.sigmoid(), 1 - 1 / (1 + exp(-x)), (150.0, 0.5))),
    "1 - tanh": ("80: 0, 7e-70", lambda: agrees(lambda v: 1 - v.tanh(), 1 - tanh(x), (80.0, 0.5))),
    "x - sin x": ("1e-30: 0, 2e-91", lambda: agrees(lambda v: v - v.sin(), x - sin(x), (1e-30, 1.5))),
    "acosh(1 + x)": (
        "1e-60: 0, 1e-30", lambda: agrees(lambda v: (1 + v).acosh(), sp.acosh(1 + x), (1e-60, 1.0))),
    "(1 + x)^2 - 1": (
        "1e-60: 0, 2e-60", lambda: agrees(lambda v: (1 + v) ** 2 - 1, (1 + x) ** 2 - 1, (1e-60, 1.0))),
    "a difference of roots": ("1e120: 0, 5e-61",
        lambda: agrees(lambda v: (v + 1).sqrt() - v.sqrt(), sqrt(x + 1) - sqrt(x), (1e120, 2.0))),
    "a quadratic's small root": (
        "1e80: 0, 2e-80", lambda: agrees(lambda v: (v**2 + 4).sqrt() - v, sqrt(x**2 + 4) - x, (1e80, 0.5))),
    "tan x - sin x over x^3": ("1e-40: 0, 1/2",
        lambda: agrees(lambda v: (v.tan() - v.sin()) / v**3, (tan(x) - sin(x)) / x**3, (1e-40, 1.0))),
    "log-sum-exp less its maximum": (
        "(3, -150): 0, 4e-67", lambda: agrees(lambda a, b: torch.logaddexp(a, b) - a,
            log(exp(x) + exp(y)) - x, (3.0, 1.0), (-150.0, 1.0), args=(x, y))),
}

WRONG = {
    "softplus with a threshold": (
        "21: by 8e-10", lambda: agrees(torch.nn.functional.softplus, log(1 + exp(x)), (1.0, 21.0))),
    "gelu by tanh": ("1: by 2e-4",
        lambda: agrees(lambda v: torch.nn.functional.gelu(v, approximate="tanh"),
            x * (1 + sp.erf(x / sqrt(2))) / 2, scale=1.0)),
    "binary logarithm": ("2: 1, 0.69", lambda: agrees(torch.log2, log(x), (2.0, 3.0))),
    "an angle reduced in float64": (
        "1e6: 1e-11", lambda: agrees(lambda v: torch.sin(v % (2 * math.pi)), sin(x), (1e6, 3e5))),
    "a norm that overflows": ("1e200: inf, 1.4e200",
        lambda: agrees(lambda a, b: (a * a + b * b).sqrt(), sqrt(x**2 + y**2), (1e200,), (1e200,), args=(x,
            y))),
    "float32 inside": ("1e-8", lambda: agrees(lambda v: v.float().exp().double(), exp(x))),
    "not a number at 0": (
        "0: nan, 1", lambda: agrees(lambda v: v.sin() / v, Piecewise((1, sp.Eq(x, 0)), (sin(x) / x, True)))),
    "infinite at one point": ("3", lambda: agrees(lambda v: torch.where(v == 3, math.inf, v.exp()), exp(x))),
    "a twelfth digit": ("1e-12", lambda: agrees(lambda v: v.exp() * (1 + 1e-12), exp(x))),
    "the wrong dimension": ("rows, not columns",
        lambda: agrees(lambda v: v.softmax(0), [exp(v - LSE) for v in s], ROWS, args=(s,))),
    "the divisor": ("2/3 of it",
        lambda: agrees(lambda v: v.var(-1, correction=0), sum((v - sum(s) / 3) ** 2 for v in s) / 2, ROWS,
            args=(s,), ulp=16)),
    "shifted by one": ("reversed", lambda: agrees(lambda v: v.roll(1, -1), s, ROWS, args=(s,))),
    "the sign at negative arguments": ("-1: 1, -1", lambda: agrees(lambda v: (v**6).sqrt(), x**3, scale=1.0)),
    "a column for a row": ("shape", lambda: agrees(lambda v: v.exp()[:, None], exp(x))),
    "half precision": ("dtype", lambda: agrees(lambda v: v.exp().half(), exp(x))),
    "real part of a root": (
        "-3: 0, i r3", lambda: agrees(lambda v: v.clamp(min=0).sqrt(), sqrt(x), scale=1.0)),
    "a pole": ("0: inf, none", lambda: agrees(torch.reciprocal, 1 / x)),
    "every tolerance": (
        "64 ulp in bfloat16", lambda: agrees(torch.exp, exp(x), ulp=64, dtypes=[torch.bfloat16])),
    "one large value, scale 1": ("1e-20: 0",
        lambda: agrees(lambda v: torch.where(v > 1, v, 0), x, (1e-20, 2e-20, 3e-19, 1e6), scale=1.0)),
    "one large value, in bfloat16": ("1: 3",
        lambda: agrees(lambda v: torch.where(v > 9e3, v, 3 * v), x, (1.0, 2.0, 1e4), scale=1e3,
            dtypes=[torch.bfloat16])),
    "one large value, wrong sign": ("1e-18: -1e-18",
        lambda: agrees(lambda v: torch.where(v < 1, -v, v), x, (1e-18, 2e-18, 5e-18, 1e9), scale=1.0)),
    "no points": ("nothing was compared", lambda: agrees(torch.exp, exp(x), numbers())),
}

ASSUMED = {
    "a positive root": ("p = -1: 1, -1", lambda: agrees(lambda v: v, sqrt(p**2), (-1.0, 2.0), args=(p,))),
    "a positive Abs": ("p = -2: 2, -2", lambda: agrees(lambda v: v, Abs(p), (-2.0, 1.0), args=(p,))),
    "zero is not positive": (
        "p = 0", lambda: agrees(lambda v: v + 1, p + Heaviside(p), (0.0, 1.0), args=(p,))),
    "half an integer": (
        "m = 1/2: 0, 1", lambda: agrees(lambda v: v + 1, m + cos(2 * pi * m), (0.5, 2.0), args=(m,))),
    "a positive integer below 0": ("n = -2", lambda: agrees(lambda v: v, Abs(n), (-2.0, 1.0), args=(n,))),
    "positive and not": (
        "p = -1", lambda: agrees(lambda a, b: a * b, sqrt(p**2) * x, (2.0, -1.0), (1.0, 3.0), args=(p, x))),
    "a vector of positive ones": ("p = -1",
        lambda: agrees(lambda v: v.sum(-1), sqrt(p**2) + sqrt(q**2), numbers(1.0, -3.0)[None], args=((p,
            q),))),
    "a slope at a negative": ("p = -1: -1, 1", lambda: gradient(lambda v: v, Abs(p), (-1.0, 2.0), args=(p,))),
}

# --- gradient -----------------------------------------------------------------------------------------------

GRADIENT = {
    "times its mirror image": ("v_i v_-i", lambda: gradient(lambda v: v * v.flip(0), -(x**2))),
    "a neighbour's share": ("5 v_(i-1)", lambda: gradient(lambda v: v**3 + 5 * (v.roll(1) - v), x**3)),
    "a softmax over the samples": (
        "their sum is 1", lambda: gradient(lambda v: v.exp() + v.softmax(0), exp(x))),
    "summed over the samples before": ("v_0 + ... + v_i",
        lambda: gradient(lambda v: v.sin() + v.cumsum(0) - v * torch.arange(len(v), 0, -1), sin(x))),
    "rows that leak": ("from row to row",
        lambda: gradient(lambda v: v.logsumexp(-1) + (v - v.roll(1, 0)).sum(-1), LSE, ROWS, args=(s,))),
    "detached": ("value v exp v", lambda: gradient(lambda v: v.exp().detach() * v, exp(x))),
    "straight through": (
        "a staircase", lambda: gradient(lambda v: v + (v.round() - v).detach(), x, (0.2, 0.7))),
    "clamped at an end": ("-3: 0, e^-3", lambda: gradient(lambda v: v.clamp(min=-2.9).exp(), exp(x))),
    "too large by 1e-9": ("e^x (1 + 1e-9)", lambda: gradient(Scaled.apply, exp(x))),
    "no gradient": ("detached", lambda: gradient(lambda v: v.detach().sin(), sin(x))),
    "a mean for a sum": ("1/13", lambda: gradient(lambda v: v.tanh() / len(v), tanh(x))),
    "a branch not taken": ("-1: nan, 0",
        lambda: gradient(lambda v: torch.where(v > 0, v.sqrt(), 0.0), Piecewise((sqrt(x), x > 0), (0, True)),
            (-1.0, 2.0))),
    "the other argument": (
        "b^2, 2 a b", lambda: gradient(lambda a, b: a * b**2, x * y**2, (1.0, 2.0), (3.0, 5.0), args=(y, x))),
    "the sign at negative arguments": ("-1: -1, 1", lambda: gradient(torch.abs, x, LINE + 0.1)),
}

# --- rate, sampled ------------------------------------------------------------------------------------------

FINE = halving(1e-6, 7)
RATE = {
    "a whole order less": ("order 2", lambda: rate(lambda h: math.expm1(h) - h, 3)),
    "euler as heun": ("order 1", lambda: rate(lambda h: h + h**2, 2)),
    "h log(1/h)": ("unbounded over h", lambda: rate(lambda h: h * math.log(1 / h), 1, FINE)),
    "h^2 log(1/h)": ("unbounded over h^2", lambda: rate(lambda h: h**2 * math.log(1 / h), 2, halving(1e-9))),
    "h / log(1/h)": ("tends to 0 over h", lambda: rate(lambda h: h / math.log(1 / h), 1, FINE)),
    "exp(-1/h) on its way through 3": ("faster than any power",
        lambda: rate(lambda h: math.exp(-1 / h), 3, [0.6, 0.5, 0.42, 0.36, 0.34, 0.32])),
    "a floor": ("tends to 1e-6", lambda: rate(lambda h: h**2 + 1e-6, 2, halving(1 / 8, 10))),
    "rounding": ("constant at the end", lambda: rate([1e-2, 2.5e-3, 6e-4, 5.9e-4, 5.8e-4, 5.8e-4], 2)),
    "it grows": ("order -1", lambda: rate(lambda h: 1 / h, 1)),
    "constant": ("order 0", lambda: rate(lambda h: 1e-3, 1)),
    "half an order": ("order 1/2", lambda: rate(math.sqrt, 1)),
    "one lucky step": ("order 1", lambda: rate([1 / 8, 1 / 16, 1 / 32, 1 / 64, 1 / 128, 1 / 512], 2)),
    "two orders taking turns": (
        "slopes 1 and 3", lambda: rate([1, 1 / 2, 1 / 16, 1 / 32, 1 / 256, 1 / 512], 2)),
    "an order in between": ("order 3/2", lambda: rate(lambda h: h**1.5, 2, within=0.45)),
}

BOOT = uniform(200, seed=5)
AR = chain(20_000, 0.999)
SAMPLED = {
    "a wrong mean": ("1/2", lambda: sampled(uniform(20_000), Rational(52, 100), 0.02)),
    "the wrong sign": ("-1, 1", lambda: sampled(normal(20_000) - 1, 1, 0.1)),
    "a biased variance": ("2/3", lambda: sampled(normal(20_000, 3).var(-1, correction=0), 1, 0.1)),
    "a biased deviation": ("0.886", lambda: sampled(normal(20_000, 3).std(-1), 1, 0.1)),
    "pareto": ("mean 11", lambda: sampled(uniform(20_000) ** (-1 / 1.1), 8, 4.0)),
    "pareto, its own estimate": ("mean 34", lambda: own_mean(uniform(5000, seed=1) ** (-1 / 1.03), 20.0)),
    "cauchy": ("no mean", lambda: sampled(torch.tan(math.pi * (uniform(20_000, seed=2) - 0.5)), 0, 1e4)),
    "lognormal": ("mean 268337", lambda: own_mean((5 * normal(5000, seed=2)).exp(), 2e5)),
    "st petersburg": ("no mean", lambda: sampled(2 ** torch.ceil(-uniform(5000, seed=4).log2()), 15, 40.0)),
    "importance weights": ("mean 1, of weights with a huge variance",
        lambda: own_mean((3 * normal(5000, seed=6) - 4.5).exp(), 2.0)),
    "a chain": ("mean 0", lambda: own_mean(AR, 0.1)),
    "a random walk": ("mean 0", lambda: own_mean(normal(5000, seed=7).cumsum(0), 9.0)),
    "a block, repeated": ("mean 1/2", lambda: own_mean(BOOT.repeat(100), 0.02)),
    "each value many times": ("mean 1/2", lambda: own_mean(BOOT.repeat_interleave(50), 0.03)),
    "chains side by side": (
        "mean 0", lambda: sampled(chain(200, 0.99, 100).flatten(), float(chain(200, 0.99, 100).mean()), 0.1)),
    "a slow wave": ("dependent", lambda: own_mean(torch.sin(torch.arange(20_000.0) / 500), 0.1)),
    "too weak": ("sees 0.1, not 0.001", lambda: sampled(uniform(1000), Rational(1, 2), 0.001)),
    "it never varies": ("constant", lambda: sampled(torch.full((500,), 2.0), 2, 0.1)),
    "not a number": (
        "nan", lambda: sampled(torch.cat([uniform(500), numbers(math.nan)]), Rational(1, 2), 0.2)),
    "an infinite draw": (
        "inf", lambda: sampled(torch.cat([uniform(500), numbers(math.inf)]), Rational(1, 2), 0.2)),
}

FALSE = {
    "certified": CERTIFIED, "supremum": SUPREMUM, "root": ROOT, "counterexample": COUNTEREXAMPLE,
    "cancelling": CANCELLING, "wrong": WRONG,
    "gradient": GRADIENT, "rate": RATE, "sampled": SAMPLED,
}

# --- misused: refused as arguments --------------------------------------------------------------------------

MISUSED = {
    "a float": ("0.1 is no tenth", lambda: proved(0.1 * r, r / 10)),
    "an undefined function": ("any f", lambda: proved(sp.Function("f")(r) ** 2, sp.Function("f")(r))),
    "an inequality for an expression": ("one argument", lambda: demo.proved(sp.Gt(r, u), 0)),
    "a strange relation": ("unknown", lambda: proved(r, u, "!=")),
    "a domain outside the assumptions": (
        "p > 0", lambda: proved((p + 1) ** 2, p**2 + 2 * p + 1, domain={p: (-2, -1)})),
    "a domain for nobody": (
        "u does not occur", lambda: proved((r + 1) ** 2, r**2 + 2 * r + 1, domain={u: (0, 1)})),
    "a matrix and a number": ("shapes", lambda: proved(A, z)),
    "an infinite box": ("needs numbers", lambda: certified(exp(-x), "<=", 1, (0, oo))),
    "a box outside the assumptions": ("p > 0", lambda: demo.certified(Abs(p), p + 1, box={p: (-2, -1)})),
    "a box without y": ("y is free", lambda: certified(x * y, "<=", 1, UNIT)),
    "an equality in a box": ("no relation of balls", lambda: certified(x, "==", x + 1 - 1 + x * 0, UNIT)),
    "a supremum without a tail": ("oo", lambda: supremum(x * exp(-x), exp(-1), (0, oo))),
    "a reason that is blank": (
        "because?", lambda: supremum(x * exp(-x), exp(-1), (0, oo), tail=(9, exp(-x / 2), " "))),
    "no tolerance": ("within 0", lambda: root(x**2 - 3, sqrt(3), 1, 2, within=0)),
    "a point outside the assumptions": ("p > 0", lambda: demo.counterexample(sqrt(p**2), p, at={p: -1})),
    "a point for one of two": ("y?", lambda: demo.counterexample(x + y, x * y, at={x: 1})),
    "rounding as a counterexample": ("1e-17", lambda: demo.counterexample(0.1 * 3, Rational(3, 10))),
    "a recursion outside the assumptions": ("i >= 0", lambda: induction(-i, 0, x - 1, first=-3)),
    "a float in a recursion": ("0.5", lambda: induction(i / 2, 0, x + 0.5)),
    "a strict recursion": ("not offered", lambda: induction(i + 1, 0, x + 1, "<")),
    "a float in an instance": ("0.5", lambda: demo.instances(lambda j: j / 2, lambda j: Rational(j, 2), [1])),
    "weights of 5/6": ("sum", lambda: expectation(lambda v: v, {0: HALF, 1: Rational(1, 3)})),
    "a negative weight": ("-1/2", lambda: expectation(lambda v: v, {0: 3 * HALF, 1: -HALF})),
    "weights in floats": ("0.5", lambda: expectation(lambda v: v, {0: 0.5, 1: 0.5})),
    "no draws": ("n = 0", lambda: expectation(sum, {0: HALF, 1: HALF}, draws=0)),
    "a statistic in floats": ("0.5", lambda: expectation(lambda v: v / 2, {0: HALF, 1: HALF})),
    "four draws from three": ("only three values", lambda: sample_expectation(S1, 4, population=3)),
    "two draws from one": ("only one value", lambda: sample_expectation(S1**2, 2, population=1)),
    "n + 1 draws from n": ("one too many", lambda: sample_expectation(S1**2, n + 1, population=n)),
    "half a draw": ("n = 3/2", lambda: sample_expectation(S1, Rational(3, 2))),
    "infinitely many draws": ("n = oo", lambda: sample_expectation(S1 / n, oo)),
    "half a value": ("N = 5/2", lambda: sample_expectation(S1, 2, population=Rational(5, 2))),
    "no polynomial": ("1/S_1", lambda: sample_expectation(1 / S1, n)),
    "a stranger": ("z is no power sum", lambda: sample_expectation(z * S1, n)),
    "too few for a fourth cumulant": ("three draws", lambda: unbiased_estimator(cumulant(4), 3)),
    "no reason": ("why", lambda: agrees(torch.exp, exp(x), why="")),
    "integers only": ("no dtype to test", lambda: agrees(lambda v: v * 1.0, x, torch.arange(3))),
    "three draws for 100": ("too few", lambda: sampled(uniform(99), HALF, 0.5)),
    "a matrix of draws": ("dimensions", lambda: sampled(uniform(200, 2), HALF, 0.5)),
    "no false-alarm rate": ("0", lambda: sampled(uniform(500), HALF, 0.5, false_alarm=0.0)),
    "a mean with a symbol": ("x?", lambda: sampled(uniform(500), x, 0.5)),
    "steps the wrong way": ("increasing", lambda: rate([1.0, 0.5, 0.25], 1, [1, 2, 4])),
    "two steps": ("one slope", lambda: rate([1.0, 0.5], 1, [1, 0.5])),
    "a tolerance of half an order": ("1 and 2 alike", lambda: rate(lambda h: h, 1.5, within=0.5)),
    "an error of 0": ("no logarithm", lambda: rate([1.0, 0.5, 0.0], 1, [1, 0.5, 0.25])),
}

EITHER = {
    "an integral over a pole, in a box": (
        "no value", lambda: certified(Integral(1 / (t - HALF), (t, 0, x)), "<=", 9, (Rational(3, 4), 1))),
    "an integral over a double pole, in a box": (
        "infinite", lambda: certified(Integral(1 / t**2, (t, -1, x)), "<=", 0, (1, 2))),
    "a series beyond its radius": (
        "x = 2 diverges", lambda: certified(Sum(x**k, (k, 0, oo)), ">=", -9, (Rational(3, 2), 2))),
    "a counterexample at a pole": ("no value", lambda: demo.counterexample(1 / x, 1 / x + 1, at={x: 0})),
    "a counterexample at a hole": (
        "no value", lambda: demo.counterexample((x**2 - 1) / (x - 1), x + 1, at={x: 1})),
    "a counterexample at a pole of gamma": (
        "no value", lambda: demo.counterexample(sp.gamma(x + 1), x * sp.gamma(x), at={x: -1})),
    "a counterexample in the complex plane": (
        "sqrt(-1) is not real", lambda: demo.counterexample(sqrt(x), 1, at={x: -1})),
    "an expectation of an inverse": (
        "1/0", lambda: expectation(lambda v: 1 / sp.sympify(v), {0: HALF, 1: HALF})),
    "an expectation of a logarithm": ("log 0", lambda: expectation(lambda v: log(v), {0: HALF, 1: HALF})),
    "an expectation of 0/0": (
        "nan", lambda: expectation(lambda v: sp.sympify(v[0]) / v[1], {0: HALF, 1: HALF}, draws=2)),
    "an expectation of oo - oo": ("nan", lambda: expectation(lambda v: v * oo, {-1: HALF, 1: HALF})),
}

MISUSED = {"misused": MISUSED}
EITHER = {"either": EITHER, "assumed": ASSUMED}
# fmt: on
