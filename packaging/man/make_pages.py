#!/usr/bin/env python3
"""Makes the manual pages from the reference, which is made from the schema, the metrics and what the programs say.

usage: make_pages.py VERSION DIRECTORY
"""

import pathlib
import re
import sys
from typing import Dict, Iterator

from roff import escaped, line, roff

ROOT = pathlib.Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "docs/reference"
SEE_ALSO = {"sluiced": 8, "sluicectl": 1, "sluice.yaml": 5, "sluice-metrics": 7}

PROGRAM_FILES = """\
## Files

| file | |
|---|---|
| `/etc/sluice/sluice.yaml` | the configuration that the service runs with |
| `/run/sluice/sluice.sock` | the control socket |
| `/var/lib/sluice` | what the gateway keeps for itself, and a ledger's log |
"""


def part(page: str, begin: str) -> str:
    """What follows a heading, up to the next one of the same level."""
    found = re.search(rf"^{re.escape(begin)}\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
    if not found:
        sys.exit(f"there is no {begin!r}")
    return found[1]


def program(name: str) -> str:
    """A program's page: options and commands first, then what is to be known, files and exit status."""
    text = part((REFERENCE / "cli.md").read_text(encoding="utf-8"), f"## {name}")
    text = re.sub(r"^\| option \| \|$", r"## Options\n\n\g<0>", text, flags=re.MULTILINE)
    text = re.sub(r"^\| command \| \|$", r"## Commands\n\n\g<0>", text, flags=re.MULTILINE)
    blocks = re.split(r"\n\n", text.strip())
    after_tables = max(number for number, block in enumerate(blocks) if block.startswith("|")) + 1
    notes = [block for block in blocks[after_tables:] if not block.startswith("Exit status: ")]
    status = [block.removeprefix("Exit status: ") for block in blocks[after_tables:] if block not in notes]
    description = ["## Description", *blocks[:1]]
    sections = [*description, *blocks[1:after_tables], "## Notes", *notes, PROGRAM_FILES, "## Exit status", *status]
    return "\n\n".join(sections)


def configuration() -> str:
    page = (REFERENCE / "configuration.md").read_text(encoding="utf-8")
    example = (ROOT / "packaging/examples/minimal.yaml").read_text(encoding="utf-8")
    page = page.replace("Keys in **bold** must be there.\n", "", 1)  # every key is in bold here; which, stands with it
    return page.replace("# Configuration\n", "# Configuration\n\n## Description\n", 1) + f"\n## Example\n\n```\n{example}```\n"


def metrics() -> str:
    return (REFERENCE / "metrics.md").read_text(encoding="utf-8").replace("# Metrics\n", "# Metrics\n\n## Description\n", 1)


def page(version: str, name: str, purpose: str, synopsis: str, body: str) -> Iterator[str]:
    """A whole page. It has no date: the same sources make the same bytes."""
    section = SEE_ALSO[name]
    yield f'.TH "{name.upper()}" "{section}" "" "Sluice {version}" "Sluice"'
    yield from (".nh", ".ad l", ".SH NAME", f"{escaped(name)} \\- {escaped(purpose)}")
    yield from (".SH SYNOPSIS", *(line(each) for each in synopsis.splitlines()))
    for each in roff(body):
        # Sections of the first level are in capitals, as everywhere.
        yield each.upper() if re.match(r'\.SH "[A-Z][a-z ]+"$', each) else each
    others = (f"\\fB{escaped(other)}\\fR({number})" for other, number in SEE_ALSO.items() if other != name)
    yield from (".SH SEE ALSO", ", ".join(others) + ", and /usr/share/doc/sluice\\-doc where that package is installed.")


def pages(version: str) -> Dict[str, str]:
    """The files by their names."""
    made = {
        "sluiced": page(version, "sluiced", "a packet-processing gateway that balances traffic over backends",
                        "\\fBsluiced \\-\\-config\\fR \\fIFILE\\fR [\\fIOPTION\\fR]...", program("sluiced")),
        "sluicectl": page(version, "sluicectl", "look at and steer a Sluice gateway",
                          "\\fBsluicectl\\fR [\\fIOPTION\\fR]... \\fICOMMAND\\fR [\\fIARGUMENT\\fR]...", program("sluicectl")),
        "sluice.yaml": page(version, "sluice.yaml", "configuration of a Sluice gateway", "/etc/sluice/sluice.yaml", configuration()),
        "sluice-metrics": page(version, "sluice-metrics", "what a Sluice gateway tells Prometheus and probes",
                               "curl http://127.0.0.1:9464/metrics", metrics()),
    }  # fmt: skip
    return {f"{name}.{SEE_ALSO[name]}": "\n".join(lines) + "\n" for name, lines in made.items()}


def main() -> int:
    if len(sys.argv) != 3:
        print(__doc__.split("\n\n")[-1], file=sys.stderr)
        return 2
    directory = pathlib.Path(sys.argv[2])
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in pages(sys.argv[1]).items():
        (directory / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
