"""Health checks `via: service`: they fail where the service's packets would, in tunnels and by direct.

The backends' kernels, nginx and the decapsulator are the other side. A decapsulator that is stopped is what
`via: backend` does not see.
"""

import copy
import os
import re
import signal
import subprocess

import pytest

from configuration import ECHO_PORT, HTTP_PORT, SERVICES, LabService, pool_backends
from control import Control
from processes import eventually
from topology import CORE4

QUICK = {"interval": "200ms", "timeout": "2s", "rise": 1, "fall": 2}
HTTP = {"type": "http", "path": "/healthz", "expect_body": "ok"}
UDP = {"type": "udp", "send": "are you there", "expect": "are you there"}
MARTIANS = 'sluice_dropped_packets_total{reason="malformed_l3"}'
PASSED = re.compile(r'sluice_health_checks_total\{pool=".*",result="passed"\}')
WHOLE = [service for service in SERVICES if service.mode in ("ipip", "gue", "direct")]


def check_of(service: LabService) -> dict:
    return HTTP if service.protocol == "tcp" else UDP


def pool_of(service: LabService, name: str, **health) -> dict:
    backends = [{"address": backend.address} for backend in pool_backends(service.pool)]
    check = {**QUICK, **check_of(service), **health}
    check = {key: value for key, value in check.items() if value is not None}
    return {"name": name, "backends": backends, "health": check}


def configure(gateway, services, via="service", balancers=0, **health):
    """Each of these services gets a pool of its own, which is checked, and is asked for by nobody else."""
    config = copy.deepcopy(gateway.config)
    config["gateway"]["lb_workers"] = config["gateway"]["workers"][:1] * balancers
    config["pools"] = [pool_of(service, service.name, via=via, **health) for service in services]
    names = {service.name for service in services}
    config["services"] = [{**row, "pool": row["name"]} for row in config["services"] if row["name"] in names]
    gateway.stop()
    gateway.write(config)
    gateway.start()


def rows(gateway):
    with Control(gateway.socket) as control:
        return {(row["pool"], row["address"]): (row["state"], row["reason"]) for row in control.call("backend.list")}


def await_rows(gateway, is_right, what, seconds=60):
    try:
        eventually(lambda: all(is_right(*key, *row) for key, row in rows(gateway).items()), what, seconds)
    except TimeoutError as error:
        raise TimeoutError(f"{error}: {rows(gateway)}") from None


def decapsulators(backend):
    """The pids of a backend's decapsulator."""
    pids = subprocess.run(["ip", "netns", "pids", backend.namespace.name], capture_output=True, text=True, check=True)
    found = []
    for pid in map(int, pids.stdout.split()):
        with open(f"/proc/{pid}/cmdline", "rb") as line:
            if b"decapsulate.py" in line.read():
                found.append(pid)
    assert found
    return found


@pytest.fixture
def broken(lab):
    """The first backend takes nothing out of tunnels any more; all else of it works."""
    pids = decapsulators(lab.backends[0])
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    yield lab.backends[0]
    for pid in pids:
        os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize("balancers", [0, 3], ids=["where packets are received", "balancers apart"])
def test_checks_pass_through_every_mode_and_family(lab, gateway, balancers):
    configure(gateway, WHOLE, balancers=balancers)
    expected = {"tcp": "HTTP status 200", "udp": "answered"}

    def is_right(pool, _, state, reason):
        protocol = "tcp" if "-tcp" in pool else "udp"
        return (state, reason) == ("active", f"through service {pool}: {expected[protocol]}")

    await_rows(gateway, is_right, "every backend passes through its service")
    for service in WHOLE:
        assert len(lab.ask(service, 3)) == 3  # and so do clients
    # Answers come from a service's address, which nobody else may send from: only one to the gateway before this
    # one, which is sent again, is a martian.
    metrics = gateway.metrics()
    passed = sum(count for name, count in metrics.items() if PASSED.fullmatch(name))
    assert metrics.get(MARTIANS, 0) < passed / 4


def test_a_backend_that_cannot_decapsulate_is_down_by_way_of_the_service_alone(lab, gateway, broken):
    tunnels = [service for service in WHOLE if service.mode != "direct"]
    gone = (broken.address4, broken.address6)

    configure(gateway, WHOLE)

    def is_right(pool, address, state, reason):
        if pool in {service.name for service in tunnels} and address in gone:
            return state == "down" and reason.startswith(f"through service {pool}: timed out after 2000 ms")
        return state == "active" and reason.startswith(f"through service {pool}: ")

    await_rows(gateway, is_right, "only who cannot decapsulate is down, and only in tunnels")
    for service in tunnels:
        answers = lab.ask(service, 6)
        assert len(answers) == 6 and broken.name not in {answer.backend for answer in answers}


def test_a_plain_check_does_not_see_it(lab, gateway, broken):
    """Which is what `via: service` is for: the port that answers is not the way that packets go."""
    gue = next(service for service in WHOLE if service.name == "gue-tcp4")
    configure(gateway, [gue], via="backend", port=HTTP_PORT)
    await_rows(gateway, lambda *row: row[2:] == ("active", "HTTP status 200"), "every backend passes")
    eventually(lambda: len(lab.ask(gue, 3, patience=3)) < 3, "a request goes to who cannot decapsulate", 60)


def test_a_backend_comes_back_when_it_decapsulates_again(lab, gateway):
    gue = [service for service in WHOLE if service.name in ("gue-tcp4", "gue-udp6")]
    configure(gateway, gue, timeout="500ms")
    await_rows(gateway, lambda *row: row[2] == "active" and "through" in row[3], "all pass")
    pids = decapsulators(lab.backends[1])
    gone = (lab.backends[1].address4, lab.backends[1].address6)
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        await_rows(gateway, lambda *row: row[2] == ("down" if row[1] in gone else "active"), "it goes down")
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
    await_rows(gateway, lambda *row: row[2] == "active", "it is back")


def test_a_pool_of_several_services_is_checked_through_all(lab, gateway, broken):
    """One pool behind direct and gue: whoever fails in one of them is down, and it is said in which."""
    config = copy.deepcopy(gateway.config)
    names = ("direct-tcp4", "gue-tcp4")
    gue = next(service for service in WHOLE if service.name == "gue-tcp4")
    config["pools"] = [pool_of(gue, "both", via="service", timeout="500ms")]
    config["services"] = [{**row, "pool": "both"} for row in config["services"] if row["name"] in names]
    gateway.stop()
    gateway.write(config)
    gateway.start()

    def is_right(_, address, state, reason):
        if address == broken.address4:
            return state == "down" and reason.startswith("through service gue-tcp4: timed out")
        return (state, reason) == ("active", "through service gue-tcp4: HTTP status 200")

    await_rows(gateway, is_right, "it is down for the one that fails")


def test_a_port_that_nobody_listens_at_is_refused_through_the_tunnel(lab, gateway):
    gue = next(service for service in WHOLE if service.name == "gue-udp6")
    configure(gateway, [gue], type="tcp", port=7, send=None, expect=None)
    await_rows(
        gateway,
        lambda *row: row[2] == "down" and row[3].startswith("through service gue-udp6: connection refused"),
        "nobody listens there",
    )


def test_a_large_answer_comes_whole_through_a_tunnel(lab, gateway):
    large = next(service for service in WHOLE if service.name == "ipip-tcp4")
    files = [backend.directory / "large" for backend in lab.backends]
    for file in files:
        file.write_text("x" * 50_000 + "the end" + "y" * 500_000)
    try:
        configure(gateway, [large], path="/large", expect_body="the end")
        passed = ("active", "through service ipip-tcp4: HTTP status 200")
        await_rows(gateway, lambda *row: row[2:] == passed, "the text is found")
    finally:
        for backend in lab.backends:
            backend.fill_large()


def test_a_forged_answer_from_a_vip_is_a_martian_still(lab, gateway):
    """Who does not know the port of a check cannot speak for a backend, nor reach the gateway's kernel."""
    gue = next(service for service in WHOLE if service.name == "gue-udp4")
    configure(gateway, [gue])
    before = gateway.metrics()[MARTIANS]
    backend = lab.backends[0].namespace
    script = (
        "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); "
        f"s.bind(('{gue.vip}', {ECHO_PORT + 1})); "
        f"[s.sendto(b'x', ('{CORE4}1', port)) for port in range(1024, 1524)]"
    )
    backend.run("python3", "-c", script)
    eventually(
        lambda: gateway.metrics()[MARTIANS] >= before + 490,
        "they are dropped",
    )
    await_rows(gateway, lambda *row: row[2] == "active", "and nobody minds")
