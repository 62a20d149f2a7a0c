"""A part of one page, shown on another: references lead from there, names and numbers stay with the first."""

from __future__ import annotations

from typing import TypeVar

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.builders import Builder

Node = TypeVar("Node", bound=nodes.Element)


def copied(original: Node, builder: Builder, origin: str, page: str) -> Node:
    """A copy of what stands on the page ``origin``, to be put on ``page`` before references are resolved."""
    copy = original.deepcopy()
    away = builder.get_relative_uri(page, origin)
    for node in copy.findall(nodes.Element):
        node["ids"] = []
        if isinstance(node, pending_xref):
            node["refdoc"] = page
        elif isinstance(node, nodes.reference) and "refid" in node:
            node["refuri"] = f"{away}#{node.attributes.pop('refid')}"
        elif isinstance(node, nodes.math_block):
            node["number"] = node["label"] = None
    return copy
