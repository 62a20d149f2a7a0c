"""The example runs, stops and goes on, and links what a text makes plain."""

import importlib.util
from pathlib import Path

import pytest
import torch

PATH = Path(__file__).parents[2] / "examples" / "entity_linking.py"


@pytest.fixture(scope="module")
def example():
    spec = importlib.util.spec_from_file_location("entity_linking_example", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_stopped_run_goes_on_as_if_it_had_not(example, tmp_path, capsys):
    def run(name, steps):
        options = ["--quick", "--steps", str(steps), "--checkpoint", str(tmp_path / name)]
        return example.main([*options, "--text", "a road in albania, tirana and durres"])

    run("stopped", 4)
    stopped, whole = run("stopped", 12), run("whole", 12)
    assert torch.equal(stopped.w, whole.w)
    assert torch.equal(stopped.counts, whole.counts)
    assert whole.counts.sum() == 12 * example.BATCH
    assert not list(tmp_path.glob("*.part"))
    said = capsys.readouterr().out
    assert "300 names; F1 on 4000 fresh queries 0.8" in said
    assert "albania:" in said
    with pytest.raises(SystemExit, match="of another run"):
        example.main(["--quick", "--seed", "1", "--checkpoint", str(tmp_path / "whole")])


def test_names_are_the_longest_whole_words(example):
    words = ["new york", "york", "new york city", "ork", "homburg", "bad homburg vor der hohe"]
    assert list(example.names_in("york, new york; bad homburg, yorkshire", words)) == [
        "york",
        "new york",
        "homburg",
    ]
