"""What sphinx-proof 0.4 would print wrongly stops the build.

A reference to a statement without a number would read "Lemma", without its name: it has to bring its own
words, ``{prf:ref}`the key lemma <label>```. A proof or a statement inside a statement takes that one's title
in LaTeX: it has to stand after it.
"""

from __future__ import annotations

from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.errors import SphinxError
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx_proof.nodes import proof_node


class ProofError(SphinxError):
    category = "Statements"


def is_statement(node: nodes.Node) -> bool:
    return isinstance(node, nodes.Element) and "realtype" in node


def refuse_nested(app: Sphinx, doctree: nodes.document) -> None:
    for statement in doctree.findall(is_statement):
        for inner in statement.findall(lambda node: isinstance(node, proof_node) or is_statement(node)):
            if inner is not statement:
                what = f"statement '{inner['label']}'" if is_statement(inner) else "proof"
                where = f"inside statement '{statement['label']}'"
                raise ProofError(f"{app.env.docname}: a {what} stands {where}: put it after that")


class NamedReferences(SphinxPostTransform):
    """Before Sphinx resolves references."""

    default_priority = 5

    def run(self, **options: Any) -> None:
        statements = getattr(self.env, "proof_list", {})
        for node in self.document.findall(pending_xref):
            found = statements.get(node["reftarget"]) if node.get("refdomain") == "prf" else None
            if found and found["nonumber"] and not node["refexplicit"]:
                label = found["label"]
                raise ProofError(
                    f"{self.env.docname} refers to '{label}', which has no number: "
                    f"give the reference words of its own, {{prf:ref}}`the {found['realtype']} <{label}>`"
                )


def setup(app: Sphinx) -> dict[str, object]:
    app.setup_extension("sphinx_proof")
    app.connect("doctree-read", refuse_nested)
    app.add_post_transform(NamedReferences)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
