"""A log that nobody reads: stderr is a pipe that is full."""

import fcntl
import os
import re

import pytest

from gateway import Gateway
from processes import SLUICED, eventually, spawn
from wireless import wireless_configuration

F_SETPIPE_SZ = 1031  # fcntl.F_SETPIPE_SZ, which Python 3.9 does not name
PIPE_BYTES = 4096


class UnreadGateway(Gateway):
    """One whose stderr is a pipe of one page that only the test reads."""

    def start(self, *arguments, seconds=30):
        self.write()
        self.reader, writer = os.pipe()
        fcntl.fcntl(writer, F_SETPIPE_SZ, PIPE_BYTES)
        self.process = spawn(SLUICED, "--config", self.file, *arguments, stderr=writer)
        os.close(writer)
        eventually(self._answers, "sluiced answers on its control socket", seconds)
        return self

    def tail(self, lines=20):
        return ""

    def read_all(self):
        """What comes until the pipe's other end is closed."""
        pieces = []
        while piece := os.read(self.reader, 65536):
            pieces.append(piece)
        return b"".join(pieces).decode()


@pytest.fixture
def unread(tmp_path):
    gateway = UnreadGateway(tmp_path, wireless_configuration("unread")).start()
    yield gateway
    gateway.stop()
    os.close(gateway.reader)


def log_much(gateway, lines):
    """Makes the gateway log: each refused request of a changing method is a line of some 100 bytes."""
    refused = 0
    for number in range(lines):
        gateway.refusal("config.rollback", generation=10**6 + number)
        refused += 1
    return refused


def test_a_full_stderr_holds_up_neither_control_nor_health_nor_the_end(unread):
    log_much(unread, 3 * PIPE_BYTES // 60)
    assert unread.call("system.info")["generation"] == 1
    assert unread.get("/healthz").stdout == "ok\n"
    unread.process.terminate()
    assert unread.process.wait(30) == 0


def test_lines_that_are_lost_are_counted_and_said(unread):
    refused = log_much(unread, 10_000)
    lost = unread.metrics()["sluice_log_lost_total"]
    assert 0 < lost < refused
    unread.process.terminate()
    text = unread.read_all()
    assert unread.process.wait(30) == 0
    said = int(re.search(r"warning: (\d+) log lines before this one were lost", text).group(1))
    assert said >= lost
    assert said + text.count("is not remembered") == refused
    assert f"generation {10**6 + refused - 1} is not remembered" in text, "the newest line is there"
    assert "SIGTERM: stopping" in text and "stopped: received=" in text, "and so are the last ones"


def test_a_start_that_fails_says_why_though_the_log_waits(tmp_path):
    config = wireless_configuration("failing")
    config["ports"][0]["device"] = "net_nonsense0"
    gateway = UnreadGateway(tmp_path, config)
    with pytest.raises(RuntimeError):
        gateway.start()
    assert "sluiced: " in gateway.read_all()
    os.close(gateway.reader)
