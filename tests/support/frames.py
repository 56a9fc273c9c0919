"""Frames for golden cases: who is who on the wire, what the gateway may do to a packet, what is its choice.

Everything here is scapy's arithmetic, none of the gateway's.
"""

from typing import Any, Callable, Iterator, NamedTuple, Sequence, Type

from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Dot1AD, Dot1Q, Ether
from scapy.packet import Packet, Padding

EDGE_MAC, CORE_MAC = "02:00:00:00:00:01", "02:00:00:00:00:02"
CLIENT_MAC, ROUTER_MAC = "02:00:00:00:01:00", "02:00:00:00:01:fe"


class Family(NamedTuple):
    """One IP version and the addresses that the cases use in it."""

    version: int
    ip: Type[Packet]
    client: str
    vip: str
    snat: str
    edge: str  # the gateway's own, on the client's side
    core: str  # the gateway's own, on the backends' side
    router: str  # somebody on the client's side who sends ICMP errors
    backend_prefix: str

    def backend(self, number: int) -> str:
        """The address of a backend by its number from 1."""
        return f"{self.backend_prefix}{10 + number}"

    def vip_of(self, number: int) -> str:
        """Another VIP, by its last component."""
        return self.vip[:-2] + str(number)


V4 = Family(4, IP, "198.18.10.100", "203.0.113.10", "198.18.20.5", "198.18.10.1", "198.18.20.1",
            "198.18.10.254", "198.18.20.")  # fmt: skip
V6 = Family(6, IPv6, "2001:db8:10::100", "2001:db8:f::10", "2001:db8:20::5", "2001:db8:10::1",
            "2001:db8:20::1", "2001:db8:10::254", "2001:db8:20::")  # fmt: skip
FAMILIES = (V4, V6)


def backend_mac(address: str) -> str:
    """The MAC address of a backend in the cases' static neighbors."""
    return f"02:00:00:00:02:{address.replace(':', '.').split('.')[-1]}"


def from_client(packet: Packet) -> Packet:
    return Ether(src=CLIENT_MAC, dst=EDGE_MAC) / packet


def to_client(packet: Packet) -> Packet:
    return Ether(src=EDGE_MAC, dst=CLIENT_MAC) / packet


def from_backend(address: str, packet: Packet) -> Packet:
    return Ether(src=backend_mac(address), dst=CORE_MAC) / packet


def to_backend(address: str, packet: Packet) -> Packet:
    return Ether(src=CORE_MAC, dst=backend_mac(address)) / packet


def rewritten(packet: Packet, hops: int = 1, **changes: Any) -> Packet:
    """The packet with some of src, dst, sport, dport changed, its TTL lowered by `hops`, and its checksums
    right; a UDP checksum of 0 stays."""
    copy = type(packet)(bytes(packet))
    layer4 = _layer4(copy)
    for name, value in changes.items():
        setattr(layer4 if name in ("sport", "dport") else copy, name, value)
    if isinstance(copy, IP):
        copy.ttl -= hops
    else:
        copy.hlim -= hops
    return type(packet)(with_checksums(copy))


def _layer4(packet: Packet) -> Packet:
    """What follows the IP header and, in IPv6, its extension headers."""
    layer = packet.payload
    while isinstance(packet, IPv6) and _has(layer, "nh") and not isinstance(layer, IPv6):
        layer = layer.payload
    return layer


def _has(layer: Packet, field: str) -> bool:
    """Whether the layer itself has the field; hasattr would ask its payload too."""
    return any(own.name == field for own in layer.fields_desc)


def with_checksums(header: Packet) -> bytes:
    """An IP packet with its own and its layer-4 checksum made anew; a UDP checksum of 0 stays, and what
    it quotes or carries is left alone."""
    copy = header.copy()
    if isinstance(copy, IP):
        del copy.chksum
    layer = _layer4(copy)
    if isinstance(layer, (TCP, ICMP)) or (isinstance(layer, UDP) and layer.chksum != 0):
        del layer.chksum
    elif _has(layer, "cksum"):  # ICMPv6
        del layer.cksum
    return bytes(copy)


def to_every_port(frame: Packet) -> Iterator[bytes]:
    """The frame once for each destination port 1 to 65535, checksum right: one of them is the port that
    the gateway chose, whichever that is."""
    frame = frame.copy()
    layer = _layer4(network(frame))
    layer.dport = 0
    raw = bytes(frame)
    layer4_at = len(frame) - len(layer)
    checksum_at = layer4_at + (16 if isinstance(layer, TCP) else 6)
    zero_sum = ~int.from_bytes(raw[checksum_at : checksum_at + 2], "big") & 0xFFFF
    for port in range(1, 65536):
        total = zero_sum + port
        checksum = ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF
        if checksum == 0 and isinstance(layer, UDP):
            checksum = 0xFFFF
        copy = bytearray(raw)
        copy[layer4_at + 2 : layer4_at + 4] = port.to_bytes(2, "big")
        copy[checksum_at : checksum_at + 2] = checksum.to_bytes(2, "big")
        yield bytes(copy)


EVERY_PORT = 65535


def tagged(frame: Packet, vlan: Any) -> Packet:
    """The same frame with one 802.1Q tag, or with an 802.1ad and an 802.1Q tag for a list of two."""
    inner = frame.payload.copy()
    ether = Ether(src=frame.src, dst=frame.dst)
    if isinstance(vlan, list):
        return ether / Dot1AD(vlan=vlan[0], type=0x8100) / Dot1Q(vlan=vlan[1], type=frame.type) / inner
    return ether / Dot1Q(vlan=vlan, type=frame.type) / inner


def network(frame: Packet) -> Packet:
    """What follows a frame's Ethernet header and VLAN tags."""
    layer = frame.payload
    while isinstance(layer, (Dot1Q, Dot1AD)):
        layer = layer.payload
    return layer


def is_ip(frame: Packet) -> bool:
    """True of a frame that carries IPv4 or IPv6."""
    return isinstance(network(frame), (IP, IPv6))


def parsed(raw: bytes) -> Packet:
    """A frame without its Ethernet padding."""
    frame = Ether(raw)
    if Padding in frame:
        frame[Padding].underlayer.remove_payload()
    return frame


# Masks: what the interface leaves to the gateway, made equal on both sides of a comparison.


def any_id(frame: Packet) -> None:
    """In a header that the gateway makes: IPv4's identification and don't-fragment, IPv6's flow label."""
    header = network(frame)
    if isinstance(header, IP):
        header.id, header.flags = 0, 0
    else:
        header.fl = 0


def any_ttl(frame: Packet) -> None:
    """The TTL of a packet that the gateway makes."""
    header = network(frame)
    setattr(header, "ttl" if isinstance(header, IP) else "hlim", 64)


def gue_port(frame: Packet) -> None:
    """GUE's source port, whose top bit has to be set, and a checksum that may be 0 over IPv4."""
    udp = network(frame).payload
    udp.sport = 0x8000 if udp.sport & 0x8000 else 1
    if isinstance(network(frame), IP):
        udp.chksum = 0


def source_port(frame: Packet) -> None:
    """The source port that full-nat chooses."""
    network(frame).payload.sport = 0


def masked(frame: Packet, masks: Sequence[Callable[[Packet], None]]) -> bytes:
    """The frame's bytes with what the masks name made equal and checksums to match."""
    if not masks:
        return bytes(frame)
    copy = Ether(bytes(frame))
    for mask in masks:
        mask(copy)
    return bytes(copy)[: -len(network(copy))] + with_checksums(network(copy))


def has_right_checksums(frame: Packet) -> bool:
    """Whether an IP frame's own checksums are what scapy computes."""
    return not is_ip(frame) or with_checksums(network(frame)) == bytes(network(frame))


def is_listener_report(frame: Packet) -> bool:
    """An MLD report, in either version: what a gateway tells switches of its multicast groups."""
    layer = network(frame)
    return layer.name == "IPv6" and any(
        name in layer for name in ("ICMPv6MLReport2", "ICMPv6MLReport", "ICMPv6MLDone")
    )


def is_announcement(frame: Packet) -> bool:
    """A gratuitous ARP or an unsolicited neighbor advertisement: a gateway may send them at any time."""
    layer = network(frame)
    if layer.name == "ARP":
        return layer.psrc == layer.pdst
    return layer.name == "IPv6" and layer.dst == "ff02::1" and layer.payload.name.endswith("Advertisement")
