"""Alert rules, recording rules and dashboards as files: they are sound, tested, explained, and ask for what there is."""

import re
import subprocess

import pytest
import yaml

import promql
from processes import ROOT

ALERTS = [rule for rule in promql.rules() if "alert" in rule]
RECORDED = [rule for rule in promql.rules() if "record" in rule]
INSTALLED_DOCS = "file:///usr/share/doc/sluice-doc/"


def promtool(*words):
    done = subprocess.run(["promtool", *map(str, words)], capture_output=True, text=True, cwd=promql.PROMETHEUS / "tests")
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_accepts_rules_and_the_example():
    promtool("check", "rules", "--lint=all", "--lint-fatal", *promql.RULES)
    promtool("check", "config", "--syntax-only", promql.PROMETHEUS / "prometheus.example.yaml")


@pytest.mark.parametrize("file", sorted((promql.PROMETHEUS / "tests").glob("*.yaml")), ids=lambda file: file.name)
def test_rules_do_what_their_tests_say(file):
    promtool("test", "rules", file)


def test_every_alert_is_tested_where_it_fires_and_where_it_must_not():
    fires, is_silent = set(), set()
    for file in (promql.PROMETHEUS / "tests").glob("*.yaml"):
        for test in yaml.safe_load(file.read_text())["tests"]:
            for case in test.get("alert_rule_test", []):
                (fires if case["exp_alerts"] else is_silent).add(case["alertname"])
    names = {alert["alert"] for alert in ALERTS}
    assert fires == is_silent == names


def test_every_recorded_figure_is_tested():
    tested = {
        case["expr"]
        for file in (promql.PROMETHEUS / "tests").glob("*.yaml")
        for test in yaml.safe_load(file.read_text())["tests"]
        for case in test.get("promql_expr_test", [])
    }
    assert {rule["record"] for rule in RECORDED} == tested


def anchors(page):
    """What a link to a heading ends with, as GitHub makes it."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_an_alert_says_how_bad_it_is_and_where_its_runbook_is(alert):
    assert re.fullmatch(r"Sluice[A-Z]\w+", alert["alert"])
    assert alert["labels"]["severity"] in ("critical", "warning", "info")
    notes = alert["annotations"]
    assert set(notes) == {"summary", "description", "runbook_url"}
    assert notes["description"].endswith(".") and not notes["summary"].endswith(".")
    page, _, anchor = notes["runbook_url"].removeprefix(INSTALLED_DOCS).partition("#")
    assert (ROOT / "docs" / page).is_file()
    assert anchor == alert["alert"].lower() and anchor in anchors(ROOT / "docs" / page)
    assert alert["group"] == f"sluice.{page.split('/')[-1].removesuffix('.md')}", "a group is a page"


def test_every_section_of_a_runbook_is_of_an_alert():
    headings = {
        heading
        for page in (ROOT / "docs/runbooks").glob("*.md")
        for heading in re.findall(r"^## (Sluice\w+)$", page.read_text(), re.MULTILINE)
    }
    assert headings == {alert["alert"] for alert in ALERTS}


def test_the_figures_of_the_seeds_are_recorded():
    assert {
        "sluice:discovery_accuracy:ratio", "sluice:throughput:rate", "sluice:authentication_success:ratio",
        "sluice:trace_success:ratio", "sluice:resource_utilisation:ratio", "sluice:transmission:rate",
    } <= {rule["record"] for rule in RECORDED}  # fmt: skip
    page = (ROOT / "docs/how-to/monitor.md").read_text()
    assert not [rule["record"] for rule in RECORDED if f"`{rule['record']}`" not in page]


def test_rules_and_dashboards_ask_for_series_that_there_are():
    known = promql.known_series()
    assert "sluice_ledger_ack_seconds_bucket" in known and "sluice_ledger_ack_seconds" not in known
    unknown = [(rule.get("alert", rule.get("record")), name)
               for rule in promql.rules() for name in promql.series_of(rule["expr"]) - known]  # fmt: skip
    for file in promql.DASHBOARDS:
        for each in (*promql.expressions(file), *promql.variables(file)):
            assert promql.series_of(each.text), each
            unknown += [(each.where, name) for name in promql.series_of(each.text) - known]
    assert not unknown


@pytest.mark.parametrize("file", promql.DASHBOARDS, ids=lambda file: file.stem)
def test_a_dashboard_is_one_that_people_can_read(file):
    board = promql.dashboard(file)
    assert board["uid"] == file.stem and board["description"] and "id" not in board
    names = {variable["name"] for variable in board["templating"]["list"]}
    assert {"datasource", "job", "instance"} <= names
    shown = promql.panels(file)
    assert len({panel["title"] for panel in shown}) == len(shown) >= 8
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    for panel in shown:
        assert panel["description"].endswith((".", ")")) or ":" in panel["description"], panel["title"]
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert all(target["datasource"] == panel["datasource"] for target in panel["targets"])
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"]) > 0
    for each in (*promql.expressions(file), *promql.variables(file)):
        asked = set(re.findall(r"\$\{?(\w+)\}?", each.text)) - {"__rate_interval"}
        assert asked <= names, each


@pytest.mark.parametrize("file", promql.DASHBOARDS, ids=lambda file: file.stem)
def test_no_two_panels_of_a_dashboard_overlap(file):
    taken = {}
    for panel in promql.dashboard(file)["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert taken.setdefault((x, y), panel["title"]) == panel["title"]
