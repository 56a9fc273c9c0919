"""Two sites, a gateway each, and an ESP tunnel between them: what the tests of tunnels are about."""

import contextlib
import pathlib
import secrets
import shutil
import socket
import tempfile

from gateway import Gateway, boot_section
from namespaces import Namespace, clear_leftovers, owner_tag, work_directory
from processes import eventually, stop

URL = "http://203.0.113.10/"
# Of an EtherType for experiments: no gateway takes it for anything.
LAST = bytes.fromhex("ffffffffffff 020000000001 88b5") + b"the last of all, by the "
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


def association(spi, key):
    """One direction of a tunnel, as `tunnel.rekey` takes it."""
    return {"spi": spi, "algorithm": "aes-128-gcm", "key": key}


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
    """client - left gateway === right gateway - server. `checks`: the left one checks its backend by its kernel."""

    def __init__(self, checks: bool = False):
        clear_leftovers()
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="sites-", dir=work_directory()))
        tag = owner_tag()
        self.spaces = {role: Namespace(f"site-{role}", tag) for role in ("client", "left", "right", "server")}
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
        self._to_right, self._to_left = (4098, to_right), (4097, to_left)
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
            if checks and is_left:
                gateway.config["ports"][1]["kernel"] = True
                gateway.config["pools"][0]["health"] = {"type": "http", "interval": "200ms", "timeout": "150ms"}
            if checks and not is_left:
                gateway.config["tunnels"][0]["networks"].append(LEFT + "/32")
            gateway.start()
        if checks:
            self.spaces["left"].ip("route", "add", "10.20.0.0/16", "via", RIGHT, "dev", "sl-wan0")
        eventually(lambda: self.fetch() == 0, "a page comes through the tunnel")

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
            if space in (self.spaces["left"], self.spaces["right"]):
                space.sysctl(f"net.ipv6.conf.{end}.disable_ipv6=1", f"net.ipv4.conf.{end}.arp_ignore=8")
            space.ip("link", "set", end, "up")

    def fetch(self, path: str = "") -> int:
        """curl's exit status."""
        return self.spaces["client"].run("curl", "-sS", "-f", "-m", "20", "-o", "/dev/null", URL + path,
                                         check=False).returncode  # fmt: skip

    def rekey(self, overlap: str) -> None:
        """New SPIs and keys for both directions. Each end knows what it will receive before the other one sends it."""
        to_right = (self._to_right[0] + 10_000, secrets.token_hex(20))
        to_left = (self._to_left[0] + 10_000, secrets.token_hex(20))
        for gateway, tunnel_name, received, sent in (
            (self.right, "left", to_right, self._to_left),
            (self.left, "right", to_left, to_right),
            (self.right, "left", to_right, to_left),
        ):
            gateway.call("tunnel.rekey", tunnel=tunnel_name, overlap=overlap, **{
                "in": association(*received), "out": association(*sent)})  # fmt: skip
        self._to_right, self._to_left = to_right, to_left

    def spis(self) -> tuple:
        """Those of what goes to the right and to the left, of the newest keys."""
        return self._to_right[0], self._to_left[0]

    @contextlib.contextmanager
    def capture(self):
        """What comes in by the wire between the sites, as a file of each: what a gateway sends passes by its own
        side's captures."""
        files = {"left": self.work / "left.pcap", "right": self.work / "right.pcap"}
        running, devices = [], {"left": "wan0", "right": "wan1"}
        for role, device in devices.items():
            log = self.work / f"{role}-dumpcap.log"
            running.append(self.spaces[role].spawn("dumpcap", "-q", "-P", "-i", device, "-w", files[role], log=log))
            eventually(lambda log=log: "File:" in log.read_text(), "dumpcap runs")
        try:
            yield files
            for role, other in (("left", "right"), ("right", "left")):
                last = LAST + role.encode()
                with self.spaces[role].entered():
                    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
                with sock:
                    sock.bind((devices[role], 0))
                    sock.send(last)
                eventually(lambda other=other, last=last: last in files[other].read_bytes(), "all is in the file")
        finally:
            for process in running:
                stop(process)

    def close(self):
        for gateway in (self.left, self.right):
            gateway.stop()
        for space in self.spaces.values():
            space.remove()
        shutil.rmtree(self.work, ignore_errors=True)
