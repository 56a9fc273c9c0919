"""The flow log against what the wire had: every flow once, as a line of JSON and as IPFIX by UDP and TCP."""

import collections
import copy
import json
import os
import re
import sys
import time

import pytest
from scapy.all import IP, TCP, UDP, Ether, wrpcap
from scapy.utils import RawPcapReader

import ipfix
from configuration import SERVICES
from gateway import Gateway, boot_section
from lab import PATIENCE
from namespaces import run
from processes import eventually, spawn, stop
from steering_test import EDGE, MACS, sections, write_flows
from topology import EDGE4
from wireless import free_port

KINDS = [s for s in SERVICES if s.name in ("full-nat-tcp4", "full-nat-udp6", "dnat-tcp6", "dnat-udp4", "direct-tcp4", "ipip-tcp6", "gue-udp4")]  # fmt: skip
REQUESTS = 4
KEEPS_UP = 60
FLOOD = 200_000
LAST = b"the last of all"

RECEIVER = """
import socket, sys
kind, port, path = sys.argv[1], int(sys.argv[2]), sys.argv[3]
file = open(path, "wb", buffering=0)
if kind == "udp":
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    sock.bind(("127.0.0.1", port))
    while True:
        file.write(sock.recv(65535))
server = socket.create_server(("127.0.0.1", port))
while True:
    connection, _ = server.accept()
    while data := connection.recv(65535):
        file.write(data)
"""


class Wire:
    """What dumpcap sees at the client: packets and bytes of each flow, both ways."""

    def __init__(self, lab, file):
        self.client, self.file, log = lab.client, file, file.with_suffix(".log")
        self._ended_by_others = self._ending()
        wanted = "tcp or udp or icmp[icmptype] == icmp-echoreply"
        self.process = lab.client.spawn("dumpcap", "-q", "-P", "-i", "eth0", "-f", wanted, "-w", file, log=log)
        eventually(lambda: "File:" in log.read_text(), "dumpcap listens")

    def _ending(self):
        """The client's connections that it has closed and that have packets to come."""
        states = [word for state in ("fin-wait-1", "fin-wait-2", "closing", "last-ack") for word in ("state", state)]
        return {tuple(line.split()[-2:]) for line in self.client.run("ss", "-Htn", *states).stdout.splitlines()}

    def _await_the_last(self):
        """Waits until all packets have come to the client, to the gateway's worker, and into the file."""
        eventually(lambda: self._ending() <= self._ended_by_others, "all connections have ended")
        self.client.run("ping", "-c", "1", "-W", PATIENCE, "-p", LAST.hex(), EDGE4 + "1")
        eventually(lambda: LAST in self.file.read_bytes(), "dumpcap has written what came last")

    def flows(self):
        """By protocol, source, port, destination and port of what the client sends: packets and bytes of that, packets
        and bytes of the answers."""
        self._await_the_last()
        stop(self.process)
        vips = {service.vip for service in SERVICES}
        counted = collections.defaultdict(lambda: [0, 0, 0, 0])
        for data, _ in RawPcapReader(str(self.file)):
            network = Ether(data).payload
            transport = network.payload
            if not isinstance(transport, (TCP, UDP)) or not vips & {network.src, network.dst}:
                continue
            protocol = "tcp" if isinstance(transport, TCP) else "udp"
            asks = network.dst in vips
            client, service = (network.src, transport.sport), (network.dst, transport.dport)
            if not asks:
                client, service = (network.dst, transport.dport), (network.src, transport.sport)
            flow = counted[(protocol, *client, *service)]
            flow[0 if asks else 2] += 1
            flow[1 if asks else 3] += len(data)
        return dict(counted)


def with_flow_log(lab, to, **more):
    config = copy.deepcopy(lab.gateway.config)
    config["flow_log"] = {"to": to, **more}
    return config


def flows_begun(lab) -> int:
    return int(sum(value for name, value in lab.gateway.metrics().items() if name.startswith("sluice_service_flows_total")))


def lines_of(file):
    return [json.loads(line) for line in file.read_text().splitlines()]


def key_of(line):
    return tuple(line[name] for name in ("protocol", "source", "source_port", "destination", "destination_port"))


@pytest.fixture(name="fresh")
def fresh_fixture(gateway):
    """A gateway that has no flows yet."""
    gateway.stop()
    gateway.start()
    return gateway


def test_every_flow_is_a_line_with_what_the_wire_had(lab, fresh, tmp_path):
    file = tmp_path / "flows.jsonl"
    lab.ask(KINDS[0], 1)  # lives before there is a flow log
    before = flows_begun(lab)
    fresh.write(with_flow_log(lab, f"file:{file}"))
    fresh.reload()
    fresh.await_line("records of flows go to", KEEPS_UP)
    wire = Wire(lab, tmp_path / "wire.pcap")
    began = time.time()
    for service in KINDS:
        assert len(lab.ask(service, REQUESTS)) == REQUESTS
    long_ones = [service for service in KINDS if service.protocol == "tcp"]
    for service in long_ones:  # most packets of one connection take the short ways
        lab.client.run("curl", "-sS", *[lab.url(service)] * 100)
    seen = wire.flows()
    begun = flows_begun(lab) - before
    assert begun == len(seen) == REQUESTS * len(KINDS) + len(long_ones)
    assert sum(packets > 100 for packets, *_ in seen.values()) == len(long_ones)
    assert fresh.stop() == 0

    lines = [line for line in lines_of(file) if key_of(line) in seen]
    assert len(lines_of(file)) == begun + before, "and those of before, counted from then on"
    assert collections.Counter(map(key_of, lines)) == collections.Counter(dict.fromkeys(seen, 1))
    services = {service.vip + str(service.port) + service.protocol: service for service in KINDS}
    for line in lines:
        service = services[line["destination"] + str(line["destination_port"]) + line["protocol"]]
        packets_in, bytes_in, packets_out, bytes_out = seen[key_of(line)]
        assert (line["packets_in"], line["bytes_in"]) == (packets_in, bytes_in), line
        expected = (0, 0) if service.replies_direct else (packets_out, bytes_out)
        assert (line["packets_out"], line["bytes_out"]) == expected, line
        assert (line["service"], line["pool"]) == (service.name, service.pool)
        assert line["reason"] == ("fin" if service.protocol == "tcp" else "shutdown")
        has_handshake = service.protocol == "tcp" and not service.replies_direct
        assert (line["handshake"] is not None) == has_handshake
        assert not has_handshake or 0 < line["handshake"] < KEEPS_UP
        assert began - KEEPS_UP <= line["start"] <= line["end"] <= time.time()
    fresh.await_line(f"flow_log: {begun + before} flows told of, 0 lost")


@pytest.mark.parametrize("kind", ["udp", "tcp"])
def test_ipfix_tells_the_same_and_tshark_reads_it(lab, fresh, tmp_path, kind):
    port, received = 4739, tmp_path / "ipfix.bin"
    receiver = lab.topology.gateway.spawn(sys.executable, "-c", RECEIVER, kind, port, received, log=tmp_path / "receiver.log")
    try:
        eventually(received.exists, "the collector listens")
        scheme = "ipfix" if kind == "udp" else "ipfix+tcp"
        fresh.call("config.apply", config=with_flow_log(lab, f"{scheme}:127.0.0.1:{port}"))
        wire = Wire(lab, tmp_path / "wire.pcap")
        for service in KINDS:
            assert len(lab.ask(service, REQUESTS)) == REQUESTS
        seen = wire.flows()
        assert fresh.stop() == 0
        fresh.await_line(f"flow_log: {len(seen)} flows told of, 0 lost")
    finally:
        eventually(lambda: len(list(ipfix.split(received.read_bytes()))) > 0, "messages have come")
        stop(receiver)

    messages = list(ipfix.split(received.read_bytes()))
    assert sum(map(len, messages)) == received.stat().st_size
    collector = ipfix.Collector()
    read = [collector.read(message) for message in messages]
    assert read[0].templates == 2, "before all records"
    told = 0
    for message, raw in zip(read, messages):
        assert message.sequence == told and message.domain == 1
        assert abs(message.export_time - time.time()) < 300
        assert kind == "tcp" or len(raw) <= 1400
        told += len(message.records)
    records = [record for message in read for record in message.records]
    assert len(records) == len(seen)
    services = {service.name: service for service in KINDS}
    for record in records:
        service = services[record["applicationName"]]
        family = "IPv6" if service.is_ipv6 else "IPv4"
        protocol = {6: "tcp", 17: "udp"}[record["protocolIdentifier"]]
        packets_in, bytes_in, packets_out, bytes_out = seen.pop(
            (protocol, record[f"source{family}Address"], record["sourceTransportPort"],
             record[f"destination{family}Address"], record["destinationTransportPort"])
        )  # fmt: skip
        assert (record["packetDeltaCount"], record["layer2OctetDeltaCount"]) == (packets_in, bytes_in)
        answered = (record["reverse packetDeltaCount"], record["reverse layer2OctetDeltaCount"])
        assert answered == ((0, 0) if service.replies_direct else (packets_out, bytes_out))
        assert record["applicationGroupName"] == service.pool
        assert record["flowEndReason"] == (3 if protocol == "tcp" else 4)
        assert 0 <= record["flowEndMilliseconds"] - record["flowStartMilliseconds"] < KEEPS_UP * 1000
    assert not seen
    assert_tshark_agrees(messages, records, tmp_path / "ipfix.pcap")


def assert_tshark_agrees(messages, records, file):
    """tshark finds nothing wrong, and the same counts."""
    wrpcap(str(file), [Ether() / IP(dst="127.0.0.1") / UDP(sport=40000, dport=4739) / message for message in messages])
    words = run("tshark", "-n", "-r", file, "-d", "udp.port==4739,cflow", "-V").stdout
    assert "Malformed" not in words and "No template found" not in words and "Unknown" not in words
    fields = ["cflow.srcport", "cflow.dstport", "cflow.protocol", "cflow.packets"]
    done = run("tshark", "-n", "-r", file, "-d", "udp.port==4739,cflow", "-T", "fields", *sum((["-e", f] for f in fields), []))
    columns = [[], [], [], []]
    for line in done.stdout.splitlines():
        for column, values in zip(columns, line.split("\t")):
            column += [int(value) for value in values.split(",") if value]
    names = ["sourceTransportPort", "destinationTransportPort", "protocolIdentifier"]
    for column, name in zip(columns, names):
        assert column == [record[name] for record in records]
    forth = [record["packetDeltaCount"] for record in records]
    both = [count for record in records for count in (record["packetDeltaCount"], record["reverse packetDeltaCount"])]
    assert columns[3] in (forth, both)


def replayed(directory, flows, to, **boot):
    """A configuration that has one UDP packet of each of these flows come in, as fast as a worker takes them."""
    write_flows(directory / "rx.pcap", flows)
    return {
        "gateway": boot_section(directory.name, **boot),
        "ports": [
            {"name": "edge0", "device": f"net_pcap0,rx_pcap={directory}/rx.pcap,tx_pcap=/dev/null", "mac": EDGE, "addresses": ["198.18.10.1/24"]},
            {"name": "core0", "device": "net_null1,no-rx=1", "mac": "02:00:00:00:00:02", "addresses": ["198.18.20.1/24"]},
        ],
        "neighbors": [{"address": address, "mac": mac} for address, mac in MACS.items()],
        "http": {"listen": f"127.0.0.1:{free_port()}"},
        "flow_log": {"to": to},
        **sections({"pool": "web"}),
    }  # fmt: skip


def test_nfcapd_takes_the_records(tmp_path):
    """A collector that many have, and that knows other elements than tshark."""
    flows = {(f"198.51.{i >> 8}.{i & 255}", 2000 + i) for i in range(300)}
    port, stored, log = free_port(), tmp_path / "stored", tmp_path / "nfcapd.log"
    stored.mkdir()
    collector = spawn("nfcapd", "-b", "127.0.0.1", "-p", port, "-w", stored, "-t", 3600, log=log)
    try:
        eventually(lambda: "Startup nfcapd" in log.read_text(), "nfcapd listens")
        with Gateway(tmp_path / "gateway", replayed(tmp_path, sorted(flows), f"ipfix:127.0.0.1:{port}")) as gateway:
            begun = 'sluice_service_flows_total{service="web"}'
            eventually(lambda: gateway.metrics()[begun] == len(flows), "all flows have begun", KEEPS_UP)
            assert gateway.stop() == 0
            gateway.await_line(f"flow_log: {len(flows)} flows told of, 0 lost")
    finally:
        stop(collector)
    assert f"Flows: {len(flows)}, Packets: {len(flows)}, Bytes: 0, Sequence Errors: 0, Bad Packets: 0" in log.read_text()
    records = json.loads(run("nfdump", "-R", stored, "-o", "json").stdout)
    assert {(record["src4_addr"], record["src_port"]) for record in records} == flows and len(records) == len(flows)
    for record in records:
        assert (record["dst4_addr"], record["dst_port"], record["proto"]) == ("203.0.113.10", 80, 17)
        assert (record["in_packets"], record["out_packets"]) == (1, 0)


def is_all_accounted_for(gateway, lab) -> bool:
    """At a quiet moment."""
    metrics = gateway.metrics()
    active = sum(value for name, value in metrics.items() if name.startswith("sluice_backend_active_flows"))
    accounted = metrics["sluice_flow_log_records_total"] + metrics["sluice_flow_log_lost_total"]
    return accounted + active == flows_begun(lab)


@pytest.mark.alone
def test_records_and_losses_are_the_flows_that_ended_under_load(lab, fresh, tmp_path):
    """To a file that is moved meanwhile, then to one that takes nothing."""
    file, moved = tmp_path / "flows.jsonl", tmp_path / "flows.1"
    load = ("wrk", "-t1", "-c8", "-d1s", "-H", "Connection: close", lab.url(KINDS[0]))
    fresh.call("config.apply", config=with_flow_log(lab, f"file:{file}"))
    lab.client.run(*load)
    eventually(lambda: file.exists() and file.stat().st_size > 0, "flows have ended", KEEPS_UP)
    os.rename(file, moved)
    lab.client.run(*load)
    eventually(file.exists, "the file is made anew", KEEPS_UP)
    eventually(lambda: is_all_accounted_for(fresh, lab), "records and losses are the flows that ended", KEEPS_UP)
    assert fresh.metrics()["sluice_flow_log_lost_total"] == 0
    fresh.call("config.apply", config=with_flow_log(lab, "file:/dev/full"))
    lab.client.run(*load)
    eventually(lambda: is_all_accounted_for(fresh, lab), "the same with losses", KEEPS_UP)
    begun = flows_begun(lab)
    checks = {check["check"]: check for check in json.loads(fresh.ctl("doctor").stdout)}
    assert checks["gateway"]["state"] == "warning" and "the flow log has lost" in checks["gateway"]["detail"]
    assert fresh.stop() == 0
    told, lost = map(int, re.findall(r"flow_log: (\d+) flows told of, (\d+) lost", fresh.log.read_text())[-1])
    assert told == len(lines_of(file)) + len(lines_of(moved)) > 0
    assert told + lost == begun and lost > 0
    assert fresh.log.read_text().count("cannot write /dev/full") == 1, "said once"


def test_a_flood_that_the_table_does_not_hold_is_told_of_or_counted(tmp_path):
    """200,000 flows as fast as a worker takes them, nearly all of which give way to others at once."""
    flows = [(f"198.51.{i >> 8 & 255}.{i & 255}", 1024 + (i >> 16)) for i in range(FLOOD)]
    file = tmp_path / "flows.jsonl"
    config = replayed(tmp_path, flows, f"file:{file}", flow_table_entries=4096)
    with Gateway(tmp_path / "gateway", config) as gateway:
        begun = 'sluice_service_flows_total{service="web"}'
        eventually(lambda: gateway.metrics()[begun] == FLOOD, "all flows have begun", KEEPS_UP)
        assert gateway.stop() == 0
        told, lost = map(int, re.findall(r"flow_log: (\d+) flows told of, (\d+) lost", gateway.log.read_text())[-1])
    assert told + lost == FLOOD
    keys = collections.Counter(map(key_of, lines_of(file)))
    assert len(keys) == sum(keys.values()) == told > 0, "none twice"
    reasons = collections.Counter(line["reason"] for line in lines_of(file))
    assert set(reasons) == {"evicted", "shutdown"} and reasons["shutdown"] <= 4096
