"""The lab's transactions: sent as clients send them, and checked by code that shares none with the gateway."""

import os
import pathlib
from typing import List, NamedTuple, Optional

import coap
import tlog
from gateway import Gateway
from ledger_site import COAP_PORT, INGRESS4, RAW_PORT, coap_client
from namespaces import Namespace, run
from processes import SLUICECTL, eventually

DATAGRAMS = 8


class Row(NamedTuple):
    """One thing that was done, what came of it, and whether that was right."""

    done: str
    outcome: str
    is_right: bool


class LedgerRound:
    """Transactions of the lab's client to the ledger ingress of its gateway."""

    def __init__(self, client: Namespace, gateway: Gateway, work: pathlib.Path):
        self.client = client
        self.gateway = gateway
        self.transaction = work / "transaction"
        self.transaction.write_bytes(b"a transaction of the lab " + os.urandom(8).hex().encode())
        self.directory = pathlib.Path(gateway.config["ledger"]["directory"])
        self.verifier_key = (self.directory / "vkey").read_text().strip()

    def rows(self) -> List[Row]:
        """Does everything once."""
        first, second = self._submit(), self._submit()
        return [self._receipt(first), self._repeat(first, second), self._datagrams(),
                self._proof(), self._verification()]  # fmt: skip

    def submit_command(self) -> List[str]:
        """libcoap's client with the lab's transaction."""
        return ["coap-client-notls", "-m", "post", "-f", str(self.transaction), f"coap://{INGRESS4}/tx"]

    def _submit(self) -> Optional[coap.Receipt]:
        answer, _ = coap_client(self.client, self.transaction, self.submit_command()[-1])
        return coap.receipt_of(answer) if answer else None

    def _receipt(self, receipt: Optional[coap.Receipt]) -> Row:
        done = f"coap-client-notls: POST coap://{INGRESS4}:{COAP_PORT}/tx"
        if receipt is None:
            return Row(done, "no receipt", False)
        payload = self.transaction.read_bytes()
        is_right = (receipt.txid, receipt.leaf_hash) == (tlog.sha256(payload), tlog.leaf_hash(payload))
        place = f"index {receipt.index}, block {receipt.block}, tree size {receipt.tree_size}"
        return Row(done, f"receipt: {place}, txid {receipt.txid.hex()[:16]}…", is_right)

    def _repeat(self, first: Optional[coap.Receipt], second: Optional[coap.Receipt]) -> Row:
        is_same = first is not None and first == second
        return Row("the same again", "the same receipt" if is_same else f"another answer: {second}", is_same)

    def _datagrams(self) -> Row:
        """Raw framing promises nothing, so only the gateway can say what became of them."""
        before = self._stored()
        with self.client.udp_socket(INGRESS4, RAW_PORT) as sock:
            for number in range(DATAGRAMS):
                sock.send(b"datagram %d " % number + os.urandom(8))
        try:
            eventually(lambda: self._stored() >= before + DATAGRAMS, "every datagram is stored")
        except TimeoutError:
            pass
        stored = self._stored() - before
        done = f"plain UDP: {DATAGRAMS} datagrams to {INGRESS4}:{RAW_PORT}"
        return Row(done, f"{stored} stored, nothing is answered", stored == DATAGRAMS)

    def _stored(self) -> int:
        return self._status()["transactions"]["stored"]

    def _status(self) -> dict:
        return self.gateway.call("ledger.status")

    def _proof(self) -> Row:
        payload = self.transaction.read_bytes()
        txid = tlog.sha256(payload).hex()
        done = f"sluicectl ledger proof {txid[:16]}…"
        try:
            proof = eventually(lambda: self.gateway.ctl("ledger", "proof", txid).stdout, "a proof")
            index = tlog.check_proof(proof, self.verifier_key, payload)
        except (TimeoutError, tlog.Wrong, ValueError) as error:
            return Row(done, str(error), False)
        return Row(done, f"index {index} is under a signed checkpoint", True)

    def _verification(self) -> Row:
        """Of a running gateway's log, what the released checkpoint covers is verified: let that be all."""
        status = self._status()
        eventually(lambda: self._status()["checkpoint_size"] >= status["tree_size"], "a checkpoint of all")
        done = run(SLUICECTL, "ledger", "verify", self.directory, "--vkey", self.verifier_key, check=False)
        said = " ".join((done.stdout + done.stderr).split())
        is_right = done.returncode == 0 and f"transactions {status['tree_size']} " in said
        return Row(f"sluicectl ledger verify {self.directory}", said, is_right)


def show_ledger(ledger: LedgerRound) -> bool:
    """Prints what was done to the ledger, and says whether all was right."""
    print("\nledger ingress")
    all_right = True
    for row in ledger.rows():
        all_right &= row.is_right
        print(f"  {row.done:<64} {row.outcome}" if row.is_right else f"  {row.done:<64} wrong: {row.outcome}")
    return all_right
