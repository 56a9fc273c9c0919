#!/usr/bin/python3
"""Sluice's kubernetes source beside a real kube-apiserver on a real etcd: after each of many random changes of
EndpointSlices, with compactions of etcd and restarts of the API server between, the source has what was written.

`./dev interop kubernetes` runs it. kube-apiserver is built from its Go module into build-interop/; etcd is Debian's.
"""

import argparse
import pathlib
import random
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))

from interop import Source, differing, outcome  # noqa: E402  pylint: disable=wrong-import-position
from kubernetes_cluster import VERSION, Cluster  # noqa: E402  pylint: disable=wrong-import-position
from processes import stop  # noqa: E402  pylint: disable=wrong-import-position

SLICES = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
SERVICES = ("web", "api")


class Written:
    """Random changes of slices, and what is to be seen of them."""

    def __init__(self, cluster: Cluster, chance: random.Random):
        self.cluster, self.chance = cluster, chance
        self.slices: dict = {}

    def change(self) -> None:
        chance = self.chance
        if self.slices and chance.random() < 0.25:
            name = chance.choice(sorted(self.slices))
            self.cluster.ask("DELETE", f"{SLICES}/{name}")
            del self.slices[name]
            return
        service, number = chance.choice(SERVICES), chance.randint(1, 4)
        name = f"{service}-{number}"
        made = self.made(name, service, number)
        if name in self.slices:
            self.cluster.ask("PUT", f"{SLICES}/{name}", made)
        else:
            self.cluster.ask("POST", SLICES, made)
        self.slices[name] = made

    def made(self, name: str, service: str, number: int) -> dict:
        chance = self.chance
        is_v6 = number == 4

        def endpoint(host: int) -> dict:
            conditions = {}
            for word in ("ready", "serving", "terminating"):
                if chance.random() < 0.6:
                    conditions[word] = chance.random() < 0.6
            address = f"2001:db8:{number}::{host}" if is_v6 else f"10.30.{number}.{host}"
            return {"addresses": [address], "conditions": conditions}

        hosts = chance.sample(range(1, 30), chance.randint(0, 6))
        ports = [{"name": "http", "port": 8080 + number, "protocol": "TCP"}, {"name": "other", "port": 9000, "protocol": "TCP"}]
        return {
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv6" if is_v6 else "IPv4",
            "metadata": {"name": name, "labels": {"kubernetes.io/service-name": service}},
            "endpoints": [endpoint(host) for host in hosts], "ports": ports,
        }  # fmt: skip

    def expected(self) -> dict:
        """Ready, or of that nothing is said: new flows; serving and terminating without it: they drain."""
        seen: dict = {service: {} for service in SERVICES}
        for made in self.slices.values():
            found = seen[made["metadata"]["labels"]["kubernetes.io/service-name"]]
            port = made["ports"][0]["port"]
            for endpoint in made["endpoints"]:
                conditions = endpoint["conditions"]
                ready = conditions.get("ready", True)
                drains = conditions.get("serving", ready) and conditions.get("terminating", False)
                if ready or drains:
                    found[f"{endpoint['addresses'][0]} {port}"] = (1, ready)
        return seen


def main(words) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args(words)
    cluster = Cluster("kubernetes-data")
    source = Source(
        {"type": "kubernetes", "endpoints": [f"https://127.0.0.1:{cluster.port}"],
         "token_file": str(cluster.directory / "token"), "ca": str(cluster.authority())},
        {service: {"namespace": "default", "service": service, "port": "http"} for service in SERVICES},
    )  # fmt: skip
    written = Written(cluster, random.Random(arguments.seed))
    differences = restarts = compactions = 0
    try:
        for number in range(arguments.rounds):
            written.change()
            if number % 20 == 19:
                cluster.compact()
                compactions += 1
            if number % 70 == 69:
                cluster.restart()
                restarts += 1
            wrong = differing({"kubernetes": source.endpoints}, written.expected())
            if wrong:
                differences += 1
                print(f"change {number}: it differs from what was written; last: {source.last_reason}", file=sys.stderr)
    finally:
        stop(source.process, 5)
        cluster.close()
    print(
        f"kubernetes: kube-apiserver {VERSION[1:]}: endpoints of EndpointSlices and their conditions after "
        f"{arguments.rounds} random changes, {compactions} compactions and {restarts} restarts: {outcome(differences)}"
    )
    return 0 if differences == 0 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
