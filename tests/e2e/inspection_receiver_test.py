"""10,000 clients' streams, over IPv4 and IPv6, that are cut, shuffled, repeated and contradicted, and a real Linux TCP
receiver behind the gateway: its verdict is that of a scan of all bytes that this receiver got."""

import copy
import json
import random
import re
import socket
import struct
import sys

import pytest

from processes import eventually
from topology import EDGE4, EDGE6, GATEWAY_MACS, backend4, backend6

CLIENT_MAC = "02:00:00:00:01:c8"
FAMILIES = {
    4: (socket.AF_INET, EDGE4 + "200", "203.0.113.99", backend4(1)),  # a client that no kernel answers for
    6: (socket.AF_INET6, EDGE6 + "c8", "2001:db8:f::99", backend6(1)),
}
# Services and their backends' ports: one counts, and what it looks for arrives; the other drops it.
PORTS = {"counts": 7777, "drops": 7778}
PATTERNS = {1: "attack", 2: "a[ck]{3,}t", 3: "^[tax]{4}", 4: "k.{3}xtx", 5: "cat *x"}
STREAMS, WAVE = 10_000, 250
LONGEST = 64
SYN, RST, PSH, ACK = 2, 4, 8, 16
SO_RCVBUFFORCE = 33  # of socket(7), which Python does not name

# Keeps what each connection has brought, by the client's port and its own. Every line that it is told is the end of a
# wave: it answers with that wave's connections, and forgets them.
_RECEIVER = """
import json, selectors, socket, struct, sys
told = selectors.DefaultSelector()
got = {}
for port in map(int, sys.argv[1:]):
    listener = socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=1024)
    listener.setblocking(False)
    told.register(listener, selectors.EVENT_READ, None)
told.register(sys.stdin, selectors.EVENT_READ, None)
print("ready", flush=True)
while True:
    for key, _ in told.select():
        if key.fileobj is sys.stdin:
            line = sys.stdin.readline()
            if not line:
                sys.exit()
            print(json.dumps([[*name, one[1].decode("latin-1")] for name, one in got.items()]), flush=True)
            if line == "end\\n":
                for connection, _ in got.values():
                    told.unregister(connection)
                    connection.close()
                got.clear()
        elif key.data is None:
            connection, address = key.fileobj.accept()
            connection.setblocking(False)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a RST ends it
            name = (address[1], connection.getsockname()[1])
            got[name] = (connection, bytearray())
            told.register(connection, selectors.EVENT_READ, got[name])
        else:
            try:
                key.data[1].extend(key.fileobj.recv(4096))
            except OSError:
                pass
"""


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


class RawClient:
    """TCP by hand, for addresses that no kernel knows."""

    def __init__(self, namespace):
        with namespace.entered():
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0003))
            self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
            self.socket.bind(("eth0", 0))
        macs = b"".join(bytes.fromhex(mac.replace(":", "")) for mac in (GATEWAY_MACS["edge0"], CLIENT_MAC))
        self.link = {4: macs + b"\x08\x00", 6: macs + b"\x86\xdd"}
        self.ends = {
            number: b"".join(socket.inet_pton(family, address) for address in (client, vip))
            for number, (family, client, vip, _) in FAMILIES.items()
        }

    def send(self, stream, seq, flags, payload=b"", port=None):
        header = struct.pack("!HHIIBBHHH", stream.port, port, seq % 2**32, stream.ack[port], 0x50, flags, 65535, 0, 0)
        ends, size = self.ends[stream.family], 20 + len(payload)
        tcp = header + payload
        sum_of = checksum(ends + struct.pack("!IHBB", size, 0, 0, 6) + tcp)
        tcp = header[:16] + struct.pack("!H", sum_of) + header[18:] + payload
        if stream.family == 6:
            ip = struct.pack("!IHBB", 0x60000000, size, 6, 64) + ends
        else:
            ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + size, 0, 0, 64, 6, 0)
            ip = ip[:10] + struct.pack("!H", checksum(ip + ends)) + ends
        self.socket.send(self.link[stream.family] + ip + tcp)

    def answers(self):
        """The SYN-ACKs that have come: the client's port, the service's, and what the client acknowledges."""
        self.socket.settimeout(0.05)
        try:
            while True:
                frame = self.socket.recv(2048)
                if frame[:6] != self.link[4][6:12] or frame[12:14] not in (b"\x08\x00", b"\x86\xdd"):
                    continue
                tcp = frame[34:] if frame[12:14] == b"\x08\x00" else frame[54:]
                source, destination, seq, _, _, flags = struct.unpack("!HHIIBB", tcp[:14])
                if flags & (SYN | ACK) == SYN | ACK:
                    yield destination, source, (seq + 1) % 2**32
        except TimeoutError:
            return


class Stream:
    """What one client sends, twice: once to each service."""

    def __init__(self, number, rng):
        self.family = 4 if number % 2 else 6
        self.port = 20_000 + number
        self.first = rng.choice((1000, 0xFFFFFFF0, rng.getrandbits(32)))
        text = bytes(rng.choice(b"acktx ") for _ in range(rng.randint(1, LONGEST - 6)))
        if rng.random() < 0.3:
            at = rng.randrange(len(text) + 1)
            text = text[:at] + b"attack" + text[at:]
        self.text = text
        self.pieces, self.is_contradicted = segments_of(text, rng)
        self.ack = dict.fromkeys(PORTS.values(), 0)

    def open(self, client, port):
        client.send(self, self.first - 1, SYN, port=port)

    def send_all(self, client, port):
        """Its segments; at last all in order again, as TCP sends again whatever was dropped."""
        client.send(self, self.first, ACK, port=port)
        for at, piece in self.pieces:
            client.send(self, self.first + at, PSH | ACK, piece, port)
        self.send_again(client, port, 16)

    def send_again(self, client, port, size):
        for at in range(0, len(self.text), size):
            client.send(self, self.first + at, PSH | ACK, self.text[at : at + size], port)

    def end(self, client, port):
        client.send(self, self.first + len(self.text), RST | ACK, port=port)


def segments_of(text, rng):
    """The text in pieces, some of it again in others, some with other bytes; in any order. And whether any has."""
    pieces, at, is_contradicted = [], 0, False
    while at < len(text):
        size = rng.randint(1, 12)
        pieces.append((at, text[at : at + size]))
        at += size
    for _ in range(rng.randint(0, 4)):
        at = rng.randrange(len(text))
        piece = bytearray(text[at : at + rng.randint(1, 12)])
        if rng.random() < 0.3:
            piece[rng.randrange(len(piece))] ^= 1
            is_contradicted = True
        pieces.append((at, bytes(piece)))
    if rng.random() < 0.8:
        rng.shuffle(pieces)
    return pieces, is_contradicted


class Wire:
    """The client, the receiver, and the gateway between them, which inspects."""

    def __init__(self, lab, gateway, receiver):
        self.client, self.gateway, self.receiver = RawClient(lab.client), gateway, receiver

    def got(self, ends=False):
        """What each connection has brought, by the client's port and the backend's; they end with it."""
        self.receiver.stdin.write("end\n" if ends else "more\n")
        self.receiver.stdin.flush()
        return {(port, own): data.encode("latin-1") for port, own, data in json.loads(self.receiver.stdout.readline())}

    def matches(self, name):
        """Of the rules of an inspection, by their numbers."""
        rules = next(one for one in self.gateway.call("inspection.list") if one["name"] == name)["rules"]
        return {rule["id"]: rule["matches"] for rule in rules}

    def open(self, streams):
        waiting = {(stream.port, port): stream for stream in streams for port in PORTS.values()}

        def all_are_answered():
            for (_, port), stream in waiting.items():
                stream.open(self.client, port)
            for own, port, ack in self.client.answers():
                stream = waiting.pop((own, port), None)
                if stream:
                    stream.ack[port] = ack
            return not waiting

        eventually(all_are_answered, "the receiver answers", 60)

    def send(self, streams):
        """Until the receiver has all that is not dropped. Returns what it got, and whose bytes are dropped."""
        dropped_before = sum(self.matches("drops").values())
        for stream in streams:
            for port in PORTS.values():
                stream.send_all(self.client, port)
        last = {}

        def missing(name):
            return [one for one in streams if len(last.get((one.port, PORTS[name]), b"")) < len(one.text)]

        def all_has_come():
            """Sends again what is missing, byte by byte: a byte that has been contradicted is dropped by itself. A busy
            machine may lose frames of a virtual link, too."""
            nonlocal last
            got, last = last, self.got()
            if got != last:
                return False  # more is on its way
            dropped = sum(self.matches("drops").values()) - dropped_before
            if not missing("counts") and len(missing("drops")) == dropped:
                return True
            for name, port in PORTS.items():
                for stream in missing(name):
                    stream.send_again(self.client, port, 1)
            return False

        eventually(all_has_come, "all that was sent has arrived, or is counted as dropped", 60)
        last = self.got(ends=True)
        for stream in streams:
            for port in PORTS.values():
                stream.end(self.client, port)
        return last, set(missing("drops"))


@pytest.fixture
def wire(lab, gateway):
    config = copy.deepcopy(gateway.config)
    config["neighbors"] = [{"address": client, "mac": CLIENT_MAC} for _, client, _, _ in FAMILIES.values()]
    for name, port in PORTS.items():
        rules = [{"id": number, "pattern": pattern, "action": name.removesuffix("s")}
                 for number, pattern in PATTERNS.items()]  # fmt: skip
        config["inspections"] = [*config.get("inspections", []), {"name": name, "bytes": LONGEST, "rules": rules}]
        for family, (_, _, vip, backend) in FAMILIES.items():
            config["pools"].append({"name": f"{name}{family}", "backends": [{"address": backend, "port": port}]})
            config["services"].append({"name": f"{name}{family}", "address": vip, "port": port, "forward": "dnat",
                                       "pool": f"{name}{family}", "inspect": name})  # fmt: skip
    gateway.call("config.apply", config=config)
    receiver = lab.backends[0].namespace.spawn(
        sys.executable, "-c", _RECEIVER, *PORTS.values(), stdin=-1, stdout=-1, text=True
    )
    assert receiver.stdout.readline() == "ready\n"
    yield Wire(lab, gateway, receiver)
    receiver.stdin.close()
    receiver.wait(10)


def rules_that_match(data):
    """The naive scan: of the whole, by Python's regular expressions."""
    return {number for number, pattern in PATTERNS.items() if re.search(pattern.encode(), data, re.DOTALL)}


def test_the_verdict_is_that_of_a_scan_of_what_a_linux_receiver_gets(wire):
    rng = random.Random(20261128)
    dropped_of_all = contradicted = 0
    for first in range(0, STREAMS, WAVE):
        streams = [Stream(number, rng) for number in range(first, first + WAVE)]
        before = wire.matches("counts")
        wire.open(streams)
        got, dropped = wire.send(streams)
        expected = dict.fromkeys(PATTERNS, 0)
        for stream in streams:
            whole = got[stream.port, PORTS["counts"]]
            for number in rules_that_match(whole):
                expected[number] += 1
            let_through = got.get((stream.port, PORTS["drops"]), b"")
            assert not rules_that_match(let_through), (stream.port, let_through)
            if not stream.is_contradicted:
                assert whole == stream.text
                assert (stream in dropped) == bool(rules_that_match(stream.text)), stream.port
        after = wire.matches("counts")
        assert {number: after[number] - before[number] for number in PATTERNS} == expected, first
        dropped_of_all += len(dropped)
        contradicted += sum(stream.is_contradicted for stream in streams)
    assert STREAMS / 10 < dropped_of_all < STREAMS
    assert contradicted > STREAMS / 10
