"""A client that cuts, shuffles, repeats and contradicts its segments, and a real Linux TCP receiver behind the
gateway: what is scanned is what that receiver gets, and what a rule looks for never reaches it."""

import copy
import random
import socket
import threading
import time

import pytest
from scapy.all import IP, TCP, Ether, raw

from configuration import SERVICES
from processes import eventually
from topology import EDGE4, GATEWAY_MACS

CLIENT, CLIENT_MAC = EDGE4 + "200", "02:00:00:00:01:c8"  # nobody's: no kernel answers for it
VIP, PORT, SINK_PORT = "203.0.113.99", 7777, 7777
PATTERN = b"attack"
SCENARIOS = 60


class Sink(threading.Thread):
    """A server that keeps what each connection brought, by the client's port behind the gateway's."""

    def __init__(self, namespace):
        super().__init__(daemon=True)
        with namespace.entered():
            self.listener = socket.create_server(("", SINK_PORT))
        self.connections = []
        self.start()

    def run(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            connection.setblocking(False)
            self.connections.append((connection, bytearray()))

    def newest(self):
        """What the connection that was accepted last has brought so far."""
        connection, got = self.connections[-1]
        try:
            while piece := connection.recv(65536):
                got += piece
        except OSError:
            pass
        return bytes(got)

    def stop(self):
        self.listener.close()
        for connection, _ in self.connections:
            connection.close()


class RawClient:
    """TCP by hand, for one address that no kernel knows."""

    def __init__(self, namespace):
        with namespace.entered():
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0003))
            self.socket.bind(("eth0", 0))
        self.socket.settimeout(0.05)

    def send(self, port, **fields):
        payload = fields.pop("payload", b"")
        frame = Ether(src=CLIENT_MAC, dst=GATEWAY_MACS["edge0"]) / IP(src=CLIENT, dst=VIP)
        frame /= TCP(sport=port, dport=PORT, window=65535, **fields)
        self.socket.send(raw(frame / payload))

    def open(self, port, first):
        """The sequence number that the server's bytes begin with."""
        for _ in range(100):
            self.send(port, seq=first - 1, flags="S")
            deadline = time.monotonic() + 1
            while time.monotonic() < deadline:
                try:
                    frame = Ether(self.socket.recv(2048))
                except TimeoutError:
                    continue
                if TCP in frame and frame[TCP].dport == port and str(frame[TCP].flags) == "SA":
                    assert frame[TCP].ack == first
                    self.send(port, seq=first, ack=frame[TCP].seq + 1, flags="A")
                    return frame[TCP].seq + 1
        raise AssertionError("the server has not answered")


@pytest.fixture
def raw_client(lab, gateway):
    """A client, a sink, and a service between them that inspects."""
    config = copy.deepcopy(gateway.config)
    sink = Sink(lab.backends[0].namespace)
    config["neighbors"] = [{"address": CLIENT, "mac": CLIENT_MAC}]
    config["inspections"] = [
        {"name": "raw", "bytes": 64, "rules": [{"id": 1, "pattern": PATTERN.decode(), "action": "drop"}]}
    ]
    config["pools"].append({"name": "sink", "backends": [{"address": lab.backends[0].address4, "port": SINK_PORT}]})
    config["services"].append({"name": "sink", "address": VIP, "port": PORT, "pool": "sink", "inspect": "raw"})
    gateway.call("config.apply", config=config)
    assert SERVICES  # the lab's own go on beside it
    yield RawClient(lab.client), sink, gateway
    sink.stop()


class Seen:
    """What gateway and receiver say of one connection, whose inspection was `before`."""

    def __init__(self, gateway, sink, port, before):
        self.gateway, self.sink, self.port, self.before = gateway, sink, port, before
        self.last = None

    def is_blocked(self):
        told = self.gateway.call("trace.explain", source=CLIENT, source_port=self.port, destination=VIP,
                                 destination_port=PORT, protocol="tcp")  # fmt: skip
        return told["drop_reason"] == "inspected"

    def scanned(self):
        return self.gateway.call("inspection.list")[0]["scanned_bytes"] - self.before["scanned_bytes"]

    def matches(self):
        return self.gateway.call("inspection.list")[0]["rules"][0]["matches"] - self.before["rules"][0]["matches"]

    def has_settled(self):
        """Whether nothing has moved since the last look, and the receiver has what was let through."""
        time.sleep(0.05)
        now = (self.is_blocked(), self.scanned(), len(self.sink.newest()), self.gateway.call("drops.get")["inspected"])
        before, self.last = self.last, now
        return now == before and (now[0] or now[1] == now[2])


def segments_of(text, rng):
    """The text in pieces, some of it again in others, some with other bytes; in any order."""
    pieces, at = [], 0
    while at < len(text):
        size = rng.randint(1, 12)
        pieces.append((at, text[at : at + size]))
        at += size
    for _ in range(rng.randint(0, 6)):
        at = rng.randrange(len(text))
        piece = bytearray(text[at : at + rng.randint(1, 12)])
        if rng.random() < 0.5:
            piece[rng.randrange(len(piece))] ^= 1
        pieces.append((at, bytes(piece)))
    if rng.random() < 0.8:
        rng.shuffle(pieces)
    return pieces


def test_what_is_scanned_is_what_a_linux_receiver_gets(raw_client):
    client, sink, gateway = raw_client
    rng = random.Random(20261128)
    blocked = 0
    for number in range(SCENARIOS):
        text = bytes(rng.choice(b"acktx ") for _ in range(rng.randint(1, 60)))
        if rng.random() < 0.5:
            at = rng.randrange(len(text) + 1)
            text = (text[:at] + PATTERN + text[at:])[:64]
        port, first = 30000 + number, rng.choice((1000, 0xFFFFFFF0, rng.getrandbits(32)))
        accepted = len(sink.connections)
        before = gateway.call("inspection.list")[0]
        ack = client.open(port, first)
        eventually(lambda: len(sink.connections) > accepted, "the connection is accepted", 20)
        pieces = segments_of(text, rng)
        for _ in range(2):  # whatever was dropped is sent again, as TCP does
            for at, piece in pieces:
                client.send(port, seq=(first + at) % 2**32, ack=ack, flags="PA", payload=piece)
        for at, piece in enumerate(text):
            client.send(port, seq=(first + at) % 2**32, ack=ack, flags="PA", payload=bytes([piece]))
        seen = Seen(gateway, sink, port, before)
        eventually(seen.has_settled, "all that was sent has arrived", 20)
        got = sink.newest()
        assert PATTERN not in got, number
        assert seen.matches() == seen.is_blocked(), number
        if seen.is_blocked():
            blocked += 1
            assert len(got) < seen.scanned(), number
        else:
            assert len(got) == seen.scanned(), number
    assert SCENARIOS / 10 < blocked < SCENARIOS
