"""A log that is read, copied, damaged: beside a gateway that starts, writes and is killed."""

import os
import pathlib
import random
import shutil
import signal
import subprocess
import threading

import pytest

import tlog
from control import Refused
from ledger_site import ledger_section, submit
from namespaces import run
from processes import SLUICECTL, SLUICED, eventually

ROUNDS = 25
UNIT = 4096


class Writer:
    """Submits transactions for as long as it is entered; what it could not send is sent again."""

    def __init__(self, gateway):
        self.gateway = gateway
        self.receipts = {}
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ends.set()
        self._thread.join()

    def _run(self):
        number = 0
        while not self._ends.is_set():
            payload = b"%d:" % number + os.urandom(random.randrange(3000))
            try:
                self.receipts[payload] = submit(self.gateway, payload)
                number += 1
            except (OSError, ValueError, Refused):
                self._ends.wait(0.01)  # it is being stopped or started


def verify(log):
    return run(SLUICECTL, "ledger", "verify", log, check=False)


def back_up(log, to):
    """As docs/how-to/run-the-ledger.md has it."""
    to.mkdir()
    run("cp", "-p", log / "checkpoint", to)
    run("cp", "-rp", log / "journal", log / "tiles", log / "vkey", to)


def export(log, to):
    done = run(SLUICECTL, "ledger", "export", log, to, check=False)
    assert done.returncode == 0, done.stderr
    checkpoint = tlog.open_checkpoint((to / "checkpoint").read_text(), (log / "vkey").read_text())
    entries = tlog.read_entries(checkpoint.size, lambda path: (to / path).read_bytes())
    assert tlog.tree_root([tlog.leaf_hash(entry) for entry in entries]) == checkpoint.root
    return entries


def test_a_running_log_is_verified_exported_and_backed_up_without_false_alarms(wireless, tmp_path):
    gateway = wireless(ledger=ledger_section(tmp_path, checkpoint_interval="20ms", seal={"delay": "1ms"}))
    log = tmp_path / "log"
    with Writer(gateway):
        eventually(lambda: gateway.call("ledger.status")["checkpoint_size"] > 0, "something is covered")
        for number in range(ROUNDS):
            done = verify(log)
            assert done.returncode == 0, done.stderr
            copy = tmp_path / f"backup-{number}"
            back_up(log, copy)
            done = verify(copy)
            assert done.returncode == 0, f"round {number}: {done.stderr}"
            shutil.rmtree(copy)
        export(log, tmp_path / "tree")


def test_a_backup_of_a_running_log_can_be_gone_on_with(wireless, tmp_path):
    section = ledger_section(tmp_path, checkpoint_interval="20ms")
    gateway = wireless(ledger=section)
    with Writer(gateway) as writer:
        eventually(lambda: gateway.call("ledger.status")["checkpoint_size"] > 20, "something is covered")
        back_up(tmp_path / "log", tmp_path / "copy")
    size = tlog.open_checkpoint((tmp_path / "copy/checkpoint").read_text(),
                                (tmp_path / "copy/vkey").read_text()).size  # fmt: skip
    gateway.stop()
    restored = wireless(ledger={**section, "directory": str(tmp_path / "copy")})
    for payload, receipt in writer.receipts.items():
        if receipt["index"] < size:
            assert submit(restored, payload) == receipt
    assert restored.stop() == 0
    assert verify(tmp_path / "copy").returncode == 0


def test_verify_and_export_beside_starts_see_no_fault_and_are_in_nobodys_way(wireless, tmp_path):
    gateway = wireless(ledger=ledger_section(tmp_path, checkpoint_interval="10ms"))
    log = tmp_path / "log"
    faults, ends = [], threading.Event()

    def keep_looking():
        number = 0
        while not ends.is_set():
            done = verify(log)
            if done.returncode != 0:
                faults.append(done.stderr)
            tree = tmp_path / f"tree-{number}"
            number += 1
            try:
                export(log, tree)
            except AssertionError as error:
                faults.append(error)
            shutil.rmtree(tree, ignore_errors=True)

    with Writer(gateway):
        eventually(lambda: gateway.call("ledger.status")["checkpoint_size"] > 0, "something is covered")
        looking = threading.Thread(target=keep_looking)
        looking.start()
        try:
            for number in range(8):
                if number % 2:
                    gateway.process.send_signal(signal.SIGKILL)
                    gateway.process.wait()
                else:
                    assert gateway.stop() == 0
                gateway.start()  # fails where the lock is held
        finally:
            ends.set()
            looking.join()
    assert not faults, faults[0]


def files_of(log):
    return {path.relative_to(log): path.read_bytes()
            for path in sorted(log.rglob("*")) if path.is_file() and path.name != "lock"}  # fmt: skip


def killed_log(wireless, tmp_path, transactions=6):
    """A gateway that was killed, whose checkpoint covers nothing, and the receipts it gave one by one."""
    gateway = wireless(ledger=ledger_section(tmp_path, checkpoint_interval="1h"))
    receipts = {b"transaction %d" % n: submit(gateway, b"transaction %d" % n) for n in range(transactions)}
    gateway.process.kill()
    gateway.process.wait()
    return gateway, receipts, tmp_path / "log/journal/00000000"


@pytest.mark.parametrize("garbage", [b"x", b"SLBK" + b"\xff" * 100, os.urandom(3 * UNIT + 5), b"S" * 4000],
                         ids=["a byte", "the head of a record", "random bytes", "one byte again and again"])  # fmt: skip
def test_a_torn_tail_is_cut_said_and_verified(wireless, tmp_path, garbage):
    gateway, receipts, segment = killed_log(wireless, tmp_path)
    with open(segment, "r+b") as file:
        file.seek(6 * UNIT)
        file.write(garbage)
    gateway.start()
    gateway.await_line(f"byte {6 * UNIT}: cut off a torn tail of {len(garbage)} bytes")
    assert {payload: submit(gateway, payload) for payload in receipts} == receipts
    assert submit(gateway, b"new")["index"] == 6
    assert gateway.stop() == 0
    done = verify(tmp_path / "log")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("at", [0, 8, 100, 170])
def test_a_durable_record_that_is_damaged_is_refused_and_nothing_changed(wireless, tmp_path, at):
    gateway, _, segment = killed_log(wireless, tmp_path)
    with open(segment, "r+b") as file:
        file.seek(2 * UNIT + at)
        file.write(b"\xa5\x5a")
    before = files_of(tmp_path / "log")
    started = subprocess.run([SLUICED, "--config", gateway.file, "--state", gateway.state], capture_output=True, text=True, timeout=180)
    assert started.returncode == 1
    assert f"journal/00000000: byte {2 * UNIT}: the record of block 2 is damaged" in started.stderr
    assert files_of(tmp_path / "log") == before


@pytest.mark.parametrize("name", ["0", "blocks"])
def test_rotten_tiles_are_named_and_rebuilt(wireless, tmp_path, name):
    gateway = wireless(ledger=ledger_section(tmp_path))
    for number in range(300):
        submit(gateway, b"%d" % number)
    assert gateway.stop() == 0
    path = tmp_path / "log/tiles" / name
    whole = path.read_bytes()
    path.write_bytes(bytes([whole[0] ^ 1]) + whole[1:])
    assert f"tiles/{name}: byte 0" in verify(tmp_path / "log").stderr
    gateway.start()
    gateway.await_line("/tiles did not hold what the journal has from transaction 0 on")
    assert gateway.stop() == 0
    assert path.read_bytes() == whole
    assert verify(tmp_path / "log").returncode == 0


def test_removing_the_lock_lets_no_second_writer_in(wireless, tmp_path):
    section = ledger_section(tmp_path)
    first = wireless(ledger=section)
    pathlib.Path(tmp_path / "log/lock").unlink()
    with pytest.raises(RuntimeError, match=rf"left with 1:\n(.*\n)*.*held by process {first.process.pid}"):
        wireless(ledger=section)
    submit(first, b"goes on")
    first.process.kill()
    first.process.wait()
    wireless(ledger=section)
