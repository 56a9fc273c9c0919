"""A capture from afar: sluicectl's file is that of the gateway, and who goes away ends it."""

import json

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether
from scapy.utils import wrpcap

from capture import read_packets
from credentials import token
from processes import SLUICECTL, eventually, spawn, stop
from remote_site import RemoteSite


@pytest.fixture
def site(tmp_path):
    """Its port receives the same frames again and again."""
    made = RemoteSite(tmp_path / "site")
    frames = [Ether(dst="02:00:00:00:00:01", src="02:00:00:00:00:99") / IP(src="198.18.10.7", dst="203.0.113.10") / UDP(sport=9, dport=port)
              / (b"%d" % port) for port in range(1, 101)]  # fmt: skip
    wrpcap(str(tmp_path / "in.pcap"), frames)
    (port,) = made.gateway.config["ports"]
    port["device"] = f"net_pcap0,rx_pcap={tmp_path}/in.pcap,infinite_rx=1,tx_pcap={tmp_path}/out.pcap"
    port.pop("mac", None)
    with made.gateway:
        made.frames = [bytes(frame) for frame in frames]
        yield made


def options(site, who="ops"):
    return [SLUICECTL, "--remote", site.url, "--ca", site.authority.file, "--cert", site.who[who][0], "--key", site.who[who][1], "-o", "json"]


def test_a_capture_comes_from_afar_whole(site, tmp_path):
    file = tmp_path / "captured.pcapng"
    done = site.ctl("capture", "-w", file, "-c", 250, who="ops")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    packets = list(read_packets(file.read_bytes()))
    assert said["packets"] == len(packets) == 250
    assert {packet.data for packet in packets} <= set(site.frames)


def test_interrupting_it_ends_it_well(site, tmp_path):
    file = tmp_path / "captured.pcapng"
    client = spawn(*options(site), "capture", "-w", file, "--at", "drop", "-f", "udp port 7", "-c", 1_000_000, log=tmp_path / "client")
    try:
        eventually(lambda: file.exists() and file.stat().st_size > 4000, "packets come", 60)
        client.send_signal(2)
        assert client.wait(60) == 0
    finally:
        stop(client)
    assert {packet.data for packet in read_packets(file.read_bytes())} == {site.frames[6]}


def test_whoever_may_not_gets_none_and_a_bad_wish_is_refused(site, tmp_path):
    view = tmp_path / "token"
    view.touch(0o600)
    view.write_text(token("view"))
    assert site.ctl("capture", "-w", tmp_path / "none", token_file=view).returncode == 5
    assert site.ctl("capture", "-w", tmp_path / "none").returncode == 5
    wrong = site.ctl("capture", "-w", tmp_path / "none", "-f", "no such filter", who="ops")
    assert wrong.returncode == 1 and "filter" in wrong.stderr
    request = {"jsonrpc": "2.0", "id": 1, "method": "system.info"}
    status, body = site.curl("/rpc/stream", "-d", json.dumps(request), who="ops")
    assert status == 200 and json.loads(body)["result"]["role"] == "operate", "what tells nothing more ends with its answer"


def test_who_goes_away_ends_the_capture(site, tmp_path):
    client = spawn(*options(site), "capture", "-w", tmp_path / "one", "-c", 1_000_000, "--seconds", 3600, log=tmp_path / "client")
    eventually(lambda: (tmp_path / "one").exists() and (tmp_path / "one").stat().st_size > 4000, "packets come", 60)
    client.kill()
    client.wait(30)
    again = site.ctl("capture", "-w", tmp_path / "two", "-c", 10, who="ops")
    assert again.returncode == 0, again.stderr
    eventually(lambda: '"capture.start"' in site.audit.read_text(), "who began it is in the audit log")
