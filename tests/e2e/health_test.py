"""Health checks when the checker itself is what fails, and what the log says of them."""

import os
import resource
import signal
import sys
import time

import pytest

from control import Control
from health_site import BACKEND4, BACKEND6, NOBODY4, NOBODY6, PORT, HealthSite, await_row, states
from processes import eventually

# Each request is under way for a while.
SLOW_SERVER = """
import http.server, sys, time
class Slow(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        time.sleep(0.3)
        self.send_response(200)
        self.end_headers()
http.server.ThreadingHTTPServer((sys.argv[1], int(sys.argv[2])), Slow).serve_forever()
"""


@pytest.fixture
def site(tmp_path):
    made = HealthSite(tmp_path)
    yield made
    made.remove()


def checks(gateway, result):
    return gateway.metrics()[f'sluice_health_checks_total{{pool="web",result="{result}"}}']


def open_descriptors(gateway):
    return [int(name) for name in os.listdir(f"/proc/{gateway.process.pid}/fd")]


def test_no_route_is_not_the_backends_fault(site):
    for address in (BACKEND4, BACKEND6):
        site.serve_http(address)
    # The first SYN over a link that has just come up may be lost: there is time for a second. A request that is under way
    # as the link goes has no answer, rightly: that is one.
    gateway = site.start({"type": "http", "path": "/", "timeout": "10s", "fall": 2}, BACKEND4, BACKEND6)
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

        def has_none():
            # Again and again: a check that is under way has one, which the next would have then.
            lowest = min(set(range(4096)) - set(open_descriptors(gateway)))
            resource.prlimit(gateway.process.pid, resource.RLIMIT_NOFILE, (lowest, hard))
            return all(found == "active" and why.startswith("unknown: too many open files") for found, why in states(control))

        eventually(has_none, "it is said")
        time.sleep(1)
        await_row(control, "active", "unknown: too many open files", "and it stays so")
        resource.prlimit(gateway.process.pid, resource.RLIMIT_NOFILE, (hard, hard))
        await_row(control, "active", "HTTP status 200", "it is checked again")


def test_the_soft_limit_of_descriptors_is_raised_to_the_hard_one(site):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        gateway = site.start({"type": "http", "path": "/"}, BACKEND4)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert resource.prlimit(gateway.process.pid, resource.RLIMIT_NOFILE) == (hard, hard)


@pytest.mark.alone
def test_a_gateway_that_was_stopped_for_a_while_blames_nobody(site):
    """The server is stopped with it: a check that was under way has no answer when the gateway finds it too late."""
    server = site.serve(sys.executable, "-c", SLOW_SERVER, BACKEND4, PORT)
    gateway = site.start({"type": "http", "path": "/", "timeout": "4s", "interval": "10ms"}, BACKEND4)
    with Control(gateway.socket) as control:
        await_row(control, "active", "HTTP status 200", "it passes")
        since = control.call("backend.list")[0]["since"]
        for _ in range(10):
            for process in (gateway.process, server):
                process.send_signal(signal.SIGSTOP)
            time.sleep(5.5)
            for process in (server, gateway.process):
                process.send_signal(signal.SIGCONT)
            await_row(control, "active", "HTTP status 200", "it passes")
            if checks(gateway, "unknown") > 0:
                break
        assert control.call("backend.list")[0]["since"] == since
    assert checks(gateway, "unknown") > 0, "no check was under way"


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
    gateway = site.start({"type": "http", "path": "/", "timeout": "20s"}, *servers, services=[service])
    with Control(gateway.socket) as control:
        await_row(control, "active", "HTTP status 200", "both pass")
        for server in servers.values():
            server.kill()
            server.wait()
        await_row(control, "down", "connection refused", "both are down")
    gateway.await_line("error: pool has nobody left: pool=web backends=2")
    for address in servers:
        words = ("pool=web", f"address={address}", "port=8080", "from=active to=down", "connection refused")
        assert len(log_of(gateway, "warning: backend is down", *words)) == 1
    where = "service=www address=203.0.113.10/32 port=80 protocol=tcp pool=web"
    gateway.await_line(f"error: service has nobody left: {where}")
    assert len(log_of(gateway, "error: service has nobody left")) == 1
    verbose = gateway.get("/readyz?verbose").stdout.splitlines()
    assert "[-]pool/web failed: 0 of 2 backends are available" in verbose
    assert "[+]configuration ok: generation 1" in verbose and verbose[-1] == "readyz check passed"
    assert gateway.get("/readyz").stdout == "ready, generation 1\n"
    samples = gateway.metrics()
    assert samples['sluice_pool_available_backends{pool="web"}'] == 0
    assert samples[f'sluice_backend_transitions_total{{pool="web",backend="{BACKEND4}:8080"}}'] == 1

    site.serve_http(BACKEND4)
    gateway.await_line("info: pool is back: pool=web backends=2 available=1")
    gateway.await_line(f"info: service is back: {where}")
    assert len(log_of(gateway, "info: service is back")) == 1
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
    gateway.await_line("pool has nobody left: pool=web backends=1000")
    assert checks(gateway, "failed") >= 1000


def test_what_cannot_be_checked_is_said_once_and_counted(site):
    gateway = site.start({"type": "tcp", "interval": "50ms"}, BACKEND4)
    site.unplug()
    eventually(lambda: checks(gateway, "unknown") > 5, "checks go on")
    gateway.await_line("backend cannot be checked")
    lines = log_of(gateway, "backend cannot be checked", "unknown: network is unreachable")
    assert len(lines) == 1
    site.plug()
    eventually(lambda: log_of(gateway, "connection refused"), "it is checked again")
