#!/usr/bin/python3
"""Writes the corpus of packet_parser_fuzz with scapy: python3-scapy, run in this folder.

The first byte of an input chooses the port (bits 0-1: VLAN tags; bit 2: the device vouches for checksums);
the rest is the frame.
"""
import pathlib

from scapy.all import (
    ARP,
    GRE,
    ICMP,
    TCP,
    UDP,
    Dot1Q,
    Ether,
    ICMPv6DestUnreach,
    ICMPv6EchoRequest,
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6PacketTooBig,
    ICMPv6TimeExceeded,
    IP,
    IPOption_NOP,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
    PadN,
    Raw,
    raw,
)

MAC = dict(src="02:00:00:00:00:99", dst="02:00:00:00:00:01")
V4 = dict(src="198.51.100.7", dst="203.0.113.10")
V6 = dict(src="2001:db8:c::7", dst="2001:db8:1::10")
BACK4 = IP(src="203.0.113.10", dst="198.51.100.7")
BACK6 = IPv6(src="2001:db8:1::10", dst="2001:db8:c::7")

FRAMES = {
    "tcp4": IP(**V4) / TCP(sport=40000, dport=80, flags="S", options=[("MSS", 1460)]),
    "tcp6": IPv6(**V6) / TCP(sport=40000, dport=80, flags="A") / Raw(b"hello"),
    "udp4": IP(**V4) / UDP(sport=40000, dport=53) / Raw(b"odd"),
    "udp4_no_checksum": IP(**V4) / UDP(sport=40000, dport=53, chksum=0) / Raw(b"x"),
    "udp6": IPv6(**V6) / UDP(sport=40000, dport=53) / Raw(b"query"),
    "udp6_no_checksum": IPv6(**V6) / UDP(sport=40000, dport=53, chksum=0),
    "echo4": IP(**V4) / ICMP(id=7, seq=1) / Raw(b"ping"),
    "echo6": IPv6(**V6) / ICMPv6EchoRequest(id=7, seq=1, data=b"ping"),
    "frag_needed4": IP(**V4) / ICMP(type=3, code=4, nexthopmtu=1400) / BACK4 / TCP(sport=80, dport=40000),
    "port_unreachable4": IP(**V4) / ICMP(type=3, code=3) / BACK4 / UDP(sport=53, dport=40000),
    "time_exceeded4_cut": IP(**V4) / ICMP(type=11) / Raw(raw(BACK4 / TCP(sport=80, dport=40000))[:28]),
    "quoted_options4": IP(**V4)
    / ICMP(type=12)
    / IP(src=V4["dst"], dst=V4["src"], options=[IPOption_NOP()])
    / UDP(sport=53, dport=40000),
    "too_big6": IPv6(**V6) / ICMPv6PacketTooBig(mtu=1280) / BACK6 / TCP(sport=80, dport=40000),
    "unreachable6": IPv6(**V6) / ICMPv6DestUnreach(code=4) / BACK6 / UDP(sport=53, dport=40000),
    "quoted_fragment6": IPv6(**V6)
    / ICMPv6TimeExceeded(code=1)
    / BACK6
    / IPv6ExtHdrFragment(offset=0, m=1, id=9)
    / UDP(sport=53, dport=40000),
    "extensions6": IPv6(**V6)
    / IPv6ExtHdrHopByHop(options=PadN(optdata=b"\0\0\0\0"))
    / IPv6ExtHdrRouting(segleft=0)
    / IPv6ExtHdrDestOpt(options=PadN(optdata=b"\0\0\0\0"))
    / UDP(sport=1, dport=2),
    "fragment6": IPv6(**V6) / IPv6ExtHdrFragment(offset=0, m=1, id=9) / UDP(sport=1, dport=2),
    "fragment4": IP(**V4, flags="MF") / UDP(sport=1, dport=2) / Raw(b"12345678"),
    "options4": IP(**V4, options=[IPOption_NOP()]) / TCP(sport=1, dport=2),
    "other4": IP(**V4) / GRE(),
    "solicitation": IPv6(src="fe80::7", dst="fe80::1", hlim=255) / ICMPv6ND_NS(tgt="fe80::1"),
    "advertisement": IPv6(src="fe80::7", dst="fe80::1", hlim=255) / ICMPv6ND_NA(tgt="fe80::7"),
    "arp": ARP(op=1, psrc="10.10.0.7", pdst="10.10.0.1"),
}


def main():
    folder = pathlib.Path(__file__).parent / "corpus" / "packet_parser"
    folder.mkdir(parents=True, exist_ok=True)
    for name, packet in FRAMES.items():
        (folder / name).write_bytes(b"\0" + raw(Ether(**MAC) / packet))
    tcp = FRAMES["tcp4"]
    (folder / "vlan").write_bytes(b"\1" + raw(Ether(**MAC) / Dot1Q(vlan=100) / tcp))
    (folder / "qinq").write_bytes(
        b"\2" + raw(Ether(**MAC, type=0x88A8) / Dot1Q(vlan=100) / Dot1Q(vlan=200) / tcp)
    )
    (folder / "offloaded").write_bytes(b"\4" + raw(Ether(**MAC) / IP(**V4) / TCP(chksum=1)))
    (folder / "cut").write_bytes(b"\0" + raw(Ether(**MAC) / tcp)[:33])


if __name__ == "__main__":
    main()
