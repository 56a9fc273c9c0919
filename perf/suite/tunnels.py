"""ESP tunnels: what is lost while keys change under load."""

import contextlib
import functools
import time
from typing import Iterator, List

from measure import Measurement, Row, Wish
from processes import stop
from sites import URL, Sites

REKEYS_PER_SECOND_WISHED = 2000
SETTLED_SECONDS = 10.0


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
    yield Measurement("esp", "rekeys", functools.partial(new_keys, wish))
