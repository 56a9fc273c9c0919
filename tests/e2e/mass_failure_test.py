"""Five hundred backends of five hundred pools die within a second, among 10,000 services of 10 backends: all of
it is live soon after, and the control loop goes on meanwhile. Times are reported, not asserted."""

import re
import sys
import threading
import time

import pytest

from control import Control
from gateway import Gateway
from namespaces import Namespace, owner_tag
from processes import eventually
from scale_test import BACKENDS_EACH, many_services, report
from wireless import wireless_configuration

pytestmark = pytest.mark.alone

CHECKED_POOLS, PORT = 500, 7000
MORTAL = "198.19.0.0/22"  # the first backend of each checked pool
SECONDS = 180
HEALTH = {"type": "tcp", "port": PORT, "interval": "1s", "timeout": "500ms", "rise": 1, "fall": 1}

SERVER = f"""
import socket
server = socket.create_server(("", {PORT}), backlog=4096)
while True:
    server.accept()[0].close()
"""


def mortal(index):
    return f"198.19.{index // 250}.{1 + index % 250}"


def configuration(name):
    config = {**wireless_configuration(name), **many_services()}
    for index, pool in enumerate(config["pools"][:CHECKED_POOLS]):
        pool["backends"][0]["address"] = mortal(index)
        pool["health"] = HEALTH
    return config


class Heartbeat:
    """Asks the control loop something small over and over; knows the longest time that an answer took."""

    def __init__(self, gateway):
        self.longest = 0.0
        self._ends = False
        self._control = Control(gateway.socket, timeout=SECONDS)
        self._thread = threading.Thread(target=self._run)

    def _run(self):
        while not self._ends:
            started = time.monotonic()
            self._control.call("system.info")
            self.longest = max(self.longest, time.monotonic() - started)
            time.sleep(0.005)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ends = True
        self._thread.join()
        self._control.socket.close()


@pytest.fixture
def site(tmp_path):
    checker, backends = (Namespace(role, owner_tag()) for role in ("checker", "checked"))
    gateway = Gateway(tmp_path / "gateway", configuration(tmp_path.name), checker)
    try:
        checker.ip("link", "add", "health0", "type", "veth", "peer", "name", "eth0", "netns", backends.name)
        ends = ((checker, "health0", "198.18.30.2/24"), (backends, "eth0", "198.18.30.1/24"))
        for namespace, device, address in ends:
            namespace.ip("address", "add", address, "dev", device)
            namespace.ip("link", "set", device, "up")
        checker.ip("route", "add", "198.18.0.0/15", "via", "198.18.30.1")
        backends.ip("route", "add", "local", "198.18.128.0/17", "dev", "lo")
        backends.ip("route", "add", "local", MORTAL, "dev", "lo")
        backends.spawn(sys.executable, "-c", SERVER, log=tmp_path / "server.log")
        eventually(lambda: f":{PORT} " in backends.run("ss", "-Hltn").stdout, "the server listens")
        gateway.start(seconds=SECONDS)
        yield gateway, backends
    finally:
        gateway.stop()
        for namespace in (checker, backends):
            namespace.remove()


def samples(gateway, name):
    """The samples of /metrics whose name begins so."""
    url = f"http://{gateway.config['http']['listen']}/metrics"
    text = gateway.namespace.run("curl", "-sS", "-m", SECONDS, url, timeout=SECONDS).stdout
    lines = [line.rsplit(" ", 1) for line in text.splitlines() if line.startswith(name)]
    return {series: float(value) for series, value in lines}


def long_steps(gateway):
    """How many steps of the control loop took 50 ms of CPU time or more."""
    steps = samples(gateway, "sluice_control_step_seconds")
    return steps["sluice_control_step_seconds_count"] - steps['sluice_control_step_seconds_bucket{le="0.05"}']


def available(gateway):
    """Of each checked pool, how many backends take new flows."""
    found = samples(gateway, "sluice_pool_available_backends")
    number = {int(re.search(r"pool-(\d+)", series)[1]): value for series, value in found.items()}
    return [number[index] for index in range(CHECKED_POOLS)]


def are_all(gateway, wanted):
    """Quick: asks pool by pool, and begins with the last ones."""
    with Control(gateway.socket, timeout=SECONDS) as control:
        return all(
            control.call("backend.list", pool=f"pool-{index}")[0]["state"] == wanted
            for index in reversed(range(CHECKED_POOLS))
        )


def shares_of_mortals(gateway):
    """What the first backends of some of the checked pools have in what packets meet."""
    return [gateway.call("backend.list", pool=f"pool-{index}")[0]["share"] for index in (0, 250, CHECKED_POOLS - 1)]


def has_all_been_checked(gateway):
    passed = samples(gateway, 'sluice_health_checks_total{pool="pool-')
    return sum(value for series, value in passed.items() if "passed" in series) >= CHECKED_POOLS * BACKENDS_EACH


def test_five_hundred_deaths_within_a_second_are_live_soon(site, capsys):
    gateway, backends = site
    eventually(lambda: has_all_been_checked(gateway), "everybody has passed", SECONDS)
    before, generation = long_steps(gateway), gateway.call("system.info")["generation"]
    # A machine that stalls fails checks, too: for a while somebody else may be down.
    eventually(lambda: available(gateway) == [BACKENDS_EACH] * CHECKED_POOLS, "everybody is available", SECONDS)
    for state, change, left in (("down", "del", BACKENDS_EACH - 1), ("active", "add", BACKENDS_EACH)):
        with Heartbeat(gateway) as heartbeat:
            started = time.monotonic()
            backends.ip("route", change, "local", MORTAL, "dev", "lo")
            eventually(lambda: are_all(gateway, state), f"all {CHECKED_POOLS} are {state}", SECONDS)
            seconds = time.monotonic() - started
        report(
            capsys,
            f"{CHECKED_POOLS} backends of as many pools {state}: all live after {seconds:.1f} s (checks every 1 s, "
            f"given up after 0.5 s); longest answer of the control loop meanwhile {heartbeat.longest * 1000:.0f} ms",
        )

        def have_met_packets():
            return available(gateway) == [left] * CHECKED_POOLS and all(
                (share == 0) == (state == "down") for share in shares_of_mortals(gateway)
            )

        eventually(have_met_packets, f"all {CHECKED_POOLS}, and they alone, are {state} for packets", SECONDS)
    assert long_steps(gateway) == before
    assert gateway.call("system.info")["generation"] == generation
