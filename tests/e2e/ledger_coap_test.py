"""The ingress as its clients meet it: libcoap's client, hand-made CoAP messages, raw datagrams."""

import hashlib
import os

import pytest

import coap
from ledger_site import BITCOIN_PORT, INGRESS4, INGRESS6, RAW_PORT, LedgerSite, coap_client, until_taken
from processes import eventually

CON, NON, ACK, RST = coap.CON, coap.NON, coap.ACK, coap.RST


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with LedgerSite(tmp_path_factory.mktemp("ledger")) as running:
        yield running


def ask(site, *, kind=CON, code=coap.POST, token=b"tk", options=coap.TX, payload=b"x", seconds=30):
    """The answer to one message. Where it is no message of its own, it bears that message's ID."""
    with site.socket() as sock:
        message = coap.Message(kind, code, coap.fresh_id(), token, options, payload)
        answer = coap.exchange(sock, message, seconds)
    assert answer is None or answer.kind not in (ACK, RST) or answer.message_id == message.message_id
    return answer


@pytest.mark.parametrize("address", [INGRESS4, INGRESS6])
@pytest.mark.parametrize("options", [[], ["-N"]], ids=["confirmable", "non-confirmable"])
def test_libcoap_gets_a_receipt_and_the_same_again(site, tmp_path, address, options):
    payload = os.urandom(200)
    (tmp_path / "sent").write_bytes(payload)
    url = f"coap://[{address}]/tx" if ":" in address else f"coap://{address}/tx"
    first, said = coap_client(site.client, tmp_path / "sent", url, *options)
    assert first, said
    receipt = coap.receipt_of(first)
    assert receipt.txid == hashlib.sha256(payload).digest()
    assert receipt.leaf_hash == hashlib.sha256(b"\0" + payload).digest()
    assert receipt.tree_size > receipt.index
    again, said = coap_client(site.client, tmp_path / "sent", url, *options)
    assert again == first, said


def test_the_largest_payload_that_is_promised(site):
    assert site.store(os.urandom(1400)).tree_size > 0


def test_bitcoin_transactions_are_parsed(site):
    # The coinbase transaction of Bitcoin's first block; its id is known to everybody, in reverse.
    genesis = bytes.fromhex(
        "01000000010000000000000000000000000000000000000000000000000000000000000000ffffffff4d04ffff001d"
        "0104455468652054696d65732030332f4a616e2f32303039204368616e63656c6c6f72206f6e206272696e6b206f66"
        "207365636f6e64206261696c6f757420666f722062616e6b73ffffffff0100f2052a01000000434104678afdb0fe55"
        "48271967f1a67130b7105cd6a828e03909a67962e0ea1f61deb649f6bc3f4cef38c4f35504e51ec112de5c384df7ba"
        "0b8d578a4c702b6bf11d5fac00000000"
    )
    receipt = site.store(genesis, port=BITCOIN_PORT)
    assert receipt.txid[::-1].hex() == "4a5e1e4baab89f3a32518a88c31bc87f618f76673e2cc77ab2127b7afdeda33b"
    assert site.post(genesis + b"\0", port=BITCOIN_PORT).text == "4.00"


REFUSALS = {
    "unknown-critical-option": ({"options": coap.TX + [(65001, b"x")]}, "4.02"),
    "wrong-path": ({"options": [(coap.URI_PATH, b"other")]}, "4.04"),
    "no-path": ({"options": []}, "4.04"),
    "get": ({"code": 0x01, "payload": b""}, "4.05"),
    "unknown-method": ({"code": 0x1F}, "4.05"),
    "accept-json": ({"options": coap.TX + [(17, b"\x32")]}, "4.06"),
    "block1": ({"options": coap.TX + [(27, b"\x08")]}, "4.13"),
    "proxy": ({"options": coap.TX + [(35, b"coap://x/")]}, "5.05"),
    "empty-payload": ({"payload": b""}, "4.00"),
}


@pytest.mark.parametrize("change,code", REFUSALS.values(), ids=REFUSALS)
def test_refusals(site, change, code):
    answer = ask(site, **{"payload": os.urandom(20), **change})
    assert answer is not None and answer.kind == ACK and answer.text == code, answer
    assert len(coap.encode(answer)) <= 128 + 20


def test_an_elective_option_and_accept_of_the_receipts_format_are_taken(site):
    options = coap.TX + [(17, b"\x3c"), (65002, b"x")]
    assert until_taken(lambda: ask(site, options=options, payload=os.urandom(20))).text == "2.01"


def test_an_unknown_critical_option_in_a_non_confirmable_message_meets_silence(site):
    assert ask(site, kind=NON, options=coap.TX + [(65001, b"x")], seconds=1) is None


@pytest.mark.parametrize("code", [0x00, 0x22], ids=["ping", "reserved-class"])
def test_what_is_no_request_is_reset(site, code):
    answer = ask(site, code=code, token=b"", options=[], payload=b"")
    assert (answer.kind, answer.code) == (RST, 0)


@pytest.mark.parametrize("kind", [ACK, RST])
def test_a_stray_answer_meets_silence(site, kind):
    assert ask(site, kind=kind, code=0, token=b"", options=[], payload=b"", seconds=1) is None


def test_another_version_meets_silence(site):
    with site.socket() as sock:
        sock.settimeout(1)
        message = bytearray(coap.encode(coap.Message(CON, coap.POST, coap.fresh_id(), b"", coap.TX, b"x")))
        message[0] ^= 0xC0
        sock.send(message)
        with pytest.raises(TimeoutError):
            sock.recv(2048)


def test_a_retransmission_is_answered_alike(site):
    with site.socket() as sock:
        request = coap.Message(CON, coap.POST, coap.fresh_id(), b"same", coap.TX, os.urandom(30))
        assert until_taken(lambda: coap.exchange(sock, request)) == coap.exchange(sock, request)


@pytest.mark.parametrize("kind", [CON, NON], ids=["confirmable", "non-confirmable"])
def test_another_message_under_a_used_id_gets_a_receipt_of_its_own(site, kind):
    payloads = [os.urandom(30), os.urandom(30), os.urandom(31)]
    cases = [(payloads[0], b"one"), (payloads[1], b"one"), (payloads[2], b"two"), (payloads[0], b"two"),
             (payloads[0], b"one"), (payloads[2], b"")]  # fmt: skip
    with site.socket() as sock:
        identifier = coap.fresh_id()
        for payload, token in cases * 2:
            request = coap.Message(kind, coap.POST, identifier, token, coap.TX, payload)
            answer = until_taken(lambda: coap.exchange(sock, request))
            assert (answer.text, answer.token) == ("2.01", token)
            receipt = coap.receipt_of(answer.payload)
            assert receipt.txid == hashlib.sha256(payload).digest()
            assert receipt.leaf_hash == hashlib.sha256(b"\0" + payload).digest()


# libcoap's client draws a Message ID of 16 bits at each start: of 800 from one port some 5 meet another's.
_CLIENT_LOOP = r"""
for number in $(seq 0 799); do
  while coap-client-notls -p 40777 -B 20 -m post -f $1/sent.$number -o $1/received.$number coap://$2/tx 2>&1 |
    grep -q "^5\.03"; do :; done
done
"""


def test_every_receipt_of_libcoaps_client_is_of_what_it_sent(site, tmp_path):
    for number in range(800):
        (tmp_path / f"sent.{number}").write_bytes(os.urandom(40))
    site.client.run("sh", "-c", _CLIENT_LOOP, "loop", tmp_path, INGRESS4, timeout=540)
    for number in range(800):
        receipt = coap.receipt_of((tmp_path / f"received.{number}").read_bytes())
        assert receipt.txid == hashlib.sha256((tmp_path / f"sent.{number}").read_bytes()).digest()


def test_raw_datagrams_are_stored_and_not_answered(site):
    payload = os.urandom(300)
    before = site.settled_totals()
    with site.socket(RAW_PORT) as sock:
        sock.settimeout(1)
        sock.send(payload)
        with pytest.raises(TimeoutError):
            sock.recv(2048)
    eventually(lambda: site.settled_totals()["received"] > before["received"], "it is received")
    after = site.settled_totals()
    assert (after["received"], after["stored"]) == (before["received"] + 1, before["stored"] + 1)
    again = site.store(payload)  # by another framing it is the same transaction
    assert site.settled_totals()["duplicate"] == before["duplicate"] + 1
    assert again.txid == hashlib.sha256(payload).digest()


def test_every_refusal_is_counted(site):
    before = site.settled_totals()
    for change, _ in REFUSALS.values():
        ask(site, **{"payload": os.urandom(20), **change})
    after = site.settled_totals()
    grown = {name: after[name] - before[name] for name in after if after[name] != before[name]}
    assert grown == {
        "received": len(REFUSALS),
        "refused_option": 1,
        "refused_path": 2,
        "refused_method": 2,
        "refused_accept": 1,
        "refused_too_large": 1,
        "refused_proxy": 1,
        "refused_malformed": 1,
    }


def test_the_rate_of_a_source_is_limited(tmp_path):
    with LedgerSite(tmp_path, source_rate={"rate": 1, "burst": 3}) as limited:
        # Whether the disk answers is no matter here: on a machine that stalls, it does not for a while.
        assert {limited.post(os.urandom(20)).text for _ in range(3)} <= {"2.01", "5.03"}

        def refused():
            answer = limited.post(os.urandom(20))
            return answer if answer.text == "4.29" else None

        assert 1 <= int.from_bytes(eventually(refused, "it is too much").option(coap.MAX_AGE), "big") <= 60
