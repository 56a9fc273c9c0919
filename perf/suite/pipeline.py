"""The worker over net_pcap, which replays a capture for ever, beside testpmd on the same file."""

import contextlib
import dataclasses
import functools
import itertools
import pathlib
import subprocess
from typing import Iterator, List, Sequence, Tuple

from devices_under_test import PERF, Testpmd, Worker, eal_arguments, testpmd, worker
from machine import huge_pages
from measure import Measurement, Row, Wish, take_turns

FORWARDS = ("full-nat", "dnat", "ipip", "gue", "direct")
POLICIES = ("maglev", "source-hash", "weighted-round-robin", "random", "two-choices", "least-connections")
# By family and flows, of every forwarding mode that has a row.
TARGETS = {(4, 1000): 0.85, (4, 100_000): 0.65, (4, 1_000_000): 0.6, (6, 1000): 0.65, (6, 1_000_000): 0.45}
TARGETED = ("full-nat", "dnat", "ipip", "gue")


@dataclasses.dataclass(frozen=True)
class Case:
    """One combination of traffic and duty."""

    forward: str = "dnat"
    flows: int = 1000
    policy: str = "maglev"
    protocol: str = "tcp"
    family: int = 4
    sizes: str = "small"
    peer: str = "5tswap"
    clients: str = "few"

    @property
    def name(self) -> str:
        words = [self.forward, f"{self.flows} flows", self.policy, f"{self.protocol}{self.family}", self.sizes]
        return "/".join(words + [self.peer] * (self.peer != "5tswap"))

    @property
    def buffers(self) -> int:
        """The capture lies in buffers, and a few are on their way."""
        return self.flows + 8192

    @property
    def data_room(self) -> int:
        return 128 if self.sizes == "small" else 2048

    @property
    def megabytes(self) -> int:
        """Of one process: buffers with their headers, and rings of pointers to them; whole huge pages."""
        return 2 * (48 + self.buffers * (self.data_room + 128 + 448) // 2**21 + 1)


def cases(everything: bool) -> Iterator[Case]:
    """What is measured by default, or every combination."""
    if everything:
        for forward, policy, protocol, family, (flows, sizes), peer in itertools.product(
            FORWARDS, POLICIES, ("tcp", "udp"), (4, 6),
            ((1000, "small"), (1000, "imix"), (100_000, "small"), (100_000, "imix"), (1_000_000, "small"),
             (4_000_000, "small")),
            ("5tswap", "macswap"),
        ):  # fmt: skip
            yield Case(forward, flows, policy, protocol, family, sizes, peer)
        return
    for forward in FORWARDS:
        yield Case(forward)
        yield Case(forward, 1_000_000)
    for forward in TARGETED:
        yield Case(forward, 100_000)
    yield Case(flows=4_000_000)
    yield Case(protocol="udp")
    yield Case(family=6)
    yield Case(flows=1_000_000, family=6)
    yield Case(sizes="imix")
    yield Case(peer="macswap")
    yield Case(policy="source-hash")


AS_SMALL_TCP = (Case(protocol="udp"), Case(sizes="imix"))
WITHIN = 0.9


def capture(case: Case, directory: pathlib.Path) -> pathlib.Path:
    """The case's frames; written once."""
    words = (case.flows, case.protocol, case.family, case.sizes, case.clients)
    file = directory / ("-".join(str(word) for word in words) + ".pcap")
    if not file.exists():
        subprocess.run([str(part) for part in (PERF / "write_traffic", file, *words)], check=True)
    return file


def duty(case: Case, rules: str = "none") -> List[object]:
    """The worker's part of the case: NAT keeps two entries for a flow. `rules`: of perf/rules.h."""
    entries = max(2 * case.flows * 5 // 4, 1 << 20)
    return [case.forward, case.policy, case.protocol, case.family, entries, 100, "capture", "poll", rules]


def pair(stack: contextlib.ExitStack, case: Case, directory: pathlib.Path, huge: bool) -> Tuple[Worker, Testpmd]:
    """The worker and testpmd on that case's frames, both stopped, and the worker knows every flow."""
    vdev = f"net_pcap0,rx_pcap={capture(case, directory)},infinite_rx=1"
    eal = [eal_arguments(f"{program}-{case.protocol}-{case.sizes}", case.megabytes, huge) for program in ("worker", "testpmd")]
    ours = stack.enter_context(worker(eal[0], vdev, case.buffers, case.data_room, duty(case)))
    ours.pause()
    theirs = stack.enter_context(testpmd(eal[1], vdev, case.peer, case.buffers, case.data_room))
    theirs.pause()
    meet_every_flow(ours, case.flows)
    return ours, theirs


def measure(cases_together: Sequence[Case], wish: Wish) -> List[Row]:
    """All at once in memory, in turn on the CPU; a row for each case."""
    with contextlib.ExitStack() as stack:
        huge = stack.enter_context(huge_pages(sum(2 * case.megabytes for case in cases_together)))
        pairs = [pair(stack, case, wish.scratch, huge) for case in cases_together]
        turns = [functools.partial(program.mpps, wish.seconds) for both in pairs for program in both]
        samples = take_turns(turns, wish.rounds)
    return [_row(case, ours.command, samples[2 * place], samples[2 * place + 1], wish)
            for place, (case, (ours, _)) in enumerate(zip(cases_together, pairs))]  # fmt: skip


def _row(case: Case, command: str, ours: List[float], theirs: List[float], wish: Wish) -> Row:
    command = command.replace(f"{PERF}/", "").replace(f"{wish.scratch}/", "")  # no path of this machine
    row = Row("pipeline", case.name, "Mpps", ours, f"testpmd {case.peer}", theirs, command=command)
    target = TARGETS.get((case.family, case.flows))
    targeted = target is not None and case == Case(case.forward, case.flows, family=case.family)
    return row.demand_ratio(target) if targeted and case.forward in TARGETED else row


def meet_every_flow(ours: Worker, flows: int) -> None:
    """Flows become known in the first round of the capture, which is not measured."""
    ours.resume()
    while ours.packets() < 2 * flows:
        pass
    ours.pause()


def measurements(wish: Wish) -> Iterator[Measurement]:
    for case in cases(wish.everything):
        yield Measurement("pipeline", case.name, functools.partial(rows, case, wish))


def rows(case: Case, wish: Wish) -> Iterator[Row]:
    if case not in AS_SMALL_TCP:
        yield from measure([case], wish)
        return
    row, small = measure([case, Case()], wish)
    yield row
    alike = Row("pipeline", f"{case.name}, beside testpmd as small frames of TCP are", "of testpmd", row.ratios,
                Case().name, small.ratios, command=row.command)  # fmt: skip
    yield alike.demand_ratio(WITHIN)
