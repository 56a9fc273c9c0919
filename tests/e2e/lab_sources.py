"""The lab's registries: an etcd and a DNS server beside the gateway, whose own clients add and remove backends while the
lab's client looks where its requests go."""

import copy
import pathlib
from typing import Any, Callable, Dict, List, NamedTuple

from configuration import NAT_PORTS, LabService
from lab_ledger import Row
from processes import eventually
from registries import LOOPBACK, Etcd, Knot, Server, missing
from topology import BACKENDS, VIP4, backend4

REQUESTS = 8
PORT = NAT_PORTS["tcp"]
PATIENCE = 60  # seconds, until a change has arrived


class Registry(NamedTuple):
    """A registry of the lab and how its own client changes what it has: by the number of a backend."""

    service: LabService
    source: Dict[str, Any]
    discover: Dict[str, Any]
    server: Server
    add: Callable[[int], None]
    remove: Callable[[int], None]
    said: Callable[[str, int], str]  # what was typed for it


def _etcd(server: Etcd) -> Registry:
    def said(word: str, number: int) -> str:
        value = f" {backend4(number)}:{PORT}" if word == "put" else ""
        return f"etcdctl {word} services/web/{number}{value}"

    return Registry(
        LabService("etcd", "full-nat", "tcp", f"{VIP4}60", "etcd"),
        {"name": "etcd", "type": "etcd", "endpoints": [server.url]},
        {"source": "etcd", "prefix": "services/web/"},
        server,
        lambda number: server.put(f"services/web/{number}", f"{backend4(number)}:{PORT}"),
        lambda number: server.ctl("del", f"services/web/{number}"),
        lambda word, number: said("put" if word == "add" else "del", number),
    )


def _dns(server: Knot) -> Registry:
    def record(number: int) -> str:
        return f"web.x.test. 1 A {backend4(number)}"

    return Registry(
        LabService("dns", "full-nat", "tcp", f"{VIP4}61", "dns"),
        {"name": "dns", "type": "dns", "servers": [f"{LOOPBACK}:{Knot.port}"], "min_ttl": "100ms"},
        {"source": "dns", "name": "web.x.test", "record": "address", "port": PORT},
        server,
        lambda number: server.update(f"add {record(number)}"),
        lambda number: server.update(f"del {record(number).replace(' 1 ', ' ')}"),
        lambda word, number: f"knsupdate: {'add' if word == 'add' else 'del'} {record(number)}",
    )


class SourcesRound:
    """Registries of the lab, those that are installed, and pools of its gateway that are theirs."""

    def __init__(self, lab):
        self.lab = lab
        work = pathlib.Path(lab.work)
        self.registries: List[Registry] = []
        if not missing("etcd", "etcdctl"):
            self.registries.append(_etcd(Etcd(lab.topology.gateway, work / "etcd")))
        if not missing("knotd", "knsupdate", "kdig"):
            (work / "knot").mkdir()
            self.registries.append(_dns(Knot(lab.topology.gateway, work / "knot", "")))
        for registry in self.registries:
            registry.server.start()

    def close(self) -> None:
        for registry in self.registries:
            registry.server.kill()

    def configure(self) -> None:
        """Has the gateway take them up, while it runs."""
        config = copy.deepcopy(self.lab.gateway.config)
        for one in self.registries:
            service = one.service
            config.setdefault("sources", []).append(one.source)
            config["pools"].append({"name": service.pool, "discover": one.discover})
            config["services"].append(
                {"name": service.name, "address": service.vip, "port": service.port, "pool": service.pool}
            )
        self.lab.gateway.write(config)
        self.lab.gateway.call("config.apply", config=config)

    def rows(self) -> List[Row]:
        """Adds two backends and removes one, in each registry."""
        return [
            self._change(registry, word, number, set(expected))
            for registry in self.registries
            for word, number, expected in (("add", 1, {1}), ("add", 2, {1, 2}), ("remove", 1, {2}))
        ]

    def _change(self, registry: Registry, word: str, number: int, expected: set) -> Row:
        done = registry.said(word, number)
        names = {BACKENDS[one - 1] for one in expected}
        (registry.add if word == "add" else registry.remove)(number)
        try:
            eventually(lambda: self._members(registry) == {backend4(one) for one in expected}, done, PATIENCE)
        except TimeoutError as error:
            return Row(done, str(error), False)
        by: Dict[str, int] = {}
        for answer in self.lab.ask(registry.service, REQUESTS):
            by[answer.backend] = by.get(answer.backend, 0) + 1
        outcome = " ".join(f"{name}:{count}" for name, count in sorted(by.items()))
        is_right = sum(by.values()) == REQUESTS and set(by) <= names
        return Row(done, f"requests to {registry.service.vip} go to {outcome}", is_right)

    def _members(self, registry: Registry) -> set:
        rows = self.lab.gateway.call("backend.list", pool=registry.service.pool)
        return {row["address"] for row in rows if row["state"] == "active"}

    def commands(self) -> List[str]:
        """To try by hand: the third backend, which nobody has named yet."""
        inside = f"ip netns exec {self.lab.topology.gateway.name}"
        lines = []
        for one in self.registries:
            if isinstance(one.server, Etcd):
                lines.append(f"{inside} etcdctl --endpoints={one.server.url} put services/web/3 {backend4(3)}:{PORT}")
            else:
                update = f"server {LOOPBACK} {Knot.port}\\nzone x.test.\\nadd web.x.test. 1 A {backend4(3)}\\nsend\\n"
                lines.append(f"printf '{update}' | {inside} knsupdate")
        return lines


def show_sources(sources: SourcesRound) -> bool:
    """Prints what was done to the registries and where traffic went, and says whether all was right."""
    if not sources.registries:
        print("\nbackends from registries: neither etcd nor knot is installed")
        return True
    sources.configure()
    print("\nbackends from registries")
    all_right = True
    for row in sources.rows():
        all_right &= row.is_right
        print(f"  {row.done:<64} {row.outcome}" if row.is_right else f"  {row.done:<64} wrong: {row.outcome}")
    return all_right
