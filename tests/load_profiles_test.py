"""The load profiles for TRex and Pktgen, as far as that goes without them: they load, and what they send is for a
service of the gateway's configuration, which the gateway accepts."""

import importlib.util
import os
import pathlib
import subprocess

import pytest
import yaml
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether

import trex_stub
from processes import ROOT, SLUICECTL, SLUICED

PERF = ROOT / "perf"
MODES = ("full-nat", "dnat", "direct", "ipip", "gue")


def configuration(name):
    return yaml.safe_load((PERF / "trex" / f"gateway-{name}.yaml").read_text())


@pytest.mark.parametrize("name", ["vip", "ledger"])
def test_the_gateway_accepts_the_configuration(name, tmp_path):
    text = (PERF / "trex" / f"gateway-{name}.yaml").read_text()
    key = tmp_path / "load.key"
    subprocess.run([SLUICECTL, "ledger", "keygen", "--name", "edge-1.example.com/load", "--out", key], check=True)
    file = tmp_path / "sluice.yaml"
    file.write_text(text.replace("/etc/sluice/load.key", str(key)).replace("/var/lib/sluice", str(tmp_path)))
    done = subprocess.run([SLUICED, "--check-config", "--config", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def service_of(mode, protocol, destination, port):
    """Whether the configuration has exactly that service."""
    return [
        service for service in configuration("vip")["services"]
        if (service["forward"], service["protocol"], service["address"], service["port"])
        == (mode, protocol, destination, port)
    ]  # fmt: skip


def profile(name, *tunables):
    """The streams of a TRex profile."""
    trex_stub.install()
    file = PERF / "trex" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"trex_{name}", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.register().get_streams(direction=0, tunables=list(tunables))


def instructions(stream, kind):
    return [fields for name, fields in stream.packet.vm.instructions if name == kind]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("family, network", [(4, IP), (6, IPv6)])
@pytest.mark.parametrize("protocol, transport", [("tcp", TCP), ("udp", UDP)])
def test_trex_asks_for_each_service(mode, family, network, protocol, transport):
    (stream,) = profile("vip", "--forward", mode, "--family", str(family), "--protocol", protocol)
    frame = Ether(bytes(stream.packet.pkt))  # as it goes out
    assert len(frame) == max(60, 14 + (40 if family == 6 else 20) + (20 if protocol == "tcp" else 8))
    assert len(service_of(mode, protocol, frame[network].dst, frame[transport].dport)) == 1
    (checksum,) = instructions(stream, "fix_chksum_hw")
    assert checksum["l4_offset"] == protocol.upper()


def test_trex_sends_as_many_flows_as_wished():
    (stream,) = profile("vip", "--flows", "1000000")
    (flows,) = instructions(stream, "tuple_var")
    assert flows["limit_flows"] == 1000000 and (flows["ip_min"], flows["ip_max"]) == ("198.19.0.1", "198.19.0.16")
    assert {fields["pkt_offset"] for fields in instructions(stream, "write")} == {"IP.src", "UDP.sport"}


def test_trex_mixes_sizes():
    streams = profile("vip", "--size", "imix")
    assert [(len(stream.packet.pkt), stream.mode.pps) for stream in streams] == [(60, 7), (590, 4), (1514, 1)]


@pytest.mark.parametrize("framing", ["raw", "coap"])
def test_trex_submits_transactions_that_differ(framing):
    (stream,), (again,) = (profile("ledger", "--framing", framing, "--size", "256") for _ in range(2))
    frame = Ether(bytes(stream.packet.pkt))
    ingress = {each["framing"]: each for each in configuration("ledger")["ledger"]["ingress"]}[framing]
    assert (frame[IP].dst, frame[UDP].dport) == (ingress["address"], ingress["port"])
    payload = bytes(frame[UDP].payload)
    message, transaction = (payload[:8], payload[8:]) if framing == "coap" else (b"", payload)
    assert message in (b"", b"\x50\x02\x00\x00\xb2tx\xff") and len(transaction) == 256
    assert transaction[:8] != bytes(again.packet.pkt)[-256:-248]  # a run's own
    (counter,) = [each for each in instructions(stream, "write") if each["fv_name"] == "counter"]
    assert counter["pkt_offset"] == len(frame) - 256 + 8


def pktgen_calls(script, **wishes):
    """What a Lua script tells Pktgen, call by call."""
    file = PERF / "pktgen" / f"{script}.lua"
    subprocess.run(["luac", "-p", file], check=True)
    stub = pathlib.Path(__file__).parent / "support" / "pktgen_stub.lua"
    done = subprocess.run(["lua", "-e", f"dofile('{stub}')", file], capture_output=True, text=True, check=True,
                          env={**os.environ, **wishes})  # fmt: skip
    return [line.split() for line in done.stdout.splitlines()]


def ranges(calls):
    """Its ranges as {field: {start, min, max, inc}}."""
    found = {}
    for call in calls:
        if call[0] == "range" and len(call) == 5:
            found.setdefault(call[1], {})[call[3]] = call[4]
    return found


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_pktgen_asks_for_each_service(mode, protocol):
    calls = pktgen_calls("vip", FORWARD=mode, PROTOCOL=protocol)
    found = ranges(calls)
    assert len(service_of(mode, protocol, found["dst_ip"]["start"], int(found["dst_port"]["start"]))) == 1
    assert ["range", "ip_proto", "0", protocol] in calls and ["set_range", "0", "on"] in calls
    assert calls[-1] == ["stop", "0"]


def masked(calls):
    """The bits that Pktgen puts into each frame from the payload on, `.` where it puts none."""
    bits = ["."] * 256
    for _, _, _, offset, mask in (call for call in calls if call[0] == "rnd"):
        begin = 8 * (int(offset) - 42)
        if begin >= 0:
            bits[begin : begin + len(mask)] = mask
    return "".join(bits).rstrip(".")


def test_pktgen_submits_transactions_that_differ():
    raw, coap = (pktgen_calls("ledger", FRAMING=framing) for framing in ("raw", "coap"))
    assert masked(raw) == "X" * 96
    header = f"{0x5002:016b}" + "X" * 16 + f"{0xB27478FF:032b}"
    assert masked(coap) == header + "X" * 96
    ingress = {each["framing"]: str(each["port"]) for each in configuration("ledger")["ledger"]["ingress"]}
    assert (ranges(raw)["dst_port"]["start"], ranges(coap)["dst_port"]["start"]) == (ingress["raw"], ingress["coap"])
    for calls in (raw, coap):
        assert ["rnd", "0", "0", "40", "0" * 16] in calls  # no UDP checksum


@pytest.mark.parametrize("script, wishes", [("vip", {"FORWARD": "dnat"}), ("ledger", {"FRAMING": "raw"})])
def test_pktgen_commands_say_what_the_script_does(script, wishes):
    lines = [line.split() for line in (PERF / "pktgen" / f"{script}.pkt").read_text().splitlines()]
    commands = [line for line in lines if line and line[0] != "#"]
    assert {line[0] for line in commands} == {"range", "enable", "set", "start"}
    wanted = ranges(pktgen_calls(script, **wishes))
    said = {"_".join(line[2:-4]): dict(zip(("start", "min", "max", "inc"), line[-4:]))
            for line in commands if line[0] == "range" and len(line) > 6}  # fmt: skip
    assert said.pop("size") == wanted.pop("pkt_size")
    assert wanted.pop("dst_mac") == {"start": "02:00:00:00:00:01"}
    assert said == wanted
