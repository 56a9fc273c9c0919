"""A client of capture.start, and a plain reader of the pcapng file that it sends."""

import base64
import socket
import struct
import threading
from typing import Any, Dict, Iterator, List, NamedTuple, Tuple

from control import Control
from gateway import Gateway


class Packet(NamedTuple):
    """An enhanced packet block."""

    interface: str
    time: float  # Unix seconds
    data: bytes
    length: int
    comment: str


class Capture:
    """Runs a capture and collects its file. Leave the context to end it."""

    def __init__(self, gateway: Gateway, **params: Any):
        self.file = b""
        self.last: Dict[str, Any] = {}
        self._gateway = gateway
        self._control = Control(gateway.socket, timeout=60)
        self.number = self._control.call("capture.start", **params)["capture"]
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> "Capture":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> "Capture":
        """Ends the capture and waits for the rest of its file."""
        if self._reader.is_alive():
            self._gateway.call("capture.stop", capture=self.number)
        return self.wait()

    def leave(self) -> None:
        """Ends the connection without a word."""
        self._control.socket.shutdown(socket.SHUT_RDWR)

    def wait(self) -> "Capture":
        """Waits until the capture ends by itself."""
        self._reader.join(60)
        assert self.last.get("done"), "the capture has not ended"
        return self

    def packets(self) -> List[Packet]:
        """What the file has."""
        return list(read_packets(self.file))

    def _read(self) -> None:
        while not self.last:
            message = self._control.receive()
            if message is None:
                return
            assert message["method"] == "capture" and message["params"]["capture"] == self.number, message
            if "done" in message["params"]:
                self.last = message["params"]
            else:
                self.file += base64.b64decode(message["params"]["data"], validate=True)


def _options(data: bytes) -> Iterator[Tuple[int, bytes]]:
    while len(data) >= 4:
        code, length = struct.unpack("<HH", data[:4])
        if code == 0:
            return
        yield code, data[4 : 4 + length]
        data = data[4 + length + -length % 4 :]


def read_packets(file: bytes) -> Iterator[Packet]:
    """By the draft's words: section header, interface descriptions and enhanced packets, little-endian."""
    names: List[str] = []
    while file:
        kind, length = struct.unpack("<II", file[:8])
        assert length % 4 == 0 and length <= len(file), (hex(kind), length, len(file))
        assert struct.unpack("<I", file[length - 4 : length])[0] == length
        body, file = file[8 : length - 4], file[length:]
        if kind == 0x0A0D0D0A:
            assert body[:4] == struct.pack("<I", 0x1A2B3C4D)
        elif kind == 1:
            assert struct.unpack("<H", body[:2])[0] == 1  # Ethernet
            options = dict(_options(body[8:]))
            assert options[9] == b"\x09"  # nanoseconds
            names.append(options[2].decode())
        elif kind == 6:
            interface, high, low, captured, whole = struct.unpack("<5I", body[:20])
            comment = dict(_options(body[20 + captured + -captured % 4 :])).get(1, b"").decode()
            time = (high << 32 | low) / 1e9
            yield Packet(names[interface], time, body[20 : 20 + captured], whole, comment)
        else:
            raise AssertionError(f"an unexpected block: {kind:#x}")
