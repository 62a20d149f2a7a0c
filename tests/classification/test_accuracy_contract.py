"""What the expected accuracy and its loss promise."""

import torch
from contract import Row, check, each
from helpers import F64, INF

from lemmata.classification import expected_accuracy, expected_accuracy_loss

TIES = torch.tensor([[1.0, 1.0, 0.0, 0.0], [2.0, 2.0, 2.0, 2.0], [0.0, 3.0, 3.0, -1.0]], dtype=F64)
FAR = torch.tensor([[-INF] * 4, [INF, 0.0, INF, -INF], [0.0, -INF, -900.0, 40.0]], dtype=F64)


def rows(**options):
    return lambda draw: dict(
        input=draw.normal(3, 4), target=draw.below(4, 3), sigma=0.75, reduction="none", **options
    )


BOTH = dict(points=(dict(input=TIES), dict(input=FAR)), wrong=dict(sigma=(0, -1.0, INF)))
ROWS = [
    Row(expected_accuracy, rows(ignore_index=-100), **BOTH),
    Row(expected_accuracy_loss, rows(), **BOTH),
    Row(expected_accuracy_loss, rows(log=True), "log", **BOTH),
]


@each(ROWS)
def test_contract(row, promise):
    check(row, promise)
