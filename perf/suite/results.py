"""Results as a file: what was measured, on which machine, from which sources."""

import json
import pathlib
from typing import Dict, List

from measure import Row, row_from_json

Results = Dict[str, List[Row]]  # by the measurement's full name
# Rows measured on machines that differ in one of these do not belong into one file.
_SAME_MACHINE = ("cpu", "flags", "kernel", "compiler", "dpdk")


def save(file: pathlib.Path, found: Results, facts: Dict[str, str]) -> None:
    """Writes a file of these results alone."""
    measured = {
        name: {"revision": facts["revision"], "date": facts["date"], "load": facts["load"],
               "rows": [row.as_json() for row in rows]}
        for name, rows in found.items()
    }  # fmt: skip
    _write(file, {"machine": facts, "measurements": measured})


def merge(file: pathlib.Path, found: Results, facts: Dict[str, str]) -> dict:
    """Puts results in the place of older ones of the same name, or into a new file; returns all of it."""
    before = json.loads(file.read_text()) if file.exists() else {"machine": facts, "measurements": {}}
    differing = [key for key in _SAME_MACHINE if before["machine"][key] != facts[key]]
    if differing:
        raise RuntimeError(f"{file.name} is from another machine ({', '.join(differing)}): remove it, and measure all")
    save(file, found, facts)
    after = json.loads(file.read_text())
    after["measurements"] = {**before["measurements"], **after["measurements"]}
    _write(file, after)
    return after


def rows_in(content: dict) -> List[Row]:
    """Every row of a file's content."""
    return [row_from_json(row) for part in content["measurements"].values() for row in part["rows"]]


def _write(file: pathlib.Path, content: dict) -> None:
    file.write_text(json.dumps(content, indent=1) + "\n")
