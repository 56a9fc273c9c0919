"""The lab's wiring: a client, the gateway and three backends, each a network namespace.

    client ── edge switch ── edge0 [gateway] core0 ── core switch ── backends (eth0)
                   └───────────── direct return ─────────────────── backends (eth1)

Each backend answers what came to its own address by way of the gateway (so dnat works), and what came to
a VIP straight to the client (direct, ipip, gue).
"""

from typing import Dict, List

from namespaces import Namespace

BACKENDS = ("b1", "b2", "b3")
EDGE4, EDGE6 = "198.18.10.", "2001:db8:10::"
CORE4, CORE6 = "198.18.20.", "2001:db8:20::"
VIP4, VIP6 = "203.0.113.", "2001:db8:f::"
VIP_NETWORKS = (VIP4 + "0/24", VIP6 + "/64")
CLIENT4, CLIENT6 = EDGE4 + "100", EDGE6 + "100"
SNAT4, SNAT6 = CORE4 + "5", CORE6 + "5"
GATEWAY_MACS = {"edge0": "02:00:00:00:00:01", "core0": "02:00:00:00:00:02"}
DIRECT_TABLE = 100


def backend4(number: int) -> str:
    """A backend's address on the core network, by its number from 1."""
    return f"{CORE4}{10 + number}"


def backend6(number: int) -> str:
    """Its IPv6 address."""
    return f"{CORE6}{10 + number}"


class Topology:
    """Makes the namespaces and their wires; `remove` takes all of it away."""

    def __init__(self, vips: List[str], tag: str):
        self._all: List[Namespace] = []
        try:
            self.switch = self._namespace("switch", tag)
            self.client = self._namespace("client", tag)
            self.gateway = self._namespace("gateway", tag)
            self.backends: Dict[str, Namespace] = {name: self._namespace(name, tag) for name in BACKENDS}
            for bridge in ("edge", "core"):
                self.switch.ip("link", "add", bridge, "type", "bridge", "mcast_snooping", "0")
                self.switch.ip("link", "set", bridge, "up")
            self._wire_client()
            self._wire_gateway()
            for number, name in enumerate(BACKENDS, 1):
                self._wire_backend(number, self.backends[name], vips)
        except BaseException:
            self.remove()
            raise

    def _namespace(self, role: str, tag: str) -> Namespace:
        self._all.append(Namespace(role, tag))
        return self._all[-1]

    def remove(self) -> None:
        """Kills everything that runs in the lab and deletes it."""
        for namespace in self._all:
            namespace.remove()

    def _wire(self, namespace: Namespace, device: str, bridge: str, mac: str) -> None:
        """Plugs a device of fixed MAC into a switch. Offloads are off at both ends: what leaves a kernel
        must be what a wire would carry, whole and with its checksum, for the gateway is no kernel."""
        peer = f"{namespace.role}-{device}"
        self.switch.ip("link", "add", peer, "type", "veth",
                       "peer", "name", device, "address", mac, "netns", namespace.name)  # fmt: skip
        self.switch.ip("link", "set", peer, "master", bridge, "up")
        for place, end in ((self.switch, peer), (namespace, device)):
            place.run("ethtool", "-K", end, *"tx off tso off gso off gro off sg off".split())
        namespace.ip("link", "set", device, "up")

    def _wire_client(self) -> None:
        client = self.client
        self._wire(client, "eth0", "edge", "02:00:00:00:01:00")
        client.ip("address", "add", CLIENT4 + "/24", "dev", "eth0")
        client.ip("address", "add", CLIENT6 + "/64", "dev", "eth0", "nodad")
        client.ip("route", "add", VIP_NETWORKS[0], "via", EDGE4 + "1")
        client.ip("route", "add", VIP_NETWORKS[1], "via", EDGE6 + "1")

    def _wire_gateway(self) -> None:
        """Its kernel stays silent on the two ports; health checks leave by a link of their own."""
        gateway = self.gateway
        for device, mac in GATEWAY_MACS.items():
            gateway.sysctl("net.ipv6.conf.default.disable_ipv6=1")
            self._wire(gateway, device, device.rstrip("0"), mac)
            gateway.sysctl(f"net.ipv4.conf.{device}.arp_ignore=8")
        gateway.sysctl("net.ipv6.conf.default.disable_ipv6=0")
        self._wire(gateway, "health0", "core", "02:00:00:00:00:03")
        gateway.ip("address", "add", CORE4 + "2/24", "dev", "health0")
        gateway.ip("address", "add", CORE6 + "2/64", "dev", "health0", "nodad")

    def _wire_backend(self, number: int, backend: Namespace, vips: List[str]) -> None:
        backend.sysctl("net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.default.rp_filter=0",
                       "net.ipv4.conf.all.arp_ignore=1", "net.ipv4.conf.all.arp_announce=2")  # fmt: skip
        self._wire(backend, "eth0", "core", f"02:00:00:00:02:{10 + number}")
        self._wire(backend, "eth1", "edge", f"02:00:00:00:03:{10 + number}")
        backend.ip("address", "add", backend4(number) + "/24", "dev", "eth0")
        backend.ip("address", "add", backend6(number) + "/64", "dev", "eth0", "nodad")
        # No prefix on eth1: the way back to the client is the gateway's, but for what a VIP says.
        backend.ip("address", "add", f"{EDGE4}{10 + number}/32", "dev", "eth1")
        backend.ip("address", "add", f"{EDGE6}{10 + number}/128", "dev", "eth1", "nodad")
        for edge, gateway, vip_network in (
            (EDGE4 + "0/24", CORE4 + "1", VIP_NETWORKS[0]),
            (EDGE6 + "/64", CORE6 + "1", VIP_NETWORKS[1]),
        ):
            family = "-6" if ":" in edge else "-4"
            backend.ip(family, "route", "add", edge, "via", gateway)
            backend.ip(family, "route", "add", edge, "dev", "eth1", "table", DIRECT_TABLE)
            backend.ip(family, "rule", "add", "from", vip_network, "lookup", DIRECT_TABLE)
        for vip in vips:
            nodad = ["nodad"] if ":" in vip else []
            backend.ip("address", "add", f"{vip}/{128 if nodad else 32}", "dev", "lo", *nodad)
