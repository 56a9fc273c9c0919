"""A ledger ingress on a wire of its own: a client and the gateway, each a network namespace.

    client (eth0) ── veth ── wire0 [gateway]
"""

import base64
import contextlib
import itertools
import os
import pathlib
import socket
from typing import Any, Callable, Dict, Iterator, Tuple

import coap
import tlog
from control import Refused
from gateway import Gateway, boot_section
from namespaces import Namespace, owner_tag, run
from processes import SLUICECTL, eventually

from topology import VIP4, VIP6, VIP_NETWORKS

ORIGIN = "lab.example.com/ledger"
WIRE4, WIRE6 = "198.18.30.", "2001:db8:30::"
MAC = "02:00:00:00:00:01"  # of the gateway
INGRESS4, INGRESS6 = VIP4 + "90", VIP6 + "90"
COAP_PORT, RAW_PORT, BITCOIN_PORT = 5683, 9900, 5684
_numbers = itertools.count()  # several sites may stand side by side
_TAKEN = "the disk answers, and has room"


def ledger_section(work: pathlib.Path, **changes: Any) -> Dict[str, Any]:
    """A `ledger:` section whose files lie in `work`, with a new key where there is none."""
    key = work / "ledger.key"
    if not key.exists():
        made = run(SLUICECTL, "ledger", "keygen", "--name", ORIGIN, "--out", key)
        (work / "ledger.vkey").write_text(made.stdout)
    return {
        "origin": ORIGIN,
        "directory": str(work / "log"),
        "signing_key": f"file:{key}",
        "dedupe_window": 65536,
        **changes,
    }


def ingress_section() -> list:
    """CoAP over both families, raw, and Bitcoin over CoAP."""
    return [
        {"address": INGRESS4, "port": COAP_PORT, "framing": "coap", "profile": "opaque"},
        {"address": INGRESS6, "port": COAP_PORT, "framing": "coap", "profile": "opaque"},
        {"address": INGRESS4, "port": RAW_PORT, "framing": "raw", "profile": "opaque"},
        {"address": INGRESS4, "port": BITCOIN_PORT, "framing": "coap", "profile": "bitcoin"},
    ]


def until_taken(ask: Callable[[], coap.Message]) -> coap.Message:
    """The first answer that is not 5.03, as whoever asks may get while the disk does not answer: on a machine that
    stalls, it does not for a while."""

    def taken():
        answer = ask()
        return None if answer.text == "5.03" else answer

    return eventually(taken, _TAKEN)


def submit(gateway: Gateway, payload: bytes) -> Dict[str, Any]:
    """The receipt of a transaction that the control socket has to take, as until_taken() has it."""

    def taken():
        try:
            return gateway.call("ledger.submit", profile="opaque", payload=base64.b64encode(payload).decode())
        except Refused as refused:
            if "dropped_disk_full" in refused.message:
                return None
            raise

    return eventually(taken, _TAKEN)


def coap_client(client: Namespace, sent: pathlib.Path, url: str, *options: str) -> Tuple[bytes, str]:
    """What libcoap's client receives for the file that it posts, as until_taken() has it, and what it says."""
    received = sent.with_suffix(".received")

    def taken():
        received.unlink(missing_ok=True)
        done = client.run("coap-client-notls", "-B", "20", "-m", "post", "-f", sent, "-o", received,
                          *options, url, check=False)  # fmt: skip
        said = done.stdout + done.stderr
        return None if "5.03" in said else ((received.read_bytes() if received.exists() else b""), said)

    return eventually(taken, _TAKEN)


class LedgerSite:
    """The two namespaces, a key and a gateway. A context manager: leaves nothing behind but the log."""

    def __init__(self, work: pathlib.Path, **changes: Any):
        self.directory = work
        self.log = pathlib.Path(ledger_section(work, **changes)["directory"])
        self._namespaces: list = []
        self.asked_again = 0  # how often store() was refused
        tag = f"{owner_tag()}-{next(_numbers)}"
        try:
            self.client = self._namespace("ledger-client", tag)
            self._gateway = self._namespace("ledger-gateway", tag)
            self._wire()
            self.gateway = Gateway(work / "gateway", self._configuration(tag, changes), self._gateway)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "LedgerSite":
        try:
            self.gateway.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.gateway.stop()
        self.close()

    def close(self) -> None:
        """Ends every process and deletes the namespaces."""
        for namespace in self._namespaces:
            namespace.remove()

    def _namespace(self, role: str, tag: str) -> Namespace:
        self._namespaces.append(Namespace(role, tag))
        return self._namespaces[-1]

    def _wire(self) -> None:
        """Offloads are off at both ends, and the gateway's kernel is silent."""
        self._gateway.sysctl("net.ipv6.conf.default.disable_ipv6=1")
        self.client.ip("link", "add", "eth0", "type", "veth", "peer", "name", "wire0",
                       "netns", self._gateway.name)  # fmt: skip
        for namespace, device in ((self.client, "eth0"), (self._gateway, "wire0")):
            namespace.run("ethtool", "-K", device, *"tx off tso off gso off gro off sg off".split())
            namespace.ip("link", "set", device, "up")
        self._gateway.sysctl("net.ipv4.conf.wire0.arp_ignore=8")
        self.client.ip("address", "add", WIRE4 + "100/24", "dev", "eth0")
        self.client.ip("address", "add", WIRE6 + "100/64", "dev", "eth0", "nodad")
        for wire, network in zip((WIRE4, WIRE6), VIP_NETWORKS):
            # Known for good: while the gateway stalls, its client's kernel would give it up, and drop what it was to send.
            self.client.ip("neighbor", "add", wire + "1", "lladdr", MAC, "dev", "eth0")
            self.client.ip("route", "add", network, "via", wire + "1")

    def _configuration(self, tag: str, changes: Dict[str, Any]) -> Dict[str, Any]:
        return {
            "gateway": boot_section(tag + "-ledger", flow_table_entries=1024),
            "ports": [
                {
                    "name": "edge0",
                    "device": "net_af_packet0,iface=wire0",
                    "mac": MAC,
                    "addresses": [WIRE4 + "1/24", WIRE6 + "1/64"],
                }
            ],
            "ledger": ledger_section(self.directory, ingress=ingress_section(), **changes),
            "http": {"listen": "127.0.0.1:9464"},
        }

    @property
    def verifier_key(self) -> str:
        return (self.directory / "ledger.vkey").read_text().strip()

    @contextlib.contextmanager
    def socket(self, port: int = COAP_PORT, address: str = INGRESS4) -> Iterator[socket.socket]:
        """A client's UDP socket, connected to the ingress."""
        with self.client.udp_socket(address, port) as sock:
            yield sock

    def post(self, payload: bytes, port: int = COAP_PORT, address: str = INGRESS4) -> coap.Message:
        """The answer to one confirmable POST /tx."""
        with self.socket(port, address) as sock:
            request = coap.Message(coap.CON, coap.POST, coap.fresh_id(), os.urandom(4), coap.TX, payload)
            answer = coap.exchange(sock, request)
        assert answer is not None, "no answer"
        return answer

    def store(self, payload: bytes, **where: Any) -> coap.Receipt:
        """The receipt of a transaction that has to be taken, as until_taken() has it."""
        asked = 0

        def ask():
            nonlocal asked
            asked += 1
            return self.post(payload, **where)

        answer = until_taken(ask)
        self.asked_again += asked - 1
        assert answer.text == "2.01", answer
        assert answer.option(coap.CONTENT_FORMAT) == coap.CBOR, answer
        receipt = coap.receipt_of(answer.payload)
        assert receipt.leaf_hash == tlog.leaf_hash(payload)
        return receipt

    def fetch(self, path: str) -> Tuple[int, str, bytes]:
        """Status, content type and body of GET /ledger/PATH."""
        url = f"http://{self.gateway.config['http']['listen']}/ledger/{path}"
        body = self.directory / "body"
        body.write_bytes(b"")
        done = self._gateway.run("curl", "-sS", "--path-as-is", "-m", "60", "-o", body,
                                 "-w", "%{http_code} %{content_type}", url)  # fmt: skip
        status, _, content_type = done.stdout.partition(" ")
        return int(status), content_type, body.read_bytes()

    def checkpoint(self, size: int = 0) -> tlog.Checkpoint:
        """The served checkpoint, once it covers that many entries; its signature is checked."""

        def covering():
            status, _, note = self.fetch("checkpoint")
            assert status == 200
            found = tlog.open_checkpoint(note.decode(), self.verifier_key)
            return found if found.size >= size else None

        return eventually(covering, f"a checkpoint of size {size}")

    def settled_totals(self) -> Dict[str, int]:
        """The outcomes of this run, once nothing is in flight."""

        def settled():
            totals = self.gateway.call("ledger.status")["transactions"]
            others = sum(count for name, count in totals.items() if name != "received")
            return totals if totals["received"] == others else None

        return eventually(settled, "received equals the sum of all outcomes")

    def verify(self, *options: object):
        """`sluicectl ledger verify` of the log, whatever it says."""
        return run(SLUICECTL, "ledger", "verify", self.log, *options, check=False)
