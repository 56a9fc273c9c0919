"""Backends that are not alike behind full-nat: eight that answer over HTTP, of which one takes ten times as long, and
one that refuses every connection; wrk asks them, a connection for each request. The slow one is slow in its program, and
its handshakes are as fast as others'."""

import contextlib
import functools
import re
import sys
import threading
import time
from typing import Dict, Iterator, List

from devices_under_test import MAIN_CPU
from gateway import Gateway
from measure import Measurement, Row, Wish
from processes import eventually
from site_of_three import SERVER, SERVER_PORT, VIP, Site, gateway_configuration

BACKENDS = 8
USUAL_MS, SLOW_MS = 20, 200
CONNECTIONS = 16
REFUSING_PORT = SERVER_PORT + 100
COMMAND = f"wrk -t1 -c{CONNECTIONS} --latency -H 'Connection: close'"
_SERVERS = f"""
import asyncio
async def serve(port, seconds):
    async def answer(reader, writer):
        try:
            await reader.readuntil(b"\\r\\n\\r\\n")
            await asyncio.sleep(seconds)
            writer.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\nConnection: close\\r\\n\\r\\nok")
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        writer.close()
    await asyncio.start_server(answer, "{SERVER}", port, backlog=4096)
async def main():
    for i in range({BACKENDS}):
        await serve({SERVER_PORT} + 1 + i, ({SLOW_MS} if i == 0 else {USUAL_MS}) / 1e3)
    print("ready", flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""


def apply(place: Site, gateway: Gateway, policy: str, ports: List[int]) -> None:
    """A pool of backends at these ports, under that policy; returns once it answers."""
    kept = {key: gateway.config[key] for key in ("gateway", "control", "http")}
    config = {**gateway_configuration("adaptive"), **kept}
    config["pools"][0]["backends"] = [{"address": SERVER, "port": port} for port in ports]
    for service in config["services"]:
        service["policy"] = policy if service["protocol"] == "tcp" else "maglev"
    gateway.call("config.apply", config=config)
    ask = ("curl", "-sS", "-m", "5", f"http://{VIP}/")
    eventually(lambda: place.client.run(*ask, check=False).stdout == "ok", "the backends answer")


@contextlib.contextmanager
def site(wish: Wish) -> Iterator[Site]:
    """With the backends behind it, and the gateway as its middle."""
    with Site("slow", wish.scratch, whole_frames=True) as made:
        made.server.spawn("taskset", "--cpu-list", MAIN_CPU, sys.executable, "-c", _SERVERS)
        last = f":{SERVER_PORT + BACKENDS} "
        eventually(lambda: last in made.server.run("ss", "-Hltn").stdout, "the servers listen")
        yield made


def gateway_of(place: Site) -> Gateway:
    gateway = place.gateway("adaptive")
    gateway.config["http"] = {"listen": "127.0.0.1:9464"}
    return gateway


def wrk(place: Site, seconds: int) -> str:
    return place.client.run(
        "taskset", "--cpu-list", MAIN_CPU, "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency",
        "-H", "Connection: close", f"http://{VIP}/",
    ).stdout  # fmt: skip


def p99_ms(place: Site, gateway: Gateway, policy: str, seconds: int) -> float:
    """What 99 of 100 requests take at most, once the policy has seen a second of them."""
    ports = [SERVER_PORT + 1 + i for i in range(BACKENDS)]
    apply(place, gateway, policy, ports)
    wrk(place, 1)
    number, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", wrk(place, seconds)).groups()
    return float(number) * {"us": 1e-3, "ms": 1, "s": 1e3}[unit]


def flows(gateway: Gateway) -> Dict[int, float]:
    """How many have begun, by the port of their backend."""
    found = {}
    for name, value in gateway.metrics().items():
        if port := re.match(r'sluice_backend_flows_total\{.*"[^"]*:(\d+)', name):
            found[int(port.group(1))] = value
    return found


def share_of_refusing(place: Site, gateway: Gateway, seconds: int) -> float:
    """Of its fair share, what a backend that refuses every connection gets from two seconds after it came on."""
    good = [SERVER_PORT + 2 + i for i in range(BACKENDS - 1)]
    apply(place, gateway, "least-response-time", good)  # wrk does not begin where its first connection is refused
    load = threading.Thread(target=wrk, args=(place, 4 + seconds))
    load.start()
    time.sleep(1)
    apply(place, gateway, "least-response-time", [*good, REFUSING_PORT])
    time.sleep(2)
    before = flows(gateway)
    time.sleep(seconds)
    after = flows(gateway)
    load.join()
    begun = {port: after[port] - before[port] for port in (*good, REFUSING_PORT)}
    return begun[REFUSING_PORT] / sum(begun.values()) * len(begun)


def rows(wish: Wish) -> Iterator[Row]:
    seconds = max(1, round(4 * wish.seconds))
    with site(wish) as place, gateway_of(place) as gateway:
        ours, theirs, shares = [], [], []
        for _ in range(wish.rounds):
            ours.append(p99_ms(place, gateway, "least-response-time", seconds))
            theirs.append(p99_ms(place, gateway, "weighted-round-robin", seconds))
            shares.append(share_of_refusing(place, gateway, seconds))
    name = f"p99 of {BACKENDS} backends, one ten times slower: least-response-time"
    yield Row("slow backend", name, "ms", ours, "weighted-round-robin", theirs, more_is_better=False,
              command=COMMAND).demand_ratio(0.5)  # fmt: skip
    name = "what a backend that answers every SYN with RST gets of its fair share, after 2 s"
    yield Row("slow backend", name, "", shares, more_is_better=False, command=COMMAND).demand_figure(0.25)


def measurements(wish: Wish) -> Iterator[Measurement]:
    yield Measurement("slow backend", "least response time", functools.partial(rows, wish))
