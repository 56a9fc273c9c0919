"""What Prometheus and a load balancer's own probes see."""

import contextlib
import copy
import json
import os
import re
import socket
import subprocess
import time

import pytest

from configuration import SERVICES
from lab import faults
from processes import eventually

ALWAYS = """
process_cpu_seconds_total process_resident_memory_bytes process_virtual_memory_bytes
process_open_fds process_max_fds process_threads process_start_time_seconds
sluice_build_info sluice_config_generation sluice_config_last_apply_successful
sluice_port_received_packets_total sluice_port_received_bytes_total
sluice_port_transmitted_packets_total sluice_port_transmitted_bytes_total
sluice_port_missed_packets_total sluice_dropped_packets_total
sluice_service_packets_total sluice_service_bytes_total sluice_service_flows_total
sluice_backend_packets_total sluice_backend_bytes_total sluice_backend_flows_total
sluice_backend_state sluice_backend_active_flows
sluice_flow_table_entries sluice_flow_table_capacity sluice_flow_table_full_total sluice_flow_evicted_total
sluice_snat_ports_reused_total sluice_snat_ports_in_use sluice_backend_snat_ports_capacity
sluice_service_return_packets_total sluice_service_return_bytes_total
sluice_worker_busy_ratio sluice_worker_long_turn_seconds_count
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


@pytest.mark.parametrize("name", ["full-nat-udp4", "full-nat-udp6", "dnat-udp4", "dnat-udp6"])
def test_answers_are_counted_by_service(lab, name):
    """The echo names itself and its client in each answer, which the client counts."""
    service = next(service for service in SERVICES if service.name == name)
    series = [f'sluice_service_return_{what}_total{{service="{name}"}}' for what in ("packets", "bytes")]
    before = lab.gateway.metrics()
    frames = []
    for _ in range(4):
        with lab.udp_socket(service) as sock:
            for size in (1, 1, 300, 7):  # the first by the long way, the others by the short one
                sock.send(b"x" * size)
                frames.append(14 + (40 if service.is_ipv6 else 20) + 8 + len(sock.recv(2048)))
    after = lab.gateway.metrics()
    assert [after[each] - before[each] for each in series] == [len(frames), sum(frames)]


def test_answers_of_services_that_do_not_come_by_are_none(lab):
    named = [name for name in lab.gateway.metrics() if name.startswith("sluice_service_return_")]
    assert named and not [name for name in named if "nat-" not in name]


def test_snat_ports_are_counted_while_flows_have_them(lab, gateway):
    def in_use():
        return sum(value for name, value in gateway.metrics().items() if name.startswith("sluice_snat_ports_in_use"))

    services = {service.name: service for service in SERVICES}
    gateway.stop()
    gateway.start()  # without the flows of others
    assert in_use() == 0
    with contextlib.ExitStack() as stack:
        for name, number in (("full-nat-udp4", 20), ("full-nat-udp6", 11), ("dnat-udp4", 5), ("gue-udp4", 5)):
            for _ in range(number):
                sock = stack.enter_context(lab.udp_socket(services[name]))
                sock.send(b"here")
                sock.recv(2048)
        eventually(lambda: in_use() == 31, "a port for each flow of full-nat")
        samples = gateway.metrics()
        for family, number in ((4, 20), (6, 11)):
            flows = [value for name, value in samples.items()
                     if name.startswith(f'sluice_backend_active_flows{{pool="udp{family}"')]  # fmt: skip
            assert sum(flows) == number + (5 if family == 4 else 0)
        for pool in gateway.config["pools"]:
            for backend in pool["backends"]:
                gateway.call("flow.flush", pool=pool["name"], address=backend["address"], port=backend.get("port", 0))
        eventually(lambda: in_use() == 0, "they are given up")


def test_the_capacity_of_snat_ports_is_of_backends_behind_full_nat(lab, gateway):
    def capacities():
        found = {name: value for name, value in gateway.metrics().items() if "snat_ports_capacity" in name}
        return {re.search(r'pool="([^"]*)"', name)[1]: value for name, value in found.items()}

    assert capacities() == {pool: 65536 - 1024 for pool in ("tcp4", "tcp6", "udp4", "udp6")}
    config = copy.deepcopy(gateway.config)
    config["snat"].append("198.18.20.6")
    gateway.call("config.apply", config=config)
    assert capacities() == {pool: (2 if "4" in pool else 1) * 64512 for pool in ("tcp4", "tcp6", "udp4", "udp6")}


def test_drops_are_counted_by_reason(lab):
    """The client's packets would be forwarded by NAT, but for their TTL; nothing else in the lab has such."""

    def counted():
        drops, samples = lab.gateway.call("drops.get"), lab.gateway.metrics()
        name = "sluice_dropped_packets_total"
        assert {series for series in samples if series.startswith(name)} == {
            f'{name}{{reason="{reason}"}}' for reason in drops
        }
        return drops["ttl_expired"], samples[f'{name}{{reason="ttl_expired"}}']

    service = next(service for service in SERVICES if service.name == "full-nat-udp4")
    before = counted()
    with lab.udp_socket(service) as sock:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 1)
        for _ in range(7):
            sock.send(b"too far")
    expected = tuple(count + 7 for count in before)
    eventually(lambda: counted() == expected, "seven drops are counted, here and there")


def test_the_process_is_measured_as_its_exporters_do(lab):
    """Against the kernel's own words about it, as another process reads them."""
    pid = lab.gateway.process.pid
    samples = lab.gateway.metrics()
    status = dict(line.split(":", 1) for line in open(f"/proc/{pid}/status"))
    assert samples["process_threads"] == int(status["Threads"])
    resident = int(status["VmRSS"].split()[0]) * 1024
    assert 0.5 * resident < samples["process_resident_memory_bytes"] < 2 * resident
    assert samples["process_virtual_memory_bytes"] == pytest.approx(int(status["VmSize"].split()[0]) * 1024, rel=0.2)
    descriptors = len(os.listdir(f"/proc/{pid}/fd"))
    assert abs(samples["process_open_fds"] - descriptors) <= 8
    limits = open(f"/proc/{pid}/limits").read()
    assert samples["process_max_fds"] == int(re.search(r"Max open files +(\d+)", limits)[1])
    assert samples["process_start_time_seconds"] <= time.time()
    assert samples["process_start_time_seconds"] == pytest.approx(os.stat(f"/proc/{pid}").st_ctime, abs=30)
    assert lab.gateway.metrics()["process_cpu_seconds_total"] >= samples["process_cpu_seconds_total"] > 0


def test_probes(lab):
    generation = lab.gateway.call("config.get")["generation"]
    assert lab.gateway.get("/healthz").stdout == "ok\n"
    assert lab.gateway.get("/readyz").stdout == f"ready, generation {generation}\n"
    version = lab.gateway.call("system.info")["version"]
    assert json.loads(lab.gateway.get("/version").stdout) == {"name": "sluice", "version": version}


def test_what_the_http_endpoint_answers_to_others(lab):
    command = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code} %{content_type}"]
    listen = f"http://{lab.gateway.config['http']['listen']}"

    def answer(path, *options):
        return lab.gateway.namespace.run(*command, *options, listen + path).stdout.split(";")[0]

    assert answer("/metrics") == "200 text/plain"
    assert answer("/version") == "200 application/json"
    assert [answer(path)[:3] for path in ("/healthz", "/readyz", "/nothing")] == ["200", "200", "404"]
    assert answer("/metrics", "-X", "POST")[:3] == "405"


@pytest.mark.alone
def test_a_worker_is_busy_only_while_packets_come(lab):
    def busiest():
        samples = lab.gateway.metrics()
        return max(value for name, value in samples.items() if name.startswith("sluice_worker_busy_ratio"))

    service = next(service for service in SERVICES if service.name == "full-nat-tcp4")
    load = lab.client.spawn("wrk", "-t1", "-c16", "-d60s", lab.url(service), stdout=subprocess.DEVNULL)
    eventually(lambda: busiest() > 0.05, "the load shows")
    load.terminate()
    load.wait(10)
    eventually(lambda: busiest() < 0.02, "and is gone a second after it ended")
