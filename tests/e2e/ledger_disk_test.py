"""Disks that fail and disks that hang. The fault is injected where the gateway calls libc for a sync."""

import contextlib
import os
import subprocess
import time

import pytest

import coap
from ledger_site import WIRE4, LedgerSite
from processes import eventually

# What the gateway asks of its disk fails, or does not return, while the file FAULT says so: every fdatasync(),
# writes, or the rename that releases a checkpoint.
_SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int fault(void) {
  FILE* file = fopen(getenv("FAULT"), "r");
  int word = file ? fgetc(file) : EOF;
  if (file) fclose(file);
  return word;
}

static void hang(int word) {
  while (fault() == word) usleep(10000);
}

int fdatasync(int file) {
  hang('h');
  if (fault() == 'f') {
    errno = EIO;
    return -1;
  }
  return ((int (*)(int))dlsym(RTLD_NEXT, "fdatasync"))(file);
}

ssize_t pwrite(int file, const void* bytes, size_t size, off_t offset) {
  hang('w');
  return ((ssize_t (*)(int, const void*, size_t, off_t))dlsym(RTLD_NEXT, "pwrite"))(file, bytes, size, offset);
}
ssize_t pwrite64(int file, const void* bytes, size_t size, off_t offset) { return pwrite(file, bytes, size, offset); }

int rename(const char* from, const char* to) {
  hang('r');
  return ((int (*)(const char*, const char*))dlsym(RTLD_NEXT, "rename"))(from, to);
}
"""


STALLED = "disk does not answer: transactions are refused"


@pytest.fixture
def fault(tmp_path, monkeypatch):
    """The file that says what is wrong with the disk of the gateways that this test starts."""
    (tmp_path / "site").mkdir()
    (tmp_path / "shim.c").write_text(_SHIM)
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", tmp_path / "shim.so", tmp_path / "shim.c", "-ldl"],
                   check=True)  # fmt: skip
    monkeypatch.setenv("FAULT", str(tmp_path / "fault"))
    monkeypatch.setenv("LD_PRELOAD", str(tmp_path / "shim.so"))
    return tmp_path / "fault"


def unanswered(site, payload):
    """Sends a transaction, and asserts that nobody promises anything. Who hears nothing for two seconds, as on a
    machine that stalls, may be told that the disk does not answer."""
    with site.socket() as sock, contextlib.suppress(TimeoutError, ConnectionError):
        sock.settimeout(1)
        sent = time.monotonic()
        sock.send(b"\x40\x02\x12\x34\xb2tx\xff" + payload)
        answer = coap.decode(sock.recv(2048))
        assert answer.text == "5.03" and time.monotonic() - sent >= 2, answer


def assert_promises_hold(site, fault, before):
    """After a restart on a sound disk: what was acknowledged is there, and the log is whole."""
    fault.unlink()
    site.gateway.start()
    assert site.store(b"before") == before
    assert site.store(b"during").index > before.index
    assert site.gateway.stop() == 0
    assert site.verify().returncode == 0, site.verify().stderr


def test_a_failed_sync_ends_acknowledging_and_the_gateway(tmp_path, fault):
    with LedgerSite(tmp_path / "site") as site:
        before = site.store(b"before")
        fault.write_text("fail")
        unanswered(site, b"during")
        assert site.gateway.process.wait(60) > 0
        assert "the ledger has failed: cannot " in site.gateway.tail()
        assert "Input/output error" in site.gateway.tail()
        assert_promises_hold(site, fault, before)


def test_a_disk_that_hangs_keeps_nobody_from_stopping(tmp_path, fault):
    with LedgerSite(tmp_path / "site") as site:
        before = site.store(b"before")
        fault.write_text("hang")
        unanswered(site, b"during")
        asked = site.asked_again + 2
        eventually(lambda: site.gateway.call("ledger.status")["transactions"]["received"] == asked, "it is received")
        assert site.gateway.call("ledger.status")["tree_size"] == before.tree_size, "the gateway still answers"
        assert site.gateway.stop() == 1
        assert "the ledger's disk does not answer" in site.gateway.tail()
        assert_promises_hold(site, fault, before)


def ready(site):
    """The status and the text of /readyz."""
    url = f"http://{site.gateway.config['http']['listen']}/readyz"
    done = site.gateway.namespace.run("curl", "-sS", "-m", "60", "-w", "\n%{http_code}", url)
    text, _, status = done.stdout.rpartition("\n")
    return int(status), text


def times_said(site, words):
    """How often the log has these words."""
    return site.gateway.log.read_text().count(words)


def assert_refused(answer):
    assert answer.text == "5.03", answer
    assert 1 <= int.from_bytes(answer.option(coap.MAX_AGE), "big") <= 60


@pytest.mark.parametrize("what", ["hang", "write", "rename"], ids=["syncs", "writes", "checkpoints"])
@pytest.mark.parametrize("kind", [coap.CON, coap.NON], ids=["confirmable", "non-confirmable"])
def test_a_disk_that_hangs_is_said_until_it_answers(tmp_path, fault, what, kind):
    with LedgerSite(tmp_path / "site") as site:
        before = site.store(b"before")
        site.checkpoint(1)
        assert ready(site)[0] == 200
        fault.write_text(what)
        with site.socket() as sock:
            first = coap.Message(kind, coap.POST, coap.fresh_id(), b"one", coap.TX, b"during")
            answer = coap.exchange(sock, first)
        if what != "rename":  # a receipt does not wait for the checkpoint
            assert_refused(answer)
        eventually(lambda: ready(site)[0] == 503, "not ready")
        assert "does not answer" in ready(site)[1]
        for _ in range(3):
            assert_refused(site.post(os.urandom(20)))
        assert site.store(b"before") == before, "what is durable has its receipt"
        assert site.gateway.metrics()["sluice_ledger_stalled"] == 1
        assert site.gateway.call("ledger.status")["disk_stalled"]
        refused = site.gateway.refusal("ledger.submit", profile="opaque", payload="AAAA")
        assert "dropped_disk_full" in refused.message
        site.client.run("ping", "-c", "1", "-W", "10", WIRE4 + "1")  # balancing goes on
        site.gateway.await_line(STALLED)
        assert times_said(site, "disk answers again") == times_said(site, STALLED) - 1
        fault.unlink()
        eventually(lambda: ready(site)[0] == 200, "ready again")
        again = site.store(b"during")
        assert again.index == before.index + 1, "what was under way is in the log"
        site.store(os.urandom(20))
        site.checkpoint(again.tree_size)
        eventually(lambda: site.gateway.metrics()["sluice_ledger_stalled"] == 0, "it is told")
        eventually(lambda: times_said(site, "disk answers again") == times_said(site, STALLED), "each is said once")
        totals = site.settled_totals()
        assert totals["stored"] == 3 and 2 <= totals["duplicate"] <= 2 + site.asked_again
        assert site.gateway.stop() == 0
        assert site.verify().returncode == 0, site.verify().stderr


def test_where_a_failure_is_to_be_refused_balancing_goes_on(tmp_path, fault):
    with LedgerSite(tmp_path / "site", on_failure="refuse") as site:
        before = site.store(b"before")
        fault.write_text("fail")
        assert_refused(site.post(b"during"))
        eventually(lambda: site.gateway.call("ledger.status")["failure"], "it has failed")
        fault.unlink()  # the disk is well again, and nobody knows what it holds
        for _ in range(3):
            assert_refused(site.post(os.urandom(20)))
        status, text = ready(site)
        # The journal's thread or the checkpoint's meets the fault first.
        assert status == 503 and "the ledger has failed: cannot" in text and "Input/output error" in text
        site.gateway.await_line("balancing goes on")
        assert times_said(site, "balancing goes on") == 1
        assert "Input/output error" in site.gateway.call("ledger.status")["failure"]
        site.client.run("ping", "-c", "1", "-W", "10", WIRE4 + "1")
        assert site.gateway.process.poll() is None
        assert 4 <= site.settled_totals()["dropped_disk_full"] <= 4 + site.asked_again
        assert site.gateway.stop() == 1
        site.gateway.start()
        assert ready(site)[0] == 200
        assert site.store(b"before") == before
        assert site.store(b"during").index > before.index
        assert site.gateway.stop() == 0
        assert site.verify().returncode == 0, site.verify().stderr
