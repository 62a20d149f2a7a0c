#!/usr/bin/env bash
# pytest-xdist's `xdist_group` marks have no effect under pytest 9.2.
#
# One would expect: with `--dist loadgroup`, all tests marked with one group run on one worker, as its documentation says,
#   or an error if the two versions do not go together.
# What happens: pytest-xdist 3.8.0 appends the group to the private `_nodeid` of a test, which pytest 9.2.0 no longer reads.
#   The scheduler sees no group and deals the tests out one by one; nothing is reported. With pytest 9.1.1 the group holds.
# Seen for six tests of one group on two workers: one worker ran them with pytest 9.1.1, both with pytest 9.2.0.
# Source: `remote.py` of pytest-xdist 3.8.0; known there as issue 1386. `--dist loadfile` is not affected.
# Who is hurt: whoever keeps tests together that share a port, a database or a costly fixture.
set -euo pipefail
shopt -s inherit_errexit

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
mkdir "$folder/tests"
for name in a b c; do
    cat > "$folder/tests/test_$name.py" <<'PYTHON'
import os
import pathlib

import pytest


@pytest.mark.xdist_group("one")
@pytest.mark.parametrize("i", range(2))
def test_worker(i):
    worker = os.environ["PYTEST_XDIST_WORKER"]
    pathlib.Path(__file__).with_name(worker + ".ran").touch()
PYTHON
done

workers() { # how many workers ran tests of the one group, under the given version of pytest
    "$folder/venv/bin/pip" install -qq "pytest==$1" pytest-xdist==3.8.0
    rm -f "$folder"/tests/*.ran
    "$folder/venv/bin/python" -m pytest -q -p no:cacheprovider -n 2 --dist loadgroup "$folder/tests" >&2
    find "$folder/tests" -name '*.ran' | wc -l
}

before=$(workers 9.1.1)
now=$(workers 9.2.0)
echo "pytest-xdist 3.8.0, six tests of one group: $before worker with pytest 9.1.1, $now workers with pytest 9.2.0"
[ "$before" = 1 ] || { echo "pytest 9.1.1 did not keep the group together"; exit 1; }
[ "$now" = 2 ] || { echo "changed: the group holds"; exit 1; }
