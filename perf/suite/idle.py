"""What `idle: adaptive` saves and what it costs, beside `idle: poll`: the CPU of a gateway that nobody asks for
anything, and how much longer a lone datagram takes from a client's socket to a server's."""

import contextlib
import functools
import os
import random
import socket
import statistics
import time
from typing import Iterator, List

from devices_under_test import MAIN_CPU
from measure import Measurement, Row, Wish, process_cpu_ns
from processes import eventually
from site_of_three import SERVER, SERVER_PORT, VIP, Site

DATAGRAM_SECONDS = 1.0
PROBES_PER_SECOND_WISHED = 80
PAUSE_SECONDS = (0.06, 0.09)  # until an adaptive worker rests at its longest, and never in step with it
MODES = ("adaptive", "poll")


class Path:
    """A gateway in that mode, and a socket at either end."""

    def __init__(self, stack: contextlib.ExitStack, idle: str, wish: Wish):
        site = stack.enter_context(Site(idle, wish.scratch, whole_frames=True))
        self._gateway = stack.enter_context(site.gateway(idle)).process
        with site.server.entered():
            self._server = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        self._server.bind((SERVER, SERVER_PORT))
        self._server.setblocking(False)
        with site.client.entered():
            self._client = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        self._client.connect((VIP, 80))
        eventually(self._arrives, "a datagram arrives")

    def _arrives(self) -> bool:
        try:
            return self.microseconds() > 0
        except RuntimeError:
            return False

    def microseconds(self) -> float:
        """From sending one datagram to having it."""
        began = time.perf_counter()
        self._client.send(b"probe")
        while (now := time.perf_counter()) < began + DATAGRAM_SECONDS:
            try:
                self._server.recv(16)
                return (now - began) * 1e6
            except BlockingIOError:
                continue
        raise RuntimeError("a datagram was lost")

    def latencies(self, probes: int) -> List[float]:
        """Of datagrams that each find an idle gateway."""
        taken = []
        for _ in range(probes):
            time.sleep(random.uniform(*PAUSE_SECONDS))
            taken.append(self.microseconds())
        return taken

    def cpu_percent(self, seconds: float) -> float:
        """Of all its threads, while nothing is asked of it."""
        before, began = process_cpu_ns(self._gateway.pid), time.monotonic_ns()
        time.sleep(seconds)
        return 100 * (process_cpu_ns(self._gateway.pid) - before) / (time.monotonic_ns() - began)


@contextlib.contextmanager
def on_cpu(cpu: int) -> Iterator[None]:
    """This thread runs there."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {cpu})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def high(values: List[float]) -> float:
    """The 90th percentile."""
    return sorted(values)[int(0.9 * len(values))]


def rows(wish: Wish) -> Iterator[Row]:
    cpu = {mode: [] for mode in MODES}
    taken = {mode: [] for mode in MODES}
    for _ in range(wish.rounds):
        for mode in MODES:
            # One at a time: a gateway that polls would take the CPU from the other.
            with contextlib.ExitStack() as stack:
                path = Path(stack, mode, wish)
                with on_cpu(MAIN_CPU):
                    taken[mode].append(path.latencies(max(10, round(PROBES_PER_SECOND_WISHED * wish.seconds))))
                cpu[mode].append(path.cpu_percent(2 * wish.seconds))
    yield Row("idle", "CPU of an idle gateway", "%", cpu["adaptive"], "busy poll", cpu["poll"],
              more_is_better=False).demand_figure(5)  # fmt: skip
    for name, of in (("median", statistics.median), ("90th percentile", high)):
        ours, theirs = ([of(turn) for turn in taken[mode]] for mode in MODES)
        yield Row("idle", f"latency of a lone datagram, {name}", "us", ours, "busy poll", theirs, more_is_better=False)
        added = Row("idle", f"added latency, {name}", "us", [a - b for a, b in zip(ours, theirs)], more_is_better=False)
        yield added.demand_figure(50) if of is statistics.median else added


def measurements(wish: Wish) -> Iterator[Measurement]:
    yield Measurement("idle", "adaptive", functools.partial(rows, wish))
