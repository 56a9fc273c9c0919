"""What Prometheus and a load balancer's own probes see."""

import subprocess

import pytest

from configuration import SERVICES
from lab import faults

ALWAYS = """
sluice_build_info sluice_config_generation sluice_config_last_apply_successful
sluice_port_received_packets_total sluice_port_received_bytes_total
sluice_port_transmitted_packets_total sluice_port_transmitted_bytes_total
sluice_port_missed_packets_total sluice_dropped_packets_total
sluice_service_packets_total sluice_service_bytes_total sluice_service_flows_total
sluice_backend_packets_total sluice_backend_bytes_total sluice_backend_flows_total
sluice_backend_state sluice_backend_active_flows
sluice_flow_table_entries sluice_flow_table_capacity sluice_flow_table_full_total sluice_worker_busy_ratio
""".split()


def test_promtool_accepts_the_metrics(lab):
    text = lab.gateway.get("/metrics").stdout
    checked = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True)
    assert checked.returncode == 0 and not checked.stderr, checked.stderr


def test_every_series_is_there(lab):
    names = {name.split("{")[0] for name in lab.gateway.metrics()}
    assert not set(ALWAYS) - names
    assert not [name for name in names if name.startswith("sluice_ledger")]


@pytest.mark.parametrize("service", [s for s in SERVICES if s.protocol == "udp"], ids=lambda s: s.name)
def test_requests_are_counted_by_service(lab, service):
    before = lab.gateway.metrics()
    assert not faults(service, lab.ask(service, 5), 5)
    after = lab.gateway.metrics()

    def grown(name):
        series = f'sluice_service_{name}_total{{service="{service.name}"}}'
        return after[series] - before[series]

    replies = 0 if service.replies_direct else 5
    assert grown("flows") == 5
    assert grown("packets") in (5, 5 + replies)
    headers = 14 + (40 if service.is_ipv6 else 20) + 8
    assert grown("bytes") >= 5 * (headers + len("ping"))


def test_drops_are_counted_by_reason(lab):
    drops = lab.gateway.call("drops.get")
    series = {name for name in lab.gateway.metrics() if name.startswith("sluice_dropped_packets_total")}
    assert series == {f'sluice_dropped_packets_total{{reason="{reason}"}}' for reason in drops}


def test_probes(lab):
    assert lab.gateway.get("/healthz").stdout
    assert lab.gateway.get("/readyz").stdout
    assert "0." in lab.gateway.get("/version").stdout
    command = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}"]
    listen = f"http://{lab.gateway.config['http']['listen']}"

    def status(path, *options):
        return lab.gateway.namespace.run(*command, *options, listen + path).stdout

    assert [status(path) for path in ("/healthz", "/readyz", "/version", "/metrics", "/nothing")] == [
        "200", "200", "200", "200", "404",
    ]  # fmt: skip
    assert status("/metrics", "-X", "POST") == "405"
