"""Health checks against real servers, and what happens when the checker itself is what fails."""

import copy
import os
import resource
import signal
import subprocess
import sys
import time

import pytest

from conftest import wireless_configuration
from control import Control
from gateway import Gateway
from namespaces import Namespace, owner_tag
from processes import eventually, spawn, stop

OWN4, BACKEND4, NOBODY4 = "198.18.30.2", "198.18.30.11", "198.18.30.99"
OWN6, BACKEND6, NOBODY6 = "2001:db8:30::2", "2001:db8:30::11", "2001:db8:30::99"
PORT = 8080
QUICK = {"interval": "100ms", "timeout": "1s", "rise": 1, "fall": 1}


class Site:
    """A gateway's namespace and a backend's, with one wire between them that only checks use."""

    def __init__(self, directory):
        self.directory = directory
        self.gateway, self.backend = (Namespace(role, owner_tag()) for role in ("checker", "checked"))
        self.gateway.ip("link", "add", "health0", "type", "veth",
                        "peer", "name", "eth0", "netns", self.backend.name)  # fmt: skip
        self.plug()
        for address in (BACKEND4 + "/24", BACKEND6 + "/64"):
            self.backend.ip("address", "add", address, "dev", "eth0")
        self.backend.ip("link", "set", "eth0", "up")

    def plug(self):
        self.gateway.ip("link", "set", "health0", "up")
        for address in (OWN4 + "/24", OWN6 + "/64"):
            self.gateway.ip("address", "replace", address, "dev", "health0")

    def unplug(self):
        """No interface, so no route: to IPv6 neither."""
        self.gateway.ip("address", "flush", "dev", "health0")
        self.gateway.ip("link", "set", "health0", "down")

    def serve(self, *command):
        """A server in the backend's namespace."""
        return self.backend.spawn(*command, log=self.directory / "server.log")

    def serve_http(self, address):
        server = self.serve(sys.executable, "-m", "http.server", "--bind", address, PORT)
        eventually(lambda: f":{PORT} " in self.backend.run("ss", "-Hltn").stdout, "the server listens")
        return server

    def start(self, health, *addresses, name="checked", **sections):
        """A gateway with one pool whose backends have these addresses."""
        config = {
            **wireless_configuration(self.directory.name),
            "pools": [
                {
                    "name": "web",
                    "backends": [{"address": address, "port": PORT} for address in addresses],
                    "health": {**QUICK, **health},
                }
            ],
            **sections,
        }
        self.sluiced = Gateway(self.directory / name, config, self.gateway)
        return self.sluiced.start()

    def remove(self):
        for namespace in (self.gateway, self.backend):
            namespace.remove()


@pytest.fixture
def site(tmp_path):
    made = Site(tmp_path)
    yield made
    made.remove()


def states(control):
    """State and reason of each backend, in the order of the list."""
    return [(row["state"], row["reason"]) for row in control.call("backend.list")]


def await_row(control, state, reason, what, seconds=20):
    """Waits until every backend is in that state for a reason that begins so."""

    def all_are():
        rows = states(control)
        return rows and all(found == state and why.startswith(reason) for found, why in rows)

    try:
        eventually(all_are, what, seconds)
    except TimeoutError as error:
        raise TimeoutError(f"{error}: {states(control)}") from None


def checks(gateway, result):
    return gateway.metrics()[f'sluice_health_checks_total{{pool="web",result="{result}"}}']


def open_descriptors(gateway):
    return [int(name) for name in os.listdir(f"/proc/{gateway.process.pid}/fd")]


def test_no_route_is_not_the_backends_fault(site):
    for address in (BACKEND4, BACKEND6):
        site.serve_http(address)
    gateway = site.start({"type": "http", "path": "/"}, BACKEND4, BACKEND6)
    with Control(gateway.socket) as control:
        await_row(control, "active", "HTTP status 200", "both pass")
        since = [row["since"] for row in control.call("backend.list")]
        for _ in range(2):
            site.unplug()
            await_row(control, "active", "unknown: network is unreachable", "it is said")
            time.sleep(1)
            await_row(control, "active", "unknown: network is unreachable", "and it stays so")
            site.plug()
            await_row(control, "active", "HTTP status 200", "both are checked again")
        assert [row["since"] for row in control.call("backend.list")] == since


def test_what_is_down_stays_down_without_a_route(site):
    gateway = site.start({"type": "tcp"}, BACKEND4)
    with Control(gateway.socket) as control:
        await_row(control, "down", "connection refused", "nobody listens")
        site.unplug()
        await_row(control, "down", "unknown: network is unreachable", "the last state holds")


@pytest.mark.parametrize("kind", ["unreachable", "prohibit", "blackhole"])
def test_a_route_that_leads_nowhere_is_no_fault_either(site, kind):
    site.serve_http(BACKEND4)
    site.gateway.ip("route", "add", kind, BACKEND4 + "/32")
    gateway = site.start({"type": "tcp"}, BACKEND4)
    with Control(gateway.socket) as control:
        await_row(control, "active", "unknown: ", "a backend that was never checked is active")
        site.gateway.ip("route", "del", kind, BACKEND4 + "/32")
        await_row(control, "active", "connected", "it is checked now")


def test_a_cut_link_is_not_the_backends_fault(site):
    site.serve_http(BACKEND4)
    gateway = site.start({"type": "tcp"}, BACKEND4)
    with Control(gateway.socket) as control:
        await_row(control, "active", "connected", "it passes")
        site.backend.ip("link", "set", "eth0", "down")
        await_row(control, "active", "unknown: the link of health0 is down", "the wire is what failed")


@pytest.mark.parametrize("timeout", ["500ms", "10s"], ids=["before ARP gives up", "after"])
def test_a_neighbor_that_answers_no_arp_is_down(site, timeout):
    gateway = site.start({"type": "tcp", "timeout": timeout}, NOBODY4, NOBODY6)
    with Control(gateway.socket) as control:
        reason = "timed out after 500 ms" if timeout == "500ms" else "no route to host"
        await_row(control, "down", reason, "it was asked and did not answer", 30)


def test_without_descriptors_nobody_goes_down(site):
    site.serve_http(BACKEND4)
    gateway = site.start({"type": "http", "path": "/", "interval": "50ms"}, BACKEND4)
    with Control(gateway.socket) as control:
        await_row(control, "active", "HTTP status 200", "it passes")
        _, hard = resource.prlimit(gateway.process.pid, resource.RLIMIT_NOFILE)
        lowest = min(set(range(4096)) - set(open_descriptors(gateway)))
        resource.prlimit(gateway.process.pid, resource.RLIMIT_NOFILE, (lowest, hard))
        await_row(control, "active", "unknown: too many open files", "it is said")
        time.sleep(1)
        await_row(control, "active", "unknown: too many open files", "and it stays so")
        resource.prlimit(gateway.process.pid, resource.RLIMIT_NOFILE, (hard, hard))
        await_row(control, "active", "HTTP status 200", "it is checked again")


def test_the_soft_limit_of_descriptors_is_raised_and_checks_stay_below_it(site):
    """Silent backends hold a descriptor each for the whole timeout."""
    listener = "import socket, time\ns = socket.create_server(('', 8080), backlog=512)\ntime.sleep(1000)"
    site.serve(sys.executable, "-c", listener)
    few = 128
    config_health = {"type": "http", "path": "/", "timeout": "30s", "interval": "30s"}
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    backends = [f"198.18.31.{number}" for number in range(1, 121)]
    site.backend.ip("address", "add", "198.18.31.1/24", "dev", "eth0")
    site.backend.ip("route", "add", "local", "198.18.31.0/24", "dev", "lo")
    site.gateway.ip("route", "add", "198.18.31.0/24", "via", BACKEND4)
    resource.setrlimit(resource.RLIMIT_NOFILE, (few // 2, few))
    try:
        gateway = site.start(config_health, *backends)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (before[0], before[1]))
    assert resource.prlimit(gateway.process.pid, resource.RLIMIT_NOFILE) == (few, few)
    eventually(lambda: len(open_descriptors(gateway)) > few // 4, "checks are under way")
    for _ in range(50):
        with Control(gateway.socket) as control:  # there is room for others
            assert all(state == "active" for state, _ in states(control))
        time.sleep(0.02)


def test_a_gateway_that_was_stopped_for_a_while_blames_nobody(site):
    site.serve_http(BACKEND4)
    gateway = site.start({"type": "http", "path": "/", "timeout": "500ms", "interval": "10ms"}, BACKEND4)
    with Control(gateway.socket) as control:
        await_row(control, "active", "HTTP status 200", "it passes")
        since = control.call("backend.list")[0]["since"]
        for _ in range(5):
            gateway.process.send_signal(signal.SIGSTOP)
            time.sleep(1.2)
            gateway.process.send_signal(signal.SIGCONT)
            time.sleep(0.1)
        await_row(control, "active", "HTTP status 200", "it passes")
        assert control.call("backend.list")[0]["since"] == since


def log_of(gateway, *words):
    """The lines of the gateway's log that have all these words."""
    return [line for line in gateway.log.read_text().splitlines() if all(word in line for word in words)]


def test_the_log_says_who_died_and_who_came_back(site):
    service = {
        "name": "www",
        "address": "203.0.113.10",
        "port": 80,
        "forward": "dnat",
        "pool": "web",
    }
    site.backend.ip("address", "add", "198.18.30.12/24", "dev", "eth0")
    servers = {address: site.serve_http(address) for address in (BACKEND4, "198.18.30.12")}
    gateway = site.start({"type": "http", "path": "/"}, *servers, services=[service])
    with Control(gateway.socket) as control:
        await_row(control, "active", "HTTP status 200", "both pass")
        for server in servers.values():
            server.kill()
            server.wait()
        await_row(control, "down", "connection refused", "both are down")
    for address in servers:
        words = ("pool=web", f"address={address}", "port=8080", "from=active to=down", "connection refused")
        assert len(log_of(gateway, "warning: backend is down", *words)) == 1
    eventually(lambda: log_of(gateway, "error: pool has nobody left: pool=web backends=2"), "the pool's line")
    where = "service=www address=203.0.113.10/32 port=80 protocol=tcp pool=web"
    assert len(log_of(gateway, f"error: service has nobody left: {where}")) == 1
    verbose = gateway.get("/readyz?verbose").stdout.splitlines()
    assert "[-]pool/web failed: 0 of 2 backends are available" in verbose
    assert "[+]configuration ok: generation 1" in verbose and verbose[-1] == "readyz check passed"
    assert gateway.get("/readyz").stdout == "ready, generation 1\n"
    samples = gateway.metrics()
    assert samples['sluice_pool_available_backends{pool="web"}'] == 0
    assert samples[f'sluice_backend_transitions_total{{pool="web",backend="{BACKEND4}:8080"}}'] == 1

    site.serve_http(BACKEND4)
    eventually(lambda: log_of(gateway, "info: pool is back: pool=web backends=2 available=1"), "it is back")
    assert len(log_of(gateway, f"info: service is back: {where}")) == 1
    assert len(log_of(gateway, "info: backend is active", BACKEND4, "from=down to=active")) == 1
    assert "[+]pool/web ok: 1 of 2 backends are available" in gateway.get("/readyz?verbose").stdout
    assert checks(gateway, "passed") > 0 and checks(gateway, "failed") > 0 and checks(gateway, "unknown") == 0


def test_many_deaths_are_few_lines(site):
    """Every address of a network that one host has, all refused at once."""
    site.backend.ip("route", "add", "local", "198.18.32.0/22", "dev", "lo")
    site.gateway.ip("route", "add", "198.18.32.0/22", "via", BACKEND4)
    backends = [f"198.18.{32 + number // 250}.{1 + number % 250}" for number in range(1000)]
    gateway = site.start({"type": "tcp", "interval": "1s"}, *backends)
    with Control(gateway.socket) as control:
        await_row(control, "down", "connection refused", "all are down", 60)
    eventually(lambda: log_of(gateway, "more lines about backends were left out"), "what is missing is said")
    assert len(log_of(gateway, "backend is down")) < 900
    assert log_of(gateway, "pool has nobody left: pool=web backends=1000")
    assert checks(gateway, "failed") >= 1000


def test_what_cannot_be_checked_is_said_once_and_counted(site):
    gateway = site.start({"type": "tcp", "interval": "50ms"}, BACKEND4)
    site.unplug()
    eventually(lambda: checks(gateway, "unknown") > 5, "checks go on")
    lines = log_of(gateway, "backend cannot be checked", "unknown: network is unreachable")
    assert len(lines) == 1
    site.plug()
    eventually(lambda: log_of(gateway, "connection refused"), "it is checked again")
