"""TCP connections through full-nat beside HAProxy and nginx as TCP proxies, each on the same CPU.

CPU time is what the kernel says all threads of the process were on a CPU (/proc/PID/task/*/schedstat): others
on that CPU do not count. It holds the system calls and the way of a frame to the next host's queue, not what
the sender's side pays for delivery: that spares the proxies their half of receiving, and the gateway a copy.
A gateway also looks for packets where there are none. So it has two figures: all CPU time with `idle: adaptive`,
and its worker's time in polls that found packets, which is what remains where packets never cease."""

import contextlib
import functools
import re
import time
from typing import Dict, Iterator, List, NamedTuple

from devices_under_test import MAIN_CPU
from gateway import Gateway
from measure import Measurement, Row, Wish, process_cpu_ns
from processes import eventually
from site_of_three import EDGE, VIP, Site

CONNECTIONS = 64
TURN_PER_SECOND_WISHED = 4  # a turn of wrk is longer than others: its start and end do not count then
COMMAND = f"wrk -t1 -c{CONNECTIONS} -H 'Connection: close'"


class Middle:
    """What forwards: a proxy."""

    def __init__(self, pid: int, site: Site, address: str):
        self.site = site
        self.address = address
        self._pid = pid

    def cpu_ns(self) -> int:
        """Of all its threads, since the start."""
        return process_cpu_ns(self._pid)

    def busy_ns(self) -> float:
        """What of that it worked; a proxy sleeps where there is no work."""
        return self.cpu_ns()


class GatewayMiddle(Middle):
    """The gateway, whose worker knows when it found packets."""

    def __init__(self, gateway: Gateway, site: Site):
        super().__init__(gateway.process.pid, site, VIP)
        self._gateway = gateway
        self._started, self._cycles = time.monotonic_ns(), self._read()

    def _read(self) -> Dict[str, int]:
        return self._gateway.call("stats.get")["workers"][0]

    def busy_ns(self) -> float:
        now, passed = self._read(), time.monotonic_ns() - self._started
        busy, idle = (now[key] - self._cycles[key] for key in ("busy_cycles", "idle_cycles"))
        return passed * busy / (busy + idle)


class Turn(NamedTuple):
    """One run of wrk."""

    cpu_us: float  # for each connection
    busy_us: float  # for each connection
    per_second: float


def turn(middle: Middle, seconds: float) -> Turn:
    """Connections that each carry one short request, as many as wrk opens."""
    cpu, busy = middle.cpu_ns(), middle.busy_ns()
    duration = max(1, round(seconds * TURN_PER_SECOND_WISHED))
    done = middle.site.client.run(
        "taskset", "--cpu-list", MAIN_CPU, "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{duration}s",
        "-H", "Connection: close", f"http://{middle.address}/",
    ).stdout  # fmt: skip
    cpu, busy = middle.cpu_ns() - cpu, middle.busy_ns() - busy
    made, lasted = re.search(r"(\d+) requests in ([\d.]+)s", done).groups()
    if "Non-2xx" in done or re.search(r"(connect|read|write|timeout) [1-9]", done) or not int(made):
        raise RuntimeError(f"connections failed: {done}")
    return Turn(cpu / 1e3 / int(made), busy / 1e3 / int(made), int(made) / float(lasted))


def middles(stack: contextlib.ExitStack, wish: Wish) -> Dict[str, Middle]:
    """The gateway and its peers, all started."""

    def site(name: str, whole_frames: bool = False) -> Site:
        return stack.enter_context(Site(name, wish.scratch, whole_frames))

    gateway, haproxy, nginx = site("gw", whole_frames=True), site("ha"), site("ng")
    found = {
        "gateway": GatewayMiddle(stack.enter_context(gateway.gateway("adaptive")), gateway),
        "HAProxy (TCP)": Middle(haproxy.start_haproxy(), haproxy, EDGE),
        "nginx (stream)": Middle(nginx.start_nginx_stream(), nginx, EDGE),
    }
    for name, middle in found.items():
        ask = ("curl", "-sS", "-m", "1", f"http://{middle.address}/")
        eventually(lambda: middle.site.client.run(*ask, check=False).stdout == "ok", f"{name} forwards")
    return found


def rows(wish: Wish) -> Iterator[Row]:
    with contextlib.ExitStack() as stack:
        known = middles(stack, wish)
        turns: Dict[str, List[Turn]] = {name: [] for name in known}
        for _ in range(wish.rounds):
            for name, middle in known.items():
                turns[name].append(turn(middle, wish.seconds))
    ours = turns.pop("gateway")
    for peer, theirs in turns.items():
        cpu = [each.cpu_us for each in theirs]
        for what, taken in (("CPU when busy", [each.busy_us for each in ours]), ("all CPU", [each.cpu_us for each in ours])):
            yield Row("connections", f"{what}, beside {peer}", "us", taken, peer, cpu, more_is_better=False,
                      command=COMMAND).demand_ratio(0.1)  # fmt: skip
        yield Row("connections", f"new each second, beside {peer}", "1/s", [each.per_second for each in ours],
                  peer, [each.per_second for each in theirs], command=COMMAND)  # fmt: skip


def measurements(wish: Wish) -> Iterator[Measurement]:
    yield Measurement("connections", "full-nat", functools.partial(rows, wish))
