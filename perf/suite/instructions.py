"""How many instructions a packet of a known flow takes, or one that begins a flow, and how many cache lines are touched
for it, as callgrind counts them: no noise disturbs these, so each stands beside what was recorded last, in docs/performance/instructions.md.

The program is the ordinary build's: callgrind knows no AVX-512, which a build for this CPU may hold anywhere. A line is
touched once it is in a simulated cache that is empty when the polls begin and that nothing falls out of."""

import functools
import os
import pathlib
import re
import shutil
import subprocess
from typing import Dict, Iterator, List, NamedTuple, Tuple

from measure import Measurement, Row, Wish
from processes import BUILD, ROOT, die_with_parent

ORDINARY_BUILD = pathlib.Path(os.environ.get("SLUICE_ORDINARY_BUILD", BUILD))  # `./dev bench` makes both
PROGRAM = ORDINARY_BUILD / "perf" / "known_packets"
RECORD = ROOT / "docs" / "performance" / "instructions.md"
KINDS = {  # of perf/known_packets.cpp, as the page calls them
    "dnat, IPv4": ("dnat", 4, "tcp", "requests"),
    "dnat, IPv6": ("dnat", 6, "tcp", "requests"),
    "dnat, UDP over IPv4": ("dnat", 4, "udp", "requests"),
    "full-nat, IPv4": ("full-nat", 4, "tcp", "requests"),
    "ipip, IPv4": ("ipip", 4, "tcp", "requests"),
    "gue, IPv4": ("gue", 4, "tcp", "requests"),
    "ipip, IPv6": ("ipip", 6, "tcp", "requests"),
    "gue, IPv6": ("gue", 6, "tcp", "requests"),
    "direct, IPv4": ("direct", 4, "tcp", "requests"),
    "answers of dnat, IPv4": ("dnat", 4, "tcp", "answers"),
    "answers of full-nat, IPv4": ("full-nat", 4, "tcp", "answers"),
    "newcomers of dnat, IPv4": ("dnat", 4, "tcp", "newcomers"),
    "newcomers of dnat, IPv6": ("dnat", 6, "tcp", "newcomers"),
    "newcomers of full-nat, IPv4": ("full-nat", 4, "tcp", "newcomers"),
    "newcomers of direct, IPv4": ("direct", 4, "tcp", "newcomers"),
}
FEW, MANY = 4, 12  # polls of the two runs
MORE_THAN_RECORDED = 1.02
SIMULATED = ("--cache-sim=yes", "--D1=16777216,16,64", "--LL=33554432,16,64")
PATIENCE = 60


class Count(NamedTuple):
    """Of one run, or what a packet takes."""

    packets: int
    instructions: float
    lines: float


def counted(kind: Tuple[object, ...], polls: int, out: pathlib.Path) -> Count:
    """All that is counted from the first poll to the end."""
    command = [str(part) for part in ("valgrind", "--tool=callgrind", "--instr-atstart=no", *SIMULATED,
                                      f"--callgrind-out-file={out}", PROGRAM, *kind, polls)]  # fmt: skip
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          preexec_fn=die_with_parent) as process:  # fmt: skip
        try:
            ready, _, packets = process.stdout.readline().partition(" ")
            if ready != "ready":
                raise RuntimeError(f"{' '.join(command)}: {process.communicate(timeout=PATIENCE)[1].strip()}")
            subprocess.run(["callgrind_control", "--instr=on", str(process.pid)], check=True, capture_output=True, timeout=PATIENCE)
            _, errors = process.communicate("\n", timeout=PATIENCE)
        finally:
            process.kill()
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)}: {errors.strip()}")
    return Count(int(packets), *read_counts(out.read_text()))


def read_counts(text: str) -> Tuple[int, int]:
    """Instructions, and lines that were touched, in a file that callgrind has written."""
    names, values = (re.search(rf"^{key}: (.+)$", text, re.MULTILINE).group(1).split() for key in ("events", "totals"))
    found = {name: int(value) for name, value in zip(names, values)}
    return found["Ir"], found["D1mr"] + found["D1mw"]


def of_a_packet(kind: Tuple[object, ...], scratch: pathlib.Path) -> Count:
    """What more packets take, by their number."""
    few, many = (counted(kind, polls, scratch / f"callgrind.{polls}") for polls in (FEW, MANY))
    packets = many.packets - few.packets
    return Count(1, (many.instructions - few.instructions) / packets, (many.lines - few.lines) / packets)


def recorded() -> Dict[str, Count]:
    """The latest of each kind in the table of RECORD: | kind | revision or decision | instructions | lines | ..."""
    found = {}
    for line in RECORD.read_text().splitlines():
        cells: List[str] = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("|") and cells[0] in KINDS:
            found[cells[0]] = Count(1, float(cells[2]), float(cells[3]))
    return found


def rows(name: str, wish: Wish) -> Iterator[Row]:
    if not shutil.which("valgrind"):
        raise RuntimeError("valgrind is not installed")
    command = f"known_packets {' '.join(str(word) for word in KINDS[name])} under valgrind --tool=callgrind"
    now, before = of_a_packet(KINDS[name], wish.scratch), recorded()[name]
    whose = "a packet that begins a flow" if "newcomers" in KINDS[name] else "a known packet"
    for what, ours, theirs in (("instructions", now.instructions, before.instructions), ("cache lines", now.lines, before.lines)):
        row = Row("instructions", f"{what} of {whose}, {name}", "", [ours], "recorded", [theirs], more_is_better=False,
                  command=command)  # fmt: skip
        yield row.demand_ratio(MORE_THAN_RECORDED)


def measurements(wish: Wish) -> Iterator[Measurement]:
    for name in KINDS:
        yield Measurement("instructions", name, functools.partial(rows, name, wish))
