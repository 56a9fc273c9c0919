"""A gateway and its log: how they begin and end, and what is refused at the start."""

import json
import os
import re
import shutil
import subprocess

import pytest

import tlog
from gateway import boot_section
from ledger_site import ORIGIN, ledger_section, submit
from namespaces import run
from processes import SLUICECTL, SLUICED, eventually


def test_a_new_log_serves_a_checkpoint_of_size_0(wireless, tmp_path):
    gateway = wireless(ledger=ledger_section(tmp_path))
    note = gateway.get("/ledger/checkpoint").stdout
    key = (tmp_path / "ledger.vkey").read_text()
    assert tlog.open_checkpoint(note, key) == tlog.Checkpoint(ORIGIN, 0, tlog.sha256(b""))


def test_one_writer_per_log_and_a_killed_one_blocks_nobody(wireless, tmp_path):
    section = ledger_section(tmp_path)
    first = wireless(ledger=section)
    with pytest.raises(RuntimeError, match=rf"left with 1:\n(.*\n)*.*held by process {first.process.pid}"):
        wireless(ledger=section)
    first.process.kill()
    first.process.wait()
    wireless(ledger=section)


def test_a_clean_stop_says_what_became_of_transactions(wireless, tmp_path):
    gateway = wireless(ledger=ledger_section(tmp_path))
    for payload in (b"a", b"b", b"a"):
        submit(gateway, payload)
    gateway.refusal("ledger.submit", profile="bitcoin", payload="YQ==")
    told = gateway.call("ledger.status")["transactions"]
    assert gateway.stop() == 0
    lines = [line for line in gateway.log.read_text().splitlines() if "ledger_totals" in line]
    assert len(lines) == 1
    totals = json.loads(lines[0].partition("ledger_totals=")[2])
    assert totals == told
    # What submit() asked again besides was dropped, or a repeat.
    again = totals.pop("received") - 4
    assert 1 <= totals.pop("duplicate") <= 1 + again and totals.pop("dropped_disk_full") <= again
    assert {name: count for name, count in totals.items() if count} == {"stored": 2, "refused_malformed": 1}
    restarted = gateway.start()
    assert restarted.call("ledger.status")["tree_size"] == 2
    assert submit(restarted, b"b")["index"] == 1


def test_a_gateway_without_a_ledger_says_so(wireless):
    gateway = wireless()
    for method in ("ledger.status", "ledger.checkpoint"):
        assert gateway.refusal(method).data["kind"] == "not_found"
    assert gateway.ctl("ledger", "status").returncode == 1
    assert "ledger" not in gateway.get("/metrics").stdout
    assert "not found" in gateway.get("/ledger/checkpoint").stdout


def test_keygen_makes_a_key_once(tmp_path):
    key = tmp_path / "key"
    made = run(SLUICECTL, "ledger", "keygen", "--name", "log.example", "--out", key)
    assert re.fullmatch(r"log\.example\+[0-9a-f]{8}\+\S+\n", made.stdout)
    assert key.stat().st_mode & 0o777 == 0o600
    before = key.read_text()
    again = run(SLUICECTL, "ledger", "keygen", "--name", "log.example", "--out", key, check=False)
    assert (again.returncode, again.stdout, key.read_text()) == (1, "", before)


@pytest.mark.parametrize("mode,origin,words", [(0o640, ORIGIN, "chmod 600"), (0o600, "other", "named")])
def test_a_bad_key_is_refused_at_the_start(wireless, tmp_path, mode, origin, words):
    section = {**ledger_section(tmp_path), "origin": origin}
    (tmp_path / "ledger.key").chmod(mode)
    with pytest.raises(RuntimeError, match=words):
        wireless(ledger=section)


def test_a_change_of_the_ledger_needs_a_restart(wireless, tmp_path):
    gateway = wireless(ledger=ledger_section(tmp_path))
    gateway.config["ledger"]["seal"] = {"transactions": 7}
    changed = gateway.ctl("config", "diff", gateway.write(), output="json")
    assert changed.returncode == 8 and json.loads(changed.stdout)["needs_restart"]
    assert gateway.ctl("config", "apply", gateway.file).returncode == 1


def test_a_log_that_lost_what_its_checkpoint_covers_is_refused(wireless, tmp_path):
    gateway = wireless(ledger=ledger_section(tmp_path))
    submit(gateway, b"a")
    eventually(lambda: gateway.call("ledger.status")["checkpoint_size"], "a checkpoint that covers it")
    gateway.stop()
    for segment in (tmp_path / "log" / "journal").iterdir():
        os.truncate(segment, 0)
    started = subprocess.run([SLUICED, "--config", gateway.file, "--state", gateway.state], capture_output=True, text=True, timeout=180)
    assert started.returncode == 1 and "checkpoint" in started.stderr


def test_hash_workers_of_their_own_are_seen(wireless, tmp_path):
    cpu = min(os.sched_getaffinity(0))
    section = boot_section(tmp_path.name, hash_workers=[cpu, cpu])
    gateway = wireless(gateway=section, ledger=ledger_section(tmp_path))
    workers = gateway.call("system.info")["workers"]
    assert [(worker["index"], worker["role"]) for worker in workers] == [
        (0, "worker"), (1, "hash_worker"), (2, "hash_worker")
    ]  # fmt: skip
    metrics = gateway.metrics()
    for index in range(3):
        assert 0 <= metrics[f'sluice_worker_busy_ratio{{worker="{index}"}}'] <= 1
    assert metrics['sluice_ring_full_total{ring="worker-0"}'] == 0
    assert metrics["sluice_ledger_answers_lost_total"] == 0


def tree_of(directory):
    """Every file and folder of the log with its bytes; the lock aside, which a start that is refused may write."""
    return {
        path.relative_to(directory): path.read_bytes() if path.is_file() else None
        for path in directory.rglob("*")
        if path.name != "lock"
    }


def flip(path, at):
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def remove(log, *names):
    for name in names:
        shutil.rmtree(log / name) if (log / name).is_dir() else (log / name).unlink()


def new_key(work, log):
    (work / "ledger.key").unlink()
    ledger_section(work)


def damaged(*names):
    return lambda work, log: remove(log, *names)


SEGMENT = "journal/00000000"
REFUSED_STARTS = {
    "another-key": (new_key, "begun with another key"),
    "another-key-and-no-vkey": (lambda work, log: (new_key(work, log), remove(log, "vkey")), "checkpoint"),
    "no-checkpoint": (damaged("checkpoint"), "checkpoint is missing"),
    "no-journal": (damaged("journal"), "its journal is gone"),
    "no-journal-no-checkpoint": (damaged("journal", "checkpoint"), "a new key"),
    "vkey-alone": (damaged("journal", "checkpoint", "tiles"), "a new key"),
    "tiles-alone": (damaged("journal", "checkpoint", "vkey"), "a new key"),
    "no-segment": (damaged(SEGMENT), "its journal is gone"),
    "empty-segment": (lambda work, log: os.truncate(log / SEGMENT, 0), "checkpoint covers"),
    "early-payload": (lambda work, log: flip(log / SEGMENT, 170), "journal"),
    "early-payload-and-no-tiles": (
        lambda work, log: (flip(log / SEGMENT, 170), remove(log, "tiles")), "journal"),
    "checkpoint-signature": (lambda work, log: flip(log / "checkpoint", -10), "checkpoint"),
    "checkpoint-size": (lambda work, log: flip(log / "checkpoint", len(ORIGIN) + 1), "checkpoint"),
    "foreign-file": (lambda work, log: (log / "journal" / "notes.txt").write_text("x"), "notes.txt"),
    "tiles-are-a-file": (
        lambda work, log: (remove(log, "tiles"), (log / "tiles").write_text("x")), "tiles"),
}  # fmt: skip


@pytest.mark.parametrize("damage,words", REFUSED_STARTS.values(), ids=REFUSED_STARTS)
def test_a_start_that_is_refused_changes_no_byte_but_the_lock(wireless, tmp_path, damage, words):
    gateway = wireless(ledger=ledger_section(tmp_path))
    log = tmp_path / "log"
    for payload in (b"a", b"b", b"c"):
        submit(gateway, payload)
    eventually(lambda: gateway.call("ledger.status")["checkpoint_size"] == 3, "a checkpoint of all")
    gateway.process.kill()  # the room that was reserved stays, which a start that goes on cuts off
    gateway.process.wait()
    damage(tmp_path, log)
    before = tree_of(log)
    started = subprocess.run([SLUICED, "--config", gateway.file, "--state", gateway.state], capture_output=True, text=True, timeout=180)
    assert started.returncode == 1 and words in started.stderr, started.stderr
    assert tree_of(log) == before


def test_to_begin_anew_takes_an_empty_directory_and_a_new_key(wireless, tmp_path):
    gateway = wireless(ledger=ledger_section(tmp_path))
    first = (tmp_path / "log" / "vkey").read_text()
    gateway.stop()
    shutil.rmtree(tmp_path / "log")
    new_key(tmp_path, tmp_path / "log")
    gateway.start()
    assert gateway.call("ledger.status")["tree_size"] == 0
    assert (tmp_path / "log" / "vkey").read_text() == (tmp_path / "ledger.vkey").read_text() != first
