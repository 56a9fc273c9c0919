"""Inspection before real clients and servers: what a rule drops, resets and counts, rules that change by themselves,
and ten thousand of them applied while everything else goes on."""

import contextlib
import copy
import os
import socket
import threading
import time

import pytest

from changes_test import FULL_NAT, wrk_without_a_failure
from control import Control
from lab import PATIENCE
from processes import eventually, stop
from topology import CLIENT4

VIP, PORT = FULL_NAT.vip, FULL_NAT.port

CURL_WAS_RESET = 56


def rules(test):
    """Of one test alone: what clients of another one still send again is none of its business."""
    return [
        {"id": 1001, "pattern": f"/etc/passwd?{test}", "literal": True, "action": "drop"},
        {"id": 1002, "pattern": "user-agent: *sqlmap", "flags": "i", "action": "reset"},
        {"id": 1003, "pattern": f"^GET /beta/{test}", "action": "count"},
    ]


def inspected(gateway, **inspection):
    """The lab's configuration with an inspection of its full-nat service."""
    config = copy.deepcopy(gateway.config)
    config["inspections"] = [{"name": "edge", **inspection}]
    service = next(one for one in config["services"] if one["name"] == FULL_NAT.name)
    service["inspect"] = "edge"
    return config


def curl(lab, path, *more):
    done = lab.client.run("curl", "-sS", "-m", str(PATIENCE), *more, lab.url(FULL_NAT, path), check=False)
    return done.returncode


@contextlib.contextmanager
def unanswered(lab, path, *more):
    """A request that has no answer a second after what is done meanwhile, which is to find that it came."""
    asking = lab.client.spawn("curl", "-sS", "-m", "60", *more, lab.url(FULL_NAT, path))
    try:
        yield
        time.sleep(1)
        assert asking.poll() is None
    finally:
        stop(asking)


def matches(gateway, rule):
    return gateway.metrics()[f'sluice_inspection_matches_total{{inspection="edge",rule="{rule}"}}']


@pytest.mark.parametrize("mode", ["stream", "packet"])
def test_rules_drop_reset_and_count_what_a_client_asks_for(lab, gateway, mode):
    gateway.call("config.apply", config=inspected(gateway, mode=mode, rules=rules(mode)))
    port = {"stream": 41001, "packet": 41002}[mode]
    assert curl(lab, "/") == 0
    assert curl(lab, f"/beta/{mode}") == 0
    eventually(lambda: matches(gateway, 1003) == 1, "it is counted")
    with unanswered(lab, f"/?f=../../etc/passwd?{mode}", "--local-port", str(port)):
        eventually(lambda: matches(gateway, 1001) == 1, "it is counted")
    told = gateway.call("trace.explain", source=CLIENT4, source_port=port, destination=VIP, destination_port=PORT,
                        protocol="tcp")  # fmt: skip
    assert told["drop_reason"] == "inspected"
    assert "inspected: edge rule 1001" in told["text"]
    assert told["rules"] == [{"kind": "inspection", "name": "edge", "detail": "inspected: edge rule 1001"}]
    assert curl(lab, "/", "-A", "SQLmap/1.7") == CURL_WAS_RESET
    eventually(lambda: matches(gateway, 1002) == 1, "it is counted")
    assert gateway.call("drops.get")["inspected"] > 0
    [row] = gateway.call("inspection.list")
    assert (row["name"], row["mode"], row["state"]) == ("edge", mode, "ready")
    assert [rule["matches"] for rule in row["rules"]] == [1, 1, 1]
    assert lab.ask(FULL_NAT)


def test_a_pattern_is_found_over_packet_borders(lab, gateway):
    gateway.call("config.apply", config=inspected(gateway, rules=rules("cut")))
    with lab.client.entered():
        connection = socket.create_connection((VIP, PORT))
    with connection:
        for piece in (b"GET /?/etc/", b"pass", b"wd?cut HTTP/1.0\r\n\r\n"):
            connection.send(piece)
            time.sleep(0.05)
        connection.settimeout(1)
        with pytest.raises(OSError):
            connection.recv(1)
    eventually(lambda: matches(gateway, 1001) == 1, "it is counted")


def test_a_file_of_rules_counts_once_it_has_changed_and_a_bad_one_leaves_the_old_rules(lab, gateway, tmp_path):
    path = tmp_path / "edge.rules"
    path.write_text("# none yet\n2001:/nothing of this kind/ drop\n")
    gateway.call("config.apply", config=inspected(gateway, rules_file=f"file:{path}"))
    generation = gateway.call("config.get")["generation"]
    assert curl(lab, "/forbidden") == 0

    def replace(text):
        fresh = path.with_suffix(".new")
        fresh.write_text(text)
        os.replace(fresh, path)

    replace("2002:/get /forbidden/i reset\n")
    eventually(lambda: [rule["id"] for rule in gateway.call("inspection.list")[0]["rules"]] == [2002], "new rules")
    assert curl(lab, "/forbidden") == CURL_WAS_RESET
    assert gateway.call("config.get")["generation"] == generation

    replace("2002:/get /forbidden/i reset\n2003:/(/ drop\n")
    failures = 'sluice_inspection_read_failures_total{inspection="edge"}'
    eventually(lambda: gateway.metrics()[failures] == 1, "the failure is counted")
    assert f"{path}:2:7: " in gateway.call("inspection.list")[0]["error"]
    assert curl(lab, "/forbidden") == CURL_WAS_RESET
    config = inspected(gateway, rules_file=f"file:{path}", bytes=100)
    faults = gateway.refusal("config.apply", config=config).data["faults"]
    assert faults[0]["pointer"] == "/inspections/0/rules_file"
    assert f"{path}:2:7: " in faults[0]["message"]


@pytest.mark.alone
def test_ten_thousand_rules_delay_neither_requests_nor_checks_nor_other_changes(lab, gateway, tmp_path):
    many = [{"id": i, "pattern": f"/never/{i:05}/" + "[a-f]+x" * (i % 20 == 0), "action": "drop"} for i in range(10_000)]
    config = inspected(gateway, rules=many)
    pool = next(one for one in config["pools"] if one["name"] == FULL_NAT.pool)
    pool["health"] = {"type": "tcp", "interval": "200ms", "timeout": "20s", "fall": 1}
    without = copy.deepcopy(config)
    without["inspections"], without["services"] = [], copy.deepcopy(gateway.config["services"])
    gateway.call("config.apply", config=without)
    applied = []

    def checks(result):
        return gateway.metrics().get(f'sluice_health_checks_total{{pool="{FULL_NAT.pool}",result="{result}"}}', 0)

    def apply():
        with Control(gateway.socket, timeout=300) as control:
            applied.append(control.call("config.apply", config=config))

    applying = threading.Thread(target=apply)
    rounds, failed = 0, checks("failed")
    with wrk_without_a_failure(lab, tmp_path / "wrk.log"):
        applying.start()
        while applying.is_alive():
            before, passed = time.monotonic(), checks("passed")
            gateway.call("backend.set", pool=FULL_NAT.pool, address=lab.backends[0].address4, port=8080,
                         weight=1 + rounds % 2)  # fmt: skip
            assert len(lab.ask(FULL_NAT, 5)) == 5
            eventually(lambda: checks("passed") > passed, "checks go on")
            assert all(row["state"] == "active" for row in gateway.call("backend.list", pool=FULL_NAT.pool))
            rounds += 1
            assert time.monotonic() - before < 30  # a deadline for a machine that is loaded, no figure
        applying.join()
    assert checks("failed") == failed
    assert applied and applied[0]["generation"] > 0
    assert len(gateway.call("inspection.list")[0]["rules"]) == 10_000
    assert len(lab.ask(FULL_NAT, 5)) == 5


def test_a_gateway_is_ready_once_its_rules_are_compiled(wireless):
    service = {"name": "web", "address": "203.0.113.10", "port": 80, "pool": "web", "inspect": "edge", "forward": "dnat"}
    gateway = wireless(
        inspections=[{"name": "edge", "rules": rules("none")}],
        pools=[{"name": "web", "backends": [{"address": "198.18.10.9", "port": 80}]}],
        services=[service],
    )
    eventually(lambda: gateway.call("inspection.list")[0]["state"] == "ready", "its rules are compiled")
    assert gateway.metrics()['sluice_inspection_ready{inspection="edge"}'] == 1
