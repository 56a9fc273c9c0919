#!/usr/bin/python3
"""Sluice's consul source beside a real Consul agent: after each of many random changes of services, weights, tags and
checks, and after restarts of the agent with what it kept, the source has what was registered, and Consul's own DNS
says the same, as Sluice's dns source hears it.

`./dev interop consul` runs it. Consul is built from its Go module into build-interop/: 1.14, the last under an open
licence whose modules can be had by name alone.
"""

import argparse
import json
import pathlib
import random
import shutil
import sys
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))

from interop import KEPT, Source, differing, free_port, go_program, outcome  # noqa: E402  pylint: disable=C0413
from processes import eventually, spawn, stop  # noqa: E402  pylint: disable=wrong-import-position

VERSION = "v1.14.11"
SERVICES = ("web", "api")
TAG = "v2"


class Consul:
    """One agent that is its own cluster, and keeps what it knows over a restart."""

    def __init__(self):
        self.program = go_program(
            "consul", "github.com/hashicorp/consul", VERSION, "github.com/hashicorp/consul", replaced={}
        )
        self.directory = KEPT / "consul-data"
        shutil.rmtree(self.directory, ignore_errors=True)
        self.directory.mkdir()
        self.http, self.dns = free_port(), free_port()
        ports = {name: free_port() for name in ("server", "serf_lan", "serf_wan")}
        (self.directory / "agent.json").write_text(json.dumps({
            "server": True, "bootstrap": True, "bind_addr": "127.0.0.1", "node_name": "only",
            "data_dir": str(self.directory / "data"), "disable_update_check": True,
            "ports": {"http": self.http, "dns": self.dns, "grpc": -1, "grpc_tls": -1, **ports},
            "dns_config": {"enable_truncate": True, "udp_answer_limit": 100},
            "performance": {"raft_multiplier": 1}, "leave_on_terminate": False,
        }))  # fmt: skip
        self.start()

    def start(self) -> None:
        words = ("agent", "-config-file", self.directory / "agent.json")
        self.process = spawn(self.program, *words, log=self.directory / "log")
        eventually(self.has_leader, f"Consul has a leader; see {self.directory}/log", 60)

    def restart(self) -> None:
        self.process.kill()
        self.process.wait()
        self.start()

    def has_leader(self) -> bool:
        try:
            return len(self.ask("GET", "/v1/status/leader")) > 2
        except OSError:
            return False

    def ask(self, method: str, path: str, body: object = None) -> bytes:
        content = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.http}{path}", data=content, method=method)
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.read()


class Registered:
    """Random changes, and what is to be seen of them."""

    def __init__(self, consul: Consul, chance: random.Random):
        self.consul, self.chance = consul, chance
        self.instances: dict = {}

    def change(self) -> None:
        kinds = [self.register] if len(self.instances) < 3 else [self.register, self.register, self.judge, self.judge,
                                                                self.deregister]  # fmt: skip
        self.chance.choice(kinds)()

    def register(self) -> None:
        chance = self.chance
        service, host = chance.choice(SERVICES), chance.randint(1, 12)
        name = f"{service}-{host}"
        weights = {"Passing": chance.randint(1, 9), "Warning": chance.randint(1, 9)}
        one = {
            "Name": service, "ID": name, "Address": f"10.20.0.{host}", "Port": 8080 + host % 3, "Weights": weights,
            "Tags": [TAG] if chance.random() < 0.5 else [],
            "Check": {"CheckID": f"service:{name}", "TTL": "1h", "Status": "passing"},
        }  # fmt: skip
        self.consul.ask("PUT", "/v1/agent/service/register", one)
        # Who registers again keeps the state of the check.
        self.instances[name] = {**one, "state": self.instances.get(name, {"state": "passing"})["state"]}

    def judge(self) -> None:
        name = self.chance.choice(sorted(self.instances))
        state = self.chance.choice(["passing", "warning", "critical"])
        self.consul.ask("PUT", f"/v1/agent/check/update/service:{name}", {"Status": state})
        self.instances[name]["state"] = state

    def judge_again(self) -> None:
        """A restarted agent does not know the state of every check."""
        for name, one in self.instances.items():
            self.consul.ask("PUT", f"/v1/agent/check/update/service:{name}", {"Status": one["state"]})

    def deregister(self) -> None:
        name = self.chance.choice(sorted(self.instances))
        self.consul.ask("PUT", f"/v1/agent/service/deregister/{name}")
        del self.instances[name]

    def expected(self) -> dict:
        def seen(service: str, tag: str = "") -> dict:
            return {
                f"{one['Address']} {one['Port']}": (one["Weights"][one["state"].capitalize()], True)
                for one in self.instances.values()
                if one["Name"] == service and one["state"] != "critical" and (not tag or tag in one["Tags"])
            }

        return {**{service: seen(service) for service in SERVICES}, "tagged": seen("web", TAG)}


def main(words) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args(words)
    consul = Consul()
    over_http = Source(
        {"type": "consul", "endpoints": [f"http://127.0.0.1:{consul.http}"]},
        {**{service: {"service": service} for service in SERVICES}, "tagged": {"service": "web", "tag": TAG}},
    )
    over_dns = Source(
        {"type": "dns", "endpoints": [f"127.0.0.1:{consul.dns}"], "min_ttl": 100, "max_ttl": 200},
        {**{service: {"name": f"{service}.service.consul", "is_srv": True} for service in SERVICES},
         "tagged": {"name": f"{TAG}.web.service.consul", "is_srv": True}},
    )  # fmt: skip
    registered = Registered(consul, random.Random(arguments.seed))
    differences, restarts = 0, 0
    try:
        for number in range(arguments.rounds):
            registered.change()
            if number % 50 == 49:
                consul.restart()
                registered.judge_again()
                restarts += 1
            wrong = differing({"consul": over_http.endpoints, "dns": over_dns.endpoints}, registered.expected())
            if wrong:
                differences += 1
                print(f"change {number}: {', '.join(wrong)} differ(s) from what was registered", file=sys.stderr)
    finally:
        for process in (over_http.process, over_dns.process, consul.process):
            stop(process, 5)
    print(
        f"consul: Consul {VERSION[1:]}: instances, weights by check and tags after {arguments.rounds} random changes and "
        f"{restarts} restarts, over its HTTP API and its DNS: {outcome(differences)}"
    )
    return 0 if differences == 0 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
