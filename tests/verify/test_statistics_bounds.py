"""Each bound of `sampled` and `rate`, met and just missed, and what they print."""

from __future__ import annotations

import math
from statistics import NormalDist

import pytest
import torch

from lemmata.verify import claim, statistics
from lemmata.verify.outcome import NotDecided, Refuted

demo = claim("demo")
CENTRED = torch.arange(-300.0, 301, dtype=torch.float64)[
    torch.randperm(601, generator=torch.Generator().manual_seed(0))
]
ERROR = CENTRED.std().item() / math.sqrt(len(CENTRED))
LIMIT = -NormalDist().inv_cdf(0.5e-6)


def measured(slopes, order, within=0.1, ratio=4.0):
    """`rate`, of errors that fall with these slopes."""
    steps = [ratio**-k for k in range(len(slopes) + 1)]
    errors = [1.0]
    for slope in slopes:
        errors.append(errors[-1] * ratio**-slope)
    return demo.rate(errors, steps, order, within=within)


def not_decided(*args, **options):
    with pytest.raises(NotDecided, match="slopes that have settled"):
        measured(*args, **options)


# --- sampled ------------------------------------------------------------------------------------------------


def test_what_is_said_of_a_mean():
    evidence = demo.sampled(CENTRED, 1, detects=100.0)
    assert evidence.plain == "0 ± 7.1 ≈ 1"
    assert evidence.statement == r"0 \pm 7.1 \approx 1"
    assert evidence.how == "601 samples, z = -0.1, |z| ≤ 4.89 required"
    assert evidence.details[0].endswith("an error of 100 in the claim would be seen")


def test_a_hundred_samples_are_enough():
    assert demo.sampled(CENTRED[:100], 0, detects=1000.0).kind == "sampled"


@pytest.mark.parametrize("rate", [1e-12, 0.1])
def test_the_largest_and_the_smallest_rate_of_false_alarms(rate):
    assert demo.sampled(CENTRED, 0, detects=1000.0, false_alarm=rate).kind == "sampled"


def test_a_sample_detects_three_standard_errors_beyond_its_band_and_no_less():
    weakest = ERROR * (LIMIT + 3)
    assert demo.sampled(CENTRED, 0, detects=weakest).kind == "sampled"
    with pytest.raises(NotDecided, match=r"one that sees no less than 55\.9"):
        demo.sampled(CENTRED, 0, detects=weakest * (1 - 1e-12))


def test_a_mean_may_lie_just_inside_its_band_and_not_beyond():
    for end in (ERROR * LIMIT, -ERROR * LIMIT):
        assert demo.sampled(CENTRED, end * (1 - 1e-12), detects=100.0).kind == "sampled"
        with pytest.raises(Refuted):
            demo.sampled(CENTRED, end * (1 + 1e-12), detects=100.0)


def test_a_mean_is_printed_to_six_digits_or_to_those_of_its_error():
    with pytest.raises(Refuted) as failure:
        demo.sampled(CENTRED, 100 / 3, detects=60.0, false_alarm=0.1)
    assert failure.value.expected == "mean 33.3333"
    with pytest.raises(Refuted) as failure:
        demo.sampled(CENTRED + 1 / 3, 100 / 3, detects=60.0, false_alarm=0.1)
    assert (failure.value.expected, failure.value.found[:14]) == ("mean 33.3333", "0.333333 ± 7.1")
    with pytest.raises(Refuted) as failure:
        demo.sampled(CENTRED * 1e-9 + 1 / 3, 1 / 3 + 1e-7, detects=1.0)
    assert failure.value.expected == "mean 0.3333334333"  # the error: 7e-9


# --- rate ---------------------------------------------------------------------------------------------------


def test_the_slope_between_two_errors():
    assert statistics._slope(1, 8, 0.5, 2) == 2
    assert statistics._slope(1, 2, 0.25, 8) == -1


@pytest.mark.parametrize(
    ("slopes", "ratio", "interval"),
    [
        ([5, 1.9004, 2.0004], 4, (1.999, 2.102)),  # on by the drift
        ([5, 2.1004, 2.0004], 4, (1.899, 2.002)),
        ([5, 1.9004, 2.0004], 25, (1.999, 2.027)),  # by a quarter of it
        ([5, 1.9004, 2.0004], 2.25, (1.999, 2.202)),
    ],
)
def test_where_slopes_lead_to(slopes, ratio, interval):
    assert statistics._interval(slopes, ratio) == interval


def test_the_ratio_of_the_steps_is_that_of_the_last_three():
    first, last = 2**-1.9004, 8**-2.0004
    evidence = demo.rate([7, 1, first, first * last], [2, 1, 1 / 2, 1 / 16], 2)
    assert evidence.plain == "order of error(h), measured: between 1.999 and 2.102"


def test_what_is_said_of_an_order():
    evidence = measured([2, 2], 2, within=0.25)
    assert evidence.tolerance == "0.25 in the order"
    assert evidence.plain == "order of error(h), measured: between 1.999 and 2.001"
    assert evidence.how == "slopes between steps: 2.0000, 2.0000; the derived order is 2"
    assert evidence.details[-1] == "h = 0.0625: error 0.003906"


def test_an_order_is_refuted_only_outside_tolerance_and_interval():
    with pytest.raises(Refuted, match=r"order 2 within 0\.1"):
        measured([2.2, 2.2], 2)
    with pytest.raises(Refuted):
        measured([2.0, 2.2, 2.2], 2)
    not_decided([2.05, 2.05], 2)
    not_decided([2.2, 2.2, 2.05, 2.05], 2)
    not_decided([2, 2], 1.75, within=0.25)
    not_decided([1.7, 1.85], 2, within=0.1)
    for end in (1.999, 2.001):
        not_decided([2, 2], end, within=0.0005)


@pytest.mark.parametrize("order", [1.999, 2.001])
def test_an_order_may_lie_at_an_end_of_what_was_measured(order):
    assert measured([2, 2], order).kind == "rate"


def test_the_last_slope_must_be_nearer_than_the_first_or_within_a_tenth():
    assert measured([1.8, 1.9, 1.95], 2).kind == "rate"
    assert measured([2, 1.981, 1.9905], 2).kind == "rate"
    not_decided([2, 1.979, 1.9895], 2)
    not_decided([2.02, 1.9, 1.95], 2)
    assert measured([2, 2], 1.999, within=0.005).kind == "rate"  # as near


def test_the_slope_before_the_last_must_lie_within_four_tolerances():
    assert measured([1.0, 1.65, 1.94], 2, ratio=25).kind == "rate"
    not_decided([1.0, 1.55, 1.92], 2, ratio=25)
    assert measured([1.5, 1.9375], 2, within=0.125).kind == "rate"  # four, exactly
    not_decided([1.5, 1.9375], 2, within=0.1249)


def test_what_was_measured_must_be_no_wider_than_four_tolerances():
    not_decided([1.73, 1.95], 2, ratio=2.25)
    slopes = [1.9754, 2.0004]
    low, high = statistics._interval(slopes, 2.25)
    widest = (high - low) / 4
    assert measured(slopes, 2.0104, within=widest, ratio=2.25).kind == "rate"
    not_decided(slopes, 2.0104, within=widest * (1 - 1e-12), ratio=2.25)


def test_errors_that_stand_still_are_not_decided():
    not_decided([0, 2, 2, 2], 2)
