"""Access lists and limits before real clients and servers: the file of a set changes by itself, a live connection
is cut, and what a file has no more comes back."""

import copy
import os

import pytest

from changes_test import FULL_NAT, KeptConnection
from processes import eventually
from topology import CLIENT4

VIP, PORT = FULL_NAT.vip, FULL_NAT.port


def replace(path, text):
    """By rename, as configuration management does it."""
    fresh = path.with_suffix(".new")
    fresh.write_text(text)
    os.replace(fresh, path)


@pytest.fixture
def listed(lab, gateway, tmp_path):
    """The gateway with a set whose file names nobody of the lab."""
    path = tmp_path / "bots.txt"
    path.write_text("# nobody\n192.0.2.0/24\n")
    config = copy.deepcopy(gateway.config)
    config["sets"] = [{"name": "bots", "file": f"file:{path}"}]
    service = next(one for one in config["services"] if one["name"] == FULL_NAT.name)
    service["access"] = {"deny": ["set:bots"]}
    gateway.call("config.apply", config=config)
    return gateway, path, config


def explain(gateway):
    return gateway.call("trace.explain", source=CLIENT4, source_port=40000, destination=VIP, destination_port=PORT,
                        protocol="tcp")  # fmt: skip


def is_cut(connection):
    connection.connection.sock.settimeout(0.5)
    try:
        connection.backend()
        return False
    except OSError:
        return True


def test_a_live_connection_is_cut_once_the_file_of_a_set_names_its_client(lab, listed):
    gateway, path, _ = listed
    connection = KeptConnection(lab)
    connection.backend()
    assert explain(gateway)["decision"] == "picked"
    generation = gateway.call("config.get")["generation"]
    replace(path, f"192.0.2.0/24\n{CLIENT4}\n")
    eventually(lambda: explain(gateway)["drop_reason"] == "denied", "the client is denied")
    assert is_cut(connection)
    eventually(lambda: gateway.call("drops.get")["denied"] > 0, "it is counted")
    told = explain(gateway)
    assert f"denied by set:bots {CLIENT4}/32" in told["text"]
    assert told["rules"] == [
        {"kind": "access", "name": "set:bots", "detail": f"denied by set:bots {CLIENT4}/32"}
    ]
    assert gateway.call("flow.list", service=FULL_NAT.name, limit=10) == []
    assert gateway.call("config.get")["generation"] == generation
    assert gateway.metrics()['sluice_set_prefixes{set="bots"}'] == 2
    assert lab.ask(FULL_NAT, patience=2) == []

    replace(path, "192.0.2.0/24\n")
    eventually(lambda: explain(gateway)["decision"] == "picked", "the client may send again")
    assert lab.ask(FULL_NAT)


def test_a_bad_line_is_a_fault_when_applied_and_leaves_the_old_content_when_read_again(lab, listed):
    gateway, path, config = listed
    failures = 'sluice_set_read_failures_total{set="bots"}'
    replace(path, f"{CLIENT4}\nnobody\n")
    eventually(lambda: gateway.metrics()[failures] == 1, "the failure is counted")
    assert explain(gateway)["decision"] == "picked"
    changed = copy.deepcopy(config)
    changed["sets"][0]["addresses"] = ["198.51.100.0/24"]
    faults = gateway.refusal("config.apply", config=changed).data["faults"]
    assert faults[0]["pointer"] == "/sets/0/file"
    assert f"{path}: line 2 " in faults[0]["message"]
    assert gateway.metrics()[failures] == 1  # said once
    assert lab.ask(FULL_NAT)


def test_a_dry_run_counts_the_flows_that_a_list_would_cut(lab, listed):
    gateway, _, config = listed
    connection = KeptConnection(lab)
    connection.backend()
    changed = copy.deepcopy(config)
    service = next(one for one in changed["services"] if one["name"] == FULL_NAT.name)
    service["access"]["deny"].append(f"{CLIENT4}/32")
    rehearsed = gateway.call("config.apply", config=changed, dry_run=True)
    assert rehearsed["flows_cut"] == {FULL_NAT.name: 1}
    connection.backend()
    assert gateway.call("config.apply", config=changed)["flows_cut"] == {FULL_NAT.name: 1}
    assert is_cut(connection)


def test_a_source_begins_as_many_flows_as_it_may(lab, gateway):
    config = copy.deepcopy(gateway.config)
    service = next(one for one in config["services"] if one["name"] == FULL_NAT.name)
    service["limits"] = {"per_source": {"new_flows": {"rate": 0.001, "burst": 5}}}
    gateway.call("config.apply", config=config)
    kept = [KeptConnection(lab) for _ in range(5)]
    told = explain(gateway)
    assert told["drop_reason"] == "rate_limited"
    assert "limited: per_source new_flows 0.001/s" in told["text"]
    before = gateway.call("drops.get")["rate_limited"]
    assert lab.ask(FULL_NAT, patience=2) == []
    eventually(lambda: gateway.call("drops.get")["rate_limited"] > before, "it is counted")
    for connection in kept:
        connection.backend()
