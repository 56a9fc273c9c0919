"""What becomes of rows: their verdicts, the committed results, the page and the plots."""

import json
import pathlib
import sys
import xml.etree.ElementTree

import pytest

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "perf" / "suite"))

import report  # noqa: E402
import results  # noqa: E402
import table  # noqa: E402
from measure import Row  # noqa: E402

FACTS = dict.fromkeys(("cpu", "flags", "memory", "kernel", "compiler", "dpdk", "revision", "date", "load"), "x")
FACTS["kind"] = "intel-6-207"
OTHER = {**FACTS, "kind": "amd-26-2", "cpu": "other"}


def row(name, ours, theirs=(), **more):
    return Row("pipeline", name, "Mpps", list(ours), "testpmd" if theirs else "", list(theirs), **more)


def test_a_row_is_judged_by_the_median_of_its_pairs():
    fast = row("a", [8.0, 1.0, 9.0], [10.0, 10.0, 10.0]).demand_ratio(0.8)
    assert (fast.ratio, fast.spread, fast.met) == (0.8, 0.5, True)
    assert "ratio >= 0.8: met" in table.line(fast)
    slow = Row("maglev", "b", "ms", [3.0], "plain", [6.0], more_is_better=False).demand_figure(5).demand_ratio(0.4)
    assert slow.met is False and "<= 5 ms, ratio <= 0.4: MISSED" in table.line(slow)


def test_a_row_whose_peer_has_nothing_in_some_turn_has_no_ratio():
    rare = row("a", [1.0, 1.0, 3.0], [3.0, 0.0, 0.0])
    assert (rare.ratio, rare.spread, rare.peer_figure) == (None, 1.0, 0.0)
    assert "| 1.00 Mpps | testpmd: 0 Mpps |  | ±100 % |" in report.row_table({"x": [rare]})[-1]


def test_results_replace_those_of_the_same_measurement_and_cpu_alone(tmp_path):
    results.merge(tmp_path, {"pipeline/a": [row("a", [1.0])], "pipeline/b": [row("b", [2.0])]}, FACTS)
    results.merge(tmp_path, {"pipeline/a": [row("a", [5.0])]}, OTHER)
    contents = results.merge(tmp_path, {"pipeline/a": [row("a", [3.0])]}, {**FACTS, "revision": "y", "kernel": "z"})
    assert sorted(contents) == ["amd-26-2", "intel-6-207"]
    assert [each.figure for each in results.rows_in(contents["amd-26-2"])] == [5.0]
    ours = contents["intel-6-207"]
    assert [each.figure for each in results.rows_in(ours)] == [3.0, 2.0]
    assert [(part["revision"], part["kernel"]) for part in ours["measurements"].values()] == [("y", "z"), ("x", "x")]


def test_whatever_misses_its_target_in_the_committed_results_has_a_reason():
    contents = [json.loads(file.read_text()) for file in (report.PARTS / "results").glob("*.json")]
    assert contents
    assert report.unexplained([row for content in contents for row in results.rows_in(content)]) == []


@pytest.fixture
def docs(tmp_path, monkeypatch):
    monkeypatch.setattr(report, "PAGE", tmp_path / "performance.md")
    monkeypatch.setattr(report, "PARTS", tmp_path / "performance")
    report.PARTS.mkdir()
    (report.PARTS / "introduction.md").write_text("How to read this.\n")
    (report.PARTS / "instructions.md").write_text("A packet takes some.\n")
    (report.PARTS / "reasons.md").write_text("## pipeline: dnat*\n\nThe cache is cold.\n")
    return tmp_path


def test_the_page_explains_what_misses_and_says_what_nobody_has_explained(docs):
    missed = [row(name, [1.0], [2.0]).demand_ratio(0.8) for name in ("dnat", "gue")]
    failed = [Row("memif", "dnat", "", [], error="no device")]
    found = {"pipeline/modes": missed, "memif/dnat": failed, "gone": [row("gone", [1.0])]}
    report.publish(found, FACTS, ["pipeline/modes", "memif/dnat"])
    page = report.PAGE.read_text()
    explained, _, unexplained = page.partition("The cache is cold.")
    assert "- **pipeline: dnat**" in explained
    assert "- **pipeline: gue**\n- **memif: dnat**\n\nNo reason" in unexplained
    assert report.unexplained([*missed, *failed, row("direct", [1.0])]) == ["pipeline: gue", "memif: dnat"]
    assert "failed: no device" in page and "gone" not in page and "| pipeline: gue | intel-6-207 | 1.00 Mpps | testpmd: 2.00 Mpps | 0.5 |" in page


def test_the_page_shows_the_latest_of_each_kind_of_cpu_side_by_side(docs):
    points = [row(str(at), [float(at)], curve="ns by flows", at=at) for at in (1000, 1_000_000)]
    report.publish({"pipeline/a": [row("a", [1.0], [2.0])], "worker/flows": points}, OTHER, ["pipeline/a"])
    order = ["pipeline/a", "worker/flows"]
    report.publish({"pipeline/a": [row("a", [3.0], [2.0])], "worker/flows": points}, FACTS, order)
    lines = report.PAGE.read_text().splitlines()
    first = lines.index("| pipeline: a | amd-26-2 | 1.00 Mpps | testpmd: 2.00 Mpps | 0.5 | ±0 % |  |  |")
    assert lines[first + 1].startswith("| pipeline: a | intel-6-207 | 3.00 Mpps |")
    assert "| amd-26-2 | other | x | x |" in lines and "| intel-6-207 | x | x | x |" in lines
    plot = xml.etree.ElementTree.parse(report.PARTS / "curve-ns-by-flows.svg").getroot()
    assert len(list(plot.iter("{http://www.w3.org/2000/svg}polyline"))) == 2


def test_the_plots_are_well_formed_and_show_what_the_page_shows(docs):
    points = [row(str(at), [float(at)], curve="ns by flows", at=at) for at in (1000, 1_000_000)]
    found = {"worker/flows": points, "pipeline/a": [row("a < b", [1.0], [2.0]).demand_ratio(0.8)]}
    report.publish(found, FACTS, list(found))
    plots = sorted(report.PARTS.glob("*.svg"))
    assert [plot.name for plot in plots] == ["curve-ns-by-flows.svg", "ratio-pipeline-intel-6-207.svg"]
    for plot in plots:
        assert f"(performance/{plot.name})" in report.PAGE.read_text()
    bars = xml.etree.ElementTree.parse(plots[1]).getroot()
    assert "a < b" in [text.text for text in bars.iter("{http://www.w3.org/2000/svg}text")]
    curve = xml.etree.ElementTree.parse(plots[0]).getroot()
    assert len(list(curve.iter("{http://www.w3.org/2000/svg}circle"))) == 2
