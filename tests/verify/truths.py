"""Ordinary true claims that the author of a book like this one would want: name -> (why it is true, claim).

Written without the checks in view: what a textbook says, as a textbook says it.
"""

from __future__ import annotations

import math

import sympy as sp
import torch
from sympy import (
    Abs,
    Derivative,
    Integral,
    Limit,
    Max,
    Product,
    Rational,
    Sum,
    acos,
    asin,
    atan,
    binomial,
    cos,
    cosh,
    exp,
    factorial,
    gamma,
    log,
    oo,
    pi,
    sin,
    sinh,
    sqrt,
    tan,
    tanh,
)

from lemmata.verify import SampleExpectation, central_moment, centred_sum, claim, expectation, power_sums

r, u, v, t = sp.symbols("r u v t", real=True)
p, q, s = sp.symbols("p q s", positive=True)
z, x = sp.symbols("z x")
n = sp.Symbol("n", integer=True, positive=True)
i = sp.Symbol("i", integer=True, nonnegative=True)
k = sp.Symbol("k", integer=True)
A, B = sp.Matrix(2, 2, sp.symbols("a:d")), sp.Matrix(2, 2, sp.symbols("e:h"))
a, b = sp.Matrix(sp.symbols("a1:3")), sp.Matrix(sp.symbols("b1:3"))
F64 = [torch.float64]
LINE = torch.linspace(-3, 3, 13, dtype=torch.float64)
ROWS = torch.randn(6, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
y = sp.symbols("y1:4", real=True)
LSE = log(sum(exp(c) for c in y))
UNIT = {
    t: (-1, 1),
}
demo = claim("true")


def proved(lhs, rhs, relation="==", **options):
    return demo.proved(lhs, rhs, relation=relation, **{"seconds": 30, **options})


def certified(lhs, relation, rhs, low, high):
    return demo.certified(lhs, rhs, relation=relation, box={r: (low, high)})


def induction(closed, start, step, relation="=="):
    """The quantity x from ``start`` at i = 0; ``step`` says what follows x."""
    base, step = {x: start, i: 0}, {x: step, i: i + 1}
    return demo.induction(x, closed, base=base, step=step, relation=relation, seconds=30)


def agrees(function, expr, points=LINE, args=(r,), **options):
    return demo.agrees(function, expr, args, [points], **{"why": "a few roundings", **options})


def gradient(function, expr, points=LINE, args=(r,), **options):
    options = {"why": "a few roundings", "scale": 1.0, "dtypes": F64, **options}
    return demo.gradient(function, expr, args, [points], **options)


def generator():
    return torch.Generator().manual_seed(1)


def trapezoid(h):
    count = round(1 / h)
    return abs(math.e - 1 - h * (sum(math.exp(j * h) for j in range(1, count)) + (1 + math.e) / 2))


def simpson(h):
    count = round(1 / h)
    weights = [1, *(4 if j % 2 else 2 for j in range(1, count)), 1]
    return abs(math.e - 1 - h / 3 * sum(w * math.exp(j * h) for j, w in enumerate(weights)))


def euler(h):
    return abs(math.e - (1 + h) ** round(1 / h))


# fmt: off
INEQUALITIES = {
    "a quadratic": ("(r + 1/2)^2 + 3/4", lambda: proved(r**2 + r + 1, 0, ">")),
    "a quadratic with a double root": ("(2 r - 3)^2", lambda: proved(4 * r**2 + 9, 12 * r, ">=")),
    "a quartic": ("(r - 1)^2 (r^2 + 2 r + 3)", lambda: proved(r**4 + 3, 4 * r, ">=")),
    "exp above its tangent at 1": ("exp is convex", lambda: proved(exp(r), sp.E * r, ">=")),
    "log below its tangent": ("log is concave", lambda: proved(log(p), p - 1, "<=")),
    "log above a chord": ("slope 1/(1+p) - 1/(1+p)^2 >= 0", lambda: proved(log(1 + p), p / (1 + p), ">=")),
    "1 - exp": ("slope e^-p <= 1", lambda: proved(1 - exp(-p), p, "<=")),
    "sine below its argument": ("slope cos <= 1", lambda: proved(sin(p), p, "<=")),
    "sinh above its argument": ("slope cosh >= 1", lambda: proved(sinh(p), p, ">=")),
    "atan below its argument": ("slope 1/(1+p^2) <= 1", lambda: proved(atan(p), p, "<=")),
    "cosh": ("1 + a square", lambda: proved(cosh(r), 1, ">=")),
    "tanh below 1": ("2/(1+e^-2r) < 2", lambda: proved(tanh(r), 1, "<")),
    "p + 1/p": ("(p - 1)^2/p", lambda: proved(p + 1 / p, 2, ">=")),
    "entropy of one": ("minimum at 1/e", lambda: proved(p * log(p), -1 / sp.E, ">=")),
    "a product with its complement": ("(t - 1/2)^2", lambda: proved(t * (1 - t), Rational(1, 4), "<=")),
    "root below its tangent": ("squares: p^2/4 >= 0", lambda: proved(sqrt(1 + p), 1 + p / 2, "<=")),
    "softplus above the ramp": (
        "log(1 + e^r) > log e^r, log 1", lambda: proved(log(1 + exp(r)), Max(r, 0), ">=")),
    "softplus above the identity": ("log(1 + e^r) > log e^r", lambda: proved(log(1 + exp(r)), r, ">")),
    "two squares": ("(p - q)^2", lambda: proved(p**2 + q**2, 2 * p * q, ">=")),
    "geometric and harmonic mean": ("root of AM-GM", lambda: proved(sqrt(p * q), 2 * p * q / (p + q), ">=")),
    "cauchy-schwarz": (
        "(r v - u t)^2", lambda: proved((r**2 + u**2) * (t**2 + v**2), (r * t + u * v) ** 2, ">=")),
    "three cubes": (
        "(p+q+s) times half a sum of squares", lambda: proved(p**3 + q**3 + s**3, 3 * p * q * s, ">=")),
    "mean of squares": ("(r - u)^2/4", lambda: proved((r**2 + u**2) / 2, ((r + u) / 2) ** 2, ">=")),
    "triangle": ("|r| + |u|", lambda: proved(Abs(r) + Abs(u), Abs(r + u), ">=")),
    "log-sum-exp below": (
        "twice the larger term", lambda: proved(log(exp(r) + exp(u)), Max(r, u) + log(2), "<=")),
}

IDENTITIES = {
    "euler's pi/4": (
        "(2+i)(3+i) = 5 + 5i", lambda: proved(atan(Rational(1, 2)) + atan(Rational(1, 3)), pi / 4)),
    "hutton's pi/4": (
        "(3+i)^2 (7+i) = 50 + 50i", lambda: proved(2 * atan(Rational(1, 3)) + atan(Rational(1, 7)), pi / 4)),
    "sine of twice acos": (
        "2 sin cos", lambda: proved(sin(2 * acos(t)), 2 * t * sqrt(1 - t**2), domain=UNIT)),
    "double asin": ("cos 2a = 1 - 2 sin^2 a", lambda: proved(cos(2 * asin(t)), 1 - 2 * t**2, domain=UNIT)),
    "tangent of twice atan": (
        "2 t/(1 - t^2)", lambda: proved(tan(2 * atan(t)), 2 * t / (1 - t**2), domain=UNIT)),
    "triple angle": ("de Moivre", lambda: proved(sin(3 * r), 3 * sin(r) - 4 * sin(r) ** 3)),
    "half angle": ("double angles", lambda: proved(tan(r / 2), sin(r) / (1 + cos(r)))),
    "sum to product": ("addition", lambda: proved(sin(r) + sin(u), 2 * sin((r + u) / 2) * cos((r - u) / 2))),
    "tanh of a logarithm": ("(p - 1/p)/(p + 1/p)", lambda: proved(tanh(log(p)), (p**2 - 1) / (p**2 + 1))),
    "cosh of twice asinh": ("1 + 2 sinh^2", lambda: proved(cosh(2 * sp.asinh(r)), 1 + 2 * r**2)),
    "exp of asinh": ("sinh + cosh", lambda: proved(exp(sp.asinh(r)), r + sqrt(1 + r**2))),
    "acosh as a logarithm": (
        "exp is one to one", lambda: proved(sp.acosh(1 + p), log(1 + p + sqrt(p * (p + 2))))),
    "sigmoid and tanh": ("e^(r/2) cancels", lambda: proved(1 / (1 + exp(-r)), (1 + tanh(r / 2)) / 2)),
    "a nested radical": ("(2 + r3)^2 = 7 + 4 r3", lambda: proved(sqrt(7 + 4 * sqrt(3)), 2 + sqrt(3))),
    "a golden cube root": (
        "phi^3 = 2 + r5", lambda: proved((2 + sqrt(5)) ** Rational(1, 3), (1 + sqrt(5)) / 2)),
    "a root in the denominator": (
        "(r3+r2)(r3-r2) = 1", lambda: proved(1 / (sqrt(3) + sqrt(2)), sqrt(3) - sqrt(2))),
    "log of a power": ("definition", lambda: proved(log(p**r / q), r * log(p) - log(q))),
    "reflection": ("Euler", lambda: proved(gamma(z) * gamma(1 - z), pi / sin(pi * z))),
    "duplication": ("Legendre",
        lambda: proved(gamma(p) * gamma(p + Rational(1, 2)), 2 ** (1 - 2 * p) * sqrt(pi) * gamma(2 * p))),
    "digamma steps": ("log of z gamma(z)", lambda: proved(sp.digamma(p + 1), sp.digamma(p) + 1 / p)),
    "maximum and minimum": ("r + u, |r - u|", lambda: proved(Max(r, u), (r + u + Abs(r - u)) / 2)),
}

SUMS = {
    "squares": ("Archimedes", lambda: proved(Sum(k**2, (k, 1, n)), n * (n + 1) * (2 * n + 1) / 6)),
    "cubes": ("Nicomachus", lambda: proved(Sum(k**3, (k, 1, n)), (n * (n + 1) / 2) ** 2)),
    "powers of two": ("doubling", lambda: proved(Sum(2**k, (k, 0, n)), 2 ** (n + 1) - 1)),
    "telescope": ("1/k - 1/(k+1)", lambda: proved(Sum(1 / (k * (k + 1)), (k, 1, n)), n / (n + 1))),
    "one term vanishes": ("at k = 20", lambda: proved(Sum((k - 20) / sp.S(2) ** k, (k, 0, sp.oo)), -38)),
    "mean of a binomial": (
        "k C(n,k) = n C(n-1,k-1)", lambda: proved(Sum(k * binomial(n, k), (k, 0, n)), n * 2 ** (n - 1))),
    "squares of binomials": (
        "Vandermonde", lambda: proved(Sum(binomial(n, k) ** 2, (k, 0, n)), binomial(2 * n, n))),
    "a product": ("telescope", lambda: proved(Product(1 + 1 / k, (k, 1, n)), n + 1)),
    "basel": ("Euler", lambda: proved(Sum(1 / k**2, (k, 1, oo)), pi**2 / 6)),
    "alternating harmonic": ("log 2", lambda: proved(Sum((-1) ** (k + 1) / k, (k, 1, oo)), log(2))),
    "exponential": ("its series", lambda: proved(Sum(r**k / factorial(k), (k, 0, oo)), exp(r))),
    "logarithm": ("integral of the geometric series",
        lambda: proved(Sum(t**k / k, (k, 1, oo)), -log(1 - t), domain=UNIT)),
    "mean of a geometric law": ("slope of the geometric series",
        lambda: proved(Sum(k * t**k, (k, 1, oo)), t / (1 - t) ** 2, domain=UNIT)),
    "halves": ("geometric", lambda: proved(Sum(Rational(1, 2) ** k, (k, 1, n)), 1 - Rational(1, 2) ** n)),
    "mean of a poisson law": (
        "shift k", lambda: proved(Sum(k * p**k / factorial(k), (k, 0, oo)), p * exp(p))),
}

CALCULUS = {
    "gaussian": ("polar coordinates", lambda: proved(Integral(exp(-p * t**2), (t, -oo, oo)), sqrt(pi / p))),
    "second moment": (
        "by parts", lambda: proved(Integral(t**2 * exp(-(t**2) / 2), (t, -oo, oo)), sqrt(2 * pi))),
    "characteristic function, at 1": ("completed square", lambda: proved(
        Integral(exp(-(t**2) / 2) * cos(t), (t, -oo, oo)), sqrt(2 * pi) * exp(-Rational(1, 2)))),
    "gamma": ("its definition", lambda: proved(Integral(t ** (p - 1) * exp(-t), (t, 0, oo)), gamma(p))),
    "beta of integers": ("1/(n+1) - 2/(n+2) + 1/(n+3)",
        lambda: proved(Integral(t**n * (1 - t) ** 2, (t, 0, 1)), 2 / ((n + 1) * (n + 2) * (n + 3)))),
    "cauchy": ("atan", lambda: proved(Integral(1 / (p**2 + t**2), (t, -oo, oo)), pi / p)),
    "log moment": ("by parts", lambda: proved(Integral(t**2 * log(t), (t, 0, 1)), -Rational(1, 9))),
    "cosine squared": ("half of each", lambda: proved(Integral(cos(n * t) ** 2, (t, 0, 2 * pi)), pi)),
    "laplace transform of a sine": ("by parts, twice", lambda: proved(
        Integral(exp(-t) * sin(2 * t), (t, 0, oo)), Rational(2, 5))),
    "slope of softplus": ("chain rule", lambda: proved(Derivative(log(1 + exp(r)), r), 1 / (1 + exp(-r)))),
    "slope of log cosh": ("sinh/cosh", lambda: proved(Derivative(log(cosh(r)), r), tanh(r))),
    "slope of p^p": ("exp(p log p)", lambda: proved(Derivative(p**p, p), p**p * (1 + log(p)))),
    "slope of the logit": (
        "1/p + 1/(1-p)", lambda: proved(Derivative(log(t / (1 - t)), t), 1 / (t * (1 - t)))),
    "slope of asin": ("inverse", lambda: proved(Derivative(asin(t), t), 1 / sqrt(1 - t**2), domain=UNIT)),
    "slope of silu": ("product rule",
        lambda: proved(Derivative(r / (1 + exp(-r)), r), (1 + exp(-r) + r * exp(-r)) / (1 + exp(-r)) ** 2)),
    "second slope of a gaussian": (
        "Hermite", lambda: proved(Derivative(exp(-(r**2) / 2), (r, 2)), (r**2 - 1) * exp(-(r**2) / 2))),
    "any slope of an exponential": (
        "induction", lambda: proved(Derivative(exp(p * r), (r, n)), p**n * exp(p * r))),
    "slope of an integral": (
        "Leibniz", lambda: proved(Derivative(Integral(exp(-(t**2)), (t, 0, r**2)), r), 2 * r * exp(-(r**4)))),
    "euler's limit": ("log(1 + h)/h", lambda: proved(Limit((1 + p / x) ** x, x, oo), exp(p))),
    "log as a limit": ("slope of p^h", lambda: proved(Limit((p**t - 1) / t, t, 0), log(p))),
}

MATRICES = {
    "determinant of a product": ("multiplicative", lambda: proved((A * B).det(), A.det() * B.det())),
    "cayley-hamilton": ("2 x 2", lambda: proved(A**2 - A.trace() * A, -A.det() * sp.eye(2))),
    "inverse": ("adjugate", lambda: proved(A.inv() * A, sp.eye(2))),
    "trace of a cube": ("eigenvalues", lambda: proved(
        (A**3).trace(), A.trace() ** 3 - 3 * A.trace() * A.det())),
    "trace of a square": ("eigenvalues", lambda: proved((A**2).trace(), A.trace() ** 2 - 2 * A.det())),
    "sherman-morrison": (
        "rank one", lambda: proved((sp.eye(2) + a * b.T).inv(), sp.eye(2) - a * b.T / (1 + (b.T * a)[0]))),
    "slope of log det": (
        "inverse, transposed", lambda: proved(Derivative(log(A.det()), A[0, 1]), A.inv()[1, 0])),
    "turns compose": ("addition",
        lambda: proved(sp.Matrix([[cos(r), -sin(r)], [sin(r), cos(r)]]) * sp.Matrix([[cos(u), -sin(u)],
            [sin(u), cos(u)]]), sp.Matrix([[cos(r + u), -sin(r + u)], [sin(r + u), cos(r + u)]]))),
}

CERTIFIED = {
    "jordan": ("sine is concave",
        lambda: certified(sin(r), ">=", r * Rational(6, 10), Rational(1, 100), Rational(3, 2))),
    "taylor of the sine": ("Leibniz", lambda: certified(sin(r), ">=", r - r**3 / 6, Rational(1, 10), 3)),
    "gelu": ("minimum -0.17",
        lambda: certified(r * (1 + sp.erf(r / sqrt(2))) / 2, ">=", -Rational(171, 1000), -5, 5)),
    "sigmoid's slope": (
        "at 0", lambda: demo.supremum(exp(-r) / (1 + exp(-r)) ** 2, Rational(1, 4), box={r: (-7, 5)})),
    "a peak": (
        "at 1/r2", lambda: demo.supremum(r * exp(-(r**2)), exp(-Rational(1, 2)) / sqrt(2), box={r: (0, 4)})),
    "golden ratio": ("r^2 = r + 1", lambda: demo.root(r**2 - r - 1, (1 + sqrt(5)) / 2, box={r: (1, 2)})),
    "omega": ("W(1)", lambda: demo.root(r * exp(r) - 1, "0.567143290409784", box={r: (0, 1)})),
    "a root of a sum": (
        "r2, 2", lambda: demo.counterexample(sqrt(p + q), sqrt(p) + sqrt(q), at={p: 1, q: 1})),
}

STEPS = {
    "bernoulli": ("p^2 i >= 0", lambda: induction(1 + i * p, 1, x * (1 + p), ">=")),
    "sum of squares": ("polynomials", lambda: induction(i * (i + 1) * (2 * i + 1) / 6, 0, x + (i + 1) ** 2)),
    "towers": ("2 x + 1", lambda: induction(2**i - 1, 0, 2 * x + 1)),
    "row of pascal": ("2^n",
        lambda: demo.instances(lambda j: sum(binomial(j, h) for h in range(j + 1)), lambda j: 2**j,
            range(6))),
    "two dice": ("7/2 + 7/2",
        lambda: demo.instances(lambda j: expectation(sum, {f: Rational(1, 6) for f in range(1, 7)}, draws=j),
            lambda j: Rational(7 * j, 2), [1, 2])),
    "unbiased variance": (
        "n - 1", lambda: proved(SampleExpectation(centred_sum(2, n) / (n - 1), n), central_moment(2))),
    "variance of the mean": ("1/n",
        lambda: proved(SampleExpectation((power_sums(1)[0] / n) ** 2, n),
            SampleExpectation(power_sums(1)[0] / n, n) ** 2 + central_moment(2) / n)),
}

NUMBERS = {
    "expm1": ("torch", lambda: agrees(torch.expm1, exp(r) - 1, LINE + 0.1)),
    "gelu": ("torch",  # 1 + erf is rounded, and multiplied by 3 at most
        lambda: agrees(torch.nn.functional.gelu, r * (1 + sp.erf(r / sqrt(2))) / 2, scale=3.0)),
    "sigmoid": ("torch", lambda: agrees(torch.sigmoid, 1 / (1 + exp(-r)))),
    "log-softmax": ("torch",
        lambda: agrees(lambda c: c.log_softmax(-1), [c - LSE for c in y], ROWS, (y,), scale=1.0, dtypes=F64)),
    "log-gamma": ("torch", lambda: agrees(torch.lgamma, sp.loggamma(p), LINE.exp() + 3, (p,), dtypes=F64)),
    "a small angle": ("2 sin^2",
        lambda: agrees(lambda c: 2 * torch.sin(c / 2) ** 2, 1 - cos(r), torch.tensor([1e-30, 1e-3, 1.0],
            dtype=torch.float64), dtypes=F64)),
    "slope of log-sum-exp": ("softmax", lambda: gradient(lambda c: c.logsumexp(-1), LSE, ROWS, (y,))),
    "slope of softplus": (
        "sigmoid", lambda: gradient(lambda c: torch.nn.functional.softplus(c), log(1 + exp(r)))),
    "slope of a norm": ("x/|x|",
        lambda: gradient(lambda c: c.square().sum(-1).sqrt(), sqrt(sum(c**2 for c in y)), ROWS, (y,))),
    "trapezoid": ("order 2", lambda: demo.rate(trapezoid, [1 / 4, 1 / 8, 1 / 16, 1 / 32], 2)),
    "simpson": ("order 4", lambda: demo.rate(simpson, [1 / 4, 1 / 8, 1 / 16, 1 / 32], 4)),
    "euler": ("order 1", lambda: demo.rate(euler, [1 / 16, 1 / 32, 1 / 64, 1 / 128, 1 / 256], 1)),
    "taylor": ("order 3",
        lambda: demo.rate(lambda h: math.exp(h) - 1 - h - h**2 / 2, [1 / 4, 1 / 8, 1 / 16, 1 / 32, 1 / 64],
            3)),
    "root of a step": ("order 1/2",
        lambda: demo.rate(lambda h: math.sqrt(h + h**2), [1 / 64, 1 / 128, 1 / 256, 1 / 512], Rational(1,
            2))),
    "mean of |normal|": ("sqrt(2/pi)",
        lambda: demo.sampled(torch.randn(20_000, generator=generator()).abs(), sqrt(2 / pi), detects=0.05)),
    "a quarter disc": ("pi/4",
        lambda: demo.sampled((torch.rand(20_000, 2, generator=generator()).square().sum(-1) < 1).double(),
            pi / 4, detects=0.05)),
    "exponential waiting": ("1/rate",
        lambda: demo.sampled(-torch.rand(20_000, dtype=torch.float64, generator=generator()).log() / 2,
            Rational(1, 2), detects=0.05)),
    "a fair die": ("7/2",
        lambda: demo.sampled(torch.randint(1, 7, (20_000,), generator=generator()), Rational(7, 2),
            detects=0.2)),
}
# fmt: on

TRUTHS = {
    f"{group}: {name}": row
    for group, rows in {
        "inequality": INEQUALITIES, "identity": IDENTITIES, "sum": SUMS, "calculus": CALCULUS,
        "matrix": MATRICES, "certified": CERTIFIED, "step": STEPS, "number": NUMBERS,
    }.items()
    for name, (_, row) in rows.items()
}  # fmt: skip
