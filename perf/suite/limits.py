"""What rules cost: dropping what they refuse, beside testpmd that only receives, and known flows of a service with
rules beside one without."""

import functools
import pathlib
from typing import Iterator

import pipeline
import units
from devices_under_test import PERF, Refusing, eal_arguments, testpmd, worker
from machine import huge_pages
from measure import Measurement, Row, Wish, take_turns

FILES = (1000, 100_000)  # flows, each of a client of its own
REFUSALS = {
    "denying": "access list of 2^20 prefixes",
    "limiting": "packets of the service",
    "limiting-each": "packets of each source",
}
MORE_NS = 3


def dropping(rules: str, case: pipeline.Case, wish: Wish) -> Iterator[Row]:
    """Both at once in memory, in turn on the CPU, as pipeline.measure() has it."""
    directory: pathlib.Path = wish.scratch
    vdev = f"net_pcap0,rx_pcap={pipeline.capture(case, directory)},infinite_rx=1"
    megabytes = case.megabytes + 96  # a set of prefixes, and a table of sources
    with huge_pages(2 * megabytes) as huge:
        eal = [eal_arguments(prefix, megabytes, huge) for prefix in ("worker", "testpmd")]
        duty = pipeline.duty(case, rules)
        with worker(eal[0], vdev, case.buffers, case.data_room, duty, Refusing) as ours:
            ours.pause()
            with testpmd(eal[1], vdev, "rxonly", case.buffers, case.data_room) as theirs:
                theirs.pause()
                ours.meet_every_client(case.flows)
                turns = (lambda: ours.mpps(wish.seconds), lambda: theirs.mpps(wish.seconds))
                samples = take_turns(turns, wish.rounds)
    command = ours.command.replace(f"{PERF}/", "").replace(f"{directory}/", "")  # no path of this machine
    name = f"dropped: {REFUSALS[rules]}, {case.flows} clients"
    yield Row("limits", name, "Mpps", samples[0], "testpmd rxonly", samples[1], command=command).demand_ratio(0.9)


def known_flows(wish: Wish) -> Iterator[Row]:
    """What an access list and every limit add to the worker's work for a packet."""
    wanted = "^(known_flow|ruled_flow)/dnat/(1000|100000|1000000)(/iterations:.*)?$"
    with huge_pages(units.HUGE_MEGABYTES):
        found = units.samples("worker_bench", wanted, wish)
    for name, times in found.items():
        kind, _, rest = name.partition("/")
        if kind != "ruled_flow":
            continue
        more = [ruled - open_ for ruled, open_ in zip(times, found[f"known_flow/{rest}"])]
        row = Row("limits", f"known flows, with rules less without: {rest}", "ns", more, more_is_better=False,
                  command=f"worker_bench --benchmark_filter='{wanted}'")  # fmt: skip
        yield row.demand_figure(MORE_NS)


def measurements(wish: Wish) -> Iterator[Measurement]:
    yield Measurement("limits", "known flows", functools.partial(known_flows, wish))
    for rules in REFUSALS:
        for flows in FILES:
            case = pipeline.Case(flows=flows, clients="many")
            yield Measurement("limits", f"{rules}, {flows} clients", functools.partial(dropping, rules, case, wish))
