"""What a large source does to everybody else: 100,000 instances over 1,000 pools from one source of files, all of them
rewritten at once, with questions at the control socket meanwhile, and a worker that spins."""

import contextlib
import functools
import json
import multiprocessing
import os
import pathlib
import time
from typing import Callable, Dict, Iterator, List, Tuple

from control import Control
from devices_under_test import MAIN_CPU
from gateway import Gateway, eal_arguments
from growth import resident_mib
from idle import on_cpu
from measure import Measurement, Row, Wish
from processes import eventually
from site_of_three import Site, gateway_configuration

PATIENCE = 120.0
POOLS, EACH = 1000, 100
METRICS = "127.0.0.1:9464"
TURNS = 'sluice_worker_long_turn_seconds_bucket{worker="0",le="'


def hundredth(values: List[float]) -> float:
    """The 99th percentile."""
    return sorted(values)[min(len(values) - 1, int(0.99 * len(values)))]


@contextlib.contextmanager
def beside(work: Callable[[], None]) -> Iterator[multiprocessing.Process]:
    """Has it done by a process of its own: a thread would keep those waiting who measure."""
    process = multiprocessing.get_context("fork").Process(target=work, daemon=True)
    process.start()
    try:
        yield process
    finally:
        process.kill()
        process.join()


def service_of(pool: int) -> dict:
    """Without a service a pool has no table to be made."""
    return {"name": f"service-{pool}", "address": f"203.0.114.{pool % 250}", "port": 1024 + pool // 250,
            "protocol": "udp", "forward": "full-nat", "pool": f"pool-{pool}"}  # fmt: skip


class Files:
    """One source of files: a file of targets for each pool, each written anew by renaming."""

    def __init__(self, directory: pathlib.Path, pools: int, each: int):
        self.directory, self.pools, self.each = directory, pools, each
        directory.mkdir()
        self.round = 0

    def configuration(self) -> dict:
        config = gateway_configuration("poll")
        config["gateway"]["eal"] = eal_arguments(1024)
        config["http"] = {"listen": METRICS}
        config["sources"] = [{"name": "files", "type": "file"}]
        for pool in range(self.pools):
            discover = {"source": "files", "path": str(self.directory / f"{pool}.json")}
            config["pools"].append({"name": f"pool-{pool}", "table_size": 10_007, "discover": discover})
            config["services"].append(service_of(pool))
        return config

    def write(self, pool: int) -> None:
        """Other weights than in the round before."""
        address = f"198.19.{pool % 250}"
        targets = [f"{address}.{1 + one}:{1024 + pool // 250}" for one in range(self.each)]
        file = self.directory / f"{pool}.json"
        fresh = file.with_suffix(".new")
        fresh.write_text(json.dumps([{"targets": targets, "labels": {"weight": str(1 + self.round % 2)}}]))
        os.replace(fresh, file)

    def write_all(self) -> None:
        for pool in range(self.pools):
            self.write(pool)


class LongTurns:
    """How long a worker was away from its queues, from when this is made."""

    def __init__(self, gateway: Gateway):
        self._gateway = gateway
        self._began, self._before = time.monotonic(), self._read()

    def _read(self) -> List[Tuple[float, float]]:
        """Turns by their upper bound in us, each bound's with those below it."""
        buckets = {name.removeprefix(TURNS).removesuffix('"}'): count
                   for name, count in self._gateway.metrics().items() if name.startswith(TURNS)}  # fmt: skip
        return sorted((1e6 * float(bound), count) for bound, count in buckets.items())

    def longest_and_long(self) -> Tuple[float, float]:
        """The bound in us that none was above, and how many a second were above 200 us."""
        grown = [(bound, now - before) for (bound, now), (_, before) in zip(self._read(), self._before)]
        every = grown[-1][1]
        longest = next(bound for bound, count in grown if count == every)
        upto = next(count for bound, count in grown if round(bound) == 200)
        return (longest if every else 50.0), (every - upto) / (time.monotonic() - self._began)


QUESTIONS = {"system.info": {}, "backend.list": {"pool": "pool-0"}}


def answers_while(gateway: Gateway, is_going_on: Callable[[], bool]) -> Dict[str, List[float]]:
    """How long the control socket took for each of QUESTIONS meanwhile, in ms."""
    taken: Dict[str, List[float]] = {method: [] for method in QUESTIONS}
    with Control(gateway.socket) as control:
        while not taken["system.info"] or is_going_on():
            for method, params in QUESTIONS.items():
                began = time.perf_counter()
                control.call(method, **params)
                taken[method].append(1e3 * (time.perf_counter() - began))
                time.sleep(0.002)
    return taken


def rows(pools: int, each: int, wish: Wish) -> Iterator[Row]:
    memory = []
    answers: Dict[str, List[float]] = {method: [] for method in QUESTIONS}
    turns: List[List[Tuple[float, float]]] = [[], []]
    with contextlib.ExitStack() as stack:
        site = stack.enter_context(Site("large", wish.scratch, whole_frames=True))
        files = Files(site.directory / "targets", pools, each)
        for end in ("edge0", "core0"):
            site.middle.sysctl(f"net.ipv4.conf.{end}.arp_ignore=8")
        gateway = stack.enter_context(Gateway(site.directory / "gateway", files.configuration(), site.middle))
        stack.enter_context(on_cpu(MAIN_CPU))  # who writes and asks shall not take the worker's CPU away

        def updates() -> int:
            return gateway.call("source.list")[0]["updates"]

        def change_all(before: int) -> None:
            files.write_all()
            eventually(lambda: updates() >= before + pools, "all are there", PATIENCE)

        began = time.perf_counter()
        change_all(0)
        load = time.perf_counter() - began
        for _ in range(wish.rounds):
            files.round += 1
            flood = functools.partial(change_all, updates())
            for part, work in zip(turns, (flood, functools.partial(time.sleep, 2 * wish.seconds))):
                seen = LongTurns(gateway)
                with beside(work) as process:
                    taken = answers_while(gateway, process.is_alive)
                part.append(seen.longest_and_long())
                if work is flood:
                    for method, times in taken.items():
                        answers[method].append(hundredth(times))
        memory.append(resident_mib(gateway.process.pid))
    of = f"{pools * each} instances over {pools} pools"
    during, at_rest = turns
    yield Row("sources", f"{of}: first load", "s", [load], more_is_better=False, command="type: file")
    for method, p99 in answers.items():
        yield Row("sources", f"{of}: answer of {method} while all are applied, p99", "ms", p99, more_is_better=False,
                  command=method).demand_figure(20)  # fmt: skip
    yield Row("sources", f"{of}: longest turn of a worker while all are applied, at most", "us",
              [longest for longest, _ in during], "nothing changes", [longest for longest, _ in at_rest],
              more_is_better=False, command="sluice_worker_long_turn_seconds").demand_figure(200)  # fmt: skip
    yield Row("sources", f"{of}: turns above 200 us while all are applied", "1/s", [count for _, count in during],
              "nothing changes", [count for _, count in at_rest], more_is_better=False,
              command="sluice_worker_long_turn_seconds")  # fmt: skip
    yield Row("sources", f"{of}: memory", "MiB", memory, more_is_better=False, command="sluiced: VmRSS")


def measurements(wish: Wish) -> Iterator[Measurement]:
    yield Measurement("sources", "large", functools.partial(rows, POOLS, EACH, wish))
