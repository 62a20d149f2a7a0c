"""The loss over sharded classes and HSIC over sharded samples, on worlds of one, two and three ranks."""

import itertools
import json
import re
from pathlib import Path

FILES = [f"{Path(__file__).parent}/distributed_{name}.py" for name in ("resume", "ranks", "faults")]
PROGRAM = f"""
for __file__ in {FILES!r}:
    exec(compile(open(__file__).read(), __file__, "exec"))
"""
MODULES = ("lemmata.training", "torch.distributed.tensor", "torch.distributed.checkpoint", "tqdm")
LIMITS = {"64": 1e-12, "32": 1e-6, "hsic": 1e-11, "test": 1e-10, "sketch": 2e-6, "bfloat16": 1e-2}


def test_ranks_agree_with_one_device_and_learn_of_faults(run_ranks):
    """One launch for all, which costs more than what is in it: the ranks print what is looked at here."""
    lines = [
        [json.loads(line) for line in printed if line.startswith("[")]
        for printed in run_ranks(PROGRAM, *MODULES)
    ]
    worlds = [[line for line in printed if isinstance(line[0], int)] for printed in lines]
    assert [len(printed) for printed in worlds] == [3, 2, 1]
    for world, found in itertools.chain(*worlds):
        check_world(world, found)
    told = [{name: rest for name, *rest in printed if isinstance(name, str)} for printed in lines]
    for rank in (0, 1):
        same, saved = told[rank]["resumed"]
        assert same, "killed and resumed, another result"
        assert len(saved) == 3
    check_wrong(told)
    check_dead(told)


# ------------------------------------------------------------------- agreement


def check_world(world, found):
    """Values, gradients and second derivatives are those of one device, for uneven and empty shards."""
    sent = {name: found.pop(name) for name in ("scores", "layer")}
    rows, numbers = 6, 4
    state = [1, 4 * rows * numbers + 24]  # float32, and a header
    assert sent["scores"] == {"all_gather": state}, "one collective, and none in backward"
    assert sent["layer"] == {"all_gather": state, "all_reduce": [1, 4 * rows * 3]}, "and the features'"
    for name, error in found.items():
        limit = next((LIMITS[key] for key in LIMITS if key in name.split("-")), 1e-12)
        assert error <= limit, (world, name)
    assert len(found) == 49


# ------------------------------------------------------------------- failure


def check_wrong(told):
    """An argument that is wrong on rank 1 raises everywhere, long before a timeout of 60 seconds."""
    raised, unlike = "has raised on rank 1", "must be called alike on all ranks: 1 differ from rank 0; here"
    expected = {  # there, and on the others
        "target": ("ValueError", r"target must be in \[0, 1\]", raised),
        "index": ("ValueError", r"target.* must be in \[0, 9\), got values from 9 to 9", raised),
        "input": ("TypeError", "input must be a tensor, got list", raised),
        "features": ("TypeError", "input must be a tensor, got NoneType", raised),
        "size": ("ValueError", "size must be .* got -1", raised),
        "samples": ("TypeError", "x must be a tensor, got NoneType", raised),
        "permutations": ("ValueError", "permutations must be .* got 0", raised),
        "rows": ("ValueError", unlike + r" rows \(5,\)", unlike + r" rows \(4,\)"),
        "dtype": ("ValueError", unlike + ".* dtype torch.float64", unlike + ".* dtype torch.float32"),
        "mask": ("ValueError", unlike + ".* mask True", unlike + ".* mask False"),
        "reduction": ("ValueError", unlike + ".* reduction sum", unlike + ".* reduction mean"),
        "threshold": ("ValueError", unlike + ".* threshold 0.0", unlike + ".* threshold 0.5"),
        "thetas": ("ValueError", unlike + ".* threshold a tensor", unlike + ".* threshold a tensor"),
        "learns": ("ValueError", unlike + r".* gradient of threshold \(4,\)", unlike),
        "layer": ("ValueError", unlike + r" rows \(5,\)", unlike + r" rows \(4,\)"),
        "another": ("ValueError", "class_shard " + unlike, "sharded_multilabel_cross_entropy " + unlike),
        "pairs": ("ValueError", "y must have as many samples as x, 8", raised),
        "width": ("ValueError", unlike + r".* bandwidth \(2.0, 2.0\)", unlike + r".* bandwidth \(1.0, 1.0\)"),
        "kept": ("nothing", "", ""),
    }
    for name, (kind, own, others) in expected.items():
        for rank in range(3):
            found, words, seconds = told[rank][name]
            assert found == ("RuntimeError" if rank != 1 and others == raised else kind), (name, words)
            assert re.search(own if rank == 1 else others, words), (name, rank, words)
            assert seconds < 30


def check_dead(told):
    """A late rank is an error after the timeout, here 2 seconds, a dead one at once."""
    for rank in range(3):
        found, words, seconds = told[rank]["late"]
        assert found == "RuntimeError"
        assert seconds > 1 or rank == 2
        assert f"on rank {rank} of 3: another rank has died, or is later than the timeout" in words
    for rank, name in ((0, "ring"), (1, "ring"), (0, "dead")):
        found, words, seconds = told[rank][name]
        assert found == "RuntimeError"
        assert "died" in words
        assert seconds < 30
