"""A small JSON-RPC 2.0 client of the gateway's control socket."""

import json
import pathlib
import socket
from typing import Any, Optional


class Refused(Exception):
    """The gateway answered with an error."""

    def __init__(self, error: dict):
        super().__init__(f"{error.get('code')}: {error.get('message')} {error.get('data', '')}")
        self.code = error.get("code")
        self.message = error.get("message", "")
        self.data = error.get("data") or {}


class Control:
    """One connection. Raises OSError where the socket fails and Refused where the gateway refuses."""

    def __init__(self, path: pathlib.Path, timeout: float = 30):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(timeout)
        self.socket.connect(str(path))
        self._received = b""
        self._last_id = 0

    def __enter__(self) -> "Control":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def call(self, method: str, /, **params: Any) -> Any:
        """Calls a method and returns its result."""
        self._last_id += 1
        request = {"jsonrpc": "2.0", "id": self._last_id, "method": method, "params": params}
        self.send(json.dumps(request).encode() + b"\n")
        answer = self.receive()
        if answer is None:
            raise ConnectionError(f"the gateway closed the connection instead of answering {method}")
        if "error" in answer:
            raise Refused(answer["error"])
        assert answer["id"] == self._last_id, answer
        return answer["result"]

    def send(self, data: bytes) -> None:
        """Sends bytes as they are."""
        self.socket.sendall(data)

    def receive(self) -> Optional[Any]:
        """The next answer, one line; None where the gateway closed the connection."""
        while b"\n" not in self._received:
            try:
                chunk = self.socket.recv(1 << 20)
            except ConnectionResetError:
                return None
            if not chunk:
                return None
            self._received += chunk
        line, self._received = self._received.split(b"\n", 1)
        return json.loads(line)
