"""What neighbors say of themselves and of others, between real kernels: forged answers, a take-over, a
station that claims one of the gateway's addresses."""

import socket
import time

import pytest
from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6NDOptDstLLAddr, IPv6
from scapy.layers.l2 import ARP, Ether

from configuration import SERVICES
from lab import faults
from processes import eventually
from topology import CORE4, CORE6, EDGE4, EDGE6, GATEWAY_MACS, backend4, backend6

STRANGER_MAC, NEW_MAC = "02:00:00:00:66:66", "02:00:00:00:77:77"
EVERYBODY = "ff:ff:ff:ff:ff:ff"
ETH_P_ALL = 3
NAT4 = next(s for s in SERVICES if s.mode == "full-nat" and s.protocol == "tcp" and not s.is_ipv6)
NAT6 = next(s for s in SERVICES if s.mode == "full-nat" and s.protocol == "tcp" and s.is_ipv6)


def wire(namespace, device):
    """A raw socket on a device of a namespace."""
    with namespace.entered():
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    sock.bind((device, ETH_P_ALL))
    sock.setblocking(False)
    return sock


def advertisement(mac, to_mac, address, to, **flags):
    message = ICMPv6ND_NA(tgt=address, R=0, **flags) / ICMPv6NDOptDstLLAddr(lladdr=mac)
    return Ether(src=mac, dst=to_mac) / IPv6(src=address, dst=to, hlim=255) / message


def known_mac(gateway, address):
    known = {entry["address"]: entry for entry in gateway.call("neighbor.list")}
    return known[address]["mac"] if address in known else None


def mac_once_met(lab, gateway, service, address):
    """Asks until the gateway, which knows nobody at its start, has met the backend: where requests go is chance."""
    return eventually(lambda: lab.ask(service, 12) and known_mac(gateway, address), f"{address} is known")


def test_a_forged_answer_takes_no_backend_away(lab, gateway):
    met = ((NAT4, backend4(1)), (NAT6, backend6(1)))
    real = {address: mac_once_met(lab, gateway, service, address) for service, address in met}
    forged = [
        Ether(src=STRANGER_MAC, dst=GATEWAY_MACS["core0"])
        / ARP(op=2, hwsrc=STRANGER_MAC, psrc=backend4(1), hwdst=GATEWAY_MACS["core0"], pdst=CORE4 + "1"),
        Ether(src=STRANGER_MAC, dst=EVERYBODY)
        / ARP(op=1, hwsrc=STRANGER_MAC, psrc=backend4(1), pdst=backend4(1)),
        advertisement(STRANGER_MAC, GATEWAY_MACS["core0"], backend6(1), CORE6 + "1", S=1, O=1),
        advertisement(STRANGER_MAC, "33:33:00:00:00:01", backend6(1), "ff02::1", S=0, O=1),
    ]
    with wire(lab.topology.backends["b2"], "eth0") as stranger:
        for _ in range(5):
            for frame in forged:
                stranger.send(bytes(frame))
            for service in (NAT4, NAT6):
                assert not faults(service, lab.ask(service, 12), 12)
            time.sleep(0.3)
    assert {address: known_mac(gateway, address) for address in real} == real


@pytest.mark.parametrize("service", (NAT4, NAT6), ids=("IPv4", "IPv6"))
def test_a_backend_that_changes_its_interface_is_followed(lab, gateway, service):
    address = backend6(1) if service.is_ipv6 else backend4(1)
    namespace = lab.topology.backends["b1"]
    old = mac_once_met(lab, gateway, service, address)
    namespace.sysctl("net.ipv4.conf.eth0.arp_notify=1", "net.ipv6.conf.eth0.ndisc_notify=1")
    namespace.ip("link", "set", "eth0", "address", NEW_MAC)
    try:
        is_followed = lambda: lab.ask(service, patience=3) and known_mac(gateway, address) == NEW_MAC  # noqa: E731
        eventually(is_followed, "the backend is followed", 60)
        assert not faults(service, lab.ask(service, 12), 12)
        gateway.await_line(f"neighbor {address} moved from {old} to {NEW_MAC}")
        changes = [v for name, v in gateway.metrics().items() if name.startswith("sluice_neighbor_changes")]
        assert sum(changes) >= 1
    finally:
        namespace.ip("link", "set", "eth0", "address", old)


def claim_of(address):
    """What a stranger sends who takes that address for its own."""
    if ":" in address:
        return advertisement(STRANGER_MAC, "33:33:00:00:00:01", address, "ff02::1", S=0, O=1)
    return Ether(src=STRANGER_MAC, dst=EVERYBODY) / ARP(op=1, hwsrc=STRANGER_MAC, psrc=address, pdst=address)


def is_announcement_of(address, frame):
    if frame.src != GATEWAY_MACS["edge0"]:
        return False
    if ARP in frame:
        return frame[ARP].psrc == frame[ARP].pdst == address
    return ICMPv6ND_NA in frame and (frame[ICMPv6ND_NA].tgt, frame[ICMPv6ND_NA].O) == (address, 1)


def test_an_address_that_another_station_claims_is_defended(lab, gateway):
    time.sleep(5)  # the gateway's own announcements at its start are over
    for address in (EDGE4 + "1", EDGE6 + "1"):

        def is_defended():
            try:
                return is_announcement_of(address, Ether(client.recv(2048)))
            except BlockingIOError:
                return False

        with wire(lab.client, "eth0") as client:
            client.send(bytes(claim_of(address)))
            eventually(is_defended, f"the gateway announces {address}")
        line = f"{STRANGER_MAC} claims our address {address}"
        eventually(lambda: line in gateway.log.read_text(), "it is logged")
    assert gateway.metrics()['sluice_address_conflicts_total{port="edge0"}'] >= 2
