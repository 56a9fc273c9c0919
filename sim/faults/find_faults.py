#!/usr/bin/python3
"""A check of the checker: faults that the simulator must find. Each is planted into a copy of the built program, where one
function does nothing, or answers at once what is wrong, or one comparison in it never holds. Nothing of it is in the
sources or in a build; x86-64.

`./dev simulate --faults [NAME]` builds and runs it."""

import argparse
import os
import pathlib
import re
import subprocess
import sys
import tempfile
from typing import Dict, List, NamedTuple, Optional, Tuple

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = pathlib.Path(os.environ.get("SLUICE_BUILD", ROOT / "build")) / "sim" / "simulate-seeds"

NOTHING = bytes([0xC3])  # ret
ZERO = bytes([0x31, 0xC0, 0xC3])  # xor eax, eax; ret
ZEROS = bytes([0x31, 0xC0, 0x31, 0xD2, 0xC3])  # and edx
# A Result<void> without an Error, which is given back in memory.
SUCCESS = bytes([0xC6, 0x47, 0x40, 0x01, 0x48, 0x89, 0xF8, 0xC3])


def number(value: int) -> bytes:
    """mov eax, value; ret"""
    return bytes([0xB8]) + value.to_bytes(4, "little") + bytes([0xC3])


def zeros(size: int) -> bytes:
    """xor eax, eax; mov ecx, size / 8; rep stosq; ret: an object of zeros."""
    return b"\x31\xc0\xb9" + (size // 8).to_bytes(4, "little") + b"\xf3\x48\xab\xc3"


class Fault(NamedTuple):
    """`function` is how its demangled name begins, behind `sluice::`. `seed` has found it; `is_quick`: at
    once, so that a test does it each time. `row`: of issue 8's worst. `never`: instead of `code`, the one comparison with
    this number in the function never holds."""

    name: str
    function: str
    code: bytes = NOTHING
    seed: int = 0
    is_quick: bool = False
    row: str = ""
    never: Optional[int] = None


FAULTS = [
    Fault("flows never expire", "lb::Balancer::expire(", seed=1, is_quick=True),
    Fault("flows that have gone are not counted as gone", "lb::Balancer::count_gone(", seed=1),
    Fault("a flow is not forgotten when it ends", "lb::Balancer::forget(", seed=1),
    Fault("the state of a flow never moves on", "lb::Balancer::follow(", seed=6),
    Fault("every flow's life is over at once", "lb::life_ms(", ZERO, seed=1),
    Fault("no flow ever counts as answered", "lb::progress(", number(2), seed=6, row="1"),
    Fault("answered flows give way first", "lb::FlowTable::first_to_yield(", number(6), seed=6, row="1"),
    Fault("any packet makes a flow mortal, and nothing brings it back", "lb::progress(", number(0x0404), seed=1, row="2"),
    Fault("entries are not taken out of the flow table", "lb::FlowTable::erase(", seed=1),
    Fault("one entry of a flow is not taken out", "lb::FlowTable::remove_one(", seed=1),
    Fault("the states of flows are not noted", "lb::FlowTable::set_state(", seed=1),
    Fault("a flow table does not grow", "lb::FlowTable::grow(", seed=1),
    Fault("flows end where numbers of services change", "lb::binding_of(", ZEROS, seed=1, row="8"),
    Fault("flows are kept by no change", "lb::Balancer::keep(", ZERO, seed=1, is_quick=True, row="8"),
    Fault("worker 0 owns every port of full-nat", "lb::port_owner(", ZERO, seed=4),
    Fault("packets that wait for a neighbor are not sent", "dataplane::(anonymous namespace)::send_waiting(", seed=1),
    Fault("packets that wait for a neighbor are lost", "dataplane::NeighborCache::take_waiting(", ZERO, seed=1),
    Fault("no packet may wait for a neighbor", "dataplane::NeighborCache::keep(", ZERO, seed=1),
    Fault("ARP and NDP are not learnt from", "dataplane::Neighbors::receive(", seed=1),
    Fault("what neighbors say is not taken", "dataplane::Neighbors::learn(", seed=1),
    Fault("neighbors are not asked", "dataplane::Neighbors::ask(", seed=1, is_quick=True),
    Fault("timers of neighbors stand still", "dataplane::Neighbors::tick(", seed=13),
    Fault("MLD reports are not sent", "dataplane::MldReporter::tick(", seed=1, is_quick=True, row="11"),
    Fault("MLD queries are not heard", "dataplane::MldReporter::receive(", seed=1, row="11"),
    Fault("packets that another worker hands over are not taken", "dataplane::take_handed_over(", ZERO, seed=1),
    Fault("worker 0 owns every flow", "dataplane::owner_of_flow(", ZERO, seed=8),
    Fault("hashes of flows and neighbors have no key", "lb::FlowHash::FlowHash(", zeros(48), seed=13, row="7"),
    Fault("worker 0 gets every packet", "dataplane::worker_for(", ZERO, seed=2),
    Fault("Tables are not published", "dataplane::DataPlane::publish(", seed=1),
    Fault("what health checks find is not noted", "ctrl::Gateway::set_health(std::vector", seed=8),
    Fault("states of backends are not made final", "ctrl::BackendStatuses::commit(", seed=1),
    Fault("an operator's states are not noted", "ctrl::BackendStatuses::set_admin(", ZERO, seed=1),
    Fault("an operator's weights are not noted", "ctrl::BackendStatuses::set_weight(", ZERO, seed=1, is_quick=True),
    Fault("what a registry says is not taken", "ctrl::Members::take(", ZERO, seed=2),
    Fault("checks take their own failure for a backend's", "ctrl::HealthChecks::finish(", never=2, seed=6, row="14a"),
    Fault("what checks find is not delivered", "ctrl::HealthChecks::deliver(", seed=23),
    Fault("a sync of the disk does nothing", "ledger::SyncTask::run(", seed=2, is_quick=True),
    Fault("a disk that hangs is not noticed", "dataplane::Sealer::watch_disk(", seed=16),
    Fault("receipts for other hash workers' clients are lost", "dataplane::HashWorker::answer_clients()", ZERO, seed=6),
    Fault("answers of the ledger are not sent", "dataplane::send_answers(", ZERO, seed=3),
    Fault("level files are not synced", "ledger::LevelFiles::sync(", ZERO, seed=1),
    Fault("the places of blocks are not written", "ledger::LevelFiles::write_place(", ZERO, seed=1, is_quick=True),
    Fault("the hashes of leaves are not written", "ledger::LevelFiles::write(", ZERO, seed=1, is_quick=True),
    Fault("a checkpoint is not written", "ledger::replace_file(", ZERO, seed=1, is_quick=True, row="19"),
    Fault("ids are not remembered", "ledger::RecentIds::append(", seed=1, is_quick=True),
    Fault("refused blocks are not taken out", "ledger::Ingest::take_back(", seed=1),
    Fault("indexes of refused blocks are not taken back", "ledger::RecentIds::take_back(", seed=1, is_quick=True),
    Fault("a message is told by its Message ID and token alone", "ledger::CoapExchanges::hash_of(", ZERO, seed=1, is_quick=True, row="18"),
    Fault("a start with another key is not refused", "ledger::check_directory(", b"\xc6\x07\x01" + SUCCESS, seed=1, is_quick=True, row="21"),
    Fault("a torn tail is not cut", "ledger::settle(", SUCCESS, seed=1, is_quick=True, row="22"),
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


def comparison(program: pathlib.Path, begin: int, value: int) -> int:
    """The address of the number in the one instruction that compares with it, in the function that begins there."""
    command = ["objdump", "-d", "-w", f"--start-address={begin:#x}", f"--stop-address={begin + 0x4000:#x}", program]
    text = subprocess.run([str(word) for word in command], check=True, text=True, stdout=subprocess.PIPE).stdout
    body = text.split(">:\n", 2)[1]  # of the first function
    found = re.findall(rf"^\s*([0-9a-f]+):\t((?:[0-9a-f]{{2}} )+)\s*cmp[bwlq]?\s+\$0x{value:x},", body, re.M)
    if len(found) != 1:
        raise LookupError(f"{len(found)} comparisons with {value}")
    return int(found[0][0], 16) + len(found[0][1].split()) - 1


def plant(fault: Fault, copy: pathlib.Path) -> None:
    named, to_file = addresses(PROGRAM)
    found = [address for name, address in named.items() if name.startswith(fault.function)]
    if len(found) != 1:
        raise LookupError(f"{fault.name}: {len(found)} functions begin with {fault.function}")
    program = bytearray(PROGRAM.read_bytes())
    if fault.never is None:
        program[found[0] + to_file : found[0] + to_file + len(fault.code)] = fault.code
    else:
        program[comparison(PROGRAM, found[0], fault.never) + to_file] = 0x7F  # no enumeration has so many
    copy.write_bytes(program)
    copy.chmod(0o755)


def live(program: pathlib.Path, first: int, seeds: int, jobs: int) -> List[Tuple[int, str]]:
    """The seeds that fail, and what they say."""
    command = [program, "--first", first, "--seeds", seeds, "--jobs", jobs, "--captures", program.parent]
    ran = subprocess.run([str(word) for word in command], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return sorted((int(seed), what) for seed, what in re.findall(r"^FAILED seed (\d+): (.*)$", ran.stdout, re.M))


def find(program: pathlib.Path, fault: Fault, seeds: int, jobs: int) -> Optional[Tuple[int, str]]:
    """The seed that is known to find it, else the first one that does."""
    if fault.seed:
        failed = live(program, fault.seed, 1, 1)
        if failed:
            return failed[0]
    step = 4 * jobs
    for first in range(1, seeds, step):
        failed = live(program, first, step, jobs)
        if failed:
            return failed[0]
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
            try:
                plant(fault, copy)
            except LookupError as error:
                print(f"{fault.name}: NOT PLANTED: {error}", flush=True)
                missed += 1
                continue
            found = find(copy, fault, arguments.seeds, arguments.jobs)
            missed += found is None
            print(f"{fault.name}: " + (f"seed {found[0]}: {found[1]}" if found else "NOT FOUND"), flush=True)
    print(f"{len(faults) - missed} of {len(faults)} planted faults found")
    return 1 if missed or not faults else 0


if __name__ == "__main__":
    sys.exit(main())
