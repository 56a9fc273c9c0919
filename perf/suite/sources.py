"""How soon what a source says is there: etcd's `put` to the first packet at the new backend, when nothing else changes,
and among 1,000 changes a second of 100,000 instances."""

import base64
import contextlib
import ctypes
import functools
import http.client
import json
import multiprocessing
import random
import socket
import threading
import time
from typing import Dict, Iterator, List

from devices_under_test import MAIN_CPU
from gateway import Gateway, eal_arguments
from idle import on_cpu
from large_source import EACH, POOLS, beside, hundredth, service_of
from measure import Measurement, Row, Wish
from processes import eventually
from registries import LOOPBACK, Etcd
from site_of_three import SERVER, SERVER_PORT, VIP, Site

NEW = "198.18.20.12"
CHANGES_PER_SECOND_WISHED = 80
BETWEEN_FLOWS = 0.0005  # seconds
PAUSE_SECONDS = (0.1, 0.15)
PATIENCE = 60.0
CHANGES_A_SECOND, TOGETHER = 1000, 20  # of others, and how many of them are one transaction of etcd's
MOST_TOGETHER = 100


class Registry:
    """etcd beside the gateway, spoken to over one connection: etcdctl's start would be measured too."""

    def __init__(self, site: Site):
        self._site = site
        self.etcd = Etcd(site.middle, site.directory / "etcd").start()
        self.connect()

    def connect(self) -> None:
        """Also for a process that shall have a connection of its own."""
        with self._site.middle.entered():
            self._connection = http.client.HTTPConnection(LOOPBACK, Etcd.port, timeout=PATIENCE)
            self._connection.connect()

    def _ask(self, what: str, body: dict) -> None:
        self._connection.request("POST", f"/v3/kv/{what}", json.dumps(body))
        answer = self._connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"etcd refuses: {text!r}")

    def put(self, address: str) -> None:
        self._ask("put", _coded(f"web/{address}", f"{address}:{SERVER_PORT}"))

    def remove(self, address: str) -> None:
        self._ask("deleterange", {"key": _text(f"web/{address}")})

    def put_together(self, values: Dict[str, str]) -> None:
        self._ask("txn", {"success": [{"request_put": _coded(key, value)} for key, value in values.items()]})


def _text(value: str) -> str:
    return base64.b64encode(value.encode()).decode()


def _coded(key: str, value: str) -> dict:
    return {"key": _text(key), "value": _text(value)}


class Others:
    """Pools that nothing is measured of."""

    def __init__(self, registry: Registry, pools: int, each: int):
        self.registry, self.pools, self.each = registry, pools, each

    def add_to(self, config: dict) -> None:
        for pool in range(self.pools):
            discover = {"source": "etcd", "prefix": f"pool-{pool}/"}
            config["pools"].append({"name": f"pool-{pool}", "table_size": 10_007, "discover": discover})
            config["services"].append(service_of(pool))

    def _entry(self, number: int, weight: int) -> tuple:
        pool, one = divmod(number, self.each)
        address, port = f"198.19.{pool % 250}.{1 + one}", 1024 + pool // 250
        return f"pool-{pool}/{one}", json.dumps({"address": address, "port": port, "weight": weight})

    def put_all(self) -> None:
        every = [self._entry(number, 1) for number in range(self.pools * self.each)]
        for start in range(0, len(every), MOST_TOGETHER):
            self.registry.put_together(dict(every[start : start + MOST_TOGETHER]))

    def change_for_ever(self, reached: ctypes.c_ulonglong) -> None:
        """As many as are wished a second, or as etcd takes; counts them."""
        self.registry.connect()
        began = time.monotonic()
        while True:
            numbers = random.sample(range(self.pools * self.each), min(TOGETHER, self.pools * self.each))
            self.registry.put_together(dict(self._entry(number, random.randint(1, 9)) for number in numbers))
            reached.value += len(numbers)
            time.sleep(max(0.0, began + reached.value / CHANGES_A_SECOND - time.monotonic()))


class Watched:
    """New flows again and again, and a socket at the backend that is to come."""

    def __init__(self, stack: contextlib.ExitStack, wish: Wish, pools: int = 0, each: int = 0):
        self.site = stack.enter_context(Site("sources", wish.scratch, whole_frames=True))
        self.site.server.ip("address", "add", NEW + "/24", "dev", "eth0")
        self.site.client.sysctl("net.ipv4.ip_local_port_range=1024 65535")
        with on_cpu(MAIN_CPU):  # where everything is that shall not take the worker's CPU away
            self.registry = Registry(self.site)
        stack.callback(self.registry.etcd.kill)
        self.registry.put(SERVER)
        self.others = Others(self.registry, pools, each)
        self.others.put_all()
        config = self.site.gateway("poll").config
        config["gateway"]["eal"] = eal_arguments(1024)
        config["sources"] = [{"name": "etcd", "type": "etcd", "endpoints": [self.registry.etcd.url]}]
        config["pools"] = [{"name": "web", "discover": {"source": "etcd", "prefix": "web/"}}]
        self.others.add_to(config)
        self.gateway = stack.enter_context(Gateway(self.site.directory / "gateway", config, self.site.middle))
        with self.site.server.entered():
            self._server = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        self._server.bind((NEW, SERVER_PORT))
        self._server.setblocking(False)
        eventually(self.has_all, "all backends are there", 2 * PATIENCE)
        eventually(lambda: self.active() == {SERVER}, "the first backend is there", PATIENCE)

    def has_all(self) -> bool:
        instances = sum(pool["instances"] for pool in self.gateway.call("source.list")[0]["pools"])
        return instances == 1 + self.others.pools * self.others.each

    def active(self) -> set:
        return {row["address"] for row in self.gateway.call("backend.list", pool="web") if row["state"] == "active"}

    def _has_arrived(self) -> bool:
        """One more flow, and whether the new backend has seen any."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.sendto(b"probe", (VIP, 80))
        time.sleep(BETWEEN_FLOWS)
        try:
            self._server.recv(16)
        except BlockingIOError:
            return False
        return True

    def milliseconds(self) -> float:
        """From the put to the first packet; what was removed before is no part of the same publication."""
        time.sleep(random.uniform(*PAUSE_SECONDS))
        with self.site.client.entered():
            putting = threading.Thread(target=self.registry.put, args=(NEW,))
            began = time.perf_counter()
            putting.start()
            while not self._has_arrived():
                if time.perf_counter() > began + PATIENCE:
                    raise RuntimeError("no packet came to the new backend")
            taken = 1e3 * (time.perf_counter() - began)
            putting.join()
        self.registry.remove(NEW)
        eventually(lambda: self.active() == {SERVER}, "it is gone", PATIENCE)
        with contextlib.suppress(BlockingIOError):
            while self._server.recv(16):
                pass
        return taken

    def turns(self, wish: Wish) -> List[List[float]]:
        each = max(2, round(CHANGES_PER_SECOND_WISHED * wish.seconds))
        return [[self.milliseconds() for _ in range(each)] for _ in range(wish.rounds)]


def of_one_change(wish: Wish) -> Iterator[Row]:
    with contextlib.ExitStack() as stack:
        watched = Watched(stack, wish)
        stack.enter_context(on_cpu(MAIN_CPU))
        turns = watched.turns(wish)
    yield Row("sources", "etcd put to the first packet at the new backend, p99", "ms", [hundredth(turn) for turn in turns],
              more_is_better=False, command="etcd; a UDP flow every 0.5 ms").demand_figure(50)  # fmt: skip


def of_a_change_among_many(pools: int, each: int, wish: Wish) -> Iterator[Row]:
    reached = multiprocessing.Value(ctypes.c_ulonglong, 0, lock=False)
    with contextlib.ExitStack() as stack:
        watched = Watched(stack, wish, pools, each)
        stack.enter_context(on_cpu(MAIN_CPU))
        stack.enter_context(beside(functools.partial(watched.others.change_for_ever, reached)))
        began = time.monotonic()
        turns = watched.turns(wish)
        rate = reached.value / (time.monotonic() - began)
    among = f"among changes of {pools * each} instances"
    yield Row("sources", f"etcd put to the first packet at the new backend {among}, p99", "ms",
              [hundredth(turn) for turn in turns], more_is_better=False,
              command="etcd; a UDP flow every 0.5 ms").demand_figure(250)  # fmt: skip
    yield Row("sources", f"changes a second, {among}", "1/s", [rate], command="etcd, 20 in a transaction")


def measurements(wish: Wish) -> Iterator[Measurement]:
    yield Measurement("sources", "etcd", functools.partial(of_one_change, wish))
    yield Measurement("sources", "etcd among many", functools.partial(of_a_change_among_many, POOLS, EACH, wish))
