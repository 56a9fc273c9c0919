"""An independent twin of Sluice's balancing arithmetic: SipHash-2-4, Maglev tables, flow hashes.

Written from the interface's text alone, so that the gateway's answers can be held against it. Slow and
plain on purpose. Addresses are strings, ports and protocols integers, keys 16 bytes.
"""

import hashlib
import ipaddress
import struct
from fractions import Fraction
from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple

TCP, UDP = 6, 17
TABLE_SIZES = (65537, 131101, 262147, 524309, 1048583)
_MASK = (1 << 64) - 1


def _rotate(word: int, bits: int) -> int:
    return ((word << bits) | (word >> (64 - bits))) & _MASK


def siphash24(key: bytes, data: bytes) -> int:
    """SipHash-2-4 (Aumasson and Bernstein, 2012), read as its little-endian 64-bit integer."""
    k0, k1 = struct.unpack("<QQ", key)
    v0, v1 = k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D
    v2, v3 = k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573

    def rounds(count: int) -> None:
        nonlocal v0, v1, v2, v3
        for _ in range(count):
            v0 = (v0 + v1) & _MASK
            v1 = _rotate(v1, 13) ^ v0
            v0 = _rotate(v0, 32)
            v2 = (v2 + v3) & _MASK
            v3 = _rotate(v3, 16) ^ v2
            v0 = (v0 + v3) & _MASK
            v3 = _rotate(v3, 21) ^ v0
            v2 = (v2 + v1) & _MASK
            v1 = _rotate(v1, 17) ^ v2
            v2 = _rotate(v2, 32)

    padding = -(len(data) + 1) % 8
    padded = data + bytes(padding) + bytes([len(data) & 0xFF])
    for (word,) in struct.iter_unpack("<Q", padded):
        v3 ^= word
        rounds(2)
        v0 ^= word
    v2 ^= 0xFF
    rounds(4)
    return v0 ^ v1 ^ v2 ^ v3


def address16(address: str) -> bytes:
    """The 16-byte form of an address; IPv4 is mapped into ::ffff:0:0/96."""
    parsed = ipaddress.ip_address(address)
    return parsed.packed if parsed.version == 6 else b"\0" * 10 + b"\xff\xff" + parsed.packed


class Backend(NamedTuple):
    """One backend of a pool as the configuration lists it; port 0 keeps the packet's."""

    address: str
    port: int = 0
    weight: int = 1

    def endpoint(self, protocol: int) -> bytes:
        """The 19 bytes that are hashed: address, port in network order, protocol."""
        return address16(self.address) + struct.pack("!HB", self.port, protocol)

    def name(self) -> str:
        """As `service.table` prints it: 192.0.2.1:80 or [2001:db8::1]:80."""
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"{host}:{self.port}"


def table_size(listed: int, configured: Optional[int] = None) -> int:
    """The table size M for a pool that lists so many backends, whatever their state."""
    return configured or next(size for size in TABLE_SIZES if size >= 100 * listed)


def build_table(
    key: bytes, backends: Sequence[Backend], protocol: int, size: Optional[int] = None
) -> List[Backend]:
    """The Maglev table over the backends that take new flows: one backend a slot, [] where none does."""
    slots = table_size(len(backends), size)
    order = sorted((b for b in backends if b.weight > 0), key=lambda b: (address16(b.address), b.port))
    if not order:
        return []
    heaviest = max(backend.weight for backend in order)
    positions, skips = [], []
    for backend in order:
        endpoint = backend.endpoint(protocol)
        positions.append(siphash24(key, endpoint + b"\0") % slots)
        skips.append(siphash24(key, endpoint + b"\1") % (slots - 1) + 1)
    credits = [0] * len(order)
    table: List[Optional[Backend]] = [None] * slots
    taken = 0
    while True:
        for index, backend in enumerate(order):
            credits[index] += backend.weight
            if credits[index] < heaviest:
                continue
            credits[index] -= heaviest
            position = positions[index]
            while table[position] is not None:
                position = (position + skips[index]) % slots
            table[position] = backend
            positions[index] = (position + skips[index]) % slots
            taken += 1
            if taken == slots:
                return table


def build_layered_table(
    key: bytes, backends: Sequence[Tuple[Backend, int]], protocol: int, size: Optional[int] = None
) -> List[Backend]:
    """The table while backends start slowly: of each its whole weight, and how many tenths of it count.

    Layer k has who has k tenths or more; slots go to layers in proportion to their weights.
    """
    most = max(tenths for _, tenths in backends)
    layers, ends = [], []
    for k in range(1, most + 1):
        present = [backend for backend, tenths in backends if tenths >= k]
        layers.append(build_table(key, present, protocol, table_size(len(backends), size)))
        ends.append((ends or [0])[-1] + sum(backend.weight for backend in present))
    behind = {backend for backend, tenths in backends if tenths < most}
    stretches: Dict[Optional[Backend], List[int]] = {}
    for slot, places in enumerate(zip(*layers)):
        if len(set(places)) > 1:
            stretches.setdefault(places[0] if places[0] in behind else None, []).append(slot)
    table = list(layers[0])
    for stretch in stretches.values():
        stretch.sort(key=lambda slot: slot and pow(slot, -1, len(table)))
        for i, slot in enumerate(stretch):
            middle = Fraction(2 * i + 1, 2 * len(stretch))
            layer = next(k for k, end in enumerate(ends) if middle < Fraction(end, ends[-1]))
            table[slot] = layers[layer][slot]
    return table


def table_sha256(table: Sequence[Backend], protocol: int) -> str:
    """What `service.table` answers as sha256: over the endpoint of every slot, in slot order."""
    return hashlib.sha256(b"".join(backend.endpoint(protocol) for backend in table)).hexdigest()


def slot_counts(table: Sequence[Backend]) -> Dict[str, int]:
    """How many slots each backend has, by its printed name."""
    counts: Dict[str, int] = {}
    for backend in table:
        counts[backend.name()] = counts.get(backend.name(), 0) + 1
    return counts


def flow_hash(
    key: bytes, source: str, source_port: int, destination: str, destination_port: int, protocol: int
) -> int:
    """The hash that places a new flow."""
    ports = struct.pack("!HHB", source_port, destination_port, protocol)
    return siphash24(key, address16(source) + address16(destination) + ports)


def source_hash(key: bytes, source: str) -> int:
    """The hash that places a client under `policy: source-hash`."""
    return siphash24(key, address16(source))
