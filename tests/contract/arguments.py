"""Promises about arguments: what is wrong is refused by name, and numbers may come from NumPy."""

import inspect
import math
import re

import numpy as np
import torch
from helpers import F64

from .rows import assert_same, tensors

#: what may come as an argument, by kind
VALUES = {
    "none": None,
    "text": "nonsense",
    "list": [1.0, 2.0],
    "tuple": ("a", "b", "c"),
    "array": np.ones((2, 3)),
    "bool": True,
    "integer": 3,
    "fraction": 1.5,
    "nan": math.nan,
    "complex": 1j,
    "object": object(),
    "tensor": torch.ones(2, 3),
    "integers": torch.ones(2, 3, dtype=torch.int64),
    "complexes": torch.ones(2, 3, dtype=torch.complex64),
}
EVERY_KIND = " ".join(VALUES)
#: which of these an annotation allows, by the words in it; the text is never one of the choices
ALLOWED = {
    "None": "none",
    "int": "integer",
    "float": "integer fraction",
    "tuple": "tuple list",
    "Sequence": "tuple list",
}


def arguments(row):
    """A wrong argument is a TypeError or ValueError that names it, but for what the row says of today."""
    found = {name: " ".join(unnamed(row, name)) for name in row.parameters}
    found = {name: kinds for name, kinds in found.items() if kinds}
    assert found == dict(row.unnamed), f"not refused by name: {found}"


def unnamed(row, name):
    """The kinds of wrong values of an argument that are not refused by its name."""
    for kind, value in wrong(row, name):
        try:
            row.call(**{**row.arguments(), name: value})
        except (TypeError, ValueError) as error:
            if re.search(rf"\b{name}\b", str(error)):
                continue
        except Exception:  # an error, but one of what lies beneath
            pass
        yield kind


def wrong(row, name):
    """Wrong values of an argument, by kind: what neither annotation nor row allows, and the row's own."""
    parameter = row.parameters[name]
    words = _words(parameter.annotation)
    if words <= {"bool", "Any"}:  # whatever is true or false, and what only the row's own wrapper takes
        return
    right = {kind for word in words for kind in ALLOWED.get(word, "").split()}
    given = row.arguments().get(name)
    if isinstance(given, torch.Tensor) and given.dtype != torch.bool:
        right |= {"tensor" if given.is_floating_point() else "integers"}
    right |= {*row.takes.get(name, "").split()}
    yield from ((kind, value) for kind, value in VALUES.items() if kind not in right)
    yield from ((repr(value).replace(" ", ""), value) for value in row.wrong.get(name, ()))


def _words(annotation):
    """The names of an annotation, without what stands in brackets."""
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    while "[" in text:
        text = re.sub(r"\[[^\[\]]*\]", "", text)
    return {word.strip().split(".")[-1] for word in text.split("|")}


def numbers(row):
    """A number may be one of NumPy's, or what else counts as a number or an index."""
    given = row.arguments()
    for name, value in given.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        kinds = (np.int64, np.int32) if isinstance(value, int) else (np.float64, np.float32)
        for kind in kinds:
            assert float(kind(value)) == value, "a row has numbers that float32 has, too"
            one, other = (tensors(row.call(**{**row.arguments(), name: v})) for v in (kind(value), value))
            assert all(torch.equal(*pair) for pair in zip(one, other, strict=True))


def scalars(row):
    """Functions of numbers take Python's, and give what they give for a float64 tensor."""
    numbers = dict(row.scalars)
    wide = {name: torch.tensor(number, dtype=F64) for name, number in numbers.items()}
    one, other = (tensors(row.call(**{**row.arguments(), **given})) for given in (numbers, wide))
    assert [result.dtype for result in one] == [F64] * len(one)
    assert_same(row, one, other)
