"""The sizes that the gateway is made for. Times are reported, not asserted: machines differ."""

import time

import pytest

import maglev
from gateway import HASH_KEY

pytestmark = pytest.mark.alone

SERVICES, BACKENDS_EACH = 10_000, 10


def report(capsys, text):
    with capsys.disabled():
        print(f"\n    {text}")


def many_services():
    pools, services = [], []
    for index in range(SERVICES):
        pools.append({
            "name": f"pool-{index}", "table_size": 1021,
            "backends": [{"address": f"198.18.{128 + index % 100}.{1 + b}", "port": 1024 + index}
                         for b in range(BACKENDS_EACH)],
        })  # fmt: skip
        services.append({
            "name": f"service-{index}", "address": f"203.0.113.{index % 250}", "port": 1024 + index // 250,
            "protocol": "tcp", "forward": "dnat", "pool": f"pool-{index}",
        })  # fmt: skip
    return {"pools": pools, "services": services}


def thousand_backends():
    return [maglev.Backend(f"198.18.{16 + i // 250}.{1 + i % 250}", 8080) for i in range(1000)]


def large_pool():
    return {
        "pools": [
            {
                "name": "large",
                "backends": [{"address": b.address, "port": b.port} for b in thousand_backends()],
            }
        ],
        "services": [
            {
                "name": "large",
                "address": "203.0.113.10",
                "port": 80,
                "protocol": "tcp",
                "forward": "dnat",
                "pool": "large",
            }
        ],
    }


def test_ten_thousand_services_load_and_one_of_them_changes(wireless, capsys):
    started = time.monotonic()
    gateway = wireless(**many_services())
    seconds = time.monotonic() - started
    report(
        capsys,
        f"{SERVICES} services with {BACKENDS_EACH} backends each: file written and up in {seconds:.2f} s",
    )
    assert len(gateway.call("service.list")) == SERVICES
    assert len(gateway.call("backend.list")) == SERVICES * BACKENDS_EACH
    changed = gateway.config
    changed["pools"][77]["backends"].pop()
    started = time.monotonic()
    answer = gateway.call("config.apply", config=changed)
    report(capsys, f"an apply of the whole with one pool changed: {time.monotonic() - started:.2f} s")
    assert {name for name, moved in answer["disruption"].items() if moved} == {"service-77"}


def test_one_of_a_thousand_backends_changes(wireless, capsys):
    gateway = wireless(**large_pool())
    listed = thousand_backends()
    took = []
    for backend in listed[:20]:
        started = time.monotonic()
        gateway.call("backend.set", pool="large", address=backend.address, port=backend.port, weight=0)
        took.append(1000 * (time.monotonic() - started))
    report(
        capsys, f"one change among 1,000 backends: median {sorted(took)[10]:.1f} ms, worst {max(took):.1f} ms"
    )
    table = maglev.build_table(
        HASH_KEY, [b._replace(weight=0) for b in listed[:20]] + listed[20:], maglev.TCP
    )
    assert gateway.call("service.table", service="large")["sha256"] == maglev.table_sha256(table, maglev.TCP)
