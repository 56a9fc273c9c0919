"""Changes of the configuration and deaths of backends, under traffic."""

import contextlib
import copy
import http.client
import signal
import socket
import struct
import time

import pytest

from configuration import SERVICES
from lab import PATIENCE
from processes import eventually

BY_NAME = {service.name: service for service in SERVICES}
FULL_NAT = BY_NAME["full-nat-tcp4"]
ECHO = BY_NAME["full-nat-udp4"]


def pool_of(config, name):
    return next(pool for pool in config["pools"] if pool["name"] == name)


def with_pool(config, name, **changes):
    """The configuration with one pool changed."""
    changed = copy.deepcopy(config)
    pool_of(changed, name).update(changes)
    return changed


def with_weights(config, name, weights):
    backends = pool_of(config, name)["backends"]
    return with_pool(
        config, name, backends=[{**backend, "weight": w} for backend, w in zip(backends, weights)]
    )


def answered_by(lab, service, times=40):
    """The names of those who answered, one for each request; fails if a request went unanswered.

    Each request has a port of its own, so one of three backends has none of 40 once in three million runs.
    """
    answers = lab.ask(service, times)
    assert len(answers) == times
    return {answer.backend for answer in answers}


class Flow:
    """One flow of the UDP client that asks again and again."""

    def __init__(self, lab, service=ECHO):
        self.socket = lab.udp_socket(service)

    def backend(self):
        self.socket.send(b"again")
        return self.socket.recv(2048).decode().split()[0]


class KeptConnection:
    """One HTTP connection that is kept alive."""

    def __init__(self, lab, service=FULL_NAT):
        with lab.client.entered():
            self.connection = http.client.HTTPConnection(service.vip, service.port, timeout=PATIENCE)
            self.connection.connect()
        # Whenever Python closes it, by RST: that begins no flow, as a FIN does that meets the next test's gateway.
        self.connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def backend(self):
        self.connection.request("GET", "/")
        return self.connection.getresponse().read().decode().split()[0]


@contextlib.contextmanager
def wrk_without_a_failure(lab, log):
    """wrk asks the service all the time, on connections that are kept; afterwards no request has failed."""
    wrk = lab.client.spawn("wrk", "-t", "1", "-c", "16", "-d", "300s", "--timeout", "20s", lab.url(FULL_NAT), log=log)
    yield
    wrk.send_signal(signal.SIGINT)
    wrk.wait(20)
    said = log.read_text()
    assert "requests in" in said and " 0 requests in" not in said, said
    assert "Socket errors" not in said and "Non-2xx" not in said, said


@pytest.mark.alone
def test_wrk_sees_no_failure_during_a_thousand_applies(lab, gateway, tmp_path):
    before = gateway.call("config.get")["generation"]
    with wrk_without_a_failure(lab, tmp_path / "wrk.log"):
        started = time.monotonic()
        for round_ in range(1000):
            # Shares move between all backends; established flows stay where they are.
            weights = [1 + round_ % 3, 2, 3 - round_ % 3]
            gateway.call("config.apply", config=with_weights(gateway.config, FULL_NAT.pool, weights))
        print(f"1000 applies took {time.monotonic() - started:.2f} s")
    assert gateway.call("config.get")["generation"] >= before + 1000


def test_established_flows_stay_while_shares_and_neighbors_change(lab, gateway):
    udp = [Flow(lab) for _ in range(20)]
    tcp = [KeptConnection(lab) for _ in range(20)]
    homes = [flow.backend() for flow in udp + tcp]
    assert len(set(homes)) == 3
    for weights in ([9, 1, 1], [1, 9, 1], [1, 1, 100], [5, 1, 1]):
        config = with_weights(gateway.config, FULL_NAT.pool, weights)
        gateway.call("config.apply", config=with_weights(config, ECHO.pool, weights))
        assert [flow.backend() for flow in udp + tcp] == homes
    # Without the third backend its flows alone move.
    kept = with_pool(gateway.config, ECHO.pool, backends=pool_of(gateway.config, ECHO.pool)["backends"][:2])
    gateway.call("config.apply", config=kept)
    for flow, home in zip(udp, homes):
        assert flow.backend() == home if home != "b3" else flow.backend() in ("b1", "b2")


@pytest.mark.parametrize("state", ["draining", "maintenance"])
def test_a_backend_that_leaves_gets_no_new_flows(lab, gateway, state):
    flows = [Flow(lab) for _ in range(12)] + [KeptConnection(lab) for _ in range(12)]
    homes = [flow.backend() for flow in flows]
    assert "b1" in homes
    for pool in (ECHO.pool, FULL_NAT.pool):
        port = pool_of(gateway.config, pool)["backends"][0]["port"]
        gateway.call("backend.set", pool=pool, address=lab.backends[0].address4, port=port, state=state)
    assert answered_by(lab, ECHO) | answered_by(lab, FULL_NAT) == {"b2", "b3"}
    for flow, home in zip(flows[:12], homes):
        if state == "draining" or home != "b1":
            assert flow.backend() == home
        else:
            assert flow.backend() in ("b2", "b3")
    if state == "draining":
        assert [flow.backend() for flow in flows[12:]] == homes[12:]


def test_sluicectl_drains_and_activates(lab, gateway):
    backend = f"{lab.backends[0].address4}:8080"
    for verb, expected in (("drain", {"b2", "b3"}), ("activate", {"b1", "b2", "b3"})):
        assert gateway.ctl("backend", verb, FULL_NAT.pool, backend).returncode == 0
        assert answered_by(lab, FULL_NAT) == expected


@pytest.mark.parametrize(
    "check", [{"type": "http", "path": "/healthz"}, {"type": "tcp"}], ids=["http", "tcp"]
)
def test_a_dead_backend_is_left_and_comes_back(lab, gateway, check):
    health = {**check, "port": 8080, "interval": "200ms", "timeout": "2s", "rise": 2, "fall": 2}
    gateway.call("config.apply", config=with_pool(gateway.config, FULL_NAT.pool, health=health))

    def state(address):
        rows = gateway.call("backend.list", pool=FULL_NAT.pool)
        return next(row for row in rows if row["address"] == address)

    victim = lab.backends[1]
    assert state(victim.address4)["state"] == "active"
    victim.nginx.kill()
    victim.nginx.wait()
    eventually(lambda: state(victim.address4)["state"] == "down", "the health check sees the death")
    assert state(victim.address4)["reason"]
    assert answered_by(lab, FULL_NAT) == {"b1", "b3"}
    victim.start_nginx()
    eventually(lambda: state(victim.address4)["state"] == "active", "the health check sees the return")
    assert "b2" in answered_by(lab, FULL_NAT)


@pytest.mark.parametrize("fail_open", [False, True])
def test_with_every_backend_down(lab, gateway, fail_open):
    """Nobody listens on the checked port, while the service's port works."""
    health = {"type": "tcp", "port": 9, "interval": "100ms", "timeout": "100ms", "rise": 1, "fall": 1}
    config = with_pool(gateway.config, ECHO.pool, health=health, fail_open=fail_open)
    gateway.call("config.apply", config=config)

    def all_down():
        return all(row["state"] == "down" for row in gateway.call("backend.list", pool=ECHO.pool))

    eventually(all_down, "every backend is seen down")
    before = gateway.call("drops.get")["no_backend"]
    if fail_open:
        assert answered_by(lab, ECHO) == {"b1", "b2", "b3"}
    else:
        with lab.udp_socket(ECHO) as sock:
            sock.send(b"anybody?")
            eventually(lambda: gateway.call("drops.get")["no_backend"] > before, "the drop is counted")


def test_sighup_applies_the_file(lab, gateway):
    before = gateway.call("config.get")["generation"]
    changed = with_pool(
        gateway.config, FULL_NAT.pool, backends=[{"address": lab.backends[2].address4, "port": 8080}]
    )
    gateway.write(changed)
    gateway.reload()
    eventually(lambda: gateway.call("config.get")["generation"] > before, "the file is applied")
    assert answered_by(lab, FULL_NAT) == {"b3"}


def test_sighup_with_a_bad_file_leaves_the_old_generation(lab, gateway):
    before = gateway.call("config.get")["generation"]
    logged = len(gateway.log.read_text())
    gateway.file.write_text(gateway.file.read_text().replace("pool: tcp4", "pool: nobody", 1))
    gateway.reload()
    eventually(lambda: gateway.metrics()["sluice_config_last_apply_successful"] == 0, "the refusal shows")
    assert f"{gateway.file}:" in gateway.await_line("nobody", after=logged)
    assert gateway.log.read_text()[logged:].count("nobody") == 1
    assert gateway.call("config.get")["generation"] == before
    assert answered_by(lab, FULL_NAT) == {"b1", "b2", "b3"}


def test_rollback_brings_the_old_generation_back(lab, gateway):
    before = gateway.call("config.get")
    gateway.call("config.apply", config=with_weights(gateway.config, FULL_NAT.pool, [0, 0, 1]))
    assert answered_by(lab, FULL_NAT) == {"b3"}
    generations = [entry["generation"] for entry in gateway.call("config.history")]
    assert before["generation"] in generations
    gateway.call("config.rollback", generation=before["generation"])
    assert answered_by(lab, FULL_NAT) == {"b1", "b2", "b3"}
    assert gateway.call("config.get")["config"] == before["config"]


def test_a_restart_brings_everything_back(lab, gateway):
    assert answered_by(lab, FULL_NAT)
    assert gateway.stop() == 0
    assert not gateway.socket.exists()
    gateway.start()
    assert answered_by(lab, FULL_NAT) == {"b1", "b2", "b3"}


def test_a_killed_gateway_starts_again_over_its_own_socket(lab, gateway):
    gateway.process.kill()
    gateway.process.wait()
    assert gateway.socket.exists()
    gateway.start()
    assert answered_by(lab, FULL_NAT) == {"b1", "b2", "b3"}
