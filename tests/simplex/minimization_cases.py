"""A problem with a known answer, and the methods that solve it."""

from helpers import column

from lemmata.simplex import (
    exponentiated_gradient,
    frank_wolfe,
    projected_gradient,
    softmax_gradient_descent,
)

X = column([1.0, 0.8, 0.1])


def distance(p):
    return (p - X.to(p.dtype)).square().sum(-1)


def by_logits(f, p0, **options):
    return softmax_gradient_descent(f, p0.log(), **options)


METHODS = {
    "away": frank_wolfe,
    "multiply": exponentiated_gradient,
    "project": projected_gradient,
    "logits": by_logits,
}
