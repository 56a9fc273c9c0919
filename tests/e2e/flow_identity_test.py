"""What a change of the configuration does to live flows: none whose packets meet the same may notice it, and
`flows_cut` tells the number of the others, before and after."""

import collections
import copy

import pytest

from changes_test import Flow, KeptConnection
from configuration import SERVICES
from processes import eventually
from topology import CORE4, CORE6, SNAT4, SNAT6

BY_NAME = {service.name: service for service in SERVICES}
WATCHED = [
    "full-nat-tcp4", "full-nat-udp4", "full-nat-udp6", "dnat-tcp4", "direct-udp6", "ipip-tcp4", "ipip-udp6",
    "gue-udp4", "gue-tcp6",
]  # fmt: skip
FLOWS_EACH = 9


class Flows:
    """Live flows through every mode, which would move if they were picked anew."""

    def __init__(self, lab, gateway):
        self.gateway = gateway
        for service in gateway.config["services"]:
            service["idle_timeout"] = {"tcp": "600s", "udp": "600s"}
        gateway.write(gateway.config)
        gateway.stop()
        gateway.start()  # whoever was there before is not counted
        self.flows = []
        for name in WATCHED:
            kind = KeptConnection if BY_NAME[name].protocol == "tcp" else Flow
            self.flows += [(name, kind(lab, BY_NAME[name])) for _ in range(FLOWS_EACH)]
        self.homes = self.backends()
        assert set(self.homes) == {"b1", "b2", "b3"}
        # From now on whoever comes new, or again, comes to b1.
        config = copy.deepcopy(gateway.config)
        for pool in config["pools"]:
            for backend, weight in zip(pool["backends"], [1, 0, 0]):
                backend["weight"] = weight
        self.config = config
        assert self.apply(config)["flows_cut"] == {}

    def backends(self):
        return [flow.backend() for _, flow in self.flows]

    def apply(self, config):
        """Applies what a dry run has told the outcome of."""
        rehearsed = self.gateway.call("config.apply", config=config, dry_run=True)
        applied = self.gateway.call("config.apply", config=config)
        assert rehearsed["flows_cut"] == applied["flows_cut"]
        assert rehearsed["disruption"] == applied["disruption"]
        self.config = config
        return applied

    def count(self, is_cut):
        """By service, how many flows is_cut(service, home) holds of."""
        names = [name for (name, _), home in zip(self.flows, self.homes) if is_cut(BY_NAME[name], home)]
        return dict(collections.Counter(names))


@pytest.fixture
def flows(lab, gateway):
    return Flows(lab, gateway)


def rename_services(config):
    for service in config["services"]:
        service["name"] = "new-" + service["name"]


def rename_pools(config):
    for entry in config["pools"]:
        entry["name"] = "new-" + entry["name"]
    for service in config["services"]:
        service["pool"] = "new-" + service["pool"]


def widen_ports(config):
    for service in config["services"]:
        service["port"] = f"{service['port']}-{service['port'] + 10}"


def split_ports(config):
    """A service for the first port alone, and one for the rest, each with a pool of its own."""
    widen_ports(config)
    for service in list(config["services"]):
        first, last = service["port"].split("-")
        config["services"].append({**service, "name": service["name"] + "-rest", "port": f"{int(first) + 1}-{last}"})
        service.update(port=int(first), pool=service["pool"] + "-first")
    config["pools"] += [{**entry, "name": entry["name"] + "-first"} for entry in config["pools"]]


def change_policies(config):
    for service, policy in zip(config["services"], ["random", "source-hash", "least-connections"] * 20):
        service["policy"] = policy


def change_table_sizes(config):
    for entry in config["pools"]:
        entry["table_size"] = 1021


def add_snat(config):
    config["snat"] = [CORE6 + "9", CORE4 + "9"] + config["snat"][::-1]


def reorder_backends(config):
    for entry in config["pools"]:
        entry["backends"].reverse()


@pytest.mark.parametrize(
    "change",
    [rename_services, rename_pools, widen_ports, split_ports, change_policies, change_table_sizes, add_snat,
     reorder_backends],
)  # fmt: skip
def test_flows_whose_packets_meet_the_same_stay(flows, change):
    original = copy.deepcopy(flows.config)
    config = copy.deepcopy(original)
    change(config)
    for each in (config, original, config):  # there and back: a merge for each split
        applied = flows.apply(copy.deepcopy(each))
        assert applied["flows_cut"] == {}
        assert flows.backends() == flows.homes
    if change in (rename_services, rename_pools, add_snat):
        assert not any(applied["disruption"].values())


def test_a_longer_block_of_addresses_keeps_the_flows(flows):
    config = copy.deepcopy(flows.config)
    # Of two services whose blocks would overlap, one goes first, with no flow of its own.
    config["services"] = [s for s in config["services"] if "over" not in s["name"]]
    assert flows.apply(config)["flows_cut"] == {}
    config = copy.deepcopy(config)
    for service in config["services"]:
        service["address"] += "/127" if ":" in service["address"] else "/31"
    assert flows.apply(config)["flows_cut"] == {}
    assert flows.backends() == flows.homes


def test_idle_flows_stay_through_changes_that_they_never_see(flows):
    """No packet comes between the changes: the last one alone tells whose flow it is."""
    config = copy.deepcopy(flows.config)
    for change in (rename_services, rename_pools, widen_ports, change_policies, add_snat):
        change(config)
        assert flows.apply(copy.deepcopy(config))["flows_cut"] == {}
    assert flows.backends() == flows.homes
    listed = flows.gateway.call("flow.list", limit=1000)
    by_service = collections.Counter(flow["service"] for flow in listed)
    assert by_service == {"new-" + name: FLOWS_EACH for name in WATCHED}
    assert {flow["backend"]["pool"][:4] for flow in listed} == {"new-"}


def test_a_removed_backend_cuts_its_own_flows(flows):
    config = copy.deepcopy(flows.config)
    for entry in config["pools"]:
        del entry["backends"][1]
    assert flows.apply(config)["flows_cut"] == flows.count(lambda _, home: home == "b2")
    for (name, flow), home in zip(flows.flows, flows.homes):
        if home != "b2":
            assert flow.backend() == home, name
        elif isinstance(flow, Flow):
            assert flow.backend() == "b1", name


@pytest.mark.parametrize("name", ["full-nat-udp4", "ipip-udp6"])
def test_another_mode_or_port_cuts_the_services_flows(flows, name):
    other_mode = copy.deepcopy(flows.config)
    service = next(s for s in other_mode["services"] if s["name"] == name)
    service["forward"] = {"full-nat": "dnat", "ipip": "gue"}[service["forward"]]
    dry = flows.gateway.call("config.apply", config=other_mode, dry_run=True)
    assert dry["flows_cut"] == {name: FLOWS_EACH}
    other_port = copy.deepcopy(flows.config)
    service = next(s for s in other_port["services"] if s["name"] == name)
    service["port"] += 1
    assert flows.apply(other_port)["flows_cut"] == {name: FLOWS_EACH}
    for (other, flow), home in zip(flows.flows, flows.homes):
        if other != name:
            assert flow.backend() == home, other


def test_another_backend_port_cuts_the_flows_of_nat_alone(flows):
    config = copy.deepcopy(flows.config)
    for entry in config["pools"]:
        for backend in entry["backends"]:
            backend["port"] = 9999
    is_nat = flows.count(lambda service, _: service.mode in ("full-nat", "dnat"))
    assert flows.apply(config)["flows_cut"] == is_nat
    for (name, flow), home in zip(flows.flows, flows.homes):
        if name not in is_nat:
            assert flow.backend() == home, name


def test_a_snat_address_takes_along_the_flows_that_use_it(flows):
    config = copy.deepcopy(flows.config)
    add_snat(config)
    assert flows.apply(copy.deepcopy(config))["flows_cut"] == {}
    config["snat"] = [CORE4 + "9", SNAT4, CORE6 + "9"]
    v6 = flows.count(lambda service, _: service.mode == "full-nat" and service.is_ipv6)
    assert flows.apply(copy.deepcopy(config))["flows_cut"] == v6
    config["snat"] = [CORE6 + "9", SNAT6, CORE4 + "9"]
    v4 = flows.count(lambda service, _: service.mode == "full-nat" and not service.is_ipv6)
    assert flows.apply(copy.deepcopy(config))["flows_cut"] == v4
    for (name, flow), home in zip(flows.flows, flows.homes):
        if BY_NAME[name].mode != "full-nat":
            assert flow.backend() == home, name


def reload(gateway, config):
    """Has the file applied; returns what the log says of it."""
    gateway.write(config)
    before = len(gateway.log.read_text())
    gateway.reload()

    def said():
        lines = gateway.log.read_text()[before:].splitlines()
        return next((line for line in lines if "applied: generation" in line), None)

    return eventually(said, "the log says that it is applied")


def test_a_reload_says_how_many_flows_it_cuts(flows):
    config = copy.deepcopy(flows.config)
    for entry in config["pools"]:
        del entry["backends"][1]
    cut = flows.count(lambda _, home: home == "b2")
    said = reload(flows.gateway, config)
    assert f"flows_cut={sum(cut.values())} (" in said
    for name, number in cut.items():
        assert f"{name} {number}" in said
    assert "flows_cut=0" in reload(flows.gateway, {**config, "snat": config["snat"] + [CORE4 + "9"]})


def test_a_renamed_pool_keeps_what_an_operator_set(flows):
    backend = flows.config["pools"][0]["backends"][0]
    flows.gateway.call("backend.set", pool="tcp4", address=backend["address"], port=backend["port"],
                       state="draining")  # fmt: skip
    config = copy.deepcopy(flows.config)
    rename_pools(config)
    assert flows.apply(config)["flows_cut"] == {}
    rows = flows.gateway.call("backend.list", pool="new-tcp4")
    assert [row["state"] for row in rows] == ["draining", "active", "active"]


def test_a_rollback_tells_whom_it_cuts(flows):
    before = flows.gateway.call("config.get")["generation"]
    config = copy.deepcopy(flows.config)
    config["pools"].append({"name": "lone", "backends": [{"address": CORE4 + "13", "port": 9001}]})
    next(s for s in config["services"] if s["name"] == "full-nat-udp4")["pool"] = "lone"
    cut = flows.count(lambda service, home: service.name == "full-nat-udp4" and home != "b3")
    assert flows.apply(config)["flows_cut"] == cut
    moved = [flow for name, flow in flows.flows if name == "full-nat-udp4"]
    assert {flow.backend() for flow in moved} == {"b3"}
    back = flows.gateway.call("config.rollback", generation=before)
    assert back["flows_cut"] == {}  # b3 is in the pool of before
