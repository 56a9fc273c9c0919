"""Behind a switch that snoops, as Linux's bridge does with a querier, addresses are reached by NDP because
the gateway reports their groups."""

import copy
import json
import socket
import time

import pytest
from scapy.utils6 import in6_getnsma

from gateway import Gateway, boot_section
from namespaces import Namespace, clear_leftovers, owner_tag
from processes import eventually
from wireless import free_port

CLIENT, PORT, VIP, LATER_VIP, NOBODY = (f"2001:db8:10::{end}" for end in ("100", "1", "77", "78", "ee"))
ETH_P_IPV6 = 0x86DD


def group_of(address):
    return socket.inet_ntop(socket.AF_INET6, in6_getnsma(socket.inet_pton(socket.AF_INET6, address)))


def service(name, address):
    return {"name": name, "address": address, "port": 80, "protocol": "tcp", "pool": "web"}


class Site:
    """client ── snooping bridge ── gateway"""

    def __init__(self, directory):
        tag = owner_tag()
        self.namespaces = []
        try:
            self.switch, self.client, gateway = (
                self._namespace(role, tag) for role in ("snoop", "snoopclient", "snoopgateway")
            )
            # Times are in hundredths of a second: a query every 2 s, answers within 1 s, 5 s of memory.
            self.switch.ip("link", "add", "br0", "type", "bridge", "mcast_snooping", "1", "mcast_querier", "1",
                           "mcast_query_interval", "200", "mcast_query_response_interval", "100",
                           "mcast_startup_query_interval", "100", "mcast_membership_interval", "500",
                           "mcast_last_member_interval", "50", "mcast_mld_version", "2")  # fmt: skip
            self._wire(self.client, "eth0", "02:00:00:00:01:00")
            self.client.ip("address", "add", CLIENT + "/64", "dev", "eth0", "nodad")
            gateway.sysctl("net.ipv6.conf.default.disable_ipv6=1")
            self._wire(gateway, "edge0", "02:00:00:00:00:01")
            self.switch.ip("link", "set", "br0", "up")
            self.gateway = Gateway(directory, self._configuration(), gateway)
            self.gateway.start()
        except BaseException:
            self.close()
            raise

    def _namespace(self, role, tag):
        self.namespaces.append(Namespace(role, tag))
        return self.namespaces[-1]

    def _wire(self, namespace, device, mac):
        peer = f"{namespace.role[:9]}-p"
        self.switch.ip("link", "add", peer, "type", "veth",
                       "peer", "name", device, "address", mac, "netns", namespace.name)  # fmt: skip
        self.switch.ip("link", "set", peer, "master", "br0", "up")
        for place, end in ((self.switch, peer), (namespace, device)):
            place.run("ethtool", "-K", end, *"tx off tso off gso off gro off sg off".split())
        namespace.ip("link", "set", device, "up")

    @staticmethod
    def _configuration():
        return {
            "gateway": boot_section("snooped"),
            "ports": [
                {
                    "name": "edge0",
                    "device": "net_af_packet0,iface=edge0",
                    "mac": "02:00:00:00:00:01",
                    "addresses": [PORT + "/64"],
                }
            ],
            "snat": [PORT],
            "pools": [{"name": "web", "backends": [{"address": "2001:db8:10::11", "port": 80}]}],
            "services": [service("first", VIP)],
            "http": {"listen": f"127.0.0.1:{free_port()}"},
        }

    def close(self):
        if hasattr(self, "gateway"):
            self.gateway.stop()
        for namespace in self.namespaces:
            namespace.remove()

    def groups(self):
        """What the bridge has learnt of the gateway's port."""
        tables = json.loads(self.switch.run("bridge", "-j", "mdb", "show").stdout)
        return {e["grp"] for table in tables for e in table["mdb"] if e["port"] == "snoopgate-p"}

    def reaches(self, address):
        self.client.ip("-6", "neighbor", "flush", "dev", "eth0")
        return self.client.run("ping", "-6", "-c", "1", "-W", "2", address, check=False).returncode == 0

    def is_heard_at_the_gateway(self, address):
        """Whether a solicitation for that address, asked by the client, gets through to the gateway's port."""
        with self.gateway.namespace.entered():
            ear = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_IPV6))
        with ear:
            ear.bind(("edge0", ETH_P_IPV6))
            self.reaches(address)
            ear.setblocking(False)
            frames = []
            try:
                while True:
                    frames.append(ear.recv(2048))
            except BlockingIOError:
                pass
        return any(socket.inet_pton(socket.AF_INET6, address) in frame for frame in frames)

    def change(self, *services):
        config = copy.deepcopy(self.gateway.config)
        config["services"] = list(services)
        self.gateway.call("config.apply", config=config)


@pytest.fixture
def site(tmp_path):
    clear_leftovers()
    made = Site(tmp_path / "gateway")
    yield made
    made.close()


def test_addresses_are_reached_through_a_bridge_that_snoops(site):
    for address in (VIP, PORT):
        eventually(lambda: group_of(address) in site.groups(), f"the bridge knows {group_of(address)}")
    # A bridge floods until its own first query could have been answered: groups nobody has are cut off then.
    eventually(lambda: not site.is_heard_at_the_gateway(NOBODY), "the bridge snoops", 60)
    for address in (VIP, PORT):
        eventually(lambda: site.reaches(address), f"{address} is reached")

    site.change(service("first", VIP), service("second", LATER_VIP))
    eventually(lambda: group_of(LATER_VIP) in site.groups(), "the new address's group is reported")
    eventually(lambda: site.reaches(LATER_VIP), "the new address is reached")

    # The bridge forgets a group that nobody reports for 5 s: only answers to its queries keep it, or bring it back
    # where a machine that stalled was late with one.
    time.sleep(10)
    eventually(lambda: group_of(VIP) in site.groups(), "queries are answered")

    site.change(service("first", VIP))
    eventually(lambda: group_of(LATER_VIP) not in site.groups(), "the group is left")
    eventually(lambda: group_of(VIP) in site.groups(), "the other one is not")
