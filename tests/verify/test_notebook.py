"""The first cell's tools: source without docstrings, and the look of the figures."""

import json
import re
import runpy
import sys
from dataclasses import dataclass
from fractions import Fraction

import matplotlib as mpl
import pytest
import torch

from lemmata.verify import notebook
from lemmata.verify.notebook import figures, glue, in_clone, slider, source


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


@dataclass
class Record:
    """A public class: it says that it lives at its part, not in the file where it is written."""

    x: int

    def method(self):
        """One line."""
        return self


Record.__module__ = "lemmata.verify"


@pytest.mark.parametrize("function", [plain, documented, Holder.method])
def test_the_source_is_all_but_the_docstring(function):
    text = source(function).data
    assert text.startswith(f"```python\ndef {function.__name__}(")
    assert text.endswith("\n```")
    assert '"""' not in text
    assert text.count("return") == 1


def test_the_source_of_a_class_is_found_wherever_it_says_that_it_lives():
    text = source(Record).data
    assert text.startswith("```python\n@dataclass\nclass Record:\n\n    x: int\n\n    def method(self):\n")
    assert "A public class" not in text
    assert text.endswith("        return self\n```")


def test_nothing_of_jupyter_is_needed_before_something_is_shown(monkeypatch):
    for module in ("IPython", "IPython.display", "matplotlib.pyplot", "myst_nb"):
        monkeypatch.setitem(sys.modules, module, None)
    assert set(notebook.__all__) <= runpy.run_path(notebook.__file__).keys()


def test_comments_stay_and_functions_are_two_lines_apart():
    text = source(plain, documented).data
    assert "# a comment stays" in text
    assert "return x + 1\n\n\ndef documented" in text


def test_figures_sets_the_style_of_the_book():
    with mpl.rc_context():
        mpl.rcdefaults()
        figures()
        assert mpl.rcParams["svg.hashsalt"]


def test_a_float_is_glued_with_the_digits_that_every_machine_gives(monkeypatch):
    kept = {}
    monkeypatch.setattr("myst_nb.glue", lambda name, value, display: kept.update({name: value}))
    given = {"pi": 3.14159265, "small": -1.23456789e-9, "count": 1234567890, "text": "1.23456789"}
    for name, value in given.items():
        glue(name, value)
    assert kept == {"pi": 3.14159, "small": -1.23457e-9, "count": 1234567890, "text": "1.23456789"}


def test_figures_are_svg_without_a_date(monkeypatch):
    said = []
    monkeypatch.setattr(
        "matplotlib_inline.backend_inline.set_matplotlib_formats", lambda *a, **k: said.append((a, k))
    )
    figures()
    assert said == [(("svg",), {"metadata": {"Date": None}})]


def test_glue_shows_what_it_keeps_unless_told_not_to(monkeypatch):
    kept = []
    monkeypatch.setattr("myst_nb.glue", lambda *a: kept.append(a))
    glue("gap", 1 / 3)
    glue("n", 7, display=False)
    assert kept == [("gap", 0.333333, True), ("n", 7, False)]


def test_a_class_without_methods_has_a_source_too():
    class Bare:
        x = 1

    assert "x = 1" in source(Bare).data


def data_of(shown):
    return json.loads(re.search(r"<script[^>]*>(.*)</script>", shown.data)[1])


def test_a_slider_holds_its_curves_with_four_digits_and_gaps():
    x = torch.tensor([0.0, 1 / 3])
    curves = {"a < b": [x, 2 * x], "still": [1.0, float("nan")]}
    shown = slider("K & k", (1, 2.5), x, curves, "x", "y")
    assert "<summary>Move K &amp; k " in shown.data
    assert data_of(shown) == {
        "name": "K & k",
        "values": [1.0, 2.5],
        "x": [0.0, 0.3333],
        "curves": {"a < b": [[0.0, 0.3333], [0.0, 0.6667]], "still": [[1.0, None]]},
        "xlabel": "x",
        "ylabel": "y",
    }


def test_a_slider_takes_numbers_of_any_kind_and_wastes_no_space():
    third = [Fraction(0), Fraction(1, 3)]
    shown = slider("K", (1, 2), third, {"a": third}, "x", "y")
    assert data_of(shown)["x"] == data_of(shown)["curves"]["a"][0] == [0.0, 0.3333]
    assert ", " not in shown.data
    assert ": " not in shown.data


def test_a_slider_has_a_number_at_each_place():
    with pytest.raises(ValueError, match="not JSON compliant"):
        slider("K", (1, float("nan")), [0, 1], {"a": [0, 1]}, "x", "y")


def test_what_a_slider_holds_cannot_end_its_script():
    shown = slider("K", (1, 2), [0, 1], {"</script>": [0, 1]}, "x", "y")
    assert shown.data.count("</script>") == 1
    assert list(data_of(shown)["curves"]) == ["</script>"]


def test_a_slider_names_what_is_wrong():
    with pytest.raises(ValueError, match=r"values must be two or more, got \[1\]"):
        slider("K", [1], [0, 1], {"a": [0, 1]}, "x", "y")
    with pytest.raises(ValueError, match=r"curve 'a' must have 2 points for each value, got shape \(2, 3\)"):
        slider("K", [1, 2], [0, 1], {"a": [[0, 1, 2], [0, 1, 2]]}, "x", "y")


def test_a_file_of_the_repository_is_found_from_any_folder_in_it(tmp_path, monkeypatch):
    page = tmp_path / "book" / "part"
    page.mkdir(parents=True)
    data = tmp_path / "examples" / "data.json"
    data.parent.mkdir()
    data.touch()
    monkeypatch.chdir(page)
    assert in_clone("examples/data.json") == data
    assert in_clone("examples") == data.parent


def test_outside_a_clone_it_says_what_is_missing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"reads examples/nothing of the repository.*in a clone"):
        in_clone("examples/nothing")
