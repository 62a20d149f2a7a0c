"""What sphinx-proof would print wrongly stops the build, and what it prints rightly does not."""

from __future__ import annotations

from pathlib import Path

import pytest
from proofs import ProofError
from sites import body, build, plain, write

CONF = 'extensions = ["myst_parser", "proofs"]\nmyst_enable_extensions = ["colon_fence"]\n'
TEXT = """# Demo

:::{prf:lemma} The key
:label: demo-key
:nonumber:
Keys fit.
:::

:::{prf:theorem}
:label: demo-lock
Locks open.
:::

:::{prf:proof}
By a key.
:::

"""


def demo(tmp_path: Path, text: str) -> str:
    return plain(body(build(write(tmp_path, {"book/conf.py": CONF, "book/index.md": TEXT + text}))["index"]))


def refused(tmp_path: Path, text: str) -> str:
    with pytest.raises(ProofError) as stopped:
        demo(tmp_path, text)
    return str(stopped.value)


def test_numbered_statements_and_words_of_ones_own_are_fine(tmp_path):
    page = demo(tmp_path, "See {prf:ref}`demo-lock` and {prf:ref}`the key lemma <demo-key>`.\n")
    assert "See Theorem 1 and the key lemma." in page


def test_reference_to_an_unnumbered_statement_is_refused(tmp_path):
    said = refused(tmp_path, "See {prf:ref}`demo-key`.\n")
    assert "index refers to 'demo-key', which has no number" in said


NESTED = """::::{prf:theorem}
:label: demo-outer
Doors open.

:::{prf:%s}
:label: demo-inner
Push.
:::
::::
"""


@pytest.mark.parametrize("kind", ["lemma", "example"])
def test_statement_within_a_statement_is_refused(tmp_path, kind):
    said = refused(tmp_path, NESTED % kind)
    assert "index: a statement 'demo-inner' stands inside statement 'demo-outer'" in said


def test_proof_within_a_statement_is_refused(tmp_path):
    said = refused(tmp_path, NESTED.replace(":label: demo-inner\n", "") % "proof")
    assert "index: a proof stands inside statement 'demo-outer'" in said


def test_proof_within_an_unnumbered_statement_is_refused(tmp_path):
    text = NESTED.replace(":label: demo-inner\n", "").replace("-outer", "-outer\n:nonumber:") % "proof"
    assert "a proof stands inside statement 'demo-outer'" in refused(tmp_path, text)
