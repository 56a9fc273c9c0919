#!/usr/bin/python3
"""A check of the checker: faults that the simulator must find. Each is planted into a copy of the built program, where one
function does nothing, or answers at once what is wrong. Nothing of it is in the sources or in a build; x86-64.

`./dev simulate --faults [NAME]` builds and runs it."""

import argparse
import os
import pathlib
import re
import subprocess
import sys
import tempfile
from typing import Dict, NamedTuple, Optional, Tuple

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = pathlib.Path(os.environ.get("SLUICE_BUILD", ROOT / "build")) / "sim" / "simulate-seeds"

NOTHING = bytes([0xC3])  # ret
ZERO = bytes([0x31, 0xC0, 0xC3])  # xor eax, eax; ret


class Fault(NamedTuple):
    """`function` is how its demangled name begins, behind `sluice::`."""

    name: str
    function: str
    code: bytes = NOTHING


FAULTS = [
    Fault("flows never expire", "lb::Balancer::expire("),
    Fault("flows that have gone are not counted as gone", "lb::Balancer::count_gone("),
    Fault("the state of a flow never moves on", "lb::Balancer::follow("),
    Fault("every flow's life is over at once", "lb::life_ms(", ZERO),
    Fault("worker 0 owns every port of full-nat", "lb::port_owner(", ZERO),
    Fault("packets that wait for a neighbor are not sent", "dataplane::(anonymous namespace)::send_waiting("),
    Fault("ARP and NDP are not learnt from", "dataplane::Neighbors::receive("),
    Fault("timers of neighbors stand still", "dataplane::Neighbors::tick("),
    Fault("packets that another worker hands over are not taken", "dataplane::take_handed_over(", ZERO),
    Fault("Tables are not published", "dataplane::DataPlane::publish("),
    Fault("what health checks find is not noted", "ctrl::Gateway::set_health(std::vector"),
    Fault("states of backends are not made final", "ctrl::BackendStatuses::commit("),
    Fault("a sync of the disk does nothing", "ledger::SyncTask::run("),
    Fault("the places of blocks are not written", "ledger::LevelFiles::write_place(", ZERO),
    Fault("a checkpoint is not written", "ledger::replace_file(", ZERO),
    Fault("ids are not remembered", "ledger::RecentIds::append("),
    Fault("indexes of refused blocks are not taken back", "ledger::RecentIds::take_back("),
]


def addresses(program: pathlib.Path) -> Tuple[Dict[str, int], int]:
    """Where functions are, by their demangled names, and what leads from an address to a place in the file."""
    named = {}
    for line in subprocess.run(["nm", "-C", program], check=True, text=True, stdout=subprocess.PIPE).stdout.splitlines():
        match = re.match(r"([0-9a-f]+) [tTwW] sluice::(.*)", line)
        if match and "[clone" not in match[2]:
            named[match[2]] = int(match[1], 16)
    sections = subprocess.run(["readelf", "-SW", program], check=True, text=True, stdout=subprocess.PIPE).stdout
    text = re.search(r"\.text\s+PROGBITS\s+([0-9a-f]+)\s+([0-9a-f]+)", sections)
    return named, int(text[2], 16) - int(text[1], 16)


def plant(fault: Fault, copy: pathlib.Path) -> None:
    named, to_file = addresses(PROGRAM)
    found = [address for name, address in named.items() if name.startswith(fault.function)]
    if len(found) != 1:
        raise LookupError(f"{fault.name}: {len(found)} functions begin with {fault.function}")
    program = bytearray(PROGRAM.read_bytes())
    program[found[0] + to_file : found[0] + to_file + len(fault.code)] = fault.code
    copy.write_bytes(program)
    copy.chmod(0o755)


def find(program: pathlib.Path, seeds: int, jobs: int) -> Optional[Tuple[int, str]]:
    """The first seed of those that fail, and what it says."""
    step = 4 * jobs
    for first in range(1, seeds, step):
        command = [program, "--first", first, "--seeds", step, "--jobs", jobs, "--captures", program.parent]
        ran = subprocess.run([str(word) for word in command], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        failures = re.findall(r"^FAILED seed (\d+): (.*)$", ran.stdout, re.M)
        if failures:
            return min((int(seed), what) for seed, what in failures)
    return None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", nargs="?", default="", help="only faults with this in their names")
    parser.add_argument("--seeds", type=int, default=1000, help="to try for each, at most")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    faults = [fault for fault in FAULTS if arguments.name in fault.name]
    missed = 0
    with tempfile.TemporaryDirectory() as directory:
        for fault in faults:
            copy = pathlib.Path(directory) / "simulate-seeds"
            plant(fault, copy)
            found = find(copy, arguments.seeds, arguments.jobs)
            missed += found is None
            print(f"{fault.name}: " + (f"seed {found[0]}: {found[1]}" if found else "NOT FOUND"), flush=True)
    print(f"{len(faults) - missed} of {len(faults)} planted faults found")
    return 1 if missed or not faults else 0


if __name__ == "__main__":
    sys.exit(main())
