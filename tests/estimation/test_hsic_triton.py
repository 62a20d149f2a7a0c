"""The kernels of HSIC, interpreted, and compiled for GPUs; see tests/kernels.py."""

from pathlib import Path

from kernels import compiled, interpreted

PROGRAM = """
from lemmata.estimation._hsic.triton import pair_slopes, pair_sums

for n, d, kind in ((500, 10, 0), (500, 1, 1), (1, 1, 2)):
    x, y = torch.zeros(1, n, d), torch.zeros(1, n, 3)
    pair_sums(x, y, kind)
    pair_slopes(x, y, x[..., 0].contiguous(), x[:, 0, 0], x[:, 0, 0], kind)
"""


def test_the_interpreter_finds_what_whole_matrices_give():
    assert "passed" in interpreted(Path(__file__).with_name("hsic_kernels.py"))


def test_the_kernels_are_compiled_for_an_h100(tmp_path):
    assert compiled(PROGRAM, 90, tmp_path) == ["add_pairs", "pull_pairs"]
