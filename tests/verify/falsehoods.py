"""False claims that the documentation of `lemmata.verify` promises to refuse: name -> (why, the claim).

Written from the documentation alone, by a reader who did not write the checks. Here: proofs and exact
arithmetic; the rest is in ``falsehoods_numeric``. "r = -1: 1, -1" reads: at r = -1 the left side is 1 and the
right side -1.
"""

from __future__ import annotations

import sympy as sp
from sympy import (
    Abs,
    Add,
    Derivative,
    DiracDelta,
    Heaviside,
    Integral,
    Limit,
    Max,
    Mul,
    Piecewise,
    Pow,
    Product,
    Rational,
    Sum,
    acos,
    atan,
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

from lemmata.verify import (
    SampleExpectation,
    central_moment,
    centred_sum,
    claim,
    cumulant,
    power_sums,
    raw_moments,
    unbiased_estimator,
)

z, w, x = sp.symbols("z w x")  # complex, for all that SymPy knows
r, u, t = sp.symbols("r u t", real=True)
p, q = sp.symbols("p q", positive=True)
n = sp.Symbol("n", integer=True, positive=True)
m = sp.Symbol("m", integer=True)
k = sp.Symbol("k", integer=True)
i = sp.Symbol("i", integer=True, nonnegative=True)
N = sp.Symbol("N", integer=True, positive=True)
S1, S2, S3 = power_sums(3)
m1, m2, m3 = raw_moments(3)
A, B = sp.Matrix(2, 2, sp.symbols("a:d")), sp.Matrix(2, 2, sp.symbols("e:h"))
demo = claim("false")


def proved(lhs, rhs, relation="==", **options):
    return demo.proved(lhs, rhs, relation=relation, **{"seconds": 5, **options})


def induction(closed, start, step, relation="==", first=0, state=i):
    """The quantity x from ``start`` at i = ``first``; ``step`` says what follows x."""
    base, step = {x: start, state: first}, {x: step, state: state + 1}
    return demo.induction(x, closed, base=base, step=step, relation=relation, seconds=5)


def turn(angle):
    return sp.Matrix([[cos(angle), -sin(angle)], [sin(angle), cos(angle)]])


# fmt: off
# --- proved: distributions, steps and other things that vanish at almost every point ------------------------

VANISHING = {
    "delta of 3r": ("integral 1/3, 1", lambda: proved(DiracDelta(3 * r), DiracDelta(r))),
    "delta of 1 - r/2": ("integral 2, 1", lambda: proved(DiracDelta(1 - r / 2), DiracDelta(r - 2))),
    "delta of r^2 - 1": ("integral over r > 0: 1/2, 1",
        lambda: proved(DiracDelta(r**2 - 1), DiracDelta(r - 1) + DiracDelta(r + 1))),
    "slope of a steep step": (
        "integral 1, 3", lambda: proved(Derivative(Heaviside(3 * r), r), 3 * DiracDelta(r))),
    "slope of the sign": ("integral 2, 1", lambda: proved(Derivative(sp.sign(r), r), DiracDelta(r))),
    "second slope of |r|": ("integral 2, 1", lambda: proved(Derivative(Abs(r), (r, 2)), DiracDelta(r))),
    "slope of a delta": (
        "r delta' = -delta: integral -1, 1", lambda: proved(r * DiracDelta(r, 1), DiracDelta(r))),
    "delta times a cosine": ("integral 1, 2", lambda: proved(cos(r) * DiracDelta(r), 2 * DiracDelta(r))),
    "delta is zero": ("integral 1, 0", lambda: proved(DiracDelta(r - 7), 0)),
    "delta has a weight": ("integral e, 1", lambda: proved(exp(r) * DiracDelta(r - 1), DiracDelta(r - 1))),
    "kronecker far away": (
        "m = 1000: 1, 2", lambda: proved(sp.KroneckerDelta(m, 1000), 2 * sp.KroneckerDelta(m, 1000))),
    "kronecker is zero": ("m = 1000: 1, 0", lambda: proved(sp.KroneckerDelta(m, 1000), 0)),
    "a step far away": ("r = 2e6: 1, 0", lambda: proved(Heaviside(r - 10**6), 0)),
    "two steps far away": ("r = 1.5e6: 1, 0", lambda: proved(Heaviside(r - 10**6), Heaviside(r - 2 * 10**6))),
    "a ramp far away": ("r = 1e6 + 1: 1, 0", lambda: proved(Max(r - 10**6, 0), 0)),
    "a case far away": ("r = 1e5: 2, 0", lambda: proved(Piecewise((2, r > 10**4), (0, True)), 0)),
    "a case at one point": (
        "r = 1/3: 5, r^2", lambda: proved(Piecewise((5, sp.Eq(r, Rational(1, 3))), (r**2, True)), r**2)),
    "floor of a small number": ("p = 2e6: 2, 0", lambda: proved(floor(p / 10**6), 0)),
    "ceiling is floor + 1": ("r = 0: 0, 1", lambda: proved(sp.ceiling(r), floor(r) + 1)),
    "a tiny bump": ("r = 0: 1e-40, 0", lambda: proved(exp(-(r**2)) / 10**40, 0)),
    "tiny numbers": ("p = 1: e^-1000, e^-999", lambda: proved(exp(-1000 * p), exp(-999 * p))),
    "a polynomial through all small integers": (
        "n = 13: 12!, 0", lambda: proved(sp.prod(n - j for j in range(1, 13)), 0)),
}

# --- proved: vacuous claims in disguise ---------------------------------------------------------------------

VACUOUS = {
    "zero times": ("0 is 0", lambda: proved(Mul(0, sin(z), evaluate=False), 0)),
    "one times": ("r^2 is r^2", lambda: proved(Mul(1, r**2, evaluate=False), r**2)),
    "to the first power": ("r + 1 is itself", lambda: proved(Pow(r + 1, 1, evaluate=False), r + 1)),
    "minus itself": ("0 is 0", lambda: proved(Add(exp(r), -exp(r), evaluate=False), 0)),
    "plus zero": ("log p is log p", lambda: proved(Add(log(p), 0, evaluate=False), log(p))),
    "held back": ("r is r", lambda: proved(sp.UnevaluatedExpr(r), r)),
    "a sum of zeros": ("0 is 0", lambda: proved(Sum(0, (k, 1, n)), 0)),
    "an integral of zero": ("0 is 0", lambda: proved(Integral(0, (t, 0, p)), 0)),
    "the same derivative": ("itself", lambda: proved(Derivative(sin(r), r), Derivative(sin(r), r))),
    "the same integral": ("itself", lambda: proved(Integral(exp(t), (t, 0, r)), Integral(exp(t), (t, 0, r)))),
    "two and three": ("5 is 5", lambda: proved(Add(2, 3, evaluate=False), 5)),
    "matrix minus itself": ("0 is 0", lambda: proved(A - A, sp.zeros(2))),
    "decided equality": ("SymPy says True", lambda: proved(sp.Eq(p + 1, 1 + p), None)),
    "decided inequality": ("SymPy says True", lambda: demo.proved(sp.Gt(p, 0))),
}

# --- proved: branches, signs and assumptions ----------------------------------------------------------------

BRANCHES = {
    "root of a product": ("z = w = -1: 1, -1", lambda: proved(sqrt(z * w), sqrt(z) * sqrt(w))),
    "log of a product": ("z = w = -1: 0, 2 pi i", lambda: proved(log(z * w), log(z) + log(w))),
    "log of a square": ("z = -1: 0, 2 pi i", lambda: proved(log(z**2), 2 * log(z))),
    "log of exp": ("z = 2 pi i: 0, 2 pi i", lambda: proved(log(exp(z)), z)),
    "log of a negative": ("pi i, -pi i", lambda: proved(log(-p), log(p) - sp.I * pi)),
    "asin of sin": ("r = pi: 0, pi", lambda: proved(sp.asin(sin(r)), r)),
    "acos of cos": ("r = 2 pi: 0, 2 pi", lambda: proved(acos(cos(r)), Abs(r))),
    "atan of tan": ("r = pi: 0, pi", lambda: proved(atan(tan(r)), r)),
    "acosh of cosh": ("r = -1: 1, -1", lambda: proved(sp.acosh(sp.cosh(r)), r)),
    "fourth root of a square": ("z = -1: 1, i", lambda: proved((z**2) ** Rational(1, 4), sqrt(z))),
    "power of a power": ("z = -1, p = 2, q = 1/2: 1, -1", lambda: proved((z**p) ** q, z ** (p * q))),
    "root of an inverse": ("z = -1: i, -i", lambda: proved(sqrt(1 / z), 1 / sqrt(z))),
    "root of z^2 - 1": ("z = -2: r3, -r3", lambda: proved(sqrt(z**2 - 1), sqrt(z - 1) * sqrt(z + 1))),
    "cube root of a cube": ("r = -1: (1 + i r3)/2, -1", lambda: proved((r**3) ** Rational(1, 3), r)),
    "atan and its inverse argument": ("r = -1: -pi/2, pi/2", lambda: proved(atan(r) + atan(1 / r), pi / 2)),
    "atan addition": (
        "r = u = 2: 2.2, -0.93", lambda: proved(atan(r) + atan(u), atan((r + u) / (1 - r * u)))),
    "atan of two arguments": ("r = -1, u = 1: 3pi/4, -pi/4", lambda: proved(sp.atan2(u, r), atan(u / r))),
    "argument of a product": ("z = w = -1: 0, 2 pi", lambda: proved(sp.arg(z * w), sp.arg(z) + sp.arg(w))),
    "acos by atan": (
        "t = -1/2: 2.1, -1.05", lambda: proved(acos(t), atan(sqrt(1 - t**2) / t), domain={t: (-1, 1)})),
    "asinh by Abs": ("r = -1: -0.88, 0.88", lambda: proved(sp.asinh(r), log(Abs(r) + sqrt(r**2 + 1)))),
    "lambert": ("r = -2: -0.41, -2", lambda: proved(sp.LambertW(r * exp(r)), r)),
    "cube of Abs": ("r = -1: 1, -1", lambda: proved(Abs(r) ** 3, r**3)),
    "square of a maximum": ("r = -2, u = 1: 1, 4", lambda: proved(Max(r, u) ** 2, Max(r**2, u**2))),
    "slope of r|r|": ("r = -1: 2, -2", lambda: proved(Derivative(r * Abs(r), r), 2 * r)),
    "slope of log|r|": ("r = -1: -1, 1", lambda: proved(Derivative(log(Abs(r)), r), 1 / Abs(r))),
    "real part of a square": ("z = i: -1, 0", lambda: proved(sp.re(z**2), sp.re(z) ** 2)),
    "complex square": ("z = i: -1, 1", lambda: proved(z**2, Abs(z) ** 2)),
    "remainder of a negative": ("m = 1: 2, -1", lambda: proved(sp.Mod(-m, 3), -sp.Mod(m, 3))),
    "floor of a sum": ("r = u = 1/2: 1, 0", lambda: proved(floor(r + u), floor(r) + floor(u))),
    "cosine at whole half turns": ("m = 1: -1, 1", lambda: proved(cos(pi * m), 1)),
    "negative radicands": ("-r6, r6", lambda: proved(sqrt(-2) * sqrt(-3), sqrt(6))),
    "cube root of -8": ("1 + i r3, -2", lambda: proved(Pow(-8, Rational(1, 3)), -2)),
    "i to the i": ("0.2, 4.8", lambda: proved(sp.I**sp.I, exp(pi / 2))),
    "root of a square, on a domain": (
        "r = -1/2: 1/2, -1/2", lambda: proved(sqrt(r**2), r, domain={r: (-1, 2)})),
}

# --- proved: constants, sums, integrals, derivatives, limits ------------------------------------------------

CONSTANTS = {
    "fifty digits of pi": ("the 51st digit differs",
        lambda: proved(pi, Rational("3.14159265358979323846264338327950288419716939937511"))),
    "zeta(2) and a bit": ("differ by 1e-60", lambda: proved(sp.zeta(2), pi**2 / 6 + Rational(1, 10**60))),
    "163": ("differ by 7.5e-13", lambda: proved(exp(pi * sqrt(163)), 262537412640768744)),
    "pi by 163": ("differ by 2e-31", lambda: proved(log(640320**3 + 744) / sqrt(163), pi)),
    "twelfth digit of log 2": (
        "0.693147180559945...", lambda: proved(log(2), Rational(693147180560, 10**12))),
    "machin with 238": (
        "239, not 238", lambda: proved(4 * atan(Rational(1, 5)) - atan(Rational(1, 238)), pi / 4)),
    "pi as two roots": ("3.1463, 3.1416", lambda: proved(sqrt(2) + sqrt(3), pi)),
    "a nested radical of the wrong sign": ("0.41, -0.41", lambda: proved(sqrt(3 - 2 * sqrt(2)), 1 - sqrt(2))),
    "zeta(-1)": ("-1/12, 1/12", lambda: proved(exp(sp.zeta(-1)), exp(Rational(1, 12)))),
    "reflection without pi": (
        "z = 1/2: pi, 6.55", lambda: proved(sp.gamma(z) * sp.gamma(1 - z), pi / sin(z))),
    "erf and erfc": ("r = 0: 1, 2", lambda: proved(sp.erf(r) + sp.erfc(r), 2)),
    "gamma is factorial": ("n = 3: 2, 6", lambda: proved(sp.gamma(n), sp.factorial(n))),
    "chebyshev": ("r = 1: 4, 0", lambda: proved(sp.chebyshevu(3, r), 4 * r**3 - 4 * r)),
    "central binomial": ("n = 1: 2, 2.26", lambda: proved(sp.binomial(2 * n, n), 4**n / sqrt(pi * n))),
}

SUMS = {
    "one term too few": ("n = 1: 0, 1", lambda: proved(Sum(k, (k, 0, n - 1)), n * (n + 1) / 2)),
    "cubes, off by one": ("n = 2: 9, 1", lambda: proved(Sum(k**3, (k, 1, n)), (n * (n - 1) / 2) ** 2)),
    "geometric, off by one": (
        "p = 2, n = 1: 3, 1", lambda: proved(Sum(p**k, (k, 0, n)), (1 - p**n) / (1 - p))),
    "harmonic": ("n = 1: 1, 0.577", lambda: proved(Sum(1 / k, (k, 1, n)), log(n) + sp.EulerGamma)),
    "binomials from 1": ("n = 1: 1, 2", lambda: proved(Sum(sp.binomial(n, k), (k, 1, n)), 2**n)),
    "weighted binomials": ("n = 1: 1, 2", lambda: proved(Sum(k * sp.binomial(n, k), (k, 0, n)), n * 2**n)),
    "alternating ones": ("n = 2: 0, -1", lambda: proved(Sum((-1) ** k, (k, 1, n)), -1)),
    "telescope": ("n = 1: 1/2, 2", lambda: proved(Sum(1 / (k * (k + 1)), (k, 1, n)), (n + 1) / n)),
    "product": ("n = 2: 3/4, 1/4", lambda: proved(Product(1 - 1 / k**2, (k, 2, n)), (n - 1) / (2 * n))),
    "basel": ("1.64, 1.23", lambda: proved(Sum(1 / k**2, (k, 1, oo)), pi**2 / 8)),
    "leibniz's sign": ("0.785, -0.785", lambda: proved(Sum((-1) ** k / (2 * k + 1), (k, 0, oo)), -pi / 4)),
    "exponential from 1": ("r = 0: 0, 1", lambda: proved(Sum(r**k / sp.factorial(k), (k, 1, oo)), exp(r))),
    "alternating harmonic": (
        "0.69, 0.5", lambda: proved(Sum((-1) ** (k + 1) / k, (k, 1, oo)), Rational(1, 2))),
    "geometric for |t| < 1, off by one": (
        "t = 1/2: 2, 1", lambda: proved(Sum(t**k, (k, 0, oo)), t / (1 - t), domain={t: (-1, 1)})),
}

CALCULUS = {
    "gaussian": (
        "0.89, 0.44", lambda: proved(Integral(exp(-4 * t**2), (t, -oo, oo)), sqrt(pi) / 4)),
    "over a double pole": ("infinite, -2", lambda: proved(Integral(1 / t**2, (t, -1, 1)), -2)),
    "over a simple pole": ("no value, log 2", lambda: proved(Integral(1 / t, (t, -1, 2)), log(2))),
    "tan over its pole": (
        "no value, -log|cos 2|", lambda: proved(Integral(tan(t), (t, 0, 2)), -log(-cos(2)))),
    "a jump of the antiderivative": ("3.6, 0", lambda: proved(Integral(1 / (2 + cos(t)), (t, 0, 2 * pi)), 0)),
    "a root that is |cos|": ("2.8, 0", lambda: proved(Integral(sqrt(1 + cos(2 * t)), (t, 0, pi)), 0)),
    "a branch cut on the way": ("4, 0", lambda: proved(Integral(sqrt(exp(sp.I * t)), (t, 0, 2 * pi)), 0)),
    "jumps of atan tan": ("0.65, -4.3", lambda: proved(Integral(atan(tan(t)), (t, 0, 2)), 2 - 2 * pi)),
    "odd by mistake": ("1, 0", lambda: proved(Integral(Abs(t), (t, -1, 1)), 0)),
    "sign of a logarithm": ("-1, 1", lambda: proved(Integral(log(t), (t, 0, 1)), 1)),
    "power, off by one": ("p = 1: 1/2, 1", lambda: proved(Integral(t**p, (t, 0, 1)), 1 / p)),
    "cauchy": ("pi/2, pi/4", lambda: proved(Integral(1 / (t**2 + 4), (t, -oo, oo)), pi / 4)),
    "beta, off by one": (
        "1/12, 1/60", lambda: proved(Integral(t * (1 - t) ** 2, (t, 0, 1)), Rational(1, 60))),
    "laplace": ("2, 1", lambda: proved(Integral(exp(-Abs(t)), (t, -oo, oo)), 1)),
    "square of a cosine": ("pi, 2 pi", lambda: proved(Integral(cos(t) ** 2, (t, 0, 2 * pi)), 2 * pi)),
    "dirichlet": ("pi/2, pi", lambda: proved(Integral(sin(t) / t, (t, 0, oo)), pi)),
    "gamma, off by one": (
        "1/4, 3/4", lambda: proved(Integral(t**2 * exp(-2 * t), (t, 0, oo)), Rational(3, 4))),
    "exponential": ("r = 2: 3.2, 1.6", lambda: proved(Integral(exp(r * t), (t, 0, 1)), (exp(r) - 1) / r**2)),
    "moving end": (
        "r = 0: 0, 1", lambda: proved(Derivative(Integral(exp(-(t**2)), (t, 0, r**2)), r), exp(-(r**4)))),
    "p to the p": ("p = 2: 6.8, 4", lambda: proved(Derivative(p**p, p), p * p ** (p - 1))),
    "slope by the exponent": ("p = 2, r = 1: 1.39, 1", lambda: proved(Derivative(p**r, r), r * p ** (r - 1))),
    "second slope of a power": (
        "z = 2, n = 2: 2, 4", lambda: proved(Derivative(z**n, (z, 2)), n * (n - 1) * z ** (n - 1))),
    "third slope of a gaussian": ("r = 1: 1.2, -1.2",
        lambda: proved(Derivative(exp(-(r**2) / 2), (r, 3)), (r**3 - 3 * r) * exp(-(r**2) / 2))),
    "slope of a softmax": ("r = u = 0: -1/4, 1/4",
        lambda: proved(Derivative(exp(r) / (exp(r) + exp(u)), u), exp(r + u) / (exp(r) + exp(u)) ** 2)),
    "euler's limit": ("p = 1: 2.7, 0.37", lambda: proved(Limit((1 + p / x) ** x, x, oo), exp(-p))),
    "sinc far away": ("0, 1", lambda: proved(Limit(sin(p * x) / x, x, oo), p)),
    "from the left": ("-1, 1", lambda: proved(exp(Limit(Abs(t) / t, t, 0, "-")), sp.E)),
    "1 - cos": ("1/2, 1", lambda: proved(exp(Limit((1 - cos(t)) / t**2, t, 0)), sp.E)),
    "a limit at an edge": ("r = 1/3: 1 < 1",
        lambda: proved(Limit(1 / ((3 * r - 1) * t + 1), t, oo), 1, "<")),
    "a limit where cos is 0": ("r = 5 pi / 2: 1, 0",
        lambda: proved(Limit(1 / (t * cos(r) + 1), t, oo), 0, domain={r: (7, 9)})),
    "a limit at a root without a formula": ("r = 0.914: 1, 0",
        lambda: proved(Limit(1 / ((3 * r**5 - r - 1) * t + 1), t, oo), 0)),
    "a limit on lambert's other branch": ("r = -3.58: 1, 0",
        lambda: proved(Limit(1 / ((r * exp(r) + Rational(1, 10)) * t + 1), t, oo), 0, domain={r: (-5, -2)})),
    "an even power of what is not real": ("r = 1e-10: -2e-9, 0",
        lambda: proved(sp.acosh(r + 1 - Rational(1, 10**9)) ** 2, 0, ">=", domain={r: (0, 2)})),
    "within a second": ("r = 1: differ by 1",
        lambda: proved((sin(r) + exp(r) + r**2 + log(p)) ** 12, (sin(r) + exp(r) + r**2 + log(p)) ** 12 + r,
            seconds=1)),
}

MATRICES = {
    "turns compose": ("r = 0, u = 1: a sign", lambda: proved(turn(r) * turn(u), turn(r - u))),
    "turns back": ("r = 1: sin 1, -sin 1", lambda: proved(turn(r).T, turn(r))),
    "they commute": ("diag(1, 0) and a swap", lambda: proved(A * B, B * A)),
    "determinants add": ("I and I: 4, 2", lambda: proved((A + B).det(), A.det() + B.det())),
    "inverse without determinant": ("2 I: I/2, 2 I", lambda: proved(A.inv(), A.adjugate())),
    "transposed product": ("(AB)^T = B^T A^T", lambda: proved((A * B).T, A.T * B.T)),
    "the last entry only": ("1, 1 + 1e-12",
        lambda: proved(turn(r) * turn(-r), sp.Matrix([[1, 0], [0, 1 + Rational(1, 10**12)]]))),
    "cayley-hamilton": (
        "I: I - 2 I - I", lambda: proved(A**2 - A.trace() * A - A.det() * sp.eye(2), sp.zeros(2))),
}

# --- proved: inequalities -----------------------------------------------------------------------------------

INEQUALITIES = {
    "square above": ("r = 1/2", lambda: proved(r**2, r, ">=")),
    "exp above its second order": ("r = -1: 0.37, 0.5", lambda: proved(exp(r), 1 + r + r**2 / 2, ">=")),
    "log above": ("p = 1: 0.69, 0.75", lambda: proved(log(1 + p), p - p**2 / 4, ">=")),
    "sine above": ("p = 0.1: 1/7 < 1/6", lambda: proved(sin(p), p - p**3 / 7, ">=")),
    "sine below": ("p = 0.1: 1/121 < 1/120", lambda: proved(sin(p), p - p**3 / 6 + p**5 / 121, "<=")),
    "cosine above": ("r = 1: 0.54, 0.67", lambda: proved(cos(r), 1 - r**2 / 3, ">=")),
    "tanh above": ("p = 0.1: 1/4 < 1/3", lambda: proved(tanh(p), p - p**3 / 4, ">=")),
    "means the wrong way": ("p = 1, q = 4: 2.5, 2", lambda: proved((p + q) / 2, sqrt(p * q), "<=")),
    "p + 1/p above 2, strictly": ("p = 1: 2, 2", lambda: proved(p + 1 / p, 2, ">")),
    "a double root, strictly": ("r = 1: 0", lambda: proved(r**4 - 2 * r**2 + 1, 0, ">")),
    "a square less a hair": ("r = 1: -1e-30", lambda: proved(r**2 - 2 * r + 1, Rational(1, 10**30), ">=")),
    "a gap between the points": (
        "r = r2: 0, 1e-9", lambda: proved((r**2 - 2) ** 2, Rational(1, 10**9), ">=")),
    "log below its tangent less a hair": (
        "p = 1: 0, -1e-12", lambda: proved(log(p), p - 1 - Rational(1, 10**12), "<=")),
    "exp above its tangent, strictly": ("r = 0: 1, 1", lambda: proved(exp(r), 1 + r, ">")),
    "cosh below": ("r = 1: 1.54, 1.40", lambda: proved(sp.cosh(r), exp(r**2 / 3), "<=")),
    "p^p": ("p = 1/e: 0.6922", lambda: proved(p**p, Rational(6923, 10**4), ">=")),
    "p log p": ("p = 1/e: -0.36788", lambda: proved(p * log(p), -Rational(367, 1000), ">=")),
    "gamma": ("p = 1.4616: 0.8856", lambda: proved(sp.gamma(p), Rational(9, 10), ">=")),
    "sine below 1": ("r = pi/2: 1", lambda: proved(sin(r), 1 - Rational(1, 10**6), "<=")),
    "cosine above -1, strictly": ("r = pi: -1", lambda: proved(cos(r), -1, ">")),
    "sine and cosine": ("r = pi/4: r2", lambda: proved(sin(r) + cos(r), sqrt(2) - Rational(1, 10**9), "<=")),
    "Abs, strictly": ("r = 0: 0, 0", lambda: proved(Abs(r), 0, ">")),
    "triangle the wrong way": ("r = 1, u = -1: 0, 2", lambda: proved(Abs(r + u), Abs(r) + Abs(u), ">=")),
    "exp for large p": ("p = 100: 2.7e43, 1e26", lambda: proved(exp(p), 10**6 * (1 + p**10), "<=")),
    "log for small p": ("p = 1e-9: -20.7, -8", lambda: proved(log(p), -8, ">=")),
    "inverse for small p": ("p = 1e-5", lambda: proved(1 / p, 10**4, "<=")),
    "a large integer": ("n = 1e6 + 1", lambda: proved(n, 10**6, "<=")),
    "not comparable": ("z = i: -1", lambda: proved(z**2, 0, ">=")),
    "ceiling, strictly": ("r = 0: 0, 0", lambda: proved(sp.ceiling(r), r, ">")),
    "on a domain": ("r = 3/2: 9/4", lambda: proved(r**2, r, "<=", domain={r: (0, 2)})),
    "log on a domain": ("r = 1: 0.69, 0.5", lambda: proved(log(1 + r), r / 2, "<=", domain={r: (0, 5)})),
    "harmonic below 3": ("n = 11: 3.02", lambda: proved(Sum(1 / k, (k, 1, n)), 3, "<=")),
    "log-sum-exp at the maximum": (
        "r = u = 0: 0.69, 0", lambda: proved(log(exp(r) + exp(u)), Max(r, u), "<=")),
    "constants": ("0.69315, 0.6932", lambda: proved(log(2), Rational(6932, 10**4), ">=")),
}

# --- induction, instances -----------------------------------------------------------------------------------

INDUCTION = {
    "odd numbers": ("i = 1: 1, 2", lambda: induction(i**2 + i, 0, x + 2 * i + 1)),
    "squares": ("i = 1: 1, 0", lambda: induction(i * (i - 1) * (2 * i - 1) / 6, 0, x + (i + 1) ** 2)),
    "geometric": ("i = 1: 1, 1 + p", lambda: induction((1 - p ** (i + 1)) / (1 - p), 0, x + p**i)),
    "right for six steps": (
        "i = 6: 6, 726", lambda: induction(i + sp.prod(i - j for j in range(6)), 0, x + 1)),
    "factorials above powers": ("i = 1: 1, 2", lambda: induction(2**i, 1, x * (i + 1), ">=")),
    "powers above squares": ("i = 3: 8, 9", lambda: induction(i**2, 1, 2 * x, ">=")),
    "bernoulli for all real r": (
        "r = -5, i = 3: -64, -14", lambda: induction(1 + i * r, 1, x * (1 + r), ">=")),
    "inverse squares below 3/2": ("n = 7: 1.512",
        lambda: induction(Rational(3, 2) + 0 * n, 1, x + 1 / (n + 1) ** 2, "<=", first=1, state=n)),
    "harmonic below 4": (
        "n = 31: 4.03", lambda: induction(sp.Integer(4), 1, x + 1 / (n + 1), "<=", first=1, state=n)),
    "another start": ("i = 0: 1, 0", lambda: induction(i**2, 1, x + 2 * i + 1)),
    "a sign that alternates": ("i = 1: -1, 1", lambda: induction(sp.Integer(1), 1, -x)),
    "a tiny difference": ("differ by 1e-40", lambda: induction(i + Rational(1, 10**40), 0, x + 1)),
    "no recursion": ("vacuous", lambda: induction((i + 1) ** 2, 1, (i + 2) ** 2)),
    "nothing changes": ("vacuous", lambda: induction(sp.Integer(3), 3, x)),
}

INSTANCES = {
    "euler's primes": ("40: 41^2",
        lambda: demo.instances(lambda j: sp.isprime(j**2 + j + 41), lambda j: True, range(38, 42))),
    "fermat's primes": (
        "5", lambda: demo.instances(lambda j: sp.isprime(2**2**j + 1), lambda j: 1, range(6))),
    "regions of a circle": ("6: 31, 32",
        lambda: demo.instances(lambda j: sum(sp.binomial(j - 1, h) for h in range(5)),
            lambda j: 2 ** (j - 1), range(1, 7))),
    "an approximation": ("22/7", lambda: demo.instances(lambda j: pi, lambda j: Rational(22, 7), [1])),
    "a root of a square": ("x = -1", lambda: demo.instances(lambda j: sqrt(x**2), lambda j: x, [1])),
    "nothing": ("no case", lambda: demo.instances(lambda j: j, lambda j: +j, ())),
    "itself": ("one function", lambda: demo.instances(sp.fibonacci, sp.fibonacci, [1, 2, 3])),
    "not a number": ("nan", lambda: demo.instances(lambda j: sp.nan, lambda j: sp.nan, [1])),
    "a row and a column": (
        "shapes differ", lambda: demo.instances(lambda j: sp.ones(1, j), lambda j: sp.ones(j, 1), [1, 2])),
    "log of a product": ("-2, -3",
        lambda: demo.instances(lambda a, b: log(a * b), lambda a, b: log(a) + log(b), [(2, 3), (-2, -3)])),
}

# --- sample expectations ------------------------------------------------------------------------------------

MOMENTS = {
    "divisor n": (
        "n = 1: 0, mu_2", lambda: proved(SampleExpectation(centred_sum(2, n) / n, n), central_moment(2))),
    "cube of the mean": ("n = 1: m_3, m_1^3", lambda: proved(SampleExpectation((S1 / n) ** 3, n), m1**3)),
    "variance of the mean": ("n = 1: mu_2, mu_2/2",
        lambda: proved(SampleExpectation((S1 / n) ** 2, n) - m1**2, central_moment(2) / (n + 1))),
    "without replacement": ("the factor N/(N-1)",
        lambda: proved(SampleExpectation(centred_sum(2, n) / (n - 1), n, N), central_moment(2))),
    "third cumulant": (
        "the factor n/(n-2)", lambda: proved(SampleExpectation(centred_sum(3, n) / (n - 1), n), cumulant(3))),
    "dependent sums": ("n = 1: m_3, m_1 m_2", lambda: proved(SampleExpectation(S1 * S2, n), n**2 * m1 * m2)),
    "an estimator by n": ("n = 2: m_1^2, m_1^2/2",
        lambda: proved(SampleExpectation(unbiased_estimator(m1**2, n), n), m1**2 * (n - 1) / n)),
    "cumulants and moments": ("m_2 = 1: -3, 0", lambda: proved(cumulant(4), central_moment(4))),
    "third central moment": (
        "m_1 = m_2 = m_3 = 1: 0, -4", lambda: proved(central_moment(3), m3 - 3 * m1 * m2 - 2 * m1**3)),
}

FALSE = {
    "vanishing": VANISHING, "vacuous": VACUOUS, "branches": BRANCHES, "constants": CONSTANTS, "sums": SUMS,
    "calculus": CALCULUS, "matrices": MATRICES, "inequalities": INEQUALITIES,
    "induction": INDUCTION, "instances": INSTANCES, "moments": MOMENTS,
}
# fmt: on
