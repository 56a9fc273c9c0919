"""Reads IPFIX as RFC 7011 and RFC 5103 have it: an oracle that shares nothing with the gateway."""

import ipaddress
import struct
from typing import Any, Dict, Iterator, List, NamedTuple, Tuple

REVERSE = 29305  # RFC 5103, section 6.1
# Of IANA's registry "IPFIX Information Elements": what it is called, and its type.
ELEMENTS = {
    2: ("packetDeltaCount", "number"),
    4: ("protocolIdentifier", "number"),
    7: ("sourceTransportPort", "number"),
    8: ("sourceIPv4Address", "address"),
    11: ("destinationTransportPort", "number"),
    12: ("destinationIPv4Address", "address"),
    27: ("sourceIPv6Address", "address"),
    28: ("destinationIPv6Address", "address"),
    94: ("applicationDescription", "text"),
    96: ("applicationName", "text"),
    136: ("flowEndReason", "number"),
    152: ("flowStartMilliseconds", "number"),
    153: ("flowEndMilliseconds", "number"),
    239: ("biflowDirection", "number"),
    352: ("layer2OctetDeltaCount", "number"),
    374: ("applicationGroupName", "text"),
}
VARIABLE = 65535


class Message(NamedTuple):
    """One message: its header, how many templates it has, and its data records by the elements' names."""

    sequence: int
    export_time: int
    domain: int
    templates: int
    records: List[Dict[str, Any]]


def split(stream: bytes) -> Iterator[bytes]:
    """The whole messages of a stream."""
    while len(stream) >= 16:
        length = struct.unpack_from("!H", stream, 2)[0]
        assert length >= 16, "no message is shorter than its header"
        if len(stream) < length:
            return
        yield stream[:length]
        stream = stream[length:]


class Collector:
    """Knows the templates of one stream."""

    def __init__(self):
        self.templates: Dict[int, List[Tuple[int, int, int]]] = {}

    def read(self, message: bytes) -> Message:
        version, length, export_time, sequence, domain = struct.unpack_from("!HHIII", message)
        assert version == 10 and length == len(message)
        templates, records, at = 0, [], 16
        while at < length:
            set_id, set_length = struct.unpack_from("!HH", message, at)
            assert set_length >= 4 and at + set_length <= length
            body = message[at + 4 : at + set_length]
            if set_id == 2:
                templates += self._learn(body)
            else:
                assert set_id >= 256
                records += self._records(self.templates[set_id], body)
            at += set_length
        assert at == length
        return Message(sequence, export_time, domain, templates, records)

    def _learn(self, body: bytes) -> int:
        count = 0
        while body:
            number, fields = struct.unpack_from("!HH", body)
            body = body[4:]
            self.templates[number] = []
            for _ in range(fields):
                element, size = struct.unpack_from("!HH", body)
                body = body[4:]
                enterprise = 0
                if element & 0x8000:
                    enterprise = struct.unpack_from("!I", body)[0]
                    body = body[4:]
                self.templates[number].append((element & 0x7FFF, size, enterprise))
            count += 1
        return count

    @staticmethod
    def _records(template: List[Tuple[int, int, int]], body: bytes) -> List[Dict[str, Any]]:
        records = []
        while body:
            record = {}
            for element, size, enterprise in template:
                if size == VARIABLE:
                    size, body = body[0], body[1:]
                    if size == 255:
                        size, body = struct.unpack_from("!H", body)[0], body[2:]
                assert len(body) >= size
                value, body = body[:size], body[size:]
                name, kind = ELEMENTS[element]
                assert enterprise in (0, REVERSE)
                read = {"number": int.from_bytes, "address": lambda v, _: str(ipaddress.ip_address(v)),
                        "text": lambda v, _: v.decode()}[kind]  # fmt: skip
                record[("reverse " if enterprise else "") + name] = read(value, "big")
            records.append(record)
        return records
