"""The frames' arithmetic against scapy's own."""

from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6PacketTooBig, IPv6, IPv6ExtHdrDestOpt
from scapy.layers.l2 import Ether
from scapy.packet import Raw

import frames


def test_rewritten_is_the_packet_built_that_way():
    before = IP(src="198.18.10.100", dst="203.0.113.10", ttl=64) / TCP(sport=1, dport=2) / b"data"
    after = IP(src="198.18.20.5", dst="198.18.20.11", ttl=63) / TCP(sport=3, dport=4) / b"data"
    changed = frames.rewritten(before, src="198.18.20.5", dst="198.18.20.11", sport=3, dport=4)
    assert bytes(changed) == bytes(after)


def test_rewritten_reaches_behind_extension_headers():
    def packet(port, hops):
        return IPv6(src="::1", dst="::2", hlim=hops) / IPv6ExtHdrDestOpt() / UDP(sport=1, dport=port) / b"x"

    assert bytes(frames.rewritten(packet(2, 9), dport=7)) == bytes(packet(7, 8))


def test_a_udp_checksum_of_zero_stays():
    packet = IP(src="1.2.3.4", dst="5.6.7.8") / UDP(sport=1, dport=2, chksum=0) / b"x"
    assert frames.rewritten(packet, dport=9)[UDP].chksum == 0


def test_to_every_port_has_right_checksums():
    for packet in (IP(src="1.2.3.4", dst="5.6.7.8") / TCP(), IPv6(src="::1", dst="::2") / UDP() / b"odd"):
        made = list(frames.to_every_port(Ether() / packet))
        assert len(made) == frames.EVERY_PORT
        for raw in made[::997]:
            assert frames.has_right_checksums(Ether(raw))


def test_wrong_checksums_are_seen():
    for packet in (
        IP(src="1.2.3.4", dst="5.6.7.8", chksum=1) / UDP(),
        IP(src="1.2.3.4", dst="5.6.7.8") / TCP(chksum=1),
        IP(src="1.2.3.4", dst="5.6.7.8") / ICMP(chksum=1),
        IPv6(src="::1", dst="::2") / ICMPv6PacketTooBig(cksum=1) / IPv6() / UDP(),
    ):
        assert not frames.has_right_checksums(Ether(bytes(Ether() / packet)))


def test_masks_hide_only_what_they_name():
    def frame(identification, ttl, payload):
        return Ether() / IP(src="1.2.3.4", dst="5.6.7.8", id=identification, ttl=ttl) / Raw(payload)

    masks = [frames.any_id]
    assert frames.masked(frame(1, 64, b"x"), masks) == frames.masked(frame(2, 64, b"x"), masks)
    assert frames.masked(frame(1, 64, b"x"), masks) != frames.masked(frame(1, 63, b"x"), masks)
    assert frames.masked(frame(1, 64, b"x"), masks) != frames.masked(frame(1, 64, b"y"), masks)
