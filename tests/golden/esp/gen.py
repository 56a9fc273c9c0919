"""ESP both ways, IPv4 and IPv6 inside and out, in UDP or not, with extended numbers or not; and what is refused."""

from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether

from esp import Tunnel
from frames import CORE_MAC, V4, V6, backend_mac, from_client, network, rewritten, to_client

TUNNELS = [
    Tunnel("plain4", "198.18.20.1", "198.18.20.90", ("10.0.0.0/16", "fd00::/32"), 4096, 5096, "a1" * 20, "b1" * 20),
    Tunnel("udp4", "198.18.20.1", "198.18.20.91", ("10.1.0.0/16",), 4097, 5097, "a2" * 20, "b2" * 20,
           udp=True, esn=True),
    Tunnel("plain6", "2001:db8:20::1", "2001:db8:20::92", ("10.2.0.0/16", "fd02::/32"), 4098, 5098,
           "a3" * 36, "b3" * 36, esn=True),
    Tunnel("udp6", "2001:db8:20::1", "2001:db8:20::93", ("10.3.0.0/16", "fd03::/32"), 4099, 5099,
           "a4" * 36, "b4" * 36, udp=True),
]  # fmt: skip


def build(case):
    case.config["tunnels"] = [tunnel.config("@here@") for tunnel in TUNNELS]
    for tunnel in TUNNELS:
        case.secrets.update(tunnel.files())
        to_backend_and_back(case, tunnel)
        client_behind(case, tunnel)
    refused(case, TUNNELS[0], TUNNELS[1])


def expect_inside(case, tunnel, inner, traffic_class=0, dont_fragment=False):
    """A packet of the tunnel's own that the other end opens to find `inner`."""

    def is_it(frame):
        outer = network(frame)
        if frame.dst != backend_mac(tunnel.remote) or bytes(tunnel.opened(outer) or b"") != bytes(inner):
            return False
        if isinstance(outer, IPv6):
            return outer.hlim == 64 and outer.tc == traffic_class
        right_udp = not tunnel.udp or outer[UDP].chksum == 0
        return outer.ttl == 64 and outer.tos == traffic_class and outer.flags.DF == dont_fragment and right_udp

    case.expect_where("core0", f"{tunnel.name}: {inner.summary()}", is_it)


def from_remote(tunnel, packet):
    return Ether(src=backend_mac(tunnel.remote), dst=CORE_MAC) / packet


def to_backend_and_back(case, tunnel):
    family = V6 if tunnel.name.endswith("6") else V4
    service = next(s for s in case.config["services"] if s["name"] == tunnel.name)
    pool = next(p for p in case.config["pools"] if p["name"] == tunnel.name)
    vip, backend = service["address"], pool["backends"][0]["address"]
    for size, mark, dont in ((1, 0, False), (2, 0xB9, True), (1200, 2, True)):
        request = family.ip(src=family.client, dst=vip) / UDP(sport=7000 + size, dport=80) / (b"q" * size)
        if family is V4:
            request.tos, request.flags = mark, "DF" if dont else 0
        else:
            request.tc = mark
        case.send("edge0", from_client(request))
        inner = rewritten(request, dst=backend, dport=8080)
        expect_inside(case, tunnel, inner, mark, dont)
    case.later("core0")
    for number, size in ((3, 1), (2, 2), (9, 1200)):
        answer = family.ip(src=backend, dst=family.client) / UDP(sport=8080, dport=7000 + size) / b"answer"
        packet = tunnel.to_gateway(answer, number)
        if tunnel.udp and number == 9:
            packet[UDP].sport = 62000  # a NAT on the way
        if tunnel.udp and family is V4 and number == 2:
            packet[UDP].chksum = 1  # as an offload may leave it: ESP has a check of its own
        case.send("core0", from_remote(tunnel, packet))
        case.expect("edge0", to_client(rewritten(answer, src=vip, sport=80)))


def client_behind(case, tunnel):
    """Somebody at the other site asks a backend here; the answer goes back through the tunnel."""
    inner6 = any(":" in network for network in tunnel.networks)
    for family, client, here in (
        (V4, tunnel.networks[0].replace("0.0/16", "7.7"), "here4"),
        (V6, tunnel.networks[-1].replace("::/32", "::7"), "here6"),
    ):
        if family is V6 and not inner6:
            continue
        vip = next(s for s in case.config["services"] if s["name"] == here)["address"]
        backend = next(p for p in case.config["pools"] if p["name"] == here)["backends"][0]["address"]
        request = family.ip(src=client, dst=vip) / UDP(sport=9000, dport=80) / b"hello"
        if family is V4:
            request.tos = 2
            expected = rewritten(request, dst=backend, dport=8080, tos=3)  # congestion on the way
        else:
            request.tc = 2
            expected = rewritten(request, dst=backend, dport=8080, tc=3)
        mark = {"tc": 3} if ":" in tunnel.remote else {"tos": 3}
        number = 100 if family is V4 else 101
        case.send("core0", from_remote(tunnel, tunnel.to_gateway(request, number, **mark)))
        case.expect("core0", Ether(src=CORE_MAC, dst=backend_mac(backend)) / expected)
        answer = family.ip(src=backend, dst=client) / UDP(sport=8080, dport=9000) / b"hello yourself"
        case.send("core0", Ether(src=backend_mac(backend), dst=CORE_MAC) / answer)
        expect_inside(case, tunnel, rewritten(answer, src=vip, sport=80), dont_fragment=family is V6)


def refused(case, plain, udp):
    """Nothing of this goes on, and every packet of it is `denied`."""
    vip = "203.0.113.20"

    def ask(client="10.0.8.8", sport=1):
        return IP(src=client, dst=vip) / UDP(sport=sport, dport=80) / b"no"

    bad = []
    forged = plain.to_gateway(ask(), 200)
    bad.append(IP(bytes(forged)[:-1] + bytes([bytes(forged)[-1] ^ 1])))  # icv
    bad += [plain.to_gateway(ask(), number) for number in (2, 3, 9, 100)]  # replay
    strange = plain._replace(spi_in=999)
    bad.append(strange.to_gateway(ask(), 300))  # unknown SPI
    whole = plain.to_gateway(ask(), 301)
    for size in (28, 40, 51):
        cut = IP(bytes(whole)[:size])
        cut.len = size
        del cut.chksum
        bad.append(IP(bytes(cut)))
    bad.append(plain.to_gateway(ask("198.18.20.77"), 302))  # from where it does not lead
    bad.append(plain.to_gateway(ask("10.1.8.8"), 303))  # from where another leads
    bad.append(ask("10.0.8.8"))  # in clear
    bad.append(ask("10.0.0.11"))
    bad.append(plain._replace(udp=True).to_gateway(ask(), 304))  # in UDP where it is not said to be
    bad.append(udp._replace(udp=False).to_gateway(ask("10.1.8.8"), 305))
    congested = ask()
    bad.append(plain.to_gateway(congested, 306, tos=3))  # which the inner packet cannot say
    for packet in bad:
        case.send("core0", Ether(src="02:00:00:00:02:90", dst=CORE_MAC) / packet)
    case.expect_drops(denied=len(bad))
    keepalive = IP(src=udp.remote, dst=udp.local) / UDP(sport=4500, dport=4500) / b"\xff"
    case.send("core0", from_remote(udp, keepalive))
    good = ask("10.0.9.9", 2)
    case.send("core0", from_remote(plain, plain.to_gateway(good, 400)))
    case.expect("core0", Ether(src=CORE_MAC, dst=backend_mac("198.18.20.11")) / rewritten(good, dst="198.18.20.11", dport=8080))
