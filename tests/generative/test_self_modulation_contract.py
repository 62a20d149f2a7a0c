"""What overlap_counts and SelfModBatchNorm2d promise."""

import torch
from contract import Row, check, each
from torch import Tensor

from lemmata.generative import SelfModBatchNorm2d, overlap_counts


def layer(classes: int | None, dtype: torch.dtype) -> SelfModBatchNorm2d:
    """In eval mode, where rows are apart; no weight is 0 or 1."""
    module, source = SelfModBatchNorm2d(3, 2, 5, classes), torch.Generator().manual_seed(3)
    for value in module.state_dict().values():
        if value.is_floating_point():
            value.copy_(torch.rand(value.shape, generator=source) + 0.25)
    return module.to(dtype).eval().requires_grad_(False)


PLAIN, CLASSES = (
    {wide: layer(classes, torch.float64 if wide else torch.float32) for wide in (True, False)}
    for classes in (None, 4)
)


def of_z(x: Tensor, z: Tensor) -> Tensor:
    return PLAIN[getattr(x, "dtype", None) == torch.float64](x, z)


def of_class(x: Tensor, z: Tensor, labels: Tensor) -> Tensor:
    return CLASSES[getattr(x, "dtype", None) == torch.float64](x, z, labels)


def data(draw):
    return dict(x=draw.normal(4, 3, 2, 2), z=draw.normal(4, 2))


def classes(draw):
    return data(draw) | dict(labels=torch.tensor([0, 3, 1, 1]))


def made(channels, nz, hidden, num_classes, eps, momentum):
    module = SelfModBatchNorm2d(channels, nz, hidden, num_classes, eps=eps, momentum=momentum)
    return sum(v.numel() for v in module.parameters())


OF_A_MODULE = dict(
    autocast="its linear layers take the dtype of autocast, as torch's do: test_self_modulation.py",
    fake="its weights are no fake tensors",
    meta="its weights are on the CPU",
)
ROWS = [
    Row(
        overlap_counts,
        lambda draw: dict(kernel_size=5, stride=2, padding=1, dilation=1),
        wrong=dict(
            kernel_size=(0, (), (1, 0)),
            stride=(0, (1, 1, 1)),
            padding=(-1,),
            dilation=(0, (1,)),
        ),
    ),
    Row(
        of_z,
        data,
        stands_for="SelfModBatchNorm2d.forward",
        case="z",
        programs=False,  # as with classes
        no=OF_A_MODULE,
        wrong=dict(x=(torch.zeros(4, 2, 2, 2), torch.zeros(4, 3)), z=(torch.zeros(4, 3), torch.zeros(3, 2))),
    ),
    Row(
        of_class,
        classes,
        stands_for="SelfModBatchNorm2d.forward",
        case="classes",
        no=OF_A_MODULE,
        wrong=dict(labels=(torch.tensor([0, 4, 1, 1]), torch.tensor([0, -1, 1, 1]), torch.tensor([0]))),
    ),
    Row(
        made,
        lambda draw: dict(channels=3, nz=2, hidden=5, num_classes=4, eps=0.5, momentum=0.25),
        stands_for="SelfModBatchNorm2d",
        case="made",
        takes=dict(
            channels="integer",
            nz="integer",
            hidden="integer",
            num_classes="none integer",
            eps="integer fraction",
            momentum="none integer fraction nan",
        ),
        wrong=dict(channels=(0,), nz=(0,), hidden=(0,), num_classes=(0,), eps=(0.0, -1.0)),
    ),
]


@each(ROWS)
def test_contract(row, promise):
    check(row, promise)
