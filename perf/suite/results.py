"""Results as files: what was measured, on which kind of CPU, from which sources."""

import json
import pathlib
from typing import Dict, List

from measure import Row, row_from_json

Results = Dict[str, List[Row]]  # by the measurement's full name
_OF_THE_MACHINE = ("cpu", "flags", "memory")  # the other facts are told with each measurement: they change with time


def save(file: pathlib.Path, found: Results, facts: Dict[str, str]) -> None:
    """Writes a file of these results alone."""
    _write(file, _content(found, facts))


def merge(directory: pathlib.Path, found: Results, facts: Dict[str, str]) -> Dict[str, dict]:
    """Puts results in the place of older ones of the same name and kind of CPU, one file for each kind. Returns the
    contents of all files by the kind of CPU: it stands in `facts["kind"]`."""
    directory.mkdir(exist_ok=True)
    file = directory / f"{facts['kind']}.json"
    content = _content(found, facts)
    if file.exists():
        content["measurements"] = {**json.loads(file.read_text())["measurements"], **content["measurements"]}
    _write(file, content)
    return {each.stem: json.loads(each.read_text()) for each in sorted(directory.glob("*.json"))}


def rows_in(content: dict) -> List[Row]:
    """Every row of a file's content."""
    return [row_from_json(row) for part in content["measurements"].values() for row in part["rows"]]


def _content(found: Results, facts: Dict[str, str]) -> dict:
    sources = {key: value for key, value in facts.items() if key not in (*_OF_THE_MACHINE, "kind")}
    return {
        "machine": {key: facts[key] for key in _OF_THE_MACHINE if key in facts},
        "measurements": {name: {**sources, "rows": [row.as_json() for row in rows]} for name, rows in found.items()},
    }


def _write(file: pathlib.Path, content: dict) -> None:
    file.write_text(json.dumps(content, indent=1) + "\n")
