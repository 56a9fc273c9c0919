"""CoAP messages (RFC 7252) as a client writes and reads them, and the receipts in their answers. Shares no
code with the gateway."""

import itertools
import socket
import struct
from typing import Dict, Iterator, List, NamedTuple, Optional, Tuple

CON, NON, ACK, RST = range(4)
POST = 0x02
URI_PATH, CONTENT_FORMAT, MAX_AGE = 11, 12, 14
CBOR = b"\x3c"  # Content-Format 60
TX = [(URI_PATH, b"tx")]


class Message(NamedTuple):
    """One message. A code such as 2.01 is 0x41 on the wire and "2.01" in `text`."""

    kind: int
    code: int
    message_id: int
    token: bytes = b""
    options: List[Tuple[int, bytes]] = []
    payload: bytes = b""

    @property
    def text(self) -> str:
        return f"{self.code >> 5}.{self.code & 31:02}"

    def option(self, number: int) -> Optional[bytes]:
        """The value of an option, if it is there."""
        return dict(self.options).get(number)


class Receipt(NamedTuple):
    """What the gateway promises of a transaction."""

    txid: bytes
    index: int
    leaf_hash: bytes
    block: int
    tree_size: int


def fresh_id(numbers: Iterator[int] = itertools.count(1)) -> int:
    """A Message ID that this process has not used lately: the kernel gives ports out again soon, and the same
    ID from the same port must not be used for another message (RFC 7252, 4.4)."""
    return next(numbers) & 0xFFFF


def _nibble(value: int) -> Tuple[int, bytes]:
    if value < 13:
        return value, b""
    return (13, bytes([value - 13])) if value < 269 else (14, struct.pack(">H", value - 269))


def encode(message: Message) -> bytes:
    """The message's bytes."""
    head = 0x40 | message.kind << 4 | len(message.token)
    data = struct.pack(">BBH", head, message.code, message.message_id) + message.token
    last = 0
    for number, value in sorted(message.options, key=lambda option: option[0]):
        (delta, more_delta), (size, more_size) = _nibble(number - last), _nibble(len(value))
        data += bytes([delta << 4 | size]) + more_delta + more_size + value
        last = number
    return data + (b"\xff" + message.payload if message.payload else b"")


def decode(data: bytes) -> Message:
    """The message that the bytes are."""
    head, code, message_id = struct.unpack_from(">BBH", data)
    assert head >> 6 == 1, data
    at = 4 + (head & 15)
    token, options, number = data[4:at], [], 0

    def extended(nibble: int) -> int:
        nonlocal at
        if nibble < 13:
            return nibble
        size = nibble - 12
        at += size
        return int.from_bytes(data[at - size : at], "big") + (13 if size == 1 else 269)

    while at < len(data) and data[at] != 0xFF:
        byte = data[at]
        at += 1
        number += extended(byte >> 4)
        size = extended(byte & 15)
        options.append((number, data[at : at + size]))
        at += size
    return Message(head >> 4 & 3, code, message_id, token, options, data[at + 1 :])


def receipt_of(cbor: bytes) -> Receipt:
    """Reads a receipt, which must be deterministically encoded (RFC 8949, 4.2.1)."""
    fields: Dict[int, object] = {}
    assert cbor[0] == 0xA5, cbor.hex()
    at = 1
    for key in range(1, 6):
        assert cbor[at] == key, cbor.hex()
        major, low = cbor[at + 1] >> 5, cbor[at + 1] & 31
        at += 2
        size = {24: 1, 25: 2, 26: 4, 27: 8}.get(low, 0)
        value = int.from_bytes(cbor[at : at + size], "big") if size else low
        assert not size or value >= (24 if size == 1 else 1 << 4 * size), "not the shortest form"
        at += size
        if key in (1, 3):
            assert (major, value) == (2, 32), cbor.hex()
            fields[key] = cbor[at : at + 32]
            at += 32
        else:
            assert major == 0, cbor.hex()
            fields[key] = value
    assert at == len(cbor), cbor.hex()
    return Receipt(*(fields[key] for key in range(1, 6)))


def exchange(sock: socket.socket, message: Message, seconds: float = 30) -> Optional[Message]:
    """Sends a request until its answer comes, as a client does; None where none came. An answer that comes
    by itself after an empty acknowledgement is acknowledged."""
    sock.settimeout(seconds)
    sock.send(encode(message))
    while True:
        try:
            answer = decode(sock.recv(2048))
        except TimeoutError:
            return None
        if answer.kind in (ACK, RST) and answer.message_id != message.message_id:
            continue
        if answer.kind == ACK and answer.code == 0:
            continue
        if answer.kind == CON:
            sock.send(encode(Message(ACK, 0, answer.message_id)))
        if answer.kind == RST or answer.token == message.token:
            return answer
