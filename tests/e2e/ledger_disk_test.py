"""Disks that fail and disks that hang. The fault is injected where the gateway calls libc for a sync."""

import contextlib
import subprocess

import pytest

from ledger_site import LedgerSite

# fdatasync() of the gateway: fails, or does not return, while the file FAULT says so.
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

int fdatasync(int file) {
  while (fault() == 'h') usleep(10000);
  if (fault() == 'f') {
    errno = EIO;
    return -1;
  }
  return ((int (*)(int))dlsym(RTLD_NEXT, "fdatasync"))(file);
}
"""


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
    """Sends a transaction, and asserts that nobody promises anything."""
    with site.socket() as sock, contextlib.suppress(TimeoutError, ConnectionError):
        sock.settimeout(1)
        sock.send(b"\x40\x02\x12\x34\xb2tx\xff" + payload)
        raise AssertionError(f"answered with {sock.recv(2048)!r}")


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
        assert site.gateway.process.wait(10) > 0
        assert "the ledger has failed: cannot " in site.gateway.tail()
        assert "Input/output error" in site.gateway.tail()
        assert_promises_hold(site, fault, before)


def test_a_disk_that_hangs_keeps_nobody_from_stopping(tmp_path, fault):
    with LedgerSite(tmp_path / "site") as site:
        before = site.store(b"before")
        fault.write_text("hang")
        unanswered(site, b"during")
        assert site.gateway.call("ledger.status")["tree_size"] == before.tree_size, "the gateway still answers"
        assert site.gateway.stop(seconds=30) == 1
        assert "the ledger's disk does not answer" in site.gateway.tail()
        assert_promises_hold(site, fault, before)
