"""TCP connections through full-nat beside HAProxy and nginx as TCP proxies, and beside the kernel's own DNAT, each on
the same CPU.

CPU time of a process is what the kernel says all its threads were on a CPU (/proc/PID/task/*/schedstat): others
on that CPU do not count. It holds the system calls and the way of a frame to the next host's queue, not what
the sender's side pays for delivery: that spares the proxies their half of receiving, and the gateway a copy.
A gateway also looks for packets where there are none. So it has three figures: all CPU time with `idle: adaptive`;
its worker's time in polls that found packets, which is what remains where packets never cease; and that time less
what the driver's calls to receive and to send took of it, by the clock (perf/device_calls.cpp), which is what remains on
a device that costs nothing. That one still waits for what the kernel displaced from the caches, and holds what
interrupts the worker outside those calls.
The kernel's DNAT has no process: beside it stands all the time that the CPU was not idle (/proc/stat), while
endpoints receive on the other one."""

import contextlib
import functools
import os
import pathlib
import re
import struct
import time
from typing import Dict, Iterator, List, NamedTuple, Tuple

from devices_under_test import MAIN_CPU, PERF, WORKER_CPU
from gateway import Gateway
from measure import Measurement, Row, Wish, process_cpu_ns
from processes import SLUICED, eventually
from site_of_three import EDGE, VIP, Site

CONNECTIONS = 64
TURN_PER_SECOND_WISHED = 4  # a turn of wrk is longer than others: its start and end do not count then
KERNEL = "nft DNAT"
COMMAND = f"wrk -t1 -c{CONNECTIONS} -H 'Connection: close'"


class Busy(NamedTuple):
    """Nanoseconds since the start."""

    polls: float  # in polls that found packets
    own: float  # of these, outside the device's calls


class Middle:
    """What forwards: a proxy."""

    def __init__(self, pid: int, site: Site, address: str):
        self.site = site
        self.address = address
        self.pid = pid

    def cpu_ns(self) -> int:
        """Of all its threads, since the start."""
        return process_cpu_ns(self.pid)

    def busy_ns(self) -> Busy:
        """What of that it worked; a proxy sleeps where there is no work."""
        cpu = self.cpu_ns()
        return Busy(cpu, cpu)


class GatewayMiddle(Middle):
    """The gateway, whose worker knows when it found packets."""

    def __init__(self, gateway: Gateway, site: Site, device_calls: pathlib.Path):
        super().__init__(gateway.process.pid, site, VIP)
        self._gateway, self._device_calls = gateway, device_calls
        self._started, self._cycles = time.monotonic_ns(), self._read()

    def _read(self) -> Tuple[int, int, int]:
        """Cycles: of polls that found packets, of what of them was the device's, of other polls."""
        stats = self._gateway.call("stats.get")["workers"][0]
        (device,) = struct.unpack("=Q", self._device_calls.read_bytes())
        return stats["busy_cycles"], device, stats["idle_cycles"]

    def busy_ns(self) -> Busy:
        now, passed = self._read(), time.monotonic_ns() - self._started
        busy, device, idle = (after - before for after, before in zip(now, self._cycles))
        return Busy(*(passed * cycles / (busy + idle) for cycles in (busy, busy - device)))


class KernelMiddle(Middle):
    """The kernel: what it does is nobody's."""

    def __init__(self, site: Site, address: str):
        super().__init__(0, site, address)

    def cpu_ns(self) -> int:
        return core_ns()


def core_ns() -> float:
    """How long the worker's CPU has not been idle, since the start."""
    words = re.search(rf"^cpu{WORKER_CPU} (.*)$", pathlib.Path("/proc/stat").read_text(), re.MULTILINE).group(1).split()
    user, nice, system, idle, waiting, *interrupts = (int(word) for word in words)
    del idle, waiting
    return (user + nice + system + sum(interrupts[:2])) * 1e9 / os.sysconf("SC_CLK_TCK")


class Turn(NamedTuple):
    """One run of wrk."""

    cpu_us: float  # for each connection
    busy_us: float  # for each connection
    own_us: float  # for each connection
    core_us: float  # for each connection, of everybody on the worker's CPU
    per_second: float


def turn(middle: Middle, seconds: float) -> Turn:
    """Connections that each carry one short request, as many as wrk opens."""
    cpu, busy, core = middle.cpu_ns(), middle.busy_ns(), core_ns()
    duration = max(1, round(seconds * TURN_PER_SECOND_WISHED))
    done = middle.site.client.run(
        "taskset", "--cpu-list", MAIN_CPU, "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{duration}s",
        "-H", "Connection: close", f"http://{middle.address}/",
    ).stdout  # fmt: skip
    cpu, core = middle.cpu_ns() - cpu, core_ns() - core
    busy, own = (after - before for after, before in zip(middle.busy_ns(), busy))
    made, lasted = re.search(r"(\d+) requests in ([\d.]+)s", done).groups()
    if "Non-2xx" in done or re.search(r"(connect|read|write|timeout) [1-9]", done) or not int(made):
        raise RuntimeError(f"connections failed: {done}")
    return Turn(*(spent / 1e3 / int(made) for spent in (cpu, busy, own, core)), int(made) / float(lasted))


def with_device_calls(gateway: Gateway, file: pathlib.Path) -> Gateway:
    """Its worker's time in the device's calls is told by that file, once it has started."""
    library = PERF / "libdevice_calls.so"
    gateway.command = ["env", f"LD_PRELOAD={library}", f"SLUICE_DEVICE_CALLS={file}", SLUICED]
    return gateway


def middles(stack: contextlib.ExitStack, wish: Wish) -> Dict[str, Middle]:
    """The gateway and its peers, all started."""

    def site(name: str, whole_frames: bool = False) -> Site:
        return stack.enter_context(Site(name, wish.scratch, whole_frames))

    device_calls = wish.scratch / "device_calls"
    gateway, haproxy, nginx, nft = site("gw", whole_frames=True), site("ha"), site("ng"), site("nf", whole_frames=True)
    nft.start_nft_dnat()
    found = {
        "gateway": GatewayMiddle(
            stack.enter_context(with_device_calls(gateway.gateway("adaptive"), device_calls)), gateway, device_calls
        ),
        "HAProxy (TCP)": Middle(haproxy.start_haproxy(), haproxy, EDGE),
        "nginx (stream)": Middle(nginx.start_nginx_stream(), nginx, EDGE),
        KERNEL: KernelMiddle(nft, VIP),
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
    ours, kernel = turns.pop("gateway"), turns.pop(KERNEL)

    def compared(what: str, taken: List[float], peer: str, theirs: List[float]) -> Row:
        return Row("connections", f"{what}, beside {peer}", "us", taken, peer, theirs, more_is_better=False,
                   command=COMMAND)  # fmt: skip

    for peer, theirs in turns.items():
        cpu = [each.cpu_us for each in theirs]
        own = [each.own_us for each in ours]
        yield compared("CPU when busy without the device's calls", own, peer, cpu).demand_ratio(0.1)
        yield compared("CPU when busy", [each.busy_us for each in ours], peer, cpu)
        yield compared("all CPU", [each.cpu_us for each in ours], peer, cpu)
        yield Row("connections", f"new each second, beside {peer}", "1/s", [each.per_second for each in ours],
                  peer, [each.per_second for each in theirs], command=COMMAND)  # fmt: skip
    yield compared("all of the CPU's time", [each.core_us for each in ours], KERNEL,
                   [each.core_us for each in kernel]).demand_ratio(1.0)  # fmt: skip


def measurements(wish: Wish) -> Iterator[Measurement]:
    yield Measurement("connections", "full-nat", functools.partial(rows, wish))
