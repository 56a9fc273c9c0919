"""Tables of running gateways against the independent twin, and what a change costs."""

import random

import pytest

import maglev
from gateway import HASH_KEY


def configuration(backends, **pool):
    listed = [{"address": b.address, "port": b.port, "weight": b.weight} for b in backends]
    return {
        "pools": [{"name": "web", "backends": listed, **pool}],
        "services": [
            {
                "name": "web",
                "address": "203.0.113.10",
                "port": 80,
                "protocol": "tcp",
                "forward": "dnat",
                "pool": "web",
            }
        ],
    }


def mixed_backends(count):
    return [
        maglev.Backend(f"198.18.{16 + i // 250}.{1 + i % 250}", 8080 + i % 3, 1 + i % 4) for i in range(count)
    ]


@pytest.mark.parametrize("count, size", [(1, None), (13, 1511), (100, None), (700, None)])
def test_two_gateways_agree_with_each_other_and_with_the_twin(wireless, count, size):
    backends = mixed_backends(count)
    shuffled = random.Random(count).sample(backends, count)
    pool = {"table_size": size} if size else {}
    tables = [
        wireless(**configuration(order, **pool)).call("service.table", service="web")
        for order in (backends, shuffled)
    ]
    expected = maglev.build_table(HASH_KEY, backends, maglev.TCP, size)
    assert tables[0] == tables[1]
    assert tables[0]["size"] == len(expected)
    assert tables[0]["slots"] == maglev.slot_counts(expected)
    assert tables[0]["sha256"] == maglev.table_sha256(expected, maglev.TCP)


def test_ipv6_and_portless_endpoints_agree_with_the_twin(wireless):
    backends = [maglev.Backend(f"2001:db8:20::{i:x}") for i in range(1, 20)]
    config = configuration(backends)
    config["services"][0].update(address="2001:db8:f::1", port="any", protocol="udp", forward="dnat")
    gateway = wireless(**config)
    expected = maglev.build_table(HASH_KEY, backends, maglev.UDP)
    table = gateway.call("service.table", service="web")
    assert table["slots"] == maglev.slot_counts(expected)
    assert table["sha256"] == maglev.table_sha256(expected, maglev.UDP)


@pytest.mark.parametrize("way", ["removed", "weight", "state"])
def test_one_of_a_hundred_moves_few_other_slots(wireless, way):
    backends = [maglev.Backend(f"198.18.16.{i + 1}", 8080) for i in range(100)]
    gateway = wireless(**configuration(backends))
    gone = backends[37]
    share = maglev.slot_counts(maglev.build_table(HASH_KEY, backends, maglev.TCP))[gone.name()] / 65537
    if way == "removed":
        left = [b for b in backends if b != gone]
        config = {**gateway.config, **configuration(left)}
        preview = gateway.call("config.apply", config=config, dry_run=True)
        answer = gateway.call("config.apply", config=config)
        assert preview["disruption"] == answer["disruption"]
    else:
        changes = {"weight": 0} if way == "weight" else {"state": "maintenance"}
        answer = gateway.call("backend.set", pool="web", address=gone.address, port=8080, **changes)
        left = [b._replace(weight=0) if b == gone else b for b in backends]
    after = maglev.build_table(HASH_KEY, left, maglev.TCP)
    assert gateway.call("service.table", service="web")["sha256"] == maglev.table_sha256(after, maglev.TCP)
    if "disruption" in answer:
        assert answer["disruption"]["web"] - share <= 0.007


def test_a_dry_run_changes_nothing(wireless):
    gateway = wireless(**configuration(mixed_backends(10)))
    before = gateway.call("config.get")
    config = {**gateway.config, **configuration(mixed_backends(9))}
    assert gateway.call("config.apply", config=config, dry_run=True)["changed"]
    assert gateway.call("config.get") == before
    diff = gateway.call("config.diff", config=config)
    assert diff
