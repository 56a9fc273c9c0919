"""`sluicectl simulate` as users call it: their captures, what it says of them, and what it refuses. That it does what
the gateway does is golden/simulate_test.py's."""

import json
import os
import subprocess

import pytest
import yaml
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.l2 import Ether
from scapy.utils import PcapNgWriter, PcapReader, PcapWriter

import maglev
from frames import has_right_checksums, is_announcement
from gateway import HASH_KEY
from processes import SLUICECTL

MAC, CLIENT_MAC = "02:00:00:00:00:77", "02:00:00:00:01:00"
VIP, CLIENT = "203.0.113.10", "198.18.10.100"
BACKENDS = ["198.18.10.11", "198.18.10.12"]


def config(**changes):
    """A gateway on one wire, as people have it who try things: no neighbors, no MAC address, no devices."""
    return {
        "gateway": {"hash_key": HASH_KEY.hex(), "workers": [63]},
        "ports": [{"name": "edge0", "addresses": ["198.18.10.1/24"]}],
        "pools": [{"name": "web", "backends": [{"address": address, "port": 8080} for address in BACKENDS]}],
        "services": [
            {"name": "web", "address": VIP, "port": 80, "protocol": "tcp", "forward": "dnat", "pool": "web"}
        ],
        **changes,
    }


def request(sport, dport=80, protocol=TCP):
    return Ether(src=CLIENT_MAC, dst=MAC) / IP(src=CLIENT, dst=VIP) / protocol(sport=sport, dport=dport)


def picked(sport, backends=BACKENDS):
    table = maglev.build_table(HASH_KEY, [maglev.Backend(each, 8080, 1) for each in backends], maglev.TCP, None)
    return table[maglev.flow_hash(HASH_KEY, CLIENT, sport, VIP, 80, maglev.TCP) % len(table)].address


def write(directory, frames, name="in.pcap", writer=PcapWriter, **changes):
    (directory / "sluice.yaml").write_text(yaml.safe_dump(config(**changes)))
    with writer(str(directory / name)) as capture:
        for number, frame in enumerate(frames):
            frame.time = 1_700_000_000 + number * 0.25
            capture.write(frame)


def simulate(directory, *arguments, output="json", prefix=()):
    command = [*prefix, SLUICECTL, "-o", output, "simulate", "--config", "sluice.yaml", *arguments]
    return subprocess.run([str(word) for word in command], cwd=directory, capture_output=True, text=True, timeout=300)


def report_of(directory, *arguments, **options):
    ran = simulate(directory, *arguments, **options)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


@pytest.mark.parametrize("writer", [PcapWriter, PcapNgWriter])
def test_a_plain_capture_of_one_port_says_where_flows_go(tmp_path, writer):
    frames = [request(40000), request(40001), request(40000), request(5, dport=81, protocol=UDP)]
    write(tmp_path, frames, writer=writer)
    report = report_of(tmp_path, "--in", "in.pcap", "--out", "out.pcap")
    flows = {flow["source"]: flow for flow in report["flows"]}
    for sport, packets in ((40000, 2), (40001, 1)):
        flow = flows[f"{CLIENT}:{sport}"]
        assert (flow["service"], flow["backend"], flow["packets"]) == ("web", f"{picked(sport)}:8080", packets)
    assert flows[f"{CLIENT}:5"]["drop_reason"] == "no_service" and flows[f"{CLIENT}:5"]["dropped"] == {"no_service": 1}
    assert report["drops"]["no_service"] == 1 and sum(report["drops"].values()) == 1
    packets = report["packets"]
    assert packets["received"] + packets["originated"] == (
        packets["transmitted"] + packets["dropped"] + packets["consumed"] + packets["waiting"]
    )
    # Backends that no capture shows have MAC addresses, and are named.
    assert {each["address"] for each in report["assumed_neighbors"]} == {picked(40000), picked(40001)}
    assert any(MAC in notice for notice in report["notices"])
    with PcapReader(str(tmp_path / "out.pcap")) as reader:
        sent = [frame for frame in reader if IP in frame and not is_announcement(frame)]
    assert [(frame[IP].dst, frame[TCP].dport) for frame in sent] == [
        (picked(sport), 8080) for sport in (40000, 40001, 40000)
    ]
    assert all(has_right_checksums(frame) for frame in sent)
    assert [round(float(frame.time) - 1_700_000_000, 3) for frame in sent] == pytest.approx([0, 0.25, 0.5], abs=0.002)


def test_one_capture_of_two_ports_goes_by_mac_addresses(tmp_path):
    ports = [
        {"name": "edge0", "mac": MAC, "addresses": ["198.18.10.1/24"]},
        {"name": "core0", "mac": "02:00:00:00:00:78", "addresses": ["198.18.20.1/24"]},
    ]
    backend = "198.18.20.11"
    pools = [{"name": "web", "backends": [{"address": backend, "port": 8080}]}]
    answer = Ether(src="02:00:00:00:02:11", dst="02:00:00:00:00:78") / IP(src=backend, dst=CLIENT) / TCP(
        sport=8080, dport=40000, flags="SA"
    )
    write(tmp_path, [request(40000), answer], ports=ports, pools=pools)
    report = report_of(tmp_path, "--in", "in.pcap", "--out", "edge0=edge.pcap")
    assert [flow["source"] for flow in report["flows"]] == [f"{CLIENT}:40000"] and report["answer_packets"] == 1
    with PcapReader(str(tmp_path / "edge.pcap")) as reader:
        sent = [frame for frame in reader if TCP in frame]
    assert [(frame[IP].src, frame[TCP].sport) for frame in sent] == [(VIP, 80)]


def test_silent_neighbors_stay_silent_where_that_is_asked_for(tmp_path):
    write(tmp_path, [request(40000)])
    report = report_of(tmp_path, "--in", "in.pcap", "--neighbors", "captured", "--until", "10s")
    assert report["drops"]["neighbor_unresolved"] == 1 and report["assumed_neighbors"] == []
    assert report["duration"] == pytest.approx(10)


def test_flows_that_another_configuration_would_move_are_listed(tmp_path):
    write(tmp_path, [request(sport) for sport in range(40000, 40050)])
    fewer = config(pools=[{"name": "web", "backends": [{"address": BACKENDS[0], "port": 8080}]}])
    (tmp_path / "fewer.yaml").write_text(yaml.safe_dump(fewer))
    (tmp_path / "same.yaml").write_text((tmp_path / "sluice.yaml").read_text())
    ran = simulate(tmp_path, "--in", "in.pcap", "--against", "fewer.yaml")
    assert ran.returncode == 8, ran.stderr
    moved = {flow["source"] for flow in json.loads(ran.stdout)["moved"]}
    assert moved == {f"{CLIENT}:{sport}" for sport in range(40000, 40050) if picked(sport) != BACKENDS[0]}
    assert report_of(tmp_path, "--in", "in.pcap", "--against", "same.yaml")["moved"] == []


def test_it_needs_no_privilege(tmp_path):
    tmp_path.chmod(0o777)
    for parent in tmp_path.parents:
        if os.access(parent, os.W_OK) and parent.owner() == "root" and str(parent) not in ("/", "/tmp", "/dev"):
            parent.chmod(parent.stat().st_mode | 0o011)
    write(tmp_path, [request(40000)])
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all", "--inh-caps=-all"]
    assert report_of(tmp_path, "--in", "in.pcap", prefix=nobody)["packets"]["received"] >= 1


def test_people_get_tables_and_notes(tmp_path):
    write(tmp_path, [request(40000)])
    ran = simulate(tmp_path, "--in", "in.pcap", output="table")
    assert ran.returncode == 0
    assert f"web {picked(40000)}:8080" in ran.stdout and "drops: none" in ran.stdout
    assert "note: " in ran.stderr and MAC in ran.stderr


@pytest.mark.parametrize(
    "arguments, status, words",
    [
        (["--in", "edge7=in.pcap"], 1, 'no port "edge7"'),
        (["--in", "none.pcap"], 1, "none.pcap"),
        (["--in", "sluice.yaml"], 1, "sluice.yaml"),
        (["--in", "in.pcap", "--until", "soon"], 2, "not a duration"),
        (["--in", "in.pcap", "--against", "bad.yaml"], 3, "bad.yaml:1:"),
        (["--in", "in.pcap", "--out", "nowhere/out.pcap"], 1, "nowhere/out.pcap"),
        ([], 2, "--in"),
        (["--in", "-", "--against", "sluice.yaml"], 2, "twice"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, arguments, status, words):
    write(tmp_path, [request(40000)])
    (tmp_path / "bad.yaml").write_text("pools: 7\n")
    ran = simulate(tmp_path, *arguments, output="table")
    assert (ran.returncode, ran.stdout) == (status, ""), ran.stderr
    assert words in ran.stderr
