"""ESP tunnels: what they cost beside ipsec-mb's own calls on the same bytes, alone and with two workers on one security
association, and what is lost while keys change under load."""

import contextlib
import functools
import time
from typing import Iterator, List

from machine import huge_pages
from measure import Measurement, Row, Wish
from processes import stop
from sites import URL, Sites
from units import Samples, runs, samples_of

PROGRAM = "esp_bench"
HUGE_MEGABYTES = 128
REKEYS_PER_SECOND_WISHED = 4000
SETTLED_SECONDS = 10.0


def net(found: Samples, name: str, size: int, floor: str = "floor") -> List[float]:
    """What a packet takes, less that of laying it ready."""
    return [time - under for time, under in zip(found[f"{name}/{size}"], found[f"{floor}/{size}"])]


def beside_ipsec_mb(wish: Wish) -> Iterator[Row]:
    with huge_pages(HUGE_MEGABYTES):
        repetitions = runs(PROGRAM, "^(floor|direct|pipeline|pipeline_verified)/", wish)
    found = samples_of(repetitions)
    for name, words in (("pipeline", ""), ("pipeline_verified", ", checksums verified by the device")):
        row = Row("esp", f"encrypt and forward, 1400 bytes{words}", "ns", net(found, name, 1400), "ipsec-mb direct",
                  net(found, "direct", 1400), more_is_better=False, command=PROGRAM)  # fmt: skip
        yield row.demand_ratio(1 / 0.85)
    cycles = {}
    for run in repetitions:
        cycles.setdefault(run["run_name"], []).append(run["cycles"])
    over = [ours - theirs for ours, theirs in zip(cycles["pipeline/64"], cycles["direct/64"])]
    row = Row("esp", "encrypt and forward, 64 bytes, over ipsec-mb direct", "cycles", over, more_is_better=False,
              command=PROGRAM)  # fmt: skip
    yield row.demand_figure(120)


def out_of_tunnels(wish: Wish) -> Iterator[Row]:
    with huge_pages(HUGE_MEGABYTES):
        found = samples_of(runs(PROGRAM, "^(floor_|direct_)?open/", wish))
    for size in (64, 1400):
        yield Row("esp", f"decrypt and forward, {size} bytes", "ns", net(found, "open", size, "floor_open"),
                  "ipsec-mb direct", net(found, "direct_open", size, "floor_open"), more_is_better=False,
                  command=PROGRAM)  # fmt: skip


def on_two_workers(wish: Wish) -> Iterator[Row]:
    """Beside one worker; and ipsec-mb alone on as many threads, which is what the two CPUs come to together."""
    with huge_pages(HUGE_MEGABYTES):
        repetitions = runs(PROGRAM, "^(together|direct_together)/1400", wish, every_cpu=True)
    rates = {}
    for run in repetitions:
        rates.setdefault(run["run_name"], []).append(run["items_per_second"] / 1e6)

    def row(name: str, program: str) -> Row:
        one, two = (rates[f"{program}/1400/real_time/threads:{threads}"] for threads in (1, 2))
        return Row("esp", name, "M/s", two, "one", one, command=PROGRAM)

    yield row("one association on two workers, 1400 bytes", "together").demand_ratio(1.7)
    yield row("ipsec-mb direct on two threads, 1400 bytes", "direct_together")


def tunnels_of(sites: Sites) -> List[dict]:
    return [gateway.call("tunnel.list")[0] for gateway in (sites.left, sites.right)]


def lost_between(sites: Sites) -> int:
    """Packets that one end has sent and the other has not taken out of the tunnel; a few may be on their way."""
    left, right = tunnels_of(sites)
    return abs(left["packets_out"] - right["packets_in"]) + abs(right["packets_out"] - left["packets_in"])


def new_keys(wish: Wish) -> Iterator[Row]:
    """Two gateways, a tunnel between them, wrk through it, and new keys for both directions all the time."""
    rekeys = max(5, round(REKEYS_PER_SECOND_WISHED * wish.seconds))
    with contextlib.closing(Sites()) as sites:
        load = sites.spaces["client"].spawn("wrk", "-t1", "-c4", "-d1h", "--timeout", "5s", URL,
                                            log=sites.work / "wrk.log")  # fmt: skip
        try:
            for _ in range(rekeys):
                sites.rekey("2s")
        finally:
            stop(load)
        until = time.monotonic() + SETTLED_SECONDS
        while (lost := lost_between(sites)) and time.monotonic() < until:
            time.sleep(0.1)
        ends = tunnels_of(sites)
        refused = sum(end["dropped"][reason] for end in ends for reason in ("unknown_spi", "icv", "replay", "clear"))
        packets = sum(end["packets_out"] for end in ends)
    command = "tunnel.rekey at two gateways, wrk through both"
    yield Row("esp", f"packets through {rekeys} rekeys both ways", "packets", [packets], command=command)
    for words, count in (("lost", lost), ("sent under an SPI or a key that has ended", refused)):
        row = Row("esp", f"of these {words}", "packets", [count], more_is_better=False, command=command)
        yield row.demand_figure(0)


def measurements(wish: Wish) -> Iterator[Measurement]:
    for name, take in (("ipsec-mb", beside_ipsec_mb), ("opened", out_of_tunnels), ("workers", on_two_workers),
                       ("rekeys", new_keys)):
        yield Measurement("esp", name, functools.partial(take, wish))
