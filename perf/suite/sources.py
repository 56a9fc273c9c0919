"""How soon what a source says is there, and what a large source does to everybody else: etcd's `put` to the first packet
at the new backend, and 100,000 instances over 1,000 pools from one source of files, with datagrams and questions at the
control socket meanwhile."""

import base64
import contextlib
import functools
import http.client
import json
import os
import pathlib
import socket
import threading
import time
from typing import Callable, Iterator, List

from devices_under_test import MAIN_CPU
from gateway import Gateway, eal_arguments
from growth import resident_mib
from idle import on_cpu
from measure import Measurement, Row, Wish
from processes import eventually
from registries import LOOPBACK, Etcd
from site_of_three import SERVER, SERVER_PORT, VIP, Site, gateway_configuration

NEW = "198.18.20.12"
CHANGES_PER_SECOND_WISHED = 80
PATIENCE = 30.0
POOLS, EACH = 1000, 100


def hundredth(values: List[float]) -> float:
    """The 99th percentile."""
    return sorted(values)[min(len(values) - 1, int(0.99 * len(values)))]


class Registry:
    """etcd beside the gateway, spoken to over one connection: etcdctl's start would be measured too."""

    def __init__(self, site: Site):
        self.etcd = Etcd(site.middle, site.directory / "etcd").start()
        with site.middle.entered():
            self._connection = http.client.HTTPConnection(LOOPBACK, Etcd.port, timeout=PATIENCE)
            self._connection.connect()

    def _ask(self, what: str, **fields: str) -> None:
        body = {name: base64.b64encode(value.encode()).decode() for name, value in fields.items()}
        self._connection.request("POST", f"/v3/kv/{what}", json.dumps(body))
        self._connection.getresponse().read()

    def put(self, address: str) -> None:
        self._ask("put", key=f"web/{address}", value=f"{address}:{SERVER_PORT}")

    def remove(self, address: str) -> None:
        self._ask("deleterange", key=f"web/{address}")


class Watched:
    """New flows without a pause, and a socket at the backend that is to come."""

    def __init__(self, stack: contextlib.ExitStack, wish: Wish):
        self.site = stack.enter_context(Site("sources", wish.scratch, whole_frames=True))
        self.site.server.ip("address", "add", NEW + "/24", "dev", "eth0")
        self.site.client.sysctl("net.ipv4.ip_local_port_range=1024 65535")
        self.registry = Registry(self.site)
        stack.callback(self.registry.etcd.kill)
        self.registry.put(SERVER)
        config = self.site.gateway("poll").config
        config["sources"] = [{"name": "etcd", "type": "etcd", "endpoints": [self.registry.etcd.url]}]
        config["pools"] = [{"name": "web", "discover": {"source": "etcd", "prefix": "web/"}}]
        self.gateway = stack.enter_context(Gateway(self.site.directory / "gateway", config, self.site.middle))
        with self.site.server.entered():
            self._server = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        self._server.bind((NEW, SERVER_PORT))
        self._server.setblocking(False)
        eventually(lambda: self.active() == {SERVER}, "the first backend is there", PATIENCE)

    def active(self) -> set:
        return {row["address"] for row in self.gateway.call("backend.list", pool="web") if row["state"] == "active"}

    def _has_arrived(self) -> bool:
        """One more flow, and whether the new backend has seen any."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.sendto(b"probe", (VIP, 80))
        try:
            self._server.recv(16)
        except BlockingIOError:
            return False
        return True

    def milliseconds(self) -> float:
        """From the put to the first packet."""
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


def of_one_change(wish: Wish) -> Iterator[Row]:
    with contextlib.ExitStack() as stack:
        watched = Watched(stack, wish)
        with on_cpu(MAIN_CPU):
            turns = [
                [watched.milliseconds() for _ in range(max(2, round(CHANGES_PER_SECOND_WISHED * wish.seconds)))]
                for _ in range(wish.rounds)
            ]
    yield Row("sources", "etcd put to the first packet at the new backend, p99", "ms", [hundredth(turn) for turn in turns],
              more_is_better=False, command="etcd; UDP flows without a pause").demand_figure(50)  # fmt: skip


class Files:
    """One source of files: a file of targets for each pool, each written anew by renaming."""

    def __init__(self, directory: pathlib.Path, pools: int, each: int):
        self.directory, self.pools, self.each = directory, pools, each
        directory.mkdir()
        self.round = 0

    def configuration(self) -> dict:
        config = gateway_configuration("poll")
        config["gateway"]["eal"] = eal_arguments(1024)
        config["sources"] = [{"name": "files", "type": "file"}]
        for pool in range(self.pools):
            discover = {"source": "files", "path": str(self.directory / f"{pool}.json")}
            config["pools"].append({"name": f"pool-{pool}", "table_size": 10_007, "discover": discover})
        return config

    def write(self, pool: int) -> None:
        """Other weights than before."""
        address = f"198.19.{pool % 250}"
        targets = [f"{address}.{1 + one}:{1024 + pool // 250}" for one in range(self.each)]
        file = self.directory / f"{pool}.json"
        fresh = file.with_suffix(".new")
        fresh.write_text(json.dumps([{"targets": targets, "labels": {"weight": str(1 + self.round % 2)}}]))
        os.replace(fresh, file)

    def write_all(self) -> None:
        self.round += 1
        for pool in range(self.pools):
            self.write(pool)


def answers_while(gateway: Gateway, is_over: Callable[[], bool]) -> List[float]:
    """How long the control socket took for each question meanwhile, in ms."""
    taken = []
    while not is_over():
        began = time.perf_counter()
        gateway.call("system.info")
        taken.append(1e3 * (time.perf_counter() - began))
        time.sleep(0.002)
    return taken


def of_a_large_source(pools: int, each: int, wish: Wish) -> Iterator[Row]:
    loads, answers, memory = [], [], []
    with contextlib.ExitStack() as stack:
        site = stack.enter_context(Site("large", wish.scratch, whole_frames=True))
        files = Files(site.directory / "targets", pools, each)
        for end in ("edge0", "core0"):
            site.middle.sysctl(f"net.ipv4.conf.{end}.arp_ignore=8")
        gateway = stack.enter_context(Gateway(site.directory / "gateway", files.configuration(), site.middle))

        def instances() -> int:
            return sum(pool["instances"] for pool in gateway.call("source.list")[0]["pools"])

        began = time.perf_counter()
        files.write_all()
        eventually(lambda: instances() == pools * each, "all are there", 4 * PATIENCE)
        loads.append(time.perf_counter() - began)
        for _ in range(wish.rounds):
            flood = threading.Thread(target=files.write_all)
            flood.start()
            answers.append(hundredth(answers_while(gateway, lambda: not flood.is_alive()) or [0.0]))
            flood.join()
        memory.append(resident_mib(gateway.process.pid))
    of = f"{pools * each} instances over {pools} pools"
    yield Row("sources", f"{of}: first load", "s", loads, more_is_better=False, command="type: file")
    yield Row("sources", f"{of}: a control answer while all are rewritten, p99", "ms", answers, more_is_better=False,
              command="system.info").demand_figure(20)  # fmt: skip
    yield Row("sources", f"{of}: memory", "MiB", memory, more_is_better=False, command="sluiced: VmRSS")


def measurements(wish: Wish) -> Iterator[Measurement]:
    yield Measurement("sources", "etcd", functools.partial(of_one_change, wish))
    yield Measurement("sources", "large", functools.partial(of_a_large_source, POOLS, EACH, wish))
