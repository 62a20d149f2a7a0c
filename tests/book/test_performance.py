"""The page of performance shows what the benchmarks wrote, and stops the build where they have not."""

from __future__ import annotations

import json
import re
from pathlib import Path

import prose
import pytest
import results
import sites
from results import BenchmarkError
from sites import body, plain, write

ROOT = Path(__file__).resolve().parents[2]
CONF = 'extensions = ["myst_parser", "benchmarks"]\nbenchmark_results = "../results"\nnumfig = True\n'
MACHINE = {"cpu": "A CPU", "cores": 2, "simd": "AVX2", "blas": "mkl", "system": "Linux", "python": "3.11"}


def record(case, ratio, shape=(2, 3), dtype="float32", **more):
    return {
        "operation": "gelu", "case": case, "shape": list(shape), "dtype": dtype, "setting": "",
        "median_ms": 20 * ratio, "min_ms": 10 * ratio, "rounds": 3, "ratio": ratio, "unit": "torch", **more,
    }  # fmt: skip


def target(case, value, bound=None, over="torch", what="ratio", sense="at most", shape=(2, 3)):
    met = None if bound is None else (value >= bound if sense == "at least" else value <= bound)
    return {
        "operation": "gelu", "case": case, "shape": list(shape), "dtype": "float32", "setting": "",
        "what": what, "over": over, "sense": sense, "bound": bound, "value": value, "met": met,
    }  # fmt: skip


def found(records, targets=(), **more):
    head = {"name": "gelu", "date": "2026-11-30", "torch": "2.13", "threads": 1, "machine": MACHINE}
    return {**head, "missing": [], "records": list(records), "targets": list(targets), **more}


def page(tmp_path, text, results=None, builder="html", others=None):
    files = {f"results/one/{name}.json": json.dumps(value) for name, value in (results or {}).items()}
    files |= {f"results/two/{name}.json": json.dumps(value) for name, value in (others or {}).items()}
    project = write(tmp_path, {"book/conf.py": CONF, "book/index.md": f"# Demo\n\n{text}\n", **files})
    pages = sites.build(project, builder)
    return pages["index"] if builder == "html" else "\n".join(pages.values())


def rows(html):
    """The cells of all tables, as words."""
    lines = re.findall(r"<tr\b.*?</tr>", body(html), re.DOTALL)
    return [[plain(cell) for cell in re.findall(r"<t[dh]\b.*?</t[dh]>", line, re.DOTALL)] for line in lines]


SHOWN = "```{benchmark} gelu\n```"


def test_settings_are_columns_and_the_unit_has_its_time(tmp_path):
    wide = (10_000, 3)
    records = [record("torch", 1.0), record("lemmata", 2.04)]
    records += [record("torch", 1.0, wide), record("lemmata", 0.61, wide)]
    html = page(tmp_path, SHOWN, {"gelu": found(records)})
    assert rows(html) == [
        ["case", "2 × 3", "10,000 × 3"],
        ["torch", "20 ms", "20 ms"],
        ["lemmata", "2.0", "0.61"],
    ]
    assert "gelu, float32. Times in units of torch." in plain(html)
    assert "<strong>lemmata</strong>" in html


def test_one_setting_has_time_ratio_and_what_else_was_measured(tmp_path):
    records = [record("torch", 1.0, saved=1.0), record("lemmata", 200.0)]
    assert rows(page(tmp_path, SHOWN, {"gelu": found(records)})) == [
        ["case", "time", "ratio", "Kept for backward, in units of the input"],
        ["torch", "20 ms", "1.0", "1.0"],
        ["lemmata", "4.0 s", "200", ""],
    ]


def test_more_settings_than_cases_are_rows(tmp_path):
    records = [record(case, 1.0, (n,)) for n in range(1, 6) for case in ("torch", "lemmata")]
    first, *others = rows(page(tmp_path, SHOWN, {"gelu": found(records)}))
    assert first == ["size", "torch", "lemmata"]
    assert [row[0] for row in others] == ["1", "2", "3", "4", "5"]


def test_other_fields_have_tables_of_their_own(tmp_path):
    records = [record("lemmata", 1.0, (n,), error=n * 1e-7) for n in (1, 2)]
    html = page(tmp_path, "```{benchmark} gelu\n:fields: error\n```", {"gelu": found(records)})
    assert rows(html) == [["case", "1", "2"], ["lemmata", "1.0·10⁻⁷", "2.0·10⁻⁷"]]


def test_targets_stand_where_their_numbers_do_or_below(tmp_path):
    records = [record("torch", 1.0), record("lemmata", 2.0)]
    targets = [target("lemmata", 2.0, 1.6), target("torch", 0.5, 4, over="lemmata", sense="at least")]
    html = page(tmp_path, SHOWN, {"gelu": found(records, targets)})
    assert ["lemmata", "40 ms", "2.0missed ≤ 1.6"] in rows(html)
    assert ["torch, over lemmata", "0.50missed ≥ 4"] in rows(html)
    assert 'class="is-missed verdict"' in html or 'class="verdict is-missed"' in html


def test_summary_counts_wins_losses_and_targets(tmp_path):
    targets = [
        target("lemmata, tanh", 1.5, 2.0),  # a target that is met, of a comparison that is lost
        target("torch", 4.0, over="lemmata, exact", sense="at least"),
        target("torch", 2.0, over="lemmata, exact", sense="at least", shape=(9,)),
        target("lemmata, both", 0.5),
        target("lemmata, both", 2.0, shape=(9,)),
        target("lemmata, both", 3.0, 1.0, over="lemmata, exact"),  # no other program
    ]
    html = page(tmp_path, "```{benchmark-summary}\n```", {"gelu": found([record("torch", 1.0)], targets)})
    assert "A CPU: of 3 comparisons with other programs 1 are won and 1 lost at all sizes." in plain(html)
    assert "Targets met: 1 of 2." in plain(html)
    assert rows(html)[1:] == [
        ["gelu, tanh", "torch", "1.5loss"],
        ["gelu, exact", "torch", "0.25–0.50win"],
        ["gelu, both", "torch", "0.50–2.0win to loss"],
    ]


OTHER = {"machine": {**MACHINE, "cpu": "Another(R) Processor, family 6"}}


def test_each_machine_has_a_tab_and_a_column_of_the_summary(tmp_path):
    one = found([record("torch", 1.0), record("lemmata", 0.5)], [target("lemmata", 0.5)])
    two = found([record("torch", 1.0), record("lemmata", 2.0)], [target("lemmata", 2.0, 1.0)], **OTHER)
    text = f"{SHOWN}\n\n```{{benchmark-summary}}\n```"
    html = page(tmp_path, text, {"gelu": one}, others={"gelu": two})
    assert re.findall(r'data-sync-id="([^"]*)"', html) == ["A CPU", "Another"]
    assert "…" not in plain(body(html))
    lines = rows(html)
    assert [line for line in lines if line[0] == "lemmata"] == [
        ["lemmata", "10 ms", "0.50win"],
        ["lemmata", "40 ms", "2.0missed ≤ 1"],
    ]
    assert lines[-2:] == [["ours", "against", "A CPU", "Another"], ["gelu", "torch", "0.50win", "2.0loss"]]
    assert "Another: of 1 comparisons with other programs 0 are won and 1 lost" in plain(html)


def test_what_one_of_several_machines_ran_says_which(tmp_path):
    one, two = found([record("torch", 1.0)]), found([record("torch", 1.0)], name="hsic", **OTHER)
    html = page(tmp_path, SHOWN, {"gelu": one}, others={"hsic": two})
    assert re.findall(r'data-sync-id="([^"]*)"', html) == ["A CPU"]


def test_a_peer_that_one_machine_lacks_leaves_a_gap(tmp_path):
    one = found([record("torch", 1.0)], [target("lemmata", 0.5)])
    two = found([record("torch", 1.0)], **OTHER)
    html = page(tmp_path, "```{benchmark-summary}\n```", {"gelu": one}, others={"gelu": two})
    assert rows(html)[1] == ["gelu", "torch", "0.50win", ""]


def test_machines_are_said_with_their_dates_and_who_was_missing(tmp_path):
    one = found([record("torch", 1.0)])
    other = {**one, "name": "hsic", "date": "2026-12-01", "missing": ["hyppo"]}
    text = plain(body(page(tmp_path, "```{benchmark-machine}\n```", {"gelu": one, "hsic": other})))
    assert "A CPU (2 cores, AVX2), BLAS mkl, Linux, PyTorch 2.13, Python 3.11, threads: 1;" in text
    assert "2026-11-30 to 2026-12-01." in text
    assert "Took no part, not being installed: hyppo." in text


GROWTH = found(
    [record(f"lemmata, {n}", n / 10, size=n) for n in (10, 20)],
    slopes=[
        {"operation": "gelu", "along": "numbers", "sizes": [10, 20], "slope": 1.0, "last": 1.0, "order": 1}
    ],
)


def test_growth_has_slopes_and_a_figure_with_alternative_text(tmp_path):
    html = page(tmp_path, "```{benchmark-growth}\n```", {"growth": GROWTH})
    assert rows(html)[1] == ["gelu10 to 20 numbers", "1.00", "1.00", "1"]
    assert re.search(r'<svg class="growth" role="img" aria-label="Two logarithmic axes;[^"]*about 1,', html)
    assert "Fig. 1" in plain(html)
    assert "gelu: slope 1.00" in html


def test_text_stands_in_until_there_is_a_file(tmp_path):
    text = "```{benchmark} gpu\n*Not* measured.\n```"
    assert "<em>Not</em> measured." in page(tmp_path / "without", text)
    html = page(tmp_path / "with", text, {"gpu": found([record("torch", 1.0)])})
    assert "Not measured" not in plain(html)
    assert rows(html)


@pytest.mark.parametrize("builder", ["text", "latex"])
def test_other_builders_have_the_numbers(tmp_path, builder):
    text = f"{SHOWN}\n\n```{{benchmark-growth}}\n```"
    assert "20" in page(tmp_path, text, {"gelu": found([record("torch", 1.0)]), "growth": GROWTH}, builder)


# --- failure


OLD = {"torch": "2.13", "threads": 1, "records": [{"case": "torch", "forward_ms": 1.0}]}


@pytest.mark.parametrize(
    ("results", "said"),
    [
        ({}, r"gelu.json does not exist: `make bench` writes it"),
        ({"gelu": OLD}, r"gelu.json is of another form, without date, machine, missing, name: `make bench`"),
        ({"gelu": []}, r"gelu.json is of another form"),
        ({"gelu": found([{"case": "torch"}])}, r"without dtype, median_ms, min_ms, operation, ratio"),
        ({"gelu": found([])}, r"gelu.json has no operation 'gelu, forward'"),
    ],
)
def test_a_missing_or_an_old_file_stops_the_build(tmp_path, results, said):
    with pytest.raises(BenchmarkError, match=said):
        page(tmp_path, "```{benchmark} gelu\n:operation: gelu, forward\n```", results)


def test_a_file_that_is_no_json_stops_the_build(tmp_path):
    write(tmp_path, {"gelu.json": "{"})
    with pytest.raises(BenchmarkError, match=r"gelu.json is not JSON"):
        results.read(tmp_path, "gelu")


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0, "0"),
        (0.614, "0.61"),
        (2.96, "3.0"),
        (9.96, "10"),
        (1525.6, "1,526"),
        (-15.7, "−16"),
        (4.2e-7, "4.2·10⁻⁷"),
    ],
)
def test_numbers_have_two_digits(value, said):
    assert results.number(value) == said


# --- the page itself


def test_no_number_of_the_page_is_typed():
    assert prose.typed((ROOT / "book/performance.md").read_text(encoding="utf-8")) == []


def test_all_results_are_of_the_form_and_on_the_page():
    text = (ROOT / "book/performance.md").read_text(encoding="utf-8")
    paths = sorted((ROOT / "benchmarks/results").glob("*/*.json"))
    assert len({path.parent for path in paths}) > 1
    for path in paths:
        found = results.read(path.parent, path.stem)
        assert found["name"] == path.stem
        assert f"{{benchmark}} {path.stem}\n" in text or path.stem == "growth"
