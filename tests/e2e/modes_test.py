"""Real clients reach real servers through every forwarding mode."""

import json
import re

import pytest

from configuration import SERVICES
from lab import PATIENCE, expected_client, faults
from processes import eventually
from topology import CLIENT4, CLIENT6, EDGE4, EDGE6

TCP_SERVICES = [service for service in SERVICES if service.protocol == "tcp"]
NAT_SERVICES = [service for service in TCP_SERVICES if not service.replies_direct]


def by_name(service):
    return service.name


@pytest.mark.parametrize("service", SERVICES, ids=by_name)
def test_requests_reach_the_backend_that_maglev_names(lab, service):
    assert not faults(service, lab.ask(service, 12), 12)


@pytest.mark.parametrize("service", TCP_SERVICES, ids=by_name)
def test_a_large_download_is_whole(lab, service):
    size = lab.backends[0].directory.joinpath("large").stat().st_size
    command = ["curl", "-sS", "-m", "30", "-o", "/dev/null", "-w", "%{http_code} %{size_download}"]
    assert lab.client.run(*command, lab.url(service, "/large")).stdout == f"200 {size}"


@pytest.mark.parametrize("service", TCP_SERVICES, ids=by_name)
def test_a_large_upload_is_whole(lab, service, tmp_path):
    """Full-sized segments do not fit into a tunnel: the client has to learn the MTU from the gateway."""
    body = tmp_path / "body"
    body.write_bytes(bytes(256 << 10))
    command = ["curl", "-sS", "-m", "30", "--data-binary", f"@{body}", lab.url(service, "/upload")]
    assert lab.client.run(*command).stdout.split()[1:] == ["took", str(256 << 10)]


@pytest.mark.parametrize("address", sorted({s.vip for s in SERVICES} | {EDGE4 + "1", EDGE6 + "1"}))
def test_echo_requests_are_answered(lab, address):
    answer = lab.client.run("ping", "-c", "3", "-i", "0.05", "-W", str(PATIENCE), address)
    assert " 0% packet loss" in answer.stdout


def test_a_closed_port_answers_nothing_and_is_counted(lab):
    before = lab.gateway.call("drops.get")["no_service"]
    url = lab.url(SERVICES[0]).replace(":80/", ":81/")
    assert lab.client.run("curl", "-sS", "-m", "1", url, check=False).returncode == 28
    eventually(lambda: lab.gateway.call("drops.get")["no_service"] > before, "it is counted")


@pytest.mark.parametrize("service", NAT_SERVICES, ids=by_name)
def test_haproxy_logs_the_clients_address(lab, gateway, service, tmp_path):
    backend = lab.backends[0]
    file, log = tmp_path / "haproxy.cfg", tmp_path / "haproxy.log"
    file.write_text(
        "global\n  log stdout format raw local0\n"
        "defaults\n  mode http\n  log global\n  option httplog\n"
        "  timeout connect 20s\n  timeout client 20s\n  timeout server 20s\n"
        "frontend in\n  bind :8082\n  bind :::8082 v6only\n  default_backend web\n"
        "backend web\n  server nginx 127.0.0.1:80\n"
    )
    haproxy = backend.namespace.spawn("haproxy", "-f", file, log=log)
    address = backend.address6 if service.is_ipv6 else backend.address4
    config = dict(gateway.config)
    config["pools"] = [
        {**pool, "backends": [{"address": address, "port": 8082}]} if pool["name"] == service.pool else pool
        for pool in config["pools"]
    ]
    eventually(lambda: ":8082 " in backend.namespace.run("ss", "-Hltn").stdout, "haproxy listens")
    gateway.call("config.apply", config=config)
    lab.client.run("curl", "-sS", "-m", str(PATIENCE), lab.url(service))
    pattern = re.escape(expected_client(service)) + r":\d+ "
    eventually(lambda: re.search(pattern, log.read_text()), "haproxy logs whom it served")
    haproxy.kill()


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
@pytest.mark.parametrize(
    "service", [s for s in SERVICES if s.name in ("full-nat-tcp4", "dnat-tcp6")], ids=by_name
)
def test_iperf3_runs_through(lab, gateway, service, protocol):
    """iperf3's control connection and its stream have to meet at one backend: the pool has just one."""
    backend = lab.backends[1]
    address = backend.address6 if service.is_ipv6 else backend.address4
    config = dict(gateway.config)
    config["pools"] = config["pools"] + [{"name": "iperf", "backends": [{"address": address}]}]
    config["services"] = config["services"] + [
        {"name": f"iperf-{kind}", "address": service.vip, "port": 5201, "protocol": kind,
         "forward": service.mode, "pool": "iperf"}
        for kind in ("tcp", "udp")
    ]  # fmt: skip
    gateway.call("config.apply", config=config)
    server = backend.namespace.spawn("iperf3", "-s")
    eventually(lambda: ":5201 " in backend.namespace.run("ss", "-Hltn").stdout, "iperf3 listens")
    options = ["-u", "-b", "20M", "-l", "1200"] if protocol == "udp" else []

    def has_come() -> bool:
        """At least half of what is sent: a server that is told of the end before it has read all counts less."""
        report = json.loads(lab.client.run("iperf3", "-J", "-n", "2M", "-c", service.vip, *options).stdout)
        assert "error" not in report
        if protocol == "udp":
            total = report["end"]["sum"]
            return total["packets"] - total["lost_packets"] > (1 << 20) / 1200
        return report["end"]["sum_received"]["bytes"] > 1 << 20

    eventually(has_come, "what iperf3 sends has come")
    server.kill()


def test_the_client_is_who_it_says_in_trace_explain(lab):
    """What explain says of a flow is what then happens to it."""
    for service in SERVICES:
        if service.protocol != "udp":
            continue
        with lab.udp_socket(service) as sock:
            port = sock.getsockname()[1]
            explained = lab.gateway.call(
                "trace.explain", source=CLIENT6 if service.is_ipv6 else CLIENT4, source_port=port,
                destination=service.vip, destination_port=service.port, protocol="udp",
            )  # fmt: skip
            sock.send(b"ping")
            answered_by = sock.recv(2048).decode().split()[0]
        assert explained["service"] == service.name
        assert explained["decision"] == "picked"
        addresses = [(b.address4, b.address6) for b in lab.backends if b.name == answered_by][0]
        assert explained["backend"]["address"] in addresses
