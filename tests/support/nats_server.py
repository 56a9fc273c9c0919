"""A NATS server, Debian's, and a client of it that is a socket, as the protocol is lines."""

import contextlib
import json
import pathlib
import socket
import ssl
from typing import Optional

from processes import eventually, spawn, stop
from wireless import free_port

KEEPS_UP = 60  # seconds that anything may take on a busy machine


class NatsServer:
    def __init__(self, directory: pathlib.Path, port: int = 0, configuration: str = ""):
        self.port = port or free_port()
        self.log = directory / f"nats-{self.port}.log"
        self.file = directory / f"nats-{self.port}.conf"
        self.file.write_text(configuration)
        self.process = None

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    def start(self) -> "NatsServer":
        self.process = spawn("nats-server", "-c", self.file, "-a", "127.0.0.1", "-p", self.port, log=self.log)
        eventually(self._answers, "nats-server answers", KEEPS_UP)
        return self

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True
        return False

    def stop(self) -> None:
        if self.process:
            stop(self.process)
            self.process = None


class NatsSubscriber:
    """All that is published under a subject."""

    def __init__(self, server: NatsServer, subject: str, context: Optional[ssl.SSLContext] = None, **options: str):
        self.socket = socket.create_connection(("127.0.0.1", server.port), timeout=KEEPS_UP)
        info = b""
        while not info.endswith(b"\r\n"):  # byte by byte: TLS begins behind it
            info += self.socket.recv(1)
        assert info.startswith(b"INFO ")
        if context:
            self.socket = context.wrap_socket(self.socket, server_hostname="nats.example.test")
        self.lines = self.socket.makefile("rwb")
        self.lines.write(f'CONNECT {json.dumps({"verbose": False, **options})}\r\nSUB {subject} 1\r\nPING\r\n'.encode())
        self.lines.flush()
        assert self.lines.readline() == b"PONG\r\n"

    def next(self):
        while True:
            words = self.lines.readline().split()
            assert words, "the server has ended the connection"
            if words[0] == b"PING":
                self.lines.write(b"PONG\r\n")
                self.lines.flush()
            elif words[0] == b"MSG":
                payload = self.lines.read(int(words[-1]) + 2)
                return words[1].decode(), json.loads(payload)

    def close(self) -> None:
        self.lines.close()
        self.socket.close()


def apply_nats(gateway, servers: list, **settings: object) -> None:
    gateway.config = {**gateway.config, "events": {"nats": {"servers": servers, **settings}}}
    gateway.call("config.apply", config=gateway.config)
