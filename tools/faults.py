"""Small faults for Python code, one at a time: what `make mutants` tries on a chapter.

A fault is a sign, an operator, a constant or index, a comparison, a condition, a reduction or its like (sum
and mean, amax and amin, any and all ...), a returned value, a default, a keyword or a call left out. What has
no behaviour to check stays: docstrings, annotations, decorators, errors and their messages, asserts.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

OPERATORS = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult,
    ast.MatMult: ast.Mult, ast.Mod: ast.FloorDiv, ast.Pow: ast.Mult, ast.LShift: ast.RShift,
    ast.RShift: ast.LShift, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd, ast.BitXor: ast.BitOr,
    ast.And: ast.Or, ast.Or: ast.And,
}  # fmt: skip
COMPARISONS = {  # the boundary, and the opposite
    ast.Lt: (ast.LtE, ast.GtE), ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE), ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,), ast.Is: (ast.IsNot,), ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,), ast.NotIn: (ast.In,),
}  # fmt: skip
PAIRS = """
    sum mean, amax amin, max min, maximum minimum, argmax argmin, any all, cumsum cumprod, sqrt square,
    exp expm1, log log1p, ceil floor, add sub, add_ sub_, mul div, mul_ div_, zeros ones, zeros_like ones_like
"""
NAMES = {"neg": "positive", "neg_": "positive", "none": "sum"}
for one, other in (pair.split() for pair in PAIRS.split(",")):
    NAMES |= {one: other, other: one}
NOT_FIELDS = {"annotation", "returns", "decorator_list", "type_params"}
NEEDS_PARENTHESES = (ast.BinOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.Lambda)


@dataclass
class Mutant:
    """One fault: ``holder[key] = value``, or the attribute ``key``, in the syntax tree of one file."""

    number: int
    file: str
    line: int
    before: str
    after: str
    killed_by: str | None = None
    function: int | None = field(default=None, repr=False)  # first line of the function around it
    edit: tuple[Any, Any, Any] = field(default=(None, None, None), repr=False)

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: mutant {self.number}\n  - {self.before}\n  + {self.after}"


def put(holder: Any, key: Any, value: Any) -> Any:
    """Change one place of a syntax tree; gives back what was there."""
    if isinstance(holder, list):
        old, holder[key] = holder[key], value
    else:
        old = getattr(holder, key)
        setattr(holder, key, value)
    return old


def has_behaviour(node: ast.AST) -> bool:
    """False for imports, errors, messages, ``__all__``, asserts, ``strict=`` of zip, ``cse=`` of lambdify."""
    match node:
        case ast.Raise() | ast.Assert() | ast.JoinedStr() | ast.Import() | ast.ImportFrom():
            return False
        case ast.Assign(targets=[ast.Name(id="__all__")]) | ast.keyword(arg="strict" | "cse"):
            return False
    return True


def places(node: ast.AST, function: int | None = None) -> Iterator[tuple[ast.AST, Any, Any, int | None]]:
    """Every node with behaviour, in the order of the source: (node, its holder, its key, function around)."""
    for name, value in ast.iter_fields(node):
        if name in NOT_FIELDS:
            continue
        around = function
        if function is None and isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and name == "body":
            around = min(part.lineno for part in (node, *node.decorator_list))
        holder, children = (value, enumerate(value)) if isinstance(value, list) else (node, [(name, value)])
        for key, child in children:
            if isinstance(child, ast.AST) and has_behaviour(child):
                yield child, holder, key, around
                yield from places(child, around)


def faults(node: ast.AST, holder: Any, key: Any) -> Iterator[tuple[Any, Any, Any, Any]]:
    """The faults of one node: what to show of it, and the edit."""
    match node:
        case ast.BinOp(op=op) | ast.AugAssign(op=op) | ast.BoolOp(op=op):
            yield node, node, "op", OPERATORS[type(op)]()
        case ast.UnaryOp(op=ast.USub() | ast.Not() | ast.Invert()):
            yield node, holder, key, node.operand
        case ast.Compare(ops=ops):
            for i, comparison in enumerate(ops):
                yield from ((node, ops, i, other()) for other in COMPARISONS[type(comparison)])
        case ast.Constant(value=bool(value)):
            yield node, node, "value", not value
        case ast.Constant(value=int(value) | float(value)):
            yield node, node, "value", value + 1
        case ast.Constant(value=str(name)) if name in NAMES:
            yield node, node, "value", NAMES[name]
        case ast.Attribute(attr=name) if name in NAMES:
            yield node, node, "attr", NAMES[name]
        case ast.Return(value=ast.Tuple(elts=elements)) if len(elements) > 1:
            yield node, node.value, "elts", elements[::-1]
        case ast.Return(value=ast.Constant(value=None)):
            pass  # it would be the same
        case ast.Return(value=ast.expr()):
            yield node, node, "value", ast.Constant(None)
        case ast.Expr(value=ast.Call()):
            yield node, holder, key, ast.Pass()
        case ast.If(test=test) | ast.IfExp(test=test) | ast.While(test=test):
            if not isinstance(
                test, (ast.Compare, ast.BoolOp, ast.UnaryOp, ast.Constant)
            ):  # these have their own
                yield test, node, "test", ast.UnaryOp(ast.Not(), test)
        case ast.Call(func=function, keywords=keywords):
            if isinstance(function, ast.Name) and function.id in NAMES:
                yield node, function, "id", NAMES[function.id]
            for i, keyword in enumerate(keywords):
                if keyword.arg is not None and has_behaviour(keyword):
                    yield node, node, "keywords", keywords[:i] + keywords[i + 1 :]


def mutants(file: str, source: str, tree: ast.AST, start: int = 1) -> list[Mutant]:
    """All faults of one file, numbered in the order of the source; the tree is left as it was."""
    found: list[Mutant] = []
    for node, holder, key, around in places(tree):
        for shown, *edit in faults(node, holder, key):
            old = put(*edit)
            after = edit[2] if old is shown else shown
            text = (
                f"({ast.unparse(after)})"
                if isinstance(after, NEEDS_PARENTHESES) and old is shown
                else ast.unparse(after)
            )
            put(edit[0], edit[1], old)
            number = start + len(found)
            found.append(
                Mutant(number, file, shown.lineno, *lines(source, shown, text), None, around, tuple(edit))
            )
    return found


def lines(source: str, node: Any, text: str) -> tuple[str, str]:
    """The lines of a node, joined to one, as they are and with ``text`` in its place."""
    rows = [
        row.encode() for row in source.splitlines()[node.lineno - 1 : node.end_lineno]
    ]  # columns are bytes
    before = " ".join(row.decode().strip() for row in rows)
    return before, (
        rows[0][: node.col_offset].decode() + text + rows[-1][node.end_col_offset :].decode()
    ).strip()
