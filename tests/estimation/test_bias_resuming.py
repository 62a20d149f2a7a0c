"""A pass over data that is killed goes on from its checkpoint, and ends as if nothing had happened.

Run as a script, this file is the pass: it gets a folder, and after how many pieces it is to be killed.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from lemmata.estimation import HSICSketch, Moments

PIECES, SIZE = 100, 10**5


def piece(number):
    """Numbers from 1e6 on: of all ten million each of 1000 values comes ten thousand times."""
    return 1e6 + (torch.arange(number * SIZE, (number + 1) * SIZE) % 1000).double()


def pairs(number):
    generator = torch.Generator().manual_seed(number)
    x = torch.randn(50, 3, generator=generator)
    return x, x.square() + torch.randn(50, 3, generator=generator)


def fresh():
    generator = torch.Generator().manual_seed(6747)
    return {
        "moments": Moments.of(torch.empty(0)),
        "gaussian": HSICSketch(8, bandwidth=(1.0, 2.0), generator=generator),
        "linear": HSICSketch(kernel="linear"),
    }


def update(seen, number):
    seen["moments"].update(piece(number))
    for name in ("gaussian", "linear"):
        seen[name].update(*pairs(number))


def work(folder, killed_after=PIECES):
    """The pass over all pieces, from the checkpoint on if there is one."""
    checkpoint, seen, done = Path(folder) / "checkpoint", fresh(), 0
    if checkpoint.exists():
        saved = torch.load(checkpoint)  # in its default mode, which reads no code
        done = saved.pop("done")
        for name, state in saved.items():
            seen[name].load_state_dict(state)
    for number in range(done, PIECES):
        update(seen, number)
        if number == killed_after:  # with a piece in memory that no checkpoint has
            os.kill(os.getpid(), signal.SIGKILL)
        states = {name: accumulator.state_dict() for name, accumulator in seen.items()}
        torch.save(states | {"done": number + 1}, f"{checkpoint}.new")
        os.replace(f"{checkpoint}.new", checkpoint)
    return seen


# ------------------------------------------------------------------- identity


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="nothing kills like that here")
def test_a_killed_pass_over_ten_million_rows_goes_on(tmp_path):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    killed = subprocess.run([sys.executable, __file__, tmp_path, "40"], env=environment, timeout=120)
    assert killed.returncode == -signal.SIGKILL
    assert torch.load(tmp_path / "checkpoint")["done"] == 40
    resumed, whole = work(tmp_path), fresh()
    for number in range(PIECES):
        update(whole, number)
    for name, accumulator in whole.items():
        assert repr(resumed[name].state_dict()) == repr(accumulator.state_dict())
    assert torch.equal(resumed["moments"].state, whole["moments"].state)
    for name in ("gaussian", "linear"):
        assert torch.equal(resumed[name].value(), whole[name].value())
    assert torch.equal(resumed["linear"].cka(), whole["linear"].cka())

    n, moments = PIECES * SIZE, resumed["moments"]  # what is known of 0 ... 999
    assert moments.count == n
    assert moments.mean == 1e6 + 499.5
    assert moments.variance.item() == pytest.approx((1000**2 - 1) / 12 * n / (n - 1), rel=1e-13)
    assert moments.kurtosis.item() == pytest.approx(3 - 6 / 5 * (1000**2 + 1) / (1000**2 - 1), rel=1e-12)


def test_a_state_is_what_was_seen_until_then():
    seen = fresh()
    update(seen, 0)
    states = {name: repr(accumulator.state_dict()) for name, accumulator in seen.items()}
    kept = {name: accumulator.state_dict() for name, accumulator in seen.items()}
    update(seen, 1)
    for name, state in kept.items():
        assert repr(state) == states[name]
        again = fresh()[name]
        again.load_state_dict(state)
        assert repr(again.state_dict()) == states[name]


# ------------------------------------------------------------------- failure


def test_a_state_of_something_else_is_refused():
    seen = fresh()
    for accumulator in seen.values():
        for wrong in (None, {}, {"state": torch.ones(6)}, "state"):
            with pytest.raises(ValueError, match=r"state must be what .*state_dict gave, got"):
                accumulator.load_state_dict(wrong)
    with pytest.raises(ValueError, match="state must have kernel 'gaussian', got 'linear'"):
        seen["gaussian"].load_state_dict(seen["linear"].state_dict())
    with pytest.raises(ValueError, match=r"state must have t 1\.0, got 2\.0"):
        HSICSketch(8, bandwidth=1.0).load_state_dict(seen["gaussian"].state_dict())
    with pytest.raises(ValueError, match="state must have features 6, got 8"):
        HSICSketch(6, bandwidth=(1.0, 2.0)).load_state_dict(seen["gaussian"].state_dict())


if __name__ == "__main__":
    work(sys.argv[1], int(sys.argv[2]))
