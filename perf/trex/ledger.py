"""Clients that submit ledger transactions to gateway-ledger.yaml, no two of them alike.

In trex-console:  start -f ledger.py -m 100% --port 0 -t --framing coap --size 256
CoAP requests are non-confirmable; the receipts come back to port 0 (`stats`, or `capture` to look at them).
"""

import argparse
import os

from trex_stl_lib.api import IP, UDP, CTRexVmInsFixHwCs, Ether, STLPktBuilder, STLStream, STLTXCont, STLVM

VIP = "203.0.113.60"
PORTS = {"raw": 9000, "coap": 5683}
# RFC 7252: version 1, NON, no token; POST; a message id; Uri-Path "tx"; the payload marker.
COAP = bytes([0x50, 0x02, 0, 0, 0xB2]) + b"tx" + b"\xff"
MESSAGE_ID = 42 + 2  # from the frame's first byte: Ethernet, IPv4 and UDP take 42
CLIENTS = 1000
COUNTER_BYTES = 8


class Ledger:
    """Opaque transactions of one size: a start that is new in every run, then a counter, then zeros."""

    @staticmethod
    def _arguments(tunables):
        parser = argparse.ArgumentParser(description=__doc__)
        parser.add_argument("--framing", choices=sorted(PORTS), default="coap")
        parser.add_argument("--size", type=int, default=256, help="bytes of a transaction, 16 to 1400")
        return parser.parse_args(tunables)

    @staticmethod
    def _changes(counter_at, wish):
        """What differs between frames: the client, the message id and the transaction."""
        engine = STLVM()
        engine.tuple_var(name="client", ip_min="198.19.0.1", ip_max="198.19.3.232", port_min=1024, port_max=65535,
                         limit_flows=CLIENTS * 64)  # fmt: skip
        engine.write(fv_name="client.ip", pkt_offset="IP.src")
        engine.write(fv_name="client.port", pkt_offset="UDP.sport")
        engine.var(name="counter", min_value=0, max_value=2**62, size=COUNTER_BYTES, op="inc")
        engine.write(fv_name="counter", pkt_offset=counter_at)
        if wish.framing == "coap":
            engine.var(name="message", min_value=0, max_value=65535, size=2, op="inc")
            engine.write(fv_name="message", pkt_offset=MESSAGE_ID)
        engine.fix_chksum_hw(l3_offset="IP", l4_offset="UDP", l4_type=CTRexVmInsFixHwCs.L4_TYPE_UDP)
        return engine

    def get_streams(self, direction=0, tunables=(), **_):
        """Called by TRex."""
        wish = self._arguments(list(tunables))
        start = os.urandom(8)
        transaction = start + bytes(wish.size - len(start))
        framing = COAP if wish.framing == "coap" else b""
        headers = Ether() / IP(src="198.19.0.1", dst=VIP) / UDP(sport=1024, dport=PORTS[wish.framing])
        frame = headers / (framing + transaction)
        counter_at = len(headers) + len(framing) + len(start)
        packet = STLPktBuilder(pkt=frame, vm=self._changes(counter_at, wish))
        return [STLStream(packet=packet, mode=STLTXCont(pps=1))]


def register():
    """Called by TRex."""
    return Ledger()
