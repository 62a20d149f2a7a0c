"""A time limit for pure-Python work such as a SymPy simplification.

All limits of this package are seconds of the processor: on a busy machine a proof takes longer, and is found.
"""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

import mpmath

__all__ = ["TimeLimit", "within_time"]

PATIENCE = 20  # times 0.05 s that a worker is given to stop before it is left to itself
T = TypeVar("T")


class TimeLimit(BaseException):
    """The time is over; not an Exception, so that no ``except Exception`` inside SymPy eats it."""


def within_time(seconds: float, work: Callable[[], T]) -> T:
    """``work()``, done in a thread of its own; ``TimeLimit`` once the processor has spent ``seconds``.

    The caller's thread is only ever waiting, so no exception can go off in it later; works in any thread and
    on any platform. The worker is stopped between two bytecodes: a single long call into C holds it up.
    """
    outcome: dict[str, Any] = {}
    lock, precision = threading.Lock(), mpmath.mp.prec

    def run() -> None:
        try:
            try:
                outcome["value"] = work()
            except BaseException as error:
                outcome["error"] = error
            with lock:
                outcome["over"] = True  # from here on nobody interrupts this thread
            _raise_in(threading.get_ident(), None)
        except TimeLimit:  # it came when the work was just done; the caller has given up already
            pass

    worker = threading.Thread(target=run, daemon=True, name="lemmata.verify")
    until = time.process_time() + seconds
    worker.start()
    try:
        while worker.is_alive() and (left := until - time.process_time()) > 0:
            worker.join(max(left, 0.001))
        late = worker.is_alive()
    finally:
        _stop(worker, lock, outcome)
        mpmath.mp.prec = precision  # a worker that was interrupted may have left it changed
    if late:
        raise TimeLimit
    if "error" in outcome:
        raise outcome["error"]
    return outcome["value"]


def _stop(worker: threading.Thread, lock: threading.Lock, outcome: dict[str, Any]) -> None:
    for _ in range(PATIENCE):
        with lock:
            if worker.is_alive() and "over" not in outcome:
                _raise_in(worker.ident, TimeLimit)
        worker.join(0.05)
        if not worker.is_alive():
            return


def _raise_in(thread: int | None, exception: type[BaseException] | None) -> None:
    """Leave an exception pending in a thread (None: take a pending one back)."""
    target = None if exception is None else ctypes.py_object(exception)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread or 0), target)
