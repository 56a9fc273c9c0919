"""Clients asking one VIP of gateway-vip.yaml: as many flows as wished, one frame after the other.

In trex-console:  start -f vip.py -m 100% --port 0 -t --forward dnat --flows 1000000
The generator's port 0 must be given the gateway's edge0 as its destination MAC address (port_info in trex_cfg.yaml).
"""

import argparse
import ipaddress

from trex_stl_lib.api import (
    IP, TCP, UDP, CTRexVmInsFixHwCs, Ether, IPv6, STLPktBuilder, STLStream, STLTXCont, STLVM,
)  # fmt: skip

VIPS = {"full-nat": 10, "dnat": 20, "direct": 30, "ipip": 40, "gue": 50}
IMIX = ((60, 7), (590, 4), (1514, 1))  # frames without FCS, and how many of each (RFC 6985, appendix A)
PORTS = 64_000
CLIENT = {4: "198.19.0.1", 6: "2001:db8:19::1"}


class Vip:
    """One profile for every mode, protocol and family: the tunables choose."""

    @staticmethod
    def _arguments(tunables):
        parser = argparse.ArgumentParser(description=__doc__)
        parser.add_argument("--forward", choices=sorted(VIPS), default="dnat")
        parser.add_argument("--protocol", choices=("tcp", "udp"), default="udp")
        parser.add_argument("--family", type=int, choices=(4, 6), default=4)
        parser.add_argument("--flows", type=int, default=1000)
        parser.add_argument("--size", default="small", help="small, imix, or bytes of a frame without FCS")
        return parser.parse_args(tunables)

    @staticmethod
    def _frame(wish, size):
        """An ACK, or a datagram, padded to so many bytes."""
        network = IP(src=CLIENT[4], dst=f"203.0.113.{VIPS[wish.forward]}")
        if wish.family == 6:
            network = IPv6(src=CLIENT[6], dst=f"2001:db8:f::{VIPS[wish.forward]}")
        transport = TCP(sport=1024, dport=80, flags="A") if wish.protocol == "tcp" else UDP(sport=1024, dport=80)
        frame = Ether() / network / transport
        return frame / (b"\0" * max(0, size - len(frame)))

    @staticmethod
    def _flows(wish):
        """Changes the client's address and port: clients of 64,000 ports each, and a last one with the rest."""
        transport, clients = wish.protocol.upper(), -(-wish.flows // PORTS)
        engine = STLVM()
        if wish.family == 6:  # the last four bytes of the address
            engine.var(name="client", min_value=1, max_value=clients, size=4, op="inc")
            engine.write(fv_name="client", pkt_offset="IPv6.src", offset_fixup=12)
            engine.var(name="port", min_value=1024, max_value=1023 + min(wish.flows, PORTS), size=2, op="inc")
            engine.write(fv_name="port", pkt_offset=f"{transport}.sport")
        else:
            last = ipaddress.ip_address(CLIENT[4]) + clients - 1
            engine.tuple_var(name="client", ip_min=CLIENT[4], ip_max=str(last), port_min=1024,
                             port_max=1023 + min(wish.flows, PORTS), limit_flows=wish.flows)  # fmt: skip
            engine.write(fv_name="client.ip", pkt_offset="IP.src")
            engine.write(fv_name="client.port", pkt_offset=f"{transport}.sport")
        kind = CTRexVmInsFixHwCs.L4_TYPE_TCP if wish.protocol == "tcp" else CTRexVmInsFixHwCs.L4_TYPE_UDP
        engine.fix_chksum_hw(l3_offset="IPv6" if wish.family == 6 else "IP", l4_offset=transport, l4_type=kind)
        return engine

    def get_streams(self, direction=0, tunables=(), **_):
        """Called by TRex."""
        wish = self._arguments(list(tunables))
        sizes = IMIX if wish.size == "imix" else ((60 if wish.size == "small" else int(wish.size), 1),)
        return [
            STLStream(packet=STLPktBuilder(pkt=self._frame(wish, size), vm=self._flows(wish)), mode=STLTXCont(pps=share))
            for size, share in sizes
        ]


def register():
    """Called by TRex."""
    return Vip()
