"""What happens to the interfaces below the ports is noticed, said and counted; a key that is not given is kept.

A gateway of its own, its two ports veth pairs whose other ends lie in the same namespace.
"""

import signal
import socket

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether

from gateway import Gateway, boot_section
from namespaces import Namespace, clear_leftovers, owner_tag
from processes import eventually
from wireless import free_port

MACS = {"edge0": "02:00:00:00:00:01", "core0": "02:00:00:00:00:02"}


class Ports:
    """A namespace with the veth pairs, and the gateway that runs there."""

    def __init__(self, directory):
        clear_leftovers()
        self.namespace = Namespace("ports", owner_tag())
        self.namespace.sysctl("net.ipv6.conf.all.disable_ipv6=1", "net.ipv6.conf.default.disable_ipv6=1")
        for name in MACS:
            self.namespace.ip("link", "add", name, "type", "veth", "peer", "name", f"{name}-far")
            for end in (name, f"{name}-far"):
                self.namespace.run("ethtool", "-K", end, *"tx off tso off gso off gro off sg off".split())
                self.namespace.ip("link", "set", end, "up")
        self.gateway = Gateway(directory, self.configuration(), self.namespace)

    @staticmethod
    def configuration(**gateway):
        ports = [
            {"name": name, "device": f"net_af_packet{i},iface={name}", "mac": mac,
             "addresses": [f"198.18.{10 * (i + 1)}.1/24"]}
            for i, (name, mac) in enumerate(MACS.items())
        ]  # fmt: skip
        return {
            "gateway": boot_section("ports", **gateway),
            "ports": ports,
            "neighbors": [{"address": "198.18.20.11", "mac": "02:00:00:00:02:11"}],
            "pools": [{"name": "p", "backends": [{"address": "198.18.20.11"}]}],
            "services": [
                {"name": "s", "address": "203.0.113.10", "port": 80, "protocol": "udp", "forward": "dnat",
                 "pool": "p"}
            ],
            "http": {"listen": f"127.0.0.1:{free_port()}"},
        }  # fmt: skip

    def send(self, count):
        """Datagrams of one client to the service, by the edge port."""
        frame = Ether(src="02:00:00:00:01:00", dst=MACS["edge0"]) / IP(src="198.18.10.100", dst="203.0.113.10")
        with self.namespace.entered():
            wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        with wire:
            wire.bind(("edge0-far", 0))
            for _ in range(count):
                wire.send(bytes(frame / UDP(sport=40000, dport=80) / b"x"))

    def sample(self, name, port="core0"):
        """A port's figure on the metrics page."""
        return self.gateway.metrics()[f'{name}{{port="{port}"}}']

    def dropped(self, reason):
        return self.gateway.call("drops.get")[reason]

    def says(self, text):
        return lambda: text in self.gateway.log.read_text(errors="replace")


@pytest.fixture
def ports(tmp_path):
    made = Ports(tmp_path / "gateway")
    yield made
    made.gateway.stop()
    made.namespace.remove()


def link_of(ports, name):
    return next(port["link_up"] for port in ports.gateway.call("system.info")["ports"] if port["name"] == name)


def is_forwarding(ports):
    """Whether what is sent now leaves by the core port."""
    before = ports.sample("sluice_port_transmitted_packets_total")
    ports.send(1)
    return ports.sample("sluice_port_transmitted_packets_total") > before


BREAKS = {
    "the interface is set down": (("link", "set", "core0", "down"), ("link", "set", "core0", "up"),
                                  "interface core0 is not up"),
    "the other end is set down": (("link", "set", "core0-far", "down"), ("link", "set", "core0-far", "up"),
                                  "interface core0 has no carrier"),
    "the interface is deleted": (("link", "del", "core0"), None, "interface core0 is gone"),
}  # fmt: skip


@pytest.mark.parametrize("case", BREAKS)
def test_a_link_that_goes_is_said_and_shown_and_nothing_counts_as_sent(ports, case):
    breaks, mends, why = BREAKS[case]
    ports.gateway.start()
    assert link_of(ports, "core0") and ports.sample("sluice_port_link_up") == 1
    eventually(lambda: is_forwarding(ports), "datagrams go through")

    ports.namespace.ip(*breaks)
    eventually(ports.says(f'port "core0": link is down: {why}'), "the log says that the link went, and why")
    assert not link_of(ports, "core0") and link_of(ports, "edge0")
    assert ports.sample("sluice_port_link_up") == 0 and ports.sample("sluice_port_link_up", "edge0") == 1
    sent, dropped = ports.sample("sluice_port_transmitted_packets_total"), ports.dropped("tx_full")
    ports.send(20)
    eventually(lambda: ports.dropped("tx_full") >= dropped + 20, "all that cannot be sent is dropped")
    assert ports.sample("sluice_port_transmitted_packets_total") == sent

    if mends:
        ports.namespace.ip(*mends)
        eventually(ports.says('port "core0": link is up'), "the log says that the link is back")
        assert link_of(ports, "core0") and ports.sample("sluice_port_link_up") == 1
        eventually(lambda: is_forwarding(ports), "datagrams go through again")


def test_what_the_kernel_drops_as_a_worker_is_late_counts_as_missed(ports):
    sent = 20_000  # more than the ring of the device has room for
    ports.gateway.start()
    eventually(lambda: is_forwarding(ports), "datagrams go through")

    def seen():
        return [ports.sample(f"sluice_port_{kind}_packets_total", "edge0") for kind in ("received", "missed")]

    received, missed = seen()
    assert missed == 0
    ports.gateway.process.send_signal(signal.SIGSTOP)
    ports.send(sent)
    ports.gateway.process.send_signal(signal.SIGCONT)
    eventually(lambda: sum(seen()) >= received + sent, "every datagram was received or missed")
    later, missed = seen()
    assert missed > 0 and later > received
    assert later + missed == received + sent
    assert ports.sample("sluice_port_missed_packets_total", "core0") == 0


def test_an_interface_with_a_smaller_mtu_than_its_port_is_said_at_the_start_and_on_change(ports):
    ports.namespace.ip("link", "set", "core0", "mtu", "1400")
    ports.gateway.start()
    eventually(ports.says('port "core0": interface core0 had an MTU of 1400, now 1500'), "it is set, and said")
    assert " mtu 1500 " in ports.namespace.ip("link", "show", "core0")
    assert "edge0 ha" not in ports.gateway.log.read_text()
    ports.namespace.ip("link", "set", "core0", "mtu", "1300")
    eventually(
        ports.says('port "core0": interface core0 has an MTU of 1300, the port one of 1500'), "it is said", 30
    )
    ports.namespace.ip("link", "set", "core0", "mtu", "1500")
    eventually(ports.says('port "core0": interface core0 has an MTU of 1500: enough'), "it is said")


def test_an_mtu_that_cannot_be_set_is_said(ports):
    ports.gateway.config["ports"][1]["mtu"] = 9000
    ports.gateway.start()
    eventually(ports.says('port "core0": interface core0 has an MTU of 1500, the port one of 9000'), "it is said")


def tables_of(gateway):
    return gateway.call("service.table", service="s")["sha256"]


def test_a_hash_key_that_is_not_given_is_kept_over_restarts_and_never_told(ports):
    gateway = ports.gateway
    del gateway.config["gateway"]["hash_key"]
    gateway.config["pools"][0]["backends"] += [{"address": f"198.18.20.{i}"} for i in range(12, 20)]
    gateway.start()
    first = tables_of(gateway)
    key = (gateway.state / "hash_key").read_text().strip()
    assert len(bytes.fromhex(key)) == 16 and (gateway.state / "hash_key").stat().st_mode & 0o777 == 0o600
    assert "hash_key" not in gateway.call("config.get")["config"]["gateway"]
    gateway.await_line("hash_key")
    assert key not in gateway.log.read_text()
    gateway.stop()
    gateway.start()
    assert tables_of(gateway) == first
    gateway.stop()
    (gateway.state / "hash_key").unlink()
    gateway.start()
    assert tables_of(gateway) != first
    gateway.stop()
    gateway.config["gateway"]["hash_key"] = key
    gateway.start()
    assert tables_of(gateway) == first
