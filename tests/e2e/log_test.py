"""The log: one that nobody reads, levels of components, repeats, and journald."""

import concurrent.futures
import fcntl
import json
import os
import re
import socket

import pytest

from control import Control, Refused
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
        self.process = spawn(SLUICED, "--config", self.file, "--state", self.state, *arguments, stderr=writer)
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
    with Control(gateway.socket) as control:
        for number in range(lines):
            with pytest.raises(Refused):
                control.call("config.rollback", generation=10**6 + number)
    return lines


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


def lines_with(gateway, words, after=0):
    return [line for line in gateway.log.read_text()[after:].splitlines() if words in line]


def test_a_component_tells_more_at_run_time_and_less_again(wireless):
    gateway = wireless(log={"level": "info", "format": "json"})
    levels = {each["component"]: each["level"] for each in gateway.ctl_json("log", "list")}
    assert levels["control"] == levels["source"] == "info"
    assert gateway.ctl_json("log", "set", "control", "debug") == {"component": "control", "level": "debug"}
    gateway.call("neighbor.list")
    line = json.loads(gateway.await_line("neighbor.list is asked by"))
    assert (line["level"], line["component"]) == ("debug", "control")
    gateway.call("log.set", component="control", level="warning")
    gateway.await_line("log.set is asked by")
    end = len(gateway.log.read_text())
    gateway.call("neighbor.list")
    gateway.refusal("config.rollback", generation=10**6)
    gateway.await_line("is not remembered", after=end)
    assert not lines_with(gateway, "is asked by", end)
    assert gateway.refusal("log.set", component="nonsense", level="info").data["kind"] == "invalid_params"


def test_the_configuration_has_the_last_word_on_levels(wireless):
    gateway = wireless(log={"level": "info", "levels": {"control": "debug"}})
    gateway.await_line("debug: system.info is asked by")
    config = gateway.call("config.get")["config"]
    assert config["log"]["levels"] == {"control": "debug"}
    gateway.call("config.apply", config={**config, "log": {"level": "error"}})
    eventually(lambda: {each["level"] for each in gateway.call("log.list")} == {"error"}, "the levels are the new ones")
    fault = gateway.refusal("config.apply", config={**config, "log": {"levels": {"nobody": "info"}}})
    assert "/log/levels/nobody" in str(fault.data["faults"])


def test_the_log_changes_while_others_write_to_it(wireless):
    gateway = wireless()
    config = gateway.call("config.get")["config"]
    with concurrent.futures.ThreadPoolExecutor(3) as others:
        writing = [others.submit(log_much, gateway, 200) for _ in range(3)]
        for number in range(40):
            gateway.call("config.apply", config={**config, "log": {"format": "json" if number % 2 else "text"}})
        assert [each.result() for each in writing] == [200] * 3
    assert gateway.stop() == 0


def test_a_line_that_comes_again_and_again_is_counted(wireless):
    gateway = wireless(log={"levels": {"control": "debug"}})
    gateway.await_line("debug: system.info is asked by")
    for _ in range(30):
        gateway.call("neighbor.list")
    assert gateway.metrics()["sluice_log_repeats_total"] >= 25
    assert gateway.stop() == 0
    told = lines_with(gateway, "neighbor.list is asked by")
    assert len(told) == 6 and "debug: 25 more lines like this one were left out: neighbor.list" in told[-1]


@pytest.fixture
def journal(tmp_path, monkeypatch):
    """A gateway whose stderr is journald's, by what systemd tells it, and the socket of that journald."""
    path = tmp_path / "journal"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(path))
        listener.settimeout(30)
        gateway = Gateway(tmp_path / "gateway", wireless_configuration("journal"))
        gateway.log.touch()
        status = gateway.log.stat()
        monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino}")
        inside = ("mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/journal && touch /run/systemd/journal/socket && "
                  f"mount --bind {path} /run/systemd/journal/socket && exec \"$@\"")  # fmt: skip
        gateway.command = ["unshare", "--mount", "sh", "-c", inside, "sh", SLUICED]
        yield gateway, listener
        gateway.stop()


def entries_until(listener, words):
    """Entries of the journal up to one whose message has these words."""
    entries = []
    while not entries or words not in entries[-1]["MESSAGE"]:
        lines = listener.recv(1 << 20).decode().rstrip("\n").split("\n")
        entries.append(dict(line.split("=", 1) for line in lines))
    return entries


def test_journald_gets_fields(journal):
    gateway, listener = journal
    gateway.start()
    first = entries_until(listener, "runs journal with generation 1")[-1]
    assert first["PRIORITY"] == "6" and first["SYSLOG_IDENTIFIER"] == "sluiced" and first["SLUICE_COMPONENT"] == "daemon"
    assert first["CODE_FILE"].endswith("ctrl/daemon/daemon.cpp") and first["CODE_LINE"].isdigit()
    assert first["MESSAGE"].startswith("sluiced ")
    gateway.refusal("config.rollback", generation=7)
    refused = entries_until(listener, "is not remembered")[-1]
    assert refused["PRIORITY"] == "4" and refused["SLUICE_COMPONENT"] == "control"
    assert gateway.stop() == 0
    assert "stopped: received=" in entries_until(listener, "stopped:")[-1]["MESSAGE"]
    assert not gateway.log.read_text()
