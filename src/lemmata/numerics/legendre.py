"""Quadrature of Gauss and Legendre."""

import math

__all__ = ["legendre"]


def legendre(count: int) -> list[tuple[float, float]]:
    """Nodes and weights of Gauss and Legendre on [0, 1]: roots of the Legendre polynomial, by Newton."""
    rule = []
    for i in range(count):
        x = math.cos(math.pi * (i + 0.75) / (count + 0.5))
        for _ in range(6):
            low, high = 1.0, x
            for k in range(2, count + 1):
                low, high = high, ((2 * k - 1) * x * high - (k - 1) * low) / k
            slope = count * (x * high - low) / (x * x - 1)
            x -= high / slope
        rule.append(((1 - x) / 2, 1 / ((1 - x * x) * slope * slope)))
    return rule
