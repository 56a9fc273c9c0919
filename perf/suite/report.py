"""docs/performance.md and its plots, made of docs/performance/results/, a file for each kind of CPU. What a reader must know besides stands in
docs/performance/introduction.md and reasons.md, which people write."""

import fnmatch
import re
from typing import Dict, Iterable, List

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
    "ns by range": ("The same by the entries that the flow table has room for, 10,000 flows", "entries", "ns"),
    "ns by fill": ("The same by how full a table of a million entries is, 10,000 flows of those", "per cent", "ns"),
    "ns by services": ("The worker's own work for a packet of a new flow, in a full table (dnat)", "services", "ns"),
    "apply by services": ("config.apply of the whole, one pool changed", "services", "ms"),
    "memory by services": ("Resident memory of the gateway by services of ten backends (100,000: of two)", "services", "MiB"),
    "memory by flows": ("Resident memory of the gateway by entries of its flow table", "entries", "MiB"),
}


def publish(found: results.Results, facts: Dict[str, str], order: List[str]) -> None:
    """Merges what was found into the committed results, and writes the page and the plots anew: of the measurements
    named, in that order, each kind of CPU beside the others."""
    contents = results.merge(PARTS / "results", found, facts)
    for content in contents.values():
        measured = content["measurements"]
        content["measurements"] = {name: measured[name] for name in order if name in measured}
    rows = {kind: results.rows_in(content) for kind, content in contents.items()}
    demanded = {kind: [row for row in some if row.target or row.error] for kind, some in rows.items()}
    plots = {**ratio_plots(rows), **curve_plots(rows)}
    for stale in PARTS.glob("*.svg"):
        stale.unlink()
    for name, (_, text) in plots.items():
        (PARTS / f"{name}.svg").write_text(text)
    images = [f"![{title}](performance/{name}.svg)" for name, (title, _) in plots.items()]
    PAGE.write_text("\n".join([
        "# Performance", "", _MADE, "", (PARTS / "introduction.md").read_text(),
        "## The machines", "", *machine_table(contents), "",
        "## Targets", "", *row_table(demanded), "",
        "## What misses its target, and why", "", *explanations(rows), "",
        "## Instructions and cache lines", "", (PARTS / "instructions.md").read_text(),
        "## Plots", "", *"\n\n".join(images).splitlines(), "",
        "## Every figure", "",
        "Samples of every turn are in a file for each kind of CPU, in the order in which they were taken:",
        *(f"[{kind}](performance/results/{kind}.json)" for kind in contents), "",
        *everything(contents, order),
    ]))  # fmt: skip


def machine_table(contents: Dict[str, dict]) -> List[str]:
    """What each kind of CPU stands for; where several machines were of it, the one that was measured last."""
    facts = [key for key in next(iter(contents.values()))["machine"]]
    return [f"| kind | {' | '.join(facts)} |", "|---" * (1 + len(facts)) + "|", *(
        f"| {kind} | {' | '.join(content['machine'].get(key, '') for key in facts)} |"
        for kind, content in contents.items()
    )]  # fmt: skip


def _cells(kind: str, row: Row) -> List[str]:
    name = f"{row.suite}: {row.name}"
    if row.error:
        return [name, kind, f"failed: {row.error}", "", "", "", "", ""]
    verdict = {None: "", True: "met", False: "**missed**"}[row.met]
    peer = f"{row.peer}: {quantity(row.peer_figure, row.unit)}" if row.theirs else row.peer
    ratio = "" if row.ratio is None else f"{row.ratio:.3g}"
    return [name, kind, quantity(row.figure, row.unit), peer, ratio, f"±{100 * row.spread:.0f} %", row.target, verdict]


def row_table(rows: Dict[str, List[Row]]) -> List[str]:
    """Rows of one name stand together, one for each kind of CPU."""
    names = list(dict.fromkeys((row.suite, row.name) for some in rows.values() for row in some))
    lines = [_cells(kind, row) for name in names for kind, some in rows.items() for row in some
             if (row.suite, row.name) == name]  # fmt: skip
    heading = "| measurement | CPU | figure | beside | ratio | spread | target | |"
    return [heading, "|---|---|---|---|---|---|---|---|", *("| " + " | ".join(line) + " |" for line in lines)]


def reasons() -> Dict[str, str]:
    """What people wrote about rows that miss, by a pattern of `suite: name`."""
    parts = re.split(r"^## (.+)$", (PARTS / "reasons.md").read_text(), flags=re.MULTILINE)[1:]
    return {pattern.strip(): text.strip() for pattern, text in zip(parts[::2], parts[1::2])}


def _missed(rows: Iterable[Row]) -> List[str]:
    return list(dict.fromkeys(f"{row.suite}: {row.name}" for row in rows if row.met is False or row.error))


def unexplained(rows: Iterable[Row]) -> List[str]:
    """Rows that miss their target, or failed, for which nobody has written a reason down."""
    patterns = list(reasons())
    return [name for name in _missed(rows) if not any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)]


def explanations(rows: Dict[str, List[Row]]) -> List[str]:
    """Each reason once, behind the rows that it explains; and the rows that nobody has explained."""
    missed = _missed(row for some in rows.values() for row in some)
    lines: List[str] = []
    for pattern, text in reasons().items():
        named = [name for name in missed if fnmatch.fnmatchcase(name, pattern)]
        missed = [name for name in missed if name not in named]
        if named:
            lines += [*(f"- **{name}**" for name in named), "", text, ""]
    if missed:
        lines += [*(f"- **{name}**" for name in missed), "", "No reason has been written down yet."]
    return lines or ["Nothing."]


def everything(contents: Dict[str, dict], order: List[str]) -> List[str]:
    """A table for each measurement, with the sources it was made from and what it ran."""
    lines: List[str] = []
    for name in order:
        parts = {kind: content["measurements"][name] for kind, content in contents.items()
                 if name in content["measurements"]}  # fmt: skip
        if not parts:
            continue
        rows = {kind: [results.row_from_json(row) for row in part["rows"]] for kind, part in parts.items()}
        commands = sorted({row.command for some in rows.values() for row in some if row.command})
        lines += [f"### {name}", "", f"`./dev bench '{name}'`",
                  *(f"- {kind}: {_circumstances(part)}" for kind, part in parts.items()), ""]  # fmt: skip
        lines += [line for command in commands for line in (f"    {command}", "")]
        lines += [*row_table(rows), ""]
    return lines


def _circumstances(part: dict) -> str:
    versions = ", ".join(f"{key} {part[key]}" for key in ("kernel", "compiler", "dpdk", "haproxy", "nginx") if key in part)
    return f"{part['date']}, revision {part['revision']}, load average {part['load']}; {versions}"


def ratio_plots(rows: Dict[str, List[Row]]) -> Dict[str, tuple]:
    """Of each suite whose rows have peers and where more is better: how near we come, or how far we lead."""
    plots = {}
    for kind, some in rows.items():
        for suite in dict.fromkeys(row.suite for row in some):
            compared = [row for row in some if row.suite == suite and row.ratio is not None and row.more_is_better]
            if compared:
                title = f"{suite}: our rate by the peer's ({kind})"
                plots[f"ratio-{suite.replace(' ', '-')}-{kind}"] = (title, svg.bars(title, [_bar(row) for row in compared]))
    return plots


def _bar(row: Row) -> svg.Bar:
    target = re.search(r"ratio >= ([\d.]+)", row.target)
    return svg.Bar(row.name, row.ratio, min(row.ratios), max(row.ratios), float(target.group(1)) if target else 0.0,
                   row.met is False)  # fmt: skip


def curve_plots(rows: Dict[str, List[Row]]) -> Dict[str, tuple]:
    """How what grows does, a line for each kind of CPU."""
    plots = {}
    for curve, (title, x_name, y_name) in _CURVES.items():
        series = {kind: [(row.at, row.figure) for row in some if row.curve == curve and not row.error]
                  for kind, some in rows.items()}  # fmt: skip
        series = {kind: points for kind, points in series.items() if len(points) > 1}
        if series:
            name = "curve-" + curve.replace(" ", "-")
            plots[name] = (title, svg.curves(title, x_name, y_name, series))
    return plots
