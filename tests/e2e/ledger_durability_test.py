"""What a receipt promises: it comes after the sync, and survives a kill; a full disk is said, not suffered."""

import base64
import os
import random
import re
import select
import signal
import socket
import time

import pytest

import coap
import tlog
from control import Refused
from ledger_site import COAP_PORT, INGRESS4, LedgerSite
from namespaces import run
from processes import eventually, spawn

ROUNDS = 50
SENDERS = 4


class Clients:
    """Several clients, each with one transaction on its way; remembers every receipt it was given."""

    def __init__(self, site):
        self.site = site
        self.acknowledged = {}  # payload -> receipt
        self._number = 0

    def load(self, seconds):
        """Sends for that long, and until one receipt more has come. An answer makes the next request."""
        with self.site.client.entered():
            sockets = [self._socket() for _ in range(SENDERS)]
        waiting = {sock: self._send(sock) for sock in sockets}
        deadline, receipts = time.monotonic() + seconds, len(self.acknowledged)
        while (left := deadline - time.monotonic()) > 0 or len(self.acknowledged) == receipts:
            assert left > -60, "no receipt"
            answered = select.select(sockets, [], [], left if left > 0 else 1)[0]
            for sock in answered:
                self._take(sock, waiting)
            if left <= 0 and not answered:  # all were refused, as while the disk does not answer
                waiting = {sock: self._send(sock) for sock in sockets}
        for sock in sockets:
            sock.close()

    def _socket(self):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.connect((INGRESS4, COAP_PORT))
        return sock

    def _send(self, sock):
        self._number += 1
        payload = b"%d:" % self._number + os.urandom(random.randrange(200))
        sock.send(coap.encode(coap.Message(coap.NON, coap.POST, coap.fresh_id(), b"t", coap.TX, payload)))
        return payload

    def _take(self, sock, waiting):
        try:
            answer = coap.decode(sock.recv(2048))
        except ConnectionError:
            return
        if answer.text != "2.01":
            return
        receipt = coap.receipt_of(answer.payload)
        if receipt.leaf_hash == tlog.leaf_hash(waiting[sock]):
            self.acknowledged[waiting[sock]] = receipt
            waiting[sock] = self._send(sock)


def test_every_receipt_survives_kill_9(tmp_path):
    with LedgerSite(tmp_path, seal={"delay": "1ms"}, checkpoint_interval="20ms") as site:
        clients = Clients(site)
        seen = tlog.Checkpoint("", 0, b"")
        for _ in range(ROUNDS):
            clients.load(random.uniform(0.02, 0.25))
            site.gateway.process.send_signal(signal.SIGKILL)
            site.gateway.process.wait()
            seen = max(seen, released(site), key=lambda checkpoint: checkpoint.size)
            site.gateway.start()
            assert released(site).size >= seen.size
            for payload in random.sample(sorted(clients.acknowledged), min(3, len(clients.acknowledged))):
                assert site.store(payload) == clients.acknowledged[payload]
        assert len(clients.acknowledged) > ROUNDS
        assert site.gateway.stop() == 0
        assert site.verify("--vkey", site.verifier_key).returncode == 0
        check_entries(site, clients.acknowledged, seen)


def released(site):
    return tlog.open_checkpoint((site.log / "checkpoint").read_text(), site.verifier_key)


def check_entries(site, acknowledged, early):
    """Whether each receipt tells the truth of the exported log, which extends an early checkpoint."""
    tree = site.directory / "tree"
    done = site.gateway.ctl("ledger", "export", site.log, tree)
    assert done.returncode == 0, done.stderr
    checkpoint = tlog.open_checkpoint((tree / "checkpoint").read_text(), site.verifier_key)
    entries = tlog.read_entries(checkpoint.size, lambda path: (tree / path).read_bytes())
    leaves = [tlog.leaf_hash(entry) for entry in entries]
    assert tlog.tree_root(leaves) == checkpoint.root
    assert tlog.tree_root(leaves[: early.size]) == early.root
    for payload, receipt in acknowledged.items():
        assert entries[receipt.index] == payload
        assert receipt.leaf_hash == leaves[receipt.index] and receipt.index < receipt.tree_size
    assert len({receipt.index for receipt in acknowledged.values()}) == len(acknowledged)


SYSCALL = re.compile(r"^(\d+) +(?:<\.\.\. )?(\w+)(.*)$")


def events(trace):
    """("synced" | "sent") in the order in which the kernel was done with the sync, or was asked to send."""
    syncing = set()
    for line in trace.splitlines():
        thread, call, rest = SYSCALL.match(line).groups()
        if call == "fdatasync":
            if "/journal/" in rest:
                syncing.add(thread)
            if thread in syncing and rest.rstrip().endswith("= 0"):
                syncing.discard(thread)
                yield "synced"
        elif call == "sendto" and "resumed" not in rest:
            yield "sent"


def wait_for_silence(site):
    """Until the gateway has sent nothing by itself for some 3 s that it ran: it announces its addresses twice."""
    readings = []

    def is_silent():
        readings.append(site.gateway.metrics()['sluice_port_transmitted_packets_total{port="edge0"}'])
        time.sleep(0.3)
        return len(readings) >= 10 and len(set(readings[-10:])) == 1

    eventually(is_silent, "the gateway is silent")


def traced(site, trace, payloads):
    """The events while these are stored one by one."""
    log = trace.with_suffix(".log")
    tracer = spawn("strace", "-f", "-y", "-e", "trace=fdatasync,sendto", "-o", trace,
                   "-p", site.gateway.process.pid, log=log)  # fmt: skip
    eventually(lambda: b"attached" in log.read_bytes(), "strace is attached")
    for payload in payloads:
        site.store(payload)
    tracer.terminate()
    tracer.wait()
    return list(events(trace.read_text()))


def test_no_receipt_is_sent_before_its_block_is_synced(tmp_path):
    with LedgerSite(tmp_path, checkpoint_interval="1h") as site:
        site.store(b"the client's address is resolved by now")
        wait_for_silence(site)
        stored = 20
        for attempt in range(3):
            asked_again = site.asked_again
            payloads = [b"%d: transaction %d" % (attempt, number) for number in range(stored)]
            seen = traced(site, tmp_path / f"trace-{attempt}", payloads)
            if site.asked_again == asked_again:  # a refusal waits for no sync
                break
        assert seen.count("synced") >= stored and seen.count("sent") >= stored, seen
        # One transaction at a time: between two sends there is always a sync that returned.
        assert all("synced" in seen[at : at + 2] for at in range(len(seen) - 1)), seen


@pytest.fixture
def small_disk(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    run("mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", disk)
    yield disk
    run("umount", "-l", disk)


def fill(path):
    """Leaves no room on the file system."""
    with open(path, "wb", buffering=0) as ballast:
        block = bytes(1 << 16)
        while block:
            try:
                ballast.write(block)
            except OSError:
                block = block[: len(block) // 2]


def test_a_full_disk_is_said_until_there_is_room(small_disk, tmp_path):
    with LedgerSite(tmp_path, directory=str(small_disk / "log")) as site:
        site.store(b"while there is room")
        fill(small_disk / "ballast")

        def refused():
            """Of several, since what the journal has reserved is still to be used."""
            try:
                for _ in range(20):
                    payload = base64.b64encode(os.urandom(60_000)).decode()
                    site.gateway.call("ledger.submit", profile="opaque", payload=payload)
            except Refused as refusal:
                assert "dropped_disk_full" in refusal.message
                return site.gateway.call("ledger.status")["disk_full"]

        eventually(refused, "the disk is full")
        answer = site.post(b"now there is none" * 50)
        assert answer.text == "5.03" and 1 <= int.from_bytes(answer.option(coap.MAX_AGE), "big") <= 60
        assert site.gateway.call("ledger.status")["disk_full"]
        (small_disk / "ballast").unlink()
        receipt = site.store(b"now there is none" * 50)  # room is found again
        assert site.settled_totals()["dropped_disk_full"] >= 2
        site.checkpoint(receipt.tree_size)
        assert site.gateway.stop() == 0
        assert site.verify().returncode == 0


def test_no_room_for_the_checkpoint_is_a_full_disk(small_disk, tmp_path):
    with LedgerSite(tmp_path, directory=str(small_disk / "log"), checkpoint_interval="50ms") as site:
        site.checkpoint(site.store(b"while there is room").tree_size)
        fill(small_disk / "ballast")
        # What the journal has reserved is still there; what no checkpoint covers must not grow.

        def refused():
            status = site.gateway.call("ledger.status")
            return status if site.post(os.urandom(20)).text == "5.03" and status["disk_full"] else None

        status = eventually(refused, "the checkpoint is late")
        assert status["failure"] is None
        assert status["checkpoint_size"] < status["tree_size"]
        eventually(lambda: "disk is full" in site.gateway.get("/readyz").stdout, "it is not ready")
        eventually(lambda: "no room for the checkpoint" in site.gateway.tail(), "it is said")
        assert site.post(b"as long as that lasts").text == "5.03"
        (small_disk / "ballast").unlink()
        site.store(b"as long as that lasts")  # room is found again
        eventually(lambda: site.gateway.get("/readyz").stdout.startswith("ready"), "it is ready")
        site.gateway.await_line("has room again")
        assert site.gateway.stop() == 0
        assert site.verify().returncode == 0


def test_a_last_checkpoint_that_finds_no_room_is_no_clean_stop(small_disk, tmp_path):
    with LedgerSite(tmp_path, directory=str(small_disk / "log"), checkpoint_interval="1h") as site:
        site.checkpoint(site.store(b"covered").tree_size)  # the first one is due at once
        receipt = site.store(b"acknowledged")
        fill(small_disk / "ballast")
        assert site.gateway.stop() == 1
        assert "last checkpoint found no room" in site.gateway.tail()
        (small_disk / "ballast").unlink()
        site.gateway.start()
        assert site.store(b"acknowledged") == receipt
        assert site.gateway.stop() == 0
        assert released(site).size == 2
        assert site.verify().returncode == 0
