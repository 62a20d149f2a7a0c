#!/usr/bin/env bash
# torch.distributed.checkpoint keeps one rank's tensor of those that ranks save under one name, and loads it on all ranks.
#
# One would expect: each rank's own tensor back, or an error, since every rank writes a file of its own.
# What happens: a tensor that is no DTensor counts as replicated. Of equal names the first rank's is kept, the others are dropped
#   without a word; on loading every rank gets that one. Where sizes differ by rank, loading raises.
# Seen: `save` and `load` of `{"w": tensor}` on two ranks of gloo, whose tensors differ.
# Cure: a name with the rank in it, or a DTensor (`DTensor.from_local(part, mesh, [Shard(0)])`).
# Source: torch 2.13.0 on a CPU.
# Who is hurt: whoever shards a layer by hand and saves its parts: after a restart all ranks hold the classes of the first.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -qq torch==2.13.0 numpy==2.4.6

cat > "$folder/ranks.py" <<'PYTHON'
import sys

import torch
import torch.distributed.checkpoint as dcp
from torch import distributed as dist

rank, folder = int(sys.argv[1]), sys.argv[2]
dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
dcp.save({"w": torch.full((3,), float(rank)), f"of {rank}": torch.full((3,), float(rank))}, checkpoint_id=f"{folder}/saved")
state = {"w": torch.full((3,), -1.0), f"of {rank}": torch.full((3,), -1.0)}
dcp.load(state, checkpoint_id=f"{folder}/saved")
print(f"  rank {rank} saved {[float(rank)] * 3}, and loads {state['w'].tolist()}", flush=True)
assert state[f"of {rank}"].tolist() == [float(rank)] * 3
assert state["w"].tolist() == [0.0] * 3, "changed: it is no longer that of the first rank"
dist.destroy_process_group()
PYTHON

"$folder/venv/bin/python" -c 'import torch; print(f"torch {torch.__version__}, one name on two ranks")'
"$folder/venv/bin/python" -W ignore "$folder/ranks.py" 1 "$folder" & other=$!
"$folder/venv/bin/python" -W ignore "$folder/ranks.py" 0 "$folder"
wait "$other"
