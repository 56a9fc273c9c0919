"""Captures beside the counters of the gateway, read by tshark, by scapy and by a plain reader."""

import base64
import collections
import io
import json
import signal
import socket
import subprocess
import time

import golden
import pytest
from scapy.utils import RawPcapNgReader

from capture import Capture, read_packets
from configuration import SERVICES
from control import Control, Refused
from gateway import Gateway, boot_section
from namespaces import Namespace, owner_tag, run
from processes import ROOT, SLUICECTL, eventually, spawn
from wireless import free_port

KINDS = [s for s in SERVICES if s.name in ("dnat-tcp4", "dnat-tcp6", "full-nat-udp4", "ipip-tcp4", "gue-udp6", "direct-tcp4")]
REQUESTS = 20


def counted(lab, service) -> int:
    """The packets that went to the service's backends."""
    return int(lab.gateway.metrics()[f'sluice_service_packets_total{{service="{service.name}"}}'])


def settled_count(lab, service) -> int:
    """The same, once connections have ended: nothing comes any more."""
    seen = []

    def is_still() -> bool:
        lab.gateway.call("flow.list", limit=1)  # workers answer it: they have had their CPUs since the reading before
        seen.append(counted(lab, service))
        return len(seen) >= 20 and len(set(seen[-20:])) == 1

    eventually(is_still, "the service's counter rests")
    return seen[-1]


def ask_until_counted(lab, service, packets: int) -> None:
    """wrk asks until the service's counter is greater than that, or has asked ten times."""
    for _ in range(10):
        lab.client.run("wrk", "-t1", "-c16", "-d1s", lab.url(service))
        if counted(lab, service) > packets:
            break


@pytest.mark.parametrize("service", KINDS, ids=lambda service: service.name)
def test_a_capture_of_a_service_has_what_its_counter_counts(lab, service):
    before = settled_count(lab, service)
    with Capture(lab.gateway, at="tx", service=service.name, port="core0") as sent:
        with Capture(lab.gateway, at="rx", service=service.name, port="edge0") as received:
            lab.ask(service, REQUESTS)
            packets = settled_count(lab, service) - before
    assert packets >= REQUESTS
    for capture in (sent, received):
        assert capture.last["lost"] == 0
        assert capture.last["packets"] == packets
        assert len(capture.packets()) == packets
        by_scapy = [data for data, _ in RawPcapNgReader(io.BytesIO(capture.file))]
        assert by_scapy == [packet.data for packet in capture.packets()]
    for packet in sent.packets():
        assert packet.interface == "core0"
        assert packet.comment.startswith(f"service {service.name}, backend {service.pool} ")
        assert abs(packet.time - time.time()) < 300
        assert packet.length == len(packet.data)
    assert {packet.interface for packet in received.packets()} == {"edge0"}


def fields(file, *names):
    """What tshark reads of each packet of a file."""
    wanted = [word for name in names for word in ("-e", name)]
    done = run("tshark", "-n", "-r", file, "-T", "fields", *wanted)
    return [tuple(line.split("\t")) for line in done.stdout.splitlines()]


@pytest.mark.alone
def test_tshark_counts_what_the_gateway_counts_under_load(lab, tmp_path):
    """Of IPv4 and of IPv6: packets of long connections, nearly all of which take the plain way."""
    for name in ("dnat-tcp4", "full-nat-tcp6"):
        service = next(s for s in SERVICES if s.name == name)
        before = settled_count(lab, service)
        file = tmp_path / f"{name}.pcapng"
        command = spawn(
            SLUICECTL, "--socket", lab.gateway.socket, "-o", "json", "capture", "--at", "tx", "--service", name,
            "--port", "core0", "-s", "96", "-c", 10_000_000, "--seconds", 600, "-w", file,
            stdout=subprocess.PIPE,
        )  # fmt: skip
        eventually(lambda: file.exists() and file.stat().st_size > 0, "the capture has begun")
        ask_until_counted(lab, service, before + 1000)
        packets = settled_count(lab, service) - before
        command.send_signal(signal.SIGINT)
        end = json.loads(command.communicate(timeout=60)[0])
        assert command.returncode == 0
        assert packets > 1000 and end["packets"] + end["lost"] == packets
        seen = fields(file, "frame.interface_name", "frame.comment", "frame.len")
        assert len(seen) == end["packets"]
        assert {interface for interface, _, _ in seen} == {"core0"}
        by_comment = collections.Counter(comment.rsplit(":", 1)[0] for _, comment, _ in seen)
        assert all(comment.startswith(f"service {name}, backend {service.pool} ") for comment in by_comment)
        assert len(by_comment) > 1, "several backends"


def test_a_capture_goes_into_wireshark_as_it_grows(lab):
    """The file comes while the capture runs, and its reader's end is the capture's end."""
    service = SERVICES[0]
    capture = spawn(
        SLUICECTL, "--socket", lab.gateway.socket, "capture", "-f", f"tcp port {service.port}", "-w", "-",
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    reader = spawn("tshark", "-n", "-l", "-r", "-", "-c", 3, stdin=capture.stdout, stdout=subprocess.PIPE)
    capture.stdout.close()

    def has_read() -> bool:
        lab.ask(service, 1)
        return reader.poll() is not None

    eventually(has_read, "tshark has three packets", 60)
    assert reader.returncode == 0 and len(reader.stdout.read().splitlines()) == 3

    def has_ended() -> bool:
        lab.ask(service, 1)
        return capture.poll() is not None

    eventually(has_ended, "nobody reads, so the capture ends", 60)
    assert capture.returncode == 0 and not capture.stderr.read()


def test_sluicectl_says_how_a_capture_ended(lab, tmp_path):
    done = lab.gateway.ctl("capture", "--seconds", 1, "-w", tmp_path / "quiet.pcapng", output="table")
    assert done.returncode == 0 and " packets captured, 0 lost" in done.stderr, done.stderr
    assert fields(tmp_path / "quiet.pcapng", "frame.number") is not None
    assert lab.gateway.ctl("capture", "-w", tmp_path / "none" / "x.pcapng").returncode == 1
    assert lab.gateway.ctl("capture", "--reason", "unheard_of", "-w", "-").returncode == 2
    assert lab.gateway.ctl("capture", "-f", "tcp prot 80", "-w", "-").returncode == 1
    assert lab.gateway.ctl("capture").returncode == 2


@pytest.mark.alone
def test_a_reader_that_sleeps_loses_packets_of_its_capture_alone(lab):
    """They are counted, and the capture goes on when it wakes."""
    service = next(s for s in SERVICES if s.name == "dnat-tcp4")
    before = settled_count(lab, service)
    with Control(lab.gateway.socket, timeout=60) as control:
        number = control.call("capture.start", at="tx", port="core0", service=service.name, packets=10_000_000)["capture"]
        ask_until_counted(lab, service, before + 60_000)  # some MB, of which the connection holds 8
        packets = settled_count(lab, service) - before
        assert lab.gateway.call("capture.stop", capture=number) == {"capture": number}
        file = b""
        while "done" not in (params := control.receive()["params"]):
            file += base64.b64decode(params["data"])
    assert params["packets"] + params["lost"] == packets
    assert len(list(read_packets(file))) == params["packets"]
    if packets > 60_000:
        assert params["lost"] > 0


def test_drops_are_captured_with_their_reason(lab):
    url = lab.url(SERVICES[0]).replace(":80/", ":83/")
    before = lab.gateway.call("drops.get")["no_service"]
    with Capture(lab.gateway, at="drop", reason="no_service", filter="tcp dst port 83", packets=2) as drops:

        def are_dropped():
            lab.client.run("curl", "-sS", "-m", "2", url, check=False)
            return lab.gateway.call("drops.get")["no_service"] >= before + 2

        eventually(are_dropped, "two SYNs are dropped")
    assert [packet.comment for packet in drops.packets()] == ["dropped: no_service"] * 2


def is_ipv4_fragment(frame: bytes) -> bool:
    """Whether it has an offset, or says that more is to come."""
    return frame[12:14] == b"\x08\x00" and int.from_bytes(frame[20:22], "big") & 0x3FFF != 0


def check_recent_drops(gateway, captured: bytes, file) -> None:
    """The gateway remembers the very packets that a capture of all drops has, with the same reasons."""

    def fronts(pcapng: bytes):
        return collections.Counter(
            (packet.comment.split(",")[0], packet.interface, packet.length, packet.data[:128])
            for packet in read_packets(pcapng)
        )

    assert gateway.ctl("drops", "--recent", "-w", file).returncode == 0
    assert fronts(file.read_bytes()) == fronts(captured)
    comments = {comment for (comment,) in fields(file, "frame.comment")}
    assert all(", worker 0, generation 1, " in comment for comment in comments)
    recent = gateway.call("drops.recent", reason="malformed_l3", limit=3)
    assert [drop["reason"] for drop in recent] == ["malformed_l3"] * 3
    assert [drop["time"] for drop in recent] == sorted((drop["time"] for drop in recent), reverse=True)
    assert all(abs(drop["time"] - time.time()) < 300 and drop["service"] is None for drop in recent)
    newest = json.loads(gateway.ctl("drops", "--recent", "malformed_l3", "--limit", 3).stdout)
    # A time is worked out anew for each answer, from what two clocks say then: some microseconds may differ.
    assert all(abs(a.pop("time") - b.pop("time")) < 0.1 for a, b in zip(newest, recent)) and newest == recent
    table = gateway.ctl("drops", "--recent", output="table").stdout.splitlines()
    assert table[0].split() == "TIME WORKER PORT REASON GENERATION SERVICE DETAIL".split()
    assert len(table) == 1 + sum(fronts(captured).values())


def test_a_capture_names_the_reason_of_every_malformed_frame(tmp_path):
    """Those of the golden case, on a wire: what tshark reads beside what the case expects. So does what the
    gateway remembers."""
    case = golden.load(ROOT / "tests/golden/malformed")
    wire = Namespace("wire", owner_tag())
    try:
        wire.sysctl("net.ipv6.conf.default.disable_ipv6=1")  # the kernel has nothing to say
        for port in case.ports:
            wire.ip("link", "add", port, "type", "veth", "peer", "name", f"{port}-far")
            for end in (port, f"{port}-far"):
                wire.run("ethtool", "-K", end, *"tx off tso off gso off gro off sg off".split())
                wire.ip("link", "set", end, "up")
        ports = [{**port, "device": f"net_af_packet{i},iface={port['name']}"} for i, port in enumerate(case.config["ports"])]
        config = {
            **case.config,
            "gateway": boot_section("malformed", **case.config.get("gateway", {})),
            "ports": ports,
            "http": {"listen": f"127.0.0.1:{free_port()}"},
        }
        with Gateway(tmp_path / "gateway", config, wire) as gateway:
            frames = {port: [bytes(frame) for frame in sent] for port, sent in case.sent.items()}
            # The kernel sends nothing shorter than an Ethernet header, and puts IPv4 fragments together.
            left_out = {"malformed_l2": lambda frame: len(frame) < 14, "fragment": is_ipv4_fragment}
            file = tmp_path / "drops.pcapng"
            command = spawn(
                SLUICECTL, "--socket", gateway.socket, "-o", "json", "capture", "--at", "drop", "-w", file,
                stdout=subprocess.PIPE,
            )  # fmt: skip
            eventually(lambda: file.exists() and file.stat().st_size > 0, "the capture has begun")
            for port, sent in frames.items():
                with wire.entered():
                    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
                with sock:
                    sock.bind((f"{port}-far", 0))
                    for frame in sent:
                        if not any(is_left_out(frame) for is_left_out in left_out.values()):
                            sock.send(frame)
            expected = collections.Counter(case.drops)
            for reason, is_left_out in left_out.items():
                expected[reason] -= sum(is_left_out(frame) for sent in frames.values() for frame in sent)
            expected = +expected

            def dropped():
                return collections.Counter({r: n for r, n in gateway.call("drops.get").items() if n})

            eventually(lambda: sum(dropped().values()) >= sum(expected.values()), "all is dropped")
            command.send_signal(signal.SIGINT)
            end = json.loads(command.communicate(timeout=60)[0])
            assert end["lost"] == 0
            named = collections.Counter(comment.split(",")[0] for (comment,) in fields(file, "frame.comment"))
            assert named == {f"dropped: {reason}": count for reason, count in dropped().items()}
            assert dropped() == expected
            check_recent_drops(gateway, file.read_bytes(), tmp_path / "recent.pcapng")
            one = gateway.ctl_json("drops", "malformed_l3")
            assert one["packets"] == expected["malformed_l3"] and "IP header" in one["meaning"]
    finally:
        wire.remove()


def test_what_is_wrong_is_named(lab):
    for params, field in (
        ({"at": "tx", "filter": "tcp prot 80"}, "/filter"),
        ({"at": "rx", "reason": "no_service"}, "/reason"),
        ({"at": "somewhere"}, "/at"),
        ({"at": "rx", "snaplen": 0}, "/snaplen"),
    ):
        refusal = lab.gateway.refusal("capture.start", **params)
        assert [fault["pointer"] for fault in refusal.data["faults"]] == [field], params
    assert lab.gateway.refusal("capture.start", at="tx", service="nobody").data["kind"] == "not_found"
    assert lab.gateway.refusal("capture.start", at="tx", port="nowhere").data["kind"] == "not_found"
    assert lab.gateway.refusal("capture.stop", capture=999_999).data["kind"] == "not_found"


def begun(gateway):
    """One more capture, once those that earlier tests have left are noticed to be."""

    def attempt():
        try:
            return Capture(gateway, at="rx")
        except Refused:
            return None

    return eventually(attempt, "there is room for a capture")


def test_a_capture_ends_with_its_limits_and_with_its_reader(lab):
    with Capture(lab.gateway, at="rx", seconds=1) as by_time:
        by_time.wait()
    running = [begun(lab.gateway) for _ in range(8)]
    assert lab.gateway.refusal("capture.start", at="rx").data["kind"] == "unavailable"
    for capture in running[1:]:
        capture.stop()
    running[0].leave()
    lab.ask(SERVICES[0], 1)
    Capture(lab.gateway, at="rx", packets=1).stop()
