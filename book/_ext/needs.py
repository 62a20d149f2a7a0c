"""What a reader must know, said once, near the top of a chapter, and shown on the map of chapters, too.

    :::{needs}
    Convex functions; *entropy*, a number that says how uncertain a draw is.
    :::

Calculus and the use of PyTorch are taken for granted, so they are not said. A chapter says it once; a second
time, or on a page that is no chapter, stops the build. The map stops it where a chapter does not say it.
"""

from __future__ import annotations

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.errors import SphinxError
from sphinx.util.docutils import SphinxDirective

LEAD = "You need, besides calculus and PyTorch: "


class NeedsError(SphinxError):
    category = "Needs"


class needs(nodes.container):
    """The paragraph; a builder that knows nothing of it takes it for what it inherits."""


class NeedsDirective(SphinxDirective):
    has_content = True

    def run(self) -> list[nodes.Node]:
        self.assert_has_content()
        block = needs(classes=["needs"])
        self.set_source_info(block)
        self.state.nested_parse(self.content, self.content_offset, block)
        if len(block) != 1 or not isinstance(block[0], nodes.paragraph):
            raise NeedsError(f"{self.env.docname}: `needs` holds one paragraph, not {len(block)} blocks")
        block[0].insert(0, nodes.strong(text=LEAD))
        block += nodes.paragraph("", "To run the code, ", self.link(), nodes.Text("."))
        return [block]

    def link(self) -> addnodes.pending_xref:
        """To the label ``install``: whoever comes from a search has met no other page."""
        target = dict(refdomain="std", reftype="ref", reftarget="install", refexplicit=True, refwarn=False)
        text = nodes.inline(text="install the library")
        return addnodes.pending_xref("", text, refdoc=self.env.docname, **target)


def needs_of(env: BuildEnvironment, docname: str) -> needs | None:
    """What a chapter says that one needs."""
    return next(env.get_doctree(docname).findall(needs), None)


def is_chapter(env: BuildEnvironment, docname: str) -> bool:
    """Chapters are notebooks; no other page is."""
    return env.doc2path(docname).endswith(".ipynb")


def check(app: Sphinx, doctree: nodes.document) -> None:
    docname, found = app.env.docname, len(list(doctree.findall(needs)))
    if found > 1:
        raise NeedsError(f"{docname} says {found} times what one needs")
    if found and not is_chapter(app.env, docname):
        raise NeedsError(f"{docname} says what one needs, but is no chapter of a part")


def setup(app: Sphinx) -> dict[str, object]:
    def pass_by(translator, node: nodes.Node) -> None:
        pass

    app.add_node(
        needs,
        html=(lambda self, node: self.visit_container(node), lambda self, node: self.depart_container(node)),
        latex=(pass_by, pass_by),
        text=(pass_by, pass_by),
    )
    app.add_directive("needs", NeedsDirective)
    app.connect("doctree-read", check)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
