"""The performance suite works: each kind of turn is taken once, for a moment. Nothing here asserts a time."""

import pathlib
import sys

import pytest

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "perf" / "suite"))

import pipeline  # noqa: E402
import table  # noqa: E402
from measure import Row, row_from_json  # noqa: E402


@pytest.mark.parametrize("forward", pipeline.FORWARDS)
def test_the_worker_forwards_a_capture_beside_testpmd(forward, tmp_path):
    row = pipeline.measure(pipeline.Case(forward), tmp_path, rounds=1, seconds=0.02)
    assert row.figure > 0 and row.peer_figure > 0
    assert row_from_json(row.as_json()) == row


def test_a_row_is_judged_by_the_median_of_its_pairs():
    row = Row("pipeline", "a", "Mpps", [8.0, 1.0, 9.0], "testpmd", [10.0, 10.0, 10.0]).demand_ratio(0.8)
    assert (row.ratio, row.spread, row.met) == (0.8, 0.5, True)
    assert "ratio >= 0.8: met" in table.line(row)
    slow = Row("maglev", "b", "ms", [3.0], "plain", [6.0], more_is_better=False).demand_ratio(0.4)
    assert slow.met is False and "MISSED" in table.line(slow)
