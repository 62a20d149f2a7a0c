"""The kernels of entmax, interpreted, and compiled for GPUs; see tests/kernels.py."""

from pathlib import Path

from kernels import compiled, interpreted

PROGRAM = """
from lemmata.simplex._softmax.triton import fused_entmax

for n, dtype, a in ((4000, torch.bfloat16, 0.5), (1000, torch.float32, 1.0), (1, torch.float32, 0.5)):
    x = torch.zeros(3, n, dtype=dtype, requires_grad=True)
    fused_entmax(x, a).sum().backward()
"""


def test_the_interpreter_finds_what_the_plain_form_gives():
    assert "passed" in interpreted(Path(__file__).with_name("softmax_kernels.py"))


def test_the_kernels_are_compiled_for_an_h100(tmp_path):
    assert compiled(PROGRAM, 90, tmp_path) == ["map_rows", "pull_rows"]
