"""A client, a middle and a server, each a network namespace on a wire of its own: where the gateway, or a proxy in
its place, meets kernel endpoints. The endpoints' receive work is done on the other CPU, as on machines apart: a wire
has one queue each way, all of whose frames the kernel steers there.

The gateway's devices are `net_af_xdp`, the cheapest of the kernel's (docs/performance/reasons.md has the figures). It
takes wires of one queue at both ends, and `force_copy`, since veth has no memory to share. Without `busy_budget=0` a
poll that finds nothing would ask the kernel for frames."""

import pathlib
from typing import Any, Dict, List

from devices_under_test import MAIN_CPU, WORKER_CPU
from gateway import Gateway, boot_section
from namespaces import Namespace, owner_tag
from processes import eventually

CLIENT, EDGE = "198.18.10.100", "198.18.10.1"
SERVER, CORE, SNAT = "198.18.20.11", "198.18.20.1", "198.18.20.5"
VIP = "203.0.113.10"
SERVER_PORT = 8080
DEVICE = "net_af_xdp{index},iface={interface},start_queue=0,queue_count=1,force_copy=1,busy_budget=0"

_NGINX = """
daemon off; master_process off; pid {directory}/{name}.pid; error_log {directory}/{name}.log;
{more}
events {{ worker_connections 4096; }}
"""
_SERVER = """
http {{ access_log off; keepalive_requests 1000000; default_type text/plain;
  server {{ listen {port} backlog=4096; location / {{ return 200 "ok"; }} }} }}
"""
_STREAM = "stream {{ server {{ listen {edge}:80 backlog=4096; proxy_pass {server}:{port}; }} }}"
_HAPROXY = """
global
  nbthread 1
  maxconn 8192
defaults
  mode tcp
  timeout connect 5s
  timeout client 30s
  timeout server 30s
listen web
  bind {edge}:80 backlog 4096
  server s1 {server}:{port}
"""
_NFT = """
table ip balance {{
  chain in {{ type nat hook prerouting priority dstnat; ip daddr {vip} tcp dport 80 dnat to {server}:{port}; }}
  chain out {{ type nat hook postrouting priority srcnat; oifname "core0" snat to {snat}; }}
}}
"""


class Site:
    """The three namespaces and the web server; `close` takes everything away. With `whole_frames` the wires carry
    what a NIC's would, which the gateway needs; without, the kernels may use every offload."""

    def __init__(self, name: str, directory: pathlib.Path, whole_frames: bool):
        self.directory = directory / name
        self.directory.mkdir(exist_ok=True)
        self._all: List[Namespace] = []
        try:
            self.client, self.middle, self.server = (self._namespace(f"{name}-{role}") for role in ("c", "m", "s"))
            self._wire(self.client, "edge0", CLIENT, whole_frames)
            self._wire(self.server, "core0", SERVER, whole_frames)
            self.client.ip("route", "add", VIP, "via", EDGE)
            self.server.ip("route", "add", "default", "via", CORE)
            self.nginx(self.server, "server", MAIN_CPU, _SERVER.format(port=SERVER_PORT))
            eventually(lambda: f":{SERVER_PORT} " in self.server.run("ss", "-Hltn").stdout, "the server listens")
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "Site":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        for namespace in self._all:
            namespace.remove()

    def _namespace(self, role: str) -> Namespace:
        self._all.append(Namespace(role, owner_tag()))
        return self._all[-1]

    def _wire(self, host: Namespace, middle_end: str, address: str, whole_frames: bool) -> None:
        self.middle.sysctl("net.ipv6.conf.default.disable_ipv6=1")
        queues = "numrxqueues 1 numtxqueues 1".split()
        self.middle.ip("link", "add", middle_end, *queues, "type", "veth",
                       "peer", "name", "eth0", *queues, "netns", host.name)  # fmt: skip
        for place, end in ((self.middle, middle_end), (host, "eth0")):
            if whole_frames:
                place.run("ethtool", "-K", end, *"tx off tso off gso off gro off sg off".split())
            place.ip("link", "set", end, "up")
        host.ip("address", "add", address + "/24", "dev", "eth0")
        host.run("sh", "-c", f"echo {1 << MAIN_CPU:x} > /sys/class/net/eth0/queues/rx-0/rps_cpus")

    def nginx(self, place: Namespace, name: str, cpu: int, duty: str, more: str = ""):
        """Starts one nginx process with this duty on that CPU."""
        file = self.directory / f"{name}.conf"
        file.write_text(_NGINX.format(directory=self.directory, name=name, more=more) + duty)
        return place.spawn("taskset", "--cpu-list", cpu, "nginx", "-p", self.directory, "-c", file,
                           log=self.directory / f"{name}.out")  # fmt: skip

    def _give_middle_its_addresses(self) -> None:
        self.middle.ip("address", "add", EDGE + "/24", "dev", "edge0")
        self.middle.ip("address", "add", CORE + "/24", "dev", "core0")

    def start_nginx_stream(self) -> int:
        """nginx as a TCP proxy in the middle; returns its pid."""
        self._give_middle_its_addresses()
        module = "load_module /usr/lib/nginx/modules/ngx_stream_module.so;"
        duty = _STREAM.format(edge=EDGE, server=SERVER, port=SERVER_PORT)
        return self.nginx(self.middle, "stream", WORKER_CPU, duty, module).pid

    def start_haproxy(self) -> int:
        """HAProxy as a TCP proxy in the middle; returns its pid."""
        self._give_middle_its_addresses()
        file = self.directory / "haproxy.cfg"
        file.write_text(_HAPROXY.format(edge=EDGE, server=SERVER, port=SERVER_PORT))
        return self.middle.spawn("taskset", "--cpu-list", WORKER_CPU, "haproxy", "-db", "-f", file,
                                 log=self.directory / "haproxy.out").pid  # fmt: skip

    def start_nft_dnat(self) -> None:
        """The kernel of the middle translates both addresses, as full-nat does, with all it does on the worker's CPU."""
        self._give_middle_its_addresses()
        self.middle.ip("address", "add", SNAT + "/32", "dev", "core0")
        self.middle.sysctl("net.ipv4.ip_forward=1")
        for end in ("edge0", "core0"):
            self.middle.run("sh", "-c", f"echo {1 << WORKER_CPU:x} > /sys/class/net/{end}/queues/rx-0/rps_cpus")
        rules = self.directory / "balance.nft"
        rules.write_text(_NFT.format(vip=VIP, server=SERVER, port=SERVER_PORT, snat=SNAT))
        self.middle.run("nft", "--file", rules)

    def gateway(self, idle: str) -> Gateway:
        """A gateway with one worker for the middle, full-nat for TCP and UDP; a context manager starts it."""
        for end in ("edge0", "core0"):
            self.middle.sysctl(f"net.ipv4.conf.{end}.arp_ignore=8")
        return Gateway(self.directory / "gateway", gateway_configuration(idle), self.middle)


def gateway_configuration(idle: str) -> Dict[str, Any]:
    """The configuration, as a fresh object."""
    ports = (("edge0", EDGE), ("core0", CORE))
    return {
        "gateway": boot_section("bench", workers=[WORKER_CPU], idle=idle, flow_table_entries=1 << 20),
        "ports": [
            {"name": name, "device": DEVICE.format(index=index, interface=name), "mtu": 1500, "addresses": [address + "/24"]}
            for index, (name, address) in enumerate(ports)
        ],
        "snat": [SNAT],
        "pools": [{"name": "web", "backends": [{"address": SERVER, "port": SERVER_PORT}]}],
        "services": [
            {"name": protocol, "address": VIP, "port": 80, "protocol": protocol, "policy": "maglev",
             "forward": "full-nat", "pool": "web"}
            for protocol in ("tcp", "udp")
        ],
        "log": {"level": "warning", "format": "text"},
    }  # fmt: skip
