"""docs/performance.md and its plots, made of docs/performance/results.json. What a reader must know besides stands in
docs/performance/introduction.md and reasons.md, which people write."""

import fnmatch
import re
from typing import Dict, List

import results
import svg
from measure import Row
from processes import ROOT
from table import quantity

PAGE = ROOT / "docs" / "performance.md"
PARTS = ROOT / "docs" / "performance"
_MADE = "<!-- Made by `./dev bench --write-docs` from docs/performance/: change what is there, and run it. -->"
_CURVES = {  # by the name that rows give: the title, and the names of the axes
    "ns by flows": ("The worker's own work for a packet of a known flow (dnat)", "flows", "ns"),
    "ns by backends": ("The same by backends of the service, 100,000 flows", "backends", "ns"),
    "ns by services": ("The worker's own work for a packet of a new flow, in a full table (dnat)", "services", "ns"),
    "apply by services": ("config.apply of the whole, one pool changed", "services", "ms"),
    "memory by services": ("Resident memory of the gateway by services of ten backends", "services", "MiB"),
    "memory by flows": ("Resident memory of the gateway by entries of its flow table", "entries", "MiB"),
}


def publish(found: results.Results, facts: Dict[str, str], order: List[str]) -> None:
    """Merges what was found into the committed results, and writes the page and the plots anew: of the measurements
    named, in that order."""
    content = results.merge(PARTS / "results.json", found, facts)
    measured = content["measurements"]
    content["measurements"] = {name: measured[name] for name in order if name in measured}
    rows = results.rows_in(content)
    plots = {**ratio_plots(rows), **curve_plots(rows)}
    for stale in PARTS.glob("*.svg"):
        stale.unlink()
    for name, (_, text) in plots.items():
        (PARTS / f"{name}.svg").write_text(text)
    images = [f"![{title}](performance/{name}.svg)" for name, (title, _) in plots.items()]
    PAGE.write_text("\n".join([
        "# Performance", "", _MADE, "", (PARTS / "introduction.md").read_text(),
        "## The machine", "", *machine_table(content["machine"]), "",
        "## Targets", "", *row_table([row for row in rows if row.target or row.error]), "",
        "## What misses its target, and why", "", *explanations(rows), "",
        "## Plots", "", *"\n\n".join(images).splitlines(), "",
        "## Every figure", "",
        "Samples of every turn are in [results.json](performance/results.json), in the order in which they were taken.", "",
        *everything(content),
    ]))  # fmt: skip


def machine_table(facts: Dict[str, str]) -> List[str]:
    shown = {key: value for key, value in facts.items() if key not in ("load", "date", "revision")}
    return ["| | |", "|---|---|", *(f"| {key} | {value} |" for key, value in shown.items())]


def _cells(row: Row) -> List[str]:
    name = f"{row.suite}: {row.name}"
    if row.error:
        return [name, f"failed: {row.error}", "", "", "", "", ""]
    verdict = {None: "", True: "met", False: "**missed**"}[row.met]
    peer = f"{row.peer}: {quantity(row.peer_figure, row.unit)}" if row.theirs else row.peer
    ratio = "" if row.ratio is None else f"{row.ratio:.3g}"
    return [name, quantity(row.figure, row.unit), peer, ratio, f"±{100 * row.spread:.0f} %", row.target, verdict]


def row_table(rows: List[Row]) -> List[str]:
    heading = "| measurement | figure | beside | ratio | spread | target | |"
    return [heading, "|---|---|---|---|---|---|---|", *("| " + " | ".join(_cells(row)) + " |" for row in rows)]


def reasons() -> Dict[str, str]:
    """What people wrote about rows that miss, by a pattern of `suite: name`."""
    parts = re.split(r"^## (.+)$", (PARTS / "reasons.md").read_text(), flags=re.MULTILINE)[1:]
    return {pattern.strip(): text.strip() for pattern, text in zip(parts[::2], parts[1::2])}


def explanations(rows: List[Row]) -> List[str]:
    """Each reason once, behind the rows that it explains; and the rows that nobody has explained."""
    missed = [f"{row.suite}: {row.name}" for row in rows if row.met is False or row.error]
    lines: List[str] = []
    for pattern, text in reasons().items():
        named = [name for name in missed if fnmatch.fnmatchcase(name, pattern)]
        missed = [name for name in missed if name not in named]
        if named:
            lines += [*(f"- **{name}**" for name in named), "", text, ""]
    if missed:
        lines += [*(f"- **{name}**" for name in missed), "", "No reason has been written down yet."]
    return lines or ["Nothing."]


def everything(content: dict) -> List[str]:
    """A table for each measurement, with the sources it was made from and what it ran."""
    lines: List[str] = []
    for name, part in content["measurements"].items():
        rows = [results.row_from_json(row) for row in part["rows"]]
        commands = sorted({row.command for row in rows if row.command})
        lines += [f"### {name}", "", f"{part['date']}, revision {part['revision']}, load average {part['load']}. "
                  f"`./dev bench '{name}'`" + "".join(f"\n\n    {command}" for command in commands), ""]  # fmt: skip
        lines += [*row_table(rows), ""]
    return lines


def ratio_plots(rows: List[Row]) -> Dict[str, tuple]:
    """Of each suite whose rows have peers and where more is better: how near we come, or how far we lead."""
    plots = {}
    for suite in dict.fromkeys(row.suite for row in rows):
        compared = [row for row in rows if row.suite == suite and row.ratio is not None and row.more_is_better]
        if compared:
            title = f"{suite}: our rate by the peer's"
            plots[f"ratio-{suite}"] = (title, svg.bars(title, [_bar(row) for row in compared]))
    return plots


def _bar(row: Row) -> svg.Bar:
    target = re.search(r"ratio >= ([\d.]+)", row.target)
    return svg.Bar(row.name, row.ratio, min(row.ratios), max(row.ratios), float(target.group(1)) if target else 0.0,
                   row.met is False)  # fmt: skip


def curve_plots(rows: List[Row]) -> Dict[str, tuple]:
    """How what grows does."""
    plots = {}
    for curve, (title, x_name, y_name) in _CURVES.items():
        points = [(row.at, row.figure) for row in rows if row.curve == curve and not row.error]
        if len(points) > 1:
            name = "curve-" + curve.replace(" ", "-")
            plots[name] = (title, svg.curves(title, x_name, y_name, {curve: points}))
    return plots
