"""Routes, splits, slow starts and outliers of running gateways, held against the twin of their rules."""

import random
import socket
import struct

import pytest
import yaml

import maglev
import steering
from configuration import SERVICES
from gateway import HASH_KEY, boot_section, run_until_idle
from processes import eventually
from wireless import free_port

FLOWS = 100_000
EDGE = "02:00:00:00:00:01"
MACS = {
    "198.18.20.11": "02:00:00:00:02:11",
    "198.18.20.12": "02:00:00:00:02:12",
    "198.18.20.21": "02:00:00:00:02:21",
}
WEB = [maglev.Backend("198.18.20.11"), maglev.Backend("198.18.20.12")]
CANARY = [maglev.Backend("198.18.20.21")]


def listed(backends):
    return [{"address": b.address, "port": b.port, "weight": b.weight} for b in backends]


def split_of(web, canary):
    return [{"pool": "web", "weight": web}, {"pool": "canary", "weight": canary}]


def sections(service, forward="direct", protocol="udp"):
    """Two pools, and one service that is to have `service` besides."""
    base = {"name": "web", "address": "203.0.113.10", "port": 80, "protocol": protocol, "forward": forward}
    return {
        "pools": [{"name": "web", "backends": listed(WEB)}, {"name": "canary", "backends": listed(CANARY)}],
        "services": [{**base, **service}],
    }


def write_flows(path, flows):
    """One UDP packet of each flow, as a pcap file; scapy would take a minute for it."""
    destination, source = bytes.fromhex(EDGE.replace(":", "")), bytes.fromhex("020000000100")
    with open(path, "wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for client, port in flows:
            header = struct.pack("!BBHHHBBH", 0x45, 0, 28, 0, 0, 64, 17, 0) + socket.inet_aton(client)
            header += socket.inet_aton("203.0.113.10")
            words = sum(struct.unpack("!10H", header))
            words = (words & 0xFFFF) + (words >> 16)
            checksum = ~((words & 0xFFFF) + (words >> 16)) & 0xFFFF
            header = header[:10] + struct.pack("!H", checksum) + header[12:]
            frame = destination + source + b"\x08\x00" + header + struct.pack("!HHHH", port, 80, 8, 0)
            file.write(struct.pack("<IIII", 0, 0, len(frame), len(frame)) + frame)


def read_flows(path):
    """By client and port, the MAC address that its packet went to."""
    data, at, found = path.read_bytes(), 24, {}
    macs = {bytes.fromhex(mac.replace(":", "")): address for address, mac in MACS.items()}
    while at < len(data):
        length = struct.unpack_from("<I", data, at + 8)[0]
        frame = data[at + 16 : at + 16 + length]
        at += 16 + length
        if frame[12:14] == b"\x08\x00" and frame[23] == 17:
            client, port = socket.inet_ntoa(frame[26:30]), struct.unpack_from("!H", frame, 34)[0]
            found[client, port] = macs[frame[:6]]
    return found


def replay(directory, config, received):
    """What a gateway makes of a file of packets: read_flows()."""
    directory.mkdir()
    ports = {
        "edge0": (EDGE, "198.18.10.1/24", received),
        "core0": ("02:00:00:00:00:02", "198.18.20.1/24", None),
    }
    boot = boot_section(directory.name, flow_table_entries=262144)
    whole = {
        "gateway": boot,
        "ports": [
            {
                "name": name,
                "device": f"net_pcap{index},"
                + (f"rx_pcap={rx}," if rx else "")
                + f"tx_pcap={directory}/{name}.tx",
                "mac": mac,
                "addresses": [address],
            }
            for index, (name, (mac, address, rx)) in enumerate(ports.items())
        ],
        "neighbors": [{"address": address, "mac": mac} for address, mac in MACS.items()],
        "control": {"socket": f"{directory}/control.sock"},
        "http": {"listen": f"127.0.0.1:{free_port()}"},
        **config,
    }
    (directory / "sluice.yaml").write_text(yaml.safe_dump(whole))
    ended = run_until_idle(directory, FLOWS, 2)
    assert ended.status == 0, ended.log
    return read_flows(directory / "core0.tx")


def test_two_gateways_split_100000_flows_alike_and_another_weight_moves_a_tenth(tmp_path):
    """One flow each; the second gateway lists everything in another order."""
    choice = random.Random(3)
    flows = {
        (f"198.{choice.randrange(32, 64)}.{i >> 8 & 255}.{i & 255}", choice.randrange(1024, 65536))
        for i in range(FLOWS)
    }
    write_flows(tmp_path / "rx.pcap", sorted(flows))
    routes = [{"source": ["198.40.0.0/14"], "pool": "canary"}]
    one = sections({"split": split_of(90, 10), "routes": routes})
    other = {"pools": one["pools"][::-1], "services": one["services"]}
    other["pools"][1]["backends"].reverse()
    moved = sections({"split": split_of(80, 20), "routes": routes})
    found = [
        replay(tmp_path / name, config, tmp_path / "rx.pcap")
        for name, config in (("one", one), ("other", other), ("moved", moved))
    ]
    assert len(found[0]) == len(flows)
    assert found[0] == found[1]

    tables = {
        "web": maglev.build_table(HASH_KEY, WEB, maglev.UDP),
        "canary": maglev.build_table(HASH_KEY, CANARY, maglev.UDP),
    }
    for (client, port), backend in list(found[0].items())[:: FLOWS // 5000]:
        hashed = maglev.flow_hash(HASH_KEY, client, port, "203.0.113.10", 80, maglev.UDP)
        is_routed = int(client.split(".")[1]) in range(40, 44)
        pool = "canary" if is_routed else steering.pool_of_hash([("web", 90), ("canary", 10)], hashed)
        assert backend == tables[pool][hashed % len(tables[pool])].address

    steered = [flow for flow in flows if int(flow[0].split(".")[1]) not in range(40, 44)]
    went = sum(found[0][flow] != found[2][flow] for flow in steered)
    assert abs(went / len(steered) - 0.1) < 0.005
    assert all(found[2][flow] == "198.18.20.21" for flow in steered if found[0][flow] != found[2][flow])


def test_the_control_socket_tells_of_all_pools(wireless):
    routes = [{"source": ["198.51.100.0/24"], "pool": "canary"}]
    gateway = wireless(
        **sections({"split": split_of(90, 10), "routes": routes}, "full-nat", "tcp"), snat=["198.18.10.1"]
    )
    row = gateway.call("service.list")[0]
    assert row["pool"] is None and row["pools"] == ["web", "canary"]
    assert row["split"] == split_of(90, 10) and row["routes"] == routes

    refused = gateway.refusal("service.table", service="web")
    assert "web, canary" in str(refused)
    gateway.refusal("service.table", service="web", pool="other")
    table = gateway.call("service.table", service="web", pool="canary")
    assert table["sha256"] == maglev.table_sha256(
        maglev.build_table(HASH_KEY, CANARY, maglev.TCP), maglev.TCP
    )
    assert gateway.ctl_json("service", "table", "web", "--pool", "web")["pool"] == "web"
    assert "web canary" in gateway.ctl("service", "list", output="table").stdout

    def explain(source):
        flow = {"source": source, "source_port": 40000, "destination": "203.0.113.10", "destination_port": 80}
        return gateway.call("trace.explain", **flow, protocol="tcp")

    routed = explain("198.51.100.7")["rules"]
    assert routed == [{"kind": "route", "name": "canary", "detail": "source 198.51.100.0/24 of routes/0"}]
    for source in (f"198.52.0.{i}" for i in range(1, 40)):
        flow = (source, 40000, "203.0.113.10", 80, maglev.TCP)
        pool = steering.pool_of_flow(HASH_KEY, flow, [("web", 90), ("canary", 10)])
        [rule] = explain(source)["rules"]
        assert (rule["kind"], rule["name"]) == ("split", pool)

    config = gateway.call("config.get")["config"]
    config["services"][0]["split"] = split_of(80, 20)
    dry = gateway.call("config.apply", config=config, dry_run=True)
    assert dry["disruption"] == {"web": pytest.approx(0.1, abs=1e-6)} and dry["flows_cut"] == {}
    config["services"][0]["split"] = split_of(0, 0)
    gateway.file.write_text(yaml.safe_dump(config, sort_keys=True))
    checked = gateway.ctl("config", "validate", gateway.file)
    assert checked.returncode == 3
    assert "/services/0/split" in checked.stdout + checked.stderr
    assert "sluice.yaml:" in checked.stdout + checked.stderr


def test_a_backend_that_is_set_active_grows_from_a_tenth_in_steps_of_a_tenth(wireless):
    config = sections({"pool": "web"}, "dnat", "tcp")
    config["pools"][0]["slow_start"] = "10s"
    gateway = wireless(**config)
    whole = gateway.call("service.table", service="web")["sha256"]
    assert whole == maglev.table_sha256(maglev.build_table(HASH_KEY, WEB, maglev.TCP), maglev.TCP)
    tables = {0: maglev.build_table(HASH_KEY, WEB[1:], maglev.TCP)} | {
        tenths: maglev.build_layered_table(HASH_KEY, [(WEB[0], tenths), (WEB[1], 10)], maglev.TCP)
        for tenths in range(1, 11)
    }
    steps = {maglev.table_sha256(table, maglev.TCP): tenths for tenths, table in tables.items()}
    key = {"pool": "web", "address": "198.18.20.11", "port": 0}
    for state in ("maintenance", "active"):
        gateway.call("backend.set", **key, state=state)
    seen = []

    def has_grown():
        # the answer to backend.set says that the state is kept: its table follows when it is published
        step = steps[gateway.call("service.table", service="web")["sha256"]]
        if seen or step < 10:
            seen.append(step)
        return seen and step == 10

    eventually(has_grown, "it has less than its whole weight, then its whole")
    assert seen == sorted(seen)
    assert gateway.call("service.table", service="web")["sha256"] == whole
    changes = gateway.call("change.list", limit=3)
    assert changes[0]["cause"] == "operator"  # steps are nobody's cause


def test_a_backend_that_refuses_connections_is_ejected_and_comes_back(lab, gateway):
    service = next(s for s in SERVICES if s.name == "full-nat-tcp4")
    pool = next(p for p in gateway.config["pools"] if p["name"] == service.pool)
    pool.update(
        outlier={"failures": 3, "window": "60s", "ejection": "2s", "most": 0.4}, health={"type": "none"}
    )
    gateway.write(gateway.config)
    gateway.stop()
    gateway.start()

    def rows():
        return {row["address"]: row for row in gateway.call("backend.list", pool=pool["name"])}

    for backend in lab.backends[:2]:
        backend.nginx.kill()
        backend.nginx.wait()

    def is_ejected():
        lab.ask(service, 12)
        return [row for row in rows().values() if row["state"] == "down"]

    ejected = eventually(is_ejected, "a backend is ejected", 60)
    assert all(row["reason"].startswith("ejected: 3 failures in a row") for row in ejected)
    assert all("a RST for a SYN" in row["reason"] for row in ejected)
    assert len(ejected) == 1  # most of three is one
    assert any(change["cause"] == "ejection" for change in gateway.call("change.list", limit=50))
    for backend in lab.backends[:2]:
        backend.start_nginx()
    eventually(lambda: all(row["state"] == "active" for row in rows().values()), "it is back", 60)
    eventually(lambda: lab.ask(service, 1), "a client is answered", 60)  # before, all may have been sent to who refuses
    metrics = gateway.metrics()
    assert metrics[f'sluice_service_handshake_seconds_count{{service="{service.name}"}}'] > 0
