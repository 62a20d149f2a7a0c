"""The drawing beside the list of chapters: who builds on whom; no two lines meet in one lane."""

from __future__ import annotations

import itertools
import random
import re

from lanes import WIDTH, Line, lines, row

NAMES = ["a", "b", "c", "d"]
BELOW = {"a": ["d"], "b": ["a"], "c": ["a"], "d": []}  # a builds on what comes later


def test_each_chapter_that_others_build_on_has_one_line_to_all_of_them():
    assert lines(NAMES, BELOW) == [Line(0, frozenset({1, 2}), 0), Line(3, frozenset({0}), 1)]
    assert [list(line.rows) for line in lines(NAMES, BELOW)] == [[0, 1, 2], [0, 1, 2, 3]]


def test_lines_that_share_no_row_share_a_lane():
    found = lines(NAMES, {"a": [], "b": ["a"], "c": [], "d": ["c"]})
    assert [line.lane for line in found] == [0, 0]


def test_no_two_lines_meet_in_a_lane():
    draw = random.Random(0)
    names = [str(number) for number in range(32)]
    below = {name: draw.sample(names, 2) for name in names}
    found = lines(names, below)
    assert len(found) > 20
    for one, other in itertools.combinations(found, 2):
        assert one.lane != other.lane or not set(one.rows) & set(other.rows)


def paths(number: int) -> list[str]:
    return re.findall(r'd="([^"]+)"', row(number, lines(NAMES, BELOW)))


def test_a_line_begins_with_a_dot_and_reaches_its_chapters():
    near, far = 1.5 * WIDTH, 0.5 * WIDTH
    assert paths(0) == [f"M{near:g} 50V100", f"M{near:g} 50h0", f"M{far:g} 50V100", f"M{far:g} 50H20"]
    assert paths(1) == [f"M{near:g} 0V100", f"M{near:g} 50H20", f"M{far:g} 0V100"]
    assert paths(2) == [f"M{near:g} 0V50", f"M{near:g} 50H20", f"M{far:g} 0V100"]
    assert paths(3) == [f"M{far:g} 0V50", f"M{far:g} 50h0"]


def test_it_follows_the_colour_of_the_text_and_screen_readers_pass_it_by():
    assert 'stroke="currentColor"' in row(0, lines(NAMES, BELOW))
    assert 'aria-hidden="true"' in row(0, lines(NAMES, BELOW))


def test_without_anything_to_draw_nothing_is_drawn():
    nobody = lines(NAMES, {name: [] for name in NAMES})
    assert nobody == []
    assert "path" not in row(0, nobody)
    assert 'width="0"' in row(0, nobody)
