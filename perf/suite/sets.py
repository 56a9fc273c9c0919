"""A set of a million prefixes is replaced in its file: how long until the new ones count, and how often the worker was
away from its queues for too long meanwhile. Nothing else happens, so that what others take of its CPU is all that is
beside it."""

import functools
import os
import re
import time
from typing import Dict, Iterator

from gateway import Gateway
from measure import Measurement, Row, Wish
from site_of_three import VIP, Site

PREFIXES = 1_000_000
GAP_SECONDS = 0.0002
PATIENCE_SECONDS = 60


def prefix(number: int, apart: int) -> str:
    """Of the version of a set whose prefixes lie so far behind multiples of 16."""
    place = (40 << 24) + number * 16 + apart
    return ".".join(str(place >> shift & 255) for shift in (24, 16, 8, 0))


def write(file, apart: int, prefixes: int) -> None:
    """By rename, as configuration management does it."""
    fresh = file.with_suffix(".new")
    fresh.write_text("".join(f"{prefix(i, apart)}/32\n" for i in range(prefixes)))
    os.replace(fresh, file)


def is_denied(gateway: Gateway, source: str) -> bool:
    packet = {"source": source, "source_port": 40000, "destination": VIP, "destination_port": 80, "protocol": "tcp"}
    told = gateway.call("trace.explain", **packet)
    return told["drop_reason"] == "denied"


def long_turns(gateway: Gateway) -> float:
    """How many of the worker's turns have taken longer than what is allowed."""
    turns: Dict[str, float] = {}
    for name, value in gateway.metrics().items():
        if found := re.match(r'sluice_worker_long_turn_seconds_bucket\{.*le="([^"]*)"', name):
            turns[found.group(1)] = value
    return turns["+Inf"] - turns[f"{GAP_SECONDS:g}"]


def started(place: Site, file) -> Gateway:
    gateway = place.gateway("poll")
    gateway.config["http"] = {"listen": "127.0.0.1:9464"}
    gateway.config["sets"] = [{"name": "bots", "file": f"file:{file}"}]
    for service in gateway.config["services"]:
        service["access"] = {"deny": ["set:bots"]}
    return gateway


def rows(prefixes: int, wish: Wish) -> Iterator[Row]:
    file = wish.scratch / "bots.txt"
    write(file, 0, prefixes)
    lasted, gaps, idle_gaps = [], [], []
    with Site("sets", wish.scratch, whole_frames=True) as place, started(place, file) as gateway:
        for apart in range(1, 1 + wish.rounds):
            before = long_turns(gateway)
            time.sleep(1)
            idle_gaps.append(long_turns(gateway) - before)
            before = long_turns(gateway)
            write(file, apart, prefixes)
            begin = time.monotonic()
            while not is_denied(gateway, prefix(prefixes - 1, apart)):
                if time.monotonic() - begin > PATIENCE_SECONDS:
                    raise RuntimeError("the new prefixes do not count")
                time.sleep(0.01)
            lasted.append(time.monotonic() - begin)
            gaps.append(long_turns(gateway) - before)
    name = f"{prefixes} prefixes replaced"
    yield Row("sets", f"{name}: until they count", "s", lasted, more_is_better=False).demand_figure(1)
    yield Row("sets", f"{name}: turns of the worker above 200 us", "", gaps, "in a second before", idle_gaps,
              more_is_better=False).demand_figure(0)  # fmt: skip


def measurements(wish: Wish) -> Iterator[Measurement]:
    yield Measurement("sets", "replaced", functools.partial(rows, PREFIXES, wish))
