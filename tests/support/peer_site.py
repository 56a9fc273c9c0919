"""A client and a gateway, and at the other end of the gateway's ESP tunnel a program of others: what `./dev interop` tries
ESP with."""

import pathlib
import secrets
import shutil
import subprocess
import tempfile
from typing import Any, Dict

from gateway import Gateway, boot_section
from namespaces import Namespace, clear_leftovers, owner_tag, work_directory
from processes import eventually
from sites import port

URL = "http://203.0.113.10/"
LOCAL, REMOTE = "198.18.30.1", "198.18.30.2"
SNAT = "198.18.30.5"  # what the other end sees as the client
BACKEND, NETWORK = "10.20.0.10", "10.20.0.0/16"  # which the other end has, or leads to
GATEWAY_MAC = "02:00:00:00:03:01"  # on the wire between the two
LARGE = 2_000_000


class PeerSite:
    """client - gateway === peer. Made whole by start(); close() ends everything."""

    def __init__(self, roles=("client", "left", "peer")):
        clear_leftovers()
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="peer-", dir=work_directory()))
        tag = owner_tag()
        self.spaces = {role: Namespace(f"peer-{role}", tag) for role in roles}
        self.wire("client", "eth0", "left", "edge0")
        client = self.spaces["client"]
        client.ip("address", "add", "198.18.10.100/24", "dev", "eth0")
        client.ip("route", "add", "203.0.113.0/24", "via", "198.18.10.1")
        self.gateway = Gateway(self.work / "left", {}, self.spaces["left"])

    def wire(self, role: str, device: str, other: str, other_device: str) -> None:
        """A pair of devices without offloads: what is sent is whole."""
        one, two = self.spaces[role], self.spaces[other]
        one.ip("link", "add", device, "type", "veth", "peer", "name", other_device, "netns", two.name)
        for space, end in ((one, device), (two, other_device)):
            space.run("ethtool", "-K", end, *"tx off tso off gso off gro off sg off".split())
            if space is self.spaces["left"]:
                space.sysctl(f"net.ipv6.conf.{end}.disable_ipv6=1", f"net.ipv4.conf.{end}.arp_ignore=8")
                if end == "wan0":
                    space.ip("link", "set", end, "address", GATEWAY_MAC)
            space.ip("link", "set", end, "up")

    def serve(self, role: str) -> subprocess.Popen:
        """A small page and a large one, at the backend's address."""
        pages = self.work / "pages"
        pages.mkdir()
        (pages / "index.html").write_text("from the other end\n")
        (pages / "large").write_bytes(secrets.token_bytes(LARGE))
        return self.spaces[role].spawn("/usr/bin/python3", "-m", "http.server", "--bind", BACKEND, "80",
                                       cwd=pages, log=self.work / "server.log")  # fmt: skip

    def key(self, name: str, digits: str) -> str:
        """A file that has a key, as the configuration names it."""
        file = self.gateway.directory / name
        file.touch(0o600)
        file.write_text(digits)
        return f"file:{file}"

    def start(self, keys: Dict[str, Any], udp: bool = False, kernel: bool = False, **more: Any) -> None:
        control = self.gateway.config["control"]
        wan = {**port("wan0", LOCAL + "/24"), **({"kernel": True} if kernel else {})}
        self.gateway.config = {
            "gateway": boot_section("left", eal=["--no-huge", "-m", "256", "--no-pci", "--no-telemetry"]),
            "control": control, "ports": [port("edge0", "198.18.10.1/24"), wan], "snat": [SNAT],
            "pools": [{"name": "web", "backends": [{"address": BACKEND, "port": 80}]}],
            "services": [{"name": "web", "address": "203.0.113.10", "port": 80, "forward": "full-nat", "pool": "web"}],
            "tunnels": [{"name": "peer", "local": LOCAL, "remote": REMOTE, "networks": [NETWORK], "udp": udp, "keys": keys}],
            "tunnel_state": str(self.gateway.directory / "tunnels"), "http": {"listen": ""}, **more,
        }  # fmt: skip
        self.gateway.start()

    def fetch(self, path: str = "") -> bool:
        """Whether a page comes whole."""
        words = ("curl", "-sS", "-f", "-m", "20", "-o", "/dev/null", "-w", "%{size_download}", URL + path)
        done = self.spaces["client"].run(*words, check=False)
        wanted = (self.work / "pages" / (path or "index.html")).stat().st_size
        return done.returncode == 0 and done.stdout == str(wanted)

    def await_page(self) -> None:
        eventually(self.fetch, "a page comes through the tunnel")

    def tunnel(self) -> Dict[str, Any]:
        return self.gateway.call("tunnel.list")[0]

    def refused(self) -> Dict[str, int]:
        """What was dropped at the tunnel, by reason."""
        return {reason: count for reason, count in self.tunnel()["dropped"].items() if count}

    def close(self) -> None:
        self.gateway.stop()
        for space in self.spaces.values():
            space.remove()
        shutil.rmtree(self.work, ignore_errors=True)
