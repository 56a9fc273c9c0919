"""Stands in for trex_stl_lib.api, which is not there to test with: the names that the profiles use, which keep what
they are given. What only TRex itself would refuse is not found by it."""

import sys
import types
from typing import Any, List, Tuple

from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether


class CTRexVmInsFixHwCs:
    L4_TYPE_UDP = 11
    L4_TYPE_TCP = 13


class STLVM:
    """Keeps its instructions, with the names of the real one."""

    def __init__(self) -> None:
        self.instructions: List[Tuple[str, dict]] = []

    def var(self, name, min_value, max_value, size, op) -> None:
        self.instructions.append(("var", locals()))

    def tuple_var(self, name, ip_min, ip_max, port_min, port_max, limit_flows) -> None:
        self.instructions.append(("tuple_var", locals()))

    def write(self, fv_name, pkt_offset, offset_fixup=0) -> None:
        self.instructions.append(("write", locals()))

    def fix_chksum_hw(self, l3_offset, l4_offset, l4_type) -> None:
        self.instructions.append(("fix_chksum_hw", locals()))


class STLPktBuilder:
    def __init__(self, pkt, vm=None):
        self.pkt, self.vm = pkt, vm


class STLTXCont:
    def __init__(self, pps):
        self.pps = pps


class STLStream:
    def __init__(self, packet, mode):
        self.packet, self.mode = packet, mode


def install() -> None:
    """Makes `from trex_stl_lib.api import ...` find this."""
    api: Any = types.ModuleType("trex_stl_lib.api")
    api.__dict__.update({
        each.__name__: each
        for each in (IP, TCP, UDP, IPv6, Ether, CTRexVmInsFixHwCs, STLVM, STLPktBuilder, STLTXCont, STLStream)
    })  # fmt: skip
    sys.modules["trex_stl_lib"] = types.ModuleType("trex_stl_lib")
    sys.modules["trex_stl_lib.api"] = api
