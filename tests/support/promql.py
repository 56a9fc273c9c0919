"""What packaging/prometheus and packaging/grafana ask Prometheus for, and which series the reference knows."""

import json
import pathlib
import re
from typing import Iterator, NamedTuple, Set

import yaml

from processes import ROOT

PROMETHEUS = ROOT / "packaging/prometheus"
DASHBOARDS = sorted((ROOT / "packaging/grafana").glob("*.json"))
RULES = [PROMETHEUS / name for name in ("recording.rules.yaml", "alerts.rules.yaml")]
# Prometheus' own.
BUILT_IN = {"up", "ALERTS"}
_SERIES = re.compile(r"\b(?:sluice|process)[a-zA-Z0-9_:]*|\bup\b|\bALERTS\b")
_STRING = re.compile(r'"[^"]*"')


class Expression(NamedTuple):
    where: str  # the dashboard and the panel
    text: str


def rules() -> Iterator[dict]:
    """Every rule, recording rules first."""
    for file in RULES:
        for group in yaml.safe_load(file.read_text())["groups"]:
            for rule in group["rules"]:
                yield {**rule, "group": group["name"]}


def series_of(expression: str) -> Set[str]:
    """The names of the series that an expression asks for."""
    return set(_SERIES.findall(_STRING.sub('""', expression)))


def known_series() -> Set[str]:
    """The names of all samples that docs/reference/metrics.md has, and what rules record."""
    known = set(BUILT_IN) | {rule["record"] for rule in rules() if "record" in rule}
    page = (ROOT / "docs/reference/metrics.md").read_text()
    for name, kind in re.findall(r"^\| `(\w+)` \| (gauge|counter|histogram) ", page, re.MULTILINE):
        known |= {name + end for end in ("_bucket", "_sum", "_count")} if kind == "histogram" else {name}
    return known


def _panels(panels: list) -> Iterator[dict]:
    for panel in panels:
        yield panel
        yield from _panels(panel.get("panels", []))


def dashboard(file: pathlib.Path) -> dict:
    return json.loads(file.read_text())


def panels(file: pathlib.Path) -> list:
    """Every panel of a dashboard that shows something, those in collapsed rows too."""
    return [panel for panel in _panels(dashboard(file)["panels"]) if panel["type"] != "row"]


def expressions(file: pathlib.Path) -> Iterator[Expression]:
    """Every expression of a dashboard: of panels and annotations."""
    for panel in panels(file):
        for target in panel["targets"]:
            yield Expression(f"{file.name}: {panel['title']} ({target['refId']})", target["expr"])
    for annotation in dashboard(file)["annotations"]["list"]:
        yield Expression(f"{file.name}: annotation {annotation['name']}", annotation["expr"])


def variables(file: pathlib.Path) -> Iterator[Expression]:
    """The queries of a dashboard's variables, `label_values(SERIES, LABEL)`."""
    for variable in dashboard(file)["templating"]["list"]:
        if variable["type"] == "query":
            yield Expression(f"{file.name}: ${variable['name']}", variable["query"]["query"])


def filled_in(expression: str, interval: str) -> str:
    """An expression as Grafana sends it where all of everything is chosen."""
    text = expression.replace("$__rate_interval", interval)
    return re.sub(r"\$\{?\w+\}?", ".*", text)
