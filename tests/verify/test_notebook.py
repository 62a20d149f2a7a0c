"""The first cell's tools: source without docstrings, and the look of the figures."""

import matplotlib as mpl
import pytest

from lemmata.verify.notebook import figures, source


def plain(x):
    return x + 1


def documented(x):
    r"""A docstring with \\alpha,
    two lines and 'quotes'.
    """
    y = x  # a comment stays
    return y


class Holder:
    def method(self):
        """One line."""
        return self


@pytest.mark.parametrize("function", [plain, documented, Holder.method])
def test_the_source_is_all_but_the_docstring(function):
    text = source(function).data
    assert text.startswith(f"```python\ndef {function.__name__}(")
    assert text.endswith("\n```")
    assert '"""' not in text
    assert text.count("return") == 1


def test_comments_stay_and_functions_are_two_lines_apart():
    text = source(plain, documented).data
    assert "# a comment stays" in text
    assert "return x + 1\n\n\ndef documented" in text


def test_figures_sets_the_style_of_the_book():
    with mpl.rc_context():
        mpl.rcdefaults()
        figures()
        assert mpl.rcParams["svg.hashsalt"]
