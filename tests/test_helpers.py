"""The helpers refuse what they are there to refuse."""

from fractions import Fraction

import pytest
import torch
from helpers import (
    F64,
    INF,
    NAN,
    Draw,
    allocated,
    assert_close,
    assert_derivatives,
    assert_hessians_agree,
    assert_refused,
    column,
    derivatives,
    gradient,
    gradients,
    resolution,
    rounding,
    z_score,
)
from torch.autograd.gradcheck import GradcheckError


class Square(torch.autograd.Function):
    """The square, with a slope of 2 x in reverse mode and of 3 x in forward mode."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x):
        return x * x

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)
        ctx.save_for_forward(*inputs)

    @staticmethod
    def backward(ctx, grad):
        return 2 * grad * ctx.saved_tensors[0]

    @staticmethod
    def jvp(ctx, tangent):
        return 3 * tangent * ctx.saved_tensors[0]


# ------------------------------------------------------------------- identity


def test_draws_follow_the_seed_alone():
    one, other = Draw(5), Draw(5)
    assert torch.equal(one.normal(3, scale=2.0), 2 * other.normal(3))
    u = one.uniform(1000, low=-1.0, high=3.0)
    assert u.min() >= -1
    assert u.max() <= 3
    assert set(one.below(3, 100).tolist()) == {0, 1, 2}
    assert one.labels(1000, share=0.1).sum() < 200
    assert not torch.equal(one.normal(3), other.normal(3))


def test_gradients_are_those_of_the_sum():
    x, y = column([1.0, 2.0]), column([3.0, 5.0])
    values, by_x, by_y = gradients(torch.mul, x, y)
    assert values.tolist() == [3, 10]
    assert torch.equal(by_x, y)
    assert torch.equal(by_y, x)
    assert gradient(torch.square, x, column([1.0, 10.0])).tolist() == [2, 40]
    assert not x.requires_grad


def test_second_derivatives_have_weights_from_1_to_2():
    assert [v.tolist() for v in derivatives(lambda x: x**3, column([1.0, 2.0]))] == [[1, 8], [3, 12], [6, 24]]
    assert derivatives(lambda x: 2 * x, column([1.0]))[2].tolist() == [0]


def test_rounding_counts_a_half_type_on_top():
    assert rounding(F64) == (2**-52, 0)
    assert rounding(torch.float32) == (2**-23, 0)
    assert rounding(torch.float16) == (2**-23, 2**-11)
    assert resolution(torch.float32, 4.0) == 32 * 2**-23


# ------------------------------------------------------------------- failure


def test_oracles_are_compared_in_their_own_numbers():
    assert_close(column([0.1, INF]), [Fraction(1, 10), INF], 1e-16)
    for expected in ([Fraction(1, 9), INF], [Fraction(1, 10), -INF], [Fraction(1, 10), NAN]):
        with pytest.raises(AssertionError):
            assert_close(column([0.1, INF]), expected, 1e-16)
    with pytest.raises(AssertionError):
        assert_close(column([NAN]), [NAN], 1.0)
    with pytest.raises(ValueError, match="shorter"):
        assert_close(column([1.0, 2.0]), [1.0], 1.0)
    assert_close(column([1.0, 2.0]), [1.1, 2.0], [0.1, 0.0])


def test_wrong_derivatives_are_refused():
    x = column([0.5, 1.5])
    assert_derivatives(torch.sin, x)
    assert_hessians_agree(torch.sin, x)
    with pytest.raises(GradcheckError):
        assert_derivatives(Square.apply, x)
    with pytest.raises(AssertionError):
        assert_hessians_agree(Square.apply, x)


def test_a_refusal_must_come_in_these_words():
    def call(x):
        raise ValueError(f"x must be positive, got {x}")

    assert_refused([(ValueError, "x must be positive, got -1", call)], -1)
    with pytest.raises(AssertionError):
        assert_refused([(ValueError, "y must be", call)], -1)
    with pytest.raises(ValueError, match="positive"):
        assert_refused([(TypeError, "x must be", call)], -1)
    with pytest.raises(pytest.fail.Exception):
        assert_refused([(ValueError, "x must be", abs)], -1)


def test_a_shifted_mean_has_a_large_score():
    samples = Draw(0).normal(10_000)
    assert abs(z_score(samples, 0.0)) < 4
    assert abs(z_score(samples, 0.1)) > 8


def test_memory_is_counted():
    most, asked = allocated(lambda: torch.zeros(1000).add(1).add(1))
    assert 8000 <= most <= 9000
    assert 12000 <= asked <= 13000
