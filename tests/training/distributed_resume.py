"""What three ranks run for test_distributed.py: the example is killed, and resumed from its checkpoint."""

import json
import os
import sys
from pathlib import Path

from torch import distributed as dist

RANK, FOLDER = int(sys.argv[1]), sys.argv[2]


def example(name, kill=None):
    dist.init_process_group("gloo", init_method=f"file://{FOLDER}/store-{name}", rank=RANK, world_size=2)
    if kill:
        os.environ["LEMMATA_KILL_AT"] = str(kill)
    arguments = f"--classes 31 --width 4 --batch 8 --steps 6 --every 2 --out {FOLDER}/{name.split('-')[0]}"
    result = extreme_multilabel.main(arguments.split())
    return result["loss"].tolist(), result["weights"].tolist(), result["precision"]


if RANK < 2:  # before a thread of gloo runs, which a fork would leave behind
    sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))
    import extreme_multilabel

    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        example("killed", kill=5)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == 9
    resumed, straight = example("killed-again"), example("straight")
    sys.stdout.write("\n")
    print(
        json.dumps(
            ["resumed", resumed == straight, sorted(map(str, Path(FOLDER).glob("killed/*/.metadata")))]
        )
    )
