"""The kernels of the multi-label loss, interpreted, and compiled for GPUs; see tests/kernels.py."""

from pathlib import Path

from kernels import compiled, interpreted

PROGRAM = """
import lemmata.classification._multilabel.triton as module

on = torch.zeros(3, 4096, dtype=torch.bool)
for dtype, *rest in (
    (torch.bfloat16, on, None, None),
    (torch.float32, on.float(), ~on, None),
    (torch.bfloat16, on[:, :8].long(), None, -1),
):
    a, b = module.fused_log_sums(torch.zeros(3, 4096, dtype=dtype, requires_grad=True), 0.0, *rest)
    (a + b).sum().backward()
one = torch.zeros(1, 1, requires_grad=True)  # numbers that are 1 are constants of a program
a, b = module.fused_log_sums(one, torch.zeros(1), one.detach().long(), None, -1)
(a + b).sum().backward()
module.processors = lambda device: 132
module.fused_log_sums(torch.zeros(3, 100_000), 0.0, torch.zeros(3, 100_000, dtype=torch.bool), None, None)
"""


def test_the_interpreter_finds_what_the_plain_form_gives():
    said = interpreted(Path(__file__).with_name("multilabel_kernels.py"))
    assert "passed" in said


def test_the_kernels_are_compiled_for_an_h100(tmp_path):
    assert compiled(PROGRAM, 90, tmp_path) == ["join_parts", "slope_rows", "sum_rows"]
