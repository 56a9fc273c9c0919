"""Frames that are no packet, each counted once by its reason and answered by nothing."""

from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption_NOP
from scapy.layers.inet6 import ICMPv6EchoRequest, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment
from scapy.layers.l2 import Ether

from frames import CLIENT_MAC, EDGE_MAC, FAMILIES, V4, V6, from_client


def build(case):
    def drop(reason, *frames):
        case.send("edge0", *(bytes(frame) for frame in frames))
        case.expect_drops(**{reason: len(frames)})

    whole4 = bytes(from_client(V4.ip(src=V4.client, dst=V4.vip) / UDP(sport=4, dport=80) / b"12345678"))
    whole6 = bytes(from_client(V6.ip(src=V6.client, dst=V6.vip) / UDP(sport=4, dport=80) / b"12345678"))

    drop("malformed_l2", bytes(13), whole4[:6] + bytes(6))
    # Cut short of what the IP header claims, or of the header itself.
    drop("malformed_l3", whole4[:-1], whole4[:14], whole4[: 14 + 19], whole6[:-1], whole6[: 14 + 39])
    drop("malformed_l3", from_client(IP(src=V4.client, dst=V4.vip, version=5) / UDP(sport=4, dport=80)))
    drop("malformed_l3", from_client(IP(src=V4.client, dst=V4.vip, ihl=4, len=28) / UDP(sport=4, dport=80)))
    drop("malformed_l3", from_client(IP(src=V4.client, dst=V4.vip, len=19) / UDP(sport=4, dport=80)))
    drop(
        "malformed_l3",
        Ether(src=CLIENT_MAC, dst=EDGE_MAC, type=0x86DD) / bytes(IP(src=V4.client, dst=V4.vip)),
    )
    for family in FAMILIES:
        ip = family.ip(src=family.client, dst=family.vip)
        protocol = "proto" if family is V4 else "nh"
        tcp, udp = ip.copy(), ip.copy()
        setattr(tcp, protocol, 6)
        setattr(udp, protocol, 17)
        # A layer-4 header cut inside a valid IP length, or that contradicts it.
        drop("malformed_l4", from_client(tcp / bytes(19)), from_client(udp / bytes(7)))
        drop("malformed_l4", from_client(ip / TCP(sport=4, dport=80, dataofs=4)))
        drop("malformed_l4", from_client(ip / TCP(sport=4, dport=80, dataofs=8)))
        drop("malformed_l4", from_client(ip / UDP(sport=4, dport=80, len=7)))
        drop("malformed_l4", from_client(ip / UDP(sport=4, dport=80, len=9)))
        drop("bad_checksum", from_client(ip / TCP(sport=4, dport=80, chksum=1)))
        drop("bad_checksum", from_client(ip / UDP(sport=4, dport=80, chksum=1) / b"x"))
    drop("bad_checksum", from_client(IP(src=V4.client, dst=V4.vip, chksum=1) / UDP(sport=4, dport=80)))
    drop("bad_checksum", from_client(V6.ip(src=V6.client, dst=V6.vip) / UDP(sport=4, dport=80, chksum=0)))
    drop("ip_options", from_client(IP(src=V4.client, dst=V4.vip, options=[IPOption_NOP()]) / UDP(dport=80)))

    first = IP(src=V4.client, dst=V4.vip, flags="MF", id=9) / UDP(sport=4, dport=80, len=108) / bytes(64)
    last = IP(src=V4.client, dst=V4.vip, frag=9, id=9, proto=17) / bytes(28)
    first6 = (
        V6.ip(src=V6.client, dst=V6.vip) / IPv6ExtHdrFragment(m=1, id=9) / UDP(sport=4, dport=80) / bytes(64)
    )
    last6 = V6.ip(src=V6.client, dst=V6.vip) / IPv6ExtHdrFragment(offset=9, id=9, nh=17) / bytes(28)
    drop("fragment", *(from_client(packet) for packet in (first, last, first6, last6)))

    many = V6.ip(src=V6.client, dst=V6.vip)
    for _ in range(40):
        many /= IPv6ExtHdrDestOpt()
    drop("malformed_l3", from_client(many / UDP(sport=4, dport=80) / b"x"))

    # A sender that is no host; and a frame for everybody, which every host of the link would answer.
    for family, martians in ((V4, ("0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255")),
                             (V6, ("::", "::1", "ff02::1"))):  # fmt: skip
        echo = ICMP(type=8) if family is V4 else ICMPv6EchoRequest()
        for martian in martians:
            ip = family.ip(src=martian, dst=family.vip)
            drop("malformed_l3", from_client(ip / TCP(sport=4, dport=80)), from_client(ip / echo))
        ip = family.ip(src=family.client, dst=family.vip)
        for many in ("ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:01", "33:33:00:00:00:01"):
            to_many = Ether(src=CLIENT_MAC, dst=many)
            drop("no_service", to_many / ip / TCP(sport=4, dport=80), to_many / ip / echo)
