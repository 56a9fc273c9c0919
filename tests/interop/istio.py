#!/usr/bin/python3
"""Sluice's xds source beside a real Istio: pilot-discovery with ServiceEntry and VirtualService files of its own, after each
of many random changes of which the source has the endpoints and weights, and the listeners, that the files say.

`./dev interop istio` runs it. pilot-discovery is built from its Go module into build-interop/, and so is the
kube-apiserver beside it, which this version does not start without.
"""

import argparse
import os
import pathlib
import random
import shutil
import sys
import urllib.request

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))

from interop import KEPT, Source, differing, free_port, go_program, outcome  # noqa: E402  pylint: disable=C0413
from kubernetes_cluster import Cluster  # noqa: E402  pylint: disable=wrong-import-position
from processes import eventually, spawn, stop  # noqa: E402  pylint: disable=wrong-import-position

VERSION = "v0.0.0-20260827124520-eed52ebb66ad"
HOSTS = ("web", "api", "mail")
PORT = 8080
# A sidecar's, to which Istio offers a listener for the address of each TCP service.
NODE = "sidecar~127.0.0.1~edge-1.default~default.svc.cluster.local"


def vip(host: str) -> str:
    return f"198.18.60.{1 + HOSTS.index(host)}"


def cluster(host: str) -> str:
    return f"outbound|{PORT}||{host}.test"


class Istio:
    def __init__(self):
        program = go_program(
            "pilot-discovery", "istio.io/istio", VERSION, "istio.io/istio/pilot/cmd/pilot-discovery", replaced={}
        )
        self.directory = KEPT / "istio-data"
        shutil.rmtree(self.directory, ignore_errors=True)
        (self.directory / "config").mkdir(parents=True)
        self.cluster = Cluster("istio-kubernetes-data")
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "istio-system"}}
        self.cluster.ask("POST", "/api/v1/namespaces", namespace)
        self.http, self.grpc = free_port(), free_port()
        settings = {"PILOT_CERT_PROVIDER": "none", "ENABLE_CA_SERVER": "false", "PILOT_DEBOUNCE_AFTER": "10ms",
                    "POD_NAMESPACE": "istio-system", "PILOT_ENABLE_ANALYSIS": "false"}  # fmt: skip
        self.process = spawn(
            program, "discovery", "--kubeconfig", self.cluster.kubeconfig(), "--configDir", self.directory / "config", "--domain", "cluster.local",
            "--httpAddr", f"127.0.0.1:{self.http}", "--grpcAddr", f"127.0.0.1:{self.grpc}", "--httpsAddr", "",
            "--secureGRPCAddr", "", "--monitoringAddr", f"127.0.0.1:{free_port()}", "--ctrlz_port", "0",
            log=self.directory / "log", cwd=self.directory, env={**os.environ, **settings},
        )  # fmt: skip
        eventually(self.is_ready, f"pilot-discovery is ready; see {self.directory}/log", 60)

    def close(self) -> None:
        stop(self.process, 10)
        self.cluster.close()

    def is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.http}/ready", timeout=5) as answer:
                return answer.status == 200
        except OSError:
            return False

    def write(self, documents: list) -> None:
        """As configuration management does it."""
        file = self.directory / "config" / "all.yaml"
        fresh = self.directory / "all.new"
        fresh.write_text(yaml.safe_dump_all(documents))
        fresh.rename(file)


class Described:
    """Random services, and what is to be seen of them."""

    def __init__(self, chance: random.Random):
        self.chance = chance
        self.endpoints: dict = {}
        self.routes: dict = {}

    def change(self) -> None:
        chance = self.chance
        host = chance.choice(HOSTS)
        kind = chance.random()
        if kind < 0.1 and len(self.endpoints) > 1:
            self.endpoints.pop(host, None)
            self.routes = {
                source: weights for source, weights in self.routes.items() if source != host and host not in weights
            }
        elif kind < 0.3 and host in self.endpoints:
            others = chance.sample(sorted(self.endpoints), chance.randint(1, len(self.endpoints)))
            self.routes[host] = {other: chance.randint(1, 99) for other in others}
        else:
            numbers = chance.sample(range(1, 30), chance.randint(1, 6))
            self.endpoints[host] = {f"10.40.{HOSTS.index(host)}.{number}": chance.randint(1, 9) for number in numbers}

    def documents(self) -> list:
        def of(kind: str, host: str, spec: dict) -> dict:
            return {"apiVersion": "networking.istio.io/v1", "kind": kind,
                    "metadata": {"name": host, "namespace": "default"}, "spec": spec}  # fmt: skip

        entries = [
            of("ServiceEntry", host, {
                "hosts": [f"{host}.test"], "addresses": [vip(host)], "location": "MESH_EXTERNAL", "resolution": "STATIC",
                "ports": [{"number": PORT, "name": "tcp", "protocol": "TCP"}],
                "endpoints": [{"address": address, "weight": weight} for address, weight in endpoints.items()],
            })
            for host, endpoints in self.endpoints.items()
        ]  # fmt: skip
        routes = [
            of("VirtualService", host, {
                "hosts": [f"{host}.test"],
                "tcp": [{"route": [
                    {"destination": {"host": f"{other}.test", "port": {"number": PORT}}, "weight": weight}
                    for other, weight in weights.items()
                ]}],
            })
            for host, weights in self.routes.items()
        ]  # fmt: skip
        return entries + routes

    def expected(self) -> dict:
        seen: dict = {
            host: {f"{address} {PORT}": (weight, True) for address, weight in self.endpoints.get(host, {}).items()}
            for host in HOSTS
        }
        seen["listeners"] = {}
        for host in self.endpoints:
            weights = self.routes.get(host, {host: 1})
            targets = {cluster(other): weight if len(weights) > 1 else 1 for other, weight in weights.items()}
            seen["listeners"][vip(host)] = [PORT, targets]
        return seen


def view_of(source: Source) -> dict:
    """Listeners by their address: of those that Istio adds for itself, none is at a service's."""
    found = dict(source.endpoints())
    addresses = [vip(host) for host in HOSTS]
    found["listeners"] = {at: [port, targets] for at, port, targets in found["listeners"].values() if at in addresses}
    return found


def main(words) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args(words)
    istio = Istio()
    sources = {
        name: Source(
            {"type": "xds", "endpoints": [f"127.0.0.1:{istio.grpc}"], "node_id": NODE, "node_cluster": "edge",
             "delta": name == "delta"},
            {**{host: {"cluster": cluster(host)} for host in HOSTS}, "listeners": "services"},
        )
        for name in ("state of the world", "delta")
    }  # fmt: skip
    views = {name: lambda source=source: view_of(source) for name, source in sources.items()}
    described = Described(random.Random(arguments.seed))
    differences = 0
    try:
        for number in range(arguments.rounds):
            described.change()
            istio.write(described.documents())
            wrong = differing(views, described.expected())
            if wrong:
                differences += 1
                reasons = [source.last_reason for source in sources.values()]
                print(f"change {number}: {', '.join(wrong)} differ(s) from the files: {reasons}", file=sys.stderr)
    finally:
        for source in sources.values():
            stop(source.process, 5)
        istio.close()
    print(
        f"istio: pilot-discovery {VERSION[1:]}: endpoints, weights and listeners after {arguments.rounds} random changes of "
        f"ServiceEntry and VirtualService, state of the world and delta: {outcome(differences)}"
    )
    return 0 if differences == 0 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
