"""A proof that takes too long fails promptly, and no exception strays into what comes after."""

from __future__ import annotations

import threading
import time

import mpmath
import pytest
import sympy as sp

from lemmata.verify import ClaimFailed, claim, symbolic
from lemmata.verify.timing import TimeLimit, within_time

x = sp.Symbol("x")
r = sp.Symbol("r", real=True)
demo = claim("demo")
LONG = 30  # seconds, much more than any of this takes on a busy machine, and much less than forever


def refused(*sides, match=None, **options):
    with pytest.raises(ClaimFailed, match=match):
        demo.proved(*sides, **options)


def forever(expr):
    while True:
        pass


def test_the_time_limit_says_what_was_left(monkeypatch):
    monkeypatch.setattr(symbolic, "compare", lambda *_: "no points")  # it could be late itself
    monkeypatch.setattr(symbolic, "REDUCTIONS", (("expand", sp.expand), ("forever", forever)))
    u = sp.Symbol("u", real=True)  # of two variables no slope decides
    apart = sp.sin(r) * sp.cos(u) + sp.cos(r) * sp.sin(u)
    refused(sp.sin(r + u), apart, seconds=2, match=r"not reduced to 0.* s; residual: ")


def test_the_time_limit_is_prompt():
    """Against what the worker itself had of the processor: on a busy machine the clock tells little."""
    spent = [0.0]

    def work():
        while True:
            spent[0] = time.thread_time()

    start = time.perf_counter()
    with pytest.raises(TimeLimit):
        within_time(0.2, work)
    assert spent[0] < 2
    assert time.perf_counter() - start < LONG


def test_the_comparison_has_the_time_limit_too(monkeypatch):
    monkeypatch.setattr("lemmata.verify.pointwise.value", lambda expr, point: forever(expr))
    refused(sp.sin(2 * r), 2 * sp.sin(r) * sp.cos(r), seconds=0.2, match="compared at 0 random points")


def test_the_worker_returns_what_the_work_returns_and_raises_what_it_raises():
    assert within_time(LONG, lambda: 42) == 42
    with pytest.raises(ZeroDivisionError):
        within_time(LONG, lambda: 1 // 0)


def test_the_time_limit_leaves_mpmath_as_it_was():
    def work():
        mpmath.mp.dps = 500
        forever(None)

    before = mpmath.mp.prec
    with pytest.raises(TimeLimit):
        within_time(0.05, work)
    assert mpmath.mp.prec == before


def test_the_time_is_that_of_the_processor():
    """A machine that is busy with other things changes no verdict."""
    assert within_time(0.2, lambda: time.sleep(1) or 42) == 42


def test_work_that_swallows_every_exception_does_not_hold_up_the_caller():
    stop = threading.Event()

    def stubborn():
        while not stop.is_set():
            try:
                pass
            except BaseException:
                continue

    start = time.perf_counter()
    with pytest.raises(TimeLimit):
        within_time(0.05, stubborn)
    stop.set()
    assert time.perf_counter() - start < LONG


def test_no_exception_strays_when_work_ends_just_as_its_time_does(monkeypatch):
    strays = []
    monkeypatch.setattr(threading, "excepthook", strays.append)

    def work(seconds):
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            pass
        return seconds

    def stress():
        for turn in range(40):
            try:
                seconds = 0.006 + (turn % 9 - 4) * 1e-3
                assert within_time(0.006, lambda seconds=seconds: work(seconds)) == seconds
            except TimeLimit:
                pass
            except BaseException as error:
                strays.append(error)

    other = threading.Thread(target=stress)
    other.start()
    stress()
    other.join()
    assert strays == []


def test_a_proof_runs_in_any_thread():
    kinds = []
    thread = threading.Thread(target=lambda: kinds.append(demo.proved((x + 1) ** 2, x**2 + 2 * x + 1).kind))
    thread.start()
    thread.join()
    assert kinds == ["proved"]
