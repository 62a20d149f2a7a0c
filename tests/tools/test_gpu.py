"""The benchmark of the kernels, tried without a GPU: all of it runs, and writes what a reader needs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import results
from kernels import SOURCE

ROOT = Path(__file__).resolve().parents[2]
OPERATIONS = {
    "multilabel dense",
    "multilabel linear",
    "multilabel settings",
    "multilabel soft",
    "multilabel sparse",
    "hsic",
    "entmax",
    "orthogonal_",
    "gelu",
}


def run(*options: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([SOURCE, *filter(None, [os.environ.get("PYTHONPATH")])])
    everything = {**os.environ, "PYTHONPATH": path, "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, "benchmarks/gpu.py", *options]
    return subprocess.run(command, cwd=ROOT, env=everything, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    pytest.importorskip("triton", reason="the kernels need triton")
    path = tmp_path_factory.mktemp("gpu") / "results" / "dry.json"
    done = run("--dry", "--json", str(path))
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("[") >= 19
    return json.loads(path.read_text())


def test_every_case_runs(written):
    assert written["failed"] == []
    assert {record["operation"] for record in written["records"]} == OPERATIONS
    assert all(record["median_ms"] > 0 and record["ratio"] > 0 for record in written["records"])


def test_the_file_says_what_was_measured_and_where(written):
    assert written["dry"]
    assert written["machine"]["device"].startswith("none")
    assert written["tests"]["passed"], written["tests"]["said"]
    assert "multilabel_kernels.py" in written["tests"]["said"]
    assert written["copy_bytes_per_second"] > 0
    (target,) = written["targets"]
    assert (target["sense"], target["bound"]) == ("at least", 0.85)
    assert target["value"] > 0
    assert target["met"] is None  # nothing that a dry run measures counts


def test_the_page_can_show_it(written):
    assert results.missing(written) == set()
    assert results.processor(written).startswith("none")
    assert "a dry run" in results.machine(written)


def test_a_case_that_fails_does_not_end_the_rest(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import gpu

    def fails():
        raise RuntimeError("no such kernel")

    monkeypatch.setattr(gpu, "DRY", True)
    table = gpu.Table("an operation", (1,), "float32", "good", {"bad": fails, "good": lambda: None})
    (good,), (bad,) = gpu.records(table, 1.0)
    assert bad["error"] == "RuntimeError: no such kernel"
    assert good["ratio"] == 1


def test_if_the_unit_fails_another_case_is_it(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import gpu

    def fails():
        raise RuntimeError("no such kernel")

    monkeypatch.setattr(gpu, "DRY", True)
    table = gpu.Table("an operation", (1,), "float32", "bad", {"bad": fails, "good": lambda: None})
    ((good,), _) = gpu.records(table, 1.0)
    assert (good["unit"], good["ratio"]) == ("good", 1)


@pytest.mark.skipif(__import__("torch").cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_so():
    done = run()
    assert done.returncode == 0
    assert "there is no GPU here; --dry" in done.stdout
