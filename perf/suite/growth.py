"""What grows with the configuration and the flows: the time of a change, and memory. How the worker's time for a
packet grows with flows, backends and services is in `units`."""

import contextlib
import functools
import json
import pathlib
import statistics
import tempfile
import time
from typing import Any, Dict, Iterator

from control import Control
from gateway import Gateway, boot_section, eal_arguments
from measure import Measurement, Row, Wish

SERVICES = (1, 10, 100, 1000, 10_000, 100_000)
BACKENDS, OF_THE_MOST = 10, 2  # of each service; where there are most of them, what a request has room for
FLOW_ENTRIES = (1 << 16, 1 << 18, 1 << 20, 1 << 22)
FIRST, *_ = SERVICES
TARGETED = 10_000
SETTINGS = 10
BETWEEN_CHANGES = 0.03  # seconds: publications are 10 ms apart, and that is not what is measured
ROUNDS_OF_THE_MOST = 3  # they take seconds each
PATIENCE = 120


def backends_of(services: int) -> int:
    return OF_THE_MOST if services == SERVICES[-1] else BACKENDS


def configuration(services: int, **boot: Any) -> Dict[str, Any]:
    """So many services, each over backends of its own, on a port without a wire."""
    pools = [
        {"name": f"pool-{index}", "table_size": 1021,
         "backends": [{"address": f"198.{18 + index // 60_000}.{128 + index % 100}.{1 + each}",
                       "port": 1024 + index % 60_000} for each in range(backends_of(services))]}
        for index in range(services)
    ]  # fmt: skip
    return {
        "gateway": boot_section("bench", **boot),
        "ports": [{"name": "edge0", "device": "net_null0,no-rx=1", "addresses": ["198.18.10.1/24"]}],
        "pools": pools,
        "services": [
            {"name": f"service-{index}", "address": f"203.0.113.{index % 250}", "port": 1024 + index // 250,
             "protocol": "tcp", "forward": "dnat", "pool": f"pool-{index}"}
            for index in range(services)
        ],
    }  # fmt: skip


def resident_mib(pid: int) -> float:
    """Memory of a process that is really there."""
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


def apply_ms(control: Control, config: Dict[str, Any]) -> float:
    """How long config.apply takes, from the request's first byte to the answer."""
    request = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "config.apply", "params": {"config": config}},
                         separators=(",", ":")).encode()  # fmt: skip
    began = time.perf_counter()
    control.send(request + b"\n")
    answer = control.receive()
    taken = time.perf_counter() - began
    if answer is None or "error" in answer:
        raise RuntimeError(f"config.apply: {answer}")
    return 1e3 * taken


def of_a_change(services: int, wish: Wish) -> Iterator[Row]:
    """config.apply of all services at once, where there was one, and of the whole with the first pool's weight changed;
    backend.set of one backend; and the memory of it all."""
    rounds = min(wish.rounds, ROUNDS_OF_THE_MOST) if services == SERVICES[-1] else max(2, wish.rounds)
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory(dir=wish.scratch))
        gateway = stack.enter_context(Gateway(pathlib.Path(directory), configuration(FIRST)))
        control = stack.enter_context(Control(gateway.socket, timeout=PATIENCE))
        whole = {**configuration(services), "control": gateway.config["control"]}
        changing = whole["pools"][0]["backends"][0]
        first = apply_ms(control, whole)
        memory = resident_mib(gateway.process.pid)

        def apply_change() -> float:
            changing["weight"] = 3 - changing.get("weight", 1)
            return apply_ms(control, whole)

        name = {"pool": "pool-0", "address": changing["address"], "port": changing["port"]}

        def set_weight(weight: int) -> float:
            time.sleep(BETWEEN_CHANGES)
            began = time.monotonic()
            control.call("backend.set", **name, weight=weight)
            return 1e3 * (time.monotonic() - began)

        times = [apply_change() for _ in range(rounds)]
        settings = [[set_weight(10 + number) for number in range(SETTINGS)] for _ in range(wish.rounds)]
    yield Row("growth", f"apply, {services} services at once", "ms", [first], more_is_better=False, command="config.apply")
    yield Row("growth", f"apply, one pool of {services} changed", "ms", times, more_is_better=False,
              curve="apply by services", at=services, command="config.apply")  # fmt: skip
    setting = Row("growth", f"backend.set among {services} services, median", "ms",
                  [statistics.median(turn) for turn in settings], more_is_better=False, command="backend.set")  # fmt: skip
    yield setting.demand_figure(2) if services == TARGETED else setting
    yield Row("growth", f"memory, {services} services of {backends_of(services)} backends", "MiB", [memory],
              more_is_better=False, curve="memory by services", at=services, command="sluiced: VmRSS")  # fmt: skip


def of_flows(entries: int, wish: Wish) -> Iterator[Row]:
    """Memory of a gateway whose worker has room for so many flows."""
    megabytes = 160 + entries * 128 // 2**20
    boot = {"flow_table_entries": entries, "eal": eal_arguments(megabytes)}
    with tempfile.TemporaryDirectory(dir=wish.scratch) as directory:
        with Gateway(pathlib.Path(directory), configuration(FIRST, **boot)) as gateway:
            memory = resident_mib(gateway.process.pid)
    yield Row("growth", f"memory, room for {entries} flows", "MiB", [memory], more_is_better=False,
              curve="memory by flows", at=entries, command="sluiced: VmRSS")  # fmt: skip


def measurements(wish: Wish) -> Iterator[Measurement]:
    for services in SERVICES:
        yield Measurement("growth", f"{services} services", functools.partial(of_a_change, services, wish))
    for entries in FLOW_ENTRIES:
        yield Measurement("growth", f"{entries} flows", functools.partial(of_flows, entries, wish))
