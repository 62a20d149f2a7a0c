"""The benchmarks: cases take turns, targets are judged, the files have one form, each script runs."""

from __future__ import annotations

import argparse
import json
import runpy
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"
PEERS = ("entmax", "hyppo", "pykeops")  # they compile, or load for seconds
ALONE = {"everything", "gpu", "measure", "report"}
SCRIPTS = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem not in ALONE)


@pytest.fixture(autouse=True)
def beside_the_scripts(monkeypatch):
    """As for ``python benchmarks/gelu.py``, but without peers."""
    monkeypatch.syspath_prepend(str(FOLDER))
    for name in PEERS:
        monkeypatch.setitem(sys.modules, name, None)


@pytest.fixture
def measure():
    import measure

    return measure


@pytest.fixture
def report():
    import report

    return report


def ticking(steps: list[float]):
    """A clock that shows these numbers, one a look."""
    return iter(steps).__next__


# --- timing


def test_cases_take_turns_and_the_first_round_does_not_count(measure):
    called: list[str] = []
    cases = {name: lambda name=name: called.append(name) for name in "abc"}
    times = measure.interleaved(cases, 2)
    assert "".join(called) == "abc" * 3
    assert {name: len(taken) for name, taken in times.items()} == dict.fromkeys("abc", 2)


def test_only_the_case_itself_is_timed(measure):
    clock = ticking([0, 100, 100, 200, 200, 203, 203, 210])  # the first round is slow
    times = measure.interleaved({"a": lambda: None, "b": lambda: None}, 1, clock=clock)
    assert times == {"a": [3], "b": [7]}


def test_a_case_after_a_much_slower_one_runs_once_untimed(measure):
    now, order = [0.0], []

    def case(name, seconds):
        def run():
            order.append(name)
            now[0] += seconds * (2 if order[-2:-1] == ["slow"] else 1)  # what follows it is slower

        return run

    cases = {"quick": case("quick", 1.0), "alike": case("alike", 2.0), "slow": case("slow", 50.0)}
    times = measure.interleaved(cases, 2, clock=lambda: now[0])
    assert times == {"quick": [1.0, 1.0], "alike": [2.0, 2.0], "slow": [50.0, 50.0]}
    assert order == ["quick", "alike", "slow", *["quick", "quick", "alike", "slow"] * 2]


def test_slow_cases_get_few_rounds_but_not_too_few(measure):
    times = measure.interleaved({"a": lambda: time.sleep(0.01)}, 100, seconds=0.02)
    assert len(times["a"]) == measure.LEAST


def test_rounds_are_said(measure):
    said: list[int] = []
    measure.interleaved({"a": lambda: None}, 2, said=said.append)
    assert said == [0, 1, 2]


def table(measure, *targets, more=lambda case, medians: {}):
    cases = {"torch": lambda: None, "lemmata": lambda: None}
    return measure.Table("sum", (2, 3), "float32", cases, "torch", targets=targets, more=more)


TIMES = {"torch": [0.3, 0.1, 0.2], "lemmata": [0.1, 0.1, 9.0]}


def test_records_have_medians_and_their_ratio(measure):
    torchs, ours = measure.records(table(measure), TIMES)
    assert (ours["median_ms"], ours["min_ms"], ours["rounds"]) == (100, 100, 3)
    assert ours["ratio"] == pytest.approx(0.5)
    assert torchs["ratio"] == 1
    assert ours["unit"] == torchs["case"] == "torch"


def test_more_fields_see_the_medians(measure):
    found = measure.records(table(measure, more=lambda case, medians: {"twice": 2 * medians[case]}), TIMES)
    assert [record["twice"] for record in found] == pytest.approx([0.4, 0.2])


@pytest.mark.parametrize(
    ("wanted", "value", "met"),
    [
        (("lemmata", 0.5), 0.5, True),
        (("lemmata", 0.4), 0.5, False),
        (("lemmata",), 0.5, None),
        (("torch", 2.0, "ratio", "lemmata", True), 2.0, True),
        (("torch", 2.1, "ratio", "lemmata", True), 2.0, False),
        (("lemmata", 0.0, "added_ms"), -100, True),
        (("lemmata", 1.0, "saved"), 3.0, False),
    ],
)
def test_targets_are_judged(measure, wanted, value, met):
    made = table(measure, measure.Target(*wanted), more=lambda case, medians: {"saved": 3.0})
    (goal,) = measure.reached(made, measure.records(made, TIMES))
    assert goal["value"] == pytest.approx(value)
    assert goal["met"] is met


def test_a_target_over_a_peer_that_is_missing_is_left_out(measure):
    made = table(measure, measure.Target("lemmata", 1.0, over="hyppo"))
    assert measure.reached(made, measure.records(made, TIMES)) == []


# --- memory, peers


def test_saved_bytes_count_a_storage_once(measure):
    x = torch.ones(100, requires_grad=True)
    assert measure.saved_bytes(lambda: (x * x).sum()) == x.nbytes
    assert measure.saved_bytes(lambda: (x * x.exp()).sum()) == 2 * x.nbytes


def test_allocated_bytes_count_what_is_freed_too(measure):
    x = torch.ones(100_000)
    assert 2 * x.nbytes <= measure.allocated_bytes(lambda: x.exp().exp()) < 2.1 * x.nbytes


def test_a_peer_that_is_not_installed_is_said_once(measure, capsys, monkeypatch):
    monkeypatch.setattr(measure, "MISSING", {})
    path = sys.path[:]
    assert measure.peer("hyppo") is None
    assert measure.peer("hyppo") is None
    assert capsys.readouterr().err.count("hyppo takes no part") == 1
    assert list(measure.MISSING) == ["hyppo"]
    assert sorted(sys.path) == sorted(path)


def test_a_script_of_the_peers_name_is_not_the_peer(measure, monkeypatch, tmp_path):
    monkeypatch.delitem(sys.modules, "entmax")
    (tmp_path / "entmax.py").write_text("peer = True\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.syspath_prepend(str(FOLDER))
    assert measure.peer("entmax").peer
    monkeypatch.delitem(sys.modules, "entmax")


# --- the report


def test_files_have_one_record_a_line_and_the_machine(report, tmp_path):
    path = tmp_path / "results" / "demo.json"
    report.write(path, "demo", records=[{"median_ms": 1.23456, "case": "a"}, {"case": "b"}], targets=[])
    found = json.loads(path.read_text())
    assert found["records"] == [{"median_ms": 1.235, "case": "a"}, {"case": "b"}]
    assert {"name", "date", "torch", "threads", "machine", "missing", "targets"} < set(found)
    assert {"cpu", "cores", "simd", "blas", "system", "python"} <= set(found["machine"])
    assert '\n  {"case": "b"}\n' in path.read_text()


def test_progress_is_plain_lines_where_there_is_no_terminal(report, capsys):
    progress = report.Progress()
    for subject, detail in (("gelu", "1"), ("gelu", "2"), ("entmax", "1")):
        progress.say(subject, detail)
    progress.clear()
    assert capsys.readouterr().err == "gelu\nentmax\n"


def test_progress_overwrites_its_line_on_a_terminal(report, capsys):
    progress = report.Progress()
    progress.terminal = True
    progress.say("gelu", "round 1")
    progress.say("gelu", "round 2")
    assert capsys.readouterr().err.split("\r\x1b[K") == ["", "gelu round 1", "gelu round 2"]


def test_slope_of_a_power_is_its_exponent():
    slope = runpy.run_path(str(FOLDER / "growth.py"), run_name="growth")["slope"]
    assert slope([1, 2, 4, 8], [3 * n**2.5 for n in (1, 2, 4, 8)]) == pytest.approx(2.5)


# --- the scripts


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_case_of_a_script_runs(name, report):
    """And every target is about cases that there are, but for those of peers."""
    tables = runpy.run_path(str(FOLDER / f"{name}.py"), run_name=f"bench_{name}")["tables"]
    found, _ = report.run(tables(True), argparse.Namespace(quick=True, rounds=1))
    assert found
    assert all(record["median_ms"] > 0 for record in found)
    assert any(record["case"].startswith(("lemmata", "all of it")) for record in found)


def test_a_script_writes_what_it_is_told(tmp_path):
    path = tmp_path / "moments.json"
    command = [sys.executable, str(FOLDER / "moments.py"), "--quick", "--json", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "Moments, 1000, float32, in units of copy" in done.stdout
    assert json.loads(path.read_text())["name"] == "moments"


def test_everything_is_every_script():
    everything = runpy.run_path(str(FOLDER / "everything.py"), run_name="everything")
    assert [path.stem for path in everything["scripts"]()] == SCRIPTS
    assert everything["command"](FOLDER / "gelu.py", True)[-1] == "--quick"
    written = Path(everything["command"](FOLDER / "gelu.py", False)[-1])
    assert written.name == "gelu.json"
    assert written.parent.parent == FOLDER / "results"


def test_a_machine_has_a_folder_of_its_own(report):
    assert report.slug("Intel(R) Xeon(R) Processor, family 6, model 167") == "intel-xeon-family-6-model-167"
    for path in (FOLDER / "results").glob("*/*.json"):
        assert report.slug(json.loads(path.read_text())["machine"]["cpu"]) == path.parent.name
