"""Backends from DNS, against knot; a fake server where real ones do not fail as they should."""

import socket
import ssl
import struct
import threading

import pytest

from registries import LOOPBACK, Gate, Knot, certificates, missing

pytestmark = pytest.mark.skipif(bool(missing("knotd", "knsupdate", "kdig")), reason="knot is not installed")

RECORDS = """
a A 10.20.0.11
b A 10.20.0.12
b AAAA 2001:db8::12
c A 10.20.0.13
c A 10.20.0.14
_api._tcp SRV 0 5 80 a
_api._tcp SRV 0 7 81 b
_api._tcp SRV 1 9 82 c
_even._tcp SRV 0 0 80 a
_even._tcp SRV 0 0 80 b
_none._tcp SRV 0 0 0 .
alias CNAME other
other CNAME c
"""


@pytest.fixture
def knot(network, tmp_path):
    server = Knot(network, tmp_path / "knot", RECORDS).start()
    yield server
    server.kill()


def model(*ports: int, **more) -> dict:
    return {"type": "dns", "endpoints": [f"{LOOPBACK}:{port}" for port in ports], "resync": 2000, **more}


def srv(name: str) -> dict:
    return {"name": f"{name}.x.test", "is_srv": True}


def test_srv_records_of_the_lowest_priority_with_their_addresses(knot, source):
    words = source(model(knot.port), srv("_api._tcp"), srv("_even._tcp"), srv("_none._tcp"), srv("_missing._tcp"))
    b = [["10.20.0.12", 81, 7, True], ["2001:db8::12", 81, 7, True]]
    words.until_instances([["10.20.0.11", 80, 5, True], *b], id=1)
    words.until_instances([["10.20.0.11", 80], ["10.20.0.12", 80], ["2001:db8::12", 80]], id=2)
    words.until_instances([], id=3)
    words.until_instances([], id=4)
    knot.update("del _api._tcp.x.test. SRV 0 5 80 a.x.test.", "add _api._tcp.x.test. 1 SRV 0 6 83 c.x.test.")
    words.until_instances([["10.20.0.13", 83, 6, True], ["10.20.0.14", 83, 6, True], *b], id=1)
    knot.update("del c.x.test.")  # NXDOMAIN of one target
    words.until_instances(b, id=1)
    knot.update("del _api._tcp.x.test.")
    words.until_instances([], id=1)
    assert words.losses() == []


def test_addresses_of_both_families_through_aliases(knot, source):
    words = source(
        model(knot.port), {"name": "B.x.test.", "port": "8080"}, {"name": "alias.x.test", "port": "8080"},
        {"name": "missing.x.test", "port": "8080"},
    )  # fmt: skip
    words.until_instances([["10.20.0.12", 8080], ["2001:db8::12", 8080]], id=1)
    words.until_instances([["10.20.0.13", 8080], ["10.20.0.14", 8080]], id=2)
    words.until_instances([], id=3)
    knot.update("add missing.x.test. 1 AAAA 2001:db8::77")
    words.until_instances([["2001:db8::77", 8080]], id=3)


def test_a_long_answer_comes_over_tcp(knot, source):
    names = [f"t{i}" for i in range(120)]
    for start in range(0, len(names), 30):
        part = names[start : start + 30]
        knot.update(
            *[f"add {name}.x.test. 60 A 10.30.0.{int(name[1:]) + 1}" for name in part],
            *[f"add _many._tcp.x.test. 60 SRV 0 1 80 {name}.x.test." for name in part],
        )
    words = source(model(knot.port), srv("_many._tcp"))
    words.until_instances([[f"10.30.0.{i + 1}", 80] for i in range(120)])


def test_the_last_good_set_stays_while_the_server_is_gone(knot, source, network, tmp_path):
    words = source(model(knot.port), srv("_even._tcp"))
    known = words.until_instances([["10.20.0.11", 80], ["10.20.0.12", 80], ["2001:db8::12", 80]])
    knot.kill()
    words.until_lost(f"{LOOPBACK}:{knot.port}: connection refused")
    mark = words.mark()
    words.until_lost(after=mark)
    assert words.snapshot() == known
    other = Knot(network, tmp_path / "other", "z A 10.20.0.99\n_even._tcp SRV 0 1 80 z\n").start()
    words.until_instances([["10.20.0.99", 80]])
    other.kill()


def test_the_next_server_is_asked_where_one_is_gone(knot, source):
    words = source(model(5399, knot.port), srv("_even._tcp"))
    words.until_instances([["10.20.0.11", 80], ["10.20.0.12", 80], ["2001:db8::12", 80]])


def test_names_are_resolved_for_other_sources(knot, source):
    words = source(model(knot.port))

    def resolved(name: str) -> dict:
        mark = words.mark()
        words.send(f"resolve {name}")
        words.until(lambda: words.words[mark:], "an answer")
        return words.words[-1]

    answer = resolved("b.x.test")
    assert answer["is_authoritative"] and answer["addresses"] == ["10.20.0.12", "2001:db8::12"]
    answer = resolved("missing.x.test")
    assert answer["is_authoritative"] and answer["addresses"] == []
    assert resolved("10.1.2.3")["addresses"] == ["10.1.2.3"]
    knot.kill()
    answer = resolved("a.x.test")
    assert not answer["is_authoritative"] and "refused" in answer["error"]


def test_it_ends_while_it_asks(source):
    words = source(model(5398), srv("_even._tcp"), {"name": "a.x.test", "port": "80"})
    words.until_lost()
    words.send("unsubscribe 1")
    words.until_lost(id=2, after=words.mark())
    assert words.close() == 0


class FakeServer:
    """Answers A queries with `address`, or as `mode` says; every other type with NODATA."""

    def __init__(self, network, port: int):
        with network.entered():
            self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((LOOPBACK, port))
        self.mode = "good"
        self.queries = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                query, peer = self.socket.recvfrom(4096)
                self.queries += 1
                for answer in getattr(self, self.mode)(query):
                    self.socket.sendto(answer, peer)
            except OSError:
                return

    @staticmethod
    def question(query: bytes) -> bytes:
        return query[12 : query.index(b"\0", 12) + 5]

    def answer(self, query: bytes, rcode: int = 0, record: bytes = b"", count: int = 1, flags: int = 0x8180) -> bytes:
        question = self.question(query)
        is_a = question[-4:-2] == b"\0\1"
        records = record if is_a else b""
        head = query[:2] + struct.pack("!HHHHH", flags | rcode, 1, count if records else 0, 0, 0)
        return head + question + records

    RECORD = b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 1, 4) + bytes([10, 20, 0, 1])

    def good(self, query):
        return [self.answer(query, record=self.RECORD)]

    def servfail(self, query):
        return [self.answer(query, rcode=2)]

    def refused(self, query):
        return [self.answer(query, rcode=5)]

    def silent(self, _query):
        return []

    def garbage(self, _query):
        return [b"\xff" * 40, b"", b"\0"]

    def half(self, query):
        return [self.answer(query, record=self.RECORD)[:-3]]

    def other_query(self, query):
        return [bytes([query[0] ^ 1]) + self.answer(query)[1:]]

    def ring(self, query):
        name = b"\xc0\x0c" + struct.pack("!HHIH", 5, 1, 1, 2) + b"\xc0\x0c"
        return [self.answer(query, record=name)]

    def truncated(self, query):  # and nobody listens on TCP
        return [self.answer(query, flags=0x8380)]

    def other_case(self, query):
        question = self.question(query)
        return [self.good(query)[0].replace(question, question[:-4].upper() + question[-4:])]

    def no_edns(self, query):
        return self.good(query) if query[11] == 0 else [query[:2] + b"\x81\x81" + bytes(8)]

    def nothing(self, query):
        return [self.answer(query, rcode=3)]


def test_whatever_a_server_answers_the_last_good_set_stays(network, source):
    fake = FakeServer(network, 5310)
    words = source(model(fake.socket.getsockname()[1], resync=500), {"name": "a.x.test", "port": "80"})
    known = words.until_instances([["10.20.0.1", 80]])
    for mode in ("servfail", "refused", "silent", "garbage", "half", "other_query", "ring", "truncated"):
        mark = words.mark()
        fake.mode = mode
        assert "5310" in words.until_lost(after=mark) or mode == "ring"
        assert words.snapshot() == known
        fake.mode = "good"
        mark = words.mark()
        words.until_held(after=mark)
    for mode in ("other_case", "no_edns"):
        fake.mode = mode
        asked = fake.queries
        words.until(lambda: fake.queries > asked + 3, "queries")
        words.until_held(after=words.mark())
    assert words.snapshot() == known
    fake.mode = "nothing"
    words.until_instances([])


def test_over_tls_alone_where_it_is_asked_for(knot, source, network, tmp_path):
    files, others = certificates(tmp_path / "pki", "dns.example.test"), certificates(tmp_path / "other", "dns.example.test")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["dot"])
    context.load_cert_chain(files["certificate"], files["key"])
    gate = Gate(network, 8530, knot.port, context)
    knot.update("add tls.x.test. 1 A 10.20.0.1")
    wanted = {"name": "tls.x.test", "port": "80"}
    model = {"type": "dns", "endpoints": [f"{LOOPBACK}:8530"], "tls": True, "ca": files["ca"], "max_ttl": 300}
    words = source(model, wanted)
    words.until_instances([["10.20.0.1", 80]])
    knot.update("add tls.x.test. 1 A 10.20.0.2")
    words.until_instances([["10.20.0.1", 80], ["10.20.0.2", 80]])
    source({**model, "server_name": "dns.example.test"}, wanted).until_instances([["10.20.0.1", 80], ["10.20.0.2", 80]])
    source({**model, "server_name": "other.test"}, wanted).until_lost("certificate")
    source({**model, "ca": str(tmp_path / "nowhere")}, wanted).until_lost("cannot read")
    context.load_cert_chain(others["certificate"], others["key"])
    words.until_lost("certificate")
    assert words.instances() == [["10.20.0.1", 80, 1, True], ["10.20.0.2", 80, 1, True]]
    gate.close()
