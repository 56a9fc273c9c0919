"""Two sites, a gateway each, and an ESP tunnel between them."""

import contextlib
import pathlib
import re
import secrets
import signal
import subprocess
import time

import pytest

from gateway import Gateway, boot_section
from namespaces import Namespace, clear_leftovers, owner_tag, work_directory
from processes import eventually, spawn, stop

URL = "http://203.0.113.10/"
LEFT, RIGHT = "198.18.30.1", "198.18.30.2"


def port(name, address):
    return {"name": name, "device": f"net_af_packet_{name},iface={name}", "addresses": [address]}


def tunnel(folder: pathlib.Path, name, local, remote, network, spi_in, spi_out, key_in, key_out):
    for suffix, key in (("in", key_in), ("out", key_out)):
        file = folder / f"{name}.{suffix}"
        file.touch(0o600)
        file.write_text(key)
    return {
        "name": name, "local": local, "remote": remote, "networks": [network],
        "keys": {
            "spi_in": spi_in, "spi_out": spi_out, "algorithm": "aes-128-gcm", "esn": False,
            "in": f"file:{folder}/{name}.in", "out": f"file:{folder}/{name}.out",
        },
    }  # fmt: skip


def site(name, ports, snat, backend, service, tunnels, state):
    return {
        "gateway": boot_section(name, eal=["--no-huge", "-m", "256", "--no-pci", "--no-telemetry",
                                           "--file-prefix", name]),
        "ports": ports, "snat": [snat],
        "pools": [{"name": "web", "backends": [{"address": backend, "port": 80}]}],
        "services": [{"name": "web", "address": service, "port": 80, "forward": "full-nat", "pool": "web"}],
        "tunnels": tunnels, "tunnel_state": str(state), "http": {"listen": ""},
    }  # fmt: skip


class Sites:
    """client - left gateway === right gateway - server."""

    def __init__(self):
        clear_leftovers()
        self.work = work_directory()
        tag = owner_tag()
        self.spaces = {role: Namespace(role, tag) for role in ("client", "left", "right", "server")}
        self._wire("client", "eth0", "left", "edge0")
        self._wire("left", "wan0", "right", "wan1")
        self._wire("right", "lan0", "server", "eth0")
        client, server = self.spaces["client"], self.spaces["server"]
        client.ip("address", "add", "198.18.10.100/24", "dev", "eth0")
        client.ip("route", "add", "203.0.113.0/24", "via", "198.18.10.1")
        server.ip("address", "add", "198.18.40.10/24", "dev", "eth0")
        self.server = server.spawn("/usr/bin/python3", "-m", "http.server", "--bind", "198.18.40.10", "80",
                                   cwd=self._pages(), log=self.work / "server.log")  # fmt: skip
        self.keys = [secrets.token_hex(20), secrets.token_hex(20)]
        to_right, to_left = self.keys
        self.left = Gateway(self.work / "left", {}, self.spaces["left"])
        self.right = Gateway(self.work / "right", {}, self.spaces["right"])
        for gateway in (self.left, self.right):
            control = gateway.config["control"]
            is_left = gateway is self.left
            folder = gateway.directory
            gateway.config = site(
                f"{tag}-{'left' if is_left else 'right'}",
                [port("edge0", "198.18.10.1/24"), port("wan0", LEFT + "/24")] if is_left
                else [port("wan1", RIGHT + "/24"), port("lan0", "198.18.40.1/24")],
                "198.18.30.5" if is_left else "198.18.40.5",
                "10.20.0.10" if is_left else "198.18.40.10",
                "203.0.113.10" if is_left else "10.20.0.10",
                [tunnel(folder, "right", LEFT, RIGHT, "10.20.0.0/16", 4097, 4098, to_left, to_right)] if is_left
                else [tunnel(folder, "left", RIGHT, LEFT, "198.18.30.5/32", 4098, 4097, to_right, to_left)],
                folder / "tunnels",
            )  # fmt: skip
            gateway.config["control"] = control
            gateway.start()
        eventually(lambda: self.fetch() == 0, "a page comes through the tunnel", 20)

    def _pages(self) -> pathlib.Path:
        pages = self.work / "pages"
        pages.mkdir()
        (pages / "index.html").write_text("from the other site\n")
        (pages / "large").write_bytes(bytes(1 << 20))
        return pages

    def _wire(self, role, device, other, other_device):
        one, two = self.spaces[role], self.spaces[other]
        one.ip("link", "add", device, "type", "veth", "peer", "name", other_device, "netns", two.name)
        for space, end in ((one, device), (two, other_device)):
            space.run("ethtool", "-K", end, *"tx off tso off gso off gro off sg off".split())
            if space.role in ("left", "right"):
                space.sysctl(f"net.ipv6.conf.{end}.disable_ipv6=1", f"net.ipv4.conf.{end}.arp_ignore=8")
            space.ip("link", "set", end, "up")

    def fetch(self, path: str = "") -> int:
        """curl's exit status."""
        return self.spaces["client"].run("curl", "-sS", "-f", "-m", "5", "-o", "/dev/null", URL + path,
                                         check=False).returncode  # fmt: skip

    @contextlib.contextmanager
    def capture(self):
        """What comes in by the wire between the sites, as a file of each: what a gateway sends passes by its own
        side's captures."""
        files = {"left": self.work / "left.pcap", "right": self.work / "right.pcap"}
        running = []
        for role, device in (("left", "wan0"), ("right", "wan1")):
            log = self.work / f"{role}-dumpcap.log"
            running.append(self.spaces[role].spawn("dumpcap", "-q", "-P", "-i", device, "-w", files[role], log=log))
            eventually(lambda log=log: "File:" in log.read_text(), "dumpcap runs", 15)
        try:
            yield files
        finally:
            time.sleep(0.5)  # what was sent last is still on its way to the file
            for process in running:
                stop(process)

    def close(self):
        for gateway in (self.left, self.right):
            gateway.stop()
        for space in self.spaces.values():
            space.remove()


@pytest.fixture(scope="module")
def sites():
    made = Sites()
    yield made
    made.close()


def decrypted(file: pathlib.Path, spis_and_keys, shown: str) -> str:
    """tshark's reading of a capture, with static keys or without."""
    command = ["tshark", "-r", str(file), "-Y", shown]
    if spis_and_keys:
        command += ["-o", "esp.enable_encryption_decode:TRUE"]
    for spi, key in spis_and_keys:
        association = ["IPv4", "*", "*", f"0x{spi:08x}", "AES-GCM with 16 octet ICV [RFC4106]", f"0x{key}", "NULL", ""]
        association += ["32-bit", ""] if has_number_length() else []
        command += ["-o", "uat:esp_sa:" + ",".join(f'"{field}"' for field in association)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout


def has_number_length() -> bool:
    version = subprocess.run(["tshark", "-v"], capture_output=True, text=True, check=True).stdout
    return tuple(map(int, re.search(r"(\d+)\.(\d+)", version).groups())) >= (4, 2)


def test_tshark_finds_the_inner_packets_with_the_keys_and_nothing_without(sites):
    with sites.capture() as files:
        assert sites.fetch() == 0
    to_right, to_left = sites.keys
    keys = [(4098, to_right), (4097, to_left)]
    assert "GET / HTTP" in decrypted(files["right"], keys, "http")
    assert "200 OK" in decrypted(files["left"], keys, "http")
    for file in files.values():
        assert "10.20.0.10" in decrypted(file, keys, "tcp")
        assert decrypted(file, [], "tcp || http") == ""
        assert decrypted(file, [], "esp")
        assert decrypted(file, [], "ip && !(ip.proto == 50)") == "", "nothing but the tunnel's packets"


def test_wrk_runs_through(sites):
    done = sites.spaces["client"].run("wrk", "-t1", "-c4", "-d2s", URL, timeout=60).stdout
    assert int(re.search(r"(\d+) requests in", done).group(1)) > 20
    assert "Non-2xx" not in done and "connect 0" in (done + " connect 0")
    assert sites.fetch("large") == 0, "full-sized segments, so that both ends have learnt what fits"


def test_traffic_goes_on_whichever_end_is_killed_and_started_again(sites):
    for gateway in (sites.left, sites.right):
        gateway.process.send_signal(signal.SIGKILL)
        gateway.process.wait(10)
        gateway.start()
        eventually(lambda: sites.fetch() == 0, "a page comes through the tunnel again", 20)
    for gateway in (sites.left, sites.right):
        row = gateway.call("tunnel.list")[0]
        assert row["state"] == "up" and row["packets_in"] > 0 and row["packets_out"] > 0
        assert row["dropped"]["replay"] == 0 and row["dropped"]["icv"] == 0


def test_new_keys_lose_nothing(sites):
    load = sites.spaces["client"].spawn("wrk", "-t1", "-c4", "-d4s", "--timeout", "5s", URL,
                                        log=sites.work / "wrk.log")  # fmt: skip
    before = [gateway.call("tunnel.list")[0]["dropped"] for gateway in (sites.left, sites.right)]
    left_now = (4097, sites.keys[1])

    def rekey(gateway, name, received, sent):
        gateway.call("tunnel.rekey", tunnel=name, overlap="30s", **{
            "in": direction(*received), "out": direction(*sent)})  # fmt: skip

    for turn in range(20):
        right_next = (10_000 + 2 * turn, secrets.token_hex(20))
        left_next = (10_001 + 2 * turn, secrets.token_hex(20))
        # Each end knows what it will receive before the other one sends it.
        rekey(sites.right, "left", right_next, left_now)
        rekey(sites.left, "right", left_next, right_next)
        rekey(sites.right, "left", right_next, left_next)
        left_now = left_next
    load.wait(30)
    assert "Socket errors" not in (sites.work / "wrk.log").read_text()
    after = [gateway.call("tunnel.list")[0] for gateway in (sites.left, sites.right)]
    assert [row["dropped"] for row in after] == before
    assert after[0]["out"]["spi"] == right_next[0] and after[0]["in"]["spi"] == left_now[0]
    assert "key" not in str(after)


def direction(spi, key):
    return {"spi": spi, "algorithm": "aes-128-gcm", "key": key}


def test_keys_are_not_shown_and_not_kept_in_memory(sites):
    secret = secrets.token_hex(20)
    answer = sites.left.call("tunnel.rekey", tunnel="right", overlap="0s", **{
        "in": {"spi": 20_001, "algorithm": "aes-128-gcm", "key": secrets.token_hex(20)},
        "out": {"spi": 20_000, "algorithm": "aes-128-gcm", "key": secret}})
    assert answer["out"]["spi"] == 20_000
    assert secret not in str(sites.left.call("config.get")) + sites.left.log.read_text()
    sites.left.call("tunnel.rekey", tunnel="right", overlap="0s", **{
        "in": {"spi": 20_003, "algorithm": "aes-128-gcm", "key": secrets.token_hex(20)},
        "out": {"spi": 20_002, "algorithm": "aes-128-gcm", "key": secrets.token_hex(20)}})
    wanted = [secret.encode(), bytes.fromhex(secret)[:16]]
    eventually(lambda: not in_memory(sites.left.process.pid, wanted), "the old key is gone from memory", 20)


def in_memory(pid: int, wanted) -> list:
    """Which of these a process has in its writable memory."""
    found = []
    with open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in pathlib.Path(f"/proc/{pid}/maps").read_text().splitlines():
            span, rights = line.split()[:2]
            if not rights.startswith("rw"):
                continue
            start, end = (int(number, 16) for number in span.split("-"))
            while start < end:
                size = min(end - start, 1 << 24)
                try:
                    memory.seek(start)
                    bytes_there = memory.read(size + 64)
                except (OSError, ValueError, OverflowError):
                    break
                found += [one for one in wanted if one in bytes_there]
                start += size
    return found


def test_a_key_is_taken_from_nobody_but_admins(sites):
    refused = sites.left.refusal("tunnel.rekey", tunnel="right", **{
        "in": {"spi": 255, "algorithm": "aes-128-gcm", "key": "00"},
        "out": {"spi": 300, "algorithm": "aes-512", "key": secrets.token_hex(20)}})
    pointers = sorted(fault["path"] if "path" in fault else fault["pointer"] for fault in refused.data["faults"])
    assert pointers == ["/in/key", "/in/spi", "/out/algorithm"]
    assert sites.left.refusal("tunnel.rekey", tunnel="none", **{
        "in": {"spi": 300, "algorithm": "aes-128-gcm", "key": secrets.token_hex(20)},
        "out": {"spi": 301, "algorithm": "aes-128-gcm", "key": secrets.token_hex(20)}}).data["kind"] == "not_found"


def test_sluicectl_shows_tunnels_and_gives_them_keys(sites, tmp_path):
    listed = sites.left.ctl_json("tunnel", "list")
    assert [row["tunnel"] for row in listed] == ["right"]
    keys = tmp_path / "keys.json"
    keys.write_text('{"in": {"spi": 30001, "algorithm": "aes-128-gcm", "key": "%s"},'
                    ' "out": {"spi": 30000, "algorithm": "aes-128-gcm", "key": "%s"}}'
                    % (secrets.token_hex(20), secrets.token_hex(20)))  # fmt: skip
    answer = sites.left.ctl_json("tunnel", "rekey", "right", keys, "--overlap", "1s")
    assert answer["out"]["spi"] == 30000
